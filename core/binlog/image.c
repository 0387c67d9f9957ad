/* SPDX-License-Identifier: Apache-2.0 */
#include "binlog/image.h"
#include "binlog/json.h"

/* An image in the making. */
struct image {
	struct fl_buf values;
	uint8_t *present, *nulls; /* bitmaps of as many bits as the table has columns */
	unsigned count;		  /* of the columns in it */
	bool is_torn;		  /* lacks a document that has changed */
};

static void put_value(struct image *image, const struct fl_column_def *def, struct fl_cell cell)
{
	char length[8];
	for (unsigned i = 0; i < def->length_bytes; i++)
		length[i] = (char)((uint64_t)cell.size >> 8 * i);
	fl_buf_append(&image->values, length, def->length_bytes);
	fl_buf_append(&image->values, cell.at, cell.size);
}

/* The document before with the changes that are in the cell. */
static int put_changed(struct image *image, const struct fl_table_def *def, unsigned column,
	enum fl_cell_state old_state, struct fl_cell old, struct fl_cell changes,
	struct fl_err *err)
{
	struct fl_bytes const name = def->table.columns[column].name;
	unsigned const length_bytes = def->defs[column].length_bytes;
	struct fl_err why = { 0 };
	if (old_state == FL_CELL_NULL)
		return fl_err_set(err, FL_ECORRUPT,
			FL_TABLE_FMT ".%.*s: a partial JSON update of NULL", FL_TABLE_ARG(def),
			(int)name.size, name.data);
	size_t const start = image->values.size;
	for (unsigned i = 0; i < length_bytes; i++)
		fl_buf_char(&image->values, 0);
	int code = fl_json_apply((struct fl_bytes){ (const char *)old.at, old.size },
		(struct fl_bytes){ (const char *)changes.at, changes.size }, &image->values, &why);
	size_t const size = image->values.size - start - length_bytes;
	if (code == 0 && length_bytes < 8 && size >> 8 * length_bytes != 0)
		code = fl_err_set(&why, FL_ECORRUPT, "a JSON document of %zu bytes", size);
	if (code == FL_ENOMEM || image->values.failed)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	if (code < 0)
		return fl_err_set(err, code, FL_TABLE_FMT ".%.*s: %s", FL_TABLE_ARG(def),
			(int)name.size, name.data, why.text);
	for (unsigned i = 0; i < length_bytes; i++)
		image->values.data[start + i] = (char)((uint64_t)size >> 8 * i);
	return 0;
}

static int put_columns(struct image *image, const struct fl_row *before, const struct fl_row *after,
	const uint8_t *partial, struct fl_err *err)
{
	const struct fl_table_def *def = (const struct fl_table_def *)(const void *)after->table;
	struct fl_walk old = fl_walk_from(before), new = fl_walk_from(after);
	unsigned documents = 0;
	for (unsigned i = 0; i < def->table.column_count; i++) {
		struct fl_cell was = { 0 }, is = { 0 };
		enum fl_cell_state const old_state = fl_walk_next(&old, &was);
		enum fl_cell_state state = fl_walk_next(&new, &is);
		bool const is_partial = partial != NULL && def->defs[i].type == FL_TYPE_JSON &&
					fl_bit(partial, documents++) && state == FL_CELL_VALUE;
		bool const changed = is_partial && is.size > 0;
		image->is_torn |= changed && old_state == FL_CELL_ABSENT;
		if (state == FL_CELL_ABSENT || (is_partial && !changed) ||
			(changed && old_state == FL_CELL_ABSENT)) {
			state = old_state;
			is = was;
		}
		if (state == FL_CELL_ABSENT)
			continue;
		image->present[i / 8] |= (uint8_t)(1u << i % 8);
		if (state == FL_CELL_NULL)
			image->nulls[image->count / 8] |= (uint8_t)(1u << image->count % 8);
		image->count++;
		if (state == FL_CELL_NULL)
			continue;
		if (changed) {
			int code = put_changed(image, def, i, old_state, was, is, err);
			if (code < 0)
				return code;
		} else {
			put_value(image, &def->defs[i], is);
		}
	}
	return 0;
}

/* Rows of an event have the same columns as a rule. */
static bool keep_bitmap(
	struct image *image, unsigned columns, struct fl_arena *arena, const uint8_t **present)
{
	size_t const size = (columns + 7) / 8;
	if (image->count == columns)
		*present = NULL;
	else if (*present == NULL || memcmp(*present, image->present, size) != 0)
		*present = fl_arena_copy(arena, image->present, size);
	return image->count == columns || *present != NULL;
}

int fl_image_complete(const struct fl_row *before, const struct fl_row *after,
	const uint8_t *partial, struct fl_arena *arena, const uint8_t **present, struct fl_row *ret,
	struct fl_err *err)
{
	unsigned const columns = after->table->column_count;
	size_t const bits = (columns + 7) / 8;
	struct image image = { .present = calloc(2, bits) };
	int code = FL_ENOMEM;
	if (image.present == NULL)
		goto out;
	image.nulls = image.present + bits;
	code = put_columns(&image, before, after, partial, err);
	if (code < 0)
		goto out;
	size_t const nulls = (image.count + 7) / 8;
	size_t const size = nulls + image.values.size;
	if (size > UINT32_MAX) {
		code = fl_err_set(err, FL_ECORRUPT, "a row of %zu bytes", size);
		goto out;
	}
	uint8_t *data = NULL;
	if (!image.values.failed && keep_bitmap(&image, columns, arena, present))
		data = fl_arena_alloc(arena, size);
	if (data == NULL) {
		code = FL_ENOMEM;
		goto out;
	}
	memcpy(data, image.nulls, nulls);
	if (image.values.size > 0)
		memcpy(data + nulls, image.values.data, image.values.size);
	*ret = (struct fl_row){ after->table, *present, data, (uint32_t)size, image.is_torn };
out:
	fl_buf_finish(&image.values);
	free(image.present);
	return code == FL_ENOMEM ? fl_err_set(err, code, "out of memory") : code;
}
