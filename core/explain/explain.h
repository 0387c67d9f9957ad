/* SPDX-License-Identifier: Apache-2.0
 *
 * What the rules do with a change, told and not done; and whether they fit the source's tables. For
 * who writes rules: nothing of it is in the daemon's path. One thread, while no other uses the
 * configuration's map. Reads the source if it can be reached, and writes nowhere but to `out`.
 */
#ifndef FL_EXPLAIN_H
#define FL_EXPLAIN_H

#include "config/config.h"

/* As for fl_config_load(): one line, without a line break. */
typedef void fl_report(void *ctx, bool fatal, const char *line);

/* Explains a change: JSON as the stdout sink prints it; rows of a table, "shop.users WHERE id = 5";
 * or "-", JSON lines from standard input. `path` is the configuration's, for messages. Returns 0;
 * FL_ELOST or FL_EFATAL if the rows could not be read; FL_EINVAL if what is to be explained is not
 * understood, or there is no such row; FL_ENOMEM; FL_EIO. All but the first have been reported. */
int fl_explain(const struct fl_config *config, const char *path, const char *text, FILE *out,
	fl_report *report, void *ctx);

/* Tells what each map does to the source's tables. What is wrong is reported with file and line.
 * `host`: the one to ask, or -1 for any. `out` NULL: only what is wrong is told, of the first
 * hundred tables of each map. `stopped` (may be NULL) is asked now and then whether to end. Returns
 * the number of fatal problems; FL_ENOMEM; or, if there were none before, FL_ESTOPPED or another
 * FL_E... where the source can't be asked, which has been reported as a warning. */
int fl_explain_check(const struct fl_config *config, const char *path, int host, FILE *out,
	fl_report *report, bool (*stopped)(void *ctx), void *ctx);

#endif
