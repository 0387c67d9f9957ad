/* SPDX-License-Identifier: Apache-2.0
 *
 * The optional metadata of a TABLE_MAP event: fields of one byte type, length-encoded size, data.
 * What they are of, all columns of a class in order:
 *
 *    1  SIGNEDNESS                     numeric columns: bitmap, the first is the highest bit
 *    2  DEFAULT_CHARSET                text columns: collation, then index and collation of those
 *                                      that differ, all length-encoded
 *    3  COLUMN_CHARSET                 text columns: collation of each
 *    4  COLUMN_NAME                    all columns: length-encoded texts, UTF-8
 *    5  SET_STR_VALUE                  SETs: number of labels, length-encoded texts
 *    6  ENUM_STR_VALUE                 ENUMs, likewise; both in the column's character set
 *    7  GEOMETRY_TYPE                  passed over
 *    8  SIMPLE_PRIMARY_KEY             the key: column indexes, length-encoded
 *    9  PRIMARY_KEY_WITH_PREFIX        the key: pairs of index and prefix length
 *   10  ENUM_AND_SET_DEFAULT_CHARSET   as 2 and 3, of ENUMs and SETs
 *   11  ENUM_AND_SET_COLUMN_CHARSET
 *   12  COLUMN_VISIBILITY, 13 VECTOR_DIMENSIONALITY and later ones: passed over
 *
 * Text columns are CHAR, VARCHAR and BLOB types; to MariaDB GEOMETRY too, to MySQL VECTOR.
 */
#include "binlog/value.h"

enum { FIELDS = 12 };

enum {
	SIGNEDNESS = 1,
	DEFAULT_CHARSET = 2,
	COLUMN_CHARSET = 3,
	COLUMN_NAME = 4,
	SET_STR_VALUE = 5,
	ENUM_STR_VALUE = 6,
	SIMPLE_PRIMARY_KEY = 8,
	PRIMARY_KEY_WITH_PREFIX = 9,
	LABELS_DEFAULT_CHARSET = 10,
	LABELS_COLUMN_CHARSET = 11,
};

struct reader {
	struct fl_table_def *def;
	struct fl_column *columns;
	const struct fl_collations *collations;
	bool is_mariadb;
	bool failed;
	bool no_memory;
};

static bool has_text(const struct reader *r, uint8_t type)
{
	return fl_type_has_charset(type) ||
	       type == (r->is_mariadb ? FL_TYPE_GEOMETRY : FL_TYPE_VECTOR);
}

static void read_signedness(struct reader *r, struct fl_cursor c)
{
	unsigned bit = 0;
	uint8_t bits = 0;
	for (unsigned i = 0; i < r->def->table.column_count; i++) {
		if (!fl_type_is_numeric(r->def->defs[i].type))
			continue;
		if (bit++ % 8 == 0)
			bits = fl_take_u8(&c);
		bool is_unsigned = (bits & 0x80) != 0;
		bits = (uint8_t)(bits << 1);
		r->def->defs[i].is_unsigned = is_unsigned;
		r->columns[i].is_unsigned = is_unsigned;
	}
	r->def->signedness = true;
	r->failed = r->failed || c.failed;
}

static void set_collation(struct reader *r, struct fl_column_def *column, uint64_t id)
{
	if (r->collations == NULL)
		return;
	const struct fl_collations *all = r->collations;
	bool const is_known = id < all->count && all->by_id[id].name[0] != '\0';
	column->charset = is_known ? all->by_id[id].charset : FL_CHARSET_OTHER;
	if (column->charset != FL_CHARSET_OTHER)
		return;
	char name[40];
	int const size = is_known ? snprintf(name, sizeof(name), "%s", all->by_id[id].name)
				  : snprintf(name, sizeof(name), "of collation %llu",
					    (unsigned long long)id);
	column->charset_name = fl_arena_copy(&r->def->arena, name, (size_t)size);
	r->no_memory = r->no_memory || column->charset_name == NULL;
}

/* `labels`: of ENUMs and SETs, else of text columns. */
static bool is_of_class(const struct reader *r, uint8_t type, bool labels)
{
	return labels ? fl_type_has_labels(type) : has_text(r, type);
}

static void read_default_charset(struct reader *r, struct fl_cursor c, bool labels)
{
	uint64_t collation = fl_take_lenenc(&c);
	bool more = fl_cursor_left(&c) > 0;
	uint64_t next = more ? fl_take_lenenc(&c) : UINT64_MAX, index = 0;
	for (unsigned i = 0; i < r->def->table.column_count; i++) {
		if (!is_of_class(r, r->def->defs[i].type, labels))
			continue;
		uint64_t own = collation;
		if (index++ == next) {
			own = fl_take_lenenc(&c);
			more = fl_cursor_left(&c) > 0;
			next = more ? fl_take_lenenc(&c) : UINT64_MAX;
		}
		set_collation(r, &r->def->defs[i], own);
	}
	r->failed = r->failed || c.failed || next != UINT64_MAX;
}

static void read_column_charset(struct reader *r, struct fl_cursor c, bool labels)
{
	for (unsigned i = 0; i < r->def->table.column_count; i++) {
		if (is_of_class(r, r->def->defs[i].type, labels))
			set_collation(r, &r->def->defs[i], fl_take_lenenc(&c));
	}
	r->failed = r->failed || c.failed || fl_cursor_left(&c) > 0;
}

static void read_names(struct reader *r, struct fl_cursor c)
{
	for (unsigned i = 0; i < r->def->table.column_count; i++)
		r->columns[i].name = fl_take_lenenc_bytes(&c);
	r->def->names = FL_NAMES_METADATA;
	r->failed = r->failed || c.failed || fl_cursor_left(&c) > 0;
}

/* A label in UTF-8; false if it can't be converted. */
static bool convert_label(struct reader *r, uint8_t charset, struct fl_bytes *label)
{
	if (charset == FL_CHARSET_BINARY)
		charset = FL_CHARSET_UTF8;
	struct fl_buf text = { 0 };
	int code = fl_charset_text(charset, *label, &text);
	if (code == 0) {
		label->data = fl_arena_copy(&r->def->arena, text.data, text.size);
		label->size = text.size;
		r->no_memory = r->no_memory || label->data == NULL;
	}
	r->no_memory = r->no_memory || code == FL_ENOMEM;
	fl_buf_finish(&text);
	return code == 0;
}

static void read_labels_of(struct reader *r, struct fl_column_def *column, struct fl_cursor *c)
{
	uint64_t count = fl_take_lenenc(c);
	uint64_t most = column->type == FL_TYPE_SET ? 8 * column->fixed_size : 65535;
	if (c->failed || count == 0 || count > most || count > fl_cursor_left(c)) {
		r->failed = true;
		return;
	}
	struct fl_bytes *labels = fl_arena_alloc(&r->def->arena, count * sizeof(*labels));
	if (labels == NULL) {
		r->no_memory = true;
		return;
	}
	bool known = column->charset != FL_CHARSET_UNKNOWN && column->charset != FL_CHARSET_OTHER;
	bool valid = true;
	for (uint64_t i = 0; i < count; i++) {
		labels[i] = fl_take_lenenc_bytes(c);
		if (known && !c->failed)
			valid = convert_label(r, column->charset, &labels[i]) && valid;
	}
	if (known && valid) {
		column->label_count = (uint32_t)count;
		column->labels = labels;
	} else if (known) {
		column->not_decoded = "a label that does not fit its character set";
	}
}

static void read_labels(struct reader *r, struct fl_cursor c, uint8_t type)
{
	for (unsigned i = 0; i < r->def->table.column_count && !r->failed && !r->no_memory; i++) {
		if (r->def->defs[i].type == type)
			read_labels_of(r, &r->def->defs[i], &c);
	}
	r->failed = r->failed || c.failed || fl_cursor_left(&c) > 0;
}

static void read_key(struct reader *r, struct fl_cursor c, bool with_prefix)
{
	unsigned *key = fl_arena_alloc(&r->def->arena, fl_cursor_left(&c) * sizeof(*key));
	if (key == NULL) {
		r->no_memory = true;
		return;
	}
	unsigned count = 0;
	while (fl_cursor_left(&c) > 0) {
		uint64_t index = fl_take_lenenc(&c);
		if (with_prefix)
			fl_take_lenenc(&c);
		if (c.failed || index >= r->def->table.column_count || r->columns[index].in_key) {
			r->failed = true;
			return;
		}
		r->columns[index].in_key = true;
		key[count++] = (unsigned)index;
	}
	r->def->table.key_columns = key;
	r->def->table.key_count = count;
}

static void read_field(struct reader *r, unsigned type, struct fl_cursor c)
{
	switch (type) {
	case SIGNEDNESS:
		read_signedness(r, c);
		break;
	case DEFAULT_CHARSET:
	case LABELS_DEFAULT_CHARSET:
		read_default_charset(r, c, type == LABELS_DEFAULT_CHARSET);
		break;
	case COLUMN_CHARSET:
	case LABELS_COLUMN_CHARSET:
		read_column_charset(r, c, type == LABELS_COLUMN_CHARSET);
		break;
	case COLUMN_NAME:
		read_names(r, c);
		break;
	case SET_STR_VALUE:
	case ENUM_STR_VALUE:
		read_labels(r, c, type == SET_STR_VALUE ? FL_TYPE_SET : FL_TYPE_ENUM);
		break;
	case SIMPLE_PRIMARY_KEY:
	case PRIMARY_KEY_WITH_PREFIX:
		read_key(r, c, type == PRIMARY_KEY_WITH_PREFIX);
		break;
	default:
		break;
	}
}

/* What the type alone tells, whatever the metadata say. */
static void set_own_charsets(struct reader *r)
{
	for (unsigned i = 0; i < r->def->table.column_count; i++) {
		struct fl_column_def *column = &r->def->defs[i];
		if (column->type == FL_TYPE_JSON)
			column->charset = FL_CHARSET_UTF8;
		else if (column->type == FL_TYPE_GEOMETRY || column->type == FL_TYPE_VECTOR)
			column->charset = FL_CHARSET_BINARY;
	}
}

int fl_metadata_decode(struct fl_table_def *def, struct fl_column *columns, struct fl_cursor *c,
	bool is_mariadb, const struct fl_collations *collations, struct fl_err *err)
{
	struct reader r = { .def = def, .columns = columns, .collations = collations };
	r.is_mariadb = is_mariadb;
	/* Labels come before the character sets they are in: look all fields up first. */
	struct fl_bytes fields[FIELDS] = { 0 };
	while (fl_cursor_left(c) > 0) {
		uint8_t type = fl_take_u8(c);
		struct fl_bytes data = fl_take_lenenc_bytes(c);
		if (type < FIELDS)
			fields[type] = data;
	}
	static const uint8_t order[] = { SIGNEDNESS, DEFAULT_CHARSET, COLUMN_CHARSET, COLUMN_NAME,
		LABELS_DEFAULT_CHARSET, LABELS_COLUMN_CHARSET, SET_STR_VALUE, ENUM_STR_VALUE,
		SIMPLE_PRIMARY_KEY, PRIMARY_KEY_WITH_PREFIX };
	for (size_t i = 0; i < sizeof(order) && !c->failed && !r.failed && !r.no_memory; i++) {
		struct fl_bytes field = fields[order[i]];
		if (field.data != NULL)
			read_field(&r, order[i], fl_cursor(field.data, field.size));
	}
	if (r.no_memory)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	if (c->failed || r.failed)
		return fl_err_set(err, FL_ECORRUPT,
			FL_TABLE_FMT ": TABLE_MAP_EVENT: bad optional metadata", FL_TABLE_ARG(def));
	set_own_charsets(&r);
	return 0;
}
