/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon.h"

#include <signal.h>
#include <unistd.h>
#include <uv.h>

#include "base/log.h"
#include "checkpoint.h"
#include "lane/lane.h"
#include "sink/worker.h"
#include "source/file.h"
#include "starter.h"

enum {
	MOST_SINKS = 64,
	TICK_MS = 100,
	SEATS_AFTER_MS =
		1000, /* of waiting for a sink that can't be opened: the others start without it */
	MERGE_DISTANCE = 1 << 20,  /* bytes of binlog within which two lanes may become one */
	INTERRUPT_AFTER_MS = 2500, /* of stopping: calls that block are cut short */
	GIVE_UP_AFTER_MS = 4500,   /* of stopping: what is safe is safe */
};

struct sink {
	struct fl_worker_config config;
	struct fl_worker *worker;
};

struct daemon {
	const struct fl_config *config;
	bool until_current;
	bool takes_changes; /* some sink takes every table's changes */
	uv_loop_t loop;
	uv_async_t news; /* from any thread: look again */
	uv_timer_t tick;
	uv_signal_t sigterm, sigint;

	struct fl_hosts hosts;
	struct fl_starter starter;
	bool starting; /* the starter's thread has to be joined */
	struct fl_lane_config lane_config;
	struct sink *sinks;
	size_t sink_count;	/* started */
	uint64_t sinks_at;	/* uv_now when the sinks were started */
	bool seated;		/* the first seats have been given */
	struct fl_lane **lanes; /* as many places as sinks, and one for each that is merging */
	size_t lane_room;

	bool stopping;
	bool interrupted;
	uint64_t stopped_at; /* uv_now */
	int exit_code;
};

static void on_change(void *ctx)
{
	struct daemon *d = ctx;
	uv_async_send(&d->news);
}

static bool wants(void *ctx, struct fl_bytes db, struct fl_bytes table)
{
	const struct daemon *d = ctx;
	return d->takes_changes || fl_map_wants(d->config->map, db, table);
}

/* The warning about foreign keys concerns caches alone. */
static bool is_mapped(void *ctx, struct fl_bytes db, struct fl_bytes table)
{
	const struct daemon *d = ctx;
	return fl_map_wants(d->config->map, db, table);
}

/* ---- stopping ---- */

static void stop(struct daemon *d)
{
	if (d->stopping)
		return;
	d->stopping = true;
	d->stopped_at = uv_now(&d->loop);
	if (d->starting)
		fl_starter_stop(&d->starter);
	for (size_t i = 0; i < d->sink_count; i++)
		fl_worker_stop(d->sinks[i].worker);
	for (size_t i = 0; i < d->lane_room; i++)
		if (d->lanes[i] != NULL)
			fl_lane_stop(d->lanes[i]);
	uv_async_send(&d->news);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct daemon *d = handle->data;
	if (d->stopping) {
		fl_warn(NULL, "a second signal: exits at once");
		_exit(128 + number);
	}
	fl_info(NULL, "stopping");
	if (d->until_current && d->exit_code == FL_EXIT_OK)
		d->exit_code = FL_EXIT_EARLY;
	stop(d);
}

static void press_on(struct daemon *d)
{
	uint64_t passed = uv_now(&d->loop) - d->stopped_at;
	if (passed >= INTERRUPT_AFTER_MS && !d->interrupted) {
		d->interrupted = true;
		for (size_t i = 0; i < d->sink_count; i++)
			fl_worker_interrupt(d->sinks[i].worker);
	}
	if (passed >= GIVE_UP_AFTER_MS) {
		for (size_t i = 0; i < d->sink_count; i++)
			if (fl_worker_state(d->sinks[i].worker) < FL_WORKER_FINISHED)
				fl_warn(d->sinks[i].config.name,
					"does not answer; what it had not settled is sent again at "
					"the next start");
		_exit(d->exit_code);
	}
}

/* ---- lanes ---- */

static struct fl_lane *open_lane(struct daemon *d, const struct fl_position *from)
{
	for (size_t i = 0; i < d->lane_room; i++) {
		if (d->lanes[i] != NULL)
			continue;
		d->lanes[i] = fl_lane_create(&d->lane_config, (unsigned)i, from);
		return d->lanes[i];
	}
	return NULL;
}

static void close_ended_lanes(struct daemon *d)
{
	for (size_t i = 0; i < d->lane_room; i++) {
		struct fl_lane_state state;
		if (d->lanes[i] == NULL)
			continue;
		fl_lane_state(d->lanes[i], &state);
		/* Its source may be idle: then it would find out late, and keep its place. */
		if (!state.ended && state.deserted)
			fl_lane_stop(d->lanes[i]);
		if (!state.ended)
			continue;
		/* A sink that halts because of files is not to blame for it. */
		if (state.refused && d->lane_config.files != NULL)
			d->exit_code = FL_EXIT_SOURCE;
		fl_lane_destroy(d->lanes[i]);
		d->lanes[i] = NULL;
	}
}

static bool has_lanes(const struct daemon *d)
{
	for (size_t i = 0; i < d->lane_room; i++)
		if (d->lanes[i] != NULL)
			return true;
	return false;
}

/* Gives every sink that waits a seat. Those at the same position share a lane. */
static void give_seats(struct daemon *d)
{
	struct fl_lane *fresh[MOST_SINKS];
	struct fl_buf places[MOST_SINKS];
	size_t fresh_count = 0;
	struct fl_position wish = { 0 };

	for (size_t i = 0; i < d->sink_count; i++) {
		struct fl_worker *worker = d->sinks[i].worker;
		if (fl_worker_state(worker) != FL_WORKER_WAITING ||
			fl_worker_wish(worker, &wish) != 0)
			continue;
		struct fl_buf place = { 0 };
		fl_position_format(&wish, &place);
		size_t same = 0;
		while (same < fresh_count &&
			(places[same].size != place.size ||
				memcmp(places[same].data, place.data, place.size) != 0))
			same++;
		if (same == fresh_count) {
			fresh[same] = open_lane(d, &wish);
			if (fresh[same] == NULL) {
				/* The next tick tries again: a lane that merges has still to end.
				 */
				fl_buf_finish(&place);
				continue;
			}
			places[fresh_count++] = place;
		} else {
			fl_buf_finish(&place);
		}
		struct fl_seat *seat = fl_seat_create(d->config->queue_bytes);
		if (seat == NULL || fl_lane_add(fresh[same], seat) != 0) {
			fl_seat_unref(seat);
			continue;
		}
		fl_worker_seat(worker, seat);
	}
	for (size_t i = 0; i < fresh_count; i++) {
		struct fl_err err;
		if (fl_lane_start(fresh[i], &err) != 0) {
			fl_error(NULL, "%s", err.text);
			d->exit_code = FL_EXIT_USAGE;
			stop(d);
		}
		fl_buf_finish(&places[i]);
	}
	fl_position_finish(&wish);
}

static bool may_merge(
	const struct daemon *d, const struct fl_lane_state *from, const struct fl_lane_state *into)
{
	if (!from->placed || !into->placed || from->ended || into->ended || from->merging ||
		into->merging || from->seats == 0 || into->seats == 0 ||
		strcmp(from->identity, into->identity) != 0 || strcmp(from->file, into->file) != 0)
		return false;
	uint64_t distance = from->offset > into->offset ? from->offset - into->offset
							: into->offset - from->offset;
	return distance <= MERGE_DISTANCE && from->queued <= d->config->queue_bytes / 4 &&
	       (from->seats < into->seats ||
		       (from->seats == into->seats && from->number > into->number));
}

static void merge_lanes(struct daemon *d)
{
	for (size_t i = 0; i < d->lane_room; i++)
		for (size_t j = 0; j < d->lane_room; j++) {
			struct fl_lane_state from, into;
			if (i == j || d->lanes[i] == NULL || d->lanes[j] == NULL)
				continue;
			fl_lane_state(d->lanes[i], &from);
			fl_lane_state(d->lanes[j], &into);
			if (may_merge(d, &from, &into))
				fl_lane_merge(d->lanes[i], d->lanes[j], d->config->queue_bytes);
		}
}

/* ---- sinks ---- */

static int find_earliest(void *ctx, struct fl_position *ret, struct fl_err *err)
{
	const struct daemon *d = ctx;
	const struct fl_source_config *source = &d->config->source;
	int result = FL_ELOST;
	if (d->lane_config.files != NULL)
		return fl_binlog_file_begin(d->lane_config.files[0], ret, err);
	/* The one that the lanes use, or whichever answers in its place. */
	unsigned const first = fl_hosts_current(d->lane_config.hosts);
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

static void start_sinks(struct daemon *d)
{
	d->sinks_at = uv_now(&d->loop);
	d->lane_config.target = d->starter.current;
	d->lane_config.fold_case = d->starter.fold_case;
	for (size_t i = 0; i < d->config->sink_count; i++) {
		const struct fl_sink_config *config = &d->config->sinks[i];
		struct sink *sink = &d->sinks[i];
		struct fl_err err = { 0 };
		sink->config = (struct fl_worker_config){
			.name = config->name,
			.plugin = config->plugin,
			.settings = fl_options_settings(config->options),
			.map = d->config->map,
			.on_doubt = d->config->on_doubt,
			.on_cold = d->config->on_cold,
			.coalesce = config->coalesce,
			.max_batch_ops = config->max_batch_ops,
			.max_batch_bytes = config->max_batch_bytes,
			.earliest = find_earliest,
			.earliest_ctx = d,
			.state_dir = d->config->state_dir,
			.start = &d->starter.start,
			.changed = on_change,
			.changed_ctx = d,
		};
		sink->worker = fl_worker_create(&sink->config);
		if (sink->worker == NULL || fl_worker_start(sink->worker, &err) != 0) {
			fl_error(config->name, "can't be started: %s",
				sink->worker != NULL ? err.text : "out of memory");
			fl_worker_destroy(sink->worker);
			d->exit_code = FL_EXIT_USAGE;
			stop(d);
			return;
		}
		d->sink_count++;
	}
}

static void look_at_starter(struct daemon *d)
{
	if (!d->starting || !atomic_load(&d->starter.done))
		return;
	fl_starter_finish(&d->starter);
	d->starting = false;
	if (d->starter.ok && !d->stopping) {
		start_sinks(d);
	} else if (!d->stopping) {
		d->exit_code = FL_EXIT_SOURCE;
		stop(d);
	}
}

/* Whether each sink has shown where it begins, or that it can't be reached for now: lanes are
 * opened for all of them together, so that those at the same place share one. */
static bool all_have_tried(const struct daemon *d)
{
	for (size_t i = 0; i < d->sink_count; i++) {
		struct fl_worker *worker = d->sinks[i].worker;
		enum fl_worker_state state = fl_worker_state(worker);
		if (state == FL_WORKER_OPENING && !fl_worker_has_tried(worker))
			return false;
	}
	return d->sink_count > 0;
}

/* Counts those that still run, and takes note of those that have halted. */
static size_t running(struct daemon *d)
{
	size_t count = 0;
	for (size_t i = 0; i < d->sink_count; i++) {
		enum fl_worker_state state = fl_worker_state(d->sinks[i].worker);
		count += state < FL_WORKER_FINISHED;
		if (state == FL_WORKER_HALTED && d->exit_code == FL_EXIT_OK)
			d->exit_code = FL_EXIT_SINK;
	}
	return count;
}

/* Looks at everything and does what is to be done. */
static void look(struct daemon *d)
{
	look_at_starter(d);
	close_ended_lanes(d);
	size_t left = running(d);
	if (!d->starting && left == 0)
		stop(d);
	if (d->stopping) {
		press_on(d);
		if (!d->starting && left == 0 && !has_lanes(d))
			uv_stop(&d->loop);
		return;
	}
	d->seated = d->seated || all_have_tried(d) ||
		    (d->sink_count > 0 && uv_now(&d->loop) - d->sinks_at >= SEATS_AFTER_MS);
	if (d->seated)
		give_seats(d);
	merge_lanes(d);
}

static void on_news(uv_async_t *handle)
{
	look(handle->data);
}

static void on_tick(uv_timer_t *handle)
{
	look(handle->data);
}

/* ---- life ---- */

static void close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static int open_loop(struct daemon *d)
{
	int result = uv_loop_init(&d->loop);
	if (result != 0)
		return result;
	uv_async_init(&d->loop, &d->news, on_news);
	uv_timer_init(&d->loop, &d->tick);
	uv_signal_init(&d->loop, &d->sigterm);
	uv_signal_init(&d->loop, &d->sigint);
	d->news.data = d->tick.data = d->sigterm.data = d->sigint.data = d;
	uv_timer_start(&d->tick, on_tick, TICK_MS, TICK_MS);
	uv_signal_start(&d->sigterm, on_signal, SIGTERM);
	uv_signal_start(&d->sigint, on_signal, SIGINT);
	return 0;
}

static void close_loop(struct daemon *d)
{
	uv_walk(&d->loop, close_handle, NULL);
	uv_run(&d->loop, UV_RUN_DEFAULT);
	uv_loop_close(&d->loop);
}

int fl_daemon_run(const struct fl_config *config, bool until_current, const char *const *files)
{
	struct fl_err err = { 0 };
	int lock = -1;
	struct daemon d = {
		.config = config,
		.until_current = until_current || files != NULL,
		.hosts.mutex = PTHREAD_MUTEX_INITIALIZER,
	};
	for (size_t i = 0; i < config->sink_count; i++)
		d.takes_changes |= config->sinks[i].plugin->takes == FL_TAKES_CHANGES;
	d.lane_config = (struct fl_lane_config){
		.source = &config->source,
		.hosts = &d.hosts,
		.files = files,
		.transaction_bytes = config->transaction_bytes,
		.wants = wants,
		.mapped = is_mapped,
		.wants_ctx = &d,
		.until_current = until_current,
		.changed = on_change,
		.changed_ctx = &d,
	};
	d.starter = (struct fl_starter){
		.source = &config->source,
		.hosts = &d.hosts,
		.files = files,
		.map = config->map,
		.wants = is_mapped,
		.wants_ctx = &d,
		.until_current = until_current,
		.changed = on_change,
		.changed_ctx = &d,
	};
	if (config->sink_count > MOST_SINKS) {
		fl_error(NULL, "%zu sinks; up to %d can be used", config->sink_count, MOST_SINKS);
		return FL_EXIT_CONFIG;
	}
	/* Both are told by the calls that fail. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	if (config->state_dir != NULL && fl_checkpoint_lock(config->state_dir, &lock, &err) != 0) {
		fl_error(NULL, "%s", err.text);
		return FL_EXIT_USAGE;
	}
	int result = open_loop(&d);
	if (result != 0) {
		fl_error(NULL, "no event loop: %s", uv_strerror(result));
		return FL_EXIT_USAGE;
	}
	d.lane_room = 2 * config->sink_count;
	d.sinks = calloc(config->sink_count, sizeof(*d.sinks));
	d.lanes = calloc(d.lane_room, sizeof(struct fl_lane *));
	if (d.sinks == NULL || d.lanes == NULL) {
		fl_error(NULL, "out of memory");
		d.exit_code = FL_EXIT_USAGE;
	} else if (fl_starter_start(&d.starter, &err) != 0) {
		fl_error(NULL, "%s", err.text);
		d.exit_code = FL_EXIT_USAGE;
	} else {
		d.starting = true;
		fl_info(NULL, "fastlane %s, %zu sinks", FL_VERSION, config->sink_count);
		uv_run(&d.loop, UV_RUN_DEFAULT);
	}

	for (size_t i = 0; i < d.sink_count; i++)
		fl_worker_destroy(d.sinks[i].worker);
	fl_position_finish(&d.starter.start);
	fl_position_finish(&d.starter.current);
	close_loop(&d);
	free(d.sinks);
	free(d.lanes);
	if (lock >= 0)
		close(lock);
	fl_info(NULL, "stopped");
	return d.exit_code;
}
