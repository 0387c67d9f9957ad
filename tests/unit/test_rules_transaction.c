/* SPDX-License-Identifier: Apache-2.0
 *
 * What the rows of a transaction come to together: patterns, and the last operation of a key.
 */
#include "rules_fixture.h"

Test(rules, patterns_are_killed_first_and_once_a_transaction)
{
#define RULE                                                                                       \
	{                                                                                          \
		USERS, .key = "u:{id}", .invalidate = "feed:{email}:{*}", .value = "column:note"   \
	}
	static const struct given cases[] = {
		{ RULE, FL_INSERT, NULL, "1|a*[b]|x", "CLEAR feed:a\\*\\[b\\]:*; SET u:1 x" },
		{ RULE, FL_UPDATE, "1|a|x", "1|b|y", "CLEAR feed:a:*; CLEAR feed:b:*; SET u:1 y" },
		{ RULE, FL_UPDATE, "1|a|x", "1|a|y", "CLEAR feed:a:*; SET u:1 y" },
		{ RULE, FL_UPDATE, "1|~|x", "1|~|y", "SET u:1 y" },
	};
#undef RULE
	CHECK(cases);
}

static void add_rows(struct fl_mapper *mapper, const struct fl_table_def *def,
	const char *const (*rows)[2], size_t count)
{
	struct fl_buf images[2 * 100] = { 0 };
	struct fl_change changes[100] = { { 0 } };
	cr_assert_leq(count, 100);
	for (size_t i = 0; i < count; i++)
		changes[i] = (struct fl_change){ .op = FL_UPDATE,
			.before = make_row(def, rows[i][0], &images[2 * i]),
			.after = make_row(def, rows[i][1], &images[2 * i + 1]),
			.db = def->table.db,
			.table = def->table.name };
	struct fl_transaction const transaction = { .change_count = count, .changes = changes };
	cr_assert_eq(fl_mapper_add(mapper, &transaction, 0, NULL), 0);
	for (size_t i = 0; i < 2 * count; i++)
		fl_buf_finish(&images[i]);
}

/* The first pattern of the second row is known already, and its second one is not. */
Test(rules, patterns_of_many_rows_do_not_get_in_each_other_s_way)
{
	static const char *const rows[][2] = { { "1|a|x", "1|b|x" }, { "2|a|x", "2|c|x" },
		{ "3|a|x", "3|dddd|x" }, { "4|dddd|xxxx", "4|c|x" } };
	struct fl_map *map = make_map("shop.users !u:{id} f:{email}:{*} g:{note}:{*}");
	struct fl_mapper *mapper = fl_mapper_create(map, "hot", FL_ON_DOUBT_DELETE);
	struct fl_table_def *def = make_table("shop", "users", PLAIN);
	struct fl_buf got = { 0 };
	add_rows(mapper, def, rows, 4);
	show(mapper, &got);
	cr_expect_str_eq(got.data,
		"CLEAR f:a:*; CLEAR f:b:*; CLEAR g:x:*; CLEAR f:c:*; CLEAR f:dddd:*; CLEAR "
		"g:xxxx:*; DEL u:1; DEL u:2; DEL u:3; DEL u:4");
	fl_buf_finish(&got);
	fl_table_unref(def);
	fl_mapper_destroy(mapper);
	fl_map_destroy(map);
}

Test(rules, too_many_patterns_become_one_for_all)
{
	char texts[40][2][16];
	const char *rows[40][2];
	for (int i = 0; i < 40; i++)
		for (int k = 0; k < 2; k++) {
			snprintf(texts[i][k], sizeof(texts[i][k]), "%d|e%d|n", i, i);
			rows[i][k] = texts[i][k];
		}
	struct fl_map *map = make_map("shop.users !u:{note} f:{email}:{*} g:{note}:{*}");
	struct fl_mapper *mapper = fl_mapper_create(map, "hot", FL_ON_DOUBT_DELETE);
	struct fl_table_def *def = make_table("shop", "users", PLAIN);
	struct fl_buf got = { 0 };
	add_rows(mapper, def, (const char *const(*)[2])rows, 40);
	fl_mapper_coalesce(mapper);
	show(mapper, &got);
	cr_expect_str_eq(got.data, "CLEAR g:n:*; CLEAR f:*:*; DEL u:n");
	fl_buf_finish(&got);
	fl_table_unref(def);
	fl_mapper_destroy(mapper);
	fl_map_destroy(map);
}

Test(rules, the_last_operation_of_a_key_wins_where_a_batch_is_atomic)
{
	struct fl_map *map = make_map("shop.users u:{id} of:{email}");
	struct fl_map_rule const existing = { .name = "e",
		.table = "shop.users",
		.key = "x:{id}",
		.value = "column:note",
		.mode = "update-existing" };
	cr_assert_eq(fl_map_add(map, &existing, NULL), 0);
	struct fl_mapper *mapper = fl_mapper_create(map, "hot", FL_ON_DOUBT_DELETE);
	struct fl_table_def *def = make_table("shop", "users", PLAIN);
	struct fl_buf got = { 0 };
	cr_expect_eq(fl_mapper_coalesce(mapper), 0);
	map_row(mapper, def, FL_INSERT, NULL, "1|a|x", &got);
	map_row(mapper, def, FL_UPDATE, "1|a|x", "1|a|y", &got);
	map_row(mapper, def, FL_INSERT, NULL, "2|a|z", &got);
	map_row(mapper, def, FL_DELETE, "1|a|y", NULL, &got);
	map_row(mapper, def, FL_UPDATE, "2|a|z", "2|b|z", &got);
	fl_buf_clear(&got);
	cr_expect_eq(fl_mapper_coalesce(mapper), 9);
	show(mapper, &got);
	cr_expect_str_eq(got.data,
		"SET x:2 z XX; DEL u:1; DEL x:1; DEL of:a; SET u:2 "
		"{\"id\":2,\"email\":\"b\",\"note\":\"z\"}; DEL of:b; SET x:2 z XX");
	fl_buf_finish(&got);
	fl_table_unref(def);
	fl_mapper_destroy(mapper);
	fl_map_destroy(map);
}

/* Keys are forgotten by pattern in steps of their own, between which readers can look. */
Test(rules, what_is_in_front_of_a_clear_stays)
{
	struct fl_map *map = make_map("shop.users u:{id}");
	struct fl_mapper *mapper = fl_mapper_create(map, "hot", FL_ON_DOUBT_DELETE);
	struct fl_table_def *def = make_table("shop", "users", PLAIN);
	struct fl_buf got = { 0 };
	map_row(mapper, def, FL_DELETE, "1|a|x", NULL, &got);
	map_row(mapper, def, FL_DELETE, "1|a|x", NULL, &got);
	map_row(mapper, def, FL_TRUNCATE, NULL, NULL, &got);
	map_row(mapper, def, FL_DELETE, "1|a|x", NULL, &got);
	map_row(mapper, def, FL_DELETE, "1|a|x", NULL, &got);
	fl_buf_clear(&got);
	cr_expect_eq(fl_mapper_coalesce(mapper), 2);
	show(mapper, &got);
	cr_expect_str_eq(got.data, "DEL u:1; CLEAR u:*; DEL u:1");
	fl_buf_finish(&got);
	fl_table_unref(def);
	fl_mapper_destroy(mapper);
	fl_map_destroy(map);
}
