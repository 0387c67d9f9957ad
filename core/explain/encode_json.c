/* SPDX-License-Identifier: Apache-2.0
 *
 * A JSON document in MySQL's binary form, which binlog/json.h draws: always in the large format,
 * members in the order in which they are given.
 */
#include "explain/encode.h"

#include <math.h>

#include "binlog/json.h"
#include "binlog/row.h"
#include "binlog/value.h"

static void put_le(struct fl_buf *out, uint64_t value, size_t size)
{
	for (; size > 0; size--, value >>= 8)
		fl_buf_char(out, (char)value);
}

static void set_le32(struct fl_buf *out, size_t at, size_t value)
{
	for (size_t i = 0; i < 4 && !out->failed; i++, value >>= 8)
		out->data[at + i] = (char)value;
}

static void put_length(struct fl_buf *out, size_t size)
{
	for (; size >= 0x80; size >>= 7)
		fl_buf_char(out, (char)(size | 0x80));
	fl_buf_char(out, (char)size);
}

static bool put_value(
	struct json_object *json, uint8_t *ret_type, struct fl_buf *out, unsigned depth);

/* The value's type goes to its entry, as does a literal; the others go behind what is there. */
static bool put_entry(
	struct json_object *json, size_t entry, size_t start, struct fl_buf *out, unsigned depth)
{
	uint8_t type = 0;
	size_t const at = out->size;
	if (!put_value(json, &type, out, depth + 1))
		return false;
	if (out->failed)
		return true;
	out->data[entry] = (char)type;
	if (type == FL_JSON_LITERAL) {
		set_le32(out, entry + 1, (uint8_t)out->data[at]);
		out->size = at;
	} else {
		set_le32(out, entry + 1, at - start);
	}
	return true;
}

static bool put_object(struct json_object *json, struct fl_buf *out, unsigned depth)
{
	enum { W = 4, KEY_ENTRY = W + 2, VALUE_ENTRY = W + 1 };
	size_t const start = out->size, count = (size_t)json_object_object_length(json);
	size_t const keys = start + 2 * W, values = keys + count * KEY_ENTRY;
	put_le(out, count, W);
	for (size_t i = 0; i < W + count * (KEY_ENTRY + VALUE_ENTRY); i++)
		fl_buf_char(out, 0);
	size_t i = 0;
	json_object_object_foreach(json, key, member)
	{
		(void)member;
		size_t const size = strlen(key);
		if (size > UINT16_MAX)
			return false;
		set_le32(out, keys + i * KEY_ENTRY, out->size - start);
		if (!out->failed) {
			out->data[keys + i * KEY_ENTRY + W] = (char)size;
			out->data[keys + i * KEY_ENTRY + W + 1] = (char)(size >> 8);
		}
		fl_buf_append(out, key, size);
		i++;
	}
	i = 0;
	json_object_object_foreach(json, name, value)
	{
		(void)name;
		if (!put_entry(value, values + i++ * VALUE_ENTRY, start, out, depth))
			return false;
	}
	set_le32(out, start + W, out->size - start);
	return true;
}

static bool put_array(struct json_object *json, struct fl_buf *out, unsigned depth)
{
	enum { W = 4, VALUE_ENTRY = W + 1 };
	size_t const start = out->size, count = json_object_array_length(json);
	put_le(out, count, W);
	for (size_t i = 0; i < W + count * VALUE_ENTRY; i++)
		fl_buf_char(out, 0);
	for (size_t i = 0; i < count; i++)
		if (!put_entry(json_object_array_get_idx(json, i), start + 2 * W + i * VALUE_ENTRY,
			    start, out, depth))
			return false;
	set_le32(out, start + W, out->size - start);
	return true;
}

/* A double where that is shown with the same digits; else a decimal, if it can be one. */
static uint8_t put_real(struct json_object *json, struct fl_buf *out)
{
	size_t size = 0;
	const char *text = json_object_to_json_string_length(json, JSON_C_TO_STRING_PLAIN, &size);
	size_t const start = out->size;
	double const value = json_object_get_double(json);
	uint64_t image;
	unsigned precision, scale;
	memcpy(&image, &value, sizeof(image));

	struct fl_buf document = { 0 }, shown = { 0 };
	fl_buf_char(&document, FL_JSON_DOUBLE);
	put_le(&document, image, sizeof(image));
	bool same = !document.failed &&
		    fl_json_decode((struct fl_bytes){ document.data, document.size }, SIZE_MAX,
			    &shown, NULL) == 0 &&
		    shown.size == size && memcmp(shown.data, text, size) == 0;
	fl_buf_finish(&document);
	fl_buf_finish(&shown);
	if (!same && fl_encode_digits((struct fl_bytes){ text, size }, &precision, &scale)) {
		fl_buf_char(out, (char)FL_TYPE_NEWDECIMAL);
		put_length(out, 2 + fl_decimal_size(precision, scale));
		fl_buf_char(out, (char)precision);
		fl_buf_char(out, (char)scale);
		if (fl_encode_decimal((struct fl_bytes){ text, size }, precision, scale, out))
			return FL_JSON_OPAQUE;
		out->size = start;
	}
	put_le(out, image, sizeof(image));
	return FL_JSON_DOUBLE;
}

static bool put_value(
	struct json_object *json, uint8_t *ret_type, struct fl_buf *out, unsigned depth)
{
	if (depth > FL_JSON_DEEPEST)
		return false;
	switch (json_object_get_type(json)) {
	case json_type_null:
		*ret_type = FL_JSON_LITERAL;
		fl_buf_char(out, 0);
		return true;
	case json_type_boolean:
		*ret_type = FL_JSON_LITERAL;
		fl_buf_char(out, json_object_get_boolean(json) ? 1 : 2);
		return true;
	case json_type_int: {
		uint64_t const big = json_object_get_uint64(json);
		*ret_type = big > INT64_MAX ? FL_JSON_UINT64 : FL_JSON_INT64;
		put_le(out, big > INT64_MAX ? big : (uint64_t)json_object_get_int64(json), 8);
		return true;
	}
	case json_type_double:
		if (!isfinite(json_object_get_double(json)))
			return false;
		*ret_type = put_real(json, out);
		return true;
	case json_type_string: {
		size_t const size = (size_t)json_object_get_string_len(json);
		*ret_type = FL_JSON_TEXT;
		put_length(out, size);
		fl_buf_append(out, json_object_get_string(json), size);
		return true;
	}
	case json_type_object:
		*ret_type = FL_JSON_LARGE_OBJECT;
		return put_object(json, out, depth);
	case json_type_array:
		*ret_type = FL_JSON_LARGE_ARRAY;
		return put_array(json, out, depth);
	}
	return false;
}

bool fl_encode_document(struct json_object *json, struct fl_buf *out)
{
	size_t const at = out->size;
	uint8_t type = 0;
	fl_buf_char(out, 0);
	if (!put_value(json, &type, out, 0))
		return false;
	if (!out->failed)
		out->data[at] = (char)type;
	return true;
}
