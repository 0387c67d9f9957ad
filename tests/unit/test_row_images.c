/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of several columns: what an update has changed, and what is not there or not shown.
 */
#include "row_fixture.h"

static const struct column three[] = { { "id", 3, "", NONE },
	{ "na\"me", 15, "5000", 0, UTF8MB4, NULL }, { "n", 1, "", NONE } };

static void expect_json(int (*function)(const struct fl_row *, struct fl_buf *, struct fl_err *),
	const struct fl_row *row, const char *expected)
{
	struct fl_buf out = { 0 };
	struct fl_err err = { 0 };
	cr_expect_eq(function(row, &out, &err), 0, "%s", err.text);
	fl_buf_char(&out, '\0');
	cr_expect_str_eq(out.data, expected);
	fl_buf_finish(&out);
}

Test(row, an_update_shows_what_changed)
{
	struct fl_table_def *def = make_table(three, 3, true, false);
	struct fl_buf body = { 0 };
	struct fl_rows rows = make_rows(&body, FL_EVENT_UPDATE_ROWS, 3, "ffff",
		"00 01000000 0161 05   00 01000000 0162 05" /* the name */
		"02 01000000 05        00 02000000 00 05"   /* the key; NULL to empty */
		"04 01000000 0161      02 01000000 05"	    /* NULLs */
		"00 01000000 0161 05   00 01000000 0161 05" /* nothing */);
	static const char *const expected[][3] = {
		{ "{\"id\":1,\"na\\\"me\":\"a\",\"n\":5}", "{\"id\":1,\"na\\\"me\":\"b\",\"n\":5}",
			"{\"na\\\"me\":\"a\"}" },
		{ "{\"id\":1,\"na\\\"me\":null,\"n\":5}", "{\"id\":2,\"na\\\"me\":\"\",\"n\":5}",
			"{\"id\":1,\"na\\\"me\":null}" },
		{ "{\"id\":1,\"na\\\"me\":\"a\",\"n\":null}",
			"{\"id\":1,\"na\\\"me\":null,\"n\":5}", "{\"na\\\"me\":\"a\",\"n\":null}" },
		{ "{\"id\":1,\"na\\\"me\":\"a\",\"n\":5}", "{\"id\":1,\"na\\\"me\":\"a\",\"n\":5}",
			"{}" },
	};
	struct fl_row before, after;
	for (unsigned i = 0; i < 4; i++) {
		cr_assert_eq(fl_rows_next(&rows, def, &before, &after, NULL), 1);
		expect_json(fl_row_json, &before, expected[i][0]);
		expect_json(fl_row_json, &after, expected[i][1]);
		struct fl_buf out = { 0 };
		cr_expect_eq(fl_row_old_json(&before, &after, &out, NULL), 0);
		fl_buf_char(&out, '\0');
		cr_expect_str_eq(out.data, expected[i][2]);
		fl_buf_finish(&out);
	}
	cr_expect_eq(fl_rows_next(&rows, def, &before, &after, NULL), 0);
	fl_buf_finish(&body);
	fl_table_unref(def);
}

Test(row, what_looks_the_same_has_not_changed)
{
	static const struct column columns[] = {
		{ .name = "id", .type = 3, .meta = "" },
		{ .name = "e", .type = 254, .meta = "f701", .collation = UTF8MB4, .labels = "a|" }
	};
	struct fl_table_def *def = make_table(columns, 2, true, false);
	struct fl_buf body = { 0 };
	struct fl_rows rows = make_rows(&body, FL_EVENT_UPDATE_ROWS, 2, "ffff",
		"00 01000000 00   00 02000000 02" /* 0 to the label '' */
		"00 01000000 00   00 01000000 01" /* to 'a' */);
	static const char *const expected[] = { "{\"id\":1}", "{\"e\":\"\"}" };
	for (unsigned i = 0; i < 2; i++) {
		struct fl_row before, after;
		struct fl_buf out = { 0 };
		cr_assert_eq(fl_rows_next(&rows, def, &before, &after, NULL), 1);
		cr_expect_eq(fl_row_old_json(&before, &after, &out, NULL), 0);
		fl_buf_char(&out, '\0');
		cr_expect_str_eq(out.data, expected[i]);
		fl_buf_finish(&out);
	}
	fl_buf_finish(&body);
	fl_table_unref(def);
}

Test(row, columns_that_are_in_neither_image_are_absent)
{
	struct fl_table_def *def = make_table(three, 3, true, false);
	struct fl_arena arena = { 0 };
	struct fl_buf body = { 0 };
	/* before: n; after: name and n; the NULL bits go by the place in the image */
	struct fl_rows rows = make_rows(&body, FL_EVENT_UPDATE_ROWS, 3, "fcfe", "00 05  01 09");
	struct fl_row before, after;
	rows.arena = &arena;
	cr_assert_eq(fl_rows_next(&rows, def, &before, &after, NULL), 1);
	expect_json(fl_row_json, &before, "{\"n\":5}");
	expect_json(fl_row_json, &after, "{\"na\\\"me\":null,\"n\":9}");

	struct fl_buf out = { 0 };
	struct fl_err err = { 0 };
	cr_expect_eq(fl_row_old_json(&before, &after, &out, &err), 0);
	fl_buf_char(&out, '\0');
	cr_expect_str_eq(out.data, "{\"n\":5}");
	fl_buf_clear(&out);
	cr_expect_eq(fl_row_key_json(&after, &out, &err), FL_EUNSUPPORTED);
	cr_expect_str_eq(err.text, "shop.users.id: the row image is without this key column");
	cr_expect_eq(out.size, 0);

	struct fl_value value;
	cr_expect_eq(fl_row_value(&after, 0, &out, &value, NULL), 0);
	cr_expect_eq(value.kind, FL_VALUE_ABSENT);
	cr_expect_eq(fl_row_value(&after, 1, &out, &value, NULL), 0);
	cr_expect_eq(value.kind, FL_VALUE_NULL);
	cr_expect_eq(fl_row_value(&after, 2, &out, &value, NULL), 0);
	cr_expect(value.kind == FL_VALUE_INT && value.i == 9);
	cr_expect_eq(fl_row_value(&after, 3, &out, &value, NULL), FL_EINVAL);
	cr_expect_eq(fl_row_text(&after, 0, &out, NULL), 0);
	cr_expect_eq(fl_row_text(&after, 1, &out, NULL), 0);
	cr_expect_eq(out.size, 0);
	fl_buf_finish(&out);
	fl_buf_finish(&body);
	fl_arena_finish(&arena);
	fl_table_unref(def);
}

Test(row, a_column_that_is_not_decoded_is_an_error_by_name_and_the_others_are_not)
{
	static const struct column columns[] = { { "id", 3, "", NONE },
		{ "g", 15, "5000", 0, EBCDIC, NULL }, { "n", 1, "", NONE } };
	struct fl_table_def *def = make_table(columns, 3, true, true);
	cr_expect(def->complete);
	struct fl_buf body = { 0 }, out = { 0 };
	struct fl_rows rows =
		make_rows(&body, FL_EVENT_WRITE_ROWS, 3, "ff", "00 01000000 02d6d0 2a");
	struct fl_row row = first_row(&rows, def);
	struct fl_err err = { 0 };
	cr_expect_eq(fl_row_json(&row, &out, &err), FL_EUNSUPPORTED);
	cr_expect_str_eq(err.text, "shop.users.g: character set ebcdic is not decoded");
	cr_expect_eq(out.size, 0);
	cr_expect_eq(fl_row_text(&row, 0, &out, &err), 1);
	cr_expect_eq(fl_row_text(&row, 2, &out, &err), 1);
	cr_assert_eq(out.size, 3);
	cr_expect_arr_eq(out.data, "142", 3);
	fl_buf_finish(&out);
	fl_buf_finish(&body);
	fl_table_unref(def);
}

Test(row, nothing_is_shown_of_a_table_in_doubt_or_without_names)
{
	for (unsigned i = 0; i < 2; i++) {
		struct fl_table_def *def = make_table(three, 3, i == 0, false);
		if (i == 0)
			fl_table_doubt(def, "altered since");
		struct fl_buf body = { 0 }, out = { 0 };
		struct fl_rows rows =
			make_rows(&body, FL_EVENT_WRITE_ROWS, 3, "ff", "00 01000000 0161 05");
		struct fl_row row = first_row(&rows, def);
		struct fl_value value;
		struct fl_err err = { 0 };
		cr_expect_eq(fl_row_json(&row, &out, &err), FL_EUNSUPPORTED);
		cr_expect_not_null(strstr(err.text, i == 0 ? "altered since" : "names"));
		cr_expect_eq(fl_row_key_json(&row, &out, &err), FL_EUNSUPPORTED);
		cr_expect_eq(fl_row_old_json(&row, &row, &out, &err), FL_EUNSUPPORTED);
		cr_expect_eq(fl_row_text(&row, 0, &out, &err), FL_EUNSUPPORTED);
		cr_expect_eq(fl_row_value(&row, 0, &out, &value, &err), FL_EUNSUPPORTED);
		cr_expect_eq(out.size, 0);
		fl_buf_finish(&out);
		fl_buf_finish(&body);
		fl_table_unref(def);
	}
}
