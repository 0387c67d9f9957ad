/* SPDX-License-Identifier: Apache-2.0
 *
 * The way back: definitions and row images, in the binlog's format, of columns and values that are
 * told as text. Private to core/explain: nothing of it is in a change's path. One thread.
 */
#ifndef FL_ENCODE_H
#define FL_ENCODE_H

#include "binlog/table.h"
#include "explain/asked.h"

/* Makes the definition of a table as a TABLE_MAP event and information_schema would: text columns
 * are UTF-8, as what is given is. 0; FL_ENOMEM; FL_EUNSUPPORTED: a type that is not known. */
int fl_encode_table(struct fl_bytes db, struct fl_bytes table,
	const struct fl_schema_column *columns, unsigned count, struct fl_table_def **ret,
	struct fl_err *err);

/* What there is to know of the columns of a change from its values alone, for fl_encode_table().
 * Lives in the change's memory. 0 or FL_ENOMEM. */
int fl_encode_guess(struct fl_asked *asked, struct fl_schema_column **ret, unsigned *ret_count,
	struct fl_err *err);

/* Whether information_schema's data_type is that of a geometry. */
bool fl_encode_is_geometry(struct fl_bytes data_type);

/* Makes a row image of what is given; columns that are not are not in it. It lies in the arena. 0;
 * FL_ENOMEM; FL_EINVAL: a value that the column can't have, or a column that the table lacks. */
int fl_encode_row(const struct fl_table_def *def, const struct fl_given_row *given,
	struct fl_arena *memory, struct fl_row *ret, struct fl_err *err);

/* Pieces, each appending to `out`. False: no such value. */

/* DATE, TIME2, DATETIME2, TIMESTAMP2. */
bool fl_encode_temporal(const struct fl_column_def *def, struct fl_bytes text, struct fl_buf *out);
/* Digits beyond `scale` must be zeros. */
bool fl_encode_decimal(
	struct fl_bytes text, unsigned precision, unsigned scale, struct fl_buf *out);
/* A document in MySQL's binary form; `json` NULL is its null. */
bool fl_encode_document(struct json_object *json, struct fl_buf *out);
/* How many digits a number without an exponent has in all and behind its point. False: it is none,
 * or has more than a DECIMAL. */
bool fl_encode_digits(struct fl_bytes text, unsigned *ret_precision, unsigned *ret_scale);

#endif
