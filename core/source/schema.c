/* SPDX-License-Identifier: Apache-2.0 */
#include "source/schema.h"
#include "source/backend.h"

struct fl_schema {
	const struct fl_source_config *config;
	struct fl_session *session; /* NULL: not connected */
};

struct fl_schema *fl_schema_create(const struct fl_source_config *config)
{
	struct fl_schema *schema = calloc(1, sizeof(*schema));
	if (schema != NULL)
		schema->config = config;
	return schema;
}

void fl_schema_destroy(struct fl_schema *schema)
{
	if (schema == NULL)
		return;
	fl_session_close(schema->session);
	free(schema);
}

static bool same_name(const struct fl_server *server, const char *name, struct fl_bytes wanted)
{
	/* A server may compare without case where its tables' names differ by case alone. */
	return server->fold_case || (name != NULL && strlen(name) == wanted.size &&
					    memcmp(name, wanted.data, wanted.size) == 0);
}

/* The first two columns of `row` name a table. */
static bool is_of(const struct fl_server *server, MYSQL_ROW row, const struct fl_table *table)
{
	return same_name(server, row[0], table->db) && same_name(server, row[1], table->name);
}

static void append_where(struct fl_session *session, const struct fl_table *table,
	const char *alias, struct fl_buf *sql)
{
	fl_buf_text(sql, alias);
	fl_buf_text(sql, "table_schema = ");
	fl_session_quote(session, table->db, sql);
	fl_buf_text(sql, " AND ");
	fl_buf_text(sql, alias);
	fl_buf_text(sql, "table_name = ");
	fl_session_quote(session, table->name, sql);
}

static int run(struct fl_session *session, struct fl_buf *sql, MYSQL_RES **ret, struct fl_err *err)
{
	fl_buf_char(sql, '\0');
	return sql->failed ? fl_err_set(err, FL_ENOMEM, "out of memory")
			   : fl_session_query(session, sql->data, ret, err);
}

static int ask_columns(struct fl_session *session, const struct fl_table *table, MYSQL_RES **ret,
	struct fl_err *err)
{
	struct fl_buf sql = { 0 };
	fl_buf_text(&sql,
		"SELECT c.table_schema, c.table_name, c.column_name, c.data_type, c.column_type, "
		"c.character_set_name, c.character_octet_length, c.numeric_precision, "
		"c.numeric_scale, c.datetime_precision, c.is_nullable, k.table_schema, "
		"k.table_name, k.seq_in_index "
		"FROM information_schema.columns c LEFT JOIN information_schema.statistics k ON ");
	append_where(session, table, "k.", &sql);
	fl_buf_text(&sql, " AND k.index_name = 'PRIMARY' AND k.table_name = c.table_name AND "
			  "k.column_name = c.column_name WHERE ");
	append_where(session, table, "c.", &sql);
	fl_buf_text(&sql, " ORDER BY c.table_schema, c.table_name, c.ordinal_position");
	int result = run(session, &sql, ret, err);
	fl_buf_finish(&sql);
	return result;
}

static int64_t number_or_null(const char *text)
{
	uint64_t value;
	return fl_number(text, INT64_MAX, &value) ? (int64_t)value : -1;
}

static struct fl_bytes text_of(MYSQL_ROW row, const unsigned long *sizes, unsigned i)
{
	return (struct fl_bytes){ row[i], row[i] != NULL ? sizes[i] : 0 };
}

/* The columns point into `rows`. Returns how many. A column comes twice where it is in the primary
 * keys of two tables whose names differ by case alone. */
static unsigned read_columns(struct fl_session *session, const struct fl_table *table,
	MYSQL_RES *rows, struct fl_schema_column *columns)
{
	enum { KEY_TABLE = 11, KEY_ORDINAL = 13 };
	const struct fl_server *server = &session->server;
	unsigned count = 0;
	MYSQL_ROW row;
	while ((row = mysql_fetch_row(rows)) != NULL) {
		if (!is_of(server, row, table))
			continue;
		const unsigned long *sizes = mysql_fetch_lengths(rows);
		struct fl_bytes name = text_of(row, sizes, 2);
		struct fl_schema_column *column = &columns[count > 0 ? count - 1 : 0];
		if (count == 0 || column->name.size != name.size ||
			memcmp(column->name.data, name.data, name.size) != 0)
			columns[count++] = (struct fl_schema_column){
				.name = name,
				.data_type = text_of(row, sizes, 3),
				.column_type = text_of(row, sizes, 4),
				.charset = text_of(row, sizes, 5),
				.octet_length = number_or_null(row[6]),
				.precision = number_or_null(row[7]),
				.scale = number_or_null(row[8]),
				.fraction = number_or_null(row[9]),
				.nullable = row[10] != NULL && strcmp(row[10], "YES") == 0,
			};
		uint64_t ordinal;
		if (row[KEY_TABLE] != NULL && is_of(server, row + KEY_TABLE, table) &&
			fl_number(row[KEY_ORDINAL], UINT16_MAX, &ordinal))
			columns[count - 1].key_ordinal = (unsigned)ordinal;
	}
	return count;
}

/* Whether the table has been as it is now since before the row was logged. */
static int check_age(struct fl_session *session, const struct fl_table *table, uint32_t event_time,
	struct fl_err *err)
{
	struct fl_buf sql = { 0 };
	fl_buf_text(&sql,
		"SELECT table_schema, table_name, table_type, unix_timestamp(create_time) "
		"FROM information_schema.tables WHERE ");
	append_where(session, table, "", &sql);
	MYSQL_RES *rows = NULL;
	int result = run(session, &sql, &rows, err);
	fl_buf_finish(&sql);
	if (result != 0)
		return result;
	int db_size = (int)(table->db.size & 0xff), name_size = (int)(table->name.size & 0xff);
	const char *db = table->db.data, *name = table->name.data;
	MYSQL_ROW row;
	do
		row = mysql_fetch_row(rows);
	while (row != NULL && !is_of(&session->server, row, table));
	uint64_t created;
	if (row == NULL)
		result = fl_err_set(err, FL_ECORRUPT, "%.*s.%.*s is not there any more", db_size,
			db, name_size, name);
	else if (row[2] == NULL || strstr(row[2], "VIEW") != NULL)
		result = fl_err_set(
			err, FL_ECORRUPT, "%.*s.%.*s is a view now", db_size, db, name_size, name);
	else if (strcmp(row[2], "SYSTEM VERSIONED") == 0)
		result = fl_err_set(err, FL_ECORRUPT,
			"%.*s.%.*s is WITH SYSTEM VERSIONING: its rows in the log may be history",
			db_size, db, name_size, name);
	else if (!fl_number(row[3], UINT64_MAX, &created))
		result = fl_err_set(err, FL_ECORRUPT,
			"the source does not tell when %.*s.%.*s was last altered", db_size, db,
			name_size, name);
	else if (created > event_time)
		result = fl_err_set(err, FL_ECORRUPT,
			"%.*s.%.*s has been made or altered since the row was logged", db_size, db,
			name_size, name);
	mysql_free_result(rows);
	return result;
}

static int complete(struct fl_session *session, struct fl_table_def *def, uint32_t event_time,
	struct fl_err *err)
{
	const struct fl_table *table = &def->table;
	struct fl_schema_column *columns = NULL;
	MYSQL_RES *rows = NULL;
	int result = ask_columns(session, table, &rows, err);
	if (result != 0)
		return result;
	/* Asked after the columns: a change of the table in between shows. */
	result = check_age(session, table, event_time, err);
	if (result != 0)
		goto out;
	columns = calloc((size_t)mysql_num_rows(rows) + 1, sizeof(*columns));
	if (columns == NULL) {
		result = fl_err_set(err, FL_ENOMEM, "out of memory");
		goto out;
	}
	unsigned count = read_columns(session, table, rows, columns);
	result = fl_table_complete(def, columns, count, err);
out:
	free(columns);
	mysql_free_result(rows);
	return result;
}

int fl_schema_complete(
	struct fl_schema *schema, struct fl_table_def *def, uint32_t event_time, struct fl_err *err)
{
	/* A connection that has lain idle may be gone: that is found by using it. */
	for (bool again = schema->session != NULL;; again = false) {
		int result = 0;
		if (schema->session == NULL)
			result = fl_session_connect(
				schema->config, schema->config->server_id, &schema->session, err);
		if (result == 0)
			result = complete(schema->session, def, event_time, err);
		if (result != FL_ELOST)
			return result;
		fl_session_close(schema->session);
		schema->session = NULL;
		if (!again)
			return result;
	}
}
