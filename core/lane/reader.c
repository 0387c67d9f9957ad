/* SPDX-License-Identifier: Apache-2.0
 *
 * The lane's thread: connects, reads, groups and delivers, and starts over from its own position
 * when the connection is lost.
 */
#include "base/log.h"
#include "base/thread.h"
#include "lane/private.h"

enum {
	FIRST_DELAY_MS = 100,	  /* before connecting again; doubled with each failure ... */
	LONGEST_DELAY_MS = 10000, /* ... up to this */
	CORRUPT_TRIES = 3,	  /* a bad cable heals, a bad file does not */
};

/* Transactions that were passed on in parts, of all lanes. */
static atomic_uint in_parts;

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

/* ---- the session ---- */

static enum fl_next on_unknown_event(struct fl_lane *lane, const struct fl_err *err)
{
	struct fl_err reason;
	fl_err_set(&reason, FL_EFATAL,
		"%s: use a newer fastlane, or turn off at the source what makes it. To go on "
		"behind it, empty the cache, remove this sink's "
		"position and start at another one",
		err->text);
	return fl_lane_refuse_host(lane, (struct fl_refusal){ 0 }, &reason);
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
	return fl_lane_refuse_host(lane, (struct fl_refusal){ 0 }, &reason);
}

static enum fl_next on_event(struct fl_lane *lane, const uint8_t *data, size_t size)
{
	struct fl_err err; /* set where it is used */
	int result = fl_grouper_feed(lane->grouper, data, size, &err);
	switch (result) {
	case 0:
		break;
	case FL_ESTOPPED:
		return FL_NEXT_END;
	case FL_GROUPER_AGAIN:
		fl_warn(NULL,
			"a transaction beyond transaction_bytes is read again, and passed on in "
			"parts: readers may see some of it before the rest (%u so far)",
			atomic_fetch_add(&in_parts, 1) + 1);
		lane->is_well = true;
		return FL_NEXT_CONNECT_AGAIN;
	case FL_ECORRUPT:
		return on_bad_event(lane, &err);
	case FL_EUNSUPPORTED:
		return on_unknown_event(lane, &err);
	default:
		fl_error(NULL, "%s", err.text);
		return result == FL_ELOST ? FL_NEXT_OTHER_HOST : FL_NEXT_CONNECT_AGAIN;
	}
	return fl_grouper_at_boundary(lane->grouper) ? fl_lane_at_boundary(lane)
						     : fl_lane_within(lane);
}

/* A live source sends these by itself. */
static bool is_heartbeat(const uint8_t *data, size_t size)
{
	enum { TYPE_OFFSET = 4 };
	return size > TYPE_OFFSET && (data[TYPE_OFFSET] == FL_EVENT_HEARTBEAT ||
					     data[TYPE_OFFSET] == FL_EVENT_HEARTBEAT_V2);
}

static void count(struct fl_lane *lane, const uint8_t *data, size_t size)
{
	enum { AT_ONCE = 1024, BYTES_AT_ONCE = 1 << 20 };
	lane->tally.events += !is_heartbeat(data, size);
	lane->tally.bytes += size;
	if (++lane->tally.read == AT_ONCE || lane->tally.bytes >= BYTES_AT_ONCE)
		fl_lane_count(lane);
}

/* Nothing more is there: what has been read is handed over, before it is waited for. 0 or
 * FL_ESTOPPED. */
static int before_waiting(struct fl_lane *lane, struct fl_session *session)
{
	if (fl_lane_is_behind(lane) && fl_session_gather(session))
		return 0;
	int const wait_ms = fl_lane_may_wait(lane);
	if (wait_ms > 0 && fl_session_is_ready(session, wait_ms))
		return 0;
	int const result = fl_lane_flush(lane);
	fl_lane_show_waiting(lane);
	return result;
}

static enum fl_next read_on(struct fl_lane *lane, struct fl_session *session)
{
	for (;;) {
		const uint8_t *data;
		size_t size;
		struct fl_err err; /* set where it is used */
		enum fl_next next;
		if (!fl_session_is_ready(session, 0) && before_waiting(lane, session) != 0)
			return FL_NEXT_END;
		enum fl_read got = fl_session_read(session, &data, &size, &err);
		switch (got) {
		case FL_READ_EVENT:
			count(lane, data, size);
			next = on_event(lane, data, size);
			if (next != FL_NEXT_GO_ON)
				return next;
			lane->is_well |= is_heartbeat(data, size);
			break;
		case FL_READ_END:
			/* A server that shuts down ends the stream the same way. */
			if (!fl_lane_has_target(lane)) {
				fl_warn(NULL, "the source ended its binlog too early");
				return FL_NEXT_OTHER_HOST;
			}
			fl_lane_end_seats(lane, FL_SEAT_FINISHED, NULL);
			return FL_NEXT_END;
		case FL_READ_STOPPED:
			return FL_NEXT_END;
		case FL_READ_LOST:
			fl_warn(NULL, "lost the source: %s", err.text);
			return FL_NEXT_OTHER_HOST;
		case FL_READ_PURGED:
		case FL_READ_FATAL:
			if (lane->replaying) {
				fl_lane_give_up_replay(lane, &err);
				return FL_NEXT_CONNECT_AGAIN;
			}
			return fl_lane_refuse_host(
				lane, (struct fl_refusal){ .purged = got == FL_READ_PURGED }, &err);
		}
	}
}

static enum fl_next read_events(struct fl_lane *lane, struct fl_session *session)
{
	enum fl_next const next = read_on(lane, session);
	/* What is behind the last transaction may take long to come. */
	fl_lane_flush(lane);
	fl_lane_count(lane);
	return next;
}

/* For fl_lane_stop() to wake; NULL before it is closed. */
static void show_session(struct fl_lane *lane, struct fl_session *session)
{
	uv_mutex_lock(&lane->mutex);
	lane->session = session;
	lane->state.placed = false;
	/* It is read again from its beginning. */
	lane->in_parts = false;
	uv_mutex_unlock(&lane->mutex);
	fl_lane_show_server(lane, NULL);
}

/* Notes whose the places are from now on. */
static void take_identity(struct fl_lane *lane, const char *identity)
{
	/* The sinks' threads read it without the mutex, once they have got something. */
	if (strcmp(lane->state.identity, identity) == 0)
		return;
	uv_mutex_lock(&lane->mutex);
	snprintf(lane->state.identity, sizeof(lane->state.identity), "%s", identity);
	for (size_t i = 0; i < lane->seat_count; i++)
		memcpy(lane->seats[i]->server, lane->state.identity, sizeof(lane->state.identity));
	uv_mutex_unlock(&lane->mutex);
}

static int open_session(struct fl_lane *lane, struct fl_session *session, struct fl_err *err)
{
	const struct fl_server *server = fl_session_server(session);
	int result = lane->skipping ? fl_lane_skip(lane, session, err) : 0;
	if (result != 0)
		return result;
	const struct fl_position *from = lane->replaying ? &lane->replay : &lane->position;
	lane->placed = !lane->replaying && (from->gtids == NULL || !server->gtids);
	if (lane->placed)
		memcpy(lane->position.server, server->identity, sizeof(lane->position.server));
	fl_grouper_restart(lane->grouper, from, &server->collations);
	fl_schema_clear(lane->schema, lane->host);
	result = fl_lane_aim(lane, session, err);
	if (result == 0 && lane->replaying)
		result = fl_lane_prepare_replay(lane, session, err);
	if (result == 0)
		result = atomic_load(&lane->stop)
				 ? FL_ESTOPPED
				 : fl_session_open(session, from, lane->config->until_current, err);
	if (result != 0)
		return result;
	struct fl_buf text = { 0 };
	fl_position_format(from, &text);
	fl_info(NULL, "lane %u reads %s (%s%s) from %.*s", lane->number,
		lane->config->source->hosts[lane->host].name, server->version_text,
		server->read_only ? ", read-only" : "", (int)(text.size < 600 ? text.size : 600),
		text.data);
	fl_buf_finish(&text);
	fl_lane_show_server(lane, server);
	return 0;
}

static enum fl_next use_session(struct fl_lane *lane, struct fl_session *session)
{
	struct fl_err err = { 0 };
	if (atomic_load(&lane->stop))
		return FL_NEXT_END;
	int result = fl_lane_check_host(lane, session, &err);
	if (result > 0 || result == FL_EFATAL || result == FL_EUNSUPPORTED)
		return fl_lane_refuse_host(lane, (struct fl_refusal){ .lacks = result > 0 }, &err);
	if (result != 0) {
		if (!atomic_load(&lane->stop))
			fl_error(NULL, "the source can't be asked: %s", err.text);
		return FL_NEXT_OTHER_HOST;
	}
	const struct fl_server *server = fl_session_server(session);
	fl_hosts_use(lane->config->hosts, lane->host);
	/* Places on another server are not comparable with what the sinks have: each goes on by its
	 * own position in a lane of its own. */
	if (lane->has_delivered && strcmp(lane->state.identity, server->identity) != 0) {
		fl_warn(NULL, "lane %u goes over to another server: %s, server %s", lane->number,
			lane->config->source->hosts[lane->host].name, server->identity);
		if (fl_grouper_abandon(lane->grouper, &err) != 0 && lane->seat_count > 0)
			fl_error(NULL, "%s", err.text);
		fl_lane_end_seats(lane, FL_SEAT_LEFT, NULL);
		return FL_NEXT_END;
	}
	take_identity(lane, server->identity);

	result = open_session(lane, session, &err);
	if (result == 0)
		return read_events(lane, session);
	if (result == FL_EFATAL && lane->replaying) {
		fl_lane_give_up_replay(lane, &err);
		return FL_NEXT_CONNECT_AGAIN;
	}
	if (result == FL_EFATAL || result == FL_EUNSUPPORTED)
		return fl_lane_refuse_host(lane, (struct fl_refusal){ 0 }, &err);
	/* fl_lane_stop() cuts the session, wherever it is. */
	if (result != FL_ESTOPPED && !atomic_load(&lane->stop))
		fl_error(NULL, "the source does not send its binlog: %s", err.text);
	return FL_NEXT_OTHER_HOST;
}

static enum fl_next run_session(struct fl_lane *lane)
{
	struct fl_err err = { 0 };
	struct fl_session *session = NULL;
	const struct fl_source_config *source = lane->config->source;
	uint32_t server_id = fl_lane_server_id(source, lane->number);
	lane->is_well = false;
	if (fl_session_connect(source, lane->host, server_id, &session, &err) != 0) {
		fl_error(NULL, "can't connect to the source: %s", err.text);
		return FL_NEXT_OTHER_HOST;
	}
	fl_count(&lane->config->counters->reconnects, lane->had_session);
	lane->had_session = true;
	show_session(lane, session);
	enum fl_next next = use_session(lane, session);
	show_session(lane, NULL);
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

static void follow(struct fl_lane *lane)
{
	while (!atomic_load(&lane->stop) && lane->seat_count > 0) {
		enum fl_next next = run_session(lane);
		if (atomic_load(&lane->leaving))
			break;
		if (next == FL_NEXT_OTHER_HOST)
			next = fl_lane_next_host(lane);
		if (next == FL_NEXT_END)
			break;
		if (next == FL_NEXT_GO_ON)
			continue;
		if (lane->is_well)
			fl_lane_is_well(lane);
		back_off(lane);
	}
}

void fl_lane_run(void *ctx)
{
	struct fl_lane *lane = ctx;
	struct fl_grouper_hooks hooks = {
		.ctx = lane,
		.wants = wants,
		.complete = complete,
		.emit = fl_lane_deliver,
		.begin = begin,
		.renew = renew,
	};
	char number[12];
	snprintf(number, sizeof(number), "%u", lane->number);
	fl_thread_name("lane", number);
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
			follow(lane);
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
