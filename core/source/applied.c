/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether a server has all that was applied already: what a failover depends on.
 */
#include "source/backend.h"

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

static int lacks(const struct fl_buf *what, struct fl_err *err)
{
	enum { SHOWN = 160 };
	fl_err_set(err, FL_EFATAL,
		"the source does not have all of the transactions that were applied: it lacks "
		"%.*s%s. It "
		"has lost them, has not come as far yet, or is another server; to go on with it "
		"all the same, empty the caches, remove the stored positions and start over",
		what->size < SHOWN ? (int)what->size : SHOWN, what->data,
		what->size > SHOWN ? " ..." : "");
	return 1;
}

/* One GTID of a list of MariaDB's, and steps behind it; false at the end. */
static bool next_gtid(const char **list, struct fl_gtid *ret)
{
	unsigned long long number;
	*ret = (struct fl_gtid){ .kind = FL_GTID_MARIADB };
	if (*list == NULL || sscanf(*list, " %u-%u-%llu", &ret->domain, &ret->server, &number) != 3)
		return false;
	ret->number = number;
	*list = (*list = strchr(*list, ',')) != NULL ? *list + 1 : NULL;
	return true;
}

/* `state`: the last GTID of each domain and server in its binlog; `taken`: of each domain, what it
 * has got as a replica. A server whose data were copied has no binlog of what was before, but all
 * of the data. `is_same`: it is the server that the position comes from, where a domain that is
 * missing was deleted (FLUSH BINARY LOGS DELETE_DOMAIN_ID). */
static bool has_gtid(
	const char *state, const char *taken, const struct fl_gtid *wanted, bool is_same)
{
	struct fl_gtid have;
	bool has_domain = false, has_any = false;
	while (next_gtid(&state, &have)) {
		has_any = true;
		has_domain |= have.domain == wanted->domain;
		if (have.domain == wanted->domain && have.server == wanted->server &&
			have.number >= wanted->number)
			return true;
	}
	while (next_gtid(&taken, &have))
		if (have.domain == wanted->domain && have.server == wanted->server &&
			have.number == wanted->number)
			return true;
	return is_same && !has_domain && has_any;
}

/* The server's own check passes over domains that it does not have. */
static int check_domains(struct fl_session *session, const struct fl_gtid_set *applied,
	bool is_same, struct fl_err *err)
{
	struct fl_buf state = { 0 }, taken = { 0 }, text = { 0 }, missing = { 0 };
	int result = append_set(session, "SELECT @@global.gtid_binlog_state", &state, err);
	if (result == 0)
		result = append_set(session, "SELECT @@global.gtid_slave_pos", &taken, err);
	fl_gtid_set_format(applied, &text);
	fl_buf_char(&state, '\0');
	fl_buf_char(&taken, '\0');
	fl_buf_char(&text, '\0');
	if (result == 0 && (state.failed || taken.failed || text.failed))
		result = fl_err_set(err, FL_ENOMEM, "out of memory");
	const char *at = result == 0 ? text.data : NULL;
	for (struct fl_gtid gtid; next_gtid(&at, &gtid);) {
		if (has_gtid(state.data, taken.data, &gtid, is_same))
			continue;
		char name[FL_GTID_TEXT_SIZE];
		fl_gtid_format(&gtid, name);
		fl_buf_text(&missing, missing.size > 0 ? ", " : "");
		fl_buf_text(&missing, name);
	}
	if (result == 0 && missing.failed)
		result = fl_err_set(err, FL_ENOMEM, "out of memory");
	else if (result == 0 && missing.size > 0)
		result = lacks(&missing, err);
	fl_buf_finish(&state);
	fl_buf_finish(&taken);
	fl_buf_finish(&text);
	fl_buf_finish(&missing);
	return result;
}

/* MySQL sends what we lack and never asks about what it lacks itself. What is logged but not yet
 * committed has been sent to us too: it is owned, and has to be asked for first, lest it be
 * committed between the two questions. `is_other`: what another server owns it may yet drop. */
static int check_executed(struct fl_session *session, const struct fl_gtid_set *applied,
	bool is_other, struct fl_err *err)
{
	struct fl_buf known = { 0 }, sql = { 0 }, missing = { 0 };
	int result = is_other ? 0 : append_set(session, "SELECT @@global.gtid_owned", &known, err);
	if (result == 0)
		result = append_set(session, "SELECT @@global.gtid_executed", &known, err);
	/* Digits, letters, and what stands between them. */
	fl_buf_text(&sql, "SELECT GTID_SUBTRACT('");
	fl_gtid_set_format(applied, &sql);
	fl_buf_text(&sql, "', '");
	fl_buf_append(&sql, known.data, known.size);
	fl_buf_append(&sql, "')", sizeof("')"));
	if (result == 0 && (known.failed || sql.failed))
		result = fl_err_set(err, FL_ENOMEM, "out of memory");
	if (result == 0)
		result = append_set(session, sql.data, &missing, err);
	if (result == 0 && missing.failed)
		result = fl_err_set(err, FL_ENOMEM, "out of memory");
	for (size_t i = 0; i < missing.size; i++)
		if (missing.data[i] == '\n')
			missing.data[i] = ' ';
	if (result == 0 && missing.size > 0)
		result = lacks(&missing, err);
	fl_buf_finish(&known);
	fl_buf_finish(&sql);
	fl_buf_finish(&missing);
	return result;
}

int fl_session_check(
	struct fl_session *session, const struct fl_position *applied, struct fl_err *err)
{
	const struct fl_server *server = &session->server;
	const struct fl_gtid_set *gtids = applied->gtids;
	bool const is_known = applied->server[0] != '\0';
	bool const is_same = is_known && strcmp(applied->server, server->identity) == 0;
	enum fl_gtid_kind kind = gtids != NULL ? fl_gtid_set_kind(gtids) : FL_GTID_NONE;
	if (kind != FL_GTID_NONE && (kind == FL_GTID_MARIADB) != (server->flavour == FL_MARIADB))
		return fl_err_set(err, FL_EFATAL,
			"the position has %s GTIDs, but the source is %s: remove the stored "
			"position to "
			"start over",
			kind == FL_GTID_MARIADB ? "MariaDB's" : "MySQL's", server->version_text);
	/* A position that was kept by an earlier version does not say whose it is. */
	if ((gtids == NULL || !server->gtids) && is_known && !is_same)
		return fl_err_set(err, FL_EFATAL,
			"the source is the server %s, but the position, %s:%llu, is one of the "
			"server %s, "
			"and %s, so that it can't be found here: follow that server again; or "
			"empty the caches and remove the stored positions to start over",
			server->identity, applied->file, (unsigned long long)applied->offset,
			applied->server, gtids == NULL ? "has no GTIDs" : "GTIDs are off here");
	if (gtids == NULL || !server->gtids || fl_gtid_set_is_empty(gtids))
		return 0;
	return server->flavour == FL_MARIADB
		       ? check_domains(session, gtids, is_same, err)
		       : check_executed(session, gtids, is_known && !is_same, err);
}
