/* SPDX-License-Identifier: Apache-2.0 */
#include "binlog/row.h"
#include "binlog/value.h"

/* A document: one byte type, then a value of it:
 *
 *   00, 01  object in the small, the large format        02, 03  array in the small, the large
 * format 04      literal: 0 null, 1 true, 2 false             05..0a  int16 uint16 int32 uint32
 * int64 uint64 0b      double                                       0c      text: length, UTF-8 0f
 * opaque: a column type, length, that column's bytes
 *
 * A length takes seven bits a byte, the lowest first; all bytes but the last have the eighth bit.
 */
enum {
	SMALL_OBJECT = 0,
	LARGE_OBJECT = 1,
	SMALL_ARRAY = 2,
	LARGE_ARRAY = 3,
	LITERAL = 4,
	INT16 = 5,
	UINT16 = 6,
	INT32 = 7,
	UINT32 = 8,
	INT64 = 9,
	UINT64 = 10,
	DOUBLE = 11,
	TEXT = 12,
	OPAQUE = 15,
};

enum { DEEPEST = 100 };

struct document {
	struct fl_buf *out;
	size_t limit; /* that out->size must not exceed */
	unsigned depth;
};

static int render(struct document *doc, uint8_t type, struct fl_cursor *c);

static uint32_t take_length(struct fl_cursor *c)
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
	struct fl_bytes data = fl_take_bytes(c, take_length(c));
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
	case INT16:
		to = fl_int_write((int16_t)fl_take_u16(c), to);
		break;
	case INT32:
		to = fl_int_write((int32_t)fl_take_u32(c), to);
		break;
	case INT64:
		to = fl_int_write((int64_t)fl_take_u64(c), to);
		break;
	case UINT16:
		to = fl_uint_write(fl_take_u16(c), to);
		break;
	case UINT32:
		to = fl_uint_write(fl_take_u32(c), to);
		break;
	case UINT64:
		to = fl_uint_write(fl_take_u64(c), to);
		break;
	case DOUBLE:
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

/* Objects and arrays. w is 2 in the small, 4 in the large format; offsets count from the start.
 *
 *   offset   size
 *   0        w           number of elements
 *   w        w           bytes of all of it
 *   2w       (w+2)*n     objects: offset (w) and length (2) of each key
 *   ...      (1+w)*n     type (1) of each value, and its offset (w) or, where it fits, itself
 *   ...                  keys and values
 */
struct container {
	struct fl_bytes data; /* all of it */
	struct fl_cursor keys, values;
	size_t w;
	bool is_object;
};

static bool is_inline(uint8_t type, size_t w)
{
	return type == LITERAL || type == INT16 || type == UINT16 ||
	       (w == 4 && (type == INT32 || type == UINT32));
}

/* The part of the container from `offset` on. */
static struct fl_cursor part_at(const struct container *container, uint64_t offset)
{
	struct fl_cursor c = fl_cursor(container->data.data, container->data.size);
	fl_take(&c, (size_t)offset);
	return c;
}

static int render_key(struct document *doc, struct container *container)
{
	uint64_t offset = fl_take_uint(&container->keys, container->w);
	uint16_t length = fl_take_u16(&container->keys);
	struct fl_cursor at = part_at(container, offset);
	struct fl_bytes key = fl_take_bytes(&at, length);
	if (at.failed)
		return FL_ECORRUPT;
	int code = render_text(doc, key);
	fl_buf_append(doc->out, ": ", 2);
	return code;
}

static int render_element(struct document *doc, struct container *container)
{
	uint8_t type = fl_take_u8(&container->values);
	if (is_inline(type, container->w)) {
		struct fl_bytes entry = fl_take_bytes(&container->values, container->w);
		struct fl_cursor inside = fl_cursor(entry.data, entry.size);
		return render(doc, type, &inside);
	}
	struct fl_cursor at = part_at(container, fl_take_uint(&container->values, container->w));
	return render(doc, type, &at);
}

static int render_container(struct document *doc, uint8_t type, struct fl_cursor c)
{
	struct container container = { .is_object = type == SMALL_OBJECT || type == LARGE_OBJECT };
	size_t const w = type == SMALL_OBJECT || type == SMALL_ARRAY ? 2 : 4;
	container.w = w;
	struct fl_cursor start = c;
	uint64_t count = fl_take_uint(&c, w);
	uint64_t size = fl_take_uint(&c, w);
	if (c.failed || size > fl_cursor_left(&start) || size < 2 * w || doc->depth >= DEEPEST)
		return FL_ECORRUPT;
	container.data = fl_take_bytes(&start, (size_t)size);
	c = part_at(&container, 2 * w);
	if (count > size / (container.is_object ? 2 * w + 3 : w + 1))
		return FL_ECORRUPT;
	struct fl_bytes keys = fl_take_bytes(&c, container.is_object ? count * (w + 2) : 0);
	struct fl_bytes values = fl_take_bytes(&c, count * (1 + w));
	if (c.failed)
		return FL_ECORRUPT;
	container.keys = fl_cursor(keys.data, keys.size);
	container.values = fl_cursor(values.data, values.size);

	doc->depth++;
	fl_buf_char(doc->out, container.is_object ? '{' : '[');
	for (uint64_t i = 0; i < count; i++) {
		if (i > 0)
			fl_buf_append(doc->out, ", ", 2);
		int code = container.is_object ? render_key(doc, &container) : 0;
		if (code == 0)
			code = render_element(doc, &container);
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
	case SMALL_OBJECT:
	case LARGE_OBJECT:
	case SMALL_ARRAY:
	case LARGE_ARRAY:
		code = render_container(doc, type, *c);
		break;
	case LITERAL:
		code = render_literal(doc, fl_take_u8(c));
		break;
	case TEXT:
		code = render_text(doc, fl_take_bytes(c, take_length(c)));
		break;
	case OPAQUE:
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
