/* SPDX-License-Identifier: Apache-2.0 */
#include "map_fixture.h"

#include <time.h>

#define RULES "shop.users u:{generation}:{id} feed:{id} / *.logs l:{generation}"
static void statement(struct fl_mapper *mapper, const char *sql, struct fl_err *err)
{
	struct fl_change change = { .op = FL_DDL, .db = bytes("shop"), .sql = bytes(sql) };
	struct fl_transaction transaction = { .change_count = 1, .changes = &change };
	fl_mapper_add(mapper, &transaction, 0, err);
}

static void resume(struct fl_mapper *mapper, const char *text, const char *left)
{
	struct fl_bytes position = bytes(text);
	struct fl_err err = { 0 };
	cr_assert_eq(fl_mapper_resume(mapper, &position, &err), 0, "%s", err.text);
	cr_expect_eq(position.size, strlen(left));
	cr_expect_eq(memcmp(position.data, left, position.size), 0);
}

static void expect_text(struct fl_mapper *mapper, const char *expected)
{
	struct fl_buf text = { 0 };
	fl_mapper_format(mapper, &text);
	fl_buf_char(&text, '\0');
	cr_expect_str_eq(text.data, expected);
	fl_buf_finish(&text);
}

static struct fl_map *map;
static struct fl_mapper *mapper;

static void set_up(void)
{
	map = make_map(RULES);
	mapper = fl_mapper_create(map, "hot", FL_ON_DOUBT_DELETE);
}

static void tear_down(void)
{
	fl_mapper_destroy(mapper);
	fl_map_destroy(map);
}

TestSuite(generation, .init = set_up, .fini = tear_down);

/* Beyond any time. */
#define FUTURE "100000000000000000"

Test(generation, clearing_a_table_makes_other_keys_from_then_on)
{
	struct fl_table_def *def = make_table("shop", "users", PLAIN);
	struct fl_buf got = { 0 };
	struct fl_err err = { 0 };
	resume(mapper, "generations=r1:" FUTURE ",r2:" FUTURE " 1 pos=4", "1 pos=4");
	map_row(mapper, def, FL_INSERT, NULL, "7|a|b", &got);
	cr_expect_str_eq(got.data,
		"SET u:" FUTURE ":7 {\"id\":7,\"email\":\"a\",\"note\":\"b\"}; DEL feed:7");
	fl_mapper_reset(mapper);
	statement(mapper, "TRUNCATE users", &err);
	fl_buf_clear(&got);
	map_row(mapper, def, FL_INSERT, NULL, "8|a|b", &got);
	cr_expect_str_eq(got.data,
		"CLEAR feed:*; SET fastlane:generation:r1 100000000000000001; "
		"SET u:100000000000000001:8 {\"id\":8,\"email\":\"a\",\"note\":\"b\"}; DEL feed:8");
	expect_text(mapper, "generations=r1:100000000000000001,r2:" FUTURE " ");
	fl_buf_finish(&got);
	fl_table_unref(def);
}

Test(generation, a_transaction_that_is_not_mapped_leaves_them_as_they_were)
{
	struct fl_mapper *careful = fl_mapper_create(map, "hot", FL_ON_DOUBT_HALT);
	struct fl_change changes[] = {
		{ .op = FL_TRUNCATE, .db = bytes("shop"), .table = bytes("users") },
		{ .op = FL_DOUBT,
			.db = bytes("shop"),
			.table = bytes("users"),
			.doubt = bytes("x") },
	};
	struct fl_transaction transaction = { .change_count = 2, .changes = changes };
	struct fl_err err = { 0 };
	resume(careful, "generations=r1:" FUTURE ",r2:" FUTURE " p", "p");
	cr_expect_eq(fl_mapper_add(careful, &transaction, 0, &err), FL_EUNSUPPORTED);
	expect_text(careful, "generations=r1:" FUTURE ",r2:" FUTURE " ");
	fl_mapper_destroy(careful);
}

Test(generation, those_that_are_not_known_begin_above_all_earlier_ones)
{
	unsigned long long first, second;
	struct fl_buf text = { 0 };
	struct fl_err err = { 0 };
	uint64_t const now = (uint64_t)time(NULL);
	/* Of rules that are no more nothing is kept. */
	resume(mapper, "generations=gone:5,r2:6 1 pos=4", "1 pos=4");
	fl_mapper_format(mapper, &text);
	fl_buf_char(&text, '\0');
	cr_assert_eq(sscanf(text.data, "generations=r1:%llu,r2:%llu ", &first, &second), 2);
	cr_expect_geq(first, now);
	cr_expect_eq(second, 6);
	statement(mapper, "TRUNCATE logs", &err);
	fl_buf_clear(&text);
	fl_mapper_format(mapper, &text);
	fl_buf_char(&text, '\0');
	cr_assert_eq(sscanf(text.data, "generations=r1:%*u,r2:%llu ", &second), 1);
	cr_expect_geq(second, now);
	/* A position from before there were any. */
	resume(mapper, "1 pos=4", "1 pos=4");
	fl_buf_finish(&text);
}

Test(generation, text_that_is_none_is_refused)
{
	static const char *const texts[] = { "generations=", "generations=r1:5",
		"generations=r1: x", "generations=r1 x", "generations=:5 x", "generations=r1:5x x",
		"generations=r1:5,,r2:6 x", "generations=r1:1234567890123456789 x" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct fl_bytes position = bytes(texts[i]);
		struct fl_err err = { 0 };
		cr_expect_eq(fl_mapper_resume(mapper, &position, &err), FL_EINVAL, "%s", texts[i]);
	}
}

Test(generation, they_are_told_to_readers)
{
	struct fl_buf got = { 0 };
	resume(mapper, "generations=r1:5,r2:6 p", "p");
	cr_assert_eq(fl_mapper_publish(mapper), 0);
	show(mapper, &got);
	cr_expect_str_eq(got.data, "SET fastlane:generation:r1 5; SET fastlane:generation:r2 6");
	fl_buf_finish(&got);
}
