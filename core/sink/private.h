/* SPDX-License-Identifier: Apache-2.0
 *
 * The worker's insides, shared by worker.c (life, and the main thread's side), ride.c (seats) and
 * batch.c (what becomes of transactions). All of the functions here run on the worker's thread.
 */
#ifndef FL_WORKER_PRIVATE_H
#define FL_WORKER_PRIVATE_H

#include <uv.h>

#include "sink/worker.h"

enum {
	FL_BATCH_TRANSACTIONS = 512,
	FL_BATCH_BYTES = 256 << 10, /* of transactions in memory */
	FL_MOST_PENDING = 64,	    /* batches that a sink has taken and not settled */
};

enum { FL_TALLY_AGES = 16 };

/* What is counted of a batch once it is settled. */
struct fl_tally {
	uint64_t transactions, operations, changes, doubts;
	/* The transactions by the time of their commit: those that are about equally old together.
	 */
	unsigned age_count;
	struct {
		int64_t committed_us;
		uint64_t transactions;
	} ages[FL_TALLY_AGES];
};

/* What a plugin must not do, and has done: nothing that it says is believed any more. */
enum misuse {
	MISUSE_NONE,
	MISUSE_THREAD, /* settled() from a thread that is not the sink's */
	MISUSE_ID,     /* settled() of a batch that was never submitted */
};

/* A batch that the sink has taken: its position is safe once the sink says so. */
struct pending {
	uint64_t id;
	struct fl_buf position;
	size_t head; /* bytes in front of it: the generations */
	struct fl_tally tally;
};

struct fl_worker {
	const struct fl_worker_config *config;
	uv_thread_t thread;
	bool started;

	/* Both sides'. */
	uv_mutex_t mutex;
	uv_cond_t news; /* for the thread: stop, or a seat */
	atomic_bool stop;
	atomic_bool leaving;		 /* stop behind the transaction in parts */
	bool in_parts;			 /* a part of one is submitted, or about to be */
	atomic_uint_fast64_t call_since; /* uv_hrtime of the plugin's call under way; 0: none */
	enum fl_worker_state state;
	bool has_tried;
	struct fl_position wish;
	struct fl_seat *seat;
	void *interruptible; /* the open instance */
	struct fl_buf shown; /* the position that the sink has for certain */
	atomic_int_fast64_t oldest_us;

	atomic_int misuse; /* enum misuse; any thread */

	/* The thread's alone. */
	uv_thread_t own; /* itself */
	uint64_t misused_id;
	struct fl_host host;
	uint64_t memory; /* the plugin's, from one instance to the next */
	void *self;
	struct fl_mapper *mapper;
	struct fl_position position; /* behind the last transaction submitted */
	struct fl_buf settled;	     /* the position that is safe; empty: none yet */
	struct pending pending[FL_MOST_PENDING];
	size_t first_pending, pending_count;
	uint64_t batch_id;
	uint64_t submitted_at, saved_at, published_at; /* uv_hrtime */
	uint64_t seen_at;	  /* uv_hrtime: the sink has last shown that it has the position */
	struct fl_tally tally;	  /* of what is not submitted yet */
	enum fl_error_kind phase; /* what an error means now */
	bool position_moved;	  /* since the last submit */
	bool unsaved;		  /* `settled` is newer than the file */
	bool broken;		  /* the instance has failed: it can only be closed */
	bool skip;		  /* the seat begins before our position */
	bool is_level;		  /* what was taken last was news */
	unsigned failures;
	uint64_t coalesced; /* operations that later ones have made void */
	struct fl_txn *txns[FL_BATCH_TRANSACTIONS];
	const struct fl_transaction *views[FL_BATCH_TRANSACTIONS];
	size_t txn_count;
};

/* How the ride, or a step of it, ended. */
enum fl_end {
	END_NONE,
	END_RETRY,
	END_STOPPED,
	END_FINISHED,
	END_HALTED,
};

/* worker.c */

/* Around each call that may block. */
static inline void fl_worker_call_begins(struct fl_worker *worker)
{
	atomic_store(&worker->call_since, uv_hrtime());
}
static inline void fl_worker_call_ends(struct fl_worker *worker)
{
	atomic_store(&worker->call_since, 0);
}

/* Takes note of how a call to the plugin ended, and says so in the log. */
enum fl_end fl_worker_outcome(
	struct fl_worker *worker, enum fl_outcome outcome, const struct fl_err *err);
void fl_worker_set_state(struct fl_worker *worker, enum fl_worker_state state);

/* A line that says why it has halted: into the log, and to be shown. END_HALTED. */
enum fl_end fl_worker_halt(struct fl_worker *worker, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* tally.c */

/* A transaction that has been mapped, at that time; `matters`: it has anything for the sink. */
void fl_tally_add(struct fl_tally *tally, const struct fl_txn *txn, bool matters, int64_t now_us);
/* It has been settled. */
void fl_tally_settle(struct fl_tally *tally, struct fl_sink_counters *counters, int64_t now_us);
/* Notes how old the oldest transaction is that is in hand. */
void fl_worker_show_oldest(struct fl_worker *worker);
/* Whether anybody waits for positions. */
bool fl_worker_is_awaited(const struct fl_worker *worker);

/* batch.c */

/* The host's service of that name. */
void fl_worker_settled(void *worker, uint64_t batch);
/* Maps and submits the transactions taken, and drops them. */
enum fl_end fl_worker_apply(struct fl_worker *worker);
/* Submits a position that nothing else carries, settles what is pending, and saves: what is due, or
 * all of it. `ret_wait`: milliseconds until there is more to do; -1: never. */
enum fl_end fl_worker_settle(struct fl_worker *worker, bool all, int *ret_wait);
/* Saves the settled position if it is time to, or `now`. */
void fl_worker_save(struct fl_worker *worker, bool now);
/* Sets the position to begin at: what the sink says; else what was settled in this process; else
 * the file; else `start`. */
enum fl_end fl_worker_find_position(struct fl_worker *worker);

/* ride.c */

/* Asks for a seat and applies what comes until there is a reason to end. */
enum fl_end fl_worker_ride(struct fl_worker *worker);

#endif
