/* SPDX-License-Identifier: Apache-2.0
 *
 * /status: all of a snapshot, as JSON.
 */
#include "http/private.h"

#include <inttypes.h>

#include "binlog/row.h"

void fl_json_write(const char *text, struct fl_buf *out)
{
	if (text != NULL)
		fl_json_text((struct fl_bytes){ text, strlen(text) }, out);
	else
		fl_buf_text(out, "null");
}

static const char *boolean(bool value)
{
	return value ? "true" : "false";
}

void fl_place_write(const struct fl_snapshot_place *place, struct fl_buf *out)
{
	if (place == NULL) {
		fl_buf_text(out, "null");
		return;
	}
	fl_buf_text(out, "{\"file\":");
	fl_json_write(place->file, out);
	fl_buf_format(out, ",\"offset\":%" PRIu64 ",\"gtids\":", place->offset);
	fl_json_write(place->gtids, out);
	fl_buf_char(out, '}');
}

static void write_source(const struct fl_snapshot_source *source, struct fl_buf *out)
{
	fl_buf_text(out, "{\"name\":");
	fl_json_write(source->name, out);
	fl_buf_text(out, ",\"flavour\":");
	fl_json_write(source->flavour, out);
	fl_buf_text(out, ",\"version\":");
	fl_json_write(source->version, out);
	fl_buf_format(out, ",\"connected\":%s,\"position\":", boolean(source->connected));
	fl_place_write(source->place, out);
	fl_buf_format(out,
		",\"events\":%" PRIu64 ",\"transactions\":%" PRIu64 ",\"rows\":%" PRIu64
		",\"bytes\":%" PRIu64 ",\"reconnects\":%" PRIu64 ",\"since_last_event\":",
		source->events, source->transactions, source->rows, source->bytes,
		source->reconnects);
	if (source->since_last_event >= 0)
		fl_buf_format(out, "%.3f}", source->since_last_event);
	else
		fl_buf_text(out, "null}");
}

static void write_lane(
	const struct fl_snapshot *snapshot, const struct fl_snapshot_lane *lane, struct fl_buf *out)
{
	bool is_first = true;
	fl_buf_format(out, "{\"number\":%u,\"host\":", lane->number);
	fl_json_write(lane->host, out);
	fl_buf_format(out, ",\"connected\":%s,\"file\":", boolean(lane->connected));
	fl_json_write(lane->file, out);
	fl_buf_format(out, ",\"offset\":%" PRIu64 ",\"sinks\":[", lane->offset);
	for (size_t i = 0; i < snapshot->sink_count; i++) {
		if (snapshot->sinks[i].lane != (int)lane->number)
			continue;
		fl_buf_text(out, is_first ? "" : ",");
		fl_json_write(snapshot->sinks[i].name, out);
		is_first = false;
	}
	fl_buf_format(out, "],\"queued_bytes\":%zu}", lane->queued);
}

static void write_latency(const struct fl_snapshot_sink *sink, struct fl_buf *out)
{
	uint64_t count = 0;
	for (size_t i = 0; i <= FL_LATENCY_BOUNDS; i++)
		count += sink->latency[i];
	fl_buf_format(out,
		",\"latency\":{\"count\":%" PRIu64 ",\"sum\":%.6f,\"p50\":%.6f,\"p99\":%.6f}",
		count, sink->latency_sum, fl_latency_quantile(sink->latency, 0.5),
		fl_latency_quantile(sink->latency, 0.99));
}

static void write_sink(const struct fl_snapshot_sink *sink, struct fl_buf *out)
{
	fl_buf_text(out, "{\"name\":");
	fl_json_write(sink->name, out);
	fl_buf_text(out, ",\"plugin\":");
	fl_json_write(sink->plugin, out);
	fl_buf_format(out, ",\"state\":\"%s\",\"lane\":", sink->state);
	if (sink->lane >= 0)
		fl_buf_format(out, "%d", sink->lane);
	else
		fl_buf_text(out, "null");
	fl_buf_format(out, ",\"ready\":%s,\"unready\":", boolean(sink->unready == NULL));
	fl_json_write(sink->unready, out);
	fl_buf_text(out, ",\"position\":");
	fl_place_write(sink->place, out);
	fl_buf_format(out,
		",\"transactions\":%" PRIu64 ",\"operations\":%" PRIu64 ",\"changes\":%" PRIu64
		",\"batches\":%" PRIu64 ",\"coalesced\":%" PRIu64 ",\"retries\":%" PRIu64
		",\"errors\":{\"connect\":%" PRIu64 ",\"write\":%" PRIu64 ",\"halted\":%" PRIu64
		"},\"doubts\":%" PRIu64,
		sink->transactions, sink->operations, sink->changes, sink->batches, sink->coalesced,
		sink->retries, sink->errors[FL_ERROR_CONNECT], sink->errors[FL_ERROR_WRITE],
		sink->errors[FL_ERROR_HALTED], sink->doubts);
	fl_buf_format(out, ",\"queue_bytes\":%zu,\"queue_limit\":%zu,\"lag\":%.6f", sink->queued,
		sink->queue_limit, sink->lag);
	write_latency(sink, out);
	fl_buf_text(out, ",\"last_error\":");
	if (sink->last_error.time_us != 0) {
		fl_buf_format(
			out, "{\"time\":%.6f,\"text\":", (double)sink->last_error.time_us / 1e6);
		fl_json_write(sink->last_error.text, out);
		fl_buf_text(out, "}}");
	} else {
		fl_buf_text(out, "null}");
	}
}

void fl_status_write(const struct fl_snapshot *snapshot, struct fl_buf *out)
{
	fl_buf_text(out, "{\"version\":");
	fl_json_write(snapshot->version, out);
	fl_buf_format(out,
		",\"pid\":%d,\"started\":%.3f,\"uptime\":%.3f,\"config\":", snapshot->pid,
		snapshot->started, snapshot->now - snapshot->started);
	fl_json_write(snapshot->config, out);
	fl_buf_format(out,
		",\"reloads\":%u,\"waiting\":%u,\"ready\":%s,\"max_lag\":%.1f,\n\"source\":",
		snapshot->reloads, snapshot->waiting, boolean(snapshot->is_ready),
		snapshot->max_lag);
	write_source(&snapshot->source, out);
	fl_buf_text(out, ",\n\"lanes\":[");
	for (size_t i = 0; i < snapshot->lane_count; i++) {
		fl_buf_text(out, i > 0 ? ",\n" : "");
		write_lane(snapshot, &snapshot->lanes[i], out);
	}
	fl_buf_text(out, "],\n\"sinks\":[");
	for (size_t i = 0; i < snapshot->sink_count; i++) {
		fl_buf_text(out, i > 0 ? ",\n" : "");
		write_sink(&snapshot->sinks[i], out);
	}
	fl_buf_text(out, "]}\n");
}
