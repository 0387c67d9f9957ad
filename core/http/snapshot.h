/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon at one moment, as plain data, for whoever shows it. Made on the main thread and
 * belongs to who asked for it; texts live in its arena.
 */
#ifndef FL_SNAPSHOT_H
#define FL_SNAPSHOT_H

#include "base/arena.h"
#include "telemetry.h"

struct fl_snapshot_place {
	const char *file;
	uint64_t offset;
	const char *gtids; /* NULL: none, or not known */
};

struct fl_snapshot_source {
	const char *name;    /* of the host in use */
	const char *flavour; /* these are NULL until it was connected to */
	const char *version;
	bool connected;
	const struct fl_snapshot_place *place; /* as far as it has been read; NULL: not known */
	uint64_t events, transactions, rows, bytes, reconnects;
	double since_last_event; /* seconds since it sent anything; < 0: it never did */
};

struct fl_snapshot_lane {
	unsigned number;
	const char *host;
	bool connected;
	const char *file;
	uint64_t offset;
	size_t queued; /* bytes, of the fullest queue */
};

struct fl_snapshot_sink {
	const char *name, *plugin;
	const char *state; /* "opening" and so on */
	bool is_riding, has_halted;
	int lane;			       /* -1: none */
	const char *unready;		       /* why; NULL: it is ready */
	const struct fl_snapshot_place *place; /* settled; NULL: not known yet */
	uint64_t transactions, operations, changes, batches, coalesced, retries, doubts;
	uint64_t errors[FL_ERROR_KINDS];
	size_t queued, queue_limit; /* bytes */
	double lag;		    /* seconds */
	uint64_t latency[FL_LATENCY_BOUNDS + 1];
	double latency_sum; /* seconds */
	struct fl_last_error last_error;
};

struct fl_snapshot {
	struct fl_arena arena;
	const char *version, *config;
	int pid;
	double now, started; /* seconds since 1970 */
	unsigned reloads;
	unsigned waiting; /* requests to /wait that are not answered yet */
	bool is_ready;
	double max_lag; /* seconds */
	struct fl_snapshot_source source;
	size_t lane_count;
	const struct fl_snapshot_lane *lanes;
	size_t sink_count;
	const struct fl_snapshot_sink *sinks;
	/* The process. */
	size_t resident_bytes;
	double cpu_seconds;
};

#endif
