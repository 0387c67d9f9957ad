/* SPDX-License-Identifier: Apache-2.0
 *
 * A regime: one configuration at work, with all that runs by it: the starter that asks its source,
 * its sinks and its lanes. The daemon has one in force; while another file is to take its place
 * there is the next one, whose source is being asked, and there are earlier ones, whose sinks still
 * settle what was in flight.
 *
 * Owned by the daemon, main thread. Nothing here blocks but fl_regime_destroy().
 */
#ifndef FL_REGIME_H
#define FL_REGIME_H

#include "config/config.h"
#include "lane/lane.h"
#include "remains.h"
#include "starter.h"

enum {
	FL_MOST_SINKS = 64,
	FL_INTERRUPT_AFTER_MS = 2500, /* calls that block are then cut short */
};

struct fl_regime_sink {
	struct fl_worker_config config;
	struct fl_worker *worker; /* NULL: not started yet; of an earlier regime: it has ended */
	struct fl_position start; /* that an earlier regime has set */
	bool was_cut;		  /* fl_worker_interrupt() has been called */
	bool was_told;		  /* that it does not answer */
};

struct fl_regime {
	struct fl_regime *next; /* the daemon's list */
	struct fl_config *config;
	int lock;     /* of state_dir; -1: it has none */
	int listener; /* socket that HTTP is to be answered at once it is in force; -1: none */
	bool until_current;
	bool takes_changes; /* some sink takes every table's changes */

	struct fl_hosts hosts;
	struct fl_starter starter;
	bool asking; /* the starter's thread has to be joined */

	struct fl_telemetry *telemetry;
	/* Called from any thread when a position is settled that somebody waits for. */
	void (*settled)(void *ctx);
	void *settled_ctx;
	struct fl_lane_config lane_config;
	struct fl_regime_sink *sinks; /* of all in the configuration, in its order */
	bool in_force;
	uint64_t in_force_at;	/* ms */
	bool seated;		/* the first seats have been given */
	struct fl_lane **lanes; /* as many places as sinks, and one for each that is merging */
	size_t lane_room;

	bool stopping;
	int code; /* the exit status, as far as it depends on this regime */
};

/* Milliseconds of a clock that only moves forward. */
static inline uint64_t fl_regime_now(void)
{
	return uv_hrtime() / 1000000;
}

/* Takes the configuration over, also on failure, and the lock. `path` is the configuration's and
 * has to outlive it, as has `telemetry`. `changed`, and `settled` while there are waiters, are
 * called from any thread.
 * NULL when memory runs out. */
struct fl_regime *fl_regime_create(struct fl_config *config, const char *path, int lock,
	bool until_current, const char *const *files, void (*changed)(void *ctx), void *changed_ctx,
	struct fl_telemetry *telemetry, void (*settled)(void *ctx), void *settled_ctx);
/* All of its threads have ended or are about to. Takes NULL. */
void fl_regime_destroy(struct fl_regime *regime);

/* Asks the source; begins with the host that `before` (may be NULL) has in use. To take the place
 * of another one, its maps must fit the source's tables. */
int fl_regime_ask(struct fl_regime *regime, struct fl_regime *before, struct fl_err *err);
enum fl_answer { FL_ANSWER_NONE, FL_ANSWER_YES, FL_ANSWER_NO };
/* NONE while the source is being asked. To be called until there is another answer, and then not
 * again. */
enum fl_answer fl_regime_answer(struct fl_regime *regime);

/* Its source has answered. */
void fl_regime_put_in_force(struct fl_regime *regime);
/* Starts the sinks that none of the `earlier` regimes (a list) holds back: those that are the same
 * as before wait for themselves to have ended there, those that are not for all of that plugin,
 * since they may be one of them under another name. To be called until all are started. 0, or -1:
 * what is lacking has been logged. */
int fl_regime_start_sinks(
	struct fl_regime *regime, const struct fl_regime *earlier, struct fl_remains **remains);
/* Whether the configuration has that sink as it is: of that name, and at the same place. */
bool fl_regime_has_same(const struct fl_config *config, const struct fl_sink_config *sink);
/* Counts the sinks that run or are to be started, and takes note of those that have halted. */
size_t fl_regime_running(struct fl_regime *regime);

/* Has all sinks settle what is in flight, and ends: a transaction in parts that has begun is
 * brought to its end. */
void fl_regime_leave(struct fl_regime *regime);
/* The same, not waiting for that. */
void fl_regime_stop(struct fl_regime *regime);
/* Of one that is stopped: frees what has ended, keeping what sinks leave. Whether all has. */
bool fl_regime_reap(struct fl_regime *regime, struct fl_remains **remains);
/* Of one that leaves: cuts short the calls that have blocked for too long, of sinks that lose
 * nothing by it, and of those that its heir waits for; the others take the time they take. */
void fl_regime_press(struct fl_regime *regime, const struct fl_regime *heir);
/* Cuts all calls short. */
void fl_regime_interrupt(struct fl_regime *regime);

/* regime_lanes.c */

void fl_regime_close_ended_lanes(struct fl_regime *regime);
bool fl_regime_has_lanes(const struct fl_regime *regime);
/* Gives every sink that waits a seat, those at the same position in one lane, and merges lanes. 0,
 * or -1: what is lacking has been logged. */
int fl_regime_seat(struct fl_regime *regime, const struct fl_regime *earlier);

#endif
