/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "checkpoint.h"
#include "sink/plugin.h"
#include "sink/private.h"

/* Positions alone are submitted, and saved, this often at most. */
enum { IDLE_MS = 1000 };
/* A sink that keeps its position is looked at this often, though nothing is to be told: it may have
 * come back with older data. */
enum { LOOK_MS = 5000 };
/* See is_urgent(). */
enum { FEW_PENDING = 32, NEWS_US = 2000000 };
static const uint64_t PUBLISH_NS = 10000000000;

void fl_worker_settled(void *ctx, uint64_t batch)
{
	struct fl_worker *w = ctx;
	uv_thread_t const caller = uv_thread_self();
	if (!uv_thread_equal(&caller, &w->own)) {
		atomic_store(&w->misuse, MISUSE_THREAD);
		return;
	}
	if (batch > w->batch_id) {
		w->misused_id = batch;
		atomic_store(&w->misuse, MISUSE_ID);
		return;
	}
	int64_t const now_us = fl_now_us();
	size_t head = 0;
	bool moved = false;
	while (w->pending_count > 0 && w->pending[w->first_pending].id <= batch) {
		struct pending *pending = &w->pending[w->first_pending];
		struct fl_buf old = w->settled;
		fl_tally_settle(&pending->tally, w->config->counters, now_us);
		head = pending->head;
		moved = true;
		w->settled = pending->position;
		pending->position = old;
		w->first_pending = (w->first_pending + 1) % FL_MOST_PENDING;
		w->pending_count--;
		w->unsaved = true;
		w->failures = 0;
	}
	if (!moved)
		return;
	fl_worker_show_oldest(w);
	uv_mutex_lock(&w->mutex);
	fl_buf_clear(&w->shown);
	fl_buf_append(&w->shown, w->settled.data + head, w->settled.size - head);
	uv_mutex_unlock(&w->mutex);
	/* Who has begun to wait since then has found it. */
	if (fl_worker_is_awaited(w))
		w->config->settled(w->config->settled_ctx);
}

/* Whether the next transaction is to go to the sink while it has not answered to those before. That
 * takes smaller batches, which cost the sink more: so it is for news alone, and while there is
 * little of it. */
static bool is_urgent(const struct fl_worker *w)
{
	const struct fl_sink_plugin *plugin = w->config->plugin;
	uint64_t pending = w->pending_count; /* an empty batch costs the sink something, too */
	for (size_t i = 0; i < w->pending_count; i++) {
		const struct fl_tally *tally =
			&w->pending[(w->first_pending + i) % FL_MOST_PENDING].tally;
		pending += w->mapper != NULL ? tally->operations : tally->changes;
	}
	return w->is_level && !w->skip && pending <= FEW_PENDING &&
	       plugin->abi_minor >= FL_NEWS_MINOR && w->host.news >= 0 && w->seat != NULL;
}

/* Settles what is pending; or until there is more to be submitted, if that `may` be. */
static enum fl_end drain(struct fl_worker *w, bool may)
{
	struct fl_err err = { 0 };
	if (w->pending_count == 0)
		return END_NONE;
	if (w->config->plugin->drain == NULL)
		return fl_worker_halt(
			w, "halted: the plugin leaves batches pending and has no drain()");
	bool const watches = may && is_urgent(w);
	if (watches && fl_queue_watch(w->seat->queue, w->host.news))
		return END_NONE;
	fl_worker_call_begins(w);
	enum fl_outcome outcome = w->config->plugin->drain(w->self, &err);
	fl_worker_call_ends(w);
	bool const has_news = watches && fl_queue_unwatch(w->seat->queue, w->host.news);
	if ((outcome == FL_PENDING && !has_news) || (outcome == FL_DONE && w->pending_count > 0)) {
		fl_err_set(&err, FL_EFATAL, "the plugin's drain() left batches pending");
		outcome = FL_FAILED;
	}
	return fl_worker_outcome(w, outcome, &err);
}

static enum fl_end submit(struct fl_worker *w, size_t count)
{
	if (w->pending_count == FL_MOST_PENDING) {
		enum fl_end end = drain(w, false);
		if (end != END_NONE)
			return end;
	}
	struct pending *pending =
		&w->pending[(w->first_pending + w->pending_count) % FL_MOST_PENDING];
	fl_buf_clear(&pending->position);
	if (w->mapper != NULL)
		fl_mapper_format(w->mapper, &pending->position);
	pending->head = pending->position.size;
	fl_position_format(&w->position, &pending->position);
	struct fl_batch batch = {
		.id = ++w->batch_id,
		.position = { pending->position.data, pending->position.size },
		.transaction_count = count,
		.transactions = w->views,
	};
	if (pending->position.failed) {
		fl_error(w->config->name, "out of memory for a position");
		w->broken = true;
		return END_RETRY;
	}
	if (w->mapper != NULL && w->config->coalesce) {
		size_t const left_out = fl_mapper_coalesce(w->mapper);
		fl_count(&w->config->counters->coalesced, left_out);
		w->coalesced += left_out;
	}
	if (w->mapper != NULL)
		batch.operations = fl_mapper_operations(w->mapper, &batch.operation_count);
	pending->tally = w->tally;
	pending->tally.operations = batch.operation_count;
	w->tally = (struct fl_tally){ 0 };
	pending->id = batch.id;
	w->pending_count++;
	w->position_moved = false;
	w->submitted_at = w->seen_at = uv_hrtime();

	struct fl_err err = { 0 };
	fl_worker_call_begins(w);
	enum fl_outcome outcome = w->config->plugin->submit(w->self, &batch, &err);
	fl_worker_call_ends(w);
	return fl_worker_outcome(w, outcome, &err);
}

/* Milliseconds until `since` is that long ago; 0: it is. */
static int left_of(int ms, uint64_t since)
{
	uint64_t passed = (uv_hrtime() - since) / 1000000;
	return passed >= (uint64_t)ms ? 0 : ms - (int)passed;
}

static int due_in(uint64_t since)
{
	return left_of(IDLE_MS, since);
}

/* The same of a position that nothing else carries: it is told at once if somebody waits for it. */
static int position_due_in(const struct fl_worker *w)
{
	return fl_worker_is_awaited(w) ? 0 : due_in(w->submitted_at);
}

/* Readers of a cache that may have evicted the generations are told them again and again. */
static void begin_batch(struct fl_worker *w)
{
	uint64_t const now = uv_hrtime();
	if (w->mapper == NULL)
		return;
	fl_mapper_reset(w->mapper);
	if (fl_mapper_has_generations(w->mapper) &&
		(w->published_at == 0 || now - w->published_at > PUBLISH_NS) &&
		fl_mapper_publish(w->mapper) == 0)
		w->published_at = now;
}

/* Counts the transaction mapped last; `before`: operations that were there without it. */
static void tally(struct fl_worker *w, const struct fl_txn *txn, size_t before, int64_t now_us)
{
	bool const is_empty = txn->view.change_count == 0 && txn->view.first;
	bool const matters = w->mapper == NULL
				     ? !is_empty
				     : fl_mapper_count(w->mapper) > before || !txn->view.first;
	fl_tally_add(&w->tally, txn, matters, now_us);
	if (w->mapper != NULL)
		w->tally.doubts += fl_mapper_doubts(w->mapper);
}

/* Maps one transaction of the batch that begins with that of the index `begin`. */
static int map(struct fl_worker *w, size_t begin, size_t index, struct fl_err *err)
{
	const struct fl_txn *txn = w->txns[begin + index];
	if (w->mapper != NULL)
		return fl_mapper_add(w->mapper, &txn->view, (uint32_t)index, err);
	if (!txn->in_doubt || w->config->on_doubt != FL_ON_DOUBT_HALT)
		return 0;
	for (size_t i = 0; i < txn->view.change_count; i++) {
		const struct fl_change *change = &txn->view.changes[i];
		if (change->op == FL_DOUBT)
			return fl_err_set(err, FL_EUNSUPPORTED, "%.*s.%.*s: %.*s",
				(int)change->db.size, change->db.data, (int)change->table.size,
				change->table.data, (int)change->doubt.size, change->doubt.data);
	}
	return 0;
}

/* Whether the transaction mapped last forgets keys by pattern. */
static bool has_clear(const struct fl_worker *w)
{
	return w->mapper != NULL && fl_mapper_has_clear(w->mapper);
}

/* Whether the batch is as large as it may become. */
static bool is_full(const struct fl_worker *w)
{
	return w->mapper != NULL &&
	       (fl_mapper_count(w->mapper) >= w->config->max_batch_ops ||
		       fl_mapper_bytes(w->mapper) >= w->config->max_batch_bytes);
}

/* Whose the position is now. */
static void take_server(struct fl_worker *w)
{
	if (w->seat->server[0] != '\0')
		memcpy(w->position.server, w->seat->server, sizeof(w->position.server));
}

static void tell_notices(struct fl_worker *w)
{
	for (const char *notice;
		w->mapper != NULL && (notice = fl_mapper_notice(w->mapper)) != NULL;)
		fl_warn(w->config->name, "%s", notice);
}

/* Submits the transactions so far, though there are more, and begins another batch. */
static enum fl_end submit_first(struct fl_worker *w, size_t count)
{
	take_server(w);
	tell_notices(w);
	enum fl_end end = submit(w, count);
	if (end == END_NONE)
		begin_batch(w);
	return end;
}

/* A transaction that can't be mapped. */
static enum fl_end end_before(
	struct fl_worker *w, const struct fl_transaction *at, int result, const struct fl_err *err)
{
	char place[FL_FILE_NAME_SIZE + FL_GTID_TEXT_SIZE + 40];
	snprintf(place, sizeof(place), "%.*s:%llu%s%.*s", (int)at->file.size, at->file.data,
		(unsigned long long)at->position, at->gtid.size > 0 ? ", GTID " : "",
		(int)at->gtid.size, at->gtid.data);
	if (result != FL_ENOMEM)
		return fl_worker_halt(w, "halted: the transaction before %s: %s", place, err->text);
	fl_error(w->config->name, "out of memory: the transaction before %s: %s", place, err->text);
	return END_RETRY;
}

enum fl_end fl_worker_apply(struct fl_worker *w)
{
	size_t begin = 0, count = 0;
	bool has_changes = false;
	struct fl_err err = { 0 };
	enum fl_end end = END_NONE;
	int result = 0;
	int64_t const now_us = fl_now_us();
	w->is_level = now_us - fl_txn_committed_us(w->txns[w->txn_count - 1]) <= NEWS_US;
	fl_worker_show_oldest(w);
	begin_batch(w);
	while (begin + count < w->txn_count) {
		const struct fl_txn *txn = w->txns[begin + count];
		size_t mapped = w->mapper != NULL ? fl_mapper_count(w->mapper) : 0;
		result = map(w, begin, count, &err);
		/* A sink can't forget keys by pattern and do the rest at once: what comes before is
		 * a batch of its own, and safe, lest it be done again if that is cut short. */
		if (result == 0 && has_clear(w) &&
			(count > 0 || fl_mapper_comes_later(w->mapper))) {
			fl_mapper_undo(w->mapper);
			end = submit_first(w, count);
			if (end != END_NONE)
				break;
			begin += count;
			count = 0;
			mapped = fl_mapper_count(w->mapper);
			result = map(w, begin, count, &err);
		}
		if (result == 0 && (result = fl_txn_advance(txn, &w->position)) == FL_EINVAL)
			fl_err_set(&err, result, "its GTID is of another kind of server");
		if (result != 0 && w->mapper != NULL)
			fl_mapper_undo(w->mapper);
		if (result != 0)
			break;
		tally(w, txn, mapped, now_us);
		/* The end of a transaction in parts counts, though there may be nothing in it. */
		has_changes |= txn->view.change_count > 0 || !txn->view.first;
		w->views[count++] = &txn->view;
		if (is_full(w) && begin + count < w->txn_count) {
			end = submit_first(w, count);
			if (end != END_NONE)
				break;
			begin += count;
			count = 0;
		}
	}
	if (w->mapper != NULL) {
		size_t operations;
		fl_mapper_operations(w->mapper, &operations);
		has_changes = operations > 0;
		tell_notices(w);
	}

	if (end == END_NONE && count > 0) {
		take_server(w);
		w->position_moved = true;
	}
	if (end == END_NONE && (has_changes || (w->position_moved && position_due_in(w) == 0)))
		end = submit(w, count);
	if (result != 0 && end == END_NONE)
		end = end_before(w, &w->txns[begin + count]->view, result, &err);
	fl_txns_unref(w->txns, w->txn_count);
	w->txn_count = 0;
	if (end == END_NONE)
		fl_worker_show_oldest(w);
	return end;
}

/* ---- positions ---- */

void fl_worker_save(struct fl_worker *w, bool now)
{
	if (!w->unsaved || (!now && due_in(w->saved_at) > 0))
		return;
	w->unsaved = false;
	w->saved_at = uv_hrtime();
	if (w->config->state_dir == NULL)
		return;
	struct fl_err err = { 0 };
	struct fl_bytes position = { w->settled.data, w->settled.size };
	if (fl_checkpoint_save(w->config->state_dir, w->config->name, position, &err) != 0) {
		fl_error(w->config->name, "%s: until it succeeds, a restart %s", err.text,
			w->config->plugin->position == NULL
				? "repeats changes"
				: "would not notice that the sink has been emptied");
		w->unsaved = true;
	}
}

enum fl_end fl_worker_settle(struct fl_worker *w, bool all, int *ret_wait)
{
	enum fl_end end = END_NONE;
	*ret_wait = -1;
	bool const looks = w->config->plugin->position != NULL && !all;
	if (w->position_moved || looks) {
		int due = all		      ? 0
			  : w->position_moved ? position_due_in(w)
					      : left_of(LOOK_MS, w->seen_at);
		if (due == 0) {
			begin_batch(w);
			end = submit(w, 0);
		} else {
			*ret_wait = due;
		}
	}
	if (end == END_NONE)
		end = drain(w, !all);
	if (w->unsaved) {
		int due = all ? 0 : due_in(w->saved_at);
		if (due == 0)
			fl_worker_save(w, true);
		else if (*ret_wait < 0 || due < *ret_wait)
			*ret_wait = due;
	}
	return end;
}

/* What is known of the sink's position from elsewhere: settled in this process, or kept in the
 * file. 1, 0 or FL_E... as fl_checkpoint_load(). */
static int find_known(const struct fl_worker *w, struct fl_buf *text, struct fl_err *err)
{
	if (w->settled.size > 0) {
		fl_buf_append(text, w->settled.data, w->settled.size);
		return 1;
	}
	if (w->config->state_dir == NULL)
		return 0;
	return fl_checkpoint_load(w->config->state_dir, w->config->name, text, err);
}

/* The sink keeps its position, had one, and has none. */
static enum fl_end on_cold(struct fl_worker *w)
{
	const char *name = w->config->name;
	struct fl_err err = { 0 };
	int result;
	switch (w->config->on_cold) {
	case FL_ON_COLD_RESUME:
		fl_warn(name, "has been emptied, or has lost its position: goes on from the last "
			      "one known; what does not change stays absent (on_cold = resume)");
		return END_NONE;
	case FL_ON_COLD_EARLIEST:
		fl_warn(name, "has been emptied, or has lost its position: begins at the earliest "
			      "binlog (on_cold = earliest)");
		result = w->config->earliest(w->config->earliest_ctx, &w->position, &err);
		if (result == 0)
			return END_NONE;
		return fl_worker_outcome(
			w, result == FL_ELOST || result == FL_ENOMEM ? FL_RETRY : FL_FAILED, &err);
	case FL_ON_COLD_HALT:
		break;
	}
	fl_err_set(&err, FL_EFATAL,
		"it has been emptied, or has lost its position (on_cold = halt): fill it, or "
		"remove "
		"the file of its position from state_dir, to begin at `start`");
	return fl_worker_outcome(w, FL_FAILED, &err);
}

/* What the sink has at its beginning. */
static void show_position(struct fl_worker *w)
{
	uv_mutex_lock(&w->mutex);
	fl_buf_clear(&w->shown);
	fl_position_format(&w->position, &w->shown);
	uv_mutex_unlock(&w->mutex);
}

enum fl_end fl_worker_find_position(struct fl_worker *w)
{
	struct fl_err err = { 0 };
	struct fl_buf text = { 0 };
	const struct fl_sink_plugin *plugin = w->config->plugin;
	enum fl_end end = END_NONE;

	if (plugin->position != NULL) {
		fl_worker_call_begins(w);
		enum fl_outcome outcome = plugin->position(w->self, &text, &err);
		fl_worker_call_ends(w);
		if (outcome != FL_DONE) {
			end = fl_worker_outcome(
				w, outcome == FL_PENDING ? FL_FAILED : outcome, &err);
			goto done;
		}
	}
	bool is_kept = text.size > 0;
	int result = is_kept ? 0 : find_known(w, &text, &err);
	bool const is_cold = result == 1 && plugin->position != NULL;
	is_kept |= result == 1 && !is_cold;
	if (result >= 0) {
		struct fl_bytes bytes = { text.data, text.size };
		fl_position_finish(&w->position);
		result = w->mapper != NULL ? fl_mapper_resume(w->mapper, &bytes, &err) : 0;
		if (result == 0)
			result = text.size > 0 ? fl_position_parse(bytes, &w->position, &err)
					       : fl_position_copy(w->config->start, &w->position);
	}
	if (result == FL_EIO || result == FL_ENOMEM) {
		end = fl_worker_outcome(w, FL_RETRY, &err);
	} else if (result != 0) {
		end = fl_worker_halt(w, "halted: its position can't be read: %s%s", err.text,
			result == FL_EINVAL
				? ": remove it, and empty the cache, to begin at `start`"
				: "");
	} else if (is_cold) {
		end = on_cold(w);
	}
	/* A position of its own from the first moment on, lest a restart begin somewhere else; and
	 * what readers need to make keys, where a cache may have forgotten it. */
	w->published_at = 0;
	w->position_moved = !is_kept || (w->mapper != NULL && fl_mapper_has_generations(w->mapper));
	if (text.size == 0 && end == END_NONE)
		fl_info(w->config->name, "has no position of its own: begins at `start`");
	w->submitted_at = 0;
	w->seen_at = uv_hrtime();
	if (end == END_NONE)
		show_position(w);
done:
	fl_buf_finish(&text);
	return end;
}
