/* SPDX-License-Identifier: Apache-2.0
 *
 * [http]: where the daemon tells how it is.
 */
#include <inttypes.h>
#include <sys/resource.h>

#include "config/private.h"

/* The daemon takes as many as the system lets it have. */
static void check_descriptors(struct fl_loader *l, const struct fl_section *section)
{
	const struct fl_setting *setting = fl_loader_setting(section, "max_connections");
	unsigned const wanted = l->config->http.max_connections;
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max == RLIM_INFINITY ||
		wanted + FL_OTHER_DESCRIPTORS <= limit.rlim_max)
		return;
	uintmax_t const most = limit.rlim_max;
	PROBLEM(l, setting != NULL ? setting->line : section->line,
		"[http] max_connections = %u: the system allows this process %" PRIuMAX
		" descriptors, of which %" PRIuMAX
		" may be connections: raise its limit (ulimit -Hn, LimitNOFILE= of a unit)",
		wanted, most, most > FL_OTHER_DESCRIPTORS ? most - FL_OTHER_DESCRIPTORS : 0);
}

void fl_loader_http(struct fl_loader *l)
{
	const struct fl_option *keys = fl_config_keys("http");
	const struct fl_section *section = fl_loader_section(l, "http");
	struct fl_http_config *http = &l->config->http;
	struct fl_listen listen = { .is_local = true };
	struct fl_err err;
	struct fl_options *options = fl_options_create_for("http", keys);
	l->memory->http = options;
	if (section != NULL)
		fl_loader_set_all(l, section, keys, options);
	l->problems.no_memory |= options == NULL;
	if (options == NULL)
		return;
	const struct fl_settings *s = fl_options_settings(options);
	*http = (struct fl_http_config){
		.listen = s->text(s->ctx, "listen"),
		.allow_remote = s->integer(s->ctx, "allow_remote") != 0,
		.max_connections = (unsigned)s->integer(s->ctx, "max_connections"),
		.timeout = (unsigned)s->integer(s->ctx, "timeout"),
		.max_lag = (unsigned)s->integer(s->ctx, "max_lag"),
	};
	if (section == NULL)
		return;
	check_descriptors(l, section);
	const struct fl_setting *setting = fl_loader_setting(section, "listen");
	http->line = setting != NULL ? setting->line : section->line;
	if (setting == NULL)
		WARNING(l, section->line,
			"[http] has no effect without listen, such as 127.0.0.1:9306");
	else if (http->listen != NULL && fl_listen_parse(http->listen, &listen, &err) == 0 &&
		 !listen.is_local && !http->allow_remote)
		PROBLEM(l, setting->line,
			"[http] listen = %s: other machines can reach it, and nothing that is told "
			"there "
			"needs a password: set allow_remote = yes if that is meant, or listen at "
			"127.0.0.1, [::1] or unix:PATH",
			http->listen);
}
