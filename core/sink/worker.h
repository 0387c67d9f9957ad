/* SPDX-License-Identifier: Apache-2.0
 *
 * A sink at work: a thread of its own that opens the plugin, takes transactions from its seat, maps
 * them, submits batches, and remembers what is settled. It opens the plugin anew after failures,
 * and asks for a seat in a lane whenever it has none.
 *
 * Owned by the main thread, which calls these functions; none of them blocks but
 * fl_worker_destroy().
 */
#ifndef FL_WORKER_H
#define FL_WORKER_H

#include "map/map.h"
#include "telemetry.h"
#include "transaction/seat.h"

/* What to do when a sink that keeps its own position has none, and once had one: it has been
 * emptied, or what was kept is lost. */
enum fl_on_cold { FL_ON_COLD_RESUME, FL_ON_COLD_EARLIEST, FL_ON_COLD_HALT };

/* Outlives the worker. */
struct fl_worker_config {
	const char *name;
	const struct fl_sink_plugin *plugin;
	const struct fl_settings *settings;
	const struct fl_map *map;
	enum fl_on_doubt on_doubt;
	enum fl_on_cold on_cold;
	bool coalesce; /* of several writes of a key in a batch the last alone is submitted */
	size_t max_batch_ops,
		max_batch_bytes; /* a batch ends with the transaction that reaches it */
	const char *state_dir; /* for a sink that keeps no position, and to know later that one that
				* does had one; NULL: it is not kept */
	/* Finds where the source's binlog begins, on the worker's thread. Blocks. 0, or FL_E... */
	int (*earliest)(void *ctx, struct fl_position *ret, struct fl_err *err);
	void *earliest_ctx;
	const struct fl_position *start; /* where it begins if it has no position */
	void (*changed)(void *ctx);	 /* any thread: there is news in fl_worker_state() */
	void *changed_ctx;
	struct fl_sink_counters *counters; /* outlive it */
	/* While anybody waits for positions, `settled` is called from any thread whenever one is.
	 */
	const atomic_uint *waiters;
	void (*settled)(void *ctx);
	void *settled_ctx;
	/* What an earlier worker of this sink has left in this process, see fl_worker_remains(): 0
	 * and nothing if there was none. Copied by fl_worker_create(). */
	uint64_t memory;
	struct fl_bytes known;
};

struct fl_worker;

struct fl_worker *fl_worker_create(const struct fl_worker_config *config);
int fl_worker_start(struct fl_worker *worker, struct fl_err *err);

enum fl_worker_state {
	FL_WORKER_OPENING, /* the plugin is not open yet, or again */
	FL_WORKER_WAITING, /* it asks for a seat */
	FL_WORKER_RIDING,
	FL_WORKER_FINISHED, /* all is applied that was asked for; the thread ends */
	FL_WORKER_HALTED,   /* it can't go on, and has said why; the thread ends */
	FL_WORKER_STOPPED,  /* on request; the thread ends */
};
enum fl_worker_state fl_worker_state(struct fl_worker *worker);
/* Whether it has tried to open the plugin in vain. */
bool fl_worker_has_tried(struct fl_worker *worker);

/* A look at it. */
struct fl_worker_view {
	enum fl_worker_state state;
	bool has_seat;
	unsigned lane;	   /* of the seat */
	size_t queued;	   /* bytes in front of it */
	int64_t oldest_us; /* when the oldest transaction was committed that has come as far as to
			    * its queue and is not settled: microseconds since 1970; 0: there is
			    * none */
};
void fl_worker_look(struct fl_worker *worker, struct fl_worker_view *ret);
/* Appends the position that is settled, as far as the sink is known to have it; nothing if that is
 * not known yet. Returns the state. */
enum fl_worker_state fl_worker_position(struct fl_worker *worker, struct fl_buf *ret);
/* Somebody has begun to wait: a position that nothing else carries is to be submitted at once. */
void fl_worker_nudge(struct fl_worker *worker);

/* WAITING: where it wants to go on. `ret` is finished first. 0 or FL_ENOMEM. */
int fl_worker_wish(struct fl_worker *worker, struct fl_position *ret);
/* Takes the seat's reference; the worker is RIDING from now on. */
void fl_worker_seat(struct fl_worker *worker, struct fl_seat *seat);

/* Asks it to settle what is in flight, to save its position, and to end. */
void fl_worker_stop(struct fl_worker *worker);
/* The same, but a transaction of which a part has been submitted comes to its end first, unless the
 * sink or the source is lost. */
void fl_worker_leave(struct fl_worker *worker);
/* Makes a plugin's call that blocks return. */
void fl_worker_interrupt(struct fl_worker *worker);
/* For how long the plugin's call that is under way has lasted: ms; 0: there is none. */
uint64_t fl_worker_call_ms(struct fl_worker *worker);

/* Of one whose thread ends: what the plugin has in `memory` of struct fl_host, and, appended, the
 * position that was settled last, if any. `ret_settled` may be NULL. */
void fl_worker_remains(struct fl_worker *worker, uint64_t *ret_memory, struct fl_buf *ret_settled);

/* Waits for the thread and frees the worker. Takes NULL. */
void fl_worker_destroy(struct fl_worker *worker);

#endif
