/* SPDX-License-Identifier: Apache-2.0 */
#include "make_table.h"

#include "binlog/row.h"

/* Documents as MySQL 9.7 stored them, and its own text of them. */
static const struct {
	const char *hex;
	const char *text;
} documents[] = {
	{ "00 02003d00 12000100 13000200 050100 021500 61 6263 06002800 040100 040000 071600 071a00"
	  "0f1e00 0c2400 c063ffff 70110100 f6040201 8105 03782279",
		"{\"a\": 1, \"bc\": [true, null, -40000, 70000, 1.5, \"x\\\"y\"]}" },
	{ "09 005ed0b200000000", "3000000000" },
	{ "0a ffffffffffffffff", "18446744073709551615" },
	{ "02 05003e00 0f1300 0f1d00 0f2700 0f3100 0f3a00 0c0800000019761f95190b08e05ef84737ffffff"
	  "0a080000000000bab219f6070b027ffffff3e10f0200ff",
		"[\"2015-01-15 23:24:25.000000\", \"-12:34:56.500000\", \"2024-02-29\", -12.30, "
		"\"base64:type15:AP8=\"]" },
	{ "00 00000400", "{}" },
	{ "0c 03c3a901", "\"é\\u0001\"" },
	{ "0b 000000000000f0bf", "-1.0" },
	{ "02 01001a00 020700 01001300 000700 01000c00 0b000100 040200 6b", "[[{\"k\": false}]]" },
	{ "04 00", "null" },
	{ "04 01", "true" },
	{ "05 0080", "-32768" },
	{ "08 ffffffff", "4294967295" },
	/* the large format, in which 32-bit integers lie in the entries */
	{ "03 02000000 12000000 07 feffffff 08 ffffffff", "[-2, 4294967295]" },
	{ "01 01000000 15000000 13000000 0200 04 02000000 6b6b", "{\"kk\": false}" },
	/* a NOT NULL column that an ALTER TABLE left without a value */
	{ "", "null" },
};

static int decode(const char *hex, size_t limit, struct fl_buf *out)
{
	struct fl_buf binary = { 0 };
	put_hex(&binary, hex);
	struct fl_err err = { 0 };
	int code = fl_json_decode((struct fl_bytes){ binary.data, binary.size }, limit, out, &err);
	cr_expect(code == 0 || err.text[0] != '\0');
	fl_buf_finish(&binary);
	return code;
}

Test(json, text_is_what_mysql_writes)
{
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		struct fl_buf out = { 0 };
		fl_buf_text(&out, "> ");
		cr_expect_eq(decode(documents[i].hex, 1000, &out), 0, "%s", documents[i].text);
		fl_buf_char(&out, '\0');
		cr_expect_str_eq(out.data + 2, documents[i].text);
		fl_buf_finish(&out);
	}
}

Test(json, no_truncation_is_read_beyond_its_end)
{
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		struct fl_buf binary = { 0 };
		put_hex(&binary, documents[i].hex);
		for (size_t size = 1; size < binary.size; size++) {
			char *copy = malloc(size);
			memcpy(copy, binary.data, size);
			struct fl_buf out = { 0 };
			fl_buf_text(&out, "kept");
			cr_expect_eq(
				fl_json_decode((struct fl_bytes){ copy, size }, 1000, &out, NULL),
				FL_ECORRUPT, "%s cut to %zu", documents[i].text, size);
			cr_expect_eq(out.size, 4, "nothing is left of a failure");
			fl_buf_finish(&out);
			free(copy);
		}
		fl_buf_finish(&binary);
	}
}

Test(json, no_changed_byte_leads_outside)
{
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		struct fl_buf binary = { 0 };
		put_hex(&binary, documents[i].hex);
		for (size_t at = 0; at < binary.size; at++) {
			for (unsigned value = 0; value < 256; value++) {
				char *copy = malloc(binary.size);
				memcpy(copy, binary.data, binary.size);
				copy[at] = (char)value;
				struct fl_buf out = { 0 };
				int code = fl_json_decode(
					(struct fl_bytes){ copy, binary.size }, 300, &out, NULL);
				cr_assert(code == 0 || code == FL_ECORRUPT);
				cr_assert(code == 0 ? out.size <= 300 : out.size == 0);
				fl_buf_finish(&out);
				free(copy);
			}
		}
		fl_buf_finish(&binary);
	}
}

Test(json, damage_is_told)
{
	static const char *const damaged[] = {
		"04 03",		     /* no such literal */
		"0d 00",		     /* no such type */
		"0c 02c328",		     /* not UTF-8 */
		"0c 8080808080808000",	     /* a length without end */
		"0c ffffffff1f",	     /* a length over 32 bits */
		"0b 000000000000f07f",	     /* an infinite number */
		"02 0100ffff 040000",	     /* an array that is larger than its bytes */
		"02 01000300 040000",	     /* an array that is smaller than its header */
		"02 ffff0700 040000",	     /* more elements than it has room for */
		"02 01000700 020000 00",     /* an array that is its own element */
		"0f f6 04 05020000",	     /* a decimal of the wrong size */
		"0f f6 02 4200",	     /* a decimal of too many digits */
		"0f 0c 07 00000000000000",   /* a date and time of the wrong size */
		"0f 0c 08 ffffffffffffffff", /* a negative one */
	};
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		struct fl_buf out = { 0 };
		cr_expect_eq(decode(damaged[i], 1 << 20, &out), FL_ECORRUPT, "%s", damaged[i]);
		cr_expect_eq(out.size, 0);
		fl_buf_finish(&out);
	}
}

/* Arrays in one another: each is 7 bytes longer than the one in it. */
static void put_nested(struct fl_buf *out, unsigned depth)
{
	fl_buf_char(out, 2);
	for (; depth > 1; depth--) {
		put_int(out, 1, 2);
		put_int(out, depth * 7 - 3, 2);
		put_hex(out, "02 0700");
	}
	put_hex(out, "0000 0400");
}

Test(json, depth_is_limited_as_in_the_server)
{
	for (unsigned depth = 99; depth <= 102; depth++) {
		struct fl_buf binary = { 0 }, out = { 0 };
		put_nested(&binary, depth);
		int code = fl_json_decode(
			(struct fl_bytes){ binary.data, binary.size }, 10000, &out, NULL);
		cr_expect_eq(code, depth <= 100 ? 0 : FL_ECORRUPT, "depth %u", depth);
		cr_expect_eq(out.size, depth <= 100 ? 2 * depth : 0);
		fl_buf_finish(&binary);
		fl_buf_finish(&out);
	}
}

Test(json, parts_that_lie_over_one_another_cannot_blow_it_up)
{
	/* 60 levels of arrays whose two elements are the same next one: 2^60 leaves */
	struct fl_buf binary = { 0 }, out = { 0 };
	fl_buf_char(&binary, 2);
	for (unsigned depth = 60; depth > 1; depth--) {
		put_int(&binary, 2, 2);
		put_int(&binary, (depth - 1) * 10 + 4, 2);
		put_hex(&binary, "02 0a00 02 0a00");
	}
	put_hex(&binary, "0000 0400");
	struct fl_bytes bytes = { binary.data, binary.size };
	cr_expect_eq(fl_json_decode(bytes, 10000, &out, NULL), FL_ECORRUPT);
	cr_expect_eq(out.size, 0);
	fl_buf_finish(&binary);
	fl_buf_finish(&out);
}

Test(json, long_opaque_values_have_lines_of_76_characters)
{
	struct fl_buf binary = { 0 }, out = { 0 };
	put_hex(&binary, "0f fc 3a");
	for (unsigned i = 0; i < 58; i++)
		fl_buf_char(&binary, 0);
	struct fl_bytes bytes = { binary.data, binary.size };
	cr_assert_eq(fl_json_decode(bytes, 1000, &out, NULL), 0);
	cr_assert_eq(out.size, 16 + 76 + 2 + 4 + 1);
	cr_expect_arr_eq(out.data + out.size - 7, "\\nAA==\"", 7);
	fl_buf_finish(&binary);
	fl_buf_finish(&out);
}

Test(json, doubles_are_written_as_the_server_does)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = { { 0, "0.0" }, { -0.0, "-0.0" }, { 0.1, "0.1" }, { 1e-9, "0.000000001" },
		{ 1e15, "1e15" }, { 123456789012345.0, "123456789012345.0" }, { 1e300, "1e300" },
		{ -1.25e-100, "-1.25e-100" }, { 5e-324, "5e-324" },
		{ 1.7976931348623157e308, "1.7976931348623157e308" },
		{ 3941052201628112.5, "3941052201628112.5" },
		{ 0.30000000000000004, "0.30000000000000004" } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char binary[9] = { 11 };
		memcpy(binary + 1, &cases[i].value, 8);
		struct fl_buf out = { 0 };
		cr_expect_eq(fl_json_decode((struct fl_bytes){ binary, 9 }, 100, &out, NULL), 0);
		fl_buf_char(&out, '\0');
		cr_expect_str_eq(out.data, cases[i].text);
		fl_buf_finish(&out);
	}
}
