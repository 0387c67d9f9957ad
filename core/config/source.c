/* SPDX-License-Identifier: Apache-2.0
 *
 * [source]: how to reach the servers.
 */
#include "config/private.h"

enum { MOST_HOSTS = 32 };

/* Takes one of the names, HOST[:PORT], off the list. `ret_size`: of the host's name. 1; 0 at the
 * end of the list; FL_EINVAL. */
static int take_host(
	const char **list, struct fl_bytes *ret, unsigned *ret_port, struct fl_err *err)
{
	const char *at = *list;
	at += strspn(at, " \t");
	if (*at == '\0')
		return 0;
	size_t size = strcspn(at, ",");
	*list = at + size + (at[size] == ',');
	while (size > 0 && (at[size - 1] == ' ' || at[size - 1] == '\t'))
		size--;
	struct fl_bytes const whole = { at, size };
	bool const bracketed = size > 0 && at[0] == '[';
	const char *end = memchr(at, bracketed ? ']' : ':', size);
	struct fl_bytes name = { at, end != NULL ? (size_t)(end - at) : size };
	if (bracketed) {
		name = (struct fl_bytes){ at + 1, end != NULL ? (size_t)(end - at) - 1 : 0 };
		end = end != NULL ? end + 1 : at;
		end = end == at + size ? NULL : end;
	}
	unsigned port = 3306;
	if (end != NULL) {
		struct fl_bytes const digits = { end + 1, (size_t)(at + size - end) - 1 };
		port = 0;
		for (size_t i = 0; i < digits.size && port <= 65535; i++)
			port = digits.data[i] >= '0' && digits.data[i] <= '9'
				       ? port * 10 + (unsigned)(digits.data[i] - '0')
				       : 65536;
		if (*end != ':')
			port = 0;
	}
	bool is_good = name.size > 0 && port >= 1 && port <= 65535;
	for (size_t i = 0; i < name.size; i++)
		is_good = is_good && (unsigned char)name.data[i] > ' ' && name.data[i] != '[' &&
			  name.data[i] != ']' && name.data[i] != '/';
	if (!is_good)
		return fl_err_set(err, FL_EINVAL,
			"must be HOST or HOST:PORT, separated by commas, an IPv6 address in "
			"brackets: \"%.*s\" is neither",
			(int)whole.size, whole.data);
	*ret = name;
	*ret_port = port;
	return 1;
}

/* Fills `hosts`, which has room for MOST_HOSTS; the texts live in the arena. With `arena` NULL it
 * only checks. Returns how many, FL_EINVAL or FL_ENOMEM. */
static int parse_hosts(
	const char *text, struct fl_arena *arena, struct fl_source_host *hosts, struct fl_err *err)
{
	struct fl_bytes names[MOST_HOSTS];
	unsigned ports[MOST_HOSTS];
	unsigned count = 0;
	for (int result = 1; result == 1;) {
		struct fl_bytes name;
		unsigned port = 0;
		result = take_host(&text, &name, &port, err);
		if (result < 0)
			return result;
		if (result == 0)
			break;
		if (count == MOST_HOSTS)
			return fl_err_set(err, FL_EINVAL, "must be %d hosts at most", MOST_HOSTS);
		for (unsigned i = 0; i < count; i++)
			if (ports[i] == port && names[i].size == name.size &&
				strncasecmp(names[i].data, name.data, name.size) == 0)
				return fl_err_set(err, FL_EINVAL,
					"must name each host once: %.*s:%u is there twice",
					(int)name.size, name.data, port);
		names[count] = name;
		ports[count++] = port;
	}
	if (count == 0)
		return fl_err_set(err, FL_EINVAL, "must name a host");
	for (unsigned i = 0; i < count && arena != NULL; i++) {
		size_t const room = names[i].size + sizeof("[]:65535");
		char *host = fl_arena_alloc(arena, names[i].size + 1);
		char *shown = fl_arena_alloc(arena, room);
		if (host == NULL || shown == NULL)
			return FL_ENOMEM;
		memcpy(host, names[i].data, names[i].size);
		host[names[i].size] = '\0';
		bool const is_v6 = strchr(host, ':') != NULL;
		snprintf(shown, room, "%s%s%s:%u", is_v6 ? "[" : "", host, is_v6 ? "]" : "",
			ports[i]);
		hosts[i] = (struct fl_source_host){ .name = shown, .host = host, .port = ports[i] };
	}
	return (int)count;
}

bool fl_config_hosts_check(const char *text, struct fl_err *err)
{
	return parse_hosts(text, NULL, NULL, err) > 0;
}

/* The hosts of the section, one or several. 0 or FL_ENOMEM; what is wrong has been told. */
static int load_hosts(struct fl_loader *l, const struct fl_settings *s)
{
	struct fl_source_config *source = &l->config->source;
	struct fl_arena *arena = &l->memory->arena;
	const char *list = s->text(s->ctx, "hosts");
	const char *host = s->text(s->ctx, "host"), *socket = s->text(s->ctx, "socket");
	unsigned const port = (unsigned)s->integer(s->ctx, "port");
	struct fl_source_host *hosts = fl_arena_alloc(arena, MOST_HOSTS * sizeof(*hosts));
	if (hosts == NULL)
		return FL_ENOMEM;
	int count = 1;
	if (list != NULL) {
		count = parse_hosts(list, arena, hosts, NULL);
	} else {
		size_t const room = strlen(host) + sizeof(":65535");
		char *shown = fl_arena_alloc(arena, room);
		if (shown == NULL)
			return FL_ENOMEM;
		snprintf(shown, room, "%s:%u", host, port);
		hosts[0] = (struct fl_source_host){ .name = socket != NULL ? socket : shown,
			.host = host,
			.port = port,
			.socket = socket };
	}
	source->hosts = hosts;
	source->host_count = count > 0 ? (unsigned)count : 0;
	return count == FL_ENOMEM ? FL_ENOMEM : 0;
}

static void check_tls(struct fl_loader *l, const struct fl_section *section, bool tls)
{
	static const char *const names[] = { "tls_ca", "tls_cert", "tls_key" };
	const struct fl_setting *found[3];
	for (size_t i = 0; i < 3; i++) {
		found[i] = fl_loader_setting(section, names[i]);
		if (found[i] != NULL && !tls)
			WARNING(l, found[i]->line, "[source] %s has no effect without tls = yes",
				names[i]);
	}
	for (size_t i = 1; i < 3; i++)
		if (found[i] != NULL && found[3 - i] == NULL)
			PROBLEM(l, found[i]->line, "[source] %s goes with %s, which is not set",
				names[i], names[3 - i]);
}

void fl_loader_source(struct fl_loader *l)
{
	const struct fl_option *keys = fl_config_keys("source");
	const struct fl_section *section = fl_loader_section(l, "source");
	if (section == NULL && !l->for_files) {
		PROBLEM(l, 1, "there is no [source] section: user and server_id are required");
		return;
	}
	struct fl_options *options = fl_options_create_for("source", keys);
	l->memory->source = options;
	if (section == NULL) {
		l->problems.no_memory |= options == NULL;
		return;
	}
	fl_loader_set_all(l, section, keys, options);
	if (options == NULL)
		return;

	const struct fl_setting *host = fl_loader_setting(section, "host");
	const struct fl_setting *socket = fl_loader_setting(section, "socket");
	const struct fl_setting *hosts = fl_loader_setting(section, "hosts");
	const struct fl_setting *port = fl_loader_setting(section, "port");
	const struct fl_setting *password = fl_loader_setting(section, "password");
	const struct fl_setting *file = fl_loader_setting(section, "password_file");
	if (host != NULL && socket != NULL)
		PROBLEM(l, socket->line,
			"[source] socket: host is set as well, in line %u; only one of them is "
			"allowed",
			host->line);
	const struct fl_setting *const single[] = { host, port, socket };
	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
		if (hosts != NULL && single[i] != NULL)
			PROBLEM(l, single[i]->line,
				"[source] %s: hosts is set as well, in line %u; %s is for one "
				"server alone%s",
				single[i]->key, hosts->line, single[i]->key,
				single[i] == port ? ": in hosts, write HOST:PORT" : "");
	if (password != NULL && file != NULL)
		PROBLEM(l, file->line,
			"[source] password_file: password is set as well, in line %u; only one of "
			"them is allowed",
			password->line);
	const struct fl_settings *s = fl_options_settings(options);
	bool tls = s->integer(s->ctx, "tls") != 0;
	check_tls(l, section, tls);

	const char *secret = s->text(s->ctx, "password");
	if (secret == NULL)
		secret = s->text(s->ctx, "password_file");
	l->config->source = (struct fl_source_config){
		.user = s->text(s->ctx, "user"),
		.password = secret != NULL ? secret : "",
		.server_id = (uint32_t)s->integer(s->ctx, "server_id"),
		.on_purged_current = strcmp(s->text(s->ctx, "on_purged"), "current") == 0,
		.start = s->text(s->ctx, "start"),
		.heartbeat = (unsigned)s->integer(s->ctx, "heartbeat"),
		.catch_up_timeout = (unsigned)s->integer(s->ctx, "catch_up_timeout"),
		.connect_timeout = (unsigned)s->integer(s->ctx, "connect_timeout"),
		.tls = tls,
		.tls_ca = s->text(s->ctx, "tls_ca"),
		.tls_cert = s->text(s->ctx, "tls_cert"),
		.tls_key = s->text(s->ctx, "tls_key"),
		.geojson = strcmp(s->text(s->ctx, "geometry"), "geojson") == 0,
	};
	l->problems.no_memory |= load_hosts(l, s) == FL_ENOMEM;
	l->config->on_doubt = strcmp(s->text(s->ctx, "on_doubt"), "halt") == 0 ? FL_ON_DOUBT_HALT
									       : FL_ON_DOUBT_DELETE;
	const struct fl_setting *on_purged = fl_loader_setting(section, "on_purged");
	if (l->config->source.on_purged_current && l->config->on_doubt == FL_ON_DOUBT_HALT)
		WARNING(l, on_purged->line,
			"[source] on_purged = current clears all keys as a doubt does: with "
			"on_doubt = "
			"halt the sinks halt instead");
}
