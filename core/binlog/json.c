/* SPDX-License-Identifier: Apache-2.0 */
#include "binlog/json.h"
#include "binlog/row.h"
#include "binlog/value.h"

struct document {
	struct fl_buf *out;
	size_t limit; /* that out->size must not exceed */
	unsigned depth;
};

static int render(struct document *doc, uint8_t type, struct fl_cursor *c);

uint32_t fl_json_take_length(struct fl_cursor *c)
{
	uint64_t length = 0;
	for (unsigned shift = 0; shift < 35; shift += 7) {
		uint8_t byte = fl_take_u8(c);
		length |= (uint64_t)(byte & 0x7f) << shift;
		if ((byte & 0x80) == 0 && length <= UINT32_MAX)
			return (uint32_t)length;
	}
	c->failed = true;
	return 0;
}

static int render_text(struct document *doc, struct fl_bytes text)
{
	fl_buf_char(doc->out, '"');
	int code = fl_charset_json(FL_CHARSET_UTF8, text, doc->out);
	fl_buf_char(doc->out, '"');
	return code;
}

/* Any column type without a JSON form of its own: "base64:type15:YWJj", lines of 76 characters. */
static int render_base64(struct document *doc, uint8_t type, struct fl_bytes data)
{
	enum { LINE = 57 }; /* bytes, 76 characters */
	char *to = fl_buf_reserve(doc->out, 32 + data.size * 2);
	if (to == NULL)
		return FL_ENOMEM;
	memcpy(to, "\"base64:type", 12);
	to = fl_uint_write(type, to + 12);
	*to++ = ':';
	for (size_t i = 0; i < data.size; i += LINE) {
		if (i > 0) {
			*to++ = '\\';
			*to++ = 'n';
		}
		size_t size = data.size - i < LINE ? data.size - i : LINE;
		to = fl_base64_write((const uint8_t *)data.data + i, size, to);
	}
	*to++ = '"';
	doc->out->size = (size_t)(to - doc->out->data);
	return 0;
}

static int render_opaque(struct document *doc, struct fl_cursor *c)
{
	uint8_t type = fl_take_u8(c);
	struct fl_bytes data = fl_take_bytes(c, fl_json_take_length(c));
	if (c->failed)
		return FL_ECORRUPT;
	const uint8_t *at = (const uint8_t *)data.data;
	char *to = fl_buf_reserve(doc->out, FL_SHORT_MAX + 2);
	if (to == NULL)
		return FL_ENOMEM;
	switch (type) {
	case FL_TYPE_NEWDECIMAL: /* precision, scale, digits as in a column */
		if (data.size < 2 || at[0] < 1 || at[0] > 65 || at[1] > at[0] ||
			data.size != 2 + fl_decimal_size(at[0], at[1]))
			return FL_ECORRUPT;
		to = fl_decimal_write(at + 2, at[0], at[1], to);
		break;
	case FL_TYPE_DATE:
	case FL_TYPE_TIME:
	case FL_TYPE_DATETIME:
	case FL_TYPE_TIMESTAMP: /* 8 bytes, packed */
		if (data.size != 8)
			return FL_ECORRUPT;
		*to = '"';
		to = fl_temporal_packed_write(type, fl_le(at, 8), to + 1);
		if (to != NULL)
			*to++ = '"';
		break;
	default:
		return render_base64(doc, type, data);
	}
	if (to == NULL)
		return FL_ECORRUPT;
	doc->out->size = (size_t)(to - doc->out->data);
	return 0;
}

/* A whole number that is a double is told by its ".0". */
static char *write_double(uint64_t bits, char *to)
{
	double value;
	memcpy(&value, &bits, sizeof(value));
	char *end = fl_double_write(value, to);
	if (end == NULL)
		return NULL;
	for (const char *at = to; at < end; at++) {
		if (*at == '.' || *at == 'e')
			return end;
	}
	memcpy(end, ".0", 2);
	return end + 2;
}

static int render_literal(struct document *doc, uint8_t which)
{
	static const char *const names[] = { "null", "true", "false" };
	if (which > 2)
		return FL_ECORRUPT;
	fl_buf_text(doc->out, names[which]);
	return 0;
}

static int render_number(struct document *doc, uint8_t type, struct fl_cursor *c)
{
	char *to = fl_buf_reserve(doc->out, FL_SHORT_MAX);
	if (to == NULL)
		return FL_ENOMEM;
	switch (type) {
	case FL_JSON_INT16:
		to = fl_int_write((int16_t)fl_take_u16(c), to);
		break;
	case FL_JSON_INT32:
		to = fl_int_write((int32_t)fl_take_u32(c), to);
		break;
	case FL_JSON_INT64:
		to = fl_int_write((int64_t)fl_take_u64(c), to);
		break;
	case FL_JSON_UINT16:
		to = fl_uint_write(fl_take_u16(c), to);
		break;
	case FL_JSON_UINT32:
		to = fl_uint_write(fl_take_u32(c), to);
		break;
	case FL_JSON_UINT64:
		to = fl_uint_write(fl_take_u64(c), to);
		break;
	case FL_JSON_DOUBLE:
		to = write_double(fl_take_u64(c), to);
		break;
	default:
		return FL_ECORRUPT;
	}
	if (to == NULL)
		return FL_ECORRUPT;
	doc->out->size = (size_t)(to - doc->out->data);
	return 0;
}

/* The part of the container from `offset` on. */
static struct fl_cursor part_at(const struct fl_json_container *container, uint64_t offset)
{
	struct fl_cursor c = fl_cursor(container->data.data, container->data.size);
	fl_take(&c, (size_t)offset);
	return c;
}

int fl_json_open(uint8_t type, struct fl_cursor at, struct fl_json_container *ret)
{
	struct fl_json_container container = { 0 };
	bool const is_object = type == FL_JSON_SMALL_OBJECT || type == FL_JSON_LARGE_OBJECT;
	size_t const w = type == FL_JSON_SMALL_OBJECT || type == FL_JSON_SMALL_ARRAY ? 2 : 4;
	struct fl_cursor start = at;
	uint64_t count = fl_take_uint(&at, w);
	uint64_t size = fl_take_uint(&at, w);
	if (at.failed || size > fl_cursor_left(&start) || size < 2 * w)
		return FL_ECORRUPT;
	container.data = fl_take_bytes(&start, (size_t)size);
	struct fl_cursor c = part_at(&container, 2 * w);
	if (count > size / (is_object ? 2 * w + 3 : w + 1))
		return FL_ECORRUPT;
	struct fl_bytes keys = fl_take_bytes(&c, is_object ? count * (w + 2) : 0);
	struct fl_bytes values = fl_take_bytes(&c, count * (1 + w));
	if (c.failed)
		return FL_ECORRUPT;
	container.keys = fl_cursor(keys.data, keys.size);
	container.values = fl_cursor(values.data, values.size);
	container.count = (uint32_t)count;
	container.w = w;
	container.is_object = is_object;
	*ret = container;
	return 0;
}

struct fl_bytes fl_json_next_key(struct fl_json_container *container, bool *failed)
{
	uint64_t offset = fl_take_uint(&container->keys, container->w);
	uint16_t length = fl_take_u16(&container->keys);
	struct fl_cursor at = part_at(container, offset);
	struct fl_bytes key = fl_take_bytes(&at, length);
	*failed |= at.failed;
	return key;
}

uint8_t fl_json_next_value(struct fl_json_container *container, struct fl_cursor *ret)
{
	uint8_t type = fl_take_u8(&container->values);
	if (fl_json_is_inline(type, container->w)) {
		struct fl_bytes entry = fl_take_bytes(&container->values, container->w);
		*ret = fl_cursor(entry.data, entry.size);
	} else {
		*ret = part_at(container, fl_take_uint(&container->values, container->w));
	}
	return type;
}

static int render_container(struct document *doc, uint8_t type, struct fl_cursor c)
{
	struct fl_json_container container;
	if (doc->depth >= FL_JSON_DEEPEST || fl_json_open(type, c, &container) < 0)
		return FL_ECORRUPT;
	doc->depth++;
	fl_buf_char(doc->out, container.is_object ? '{' : '[');
	for (uint32_t i = 0; i < container.count; i++) {
		bool failed = false;
		int code = 0;
		if (i > 0)
			fl_buf_append(doc->out, ", ", 2);
		if (container.is_object) {
			struct fl_bytes key = fl_json_next_key(&container, &failed);
			code = failed ? FL_ECORRUPT : render_text(doc, key);
			fl_buf_append(doc->out, ": ", 2);
		}
		struct fl_cursor at;
		uint8_t of = fl_json_next_value(&container, &at);
		if (code == 0)
			code = render(doc, of, &at);
		if (code < 0)
			return code;
	}
	fl_buf_char(doc->out, container.is_object ? '}' : ']');
	doc->depth--;
	return 0;
}

/* A value of the given type at the cursor. */
static int render(struct document *doc, uint8_t type, struct fl_cursor *c)
{
	int code;
	switch (type) {
	case FL_JSON_SMALL_OBJECT:
	case FL_JSON_LARGE_OBJECT:
	case FL_JSON_SMALL_ARRAY:
	case FL_JSON_LARGE_ARRAY:
		code = render_container(doc, type, *c);
		break;
	case FL_JSON_LITERAL:
		code = render_literal(doc, fl_take_u8(c));
		break;
	case FL_JSON_TEXT:
		code = render_text(doc, fl_take_bytes(c, fl_json_take_length(c)));
		break;
	case FL_JSON_OPAQUE:
		code = render_opaque(doc, c);
		break;
	default:
		code = render_number(doc, type, c);
	}
	if (code < 0)
		return code;
	if (doc->out->failed)
		return FL_ENOMEM;
	return c->failed || doc->out->size > doc->limit ? FL_ECORRUPT : 0;
}

int fl_json_decode(struct fl_bytes binary, size_t limit, struct fl_buf *out, struct fl_err *err)
{
	size_t const start = out->size;
	struct document doc = { .out = out };
	doc.limit = limit < SIZE_MAX - start ? start + limit : SIZE_MAX;
	/* A NOT NULL column without a value, as an ALTER TABLE may leave it, has no bytes at all.
	 */
	if (binary.size == 0) {
		fl_buf_text(out, "null");
		return out->failed ? fl_err_set(err, FL_ENOMEM, "out of memory") : 0;
	}
	struct fl_cursor c = fl_cursor(binary.data, binary.size);
	int code = render(&doc, fl_take_u8(&c), &c);
	if (code == 0)
		return 0;
	out->size = start;
	if (code == FL_ENOMEM)
		return fl_err_set(err, code, "out of memory");
	return fl_err_set(err, code, "the binary JSON document is damaged");
}
