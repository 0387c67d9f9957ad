/* SPDX-License-Identifier: Apache-2.0 */
#include "map_fixture.h"

struct row_case {
	const char *rules;
	enum fl_op op;
	const char *before, *after;
	const char *expected;
};

static void expect_rows(
	const struct row_case *cases, size_t count, enum kind kind, enum fl_on_doubt on_doubt)
{
	struct fl_table_def *def = make_table("shop", "users", kind);
	for (size_t i = 0; i < count; i++) {
		struct fl_map *map = make_map(cases[i].rules);
		struct fl_mapper *mapper = fl_mapper_create(map, "hot", on_doubt);
		struct fl_buf got = { 0 };
		cr_assert_not_null(mapper);
		map_row(mapper, def, cases[i].op, cases[i].before, cases[i].after, &got);
		cr_expect_str_eq(
			got.data, cases[i].expected, "%zu, %s: %s", i, cases[i].rules, got.data);
		fl_buf_finish(&got);
		fl_mapper_destroy(mapper);
		fl_map_destroy(map);
	}
	fl_table_unref(def);
}
#define EXPECT_ROWS(cases, kind, on_doubt)                                                         \
	expect_rows(cases, sizeof(cases) / sizeof(*cases), kind, on_doubt)

Test(map, row_becomes_operations)
{
	static const struct row_case cases[] = {
		{ "shop.users user:{id}", FL_INSERT, NULL, "7|a@x|hi",
			"SET user:7 {\"id\":7,\"email\":\"a@x\",\"note\":\"hi\"}" },
		{ "shop.users user:{id}", FL_UPDATE, "7|a@x|hi", "7|b@x|hi",
			"SET user:7 {\"id\":7,\"email\":\"b@x\",\"note\":\"hi\"}" },
		{ "shop.users user:{id}", FL_UPDATE, "7|a@x|hi", "8|a@x|hi",
			"DEL user:7; SET user:8 {\"id\":8,\"email\":\"a@x\",\"note\":\"hi\"}" },
		{ "shop.users user:{id}", FL_DELETE, "7|a@x|hi", NULL, "DEL user:7" },
		{ "shop.users !user:{id}", FL_INSERT, NULL, "7|a@x|hi", "DEL user:7" },
		{ "shop.users !user:{id}", FL_UPDATE, "7|a@x|hi", "8|a@x|hi",
			"DEL user:7; DEL user:8" },
		{ "shop.users !user:{id}", FL_UPDATE, "7|a@x|hi", "7|b@x|hi", "DEL user:7" },
		{ "shop.users {db}/{table}/{ID}-{Email}", FL_DELETE, "-7|a@x|hi", NULL,
			"DEL shop/users/-7-a@x" },
		{ "shop.other user:{id}", FL_INSERT, NULL, "7|a@x|hi", "" },
		{ "*.* all", FL_INSERT, NULL, "7|~|~",
			"SET all {\"id\":7,\"email\":null,\"note\":null}" },
		{ "*.* all", FL_DELETE, "7|~|~", NULL, "DEL all" },
	};
	EXPECT_ROWS(cases, PLAIN, FL_ON_DOUBT_DELETE);
	EXPECT_ROWS(cases, PLAIN, FL_ON_DOUBT_HALT);
}

Test(map, key_with_null_in_it_does_not_exist)
{
	static const struct row_case cases[] = {
		{ "shop.users mail:{email}", FL_INSERT, NULL, "7|~|hi", "" },
		{ "shop.users mail:{email}", FL_DELETE, "7|~|hi", NULL, "" },
		{ "shop.users mail:{email}", FL_UPDATE, "7|a@x|hi", "7|~|hi", "DEL mail:a@x" },
		{ "shop.users mail:{email}", FL_UPDATE, "7|~|hi", "7|a@x|hi",
			"SET mail:a@x {\"id\":7,\"email\":\"a@x\",\"note\":\"hi\"}" },
		{ "shop.users mail:{email}", FL_UPDATE, "7|~|hi", "8|~|hi", "" },
		{ "shop.users u{id}{email}", FL_INSERT, NULL, "7||hi",
			"SET u7 {\"id\":7,\"email\":\"\",\"note\":\"hi\"}" },
	};
	EXPECT_ROWS(cases, PLAIN, FL_ON_DOUBT_HALT);
}

Test(map, keys_of_both_images_are_invalidated)
{
	static const struct row_case cases[] = {
		{ "shop.users !u:{id} m:{email} all", FL_INSERT, NULL, "7|a@x|hi",
			"DEL u:7; DEL m:a@x; DEL all" },
		{ "shop.users !u:{id} m:{email} all", FL_UPDATE, "7|a@x|hi", "7|b@x|hi",
			"DEL m:a@x; DEL u:7; DEL m:b@x; DEL all" },
		{ "shop.users !u:{id} m:{email}", FL_UPDATE, "7|a@x|hi", "7|a@x|ho",
			"DEL u:7; DEL m:a@x" },
		{ "shop.users !u:{id} m:{email}", FL_UPDATE, "7|a@x|hi", "7|~|hi",
			"DEL m:a@x; DEL u:7" },
		{ "shop.users !u:{id} m:{email}", FL_DELETE, "7|a@x|hi", NULL,
			"DEL u:7; DEL m:a@x" },
	};
	EXPECT_ROWS(cases, PLAIN, FL_ON_DOUBT_HALT);
}

Test(map, all_rules_that_match_apply_in_their_order)
{
	static const struct row_case cases[] = {
		{ "shop.users b:{id} / shop.* !a:{email} / x.* c:{id} / *.users !d:{note}",
			FL_INSERT, NULL, "7|a@x|hi",
			"SET b:7 {\"id\":7,\"email\":\"a@x\",\"note\":\"hi\"}; DEL a:a@x; DEL "
			"d:hi" },
		{ "shop.users a:{id} / shop.users b:{id}", FL_INSERT, NULL, "7|~|~",
			"SET a:7 {\"id\":7,\"email\":null,\"note\":null}; "
			"SET b:7 {\"id\":7,\"email\":null,\"note\":null}" },
	};
	EXPECT_ROWS(cases, PLAIN, FL_ON_DOUBT_HALT);
}

Test(map, partial_image_costs_the_value_or_all_keys_but_never_lies)
{
	static const struct row_case deleting[] = {
		{ "shop.users user:{id}", FL_UPDATE, "7|-|-", "7|b@x|-", "DEL user:7" },
		{ "shop.users user:{id}", FL_UPDATE, "7|-|-", "8|-|-", "DEL user:7; DEL user:8" },
		{ "shop.users user:{id}", FL_INSERT, NULL, "7|a@x|-", "DEL user:7" },
		{ "shop.users mail:{email}", FL_UPDATE, "-|a@x|-", "-|b@x|-",
			"DEL mail:a@x; DEL mail:b@x" },
	};
	/* Where no value is asked for, what the key needs is enough. */
	static const struct row_case fine[] = {
		{ "shop.users !user:{id}", FL_UPDATE, "7|-|-", "7|b@x|-", "DEL user:7" },
		{ "shop.users !user:{id}", FL_INSERT, NULL, "7|-|-", "DEL user:7" },
		{ "shop.users user:{id}", FL_DELETE, "7|-|-", NULL, "DEL user:7" },
		{ "shop.users user:{id}", FL_UPDATE, "7|-|-", "7|b@x|~",
			"SET user:7 {\"id\":7,\"email\":\"b@x\",\"note\":null}" },
	};
	static const struct row_case unknown[] = {
		{ "shop.users mail:{email}", FL_UPDATE, "7|-|-", "7|b@x|-", "CLEAR mail:*" },
		{ "shop.users mail:{email}", FL_UPDATE, "7|-|-", "7|-|ho", "CLEAR mail:*" },
		{ "shop.users mail:{email}", FL_DELETE, "7|-|-", NULL, "CLEAR mail:*" },
		{ "shop.users mail:{email}", FL_INSERT, NULL, "7|-|-", "CLEAR mail:*" },
		{ "shop.users !u:{id} {db}:{email}", FL_DELETE, "7|-|-", NULL,
			"DEL u:7; CLEAR shop:*" },
	};
	EXPECT_ROWS(deleting, PLAIN, FL_ON_DOUBT_DELETE);
	EXPECT_ROWS(fine, PLAIN, FL_ON_DOUBT_DELETE);
	EXPECT_ROWS(fine, PLAIN, FL_ON_DOUBT_HALT);
	EXPECT_ROWS(unknown, PLAIN, FL_ON_DOUBT_DELETE);
}

#define HALTED "error: change 1 of the transaction (shop.users): rule r1: "
#define ABSENT                                                                                     \
	" is not in the row image: binlog_row_image is not FULL, or MariaDB left out a "           \
	"generated column"

Test(map, partial_image_halts_when_told_so)
{
	static const struct row_case cases[] = {
		{ "shop.users user:{id}", FL_UPDATE, "7|-|-", "7|b@x|-",
			HALTED "column note" ABSENT },
		{ "shop.users user:{id}", FL_UPDATE, "7|-|-", "8|-|-",
			HALTED "column email" ABSENT },
		{ "shop.users user:{id}", FL_INSERT, NULL, "7|a@x|-", HALTED "column note" ABSENT },
		{ "shop.users mail:{email}", FL_UPDATE, "7|-|-", "7|b@x|hi",
			HALTED "column email" ABSENT },
		{ "shop.users mail:{email}", FL_DELETE, "7|-|-", NULL,
			HALTED "column email" ABSENT },
	};
	static const struct row_case nameless[] = {
		{ "shop.users all", FL_INSERT, NULL, "7|-|-", HALTED "column 2" ABSENT },
	};
	EXPECT_ROWS(cases, PLAIN, FL_ON_DOUBT_HALT);
	EXPECT_ROWS(nameless, WITHOUT_NAMES, FL_ON_DOUBT_HALT);
}

Test(map, undecodable_value_deletes_the_keys_or_halts)
{
	static const struct row_case deleting[] = {
		{ "shop.users user:{id}", FL_INSERT, NULL, "7|a@x|hi", "DEL user:7" },
		{ "shop.users user:{id}", FL_UPDATE, "7|a@x|hi", "8|a@x|hi",
			"DEL user:7; DEL user:8" },
		{ "shop.users note:{note}", FL_INSERT, NULL, "7|a@x|hi", "CLEAR note:*" },
		{ "shop.users note:{note}", FL_DELETE, "7|a@x|hi", NULL, "CLEAR note:*" },
		{ "shop.users user:{id} note:{note}", FL_DELETE, "7|a@x|hi", NULL,
			"DEL user:7; CLEAR note:*" },
		/* NULL needs no decoding */
		{ "shop.users user:{id}", FL_INSERT, NULL, "7|a@x|~",
			"SET user:7 {\"id\":7,\"email\":\"a@x\",\"note\":null}" },
	};
	static const struct row_case fine[] = {
		{ "shop.users !user:{id}", FL_INSERT, NULL, "7|a@x|hi", "DEL user:7" },
		{ "shop.users user:{id}", FL_DELETE, "7|a@x|hi", NULL, "DEL user:7" },
	};
	EXPECT_ROWS(deleting, UNDECODABLE_NOTE, FL_ON_DOUBT_DELETE);
	EXPECT_ROWS(fine, UNDECODABLE_NOTE, FL_ON_DOUBT_HALT);

	struct fl_table_def *def = make_table("shop", "users", UNDECODABLE_NOTE);
	struct fl_map *map = make_map("shop.users user:{id}");
	struct fl_mapper *mapper = fl_mapper_create(map, "hot", FL_ON_DOUBT_HALT);
	struct fl_buf got = { 0 };
	map_row(mapper, def, FL_INSERT, NULL, "7|a@x|hi", &got);
	cr_expect_eq(strstr(got.data, "error: change 1 of the transaction (shop.users): rule r1: "),
		got.data, "%s", got.data);
	cr_expect_not_null(strstr(got.data, "note"), "%s", got.data);
	cr_expect_not_null(strstr(got.data, "ebcdic"), "%s", got.data);
	fl_buf_finish(&got);
	fl_mapper_destroy(mapper);
	fl_map_destroy(map);
	fl_table_unref(def);
}

Test(map, column_that_the_table_lacks_clears_the_pattern_or_halts)
{
	static const struct row_case cases[] = {
		{ "shop.users user:{uid}", FL_INSERT, NULL, "7|a@x|hi", "CLEAR user:*" },
		{ "shop.users !u:{id} g:{group}", FL_INSERT, NULL, "7|a@x|hi",
			"DEL u:7; CLEAR g:*" },
	};
	static const struct row_case halting[] = {
		{ "shop.users user:{uid}", FL_DELETE, "7|a@x|hi", NULL,
			"error: change 1 of the transaction (shop.users): rule r1: the table has "
			"no column uid" },
	};
	static const struct row_case nameless[] = {
		{ "shop.users user:{id}", FL_DELETE, "7|a@x|hi", NULL,
			"error: change 1 of the transaction (shop.users): rule r1: the names of "
			"the table's columns are not known" },
	};
	EXPECT_ROWS(cases, PLAIN, FL_ON_DOUBT_DELETE);
	EXPECT_ROWS(halting, PLAIN, FL_ON_DOUBT_HALT);
	EXPECT_ROWS(nameless, WITHOUT_NAMES, FL_ON_DOUBT_HALT);
}
