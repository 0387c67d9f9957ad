/* SPDX-License-Identifier: Apache-2.0
 *
 * What a sink's worker leaves behind for the next one of the same name, when a configuration takes
 * another's place in the same process: what it knew and no file need hold. Main thread; owned by
 * the daemon.
 */
#ifndef FL_REMAINS_H
#define FL_REMAINS_H

#include "sink/plugin.h"
#include "sink/worker.h"

/* Of one sink. */
struct fl_remains {
	struct fl_remains *next;
	char *name;
	const struct fl_sink_plugin *plugin;
	struct fl_options *options; /* as they were */
	uint64_t memory;	    /* the plugin's: only for one that is the same as before */
	struct fl_buf settled;	    /* the position that is safe; empty: not known */
	char *origin;		    /* of `start`: the source and the setting it was read of */
	struct fl_position start;   /* where it was to begin, had it no position */
};

/* Takes down what an ended worker leaves, in place of what an earlier one of that name left.
 * `origin`: may be NULL, `start` is then not known. 0 or FL_ENOMEM. */
int fl_remains_keep(struct fl_remains **list, struct fl_worker *worker,
	const struct fl_worker_config *config, struct fl_options *options, const char *origin);

/* Takes the one of that name out of the list: the caller's, or NULL. */
struct fl_remains *fl_remains_take(struct fl_remains **list, const char *name);

void fl_remains_destroy(struct fl_remains *list); /* all of them; takes NULL */

#endif
