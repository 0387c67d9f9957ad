/* SPDX-License-Identifier: Apache-2.0 */
#include "make_table.h"

#include "binlog/row.h"

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
		bool expected =
			(type >= 23 && type <= 25) || (type >= 30 && type <= 32) || type == 39;
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

/* PARTIAL_UPDATE_ROWS as MySQL 9.7 logged them. g is generated from j, s from n. */
#define DOCUMENT                                                                                   \
	"4b000000 0003004a00 19000100 1a000100 1b000300 050100 021e00 0c2800 61 6b 706164 "        \
	"02000a00050100050200 21 787878787878787878787878787878787878"                             \
	"787878787878787878787878787878 "
#define PAD "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

#define TORN                                                                                       \
	"shop.users: a JSON document was changed in part, and what it was is not in the log "      \
	"(binlog_row_image)"

static const struct column documents[] = { { "id", 3, "", false, 0, NULL },
	{ "j", 245, "04", false, 0, NULL }, { "n", 3, "", false, 0, NULL },
	{ "g", 245, "04", false, 0, NULL }, { "s", 3, "", false, 0, NULL } };

static const struct {
	const char *what, *bitmaps, *images;
	const char *rows[3]; /* images after, as JSON; or why that can't be */
} partial_events[] = {
	{ "j in part, g whole", "ffff",
		"00 01000000 " DOCUMENT "02000000 03000000 050200 03000000"
		"01 01 00 01000000 09000000 0003242e6103050300 07000000 03000000 050300 08000000",
		{ "{\"id\":1,\"j\":{\"a\": 3, \"k\": [1, 2], \"pad\": \"" PAD
		  "\"},\"n\":7,\"g\":3,\"s\":8}" } },
	{ "j unchanged, as no changes", "ffff",
		"00 01000000 " DOCUMENT "02000000 03000000 050200 03000000"
		"01 03 00 01000000 00000000 07000000 00000000 08000000",
		{ "{\"id\":1,\"j\":{\"a\": 1, \"k\": [1, 2], \"pad\": \"" PAD
		  "\"},\"n\":7,\"g\":2,\"s\":8}" } },
	{ "NULL stays NULL, without the option", "ffff",
		"0a 02000000 01000000 02000000  00 0a 02000000 04000000 05000000"
		"0a 03000000 01000000 02000000  01 00 0a 03000000 04000000 05000000",
		{ "{\"id\":2,\"j\":null,\"n\":4,\"g\":null,\"s\":5}",
			"{\"id\":3,\"j\":null,\"n\":4,\"g\":null,\"s\":5}" } },
	{ "minimal: of j only changes are known", "e1ea",
		"00 01000000 01 01 00 09000000 0003242e6103050200 03000000 050200", { TORN } },
	{ "minimal: neither j nor g is known", "e1ea",
		"00 01000000 01 03 00 09000000 0003242e6b03050200 00000000", { TORN } },
	{ "minimal: j is not known, and unchanged", "e1ea",
		"00 01000000 01 03 00 00000000 00000000", { "{\"id\":1}" } },
	{ "minimal, without a key: what it lacks is in the image before", "ffea",
		"00 01000000 " DOCUMENT "02000000 03000000 050200 03000000"
		"01 03 00 09000000 0003242e6b03050200 00000000",
		{ "{\"id\":1,\"j\":{\"a\": 1, \"k\": 2, \"pad\": \"" PAD
		  "\"},\"n\":2,\"g\":2,\"s\":3}" } },
};

static struct fl_rows rows_of(struct fl_buf *body, size_t i, struct fl_arena *arena)
{
	struct fl_rows rows = make_rows(body, FL_EVENT_PARTIAL_UPDATE_ROWS, 5,
		partial_events[i].bitmaps, partial_events[i].images);
	rows.arena = arena;
	return rows;
}

Test(rows, changes_of_documents_are_applied_to_the_image_before)
{
	struct fl_table_def *def = make_table(documents, 5, true, false);
	for (size_t i = 0; i < sizeof(partial_events) / sizeof(partial_events[0]); i++) {
		struct fl_arena arena = { 0 };
		struct fl_buf body = { 0 };
		struct fl_rows rows = rows_of(&body, i, &arena);
		struct fl_row before, after;
		struct fl_err err = { 0 };
		int code = 1;
		for (size_t row = 0; code == 1 && row < 3; row++) {
			code = fl_rows_next(&rows, def, &before, &after, &err);
			const char *expected = partial_events[i].rows[row];
			cr_assert_eq(code == 1, expected != NULL, "%s: %s", partial_events[i].what,
				err.text);
			if (code != 1)
				break;
			struct fl_buf out = { 0 };
			code = fl_row_json(&after, &out, &err);
			fl_buf_char(&out, '\0');
			const char *text = code == 0 ? out.data : err.text;
			cr_expect_str_eq(text, expected, "%s: %s", partial_events[i].what, text);
			code = 1;
			fl_buf_finish(&out);
		}
		fl_buf_finish(&body);
		fl_arena_finish(&arena);
	}
	fl_table_unref(def);
}

Test(rows, an_event_with_changes_cut_anywhere_is_refused)
{
	struct fl_table_def *def = make_table(documents, 5, true, false);
	for (size_t i = 0; i < sizeof(partial_events) / sizeof(partial_events[0]); i++) {
		struct fl_arena arena = { 0 };
		struct fl_buf body = { 0 };
		struct fl_rows const whole = rows_of(&body, i, &arena);
		for (size_t size = 1; size < whole.data.size; size++) {
			char *copy = malloc(size);
			memcpy(copy, whole.data.data, size);
			struct fl_rows rows = whole;
			struct fl_row before, after;
			rows.data = (struct fl_bytes){ copy, size };
			int code = 1;
			while (code == 1)
				code = fl_rows_next(&rows, def, &before, &after, NULL);
			/* Behind a whole row there is nothing to miss. */
			cr_expect_eq(code, rows.next == size ? 0 : FL_ECORRUPT, "%s at %zu",
				partial_events[i].what, size);
			free(copy);
		}
		fl_buf_finish(&body);
		fl_arena_finish(&arena);
	}
	fl_table_unref(def);
}

Test(rows, changes_that_do_not_fit_are_refused_by_name)
{
	static const struct {
		const char *images, *reason;
		int code;
	} cases[] = {
		{ "00 01000000 " DOCUMENT "02000000 03000000 050200 03000000"
		  "01 01 00 01000000 05000000 0203242e62 02000000 03000000 050200 03000000",
			"shop.users.j: a partial JSON update does not fit: it removes $.b",
			FL_ECORRUPT },
		{ "02 01000000 02000000 03000000 050200 03000000"
		  "01 01 00 01000000 05000000 0203242e61 02000000 03000000 050200 03000000",
			"shop.users.j: a partial JSON update of NULL", FL_ECORRUPT },
		{ "0a 02000000 01000000 02000000  02 0a 02000000 04000000 05000000",
			"shop.users: a row with the value options 2", FL_EUNSUPPORTED },
	};
	struct fl_table_def *def = make_table(documents, 5, true, false);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_arena arena = { 0 };
		struct fl_buf body = { 0 };
		struct fl_rows rows =
			make_rows(&body, FL_EVENT_PARTIAL_UPDATE_ROWS, 5, "ffff", cases[i].images);
		struct fl_row before, after;
		struct fl_err err = { 0 };
		rows.arena = &arena;
		cr_expect_eq(fl_rows_next(&rows, def, &before, &after, &err), cases[i].code);
		cr_expect_str_eq(err.text, cases[i].reason);
		cr_expect_eq(rows.next, 0);
		fl_buf_finish(&body);
		fl_arena_finish(&arena);
	}
	fl_table_unref(def);
}

/* The images of all rows of an event have one bitmap, also when they are made anew. */
Test(rows, what_an_update_leaves_out_is_put_in_from_before)
{
	struct fl_table_def *def = make_table(columns, 3, true, false);
	struct fl_arena arena = { 0 };
	struct fl_buf body = { 0 };
	/* before: id and name; after: name */
	struct fl_rows rows = make_rows(&body, FL_EVENT_UPDATE_ROWS, 3, "fbfa",
		"00 01000000 0161  00 0162   02 02000000  00 0163   00 03000000 0164  01");
	static const char *const expected[] = { "{\"id\":1,\"name\":\"b\"}",
		"{\"id\":2,\"name\":\"c\"}", "{\"id\":3,\"name\":null}" };
	struct fl_row before, after;
	const uint8_t *bitmap = NULL;
	rows.arena = &arena;
	for (size_t i = 0; i < 3; i++) {
		struct fl_buf out = { 0 };
		cr_assert_eq(fl_rows_next(&rows, def, &before, &after, NULL), 1);
		cr_expect(i == 0 || after.present == bitmap);
		bitmap = after.present;
		cr_assert_eq(fl_row_json(&after, &out, NULL), 0);
		fl_buf_char(&out, '\0');
		cr_expect_str_eq(out.data, expected[i]);
		fl_buf_finish(&out);
	}
	cr_expect_eq(fl_rows_next(&rows, def, &before, &after, NULL), 0);
	fl_buf_finish(&body);
	fl_arena_finish(&arena);
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
