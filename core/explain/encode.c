/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/encode.h"

#include <errno.h>

#include "binlog/value.h"

static void put_le(struct fl_buf *out, uint64_t value, size_t size)
{
	for (; size > 0; size--, value >>= 8)
		fl_buf_char(out, (char)value);
}

static void put_be(struct fl_buf *out, uint64_t value, size_t size)
{
	while (size-- > 0)
		fl_buf_char(out, (char)(size < 8 ? value >> 8 * size : 0));
}

/* A whole number's sign and digits; the fraction may be zeros. */
static bool parse_integer(struct fl_bytes text, bool *ret_negative, uint64_t *ret)
{
	size_t at = 0;
	uint64_t value = 0;
	bool const negative = text.size > 0 && text.data[0] == '-';
	at += negative;
	size_t const start = at;
	for (; at < text.size && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
		unsigned digit = (unsigned)(text.data[at] - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (at == start || at < text.size)
		return false;
	*ret_negative = negative && value > 0;
	*ret = value;
	return true;
}

static bool put_integer(
	const struct fl_column_def *def, struct fl_bytes text, unsigned bits, struct fl_buf *out)
{
	bool negative;
	uint64_t value;
	if (!parse_integer(text, &negative, &value))
		return false;
	uint64_t const top = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
	uint64_t const most = def->is_unsigned ? top : top / 2 + negative;
	if (value > most || (negative && def->is_unsigned))
		return false;
	put_le(out, negative ? 0 - value : value, bits / 8);
	return true;
}

static bool put_float(const struct fl_column_def *def, struct fl_bytes text, struct fl_buf *out)
{
	char copy[400];
	char *end;
	if (text.size == 0 || text.size >= sizeof(copy) ||
		strspn(text.data, "+-.0123456789eE") < text.size)
		return false;
	memcpy(copy, text.data, text.size);
	copy[text.size] = '\0';
	if (def->type == FL_TYPE_FLOAT) {
		/* One that is at its limit is rounded there, as the server does. */
		float value = strtof(copy, &end);
		uint32_t image;
		memcpy(&image, &value, sizeof(image));
		put_le(out, image, sizeof(image));
		return *end == '\0' && value - value == 0;
	}
	double value = strtod(copy, &end);
	uint64_t image;
	memcpy(&image, &value, sizeof(image));
	put_le(out, image, sizeof(image));
	return *end == '\0' && value - value == 0;
}

static bool put_year(struct fl_bytes text, struct fl_buf *out)
{
	bool negative;
	uint64_t value;
	if (!parse_integer(text, &negative, &value) ||
		(value != 0 && (value < 1901 || value > 2155)))
		return false;
	fl_buf_char(out, (char)(value == 0 ? 0 : value - 1900));
	return !negative;
}

static int digit64(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;
	return at != NULL ? (int)(at - digits) : -1;
}

static bool put_base64(struct fl_bytes text, struct fl_buf *out)
{
	if (text.size % 4 != 0)
		return false;
	for (size_t i = 0; i < text.size; i += 4) {
		unsigned pads = 0;
		uint32_t bits = 0;
		for (size_t k = 0; k < 4; k++) {
			char c = text.data[i + k];
			int digit = digit64(c);
			if (c == '=' && i + 4 == text.size && k >= 2) {
				pads++;
				digit = 0;
			} else if (digit < 0 || pads > 0) {
				return false;
			}
			bits = bits << 6 | (uint32_t)digit;
		}
		for (unsigned k = 0; k < 3 - pads; k++)
			fl_buf_char(out, (char)(bits >> (16 - 8 * k)));
	}
	return true;
}

/* The label of that text, from 1; 0 for none. */
static uint32_t find_label(const struct fl_column_def *def, struct fl_bytes text)
{
	for (uint32_t i = 0; i < def->label_count; i++)
		if (def->labels[i].data != NULL && def->labels[i].size == text.size &&
			memcmp(def->labels[i].data, text.data, text.size) == 0)
			return i + 1;
	return 0;
}

static bool put_labels(
	const struct fl_column_def *def, const struct fl_given *given, struct fl_buf *out)
{
	uint64_t value = 0;
	bool negative = false;
	struct fl_bytes const text = given->text;
	if (given->kind == FL_GIVEN_NUMBER) {
		if (!parse_integer(text, &negative, &value) || negative)
			return false;
	} else if (def->type == FL_TYPE_ENUM) {
		value = find_label(def, text);
		if (value == 0 && text.size > 0)
			return false;
	} else {
		for (size_t at = 0; at < text.size;) {
			const char *comma = memchr(text.data + at, ',', text.size - at);
			size_t size =
				comma != NULL ? (size_t)(comma - text.data) - at : text.size - at;
			uint32_t label = find_label(def, (struct fl_bytes){ text.data + at, size });
			if (label == 0)
				return false;
			value |= UINT64_C(1) << (label - 1);
			at += size + 1;
		}
	}
	if (def->fixed_size < 8 && value >> 8 * def->fixed_size != 0)
		return false;
	put_le(out, value, def->fixed_size);
	return true;
}

static bool put_document(const struct fl_given *given, struct fl_buf *out)
{
	if (given->kind != FL_GIVEN_BYTES)
		return fl_encode_document(given->json, out);
	struct fl_err err;
	struct json_object *json = fl_asked_json(given->text, &err);
	bool const good = (json != NULL || err.code == 0) && fl_encode_document(json, out);
	json_object_put(json);
	return good;
}

/* The inside of a value that has its length in front. */
static bool put_content(
	const struct fl_column_def *def, const struct fl_given *given, struct fl_buf *out)
{
	if (def->form == FL_FORM_JSON)
		return put_document(given, out);
	bool const binary = def->form == FL_FORM_BINARY || def->form == FL_FORM_GEOJSON;
	if (binary && given->kind != FL_GIVEN_BYTES)
		return given->kind == FL_GIVEN_TEXT && put_base64(given->text, out);
	fl_buf_append(out, given->text.data, given->text.size);
	return true;
}

static bool put_lengthy(
	const struct fl_column_def *def, const struct fl_given *given, struct fl_buf *out)
{
	struct fl_buf content = { 0 };
	bool good = put_content(def, given, &content) &&
		    (uint64_t)content.size < UINT64_C(1) << 8 * def->length_bytes;
	if (def->type == FL_TYPE_STRING)
		good = good && content.size <= def->fixed_size;
	if (good) {
		put_le(out, content.size, def->length_bytes);
		fl_buf_append(out, content.data, content.size);
		out->failed |= content.failed;
	}
	fl_buf_finish(&content);
	return good;
}

static bool put_value(
	const struct fl_column_def *def, const struct fl_given *given, struct fl_buf *out)
{
	struct fl_bytes const text = given->text;
	bool negative;
	uint64_t bits;
	switch (def->type) {
	case FL_TYPE_TINY:
		return put_integer(def, text, 8, out);
	case FL_TYPE_SHORT:
		return put_integer(def, text, 16, out);
	case FL_TYPE_INT24:
		return put_integer(def, text, 24, out);
	case FL_TYPE_LONG:
		return put_integer(def, text, 32, out);
	case FL_TYPE_LONGLONG:
		return put_integer(def, text, 64, out);
	case FL_TYPE_FLOAT:
	case FL_TYPE_DOUBLE:
		return put_float(def, text, out);
	case FL_TYPE_NEWDECIMAL:
		return fl_encode_decimal(text, def->meta & 0xff, def->meta >> 8, out);
	case FL_TYPE_YEAR:
		return put_year(text, out);
	case FL_TYPE_BIT:
		if (!parse_integer(text, &negative, &bits) || negative ||
			(def->meta < 64 && bits >> def->meta != 0))
			return false;
		put_be(out, bits, def->fixed_size);
		return true;
	case FL_TYPE_DATE:
	case FL_TYPE_TIME2:
	case FL_TYPE_DATETIME2:
	case FL_TYPE_TIMESTAMP2:
		return fl_encode_temporal(def, text, out);
	case FL_TYPE_ENUM:
	case FL_TYPE_SET:
		return put_labels(def, given, out);
	default:
		return put_lengthy(def, given, out);
	}
}

static int refuse(const struct fl_table_def *def, unsigned i, const struct fl_given *given,
	struct fl_err *err)
{
	return fl_err_set(err, FL_EINVAL, "column %.*s of " FL_TABLE_FMT " can't be %.*s%s",
		(int)def->table.columns[i].name.size, def->table.columns[i].name.data,
		FL_TABLE_ARG(def), given->text.size < 80 ? (int)given->text.size : 80,
		given->text.data, given->text.size < 80 ? "" : "...");
}

/* There are more values than columns. */
static int refuse_unknown(
	const struct fl_table_def *def, const struct fl_given_row *given, struct fl_err *err)
{
	for (unsigned i = 0; i < given->count; i++) {
		unsigned c = 0;
		while (c < def->table.column_count &&
			fl_given_find(given, def->table.columns[c].name, c) != &given->values[i])
			c++;
		if (c == def->table.column_count)
			return fl_err_set(err, FL_EINVAL, FL_TABLE_FMT " has no column %.*s",
				FL_TABLE_ARG(def), (int)given->values[i].name.size,
				given->values[i].name.data);
	}
	return fl_err_set(
		err, FL_EINVAL, FL_TABLE_FMT ": a column is given twice", FL_TABLE_ARG(def));
}

int fl_encode_row(const struct fl_table_def *def, const struct fl_given_row *given,
	struct fl_arena *memory, struct fl_row *ret, struct fl_err *err)
{
	const struct fl_table *table = &def->table;
	size_t const bitmap = (table->column_count + 7) / 8;
	uint8_t *present = fl_arena_alloc(memory, bitmap), *nulls = fl_arena_alloc(memory, bitmap);
	if (present == NULL || nulls == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	memset(present, 0, bitmap);
	memset(nulls, 0, bitmap);
	struct fl_buf values = { 0 }, image = { 0 };
	unsigned count = 0;
	int code = 0;
	for (unsigned i = 0; i < table->column_count && code == 0; i++) {
		const struct fl_given *value = fl_given_find(given, table->columns[i].name, i);
		if (value == NULL)
			continue;
		present[i / 8] |= (uint8_t)(1 << i % 8);
		if (value->kind == FL_GIVEN_NULL)
			nulls[count / 8] |= (uint8_t)(1 << count % 8);
		else if (!put_value(&def->defs[i], value, &values))
			code = refuse(def, i, value, err);
		count++;
	}
	if (code == 0 && count < given->count)
		code = refuse_unknown(def, given, err);
	fl_buf_append(&image, nulls, (count + 7) / 8);
	fl_buf_append(&image, values.data, values.size);
	void *copy = NULL;
	if (code == 0 && !values.failed && !image.failed && image.size <= UINT32_MAX)
		copy = fl_arena_copy(memory, image.data, image.size);
	if (code == 0 && copy == NULL)
		code = fl_err_set(err, FL_ENOMEM, "out of memory");
	if (code == 0)
		*ret = (struct fl_row){ .table = table,
			.present = count == table->column_count ? NULL : present,
			.data = copy,
			.size = (uint32_t)image.size };
	fl_buf_finish(&values);
	fl_buf_finish(&image);
	return code;
}
