/* SPDX-License-Identifier: Apache-2.0
 *
 * Shows rows in every way, for the fuzz targets that have some.
 */
#ifndef FL_FUZZ_SHOW_H
#define FL_FUZZ_SHOW_H

#include "binlog/row.h"
#include "binlog/rows.h"
#include "target.h"

/* JSON text is one object without control characters; what failed has left nothing behind. */
static inline void fuzz_check_json(struct fl_buf *out, int rc)
{
	must(rc == FL_OK ? out->size >= 2 : out->size == 0);
	for (size_t i = 0; i < out->size; i++)
		must((unsigned char)out->data[i] >= ' ');
	must(rc != FL_OK || (out->data[0] == '{' && out->data[out->size - 1] == '}'));
	fl_buf_clear(out);
}

static inline void fuzz_show(const struct fl_row *row)
{
	struct fl_buf out = { 0 };
	struct fl_value value;
	fuzz_check_json(&out, fl_row_json(row, &out, NULL));
	fuzz_check_json(&out, fl_row_key_json(row, &out, NULL));
	enum { ENOUGH = 64 }; /* each walks the row up to its column */
	for (unsigned i = 0; i < row->table->column_count && i < ENOUGH; i++) {
		fl_row_value(row, i, &out, &value, NULL);
		fl_buf_clear(&out);
		int rc = fl_row_text(row, i, &out, NULL);
		must(rc == 1 || out.size == 0);
		fl_buf_clear(&out);
	}
	fl_buf_finish(&out);
}

static inline void fuzz_show_all(struct fl_rows *rows, const struct fl_table_def *def)
{
	struct fl_row before, after;
	struct fl_arena arena = { 0 };
	size_t previous = rows->next;
	rows->arena = &arena;
	while (fl_rows_next(rows, def, &before, &after, NULL) == 1) {
		must(rows->next > previous && rows->next <= rows->data.size);
		previous = rows->next;
		if (before.data != NULL)
			fuzz_show(&before);
		if (after.data != NULL)
			fuzz_show(&after);
		if (before.data != NULL && after.data != NULL) {
			struct fl_buf out = { 0 };
			fuzz_check_json(&out, fl_row_old_json(&before, &after, &out, NULL));
			fl_buf_finish(&out);
		}
	}
	fl_arena_finish(&arena);
}

#endif
