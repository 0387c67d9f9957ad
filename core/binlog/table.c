/* SPDX-License-Identifier: Apache-2.0 */
#include "binlog/table.h"

#include "binlog/row.h"
#include "binlog/value.h"

enum { MOST_COLUMNS = 4096 }; /* of a table, in all servers */

/* TABLE_MAP:
 *
 *   6 (long ago 4)   table id
 *   2                flags
 *   1+n+1            database: length, name, 00
 *   1+n+1            table, likewise
 *   length-encoded   number of columns n
 *   n                type of each
 *   length-encoded   bytes of metadata; the metadata, for each type as many as it has
 *   (n+7)/8          bitmap: nullable columns
 *   ...              optional metadata: see metadata.c
 */
static uint64_t take_id(
	struct fl_cursor *c, const struct fl_event *event, const struct fl_format *format)
{
	uint64_t id = fl_take_uint(c, format->post_header[event->type] == 6 ? 4 : 6);
	fl_take_u16(c); /* flags */
	return id;
}

static struct fl_bytes take_name(struct fl_cursor *c)
{
	struct fl_bytes name = fl_take_bytes(c, fl_take_u8(c));
	fl_take_u8(c);
	return name;
}

int fl_table_map_id(const struct fl_event *event, const struct fl_format *format, uint64_t *ret,
	struct fl_err *err)
{
	struct fl_cursor c = fl_cursor(event->body.data, event->body.size);
	uint64_t id = take_id(&c, event, format);
	if (c.failed)
		return fl_err_set(err, FL_ECORRUPT, "TABLE_MAP_EVENT: too short");
	*ret = id;
	return 0;
}

static int lay_out_columns(struct fl_table_def *def, const uint8_t *types, struct fl_bytes metadata,
	const uint8_t *nullable, struct fl_err *err)
{
	struct fl_cursor c = fl_cursor(metadata.data, metadata.size);
	for (unsigned i = 0; i < def->table.column_count; i++) {
		struct fl_column_def *column = &def->defs[i];
		column->type = types[i];
		column->nullable = nullable[i / 8] >> i % 8 & 1;
		int size = fl_column_metadata_size(types[i]);
		if (size < 0)
			return fl_err_set(err, FL_EUNSUPPORTED,
				FL_TABLE_FMT ": column %u has type %u, which is not known",
				FL_TABLE_ARG(def), i + 1, types[i]);
		const uint8_t *meta = fl_take(&c, (size_t)size);
		if (meta == NULL || !fl_column_lay_out(column, meta))
			return fl_err_set(err, FL_ECORRUPT,
				FL_TABLE_FMT
				": TABLE_MAP_EVENT: bad metadata of column %u, type %u",
				FL_TABLE_ARG(def), i + 1, types[i]);
	}
	return 0;
}

/* The event's text of what it can't tell apart on MariaDB: see `ambiguous`. */
static bool is_ambiguous(const struct fl_column_def *column)
{
	switch (column->type) {
	case FL_TYPE_TIME:
	case FL_TYPE_DATETIME:
	case FL_TYPE_TIMESTAMP:
		return true;
	case FL_TYPE_STRING:
		return column->charset == FL_CHARSET_BINARY &&
		       (column->fixed_size == 4 || column->fixed_size == 16);
	default:
		return false;
	}
}

/* Whether it may be the start or the end of a row's life, in a table WITH SYSTEM VERSIONING. (Where
 * numbers of transactions are that, statements are logged in place of rows.) */
static bool is_life(const struct fl_column_def *column)
{
	return column->type == FL_TYPE_TIMESTAMP2 && column->meta == 6 && !column->nullable;
}

/* MariaDB logs the history of such a table as rows like any others. The end of life is the last
 * column of its primary key, where it has one. */
static bool may_be_versioned(const struct fl_table_def *def)
{
	const struct fl_table *table = &def->table;
	if (table->key_count > 0 && !is_life(&def->defs[table->key_columns[table->key_count - 1]]))
		return false;
	unsigned lives = 0;
	for (unsigned i = 0; i < table->column_count; i++)
		lives += is_life(&def->defs[i]);
	return lives >= 2;
}

bool fl_column_may_be_hash(const struct fl_table_def *def, unsigned column)
{
	static const char prefix[] = "DB_ROW_HASH_";
	struct fl_bytes const name = def->table.columns[column].name;
	return def->defs[column].type == FL_TYPE_LONGLONG &&
	       (!def->signedness || def->defs[column].is_unsigned) &&
	       (def->names != FL_NAMES_METADATA ||
		       (name.size >= sizeof(prefix) &&
			       memcmp(name.data, prefix, sizeof(prefix) - 1) == 0));
}

void fl_column_hide(struct fl_column *column, struct fl_column_def *def)
{
	column->name = (struct fl_bytes){ 0 };
	column->is_unsigned = def->is_unsigned = true;
	def->hidden = true;
}

static bool is_known(const struct fl_table_def *def, const struct fl_column_def *column)
{
	if (column->not_decoded != NULL)
		return true;
	if (fl_type_is_integer(column->type))
		return def->signedness;
	if (fl_type_has_labels(column->type))
		return column->label_count > 0;
	return !fl_type_has_charset(column->type) || column->charset != FL_CHARSET_UNKNOWN;
}

static int settle_column(
	struct fl_table_def *def, const struct fl_column *column, struct fl_column_def *column_def)
{
	if (fl_column_escape_labels(column_def, &def->arena) < 0)
		return FL_ENOMEM;
	fl_column_set_form(column_def, fl_column_form(column_def));
	if (column_def->not_decoded == NULL && column_def->charset == FL_CHARSET_OTHER &&
		column_def->form == FL_FORM_NONE) {
		char text[64];
		int size =
			snprintf(text, sizeof(text), "character set %s", column_def->charset_name);
		column_def->not_decoded = fl_arena_copy(&def->arena, text, (size_t)size);
		if (column_def->not_decoded == NULL)
			return FL_ENOMEM;
	}
	column_def->json_name = (struct fl_bytes){ 0 };
	if (column_def->hidden)
		return 0;
	struct fl_buf name = { 0 };
	fl_buf_char(&name, ',');
	fl_json_text(column->name, &name);
	fl_buf_char(&name, ':');
	size_t const size = name.size;
	fl_buf_append(&name, (char[FL_NAME_PAD]){ 0 }, FL_NAME_PAD);
	column_def->json_name =
		(struct fl_bytes){ fl_arena_copy(&def->arena, name.data, name.size), size };
	bool failed = name.failed || column_def->json_name.data == NULL;
	fl_buf_finish(&name);
	return failed ? FL_ENOMEM : 0;
}

static int lay_out_strides(struct fl_table_def *def)
{
	unsigned const columns = def->table.column_count;
	def->strides = fl_arena_alloc(&def->arena, columns * sizeof(*def->strides));
	if (def->strides == NULL)
		return FL_ENOMEM;
	uint32_t fixed = 0; /* no more than a few KiB a column, of which there are 64 Ki */
	def->stride_count = 0;
	for (unsigned i = 0; i < columns; i++) {
		const struct fl_column_def *column = &def->defs[i];
		if (column->length_bytes == 0) {
			fixed += column->fixed_size;
			continue;
		}
		def->strides[def->stride_count++] =
			(struct fl_stride){ fixed, column->length_bytes };
		fixed = 0;
	}
	def->fixed_end = fixed;
	return 0;
}

int fl_table_settle(struct fl_table_def *def, struct fl_err *err)
{
	if (lay_out_strides(def) < 0)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	bool complete = def->names != FL_NAMES_NONE && !def->ambiguous;
	for (unsigned i = 0; i < def->table.column_count; i++) {
		if (settle_column(def, &def->table.columns[i], &def->defs[i]) < 0)
			return fl_err_set(err, FL_ENOMEM, "out of memory");
		complete = complete && is_known(def, &def->defs[i]);
	}
	def->complete = complete;
	fl_table_measure(def);
	return 0;
}

void fl_table_measure(struct fl_table_def *def)
{
	def->json_room = 0;
	for (unsigned i = 0; i < def->table.column_count; i++)
		def->json_room += def->defs[i].json_name.size + FL_NAME_PAD + def->defs[i].room;
}

/* Decodes a copy of the body, which the definition keeps and points into. */
static int decode(struct fl_table_def *def, const struct fl_event *event,
	const struct fl_format *format, const struct fl_collations *collations, struct fl_err *err)
{
	def->raw =
		(struct fl_bytes){ fl_arena_copy(&def->arena, event->body.data, event->body.size),
			event->body.size };
	if (def->raw.data == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	struct fl_cursor c = fl_cursor(def->raw.data, def->raw.size);
	def->id = take_id(&c, event, format);
	def->table.db = take_name(&c);
	def->table.name = take_name(&c);
	uint64_t count = fl_take_lenenc(&c);
	if (c.failed || count == 0 || count > MOST_COLUMNS)
		return fl_err_set(err, FL_ECORRUPT, "TABLE_MAP_EVENT: bad names or column count");
	const uint8_t *types = fl_take(&c, count);
	struct fl_bytes metadata = fl_take_lenenc_bytes(&c);
	const uint8_t *nullable = fl_take(&c, (count + 7) / 8);
	if (c.failed)
		return fl_err_set(err, FL_ECORRUPT, FL_TABLE_FMT ": TABLE_MAP_EVENT: too short",
			FL_TABLE_ARG(def));

	struct fl_column *columns = fl_arena_alloc(&def->arena, count * sizeof(*columns));
	def->defs = fl_arena_alloc(&def->arena, count * sizeof(*def->defs));
	if (columns == NULL || def->defs == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	memset(columns, 0, count * sizeof(*columns));
	memset(def->defs, 0, count * sizeof(*def->defs));
	def->table.columns = columns;
	def->table.column_count = (unsigned)count;

	int code = lay_out_columns(def, types, metadata, nullable, err);
	if (code == 0)
		code = fl_metadata_decode(def, columns, &c, format->is_mariadb, collations, err);
	if (code < 0)
		return code;
	for (unsigned i = 0; i < count && format->is_mariadb; i++)
		def->ambiguous = def->ambiguous || is_ambiguous(&def->defs[i]);
	def->maybe_versioned = format->is_mariadb && may_be_versioned(def);
	def->ambiguous = def->ambiguous || def->maybe_versioned ||
			 (format->is_mariadb && def->names == FL_NAMES_METADATA &&
				 fl_column_may_be_hash(def, (unsigned)count - 1));
	return fl_table_settle(def, err);
}

int fl_table_decode(const struct fl_event *event, const struct fl_format *format,
	const struct fl_collations *collations, struct fl_table_def **ret, struct fl_err *err)
{
	struct fl_table_def *def = calloc(1, sizeof(*def));
	if (def == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	atomic_init(&def->references, 1);
	int code = decode(def, event, format, collations, err);
	if (code < 0) {
		fl_table_unref(def);
		return code;
	}
	*ret = def;
	return 0;
}

void fl_table_show_geojson(struct fl_table_def *def, bool is_mariadb)
{
	for (unsigned i = 0; i < def->table.column_count; i++) {
		struct fl_column_def *column = &def->defs[i];
		column->geometry = is_mariadb ? FL_GEOMETRY_JSON_MARIADB : FL_GEOMETRY_JSON_MYSQL;
		fl_column_set_form(column, fl_column_form(column));
	}
	fl_table_measure(def);
}

void fl_table_doubt(struct fl_table_def *def, const char *reason)
{
	def->doubt = fl_arena_copy(&def->arena, reason, strlen(reason));
	if (def->doubt == NULL)
		def->doubt = "out of memory";
}

struct fl_table_def *fl_table_ref(struct fl_table_def *def)
{
	atomic_fetch_add_explicit(&def->references, 1, memory_order_relaxed);
	return def;
}

void fl_table_unref(struct fl_table_def *def)
{
	if (def == NULL ||
		atomic_fetch_sub_explicit(&def->references, 1, memory_order_acq_rel) != 1)
		return;
	fl_arena_finish(&def->arena);
	free(def);
}
