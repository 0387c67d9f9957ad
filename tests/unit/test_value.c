/* SPDX-License-Identifier: Apache-2.0 */
#include "make_table.h"

#include "binlog/row.h"
#include "binlog/value.h"

#define B(text)                                                                                    \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}

/* A table of one column that information_schema completes: a row with this value. */
static struct fl_row make_row(const struct column *column, const struct fl_schema_column *schema,
	const char *value, struct fl_buf *body, struct fl_table_def **ret_def)
{
	struct fl_table_def *def = make_table(column, 1, true, true);
	struct fl_err err = { 0 };
	if (schema != NULL)
		cr_assert_eq(fl_table_complete(def, schema, 1, &err), 0, "%s", err.text);
	cr_assert(def->complete);
	char image[1024];
	snprintf(image, sizeof(image), "00%s", value);
	struct fl_rows rows = make_rows(body, FL_EVENT_WRITE_ROWS, 1, "ff", image);
	struct fl_row before, after;
	cr_assert_eq(fl_rows_next(&rows, def, &before, &after, &err), 1, "%s", err.text);
	cr_assert_eq(rows.next, rows.data.size, "the value takes all of the image");
	*ret_def = def;
	return after;
}

/* `expected`: a string, without quotes; NULL: not a valid value. */
static void expect_string(const struct column *column, const struct fl_schema_column *schema,
	const char *value, const char *expected)
{
	struct fl_buf body = { 0 }, out = { 0 };
	struct fl_table_def *def;
	struct fl_row row = make_row(column, schema, value, &body, &def);
	struct fl_err err = { 0 };
	int code = fl_row_json(&row, &out, &err);
	if (expected == NULL) {
		cr_expect_eq(code, FL_ECORRUPT, "%s", value);
		cr_expect_eq(fl_row_text(&row, 0, &out, &err), FL_ECORRUPT, "%s", value);
	} else {
		cr_assert_eq(code, 0, "%s: %s", value, err.text);
		fl_buf_char(&out, '\0');
		char json[1024];
		snprintf(json, sizeof(json), "{\"c\":\"%s\"}", expected);
		cr_expect_str_eq(out.data, json);
		fl_buf_clear(&out);
		cr_expect_eq(fl_row_text(&row, 0, &out, &err), 1, "%s", value);
		fl_buf_char(&out, '\0');
		cr_expect_str_eq(out.data, expected);
	}
	fl_buf_finish(&body);
	fl_buf_finish(&out);
	fl_table_unref(def);
}

static const struct column binary_4 = { "c", 254, "fe04", 0, BINARY, NULL };
static const struct column binary_16 = { "c", 254, "fe10", 0, BINARY, NULL };
static const struct fl_schema_column uuid = { B("c"), B("uuid"), B("uuid"), B(""), -1, -1, -1, -1,
	true, 1 };
static const struct fl_schema_column inet4 = { B("c"), B("inet4"), B("inet4"), B(""), -1, -1, -1,
	-1, true, 1 };
static const struct fl_schema_column inet6 = { B("c"), B("inet6"), B("inet6"), B(""), -1, -1, -1,
	-1, true, 1 };

Test(value, addresses_as_mariadb_shows_them)
{
	static const struct {
		const struct fl_schema_column *type;
		const char *value, *shown;
	} cases[] = {
		{ &uuid, "10 00112233445516778899aabbccddeeff",
			"00112233-4455-1677-8899-aabbccddeeff" },
		{ &uuid, "0f ffffffffffff1fff8fffffffffffff",
			"ffffffff-ffff-1fff-8fff-ffffffffff00" },
		{ &uuid, "00", "00000000-0000-0000-0000-000000000000" },
		{ &uuid, "11 0000000000000000000000000000000000", NULL },
		{ &inet4, "04 ffffffff", "255.255.255.255" },
		{ &inet4, "03 010203", "1.2.3.0" },
		{ &inet4, "00", "0.0.0.0" },
		{ &inet4, "05 0102030405", NULL },
		{ &inet6, "00", "::" },
		{ &inet6, "10 00000000000000000000000000000001", "::1" },
		{ &inet6, "0e 0000000000000000000000000001", "::0.1.0.0" },
		{ &inet6, "10 00000000000000000000ffff01020304", "::ffff:1.2.3.4" },
		{ &inet6, "10 00000000000000000000fffe01020304", "::fffe:102:304" },
		{ &inet6, "10 00000000000000000001ffff00010002", "::1:ffff:1:2" },
		{ &inet6, "10 00010000000200030004000500060007", "1::2:3:4:5:6:7" },
		{ &inet6, "0e 0002000300040005000600070008", "2:3:4:5:6:7:8::" },
		{ &inet6, "10 00010000000000020000000000000003", "1:0:0:2::3" },
		{ &inet6, "10 00010000000000020003000000000004", "1::2:3:0:0:4" },
		{ &inet6, "10 00000002000300040005000600070008", "::2:3:4:5:6:7:8" },
		{ &inet6, "10 abcdef0123456789abcdef0123456789",
			"abcd:ef01:2345:6789:abcd:ef01:2345:6789" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_string(cases[i].type == &inet4 ? &binary_4 : &binary_16, cases[i].type,
			cases[i].value, cases[i].shown);
}

Test(value, old_temporal_types_with_the_digits_that_the_schema_tells)
{
	static const struct {
		uint8_t type;
		int digits;
		const char *value, *shown;
	} cases[] = {
		{ 11, 0, "40e201", "12:34:56" },
		{ 11, 1, "01cce060", "00:00:00.0" },
		{ 11, 1, "01cce057", "-00:00:00.9" },
		{ 11, 1, "00000001", "-838:59:59.9" },
		{ 11, 1, "00000000", NULL },
		{ 11, 2, "2401877f", "838:59:59.99" },
		{ 11, 3, "00b4079fa4", "-00:00:01.500" },
		{ 11, 4, "07234c34d2", "12:34:56.7890" },
		{ 11, 5, "8ca5f94bff", "838:59:59.99999" },
		{ 11, 6, "02c9c9c4a214", "12:34:56.789012" },
		{ 11, 6, "057e7bbcf800", NULL },
		{ 12, 0, "7787d105f15a0000", "9999-12-31 23:59:59" },
		{ 12, 1, "0344d965ffff", "9999-12-31 23:59:59.9" },
		{ 12, 2, "069df997880e", "2024-02-31 12:34:56.78" },
		{ 12, 3, "000000000001f4", "0000-00-00 00:00:00.500" },
		{ 12, 4, "0295a247d80000", "2024-00-00 00:00:00.0000" },
		{ 12, 5, "0cc53398e9f000", "1000-01-01 00:00:00.00000" },
		{ 12, 6, "04fcee3943bfffff", "9999-12-31 23:59:59.999999" },
		{ 12, 6, "ffffffffffffffff", NULL },
		{ 7, 0, "7028df65", "2024-02-28 12:34:56" },
		{ 7, 1, "7fffffff09", "2038-01-19 03:14:07.9" },
		{ 7, 1, "7fffffff0a", NULL },
		{ 7, 2, "ffffffff63", "2106-02-07 06:28:15.99" },
		{ 7, 3, "0000000003e7", "1970-01-01 00:00:00.999" },
		{ 7, 4, "000000000000", "0000-00-00 00:00:00.0000" },
		{ 7, 5, "65df2870013435", "2024-02-28 12:34:56.78901" },
		{ 7, 6, "65df28700c0a14", "2024-02-28 12:34:56.789012" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct column column = { "c", cases[i].type, "", 0, 0, NULL };
		struct fl_schema_column schema = { B("c"), { 0 }, B(""), B(""), -1, -1, -1,
			cases[i].digits, true, 1 };
		schema.data_type = cases[i].type == 11	 ? (struct fl_bytes)B("time")
				   : cases[i].type == 12 ? (struct fl_bytes)B("datetime")
							 : (struct fl_bytes)B("timestamp");
		expect_string(&column, &schema, cases[i].value, cases[i].shown);
	}
}

static const struct column text = { "c", 140, "04", 0, UTF8MB4, NULL };
static const struct column latin = { "c", 141, "0b00", 0, LATIN1, NULL };
static const struct column blob = { "c", 140, "01", 0, BINARY, NULL };

#define THIRTY	    "abcabcabcabcabcabcabcabcabcabc"
#define HUNDRED_ABC THIRTY THIRTY THIRTY THIRTY THIRTY THIRTY THIRTY THIRTY THIRTY THIRTY

Test(value, compressed_columns_are_inflated)
{
	expect_string(&text, NULL, "00000000", "");
	expect_string(&text, NULL, "02000000 00 61", "a");
	expect_string(&text, NULL, "0c000000 8a012c 4b4c4a4e1c45c42100", HUNDRED_ABC);
	expect_string(&text, NULL, "12000000 82012c 789c4b4c4a4e1c45c42100884d72d9", HUNDRED_ABC);
	expect_string(&text, NULL, "0e000000 8c0000012c 4b4c4a4e1c45c42100", HUNDRED_ABC);
	expect_string(&latin, NULL, "02 00 e9", "\xc3\xa9");

	struct fl_buf body = { 0 }, scratch = { 0 };
	struct fl_table_def *def;
	struct fl_row row = make_row(&blob, NULL, "09 89c8 4b4c4a1c161000", &body, &def);
	struct fl_value value;
	cr_assert_eq(fl_row_value(&row, 0, &scratch, &value, NULL), 0);
	cr_expect_eq(value.kind, FL_VALUE_BINARY);
	cr_assert_eq(value.bytes.size, 200);
	for (unsigned i = 0; i < 200; i++)
		cr_expect_eq(value.bytes.data[i], i % 2 == 0 ? 'a' : 'b');
	fl_buf_finish(&body);
	fl_table_unref(def);

	row = make_row(&latin, NULL, "02 00 e9", &body, &def);
	cr_assert_eq(fl_row_value(&row, 0, &scratch, &value, NULL), 0);
	cr_expect_eq(value.kind, FL_VALUE_TEXT);
	cr_expect(value.bytes.size == 2 && memcmp(value.bytes.data, "\xc3\xa9", 2) == 0);
	fl_buf_finish(&body);
	fl_buf_finish(&scratch);
	fl_table_unref(def);
}

Test(value, what_does_not_inflate_to_the_length_told_is_refused)
{
	static const struct {
		const struct column *column;
		const char *value;
	} cases[] = {
		{ &text, "0c000000 8a012b 4b4c4a4e1c45c42100" },	     /* one less */
		{ &text, "0c000000 8a012d 4b4c4a4e1c45c42100" },	     /* one more */
		{ &text, "0b000000 8a012c 4b4c4a4e1c45c421" },		     /* cut */
		{ &text, "0d000000 8a012c 4b4c4a4e1c45c4210000" },	     /* a byte behind */
		{ &text, "12000000 82012c 789c4b4c4a4e1c45c42100884d72d8" }, /* checksum */
		{ &text, "0c000000 82012c 4b4c4a4e1c45c42100" },	     /* no header */
		{ &text, "0c000000 9a012c 4b4c4a4e1c45c42100" },	     /* another method */
		{ &text, "0e000000 8cffffffff 4b4c4a4e1c45c42100" },	     /* 4 GiB */
		{ &text, "0f000000 8d000000012c 4b4c4a4e1c45c42100" }, /* a length of 5 bytes */
		{ &text, "09000000 88 4b4c4a4e1c45c421" },	       /* no length */
		{ &text, "01000000 8a" },
		{ &text, "02000000 01 61" },		    /* stored with a length */
		{ &latin, "0c 8a012c 4b4c4a4e1c45c42100" }, /* more than VARCHAR(10) holds */
		{ &blob, "0c 8a012c 4b4c4a4e1c45c42100" },  /* more than TINYBLOB holds */
		{ &latin, "0c 00 6161616161616161616161" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_string(cases[i].column, NULL, cases[i].value, NULL);
}

/* A few bytes that tell of a gigabyte: refused before any memory is asked for. */
Test(value, a_bomb_is_refused_by_its_ratio)
{
	static const uint8_t bytes[] = { 0x8c, 0x40, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8 };
	struct fl_column_def def = { .type = FL_TYPE_BLOB_COMPRESSED, .length_bytes = 4 };
	struct fl_cell cell;
	void *memory;
	cr_expect_eq(
		fl_compressed_read(&def, (struct fl_cell){ bytes, sizeof(bytes) }, &cell, &memory),
		FL_ECORRUPT);
	cr_expect_null(memory);
}

#define ONE	   "000000000000f03f"
#define MINUS_ZERO "0000000000000080"
#define HALF_TENTH "9a9999999999a93f"
#define BIG	   "00003426f56b0c43" /* 1e15 */
#define HEAD(type) "01 0" #type "000000"

static int geojson(const char *hex, enum fl_geometry style, struct fl_buf *out)
{
	struct fl_buf geometry = { 0 };
	put_hex(&geometry, hex);
	int code = fl_geometry_json(style, (struct fl_bytes){ geometry.data, geometry.size }, out);
	fl_buf_finish(&geometry);
	return code;
}

Test(value, geometries_as_either_server_writes_them)
{
	static const struct {
		const char *geometry, *mysql, *mariadb;
	} cases[] = {
		{ HEAD(1) ONE MINUS_ZERO, "{\"type\": \"Point\", \"coordinates\": [1.0, -0.0]}",
			"{\"type\": \"Point\", \"coordinates\": [1, 0]}" },
		{ HEAD(2) "02000000" ONE BIG HALF_TENTH ONE,
			"{\"type\": \"LineString\", \"coordinates\": [[1.0, 1e15], [0.05, 1.0]]}",
			"{\"type\": \"LineString\", \"coordinates\": [[1, 1e15], [0.05, 1]]}" },
		{ HEAD(3) "02000000 01000000" ONE ONE "01000000" ONE ONE,
			"{\"type\": \"Polygon\", \"coordinates\": [[[1.0, 1.0]], [[1.0, 1.0]]]}",
			"{\"type\": \"Polygon\", \"coordinates\": [[[1, 1]], [[1, 1]]]}" },
		{ HEAD(4) "02000000" HEAD(1) ONE ONE HEAD(1) ONE ONE,
			"{\"type\": \"MultiPoint\", \"coordinates\": [[1.0, 1.0], [1.0, 1.0]]}",
			"{\"type\": \"MultiPoint\", \"coordinates\": [[1, 1], [1, 1]]}" },
		{ HEAD(5) "01000000" HEAD(2) "01000000" ONE ONE,
			"{\"type\": \"MultiLineString\", \"coordinates\": [[[1.0, 1.0]]]}",
			"{\"type\": \"MultiLineString\", \"coordinates\": [[[1, 1]]]}" },
		{ HEAD(6) "01000000" HEAD(3) "01000000 01000000" ONE ONE,
			"{\"type\": \"MultiPolygon\", \"coordinates\": [[[[1.0, 1.0]]]]}",
			"{\"type\": \"MultiPolygon\", \"coordinates\": [[[[1, 1]]]]}" },
		{ HEAD(7) "00000000", "{\"type\": \"GeometryCollection\", \"geometries\": []}",
			"{\"type\": \"GeometryCollection\", \"geometries\": []}" },
		{ HEAD(7) "02000000" HEAD(7) "00000000" HEAD(1) ONE ONE,
			"{\"type\": \"GeometryCollection\", \"geometries\": [{\"type\": "
			"\"GeometryCollection\", \"geometries\": []}, {\"type\": \"Point\", "
			"\"coordinates\": [1.0, 1.0]}]}",
			"{\"type\": \"GeometryCollection\", \"geometries\": [{\"type\": "
			"\"GeometryCollection\", \"geometries\": []}, {\"type\": \"Point\", "
			"\"coordinates\": [1, 1]}]}" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char hex[512];
		snprintf(hex, sizeof(hex), "e6100000%s", cases[i].geometry);
		struct fl_buf out = { 0 };
		cr_assert_eq(geojson(hex, FL_GEOMETRY_JSON_MYSQL, &out), 0, "case %zu", i);
		fl_buf_char(&out, '\0');
		cr_expect_str_eq(out.data, cases[i].mysql);
		fl_buf_clear(&out);
		cr_assert_eq(geojson(hex, FL_GEOMETRY_JSON_MARIADB, &out), 0, "case %zu", i);
		fl_buf_char(&out, '\0');
		cr_expect_str_eq(out.data, cases[i].mariadb);
		fl_buf_clear(&out);

		/* Every truncation is refused, and so is what has a byte too many. */
		struct fl_buf geometry = { 0 };
		put_hex(&geometry, hex);
		for (size_t size = 0; size < geometry.size; size++) {
			char *copy = malloc(size + 1);
			memcpy(copy, geometry.data, size);
			cr_expect_eq(fl_geometry_json(FL_GEOMETRY_JSON_MYSQL,
					     (struct fl_bytes){ copy, size }, &out),
				FL_ECORRUPT, "case %zu cut to %zu", i, size);
			fl_buf_clear(&out);
			free(copy);
		}
		fl_buf_char(&geometry, '\0');
		cr_expect_eq(fl_geometry_json(FL_GEOMETRY_JSON_MYSQL,
				     (struct fl_bytes){ geometry.data, geometry.size }, &out),
			FL_ECORRUPT);
		fl_buf_finish(&geometry);
		fl_buf_finish(&out);
	}
}

Test(value, malformed_geometries_are_refused)
{
	static const char *const cases[] = {
		"",
		"00000000",
		"00000000 00 00000001" ONE ONE,				  /* big-endian */
		"00000000 01 00000000" ONE ONE,				  /* no such type */
		"00000000 01 08000000" ONE ONE,				  /* nor this */
		"00000000 01 e9030000" ONE ONE ONE,			  /* a point with z */
		"00000000" HEAD(1) ONE "000000000000f87f",		  /* not a number */
		"00000000" HEAD(2) "ffffffff" ONE ONE,			  /* 2^32 points */
		"00000000" HEAD(4) "01000000" HEAD(2) "01000000" ONE ONE, /* a line of points */
		"00000000" HEAD(4) "01000000 00 01000000" ONE ONE,	  /* big-endian inside */
		"00000000" HEAD(7) "ffffffff" HEAD(7) "ffffffff" HEAD(7) "ffffffff",
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_buf out = { 0 };
		cr_expect_eq(geojson(cases[i], FL_GEOMETRY_JSON_MARIADB, &out), FL_ECORRUPT,
			"case %zu", i);
		fl_buf_finish(&out);
	}
}

Test(value, collections_in_collections_have_an_end)
{
	for (unsigned depth = 99; depth < 102; depth++) {
		struct fl_buf hex = { 0 }, out = { 0 };
		fl_buf_text(&hex, "00000000");
		for (unsigned i = 1; i < depth; i++)
			fl_buf_text(&hex, HEAD(7) "01000000");
		fl_buf_text(&hex, HEAD(1) ONE ONE);
		fl_buf_char(&hex, '\0');
		cr_expect_eq(geojson(hex.data, FL_GEOMETRY_JSON_MARIADB, &out),
			depth <= 100 ? 0 : FL_ECORRUPT, "%u", depth);
		fl_buf_finish(&hex);
		fl_buf_finish(&out);
	}
}

Test(value, geojson_is_embedded_where_it_is_asked_for)
{
	static const struct column columns[] = { { "id", 3, "", 0, 0, NULL },
		{ "g", 255, "04", 0, 0, NULL } };
	static const char image[] = "00 01000000 19000000 e6100000" HEAD(1) ONE ONE;
	static const char *const expected[] = {
		"{\"id\":1,\"g\":\"5hAAAAEBAAAAAAAAAAAA8D8AAAAAAADwPw==\"}",
		"{\"id\":1,\"g\":{\"type\": \"Point\", \"coordinates\": [1.0, 1.0]}}",
	};
	for (unsigned i = 0; i < 2; i++) {
		struct fl_table_def *def = make_table(columns, 2, true, false);
		if (i == 1)
			fl_table_show_geojson(def, false);
		struct fl_buf body = { 0 }, out = { 0 };
		struct fl_rows rows = make_rows(&body, FL_EVENT_WRITE_ROWS, 2, "ff", image);
		struct fl_row before, after;
		cr_assert_eq(fl_rows_next(&rows, def, &before, &after, NULL), 1);
		cr_assert_eq(fl_row_json(&after, &out, NULL), 0);
		fl_buf_char(&out, '\0');
		cr_expect_str_eq(out.data, expected[i]);
		struct fl_value value;
		cr_assert_eq(fl_row_value(&after, 1, &out, &value, NULL), 0);
		cr_expect_eq(value.kind, i == 0 ? FL_VALUE_BINARY : FL_VALUE_JSON);
		fl_buf_finish(&body);
		fl_buf_finish(&out);
		fl_table_unref(def);
	}
}
