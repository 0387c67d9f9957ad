/* SPDX-License-Identifier: Apache-2.0
 *
 * What has to be asked of the source before the first sink is started, on a thread of its own:
 * whether it can be replicated from, where `start` is, and where it stands now. Tries one host
 * after the other until it gets an answer. So it goes for each configuration, before it is in
 * force.
 */
#ifndef FL_STARTER_H
#define FL_STARTER_H

#include <stdatomic.h>
#include <uv.h>

#include "fit.h"
#include "map/map.h"
#include "source/hosts.h"

struct fl_starter {
	/* Set before it is started. */
	const struct fl_source_config *source;
	struct fl_hosts *hosts;	  /* which to ask first; told which of them has answered */
	const char *const *files; /* binlog files that stand for the source; or NULL */
	struct fl_map *map;	  /* told how table names compare */
	struct fl_fit fit;
	bool (*wants)(void *ctx, struct fl_bytes db, struct fl_bytes table);
	void *wants_ctx;
	bool until_current;
	void (*changed)(void *ctx);
	void *changed_ctx;

	atomic_bool in_vain; /* none has answered yet: it tries on */

	/* To be read once `done` is set. */
	atomic_bool done;
	bool ok;
	const char *misfit; /* not ok: the source is, but the maps are not, and why */
	bool fold_case;	    /* how the source compares the names of tables */
	struct fl_position start;
	struct fl_position current; /* with until_current */

	/* Private. */
	uv_thread_t thread;
	uv_mutex_t mutex;
	uv_cond_t wake;
	bool stop;
};

int fl_starter_start(struct fl_starter *starter, struct fl_err *err);
/* Any thread. A call to the source that is under way is not cut short. */
void fl_starter_stop(struct fl_starter *starter);
/* Waits for the thread. Only after fl_starter_start() has succeeded. */
void fl_starter_finish(struct fl_starter *starter);

#endif
