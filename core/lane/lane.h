/* SPDX-License-Identifier: Apache-2.0
 *
 * A lane: one replication session, read, checked and grouped once by a thread of its own, and the
 * seats of the sinks that ride in it. A sink whose queue stays full is put out of the lane, so that
 * it slows nobody; it goes on in a lane of its own, and when two lanes have come to the same place
 * they become one again.
 *
 * Owned by the main thread, which calls these functions; none of them blocks but fl_lane_destroy().
 */
#ifndef FL_LANE_H
#define FL_LANE_H

#include "source/hosts.h"
#include "telemetry.h"
#include "transaction/seat.h"

/* What all lanes have in common; outlives them. */
struct fl_lane_config {
	const struct fl_source_config *source;
	struct fl_hosts *hosts;	  /* which of them to begin with */
	bool fold_case;		  /* as the source compared the names of tables at the start */
	const char *const *files; /* NULL-terminated: binlog files to read instead of the source;
				   * or NULL */
	size_t transaction_bytes;
	bool (*wants)(void *ctx, struct fl_bytes db, struct fl_bytes table); /* any thread */
	/* Whether a cache has keys of it: what the start-up checks ask. */
	bool (*mapped)(void *ctx, struct fl_bytes db, struct fl_bytes table);
	void *wants_ctx;    /* of both */
	bool until_current; /* end the lane at the end of the binlog, at `target` at the latest */
	struct fl_position target;
	struct fl_source_counters *counters; /* of all lanes together */
	void (*changed)(void *ctx);	     /* any thread: a lane has ended */
	void *changed_ctx;
};

struct fl_lane;

/* A lane's own: the numbers from the configured one on; 0 is none, so the last is followed by 1. */
uint32_t fl_lane_server_id(const struct fl_source_config *source, unsigned number);

/* `number`: of which its server_id is made, so that no two lanes have the same. The position is
 * copied. NULL when memory runs out. */
struct fl_lane *fl_lane_create(
	const struct fl_lane_config *config, unsigned number, const struct fl_position *from);

unsigned fl_lane_number(const struct fl_lane *lane);

/* A seat for a sink that is at the lane's position; only before fl_lane_start(). 0 or FL_ENOMEM. */
int fl_lane_add(struct fl_lane *lane, struct fl_seat *seat);

int fl_lane_start(struct fl_lane *lane, struct fl_err *err);

/* Makes its thread end soon; its seats are abandoned. */
void fl_lane_stop(struct fl_lane *lane);

/* The same, but a transaction of which a part has been passed on comes to its end first, unless the
 * source is lost. */
void fl_lane_leave(struct fl_lane *lane);

/* Waits for the thread, which has ended or been stopped, and frees the lane. Takes NULL. */
void fl_lane_destroy(struct fl_lane *lane);

/* A look at the lane. */
struct fl_lane_state {
	bool ended;    /* the thread is about to return, or has */
	bool placed;   /* connected, and the place below is known */
	bool refused;  /* the source is why it ended */
	bool deserted; /* all of its sinks have left, which its thread may not know yet */
	bool merging;  /* it is about to be merged into another, or another into it */
	unsigned number;
	size_t seats;
	size_t queued; /* bytes in the fullest of its seats' queues */
	char identity[FL_SERVER_NAME_SIZE];
	char file[FL_FILE_NAME_SIZE]; /* how far it has read: a transaction's end */
	uint64_t offset;

	/* How its session is: */
	bool connected; /* the source sends its binlog */
	bool is_well;	/* ... and has sent a sign of life, or a transaction, since then */
	unsigned host;	/* of the source's: the one that was connected to last */
	enum fl_flavour flavour;
	char version[64];     /* of that server; "": there was none yet */
	int64_t heard_us;     /* when it last sent anything: microseconds since 1970; 0: never */
	int64_t delivered_us; /* when the last transaction that the sinks got was committed; 0: none
			       */
	uint64_t waits_ms;    /* for how long it has waited, or did, for the source to begin another
			       * transaction, all that came having been delivered; 0: it does not */
	int64_t within_us; /* for how long, at least, there has been one of which the rest is still
			    * to come; 0: there is none */
};
void fl_lane_state(struct fl_lane *lane, struct fl_lane_state *ret);

/* Makes `from` end once it has come to where `into` takes its sinks in: at its next boundary. Each
 * seat of `from` is given a next one, of this many bytes, in `into`. Should `into` end first,
 * `from` goes on as if nothing had been. 0 or FL_ENOMEM. */
int fl_lane_merge(struct fl_lane *from, struct fl_lane *into, size_t queue_bytes);

#endif
