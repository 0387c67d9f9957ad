/* SPDX-License-Identifier: Apache-2.0 */
#include "binlog/value.h"

bool fl_type_is_integer(uint8_t type)
{
	return type == FL_TYPE_TINY || type == FL_TYPE_SHORT || type == FL_TYPE_INT24 ||
	       type == FL_TYPE_LONG || type == FL_TYPE_LONGLONG;
}

bool fl_type_is_numeric(uint8_t type)
{
	return fl_type_is_integer(type) || type == FL_TYPE_FLOAT || type == FL_TYPE_DOUBLE ||
	       type == FL_TYPE_NEWDECIMAL || type == FL_TYPE_YEAR;
}

bool fl_type_has_labels(uint8_t type)
{
	return type == FL_TYPE_ENUM || type == FL_TYPE_SET;
}

bool fl_type_has_charset(uint8_t type)
{
	switch (type) {
	case FL_TYPE_STRING:
	case FL_TYPE_VARCHAR:
	case FL_TYPE_VAR_STRING:
	case FL_TYPE_TINY_BLOB:
	case FL_TYPE_MEDIUM_BLOB:
	case FL_TYPE_LONG_BLOB:
	case FL_TYPE_BLOB:
	case FL_TYPE_VARCHAR_COMPRESSED:
	case FL_TYPE_BLOB_COMPRESSED:
		return true;
	default:
		return false;
	}
}

/* CHAR, ENUM and SET share one type on the wire. Two bytes tell them apart:
 *
 *   ENUM, SET   the type (247, 248), the bytes of a value
 *   CHAR        the type (254) whose bits 4 and 5 are inverted by bits 9 and 8 of the length in
 *               bytes, the length's lower 8 bits
 */
static bool lay_out_string(struct fl_column_def *def, const uint8_t *meta)
{
	if ((meta[0] & 0x30) == 0x30 && fl_type_has_labels(meta[0])) {
		def->type = meta[0];
		def->meta = meta[1];
		def->fixed_size = meta[1];
		return meta[1] == 1 || meta[1] == 2 ||
		       (meta[0] == FL_TYPE_SET && (meta[1] == 3 || meta[1] == 4 || meta[1] == 8));
	}
	def->meta = (uint16_t)(meta[1] | ((meta[0] & 0x30) ^ 0x30) << 4);
	def->fixed_size = def->meta;
	def->length_bytes = def->meta > 255 ? 2 : 1;
	return (meta[0] | 0x30) == FL_TYPE_STRING;
}

static bool lay_out_bit(struct fl_column_def *def, const uint8_t *meta)
{
	/* the bits beyond whole bytes, whole bytes */
	def->meta = (uint16_t)(meta[1] * 8 + meta[0]);
	def->fixed_size = (uint32_t)meta[1] + (meta[0] > 0);
	return meta[0] < 8 && def->meta >= 1 && def->meta <= 64;
}

static bool lay_out_decimal(struct fl_column_def *def, const uint8_t *meta)
{
	unsigned precision = meta[0], scale = meta[1];
	if (precision < 1 || precision > 65 || scale > precision)
		return false;
	def->meta = (uint16_t)(precision | scale << 8);
	def->fixed_size = fl_decimal_size(precision, scale);
	return true;
}

int fl_column_metadata_size(uint8_t type)
{
	switch (type) {
	case FL_TYPE_TINY:
	case FL_TYPE_SHORT:
	case FL_TYPE_LONG:
	case FL_TYPE_LONGLONG:
	case FL_TYPE_INT24:
	case FL_TYPE_YEAR:
	case FL_TYPE_DATE:
	case FL_TYPE_NEWDATE:
	case FL_TYPE_TIME:
	case FL_TYPE_DATETIME:
	case FL_TYPE_TIMESTAMP:
		return 0;
	case FL_TYPE_FLOAT:
	case FL_TYPE_DOUBLE:
	case FL_TYPE_TIME2:
	case FL_TYPE_DATETIME2:
	case FL_TYPE_TIMESTAMP2:
	case FL_TYPE_TINY_BLOB:
	case FL_TYPE_MEDIUM_BLOB:
	case FL_TYPE_LONG_BLOB:
	case FL_TYPE_BLOB:
	case FL_TYPE_BLOB_COMPRESSED:
	case FL_TYPE_GEOMETRY:
	case FL_TYPE_JSON:
	case FL_TYPE_VECTOR:
		return 1;
	case FL_TYPE_BIT:
	case FL_TYPE_NEWDECIMAL:
	case FL_TYPE_VARCHAR:
	case FL_TYPE_VARCHAR_COMPRESSED:
	case FL_TYPE_VAR_STRING:
	case FL_TYPE_STRING:
		return 2;
	default:
		return -1;
	}
}

bool fl_column_lay_out(struct fl_column_def *def, const uint8_t *meta)
{
	switch (def->type) {
	case FL_TYPE_TINY:
	case FL_TYPE_YEAR:
		def->fixed_size = 1;
		return true;
	case FL_TYPE_SHORT:
		def->fixed_size = 2;
		return true;
	case FL_TYPE_INT24:
		def->fixed_size = 3;
		return true;
	case FL_TYPE_LONG:
		def->fixed_size = 4;
		return true;
	case FL_TYPE_LONGLONG:
		def->fixed_size = 8;
		return true;
	case FL_TYPE_FLOAT:
	case FL_TYPE_DOUBLE:
		def->fixed_size = def->meta = meta[0];
		return meta[0] == (def->type == FL_TYPE_FLOAT ? 4 : 8);
	case FL_TYPE_DATE:
	case FL_TYPE_NEWDATE:
	case FL_TYPE_TIME:
	case FL_TYPE_DATETIME:
	case FL_TYPE_TIMESTAMP:
		def->fixed_size = fl_temporal_size(def->type, 0);
		return true;
	case FL_TYPE_TIME2:
	case FL_TYPE_DATETIME2:
	case FL_TYPE_TIMESTAMP2:
		def->meta = meta[0];
		if (meta[0] > 6)
			return false;
		def->fixed_size = fl_temporal_size(def->type, meta[0]);
		return true;
	case FL_TYPE_BIT:
		return lay_out_bit(def, meta);
	case FL_TYPE_NEWDECIMAL:
		return lay_out_decimal(def, meta);
	case FL_TYPE_VARCHAR:
	case FL_TYPE_VARCHAR_COMPRESSED:
	case FL_TYPE_VAR_STRING:
		def->meta = (uint16_t)fl_le(meta, 2);
		def->length_bytes = def->meta > 255 ? 2 : 1;
		return true;
	case FL_TYPE_STRING:
		return lay_out_string(def, meta);
	default: /* BLOB and what is stored as one */
		def->meta = def->length_bytes = meta[0];
		return meta[0] >= 1 && meta[0] <= 4;
	}
}

static enum fl_form form_of_text(const struct fl_column_def *def)
{
	if (def->charset == FL_CHARSET_OTHER)
		return FL_FORM_NONE;
	return def->charset == FL_CHARSET_BINARY ? FL_FORM_BINARY : FL_FORM_TEXT;
}

enum fl_form fl_column_form(const struct fl_column_def *def)
{
	if (def->not_decoded != NULL)
		return FL_FORM_NONE;
	switch (def->type) {
	case FL_TYPE_TINY:
	case FL_TYPE_SHORT:
	case FL_TYPE_INT24:
	case FL_TYPE_LONG:
	case FL_TYPE_LONGLONG:
	case FL_TYPE_FLOAT:
	case FL_TYPE_DOUBLE:
	case FL_TYPE_BIT:
	case FL_TYPE_YEAR:
		return FL_FORM_NUMBER;
	case FL_TYPE_GEOMETRY:
		return def->geometry == FL_GEOMETRY_WKB ? FL_FORM_BINARY : FL_FORM_GEOJSON;
	case FL_TYPE_VECTOR:
		return FL_FORM_BINARY;
	case FL_TYPE_BLOB_COMPRESSED:
	case FL_TYPE_VARCHAR_COMPRESSED:
		return form_of_text(def) == FL_FORM_NONE ? FL_FORM_NONE : FL_FORM_COMPRESSED;
	case FL_TYPE_JSON:
		return FL_FORM_JSON;
	case FL_TYPE_ENUM:
		return def->label_count > 0 ? FL_FORM_ENUM : FL_FORM_NONE;
	case FL_TYPE_SET:
		return def->label_count > 0 ? FL_FORM_SET : FL_FORM_NONE;
	default:
		return fl_type_has_charset(def->type) ? form_of_text(def) : FL_FORM_SHORT;
	}
}
