/* SPDX-License-Identifier: Apache-2.0
 *
 * Which columns a value has, and under which names; and the forms of values that are made of
 * several columns. Compiled once, fitted to each table definition; private to core/map.
 */
#ifndef FL_FIELDS_H
#define FL_FIELDS_H

#include "binlog/table.h"

/* What a rule says of them. */
struct fl_fields {
	size_t column_count; /* `columns`, or those to leave out: 0: all there are */
	const struct fl_bytes *columns;
	bool exclude;
	size_t rename_count;
	const struct fl_bytes *from, *to;
};

/* `columns` and `exclude` (one of them NULL) are names separated by commas, `rename` has from:to
 * pairs; all may be NULL. They live in the arena. 0, FL_ENOMEM or FL_EINVAL. */
int fl_fields_compile(const char *columns, const char *exclude, const char *rename,
	struct fl_arena *arena, struct fl_fields *ret, struct fl_err *err);

/* Of one table definition: what each column is called. */
struct fl_fields_use {
	bool all;		      /* every column, as it is called: the next are not set */
	const struct fl_bytes *names; /* of each column; data NULL: it is left out */
	const struct fl_bytes *json;  /* `,"name":` with FL_NAME_PAD bytes behind it */
};

/* 0, FL_ENOMEM, or FL_EINVAL: the table has no such column. */
int fl_fields_fit(const struct fl_fields *fields, const struct fl_table_def *def,
	struct fl_arena *arena, struct fl_fields_use *ret, struct fl_err *err);

/* Append the value of a row. 0, or FL_E... with nothing appended. FL_EUNSUPPORTED: a column that
 * belongs in it is not in the image, or can't be shown. */
int fl_fields_json(const struct fl_fields_use *use, const struct fl_row *row, struct fl_buf *out,
	struct fl_err *err);
/* A map from names to values: integers and floats as such, BINARY as bin, all else as str. */
int fl_fields_msgpack(const struct fl_fields_use *use, const struct fl_row *row,
	struct fl_buf *scratch, struct fl_buf *out, struct fl_err *err);
/* As FL_KEY_HASH has it, columns that are NULL left out. */
int fl_fields_hash(const struct fl_fields_use *use, const struct fl_row *row,
	struct fl_buf *scratch, struct fl_buf *out, struct fl_err *err);

/* Appends one column as it is: bytes of a binary one, else text. 1; 0 if it is NULL. */
int fl_field_raw(const struct fl_row *row, unsigned column, struct fl_buf *scratch,
	struct fl_buf *out, struct fl_err *err);

/* Refuses a column that is in no image of the row. */
int fl_field_refuse_absent(const struct fl_row *row, unsigned column, struct fl_err *err);
static inline bool fl_field_is_present(const struct fl_row *row, unsigned column)
{
	return row->present == NULL || (row->present[column / 8] >> column % 8 & 1) != 0;
}

/* Column names are compared without case, as the servers do (letters outside ASCII as written). */
bool fl_field_find(const struct fl_table *table, struct fl_bytes name, unsigned *ret);

#endif
