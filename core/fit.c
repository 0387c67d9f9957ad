/* SPDX-License-Identifier: Apache-2.0 */
#include "fit.h"

#include <uv.h>

#include "base/log.h"
#include "explain/explain.h"

enum { MOST_S = 10 };

struct check {
	const struct fl_fit *fit;
	uint64_t until;
};

static void report(void *ctx, bool fatal, const char *line)
{
	const struct check *c = ctx;
	if (c->fit->stopped(c->fit->ctx))
		return;
	if (fatal && (c->fit->halt || c->fit->replaces))
		fl_error(NULL, "%s", line);
	else
		fl_warn(NULL, "%s", line);
}

static bool stopped(void *ctx)
{
	const struct check *c = ctx;
	return uv_hrtime() > c->until || c->fit->stopped(c->fit->ctx);
}

const char *fl_fit_check(const struct fl_fit *fit, unsigned host)
{
	struct check c = { fit, uv_hrtime() + (uint64_t)MOST_S * 1000000000 };
	if (fit->path == NULL || fit->config->rule_count == 0)
		return NULL;
	int const problems =
		fl_explain_check(fit->config, fit->path, (int)host, NULL, report, stopped, &c);
	if (fit->stopped(fit->ctx))
		return NULL;
	if (problems > 0 && (fit->halt || fit->replaces))
		return "its maps do not fit the source's tables";
	if (problems > 0)
		fl_warn(NULL,
			"%s: its maps do not fit the source's tables: until they do, the keys that "
			"this concerns are deleted, not set",
			fit->path);
	if (problems == FL_ENOMEM)
		fl_warn(NULL, "%s: no memory to check its maps", fit->path);
	return problems < 0 && problems != FL_ESTOPPED && fit->replaces
		       ? "its maps could not be held against the source's tables"
		       : NULL;
}
