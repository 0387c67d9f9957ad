/* SPDX-License-Identifier: Apache-2.0
 *
 * The lane's insides, shared by lane.c (the main thread's side) and the thread's files: reader.c
 * (sessions), deliver.c (seats), hosts.c (which host), replay.c, files.c.
 */
#ifndef FL_LANE_PRIVATE_H
#define FL_LANE_PRIVATE_H

#include <uv.h>

#include "lane/lane.h"
#include "source/schema.h"
#include "transaction/grouper.h"

enum { FL_MOST_READY = 128 };

/* Where two lanes meet. Counted; each of them holds one reference. */
struct fl_meeting {
	uv_mutex_t mutex;
	atomic_uint references;
	bool ready;  /* the new lane has taken the seats in, at: */
	bool failed; /* the new lane has ended before it did */
	char file[FL_FILE_NAME_SIZE];
	uint64_t offset;
	struct fl_gtid_set *gtids; /* that it had delivered there; or NULL */
};

void fl_meeting_unref(struct fl_meeting *meeting);

/* Why a host can't be gone on with. */
struct fl_refusal {
	bool refused;
	bool purged; /* it has what was applied, but no longer what came next */
	bool lacks;  /* it has not what was applied, and may get it */
	struct fl_err reason;
};

struct fl_lane {
	const struct fl_lane_config *config;
	unsigned number;
	uv_thread_t thread;
	bool started;
	atomic_bool stop;

	/* The reader's alone. */
	struct fl_position position; /* behind the last transaction delivered */
	bool placed; /* in this session: the position's file and offset are this server's */
	/* The session reads from before the position: for the rows of XA transactions that were
	 * prepared there. `replay` is how far it has come; what the position has is not delivered.
	 */
	bool replaying;
	bool replay_by_place; /* in this session: GTIDs do not tell what the position has */
	struct fl_position replay;
	struct fl_position read; /* with files: behind what has been read of them */
	struct fl_grouper *grouper;
	struct fl_schema *schema;
	/* What the seats are to get: see fl_lane_flush(). */
	struct fl_queue_item ready[FL_MOST_READY];
	size_t ready_count, ready_bytes;
	bool ready_has_changes;
	uint64_t ready_since; /* uv_hrtime */
	uint64_t flushed_at;  /* the position's offset at the last flush */
	bool is_behind;	      /* what was read last is no news: see fl_lane_is_behind() */
	/* With `until_current`: how a file lies to the target's, as fl_binlog_compare() has it. */
	char ordered_file[FL_FILE_NAME_SIZE];
	int order;
	unsigned host;		     /* of the source's, in use or to be tried next */
	struct fl_refusal *refusals; /* of each host, in this round */
	unsigned tried;		     /* hosts in this round, in vain */
	unsigned rounds;	     /* in a row in which all hosts refused ... */
	uint64_t refused_since;	     /* ... since then, uv_hrtime */
	unsigned purged_host;	     /* where to skip */
	bool skipping;		     /* the next session is to begin at the binlog's end */
	bool is_well;		     /* this session has brought something */
	bool has_delivered;	     /* anything: positions are places of this server now */
	unsigned failures;	     /* connections lost or refused in a row */
	bool had_session;
	/* What the source had when the session was opened, until it has been delivered; or until
	 * goal_ends (uv_hrtime), as not all of that need be in its binlog. */
	struct fl_gtid_set *goal;
	uint64_t goal_ends;
	/* What is not counted in the configuration's counters yet. */
	struct {
		uint64_t read; /* events, and signs of life */
		uint64_t events, bytes, transactions, rows;
	} tally;
	unsigned corruption; /* times in a row that the same event could not be read */
	char corrupt_file[FL_FILE_NAME_SIZE];
	uint64_t corrupt_offset;

	/* Both sides': */
	uv_mutex_t mutex;
	uv_cond_t wake;		    /* stop was set */
	struct fl_session *session; /* open one, to be woken */
	struct fl_seat **seats;	    /* changed by the reader alone once it runs */
	size_t seat_count, seat_room;
	bool in_parts;		  /* a transaction has been passed on in part */
	atomic_bool leaving;	  /* to end behind it */
	struct fl_seat **joining; /* seats to be taken in at the next boundary */
	size_t joining_count;
	struct fl_meeting *host_meeting;  /* as the lane that takes seats in */
	struct fl_meeting *guest_meeting; /* as the lane that is to end */
	atomic_bool attention;		  /* one of the three above is set */
	struct fl_lane_state state;
	/* What the state has of them is copied from here. */
	atomic_bool is_well_now;
	atomic_int_fast64_t heard_us, delivered_us;
	atomic_uint_fast64_t waits_since;  /* uv_hrtime; 0: it does not wait */
	atomic_uint_fast64_t within_since; /* the same; 0: it waits for no transaction's rest */
};

/* The thread. */
void fl_lane_run(void *lane);

/* replay.c; the thread's alone. */

/* While the lane is replaying: 1: the sinks have the transaction already, or it is none; 0: it is
 * to be delivered; FL_ENOMEM. */
int fl_lane_pass_over(struct fl_lane *lane, const struct fl_txn *txn);
/* With a new session, before it is opened. 0 or FL_ELOST. */
int fl_lane_prepare_replay(struct fl_lane *lane, struct fl_session *session, struct fl_err *err);
/* The binlog from there on is not to be had: goes on from the position itself. */
void fl_lane_give_up_replay(struct fl_lane *lane, const struct fl_err *err);

/* What reader.c and files.c share; the thread's alone. */

/* How a session or the lane goes on. */
enum fl_next { FL_NEXT_GO_ON, FL_NEXT_CONNECT_AGAIN, FL_NEXT_OTHER_HOST, FL_NEXT_END };

/* deliver.c; the thread's alone. */

/* The grouper's hook. */
int fl_lane_deliver(void *lane, struct fl_txn *txn);
/* Takes a transaction, and its reference, for every seat, and moves the position. 0, FL_ESTOPPED or
 * FL_ENOMEM. */
int fl_lane_push(struct fl_lane *lane, struct fl_txn *txn);
/* Hands what was taken to the seats: many at once, since each of them costs as much as some of the
 * transactions do. To be called wherever the reader would wait, so that nothing waits with it. 0 or
 * FL_ESTOPPED. */
int fl_lane_flush(struct fl_lane *lane);
/* How long the reader may wait for more before it calls that, in milliseconds: a moment if only the
 * position is to be moved, else not at all. */
int fl_lane_may_wait(const struct fl_lane *lane);
/* Whether the lane catches up, so that nothing that it has taken is urgent. */
bool fl_lane_is_behind(struct fl_lane *lane);
/* With `until_current`: whether all that was asked for has been delivered. */
bool fl_lane_has_target(const struct fl_lane *lane);

/* pulse.c; the thread's alone: what others may see of it. */

/* A session has begun, or, with NULL, has ended. */
void fl_lane_show_server(struct fl_lane *lane, const struct fl_server *server);
/* Adds what has been read to the counters. */
void fl_lane_count(struct fl_lane *lane);
/* The sinks are about to get what is ready, and have got it. */
void fl_lane_show_ready(struct fl_lane *lane, int64_t *ret_last_us);
void fl_lane_show_delivered(struct fl_lane *lane, int64_t last_us);
/* There is nothing more to be read, for now. */
void fl_lane_show_waiting(struct fl_lane *lane);
/* A session is about to be opened by GTIDs: a source that searches for their place is silent, and
 * has not told all it has. 0, or FL_E... as its question fails. */
int fl_lane_aim(struct fl_lane *lane, struct fl_session *session, struct fl_err *err);

/* hosts.c; the thread's alone. */

/* Whether this server will do and has what was applied: as fl_session_check(). */
int fl_lane_check_host(struct fl_lane *lane, struct fl_session *session, struct fl_err *err);
/* The host in use won't do. */
enum fl_next fl_lane_refuse_host(
	struct fl_lane *lane, struct fl_refusal how, const struct fl_err *reason);
/* The host in use does. */
void fl_lane_is_well(struct fl_lane *lane);
/* Goes to the next host: GO_ON; CONNECT_AGAIN: after a pause, all have been tried; or END. */
enum fl_next fl_lane_next_host(struct fl_lane *lane);
/* on_purged = current: tells the sinks that anything may have changed, and moves to the end of the
 * binlog. As fl_lane_push(), or FL_ELOST or FL_EFATAL. */
int fl_lane_skip(struct fl_lane *lane, struct fl_session *session, struct fl_err *err);

/* Ends all seats because the source can't be read on from here. */
enum fl_next fl_lane_refuse(struct fl_lane *lane, const struct fl_err *reason);
void fl_lane_end_seats(struct fl_lane *lane, enum fl_seat_end end, const struct fl_err *reason);
/* Behind each event within a transaction: what came before it does not wait for its end if that is
 * far. */
enum fl_next fl_lane_within(struct fl_lane *lane);
/* Behind the others: takes note of the place, and does what is to be done there. */
enum fl_next fl_lane_at_boundary(struct fl_lane *lane);

/* Reads the lane's files. */
void fl_lane_read_files(struct fl_lane *lane);

#endif
