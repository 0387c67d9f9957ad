/* SPDX-License-Identifier: Apache-2.0
 *
 * Table definitions from TABLE_MAP events alone.
 */
#include "table_fixture.h"

/* Table maps as servers sent them. */
static const char mysql_labels[] =
	"9f0000000000 0100 02657800 036c616200 0b fefefe0ffe0ffcfcff03f5 10"
	"f701f801fe050a00fe04040002020404 ff05 010100 03080b083f3f3ffcff00 070101"
	"041e02653102733102633102763102623102766202626c02747801670169016a 0b0408fcff00"
	"05080202c3bc03622263 06140501e9046974277303615c6203630a6403782c79 080109 0c02ffe0";
static const char mariadb_labels[] =
	"3c0000000000 0100 02657800 036c616200 0b fefefe0ffe0ffcfcff03fc 10"
	"f701f801fe050a00fe04040002020404 ff05 010100 03080b083f3f3f2d3f2e 070101"
	"041e02653102733102633102763102623102766202626c02747801670169016a 0b02082d"
	"05080202c3bc03622263 06140501e9046974277303615c6203630a6403782c79 080109";
static const char numbers[] =
	"9e0000000000 0100 02657800 03636c7300 0b 010d0210f60d0504081103 07 05000502080400 ff03"
	"0102db00 0418016101790162026269016302793201640165016601740169 08010a0c02ffe0";
static const char prefix_key[] = "a00000000000 0100 02657800 0370667800 03 0f0303 02 9001 02 010100"
				 "0203fcff00 0406016101620163 09040200000a 0c01e0";
static const char mariadb_types[] =
	"3e0000000000 0100 02657800 036d747900 08 8c8d8cfefefe0f03 0c 02910102fe10fe10fe040a00 7f"
	"010100 02073f0008012d060b 041602743102763102623102693601750269340276320169 080107";
static const char old_times[] = "400000000000 0100 02657800 026f7400 05 0b0b0c0703 00 0f 010100"
				"040e0174027433026436037473340169 080104";

static struct fl_table_def *decode(const char *hex, bool is_mariadb)
{
	struct fl_buf body = { 0 };
	put_hex(&body, hex);
	struct fl_event event = event_of(FL_EVENT_TABLE_MAP, &body);
	struct fl_table_def *def = NULL;
	struct fl_err err = { 0 };
	int code = fl_table_decode(&event, test_format(is_mariadb), test_collations(), &def, &err);
	cr_assert_eq(code, 0, "%s", err.text);
	cr_assert_eq(def->raw.size, body.size);
	cr_assert_arr_eq(def->raw.data, body.data, body.size);
	fl_buf_finish(&body);
	return def;
}

Test(table, names_labels_and_charsets_come_from_full_metadata)
{
	static const char *const maps[] = { mysql_labels, mariadb_labels };
	for (unsigned m = 0; m < 2; m++) {
		struct fl_table_def *def = decode(maps[m], m == 1);
		expect_text(def->table.db, "ex");
		expect_text(def->table.name, "lab");
		cr_assert_eq(def->table.column_count, 11);
		cr_expect_eq(def->names, FL_NAMES_METADATA);
		static const char *const names[] = { "e1", "s1", "c1", "v1", "b1", "vb", "bl", "tx",
			"g", "i", "j" };
		static const uint8_t types[] = { 247, 248, 254, 15, 254, 15, 252, 252, 255, 3 };
		static const uint8_t charsets[] = { FL_CHARSET_LATIN1, FL_CHARSET_UTF8,
			FL_CHARSET_ASCII, FL_CHARSET_LATIN1, FL_CHARSET_BINARY, FL_CHARSET_BINARY,
			FL_CHARSET_BINARY, FL_CHARSET_UTF8, FL_CHARSET_BINARY, 0, FL_CHARSET_UTF8 };
		for (unsigned i = 0; i < 11; i++) {
			expect_text(def->table.columns[i].name, names[i]);
			cr_expect_eq(def->defs[i].charset, charsets[i], "%s", names[i]);
			cr_expect_eq(def->defs[i].nullable, i != 9, "%s", names[i]);
			if (i < 10)
				cr_expect_eq(def->defs[i].type, types[i], "%s", names[i]);
			cr_expect_eq(def->table.columns[i].in_key, i == 9, "%s", names[i]);
		}
		cr_expect_eq(def->table.key_count, 1);
		cr_expect_eq(def->table.key_columns[0], 9);
		static const char *const labels[] = { "é", "it's", "a\\b", "c\nd", "x,y" };
		cr_assert_eq(def->defs[0].label_count, 5);
		for (unsigned i = 0; i < 5; i++)
			expect_text(def->defs[0].labels[i], labels[i]);
		cr_assert_eq(def->defs[1].label_count, 2);
		expect_text(def->defs[1].labels[1], "b\"c");
		/* MariaDB's BINARY(4) may be an INET4 */
		cr_expect_eq(def->complete, m == 0);
		cr_expect_eq(def->ambiguous, m == 1);
		fl_table_unref(def);
	}
}

Test(table, signedness_counts_decimals_floats_and_years_but_no_bits)
{
	struct fl_table_def *def = decode(numbers, false);
	static const bool is_unsigned[] = { true, true, false, false, true, true, false, true, true,
		false, false };
	for (unsigned i = 0; i < 11; i++) {
		cr_expect_eq(def->defs[i].is_unsigned, is_unsigned[i], "column %u", i);
		cr_expect_eq(def->table.columns[i].is_unsigned, is_unsigned[i], "column %u", i);
	}
	cr_expect(def->complete);
	fl_table_unref(def);
}

Test(table, a_key_with_prefixes_keeps_its_order)
{
	struct fl_table_def *def = decode(prefix_key, false);
	cr_assert_eq(def->table.key_count, 2);
	cr_expect_eq(def->table.key_columns[0], 2);
	cr_expect_eq(def->table.key_columns[1], 0);
	fl_table_unref(def);
}

Test(table, types_that_mariadb_does_not_tell_leave_it_incomplete)
{
	static const char *const maps[] = { mariadb_types, old_times };
	for (unsigned i = 0; i < 2; i++) {
		struct fl_table_def *def = decode(maps[i], true);
		cr_expect(def->ambiguous);
		cr_expect_not(def->complete);
		fl_table_unref(def);
	}
}

Test(table, compressed_columns_have_an_extent_and_a_form_of_their_own)
{
	struct fl_table_def *def = decode(mariadb_types, true);
	static const unsigned length_bytes[] = { 2, 2, 2 };
	for (unsigned i = 0; i < 3; i++) {
		cr_expect_eq(def->defs[i].length_bytes, length_bytes[i]);
		cr_expect_eq(def->defs[i].form, FL_FORM_COMPRESSED);
	}
	cr_expect_eq(def->defs[0].charset, FL_CHARSET_LATIN1);
	cr_expect_eq(def->defs[1].charset, FL_CHARSET_UTF8);
	cr_expect_eq(def->defs[6].charset, FL_CHARSET_ASCII);
	fl_table_unref(def);
}

Test(table, no_truncation_of_an_event_is_read_beyond_its_end)
{
	static const char *const maps[] = { mysql_labels, mariadb_labels, numbers, prefix_key,
		mariadb_types, old_times };
	for (size_t m = 0; m < sizeof(maps) / sizeof(maps[0]); m++) {
		struct fl_buf body = { 0 };
		put_hex(&body, maps[m]);
		unsigned decoded = 0;
		for (size_t size = 0; size < body.size; size++) {
			char *copy = malloc(size + 1); /* its end is watched by the sanitizer */
			memcpy(copy, body.data, size);
			struct fl_event event = { .type = FL_EVENT_TABLE_MAP,
				.body = { copy, size } };
			struct fl_table_def *def = NULL;
			struct fl_err err = { 0 };
			int code = fl_table_decode(
				&event, test_format(m != 0), test_collations(), &def, &err);
			cr_expect(
				code == 0 || (code == FL_ECORRUPT && def == NULL), "%s", err.text);
			cr_expect(code == 0 || err.text[0] != '\0');
			decoded += code == 0;
			fl_table_unref(def);
			free(copy);
		}
		/* the cut may fall between two fields of the optional metadata */
		cr_expect_leq(decoded, 12);
		fl_buf_finish(&body);
	}
}

Test(table, wrong_metadata_is_refused)
{
	static const struct {
		struct column column;
		int code;
		const char *text;
	} cases[] = {
		{ { "a", 99, "", 0, 0, NULL }, FL_EUNSUPPORTED, "type 99" },
		{ { "a", 0, "", 0, 0, NULL }, FL_EUNSUPPORTED, "type 0" },
		{ { "a", 246, "4200", 0, 0, NULL }, FL_ECORRUPT, "column 1" },
		{ { "a", 246, "0506", 0, 0, NULL }, FL_ECORRUPT, "column 1" },
		{ { "a", 246, "0000", 0, 0, NULL }, FL_ECORRUPT, "column 1" },
		{ { "a", 16, "0900", 0, 0, NULL }, FL_ECORRUPT, "column 1" },
		{ { "a", 16, "0108", 0, 0, NULL }, FL_ECORRUPT, "column 1" },
		{ { "a", 16, "0000", 0, 0, NULL }, FL_ECORRUPT, "column 1" },
		{ { "a", 5, "04", 0, 0, NULL }, FL_ECORRUPT, "column 1" },
		{ { "a", 18, "07", 0, 0, NULL }, FL_ECORRUPT, "column 1" },
		{ { "a", 252, "05", 0, 0, NULL }, FL_ECORRUPT, "column 1" },
		{ { "a", 252, "00", 0, 0, NULL }, FL_ECORRUPT, "column 1" },
		{ { "a", 254, "f703", 0, 0, NULL }, FL_ECORRUPT, "column 1" },
		{ { "a", 254, "f805", 0, 0, NULL }, FL_ECORRUPT, "column 1" },
		{ { "a", 254, "0301", 0, 0, NULL }, FL_ECORRUPT, "column 1" },
		{ { "a", 15, "05", 0, 0, NULL }, FL_ECORRUPT, "column 1" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_buf body = { 0 };
		put_table_map(&body, &cases[i].column, 1, false);
		struct fl_event event = event_of(FL_EVENT_TABLE_MAP, &body);
		struct fl_table_def *def = NULL;
		struct fl_err err = { 0 };
		cr_expect_eq(fl_table_decode(&event, test_format(false), NULL, &def, &err),
			cases[i].code, "case %zu: %s", i, err.text);
		cr_expect_not_null(strstr(err.text, cases[i].text), "case %zu: %s", i, err.text);
		cr_expect_not_null(strstr(err.text, "shop.users"), "%s", err.text);
		cr_expect_null(def);
		fl_buf_finish(&body);
	}
}

Test(table, lengths_of_more_than_255_bytes)
{
	static const struct column columns[] = {
		{ "c", 254, "cefc", 0, UTF8MB4, NULL }, /* CHAR(255), 1020 bytes */
		{ "c", 254, "fe3c", 0, UTF8MB4, NULL }, /* CHAR(15), 60 bytes */
		{ "v", 15, "ff00", 0, UTF8MB4, NULL },
		{ "v", 15, "0001", 0, UTF8MB4, NULL },
	};
	static const unsigned sizes[] = { 1020, 60, 0, 0 }, length_bytes[] = { 2, 1, 1, 2 };
	struct fl_table_def *def = make_table(columns, 4, true, false);
	for (unsigned i = 0; i < 4; i++) {
		cr_expect_eq(def->defs[i].fixed_size, sizes[i]);
		cr_expect_eq(def->defs[i].length_bytes, length_bytes[i]);
	}
	fl_table_unref(def);
}

Test(table, the_id_is_told_without_decoding)
{
	struct fl_buf body = { 0 };
	put_hex(&body, "01020304050600");
	struct fl_event event = event_of(FL_EVENT_TABLE_MAP, &body);
	struct fl_err err;
	uint64_t id = 7;
	cr_expect_eq(fl_table_map_id(&event, test_format(false), &id, &err), FL_ECORRUPT);
	cr_expect_eq(id, 7);
	fl_buf_char(&body, 0);
	event = event_of(FL_EVENT_TABLE_MAP, &body);
	cr_expect_eq(fl_table_map_id(&event, test_format(false), &id, &err), 0);
	cr_expect_eq(id, UINT64_C(0x060504030201));
	fl_buf_finish(&body);
}

/* Built by hand: make_table()'s columns are nullable. */
static struct fl_table_def *make_lives(const char *nullable, const char *key, bool is_mariadb)
{
	char hex[256];
	snprintf(hex, sizeof(hex),
		"7b0000000000 0100 01 73 00 01 74 00 04 03 11 11 03 02 0606 %s 04 08 01 61 01 62 "
		"01 63 01 64 %s",
		nullable, key);
	struct fl_buf body = { 0 };
	put_hex(&body, hex);
	/* SIGNEDNESS of the two INTs */
	put_hex(&body, "01 01 00");
	struct fl_event event = event_of(FL_EVENT_TABLE_MAP, &body);
	struct fl_table_def *def = NULL;
	struct fl_err err = { 0 };
	int code = fl_table_decode(&event, test_format(is_mariadb), test_collations(), &def, &err);
	cr_assert_eq(code, 0, "%s", err.text);
	fl_buf_finish(&body);
	return def;
}

Test(table, a_table_that_may_keep_its_history_is_looked_up)
{
	static const struct {
		const char *nullable, *key;
		bool is_mariadb, ambiguous;
	} cases[] = {
		{ "00", "08 02 00 02", true, true },  /* PRIMARY KEY (a, c) */
		{ "00", "", true, true },	      /* none */
		{ "00", "08 01 00", true, false },    /* PRIMARY KEY (a) */
		{ "00", "08 02 02 00", true, false }, /* PRIMARY KEY (c, a) */
		{ "02", "08 02 00 02", true, false }, /* b may be NULL */
		{ "00", "08 02 00 02", false, false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_table_def *def =
			make_lives(cases[i].nullable, cases[i].key, cases[i].is_mariadb);
		cr_expect_eq(def->ambiguous, cases[i].ambiguous, "case %zu", i);
		cr_expect_eq(def->complete, !cases[i].ambiguous, "case %zu", i);
		fl_table_unref(def);
	}
}

Test(table, an_unknown_collation_is_refused_by_its_number)
{
	static const struct column column = { "c", 15, "1400", 0, 200, NULL };
	struct fl_table_def *def = make_table(&column, 1, true, true);
	cr_expect(def->complete);
	cr_expect_str_eq(def->defs[0].not_decoded, "character set of collation 200");
	fl_table_unref(def);
}

Test(table, a_doubt_is_kept_and_references_are_counted)
{
	static const struct column column = { "a", 3, "", 0, 0, NULL };
	struct fl_table_def *def = make_table(&column, 1, true, false);
	char reason[] = "altered since";
	fl_table_doubt(def, reason);
	reason[0] = 'X';
	cr_expect_str_eq(def->doubt, "altered since");
	cr_expect_eq(fl_table_ref(def), def);
	fl_table_unref(def);
	cr_expect_str_eq(def->doubt, "altered since");
	fl_table_unref(def);
	fl_table_unref(NULL);
}

Test(table, character_sets_by_name)
{
	static const struct {
		const char *name;
		enum fl_charset charset;
	} cases[] = { { "utf8mb4", FL_CHARSET_UTF8 }, { "utf8mb3", FL_CHARSET_UTF8 },
		{ "utf8", FL_CHARSET_UTF8 }, { "latin1", FL_CHARSET_LATIN1 },
		{ "ascii", FL_CHARSET_ASCII }, { "binary", FL_CHARSET_BINARY },
		{ "gbk", FL_CHARSET_GBK }, { "LATIN2", FL_CHARSET_LATIN2 },
		{ "utf32", FL_CHARSET_UTF32 }, { "utf", FL_CHARSET_OTHER },
		{ "utf8mb4x", FL_CHARSET_OTHER }, { "", FL_CHARSET_UNKNOWN } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_bytes name = { cases[i].name, strlen(cases[i].name) };
		cr_expect_eq(fl_charset_from_name(name), cases[i].charset, "%s", cases[i].name);
	}
}
