/* SPDX-License-Identifier: Apache-2.0
 *
 * The lane's thread: connects, reads, groups and delivers, and starts over from its own position
 * when the connection is lost.
 */
#include "base/log.h"
#include "lane/private.h"

enum {
	PATIENCE_MS = 500,	  /* how long others may be kept waiting for a full queue ... */
	PATIENCE_WITHIN_S = 10,	  /* ... within this time */
	FIRST_DELAY_MS = 100,	  /* before connecting again; doubled with each failure ... */
	LONGEST_DELAY_MS = 10000, /* ... up to this */
	CORRUPT_TRIES = 3,	  /* a bad cable heals, a bad file does not */
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

/* Hooked into the grouper: hands a transaction to every sink. */
static int deliver(void *ctx, struct fl_txn *txn)
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
	lane->placed |= !txn->is_place;
	if (!lane->placed) {
		fl_txn_unref(txn);
		return 0;
	}
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
	fl_txn_unref(txn);
	return lane->seat_count == 0 || atomic_load(&lane->stop) ? FL_ESTOPPED : result;
}

static struct fl_held *begin(void *ctx)
{
	const struct fl_lane *lane = ctx;
	return fl_held_create(lane->replaying ? &lane->replay : &lane->position);
}

static bool wants(void *ctx, struct fl_bytes db, struct fl_bytes table)
{
	struct fl_lane *lane = ctx;
	return lane->config->wants(lane->config->wants_ctx, db, table);
}

static int complete(void *ctx, struct fl_table_def *def, uint32_t event_time, struct fl_err *err)
{
	struct fl_lane *lane = ctx;
	if (lane->config->files != NULL)
		return fl_table_number_columns(def, err);
	const char *file;
	const struct fl_position *here = lane->replaying ? &lane->replay : &lane->position;
	struct fl_position place = { .gtids = here->gtids };
	fl_grouper_told_place(lane->grouper, &file, &place.offset);
	memcpy(place.file, file, strlen(file) + 1);
	int result = fl_schema_complete(
		lane->schema, def, lane->state.identity, &place, event_time, err);
	if (result != 0 && result != FL_ELOST && result != FL_ENOMEM && result != FL_ESTOPPED)
		fl_warn(NULL, "%.*s.%.*s is in doubt: %s", (int)def->table.db.size,
			def->table.db.data, (int)def->table.name.size, def->table.name.data,
			err->text);
	return result;
}

static void renew(void *ctx, struct fl_bytes db, struct fl_bytes sql, uint32_t time)
{
	struct fl_lane *lane = ctx;
	const char *file;
	uint64_t offset;
	fl_grouper_told_place(lane->grouper, &file, &offset);
	fl_schema_renew(lane->schema, file, offset, db, sql, time);
}

/* ---- at a boundary ---- */

static void take_in(struct fl_lane *lane, const char *file, uint64_t offset)
{
	uv_mutex_lock(&lane->mutex);
	bool taken = lane->joining_count > 0;
	for (size_t i = 0; i < lane->joining_count; i++) {
		/* Only memory can be lacking; then the sink finds its way into a lane of its own.
		 */
		if (fl_lane_add(lane, lane->joining[i]) != 0)
			fl_seat_end(lane->joining[i], FL_SEAT_LEFT, NULL);
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
	uv_mutex_lock(&meeting->mutex);
	meeting->ready = taken;
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
	bool met = meeting->ready &&
		   fl_binlog_compare(file, offset, meeting->file, meeting->offset) >= 0;
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

/* With `until_current`: whether all that was asked for has been delivered. */
static bool has_target(struct fl_lane *lane)
{
	const struct fl_position *target = &lane->config->target;
	const char *file;
	uint64_t offset;
	if (lane->position.gtids != NULL && target->gtids != NULL)
		return fl_gtid_set_covers(lane->position.gtids, target->gtids);
	fl_grouper_place(lane->grouper, &file, &offset);
	return fl_binlog_compare(file, offset, target->file, target->offset) >= 0;
}

enum fl_next fl_lane_at_boundary(struct fl_lane *lane)
{
	if (!lane->placed)
		return FL_NEXT_GO_ON;
	const struct fl_position *here = &lane->position, *target = &lane->config->target;
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
		fl_binlog_compare(here->file, here->offset, target->file, target->offset) >= 0) {
		fl_lane_end_seats(lane, FL_SEAT_FINISHED, NULL);
		return FL_NEXT_END;
	}
	return FL_NEXT_GO_ON;
}

/* ---- the session ---- */

static enum fl_next on_unknown_event(struct fl_lane *lane, const struct fl_err *err)
{
	struct fl_err reason;
	fl_err_set(&reason, FL_EFATAL,
		"%s: use a newer fastlane, or turn off at the source what makes it. To go on "
		"behind it, empty the cache, remove this sink's "
		"position and start at another one",
		err->text);
	return fl_lane_refuse(lane, &reason);
}

static enum fl_next on_bad_event(struct fl_lane *lane, const struct fl_err *err)
{
	const char *file;
	uint64_t offset;
	fl_grouper_place(lane->grouper, &file, &offset);
	bool same = lane->corrupt_offset == offset && strcmp(lane->corrupt_file, file) == 0;
	lane->corruption = same ? lane->corruption + 1 : 1;
	lane->corrupt_offset = offset;
	memcpy(lane->corrupt_file, file, strlen(file) + 1);
	if (lane->corruption < CORRUPT_TRIES) {
		fl_error(NULL, "%s; reading it again", err->text);
		return FL_NEXT_CONNECT_AGAIN;
	}
	struct fl_err reason;
	fl_err_set(&reason, FL_EFATAL,
		"%s; it stays so: the binlog is damaged, or of a kind that is not supported. To go "
		"on behind "
		"it, empty the cache, remove this sink's position and start at another one",
		err->text);
	return fl_lane_refuse(lane, &reason);
}

static enum fl_next on_event(struct fl_lane *lane, const uint8_t *data, size_t size)
{
	struct fl_err err = { 0 };
	int result = fl_grouper_feed(lane->grouper, data, size, &err);
	switch (result) {
	case 0:
		break;
	case FL_ESTOPPED:
		return FL_NEXT_END;
	case FL_GROUPER_AGAIN:
		fl_info(NULL, "a transaction beyond transaction_bytes is read again, in parts");
		return FL_NEXT_CONNECT_AGAIN;
	case FL_ECORRUPT:
		return on_bad_event(lane, &err);
	case FL_EUNSUPPORTED:
		return on_unknown_event(lane, &err);
	default:
		fl_error(NULL, "%s", err.text);
		return FL_NEXT_CONNECT_AGAIN;
	}
	return fl_grouper_at_boundary(lane->grouper) ? fl_lane_at_boundary(lane) : FL_NEXT_GO_ON;
}

static enum fl_next read_events(struct fl_lane *lane, struct fl_session *session)
{
	for (;;) {
		const uint8_t *data;
		size_t size;
		struct fl_err err = { 0 };
		enum fl_next next;
		switch (fl_session_read(session, &data, &size, &err)) {
		case FL_READ_EVENT:
			next = on_event(lane, data, size);
			if (next != FL_NEXT_GO_ON)
				return next;
			lane->failures = 0;
			break;
		case FL_READ_END:
			/* A server that shuts down ends the stream the same way. */
			if (!has_target(lane)) {
				fl_warn(NULL, "the source ended its binlog too early");
				return FL_NEXT_CONNECT_AGAIN;
			}
			fl_lane_end_seats(lane, FL_SEAT_FINISHED, NULL);
			return FL_NEXT_END;
		case FL_READ_STOPPED:
			return FL_NEXT_END;
		case FL_READ_LOST:
			fl_warn(NULL, "lost the source: %s", err.text);
			return FL_NEXT_CONNECT_AGAIN;
		case FL_READ_FATAL:
			if (lane->replaying) {
				fl_lane_give_up_replay(lane, &err);
				return FL_NEXT_CONNECT_AGAIN;
			}
			return fl_lane_refuse(lane, &err);
		}
	}
}

static enum fl_next run_session(struct fl_lane *lane)
{
	struct fl_err err = { 0 };
	struct fl_session *session = NULL;
	/* The numbers behind the configured one; 0 is none, so the last is followed by 1. */
	const struct fl_source_config *source = lane->config->source;
	uint32_t server_id = (source->server_id - 1 + lane->number) % UINT32_MAX + 1;
	int result = fl_session_connect(source, server_id, &session, &err);
	if (result != 0) {
		fl_error(NULL, "can't connect to the source: %s", err.text);
		return FL_NEXT_CONNECT_AGAIN;
	}
	const struct fl_server *server = fl_session_server(session);
	/* Places on another server are not comparable with what the sinks have: each goes on by its
	 * own position in a lane of its own. */
	if (lane->state.identity[0] != '\0' &&
		strcmp(lane->state.identity, server->identity) != 0) {
		fl_warn(NULL, "lane %u finds another server at the source's address", lane->number);
		fl_session_close(session);
		fl_lane_end_seats(lane, FL_SEAT_LEFT, NULL);
		return FL_NEXT_END;
	}
	uv_mutex_lock(&lane->mutex);
	lane->session = session;
	memcpy(lane->state.identity, server->identity, sizeof(lane->state.identity));
	uv_mutex_unlock(&lane->mutex);

	enum fl_next next = FL_NEXT_CONNECT_AGAIN;
	const struct fl_position *from = lane->replaying ? &lane->replay : &lane->position;
	lane->placed = !lane->replaying && (from->gtids == NULL || !server->gtids);
	fl_grouper_restart(lane->grouper, from, &server->collations);
	fl_schema_clear(lane->schema);
	result = lane->replaying ? fl_lane_prepare_replay(lane, session, &err) : 0;
	if (result == 0)
		result = atomic_load(&lane->stop) ? FL_ESTOPPED
						  : fl_session_open(session, from, &lane->position,
							    lane->config->until_current, &err);
	if (result == 0) {
		struct fl_buf text = { 0 };
		fl_position_format(from, &text);
		fl_info(NULL, "lane %u reads %s from %.*s", lane->number, server->version_text,
			(int)(text.size < 600 ? text.size : 600), text.data);
		fl_buf_finish(&text);
		next = read_events(lane, session);
	} else if (result == FL_EFATAL && lane->replaying) {
		fl_lane_give_up_replay(lane, &err);
	} else if (result == FL_EFATAL || result == FL_EUNSUPPORTED) {
		next = fl_lane_refuse(lane, &err);
	} else if (result != FL_ESTOPPED) {
		fl_error(NULL, "the source does not send its binlog: %s", err.text);
	}

	uv_mutex_lock(&lane->mutex);
	lane->session = NULL;
	lane->state.placed = false;
	uv_mutex_unlock(&lane->mutex);
	fl_session_close(session);
	return next;
}

/* Waits longer after each failure, and never as long as another that failed at the same time. */
static void back_off(struct fl_lane *lane)
{
	unsigned shift = lane->failures < 7 ? lane->failures : 7;
	uint64_t delay = (uint64_t)FIRST_DELAY_MS << shift;
	if (delay > LONGEST_DELAY_MS)
		delay = LONGEST_DELAY_MS;
	delay = delay / 2 + (uv_hrtime() ^ (uintptr_t)lane >> 4) % (delay / 2 + 1);
	lane->failures++;

	uint64_t until = uv_hrtime() + delay * 1000000;
	uv_mutex_lock(&lane->mutex);
	for (uint64_t now; !atomic_load(&lane->stop) && (now = uv_hrtime()) < until;)
		uv_cond_timedwait(&lane->wake, &lane->mutex, until - now);
	uv_mutex_unlock(&lane->mutex);
}

void fl_lane_run(void *ctx)
{
	struct fl_lane *lane = ctx;
	struct fl_grouper_hooks hooks = {
		.ctx = lane,
		.wants = wants,
		.complete = complete,
		.emit = deliver,
		.begin = begin,
		.renew = renew,
	};
	lane->grouper = fl_grouper_create(&hooks, lane->config->transaction_bytes);
	lane->schema = fl_schema_create(lane->config->source, &lane->stop);
	if (lane->grouper == NULL || lane->schema == NULL)
		fl_error(NULL, "out of memory for a lane");
	else {
		if (lane->config->source->geojson)
			fl_grouper_show_geojson(lane->grouper);
		if (lane->config->files != NULL)
			fl_lane_read_files(lane);
		else
			while (!atomic_load(&lane->stop) && lane->seat_count > 0 &&
				run_session(lane) != FL_NEXT_END)
				back_off(lane);
	}
	fl_grouper_destroy(lane->grouper);
	fl_schema_destroy(lane->schema);

	fl_lane_end_seats(lane, FL_SEAT_LEFT, NULL);
	uv_mutex_lock(&lane->mutex);
	lane->state.ended = true;
	for (size_t i = 0; i < lane->joining_count; i++)
		fl_seat_end(lane->joining[i], FL_SEAT_LEFT, NULL);
	struct fl_meeting *meeting = lane->host_meeting;
	uv_mutex_unlock(&lane->mutex);
	if (meeting != NULL) {
		uv_mutex_lock(&meeting->mutex);
		meeting->failed = true;
		uv_mutex_unlock(&meeting->mutex);
	}
	lane->config->changed(lane->config->changed_ctx);
}
