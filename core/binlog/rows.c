/* SPDX-License-Identifier: Apache-2.0 */
#include "binlog/rows.h"

#include "binlog/image.h"

bool fl_rows_is(uint8_t event_type)
{
	return (event_type >= FL_EVENT_WRITE_ROWS_V1 && event_type <= FL_EVENT_DELETE_ROWS_V1) ||
	       (event_type >= FL_EVENT_WRITE_ROWS && event_type <= FL_EVENT_DELETE_ROWS) ||
	       event_type == FL_EVENT_PARTIAL_UPDATE_ROWS;
}

static enum fl_op op_of(uint8_t type)
{
	switch (type) {
	case FL_EVENT_WRITE_ROWS:
	case FL_EVENT_WRITE_ROWS_V1:
		return FL_INSERT;
	case FL_EVENT_UPDATE_ROWS:
	case FL_EVENT_UPDATE_ROWS_V1:
	case FL_EVENT_PARTIAL_UPDATE_ROWS:
		return FL_UPDATE;
	default:
		return FL_DELETE;
	}
}

/* The usual bitmap, which has every column, is told by NULL. */
static const uint8_t *take_bitmap(struct fl_cursor *c, unsigned columns)
{
	const uint8_t *bitmap = fl_take(c, (columns + 7) / 8);
	for (unsigned i = 0; bitmap != NULL && i < columns; i += 8) {
		unsigned const all = columns - i < 8 ? (1u << (columns - i)) - 1 : 0xff;
		if ((bitmap[i / 8] & all) != all)
			return bitmap;
	}
	return NULL;
}

/* Rows events:
 *
 *   6 (long ago 4)   table id
 *   2                flags
 *   2+n              v2 only: size of the extra data and of this field itself, extra data
 *   length-encoded   number of columns n
 *   (n+7)/8          bitmap: the columns in the images; UPDATE: in the images before
 *   (n+7)/8          UPDATE: the columns in the images after
 *   ...              the images: INSERT after, DELETE before, UPDATE before and after by turns
 *
 * An image is a bitmap of those of its columns that are NULL, then the values of the others.
 *
 * In PARTIAL_UPDATE_ROWS, which is laid out as UPDATE v2, this stands before each image after:
 *
 *   length-encoded   options: 1: some JSON columns hold changes of the document before
 *   (j+7)/8          with that option: a bit for each of the table's j JSON columns, in the image
 *                    or not: whether it does
 */
int fl_rows_decode(const struct fl_event *event, const struct fl_format *format,
	struct fl_rows *ret, struct fl_err *err)
{
	struct fl_cursor c = fl_cursor(event->body.data, event->body.size);
	struct fl_rows rows = { .op = op_of(event->type),
		.is_partial = event->type == FL_EVENT_PARTIAL_UPDATE_ROWS };
	rows.table_id = fl_take_uint(&c, format->post_header[event->type] == 6 ? 4 : 6);
	rows.flags = fl_take_u16(&c);
	if (event->type >= FL_EVENT_WRITE_ROWS) {
		uint16_t extra = fl_take_u16(&c);
		c.failed = c.failed || extra < 2;
		fl_take(&c, extra >= 2 ? extra - 2u : 0);
	}
	uint64_t count = fl_take_lenenc(&c);
	if (c.failed || count > UINT16_MAX)
		return fl_err_set(err, FL_ECORRUPT, "%s: too short", fl_event_name(event->type));
	rows.column_count = (unsigned)count;
	if (rows.op != FL_INSERT)
		rows.before_present = take_bitmap(&c, rows.column_count);
	if (rows.op != FL_DELETE)
		rows.after_present = take_bitmap(&c, rows.column_count);
	if (c.failed)
		return fl_err_set(err, FL_ECORRUPT, "%s: too short", fl_event_name(event->type));
	rows.data = (struct fl_bytes){ (const char *)c.at, fl_cursor_left(&c) };
	*ret = rows;
	return 0;
}

int fl_rows_check(const struct fl_rows *rows, const struct fl_table_def *def, struct fl_err *err)
{
	if (rows->column_count == def->table.column_count)
		return 0;
	return fl_err_set(err, FL_ECORRUPT,
		"%.*s.%.*s: a rows event of %u columns for a table map of %u",
		(int)def->table.db.size, def->table.db.data, (int)def->table.name.size,
		def->table.name.data, rows->column_count, def->table.column_count);
}

/* Servers leave the bits behind the last column's set. */
static bool has_null(const uint8_t *nulls, unsigned columns)
{
	unsigned any = 0;
	for (unsigned i = 0; i < columns / 8; i++)
		any |= nulls[i];
	if (columns % 8 != 0)
		any |= nulls[columns / 8] & ((1u << columns % 8) - 1);
	return any != 0;
}

/* Goes over the values of an image that has all of them. */
static void take_all(struct fl_cursor *c, const struct fl_table_def *def)
{
	const struct fl_stride *stride = def->strides, *end = stride + def->stride_count;
	const uint8_t *at = c->at;
	size_t left = fl_cursor_left(c);
	for (; stride < end; stride++) {
		size_t const head = (size_t)stride->fixed + stride->length_bytes;
		if (left < head)
			break;
		at += head;
		left -= head;
		size_t const size =
			stride->length_bytes == 1
				? at[-1]
				: (size_t)fl_le(at - stride->length_bytes, stride->length_bytes);
		if (left < size)
			break;
		at += size;
		left -= size;
	}
	c->failed = stride < end || left < def->fixed_end;
	c->at = c->failed ? c->end : at + def->fixed_end;
}

/* Walks one image. */
static void take_image(struct fl_cursor *cursor, const struct fl_table_def *def,
	const uint8_t *present, struct fl_row *ret)
{
	struct fl_cursor c = *cursor; /* a copy, that it may stay in registers */
	const struct fl_column_def *column = def->defs;
	unsigned columns = def->table.column_count;
	unsigned slot = 0;
	const uint8_t *nulls = fl_take(&c, (fl_image_count(present, columns) + 7) / 8);
	if (present == NULL && !c.failed && !has_null(nulls, columns)) {
		take_all(&c, def);
		columns = 0;
	}
	for (unsigned i = 0; i < columns && !c.failed; i++, column++) {
		if (present != NULL && !fl_bit(present, i))
			continue;
		if (fl_bit(nulls, slot++))
			continue;
		size_t size = column->fixed_size;
		if (column->length_bytes == 1)
			size = fl_take_u8(&c);
		else if (column->length_bytes > 1)
			size = (size_t)fl_take_uint(&c, column->length_bytes);
		fl_take(&c, size);
	}
	if (!c.failed)
		*ret = (struct fl_row){ &def->table, present, cursor->at,
			(uint32_t)(c.at - cursor->at), false };
	*cursor = c;
}

/* What stands before an image after in PARTIAL_UPDATE_ROWS: the bitmap, or NULL. */
static const uint8_t *take_partial(
	struct fl_cursor *c, const struct fl_table_def *def, uint64_t *ret_options)
{
	enum { PARTIAL_JSON = 1 };
	*ret_options = fl_take_lenenc(c);
	c->failed |= (*ret_options & ~(uint64_t)PARTIAL_JSON) != 0;
	if ((*ret_options & PARTIAL_JSON) == 0)
		return NULL;
	unsigned documents = 0;
	for (unsigned i = 0; i < def->table.column_count; i++)
		documents += def->defs[i].type == FL_TYPE_JSON;
	return fl_take(c, (documents + 7) / 8);
}

/* Whether the image after lacks columns that the one before has. */
static bool can_complete(const struct fl_rows *rows)
{
	const uint8_t *before = rows->before_present, *after = rows->after_present;
	if (rows->op != FL_UPDATE || after == NULL)
		return false;
	for (unsigned i = 0; i < rows->column_count; i++)
		if (!fl_bit(after, i) && (before == NULL || fl_bit(before, i)))
			return true;
	return false;
}

int fl_rows_next(struct fl_rows *rows, const struct fl_table_def *def, struct fl_row *ret_before,
	struct fl_row *ret_after, struct fl_err *err)
{
	int code = fl_rows_check(rows, def, err);
	if (code < 0)
		return code;
	if (rows->next >= rows->data.size && rows->data.size > 0)
		return 0;
	struct fl_cursor c = fl_cursor(rows->data.data + rows->next, rows->data.size - rows->next);
	const uint8_t *start = c.at, *partial = NULL;
	uint64_t options = 0;
	*ret_before = *ret_after = (struct fl_row){ 0 };
	if (rows->op != FL_INSERT)
		take_image(&c, def, rows->before_present, ret_before);
	if (rows->is_partial)
		partial = take_partial(&c, def, &options);
	if (rows->op != FL_DELETE)
		take_image(&c, def, rows->after_present, ret_after);
	if (options > 1)
		return fl_err_set(err, FL_EUNSUPPORTED,
			FL_TABLE_FMT ": a row with the value options %llu", FL_TABLE_ARG(def),
			(unsigned long long)options);
	/* An image without columns takes no bytes: there is no telling how many such rows the
	 * event stands for. */
	if (c.failed || c.at == start)
		return fl_err_set(err, FL_ECORRUPT, FL_TABLE_FMT ": a row reaches beyond its event",
			FL_TABLE_ARG(def));
	if (partial != NULL || can_complete(rows)) {
		code = fl_image_complete(ret_before, ret_after, partial, rows->arena,
			&rows->completed, ret_after, err);
		if (code < 0)
			return code;
	}
	rows->next += (size_t)(c.at - start);
	return 1;
}
