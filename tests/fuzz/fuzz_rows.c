/* SPDX-License-Identifier: Apache-2.0
 *
 * Input: a byte whose lowest bit says MariaDB, then events as in a binlog file, without checksums:
 * a TABLE_MAP, and rows events of its table. Every row is shown in every way.
 */
#include "binlog/row.h"
#include "binlog/rows.h"
#include "target.h"

/* JSON text is one object without control characters; what failed has left nothing behind. */
static void check_json(struct fl_buf *out, int rc)
{
	must(rc == FL_OK ? out->size >= 2 : out->size == 0);
	for (size_t i = 0; i < out->size; i++)
		must((unsigned char)out->data[i] >= ' ');
	must(rc != FL_OK || (out->data[0] == '{' && out->data[out->size - 1] == '}'));
	fl_buf_clear(out);
}

static void show(const struct fl_row *row)
{
	struct fl_buf out = { 0 };
	struct fl_value value;
	check_json(&out, fl_row_json(row, &out, NULL));
	check_json(&out, fl_row_key_json(row, &out, NULL));
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

static void show_all(struct fl_rows *rows, const struct fl_table_def *def)
{
	struct fl_row before, after;
	struct fl_arena arena = { 0 };
	size_t previous = rows->next;
	rows->arena = &arena;
	while (fl_rows_next(rows, def, &before, &after, NULL) == 1) {
		must(rows->next > previous && rows->next <= rows->data.size);
		previous = rows->next;
		if (before.data != NULL)
			show(&before);
		if (after.data != NULL)
			show(&after);
		if (before.data != NULL && after.data != NULL) {
			struct fl_buf out = { 0 };
			check_json(&out, fl_row_old_json(&before, &after, &out, NULL));
			fl_buf_finish(&out);
		}
	}
	fl_arena_finish(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct fl_format const format = fuzz_format((data[0] & 1) != 0);
	struct fl_cursor c = fl_cursor(data + 1, size - 1);
	struct fl_table_def *def = NULL;
	struct fl_event event;
	while (fuzz_next_event(&c, &format, &event)) {
		struct fl_rows rows;
		if (event.type == FL_EVENT_TABLE_MAP) {
			struct fl_table_def *next;
			if (fl_table_decode(&event, &format, fuzz_collations(), &next, NULL) !=
				FL_OK)
				break;
			fl_table_unref(def);
			def = next;
		} else if (def != NULL && fl_rows_is(event.type)) {
			if (fl_rows_decode(&event, &format, &rows, NULL) == FL_OK &&
				fl_rows_check(&rows, def, NULL) == FL_OK)
				show_all(&rows, def);
		}
	}
	fl_table_unref(def);
	return 0;
}
