/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "sink/private.h"

static bool must_end(const struct fl_worker *w)
{
	return atomic_load(&w->stop) || atomic_load(&w->leaving);
}

/* Gives the seat up, for another one or none. */
static void change_to(struct fl_worker *w, struct fl_seat *seat)
{
	uv_mutex_lock(&w->mutex);
	struct fl_seat *old = w->seat;
	w->seat = seat;
	uv_mutex_unlock(&w->mutex);
	if (old != NULL)
		fl_seat_abandon(old);
	fl_seat_unref(old);
}

/* Asks for a seat at the position and waits until there is one. */
static enum fl_end wait_for_seat(struct fl_worker *w)
{
	uv_mutex_lock(&w->mutex);
	int result = fl_position_copy(&w->position, &w->wish);
	atomic_store(&w->oldest_us, 0);
	w->in_parts = false; /* what comes begins behind the position */
	if (result == 0)
		w->state = FL_WORKER_WAITING;
	uv_mutex_unlock(&w->mutex);
	if (result != 0) {
		fl_error(w->config->name, "out of memory for a position");
		return END_RETRY;
	}
	w->config->changed(w->config->changed_ctx);

	uv_mutex_lock(&w->mutex);
	while (w->seat == NULL && !must_end(w))
		uv_cond_wait(&w->news, &w->mutex);
	uv_mutex_unlock(&w->mutex);
	w->skip = false;
	return must_end(w) ? END_STOPPED : END_NONE;
}

/* The seat has ended: why, and how to go on. */
static enum fl_end change_seat(struct fl_worker *w)
{
	struct fl_seat *seat = w->seat, *next;
	enum fl_end end;
	int wait;
	if (must_end(w))
		return END_STOPPED;
	switch (atomic_load(&seat->end)) {
	case FL_SEAT_FINISHED:
		return END_FINISHED;
	case FL_SEAT_REFUSED:
		return fl_worker_halt(w, "halted: %s", seat->reason.text);
	case FL_SEAT_MOVED:
		next = seat->next;
		seat->next = NULL;
		change_to(w, next);
		/* The new lane may have taken us in before we had come there. */
		w->skip = true;
		fl_info(w->config->name, "rides with others again");
		return END_NONE;
	default:
		change_to(w, NULL);
		fl_info(w->config->name, "goes on in a lane of its own");
		/* The next seat may be long in coming. */
		end = fl_worker_settle(w, true, &wait);
		if (end != END_NONE)
			return end;
		break;
	}
	return wait_for_seat(w);
}

/* By GTIDs, since a server that was promoted may have some of what we have behind what is new;
 * until the lane has delivered all that we have. */
static bool is_among_ours(struct fl_worker *w, const struct fl_txn *txn)
{
	struct fl_gtid_set *delivered = w->seat->joined;
	/* Numbers need not rise where gtid_strict_mode is off: once level, nothing is held against
	 * them any more. */
	if (fl_gtid_set_covers(delivered, w->position.gtids)) {
		w->skip = false;
		return false;
	}
	bool const ours = fl_gtid_set_contains(w->position.gtids, &txn->gtid);
	/* If memory runs out we go on looking at each. */
	if (txn->view.last && fl_gtid_set_add(delivered, &txn->gtid) == 0 &&
		fl_gtid_set_covers(delivered, w->position.gtids))
		w->skip = false;
	return ours;
}

static bool is_behind_us(struct fl_worker *w, const struct fl_txn *txn)
{
	bool const by_gtids = w->skip && w->seat->joined != NULL && w->position.gtids != NULL;
	if (by_gtids && txn->gtid.kind != FL_GTID_NONE)
		return is_among_ours(w, txn);
	/* A place alone says nothing that is not said again. */
	if (by_gtids)
		return txn->is_place;
	if (w->skip)
		w->skip = fl_binlog_compare(txn->view.file.data, txn->view.position,
				  w->position.file, w->position.offset) <= 0;
	return w->skip;
}

/* Takes what is queued, up to a batch; waits for the first. 1, 0 or FL_ESTOPPED as fl_queue_pop().
 */
static int take(struct fl_worker *w, int wait)
{
	void *items[FL_BATCH_TRANSACTIONS];
	size_t bytes = 0;
	int result = 1;
	bool ends = false;
	while (!ends && result > 0 && w->txn_count < FL_BATCH_TRANSACTIONS &&
		bytes < FL_BATCH_BYTES) {
		result = fl_queue_pop_some(w->seat->queue, w->txn_count == 0 ? wait : 0, items,
			FL_BATCH_TRANSACTIONS - w->txn_count, FL_BATCH_BYTES - bytes);
		bool const leaves = atomic_load(&w->leaving);
		for (int i = 0; i < result; i++) {
			struct fl_txn *txn = items[i];
			/* Who is to leave goes on to the end of a transaction in parts, and no
			 * further. */
			if (ends || is_behind_us(w, txn)) {
				fl_txn_unref(txn);
				continue;
			}
			w->txns[w->txn_count++] = txn;
			bytes += txn->bytes;
			ends = leaves && txn->view.last;
		}
	}
	return w->txn_count > 0 ? 1 : result;
}

/* What was taken is applied, but for a worker that is to end; one that is to leave goes on to the
 * end of a transaction in parts. */
static enum fl_end apply(struct fl_worker *w)
{
	bool const in_parts = !w->txns[w->txn_count - 1]->view.last;
	uv_mutex_lock(&w->mutex);
	bool const may = !atomic_load(&w->stop);
	w->in_parts = may && in_parts;
	uv_mutex_unlock(&w->mutex);
	if (!may) {
		fl_txns_unref(w->txns, w->txn_count);
		w->txn_count = 0;
		return END_STOPPED;
	}
	enum fl_end end = fl_worker_apply(w);
	return end == END_NONE && !in_parts && atomic_load(&w->leaving) ? END_STOPPED : end;
}

enum fl_end fl_worker_ride(struct fl_worker *w)
{
	enum fl_end end = wait_for_seat(w);
	w->phase = FL_ERROR_WRITE;
	while (end == END_NONE) {
		/* Nothing is kept back to make batches larger: what is pending is settled as soon
		 * as there is nothing else to do. */
		int wait = 0;
		int taken = take(w, 0);
		if (taken == 0) {
			end = fl_worker_settle(w, false, &wait);
			if (end == END_NONE)
				taken = take(w, wait);
		} else {
			fl_worker_save(w, false);
		}
		if (end != END_NONE)
			break;
		if (taken == 1)
			end = apply(w);
		else if (taken < 0)
			end = change_seat(w);
	}
	if (!w->broken) {
		int wait;
		enum fl_end settled = fl_worker_settle(w, true, &wait);
		if (end == END_FINISHED && settled != END_NONE)
			end = settled;
	}
	change_to(w, NULL);
	uv_mutex_lock(&w->mutex);
	w->in_parts = false;
	uv_mutex_unlock(&w->mutex);
	return end;
}
