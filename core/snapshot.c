/* SPDX-License-Identifier: Apache-2.0
 *
 * The regimes at one moment, as plain data.
 */
#include <unistd.h>

#include "observer.h"

enum {
	LEVEL_MS =
		100, /* a lane that has waited for the source so long has read all there is ... */
	LEVEL_FIRST_MS = 1000, /* ... and one whose session has brought nothing yet, so long */
	NEWS_US = 2000000,     /* what was committed since then is no sign of a lag */
	BEATS = 3,	       /* heartbeats that may be missing */
};

struct fl_worker *fl_observer_worker(const struct fl_observer *o, size_t sink)
{
	const struct fl_regime *r = *o->current;
	const struct fl_sink_config *config = &r->config->sinks[sink];
	if (r->sinks[sink].worker != NULL)
		return r->sinks[sink].worker;
	for (r = *o->earlier; r != NULL; r = r->next)
		for (size_t i = 0; i < r->config->sink_count; i++)
			if (r->sinks[i].worker != NULL &&
				strcmp(r->config->sinks[i].name, config->name) == 0 &&
				fl_regime_has_same(r->config, config))
				return r->sinks[i].worker;
	return NULL;
}

/* ---- lag ---- */

/* Whether the source is there and had sent all it had, before what it sends now. */
static bool is_level(const struct fl_lane_state *lane)
{
	return lane->waits_ms >= (lane->is_well ? LEVEL_MS : LEVEL_FIRST_MS);
}

static bool is_heard_of(const struct fl_regime *r, const struct fl_lane_state *lane, int64_t now_us)
{
	int64_t const silence = (int64_t)r->config->source.heartbeat * BEATS * 1000000;
	return lane->connected && now_us - lane->heard_us <= silence;
}

/* As far as the lane itself knows: what it has given to the sink has been settled. 0: it knows
 * nothing. */
static int64_t complete_in_lane(
	const struct fl_regime *r, const struct fl_lane_state *lane, int64_t now_us)
{
	if (!is_heard_of(r, lane, now_us))
		return 0;
	/* What is still being received was committed before any of it came. */
	int64_t const most = now_us - lane->within_us;
	if (is_level(lane))
		return most;
	if (lane->delivered_us == 0)
		return 0;
	return now_us - lane->delivered_us > NEWS_US && lane->delivered_us < most
		       ? lane->delivered_us
		       : most;
}

int64_t fl_observer_complete(const struct fl_observer *o, const struct fl_worker_view *view,
	struct fl_sink_counters *counters, int64_t now_us)
{
	const struct fl_regime *r = *o->current;
	int64_t complete = 0;
	struct fl_lane_state lane = { .connected = false };
	bool const rides = view->state == FL_WORKER_RIDING && view->has_seat &&
			   view->lane < r->lane_room && r->lanes[view->lane] != NULL;
	if (rides)
		fl_lane_state(r->lanes[view->lane], &lane);
	if (rides && view->oldest_us != 0)
		complete = view->oldest_us;
	else if (rides)
		complete = complete_in_lane(r, &lane, now_us);
	/* Of a source that is silent nothing is known since then. */
	if (complete == 0 && rides && lane.heard_us != 0 && lane.heard_us < counters->complete_us &&
		!is_heard_of(r, &lane, now_us))
		complete = lane.heard_us;
	if (complete != 0)
		counters->complete_us = complete < now_us ? complete : now_us;
	return counters->complete_us;
}

/* ---- texts and places ---- */

/* Texts are copied, since what they belong to may end with the next turn of the loop. NULL when
 * memory runs out, or for NULL. */
static const char *keep(struct fl_snapshot *snapshot, const char *text)
{
	size_t const size = text != NULL ? strlen(text) + 1 : 0;
	char *copy = size > 0 ? fl_arena_alloc(&snapshot->arena, size) : NULL;
	return copy != NULL ? memcpy(copy, text, size) : NULL;
}

static const struct fl_snapshot_place *make_place(struct fl_snapshot *snapshot, const char *file,
	uint64_t offset, const struct fl_gtid_set *gtids)
{
	struct fl_buf text = { 0 };
	struct fl_snapshot_place *place = fl_arena_alloc(&snapshot->arena, sizeof(*place));
	if (place == NULL)
		return NULL;
	*place = (struct fl_snapshot_place){ .file = keep(snapshot, file), .offset = offset };
	if (gtids != NULL) {
		fl_gtid_set_format(gtids, &text);
		fl_buf_char(&text, '\0');
		if (!text.failed)
			place->gtids = keep(snapshot, text.data);
		fl_buf_finish(&text);
	}
	return place;
}

static const struct fl_snapshot_place *place_of(
	struct fl_snapshot *snapshot, struct fl_worker *worker)
{
	const struct fl_snapshot_place *place = NULL;
	struct fl_buf text = { 0 };
	struct fl_position position = { 0 };
	fl_worker_position(worker, &text);
	if (text.size > 0 &&
		fl_position_parse((struct fl_bytes){ text.data, text.size }, &position, NULL) == 0)
		place = make_place(snapshot, position.file, position.offset, position.gtids);
	fl_position_finish(&position);
	fl_buf_finish(&text);
	return place;
}

/* ---- sinks ---- */

static const char *state_name(enum fl_worker_state state)
{
	static const char *const names[] = { "opening", "waiting", "riding", "finished", "halted",
		"stopped" };
	return names[state];
}

static const char *unready(
	struct fl_snapshot *snapshot, const struct fl_snapshot_sink *sink, const char *state)
{
	char text[sizeof(sink->last_error.text) + 40];
	if (sink->has_halted)
		snprintf(text, sizeof(text), "%s",
			sink->last_error.time_us != 0 ? sink->last_error.text : "halted");
	else if (!sink->is_riding)
		snprintf(text, sizeof(text), "%s%s%s", state,
			sink->last_error.time_us != 0 ? "; its last error: " : "",
			sink->last_error.time_us != 0 ? sink->last_error.text : "");
	else if (sink->lag > snapshot->max_lag)
		snprintf(text, sizeof(text), "lags %.1f s, more than max_lag, %.0f s", sink->lag,
			snapshot->max_lag);
	else
		return NULL;
	const char *kept = keep(snapshot, text);
	return kept != NULL ? kept : "out of memory";
}

static void show_counters(struct fl_snapshot_sink *sink, struct fl_sink_counters *counters)
{
	sink->transactions = fl_counted(&counters->transactions);
	sink->operations = fl_counted(&counters->operations);
	sink->changes = fl_counted(&counters->changes);
	sink->batches = fl_counted(&counters->batches);
	sink->coalesced = fl_counted(&counters->coalesced);
	sink->retries = fl_counted(&counters->retries);
	sink->doubts = fl_counted(&counters->doubts);
	for (size_t i = 0; i < FL_ERROR_KINDS; i++)
		sink->errors[i] = fl_counted(&counters->errors[i]);
	for (size_t i = 0; i <= FL_LATENCY_BOUNDS; i++)
		sink->latency[i] = fl_counted(&counters->latency[i]);
	sink->latency_sum = (double)fl_counted(&counters->latency_us) / 1e6;
	fl_sink_last_error(counters, &sink->last_error);
}

static int show_sinks(struct fl_observer *o, struct fl_snapshot *snapshot, int64_t now_us)
{
	const struct fl_regime *r = *o->current;
	size_t const count = r->config->sink_count;
	struct fl_snapshot_sink *sinks =
		fl_arena_alloc(&snapshot->arena, (count + 1) * sizeof(*sinks));
	if (sinks == NULL)
		return FL_ENOMEM;
	snapshot->is_ready = true;
	for (size_t i = 0; i < count; i++) {
		const struct fl_sink_config *config = &r->config->sinks[i];
		struct fl_sink_counters *counters = fl_telemetry_sink(&o->telemetry, config->name);
		struct fl_worker *worker = fl_observer_worker(o, i);
		struct fl_worker_view view = { .state = FL_WORKER_OPENING };
		if (counters == NULL)
			return FL_ENOMEM;
		/* One of an earlier regime is as good as not open yet. */
		if (r->sinks[i].worker != NULL)
			fl_worker_look(worker, &view);
		struct fl_snapshot_sink *sink = &sinks[i];
		*sink = (struct fl_snapshot_sink){
			.name = keep(snapshot, config->name),
			.plugin = keep(snapshot, config->plugin->name),
			.state = state_name(view.state),
			.is_riding = view.state == FL_WORKER_RIDING,
			.has_halted = view.state == FL_WORKER_HALTED,
			.lane = view.has_seat ? (int)view.lane : -1,
			.place = worker != NULL ? place_of(snapshot, worker) : NULL,
			.queued = view.queued,
			.queue_limit = r->config->queue_bytes,
		};
		if (sink->name == NULL || sink->plugin == NULL)
			return FL_ENOMEM;
		show_counters(sink, counters);
		int64_t const complete = fl_observer_complete(o, &view, counters, now_us);
		sink->lag = (double)(now_us - complete) / 1e6;
		sink->unready = unready(snapshot, sink, sink->state);
		snapshot->is_ready = snapshot->is_ready && sink->unready == NULL;
	}
	snapshot->sinks = sinks;
	snapshot->sink_count = count;
	return 0;
}

/* ---- the source and its lanes ---- */

static int show_lanes(const struct fl_regime *r, struct fl_snapshot *snapshot, int64_t now_us)
{
	struct fl_snapshot_source *source = &snapshot->source;
	struct fl_snapshot_lane *lanes =
		fl_arena_alloc(&snapshot->arena, (r->lane_room + 1) * sizeof(*lanes));
	struct fl_lane_state first = { .file = "" }; /* that has come farthest */
	int64_t heard_us = 0;
	if (lanes == NULL)
		return FL_ENOMEM;
	for (size_t i = 0; i < r->lane_room; i++) {
		struct fl_lane_state state;
		if (r->lanes[i] == NULL)
			continue;
		fl_lane_state(r->lanes[i], &state);
		lanes[snapshot->lane_count++] = (struct fl_snapshot_lane){
			.number = state.number,
			.host = keep(snapshot, r->config->source.host_count > 0
						       ? r->config->source.hosts[state.host].name
						       : NULL),
			.connected = state.connected,
			.file = keep(snapshot, state.file),
			.offset = state.offset,
			.queued = state.queued,
		};
		source->connected |= state.connected;
		heard_us = state.heard_us > heard_us ? state.heard_us : heard_us;
		if (state.version[0] != '\0') {
			source->version = keep(snapshot, state.version);
			source->flavour = state.flavour == FL_MYSQL ? "mysql" : "mariadb";
		}
		if (state.file[0] != '\0' &&
			(first.file[0] == '\0' || fl_binlog_compare(state.file, state.offset,
							  first.file, first.offset) > 0))
			first = state;
	}
	snapshot->lanes = lanes;
	source->since_last_event = heard_us != 0 ? (double)(now_us - heard_us) / 1e6 : -1;
	if (first.file[0] != '\0')
		source->place = make_place(snapshot, first.file, first.offset, NULL);
	return 0;
}

/* A lane tells no GTIDs; a sink that is at the same place does. */
static void add_gtids(struct fl_snapshot *snapshot)
{
	const struct fl_snapshot_place *place = snapshot->source.place;
	for (size_t i = 0; place != NULL && i < snapshot->sink_count; i++) {
		const struct fl_snapshot_place *other = snapshot->sinks[i].place;
		if (other == NULL || other->offset != place->offset || other->file == NULL ||
			place->file == NULL || strcmp(other->file, place->file) != 0)
			continue;
		snapshot->source.place = other;
		return;
	}
}

static void show_source(const struct fl_observer *o, struct fl_snapshot *snapshot)
{
	struct fl_regime *r = *o->current;
	const struct fl_source_counters *counters = &o->telemetry.source;
	struct fl_snapshot_source *source = &snapshot->source;
	source->events = fl_counted(&counters->events);
	source->transactions = fl_counted(&counters->transactions);
	source->rows = fl_counted(&counters->rows);
	source->bytes = fl_counted(&counters->bytes);
	source->reconnects = fl_counted(&counters->reconnects);
	if (r->config->source.host_count > 0)
		source->name =
			keep(snapshot, r->config->source.hosts[fl_hosts_current(&r->hosts)].name);
}

int fl_observer_snapshot(void *ctx, struct fl_snapshot *ret)
{
	struct fl_observer *o = ctx;
	const struct fl_regime *r = *o->current;
	int64_t const now_us = fl_now_us();
	uv_rusage_t usage;
	ret->version = FL_VERSION;
	ret->config = o->path;
	ret->pid = getpid();
	ret->now = (double)now_us / 1e6;
	ret->started = (double)o->started_us / 1e6;
	ret->reloads = o->reloads;
	ret->waiting = atomic_load(&o->telemetry.waiters);
	ret->max_lag = r->config->http.max_lag;
	uv_resident_set_memory(&ret->resident_bytes);
	if (uv_getrusage(&usage) == 0)
		ret->cpu_seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
				   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	show_source(o, ret);
	int result = show_lanes(r, ret, now_us);
	if (result == 0)
		result = show_sinks(o, ret, now_us);
	if (result == 0)
		add_gtids(ret);
	return result;
}
