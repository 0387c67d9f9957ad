/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "binlog/gtid.h"

#define A "11111111-2222-3333-4444-555555555555"
#define B "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"

static struct fl_bytes text_of(const char *text)
{
	return (struct fl_bytes){ text, strlen(text) };
}

static struct fl_gtid_set *parse(const char *text)
{
	struct fl_gtid_set *set = NULL;
	struct fl_err err = { 0 };
	cr_assert_eq(fl_gtid_set_parse(text_of(text), &set, &err), FL_OK, "%s: %s", text, err.text);
	return set;
}

static struct fl_gtid gtid_of(enum fl_gtid_kind kind, const char *uuid_digit, const char *tag,
	uint32_t domain, uint32_t server, uint64_t number)
{
	struct fl_gtid gtid = {
		.kind = kind, .domain = domain, .server = server, .number = number
	};
	memset(gtid.uuid, uuid_digit[0], sizeof(gtid.uuid));
	strcpy(gtid.tag, tag);
	return gtid;
}

static void shows(const struct fl_gtid_set *set, const char *text)
{
	struct fl_buf out = { 0 };
	fl_gtid_set_format(set, &out);
	fl_buf_char(&out, '\0');
	cr_expect_str_eq(out.data, text);
	fl_buf_finish(&out);
}

Test(gtid, is_written_as_servers_write_it)
{
	static const struct {
		struct fl_gtid gtid;
		const char *text;
	} cases[] = {
		{ { .kind = FL_GTID_NONE }, "" },
		{ { .kind = FL_GTID_MYSQL,
			  .uuid = { 0x3e, 0x11, 0xfa, 0x47, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
				  0xff },
			  .number = 23 },
			"3e11fa47-0001-0203-0405-060708090aff:23" },
		{ { .kind = FL_GTID_MYSQL,
			  .tag = "abcdefghijklmnopqrstuvwxyz_12345",
			  .number = INT64_MAX },
			"00000000-0000-0000-0000-000000000000:abcdefghijklmnopqrstuvwxyz_12345:"
			"9223372036854775807" },
		{ { .kind = FL_GTID_MARIADB,
			  .domain = UINT32_MAX,
			  .server = UINT32_MAX,
			  .number = UINT64_MAX },
			"4294967295-4294967295-18446744073709551615" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[FL_GTID_TEXT_SIZE];
		cr_expect_eq(fl_gtid_format(&cases[i].gtid, text), strlen(cases[i].text));
		cr_expect_str_eq(text, cases[i].text);
	}
}

Test(gtid, sets_are_read_as_people_and_servers_write_them)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "" },
		{ " \n", "" },
		{ A ":1", A ":1" },
		{ A ":1-1", A ":1" },
		{ A ":1-5:7", A ":1-5:7" },
		{ A ":7:1-5:6", A ":1-7" },
		{ A ":1-9:3-4:9-12", A ":1-12" },
		{ B ":1,\n" A ":2", A ":2," B ":1" },
		{ " " A ":1 , " A ":3,\r\n" A ":2\t", A ":1-3" },
		{ "AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE:1", B ":1" },
		{ A ":1-5:tag:1-3", A ":1-5:tag:1-3" },
		{ A ":Tag:1-3:5:_t2:9," A ":7", A ":7:_t2:9:tag:1-3:5" },
		{ A ":x:1," B ":1," A ":a:1", A ":a:1:x:1," B ":1" },
		{ A ":1-9223372036854775806", A ":1-9223372036854775806" },
		{ "0-1-5", "0-1-5" },
		{ "7-2-1, 0-1-18446744073709551615,\n3-4294967295-0",
			"0-1-18446744073709551615,3-4294967295-0,7-2-1" },
		{ "12345678-1234-1234", "12345678-1234-1234" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_gtid_set *set = parse(cases[i].in);
		shows(set, cases[i].out);
		cr_expect_eq(fl_gtid_set_is_empty(set), cases[i].out[0] == '\0');
		struct fl_gtid_set *again = parse(cases[i].out);
		cr_expect(fl_gtid_set_covers(set, again) && fl_gtid_set_covers(again, set));
		fl_gtid_set_destroy(again);
		fl_gtid_set_destroy(set);
	}
}

Test(gtid, malformed_sets_are_refused_with_a_reason)
{
	static const struct {
		const char *in, *reason;
	} cases[] = {
		{ A, "neither uuid:number" },
		{ A ":", "a number is missing" },
		{ A ":0", "begins at 1" },
		{ A ":5-3", "ends behind" },
		{ A ":1-", "a number is missing" },
		{ A ":1:", "a number is missing" },
		{ A ":-1", "a tag consists of" },
		{ A ":1-2-3", "a comma is missing" },
		{ A ":9223372036854775807", "too large" },
		{ A ":1-99999999999999999999", "too large" },
		{ A ":1,", "behind the comma" },
		{ A ":1,," B ":1", "uuid" },
		{ A ":1 " B ":1", "comma is missing" },
		{ A ":1;" B ":1", "comma is missing" },
		{ "1111111-2222-3333-4444-5555555555555:1", "uuid" },
		{ "11111111222233334444555555555555:1", "uuid" },
		{ "1111111g-2222-3333-4444-555555555555:1", "uuid" },
		{ A ":tag", "number are missing" },
		{ A ":1:tag", "number are missing" },
		{ A ":tag:", "a number is missing" },
		{ A ":t-g:1", "a tag consists of" },
		{ A ":abcdefghijklmnopqrstuvwxyz_123456:1", "32 characters" },
		{ A ":1,0-1-2", "uuid" },
		{ "0-1-2," A ":1", "uuid" },
		{ "0-1", "neither" },
		{ "0-1-", "a number is missing" },
		{ "current", "a number is missing" },
		{ "4294967296-1-1", "too large" },
		{ "0-4294967296-1", "too large" },
		{ "0-1-18446744073709551616", "too large" },
		{ "0-1-5,0-2-6", "twice" },
		{ "0-1-5 1-1-1", "comma is missing" },
		{ "0-1-5x", "comma is missing" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_gtid_set *set = NULL;
		struct fl_err err = { 0 };
		int rc = fl_gtid_set_parse(text_of(cases[i].in), &set, &err);
		cr_expect_eq(rc, FL_EINVAL, "%s", cases[i].in);
		cr_expect_eq(err.code, FL_EINVAL);
		cr_expect(
			strstr(err.text, cases[i].reason) != NULL, "%s: %s", cases[i].in, err.text);
		cr_expect_null(set);
	}
}

/* Exact-size copies: a read beyond them is seen by the address sanitizer. */
Test(gtid, every_truncation_of_a_set_is_read_or_refused)
{
	static const char *const texts[] = { A ":1-5:7:tag:1-3:9,\n" B ":1", "0-1-5, 17-2-99" };
	for (size_t i = 0; i < 2; i++)
		for (size_t size = 0; size < strlen(texts[i]); size++) {
			char *copy = malloc(size > 0 ? size : 1);
			memcpy(copy, texts[i], size);
			struct fl_gtid_set *set = NULL;
			int rc = fl_gtid_set_parse((struct fl_bytes){ copy, size }, &set, NULL);
			cr_expect_eq(rc == FL_OK, set != NULL);
			fl_gtid_set_destroy(set);
			free(copy);
		}
}

Test(gtid, sets_answer_what_they_contain_and_cover)
{
	static const struct {
		const char *set, *part;
		bool covers;
	} cases[] = {
		{ "", "", true },
		{ A ":1", "", true },
		{ "", A ":1", false },
		{ A ":1-5", A ":2-3:5", true },
		{ A ":1-5", A ":5-6", false },
		{ A ":1-2:4-5", A ":2-4", false },
		{ A ":1-2:4-5:7-9", A ":1:5:7-9", true },
		{ A ":1-5," B ":1-5", B ":3", true },
		{ A ":1-5", B ":3", false },
		{ A ":1-5", A ":t:3", false },
		{ A ":t:1-5", A ":3", false },
		{ A ":1:t:1-5", A ":t:3", true },
		{ "0-1-5", "0-1-5", true },
		{ "0-1-5", "0-2-4", true },
		{ "0-1-5", "0-1-6", false },
		{ "0-1-5,1-1-1", "1-1-1", true },
		{ "0-1-5", "1-1-1", false },
		{ "0-1-5", A ":1", false },
		{ A ":1", "0-1-5", false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_gtid_set *set = parse(cases[i].set), *part = parse(cases[i].part);
		cr_expect_eq(fl_gtid_set_covers(set, part), cases[i].covers, "%s in %s",
			cases[i].part, cases[i].set);
		fl_gtid_set_destroy(part);
		fl_gtid_set_destroy(set);
	}
}

Test(gtid, mariadb_keeps_the_last_one_of_each_domain)
{
	struct fl_gtid_set *set = fl_gtid_set_create();
	static const struct {
		uint32_t domain, server;
		uint64_t number;
		const char *text;
	} cases[] = {
		{ 1, 1, 5, "1-1-5" },
		{ 0, 7, 9, "0-7-9,1-1-5" },
		{ 1, 2, 6, "0-7-9,1-2-6" },
		{ 0, 7, 3, "0-7-3,1-2-6" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_gtid gtid = gtid_of(
			FL_GTID_MARIADB, "", "", cases[i].domain, cases[i].server, cases[i].number);
		cr_assert_eq(fl_gtid_set_add(set, &gtid), FL_OK);
		shows(set, cases[i].text);
		cr_expect(fl_gtid_set_contains(set, &gtid));
		gtid.number++;
		cr_expect_not(fl_gtid_set_contains(set, &gtid));
	}
	cr_expect_eq(fl_gtid_set_kind(set), FL_GTID_MARIADB);
	fl_gtid_set_destroy(set);
}

Test(gtid, a_set_takes_no_gtid_of_another_kind_or_out_of_range)
{
	struct fl_gtid_set *set = fl_gtid_set_create();
	struct fl_gtid none = { 0 };
	struct fl_gtid mysql = gtid_of(FL_GTID_MYSQL, "1", "", 0, 0, 1);
	struct fl_gtid mariadb = gtid_of(FL_GTID_MARIADB, "", "", 0, 1, 1);
	cr_expect_eq(fl_gtid_set_add(set, &none), FL_EINVAL);
	mysql.number = 0;
	cr_expect_eq(fl_gtid_set_add(set, &mysql), FL_EINVAL);
	mysql.number = INT64_MAX;
	cr_expect_eq(fl_gtid_set_add(set, &mysql), FL_EINVAL);
	mysql.number = 2;
	cr_expect_eq(fl_gtid_set_add_interval(set, &mysql, 1), FL_EINVAL);
	cr_expect(fl_gtid_set_is_empty(set));
	cr_expect_eq(fl_gtid_set_kind(set), FL_GTID_NONE);
	cr_expect_eq(fl_gtid_set_add(set, &mysql), FL_OK);
	cr_expect_eq(fl_gtid_set_add(set, &mariadb), FL_EINVAL);
	cr_expect_eq(fl_gtid_set_add_interval(set, &mariadb, 1), FL_EINVAL);
	cr_expect_not(fl_gtid_set_contains(set, &mariadb));
	cr_expect_eq(fl_gtid_set_kind(set), FL_GTID_MYSQL);
	fl_gtid_set_destroy(set);
}

/* Against a plain array of booleans: random intervals, overlapping, adjoining, in any order. */
Test(gtid, random_intervals_give_an_exact_set)
{
	enum { UNIVERSE = 60, ROUNDS = 400, STEPS = 25 };
	uint64_t seed = 42;
	for (int round = 0; round < ROUNDS; round++) {
		struct fl_gtid_set *set = fl_gtid_set_create();
		bool model[2][UNIVERSE + 2] = { { false } };
		for (int step = 0; step < STEPS; step++) {
			seed = seed * 6364136223846793005U + 1442695040888963407U;
			unsigned tag = seed >> 33 & 1;
			uint64_t first = 1 + (seed >> 40) % UNIVERSE;
			uint64_t last = first + (seed >> 50) % 4;
			last = last > UNIVERSE ? UNIVERSE : last;
			struct fl_gtid gtid =
				gtid_of(FL_GTID_MYSQL, "1", tag == 1 ? "t" : "", 0, 0, first);
			cr_assert_eq(fl_gtid_set_add_interval(set, &gtid, last), FL_OK);
			for (uint64_t n = first; n <= last; n++)
				model[tag][n] = true;
		}
		struct fl_buf text = { 0 };
		for (unsigned tag = 0; tag < 2; tag++)
			for (uint64_t n = 1; n <= UNIVERSE; n++) {
				struct fl_gtid gtid =
					gtid_of(FL_GTID_MYSQL, "1", tag == 1 ? "t" : "", 0, 0, n);
				cr_assert_eq(fl_gtid_set_contains(set, &gtid), model[tag][n]);
			}
		/* Canonical: what is read back has the same text. */
		fl_gtid_set_format(set, &text);
		struct fl_gtid_set *again = NULL;
		struct fl_bytes const bytes = { text.data, text.size };
		cr_assert_eq(fl_gtid_set_parse(bytes, &again, NULL), FL_OK);
		fl_buf_char(&text, '\0');
		shows(again, text.data);
		fl_buf_finish(&text);
		fl_gtid_set_destroy(again);
		fl_gtid_set_destroy(set);
	}
}

/* A million of them in a set of many intervals: hopeless if each took time by the set's size. */
Test(gtid, the_next_number_is_added_in_constant_time, .timeout = 30)
{
	enum { GAPS = 20000, NEXT = 1000000 };
	struct fl_gtid_set *set = fl_gtid_set_create();
	struct fl_gtid gtid = gtid_of(FL_GTID_MYSQL, "1", "", 0, 0, 0);
	for (uint64_t i = 0; i < GAPS; i++) {
		gtid.number = (UINT64_C(1) << 40) + 2 * i;
		cr_assert_eq(fl_gtid_set_add(set, &gtid), FL_OK);
	}
	for (gtid.number = 1; gtid.number <= NEXT; gtid.number++)
		cr_assert_eq(fl_gtid_set_add(set, &gtid), FL_OK);
	gtid.number = NEXT;
	cr_expect(fl_gtid_set_contains(set, &gtid));
	fl_gtid_set_destroy(set);
}

Test(gtid, a_copy_is_independent)
{
	static const char *const texts[] = { "", A ":1-5:7," B ":t:1", "0-1-5,3-1-1" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct fl_gtid_set *set = parse(texts[i]);
		struct fl_gtid_set *copy = fl_gtid_set_copy(set);
		struct fl_gtid more = i == 2 ? gtid_of(FL_GTID_MARIADB, "", "", 9, 9, 9)
					     : gtid_of(FL_GTID_MYSQL, "z", "", 0, 0, 9);
		shows(copy, texts[i]);
		cr_assert_eq(fl_gtid_set_add(copy, &more), FL_OK);
		more.number++;
		cr_assert_eq(fl_gtid_set_add(copy, &more), FL_OK);
		shows(set, texts[i]);
		fl_gtid_set_destroy(set);
		cr_expect(fl_gtid_set_contains(copy, &more));
		fl_gtid_set_destroy(copy);
	}
	fl_gtid_set_destroy(NULL);
}

Test(gtid, a_copy_can_grow)
{
	struct fl_gtid_set *set = parse("31313131-3131-3131-3131-313131313131:1-5:7:9");
	struct fl_gtid_set *copy = fl_gtid_set_copy(set);
	struct fl_gtid more = gtid_of(FL_GTID_MYSQL, "1", "", 0, 0, 100);
	cr_assert_eq(fl_gtid_set_add(copy, &more), FL_OK);
	shows(copy, "31313131-3131-3131-3131-313131313131:1-5:7:9:100");
	fl_gtid_set_destroy(copy);
	fl_gtid_set_destroy(set);
}

Test(gtid, many_tags_survive_the_wire)
{
	enum { TAGS = 300 };
	struct fl_gtid_set *set = fl_gtid_set_create(), *again = fl_gtid_set_create();
	struct fl_buf wire = { 0 };
	for (int i = TAGS; i > 0; i--) {
		char tag[33];
		snprintf(tag, sizeof(tag), "tag_%d", i);
		struct fl_gtid gtid = gtid_of(FL_GTID_MYSQL, "1", tag, 0, 0, 1);
		cr_assert_eq(fl_gtid_set_add(set, &gtid), FL_OK);
	}
	fl_gtid_set_encode(set, &wire);
	struct fl_bytes const bytes = { wire.data, wire.size };
	cr_expect_eq(fl_gtid_set_decode(again, bytes, NULL), FL_OK);
	cr_expect(fl_gtid_set_covers(set, again) && fl_gtid_set_covers(again, set));
	fl_buf_finish(&wire);
	fl_gtid_set_destroy(again);
	fl_gtid_set_destroy(set);
}

Test(gtid, sets_survive_the_wire)
{
	static const struct {
		const char *text;
		size_t size;
	} cases[] = {
		{ "", 8 },
		{ A ":1-5:7", 8 + 16 + 8 + 2 * 16 },
		{ A ":1-9223372036854775806," B ":3", 8 + 2 * (16 + 8 + 16) },
		{ A ":1:a:2-3:tag_of_32_characters____________:9," B ":1",
			8 + 4 * (16 + 1 + 8 + 16) + 1 + 32 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_gtid_set *set = parse(cases[i].text);
		struct fl_buf wire = { 0 };
		struct fl_err err = { 0 };
		fl_gtid_set_encode(set, &wire);
		cr_expect_eq(wire.size, cases[i].size);
		for (size_t size = 0; size <= wire.size; size++) {
			char *copy = malloc(size > 0 ? size : 1);
			memcpy(copy, wire.data, size);
			struct fl_gtid_set *again = fl_gtid_set_create();
			int rc = fl_gtid_set_decode(again, (struct fl_bytes){ copy, size }, &err);
			cr_expect_eq(rc, size == wire.size ? FL_OK : FL_ECORRUPT, "%zu of %zu",
				size, wire.size);
			if (rc == FL_OK)
				shows(again, cases[i].text);
			fl_gtid_set_destroy(again);
			free(copy);
		}
		fl_buf_finish(&wire);
		fl_gtid_set_destroy(set);
	}
}

/* One uuid with the intervals or the tag given, as little-endian integers. */
Test(gtid, contradictions_on_the_wire_are_refused)
{
	static const struct {
		const char *what;
		uint64_t head;
		const char *tag;     /* with its size byte */
		uint64_t numbers[5]; /* count, then intervals */
		size_t count;
		int code;
	} cases[] = {
		{ "as it should be", 1, "", { 2, 1, 2, 5, 6 }, 5, FL_OK },
		{ "no intervals", 1, "", { 0 }, 1, FL_OK },
		{ "bytes behind the end", 1, "", { 1, 1, 2, 5, 6 }, 5, FL_ECORRUPT },
		{ "an interval from 0", 1, "", { 1, 0, 2 }, 3, FL_ECORRUPT },
		{ "an empty interval", 1, "", { 1, 2, 2 }, 3, FL_ECORRUPT },
		{ "an interval backwards", 1, "", { 1, 3, 2 }, 3, FL_ECORRUPT },
		{ "an end beyond 2^63 - 1", 1, "", { 1, 1, UINT64_C(1) << 63 }, 3, FL_ECORRUPT },
		{ "intervals out of order", 1, "", { 2, 5, 6, 1, 2 }, 5, FL_ECORRUPT },
		{ "overlapping intervals", 1, "", { 2, 1, 6, 5, 7 }, 5, FL_ECORRUPT },
		{ "2^60 intervals", 1, "", { UINT64_C(1) << 60, 1, 2 }, 3, FL_ECORRUPT },
		{ "2^48 uuids", UINT64_C(1) << 48, "", { 1, 1, 2 }, 3, FL_ECORRUPT },
		{ "an unknown layout", UINT64_C(2) << 56 | 1 << 8, "", { 1, 1, 2 }, 3,
			FL_EUNSUPPORTED },
		{ "a tag", UINT64_C(1) << 56 | 1 << 8 | 1, "\2t", { 1, 1, 2 }, 3, FL_OK },
		{ "an odd tag size", UINT64_C(1) << 56 | 1 << 8 | 1, "\3t", { 1, 1, 2 }, 3,
			FL_ECORRUPT },
		{ "a tag of upper case", UINT64_C(1) << 56 | 1 << 8 | 1, "\2T", { 1, 1, 2 }, 3,
			FL_ECORRUPT },
		{ "a tag of 33 bytes", UINT64_C(1) << 56 | 1 << 8 | 1,
			"\x42"
			"abcdefghijklmnopqrstuvwxyz1234567",
			{ 1, 1, 2 }, 3, FL_ECORRUPT },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_buf wire = { 0 };
		struct fl_err err = { 0 };
		fl_buf_append(&wire, &cases[i].head, 8);
		fl_buf_append(&wire, "0123456789abcdef", 16);
		fl_buf_text(&wire, cases[i].tag);
		fl_buf_append(&wire, cases[i].numbers, cases[i].count * 8);
		struct fl_gtid_set *set = fl_gtid_set_create();
		int rc = fl_gtid_set_decode(set, (struct fl_bytes){ wire.data, wire.size }, &err);
		cr_expect_eq(rc, cases[i].code, "%s: %d %s", cases[i].what, rc, err.text);
		fl_gtid_set_destroy(set);
		fl_buf_finish(&wire);
	}
}

Test(gtid, mysqls_sets_are_not_added_to_mariadbs)
{
	struct fl_gtid_set *set = parse("0-1-5"), *other = parse(A ":1");
	struct fl_buf wire = { 0 };
	struct fl_err err = { 0 };
	fl_gtid_set_encode(other, &wire);
	cr_expect_eq(fl_gtid_set_decode(set, (struct fl_bytes){ wire.data, wire.size }, &err),
		FL_ECORRUPT);
	shows(set, "0-1-5");
	fl_buf_finish(&wire);
	fl_gtid_set_destroy(other);
	fl_gtid_set_destroy(set);
}
