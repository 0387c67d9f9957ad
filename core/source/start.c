/* SPDX-License-Identifier: Apache-2.0
 *
 * Where to begin: `start` settings, and what the server says of its binlog.
 */
#include "source/backend.h"

enum { BINLOG_START = 4 };

enum start_kind { START_CURRENT, START_EARLIEST, START_FILE, START_GTIDS };

/* Fills `ret` for FILE:POS and GTID sets. */
static int parse_start(
	const char *text, enum start_kind *ret_kind, struct fl_position *ret, struct fl_err *err)
{
	if (strcmp(text, "current") == 0 || strcmp(text, "earliest") == 0) {
		*ret_kind = text[0] == 'c' ? START_CURRENT : START_EARLIEST;
		return 0;
	}
	/* MySQL's GTIDs have the form of FILE:POS too, so they come first. */
	struct fl_gtid_set *set = NULL;
	struct fl_bytes bytes = { text, strlen(text) };
	int result = fl_gtid_set_parse(bytes, &set, NULL);
	if (result == 0 && !fl_gtid_set_is_empty(set)) {
		*ret_kind = START_GTIDS;
		ret->gtids = set;
		return 0;
	}
	fl_gtid_set_destroy(set);
	if (result == FL_ENOMEM)
		return fl_err_set(err, FL_ENOMEM, "out of memory");

	const char *colon = strrchr(text, ':');
	uint64_t offset;
	size_t name_size = colon != NULL ? (size_t)(colon - text) : 0;
	if (name_size == 0 || name_size >= sizeof(ret->file) ||
		!fl_number(colon + 1, UINT64_MAX, &offset) ||
		memchr(text, '/', name_size) != NULL || memchr(text, '\'', name_size) != NULL ||
		memchr(text, '\\', name_size) != NULL)
		return fl_err_set(err, FL_EINVAL,
			"start: \"%s\" is none of current, earliest, FILE:POS and a GTID set",
			text);
	if (offset < BINLOG_START || offset > UINT32_MAX)
		return fl_err_set(err, FL_EINVAL,
			"start: %s is not a position: the first in a file is 4, the last that can "
			"be asked for 4294967295 (behind that, use a GTID set)",
			colon + 1);
	*ret_kind = START_FILE;
	memcpy(ret->file, text, name_size);
	ret->file[name_size] = '\0';
	ret->offset = offset;
	return 0;
}

int fl_start_check(const char *start, struct fl_err *err)
{
	enum start_kind kind = START_CURRENT;
	struct fl_position position = { 0 };
	int result = parse_start(start, &kind, &position, err);
	fl_position_finish(&position);
	return result;
}

const char *fl_status_statement(const struct fl_server *server)
{
	return server->flavour == FL_MYSQL && server->version >= 80200 ? "SHOW BINARY LOG STATUS"
								       : "SHOW MASTER STATUS";
}

/* Parses a set that the server sent; an empty text is an empty set. */
static int parse_set(const char *text, struct fl_gtid_set **ret, struct fl_err *err)
{
	struct fl_bytes bytes = { text, strlen(text) };
	if (bytes.size > 0)
		return fl_gtid_set_parse(bytes, ret, err);
	struct fl_gtid_set *set = fl_gtid_set_create();
	if (set == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	*ret = set;
	return 0;
}

/* The set that `sql` asks for; NULL is left where the server says NULL. */
static int ask_set(
	struct fl_session *session, const char *sql, struct fl_gtid_set **ret, struct fl_err *err)
{
	struct fl_buf text = { 0 };
	int result = fl_session_value(session, sql, &text, err);
	if (result > 0)
		result = parse_set(text.data, ret, err);
	fl_buf_finish(&text);
	return result;
}

/* MariaDB: the set up to a place in a file. */
static int ask_set_at(struct fl_session *session, const char *file, uint64_t offset,
	struct fl_gtid_set **ret, struct fl_err *err)
{
	struct fl_buf sql = { 0 };
	char tail[32];
	snprintf(tail, sizeof(tail), ", %llu)", (unsigned long long)offset);
	fl_buf_text(&sql, "SELECT BINLOG_GTID_POS(");
	fl_session_quote(session, (struct fl_bytes){ file, strlen(file) }, &sql);
	fl_buf_append(&sql, tail, strlen(tail) + 1);
	int result = sql.failed ? fl_err_set(err, FL_ENOMEM, "out of memory")
				: ask_set(session, sql.data, ret, err);
	fl_buf_finish(&sql);
	return result;
}

int fl_session_is_at(
	struct fl_session *session, const struct fl_position *position, struct fl_err *err)
{
	struct fl_gtid_set *set = NULL;
	if (session->server.flavour != FL_MARIADB || position->gtids == NULL ||
		position->file[0] == '\0')
		return 0;
	int result = ask_set_at(session, position->file, position->offset, &set, err);
	if (result == 0 && set != NULL) {
		struct fl_buf ours = { 0 }, theirs = { 0 };
		fl_gtid_set_format(position->gtids, &ours);
		fl_gtid_set_format(set, &theirs);
		result = !ours.failed && ours.size == theirs.size && ours.size > 0 &&
			 memcmp(ours.data, theirs.data, ours.size) == 0;
		fl_buf_finish(&ours);
		fl_buf_finish(&theirs);
	}
	fl_gtid_set_destroy(set);
	return result == FL_ELOST || result == FL_ENOMEM ? result : result == 1;
}

/* The first row's file name (column 0), and its offset and set where `status` says that the row has
 * them (columns 1 and 4). */
static int ask_place(struct fl_session *session, const char *sql, bool status,
	struct fl_position *ret, struct fl_err *err)
{
	MYSQL_RES *rows = NULL;
	int result = fl_session_query(session, sql, &rows, err);
	if (result != 0)
		return result;
	MYSQL_ROW row = mysql_fetch_row(rows);
	unsigned columns = mysql_num_fields(rows);
	uint64_t offset = BINLOG_START;
	if (row == NULL)
		result = fl_err_set(err, FL_EFATAL, "the binary log of %s is off", session->place);
	else if (row[0] == NULL || strlen(row[0]) >= sizeof(ret->file) ||
		 (status && (columns < 2 || !fl_number(row[1], UINT64_MAX, &offset))))
		result = fl_err_set(
			err, FL_EFATAL, "%s gave no position for %s", session->place, sql);
	else if (status && session->server.flavour == FL_MYSQL && session->server.gtids)
		result = columns > 4 && row[4] != NULL
				 ? parse_set(row[4], &ret->gtids, err)
				 : fl_err_set(err, FL_EFATAL, "%s gave no GTID set for %s",
					   session->place, sql);
	if (result == 0) {
		snprintf(ret->file, sizeof(ret->file), "%s", row[0]);
		ret->offset = offset;
	}
	mysql_free_result(rows);
	return result;
}

int fl_session_gtids(struct fl_session *session, struct fl_gtid_set **ret, struct fl_err *err)
{
	if (!session->server.gtids)
		return 0;
	return ask_set(session,
		session->server.flavour == FL_MARIADB ? "SELECT @@global.gtid_binlog_pos"
						      : "SELECT @@global.gtid_executed",
		ret, err);
}

static int ask_current(struct fl_session *session, struct fl_position *ret, struct fl_err *err)
{
	int result = ask_place(session, fl_status_statement(&session->server), true, ret, err);
	/* Asked last, so that it is not behind the file's place: what lies between the two is
	 * neither sent nor counted, it was before "now". */
	if (result == 0 && session->server.flavour == FL_MARIADB)
		result = fl_session_gtids(session, &ret->gtids, err);
	return result;
}

static int ask_earliest(struct fl_session *session, struct fl_position *ret, struct fl_err *err)
{
	int result = ask_place(session, "SHOW BINARY LOGS", false, ret, err);
	if (result != 0 || !session->server.gtids)
		return result;
	if (session->server.flavour == FL_MYSQL)
		return ask_set(session, "SELECT @@global.gtid_purged", &ret->gtids, err);
	result = ask_set_at(session, ret->file, ret->offset, &ret->gtids, err);
	if (result == 0 && ret->gtids == NULL)
		return fl_err_set(err, FL_ELOST, "%s was purged while we looked", ret->file);
	return result;
}

int fl_session_current(struct fl_session *session, struct fl_position *ret, struct fl_err *err)
{
	return fl_session_start_position(session, "current", ret, err);
}

int fl_session_start_position(
	struct fl_session *session, const char *start, struct fl_position *ret, struct fl_err *err)
{
	const struct fl_server *server = &session->server;
	struct fl_position position = { 0 };
	enum start_kind kind = START_CURRENT;
	int result = parse_start(start, &kind, &position, err);
	if (result != 0)
		return result;
	switch (kind) {
	case START_CURRENT:
		result = ask_current(session, &position, err);
		break;
	case START_EARLIEST:
		result = ask_earliest(session, &position, err);
		break;
	case START_FILE:
		if (server->flavour == FL_MARIADB)
			result = ask_set_at(
				session, position.file, position.offset, &position.gtids, err);
		break;
	case START_GTIDS:
		if ((fl_gtid_set_kind(position.gtids) == FL_GTID_MARIADB) !=
			(server->flavour == FL_MARIADB))
			result = fl_err_set(err, FL_EINVAL,
				"start: %s are not GTIDs of this source (%s)", start,
				server->version_text);
		else if (!server->gtids)
			result = fl_err_set(err, FL_EINVAL,
				"start: GTIDs are off at the source; use current, earliest or "
				"FILE:POS");
		break;
	}
	if (result != 0) {
		fl_position_finish(&position);
		return result;
	}
	/* FILE:POS is a place in this server's binlog as well. */
	if (position.file[0] != '\0')
		memcpy(position.server, server->identity, sizeof(position.server));
	fl_position_finish(ret);
	*ret = position;
	return 0;
}
