/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of every type, as JSON, as text and as they are.
 */
#include "row_fixture.h"

/* A value of one column, and how it is shown. */
struct value_case {
	struct column column;
	const char *value; /* hexadecimal */
	const char *json;  /* NULL: not a valid value */
	const char *text;  /* NULL: as in JSON, without quotes */
	enum fl_value_kind kind;
};

static const struct value_case value_cases[] = {
	{ { "c", 1, "", NONE }, "80", "-128", NULL, FL_VALUE_INT },
	{ { "c", 1, "", 1, 0, NULL }, "80", "128", NULL, FL_VALUE_UINT },
	{ { "c", 2, "", NONE }, "0080", "-32768", NULL, FL_VALUE_INT },
	{ { "c", 2, "", 1, 0, NULL }, "ffff", "65535", NULL, FL_VALUE_UINT },
	{ { "c", 9, "", NONE }, "000080", "-8388608", NULL, FL_VALUE_INT },
	{ { "c", 9, "", NONE }, "ffff7f", "8388607", NULL, FL_VALUE_INT },
	{ { "c", 9, "", 1, 0, NULL }, "ffffff", "16777215", NULL, FL_VALUE_UINT },
	{ { "c", 3, "", NONE }, "00000080", "-2147483648", NULL, FL_VALUE_INT },
	{ { "c", 3, "", 1, 0, NULL }, "ffffffff", "4294967295", NULL, FL_VALUE_UINT },
	{ { "c", 8, "", NONE }, "0000000000000080", "-9223372036854775808", NULL, FL_VALUE_INT },
	{ { "c", 8, "", 1, 0, NULL }, "ffffffffffffffff", "18446744073709551615", NULL,
		FL_VALUE_UINT },
	{ { "c", 8, "", 1, 0, NULL }, "0000e8890423c78a", "10000000000000000000", NULL,
		FL_VALUE_UINT },
	{ { "c", 8, "", 1, 0, NULL }, "ffffe7890423c78a", "9999999999999999999", NULL,
		FL_VALUE_UINT },
	{ { "c", 3, "", NONE }, "00000000", "0", NULL, FL_VALUE_INT },
	{ { "c", 3, "", NONE }, "63000000", "99", NULL, FL_VALUE_INT },
	{ { "c", 3, "", NONE }, "64000000", "100", NULL, FL_VALUE_INT },

	{ { "c", 4, "04", NONE }, "cdcccc3d", "0.1", NULL, FL_VALUE_FLOAT },
	{ { "c", 4, "04", NONE }, "ffff7f7f", "3.4028235e38", NULL, FL_VALUE_FLOAT },
	{ { "c", 4, "04", NONE }, "01000000", "1e-45", NULL, FL_VALUE_FLOAT },
	{ { "c", 4, "04", NONE }, "0000c07f", NULL, NULL, 0 }, /* not a number */
	{ { "c", 5, "08", NONE }, "0000000000000000", "0", NULL, FL_VALUE_DOUBLE },
	{ { "c", 5, "08", NONE }, "0000000000000080", "-0", NULL, FL_VALUE_DOUBLE },
	{ { "c", 5, "08", NONE }, "9a9999999999b93f", "0.1", NULL, FL_VALUE_DOUBLE },
	{ { "c", 5, "08", NONE }, "343333333333d33f", "0.30000000000000004", NULL,
		FL_VALUE_DOUBLE },
	{ { "c", 5, "08", NONE }, "000000000000f07f", NULL, NULL, 0 }, /* infinite */

	{ { "c", 246, "0a02", NONE }, "800004d23c", "\"1234.60\"", NULL, FL_VALUE_NUMBER },
	{ { "c", 246, "0a02", NONE }, "7ffffb2dc3", "\"-1234.60\"", NULL, FL_VALUE_NUMBER },
	{ { "c", 246, "0a02", NONE }, "8000000000", "\"0.00\"", NULL, FL_VALUE_NUMBER },
	{ { "c", 246, "0100", NONE }, "76", "\"-9\"", NULL, FL_VALUE_NUMBER },
	{ { "c", 246, "0101", NONE }, "89", "\"0.9\"", NULL, FL_VALUE_NUMBER },
	{ { "c", 246, "140a", NONE }, "81 3b9ac9ff 3b9ac9ff 09", "\"1999999999.9999999999\"", NULL,
		FL_VALUE_NUMBER },
	{ { "c", 246, "4100", NONE },
		"80 00000000 00000000 00000000 00000000 00000000 00000000 00000007", "\"7\"", NULL,
		FL_VALUE_NUMBER },
	{ { "c", 246, "0a02", NONE }, "8000000064", NULL, NULL, 0 }, /* a group of 100 */

	{ { "c", 16, "0100", NONE }, "01", "1", NULL, FL_VALUE_UINT },
	{ { "c", 16, "0401", NONE }, "0abc", "2748", NULL, FL_VALUE_UINT },
	{ { "c", 16, "0008", NONE }, "fffffffffffffffe", "18446744073709551614", NULL,
		FL_VALUE_UINT },
	{ { "c", 13, "", NONE }, "00", "0", NULL, FL_VALUE_UINT },
	{ { "c", 13, "", NONE }, "7c", "2024", NULL, FL_VALUE_UINT },
	{ { "c", 13, "", NONE }, "ff", "2155", NULL, FL_VALUE_UINT },

	{ { "c", 10, "", NONE }, "5dd00f", "\"2024-02-29\"", NULL, FL_VALUE_TEXT },
	{ { "c", 10, "", NONE }, "000000", "\"0000-00-00\"", NULL, FL_VALUE_TEXT },
	{ { "c", 10, "", NONE }, "00d00f", "\"2024-00-00\"", NULL, FL_VALUE_TEXT },
	{ { "c", 10, "", NONE }, "ffffff", NULL, NULL, 0 }, /* the year 32767 */
	{ { "c", 19, "00", NONE }, "800000", "\"00:00:00\"", NULL, FL_VALUE_TEXT },
	{ { "c", 19, "00", NONE }, "b46efb", "\"838:59:59\"", NULL, FL_VALUE_TEXT },
	{ { "c", 19, "00", NONE }, "4b9105", "\"-838:59:59\"", NULL, FL_VALUE_TEXT },
	{ { "c", 19, "01", NONE }, "7ffffff6", "\"-00:00:00.1\"", NULL, FL_VALUE_TEXT },
	{ { "c", 19, "06", NONE }, "4b9105 f0bdc1", "\"-838:59:58.999999\"", NULL, FL_VALUE_TEXT },
	{ { "c", 19, "03", NONE }, "80c8b3 1170", "\"12:34:51.446\"", NULL, FL_VALUE_TEXT },
	{ { "c", 18, "00", NONE }, "99b2ba1083", "\"2024-02-29 01:02:03\"", NULL, FL_VALUE_TEXT },
	{ { "c", 18, "06", NONE }, "99b2ba1083 000001", "\"2024-02-29 01:02:03.000001\"", NULL,
		FL_VALUE_TEXT },
	{ { "c", 18, "01", NONE }, "99b2ba1083 32", "\"2024-02-29 01:02:03.5\"", NULL,
		FL_VALUE_TEXT },
	{ { "c", 18, "02", NONE }, "99b2ba1083 64", NULL, NULL, 0 }, /* 100 hundredths */
	{ { "c", 18, "00", NONE }, "8000000000", "\"0000-00-00 00:00:00\"", NULL, FL_VALUE_TEXT },
	{ { "c", 18, "00", NONE }, "7fffffffff", NULL, NULL, 0 },
	{ { "c", 17, "00", NONE }, "00000000", "\"0000-00-00 00:00:00\"", NULL, FL_VALUE_TEXT },
	{ { "c", 17, "03", NONE }, "000000000000", "\"0000-00-00 00:00:00.000\"", NULL,
		FL_VALUE_TEXT },
	{ { "c", 17, "00", NONE }, "00000001", "\"1970-01-01 00:00:01\"", NULL, FL_VALUE_TEXT },
	{ { "c", 17, "00", NONE }, "38bc5d7f", "\"2000-02-29 23:59:59\"", NULL, FL_VALUE_TEXT },
	{ { "c", 17, "00", NONE }, "7fffffff", "\"2038-01-19 03:14:07\"", NULL, FL_VALUE_TEXT },
	{ { "c", 17, "04", NONE }, "ffffffff270f", "\"2106-02-07 06:28:15.9999\"", NULL,
		FL_VALUE_TEXT },
	{ { "c", 11, "", NONE }, "40e201", "\"12:34:56\"", NULL, FL_VALUE_TEXT },
	{ { "c", 11, "", NONE }, "c01dfe", "\"-12:34:56\"", NULL, FL_VALUE_TEXT },
	{ { "c", 12, "", NONE }, "1b0ba98b68120000", "\"2024-02-29 01:02:03\"", NULL,
		FL_VALUE_TEXT },
	{ { "c", 12, "", NONE }, "ffffffffffffffff", NULL, NULL, 0 },
	{ { "c", 7, "", NONE }, "00f15365", "\"2023-11-14 22:13:20\"", NULL, FL_VALUE_TEXT },

	{ { "c", 15, "5000", 0, UTF8MB4, NULL }, "00", "\"\"", NULL, FL_VALUE_TEXT },
	{ { "c", 15, "5000", 0, UTF8MB4_0900, NULL }, "07 61c3a9f09f9880", "\"aé😀\"", NULL,
		FL_VALUE_TEXT },
	{ { "c", 15, "5000", 0, UTF8, NULL }, "0a 22 5c 0a 08 0c 0d 09 00 1f 7f",
		"\"\\\"\\\\\\n\\b\\f\\r\\t\\u0000\\u001f\x7f\"", NULL, FL_VALUE_TEXT },
	{ { "c", 15, "0001", 0, UTF8MB4, NULL }, "0300 616263", "\"abc\"", NULL, FL_VALUE_TEXT },
	{ { "c", 15, "5000", 0, UTF8MB4, NULL }, "01 ff", NULL, NULL, 0 },
	{ { "c", 15, "5000", 0, UTF8MB4, NULL }, "02 c0af", NULL, NULL, 0 },
	{ { "c", 15, "5000", 0, UTF8MB4, NULL }, "03 eda080", NULL, NULL, 0 },
	{ { "c", 15, "5000", 0, UTF8MB4, NULL }, "04 f4908080", NULL, NULL, 0 },
	{ { "c", 15, "5000", 0, UTF8MB4, NULL }, "02 e282", NULL, NULL, 0 },
	{ { "c", 15, "5000", 0, LATIN1, NULL }, "05 61 e9 80 81 ff", "\"aé€\xc2\x81ÿ\"", NULL,
		FL_VALUE_TEXT },
	{ { "c", 15, "5000", 0, ASCII, NULL }, "02 617e", "\"a~\"", NULL, FL_VALUE_TEXT },
	{ { "c", 15, "5000", 0, ASCII, NULL }, "01 80", NULL, NULL, 0 },
	{ { "c", 254, "fe28", 0, UTF8MB4, NULL }, "02 6162", "\"ab\"", NULL, FL_VALUE_TEXT },
	{ { "c", 254, "cefc", 0, UTF8MB4, NULL }, "0200 6162", "\"ab\"", NULL, FL_VALUE_TEXT },
	{ { "c", 252, "03", 0, UTF8MB4, NULL }, "010000 61", "\"a\"", NULL, FL_VALUE_TEXT },

	{ { "c", 254, "fe04", 0, BINARY, NULL }, "01 ff", "\"/wAAAA==\"", "ff000000",
		FL_VALUE_BINARY },
	{ { "c", 254, "fe03", 0, BINARY, NULL }, "00", "\"AAAA\"", "000000", FL_VALUE_BINARY },
	{ { "c", 15, "0400", 0, BINARY, NULL }, "00", "\"\"", "", FL_VALUE_BINARY },
	{ { "c", 15, "0400", 0, BINARY, NULL }, "02 00fe", "\"AP4=\"", "00fe", FL_VALUE_BINARY },
	{ { "c", 252, "02", 0, BINARY, NULL }, "0300 000102", "\"AAEC\"", "000102",
		FL_VALUE_BINARY },
	{ { "c", 255, "04", NONE }, "01000000 41", "\"QQ==\"", "41", FL_VALUE_BINARY },
	{ { "c", 242, "04", NONE }, "04000000 0000803f", "\"AACAPw==\"", "0000803f",
		FL_VALUE_BINARY },

	{ { "c", 254, "f701", 0, UTF8MB4, "a|it's|\"" }, "00", "\"\"", NULL, FL_VALUE_TEXT },
	{ { "c", 254, "f701", 0, UTF8MB4, "a|it's|\"" }, "02", "\"it's\"", NULL, FL_VALUE_TEXT },
	{ { "c", 254, "f701", 0, UTF8MB4, "a|it's|\"" }, "03", "\"\\\"\"", "\"", FL_VALUE_TEXT },
	{ { "c", 254, "f701", 0, UTF8MB4, "a|it's|\"" }, "04", NULL, NULL, 0 },
	{ { "c", 254, "f701", 0, LATIN1, "\xe9" }, "01", "\"é\"", NULL, FL_VALUE_TEXT },
	{ { "c", 254, "f801", 0, UTF8MB4, "a|b|\"" }, "00", "\"\"", NULL, FL_VALUE_TEXT },
	{ { "c", 254, "f801", 0, UTF8MB4, "a|b|\"" }, "05", "\"a,\\\"\"", "a,\"", FL_VALUE_TEXT },
	{ { "c", 254, "f801", 0, UTF8MB4, "a|b|\"" }, "08", NULL, NULL, 0 },

	{ { "c", 245, "04", NONE }, "02000000 0401", "true", NULL, FL_VALUE_JSON },
	{ { "c", 245, "04", NONE }, "03000000 0c0161", "\"a\"", "\"a\"", FL_VALUE_JSON },
	{ { "c", 245, "04", NONE }, "02000000 0403", NULL, NULL, 0 },
};

/* The text that is expected for keys: JSON's without quotes and escapes, where not given. */
static void plain_text(const struct value_case *c, struct fl_buf *out)
{
	const char *json = c->json;
	if (c->text != NULL || json[0] != '"') {
		fl_buf_text(out, c->text != NULL ? c->text : json);
		return;
	}
	for (json++; json[1] != '\0'; json++) {
		static const char from[] = "nbfrt", to[] = "\n\b\f\r\t";
		if (*json != '\\') {
			fl_buf_char(out, *json);
		} else if (*++json == 'u') {
			put_hex(out, (char[]){ json[3], json[4], '\0' });
			json += 4;
		} else {
			const char *found = strchr(from, *json);
			fl_buf_char(out, found != NULL ? to[found - from] : *json);
		}
	}
}

static void expect_value(const struct value_case *c, const struct fl_row *row, size_t i)
{
	struct fl_buf json = { 0 }, text = { 0 }, scratch = { 0 }, expected = { 0 };
	struct fl_err err = { 0 };
	fl_buf_text(&json, ">");
	cr_assert_eq(fl_row_json(row, &json, &err), 0, "case %zu: %s", i, err.text);
	fl_buf_char(&json, '\0');
	cr_expect(strlen(json.data) == strlen(c->json) + 7 &&
			  memcmp(json.data, ">{\"c\":", 6) == 0 &&
			  memcmp(json.data + 6, c->json, strlen(c->json)) == 0,
		"case %zu: %s, not %s", i, json.data, c->json);

	plain_text(c, &expected);
	cr_assert_eq(fl_row_text(row, 0, &text, &err), 1, "case %zu", i);
	fl_buf_char(&text, '\0');
	text.size--;
	cr_assert_eq(text.size, expected.size, "case %zu: %s", i, text.data);
	cr_expect(
		text.size == 0 || memcmp(text.data, expected.data, text.size) == 0, "case %zu", i);

	struct fl_value value = { 0 };
	cr_assert_eq(fl_row_value(row, 0, &scratch, &value, &err), 0, "case %zu", i);
	cr_expect_eq(value.kind, c->kind, "case %zu: kind %d", i, (int)value.kind);
	if (value.kind == FL_VALUE_INT)
		cr_expect_eq(value.i, strtoll(text.data, NULL, 10), "case %zu", i);
	else if (value.kind == FL_VALUE_UINT)
		cr_expect_eq(value.u, strtoull(text.data, NULL, 10), "case %zu", i);
	else if (value.kind == FL_VALUE_FLOAT)
		cr_expect_eq(value.d, (double)strtof(text.data, NULL), "case %zu", i);
	else if (value.kind == FL_VALUE_DOUBLE)
		cr_expect_eq(value.d, strtod(text.data, NULL), "case %zu", i);
	else if (value.kind == FL_VALUE_BINARY)
		cr_expect_eq(value.bytes.size * 2, text.size, "case %zu", i);
	else
		cr_expect(value.bytes.size == text.size &&
				  (text.size == 0 ||
					  memcmp(value.bytes.data, text.data, text.size) == 0),
			"case %zu", i);
	fl_buf_finish(&json);
	fl_buf_finish(&text);
	fl_buf_finish(&scratch);
	fl_buf_finish(&expected);
}

static void expect_no_value(const struct fl_row *row, size_t i)
{
	struct fl_buf out = { 0 }, scratch = { 0 };
	struct fl_value value = { .kind = FL_VALUE_NULL, .u = 4711 };
	fl_buf_text(&out, "kept");
	int (*const functions[])(const struct fl_row *, struct fl_buf *,
		struct fl_err *) = { fl_row_json, fl_row_key_json };
	for (unsigned f = 0; f < 2; f++) {
		struct fl_err err = { 0 };
		cr_expect_eq(functions[f](row, &out, &err), FL_ECORRUPT, "case %zu", i);
		cr_expect_str_eq(err.text, "shop.users.c: not a valid value of its type");
		cr_expect_eq(out.size, 4, "nothing is left of a failure");
	}
	cr_expect_eq(fl_row_text(row, 0, &out, NULL), FL_ECORRUPT, "case %zu", i);
	cr_expect_eq(out.size, 4);
	cr_expect_eq(fl_row_value(row, 0, &scratch, &value, NULL), FL_ECORRUPT, "case %zu", i);
	cr_expect(value.kind == FL_VALUE_NULL && value.u == 4711, "case %zu", i);
	fl_buf_finish(&out);
	fl_buf_finish(&scratch);
}

Test(row, values_of_every_type)
{
	for (size_t i = 0; i < sizeof(value_cases) / sizeof(value_cases[0]); i++) {
		const struct value_case *c = &value_cases[i];
		struct fl_table_def *def = make_table(&c->column, 1, true, false);
		cr_assert(def->complete, "case %zu", i);
		char image[256];
		snprintf(image, sizeof(image), "00%s", c->value);
		struct fl_buf body = { 0 };
		struct fl_rows rows = make_rows(&body, FL_EVENT_WRITE_ROWS, 1, "ff", image);
		struct fl_row row = first_row(&rows, def);
		if (c->json != NULL)
			expect_value(c, &row, i);
		else
			expect_no_value(&row, i);
		struct fl_row before, after;
		cr_expect_eq(fl_rows_next(&rows, def, &before, &after, NULL), 0, "case %zu", i);
		fl_buf_finish(&body);
		fl_table_unref(def);
	}
}

Test(row, a_row_cut_anywhere_is_refused)
{
	for (size_t i = 0; i < sizeof(value_cases) / sizeof(value_cases[0]); i++) {
		const struct value_case *c = &value_cases[i];
		struct fl_table_def *def = make_table(&c->column, 1, true, false);
		struct fl_buf value = { 0 };
		put_hex(&value, "00");
		put_hex(&value, c->value);
		for (size_t size = 0; size < value.size; size++) {
			char *copy = malloc(size + 1);
			memcpy(copy, value.data, size);
			struct fl_rows rows = {
				.op = FL_INSERT, .column_count = 1, .data = { copy, size }
			};
			struct fl_row before, after;
			struct fl_err err = { 0 };
			cr_expect_eq(fl_rows_next(&rows, def, &before, &after, &err), FL_ECORRUPT,
				"case %zu cut to %zu", i, size);
			cr_expect_eq(rows.next, 0);
			free(copy);
		}
		fl_buf_finish(&value);
		fl_table_unref(def);
	}
}

/* A character of each sort at every place of texts around the sizes of the copying steps. */
Test(row, long_texts_are_escaped_at_every_place)
{
	static const struct {
		const char *raw, *json;
	} special[] = { { "\"", "\\\"" }, { "\\", "\\\\" }, { "\n", "\\n" }, { "\x01", "\\u0001" },
		{ "é", "é" }, { "😀", "😀" }, { "\xff", "\xef\xbf\xbd" } };
	for (size_t s = 0; s < sizeof(special) / sizeof(special[0]); s++) {
		for (size_t size = 0; size < 40; size++) {
			for (size_t place = 0; place <= size; place++) {
				struct fl_buf text = { 0 }, expected = { 0 }, out = { 0 };
				fl_buf_char(&expected, '"');
				for (size_t i = 0; i < size; i++) {
					fl_buf_text(&text, i == place ? special[s].raw : "");
					fl_buf_text(&expected, i == place ? special[s].json : "");
					fl_buf_char(&text, (char)('#' + i));
					fl_buf_char(&expected, (char)('#' + i));
				}
				fl_buf_char(&expected, '"');
				fl_json_text((struct fl_bytes){ text.data, text.size }, &out);
				cr_assert_eq(out.size, expected.size);
				cr_assert_arr_eq(out.data, expected.data, out.size);
				fl_buf_finish(&text);
				fl_buf_finish(&expected);
				fl_buf_finish(&out);
			}
		}
	}
}

Test(row, texts_beyond_a_block_are_written_whole)
{
	static const struct column column = { "c", 252, "03", 0, UTF8MB4, NULL };
	struct fl_table_def *def = make_table(&column, 1, true, false);
	for (size_t size = 4090; size < 4100; size++) {
		/* "😀" across the border of the first block of 4096 bytes, then a line break */
		struct fl_buf image = { 0 }, expected = { 0 }, out = { 0 };
		fl_buf_char(&image, 0);
		put_int(&image, size + 5, 3);
		fl_buf_text(&expected, "{\"c\":\"");
		for (size_t i = 0; i < size; i++) {
			fl_buf_char(&image, 'x');
			fl_buf_char(&expected, 'x');
		}
		fl_buf_text(&image, "😀\n");
		fl_buf_text(&expected, "😀\\n\"}");
		struct fl_rows rows = {
			.op = FL_INSERT, .column_count = 1, .data = { image.data, image.size }
		};
		struct fl_row row = first_row(&rows, def);
		cr_assert_eq(fl_row_json(&row, &out, NULL), 0);
		cr_assert_eq(out.size, expected.size);
		cr_assert_arr_eq(out.data, expected.data, out.size);
		fl_buf_finish(&image);
		fl_buf_finish(&expected);
		fl_buf_finish(&out);
	}
	fl_table_unref(def);
}

/* With as much text as there is room made for at once, and with more; where each byte takes the
 * most that it can. */
Test(row, rows_of_any_size_are_written_whole)
{
	static const struct column columns[] = {
		{ "a_name_that_is_longer_than_a_piece", 3, "", NONE },
		{ "t", 252, "03", 0, UTF8MB4, NULL }, { "b", 254, "feff", 0, BINARY, NULL },
		{ "s", 254, "f801", 0, UTF8MB4, "one label that is long|b" }, { "d", 5, "08", NONE }
	};
	static const size_t sizes[] = { 0, 1, 17, 4096, 4097, 40000, 43000, 44000, 100000 };
	static const char head[] = "{\"a_name_that_is_longer_than_a_piece\":-2147483648,\"t\":\"";
	struct fl_table_def *def = make_table(columns, 5, true, false);
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		struct fl_buf image = { 0 }, expected = { 0 }, out = { 0 }, named = { 0 };
		put_hex(&image, "00 00000080");
		put_int(&image, sizes[s], 3);
		fl_buf_text(&expected, head);
		for (size_t i = 0; i < sizes[s]; i++) {
			fl_buf_char(&image, 1);
			fl_buf_text(&expected, "\\u0001");
		}
		put_hex(&image, "00 03 9a9999999999b9bf");
		fl_buf_text(&expected, "\",\"b\":\"");
		for (unsigned i = 0; i < 340; i++)
			fl_buf_char(&expected, 'A');
		fl_buf_text(&expected, "\",\"s\":\"one label that is long,b\",\"d\":-0.1}");
		/* just what there is, so that reading beyond it is noticed */
		char *exact = malloc(image.size);
		memcpy(exact, image.data, image.size);
		struct fl_rows rows = {
			.op = FL_INSERT, .column_count = 5, .data = { exact, image.size }
		};
		struct fl_row row = first_row(&rows, def);
		cr_assert_eq(fl_row_json(&row, &out, NULL), 0);
		cr_assert_eq(out.size, expected.size);
		cr_assert_arr_eq(out.data, expected.data, out.size);

		struct fl_bytes names[5];
		for (unsigned i = 0; i < 5; i++)
			names[i] =
				i == 1 || i == 4 ? def->defs[i].json_name : (struct fl_bytes){ 0 };
		cr_assert_eq(fl_row_json_named(&row, names, &named, NULL), 0);
		cr_assert_eq(named.size, 17 + 6 * sizes[s]);
		free(exact);
		fl_buf_finish(&image);
		fl_buf_finish(&expected);
		fl_buf_finish(&out);
		fl_buf_finish(&named);
	}
	fl_table_unref(def);
}
