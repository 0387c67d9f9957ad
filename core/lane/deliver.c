/* SPDX-License-Identifier: Apache-2.0
 *
 * The lane's thread, from the grouper on: transactions go to the seats, and at the boundaries
 * between them seats come and go.
 */
#include "lane/private.h"

enum {
	PATIENCE_MS = 500,	/* how long others may be kept waiting for a full queue ... */
	PATIENCE_WITHIN_S = 10, /* ... within this time */
};

/* ---- seats ---- */

static void drop_seat(struct fl_lane *lane, size_t index)
{
	uv_mutex_lock(&lane->mutex);
	fl_seat_unref(lane->seats[index]);
	lane->seats[index] = lane->seats[--lane->seat_count];
	uv_mutex_unlock(&lane->mutex);
}

void fl_lane_end_seats(struct fl_lane *lane, enum fl_seat_end end, const struct fl_err *reason)
{
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

/* Pushes to a seat whose queue is full. A sink that rides alone may hold its lane up for as long as
 * it likes; one among several only for a moment. */
static int push_patiently(struct fl_lane *lane, struct fl_seat *seat, struct fl_txn *txn)
{
	if (lane->seat_count == 1)
		return fl_queue_push(seat->queue, txn, txn->bytes, -1);

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
static void end_parts(struct fl_lane *lane, const struct fl_txn *txn)
{
	if (txn->view.first || !txn->view.last)
		return;
	uv_mutex_lock(&lane->mutex);
	lane->in_parts = false;
	if (atomic_load(&lane->leaving))
		atomic_store(&lane->stop, true);
	uv_mutex_unlock(&lane->mutex);
}

int fl_lane_push(struct fl_lane *lane, struct fl_txn *txn)
{
	if (!begin_parts(lane, txn)) {
		fl_txn_unref(txn);
		return FL_ESTOPPED;
	}
	lane->has_delivered = lane->is_well = true;
	for (size_t i = 0; i < lane->seat_count;) {
		struct fl_seat *seat = lane->seats[i];
		int result = fl_queue_push(seat->queue, fl_txn_ref(txn), txn->bytes, 0);
		if (result == 0)
			result = push_patiently(lane, seat, txn);
		if (result == 1) {
			i++;
			continue;
		}
		fl_txn_unref(txn);
		fl_seat_end(seat, FL_SEAT_LEFT, NULL);
		drop_seat(lane, i);
	}
	int result = fl_txn_advance(txn, &lane->position);
	end_parts(lane, txn);
	fl_txn_unref(txn);
	/* The sinks have it, and know where they are. */
	if (result != 0)
		fl_lane_end_seats(lane, FL_SEAT_LEFT, NULL);
	return lane->seat_count == 0 || atomic_load(&lane->stop) ? FL_ESTOPPED : result;
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

bool fl_lane_has_target(const struct fl_lane *lane)
{
	const char *file;
	uint64_t offset;
	if (lane->position.gtids != NULL && lane->config->target.gtids != NULL)
		return covers_target(lane);
	fl_grouper_place(lane->grouper, &file, &offset);
	return is_behind_target(lane, file, offset);
}

enum fl_next fl_lane_at_boundary(struct fl_lane *lane)
{
	if (!lane->placed)
		return FL_NEXT_GO_ON;
	const struct fl_position *here = &lane->position;
	uv_mutex_lock(&lane->mutex);
	lane->state.placed = true;
	lane->state.offset = here->offset;
	if (strcmp(lane->state.file, here->file) != 0)
		memcpy(lane->state.file, here->file, sizeof(here->file));
	uv_mutex_unlock(&lane->mutex);

	if (atomic_load_explicit(&lane->attention, memory_order_relaxed)) {
		take_in(lane, here->file, here->offset);
		if (has_met(lane, here->file, here->offset)) {
			fl_lane_end_seats(lane, FL_SEAT_MOVED, NULL);
			return FL_NEXT_END;
		}
	}
	if (lane->config->until_current &&
		(strcmp(lane->state.identity, lane->config->target.server) == 0
				? is_behind_target(lane, here->file, here->offset)
				: covers_target(lane))) {
		fl_lane_end_seats(lane, FL_SEAT_FINISHED, NULL);
		return FL_NEXT_END;
	}
	return FL_NEXT_GO_ON;
}
