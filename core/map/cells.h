/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the columns lie in a row that the rules name: found once, in one walk, and shared by all
 * keys, conditions and lifetimes of the row. Private to core/map; a sink's thread.
 */
#ifndef FL_CELLS_H
#define FL_CELLS_H

#include "binlog/image.h"

struct fl_found {
	struct fl_cell cell; /* of a VALUE */
	enum fl_cell_state state;
};

/* A row, and its cells by column: those that were asked for. */
struct fl_image {
	const struct fl_row *row;
	struct fl_found *found;
};

/* The columns to look for in the rows of a table, in ascending order. */
struct fl_named {
	size_t count;
	struct fl_named_column {
		unsigned column;
		uint32_t at, size;    /* where it is in the values, if that is fixed */
		uint8_t length_bytes; /* in front of it, if only its size is not */
	} * columns;
	/* No column of variable length is in front of the last one: they are where they always are,
	 * if none of the first columns, which `nulls` are, is NULL. */
	bool is_fixed;
	uint8_t nulls;
	unsigned null_size; /* bytes in front of the values of a row that has all columns */
};

/* Adds a column; `columns` has room for it. */
void fl_named_add(struct fl_named *named, unsigned column);
/* Once all are there. */
void fl_named_settle(struct fl_named *named, const struct fl_table_def *def);

static inline void fl_cells_find(const struct fl_named *named, const struct fl_image *image)
{
	const struct fl_row *row = image->row;
	if (named->is_fixed && row->present == NULL && (row->data[0] & named->nulls) == 0) {
		const uint8_t *values = row->data + named->null_size;
		for (size_t i = 0; i < named->count; i++) {
			const struct fl_named_column *n = &named->columns[i];
			const uint8_t *at = values + n->at;
			uint32_t const size = n->length_bytes == 0
						      ? n->size
						      : (uint32_t)fl_le(at, n->length_bytes);
			image->found[n->column] =
				(struct fl_found){ { at + n->length_bytes, size }, FL_CELL_VALUE };
		}
		return;
	}
	struct fl_walk walk = fl_walk_from(row);
	for (size_t i = 0; i < named->count; i++) {
		struct fl_found *found = &image->found[named->columns[i].column];
		do
			found->state = fl_walk_next(&walk, &found->cell);
		while (walk.column <= named->columns[i].column);
	}
}

static inline bool fl_cells_have_same_bytes(struct fl_cell a, struct fl_cell b)
{
	if (a.size != b.size)
		return false;
	switch (a.size) { /* of keys, mostly */
	case 4:
		return fl_le32(a.at) == fl_le32(b.at);
	case 8:
		return fl_le64(a.at) == fl_le64(b.at);
	default:
		return memcmp(a.at, b.at, a.size) == 0;
	}
}

/* Whether two images have the same bytes in these columns, and so the same text, numbers and truth,
 * whatever is made of them. (Others may still be equal when shown.) */
static inline bool fl_cells_are_same(
	const struct fl_image *a, const struct fl_image *b, const unsigned *columns, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct fl_found *x = &a->found[columns[i]], *y = &b->found[columns[i]];
		if (x->state != y->state ||
			(x->state == FL_CELL_VALUE && !fl_cells_have_same_bytes(x->cell, y->cell)))
			return false;
	}
	return true;
}

/* Whether fl_cell_write_int() can write the column. */
bool fl_cell_is_int(const struct fl_column_def *def);

/* The text of an integer, at `to`; returns its end. */
static inline char *fl_cell_write_int(
	const struct fl_column_def *def, struct fl_cell cell, char *to)
{
	uint64_t const bits = fl_le(cell.at, cell.size);
	unsigned const unused = 64 - 8 * cell.size;
	return def->is_unsigned ? fl_uint_write(bits, to)
				: fl_int_write((int64_t)(bits << unused) >> unused, to);
}

/* Appends a column as plain text (see fl_row_text()); `raw`: a binary one as its bytes. 1; 0 if it
 * is NULL; FL_E... with nothing appended: it is not in the image, or can't be decoded. */
int fl_cell_append(const struct fl_image *image, unsigned column, bool raw, struct fl_buf *scratch,
	struct fl_buf *out, struct fl_err *err);

/* The same of a cell that is there, without an explanation: 0 or FL_E... */
int fl_cell_append_raw(const struct fl_column_def *def, struct fl_cell cell, struct fl_buf *scratch,
	struct fl_buf *out);

/* Refuses a column that is in no image of the row. */
int fl_cell_refuse_absent(const struct fl_row *row, unsigned column, struct fl_err *err);

#endif
