/* SPDX-License-Identifier: Apache-2.0
 *
 * What would keep replication from working, found before it starts. A look-up that the account may
 * not make is passed over, unless replication itself needs it; a lost connection ends the whole.
 */
#include "source/backend.h"

enum {
	ER_SPECIFIC_ACCESS_DENIED = 1227,
	FIRST_WITH_REPLICA_STATUS = 80022, /* and SHOW REPLICAS */
	FIRST_WITH_LOG_REPLICA = 80026,
	FIRST_WITH_LOGGED_CASCADES = 90600
};

struct check {
	struct fl_session *session;
	bool (*wants)(void *ctx, struct fl_bytes db, struct fl_bytes table);
	void (*report)(void *ctx, bool fatal, const char *text);
	void *report_ctx, *wants_ctx;
	int fatal;	    /* how many */
	bool names_in_log;  /* the table maps will have column names */
	bool logs_cascades; /* the server logs what foreign keys do */
	bool log_is_on;
	bool skips_replicated; /* what the server gets as a replica is not in its binlog */
};

__attribute__((format(printf, 3, 4))) static void finding(
	struct check *check, bool fatal, const char *format, ...)
{
	char text[1000];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	check->fatal += fatal;
	check->report(check->report_ctx, fatal, text);
}

/* As fl_session_query(), but a statement that the server refuses gives no rows: NULL. */
static int look_up(struct check *check, const char *sql, MYSQL_RES **ret, struct fl_err *err)
{
	MYSQL_RES *rows = NULL;
	int result = fl_session_query(check->session, sql, &rows, err);
	if (result == FL_ELOST)
		return result;
	*ret = rows;
	return 0;
}

/* Variables that have to have one value. `fix` follows "NAME is VALUE: ". */
static const struct setting {
	const char *name;
	const char *good;
	bool required; /* a server without it is not good */
	bool fatal;
	const char *fix;
} settings[] = {
	{ "log_bin", "ON", true, true,
		"put log_bin = binlog below [mysqld] in the server's configuration and restart "
		"it" },
	{ "binlog_format", "ROW", false, true,
		"SET GLOBAL binlog_format = 'ROW', also below [mysqld] in the server's "
		"configuration; sessions that are open keep the old one" },
	{ "binlog_row_image", "FULL", false, false,
		"updates are logged without the columns that they left as they were, and inserts "
		"perhaps without those that got their default: where a mapping needs one that is "
		"in neither image, or a JSON document of which only changes are logged, keys are "
		"deleted or the sink halts, as on_doubt says; stdout shows such rows without it. "
		"For whole rows SET GLOBAL binlog_row_image = 'FULL', "
		"also below [mysqld] in the server's configuration; sessions that are open keep "
		"the old one" },
	{ "binlog_row_metadata", "FULL", true, false,
		"column names are looked up in information_schema, which is slower and fails for "
		"rows older than a table's last change: SET GLOBAL binlog_row_metadata = 'FULL', "
		"also below [mysqld] in the server's configuration" },
	/* Not to be reported by themselves; only asked for. */
	{ "log_slave_updates", NULL, false, false, NULL },
	{ "log_replica_updates", NULL, false, false, NULL },
	{ "innodb_native_foreign_keys", NULL, false, false, NULL },
};

enum {
	SETTING_COUNT = sizeof(settings) / sizeof(settings[0]),
	LOG_BIN = 0,
	METADATA = 3,
	SLAVE_UPDATES = 4,
	REPLICA_UPDATES = 5,
	NATIVE = 6
};

static int check_settings(struct check *check, struct fl_err *err)
{
	const struct fl_server *server = &check->session->server;
	char values[SETTING_COUNT][64] = { "" };
	bool known[SETTING_COUNT] = { false };
	MYSQL_RES *rows = NULL;
	int result = fl_session_query(check->session,
		"SHOW GLOBAL VARIABLES WHERE Variable_name IN ('log_bin', 'binlog_format', "
		"'binlog_row_image', 'binlog_row_metadata', 'log_slave_updates', "
		"'log_replica_updates', 'innodb_native_foreign_keys')",
		&rows, err);
	if (result != 0)
		return result;
	MYSQL_ROW row;
	while ((row = mysql_fetch_row(rows)) != NULL)
		for (size_t i = 0; i < SETTING_COUNT; i++)
			if (row[0] != NULL && strcasecmp(row[0], settings[i].name) == 0) {
				known[i] = true;
				snprintf(values[i], sizeof(values[i]), "%s",
					row[1] != NULL ? row[1] : "");
			}
	mysql_free_result(rows);

	for (size_t i = 0; i < SETTING_COUNT; i++) {
		const struct setting *setting = &settings[i];
		if (setting->good == NULL || strcasecmp(values[i], setting->good) == 0)
			continue;
		if (known[i])
			finding(check, setting->fatal, "%s is %s: %s", setting->name, values[i],
				setting->fix);
		else if (i == METADATA)
			finding(check, false,
				"this server (%s) cannot log column names (it has no "
				"binlog_row_metadata): they are looked up in information_schema, "
				"which is slower and fails for rows older than a table's last "
				"change",
				server->version_text);
		else if (setting->required)
			finding(check, setting->fatal, "%s is not known: %s", setting->name,
				setting->fix);
	}
	check->log_is_on = strcasecmp(values[LOG_BIN], "ON") == 0;
	check->skips_replicated = strcasecmp(values[SLAVE_UPDATES], "OFF") == 0 ||
				  strcasecmp(values[REPLICA_UPDATES], "OFF") == 0;
	check->names_in_log = strcasecmp(values[METADATA], "FULL") == 0;
	check->logs_cascades = server->flavour == FL_MYSQL &&
			       server->version >= FIRST_WITH_LOGGED_CASCADES &&
			       strcasecmp(values[NATIVE], "ON") != 0;
	return 0;
}

/* Changes that never come to the binlog. DDL goes by the session's default database, so that none
 * is sure of being logged. */
static void check_filters(struct check *check, MYSQL_RES *rows)
{
	enum { DO_DB = 2, IGNORE_DB = 3 };
	MYSQL_ROW row = mysql_num_fields(rows) > IGNORE_DB ? mysql_fetch_row(rows) : NULL;
	if (row == NULL)
		return;
	static const char *const names[] = { "binlog_do_db", "binlog_ignore_db" };
	for (unsigned i = DO_DB; i <= IGNORE_DB; i++)
		if (row[i] != NULL && row[i][0] != '\0')
			finding(check, false,
				"the source has %s = %.300s: what it does not log for that, of "
				"their tables or of statements such as TRUNCATE and ALTER TABLE "
				"in sessions that USE them or another database, leaves cached rows "
				"as they were: remove it from the server's configuration",
				names[i - DO_DB], row[i]);
}

/* Whether it is, or is meant to be, a replica, and whether it applies what another server sends. */
static int ask_replica(struct check *check, bool *is_replica, bool *applies, struct fl_err *err)
{
	const struct fl_server *server = &check->session->server;
	bool const is_mariadb = server->flavour == FL_MARIADB;
	MYSQL_RES *rows = NULL;
	/* MariaDB shows its replication only to accounts that need not be ours. */
	int result = look_up(check,
		is_mariadb ? "SELECT VARIABLE_VALUE AS Slave_SQL_Running FROM "
			     "information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = "
			     "'Slaves_running' AND (VARIABLE_VALUE <> '0' OR "
			     "@@global.gtid_slave_pos <> '')"
		: server->version >= FIRST_WITH_REPLICA_STATUS ? "SHOW REPLICA STATUS"
							       : "SHOW SLAVE STATUS",
		&rows, err);
	if (result != 0 || rows == NULL)
		return result;
	unsigned column = 0;
	for (unsigned i = 0; i < mysql_num_fields(rows); i++)
		if (strstr(mysql_fetch_field_direct(rows, i)->name, "_SQL_Running") != NULL) {
			column = i;
			break;
		}
	MYSQL_ROW row;
	while ((row = mysql_fetch_row(rows)) != NULL) {
		*is_replica = true;
		if (row[column] != NULL && strcasecmp(row[column], "No") != 0 &&
			strcmp(row[column], "0") != 0)
			*applies = true;
	}
	mysql_free_result(rows);
	return 0;
}

static int check_replica(struct check *check, struct fl_err *err)
{
	bool is_replica = false, applies = false;
	if (!check->skips_replicated)
		return 0;
	int result = ask_replica(check, &is_replica, &applies, err);
	const struct fl_server *server = &check->session->server;
	const char *const name =
		settings[server->flavour == FL_MYSQL && server->version >= FIRST_WITH_LOG_REPLICA
				 ? REPLICA_UPDATES
				 : SLAVE_UPDATES]
			.name;
	if (is_replica)
		finding(check, applies,
			"it is a replica that does not log what it applies (%s is OFF): "
			"cached rows go stale when its own source changes them: put %s = ON below "
			"[mysqld] in its configuration and restart it, or follow another server",
			name, name);
	return result;
}

static int check_server_id(struct check *check, struct fl_err *err)
{
	const struct fl_session *session = check->session;
	const struct fl_server *server = &session->server;
	if (server->server_id == 0)
		finding(check, true,
			"the source has no server_id, without which it serves no replica: SET "
			"GLOBAL server_id = 1, also below [mysqld] in its configuration");
	if (server->server_id == session->server_id)
		finding(check, true,
			"server_id %u is the source's own (SELECT @@server_id): choose another one "
			"for [source] server_id",
			session->server_id);

	MYSQL_RES *rows = NULL;
	bool renamed = server->flavour == FL_MYSQL && server->version >= FIRST_WITH_REPLICA_STATUS;
	int result = look_up(check, renamed ? "SHOW REPLICAS" : "SHOW SLAVE HOSTS", &rows, err);
	if (result != 0 || rows == NULL)
		return result;
	MYSQL_ROW row;
	uint64_t id;
	while ((row = mysql_fetch_row(rows)) != NULL)
		if (fl_number(row[0], UINT32_MAX, &id) && id == session->server_id)
			finding(check, true,
				"server_id %u is in use by another replica%s%s (%s): choose "
				"another "
				"one for [source] server_id",
				session->server_id,
				row[1] != NULL && row[1][0] != '\0' ? " on " : "",
				row[1] != NULL ? row[1] : "",
				renamed ? "SHOW REPLICAS" : "SHOW SLAVE HOSTS");
	mysql_free_result(rows);
	return 0;
}

/* Whether a line of SHOW GRANTS names a privilege by its whole name: REPLICATION SLAVE is not
 * REPLICATION SLAVE ADMIN. */
static bool grants(const char *line, const char *privilege)
{
	size_t size = strlen(privilege);
	const char *end = strstr(line, " ON ");
	for (const char *at = line; (at = strstr(at, privilege)) != NULL; at += size)
		if (end != NULL && at < end &&
			(at[size] == ',' || strncmp(at + size, " ON ", 4) == 0))
			return true;
	return false;
}

/* "repl@%" -> 'repl'@'%' */
static int ask_account(struct check *check, struct fl_buf *ret, struct fl_err *err)
{
	struct fl_buf text = { 0 };
	int result = fl_session_value(check->session, "SELECT CURRENT_USER()", &text, err);
	if (result < 0)
		goto out;
	const char *user = result > 0 ? text.data : "";
	const char *at = strrchr(user, '@');
	size_t user_size = at != NULL ? (size_t)(at - user) : strlen(user);
	const char *host = at != NULL ? at + 1 : "%";
	fl_session_quote(check->session, (struct fl_bytes){ user, user_size }, ret);
	fl_buf_char(ret, '@');
	fl_session_quote(check->session, (struct fl_bytes){ host, strlen(host) }, ret);
	fl_buf_char(ret, '\0');
	result = ret->failed ? fl_err_set(err, FL_ENOMEM, "out of memory") : 0;
out:
	fl_buf_finish(&text);
	return result;
}

/* Where names are looked up, the account has to see the mapped tables. */
static int check_tables_seen(struct check *check, const char *account, struct fl_err *err)
{
	MYSQL_RES *rows = NULL;
	int result = look_up(check,
		"SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = "
		"'BASE TABLE' AND table_schema NOT IN ('mysql', 'information_schema', "
		"'performance_schema', 'sys')",
		&rows, err);
	if (result != 0 || rows == NULL)
		return result;
	bool seen = false;
	MYSQL_ROW row;
	while (!seen && (row = mysql_fetch_row(rows)) != NULL) {
		unsigned long *sizes = mysql_fetch_lengths(rows);
		seen = check->wants(check->wants_ctx, (struct fl_bytes){ row[0], sizes[0] },
			(struct fl_bytes){ row[1], sizes[1] });
	}
	mysql_free_result(rows);
	if (!seen)
		finding(check, false,
			"the account sees none of the mapped tables, and has to look up their "
			"columns: if they exist, GRANT SELECT ON *.* TO %s (or on the tables "
			"alone)",
			account);
	return 0;
}

static int check_grants(struct check *check, struct fl_err *err)
{
	const struct fl_server *server = &check->session->server;
	struct fl_buf account = { 0 };
	MYSQL_RES *rows = NULL;
	int result = ask_account(check, &account, err);
	if (result == 0)
		result = look_up(check, "SHOW GRANTS", &rows, err);
	if (result != 0)
		goto out;
	bool slave = false, select = false, roles = rows == NULL;
	MYSQL_ROW row;
	while (rows != NULL && (row = mysql_fetch_row(rows)) != NULL) {
		if (row[0] == NULL)
			continue;
		bool everywhere = strstr(row[0], " ON *.* TO ") != NULL;
		bool all = everywhere && grants(row[0], "ALL PRIVILEGES");
		slave |= all || (everywhere && grants(row[0], "REPLICATION SLAVE"));
		select |= all || (everywhere && grants(row[0], "SELECT"));
		/* A role that is not active now shows by its name only. */
		roles |= strstr(row[0], " ON ") == NULL;
	}
	mysql_free_result(rows);
	if (!slave)
		finding(check, !roles,
			"the account %s REPLICATION SLAVE: GRANT REPLICATION SLAVE ON *.* TO %s",
			roles ? "has roles, and shows not whether it has" : "lacks", account.data);

	if (check->log_is_on) {
		result = look_up(check, fl_status_statement(server), &rows, err);
		if (result != 0)
			goto out;
		if (rows == NULL &&
			mysql_errno(check->session->mysql) == ER_SPECIFIC_ACCESS_DENIED) {
			const char *privilege =
				server->flavour == FL_MARIADB && server->version >= 100502
					? "BINLOG MONITOR"
					: "REPLICATION CLIENT";
			finding(check, true,
				"the account may not ask where the binlog ends (%s): GRANT %s ON "
				"*.* TO %s",
				fl_status_statement(server), privilege, account.data);
		}
		if (rows != NULL)
			check_filters(check, rows);
		mysql_free_result(rows);
	}
	if (!select && !check->names_in_log && check->wants != NULL)
		result = check_tables_seen(check, account.data, err);
out:
	fl_buf_finish(&account);
	return result;
}

/* Whether a line of SHOW CREATE TABLE is a foreign key that changes rows of this table. */
static bool cascades(const char *create)
{
	static const char *const actions[] = { " ON DELETE CASCADE", " ON DELETE SET NULL",
		" ON DELETE SET DEFAULT", " ON UPDATE CASCADE", " ON UPDATE SET NULL",
		" ON UPDATE SET DEFAULT" };
	for (const char *line = create; line != NULL; line = strchr(line + 1, '\n')) {
		const char *end = strchr(line + 1, '\n');
		const char *key = strstr(line, " FOREIGN KEY ");
		if (key == NULL)
			return false;
		if (end != NULL && key > end)
			continue;
		for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
			const char *at = strstr(key, actions[i]);
			if (at != NULL && (end == NULL || at < end))
				return true;
		}
	}
	return false;
}

static void append_name(struct fl_buf *sql, const char *name)
{
	fl_buf_char(sql, '`');
	for (; *name != '\0'; name++) {
		if (*name == '`')
			fl_buf_char(sql, '`');
		fl_buf_char(sql, *name);
	}
	fl_buf_char(sql, '`');
}

/* Appends "db.table" to `ret` if its foreign keys cascade. */
static int check_child(struct check *check, const char *db, const char *table, struct fl_buf *ret,
	struct fl_err *err)
{
	struct fl_buf sql = { 0 };
	fl_buf_text(&sql, "SHOW CREATE TABLE ");
	append_name(&sql, db);
	fl_buf_char(&sql, '.');
	append_name(&sql, table);
	fl_buf_char(&sql, '\0');
	MYSQL_RES *rows = NULL;
	int result = sql.failed ? fl_err_set(err, FL_ENOMEM, "out of memory")
				: look_up(check, sql.data, &rows, err);
	fl_buf_finish(&sql);
	if (result != 0 || rows == NULL)
		return result;
	MYSQL_ROW row = mysql_fetch_row(rows);
	if (row != NULL && mysql_num_fields(rows) > 1 && row[1] != NULL && cascades(row[1])) {
		fl_buf_text(ret, ret->size > 0 ? ", " : "");
		fl_buf_text(ret, db);
		fl_buf_char(ret, '.');
		fl_buf_text(ret, table);
	}
	mysql_free_result(rows);
	return 0;
}

/* What InnoDB does for a foreign key it does below the binlog. referential_constraints would name
 * the rules, but shows MariaDB's accounts with SELECT alone nothing. */
static int check_foreign_keys(struct check *check, struct fl_err *err)
{
	if (check->wants == NULL || check->logs_cascades)
		return 0;
	MYSQL_RES *rows = NULL;
	int result = look_up(check,
		"SELECT DISTINCT table_schema, table_name FROM information_schema.key_column_usage "
		"WHERE referenced_table_name IS NOT NULL",
		&rows, err);
	if (result != 0 || rows == NULL)
		return result;
	struct fl_buf names = { 0 };
	MYSQL_ROW row;
	while (result == 0 && (row = mysql_fetch_row(rows)) != NULL) {
		unsigned long *sizes = mysql_fetch_lengths(rows);
		if (check->wants(check->wants_ctx, (struct fl_bytes){ row[0], sizes[0] },
			    (struct fl_bytes){ row[1], sizes[1] }))
			result = check_child(check, row[0], row[1], &names, err);
	}
	mysql_free_result(rows);
	fl_buf_char(&names, '\0');
	if (result == 0 && names.failed)
		result = fl_err_set(err, FL_ENOMEM, "out of memory");
	else if (result == 0 && names.size > 1)
		finding(check, false,
			"foreign keys with CASCADE or SET NULL change rows that the source does "
			"not log: cached rows of these tables go stale when their parents are "
			"deleted or get another key: %.600s%s",
			names.data, names.size > 601 ? " ..." : "");
	fl_buf_finish(&names);
	return result;
}

int fl_session_preflight(struct fl_session *session,
	bool (*wants)(void *ctx, struct fl_bytes db, struct fl_bytes table),
	void (*report)(void *ctx, bool fatal, const char *text), void *report_ctx, void *wants_ctx,
	struct fl_err *err)
{
	struct check check = {
		.session = session,
		.wants = wants,
		.report = report,
		.report_ctx = report_ctx,
		.wants_ctx = wants_ctx,
	};
	int result = check_settings(&check, err);
	if (result == 0)
		result = check_replica(&check, err);
	if (result == 0)
		result = check_server_id(&check, err);
	if (result == 0)
		result = check_grants(&check, err);
	if (result == 0)
		result = check_foreign_keys(&check, err);
	return result != 0 ? result : check.fatal;
}
