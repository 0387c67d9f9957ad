/* SPDX-License-Identifier: Apache-2.0
 *
 * Row images column by column, and images made anew of two. For images that have been walked and
 * checked: without further checks. Private to core/binlog and to core/map, which makes values of
 * rows. Any thread.
 */
#ifndef FL_IMAGE_H
#define FL_IMAGE_H

#include "binlog/value.h"

enum fl_cell_state { FL_CELL_ABSENT, FL_CELL_NULL, FL_CELL_VALUE };

/* Goes over the columns of an image. */
struct fl_walk {
	const struct fl_column_def *def; /* the next column's */
	const uint8_t *present, *nulls, *at;
	unsigned column;
	unsigned bits; /* of the byte before `nulls`, those to come, and one above them */
};

static inline bool fl_bit(const uint8_t *bitmap, unsigned bit)
{
	return bitmap[bit / 8] >> bit % 8 & 1;
}

/* How many of the columns are in an image; `present` NULL: all. */
static inline unsigned fl_image_count(const uint8_t *present, unsigned columns)
{
	if (present == NULL)
		return columns;
	unsigned count = 0;
	for (unsigned i = 0; i < columns; i += 8) {
		unsigned const known = columns - i < 8 ? (1u << (columns - i)) - 1 : 255;
		unsigned bits = present[i / 8] & known;
		/* mostly all of them */
		if (bits == 255) {
			count += 8;
			continue;
		}
		for (; bits != 0; bits &= bits - 1)
			count++;
	}
	return count;
}

static inline struct fl_walk fl_walk_from(const struct fl_row *row)
{
	const struct fl_table_def *def = (const struct fl_table_def *)(const void *)row->table;
	unsigned count = row->table->column_count;
	if (row->present != NULL)
		count = fl_image_count(row->present, count);
	return (struct fl_walk){ .def = def->defs,
		.present = row->present,
		.nulls = row->data,
		.at = row->data + (count + 7) / 8,
		.bits = 1 };
}

/* Of an image that has all columns. */
static inline __attribute__((always_inline)) enum fl_cell_state fl_walk_next_whole(
	struct fl_walk *w, struct fl_cell *ret)
{
	const struct fl_column_def *def = w->def++;
	if (w->bits == 1)
		w->bits = *w->nulls++ | 0x100u;
	bool const is_null = w->bits & 1;
	w->bits >>= 1;
	if (is_null)
		return FL_CELL_NULL;
	uint32_t size = def->fixed_size;
	if (def->length_bytes > 0) {
		size = def->length_bytes == 1 ? *w->at : (uint32_t)fl_le(w->at, def->length_bytes);
		w->at += def->length_bytes;
	}
	*ret = (struct fl_cell){ w->at, size };
	w->at += size;
	return FL_CELL_VALUE;
}

static inline __attribute__((always_inline)) enum fl_cell_state fl_walk_next(
	struct fl_walk *w, struct fl_cell *ret)
{
	unsigned const column = w->column++;
	if (w->present == NULL || fl_bit(w->present, column))
		return fl_walk_next_whole(w, ret);
	w->def++;
	return FL_CELL_ABSENT;
}

/* An update's image after, made whole as far as it can be: columns that it lacks are as they were
 * before, if that image has them. `partial`: NULL, or a bit for each JSON column of the table: it
 * holds the changes of the document before; where that is not known, the column is absent and the
 * image torn. The new image lies in the arena; `present` is where its bitmap is kept for the next
 * row. 0, FL_ENOMEM, or FL_ECORRUPT where changes do not fit. */
int fl_image_complete(const struct fl_row *before, const struct fl_row *after,
	const uint8_t *partial, struct fl_arena *arena, const uint8_t **present, struct fl_row *ret,
	struct fl_err *err);

#endif
