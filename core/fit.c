/* SPDX-License-Identifier: Apache-2.0 */
#include "fit.h"

#include "base/log.h"
#include "explain/explain.h"

static void report(void *ctx, bool fatal, const char *line)
{
	const struct fl_fit *fit = ctx;
	if (fatal && fit->strict)
		fl_error(NULL, "%s", line);
	else
		fl_warn(NULL, "%s", line);
}

bool fl_fit_check(const struct fl_fit *fit, unsigned host)
{
	if (fit->path == NULL || fit->config->rule_count == 0)
		return true;
	int const problems =
		fl_explain_check(fit->config, fit->path, host, NULL, report, (void *)fit);
	if (problems < 0)
		fl_error(NULL, "%s: no memory to check its maps", fit->path);
	else if (problems > 0 && fit->strict)
		fl_error(NULL, "%s: %d error%s: its maps do not fit the source's tables", fit->path,
			problems, problems > 1 ? "s" : "");
	else if (problems > 0)
		fl_warn(NULL,
			"%s: its maps do not fit the source's tables: until they do, the keys that "
			"this concerns are deleted, not set",
			fit->path);
	return problems == 0 || (problems > 0 && !fit->strict);
}
