/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of rows, beside make_table.h.
 */
#ifndef FL_TEST_ROW_FIXTURE_H
#define FL_TEST_ROW_FIXTURE_H

#include "make_table.h"

#include "binlog/row.h"

#define NONE 0, 0, NULL

static inline struct fl_row first_row(struct fl_rows *rows, const struct fl_table_def *def)
{
	struct fl_row before, after;
	struct fl_err err = { 0 };
	cr_assert_eq(fl_rows_next(rows, def, &before, &after, &err), 1, "%s", err.text);
	cr_expect_null(before.data);
	return after;
}

#endif
