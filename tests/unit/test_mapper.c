/* SPDX-License-Identifier: Apache-2.0 */
#include "map_fixture.h"

struct statement_case {
	const char *rules;
	enum fl_op op;
	const char *db, *table, *text; /* `sql`, or the doubt */
	const char *expected, *notice;
};

static void expect_statements(
	const struct statement_case *cases, size_t count, enum fl_on_doubt on_doubt, bool fold)
{
	for (size_t i = 0; i < count; i++) {
		struct fl_map *map = make_map(cases[i].rules);
		fl_map_fold_case(map, fold);
		struct fl_mapper *mapper = fl_mapper_create(map, "hot", on_doubt);
		struct fl_change change = {
			.op = cases[i].op,
			.db = bytes(cases[i].db),
			.table = bytes(cases[i].table),
			.sql = bytes(cases[i].text),
			.doubt = bytes(cases[i].text),
		};
		struct fl_transaction transaction = { .change_count = 1, .changes = &change };
		struct fl_buf got = { 0 };
		struct fl_err err = { 0 };
		if (fl_mapper_add(mapper, &transaction, 0, &err) < 0)
			fl_buf_append(&got, err.text, strlen(err.text) + 1);
		else
			show(mapper, &got);
		cr_expect_str_eq(got.data, cases[i].expected, "%zu: %s", i, got.data);
		const char *notice = fl_mapper_notice(mapper);
		cr_expect_eq(notice == NULL, cases[i].notice == NULL, "%zu: %s", i, notice);
		if (notice != NULL && cases[i].notice != NULL)
			cr_expect_str_eq(notice, cases[i].notice);
		cr_expect_null(fl_mapper_notice(mapper), "a notice is told once");
		fl_buf_finish(&got);
		fl_mapper_destroy(mapper);
		fl_map_destroy(map);
	}
}
#define EXPECT_STATEMENTS(cases, on_doubt, fold)                                                   \
	expect_statements(cases, sizeof(cases) / sizeof(*cases), on_doubt, fold)

#define TWO "shop.users user:{id} feed:{id} / *.* !{db}.{table}"

Test(map, statement_clears_what_the_rules_of_its_tables_made)
{
	static const struct statement_case cases[] = {
		{ TWO, FL_TRUNCATE, "shop", "users", "",
			"CLEAR user:*; CLEAR feed:*; DEL shop.users",
			"shop.users: TRUNCATE: cleared user:*, feed:*, shop.users" },
		{ TWO, FL_DDL, "shop", "", "DROP TABLE users, log.t",
			"CLEAR user:*; CLEAR feed:*; DEL shop.users; DEL log.t",
			"shop.users: DROP TABLE: cleared user:*, feed:*, shop.users; log.t: DROP "
			"TABLE: cleared log.t" },
		{ TWO, FL_DDL, "", "", "RENAME TABLE shop.users TO log.old",
			"CLEAR user:*; CLEAR feed:*; DEL shop.users; DEL log.old",
			"shop.users: RENAME TABLE: cleared user:*, feed:*, shop.users; log.old: "
			"RENAME TABLE: cleared log.old" },
		{ TWO, FL_DDL, "shop", "", "ALTER TABLE users ADD INDEX (a)", "", NULL },
		{ TWO, FL_DDL, "shop", "", "CREATE TABLE users (id INT)", "", NULL },
		{ TWO, FL_DDL, "x", "", "DROP DATABASE log", "CLEAR log.*",
			"log.*: DROP DATABASE: cleared log.*" },
		{ "shop.users user:{id}", FL_DDL, "x", "", "DROP DATABASE shop", "CLEAR user:*",
			"shop.*: DROP DATABASE: cleared user:*" },
		{ "shop.users user:{id}", FL_DDL, "x", "", "DROP TABLE users", "", NULL },
		/* A name of the rule's own is known, even if the statement's is not. */
		{ "shop.users {db}:{table}:{id}", FL_DDL, "", "", "DROP DATABASE shop",
			"CLEAR shop:users:*", "shop.*: DROP DATABASE: cleared shop:users:*" },
	};
	EXPECT_STATEMENTS(cases, FL_ON_DOUBT_DELETE, false);
	EXPECT_STATEMENTS(cases, FL_ON_DOUBT_HALT, false);
}

Test(map, doubt_clears_what_it_may_concern_or_halts)
{
	static const struct statement_case deleting[] = {
		{ TWO, FL_DDL, "shop", "", "UPDATE users SET a = 1",
			"CLEAR user:*; CLEAR feed:*; CLEAR *.*",
			"*.*: a statement that is not understood: UPDATE users SET a = 1: cleared "
			"user:*, feed:*, *.*" },
		{ TWO, FL_DOUBT, "log", "t", "why", "DEL log.t", "log.t: why: cleared log.t" },
		{ TWO, FL_DOUBT, "", "", "why", "CLEAR user:*; CLEAR feed:*; CLEAR *.*",
			"*.*: why: cleared user:*, feed:*, *.*" },
		{ TWO, FL_DOUBT, "log", "", "why", "CLEAR log.*", "log.*: why: cleared log.*" },
		{ "shop.users user:{id}", FL_DOUBT, "log", "t", "why", "", NULL },
	};
	static const struct statement_case halting[] = {
		{ TWO, FL_DDL, "shop", "", "UPDATE users SET a = 1",
			"change 1 of the transaction (shop.): a statement that is not understood: "
			"UPDATE users SET a = 1",
			NULL },
		{ TWO, FL_DOUBT, "log", "t", "why", "change 1 of the transaction (log.t): why",
			NULL },
		{ "shop.users user:{id}", FL_DOUBT, "log", "t", "why", "", NULL },
	};
	EXPECT_STATEMENTS(deleting, FL_ON_DOUBT_DELETE, false);
	EXPECT_STATEMENTS(halting, FL_ON_DOUBT_HALT, false);
}

/* Keys are made of names as the log has them, statements may have them in another case. */
Test(map, names_without_case_leave_it_open_in_patterns)
{
	static const struct statement_case cases[] = {
		{ "shop.Users {db}:{table}:{id}", FL_TRUNCATE, "SHOP", "users", "", "CLEAR *:*:*",
			"SHOP.users: TRUNCATE: cleared *:*:*" },
		{ "shop.users u:{table}", FL_DDL, "shop", "", "DROP TABLE USERS", "CLEAR u:*",
			"shop.USERS: DROP TABLE: cleared u:*" },
	};
	EXPECT_STATEMENTS(cases, FL_ON_DOUBT_DELETE, true);
}

Test(map, same_pattern_is_cleared_once_until_something_is_set)
{
	struct fl_table_def *def = make_table("shop", "users", PLAIN);
	struct fl_map *map = make_map("shop.users u:{id} m:{mail}");
	struct fl_mapper *mapper = fl_mapper_create(map, "hot", FL_ON_DOUBT_DELETE);
	struct fl_buf image = { 0 }, got = { 0 };
	struct fl_row row = make_row(def, "7|~|~", &image);
	struct fl_change const insert = { .op = FL_INSERT, .after = row };
	struct fl_change const clear = {
		.op = FL_TRUNCATE, .db = bytes("shop"), .table = bytes("users")
	};
	struct fl_change const delete = { .op = FL_DELETE, .before = row };
	struct fl_change const changes[] = { clear, clear, delete, delete, clear, insert, clear };
	struct fl_transaction transaction = { .change_count = 7, .changes = changes };
	cr_assert_eq(fl_mapper_add(mapper, &transaction, 0, NULL), 0);
	show(mapper, &got);
	cr_expect_str_eq(got.data,
		"CLEAR u:*; CLEAR m:*; DEL u:7; DEL u:7; "
		"SET u:7 {\"id\":7,\"email\":null,\"note\":null}; CLEAR m:*; CLEAR u:*");
	fl_buf_finish(&image);
	fl_buf_finish(&got);
	fl_mapper_destroy(mapper);
	fl_map_destroy(map);
	fl_table_unref(def);
}

Test(map, doubt_about_rows_is_told_once_a_definition)
{
	struct fl_map *map = make_map("shop.users user:{uid}");
	struct fl_mapper *mapper = fl_mapper_create(map, "hot", FL_ON_DOUBT_DELETE);
	for (unsigned definition = 0; definition < 2; definition++) {
		struct fl_table_def *def = make_table("shop", "users", PLAIN);
		for (unsigned change = 0; change < 3; change++) {
			struct fl_buf got = { 0 };
			map_row(mapper, def, FL_INSERT, NULL, "7|a@x|hi", &got);
			const char *notice = fl_mapper_notice(mapper);
			cr_assert_eq(notice != NULL, change == 0, "change %u", change);
			if (notice != NULL)
				cr_expect_str_eq(notice,
					"shop.users: rule r1: the table has no column uid: keys "
					"are deleted, not set");
			fl_buf_finish(&got);
		}
		fl_table_unref(def); /* the mapper has a reference of its own */
	}
	fl_mapper_destroy(mapper);
	fl_map_destroy(map);
}

Test(map, doubts_of_a_transaction_that_is_undone_do_not_count)
{
	struct fl_table_def *def = make_table("shop", "users", PLAIN);
	struct fl_map *map = make_map("shop.users user:{id}");
	struct fl_mapper *mapper = fl_mapper_create(map, "hot", FL_ON_DOUBT_DELETE);
	struct fl_buf image = { 0 };
	struct fl_change change = { .op = FL_INSERT, .after = make_row(def, "7|a|-", &image) };
	struct fl_transaction transaction = { .change_count = 1, .changes = &change };
	for (uint32_t i = 0; i < 3; i++) {
		cr_assert_eq(fl_mapper_add(mapper, &transaction, i, NULL), 0);
		if (i == 1)
			fl_mapper_undo(mapper);
	}
	cr_expect_eq(fl_mapper_doubts(mapper), 2);
	fl_mapper_undo(mapper);
	cr_expect_eq(fl_mapper_doubts(mapper), 0, "they are taken once");
	fl_buf_finish(&image);
	fl_mapper_destroy(mapper);
	fl_map_destroy(map);
	fl_table_unref(def);
}

Test(map, batch_keeps_all_and_undoes_only_a_transaction_that_fails)
{
	struct fl_table_def *def = make_table("shop", "users", PLAIN);
	struct fl_map *map = make_map("shop.users user:{id}");
	struct fl_mapper *mapper = fl_mapper_create(map, "hot", FL_ON_DOUBT_HALT);
	struct fl_buf image = { 0 }, first = { 0 }, second = { 0 };
	struct fl_change changes[] = {
		{ .op = FL_DELETE, .before = make_row(def, "7|~|~", &image) },
		{ .op = FL_DOUBT, .doubt = bytes("why") },
	};
	struct fl_transaction good = { .change_count = 1, .changes = changes };
	struct fl_transaction bad = { .change_count = 2, .changes = changes };
	for (unsigned batch = 0; batch < 2; batch++) {
		size_t count;
		fl_mapper_reset(mapper);
		cr_expect_eq(fl_mapper_bytes(mapper), 0);
		for (uint32_t i = 0; i < 1000; i++)
			cr_assert_eq(fl_mapper_add(mapper, &good, i, NULL), 0);
		cr_expect_eq(fl_mapper_bytes(mapper), 1000 * strlen("user:7"));
		cr_expect_eq(fl_mapper_add(mapper, &bad, 1000, NULL), FL_EUNSUPPORTED);
		cr_expect_eq(fl_mapper_bytes(mapper), 1000 * strlen("user:7"));
		cr_assert_eq(fl_mapper_add(mapper, &good, 1000, NULL), 0);
		const struct fl_operation *o = fl_mapper_operations(mapper, &count);
		cr_assert_eq(count, 1001);
		for (uint32_t i = 0; i < 1001; i++) {
			cr_assert_eq(o[i].transaction, i);
			cr_assert_eq(o[i].kind, FL_KEY_DELETE);
			cr_assert_eq(o[i].key.size, 6);
			cr_assert_eq(memcmp(o[i].key.data, "user:7", 6), 0);
		}
	}
	fl_buf_finish(&image);
	fl_buf_finish(&first);
	fl_buf_finish(&second);
	fl_mapper_destroy(mapper);
	fl_map_destroy(map);
	fl_table_unref(def);
}

/* More definitions than are kept: each gives its own keys, and none is lost or leaked. */
Test(map, many_definitions_are_told_apart)
{
	enum { TABLES = 1000 };
	struct fl_table_def *defs[TABLES];
	struct fl_map *map = make_map("shop.* {table}:{id}");
	struct fl_mapper *mapper = fl_mapper_create(map, "hot", FL_ON_DOUBT_HALT);
	for (unsigned i = 0; i < TABLES; i++) {
		char name[16];
		snprintf(name, sizeof(name), "t%u", i);
		defs[i] = make_table(i % 3 != 0 ? "shop" : "other", name, PLAIN);
	}
	for (unsigned i = 0; i < 2 * TABLES; i++) {
		char expected[32] = "";
		struct fl_buf got = { 0 };
		if (i % TABLES % 3 != 0)
			snprintf(expected, sizeof(expected), "DEL t%u:7", i % TABLES);
		fl_mapper_reset(mapper);
		map_row(mapper, defs[i % TABLES], FL_DELETE, "7|~|~", NULL, &got);
		cr_assert_str_eq(got.data, expected);
		fl_buf_finish(&got);
	}
	for (unsigned i = 0; i < TABLES; i++)
		fl_table_unref(defs[i]);
	fl_mapper_destroy(mapper);
	fl_map_destroy(map);
}

Test(map, rule_is_for_the_sinks_it_names)
{
	struct fl_map *map = fl_map_create();
	static const struct fl_map_rule rules[] = {
		{ .name = "a", .table = "shop.users", .key = "a:{id}", .sinks = "hot, pool" },
		{ .name = "b", .table = "shop.users", .key = "b:{id}", .sinks = "hotter" },
		{ .name = "c", .table = "log.*", .key = "c:{id}", .ttl = "5" },
	};
	static const struct {
		const char *sink, *expected;
		bool has_rules;
	} cases[] = {
		{ "hot", "DEL a:7", true },
		{ "pool", "DEL a:7", true },
		{ "hotter", "DEL b:7", true },
		{ "ho", "", true },
	};
	cr_expect_not(fl_map_has_rules(map, "hot"));
	for (size_t i = 0; i < 3; i++)
		cr_assert_eq(fl_map_add(map, &rules[i], NULL), 0);
	struct fl_table_def *def = make_table("shop", "users", PLAIN);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fl_mapper *mapper = fl_mapper_create(map, cases[i].sink, FL_ON_DOUBT_HALT);
		struct fl_buf got = { 0 };
		map_row(mapper, def, FL_DELETE, "7|~|~", NULL, &got);
		cr_expect_str_eq(got.data, cases[i].expected);
		cr_expect_eq(fl_map_has_rules(map, cases[i].sink), cases[i].has_rules);
		fl_buf_finish(&got);
		fl_mapper_destroy(mapper);
	}
	cr_expect(fl_map_wants(map, bytes("log"), bytes("t")));
	cr_expect_not(fl_map_wants(map, bytes("shop"), bytes("t")));
	cr_expect_not(fl_map_wants(map, bytes("LOG"), bytes("t")));
	fl_map_fold_case(map, true);
	cr_expect(fl_map_wants(map, bytes("LOG"), bytes("t")));
	fl_table_unref(def);
	fl_map_destroy(map);
}

Test(map, broken_rule_is_refused_by_its_part)
{
	static const struct {
		struct fl_map_rule rule;
		const char *reason;
	} cases[] = {
		{ { .name = "a", .table = "users", .key = "u:{id}" },
			"table: must be of the form db.table, with * and ? as wildcards" },
		{ { .name = "a", .table = "a.b", .key = "{id" },
			"key: no closing brace behind {id (a literal brace is written {{)" },
		{ { .name = "a", .table = "a.b", .key = "u:{id}", .invalidate = "x {}" },
			"invalidate: {} names no column (literal braces are written {{ and }})" },
	};
	struct fl_map *map = fl_map_create();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fl_err err = { 0 };
		cr_expect_eq(fl_map_add(map, &cases[i].rule, &err), FL_EINVAL);
		cr_expect_str_eq(err.text, cases[i].reason);
	}
	cr_expect_not(fl_map_wants(map, bytes("a"), bytes("b")), "a refused rule is not kept");
	fl_map_destroy(map);
}
