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

/* `columns` are in ascending order. */
static inline void fl_cells_find(
	const struct fl_image *image, const unsigned *columns, size_t count)
{
	struct fl_walk walk = fl_walk_from(image->row);
	for (size_t i = 0; i < count; i++) {
		struct fl_found *found = &image->found[columns[i]];
		do
			found->state = fl_walk_next(&walk, &found->cell);
		while (walk.column <= columns[i]);
	}
}

/* Whether two images have the same bytes in these columns, and so the same text, numbers and truth,
 * whatever is made of them. (Others may still be equal when shown.) */
static inline bool fl_cells_are_same(
	const struct fl_image *a, const struct fl_image *b, const unsigned *columns, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct fl_found *x = &a->found[columns[i]], *y = &b->found[columns[i]];
		if (x->state != y->state)
			return false;
		if (x->state == FL_CELL_VALUE &&
			(x->cell.size != y->cell.size ||
				memcmp(x->cell.at, y->cell.at, x->cell.size) != 0))
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
