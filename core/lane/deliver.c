/* SPDX-License-Identifier: Apache-2.0
 *
 * The lane's thread, from the grouper on: transactions go to the seats, and at the boundaries
 * between them seats come and go.
 */
#include "lane/private.h"

enum {
	PATIENCE_MS = 500,	/* how long others may be kept waiting for a full queue ... */
	PATIENCE_WITHIN_S = 10, /* ... within this time */
	BEHIND_S = 2,		/* a transaction that is older shows that the lane catches up ... */
	SLOWED_S = 30,	/* ... and then a sink that goes on taking may slow it down so long ... */
	SLOW_MS = 2000, /* ... in all, and for so long at once: a batch may take it that long */
	READY_BYTES = 64 << 10, /* are handed over at once */
	PLACE_BYTES = 1 << 20,	/* of binlog in which nothing was of interest ... */
	PLACE_MS = 10,		/* ... or this time, and the position moves all the same */
};

/* ---- seats ---- */

static void drop_seat(struct fl_lane *lane, size_t index)
{
	uv_mutex_lock(&lane->mutex);
	fl_seat_unref(lane->seats[index]);
	lane->seats[index] = lane->seats[--lane->seat_count];
	uv_mutex_unlock(&lane->mutex);
}

/* For the main thread: how far the lane is. */
static void show_place(struct fl_lane *lane)
{
	const struct fl_position *here = &lane->position;
	if (!lane->placed)
		return;
	uv_mutex_lock(&lane->mutex);
	lane->state.placed = true;
	lane->state.offset = here->offset;
	if (strcmp(lane->state.file, here->file) != 0)
		memcpy(lane->state.file, here->file, sizeof(here->file));
	uv_mutex_unlock(&lane->mutex);
}

/* Whether the transaction is no news: the lane catches up. (Also where the source's clock is behind
 * ours.) */
static bool is_old(const struct fl_txn *txn)
{
	uv_timeval64_t now;
	return uv_gettimeofday(&now) == 0 &&
	       now.tv_sec * 1000000 + now.tv_usec - txn->view.commit_us >
		       (int64_t)BEHIND_S * 1000000;
}

/* Within what is left of the patience for a seat that may hold up the others' news. */
static int push_soon(struct fl_seat *seat, struct fl_txn *txn)
{
	uint64_t now = uv_hrtime();
	if (now - seat->waited_since > (uint64_t)PATIENCE_WITHIN_S * 1000000000) {
		seat->waited_since = now;
		seat->waited_ns = 0;
	}
	uint64_t patience = (uint64_t)PATIENCE_MS * 1000000;
	if (seat->waited_ns >= patience)
		return 0;
	int result = fl_queue_push(
		seat->queue, txn, txn->bytes, (int)((patience - seat->waited_ns) / 1000000) + 1);
	seat->waited_ns += uv_hrtime() - now;
	return result;
}

/* Pushes to a seat whose queue is full. A sink that rides alone may hold its lane up for as long as
 * it likes. One among several only for a moment; but while all of them catch up, one that is merely
 * slower is waited for: a lane of its own would have the source send everything once more. */
static int push_patiently(struct fl_lane *lane, struct fl_seat *seat, struct fl_txn *txn)
{
	if (lane->seat_count == 1)
		return fl_queue_push(seat->queue, txn, txn->bytes, -1);
	if (!is_old(txn))
		seat->slowed_ns = 0;
	else if (seat->slowed_ns < (uint64_t)SLOWED_S * 1000000000) {
		uint64_t const now = uv_hrtime();
		int const result = fl_queue_push(seat->queue, txn, txn->bytes, SLOW_MS);
		seat->slowed_ns += uv_hrtime() - now;
		return result;
	}
	return push_soon(seat, txn);
}

/* No transaction begins to be passed on in parts once the lane is to end ... */
static bool begin_parts(struct fl_lane *lane, const struct fl_txn *txn)
{
	if (txn->view.first && txn->view.last)
		return true;
	uv_mutex_lock(&lane->mutex);
	bool const may = !atomic_load(&lane->stop);
	lane->in_parts = may;
	uv_mutex_unlock(&lane->mutex);
	return may;
}

/* ... and it ends behind one that has. */
static void end_parts(struct fl_lane *lane)
{
	uv_mutex_lock(&lane->mutex);
	lane->in_parts = false;
	if (atomic_load(&lane->leaving))
		atomic_store(&lane->stop, true);
	uv_mutex_unlock(&lane->mutex);
}

/* Hands all that is ready to one seat, which takes over a reference each. FL_ESTOPPED: it has had
 * enough of the lane, or the lane of it. */
static int hand_over(struct fl_lane *lane, struct fl_seat *seat)
{
	size_t done = 0;
	while (done < lane->ready_count) {
		const struct fl_queue_item *item = &lane->ready[done];
		int result = fl_queue_push_some(seat->queue, item, lane->ready_count - done);
		if (result == 0)
			result = push_patiently(lane, seat, item->item);
		if (result <= 0)
			break;
		done += (size_t)result;
	}
	if (done == lane->ready_count)
		return 0;
	for (; done < lane->ready_count; done++)
		fl_txn_unref(lane->ready[done].item);
	return FL_ESTOPPED;
}

int fl_lane_flush(struct fl_lane *lane)
{
	size_t const seats = lane->seat_count;
	bool const stops = atomic_load(&lane->stop);
	if (lane->ready_count == 0)
		return seats == 0 || stops ? FL_ESTOPPED : 0;
	int64_t last_us;
	fl_lane_show_ready(lane, &last_us);
	/* The first seat gets ours. */
	for (size_t i = 0; i < lane->ready_count; i++) {
		for (size_t more = 1; more < seats; more++)
			fl_txn_ref(lane->ready[i].item);
		if (seats == 0)
			fl_txn_unref(lane->ready[i].item);
	}
	for (size_t i = 0; i < lane->seat_count;) {
		struct fl_seat *seat = lane->seats[i];
		if (hand_over(lane, seat) == 0) {
			i++;
			continue;
		}
		fl_seat_end(seat, FL_SEAT_LEFT, NULL);
		drop_seat(lane, i);
	}
	fl_lane_show_delivered(lane, last_us);
	lane->ready_count = lane->ready_bytes = 0;
	lane->ready_has_changes = false;
	lane->flushed_at = lane->position.offset;
	show_place(lane);
	return lane->seat_count == 0 || stops ? FL_ESTOPPED : 0;
}

bool fl_lane_is_behind(struct fl_lane *lane)
{
	if (lane->ready_count > 0)
		lane->is_behind = is_old(lane->ready[lane->ready_count - 1].item);
	return lane->is_behind;
}

int fl_lane_may_wait(const struct fl_lane *lane)
{
	if (lane->ready_count == 0 || lane->ready_has_changes ||
		uv_hrtime() - lane->ready_since >= (uint64_t)PLACE_MS * 1000000)
		return 0;
	return PLACE_MS;
}

/* Whether a transaction says no more than that the one before, which is ready, has been there: both
 * are empty, and a set of MariaDB's GTIDs has the last one of a domain alone. */
static bool replaces(const struct fl_txn *txn, const struct fl_txn *before)
{
	return txn->view.change_count == 0 && before->view.change_count == 0 && txn->view.first &&
	       txn->view.last && before->view.last && txn->jump == NULL && before->jump == NULL &&
	       txn->held == before->held && txn->is_place == before->is_place &&
	       txn->anonymous == before->anonymous && txn->gtid.kind == before->gtid.kind &&
	       (txn->gtid.kind == FL_GTID_NONE || (txn->gtid.kind == FL_GTID_MARIADB &&
							  txn->gtid.domain == before->gtid.domain &&
							  txn->gtid.number > before->gtid.number));
}

/* Of a transaction that has been taken: whether the seats are to have it now. */
static bool is_due(const struct fl_lane *lane, const struct fl_txn *txn)
{
	uint64_t const passed = lane->position.offset - lane->flushed_at; /* of one file */
	return lane->ready_count == FL_MOST_READY ||
	       (lane->ready_has_changes && lane->ready_bytes >= READY_BYTES) || !txn->view.first ||
	       !txn->view.last || txn->jump != NULL || passed >= PLACE_BYTES;
}

int fl_lane_push(struct fl_lane *lane, struct fl_txn *txn)
{
	if (!begin_parts(lane, txn)) {
		fl_txn_unref(txn);
		return FL_ESTOPPED;
	}
	lane->has_delivered = lane->is_well = true;
	lane->tally.transactions += txn->view.last && !txn->is_place;
	lane->tally.rows += txn->view.change_count;
	struct fl_queue_item *last = &lane->ready[lane->ready_count];
	if (lane->ready_count == 0) {
		lane->ready_since = uv_hrtime();
	} else if (replaces(txn, last[-1].item)) {
		last--;
		/* It has a pack to itself soon: so it stands for those that it replaces, as far as
		 * a pack goes. */
		txn->bytes += last->bytes;
		if (txn->bytes > READY_BYTES)
			txn->bytes = READY_BYTES;
		lane->ready_bytes -= last->bytes;
		lane->ready_count--;
		fl_txn_unref(last->item);
	}
	*last = (struct fl_queue_item){ txn, txn->bytes };
	lane->ready_count++;
	lane->ready_bytes += txn->bytes;
	lane->ready_has_changes |= txn->view.change_count > 0 || !txn->view.first;
	int result = fl_txn_advance(txn, &lane->position);
	bool const due = is_due(lane, txn), in_parts = !txn->view.first || !txn->view.last;
	bool const ends = in_parts && txn->view.last;
	int const flushed = due ? fl_lane_flush(lane) : 0;
	if (ends)
		end_parts(lane);
	/* The sinks have it, and know where they are. */
	if (result != 0)
		fl_lane_end_seats(lane, FL_SEAT_LEFT, NULL);
	if (lane->seat_count == 0 || atomic_load(&lane->stop))
		return FL_ESTOPPED;
	return result != 0 ? result : flushed;
}

void fl_lane_end_seats(struct fl_lane *lane, enum fl_seat_end end, const struct fl_err *reason)
{
	fl_lane_flush(lane);
	while (lane->seat_count > 0) {
		fl_seat_end(lane->seats[0], end, reason);
		drop_seat(lane, 0);
	}
}

enum fl_next fl_lane_refuse(struct fl_lane *lane, const struct fl_err *reason)
{
	uv_mutex_lock(&lane->mutex);
	lane->state.refused = true;
	uv_mutex_unlock(&lane->mutex);
	fl_lane_end_seats(lane, FL_SEAT_REFUSED, reason);
	return FL_NEXT_END;
}

/* Hooked into the grouper: hands a transaction to every sink. */
int fl_lane_deliver(void *ctx, struct fl_txn *txn)
{
	struct fl_lane *lane = ctx;
	if (lane->config->files != NULL && fl_txn_advance(txn, &lane->read) != 0) {
		fl_txn_unref(txn);
		return FL_ENOMEM;
	}
	int passed = lane->replaying ? fl_lane_pass_over(lane, txn) : 0;
	if (passed != 0) {
		atomic_store_explicit(&lane->waits_since, 0, memory_order_relaxed);
		fl_txn_unref(txn);
		return passed == 1 ? 0 : passed;
	}
	/* A session that goes by GTIDs begins somewhere before them: until it has come to a
	 * transaction, places tell nothing. */
	if (!lane->placed && txn->is_place) {
		fl_txn_unref(txn);
		return 0;
	}
	if (!lane->placed)
		memcpy(lane->position.server, lane->state.identity, sizeof(lane->position.server));
	lane->placed = true;
	return fl_lane_push(lane, txn);
}

/* ---- at a boundary ---- */

static void take_in(struct fl_lane *lane, const char *file, uint64_t offset)
{
	const struct fl_gtid_set *gtids = lane->position.gtids;
	uv_mutex_lock(&lane->mutex);
	bool taken = lane->joining_count > 0;
	for (size_t i = 0; i < lane->joining_count; i++) {
		struct fl_seat *seat = lane->joining[i];
		seat->joined = gtids != NULL ? fl_gtid_set_copy(gtids) : NULL;
		/* Only memory can be lacking; then the sink finds its way into a lane of its own.
		 */
		if ((gtids != NULL && seat->joined == NULL) || fl_lane_add(lane, seat) != 0)
			fl_seat_end(seat, FL_SEAT_LEFT, NULL);
		memcpy(lane->joining[i]->server, lane->state.identity,
			sizeof(lane->joining[i]->server));
		fl_seat_unref(lane->joining[i]);
	}
	lane->joining_count = 0;
	free(lane->joining);
	lane->joining = NULL;
	struct fl_meeting *meeting = lane->host_meeting;
	lane->host_meeting = NULL;
	atomic_store(&lane->attention, lane->guest_meeting != NULL);
	uv_mutex_unlock(&lane->mutex);

	if (meeting == NULL)
		return;
	struct fl_gtid_set *copy = gtids != NULL ? fl_gtid_set_copy(gtids) : NULL;
	uv_mutex_lock(&meeting->mutex);
	meeting->ready = taken && (gtids == NULL || copy != NULL);
	meeting->failed |= !meeting->ready;
	meeting->gtids = copy;
	memcpy(meeting->file, file, strlen(file) + 1);
	meeting->offset = offset;
	uv_mutex_unlock(&meeting->mutex);
	fl_meeting_unref(meeting);
}

/* Whether the lane has come to where its sinks have been taken in by another one. */
static bool has_met(struct fl_lane *lane, const char *file, uint64_t offset)
{
	struct fl_meeting *meeting = lane->guest_meeting;
	if (meeting == NULL)
		return false;
	uv_mutex_lock(&meeting->mutex);
	/* After a failover what both have need not be what stands in front of a place: the server
	 * may have got some of it later than what is new. */
	const struct fl_gtid_set *gtids = lane->position.gtids;
	bool met = meeting->ready &&
		   fl_binlog_compare(file, offset, meeting->file, meeting->offset) >= 0 &&
		   (gtids == NULL || meeting->gtids == NULL ||
			   fl_gtid_set_covers(gtids, meeting->gtids));
	bool failed = meeting->failed;
	uv_mutex_unlock(&meeting->mutex);
	if (failed) {
		uv_mutex_lock(&lane->mutex);
		lane->guest_meeting = NULL;
		atomic_store(&lane->attention, lane->host_meeting != NULL);
		uv_mutex_unlock(&lane->mutex);
		fl_meeting_unref(meeting);
	}
	return met;
}

/* Places can be compared with the target's on the server alone where that was asked for. */
static bool is_behind_target(const struct fl_lane *lane, const char *file, uint64_t offset)
{
	const struct fl_position *target = &lane->config->target;
	return strcmp(lane->state.identity, target->server) == 0 &&
	       fl_binlog_compare(file, offset, target->file, target->offset) >= 0;
}

static bool covers_target(const struct fl_lane *lane)
{
	const struct fl_position *target = &lane->config->target;
	return lane->position.gtids != NULL && target->gtids != NULL &&
	       fl_gtid_set_covers(lane->position.gtids, target->gtids);
}

/* Behind each transaction: the names of files are compared once a file. */
static bool has_reached_target(struct fl_lane *lane)
{
	const struct fl_position *here = &lane->position, *target = &lane->config->target;
	if (strcmp(lane->state.identity, target->server) != 0)
		return covers_target(lane);
	if (strcmp(lane->ordered_file, here->file) != 0) {
		memcpy(lane->ordered_file, here->file, sizeof(here->file));
		lane->order = fl_binlog_compare(here->file, 0, target->file, 0);
	}
	return lane->order > 0 || (lane->order == 0 && here->offset >= target->offset);
}

bool fl_lane_has_target(const struct fl_lane *lane)
{
	const char *file;
	uint64_t offset;
	if (lane->position.gtids != NULL && lane->config->target.gtids != NULL)
		return covers_target(lane);
	fl_grouper_place(lane->grouper, &file, &offset);
	return is_behind_target(lane, file, offset);
}

enum fl_next fl_lane_within(struct fl_lane *lane)
{
	const char *file;
	uint64_t offset;
	if (lane->ready_count == 0)
		return FL_NEXT_GO_ON;
	fl_grouper_place(lane->grouper, &file, &offset);
	if (offset - lane->flushed_at < PLACE_BYTES)
		return FL_NEXT_GO_ON;
	return fl_lane_flush(lane) != 0 ? FL_NEXT_END : FL_NEXT_GO_ON;
}

enum fl_next fl_lane_at_boundary(struct fl_lane *lane)
{
	const struct fl_position *here = &lane->position;
	if (!lane->placed)
		return FL_NEXT_GO_ON;
	if (!lane->state.placed)
		show_place(lane);
	if (atomic_load_explicit(&lane->attention, memory_order_relaxed)) {
		/* Who comes in gets what comes next. */
		if (fl_lane_flush(lane) != 0)
			return FL_NEXT_END;
		take_in(lane, here->file, here->offset);
		if (has_met(lane, here->file, here->offset)) {
			fl_lane_end_seats(lane, FL_SEAT_MOVED, NULL);
			return FL_NEXT_END;
		}
	}
	if (lane->config->until_current && has_reached_target(lane)) {
		fl_lane_end_seats(lane, FL_SEAT_FINISHED, NULL);
		return FL_NEXT_END;
	}
	return FL_NEXT_GO_ON;
}
