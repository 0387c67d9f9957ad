/* SPDX-License-Identifier: Apache-2.0 */
#include "regime.h"

#include "base/log.h"
#include "daemon.h"
#include "source/file.h"

#include <unistd.h>

static bool wants(void *ctx, struct fl_bytes db, struct fl_bytes table)
{
	const struct fl_regime *r = ctx;
	return r->takes_changes || fl_map_wants(r->config->map, db, table);
}

/* The warning about foreign keys concerns caches alone. */
static bool is_mapped(void *ctx, struct fl_bytes db, struct fl_bytes table)
{
	const struct fl_regime *r = ctx;
	return fl_map_wants(r->config->map, db, table);
}

/* ---- life ---- */

struct fl_regime *fl_regime_create(struct fl_config *config, const char *path, int lock,
	bool until_current, const char *const *files, void (*changed)(void *ctx), void *changed_ctx,
	struct fl_telemetry *telemetry, void (*settled)(void *ctx), void *settled_ctx)
{
	struct fl_regime *r = calloc(1, sizeof(*r));
	if (r == NULL)
		goto no_regime;
	r->config = config;
	r->lock = lock;
	r->listener = -1;
	r->telemetry = telemetry;
	r->settled = settled;
	r->settled_ctx = settled_ctx;
	r->until_current = until_current;
	for (size_t i = 0; i < config->sink_count; i++)
		r->takes_changes |= config->sinks[i].plugin->takes == FL_TAKES_CHANGES;
	r->lane_room = 2 * config->sink_count;
	r->sinks = calloc(config->sink_count, sizeof(*r->sinks));
	r->lanes = calloc(r->lane_room, sizeof(struct fl_lane *));
	if (r->sinks == NULL || r->lanes == NULL || pthread_mutex_init(&r->hosts.mutex, NULL) != 0)
		goto no_room;
	r->lane_config = (struct fl_lane_config){
		.source = &config->source,
		.hosts = &r->hosts,
		.files = files,
		.transaction_bytes = config->transaction_bytes,
		.wants = wants,
		.mapped = is_mapped,
		.wants_ctx = r,
		.until_current = until_current && files == NULL,
		.counters = &telemetry->source,
		.changed = changed,
		.changed_ctx = changed_ctx,
	};
	r->starter = (struct fl_starter){
		.source = &config->source,
		.hosts = &r->hosts,
		.files = files,
		.map = config->map,
		.fit = { .config = config,
			.path = path,
			.halt = config->on_doubt == FL_ON_DOUBT_HALT },
		.wants = is_mapped,
		.wants_ctx = r,
		.until_current = until_current && files == NULL,
		.changed = changed,
		.changed_ctx = changed_ctx,
	};
	return r;
no_room:
	free(r->sinks);
	free(r->lanes);
	free(r);
no_regime:
	fl_config_destroy(config);
	if (lock >= 0)
		close(lock);
	return NULL;
}

void fl_regime_destroy(struct fl_regime *r)
{
	if (r == NULL)
		return;
	if (r->asking)
		fl_starter_finish(&r->starter);
	for (size_t i = 0; i < r->config->sink_count; i++) {
		fl_worker_destroy(r->sinks[i].worker);
		fl_position_finish(&r->sinks[i].start);
	}
	for (size_t i = 0; i < r->lane_room; i++)
		fl_lane_destroy(r->lanes[i]);
	fl_position_finish(&r->starter.start);
	fl_position_finish(&r->starter.current);
	pthread_mutex_destroy(&r->hosts.mutex);
	free(r->sinks);
	free(r->lanes);
	fl_config_destroy(r->config);
	if (r->lock >= 0)
		close(r->lock);
	if (r->listener >= 0)
		close(r->listener);
	free(r);
}

/* ---- the source ---- */

/* The host in use stays so if the new configuration has it: there is no going back by itself to one
 * that was left. */
static void keep_host(struct fl_regime *r, struct fl_regime *before)
{
	const struct fl_source_config *old = &before->config->source, *new = &r->config->source;
	const char *name = old->hosts[fl_hosts_current(&before->hosts)].name;
	for (unsigned i = 0; i < new->host_count; i++)
		if (strcmp(new->hosts[i].name, name) == 0)
			fl_hosts_use(&r->hosts, i);
}

int fl_regime_ask(struct fl_regime *r, struct fl_regime *before, struct fl_err *err)
{
	if (before != NULL && r->lane_config.files == NULL)
		keep_host(r, before);
	r->starter.fit.replaces = before != NULL;
	int result = fl_starter_start(&r->starter, err);
	r->asking = result == 0;
	return result;
}

enum fl_answer fl_regime_answer(struct fl_regime *r)
{
	if (!r->asking || !atomic_load(&r->starter.done))
		return FL_ANSWER_NONE;
	fl_starter_finish(&r->starter);
	r->asking = false;
	return r->starter.ok ? FL_ANSWER_YES : FL_ANSWER_NO;
}

static int find_earliest(void *ctx, struct fl_position *ret, struct fl_err *err)
{
	const struct fl_regime *r = ctx;
	const struct fl_source_config *source = &r->config->source;
	int result = FL_ELOST;
	if (r->lane_config.files != NULL)
		return fl_binlog_file_begin(r->lane_config.files[0], ret, err);
	/* The one that the lanes use, or whichever answers in its place. */
	unsigned const first = fl_hosts_current(r->lane_config.hosts);
	for (unsigned i = 0; i < source->host_count && result != 0; i++) {
		struct fl_session *session = NULL;
		result = fl_session_connect(
			source, (first + i) % source->host_count, source->server_id, &session, err);
		if (result == 0)
			result = fl_session_start_position(session, "earliest", ret, err);
		fl_session_close(session);
	}
	return result;
}

/* ---- starting sinks ---- */

/* What `start` was read of: where that is the same, a sink that has nothing yet begins where it was
 * to begin, and not where the binlog's end is by now. The text is the caller's; NULL when memory
 * runs out. */
static char *make_origin(const struct fl_regime *r)
{
	const struct fl_source_config *source = &r->config->source;
	struct fl_buf text = { 0 };
	fl_buf_text(&text, source->start != NULL ? source->start : "");
	for (unsigned i = 0; i < source->host_count; i++) {
		fl_buf_char(&text, ' ');
		fl_buf_text(&text, source->hosts[i].name);
	}
	fl_buf_char(&text, '\0');
	if (!text.failed)
		return text.data;
	fl_buf_finish(&text);
	return NULL;
}

static const struct fl_sink_config *find_sink(const struct fl_config *config, const char *name)
{
	for (size_t i = 0; i < config->sink_count; i++)
		if (strcmp(config->sinks[i].name, name) == 0)
			return &config->sinks[i];
	return NULL;
}

bool fl_regime_has_same(const struct fl_config *config, const struct fl_sink_config *sink)
{
	const struct fl_sink_config *found = find_sink(config, sink->name);
	return found != NULL && found->plugin == sink->plugin &&
	       fl_options_same(found->options, sink->options);
}

static bool is_held_back(const struct fl_sink_config *sink, const struct fl_regime *earlier)
{
	for (; earlier != NULL; earlier = earlier->next) {
		bool const same = fl_regime_has_same(earlier->config, sink);
		for (size_t i = 0; i < earlier->config->sink_count; i++)
			if (earlier->sinks[i].worker != NULL &&
				((!same && earlier->config->sinks[i].plugin == sink->plugin) ||
					strcmp(earlier->config->sinks[i].name, sink->name) == 0))
				return true;
	}
	return false;
}

/* Gives a sink's configuration what one of that name has left. */
static void inherit(const struct fl_regime *r, const struct fl_sink_config *config,
	struct fl_regime_sink *sink, struct fl_remains *remains)
{
	char *origin = make_origin(r);
	if (remains->plugin == config->plugin && fl_options_same(remains->options, config->options))
		sink->config.memory = remains->memory;
	sink->config.known = (struct fl_bytes){ remains->settled.data, remains->settled.size };
	if (origin != NULL && remains->origin != NULL && strcmp(origin, remains->origin) == 0 &&
		fl_position_copy(&remains->start, &sink->start) == 0)
		sink->config.start = &sink->start;
	free(origin);
}

static int start_sink(struct fl_regime *r, size_t i, struct fl_remains **remains)
{
	const struct fl_sink_config *config = &r->config->sinks[i];
	struct fl_regime_sink *sink = &r->sinks[i];
	struct fl_err err = { 0 };
	sink->config = (struct fl_worker_config){
		.name = config->name,
		.plugin = config->plugin,
		.settings = fl_options_settings(config->options),
		.map = r->config->map,
		.on_doubt = r->config->on_doubt,
		.on_cold = r->config->on_cold,
		.coalesce = config->coalesce,
		.max_batch_ops = config->max_batch_ops,
		.max_batch_bytes = config->max_batch_bytes,
		.earliest = find_earliest,
		.earliest_ctx = r,
		.state_dir = r->config->state_dir,
		.start = &r->starter.start,
		.changed = r->lane_config.changed,
		.changed_ctx = r->lane_config.changed_ctx,
		.counters = fl_telemetry_sink(r->telemetry, config->name),
		.waiters = &r->telemetry->waiters,
		.settled = r->settled,
		.settled_ctx = r->settled_ctx,
	};
	struct fl_remains *left = fl_remains_take(remains, config->name);
	if (left != NULL)
		inherit(r, config, sink, left);
	if (sink->config.counters != NULL)
		sink->worker = fl_worker_create(&sink->config);
	sink->config.known = (struct fl_bytes){ 0 };
	fl_remains_destroy(left);
	if (sink->worker != NULL && fl_worker_start(sink->worker, &err) == 0)
		return 0;
	fl_error(config->name, "can't be started: %s",
		sink->worker != NULL ? err.text : "out of memory");
	fl_worker_destroy(sink->worker);
	sink->worker = NULL;
	r->code = FL_EXIT_USAGE;
	return -1;
}

void fl_regime_put_in_force(struct fl_regime *r)
{
	r->in_force = true;
	r->in_force_at = fl_regime_now();
	r->lane_config.target = r->starter.current;
	r->lane_config.fold_case = r->starter.fold_case;
}

int fl_regime_start_sinks(
	struct fl_regime *r, const struct fl_regime *earlier, struct fl_remains **remains)
{
	for (size_t i = 0; i < r->config->sink_count; i++)
		if (r->sinks[i].worker == NULL && !is_held_back(&r->config->sinks[i], earlier) &&
			start_sink(r, i, remains) != 0)
			return -1;
	return 0;
}

size_t fl_regime_running(struct fl_regime *r)
{
	size_t count = 0;
	for (size_t i = 0; i < r->config->sink_count; i++) {
		struct fl_worker *worker = r->sinks[i].worker;
		enum fl_worker_state state =
			worker != NULL ? fl_worker_state(worker) : FL_WORKER_OPENING;
		count += worker != NULL ? state < FL_WORKER_FINISHED : r->in_force && !r->stopping;
		if (state == FL_WORKER_HALTED && r->code == FL_EXIT_OK)
			r->code = FL_EXIT_SINK;
	}
	return count;
}

/* ---- stopping ---- */

void fl_regime_leave(struct fl_regime *r)
{
	r->stopping = true;
	if (r->asking)
		fl_starter_stop(&r->starter);
	for (size_t i = 0; i < r->config->sink_count; i++)
		if (r->sinks[i].worker != NULL)
			fl_worker_leave(r->sinks[i].worker);
	for (size_t i = 0; i < r->lane_room; i++)
		if (r->lanes[i] != NULL)
			fl_lane_leave(r->lanes[i]);
}

void fl_regime_stop(struct fl_regime *r)
{
	fl_regime_leave(r);
	for (size_t i = 0; i < r->config->sink_count; i++)
		if (r->sinks[i].worker != NULL)
			fl_worker_stop(r->sinks[i].worker);
	for (size_t i = 0; i < r->lane_room; i++)
		if (r->lanes[i] != NULL)
			fl_lane_stop(r->lanes[i]);
}

bool fl_regime_reap(struct fl_regime *r, struct fl_remains **remains)
{
	bool all = true;
	fl_regime_close_ended_lanes(r);
	if (r->asking)
		all = fl_regime_answer(r) != FL_ANSWER_NONE;
	for (size_t i = 0; i < r->config->sink_count; i++) {
		struct fl_regime_sink *sink = &r->sinks[i];
		if (sink->worker == NULL)
			continue;
		if (fl_worker_state(sink->worker) < FL_WORKER_FINISHED) {
			all = false;
			continue;
		}
		char *origin = make_origin(r);
		if (fl_remains_keep(remains, sink->worker, &sink->config,
			    r->config->sinks[i].options, origin) != 0)
			fl_warn(sink->config.name, "out of memory: begins as after a restart");
		free(origin);
		fl_worker_destroy(sink->worker);
		sink->worker = NULL;
	}
	return all && !fl_regime_has_lanes(r);
}

void fl_regime_interrupt(struct fl_regime *r)
{
	for (size_t i = 0; i < r->config->sink_count; i++) {
		struct fl_regime_sink *sink = &r->sinks[i];
		if (sink->worker != NULL && !sink->was_cut)
			fl_worker_interrupt(sink->worker);
		sink->was_cut = true;
	}
}

void fl_regime_press(struct fl_regime *r, const struct fl_regime *heir)
{
	for (size_t i = 0; i < r->config->sink_count; i++) {
		struct fl_regime_sink *sink = &r->sinks[i];
		if (sink->worker == NULL || sink->was_cut ||
			fl_worker_call_ms(sink->worker) < FL_INTERRUPT_AFTER_MS)
			continue;
		/* What one that keeps its own position had not settled is not repeated; with the
		 * others it is better to wait, for as long as nothing else does. */
		sink->was_cut = sink->config.plugin->position != NULL ||
				!fl_regime_has_same(heir->config, &r->config->sinks[i]);
		if (sink->was_cut)
			fl_worker_interrupt(sink->worker);
		else if (sink->was_told)
			continue;
		sink->was_told = true;
		fl_warn(sink->config.name, "does not answer: %s",
			sink->was_cut ? "is interrupted"
				      : "goes on under the new configuration once it has settled "
					"what is in flight");
	}
}
