/* SPDX-License-Identifier: Apache-2.0
 *
 * The session as a reader of the binlog.
 */
#include "source/backend.h"

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
	enum fl_gtid_kind kind = fl_gtid_set_kind(set);
	if (kind != FL_GTID_NONE && (kind == FL_GTID_MARIADB) != mariadb)
		return fl_err_set(err, FL_EFATAL,
			"the position has %s GTIDs, but the source is %s: remove the stored "
			"position to start over",
			mariadb ? "MySQL's" : "MariaDB's", session->server.version_text);
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

/* Appends what the server says of a set, less the "#thread" behind numbers that a thread owns. */
static int append_set(
	struct fl_session *session, const char *sql, struct fl_buf *out, struct fl_err *err)
{
	struct fl_buf text = { 0 };
	int result = fl_session_value(session, sql, &text, err);
	if (result > 0 && text.size > 1 && out->size > 0)
		fl_buf_char(out, ',');
	for (size_t i = 0; result > 0 && i + 1 < text.size; i++) {
		if (text.data[i] == '#')
			while (i + 2 < text.size && text.data[i + 1] >= '0' &&
				text.data[i + 1] <= '9')
				i++;
		else
			fl_buf_char(out, text.data[i]);
	}
	fl_buf_finish(&text);
	return result < 0 ? result : 0;
}

/* Whether a list of MariaDB's GTIDs has one of the domain and server, at least as late. */
static bool has_gtid(const char *list, unsigned domain, unsigned server, unsigned long long number)
{
	unsigned d, s;
	unsigned long long n;
	for (; list != NULL && sscanf(list, " %u-%u-%llu", &d, &s, &n) == 3;
		list = (list = strchr(list, ',')) != NULL ? list + 1 : NULL)
		if (d == domain && s == server && n >= number)
			return true;
	return false;
}

/* MariaDB checks the set that the binlog is asked for, but what was applied is behind that. */
static int check_state(
	struct fl_session *session, const struct fl_gtid_set *applied, struct fl_err *err)
{
	struct fl_buf state = { 0 }, text = { 0 };
	int result = fl_session_value(session, "SELECT @@global.gtid_binlog_state", &state, err);
	fl_gtid_set_format(applied, &text);
	fl_buf_char(&text, '\0');
	if (result >= 0 && text.failed)
		result = fl_err_set(err, FL_ENOMEM, "out of memory");
	unsigned domain, server;
	unsigned long long number;
	const char *at = result >= 0 ? text.data : NULL;
	for (; at != NULL && sscanf(at, "%u-%u-%llu", &domain, &server, &number) == 3;
		at = (at = strchr(at, ',')) != NULL ? at + 1 : NULL)
		if (result == 0 || !has_gtid(state.data, domain, server, number)) {
			result = fl_err_set(err, FL_EFATAL,
				"the source's binlog does not have %u-%u-%llu, which was applied",
				domain, server, number);
			break;
		}
	fl_buf_finish(&state);
	fl_buf_finish(&text);
	return result < 0 ? result : 0;
}

/* MySQL sends what we lack and never asks about what it lacks itself: after it lost its last
 * transactions, or if it is another server, the cache holds changes that the source does not know.
 * MariaDB checks this. What is logged but not yet committed has been sent to us too: it is owned,
 * and has to be asked for first, lest it be committed between the two questions. */
static int check_executed(
	struct fl_session *session, const struct fl_gtid_set *set, struct fl_err *err)
{
	if (session->server.flavour == FL_MARIADB || fl_gtid_set_is_empty(set))
		return 0;
	struct fl_buf text = { 0 };
	struct fl_gtid_set *known = NULL;
	int result = append_set(session, "SELECT @@global.gtid_owned", &text, err);
	if (result == 0)
		result = append_set(session, "SELECT @@global.gtid_executed", &text, err);
	if (result == 0 && text.failed)
		result = fl_err_set(err, FL_ENOMEM, "out of memory");
	if (result == 0 && text.size > 0)
		result = fl_gtid_set_parse((struct fl_bytes){ text.data, text.size }, &known, err);
	if (result == 0 && (known == NULL || !fl_gtid_set_covers(known, set)))
		result = fl_err_set(err, FL_EFATAL,
			"the source does not have all of the transactions that were applied: it "
			"has lost its last ones, or is another server. Empty the cache, remove "
			"the stored position and start over");
	fl_gtid_set_destroy(known);
	fl_buf_finish(&text);
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

int fl_session_open(struct fl_session *session, const struct fl_position *position,
	const struct fl_position *applied, bool until_end, struct fl_err *err)
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
		int result =
			applied->gtids != NULL ? check_executed(session, applied->gtids, err) : 0;
		if (result == 0 && applied != position && applied->gtids != NULL &&
			session->server.flavour == FL_MARIADB)
			result = check_state(session, applied->gtids, err);
		if (result != 0)
			return result;
		result = prepare_gtids(session, position->gtids, &encoded, err);
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
	session->dumping = true;
	session->until_end = until_end;
	return 0;
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
	session->dumping = session->until_end = true;
	return 0;
}

/* What error 1236 means is told by its text alone; servers differ in "master" and "source" only. */
static void refused(struct fl_session *session, struct fl_err *err)
{
	unsigned number = mysql_errno(session->mysql);
	const char *text = mysql_error(session->mysql);
	if (strstr(text, "with the same server_") != NULL)
		fl_err_set(err, FL_EFATAL,
			"another replica with server_id %u has joined the source, which therefore "
			"ended this session: give each replica a server_id of its own (%u: %s)",
			session->server_id, number, text);
	else if (strstr(text, "purged") != NULL || strstr(text, "find first log") != NULL)
		fl_err_set(err, FL_EFATAL,
			"the source has no longer all of the binlog behind %s: remove the stored "
			"position and rebuild the cache, and let the source keep its binlog "
			"longer (binlog_expire_logs_seconds, expire_logs_days) (%u: %s)",
			session->place, number, text);
	else
		fl_err_set(err, FL_EFATAL,
			"the source cannot send the binlog behind %s: if this is not the server or "
			"the binlog that the position comes from, remove the stored position and "
			"rebuild the cache (%u: %s)",
			session->place, number, text);
}

enum fl_read fl_session_read(
	struct fl_session *session, const uint8_t **ret_data, size_t *ret_size, struct fl_err *err)
{
	const uint8_t *data = NULL;
	size_t size = 0;
	int got = -1;
	if (!atomic_load_explicit(&session->woken, memory_order_relaxed))
		got = fl_backend_read(session->mysql, session->dump, &data, &size);
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
	unsigned number = mysql_errno(session->mysql);
	if (number == FATAL_ERROR_READING_BINLOG || number == SAME_ID) {
		refused(session, err);
		return FL_READ_FATAL;
	}
	int code = fl_session_failure(session, false, "cannot read the binlog behind", err);
	return code == FL_EFATAL ? FL_READ_FATAL : FL_READ_LOST;
}
