/* SPDX-License-Identifier: Apache-2.0
 *
 * Which columns a value has, and under which names; and the forms of values that are made of
 * several columns. Compiled once, fitted to each table definition; private to core/map.
 */
#ifndef FL_FIELDS_H
#define FL_FIELDS_H

#include "binlog/table.h"

enum fl_value_form {
	FL_FORM_OF_NONE, /* keys are only deleted */
	FL_FORM_OF_JSON,
	FL_FORM_OF_HASH,
	FL_FORM_OF_MSGPACK,
	FL_FORM_OF_COLUMN,
	FL_FORM_OF_TEMPLATE,
};

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
	bool all;		      /* every column, as it is called: `names` is not set */
	const struct fl_bytes *names; /* of each column; data NULL: it is left out */
	/* What stands in front of each column's value in JSON (not if it is all), HASH and MSGPACK;
	 * data NULL: it is left out. FL_NAME_PAD bytes behind it may be copied. */
	const struct fl_bytes *heads;
	struct fl_bytes begin; /* of MSGPACK, in front of all */
};

/* 0, FL_ENOMEM, or FL_EINVAL: the table has no such column. */
int fl_fields_fit(const struct fl_fields *fields, enum fl_value_form form,
	const struct fl_table_def *def, struct fl_arena *arena, struct fl_fields_use *ret,
	struct fl_err *err);

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

/* Column names are compared without case, as the servers do (letters outside ASCII as written). */
bool fl_field_find(const struct fl_table *table, struct fl_bytes name, unsigned *ret);

#endif
