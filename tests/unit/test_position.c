/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "binlog/position.h"

#define A "11111111-2222-3333-4444-555555555555"
#define NAME_OF_255                                                                                \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"                         \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"                         \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"                         \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"

static struct fl_bytes text_of(const char *text)
{
	return (struct fl_bytes){ text, strlen(text) };
}

static void shows(const struct fl_position *position, const char *text)
{
	struct fl_buf out = { 0 };
	fl_position_format(position, &out);
	fl_buf_char(&out, '\0');
	cr_expect_str_eq(out.data, text);
	fl_buf_finish(&out);
}

Test(position, text_survives_the_way_there_and_back)
{
	static const struct {
		const char *text, *file;
		uint64_t offset;
		bool has_gtids, is_set;
		const char *server;
	} cases[] = {
		{ "1 pos=0 gtid=- file=", "", 0, false, false, NULL },
		{ "1 pos=4 gtid=- file=binlog.000001", "binlog.000001", 4, false, true, NULL },
		{ "1 pos=18446744073709551615 gtid=- file=a b gtid=- file=c", "a b gtid=- file=c",
			UINT64_MAX, false, true, NULL },
		{ "1 pos=4711 gtid=" A ":1-5:7:tag:1-3 file=binlog.000001", "binlog.000001", 4711,
			true, true, NULL },
		{ "1 pos=4711 gtid=0-1-5,1-1-1 file=binlog.000001", "binlog.000001", 4711, true,
			true, NULL },
		{ "1 pos=0 gtid=0-1-5 file=", "", 0, true, true, NULL },
		{ "1 pos=4 gtid= file=b.1", "b.1", 4, true, true, NULL },
		{ "1 pos=4 gtid=- file=" NAME_OF_255, NAME_OF_255, 4, false, true, NULL },
		{ "2 pos=9 gtid=- held=23:1 pos=4 gtid=- file=b 1 file=b 2", "b 2", 9, false, true,
			NULL },
		{ "2 pos=0 gtid=0-1-5 held=24:1 pos=0 gtid=0-1-3 file= file=", "", 0, true, true,
			NULL },
		{ "1 pos=4 gtid=- server=" A " file=b.1", "b.1", 4, false, true, A },
		{ "1 pos=4 gtid=0-1-5 server=4294967295 file=b.1", "b.1", 4, true, true,
			"4294967295" },
		{ "1 pos=4 gtid=- file=b server=1 file=c", "b server=1 file=c", 4, false, true,
			NULL },
		{ "2 pos=9 gtid=- server=7 held=23:1 pos=4 gtid=- file=b 1 file=b 2", "b 2", 9,
			false, true, "7" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_position position = { 0 };
		struct fl_err err = { 0 };
		int rc = fl_position_parse(text_of(cases[i].text), &position, &err);
		cr_assert_eq(rc, FL_OK, "%s: %s", cases[i].text, err.text);
		cr_expect_str_eq(position.file, cases[i].file);
		cr_expect_str_eq(position.server, cases[i].server != NULL ? cases[i].server : "");
		cr_expect_eq(position.offset, cases[i].offset);
		cr_expect_eq(position.gtids != NULL, cases[i].has_gtids);
		cr_expect_eq(fl_position_is_set(&position), cases[i].is_set, "%s", cases[i].text);
		shows(&position, cases[i].text);
		fl_position_finish(&position);
		cr_expect_not(fl_position_is_set(&position));
	}
}

Test(position, malformed_text_is_refused_and_nothing_touched)
{
	static const char *const cases[] = {
		"",
		"1",
		"binlog.000001:4",
		"2 pos=4 gtid=- file=b.1",
		"3 pos=4 gtid=- file=b.1",
		"1 pos=9 gtid=- held=23:1 pos=4 gtid=- file=b 1 file=b 2",
		"2 pos=9 gtid=- held=24:1 pos=4 gtid=- file=b 1 file=b 2",
		"2 pos=9 gtid=- held=22:1 pos=4 gtid=- file=b 1 file=b 2",
		"2 pos=9 gtid=- held=99:1 pos=4 gtid=- file=b 1 file=b 2",
		"2 pos=9 gtid=- held=x file=b 2",
		"2 pos=9 gtid=- held=0: file=b 2",
		"2 pos=9 gtid=- held=5:1 pos file=b 2",
		"2 pos=9 gtid=- held=51:2 pos=9 gtid=- held=24:1 pos=4 gtid=- file=b 1 file=b 2 "
		"file=b",
		"1 pos=4 gtid=- server= file=b.1",
		"1 pos=4 gtid=- server=7",
		"1 pos=4 gtid=- server=a_b file=b.1",
		"1 pos=4 gtid=- server=7\n file=b.1",
		"1 pos=4 server=7 gtid=- file=b.1",
		"1 pos=4 gtid=- server=7 server=7 file=b.1",
		"1 pos=4 gtid=- server=" A A " file=b.1",
		"2 pos=9 gtid=- held=23:1 pos=4 gtid=- file=b 1 server=7 file=b 2",
		"1 pos= gtid=- file=b.1",
		"1 pos=-4 gtid=- file=b.1",
		"1 pos=18446744073709551616 gtid=- file=b.1",
		"1 pos=4 gtid=-",
		"1 pos=4  gtid=- file=b.1",
		"1 pos=4 file=b.1",
		"1 pos=4 gtid=-- file=b.1",
		"1 pos=4 gtid=0-1 file=b.1",
		"1 pos=4 gtid=0-1-5, 1-1-1 file=b.1",
		"1 pos=4 gtid=- file=b\n.1",
		"1 pos=4 gtid=- file=b.1\n",
		"1 pos=4 gtid=- file=" NAME_OF_255 "n",
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_position position = { .offset = 99 };
		struct fl_err err = { 0 };
		int rc = fl_position_parse(text_of(cases[i]), &position, &err);
		cr_expect_eq(rc, FL_EINVAL, "%s", cases[i]);
		cr_expect_str_neq(err.text, "");
		cr_expect_eq(position.offset, 99);
		cr_expect_null(position.gtids);
	}
}

Test(position, every_truncation_is_read_or_refused)
{
	static const char text[] = "1 pos=4711 gtid=" A ":1-5:tag:1-3 file=binlog.000001";
	size_t const head = sizeof("1 pos=4711 gtid=" A ":1-5:tag:1-3 file=") - 1;
	for (size_t size = 0; size < sizeof(text) - 1; size++) {
		char *copy = malloc(size > 0 ? size : 1);
		memcpy(copy, text, size);
		struct fl_position position = { 0 };
		int rc = fl_position_parse((struct fl_bytes){ copy, size }, &position, NULL);
		cr_expect_eq(rc, size < head ? FL_EINVAL : FL_OK, "%zu", size);
		fl_position_finish(&position);
		free(copy);
	}
}

Test(position, a_copy_is_independent)
{
	struct fl_position one = { 0 }, two = { 0 };
	cr_assert_eq(fl_position_parse(text_of("1 pos=4 gtid=0-1-5 file=b.1"), &one, NULL), FL_OK);
	cr_assert_eq(fl_position_parse(text_of("1 pos=9 gtid=7-7-7 file=c.1"), &two, NULL), FL_OK);
	cr_assert_eq(fl_position_copy(&one, &two), FL_OK);
	struct fl_gtid next = { .kind = FL_GTID_MARIADB, .server = 1, .number = 6 };
	cr_assert_eq(fl_gtid_set_add(one.gtids, &next), FL_OK);
	shows(&one, "1 pos=4 gtid=0-1-6 file=b.1");
	fl_position_finish(&one);
	shows(&two, "1 pos=4 gtid=0-1-5 file=b.1");
	cr_assert_eq(fl_position_copy(&one, &two), FL_OK);
	cr_expect_not(fl_position_is_set(&two));
}

Test(position, places_are_ordered_by_the_files_number_then_the_offset)
{
	static const struct {
		const char *file_a;
		uint64_t offset_a;
		const char *file_b;
		uint64_t offset_b;
		int order;
	} cases[] = {
		{ "b.000001", 4, "b.000001", 4, 0 },
		{ "b.000001", 4, "b.000001", 5, -1 },
		{ "b.000002", 4, "b.000001", 500, 1 },
		{ "b.000009", 4, "b.000010", 4, -1 },
		{ "b.999999", 4, "b.1000000", 4, -1 },
		{ "b.000001", UINT64_C(1) << 32, "b.000001", 5, 1 },
		{ "z.000001", 4, "a.000002", 4, -1 },
		{ "b9.000001", 4, "b10.000002", 4, -1 },
		{ "b.1", 4, "b.000001", 4, 0 },
		{ "", 0, "b.000001", 4, -1 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int order = fl_binlog_compare(
			cases[i].file_a, cases[i].offset_a, cases[i].file_b, cases[i].offset_b);
		int back = fl_binlog_compare(
			cases[i].file_b, cases[i].offset_b, cases[i].file_a, cases[i].offset_a);
		cr_expect_eq((order > 0) - (order < 0), cases[i].order, "%s %s", cases[i].file_a,
			cases[i].file_b);
		cr_expect_eq((back > 0) - (back < 0), -cases[i].order);
	}
}
