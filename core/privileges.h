/* SPDX-License-Identifier: Apache-2.0
 *
 * What the process may do, and who may look into it. Main thread, before any other is started.
 */
#ifndef FL_PRIVILEGES_H
#define FL_PRIVILEGES_H

#include "config/config.h"

/* First of all: no core dump has secrets in it and no debugger of the same account sees them; files
 * that are made are ours alone; no program that is run has more rights than we have. */
void fl_privileges_harden(void);

/* Whether there may be core dumps, and debuggers of our own account. */
void fl_privileges_core_dumps(bool allowed);
bool fl_privileges_has_core_dumps(void);

/* Becomes the account for good, without any capability. Nothing to do if it is ours already, or if
 * none is asked for. 0, or FL_EFATAL with a reason. */
int fl_privileges_drop(const struct fl_account *account, struct fl_err *err);

/* Whether the account that we are can use what the configuration names: its state_dir, and the
 * files that are read later. 0, or FL_EINVAL and what mends it. */
int fl_privileges_check(const struct fl_config *config, struct fl_err *err);

#endif
