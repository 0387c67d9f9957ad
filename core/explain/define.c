/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/encode.h"

#include "binlog/value.h"

enum { LONGEST_VARCHAR = 65535 };

/* What a column is made into: as the server would log it, but for text, which is UTF-8 and may take
 * more bytes than it was declared with, and for types that are shown as text is. */
struct shape {
	struct fl_schema_column schema;
	uint8_t type;
	uint8_t meta[2];
	unsigned meta_size;
};

static struct fl_bytes word(const char *text)
{
	return (struct fl_bytes){ text, strlen(text) };
}

static bool is(struct fl_bytes text, const char *wanted)
{
	return text.size == strlen(wanted) && memcmp(text.data, wanted, text.size) == 0;
}

static void make_varchar(struct shape *shape, bool binary)
{
	shape->type = FL_TYPE_VARCHAR;
	shape->meta[0] = shape->meta[1] = 0xff;
	shape->meta_size = 2;
	shape->schema.data_type = word(binary ? "varbinary" : "varchar");
	shape->schema.charset = word(binary ? "" : "utf8mb4");
	shape->schema.octet_length = LONGEST_VARCHAR;
	shape->schema.column_type = word("");
}

static void make_blob(struct shape *shape, bool binary)
{
	enum { LENGTH_BYTES = 4 };
	shape->type = FL_TYPE_BLOB;
	shape->meta[0] = LENGTH_BYTES;
	shape->meta_size = 1;
	shape->schema.data_type = word(binary ? "longblob" : "longtext");
	shape->schema.charset = word(binary ? "" : "utf8mb4");
	shape->schema.column_type = word("");
}

static uint32_t count_labels(struct fl_bytes column_type)
{
	uint32_t count = 0;
	bool inside = false;
	for (size_t i = 0; i < column_type.size; i++) {
		char c = column_type.data[i];
		if (inside && c == '\\')
			i++;
		else if (c == '\'') {
			/* A doubled quote ends and begins: it is counted away again. */
			bool const doubled = !inside && i > 0 && column_type.data[i - 1] == '\'';
			count += !inside && !doubled;
			inside = !inside;
		}
	}
	return count;
}

static void make_labels(struct shape *shape, bool is_set)
{
	uint32_t const count = count_labels(shape->schema.column_type);
	shape->type = FL_TYPE_STRING;
	shape->meta[0] = is_set ? FL_TYPE_SET : FL_TYPE_ENUM;
	shape->meta[1] = (uint8_t)(!is_set	 ? (count < 256 ? 1 : 2)
				   : count <= 32 ? (count + 7) / 8
						 : 8);
	shape->meta_size = 2;
}

/* Types whose metadata is fixed. */
static const struct {
	const char *name;
	uint8_t type, meta_size, meta;
} plain[] = {
	{ "tinyint", FL_TYPE_TINY, 0, 0 },
	{ "smallint", FL_TYPE_SHORT, 0, 0 },
	{ "mediumint", FL_TYPE_INT24, 0, 0 },
	{ "int", FL_TYPE_LONG, 0, 0 },
	{ "bigint", FL_TYPE_LONGLONG, 0, 0 },
	{ "float", FL_TYPE_FLOAT, 1, 4 },
	{ "double", FL_TYPE_DOUBLE, 1, 8 },
	{ "year", FL_TYPE_YEAR, 0, 0 },
	{ "date", FL_TYPE_DATE, 0, 0 },
	{ "json", FL_TYPE_JSON, 1, 4 },
	{ "geometry", FL_TYPE_GEOMETRY, 1, 4 },
	{ "point", FL_TYPE_GEOMETRY, 1, 4 },
	{ "linestring", FL_TYPE_GEOMETRY, 1, 4 },
	{ "polygon", FL_TYPE_GEOMETRY, 1, 4 },
	{ "multipoint", FL_TYPE_GEOMETRY, 1, 4 },
	{ "multilinestring", FL_TYPE_GEOMETRY, 1, 4 },
	{ "multipolygon", FL_TYPE_GEOMETRY, 1, 4 },
	{ "geometrycollection", FL_TYPE_GEOMETRY, 1, 4 },
	{ "geomcollection", FL_TYPE_GEOMETRY, 1, 4 },
};

static bool make_plain(struct shape *shape)
{
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		if (is(shape->schema.data_type, plain[i].name)) {
			shape->type = plain[i].type;
			shape->meta_size = plain[i].meta_size;
			shape->meta[0] = plain[i].meta;
			return true;
		}
	return false;
}

bool fl_encode_is_geometry(struct fl_bytes data_type)
{
	struct shape shape = { .schema.data_type = data_type };
	return make_plain(&shape) && shape.type == FL_TYPE_GEOMETRY;
}

static bool make_temporal(struct shape *shape)
{
	struct fl_bytes const name = shape->schema.data_type;
	shape->type = is(name, "time")	      ? FL_TYPE_TIME2
		      : is(name, "datetime")  ? FL_TYPE_DATETIME2
		      : is(name, "timestamp") ? FL_TYPE_TIMESTAMP2
					      : 0;
	int64_t const digits = shape->schema.fraction > 0 ? shape->schema.fraction : 0;
	shape->meta[0] = (uint8_t)digits;
	shape->meta_size = 1;
	return shape->type != 0 && digits <= 6;
}

static bool make_binary(struct shape *shape)
{
	int64_t const size = shape->schema.octet_length;
	if (!is(shape->schema.data_type, "binary") || size < 0 || size > 255)
		return false;
	shape->type = FL_TYPE_STRING;
	shape->meta[0] = FL_TYPE_STRING;
	shape->meta[1] = (uint8_t)size;
	shape->meta_size = 2;
	return true;
}

static int make_shape(
	const struct fl_schema_column *column, struct shape *shape, struct fl_err *err)
{
	struct fl_bytes const name = column->data_type;
	*shape = (struct shape){ .schema = *column };
	if (make_plain(shape) || make_temporal(shape) || make_binary(shape))
		return 0;
	if (is(name, "bit") && column->precision >= 1 && column->precision <= 64) {
		shape->type = FL_TYPE_BIT;
		shape->meta[0] = (uint8_t)(column->precision % 8);
		shape->meta[1] = (uint8_t)(column->precision / 8);
		shape->meta_size = 2;
	} else if (is(name, "decimal") && column->precision >= 1 && column->precision <= 65 &&
		   column->scale >= 0 && column->scale <= column->precision) {
		shape->type = FL_TYPE_NEWDECIMAL;
		shape->meta[0] = (uint8_t)column->precision;
		shape->meta[1] = (uint8_t)column->scale;
		shape->meta_size = 2;
	} else if (is(name, "enum") || is(name, "set")) {
		make_labels(shape, is(name, "set"));
	} else if (is(name, "char") || is(name, "varchar") || is(name, "inet4") ||
		   is(name, "inet6") || is(name, "uuid")) {
		make_varchar(shape, false);
	} else if (is(name, "varbinary")) {
		make_varchar(shape, true);
	} else if (is(name, "tinytext") || is(name, "text") || is(name, "mediumtext") ||
		   is(name, "longtext")) {
		make_blob(shape, false);
	} else if (is(name, "tinyblob") || is(name, "blob") || is(name, "mediumblob") ||
		   is(name, "longblob") || is(name, "vector")) {
		make_blob(shape, true);
	} else {
		return fl_err_set(err, FL_EUNSUPPORTED, "column %.*s is %.*s, which is not known",
			(int)column->name.size, column->name.data,
			column->column_type.size < 60 ? (int)column->column_type.size : 60,
			column->column_type.data);
	}
	return 0;
}

static void put_lenenc(struct fl_buf *out, uint64_t value)
{
	fl_buf_char(out, (char)252);
	fl_buf_char(out, (char)value);
	fl_buf_char(out, (char)(value >> 8));
}

static void put_name(struct fl_buf *out, struct fl_bytes name)
{
	fl_buf_char(out, (char)name.size);
	fl_buf_append(out, name.data, name.size);
	fl_buf_char(out, '\0');
}

static int decode(struct fl_buf *body, struct fl_table_def **ret, struct fl_err *err)
{
	static const struct fl_format format = { .known = true,
		.header_size = 19,
		.post_header_count = 255,
		.post_header = { [FL_EVENT_TABLE_MAP] = 8 } };
	struct fl_event event = { .type = FL_EVENT_TABLE_MAP, .body = { body->data, body->size } };
	return body->failed ? fl_err_set(err, FL_ENOMEM, "out of memory")
			    : fl_table_decode(&event, &format, NULL, ret, err);
}

int fl_encode_table(struct fl_bytes db, struct fl_bytes table,
	const struct fl_schema_column *columns, unsigned count, struct fl_table_def **ret,
	struct fl_err *err)
{
	if (count == 0 || count > 4096 || db.size > 255 || table.size > 255)
		return fl_err_set(err, FL_EINVAL, "it has no columns, or too many");
	struct shape *shapes = calloc(count, sizeof(*shapes));
	struct fl_schema_column *schema = calloc(count, sizeof(*schema));
	struct fl_buf body = { 0 }, meta = { 0 };
	struct fl_table_def *def = NULL;
	int code =
		shapes == NULL || schema == NULL ? fl_err_set(err, FL_ENOMEM, "out of memory") : 0;
	fl_buf_append(&body, "\0\0\0\0\0\0\0\0", 8); /* table id, flags */
	put_name(&body, db);
	put_name(&body, table);
	put_lenenc(&body, count);
	for (unsigned i = 0; i < count && code == 0; i++) {
		code = make_shape(&columns[i], &shapes[i], err);
		schema[i] = shapes[i].schema;
		fl_buf_char(&body, (char)shapes[i].type);
		fl_buf_append(&meta, shapes[i].meta, shapes[i].meta_size);
	}
	put_lenenc(&body, meta.size);
	fl_buf_append(&body, meta.data, meta.size);
	for (unsigned i = 0; i < count && code == 0; i += 8) {
		uint8_t nullable = 0;
		for (unsigned bit = 0; bit < 8 && i + bit < count; bit++)
			nullable |= (uint8_t)(columns[i + bit].nullable << bit);
		fl_buf_char(&body, (char)nullable);
	}
	if (code == 0 && meta.failed)
		code = fl_err_set(err, FL_ENOMEM, "out of memory");
	if (code == 0)
		code = decode(&body, &def, err);
	if (code == 0)
		code = fl_table_complete(def, schema, count, err);
	if (code == 0 && !def->complete)
		code = fl_err_set(err, FL_EUNSUPPORTED, "its columns can't be told");
	if (code == 0)
		*ret = def;
	else
		fl_table_unref(def);
	fl_buf_finish(&body);
	fl_buf_finish(&meta);
	free(shapes);
	free(schema);
	return code;
}

/* What one value says of its column, over what an earlier one said. */
static void guess_column(struct fl_schema_column *column, const struct fl_given *value)
{
	bool const open = column->data_type.size == 0;
	unsigned precision, scale;
	switch (value->kind) {
	case FL_GIVEN_NULL:
		return;
	case FL_GIVEN_DOCUMENT:
		column->data_type = word("json");
		return;
	case FL_GIVEN_TEXT:
	case FL_GIVEN_BYTES:
		if (!is(column->data_type, "json"))
			column->data_type = word("longtext");
		return;
	case FL_GIVEN_NUMBER:
		break;
	}
	if (!open && !is(column->data_type, "bigint") && !is(column->data_type, "double") &&
		!is(column->data_type, "decimal"))
		return;
	if (json_object_is_type(value->json, json_type_int) ||
		json_object_is_type(value->json, json_type_boolean)) {
		if (open)
			column->data_type = word("bigint");
		if (json_object_is_type(value->json, json_type_int) &&
			json_object_get_uint64(value->json) > INT64_MAX)
			column->column_type = word("bigint unsigned");
		return;
	}
	/* A DOUBLE is shown by the fewest digits that tell it: what has others is exact. */
	char shown[FL_SHORT_MAX];
	char *end = fl_double_write(json_object_get_double(value->json), shown);
	bool const exact = end != NULL && (size_t)(end - shown) == value->text.size &&
			   memcmp(shown, value->text.data, value->text.size) == 0;
	if (!exact && fl_encode_digits(value->text, &precision, &scale)) {
		enum { PRECISION = 65 };
		column->data_type = word("decimal");
		column->scale = scale > column->scale ? scale : column->scale;
		column->precision = PRECISION;
	} else if (!is(column->data_type, "decimal")) {
		column->data_type = word("double");
	}
}

int fl_encode_guess(struct fl_asked *asked, struct fl_schema_column **ret, unsigned *ret_count,
	struct fl_err *err)
{
	const struct fl_given_row *rows[] = { &asked->after, &asked->before };
	unsigned const most = asked->after.count + asked->before.count;
	struct fl_schema_column *columns =
		fl_arena_alloc(&asked->memory, (most + 1) * sizeof(*columns));
	if (columns == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	unsigned count = 0;
	for (size_t r = 0; r < 2; r++)
		for (unsigned i = 0; i < rows[r]->count; i++) {
			const struct fl_given *value = &rows[r]->values[i];
			unsigned c =
				i < count && fl_given_same(columns[i].name, value->name) ? i : 0;
			while (c < count && !fl_given_same(columns[c].name, value->name))
				c++;
			if (c == count)
				columns[count++] = (struct fl_schema_column){ .name = value->name,
					.octet_length = -1,
					.precision = -1,
					.scale = 0,
					.fraction = -1,
					.nullable = true };
			guess_column(&columns[c], value);
		}
	for (unsigned c = 0; c < count; c++)
		if (columns[c].data_type.size == 0)
			columns[c].data_type = word("longtext");
	*ret = columns;
	*ret_count = count;
	return 0;
}
