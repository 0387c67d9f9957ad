/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows events: splitting them into row images, each walked once and checked. What an update leaves
 * out of its image after - columns that it did not change, the unchanged parts of JSON documents -
 * is put in again from the one before.
 */
#ifndef FL_ROWS_H
#define FL_ROWS_H

#include "binlog/table.h"

/* A rows event (v1, v2, PARTIAL_UPDATE_ROWS), its rows not looked at yet. Points into the event's
 * bytes. */
struct fl_rows {
	enum fl_op op;
	bool is_partial; /* JSON columns may hold changes */
	uint64_t table_id;
	uint16_t flags; /* FL_ROWS_STATEMENT_END */
	unsigned column_count;
	const uint8_t *before_present; /* NULL: every column is in the image */
	const uint8_t *after_present;
	struct fl_bytes data; /* row images, one after the other */
	size_t next;	      /* offset in `data` of the next row */
	/* To be set before the first row of an update is asked for: where images are made anew. */
	struct fl_arena *arena;
	const uint8_t *completed; /* the bitmap of the last image made anew */
};

enum { FL_ROWS_STATEMENT_END = 1 };

/* Whether the type is WRITE/UPDATE/DELETE_ROWS, v1 or v2, not compressed, or PARTIAL_UPDATE_ROWS.
 */
bool fl_rows_is(uint8_t event_type);

int fl_rows_decode(const struct fl_event *event, const struct fl_format *format,
	struct fl_rows *ret, struct fl_err *err);

/* Whether the event's columns are as many as the table's. */
int fl_rows_check(const struct fl_rows *rows, const struct fl_table_def *def, struct fl_err *err);

/* The next row: 1 and its images (`before` or `after` with data == NULL where the op has none), 0
 * at the end, FL_ECORRUPT if a column reaches beyond the data or changes do not fit their document,
 * FL_EUNSUPPORTED, FL_ENOMEM. The images point into `data` and the bitmaps into the event, or into
 * the arena: to keep them, decode a copy of the event's body.
 *
 * In an update's image after only those columns are absent that are in neither image, and JSON
 * columns of which there are changes alone. In an insert's those that were not given: they have
 * their default, which the event does not tell. */
int fl_rows_next(struct fl_rows *rows, const struct fl_table_def *def, struct fl_row *ret_before,
	struct fl_row *ret_after, struct fl_err *err);

#endif
