/* SPDX-License-Identifier: Apache-2.0
 *
 * /metrics: a snapshot in Prometheus' text format, version 0.0.4.
 */
#include "http/private.h"

#include <inttypes.h>

static void head(struct fl_buf *out, const char *name, const char *type, const char *help)
{
	fl_buf_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: quotes, backslashes and line ends are escaped. */
static void label(struct fl_buf *out, const char *name, const char *value)
{
	fl_buf_format(out, "%s=\"", name);
	for (const char *at = value; *at != '\0'; at++) {
		if (*at == '\n')
			fl_buf_text(out, "\\n");
		else if (*at == '"' || *at == '\\')
			fl_buf_format(out, "\\%c", *at);
		else
			fl_buf_char(out, *at);
	}
	fl_buf_char(out, '"');
}

static void number(
	struct fl_buf *out, const char *name, const char *help, const char *type, double value)
{
	head(out, name, type, help);
	fl_buf_format(out, "%s %.17g\n", name, value);
}

static void counter(struct fl_buf *out, const char *name, const char *help, uint64_t value)
{
	head(out, name, "counter", help);
	fl_buf_format(out, "%s %" PRIu64 "\n", name, value);
}

/* ---- sinks: one family after the other, with a line for each sink ---- */

static void sink_labels(const struct fl_snapshot_sink *sink, struct fl_buf *out)
{
	label(out, "sink", sink->name);
	fl_buf_char(out, ',');
	label(out, "plugin", sink->plugin);
}

struct family {
	const char *name, *type, *help;
	size_t offset; /* of a uint64_t */
};

#define COUNTER(name, field, help)                                                                 \
	{                                                                                          \
		"fastlane_sink_" name "_total", "counter", help,                                   \
			offsetof(struct fl_snapshot_sink, field)                                   \
	}

static const struct family counters[] = {
	COUNTER("transactions", transactions,
		"Transactions settled that had anything for the sink."),
	COUNTER("operations", operations, "Operations on keys settled; of sinks that take them."),
	COUNTER("changes", changes, "Changes in these transactions."),
	COUNTER("batches", batches, "Batches settled."),
	COUNTER("coalesced", coalesced,
		"Operations left out for later ones of the same key and batch."),
	COUNTER("retries", retries, "Times that the sink was closed to be tried again."),
	COUNTER("doubts", doubts, "Changes that could not be applied for certain."),
};

static void write_counters(const struct fl_snapshot *snapshot, struct fl_buf *out)
{
	for (size_t f = 0; f < sizeof(counters) / sizeof(counters[0]); f++) {
		head(out, counters[f].name, counters[f].type, counters[f].help);
		for (size_t i = 0; i < snapshot->sink_count; i++) {
			const struct fl_snapshot_sink *sink = &snapshot->sinks[i];
			uint64_t value;
			memcpy(&value, (const char *)sink + counters[f].offset, sizeof(value));
			fl_buf_format(out, "%s{", counters[f].name);
			sink_labels(sink, out);
			fl_buf_format(out, "} %" PRIu64 "\n", value);
		}
	}
}

static void write_errors(const struct fl_snapshot *snapshot, struct fl_buf *out)
{
	static const char *const kinds[] = { "connect", "write", "halted" };
	static const char name[] = "fastlane_sink_errors_total";
	head(out, name, "counter",
		"Errors: of connecting, of writing, and ones after which the sink halted.");
	for (size_t i = 0; i < snapshot->sink_count; i++)
		for (size_t kind = 0; kind < FL_ERROR_KINDS; kind++) {
			fl_buf_format(out, "%s{", name);
			sink_labels(&snapshot->sinks[i], out);
			fl_buf_format(out, ",kind=\"%s\"} %" PRIu64 "\n", kinds[kind],
				snapshot->sinks[i].errors[kind]);
		}
}

static double queue_bytes(const struct fl_snapshot_sink *sink)
{
	return (double)sink->queued;
}

static double queue_limit(const struct fl_snapshot_sink *sink)
{
	return (double)sink->queue_limit;
}

static double lane(const struct fl_snapshot_sink *sink)
{
	return sink->lane;
}

static double lag(const struct fl_snapshot_sink *sink)
{
	return sink->lag;
}

static double up(const struct fl_snapshot_sink *sink)
{
	return sink->is_riding;
}

static double halted(const struct fl_snapshot_sink *sink)
{
	return sink->has_halted;
}

static const struct {
	const char *name, *help;
	double (*value)(const struct fl_snapshot_sink *sink);
} gauges[] = {
	{ "fastlane_sink_queue_bytes", "Bytes that wait in front of the sink.", queue_bytes },
	{ "fastlane_sink_queue_limit_bytes", "Bytes that may wait there.", queue_limit },
	{ "fastlane_sink_lane", "The lane that it rides in; -1: none.", lane },
	{ "fastlane_sink_lag_seconds",
		"How long ago the oldest transaction was committed that it lacks; 0: none is "
		"known.",
		lag },
	{ "fastlane_sink_up", "1 while it rides in a lane.", up },
	{ "fastlane_sink_halted", "1 once it has halted.", halted },
};

static void write_gauges(const struct fl_snapshot *snapshot, struct fl_buf *out)
{
	for (size_t f = 0; f < sizeof(gauges) / sizeof(gauges[0]); f++) {
		head(out, gauges[f].name, "gauge", gauges[f].help);
		for (size_t i = 0; i < snapshot->sink_count; i++) {
			fl_buf_format(out, "%s{", gauges[f].name);
			sink_labels(&snapshot->sinks[i], out);
			fl_buf_format(out, "} %.17g\n", gauges[f].value(&snapshot->sinks[i]));
		}
	}
}

static void write_latency(const struct fl_snapshot *snapshot, struct fl_buf *out)
{
	static const char name[] = "fastlane_sink_latency_seconds";
	head(out, name, "histogram", "From a transaction's commit until the sink has settled it.");
	for (size_t i = 0; i < snapshot->sink_count; i++) {
		const struct fl_snapshot_sink *sink = &snapshot->sinks[i];
		uint64_t sum = 0;
		for (size_t b = 0; b <= FL_LATENCY_BOUNDS; b++) {
			sum += sink->latency[b];
			fl_buf_format(out, "%s_bucket{", name);
			sink_labels(sink, out);
			if (b < FL_LATENCY_BOUNDS)
				fl_buf_format(out, ",le=\"%g\"} %" PRIu64 "\n",
					fl_latency_bounds[b] / 1e6, sum);
			else
				fl_buf_format(out, ",le=\"+Inf\"} %" PRIu64 "\n", sum);
		}
		fl_buf_format(out, "%s_sum{", name);
		sink_labels(sink, out);
		fl_buf_format(out, "} %.6f\n%s_count{", sink->latency_sum, name);
		sink_labels(sink, out);
		fl_buf_format(out, "} %" PRIu64 "\n", sum);
	}
}

/* ---- the rest ---- */

static void write_source(const struct fl_snapshot_source *source, struct fl_buf *out)
{
	counter(out, "fastlane_source_events_total", "Events read, heartbeats not counted.",
		source->events);
	counter(out, "fastlane_source_transactions_total", "Transactions read.",
		source->transactions);
	counter(out, "fastlane_source_rows_total",
		"Changes read of tables that any sink wants; a statement counts as one.",
		source->rows);
	counter(out, "fastlane_source_bytes_total", "Bytes of binlog read.", source->bytes);
	counter(out, "fastlane_source_reconnects_total", "Times that a lane connected anew.",
		source->reconnects);
	number(out, "fastlane_source_connected", "1 while the source sends its binlog.", "gauge",
		source->connected);
	if (source->since_last_event >= 0)
		number(out, "fastlane_source_last_event_seconds",
			"Seconds since the source last sent an event or a heartbeat.", "gauge",
			source->since_last_event);
	if (source->place != NULL && source->place->file != NULL) {
		static const char name[] = "fastlane_source_position_bytes";
		head(out, name, "gauge", "How far the binlog file has been read.");
		fl_buf_format(out, "%s{", name);
		label(out, "file", source->place->file);
		fl_buf_format(out, "} %" PRIu64 "\n", source->place->offset);
	}
}

void fl_metrics_write(const struct fl_snapshot *snapshot, struct fl_buf *out)
{
	head(out, "fastlane_build_info", "gauge", "1; the version is a label.");
	fl_buf_text(out, "fastlane_build_info{");
	label(out, "version", snapshot->version);
	fl_buf_text(out, "} 1\n");
	number(out, "fastlane_start_time_seconds", "When it was started, in seconds since 1970.",
		"gauge", snapshot->started);
	number(out, "fastlane_ready", "1 if every sink rides and lags no more than max_lag.",
		"gauge", snapshot->is_ready);
	counter(out, "fastlane_reloads_total", "Configurations put in force by SIGHUP.",
		snapshot->reloads);
	number(out, "fastlane_http_waiting", "Requests to /wait that are not answered yet.",
		"gauge", snapshot->waiting);
	write_source(&snapshot->source, out);
	write_counters(snapshot, out);
	write_errors(snapshot, out);
	write_gauges(snapshot, out);
	write_latency(snapshot, out);
	number(out, "process_resident_memory_bytes", "Resident memory.", "gauge",
		(double)snapshot->resident_bytes);
	number(out, "process_cpu_seconds_total", "Processor time, of the user's and the system's.",
		"counter", snapshot->cpu_seconds);
	number(out, "process_start_time_seconds", "When it was started, in seconds since 1970.",
		"gauge", snapshot->started);
}
