/* SPDX-License-Identifier: Apache-2.0
 *
 * What the daemon lets be seen of itself: the counters, snapshots of the regimes, and the HTTP
 * server that shows them, where the configuration in force has one. Main thread; a part of the
 * daemon.
 */
#ifndef FL_OBSERVER_H
#define FL_OBSERVER_H

#include "http/http.h"
#include "regime.h"

struct fl_observer {
	/* Set by the daemon before fl_observer_init(). */
	const char *path;				   /* of the configuration */
	struct fl_regime *const *current, *const *earlier; /* the daemon's */
	unsigned reloads;				   /* that were put in force */

	struct fl_telemetry telemetry;

	/* Private. */
	uv_loop_t *loop;
	uv_async_t settled;
	int64_t started_us;
	struct fl_http *http;
	struct fl_http_hooks hooks;
};

/* 0 or a libuv error. */
int fl_observer_init(struct fl_observer *observer, uv_loop_t *loop);
/* Ends the server. The loop has still to be run, for its handles to be closed. */
void fl_observer_finish(struct fl_observer *observer);
/* Once that has been done, and no thread counts any more. */
void fl_observer_free(struct fl_observer *observer);

/* For fl_worker_config.settled; any thread. */
void fl_observer_settled(void *observer);

/* Binds a socket where that configuration asks for it and nobody answers yet: `regime->listener`,
 * at which it is listened once it is put in force; until then who connects is refused. 0 or FL_EIO,
 * with file and line. */
int fl_observer_prepare(struct fl_observer *observer, struct fl_regime *regime, struct fl_err *err);
/* It will not be in force any more: another one may listen there. */
void fl_observer_release(struct fl_regime *regime);
/* The regime is in force now. */
void fl_observer_follow(struct fl_observer *observer, struct fl_regime *regime);

/* Something may have changed. To be called ten times a second at least. */
void fl_observer_look(struct fl_observer *observer);
/* The daemon stops: nobody is to wait for it. */
void fl_observer_stop(struct fl_observer *observer);

/* snapshot.c */

/* A hook of the server. */
int fl_observer_snapshot(void *observer, struct fl_snapshot *ret);
/* The sink's worker, which an earlier regime may still have, unless its cache was another one;
 * NULL: there is none. */
struct fl_worker *fl_observer_worker(const struct fl_observer *observer, size_t sink);
/* How far, in time, the sink is known to have all: microseconds since 1970; up to now if it lacks
 * nothing. Main thread, where it is kept as well. */
int64_t fl_observer_complete(const struct fl_observer *observer, const struct fl_worker_view *view,
	struct fl_sink_counters *counters, int64_t now_us);

#endif
