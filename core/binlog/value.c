/* SPDX-License-Identifier: Apache-2.0 */
#include "binlog/value.h"
#include "binlog/row.h"

static int64_t read_int(const uint8_t *at, uint8_t type)
{
	switch (type) {
	case FL_TYPE_TINY:
		return (int8_t)at[0];
	case FL_TYPE_SHORT:
		return (int16_t)fl_le16(at);
	case FL_TYPE_INT24:
		return fl_int24(at);
	case FL_TYPE_LONG:
		return (int32_t)fl_le32(at);
	default:
		return (int64_t)fl_le64(at);
	}
}

static uint64_t read_uint(const uint8_t *at, uint8_t type)
{
	switch (type) {
	case FL_TYPE_TINY:
		return at[0];
	case FL_TYPE_SHORT:
		return fl_le16(at);
	case FL_TYPE_INT24:
		return fl_uint24(at);
	case FL_TYPE_LONG:
		return fl_le32(at);
	default:
		return fl_le64(at);
	}
}

struct fl_cell fl_cell_padded(
	const struct fl_column_def *def, struct fl_cell cell, uint8_t buffer[FL_LONGEST_CHAR])
{
	if (def->type != FL_TYPE_STRING || cell.size >= def->fixed_size ||
		def->form == FL_FORM_BYTES)
		return cell;
	memset(buffer, 0, def->fixed_size);
	memcpy(buffer, cell.at, cell.size);
	return (struct fl_cell){ buffer, def->fixed_size };
}

static struct fl_bytes as_text(struct fl_cell cell)
{
	return (struct fl_bytes){ (const char *)cell.at, cell.size };
}

/* An ENUM's label; index 0, an invalid value that the server let pass, is shown as the server does,
 * as an empty text. */
static int enum_label(
	const struct fl_column_def *def, struct fl_cell cell, struct fl_bytes *ret_label)
{
	uint64_t index = fl_le(cell.at, cell.size);
	if (index > def->label_count)
		return FL_ECORRUPT;
	struct fl_bytes const label =
		index > 0 ? def->labels[index - 1] : (struct fl_bytes){ "", 0 };
	if (label.data == NULL)
		return FL_EUNSUPPORTED;
	*ret_label = label;
	return 0;
}

/* A SET's labels: bit 0 is the first. `escape`: for JSON. */
static int write_set(
	const struct fl_column_def *def, struct fl_cell cell, bool escape, struct fl_buf *out)
{
	uint64_t bits = fl_le(cell.at, cell.size);
	if (def->label_count < 64 && bits >> def->label_count != 0)
		return FL_ECORRUPT;
	bool first = true;
	for (; bits != 0; bits &= bits - 1) {
		struct fl_bytes label = def->labels[__builtin_ctzll(bits)];
		if (label.data == NULL)
			return FL_EUNSUPPORTED;
		if (!first)
			fl_buf_char(out, ',');
		first = false;
		if (escape)
			fl_charset_json(FL_CHARSET_UTF8, label, out);
		else
			fl_buf_append(out, label.data, label.size);
	}
	return out->failed ? FL_ENOMEM : 0;
}

static int json_base64(const struct fl_column_def *def, struct fl_cell cell, struct fl_buf *out)
{
	uint8_t buffer[FL_LONGEST_CHAR];
	cell = fl_cell_padded(def, cell, buffer);
	char *to = fl_buf_reserve(out, fl_base64_size(cell.size) + 2);
	if (to == NULL)
		return FL_ENOMEM;
	*to++ = '"';
	to = fl_base64_write(cell.at, cell.size, to);
	*to++ = '"';
	out->size = (size_t)(to - out->data);
	return 0;
}

static int json_quoted(enum fl_charset charset, struct fl_bytes text, struct fl_buf *out)
{
	fl_buf_char(out, '"');
	int code = fl_charset_json(charset, text, out);
	fl_buf_char(out, '"');
	return code;
}

/* A document's text is at most six times its binary form (a run of control characters), or a few
 * times where that is short: more means that its parts lie over one another. */
static int json_document(struct fl_cell cell, struct fl_buf *out)
{
	return fl_json_decode(as_text(cell), 64 + 8 * (size_t)cell.size, out, NULL);
}

/* How a COMPRESSED column would be defined if it weren't. */
static struct fl_column_def plain_of(const struct fl_column_def *def)
{
	struct fl_column_def plain = *def;
	plain.type = FL_TYPE_BLOB;
	fl_column_set_form(&plain, fl_column_form(&plain));
	return plain;
}

static int inflated(const struct fl_column_def *def, struct fl_cell cell, struct fl_buf *out,
	int (*show)(const struct fl_column_def *, struct fl_cell, struct fl_buf *))
{
	struct fl_column_def const plain = plain_of(def);
	struct fl_cell value;
	void *memory;
	int code = fl_compressed_read(def, cell, &value, &memory);
	if (code == 0)
		code = show(&plain, value, out);
	free(memory);
	return code;
}

/* An integer whose sign is not known, as the number that it is either way; as text too. */
static int write_signless(const struct fl_column_def *def, struct fl_cell cell, struct fl_buf *out)
{
	uint64_t value = read_uint(cell.at, def->type);
	if (value >> (8 * cell.size - 1) != 0)
		return FL_EUNSUPPORTED;
	char *to = fl_buf_reserve(out, FL_SHORT_MAX);
	if (to == NULL)
		return FL_ENOMEM;
	out->size = (size_t)(fl_uint_write(value, to) - out->data);
	return 0;
}

int fl_value_json(const struct fl_column_def *def, struct fl_cell cell, struct fl_buf *out)
{
	if (def->write != NULL && cell.size <= FL_TEXT_SHORT) {
		char *to = fl_buf_reserve(out, def->room + (size_t)cell.size * FL_TEXT_WORST);
		if (to == NULL)
			return FL_ENOMEM;
		char *end = def->write(def, cell.at, cell.size, to);
		if (end == NULL)
			return FL_ECORRUPT;
		out->size = (size_t)(end - out->data);
		return 0;
	}
	switch ((enum fl_form)def->form) {
	case FL_FORM_TEXT:
		return json_quoted(def->charset, as_text(cell), out);
	case FL_FORM_BINARY:
	case FL_FORM_BYTES:
		return json_base64(def, cell, out);
	case FL_FORM_ENUM: {
		struct fl_bytes label;
		int code = enum_label(def, cell, &label);
		return code < 0 ? code : json_quoted(FL_CHARSET_UTF8, label, out);
	}
	case FL_FORM_SET: {
		fl_buf_char(out, '"');
		int code = write_set(def, cell, true, out);
		fl_buf_char(out, '"');
		return code;
	}
	case FL_FORM_JSON:
		return json_document(cell, out);
	case FL_FORM_SIGNLESS:
		return write_signless(def, cell, out);
	case FL_FORM_GEOJSON:
		return fl_geometry_json(def->geometry, as_text(cell), out);
	case FL_FORM_COMPRESSED:
		return inflated(def, cell, out, fl_value_json);
	case FL_FORM_NUMBER:
	case FL_FORM_SHORT:
	case FL_FORM_NONE:
		break;
	}
	return FL_EUNSUPPORTED;
}

static int text_hex(const struct fl_column_def *def, struct fl_cell cell, struct fl_buf *out)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t buffer[FL_LONGEST_CHAR];
	cell = fl_cell_padded(def, cell, buffer);
	char *to = fl_buf_reserve(out, (size_t)cell.size * 2);
	if (to == NULL)
		return FL_ENOMEM;
	for (uint32_t i = 0; i < cell.size; i++) {
		*to++ = hex[cell.at[i] >> 4];
		*to++ = hex[cell.at[i] & 15];
	}
	out->size += (size_t)cell.size * 2;
	return 0;
}

int fl_value_text(const struct fl_column_def *def, struct fl_cell cell, struct fl_buf *out)
{
	switch ((enum fl_form)def->form) {
	case FL_FORM_NUMBER:
		return fl_value_json(def, cell, out);
	case FL_FORM_SHORT: {
		/* without the quotes */
		char quoted[FL_SHORT_MAX + 2];
		char *end = def->write(def, cell.at, cell.size, quoted);
		if (end == NULL)
			return FL_ECORRUPT;
		fl_buf_append(out, quoted + 1, (size_t)(end - quoted) - 2);
		return out->failed ? FL_ENOMEM : 0;
	}
	case FL_FORM_TEXT:
		return fl_charset_text(def->charset, as_text(cell), out);
	case FL_FORM_BINARY:
	case FL_FORM_BYTES:
		return text_hex(def, cell, out);
	case FL_FORM_ENUM: {
		struct fl_bytes label;
		int code = enum_label(def, cell, &label);
		if (code < 0)
			return code;
		fl_buf_append(out, label.data, label.size);
		return out->failed ? FL_ENOMEM : 0;
	}
	case FL_FORM_SET:
		return write_set(def, cell, false, out);
	case FL_FORM_JSON:
		return json_document(cell, out);
	case FL_FORM_SIGNLESS:
		return write_signless(def, cell, out);
	case FL_FORM_GEOJSON:
		return fl_geometry_json(def->geometry, as_text(cell), out);
	case FL_FORM_COMPRESSED:
		return inflated(def, cell, out, fl_value_text);
	case FL_FORM_NONE:
		break;
	}
	return FL_EUNSUPPORTED;
}

static int decode_number(const struct fl_column_def *def, struct fl_cell cell, struct fl_value *ret)
{
	switch (def->type) {
	case FL_TYPE_FLOAT:
		*ret = (struct fl_value){ .kind = FL_VALUE_FLOAT, .d = (double)fl_float(cell.at) };
		break;
	case FL_TYPE_DOUBLE:
		*ret = (struct fl_value){ .kind = FL_VALUE_DOUBLE, .d = fl_double(cell.at) };
		break;
	case FL_TYPE_BIT:
		*ret = (struct fl_value){ .kind = FL_VALUE_UINT,
			.u = fl_bit_value(cell.at, cell.size) };
		return 0;
	case FL_TYPE_YEAR:
		*ret = (struct fl_value){ .kind = FL_VALUE_UINT, .u = fl_year(cell.at) };
		return 0;
	default:
		*ret = (struct fl_value){ 0 };
		ret->kind = def->is_unsigned ? FL_VALUE_UINT : FL_VALUE_INT;
		if (def->is_unsigned)
			ret->u = read_uint(cell.at, def->type);
		else
			ret->i = read_int(cell.at, def->type);
		return 0;
	}
	return ret->d - ret->d == 0 ? 0 : FL_ECORRUPT;
}

static int append_bytes(const struct fl_column_def *def, struct fl_cell cell, struct fl_buf *out)
{
	(void)def;
	fl_buf_append(out, cell.at, cell.size);
	return out->failed ? FL_ENOMEM : 0;
}

int fl_value_decode(const struct fl_column_def *def, struct fl_cell cell, struct fl_buf *scratch,
	struct fl_value *ret)
{
	struct fl_value value = { 0 };
	int code = 0;
	switch ((enum fl_form)def->form) {
	case FL_FORM_NUMBER:
		code = decode_number(def, cell, &value);
		if (code == 0)
			*ret = value;
		return code;
	case FL_FORM_TEXT:
		value.kind = FL_VALUE_TEXT;
		if (def->charset != FL_CHARSET_UTF8)
			break;
		value.bytes = as_text(cell);
		if (!fl_utf8_is_valid(value.bytes))
			return FL_ECORRUPT;
		*ret = value;
		return 0;
	case FL_FORM_BINARY:
	case FL_FORM_BYTES: {
		uint8_t buffer[FL_LONGEST_CHAR];
		struct fl_cell whole = fl_cell_padded(def, cell, buffer);
		value.kind = FL_VALUE_BINARY;
		value.bytes = as_text(cell);
		if (whole.at != cell.at) {
			fl_buf_append(scratch, whole.at, whole.size);
			value.bytes = (struct fl_bytes){ scratch->data, scratch->size };
		}
		if (scratch->failed)
			return FL_ENOMEM;
		*ret = value;
		return 0;
	}
	case FL_FORM_ENUM:
		value.kind = FL_VALUE_TEXT;
		code = enum_label(def, cell, &value.bytes);
		if (code == 0)
			*ret = value;
		return code;
	case FL_FORM_SHORT:
		value.kind = def->type == FL_TYPE_NEWDECIMAL ? FL_VALUE_NUMBER : FL_VALUE_TEXT;
		break;
	case FL_FORM_SET:
		value.kind = FL_VALUE_TEXT;
		break;
	case FL_FORM_JSON:
	case FL_FORM_GEOJSON:
		value.kind = FL_VALUE_JSON;
		break;
	case FL_FORM_SIGNLESS:
		value.kind = FL_VALUE_NUMBER;
		break;
	case FL_FORM_COMPRESSED: {
		struct fl_column_def const plain = plain_of(def);
		value.kind = plain.form == FL_FORM_BINARY ? FL_VALUE_BINARY : FL_VALUE_TEXT;
		if (plain.form != FL_FORM_BINARY)
			break;
		code = inflated(def, cell, scratch, append_bytes);
		if (code < 0)
			return code;
		value.bytes = (struct fl_bytes){ scratch->data, scratch->size };
		*ret = value;
		return 0;
	}
	case FL_FORM_NONE:
		break;
	}
	code = fl_value_text(def, cell, scratch);
	if (code < 0)
		return code;
	value.bytes = (struct fl_bytes){ scratch->data, scratch->size };
	*ret = value;
	return 0;
}
