/* SPDX-License-Identifier: Apache-2.0
 *
 * The mapper finds cells once, renders keys that have not changed once, judges rows that have not
 * changed once. Here random changes are mapped the plain way - every column looked for anew, every
 * key made of both images - and what comes out has to be the same.
 */
#include "map/template.h"
#include "map_fixture.h"

static bool is_known(const struct fl_row *row, unsigned column)
{
	return row->present == NULL || (row->present[0] >> column & 1) != 0;
}

static struct fl_value value_of(const struct fl_row *row, unsigned column)
{
	static struct fl_buf scratch;
	struct fl_value value;
	cr_assert_eq(fl_row_value(row, column, &scratch, &value, NULL), 0);
	return value;
}

/* 1 or 0; -1: it can't be told. */
static int id_is_above_5(const struct fl_row *row)
{
	struct fl_value const id = value_of(row, 0);
	return id.kind == FL_VALUE_ABSENT ? -1 : id.kind == FL_VALUE_INT && id.i > 5;
}

static int note_is_not_null(const struct fl_row *row)
{
	struct fl_value const note = value_of(row, 2);
	return note.kind == FL_VALUE_ABSENT ? -1 : note.kind != FL_VALUE_NULL;
}

#define USERS .name = "r", .table = "shop.users"

static const struct {
	struct fl_map_rule rule;
	const char *keys[3], *kills[2];
	int (*wants)(const struct fl_row *row);
} rules[] = {
	{ { USERS, .key = "u:{id}", .value = "none" }, { "u:{id}" }, { NULL }, NULL },
	{ { USERS, .key = "u:{id}:{email}" }, { "u:{id}:{email}" }, { NULL }, NULL },
	{ { USERS, .key = "u:{id}{id}/", .also = "{db}.{table}:{note} m:{email|lower}" },
		{ "u:{id}{id}/", "shop.users:{note}", "m:{email|lower}" }, { NULL }, NULL },
	{ { USERS, .key = "a key of more than sixteen bytes:{note}", .value = "none",
		  .invalidate = "i:{id} i:{email|default:none}" },
		{ "a key of more than sixteen bytes:{note}" },
		{ "i:{id}", "i:{email|default:none}" }, NULL },
	{ { USERS, .key = "u:{id}", .only_when = "id > 5" }, { "u:{id}" }, { NULL },
		id_is_above_5 },
	{ { USERS, .key = "u:{email}", .value = "none", .invalidate = "i:{note}",
		  .delete_when = "note is null" },
		{ "u:{email}" }, { "i:{note}" }, note_is_not_null },
};

enum { ROUNDS = 20000 };

static uint64_t state = 1;

static unsigned below(unsigned count)
{
	state ^= state << 13; /* xorshift64 (Marsaglia) */
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)((state >> 11) % count);
}

/* Appends the key. 1; 0 if there is none; -1: it can't be told. */
static int render(const char *text, const struct fl_row *row, struct fl_buf *out)
{
	static const char *const names[] = { "id", "email", "note" };
	struct fl_arena arena = { 0 };
	struct fl_template template;
	int code = 1;
	cr_assert_eq(
		fl_template_compile(bytes(text), FL_TEMPLATE_KILL, &arena, &template, NULL), 0);
	for (size_t i = 0; i < template.part_count && code == 1; i++) {
		const struct fl_part *part = &template.parts[i];
		if (part->kind == FL_PART_LITERAL) {
			fl_buf_append(out, part->text.data, part->text.size);
			continue;
		}
		unsigned column = 0;
		while (strncmp(names[column], part->text.data, part->text.size) != 0)
			column++;
		size_t const at = out->size;
		bool is_null = is_known(row, column) && fl_row_text(row, column, out, NULL) == 0;
		for (size_t f = 0; f < part->filter_count; f++)
			cr_assert_eq(
				fl_filter_apply(&part->filters[f], out, at, &is_null, NULL), 0);
		code = !is_known(row, column) ? -1 : is_null ? 0 : 1;
	}
	fl_arena_finish(&arena);
	return code;
}

static const char unknown[] = "?"; /* a value that can't be made */

static void tell(const char *what, const struct fl_buf *key, struct fl_buf *out)
{
	fl_buf_text(out, out->size > 0 ? "; " : "");
	fl_buf_text(out, what);
	fl_buf_append(out, key->data, key->size);
}

/* What the template's keys come to: those that go, those that stay. Whether it can be told; a value
 * is asked for only by a key. */
static bool map_plainly(const char *template, const char *value, const struct fl_row *before,
	const struct fl_row *after, struct fl_buf *gone, struct fl_buf *set)
{
	struct fl_buf old = { 0 }, now = { 0 };
	int const had = before != NULL ? render(template, before, &old) : 0;
	int const has = after != NULL ? render(template, after, &now) : 0;
	bool const is_kept = had == 1 && has == 1 && old.size == now.size &&
			     memcmp(old.data, now.data, old.size) == 0;
	if (had == 1 && !is_kept)
		tell("DEL ", &old, gone);
	if (has == 1) {
		tell(value != NULL ? "SET " : "DEL ", &now, set);
		fl_buf_text(set, value != NULL ? " " : "");
		fl_buf_text(set, value != NULL ? value : "");
	}
	fl_buf_finish(&old);
	fl_buf_finish(&now);
	return had >= 0 && has >= 0 && (value != unknown || has == 0);
}

/* What show() tells, or "refused". */
static void expect(
	size_t r, const struct fl_row *before, const struct fl_row *after, struct fl_buf *out)
{
	struct fl_buf set = { 0 }, value = { 0 };
	bool told = true;
	/* Where it can't be told of the image before, it may have had keys. */
	if (rules[r].wants != NULL && before != NULL && rules[r].wants(before) == 0)
		before = NULL;
	if (rules[r].wants != NULL && after != NULL) {
		int const wanted = rules[r].wants(after);
		told = wanted >= 0;
		after = wanted != 0 ? after : NULL;
	}
	const char *text = NULL;
	if (after != NULL && rules[r].rule.value == NULL) {
		bool const whole = is_known(after, 0) && is_known(after, 1) && is_known(after, 2);
		cr_assert_eq(fl_row_json(after, &value, NULL), 0);
		fl_buf_char(&value, '\0');
		text = whole ? value.data : unknown;
	}
	for (size_t i = 0; i < 3 && rules[r].keys[i] != NULL; i++)
		told &= map_plainly(rules[r].keys[i], text, before, after, out, &set);
	for (size_t i = 0; i < 2 && rules[r].kills[i] != NULL; i++)
		told &= map_plainly(rules[r].kills[i], NULL, before, after, out, &set);
	if (!told)
		fl_buf_clear(out);
	fl_buf_text(out, !told ? "refused" : out->size > 0 && set.size > 0 ? "; " : "");
	if (told)
		fl_buf_append(out, set.data, set.size);
	fl_buf_char(out, '\0');
	fl_buf_finish(&set);
	fl_buf_finish(&value);
}

/* A row in which some columns are as they were. */
static void choose(char text[64], bool again)
{
	static const char *const ids[] = { "5", "6", "7", "-8", "2147483647", "~", "-" };
	static const char *const texts[] = { "", "a", "B", "a note", "7", "~", "~", "-" };
	static const char *id, *email, *note;
	if (!again || below(3) == 0)
		id = ids[below(below(4) > 0 ? 5 : 7)];
	if (!again || below(3) == 0)
		email = texts[below(below(4) > 0 ? 5 : 8)];
	if (!again || below(3) == 0)
		note = texts[below(below(4) > 0 ? 5 : 8)];
	snprintf(text, 64, "%s|%s|%s", id, email, note);
}

/* An image that has all columns says so in the binlog. */
static struct fl_row make_image(
	const struct fl_table_def *def, const char *text, struct fl_buf *out)
{
	struct fl_row row = make_row(def, text, out);
	if (row.present[0] == 7)
		row.present = NULL;
	return row;
}

Test(rules, what_is_done_once_is_the_same_as_done_plainly)
{
	struct fl_table_def *def = make_table("shop", "users", PLAIN);
	for (size_t r = 0; r < sizeof(rules) / sizeof(*rules); r++) {
		struct fl_map *map = fl_map_create();
		cr_assert_eq(fl_map_add(map, &rules[r].rule, NULL), 0);
		struct fl_mapper *mapper = fl_mapper_create(map, "hot", FL_ON_DOUBT_HALT);
		for (unsigned round = 0; round < ROUNDS; round++) {
			char texts[2][64];
			struct fl_buf images[2] = { 0 }, expected = { 0 }, found = { 0 };
			enum fl_op const op = below(4) > 0   ? FL_UPDATE
					      : below(2) > 0 ? FL_INSERT
							     : FL_DELETE;
			choose(texts[0], false);
			choose(texts[1], true);
			struct fl_change change = { .op = op,
				.before = make_image(def, texts[0], &images[0]),
				.after = make_image(def, texts[1], &images[1]) };
			struct fl_transaction const transaction = { .change_count = 1,
				.changes = &change };
			expect(r, op != FL_INSERT ? &change.before : NULL,
				op != FL_DELETE ? &change.after : NULL, &expected);
			fl_mapper_reset(mapper);
			if (fl_mapper_add(mapper, &transaction, 0, NULL) < 0)
				fl_buf_append(&found, "refused", 8);
			else
				show(mapper, &found);
			cr_expect_str_eq(found.data, expected.data, "%s, op %d: %s -> %s",
				rules[r].rule.key, (int)op, texts[0], texts[1]);
			for (int i = 0; i < 2; i++)
				fl_buf_finish(&images[i]);
			fl_buf_finish(&expected);
			fl_buf_finish(&found);
		}
		fl_mapper_destroy(mapper);
		fl_map_destroy(map);
	}
	fl_table_unref(def);
}

/* Of the rules in the next test, those that are for the table t followed by the number. */
static void expect_rules(unsigned number, unsigned rules_there, struct fl_buf *out)
{
	char text[24];
	for (unsigned power = 10000; power > 0; power /= 10) {
		unsigned const i = number / power; /* what the name begins with */
		if ((i == 0 && power > 1) || i >= rules_there || (i % 100 != 50 && power > 1))
			continue;
		snprintf(text, sizeof(text), "%sDEL %u:7", out->size > 0 ? "; " : "", i);
		fl_buf_text(out, text);
	}
	if (number == 7)
		fl_buf_text(out, "; DEL last:7");
	fl_buf_char(out, '\0');
}

/* Rules that name a table are found by its name, those with wildcards in any case; all of them in
 * the order of the file. More tables than are kept, each seen again and with another definition. */
Test(rules, many_tables_and_many_rules_find_each_other)
{
	enum { TABLES = 17000, RULES = 1200 };
	struct fl_map *map = fl_map_create();
	struct fl_map_rule rule = { .name = "r", .value = "none" };
	char table[32], key[32];
	for (unsigned i = 0; i < RULES; i++) {
		snprintf(table, sizeof(table), i % 100 == 50 ? "sh?p.t%u*" : "shop.T%u", i);
		snprintf(key, sizeof(key), "%u:{id}", i);
		rule.table = table;
		rule.key = key;
		cr_assert_eq(fl_map_add(map, &rule, NULL), 0);
	}
	rule.table = "*.T7";
	rule.key = "last:{id}";
	cr_assert_eq(fl_map_add(map, &rule, NULL), 0);
	fl_map_fold_case(map, true);
	struct fl_mapper *mapper = fl_mapper_create(map, "hot", FL_ON_DOUBT_HALT);
	for (unsigned i = 0; i < 3 * TABLES; i++) {
		unsigned const n = i % TABLES;
		snprintf(table, sizeof(table), "t%u", n);
		struct fl_table_def *def = make_table("shop", table, PLAIN);
		struct fl_buf found = { 0 }, expected = { 0 };
		fl_mapper_reset(mapper);
		map_row(mapper, def, FL_DELETE, "7|~|~", NULL, &found);
		expect_rules(n, RULES, &expected);
		cr_expect_str_eq(found.data, expected.data, "%s", table);
		cr_expect_eq(fl_map_wants(map, bytes("shop"), bytes(table)), expected.size > 1,
			"%s", table);
		fl_buf_finish(&found);
		fl_buf_finish(&expected);
		fl_table_unref(def);
	}
	fl_mapper_destroy(mapper);
	fl_map_destroy(map);
}
