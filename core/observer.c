/* SPDX-License-Identifier: Apache-2.0 */
#include "observer.h"

#include <unistd.h>

#include "base/log.h"

/* ---- what the server asks ---- */

/* Whose binlog the lane reads that the sink rides in; "": not known yet. */
static void show_server(
	const struct fl_regime *r, struct fl_worker *worker, char ret[FL_SERVER_NAME_SIZE])
{
	struct fl_worker_view view;
	struct fl_lane_state lane;
	fl_worker_look(worker, &view);
	if (!view.has_seat || view.lane >= r->lane_room || r->lanes[view.lane] == NULL)
		return;
	fl_lane_state(r->lanes[view.lane], &lane);
	memcpy(ret, lane.identity, sizeof(lane.identity));
}

static bool show_sink(void *ctx, size_t index, struct fl_http_sink *ret, struct fl_buf *position)
{
	const struct fl_observer *o = ctx;
	const struct fl_config *config = (*o->current)->config;
	if (index >= config->sink_count)
		return false;
	struct fl_worker *worker = fl_observer_worker(o, index);
	bool const is_current = (*o->current)->sinks[index].worker != NULL;
	enum fl_worker_state state = FL_WORKER_OPENING;
	if (worker != NULL)
		state = fl_worker_position(worker, position);
	*ret = (struct fl_http_sink){
		.name = config->sinks[index].name,
		.can_move = !is_current || state < FL_WORKER_FINISHED,
		.has_halted = is_current && state == FL_WORKER_HALTED,
		.is_known = state == FL_WORKER_WAITING || state == FL_WORKER_RIDING ||
			    state == FL_WORKER_FINISHED,
	};
	if (is_current)
		show_server(*o->current, worker, ret->server);
	return true;
}

/* Of the source that any lane has been connected to. */
static const char *flavour(void *ctx)
{
	const struct fl_observer *o = ctx;
	const struct fl_regime *r = *o->current;
	for (size_t i = 0; i < r->lane_room; i++) {
		struct fl_lane_state state;
		if (r->lanes[i] == NULL)
			continue;
		fl_lane_state(r->lanes[i], &state);
		if (state.version[0] != '\0')
			return state.flavour == FL_MYSQL ? "mysql" : "mariadb";
	}
	return NULL;
}

/* Workers look whether anybody waits before they go to sleep over a position that nothing else
 * carries; those that sleep already are woken. */
static void waiting(void *ctx, size_t count)
{
	struct fl_observer *o = ctx;
	const struct fl_regime *r = *o->current;
	unsigned const before = atomic_exchange(&o->telemetry.waiters, (unsigned)count);
	for (size_t i = 0; count > before && i < r->config->sink_count; i++)
		if (r->sinks[i].worker != NULL)
			fl_worker_nudge(r->sinks[i].worker);
}

/* ---- life ---- */

void fl_observer_settled(void *ctx)
{
	struct fl_observer *o = ctx;
	uv_async_send(&o->settled);
}

static void on_settled(uv_async_t *handle)
{
	struct fl_observer *o = handle->data;
	fl_http_settled(o->http);
}

int fl_observer_init(struct fl_observer *o, uv_loop_t *loop)
{
	int const result = uv_async_init(loop, &o->settled, on_settled);
	o->loop = loop;
	o->settled.data = o;
	o->started_us = fl_now_us();
	o->hooks = (struct fl_http_hooks){ .ctx = o,
		.snapshot = fl_observer_snapshot,
		.sink = show_sink,
		.flavour = flavour,
		.waiting = waiting };
	return result;
}

void fl_observer_finish(struct fl_observer *o)
{
	fl_http_destroy(o->http, false);
	o->http = NULL;
}

void fl_observer_free(struct fl_observer *o)
{
	fl_telemetry_finish(&o->telemetry);
}

void fl_observer_stop(struct fl_observer *o)
{
	fl_http_refuse(o->http, "fastlane stops");
}

/* ---- configurations ---- */

int fl_observer_prepare(struct fl_observer *o, struct fl_regime *r, struct fl_err *err)
{
	const struct fl_http_config *http = &r->config->http;
	/* A run that ends by itself may use the file of one that is there for good. */
	if (http->listen == NULL || r->until_current || r->lane_config.files != NULL ||
		(o->http != NULL && fl_http_serves(o->http, http)))
		return 0;
	struct fl_err why;
	int const result = fl_http_bind(http, o->http, &r->listener, &why);
	if (result != 0)
		fl_err_set(err, result, "%s:%u: %s", o->path, http->line, why.text);
	return result;
}

void fl_observer_release(struct fl_regime *r)
{
	if (r->listener >= 0)
		close(r->listener);
	r->listener = -1;
}

static bool is_in_use(void *ctx, const char *name)
{
	const struct fl_observer *o = ctx;
	const struct fl_regime *lists[] = { *o->current, *o->earlier };
	for (size_t l = 0; l < 2; l++)
		for (const struct fl_regime *r = lists[l]; r != NULL; r = r->next)
			for (size_t i = 0; i < r->config->sink_count; i++)
				if (strcmp(r->config->sinks[i].name, name) == 0)
					return true;
	return false;
}

void fl_observer_follow(struct fl_observer *o, struct fl_regime *r)
{
	const struct fl_http_config *http = &r->config->http;
	struct fl_http *old = o->http, *made = NULL;
	struct fl_err err;
	if (old != NULL && fl_http_serves(old, http))
		return;
	bool const same_path =
		old != NULL && http->listen != NULL && fl_http_listens_at(old, http->listen);
	if (r->listener >= 0) {
		made = fl_http_create(o->loop, http, r->listener, &o->hooks, &err);
		if (made == NULL)
			fl_error(NULL, "%s:%u: %s: HTTP is not answered", o->path, http->line,
				err.text);
		else
			fl_info(NULL, "answers HTTP at %s", http->listen);
	}
	r->listener = -1;
	fl_http_destroy(old, same_path);
	o->http = made;
}

/* ---- now and then ---- */

void fl_observer_look(struct fl_observer *o)
{
	const struct fl_regime *r = *o->current;
	if (*o->earlier == NULL)
		fl_telemetry_forget(&o->telemetry, is_in_use, o);
	if (o->http == NULL)
		return;
	int64_t const now_us = fl_now_us();
	for (size_t i = 0; i < r->config->sink_count; i++) {
		struct fl_worker_view view = { .state = FL_WORKER_OPENING };
		struct fl_sink_counters *counters =
			fl_telemetry_sink(&o->telemetry, r->config->sinks[i].name);
		if (r->sinks[i].worker != NULL)
			fl_worker_look(r->sinks[i].worker, &view);
		if (counters != NULL)
			fl_observer_complete(o, &view, counters, now_us);
	}
	fl_http_settled(o->http);
}
