/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration, read once more while another one is in force. Main thread.
 */
#ifndef FL_RELOAD_H
#define FL_RELOAD_H

#include "regime.h"

/* NULL if it is to be refused: all that is wrong with it has been logged, each with file and line.
 * The caller's. */
struct fl_config *fl_reload_read(const char *path);

/* The lock of its state_dir: as fl_checkpoint_lock(), but one that a regime of these lists has
 * already is shared, so that there is no moment without it. -1 where there is no state_dir. */
int fl_reload_lock(const struct fl_config *config, const struct fl_regime *const *lists,
	size_t count, int *ret, struct fl_err *err);

#endif
