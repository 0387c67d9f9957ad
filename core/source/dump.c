/* SPDX-License-Identifier: Apache-2.0
 *
 * The session as a reader of the binlog.
 */
#include "base/cursor.h"
#include "source/backend.h"

#include <errmsg.h>
#include <uv.h>

enum {
	BINLOG_START = 4,		   /* behind the file's magic number */
	FATAL_ERROR_READING_BINLOG = 1236, /* one number for all reasons; the text tells which */
	SAME_ID = 4052,			   /* MariaDB's for one of them */
};

/* The set, as MySQL's command or MariaDB's variable takes it. */
static int prepare_gtids(struct fl_session *session, const struct fl_gtid_set *set,
	struct fl_buf *encoded, struct fl_err *err)
{
	bool mariadb = session->server.flavour == FL_MARIADB;
	if (!mariadb) {
		fl_gtid_set_encode(set, encoded);
		return encoded->failed ? fl_err_set(err, FL_ENOMEM, "out of memory") : 0;
	}
	struct fl_buf sql = { 0 };
	fl_buf_text(&sql, "SET @slave_connect_state = '");
	fl_gtid_set_format(set, &sql); /* digits, commas and dashes alone */
	fl_buf_append(&sql, "'", sizeof("'"));
	int result = sql.failed ? fl_err_set(err, FL_ENOMEM, "out of memory")
				: fl_session_query(session, sql.data, NULL, err);
	fl_buf_finish(&sql);
	return result;
}

/* Keeps the position's text for messages, shortened where it is long. */
static void name_place(
	struct fl_session *session, const struct fl_position *position, bool by_gtids)
{
	struct fl_buf text = { 0 };
	if (by_gtids)
		fl_gtid_set_format(position->gtids, &text);
	fl_buf_char(&text, '\0');
	const char *gtids = text.failed ? "?" : text.data;
	if (!by_gtids)
		snprintf(session->place, sizeof(session->place), "%s:%llu", position->file,
			(unsigned long long)position->offset);
	else
		snprintf(session->place, sizeof(session->place), "the GTID set \"%.150s%s\"", gtids,
			strlen(gtids) > 150 ? " ..." : "");
	fl_buf_finish(&text);
}

/* What the source sends from now on are events. */
static int begin(struct fl_session *session, struct fl_err *err)
{
	session->dumping = true;
	if (mysql_get_ssl_cipher(session->mysql) == NULL &&
		fl_packets_open(&session->packets, session->wake_socket, session->silence) != 0)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	fl_watch_add(&session->watch, session->wake_socket, session->silence);
	return 0;
}

int fl_session_open(struct fl_session *session, const struct fl_position *position, bool until_end,
	struct fl_err *err)
{
	/* A MySQL whose GTIDs have been turned off since can still be asked by place. */
	bool by_gtids =
		position->gtids != NULL && (session->server.gtids || position->file[0] == '\0');
	if (!by_gtids && position->file[0] == '\0')
		return fl_err_set(err, FL_EINVAL, "there is no position to start from");
	if (!by_gtids && position->offset > UINT32_MAX)
		return fl_err_set(err, FL_EFATAL,
			"%s:%llu lies beyond 4 GiB, which the replication protocol cannot ask for "
			"without GTIDs: turn them on at the source, or remove the stored position "
			"to start over",
			position->file, (unsigned long long)position->offset);

	struct fl_buf encoded = { 0 };
	if (by_gtids) {
		int result = prepare_gtids(session, position->gtids, &encoded, err);
		if (result != 0) {
			fl_buf_finish(&encoded);
			return result;
		}
	}
	struct fl_dump_request request = {
		.file = by_gtids ? "" : position->file,
		.offset = by_gtids || position->offset < BINLOG_START ? BINLOG_START
								      : (uint32_t)position->offset,
		.server_id = session->server_id,
		.until_end = until_end,
		.gtids = by_gtids && session->server.flavour == FL_MYSQL ? &encoded : NULL,
	};
	name_place(session, position, by_gtids);
	int failed = fl_backend_open(session->mysql, &request, &session->dump);
	fl_buf_finish(&encoded);
	if (failed != 0)
		return fl_session_failure(session, true, "cannot ask for the binlog behind", err);
	session->until_end = until_end;
	return begin(session, err);
}

int fl_session_open_ahead(
	struct fl_session *session, const struct fl_position *position, struct fl_err *err)
{
	bool by_gtids = position->offset > UINT32_MAX;
	struct fl_buf encoded = { 0 };
	if (by_gtids && position->gtids == NULL)
		return fl_err_set(err, FL_EFATAL,
			"%s:%llu lies beyond 4 GiB, which can't be asked for without GTIDs",
			position->file, (unsigned long long)position->offset);
	int result = by_gtids ? prepare_gtids(session, position->gtids, &encoded, err) : 0;
	struct fl_dump_request request = {
		.file = by_gtids ? "" : position->file,
		.offset = by_gtids ? BINLOG_START : (uint32_t)position->offset,
		.server_id = session->server_id,
		.until_end = true,
		.gtids = by_gtids && session->server.flavour == FL_MYSQL ? &encoded : NULL,
	};
	name_place(session, position, by_gtids);
	if (result == 0 && fl_backend_open(session->mysql, &request, &session->dump) != 0)
		result = fl_session_failure(session, true, "cannot ask for the binlog behind", err);
	fl_buf_finish(&encoded);
	if (result != 0)
		return result;
	session->until_end = true;
	return begin(session, err);
}

/* What error 1236 means is told by its text alone; servers differ in "master" and "source" only. */
static enum fl_read refused(
	struct fl_session *session, unsigned number, const char *text, struct fl_err *err)
{
	enum fl_read how = FL_READ_FATAL;
	if (strstr(text, "with the same server_") != NULL)
		fl_err_set(err, FL_EFATAL,
			"another replica with server_id %u has joined the source, which therefore "
			"ended this session: give each replica a server_id of its own (%u: %s)",
			session->server_id, number, text);
	else if (strstr(text, "purged") != NULL || strstr(text, "find first log") != NULL) {
		how = FL_READ_PURGED;
		fl_err_set(err, FL_EFATAL,
			"the source has no longer all of the binlog behind %s: set on_purged = "
			"current, or remove the stored position and rebuild the cache; and let the "
			"source keep its binlog longer (binlog_expire_logs_seconds, "
			"expire_logs_days) (%u: %s)",
			session->place, number, text);
	} else
		fl_err_set(err, FL_EFATAL,
			"the source cannot send the binlog behind %s: if this is not the server or "
			"the binlog that the position comes from, remove the stored position and "
			"rebuild the cache (%u: %s)",
			session->place, number, text);
	return how;
}

/* There is one writer, which spares the cost of adding for two. */
static void step(struct fl_session *session)
{
	atomic_uint_fast64_t *steps = &session->watch.steps;
	atomic_store_explicit(
		steps, atomic_load_explicit(steps, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* One packet of those that we read ourselves, as fl_backend_read(). */
static int read_plain(
	struct fl_session *session, const uint8_t **ret_data, size_t *ret_size, struct fl_err *err)
{
	enum { EOF_PACKET = 0xfe, EOF_SIZE = 9, ERROR_PACKET = 0xff };
	struct fl_err why;
	int const result = fl_packets_read(&session->packets, ret_data, ret_size, &why);
	if (result != 0) {
		fl_err_set(err, result, "cannot read the binlog behind %s: %s", session->place,
			why.text);
		return -1;
	}
	const uint8_t *packet = *ret_data;
	size_t const size = *ret_size;
	if (size > 0 && size < EOF_SIZE && packet[0] == EOF_PACKET)
		return 0;
	return size > 0 && packet[0] == ERROR_PACKET ? -1 : 1;
}

static enum fl_read failed(
	struct fl_session *session, unsigned number, const char *text, struct fl_err *err)
{
	if (number == FATAL_ERROR_READING_BINLOG || number == SAME_ID)
		return refused(session, number, text, err);
	int code = fl_session_fault(
		session, number, text, false, "cannot read the binlog behind", err);
	return code == FL_EFATAL ? FL_READ_FATAL : FL_READ_LOST;
}

/* The server's error in a packet:
 *
 * offset  size
 *      0     1  0xff
 *      1     2  number
 *      3     6  '#' and SQL state
 *      9     -  text
 */
static enum fl_read server_failed(
	struct fl_session *session, const uint8_t *packet, size_t size, struct fl_err *err)
{
	enum { STATE = 6 };
	struct fl_cursor c = fl_cursor(packet, size);
	char text[512];
	fl_take(&c, 1);
	unsigned const number = fl_take_u16(&c);
	if (fl_cursor_left(&c) >= STATE && *c.at == '#')
		fl_take(&c, STATE);
	struct fl_bytes const rest = fl_take_bytes(&c, fl_cursor_left(&c));
	snprintf(text, sizeof(text), "%.*s", (int)(rest.size < 511 ? rest.size : 511),
		rest.size > 0 ? rest.data : "");
	return failed(session, number != 0 ? number : CR_MALFORMED_PACKET, text, err);
}

bool fl_session_is_ready(struct fl_session *session, int wait_ms)
{
	return session->packets.data != NULL &&
	       (fl_packets_is_ready(&session->packets, wait_ms) ||
		       atomic_load_explicit(&session->woken, memory_order_relaxed));
}

bool fl_session_gather(struct fl_session *session)
{
	return session->packets.data != NULL && fl_packets_gather(&session->packets, uv_hrtime());
}

enum fl_read fl_session_read(
	struct fl_session *session, const uint8_t **ret_data, size_t *ret_size, struct fl_err *err)
{
	bool const is_plain = session->packets.data != NULL;
	const uint8_t *data = NULL;
	size_t size = 0;
	int got = -1;
	if (!atomic_load_explicit(&session->woken, memory_order_relaxed)) {
		step(session);
		got = is_plain ? read_plain(session, &data, &size, err)
			       : fl_backend_read(session->mysql, session->dump, &data, &size);
		step(session);
	}
	if (atomic_load_explicit(&session->woken, memory_order_relaxed)) {
		fl_err_set(err, FL_ESTOPPED, "stopped on request");
		return FL_READ_STOPPED;
	}
	/* An OK byte is in front of each event. */
	if (got > 0 && size > 1 && data[0] == 0) {
		*ret_data = data + 1;
		*ret_size = size - 1;
		return FL_READ_EVENT;
	}
	if (atomic_load_explicit(&session->watch.expired, memory_order_relaxed)) {
		fl_err_set(err, FL_ELOST,
			"no whole event, and no heartbeat, within %u s (3 heartbeats)",
			session->silence);
		return FL_READ_LOST;
	}
	if (got == 0 && session->until_end)
		return FL_READ_END;
	if (got == 0) {
		fl_err_set(err, FL_ELOST, "the source has ended the stream: it shuts down");
		return FL_READ_LOST;
	}
	if (got > 0) {
		fl_err_set(err, FL_EFATAL, "the source sent a packet that is no event behind %s",
			session->place);
		return FL_READ_FATAL;
	}
	if (is_plain)
		return data != NULL ? server_failed(session, data, size, err) : FL_READ_LOST;
	return failed(session, mysql_errno(session->mysql), mysql_error(session->mysql), err);
}
