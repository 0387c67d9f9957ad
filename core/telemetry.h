/* SPDX-License-Identifier: Apache-2.0
 *
 * What is counted while the daemon runs, for whoever asks it how it is. Counters only rise, and
 * outlive what counts in them: lanes and workers come and go with reloads, while a sink's counters
 * stay as long as a sink of that name.
 *
 * Owned by the daemon, main thread. Counters are added to by the threads of lanes and workers, once
 * for many transactions, and read by any; nothing else is to be concluded from their order.
 */
#ifndef FL_TELEMETRY_H
#define FL_TELEMETRY_H

#include <stdatomic.h>
#include <time.h>
#include <uv.h>

#include <fastlane/change.h>

typedef atomic_uint_fast64_t fl_counter;

static inline void fl_count(fl_counter *counter, uint64_t more)
{
	if (more > 0)
		atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

static inline uint64_t fl_counted(const fl_counter *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Microseconds since 1970. */
static inline int64_t fl_now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Of the source, as all lanes together have read it. */
struct fl_source_counters {
	fl_counter events; /* without heartbeats */
	fl_counter transactions, rows, bytes;
	fl_counter reconnects; /* sessions of a lane but its first */
};

enum fl_error_kind {
	FL_ERROR_CONNECT, /* the sink can't be opened, or does not tell its position */
	FL_ERROR_WRITE,
	FL_ERROR_HALTED,
	FL_ERROR_KINDS,
};

enum { FL_LATENCY_BOUNDS = 16 };
/* Upper bounds of the buckets, microseconds; behind the last one there is a bucket more. */
extern const uint32_t fl_latency_bounds[FL_LATENCY_BOUNDS];

struct fl_last_error {
	int64_t time_us; /* 0: there was none */
	char text[512];
};

/* Of what a sink has settled. */
struct fl_sink_counters {
	struct fl_sink_counters *next;
	char *name;
	fl_counter transactions; /* that had anything for the sink */
	fl_counter operations, changes, batches, coalesced, doubts;
	fl_counter retries;
	fl_counter errors[FL_ERROR_KINDS];
	fl_counter latency[FL_LATENCY_BOUNDS + 1]; /* transactions, from commit to settled ... */
	fl_counter latency_us;			   /* ... and in all */
	int64_t complete_us; /* main thread: when it last was known to lack nothing */

	uv_mutex_t mutex;
	struct fl_last_error last_error;
};

struct fl_telemetry {
	struct fl_source_counters source;
	atomic_uint waiters; /* who wait for a position to be settled: only then are they told */
	struct fl_sink_counters *sinks;
};

/* 0 or FL_ENOMEM. */
int fl_sink_counters_init(struct fl_sink_counters *counters, const char *name);
void fl_sink_counters_finish(struct fl_sink_counters *counters);

/* Those of the sink of that name, made if there are none: belong to the telemetry. NULL when memory
 * runs out. Main thread, as the next ones. */
struct fl_sink_counters *fl_telemetry_sink(struct fl_telemetry *telemetry, const char *name);
/* Drops those for which `has` is false. */
void fl_telemetry_forget(
	struct fl_telemetry *telemetry, bool (*has)(void *ctx, const char *name), void *ctx);
void fl_telemetry_finish(struct fl_telemetry *telemetry);

/* Any thread. */

/* So many transactions that took so long. */
void fl_latency_add(struct fl_sink_counters *counters, int64_t us, uint64_t transactions);
/* Counts an error and keeps its text as the last one. */
void fl_sink_error(struct fl_sink_counters *counters, enum fl_error_kind kind, const char *text);
void fl_sink_last_error(struct fl_sink_counters *counters, struct fl_last_error *ret);

/* The time, in seconds, that the given part of all (0 to 1) took at most, as far as the buckets
 * tell: evenly spread within one. 0 if there are none. */
double fl_latency_quantile(const uint64_t counts[FL_LATENCY_BOUNDS + 1], double part);

#endif
