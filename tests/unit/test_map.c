/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "binlog/row.h"
#include "map/map.h"

/* The table of most tests: id INT, email VARCHAR, note VARCHAR, all nullable. `note` can be of a
 * character set that is not decoded. */
enum { COLUMNS = 3 };
enum kind { PLAIN, UNDECODABLE_NOTE, WITHOUT_NAMES };

static void put_text(struct fl_buf *out, const char *text, bool terminate)
{
	fl_buf_char(out, (char)strlen(text));
	fl_buf_append(out, text, strlen(text) + terminate);
}

/* What a TABLE_MAP event says of it. */
static struct fl_table_def *make_table(const char *db, const char *name, enum kind kind)
{
	static struct fl_collations collations;
	static struct fl_collation by_id[46];
	by_id[28] = (struct fl_collation){ FL_CHARSET_OTHER, "gbk" };
	by_id[45] = (struct fl_collation){ FL_CHARSET_UTF8, "utf8mb4" };
	collations = (struct fl_collations){ 46, by_id };

	struct fl_buf body = { 0 };
	fl_buf_append(&body, "\x01\0\0\0\0\0\0\0", 8); /* table id, flags */
	put_text(&body, db, true);
	put_text(&body, name, true);
	fl_buf_append(&body, "\x03\x03\x0f\x0f", 4);	 /* columns: LONG, VARCHAR, VARCHAR */
	fl_buf_append(&body, "\x04\xc8\x00\xc8\x00", 5); /* 200 bytes each */
	fl_buf_append(&body, "\x07", 1);		 /* nullable */
	fl_buf_append(&body, "\x01\x01\x00", 3);	 /* SIGNEDNESS: signed */
	if (kind == UNDECODABLE_NOTE)
		fl_buf_append(&body, "\x02\x03\x2d\x01\x1c", 5); /* DEFAULT_CHARSET 45, 2nd is 28 */
	else
		fl_buf_append(&body, "\x02\x01\x2d", 3);
	if (kind != WITHOUT_NAMES)
		fl_buf_append(&body,
			"\x04\x0e\x02id\x05"
			"email\x04note",
			16); /* COLUMN_NAME */
	struct fl_event event = { .type = FL_EVENT_TABLE_MAP, .body = { body.data, body.size } };
	struct fl_format format = { .known = true, .header_size = 19 };
	format.post_header_count = 255;
	format.post_header[FL_EVENT_TABLE_MAP] = 8;
	struct fl_table_def *def = NULL;
	struct fl_err err = { 0 };
	cr_assert_eq(fl_table_decode(&event, &format, &collations, &def, &err), 0, "%s", err.text);
	fl_buf_finish(&body);
	return def;
}

/* A row image of "7|a@x|hi": ~ is NULL, - is not in the image. Bytes: the bitmap of what is there,
 * then the image. NULL: none. */
static struct fl_row make_row(const struct fl_table_def *def, const char *text, struct fl_buf *out)
{
	struct fl_row row = { .table = &def->table };
	if (text == NULL)
		return row;
	uint8_t present = 0, nulls = 0;
	unsigned at = 0;
	struct fl_buf values = { 0 };
	for (unsigned i = 0; i < COLUMNS; i++) {
		size_t size = strcspn(text, "|");
		char value[64] = "";
		memcpy(value, text, size);
		text += size + (text[size] == '|');
		if (strcmp(value, "-") == 0)
			continue;
		present |= (uint8_t)(1 << i);
		if (strcmp(value, "~") == 0)
			nulls |= (uint8_t)(1 << at);
		else if (i == 0)
			fl_buf_append(&values, &(int32_t){ atoi(value) }, 4);
		else
			put_text(&values, value, false);
		at++;
	}
	fl_buf_append(out, &present, 1);
	fl_buf_append(out, &nulls, 1);
	fl_buf_append(out, values.data, values.size);
	fl_buf_finish(&values);
	row.present = (const uint8_t *)out->data;
	row.data = (const uint8_t *)out->data + 1;
	row.size = (uint32_t)out->size - 1;
	return row;
}

static void show(const struct fl_mapper *mapper, struct fl_buf *out)
{
	static const char *const names[] = { "SET ", "DEL ", "CLEAR " };
	size_t count;
	const struct fl_operation *o = fl_mapper_operations(mapper, &count);
	for (size_t i = 0; i < count; i++) {
		fl_buf_text(out, i > 0 ? "; " : "");
		fl_buf_text(out, names[o[i].kind]);
		fl_buf_append(out, o[i].key.data, o[i].key.size);
		if (o[i].kind == FL_SET) {
			fl_buf_text(out, " ");
			fl_buf_append(out, o[i].value.data, o[i].value.size);
		}
		if (o[i].ttl > 0) {
			char ttl[20];
			snprintf(ttl, sizeof(ttl), " %u", o[i].ttl);
			fl_buf_text(out, ttl);
		}
	}
	fl_buf_char(out, '\0');
}

/* Rules as text, "table key [invalidate...]", separated by " / "; value none for a key behind '!'.
 */
static struct fl_map *make_map(const char *rules)
{
	struct fl_map *map = fl_map_create();
	for (unsigned number = 1; *rules != '\0'; number++) {
		char name[8], table[64], key[64], invalidate[128];
		int size = 0;
		snprintf(name, sizeof(name), "r%u", number);
		invalidate[0] = '\0';
		cr_assert_geq(sscanf(rules, "%63s %63s %n", table, key, &size), 2, "%s", rules);
		size_t rest = strcspn(rules + size, "/");
		snprintf(invalidate, sizeof(invalidate), "%.*s", (int)rest, rules + size);
		rules += (size_t)size + rest;
		rules += *rules == '/';
		struct fl_map_rule rule = {
			.name = name,
			.table = table,
			.key = key + (key[0] == '!'),
			.invalidate = invalidate[0] != '\0' ? invalidate : NULL,
			.value_json = key[0] != '!',
		};
		struct fl_err err = { 0 };
		cr_assert_eq(fl_map_add(map, &rule, &err), 0, "%s", err.text);
	}
	return map;
}

static struct fl_bytes bytes(const char *text)
{
	return (struct fl_bytes){ text, text != NULL ? strlen(text) : 0 };
}

/* A change of one row of `def`. */
static void map_row(struct fl_mapper *mapper, const struct fl_table_def *def, enum fl_op op,
	const char *before, const char *after, struct fl_buf *out)
{
	struct fl_buf images[2] = { 0 };
	struct fl_change change = {
		.op = op,
		.before = make_row(def, before, &images[0]),
		.after = make_row(def, after, &images[1]),
		.db = def->table.db,
		.table = def->table.name,
	};
	struct fl_transaction transaction = { .change_count = 1, .changes = &change };
	struct fl_err err = { 0 };
	int code = fl_mapper_add(mapper, &transaction, 0, &err);
	if (code < 0)
		fl_buf_text(out, "error: ");
	if (code < 0)
		fl_buf_append(out, err.text, strlen(err.text) + 1);
	else
		show(mapper, out);
	fl_buf_finish(&images[0]);
	fl_buf_finish(&images[1]);
}

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
		{ "shop.users {email}", FL_INSERT, NULL, "7||hi", "" }, /* an empty key */
		{ "shop.users {id}{email}", FL_INSERT, NULL, "7||hi",
			"SET 7 {\"id\":7,\"email\":\"\",\"note\":\"hi\"}" },
	};
	EXPECT_ROWS(cases, PLAIN, FL_ON_DOUBT_HALT);
}

Test(map, keys_of_both_images_are_invalidated)
{
	static const struct row_case cases[] = {
		{ "shop.users !u:{id} m:{email} all", FL_INSERT, NULL, "7|a@x|hi",
			"DEL u:7; DEL m:a@x; DEL all" },
		{ "shop.users !u:{id} m:{email} all", FL_UPDATE, "7|a@x|hi", "7|b@x|hi",
			"DEL u:7; DEL m:a@x; DEL m:b@x; DEL all" },
		{ "shop.users !u:{id} m:{email}", FL_UPDATE, "7|a@x|hi", "7|a@x|ho",
			"DEL u:7; DEL m:a@x" },
		{ "shop.users !u:{id} m:{email}", FL_UPDATE, "7|a@x|hi", "7|~|hi",
			"DEL u:7; DEL m:a@x" },
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
		/* what an update leaves out is unchanged */
		{ "shop.users user:{id}", FL_UPDATE, "7|-|-", "-|b@x|-", "DEL user:7" },
		{ "shop.users user:{id}", FL_UPDATE, "7|-|-", "8|-|-", "DEL user:7; DEL user:8" },
		{ "shop.users user:{id}", FL_INSERT, NULL, "7|a@x|-", "DEL user:7" },
		{ "shop.users !user:{id}", FL_UPDATE, "7|-|-", "-|b@x|-", "DEL user:7" },
		{ "shop.users user:{id}", FL_DELETE, "7|-|-", NULL, "DEL user:7" },
	};
	static const struct row_case unknown[] = {
		{ "shop.users mail:{email}", FL_UPDATE, "7|-|-", "-|b@x|-", "CLEAR mail:*" },
		{ "shop.users mail:{email}", FL_UPDATE, "7|-|-", "-|-|ho", "CLEAR mail:*" },
		{ "shop.users mail:{email}", FL_DELETE, "7|-|-", NULL, "CLEAR mail:*" },
		{ "shop.users mail:{email}", FL_INSERT, NULL, "7|-|-", "CLEAR mail:*" },
		{ "shop.users !u:{id} {db}:{email}", FL_DELETE, "7|-|-", NULL,
			"DEL u:7; CLEAR shop:*" },
	};
	static const struct row_case halting[] = {
		{ "shop.users mail:{email}", FL_DELETE, "7|-|-", NULL,
			"error: change 1 of the transaction (shop.users): rule r1: column email is "
			"not in the row image (the source's binlog_row_image is not FULL)" },
	};
	EXPECT_ROWS(deleting, PLAIN, FL_ON_DOUBT_DELETE);
	EXPECT_ROWS(deleting, PLAIN, FL_ON_DOUBT_HALT);
	EXPECT_ROWS(unknown, PLAIN, FL_ON_DOUBT_DELETE);
	EXPECT_ROWS(halting, PLAIN, FL_ON_DOUBT_HALT);
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
	cr_expect_not_null(strstr(got.data, "gbk"), "%s", got.data);
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
			"DEL log.t; CLEAR user:*; CLEAR feed:*; DEL shop.users",
			"log.t: DROP TABLE: cleared log.t; shop.users: DROP TABLE: cleared user:*, "
			"feed:*, shop.users" },
		{ TWO, FL_DDL, "", "", "RENAME TABLE shop.users TO log.old",
			"DEL log.old; CLEAR user:*; CLEAR feed:*; DEL shop.users",
			"log.old: RENAME TABLE: cleared log.old; shop.users: RENAME TABLE: cleared "
			"user:*, feed:*, shop.users" },
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
		"SET u:7 {\"id\":7,\"email\":null,\"note\":null}; CLEAR m:*; CLEAR u:*; CLEAR m:*");
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
		{ .name = "c", .table = "log.*", .key = "c:{id}", .ttl = 5 },
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
		{ { .name = "a", .table = "users", .key = "{id}" },
			"table: must be of the form db.table, with * and ? as wildcards" },
		{ { .name = "a", .table = "a.b", .key = "{id" },
			"key: no closing brace behind {id (a literal brace is written {{)" },
		{ { .name = "a", .table = "a.b", .key = "{id}", .invalidate = "x {}" },
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
