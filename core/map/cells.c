/* SPDX-License-Identifier: Apache-2.0 */
#include "map/cells.h"

#include "binlog/row.h"

void fl_named_add(struct fl_named *named, unsigned column)
{
	size_t at = 0;
	while (at < named->count && named->columns[at].column < column)
		at++;
	if (at < named->count && named->columns[at].column == column)
		return;
	memmove(named->columns + at + 1, named->columns + at,
		(named->count++ - at) * sizeof(*named->columns));
	named->columns[at] = (struct fl_named_column){ .column = column };
}

void fl_named_settle(struct fl_named *named, const struct fl_table_def *def)
{
	uint32_t at = 0;
	struct fl_named_column *next = named->columns, *end = next + named->count;
	named->null_size = (def->table.column_count + 7) / 8;
	for (unsigned i = 0; i < 8 && next < end; i++) {
		const struct fl_column_def *column = &def->defs[i];
		named->nulls |= (uint8_t)(1u << i);
		if (next->column == i) {
			next->at = at;
			next->size = column->fixed_size;
			next->length_bytes = column->length_bytes;
			next++;
		}
		at += column->fixed_size;
		if (column->length_bytes > 0)
			break;
	}
	named->is_fixed = next == end && named->count > 0;
}

bool fl_cell_is_int(const struct fl_column_def *def)
{
	return fl_type_is_integer(def->type) && def->form == FL_FORM_NUMBER;
}

int fl_cell_refuse_absent(const struct fl_row *row, unsigned column, struct fl_err *err)
{
	struct fl_bytes name = row->table->columns[column].name;
	char number[16];
	if (name.size == 0)
		name = (struct fl_bytes){ number,
			(size_t)snprintf(number, sizeof(number), "%u", column + 1) };
	return fl_err_set(err, FL_EUNSUPPORTED,
		"column %.*s is not in the row image: binlog_row_image is not FULL, or MariaDB "
		"left out a generated column",
		(int)name.size, name.data);
}

/* Whether keys have a column's bytes as something else. */
static bool is_binary(const struct fl_column_def *def)
{
	return def->form == FL_FORM_BINARY || def->form == FL_FORM_BYTES ||
	       def->form == FL_FORM_COMPRESSED;
}

int fl_cell_append_raw(const struct fl_column_def *def, struct fl_cell cell, struct fl_buf *scratch,
	struct fl_buf *out)
{
	struct fl_value value = { 0 };
	if (!is_binary(def))
		return fl_value_text(def, cell, out);
	fl_buf_clear(scratch);
	int code = fl_value_decode(def, cell, scratch, &value);
	if (code < 0)
		return code;
	fl_buf_append(out, value.bytes.data, value.bytes.size);
	return out->failed ? FL_ENOMEM : 0;
}

int fl_cell_append(const struct fl_image *image, unsigned column, bool raw, struct fl_buf *scratch,
	struct fl_buf *out, struct fl_err *err)
{
	const struct fl_row *row = image->row;
	const struct fl_table_def *def = (const struct fl_table_def *)(const void *)row->table;
	const struct fl_found *found = &image->found[column];
	size_t const start = out->size;
	if (found->state == FL_CELL_ABSENT)
		return fl_cell_refuse_absent(row, column, err);
	int code = fl_row_check_known(row, err);
	if (code < 0 || found->state == FL_CELL_NULL)
		return code;
	code = raw ? fl_cell_append_raw(&def->defs[column], found->cell, scratch, out)
		   : fl_value_text(&def->defs[column], found->cell, out);
	if (code == 0)
		return 1;
	out->size = start;
	return fl_row_explain(def, column, code, err);
}
