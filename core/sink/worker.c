/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/thread.h"
#include "binlog/row.h"
#include "sink/private.h"

#include <sys/eventfd.h>
#include <unistd.h>

enum { FIRST_DELAY_MS = 100, LONGEST_DELAY_MS = 10000 };

/* ---- what the plugin is lent ---- */

static void host_log(void *ctx, enum fl_level level, const char *format, ...)
{
	const struct fl_worker *w = ctx;
	va_list args;
	va_start(args, format);
	fl_log_v(level, w->config->name, format, args);
	va_end(args);
}

/* ---- life ---- */

struct fl_worker *fl_worker_create(const struct fl_worker_config *config)
{
	struct fl_worker *w = calloc(1, sizeof(*w));
	if (w == NULL)
		return NULL;
	w->config = config;
	w->memory = config->memory;
	fl_buf_append(&w->settled, config->known.data, config->known.size);
	if (w->settled.failed)
		goto no_buf;
	/* The file may be in another place now, or could not be written. */
	w->unsaved = w->settled.size > 0;
	w->host = (struct fl_host){
		.size = sizeof(w->host),
		.ctx = w,
		.log = host_log,
		.settled = fl_worker_settled,
		.row_value = fl_row_value,
		.row_json = fl_row_json,
		.row_key_json = fl_row_key_json,
		.row_old_json = fl_row_old_json,
		.json_text = fl_json_text,
		.halt_on_doubt = config->on_doubt == FL_ON_DOUBT_HALT,
		.memory = &w->memory,
		.news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), /* -1 is a plugin's to know */
	};
	if ((config->plugin->takes & FL_TAKES_OPERATIONS) != 0) {
		w->mapper = fl_mapper_create(config->map, config->name, config->on_doubt);
		if (w->mapper == NULL)
			goto no_mapper;
	}
	if (uv_mutex_init(&w->mutex) != 0)
		goto no_mutex;
	if (uv_cond_init(&w->news) != 0)
		goto no_cond;
	return w;
no_cond:
	uv_mutex_destroy(&w->mutex);
no_mutex:
	fl_mapper_destroy(w->mapper);
no_mapper:
	if (w->host.news >= 0)
		close(w->host.news);
no_buf:
	fl_buf_finish(&w->settled);
	free(w);
	return NULL;
}

void fl_worker_destroy(struct fl_worker *w)
{
	if (w == NULL)
		return;
	if (w->started)
		uv_thread_join(&w->thread);
	fl_seat_unref(w->seat);
	fl_position_finish(&w->wish);
	fl_position_finish(&w->position);
	fl_buf_finish(&w->settled);
	fl_buf_finish(&w->shown);
	for (size_t i = 0; i < FL_MOST_PENDING; i++)
		fl_buf_finish(&w->pending[i].position);
	fl_mapper_destroy(w->mapper);
	uv_cond_destroy(&w->news);
	uv_mutex_destroy(&w->mutex);
	if (w->host.news >= 0)
		close(w->host.news);
	free(w);
}

/* ---- the main thread's side ---- */

enum fl_worker_state fl_worker_state(struct fl_worker *w)
{
	uv_mutex_lock(&w->mutex);
	enum fl_worker_state state = w->state;
	uv_mutex_unlock(&w->mutex);
	return state;
}

bool fl_worker_has_tried(struct fl_worker *w)
{
	uv_mutex_lock(&w->mutex);
	bool has_tried = w->has_tried;
	uv_mutex_unlock(&w->mutex);
	return has_tried;
}

static void look_at_age(void *ctx, const void *item)
{
	*(int64_t *)ctx = fl_txn_committed_us(item);
}

void fl_worker_look(struct fl_worker *w, struct fl_worker_view *ret)
{
	*ret = (struct fl_worker_view){ 0 };
	uv_mutex_lock(&w->mutex);
	ret->state = w->state;
	ret->has_seat = w->seat != NULL;
	ret->oldest_us = atomic_load(&w->oldest_us);
	if (w->seat != NULL) {
		ret->lane = w->seat->lane;
		ret->queued = fl_queue_bytes(w->seat->queue);
		if (ret->oldest_us == 0)
			fl_queue_peek(w->seat->queue, look_at_age, &ret->oldest_us);
	}
	uv_mutex_unlock(&w->mutex);
}

enum fl_worker_state fl_worker_position(struct fl_worker *w, struct fl_buf *ret)
{
	uv_mutex_lock(&w->mutex);
	enum fl_worker_state const state = w->state;
	fl_buf_append(ret, w->shown.data, w->shown.size);
	uv_mutex_unlock(&w->mutex);
	return state;
}

void fl_worker_nudge(struct fl_worker *w)
{
	uv_mutex_lock(&w->mutex);
	if (w->seat != NULL)
		fl_queue_nudge(w->seat->queue);
	uv_mutex_unlock(&w->mutex);
}

int fl_worker_wish(struct fl_worker *w, struct fl_position *ret)
{
	uv_mutex_lock(&w->mutex);
	int result = fl_position_copy(&w->wish, ret);
	uv_mutex_unlock(&w->mutex);
	return result;
}

void fl_worker_seat(struct fl_worker *w, struct fl_seat *seat)
{
	uv_mutex_lock(&w->mutex);
	fl_seat_unref(w->seat);
	w->seat = seat;
	w->state = FL_WORKER_RIDING;
	uv_cond_signal(&w->news);
	uv_mutex_unlock(&w->mutex);
}

void fl_worker_stop(struct fl_worker *w)
{
	atomic_store(&w->stop, true);
	uv_mutex_lock(&w->mutex);
	if (w->seat != NULL)
		fl_queue_abort(w->seat->queue);
	uv_cond_signal(&w->news);
	uv_mutex_unlock(&w->mutex);
}

void fl_worker_leave(struct fl_worker *w)
{
	uv_mutex_lock(&w->mutex);
	bool const later = w->in_parts;
	atomic_store(later ? &w->leaving : &w->stop, true);
	uv_mutex_unlock(&w->mutex);
	if (!later)
		fl_worker_stop(w);
}

uint64_t fl_worker_call_ms(struct fl_worker *w)
{
	uint64_t const since = atomic_load(&w->call_since);
	return since != 0 ? (uv_hrtime() - since) / 1000000 : 0;
}

void fl_worker_interrupt(struct fl_worker *w)
{
	uv_mutex_lock(&w->mutex);
	if (w->interruptible != NULL && w->config->plugin->interrupt != NULL)
		w->config->plugin->interrupt(w->interruptible);
	uv_mutex_unlock(&w->mutex);
}

void fl_worker_remains(struct fl_worker *w, uint64_t *ret_memory, struct fl_buf *ret_settled)
{
	if (w->started)
		uv_thread_join(&w->thread);
	w->started = false;
	*ret_memory = w->memory;
	if (ret_settled != NULL)
		fl_buf_append(ret_settled, w->settled.data, w->settled.size);
}

/* ---- the thread ---- */

void fl_worker_set_state(struct fl_worker *w, enum fl_worker_state state)
{
	uv_mutex_lock(&w->mutex);
	w->state = state;
	uv_mutex_unlock(&w->mutex);
	w->config->changed(w->config->changed_ctx);
}

/* Whether a call did what it must not, or ended as it can't, and how. Nothing that such a plugin
 * says counts: what was settled before stays so, and all else is sent again once somebody has
 * mended it. */
static bool is_faulty(const struct fl_worker *w, enum fl_outcome outcome, struct fl_err *ret_why)
{
	char what[160];
	switch ((enum misuse)atomic_load(&w->misuse)) {
	case MISUSE_THREAD:
		snprintf(what, sizeof(what),
			"settled() was called from another thread than the sink's");
		break;
	case MISUSE_ID:
		snprintf(what, sizeof(what),
			"settled(%llu) was called where %llu is the last batch submitted",
			(unsigned long long)w->misused_id, (unsigned long long)w->batch_id);
		break;
	default:
		if ((unsigned)outcome <= FL_FAILED)
			return false;
		snprintf(what, sizeof(what), "a call returned %d, which is no outcome",
			(int)outcome);
	}
	fl_err_set(ret_why, FL_EFATAL, "%s: the plugin is faulty: try it with --test-plugin", what);
	return true;
}

enum fl_end fl_worker_outcome(
	struct fl_worker *w, enum fl_outcome outcome, const struct fl_err *err)
{
	struct fl_err why;
	if (is_faulty(w, outcome, &why)) {
		outcome = FL_FAILED;
		err = &why;
	} else if (outcome >= FL_RETRY) {
		bool const silent = err->text[0] == '\0';
		fl_err_set(&why, err->code, "%.*s", (int)sizeof(err->text) - 1,
			silent ? "the plugin does not say why" : err->text);
		err = &why;
	}
	switch (outcome) {
	case FL_DONE:
		fl_worker_settled(w, w->batch_id);
		return END_NONE;
	case FL_PENDING:
		return END_NONE;
	case FL_RETRY:
		w->broken = true;
		if (!atomic_load(&w->stop)) {
			fl_warn(w->config->name, "%s", err->text);
			fl_count(&w->config->counters->retries, 1);
			fl_sink_error(w->config->counters, w->phase, err->text);
		}
		return END_RETRY;
	case FL_FAILED:
		break;
	}
	w->broken = true;
	return fl_worker_halt(w, "halted: %s", err->text);
}

enum fl_end fl_worker_halt(struct fl_worker *w, const char *format, ...)
{
	char text[sizeof((struct fl_err){ 0 }.text) + 400];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fl_error(w->config->name, "%s", text);
	fl_sink_error(w->config->counters, FL_ERROR_HALTED, text);
	return END_HALTED;
}

static enum fl_end open_plugin(struct fl_worker *w)
{
	struct fl_err err = { 0 };
	void *self = NULL;
	/* What the last instance left pending is nothing that this one could settle. */
	w->batch_id = 0;
	w->pending_count = 0;
	fl_worker_call_begins(w);
	enum fl_outcome outcome =
		w->config->plugin->open(&w->host, w->config->settings, &self, &err);
	fl_worker_call_ends(w);
	enum fl_end end = END_NONE;
	if (outcome == FL_DONE) {
		uv_mutex_lock(&w->mutex);
		w->self = w->interruptible = self;
		uv_mutex_unlock(&w->mutex);
		w->tally = (struct fl_tally){ 0 };
		w->broken = false;
	} else {
		end = fl_worker_outcome(w, outcome == FL_PENDING ? FL_FAILED : outcome, &err);
	}
	return end;
}

static void close_plugin(struct fl_worker *w)
{
	uv_mutex_lock(&w->mutex);
	w->interruptible = NULL;
	uv_mutex_unlock(&w->mutex);
	w->config->plugin->close(w->self);
	w->self = NULL;
}

/* Waits longer after each failure in a row, and never as long as another that failed at the same
 * time. */
static void back_off(struct fl_worker *w)
{
	unsigned shift = w->failures < 7 ? w->failures : 7;
	uint64_t delay = (uint64_t)FIRST_DELAY_MS << shift;
	if (delay > LONGEST_DELAY_MS)
		delay = LONGEST_DELAY_MS;
	delay = delay / 2 + (uv_hrtime() ^ (uintptr_t)w >> 4) % (delay / 2 + 1);
	w->failures++;
	uint64_t until = uv_hrtime() + delay * 1000000;
	uv_mutex_lock(&w->mutex);
	w->state = FL_WORKER_OPENING;
	w->has_tried = true;
	uv_mutex_unlock(&w->mutex);
	w->config->changed(w->config->changed_ctx);

	uv_mutex_lock(&w->mutex);
	for (uint64_t now; !atomic_load(&w->stop) && (now = uv_hrtime()) < until;)
		uv_cond_timedwait(&w->news, &w->mutex, until - now);
	uv_mutex_unlock(&w->mutex);
}

static void run(void *ctx)
{
	struct fl_worker *w = ctx;
	w->own = uv_thread_self();
	fl_thread_name("sink", w->config->name);
	enum fl_end end;
	for (;;) {
		w->phase = FL_ERROR_CONNECT;
		end = atomic_load(&w->stop) ? END_STOPPED : open_plugin(w);
		if (end == END_NONE) {
			end = atomic_load(&w->stop) ? END_STOPPED : fl_worker_find_position(w);
			if (end == END_NONE)
				end = fl_worker_ride(w);
			close_plugin(w);
		}
		if (end == END_RETRY && atomic_load(&w->leaving))
			end = END_STOPPED;
		if (end != END_RETRY)
			break;
		back_off(w);
	}
	fl_worker_save(w, true);
	if (w->coalesced > 0)
		fl_info(w->config->name,
			"%llu operations were left out, for later ones of the same key and batch",
			(unsigned long long)w->coalesced);
	fl_worker_set_state(w, end == END_FINISHED ? FL_WORKER_FINISHED
			       : end == END_HALTED ? FL_WORKER_HALTED
						   : FL_WORKER_STOPPED);
}

int fl_worker_start(struct fl_worker *w, struct fl_err *err)
{
	int result = uv_thread_create(&w->thread, run, w);
	if (result != 0)
		return fl_err_set(err, FL_EFATAL, "no thread for a sink: %s", uv_strerror(result));
	w->started = true;
	return 0;
}
