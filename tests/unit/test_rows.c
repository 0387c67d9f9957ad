/* SPDX-License-Identifier: Apache-2.0 */
#include "make_table.h"

static const struct column columns[] = { { "id", 3, "", false, 0, NULL },
	{ "name", 15, "5000", false, UTF8MB4, NULL }, { "n", 1, "", false, 0, NULL } };

Test(rows, rows_events_are_checked)
{
	static const struct {
		uint8_t type;
		const char *body;
		int code;
	} cases[] = {
		{ FL_EVENT_WRITE_ROWS, "7b0000000000 0100 0200 03 07", 0 },
		{ FL_EVENT_WRITE_ROWS, "7b0000000000 0100 0600 00000000 03 07", 0 },
		{ FL_EVENT_DELETE_ROWS_V1, "7b0000000000 0100 03 07", 0 },
		{ FL_EVENT_UPDATE_ROWS_V1, "7b0000000000 0100 03 07 07", 0 },
		{ FL_EVENT_UPDATE_ROWS_V1, "7b0000000000 0100 03 07", FL_ECORRUPT },
		{ FL_EVENT_WRITE_ROWS, "7b0000000000 0100 0100 03 07", FL_ECORRUPT },
		{ FL_EVENT_WRITE_ROWS, "7b0000000000 0100 0900 03 07", FL_ECORRUPT },
		{ FL_EVENT_WRITE_ROWS, "7b0000000000 0100 0200 09 07", FL_ECORRUPT },
		{ FL_EVENT_WRITE_ROWS, "7b0000000000 0100 0200 fd000001 07", FL_ECORRUPT },
		{ FL_EVENT_WRITE_ROWS, "7b0000000000 01", FL_ECORRUPT },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_buf body = { 0 };
		put_hex(&body, cases[i].body);
		struct fl_event event = event_of(cases[i].type, &body);
		struct fl_rows rows = { .table_id = 99 };
		struct fl_err err = { 0 };
		cr_expect_eq(fl_rows_decode(&event, test_format(false), &rows, &err), cases[i].code,
			"case %zu", i);
		cr_expect_eq(rows.table_id, cases[i].code == 0 ? 0x7b : 99);
		cr_expect(cases[i].code != 0 || rows.flags == FL_ROWS_STATEMENT_END);
		fl_buf_finish(&body);
	}
}

Test(rows, which_events_are_rows_events)
{
	for (unsigned type = 0; type < 256; type++) {
		bool expected = (type >= 23 && type <= 25) || (type >= 30 && type <= 32) || type == 39;
		cr_expect_eq(fl_rows_is((uint8_t)type), expected, "type %u", type);
	}
}

Test(rows, a_rows_event_of_another_table_is_refused)
{
	struct fl_table_def *def = make_table(columns, 3, true, false);
	struct fl_buf body = { 0 };
	struct fl_rows rows = make_rows(&body, FL_EVENT_WRITE_ROWS, 2, "ff", "00 01000000 0161");
	struct fl_row before, after;
	struct fl_err err = { 0 };
	cr_expect_eq(fl_rows_check(&rows, def, &err), FL_ECORRUPT);
	cr_expect_str_eq(err.text, "shop.users: a rows event of 2 columns for a table map of 3");
	cr_expect_eq(fl_rows_next(&rows, def, &before, &after, &err), FL_ECORRUPT);
	fl_buf_finish(&body);
	fl_table_unref(def);
}

Test(rows, images_without_any_column_are_refused)
{
	struct fl_table_def *def = make_table(columns, 3, true, false);
	struct fl_buf body = { 0 };
	struct fl_rows rows = make_rows(&body, FL_EVENT_WRITE_ROWS, 3, "f8", "");
	struct fl_row before, after;
	cr_expect_eq(fl_rows_next(&rows, def, &before, &after, NULL), FL_ECORRUPT);
	fl_buf_finish(&body);
	fl_table_unref(def);
}

Test(rows, an_event_cut_within_its_head_or_a_row_is_refused)
{
	enum { HEAD = 13, WHOLE = HEAD + 12 + 8 };
	struct fl_table_def *def = make_table(columns, 3, true, false);
	struct fl_buf body = { 0 };
	put_hex(&body, "7b0000000000 0100 0200 03 ff ff");
	put_hex(&body, "00 07000000 05 68656c6c6f 01  00 08000000 01 61 02");
	cr_assert_eq(body.size, WHOLE);
	for (size_t size = 0; size <= WHOLE; size++) {
		char *copy = malloc(size > 0 ? size : 1);
		memcpy(copy, body.data, size);
		struct fl_event event = { .type = FL_EVENT_UPDATE_ROWS, .body = { copy, size } };
		struct fl_rows rows;
		struct fl_row before, after;
		struct fl_err err = { 0 };
		int result = fl_rows_decode(&event, test_format(false), &rows, &err);
		if (result == 0)
			result = fl_rows_next(&rows, def, &before, &after, &err);
		int expected = size == WHOLE ? 1 : FL_ECORRUPT;
		cr_expect_eq(result, expected, "%zu bytes: %d", size, result);
		cr_expect_eq(expected < 0, err.text[0] != '\0', "%zu bytes: %s", size, err.text);
		free(copy);
	}
	fl_buf_finish(&body);
	fl_table_unref(def);
}
