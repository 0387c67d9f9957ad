/* SPDX-License-Identifier: Apache-2.0 */
#include "source/catalog.h"

#include "source/backend.h"

struct fl_catalog {
	struct fl_session *session;
	struct fl_source_config config; /* with a silence that fits who waits at a terminal */
};

int fl_catalog_open(const struct fl_source_config *config, int host, struct fl_catalog **ret,
	struct fl_err *err)
{
	enum { BEATS = 3 }; /* a connection is lost after so many heartbeats */
	struct fl_catalog *catalog = calloc(1, sizeof(*catalog));
	if (catalog == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	catalog->config = *config;
	catalog->config.heartbeat = (config->connect_timeout + BEATS - 1) / BEATS;
	if (catalog->config.heartbeat == 0)
		catalog->config.heartbeat = 1;
	int result = config->host_count == 0 || config->user == NULL
			     ? fl_err_set(err, FL_EINVAL, "[source] names no server, or no user")
			     : FL_ELOST;
	unsigned const first = host < 0 ? 0 : (unsigned)host;
	unsigned const end = host < 0 ? config->host_count : first + 1;
	for (unsigned i = first; i < end && result < 0 && result != FL_EINVAL; i++)
		result = fl_session_connect(
			&catalog->config, i, config->server_id, &catalog->session, err);
	if (result == 0)
		*ret = catalog;
	else
		free(catalog);
	return result;
}

void fl_catalog_close(struct fl_catalog *catalog)
{
	if (catalog == NULL)
		return;
	fl_session_close(catalog->session);
	free(catalog);
}

const struct fl_server *fl_catalog_server(const struct fl_catalog *catalog)
{
	return fl_session_server(catalog->session);
}

static int ask(struct fl_catalog *catalog, struct fl_buf *sql, MYSQL_RES **ret, struct fl_err *err)
{
	fl_buf_char(sql, '\0');
	int result = sql->failed ? fl_err_set(err, FL_ENOMEM, "out of memory")
				 : fl_session_query(catalog->session, sql->data, ret, err);
	fl_buf_finish(sql);
	return result;
}

/* A copy of a field, in the arena; empty for NULL, and where memory is short, which is told. */
static struct fl_bytes keep(
	MYSQL_RES *rows, MYSQL_ROW row, unsigned i, struct fl_arena *memory, bool *failed)
{
	if (row[i] == NULL)
		return (struct fl_bytes){ "", 0 };
	size_t const size = mysql_fetch_lengths(rows)[i];
	const char *data = fl_arena_copy(memory, row[i], size);
	*failed |= data == NULL;
	return (struct fl_bytes){ data, data != NULL ? size : 0 };
}

int fl_catalog_names(struct fl_catalog *catalog, struct fl_arena *memory,
	struct fl_catalog_name **ret, size_t *ret_count, struct fl_err *err)
{
	struct fl_buf sql = { 0 };
	MYSQL_RES *rows = NULL;
	fl_buf_text(&sql,
		"SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE "
		"table_schema NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys') "
		"AND table_type <> 'SEQUENCE' ORDER BY 1, 2");
	int result = ask(catalog, &sql, &rows, err);
	if (result != 0)
		return result;
	size_t count = 0;
	bool failed = false;
	struct fl_catalog_name *names =
		fl_arena_alloc(memory, ((size_t)mysql_num_rows(rows) + 1) * sizeof(*names));
	for (MYSQL_ROW row; names != NULL && (row = mysql_fetch_row(rows)) != NULL;)
		names[count++] = (struct fl_catalog_name){
			.db = keep(rows, row, 0, memory, &failed),
			.table = keep(rows, row, 1, memory, &failed),
			.is_view = row[2] != NULL && strstr(row[2], "VIEW") != NULL,
		};
	mysql_free_result(rows);
	if (names == NULL || failed)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	*ret = names;
	*ret_count = count;
	return 0;
}

static void append_where(
	struct fl_session *session, struct fl_bytes db, struct fl_bytes table, struct fl_buf *sql)
{
	fl_buf_text(sql, " WHERE table_schema = ");
	fl_session_quote(session, db, sql);
	fl_buf_text(sql, " AND table_name = ");
	fl_session_quote(session, table, sql);
}

/* Where a server compares in lower case what names differ in by case alone, the columns of both
 * come: those of the table that is meant are taken. */
static bool is_of(const struct fl_catalog *catalog, MYSQL_RES *rows, MYSQL_ROW row,
	struct fl_bytes db, struct fl_bytes table)
{
	const unsigned long *sizes = mysql_fetch_lengths(rows);
	return fl_catalog_server(catalog)->fold_case ||
	       (row[0] != NULL && row[1] != NULL && sizes[0] == db.size && sizes[1] == table.size &&
		       memcmp(row[0], db.data, db.size) == 0 &&
		       memcmp(row[1], table.data, table.size) == 0);
}

static int64_t number_or_null(const char *text)
{
	uint64_t value;
	return fl_number(text, INT64_MAX, &value) ? (int64_t)value : -1;
}

static bool is_ci(const char *collation)
{
	size_t const size = collation != NULL ? strlen(collation) : 0;
	return size > 3 && strcmp(collation + size - 3, "_ci") == 0;
}

static int ask_columns(struct fl_catalog *catalog, struct fl_bytes db, struct fl_bytes table,
	struct fl_arena *memory, struct fl_catalog_table *ret, struct fl_err *err)
{
	struct fl_buf sql = { 0 };
	MYSQL_RES *rows = NULL;
	fl_buf_text(&sql,
		"SELECT table_schema, table_name, column_name, data_type, column_type, "
		"character_set_name, character_octet_length, numeric_precision, numeric_scale, "
		"datetime_precision, is_nullable, collation_name FROM information_schema.columns");
	append_where(catalog->session, db, table, &sql);
	fl_buf_text(&sql, " ORDER BY ordinal_position");
	int result = ask(catalog, &sql, &rows, err);
	if (result != 0)
		return result;
	bool failed = false;
	ret->columns =
		fl_arena_alloc(memory, ((size_t)mysql_num_rows(rows) + 1) * sizeof(*ret->columns));
	ret->folds_case = fl_arena_alloc(
		memory, ((size_t)mysql_num_rows(rows) + 1) * sizeof(*ret->folds_case));
	failed = ret->columns == NULL || ret->folds_case == NULL;
	for (MYSQL_ROW row; !failed && (row = mysql_fetch_row(rows)) != NULL;)
		if (is_of(catalog, rows, row, db, table)) {
			ret->folds_case[ret->column_count] = is_ci(row[11]);
			ret->columns[ret->column_count++] = (struct fl_schema_column){
				.name = keep(rows, row, 2, memory, &failed),
				.data_type = keep(rows, row, 3, memory, &failed),
				.column_type = keep(rows, row, 4, memory, &failed),
				.charset = keep(rows, row, 5, memory, &failed),
				.octet_length = number_or_null(row[6]),
				.precision = number_or_null(row[7]),
				.scale = number_or_null(row[8]),
				.fraction = number_or_null(row[9]),
				.nullable = row[10] != NULL && strcmp(row[10], "YES") == 0,
			};
		}
	mysql_free_result(rows);
	return failed ? fl_err_set(err, FL_ENOMEM, "out of memory") : 0;
}

static int ask_keys(struct fl_catalog *catalog, struct fl_bytes db, struct fl_bytes table,
	struct fl_arena *memory, struct fl_catalog_table *ret, struct fl_err *err)
{
	enum { NAME = 2, COLUMN, PART };
	struct fl_buf sql = { 0 };
	MYSQL_RES *rows = NULL;
	fl_buf_text(&sql, "SELECT table_schema, table_name, index_name, column_name, sub_part FROM "
			  "information_schema.statistics");
	append_where(catalog->session, db, table, &sql);
	fl_buf_text(&sql,
		" AND non_unique = 0 ORDER BY index_name <> 'PRIMARY', index_name, seq_in_index");
	int result = ask(catalog, &sql, &rows, err);
	if (result != 0)
		return result;
	size_t const most = (size_t)mysql_num_rows(rows) + 1;
	bool failed = false;
	ret->keys = fl_arena_alloc(memory, most * sizeof(*ret->keys));
	unsigned *places = fl_arena_alloc(memory, most * sizeof(*places));
	for (MYSQL_ROW row; ret->keys != NULL && places != NULL && !failed &&
			    (row = mysql_fetch_row(rows)) != NULL;) {
		if (!is_of(catalog, rows, row, db, table))
			continue;
		struct fl_bytes const name = keep(rows, row, NAME, memory, &failed);
		struct fl_bytes const of = keep(rows, row, COLUMN, memory, &failed);
		struct fl_catalog_key *key =
			ret->key_count > 0 ? &ret->keys[ret->key_count - 1] : NULL;
		if (key == NULL || key->name.size != name.size ||
			memcmp(key->name.data, name.data, name.size) != 0) {
			key = &ret->keys[ret->key_count++];
			*key = (struct fl_catalog_key){ .name = name, .exact = true };
			key->columns = places;
		}
		unsigned i = 0;
		while (i < ret->column_count &&
			(ret->columns[i].name.size != of.size ||
				memcmp(ret->columns[i].name.data, of.data, of.size) != 0))
			i++;
		/* Of an expression, of the beginning of a text, or not for every row. */
		if (i == ret->column_count || row[PART] != NULL || ret->columns[i].nullable)
			key->exact = false;
		if (i < ret->column_count) {
			key->columns[key->count++] = i;
			places++;
			if (name.size == 7 && memcmp(name.data, "PRIMARY", name.size) == 0)
				ret->columns[i].key_ordinal = key->count;
		}
	}
	failed |= ret->keys == NULL || places == NULL;
	mysql_free_result(rows);
	return failed ? fl_err_set(err, FL_ENOMEM, "out of memory") : 0;
}

int fl_catalog_table(struct fl_catalog *catalog, struct fl_bytes db, struct fl_bytes table,
	struct fl_arena *memory, struct fl_catalog_table *ret, struct fl_err *err)
{
	struct fl_catalog_table found = { 0 };
	int result = ask_columns(catalog, db, table, memory, &found, err);
	if (result == 0 && found.column_count > 0)
		result = ask_keys(catalog, db, table, memory, &found, err);
	if (result == 0)
		*ret = found;
	return result;
}

static void append_name(struct fl_buf *sql, struct fl_bytes name)
{
	fl_buf_char(sql, '`');
	for (size_t i = 0; i < name.size; i++) {
		if (name.data[i] == '`')
			fl_buf_char(sql, '`');
		fl_buf_char(sql, name.data[i]);
	}
	fl_buf_char(sql, '`');
}

bool fl_catalog_sees_all(struct fl_catalog *catalog, struct fl_bytes db, struct fl_bytes table)
{
	struct fl_buf sql = { 0 };
	MYSQL_RES *rows = NULL;
	struct fl_err err = { 0 };
	fl_buf_text(&sql, "SELECT * FROM ");
	append_name(&sql, db);
	fl_buf_char(&sql, '.');
	append_name(&sql, table);
	fl_buf_text(&sql, " LIMIT 0");
	if (ask(catalog, &sql, &rows, &err) != 0)
		return false;
	mysql_free_result(rows);
	return true;
}

static bool is_word(struct fl_bytes text, const char *word)
{
	return text.size == strlen(word) && memcmp(text.data, word, text.size) == 0;
}

static void append_select(const struct fl_catalog_table *of, struct fl_buf *sql)
{
	fl_buf_text(sql, "SELECT ");
	for (unsigned i = 0; i < of->column_count; i++) {
		const struct fl_schema_column *column = &of->columns[i];
		bool const number = is_word(column->data_type, "enum") ||
				    is_word(column->data_type, "set") ||
				    is_word(column->data_type, "bit");
		fl_buf_text(sql, i > 0 ? ", " : "");
		append_name(sql, column->name);
		/* ZEROFILL's digits do no harm. FLOAT alone would be rounded to six digits; a SET
		 * may have 64 bits, which + would make a double. */
		if (number)
			fl_buf_text(sql, " | 0");
		else if (is_word(column->data_type, "float"))
			fl_buf_text(sql, " * 1e0");
	}
}

int fl_catalog_rows(struct fl_catalog *catalog, struct fl_bytes db, struct fl_bytes table,
	const struct fl_catalog_table *of, struct fl_bytes where, unsigned limit,
	void (*each)(void *ctx, const struct fl_bytes *values), void *ctx, struct fl_err *err)
{
	struct fl_session *session = catalog->session;
	struct fl_buf sql = { 0 };
	MYSQL_RES *rows = NULL;
	char end[32];
	struct fl_bytes *values = calloc(of->column_count + 1, sizeof(*values));
	if (values == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	int result = fl_session_query(session, "START TRANSACTION READ ONLY", NULL, err);
	append_select(of, &sql);
	fl_buf_text(&sql, " FROM ");
	append_name(&sql, db);
	fl_buf_char(&sql, '.');
	append_name(&sql, table);
	if (where.size > 0) {
		/* The line break ends a comment that the condition may end in. */
		fl_buf_text(&sql, " WHERE (");
		fl_buf_append(&sql, where.data, where.size);
		fl_buf_text(&sql, "\n)");
	}
	snprintf(end, sizeof(end), " LIMIT %u", limit);
	fl_buf_text(&sql, end);
	if (result == 0)
		result = ask(catalog, &sql, &rows, err);
	for (MYSQL_ROW row; result == 0 && (row = mysql_fetch_row(rows)) != NULL;) {
		const unsigned long *sizes = mysql_fetch_lengths(rows);
		for (unsigned i = 0; i < of->column_count; i++)
			values[i] = (struct fl_bytes){ row[i], row[i] != NULL ? sizes[i] : 0 };
		each(ctx, values);
	}
	fl_buf_finish(&sql);
	mysql_free_result(rows);
	free(values);
	/* The connection is closed soon after: what it held is let go either way. */
	if (result == 0)
		result = fl_session_query(session, "ROLLBACK", NULL, err);
	return result;
}
