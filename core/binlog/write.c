/* SPDX-License-Identifier: Apache-2.0
 *
 * What writes a column's values as JSON: chosen once, when the definition is settled, so that a row
 * needs one call a value and no questions.
 */
#include "binlog/charset.h"
#include "binlog/value.h"

#define WRITER(name) static FL_VALUE_WRITER(name)

WRITER(write_int8)
{
	return fl_int_write((int8_t)at[0], to);
}
WRITER(write_int16)
{
	return fl_int_write((int16_t)fl_le16(at), to);
}
WRITER(write_int24)
{
	return fl_int_write(fl_int24(at), to);
}
WRITER(write_int32)
{
	return fl_int_write((int32_t)fl_le32(at), to);
}
WRITER(write_int64)
{
	return fl_int_write((int64_t)fl_le64(at), to);
}
WRITER(write_uint8)
{
	return fl_uint_write(at[0], to);
}
WRITER(write_uint16)
{
	return fl_uint_write(fl_le16(at), to);
}
WRITER(write_uint24)
{
	return fl_uint_write(fl_uint24(at), to);
}
WRITER(write_uint32)
{
	return fl_uint_write(fl_le32(at), to);
}
WRITER(write_uint64)
{
	return fl_uint_write(fl_le64(at), to);
}
WRITER(write_bit)
{
	return fl_uint_write(fl_bit_value(at, size), to);
}
WRITER(write_year)
{
	return fl_uint_write(fl_year(at), to);
}
WRITER(write_float)
{
	return fl_float_write(fl_float(at), to);
}
WRITER(write_double)
{
	return fl_double_write(fl_double(at), to);
}

WRITER(write_address)
{
	*to = '"';
	return fl_quote(fl_address_write(def, at, size, to + 1));
}

WRITER(write_bytes)
{
	*to = '"';
	return fl_quote(fl_base64_write(at, size, to + 1));
}

WRITER(write_padded)
{
	uint8_t buffer[FL_LONGEST_CHAR];
	struct fl_cell const cell = fl_cell_padded(def, (struct fl_cell){ at, size }, buffer);
	*to = '"';
	return fl_quote(fl_base64_write(cell.at, cell.size, to + 1));
}

/* In pieces, as names are. */
static inline char *copy_label(struct fl_bytes label, char *to)
{
	for (size_t i = 0; i < label.size; i += FL_NAME_PAD)
		memcpy(to + i, label.data + i, FL_NAME_PAD);
	return to + label.size;
}

/* Index 0, an invalid value that the server let pass, is shown as the server does, as "". */
WRITER(write_enum)
{
	uint32_t const index = size == 1 ? at[0] : fl_le16(at);
	if (index > def->label_count)
		return NULL;
	*to++ = '"';
	if (index > 0)
		to = copy_label(def->json_labels[index - 1], to);
	*to = '"';
	return to + 1;
}

/* Bit 0 is the first label. */
WRITER(write_set)
{
	uint64_t bits = fl_le(at, size);
	if (def->label_count < 64 && bits >> def->label_count != 0)
		return NULL;
	*to = '"';
	if (bits == 0)
		return fl_quote(to + 1);
	for (; bits != 0; bits &= bits - 1) {
		to = copy_label(def->json_labels[__builtin_ctzll(bits)], to + 1);
		*to = ',';
	}
	return fl_quote(to);
}

static fl_value_writer *number_writer(const struct fl_column_def *def)
{
	bool const positive = def->is_unsigned;
	switch (def->type) {
	case FL_TYPE_TINY:
		return positive ? write_uint8 : write_int8;
	case FL_TYPE_SHORT:
		return positive ? write_uint16 : write_int16;
	case FL_TYPE_INT24:
		return positive ? write_uint24 : write_int24;
	case FL_TYPE_LONG:
		return positive ? write_uint32 : write_int32;
	case FL_TYPE_FLOAT:
		return write_float;
	case FL_TYPE_DOUBLE:
		return write_double;
	case FL_TYPE_BIT:
		return write_bit;
	case FL_TYPE_YEAR:
		return write_year;
	default:
		return positive ? write_uint64 : write_int64;
	}
}

static fl_value_writer *short_writer(const struct fl_column_def *def)
{
	switch (def->type) {
	case FL_TYPE_NEWDECIMAL:
		return fl_decimal_json;
	case FL_TYPE_INET4:
	case FL_TYPE_INET6:
	case FL_TYPE_UUID:
		return write_address;
	default:
		return fl_temporal_writer(def->type);
	}
}

/* Of labels with more text than that, one is looked at at a time. */
enum { MOST_LABELS = 64 << 10 };

/* What all of them take, escaped; 0: they are not known. */
static size_t labels_room(const struct fl_column_def *def)
{
	size_t room = 0;
	for (uint32_t i = 0; def->json_labels != NULL && i < def->label_count; i++)
		room += def->json_labels[i].size + 1;
	return room;
}

void fl_column_set_form(struct fl_column_def *def, enum fl_form form)
{
	def->form = (uint8_t)form;
	def->write = NULL;
	def->room = FL_SHORT_MAX + 2;
	switch (form) {
	case FL_FORM_NUMBER:
		def->write = number_writer(def);
		break;
	case FL_FORM_SHORT:
		def->write = short_writer(def);
		break;
	case FL_FORM_TEXT:
		def->write = fl_charset_writer(def->charset);
		break;
	case FL_FORM_BINARY:
		def->write = def->type == FL_TYPE_STRING ? write_padded : write_bytes;
		def->room += (uint32_t)fl_base64_size(def->fixed_size);
		break;
	case FL_FORM_BYTES:
		def->write = write_bytes;
		break;
	case FL_FORM_ENUM:
	case FL_FORM_SET: {
		size_t const labels = labels_room(def);
		if (labels == 0 || labels > MOST_LABELS)
			break;
		def->write = form == FL_FORM_ENUM ? write_enum : write_set;
		def->room += (uint32_t)labels;
		break;
	}
	case FL_FORM_JSON:
	case FL_FORM_GEOJSON:
	case FL_FORM_COMPRESSED:
	case FL_FORM_SIGNLESS:
	case FL_FORM_NONE:
		break;
	}
	if (def->hidden)
		def->write = NULL;
}

int fl_column_escape_labels(struct fl_column_def *def, struct fl_arena *arena)
{
	uint32_t const count = def->label_count;
	def->json_labels = NULL;
	if (count == 0)
		return 0;
	for (uint32_t i = 0; i < count; i++)
		if (def->labels[i].data == NULL)
			return 0;
	struct fl_bytes *labels = fl_arena_alloc(arena, count * sizeof(*labels));
	struct fl_buf text = { 0 };
	int code = labels == NULL ? FL_ENOMEM : 0;
	for (uint32_t i = 0; i < count && code == 0; i++) {
		fl_buf_clear(&text);
		code = fl_charset_json(FL_CHARSET_UTF8, def->labels[i], &text);
		size_t const size = text.size;
		fl_buf_append(&text, (char[FL_NAME_PAD]){ 0 }, FL_NAME_PAD);
		labels[i] = (struct fl_bytes){
			text.failed ? NULL : fl_arena_copy(arena, text.data, text.size), size
		};
		if (code == 0 && labels[i].data == NULL)
			code = FL_ENOMEM;
	}
	fl_buf_finish(&text);
	if (code == 0)
		def->json_labels = labels;
	/* labels that are no UTF-8 are an error of whoever asks for a value */
	return code == FL_ENOMEM ? code : 0;
}
