/* SPDX-License-Identifier: Apache-2.0 */
#include "binlog/table.h"
#include "binlog/value.h"

/* What information_schema may call a column of the event's type; words between blanks. */
static const char *data_types_of(const struct fl_column_def *def)
{
	static const char *const blobs[] = { " tinyblob tinytext ", " blob text ",
		" mediumblob mediumtext ", " longblob longtext " };
	switch (def->type) {
	case FL_TYPE_TINY:
		return " tinyint ";
	case FL_TYPE_SHORT:
		return " smallint ";
	case FL_TYPE_INT24:
		return " mediumint ";
	case FL_TYPE_LONG:
		return " int ";
	case FL_TYPE_LONGLONG:
		return " bigint ";
	case FL_TYPE_FLOAT:
		return " float ";
	case FL_TYPE_DOUBLE:
		return " double ";
	case FL_TYPE_NEWDECIMAL:
		return " decimal ";
	case FL_TYPE_BIT:
		return " bit ";
	case FL_TYPE_YEAR:
		return " year ";
	case FL_TYPE_DATE:
	case FL_TYPE_NEWDATE:
		return " date ";
	case FL_TYPE_TIME:
	case FL_TYPE_TIME2:
		return " time ";
	case FL_TYPE_DATETIME:
	case FL_TYPE_DATETIME2:
		return " datetime ";
	case FL_TYPE_TIMESTAMP:
	case FL_TYPE_TIMESTAMP2:
		return " timestamp ";
	case FL_TYPE_VARCHAR:
	case FL_TYPE_VAR_STRING:
		return " varchar varbinary vector ";
	case FL_TYPE_VARCHAR_COMPRESSED:
		return " varchar varbinary ";
	case FL_TYPE_STRING:
		return " char binary inet4 inet6 uuid ";
	case FL_TYPE_ENUM:
		return " enum ";
	case FL_TYPE_SET:
		return " set ";
	case FL_TYPE_JSON:
		return " json ";
	case FL_TYPE_VECTOR:
		return " vector ";
	case FL_TYPE_GEOMETRY:
		return " geometry point linestring polygon multipoint multilinestring "
		       "multipolygon geometrycollection geomcollection ";
	default:
		return blobs[def->length_bytes - 1];
	}
}

static bool equals(struct fl_bytes text, const char *word)
{
	return text.size == strlen(word) && memcmp(text.data, word, text.size) == 0;
}

static bool is_one_of(struct fl_bytes word, const char *words)
{
	const char *at = words;
	while (word.size > 0 && (at = memmem(at, strlen(at), word.data, word.size)) != NULL) {
		if (at > words && at[-1] == ' ' && at[word.size] == ' ')
			return true;
		at++;
	}
	return false;
}

static bool has_word(struct fl_bytes text, const char *word)
{
	return text.size > 0 && memmem(text.data, text.size, word, strlen(word)) != NULL;
}

static bool is_compressed(uint8_t type)
{
	return type == FL_TYPE_VARCHAR_COMPRESSED || type == FL_TYPE_BLOB_COMPRESSED;
}

static bool is_inet_or_uuid(struct fl_bytes data_type)
{
	return is_one_of(data_type, " inet4 inet6 uuid ");
}

/* `ambiguous`: the event may not tell the digits of a fraction. */
static bool fits_length(
	const struct fl_column_def *def, bool ambiguous, const struct fl_schema_column *column)
{
	switch (def->type) {
	case FL_TYPE_STRING:
		if (is_inet_or_uuid(column->data_type))
			return def->fixed_size == (equals(column->data_type, "inet4") ? 4 : 16);
		return column->octet_length == def->fixed_size;
	case FL_TYPE_VARCHAR:
	case FL_TYPE_VAR_STRING:
		return column->octet_length == def->meta;
	case FL_TYPE_VARCHAR_COMPRESSED: /* a byte for how it is compressed */
		return column->octet_length + 1 == def->meta;
	case FL_TYPE_NEWDECIMAL:
		return column->precision == (def->meta & 0xff) && column->scale == def->meta >> 8;
	case FL_TYPE_BIT:
		return column->precision == def->meta;
	case FL_TYPE_TIME:
	case FL_TYPE_DATETIME:
	case FL_TYPE_TIMESTAMP:
		return column->fraction <= (ambiguous ? 6 : 0);
	case FL_TYPE_TIME2:
	case FL_TYPE_DATETIME2:
	case FL_TYPE_TIMESTAMP2:
		return (column->fraction < 0 ? 0 : column->fraction) == def->meta;
	default:
		return true;
	}
}

/* The next label of "enum('a','it''s')", unescaped into `to`, which has room for all of the text.
 * Servers escape as in a string literal. False at the end, or where it is not of that form. */
static bool take_label(struct fl_cursor *c, char *to, size_t *ret_size)
{
	char *start = to;
	if (fl_take_u8(c) != '\'')
		return false;
	for (;;) {
		uint8_t byte = fl_take_u8(c);
		if (c->failed)
			return false;
		if (byte == '\\') {
			byte = fl_take_u8(c);
			*to++ = (char)(byte == '0'   ? 0
				       : byte == 'n' ? '\n'
				       : byte == 'r' ? '\r'
						     : byte);
			continue;
		}
		if (byte == '\'') {
			if (fl_cursor_left(c) == 0 || *c->at != '\'')
				break;
			fl_take_u8(c);
		}
		*to++ = (char)byte;
	}
	*ret_size = (size_t)(to - start);
	return true;
}

/* How many bytes a value takes. */
static uint32_t labels_size(uint8_t type, uint32_t count)
{
	if (type == FL_TYPE_ENUM)
		return count < 256 ? 1 : 2;
	return count <= 32 ? (count + 7) / 8 : 8;
}

/* information_schema has characters up to U+FFFF, and question marks in place of others: in these
 * character sets a label may be another than it is shown. */
static bool is_beyond_schema(struct fl_bytes charset)
{
	return is_one_of(charset, " utf8mb4 utf16 utf16le utf32 gb18030 ");
}

/* Parses the labels. 0; FL_ECORRUPT: not of that form, or not as many as fit the event; FL_ENOMEM.
 */
static int parse_labels(
	struct fl_arena *arena, const struct fl_schema_column *from, struct fl_column_def *def)
{
	struct fl_bytes const column_type = from->column_type;
	bool const lossy = is_beyond_schema(from->charset);
	struct fl_cursor c = fl_cursor(column_type.data, column_type.size);
	char *text = fl_arena_alloc(arena, column_type.size);
	/* each label takes three characters at least */
	struct fl_bytes *labels =
		fl_arena_alloc(arena, (column_type.size / 3 + 1) * sizeof(*labels));
	if (text == NULL || labels == NULL)
		return FL_ENOMEM;
	uint32_t count = 0;
	while (!c.failed && fl_take_u8(&c) != '(')
		;
	uint8_t end;
	do {
		size_t size;
		if (!take_label(&c, text, &size))
			return FL_ECORRUPT;
		bool const known = !lossy || memchr(text, '?', size) == NULL;
		labels[count++] = (struct fl_bytes){ known ? text : NULL, size };
		text += size;
		end = fl_take_u8(&c);
	} while (end == ',');
	if (end != ')' || count > 65535 || (def->type == FL_TYPE_SET && count > 64) ||
		labels_size(def->type, count) != def->fixed_size)
		return FL_ECORRUPT;
	if (def->label_count > 0) /* the event's own */
		return def->label_count == count ? 0 : FL_ECORRUPT;
	def->labels = labels;
	def->label_count = count;
	def->charset = FL_CHARSET_UTF8;
	def->not_decoded = NULL;
	return 0;
}

/* Takes the character set over, or compares it with the event's. 0; FL_ECORRUPT: they differ;
 * FL_ENOMEM. */
static int take_charset(
	struct fl_arena *arena, struct fl_column_def *def, const struct fl_schema_column *column)
{
	enum { MOST = 31 };
	enum fl_charset charset = fl_charset_from_name(column->charset);
	if (charset == FL_CHARSET_UNKNOWN)
		charset = FL_CHARSET_BINARY;
	if (def->charset != FL_CHARSET_UNKNOWN)
		return def->charset == charset &&
				       (charset != FL_CHARSET_OTHER ||
					       equals(column->charset, def->charset_name))
			       ? 0
			       : FL_ECORRUPT;
	def->charset = (uint8_t)charset;
	if (charset != FL_CHARSET_OTHER)
		return 0;
	def->charset_name = fl_arena_copy(arena, column->charset.data,
		column->charset.size < MOST ? column->charset.size : MOST);
	return def->charset_name != NULL ? 0 : FL_ENOMEM;
}

/* What the event could not tell of the type: see `ambiguous`. */
static void resolve(const struct fl_schema_column *from, struct fl_column_def *to)
{
	switch (to->type) {
	case FL_TYPE_STRING:
		if (is_inet_or_uuid(from->data_type))
			to->type = equals(from->data_type, "inet4")   ? FL_TYPE_INET4
				   : equals(from->data_type, "inet6") ? FL_TYPE_INET6
								      : FL_TYPE_UUID;
		break;
	case FL_TYPE_TIME:
	case FL_TYPE_DATETIME:
	case FL_TYPE_TIMESTAMP:
		if (from->fraction > 0) {
			to->meta = (uint16_t)from->fraction;
			to->fixed_size = fl_temporal_size(to->type, to->meta);
		}
		break;
	default:
		break;
	}
}

/* Takes one column over into the copies. `*ret_what`: what differs, where it returns FL_ECORRUPT.
 */
static int take_column(struct fl_table_def *def, unsigned column,
	const struct fl_schema_column *from, struct fl_column *to, struct fl_column_def *to_def,
	const char **ret_what)
{
	if (from->name.size == 0) {
		*ret_what = "name";
		if (!fl_column_may_be_hash(def, column))
			return FL_ECORRUPT;
		fl_column_hide(to, to_def);
		return 0;
	}
	*ret_what = "type";
	if (!is_one_of(from->data_type, data_types_of(to_def)) ||
		(fl_type_has_charset(to_def->type) &&
			has_word(from->column_type, " COMPRESSED") != is_compressed(to_def->type)))
		return FL_ECORRUPT;
	*ret_what = "length or precision";
	if (!fits_length(to_def, def->ambiguous, from))
		return FL_ECORRUPT;
	*ret_what = "nullability";
	if (from->nullable != to_def->nullable)
		return FL_ECORRUPT;

	*ret_what = "sign";
	if (fl_type_is_numeric(to_def->type) && to_def->type != FL_TYPE_YEAR) {
		bool is_unsigned = has_word(from->column_type, " unsigned");
		if (def->signedness && is_unsigned != to_def->is_unsigned)
			return FL_ECORRUPT;
		to->is_unsigned = to_def->is_unsigned = is_unsigned;
	}
	*ret_what = "character set";
	int code = fl_type_has_charset(to_def->type) ? take_charset(&def->arena, to_def, from) : 0;
	if (code < 0)
		return code;
	resolve(from, to_def);
	*ret_what = "labels";
	code = fl_type_has_labels(to_def->type) ? parse_labels(&def->arena, from, to_def) : 0;
	if (code < 0)
		return code;
	*ret_what = "name";
	if (def->names == FL_NAMES_METADATA)
		return to->name.size == from->name.size &&
				       memcmp(to->name.data, from->name.data, from->name.size) == 0
			       ? 0
			       : FL_ECORRUPT;
	to->in_key = from->key_ordinal > 0;
	to->name.data = fl_arena_copy(&def->arena, from->name.data, from->name.size);
	to->name.size = from->name.size;
	return to->name.data != NULL ? 0 : FL_ENOMEM;
}

static int take_columns(struct fl_table_def *def, const struct fl_schema_column *from,
	struct fl_column *columns, struct fl_column_def *defs, struct fl_err *err)
{
	for (unsigned i = 0; i < def->table.column_count; i++) {
		const char *what;
		int code = take_column(def, i, &from[i], &columns[i], &defs[i], &what);
		if (code == FL_ECORRUPT)
			return fl_err_set(err, code,
				FL_TABLE_FMT ": the %s of column %u, now %.*s %.*s, is another "
					     "than when its rows were logged",
				FL_TABLE_ARG(def), what, i + 1, (int)from[i].name.size,
				from[i].name.data,
				from[i].column_type.size < 100 ? (int)from[i].column_type.size
							       : 100,
				from[i].column_type.data);
		if (code < 0)
			return fl_err_set(err, code, "out of memory");
	}
	return 0;
}

/* The key's columns in its order. */
static int take_key(struct fl_table_def *def, const struct fl_schema_column *from, unsigned count,
	struct fl_table *table, struct fl_err *err)
{
	unsigned *key = fl_arena_alloc(&def->arena, count * sizeof(*key));
	if (key == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	unsigned in_key = 0, key_count = 0;
	for (unsigned i = 0; i < count; i++)
		in_key += from[i].key_ordinal > 0;
	while (key_count < in_key) {
		unsigned i = 0;
		while (i < count && from[i].key_ordinal != key_count + 1)
			i++;
		if (i == count)
			break;
		key[key_count++] = i;
	}
	if (in_key != key_count)
		return fl_err_set(err, FL_ECORRUPT, FL_TABLE_FMT ": its primary key is unclear",
			FL_TABLE_ARG(def));
	table->key_columns = key;
	table->key_count = key_count;
	return 0;
}

int fl_table_complete(struct fl_table_def *def, const struct fl_schema_column *columns,
	unsigned count, struct fl_err *err)
{
	if (count != def->table.column_count)
		return fl_err_set(err, FL_ECORRUPT,
			FL_TABLE_FMT ": has %u columns now, its rows have %u", FL_TABLE_ARG(def),
			count, def->table.column_count);
	/* On copies, so that a failure leaves nothing half done. */
	struct fl_table table = def->table;
	struct fl_column *new_columns =
		fl_arena_copy(&def->arena, table.columns, count * sizeof(*new_columns));
	struct fl_column_def *defs = fl_arena_copy(&def->arena, def->defs, count * sizeof(*defs));
	if (new_columns == NULL || defs == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	int code = take_columns(def, columns, new_columns, defs, err);
	if (code == 0 && def->names != FL_NAMES_METADATA)
		code = take_key(def, columns, count, &table, err);
	if (code < 0)
		return code;
	table.columns = new_columns;
	def->table = table;
	def->defs = defs;
	if (def->names == FL_NAMES_NONE)
		def->names = FL_NAMES_SCHEMA;
	def->signedness = true;
	def->ambiguous = false;
	return fl_table_settle(def, err);
}
