/* SPDX-License-Identifier: Apache-2.0
 *
 * Input: a byte that picks the type of a column, a byte of its metadata, and a value of it, as it
 * lies in a row without its length: compressed, a geometry, an address, a time of old.
 */
#include "binlog/row.h"
#include "binlog/value.h"
#include "target.h"

static const uint8_t types[] = { FL_TYPE_BLOB_COMPRESSED, FL_TYPE_VARCHAR_COMPRESSED,
	FL_TYPE_GEOMETRY, FL_TYPE_GEOMETRY, FL_TYPE_INET4, FL_TYPE_INET6, FL_TYPE_UUID,
	FL_TYPE_TIME, FL_TYPE_DATETIME, FL_TYPE_TIMESTAMP };

static void define(uint8_t pick, uint8_t meta, struct fl_column_def *def)
{
	unsigned const index = pick % sizeof(types);
	def->type = types[index];
	switch (def->type) {
	case FL_TYPE_BLOB_COMPRESSED:
		def->length_bytes = (uint8_t)(meta % 4 + 1);
		def->charset = meta & 4 ? FL_CHARSET_BINARY : FL_CHARSET_UTF8;
		break;
	case FL_TYPE_VARCHAR_COMPRESSED:
		def->meta = (uint16_t)(meta * 257);
		def->charset = meta & 1 ? FL_CHARSET_BINARY : FL_CHARSET_LATIN1;
		break;
	case FL_TYPE_GEOMETRY:
		def->length_bytes = 4;
		def->geometry = index == 2 ? FL_GEOMETRY_JSON_MYSQL : FL_GEOMETRY_JSON_MARIADB;
		break;
	case FL_TYPE_INET4:
		def->fixed_size = 4;
		break;
	case FL_TYPE_INET6:
	case FL_TYPE_UUID:
		def->fixed_size = 16;
		break;
	default:
		def->meta = meta % 7;
		def->fixed_size = fl_temporal_size(def->type, def->meta);
		break;
	}
	fl_column_set_form(def, fl_column_form(def));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > UINT32_MAX)
		return 0;
	struct fl_column_def def = { 0 };
	define(data[0], data[1], &def);
	must(def.form != FL_FORM_NONE);
	struct fl_cell const cell = { data + 2, (uint32_t)size - 2 };
	bool const fixed = def.type == FL_TYPE_TIME || def.type == FL_TYPE_DATETIME ||
			   def.type == FL_TYPE_TIMESTAMP;
	if (fixed && cell.size != def.fixed_size)
		return 0;

	struct fl_buf json = { 0 }, text = { 0 }, scratch = { 0 };
	struct fl_value value;
	int code = fl_value_json(&def, cell, &json);
	must(code == 0 || code == FL_ECORRUPT);
	must((fl_value_text(&def, cell, &text) == 0) == (code == 0));
	must((fl_value_decode(&def, cell, &scratch, &value) == 0) == (code == 0));
	size_t const most = def.form == FL_FORM_COMPRESSED ? 6 * 1032 : 8;
	must(code != 0 || (json.size >= 2 && json.size <= FL_SHORT_MAX + most * size));
	for (size_t i = 0; i < json.size && code == 0; i++)
		must((unsigned char)json.data[i] >= ' ');
	fl_buf_finish(&json);
	fl_buf_finish(&text);
	fl_buf_finish(&scratch);
	return 0;
}
