/* SPDX-License-Identifier: Apache-2.0 */
#include "make_table.h"

#include "binlog/row.h"
#include "binlog/value.h"

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

static void expect_text(struct fl_bytes text, const char *expected)
{
	cr_expect(text.size == strlen(expected) && memcmp(text.data, expected, text.size) == 0,
		"%.*s, not %s", (int)text.size, text.data, expected);
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

/* ---------------------------------------------------------------- schema */

#define B(text)                                                                                    \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}

/* One column of a source that tells nothing but types, and what information_schema says of it. */
struct schema_case {
	struct column column;
	struct fl_schema_column schema;
	const char *differs; /* NULL: it fits */
};

/* name, data_type, column_type, charset, octet_length, precision, scale, fraction, nullable, key */
static const struct schema_case schema_cases[] = {
	{ { "", 3, "", 0, 0, NULL },
		{ B("a"), B("int"), B("int(11)"), B(""), -1, 10, 0, -1, true, 0 }, NULL },
	{ { "", 3, "", 0, 0, NULL },
		{ B("a"), B("bigint"), B("bigint"), B(""), -1, 19, 0, -1, true, 0 }, "type" },
	{ { "", 3, "", 0, 0, NULL },
		{ B("a"), B("int"), B("int(11)"), B(""), -1, 10, 0, -1, false, 0 }, "nullability" },
	{ { "", 3, "", 0, 0, NULL }, { B("a"), B(""), B("int(11)"), B(""), -1, 10, 0, -1, true, 0 },
		"type" },
	{ { "", 246, "0a02", 0, 0, NULL },
		{ B("a"), B("decimal"), B("decimal(10,2)"), B(""), -1, 10, 2, -1, true, 0 }, NULL },
	{ { "", 246, "0a02", 0, 0, NULL },
		{ B("a"), B("decimal"), B("decimal(10,3)"), B(""), -1, 10, 3, -1, true, 0 },
		"precision" },
	{ { "", 246, "0a02", 0, 0, NULL },
		{ B("a"), B("decimal"), B("decimal(11,2)"), B(""), -1, 11, 2, -1, true, 0 },
		"precision" },
	{ { "", 16, "0502", 0, 0, NULL },
		{ B("a"), B("bit"), B("bit(21)"), B(""), -1, 21, -1, -1, true, 0 }, NULL },
	{ { "", 16, "0502", 0, 0, NULL },
		{ B("a"), B("bit"), B("bit(20)"), B(""), -1, 20, -1, -1, true, 0 }, "precision" },
	{ { "", 15, "5000", 0, 0, NULL },
		{ B("a"), B("varchar"), B("varchar(20)"), B("utf8mb4"), 80, -1, -1, -1, true, 0 },
		NULL },
	{ { "", 15, "5000", 0, 0, NULL },
		{ B("a"), B("varchar"), B("varchar(20)"), B("utf8mb3"), 60, -1, -1, -1, true, 0 },
		"length" },
	{ { "", 15, "5000", 0, 0, NULL },
		{ B("a"), B("char"), B("char(20)"), B("utf8mb4"), 80, -1, -1, -1, true, 0 },
		"type" },
	{ { "", 254, "cefc", 0, 0, NULL },
		{ B("a"), B("char"), B("char(255)"), B("utf8mb4"), 1020, -1, -1, -1, true, 0 },
		NULL },
	{ { "", 254, "fe10", 0, 0, NULL },
		{ B("a"), B("binary"), B("binary(16)"), B(""), 16, -1, -1, -1, true, 0 }, NULL },
	{ { "", 254, "fe10", 0, 0, NULL },
		{ B("a"), B("uuid"), B("uuid"), B(""), -1, -1, -1, -1, true, 0 }, NULL },
	{ { "", 254, "fe10", 0, 0, NULL },
		{ B("a"), B("inet4"), B("inet4"), B(""), -1, -1, -1, -1, true, 0 }, "length" },
	{ { "", 252, "02", 0, 0, NULL },
		{ B("a"), B("text"), B("text"), B("latin1"), 65535, -1, -1, -1, true, 0 }, NULL },
	{ { "", 252, "02", 0, 0, NULL },
		{ B("a"), B("mediumtext"), B("mediumtext"), B("latin1"), 1, -1, -1, -1, true, 0 },
		"type" },
	{ { "", 252, "04", 0, 0, NULL },
		{ B("a"), B("longblob"), B("longblob"), B(""), 4294967295, -1, -1, -1, true, 0 },
		NULL },
	{ { "", 18, "03", 0, 0, NULL },
		{ B("a"), B("datetime"), B("datetime(3)"), B(""), -1, -1, -1, 3, true, 0 }, NULL },
	{ { "", 18, "03", 0, 0, NULL },
		{ B("a"), B("datetime"), B("datetime(6)"), B(""), -1, -1, -1, 6, true, 0 },
		"precision" },
	{ { "", 11, "", 0, 0, NULL },
		{ B("a"), B("time"), B("time"), B(""), -1, -1, -1, 0, true, 0 }, NULL },
	{ { "", 11, "", 0, 0, NULL },
		{ B("a"), B("time"), B("time(3)"), B(""), -1, -1, -1, 3, true, 0 }, NULL },
	{ { "", 11, "", 0, 0, NULL },
		{ B("a"), B("time"), B("time(7)"), B(""), -1, -1, -1, 7, true, 0 }, "precision" },
	{ { "", 15, "0c00", 0, 0, NULL },
		{ B("a"), B("vector"), B("vector(3)"), B(""), 12, -1, -1, -1, true, 0 }, NULL },
	{ { "", 15, "0c00", 0, 0, NULL },
		{ B("a"), B("vector"), B("vector(4)"), B(""), 16, -1, -1, -1, true, 0 }, "length" },
	{ { "", 141, "2900", 0, 0, NULL },
		{ B("a"), B("varchar"), B("varchar(10) /*M!100301 COMPRESSED*/"), B("utf8mb4"), 40,
			-1, -1, -1, true, 0 },
		NULL },
	{ { "", 141, "2800", 0, 0, NULL },
		{ B("a"), B("varchar"), B("varchar(10) /*M!100301 COMPRESSED*/"), B("utf8mb4"), 40,
			-1, -1, -1, true, 0 },
		"length" },
	{ { "", 141, "2900", 0, 0, NULL },
		{ B("a"), B("varchar"), B("varchar(10)"), B("utf8mb4"), 40, -1, -1, -1, true, 0 },
		"type" },
	{ { "", 252, "02", 0, 0, NULL },
		{ B("a"), B("blob"), B("blob /*M!100301 COMPRESSED*/"), B(""), 65535, -1, -1, -1,
			true, 0 },
		"type" },
	{ { "", 140, "02", 0, 0, NULL },
		{ B("a"), B("blob"), B("blob /*M!100301 COMPRESSED*/"), B(""), 65535, -1, -1, -1,
			true, 0 },
		NULL },
	{ { "", 254, "f701", 0, 0, NULL },
		{ B("a"), B("enum"), B("enum('a','it''s')"), B("gbk"), 4, -1, -1, -1, true, 0 },
		NULL },
	{ { "", 254, "f702", 0, 0, NULL },
		{ B("a"), B("enum"), B("enum('a','it''s')"), B("gbk"), 4, -1, -1, -1, true, 0 },
		"labels" },
	{ { "", 254, "f701", 0, 0, NULL },
		{ B("a"), B("enum"), B("enum('a','it"), B("gbk"), 4, -1, -1, -1, true, 0 },
		"labels" },
	{ { "", 254, "f701", 0, 0, NULL },
		{ B("a"), B("enum"), B("enum"), B("gbk"), 4, -1, -1, -1, true, 0 }, "labels" },
	{ { "", 254, "f802", 0, 0, NULL },
		{ B("a"), B("set"), B("set('1','2','3','4','5','6','7','8','9')"), B("latin1"), 17,
			-1, -1, -1, true, 0 },
		NULL },
	{ { "", 254, "f801", 0, 0, NULL },
		{ B("a"), B("set"), B("set('1','2','3','4','5','6','7','8','9')"), B("latin1"), 17,
			-1, -1, -1, true, 0 },
		"labels" },
	{ { "", 255, "04", 0, 0, NULL },
		{ B("a"), B("geomcollection"), B("geomcollection"), B(""), -1, -1, -1, -1, true,
			0 },
		NULL },
	{ { "", 245, "04", 0, 0, NULL },
		{ B("a"), B("json"), B("json"), B(""), -1, -1, -1, -1, true, 0 }, NULL },
};

Test(table, a_schema_completes_a_table_only_where_it_fits)
{
	for (size_t i = 0; i < sizeof(schema_cases) / sizeof(schema_cases[0]); i++) {
		const struct schema_case *c = &schema_cases[i];
		struct fl_table_def *def = make_table(&c->column, 1, false, true);
		struct fl_err err = { 0 };
		int code = fl_table_complete(def, &c->schema, 1, &err);
		if (c->differs == NULL) {
			cr_expect_eq(code, 0, "case %zu: %s", i, err.text);
			cr_expect(def->complete, "case %zu", i);
			cr_expect_eq(def->names, FL_NAMES_SCHEMA);
			expect_text(def->table.columns[0].name, "a");
			expect_text(def->defs[0].json_name, ",\"a\":");
		} else {
			cr_expect_eq(code, FL_ECORRUPT, "case %zu", i);
			cr_expect_not_null(
				strstr(err.text, c->differs), "case %zu: %s", i, err.text);
			cr_expect_not(def->complete);
			cr_expect_eq(def->names, FL_NAMES_NONE);
		}
		fl_table_unref(def);
	}
}

Test(table, labels_of_a_schema_are_unescaped)
{
	static const struct column column = { "", 254, "f701", 0, 0, NULL };
	static const struct fl_schema_column schema = { B("e"), B("enum"),
		B("enum('\xc3\xa9','it''s','a\\\\b','c\\nd','x,y','','\\0')"), B("latin1"), 4, -1,
		-1, -1, true, 0 };
	static const struct fl_bytes labels[] = { B("\xc3\xa9"), B("it's"), B("a\\b"), B("c\nd"),
		B("x,y"), B(""), B("\0") };
	struct fl_table_def *def = make_table(&column, 1, false, false);
	cr_assert_eq(fl_table_complete(def, &schema, 1, NULL), 0);
	cr_assert_eq(def->defs[0].label_count, 7);
	for (unsigned i = 0; i < 7; i++) {
		cr_assert_eq(def->defs[0].labels[i].size, labels[i].size);
		cr_expect_arr_eq(def->defs[0].labels[i].data, labels[i].data, labels[i].size);
	}
	fl_table_unref(def);
}

/* The schema can't tell a question mark from what it has no character for. */
Test(table, a_label_that_the_schema_may_show_wrongly_is_not_known)
{
	static const struct column column = { "", 254, "f701", 0, 0, NULL };
	struct fl_schema_column schema = { B("e"), B("enum"), B("enum('a','b?','c')"), B("utf8mb4"),
		4, -1, -1, -1, true, 0 };
	struct fl_table_def *def = make_table(&column, 1, false, false);
	cr_assert_eq(fl_table_complete(def, &schema, 1, NULL), 0);
	cr_expect(def->complete);
	expect_text(def->defs[0].labels[0], "a");
	cr_expect_null(def->defs[0].labels[1].data);
	expect_text(def->defs[0].labels[2], "c");
	fl_table_unref(def);

	schema.charset = (struct fl_bytes)B("utf8mb3");
	def = make_table(&column, 1, false, false);
	cr_assert_eq(fl_table_complete(def, &schema, 1, NULL), 0);
	expect_text(def->defs[0].labels[1], "b?");
	fl_table_unref(def);
}

Test(table, a_schema_tells_sign_charset_and_key)
{
	static const struct column columns[] = { { "", 8, "", 0, 0, NULL },
		{ "", 3, "", 0, 0, NULL }, { "", 15, "1400", 0, 0, NULL } };
	static const struct fl_schema_column schema[] = {
		{ B("a"), B("bigint"), B("bigint(20) unsigned"), B(""), -1, 20, 0, -1, true, 2 },
		{ B("b"), B("int"), B("int(11)"), B(""), -1, 10, 0, -1, true, 0 },
		{ B("c"), B("varchar"), B("varchar(20)"), B("ebcdic"), 20, -1, -1, -1, true, 1 },
	};
	struct fl_table_def *def = make_table(columns, 3, false, false);
	struct fl_err err = { 0 };
	cr_expect_eq(fl_table_complete(def, schema, 2, &err), FL_ECORRUPT);
	cr_expect_str_eq(err.text, "shop.users: has 2 columns now, its rows have 3");
	cr_assert_eq(fl_table_complete(def, schema, 3, &err), 0, "%s", err.text);
	cr_expect(def->defs[0].is_unsigned && def->table.columns[0].is_unsigned);
	cr_expect_not(def->defs[1].is_unsigned);
	cr_expect_str_eq(def->defs[2].not_decoded, "character set ebcdic");
	cr_assert_eq(def->table.key_count, 2);
	cr_expect_eq(def->table.key_columns[0], 2);
	cr_expect_eq(def->table.key_columns[1], 0);
	cr_expect(def->table.columns[0].in_key && !def->table.columns[1].in_key);
	fl_table_unref(def);
}

Test(table, a_schema_must_agree_with_what_the_event_tells)
{
	static const struct column columns[] = { { "a", 11, "", 0, 0, NULL },
		{ "b", 3, "", true, 0, NULL }, { "c", 15, "1400", 0, LATIN1, NULL } };
	static const struct fl_schema_column fits[] = {
		{ B("a"), B("time"), B("time"), B(""), -1, -1, -1, 0, true, 0 },
		{ B("b"), B("int"), B("int(10) unsigned"), B(""), -1, 10, 0, -1, true, 0 },
		{ B("c"), B("varchar"), B("varchar(20)"), B("latin1"), 20, -1, -1, -1, true, 0 },
	};
	static const struct {
		unsigned column;
		const char *name, *column_type, *charset;
		const char *differs;
	} cases[] = {
		{ 1, "b", "int(11)", "", "sign" },
		{ 1, "B", "int(10) unsigned", "", "name" },
		{ 2, "c", "varchar(20)", "ascii", "character set" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_schema_column schema[3];
		memcpy(schema, fits, sizeof(fits));
		struct fl_schema_column *other = &schema[cases[i].column];
		other->name = (struct fl_bytes){ cases[i].name, 1 };
		other->column_type =
			(struct fl_bytes){ cases[i].column_type, strlen(cases[i].column_type) };
		other->charset = (struct fl_bytes){ cases[i].charset, strlen(cases[i].charset) };
		struct fl_table_def *def = make_table(columns, 3, true, true);
		struct fl_err err = { 0 };
		cr_expect_eq(fl_table_complete(def, schema, 3, &err), FL_ECORRUPT);
		cr_expect_not_null(strstr(err.text, cases[i].differs), "%s", err.text);
		cr_expect_not(def->complete);
		cr_expect_eq(fl_table_complete(def, fits, 3, &err), 0, "%s", err.text);
		cr_expect(def->complete);
		cr_expect_eq(def->names, FL_NAMES_METADATA);
		cr_expect_eq(def->table.key_count, 1, "the event's key is kept");
		fl_table_unref(def);
	}
}

Test(table, inet_and_uuid_are_told_by_the_schema_alone)
{
	static const struct column column = { "u", 254, "fe10", 0, BINARY, NULL };
	static const struct fl_schema_column schema = { B("u"), B("uuid"), B("uuid"), B(""), -1, -1,
		-1, -1, true, 0 };
	struct fl_table_def *def = make_table(&column, 1, true, true);
	cr_expect_not(def->complete);
	cr_expect_eq(fl_table_complete(def, &schema, 1, NULL), 0);
	cr_expect(def->complete);
	cr_expect_eq(def->defs[0].type, FL_TYPE_UUID);
	cr_expect_eq(def->defs[0].form, FL_FORM_SHORT);
	fl_table_unref(def);
}

Test(table, fractions_of_old_types_are_mariadbs_alone)
{
	static const struct column column = { "t", 11, "", 0, 0, NULL };
	static const struct fl_schema_column schema = { B("t"), B("time"), B("time(3)"), B(""), -1,
		-1, -1, 3, true, 0 };
	struct fl_err err = { 0 };
	struct fl_table_def *def = make_table(&column, 1, false, true);
	cr_assert_eq(fl_table_complete(def, &schema, 1, &err), 0, "%s", err.text);
	cr_expect_eq(def->defs[0].fixed_size, 5);
	fl_table_unref(def);
	def = make_table(&column, 1, false, false);
	cr_expect_eq(fl_table_complete(def, &schema, 1, &err), FL_ECORRUPT);
	cr_expect_eq(def->defs[0].fixed_size, 3);
	fl_table_unref(def);
}

/* information_schema has question marks for characters above U+FFFF. */
Test(table, a_label_of_the_schema_with_a_question_mark_is_not_certain)
{
	static const struct {
		const char *charset;
		bool certain;
	} cases[] = { { "utf8mb4", false }, { "utf16", false }, { "utf16le", false },
		{ "utf32", false }, { "gb18030", false }, { "utf8mb3", true }, { "utf8", true },
		{ "latin1", true }, { "ucs2", true } };
	static const struct column column = { "e", 254, "f701", 0, 0, NULL };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_schema_column schema = { B("e"), B("enum"), B("enum('a','b?','')"),
			{ cases[i].charset, strlen(cases[i].charset) }, 8, -1, -1, -1, true, 0 };
		struct fl_table_def *def = make_table(&column, 1, false, true);
		struct fl_err err = { 0 };
		cr_assert_eq(fl_table_complete(def, &schema, 1, &err), 0, "%s", err.text);
		struct fl_buf body = { 0 }, text = { 0 };
		struct fl_rows rows =
			make_rows(&body, FL_EVENT_WRITE_ROWS, 1, "ff", "0001 0002 0003");
		for (unsigned label = 1; label <= 3; label++) {
			struct fl_row before, after;
			cr_assert_eq(fl_rows_next(&rows, def, &before, &after, &err), 1);
			fl_buf_clear(&text);
			int expected = label == 2 && !cases[i].certain ? FL_EUNSUPPORTED : 0;
			cr_expect_eq(fl_row_json(&after, &text, &err), expected, "%s, label %u",
				cases[i].charset, label);
		}
		fl_buf_finish(&body);
		fl_buf_finish(&text);
		fl_table_unref(def);
	}
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

/* What is behind the columns of information_schema is no column to SELECT. */
Test(table, a_hidden_hash_is_not_shown)
{
	static const struct column columns[] = { { .name = "id", .type = 3, .meta = "" },
		{ .name = "DB_ROW_HASH_1", .type = 8, .meta = "", .is_unsigned = true } };
	static const struct fl_schema_column id = { .name = { "id", 2 },
		.data_type = { "int", 3 },
		.column_type = { "int", 3 },
		.nullable = true };
	static const struct fl_schema_column own = { .name = { "DB_ROW_HASH_1", 13 },
		.data_type = { "bigint", 6 },
		.column_type = { "bigint unsigned", 15 },
		.nullable = true };
	static const struct {
		bool full, is_mariadb, complete, hidden;
		const char *json;
	} cases[] = {
		{ true, true, false, true, "{\"id\":1}" },
		{ true, true, false, false, "{\"id\":1,\"DB_ROW_HASH_1\":2}" },
		{ false, true, false, true, "{\"id\":1}" },
		{ true, false, true, false, "{\"id\":1,\"DB_ROW_HASH_1\":2}" },
	};
	struct fl_buf body = { 0 }, out = { 0 };
	struct fl_rows rows =
		make_rows(&body, FL_EVENT_WRITE_ROWS, 2, "03", "00 01000000 0200000000000000");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_table_def *def =
			make_table(columns, 2, cases[i].full, cases[i].is_mariadb);
		struct fl_err err = { 0 };
		struct fl_row before, after;
		cr_expect_eq(def->complete, cases[i].complete);
		struct fl_schema_column schema[] = { id, own };
		if (cases[i].hidden)
			schema[1] = (struct fl_schema_column){ 0 };
		if (!def->complete)
			cr_assert_eq(fl_table_complete(def, schema, 2, &err), 0, "%s", err.text);
		cr_expect_eq(def->defs[1].hidden, cases[i].hidden);
		rows.next = 0;
		cr_assert_eq(fl_rows_next(&rows, def, &before, &after, &err), 1);
		fl_buf_clear(&out);
		cr_assert_eq(fl_row_json(&after, &out, &err), 0);
		expect_text((struct fl_bytes){ out.data, out.size }, cases[i].json);
		fl_table_unref(def);
	}
	/* In files there is nobody to ask. */
	struct fl_table_def *def = make_table(columns, 2, true, true);
	cr_assert_eq(fl_table_number_columns(def, NULL), 0);
	cr_expect(def->defs[1].hidden && !def->defs[0].hidden);
	fl_table_unref(def);
	/* One that is not like it can't be it. */
	static const struct column others[] = { { .name = "id", .type = 3, .meta = "" },
		{ .name = "hash", .type = 8, .meta = "", .is_unsigned = true } };
	def = make_table(others, 2, true, true);
	cr_expect(def->complete);
	struct fl_schema_column const hidden[] = { id, { .name = { NULL, 0 } } };
	cr_expect_eq(fl_table_complete(def, hidden, 2, NULL), FL_ECORRUPT);
	fl_table_unref(def);
	fl_buf_finish(&body);
	fl_buf_finish(&out);
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
