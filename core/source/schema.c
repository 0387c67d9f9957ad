/* SPDX-License-Identifier: Apache-2.0 */
#include "source/schema.h"
#include "source/backend.h"
#include "source/history.h"

enum { KEPT = 256 };

/* A table's columns as they were looked up. */
struct entry {
	char *names; /* db, NUL, table, NUL; NULL: not in use */
	uint64_t id; /* the table's in the binlog: another one after whatever has changed it */
	uint64_t created;
	MYSQL_RES *rows;
	struct fl_schema_column *columns; /* point into the rows */
	unsigned count;
};

struct fl_schema {
	const struct fl_source_config *config;
	const atomic_bool *stop;
	unsigned host;		    /* to ask */
	struct fl_session *session; /* NULL: not connected */
	struct fl_history *history;
	struct entry entries[KEPT]; /* by a hash of the names */
};

struct fl_schema *fl_schema_create(const struct fl_source_config *config, const atomic_bool *stop)
{
	struct fl_schema *schema = calloc(1, sizeof(*schema));
	if (schema == NULL)
		return NULL;
	schema->config = config;
	schema->stop = stop;
	schema->history = fl_history_create(config);
	if (schema->history == NULL) {
		free(schema);
		return NULL;
	}
	return schema;
}

static void drop_entry(struct entry *entry)
{
	free(entry->names);
	free(entry->columns);
	mysql_free_result(entry->rows);
	*entry = (struct entry){ 0 };
}

void fl_schema_clear(struct fl_schema *schema, unsigned host)
{
	schema->host = host;
	for (size_t i = 0; i < KEPT; i++)
		drop_entry(&schema->entries[i]);
	fl_history_clear(schema->history, host);
	fl_session_close(schema->session);
	schema->session = NULL;
}

void fl_schema_destroy(struct fl_schema *schema)
{
	if (schema == NULL)
		return;
	fl_schema_clear(schema, schema->host);
	fl_history_destroy(schema->history);
	free(schema);
}

void fl_schema_renew(struct fl_schema *schema, const char *file, uint64_t offset,
	struct fl_bytes db, struct fl_bytes sql, uint32_t time)
{
	fl_history_note(schema->history, file, offset, db, sql, time);
	for (size_t i = 0; i < KEPT; i++) {
		struct entry *entry = &schema->entries[i];
		if (entry->names == NULL)
			continue;
		struct fl_bytes of_db = { entry->names, strlen(entry->names) };
		const char *table = entry->names + of_db.size + 1;
		if (fl_history_names(sql, db, of_db, (struct fl_bytes){ table, strlen(table) }))
			drop_entry(entry);
	}
}

static struct entry *entry_of(struct fl_schema *schema, const struct fl_table *table)
{
	uint32_t hash = 2166136261;
	for (size_t i = 0; i < table->db.size; i++)
		hash = (hash ^ (uint8_t)table->db.data[i]) * 16777619;
	for (size_t i = 0; i < table->name.size; i++)
		hash = (hash ^ (uint8_t)table->name.data[i]) * 16777619;
	return &schema->entries[hash % KEPT];
}

static bool is_entry_of(const struct entry *entry, const struct fl_table *table)
{
	if (entry->names == NULL)
		return false;
	const char *name = entry->names + strlen(entry->names) + 1;
	return strlen(entry->names) == table->db.size && strlen(name) == table->name.size &&
	       memcmp(entry->names, table->db.data, table->db.size) == 0 &&
	       memcmp(name, table->name.data, table->name.size) == 0;
}

/* Takes over what was looked up; where memory is short it is looked up again. */
static void keep(struct entry *entry, const struct fl_table *table, struct entry *found)
{
	size_t size = table->db.size + table->name.size + 2;
	found->names = malloc(size);
	if (found->names == NULL) {
		drop_entry(found);
		return;
	}
	memcpy(found->names, table->db.data, table->db.size);
	found->names[table->db.size] = '\0';
	memcpy(found->names + table->db.size + 1, table->name.data, table->name.size);
	found->names[size - 1] = '\0';
	drop_entry(entry);
	*entry = *found;
	*found = (struct entry){ 0 };
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

/* MariaDB has a hidden column, behind all others, for each UNIQUE key that is a hash. */
static int ask_hashes(struct fl_session *session, const struct fl_table *table, unsigned *ret_count,
	struct fl_err *err)
{
	struct fl_buf sql = { 0 };
	fl_buf_text(&sql, "SELECT table_schema, table_name FROM information_schema.statistics "
			  "WHERE seq_in_index = 1 AND non_unique = 0 AND index_type = 'HASH' AND ");
	append_where(session, table, "", &sql);
	MYSQL_RES *rows = NULL;
	int result = run(session, &sql, &rows, err);
	fl_buf_finish(&sql);
	if (result != 0)
		return result;
	unsigned count = 0;
	for (MYSQL_ROW row; (row = mysql_fetch_row(rows)) != NULL;)
		count += is_of(&session->server, row, table);
	mysql_free_result(rows);
	*ret_count = count;
	return 0;
}

/* The table's columns, as many as the event has. */
static int find_columns(struct fl_session *session, const struct fl_table *table,
	struct entry *found, struct fl_err *err)
{
	int result = ask_columns(session, table, &found->rows, err);
	if (result != 0)
		return result;
	size_t const rows = mysql_num_rows(found->rows);
	size_t const most = rows > table->column_count ? rows : table->column_count;
	found->columns = calloc(most + 1, sizeof(*found->columns));
	if (found->columns == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	found->count = read_columns(session, table, found->rows, found->columns);
	if (session->server.flavour != FL_MARIADB || found->count == 0 ||
		found->count >= table->column_count)
		return 0;
	unsigned hashes = 0;
	result = ask_hashes(session, table, &hashes, err);
	if (result == 0 && found->count + hashes == table->column_count)
		found->count += hashes; /* all zeros: without names */
	return result;
}

static bool same_rows(MYSQL_RES *a, MYSQL_RES *b)
{
	unsigned const fields = mysql_num_fields(a);
	bool same = mysql_num_fields(b) == fields && mysql_num_rows(a) == mysql_num_rows(b);
	mysql_data_seek(a, 0);
	mysql_data_seek(b, 0);
	for (uint64_t i = mysql_num_rows(a); i > 0 && same; i--) {
		MYSQL_ROW x = mysql_fetch_row(a), y = mysql_fetch_row(b);
		const unsigned long *x_sizes = mysql_fetch_lengths(a);
		const unsigned long *y_sizes = mysql_fetch_lengths(b);
		for (unsigned f = 0; f < fields && same; f++)
			same = (x[f] == NULL) == (y[f] == NULL) && x_sizes[f] == y_sizes[f] &&
			       (x[f] == NULL || memcmp(x[f], y[f], x_sizes[f]) == 0);
	}
	mysql_data_seek(b, 0);
	return same;
}

/* What the table is and when it was made: *ret_created is 0 where the source does not tell. */
static int ask_table(struct fl_session *session, const struct fl_table *table,
	uint64_t *ret_created, struct fl_err *err)
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
	MYSQL_ROW row;
	do
		row = mysql_fetch_row(rows);
	while (row != NULL && !is_of(&session->server, row, table));
	if (row == NULL)
		result = fl_err_set(err, FL_ECORRUPT, "it is not there any more");
	else if (row[2] == NULL || strstr(row[2], "VIEW") != NULL)
		result = fl_err_set(err, FL_ECORRUPT, "it is a view now");
	else if (strcmp(row[2], "SYSTEM VERSIONED") == 0)
		result = fl_err_set(err, FL_ECORRUPT,
			"it is WITH SYSTEM VERSIONING: its rows in the log may be history");
	else if (!fl_number(row[3], UINT64_MAX, ret_created))
		*ret_created = 0;
	mysql_free_result(rows);
	return result;
}

/* Whether nothing has changed the table's columns between the row and the look-up. */
static int check_age(struct fl_schema *schema, const struct fl_table *table, uint64_t created,
	const char *identity, const struct fl_position *place, uint32_t event_time,
	struct fl_err *err)
{
	struct fl_position now = { 0 };
	/* Asked after the columns: what changes the table in between is before this place. A
	 * statement is logged before its effect can be seen. */
	int result = fl_session_current(schema->session, &now, err);
	if (result == 0)
		result = fl_history_read(schema->history, identity, place, &now, schema->stop, err);
	fl_position_finish(&now);
	if (result != 0)
		return result;
	uint32_t passed;
	if (fl_history_find(schema->history, table->db, table->name, place->file, place->offset,
		    &passed, err) == FL_HISTORY_AHEAD)
		return FL_ECORRUPT;
	/* Rows of a statement that has waited for DDL bear an earlier time. */
	uint64_t known = passed >= event_time ? (uint64_t)passed + 1 : event_time;
	if (created > known)
		return fl_err_set(err, FL_ECORRUPT,
			"it has been made or altered since the row was logged, by a statement that "
			"is not in the binlog");
	return 0;
}

/* `known`: what was looked up for an earlier row of the table, if anything. */
static int look_up(struct fl_schema *schema, struct fl_table_def *def, const struct entry *known,
	const char *identity, const struct fl_position *place, uint32_t event_time,
	struct fl_err *err)
{
	const struct fl_table *table = &def->table;
	struct entry found = { .id = def->id };
	int result = find_columns(schema->session, table, &found, err);
	if (result == 0)
		result = ask_table(schema->session, table, &found.created, err);
	/* Nothing in the binlog has changed it since that row; and if it is still the same, neither
	 * has anything else. */
	if (result == 0 && (known == NULL || known->created != found.created ||
				   !same_rows(known->rows, found.rows)))
		result = check_age(schema, table, found.created, identity, place, event_time, err);
	if (result == 0)
		result = fl_table_complete(def, found.columns, found.count, err);
	if (result == 0)
		keep(entry_of(schema, table), table, &found);
	drop_entry(&found);
	return result;
}

int fl_schema_complete(struct fl_schema *schema, struct fl_table_def *def, const char *identity,
	const struct fl_position *place, uint32_t event_time, struct fl_err *err)
{
	const struct fl_table *table = &def->table;
	struct entry *entry = entry_of(schema, table);
	bool const is_known = is_entry_of(entry, table);
	if (is_known && entry->id == def->id &&
		fl_table_complete(def, entry->columns, entry->count, err) == 0)
		return 0;
	uint32_t passed;
	if (!is_known && fl_history_find(schema->history, table->db, table->name, place->file,
				 place->offset, &passed, err) == FL_HISTORY_AHEAD)
		return FL_ECORRUPT;
	/* A connection that has lain idle may be gone: that is found by using it. */
	for (bool again = schema->session != NULL;; again = false) {
		int result = 0;
		if (schema->session == NULL)
			result = fl_session_connect(schema->config, schema->host,
				schema->config->server_id, &schema->session, err);
		if (result == 0 &&
			strcmp(fl_session_server(schema->session)->identity, identity) != 0)
			result = fl_err_set(
				err, FL_ELOST, "another server answers at the source's address");
		if (result == 0)
			result = look_up(schema, def, is_known ? entry : NULL, identity, place,
				event_time, err);
		if (result != FL_ELOST)
			return result;
		fl_session_close(schema->session);
		schema->session = NULL;
		if (!again)
			return result;
	}
}
