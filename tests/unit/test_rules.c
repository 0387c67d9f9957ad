/* SPDX-License-Identifier: Apache-2.0
 *
 * What each key of a [map:NAME] section makes of the changes of a row.
 */
#include <time.h>

#include "map/filter.h"
#include "map_fixture.h"

#define USERS .name = "r", .table = "shop.users"

struct given {
	struct fl_map_rule rule;
	enum fl_op op;
	const char *before, *after, *expected;
};

static void check(const struct given *given)
{
	struct fl_map *map = fl_map_create();
	struct fl_err err = { 0 };
	cr_assert_eq(fl_map_add(map, &given->rule, &err), 0, "%s", err.text);
	struct fl_mapper *mapper = fl_mapper_create(map, "hot", FL_ON_DOUBT_DELETE);
	struct fl_table_def *def = make_table("shop", "users", PLAIN);
	struct fl_buf got = { 0 };
	map_row(mapper, def, given->op, given->before, given->after, &got);
	const char *notice = fl_mapper_notice(mapper);
	if (notice != NULL) {
		got.size--;
		fl_buf_text(&got, " # ");
		fl_buf_append(&got, notice, strlen(notice) + 1);
	}
	cr_expect_str_eq(got.data, given->expected, "%s / %s:\n  is       %s\n  expected %s",
		given->before, given->after, got.data, given->expected);
	fl_buf_finish(&got);
	fl_table_unref(def);
	fl_mapper_destroy(mapper);
	fl_map_destroy(map);
}

#define CHECK(cases)                                                                               \
	for (size_t i = 0; i < sizeof(cases) / sizeof(*(cases)); i++)                              \
	check(&(cases)[i])

Test(rules, keys_are_filtered)
{
#define KEY(template) { USERS, .key = template, .value = "none" }, FL_DELETE
	static const struct given cases[] = {
		{ KEY("u:{email|lower}"), "1|A@\xc3\x84.X|~", NULL, "DEL u:a@\xc3\xa4.x" },
		{ KEY("u:{email|upper}"), "1|stra\xc3\x9f\x65 \xc3\xa9|~", NULL,
			"DEL u:STRA\xc3\x9f\x45 \xc3\x89" },
		{ KEY("u:{email|hex}"), "1|a\xc3\xa4|~", NULL, "DEL u:61c3a4" },
		{ KEY("u:{email|base64}"), "1|hello|~", NULL, "DEL u:aGVsbG8=" },
		{ KEY("u:{email|urlencode}"), "1|a b/c~d\xc3\xa4|~", NULL,
			"DEL u:a%20b%2Fc~d%C3%A4" },
		{ KEY("u:{email|sha1}"), "1|abc|~", NULL,
			"DEL u:a9993e364706816aba3e25717850c26c9cd0d89d" },
		{ KEY("u:{email|xxh64}"), "1|abc|~", NULL, "DEL u:44bc2cf5ad770999" },
		{ KEY("u:{email|default:none}"), "1|~|~", NULL, "DEL u:none" },
		{ KEY("u:{email|lower|default:NONE}"), "1|~|~", NULL, "DEL u:NONE" },
		{ KEY("u:{email|default:NONE|lower}"), "1|~|~", NULL, "DEL u:none" },
		{ KEY("u:{email|upper|lower|hex}"), "1|aB|~", NULL, "DEL u:6162" },
		{ KEY("u:{email|lower}"), "1|~|~", NULL, "" },
		{ KEY("u:{email}:{note|lower}"), "1|a|~", NULL, "" },
		{ KEY("u:{email|default:x|hex}"), "1|ab|~", NULL, "DEL u:6162" },
		{ KEY("u:{email|year}"), "1|2024-02-29|~", NULL,
			"CLEAR u:* # shop.users: rule r: the column email is no DATE, DATETIME or "
			"TIMESTAMP, for which its filter is: keys are deleted, not set" },
	};
	CHECK(cases);
}

Test(rules, dates_are_taken_apart)
{
	static const struct {
		const char *filter, *text, *expected;
	} cases[] = {
		{ "date", "2024-02-29 01:02:03.5", "2024-02-29" },
		{ "date", "2024-02-29", "2024-02-29" },
		{ "year", "2024-02-29", "2024" },
		{ "month", "2024-02-29 01:02:03", "02" },
		{ "day", "0000-00-00 00:00:00", "00" },
		{ "hour", "2024-02-29 01:02:03", "01" },
		{ "minute", "2024-02-29 01:02:03", "02" },
		{ "hour", "2024-02-29", NULL },
		{ "year", "soon", NULL },
		{ "date", "2024-02-29 01", NULL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fl_filter filter;
		struct fl_buf text = { 0 };
		struct fl_err err = { 0 };
		bool is_null = false;
		cr_assert_eq(fl_filter_compile(bytes(cases[i].filter), &filter, &err), 0);
		fl_buf_text(&text, "in front ");
		fl_buf_text(&text, cases[i].text);
		int code = fl_filter_apply(&filter, &text, 9, &is_null, &err);
		cr_expect_eq(code, cases[i].expected != NULL ? 0 : FL_EUNSUPPORTED, "%zu", i);
		fl_buf_char(&text, '\0');
		if (code == 0)
			cr_expect_str_eq(text.data + 9, cases[i].expected);
		fl_buf_finish(&text);
	}
}

Test(rules, every_key_of_a_row_gets_the_value_and_lists_of_both_images_go)
{
#define RULE                                                                                       \
	{                                                                                          \
		USERS, .key = "u:{id}", .also = "u:email:{email|lower}, u:note:{note}",            \
		       .invalidate = "feed:{email}, all", .value = "column:note"                   \
	}
	static const struct given cases[] = {
		{ RULE, FL_INSERT, NULL, "1|A|x",
			"SET u:1 x; SET u:email:a x; SET u:note:x x; DEL feed:A; DEL all" },
		{ RULE, FL_UPDATE, "1|A|x", "1|B|y",
			"DEL u:email:a; DEL u:note:x; DEL feed:A; SET u:1 y; SET u:email:b y; SET "
			"u:note:y y; DEL feed:B; DEL all" },
		{ RULE, FL_UPDATE, "1|A|x", "1|~|y",
			"DEL u:email:a; DEL u:note:x; DEL feed:A; SET u:1 y; SET u:note:y y; DEL "
			"all" },
		{ RULE, FL_DELETE, "1|A|x", NULL,
			"DEL u:1; DEL u:email:a; DEL u:note:x; DEL feed:A; DEL all" },
	};
#undef RULE
	CHECK(cases);
}

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

/* Two maps, or two keys of one, between which a row changes over. */
Test(rules, what_a_row_has_left_goes_before_what_it_has_now)
{
	struct fl_map *map = fl_map_create();
	static const struct fl_map_rule rules[] = {
		{ USERS, .key = "p:{id}", .value = "column:note", .only_when = "email = 'on'" },
		{ USERS, .key = "p:{id}", .value = "column:email", .only_when = "email = 'off'" },
		{ USERS, .key = "s:{note}", .also = "s:{id}", .value = "column:email" },
	};
	for (size_t i = 0; i < 3; i++)
		cr_assert_eq(fl_map_add(map, &rules[i], NULL), 0);
	struct fl_mapper *mapper = fl_mapper_create(map, "hot", FL_ON_DOUBT_DELETE);
	struct fl_table_def *def = make_table("shop", "users", PLAIN);
	struct fl_buf got = { 0 };
	map_row(mapper, def, FL_UPDATE, "1|off|2", "1|on|2", &got);
	cr_expect_str_eq(got.data, "SET p:1 2; SET s:2 on; SET s:1 on");
	fl_buf_clear(&got);
	fl_mapper_reset(mapper);
	map_row(mapper, def, FL_UPDATE, "1|x|2", "2|x|1", &got);
	cr_expect_str_eq(got.data, "DEL s:2; DEL s:1; SET s:1 x; SET s:2 x");
	fl_buf_finish(&got);
	fl_table_unref(def);
	fl_mapper_destroy(mapper);
	fl_map_destroy(map);
}

Test(rules, values_have_the_form_that_is_asked_for)
{
#define VALUE(...) { USERS, .key = "u:{id}", __VA_ARGS__ }, FL_INSERT, NULL
	static const struct given cases[] = {
		{ VALUE(.value = NULL), "1|a|~",
			"SET u:1 {\"id\":1,\"email\":\"a\",\"note\":null}" },
		{ VALUE(.columns = "note, ID"), "1|a|~", "SET u:1 {\"id\":1,\"note\":null}" },
		{ VALUE(.exclude = "email"), "1|a|x", "SET u:1 {\"id\":1,\"note\":\"x\"}" },
		{ VALUE(.rename = "email:e \"mail\", id:key"), "1|a|x",
			"SET u:1 {\"key\":1,\"e \\\"mail\\\"\":\"a\",\"note\":\"x\"}" },
		{ VALUE(.columns = "id,email", .rename = "email:id2"), "1|a|x",
			"SET u:1 {\"id\":1,\"id2\":\"a\"}" },
		{ VALUE(.value = "column:note"), "1|a|x", "SET u:1 x" },
		{ VALUE(.value = "column:note"), "1|a|~", "DEL u:1" },
		{ VALUE(.value = "template:{email|upper}, no. {id}: {note|default:-}{{"), "1|a|~",
			"SET u:1 A, no. 1: -{" },
		{ VALUE(.value = "template:{note}"), "1|a|~", "SET u:1 " },
		{ VALUE(.value = "hash"), "1|a|~", "HASH u:1 id=1 email=a" },
		{ VALUE(.value = "hash", .exclude = "id", .rename = "email:e"), "1|a|n",
			"HASH u:1 e=a note=n" },
		{ VALUE(.value = "hash", .columns = "note"), "1|a|~", "DEL u:1" },
		{ VALUE(.value = "msgpack", .rename = "note:n"), "1|a|~",
			"SET u:1 \x83\xa2id\x01\xa5"
			"email\xa1"
			"a\xa1n\xc0" },
		{ VALUE(.value = "none"), "1|a|~", "DEL u:1" },
		{ VALUE(.columns = "id,nots"), "1|a|~",
			"DEL u:1 # shop.users: rule r: the table has no column nots: keys are "
			"deleted, not set" },
		{ VALUE(.rename = "id:email"), "1|a|~",
			"DEL u:1 # shop.users: rule r: two columns are called email: keys are "
			"deleted, not set" },
		{ VALUE(.value = "template:{nots}"), "1|a|~",
			"DEL u:1 # shop.users: rule r: the table has no column nots: keys are "
			"deleted, not set" },
		{ VALUE(.value = NULL), "1|a|-",
			"DEL u:1 # shop.users: rule r: column note is not in the row image: "
			"binlog_row_image is not FULL, or MariaDB left out a generated column: "
			"keys are deleted, not set" },
		{ VALUE(.exclude = "note"), "1|a|-", "SET u:1 {\"id\":1,\"email\":\"a\"}" },
		{ VALUE(.value = "hash", .exclude = "note"), "1|a|-", "HASH u:1 id=1 email=a" },
		{ VALUE(.value = "column:note"), "1|a|-",
			"DEL u:1 # shop.users: rule r: column note is not in the row image: "
			"binlog_row_image is not FULL, or MariaDB left out a generated column: "
			"keys are deleted, not set" },
	};
	CHECK(cases);
}

Test(rules, rows_outside_of_the_filter_are_not_there)
{
#define RULE                                                                                       \
	{                                                                                          \
		USERS, .key = "u:{id}", .invalidate = "of:{email}", .value = "column:note",        \
		       .only_when = "note != 'off' and id < 10", .delete_when = "email is null"    \
	}
	static const struct given cases[] = {
		{ RULE, FL_INSERT, NULL, "1|a|x", "SET u:1 x; DEL of:a" },
		{ RULE, FL_INSERT, NULL, "1|a|off", "" },
		{ RULE, FL_INSERT, NULL, "1|a|~", "" },
		{ RULE, FL_INSERT, NULL, "1|~|x", "" },
		{ RULE, FL_INSERT, NULL, "10|a|x", "" },
		{ RULE, FL_UPDATE, "1|a|x", "1|a|off", "DEL u:1; DEL of:a" },
		{ RULE, FL_UPDATE, "1|a|x", "1|~|x", "DEL u:1; DEL of:a" },
		{ RULE, FL_UPDATE, "1|a|off", "1|b|x", "SET u:1 x; DEL of:b" },
		{ RULE, FL_UPDATE, "1|a|off", "2|b|off", "" },
		{ RULE, FL_DELETE, "1|a|off", NULL, "" },
		{ RULE, FL_DELETE, "1|a|x", NULL, "DEL u:1; DEL of:a" },
		{ RULE, FL_UPDATE, "1|a|-", "1|a|x", "SET u:1 x; DEL of:a" },
		{ RULE, FL_UPDATE, "1|a|x", "1|a|-",
			"DEL u:1; DEL of:a # shop.users: rule r: column note is not in the row "
			"image (binlog_row_image is not FULL): keys are deleted, not set" },
	};
#undef RULE
	CHECK(cases);
	static const struct given broken[] = {
		{ { USERS, .key = "u:{id}", .only_when = "nots = 1" }, FL_UPDATE, "1|a|x", "2|b|y",
			"DEL u:1; DEL u:2 # shop.users: rule r: the table has no column nots: keys "
			"are deleted, not set" },
		{ { USERS, .key = "u:{id}", .only_when = "id = '1'" }, FL_INSERT, NULL, "1|a|x",
			"DEL u:1 # shop.users: rule r: the column id is a number, and is compared "
			"with a text (1): keys are deleted, not set" },
		{ { USERS, .key = "u:{id}", .only_when = "email = 1" }, FL_INSERT, NULL, "1|a|x",
			"DEL u:1 # shop.users: rule r: the column email is no number, and is "
			"compared with one (1): keys are deleted, not set" },
	};
	CHECK(broken);
}

Test(rules, conditions_are_sql_s)
{
#define WHEN(text) { USERS, .key = "u:{id}", .value = "none", .only_when = text }, FL_DELETE
	static const struct {
		const char *condition, *row;
		bool expected;
	} cases[] = {
		{ "id = 7", "7|a|x", true },
		{ "id = 7.0", "7|a|x", true },
		{ "id = 7e0", "7|a|x", true },
		{ "id <> 7", "7|a|x", false },
		{ "id > -8 and id < 8", "7|a|x", true },
		{ "id >= 7 and id <= 7", "7|a|x", true },
		{ "id > 7", "7|a|x", false },
		{ "id < 6.99", "7|a|x", false },
		{ "id < 7.01", "7|a|x", true },
		{ "id in (1, 7, 9)", "7|a|x", true },
		{ "id not in (1, 7, 9)", "7|a|x", false },
		{ "id not in (1, 9)", "7|a|x", true },
		{ "email = 'a'", "7|a|x", true },
		{ "email = \"a\"", "7|a|x", true },
		{ "email = 'A'", "7|a|x", false },
		{ "email = 'it''s'", "7|it's|x", true },
		{ "email < 'b' AND email > 'A'", "7|a|x", true },
		{ "`email` != ''", "7|a|x", true },
		{ "not email = 'b'", "7|a|x", true },
		{ "not not email = 'b'", "7|a|x", false },
		{ "id = 1 or email = 'a' and note = 'y'", "7|a|x", false },
		{ "id = 1 or email = 'a' and note = 'x'", "7|a|x", true },
		{ "(id = 1 or email = 'a') and note = 'y'", "7|a|x", false },
		{ "id = true", "1|a|x", true },
		{ "id = false", "1|a|x", false },
		{ "email is null", "7|~|x", true },
		{ "email is not null", "7|~|x", false },
		{ "email = 'a'", "7|~|x", false },
		{ "email != 'a'", "7|~|x", false },
		{ "not email = 'a'", "7|~|x", false },
		{ "email = 'a' or id = 7", "7|~|x", true },
		{ "email = 'a' and id = 8 or note is not null", "7|~|x", true },
		{ "not (email = 'a' and id = 8)", "7|~|x", true },
		{ "not (email = 'a' and id = 7)", "7|~|x", false },
		{ "EMAIL IS NULL", "7|~|x", true },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct given const given = { WHEN(cases[i].condition), cases[i].row, NULL,
			cases[i].expected ? (cases[i].row[0] == '7' ? "DEL u:7" : "DEL u:1") : "" };
		check(&given);
	}
}

Test(rules, modes_write_delete_or_update_what_is_there)
{
#define MODE(m, v)                                                                                 \
	{                                                                                          \
		USERS, .key = "u:{id}", .also = "e:{email}", .value = v, .mode = m, .ttl = "9"     \
	}
	static const struct given cases[] = {
		{ MODE("write", "column:note"), FL_INSERT, NULL, "1|a|x",
			"SET u:1 x 9; SET e:a x 9" },
		{ MODE("invalidate", "column:note"), FL_INSERT, NULL, "1|a|x", "DEL u:1; DEL e:a" },
		{ MODE("invalidate", "hash"), FL_UPDATE, "1|a|x", "2|b|x",
			"DEL u:1; DEL e:a; DEL u:2; DEL e:b" },
		{ MODE("update-existing", "column:note"), FL_UPDATE, "1|a|x", "1|b|x",
			"DEL e:a; SET u:1 x XX 9; SET e:b x XX 9" },
		{ MODE("update-existing", "hash"), FL_DELETE, "1|a|x", NULL, "DEL u:1; DEL e:a" },
	};
	CHECK(cases);
}

Test(rules, what_contradicts_itself_is_refused)
{
	static const struct {
		struct fl_map_rule rule;
		const char *reason;
	} cases[] = {
		{ { USERS, .key = "u:{id}", .value = "jsn" },
			"value: must be json, hash, msgpack, none, column:NAME or template:TEXT" },
		{ { USERS, .key = "u:{id}", .value = "column:" },
			"value: column: names no column" },
		{ { USERS, .key = "u:{id}", .value = "template:{generation}" },
			"value: {generation} can stand only in keys" },
		{ { USERS, .key = "u:{id}", .value = "template:" },
			"value: the template is empty" },
		{ { USERS, .key = "u:{id}", .columns = "a", .exclude = "b" },
			"columns and exclude: one of them says all: remove the other" },
		{ { USERS, .key = "u:{id}", .columns = "a,,b" },
			"columns: must be names, separated by commas" },
		{ { USERS, .key = "u:{id}", .columns = "a, A" }, "columns: A is there twice" },
		{ { USERS, .key = "u:{id}", .rename = "a" },
			"rename: must be pairs, separated by commas: column:name, other:name" },
		{ { USERS, .key = "u:{id}", .value = "none", .columns = "a" },
			"columns is for the values json, hash and msgpack: remove it" },
		{ { USERS, .key = "u:{id}", .ttl = "-1" },
			"ttl: must be 0 to 2147483647 seconds, or column:NAME for a column that "
			"says when" },
		{ { USERS, .key = "u:{id}", .ttl = "2147483648" },
			"ttl: must be 0 to 2147483647 seconds, or column:NAME for a column that "
			"says when" },
		{ { USERS, .key = "u:{id}", .ttl = "column:" }, "ttl: column: names no column" },
		{ { USERS, .key = "u:{id}", .ttl = "60", .ttl_jitter = "10" },
			"ttl_jitter: must be 0% to 90%" },
		{ { USERS, .key = "u:{id}", .ttl_jitter = "10%" },
			"ttl_jitter: nothing expires: set ttl, or remove it" },
		{ { USERS, .key = "u:{id}", .value = "none", .mode = "update-existing" },
			"mode: there is no value to update existing keys with: remove it, or set a "
			"value" },
		{ { USERS, .key = "u:{id}", .also = "e:{email" },
			"also: no closing brace behind {email (a literal brace is written {{)" },
		{ { USERS, .key = "u:{id}", .invalidate = "{*}:x" },
			"invalidate: it begins with {*}: put the text in front with which the keys "
			"begin" },
		{ { USERS, .key = "u:{id}", .only_when = "id =" },
			"only_when: a number, a text in quotes, true or false is expected at the "
			"end" },
		{ { USERS, .key = "u:{id}", .only_when = "id = 1 and" },
			"only_when: a column (a name like a word or a number: in `backquotes`) is "
			"expected at the end" },
		{ { USERS, .key = "u:{id}", .only_when = "id == 1" },
			"only_when: a number, a text in quotes, true or false is expected at "
			"column 5, before = 1" },
		{ { USERS, .key = "u:{id}", .only_when = "id = null" },
			"only_when: nothing equals NULL: write `is null` or `is not null`" },
		{ { USERS, .key = "u:{id}", .only_when = "id = 1 email = 'a'" },
			"only_when: and, or, or the end is expected at column 8, before email = "
			"'a'" },
		{ { USERS, .key = "u:{id}", .delete_when = "email = 'a" },
			"delete_when: the quote at column 9 has no end (one inside is doubled)" },
		{ { USERS, .key = "u:{id}", .delete_when = "(id = 1" },
			"delete_when: and, or, or ) is expected at the end" },
		{ { USERS, .key = "u:{id}", .only_when = "id in ()" },
			"only_when: a number, a text in quotes, true or false is expected at "
			"column 8, before )" },
		{ { USERS, .key = "u:{id}", .only_when = "id like 'x'" },
			"only_when: = != < <= > >= is, or in is expected at column 4, before like "
			"'x'" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fl_map *map = fl_map_create();
		struct fl_err err = { 0 };
		cr_expect_eq(
			fl_map_add(map, &cases[i].rule, &err), FL_EINVAL, "%s", cases[i].reason);
		cr_expect_str_eq(err.text, cases[i].reason, "is:       %s\nexpected: %s", err.text,
			cases[i].reason);
		fl_map_destroy(map);
	}
}

/* Seconds since 1970 by id, and a moment in what is a text here: not allowed. */
Test(rules, a_column_says_when_a_value_ends)
{
	struct fl_map *map = fl_map_create();
	struct fl_map_rule const rule = { USERS, .key = "u:{note}", .value = "column:email",
		.ttl = "column:id" };
	struct fl_err err = { 0 };
	cr_assert_eq(fl_map_add(map, &rule, &err), 0, "%s", err.text);
	struct fl_mapper *mapper = fl_mapper_create(map, "hot", FL_ON_DOUBT_DELETE);
	struct fl_table_def *def = make_table("shop", "users", PLAIN);
	long long const now = (long long)time(NULL);
	static const int ahead[] = { -5, 0, 1000 };
	for (size_t i = 0; i < 3; i++) {
		char row[64];
		struct fl_buf got = { 0 };
		snprintf(row, sizeof(row), "%lld|v|k", now + ahead[i]);
		fl_mapper_reset(mapper);
		map_row(mapper, def, FL_INSERT, NULL, row, &got);
		if (ahead[i] <= 0) {
			cr_expect_str_eq(got.data, "DEL u:k");
		} else {
			int left = 0;
			cr_assert_eq(sscanf(got.data, "SET u:k v %d", &left), 1, "%s", got.data);
			cr_expect(left >= 990 && left <= 1000, "%d", left);
		}
		fl_buf_finish(&got);
	}
	struct fl_buf got = { 0 };
	fl_mapper_reset(mapper);
	map_row(mapper, def, FL_INSERT, NULL, "~|v|k", &got);
	cr_expect_str_eq(got.data, "SET u:k v");
	fl_buf_finish(&got);
	fl_table_unref(def);
	fl_mapper_destroy(mapper);
	fl_map_destroy(map);
	static const struct given text = { { USERS, .key = "u:{id}", .ttl = "column:email" },
		FL_INSERT, NULL, "1|a|x",
		"DEL u:1 # shop.users: rule r: ttl: the column email is neither DATE, DATETIME, "
		"TIMESTAMP nor an integer: keys are deleted, not set" };
	check(&text);
}

Test(rules, jitter_shortens_lives_by_up_to_its_part)
{
	struct fl_map *map = fl_map_create();
	struct fl_map_rule const rule = { USERS, .key = "u:{id}", .value = "column:note",
		.ttl = "1000", .ttl_jitter = "10%" };
	cr_assert_eq(fl_map_add(map, &rule, NULL), 0);
	struct fl_mapper *mapper = fl_mapper_create(map, "hot", FL_ON_DOUBT_DELETE);
	struct fl_table_def *def = make_table("shop", "users", PLAIN);
	int least = 1000, most = 0;
	for (int i = 0; i < 1000; i++) {
		struct fl_buf got = { 0 };
		int ttl = 0;
		fl_mapper_reset(mapper);
		map_row(mapper, def, FL_INSERT, NULL, "1|a|x", &got);
		cr_assert_eq(sscanf(got.data, "SET u:1 x %d", &ttl), 1, "%s", got.data);
		least = ttl < least ? ttl : least;
		most = ttl > most ? ttl : most;
		fl_buf_finish(&got);
	}
	cr_expect(least >= 900 && least < 910, "%d", least);
	cr_expect(most <= 1000 && most > 990, "%d", most);
	fl_table_unref(def);
	fl_mapper_destroy(mapper);
	fl_map_destroy(map);
}

Test(rules, the_first_match_can_be_all_there_is)
{
	struct fl_map *map = make_map("shop.users a:{id} / shop.* b:{id} / *.* c:{id}");
	cr_assert_eq(fl_map_match_first(map, "first"), 0);
	struct fl_table_def *users = make_table("shop", "users", PLAIN);
	struct fl_table_def *other = make_table("shop", "other", PLAIN);
	static const struct {
		const char *sink, *users, *other;
	} cases[] = {
		{ "first", "DEL a:7", "DEL b:7" },
		{ "all", "DEL a:7; DEL b:7; DEL c:7", "DEL b:7; DEL c:7" },
	};
	for (size_t i = 0; i < 2; i++) {
		struct fl_mapper *mapper = fl_mapper_create(map, cases[i].sink, FL_ON_DOUBT_HALT);
		struct fl_buf got = { 0 };
		map_row(mapper, users, FL_DELETE, "7|~|~", NULL, &got);
		cr_expect_str_eq(got.data, cases[i].users);
		fl_buf_clear(&got);
		fl_mapper_reset(mapper);
		map_row(mapper, other, FL_DELETE, "7|~|~", NULL, &got);
		cr_expect_str_eq(got.data, cases[i].other);
		fl_buf_finish(&got);
		fl_mapper_destroy(mapper);
	}
	fl_table_unref(users);
	fl_table_unref(other);
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
