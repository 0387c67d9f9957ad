/* SPDX-License-Identifier: Apache-2.0
 *
 * What each key of a [map:NAME] section makes of the changes of a row.
 */
#include <time.h>

#include "map/filter.h"
#include "rules_fixture.h"

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
