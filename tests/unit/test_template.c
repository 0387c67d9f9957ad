/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "map/map.h"
#include "map/template.h"

static struct fl_bytes bytes(const char *text)
{
	return (struct fl_bytes){ text, text != NULL ? strlen(text) : 0 };
}

Test(template, is_split_into_literals_and_names)
{
	static const struct {
		const char *text, *parts; /* L literal, C column, D db, T table, G generation; each
					     with its text */
		size_t columns;
	} cases[] = {
		{ "user:{id}", "L[user:]C[id]", 1 },
		{ "u{id}", "L[u]C[id]", 1 },
		{ ":{a}{b}:{a}", "L[:]C[a]C[b]L[:]C[a]", 3 },
		{ "{generation}", "G[generation]", 0 },
		{ "{id}:{generation}", "C[id]L[:]G[generation]", 1 },
		{ "{db}.{table}:{my col}", "D[db]L[.]T[table]L[:]C[my col]", 1 },
		{ "{{{id}}}", "L[{]C[id]L[}]", 1 },
		{ "a{{b}}c", "L[a]L[{]L[b]L[}]L[c]", 0 },
		{ "plain", "L[plain]", 0 },
		{ "{db}{\xc3\xa9}", "D[db]C[\xc3\xa9]", 1 },
		{ "u:{name|lower|default:a b}", "L[u:]C[name]", 1 },
		{ "feed:{id}:{*}", "L[feed:]C[id]L[:]A[*]", 1 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fl_arena arena = { 0 };
		struct fl_template template;
		struct fl_err err = { 0 };
		cr_assert_eq(fl_template_compile(bytes(cases[i].text), FL_TEMPLATE_KILL, &arena,
				     &template, &err),
			0, "%s: %s", cases[i].text, err.text);
		struct fl_buf parts = { 0 };
		for (size_t p = 0; p < template.part_count; p++) {
			fl_buf_char(&parts, "LCDTGA"[template.parts[p].kind]);
			fl_buf_char(&parts, '[');
			fl_buf_append(
				&parts, template.parts[p].text.data, template.parts[p].text.size);
			fl_buf_char(&parts, ']');
		}
		fl_buf_char(&parts, '\0');
		cr_expect_str_eq(parts.data, cases[i].parts);
		cr_expect_eq(template.column_count, cases[i].columns, "%s", cases[i].text);
		fl_buf_finish(&parts);
		fl_arena_finish(&arena);
	}
}

Test(template, that_is_broken_is_refused_with_the_reason)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{ "", "the template is empty" },
		{ "user:{id", "no closing brace behind {id (a literal brace is written {{)" },
		{ "user:{", "no closing brace behind { (a literal brace is written {{)" },
		{ "user:id}",
			"a closing brace without an opening one (a literal brace is written }})" },
		{ "user:{}", "{} names no column (literal braces are written {{ and }})" },
		{ "user:{ id}", "{ id} begins or ends with a blank" },
		{ "user:{id }", "{id } begins or ends with a blank" },
		{ "user:{|lower}",
			"{|lower} names no column (literal braces are written {{ and }})" },
		{ "user:{id|lowr}",
			"there is no filter lowr; there are lower, upper, hex, base64, urlencode, "
			"sha1, xxh64, date, year, month, day, hour, minute and default:TEXT" },
		{ "user:{id|}",
			"there is no filter ; there are lower, upper, hex, base64, urlencode, "
			"sha1, xxh64, date, year, month, day, hour, minute and default:TEXT" },
		{ "user:{id|lower:x}", "the filter lower takes no argument" },
		{ "user:{id|default}",
			"the filter default needs the text that stands for NULL: default:none" },
		{ "user:{*}", "{*}, any text, can stand only in what is invalidated" },
		{ "{id}:x",
			"it begins with a column, so that its keys can't be told from others when "
			"all of them have to go: put a text of its own in front, such as "
			"id:{id}:x" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fl_err err = { 0 };
		cr_assert_eq(
			fl_template_check(cases[i].text, &err), FL_EINVAL, "%s", cases[i].text);
		cr_expect_str_eq(err.text, cases[i].reason);
	}
}

Test(template, gives_a_pattern_with_escapes_or_the_one_key_itself)
{
	static const struct {
		const char *text, *db, *table, *pattern;
		bool open;
	} cases[] = {
		{ "user:{id}", "shop", "users", "user:*", true },
		{ "u{a}{b}-{c}", "shop", "users", "u*-*", true },
		{ "{db}/{table}/{id}", "shop", "users", "shop/users/*", true },
		{ "{db}/{table}/{id}", NULL, NULL, "*/*/*", true },
		{ "{db}/{table}/{id}", "a*b", "c?[d]\\", "a\\*b/c\\?\\[d\\]\\\\/*", true },
		{ "*[{id}]?", "shop", "users", "\\*\\[*\\]\\?", true },
		{ "all", "shop", "users", "all", false },
		{ "*{table}*", "shop", "us[ers", "*us[ers*", false },
		{ "of:{table}", "shop", NULL, "of:*", true },
		{ "of:{{{id}}}", "shop", "users", "of:{*}", true },
		{ "feed:{id}:{*}", "shop", "users", "feed:*:*", true },
		{ "feed:{*}", "shop", "users", "feed:*", true },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fl_arena arena = { 0 };
		struct fl_template template;
		struct fl_buf out = { 0 };
		cr_assert_eq(fl_template_compile(bytes(cases[i].text), FL_TEMPLATE_KILL, &arena,
				     &template, NULL),
			0);
		bool open = fl_template_pattern(
			&template, bytes(cases[i].db), bytes(cases[i].table), &out);
		fl_buf_char(&out, '\0');
		cr_expect_eq(open, cases[i].open, "%s", cases[i].text);
		cr_expect_str_eq(out.data, cases[i].pattern);
		fl_buf_finish(&out);
		fl_arena_finish(&arena);
	}
}

Test(template, list_is_split_at_blanks_outside_of_braces)
{
	const char *list = " , a:{id},\t{my col}:b,c , {{ x}}y,";
	static const char *const expected[] = { "a:{id}", "{my col}:b,c", "{{", "x}}y", "" };
	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
		struct fl_bytes item = fl_template_next(&list);
		cr_expect_eq(item.size, strlen(expected[i]), "%zu", i);
		cr_expect_eq(memcmp(item.data, expected[i], item.size), 0, "%zu", i);
	}
}

Test(template, list_is_checked_to_its_end)
{
	struct fl_err err = { 0 };
	cr_expect_eq(fl_template_list_check("a:{id} b:{id}", false, &err), 0);
	cr_expect_eq(fl_template_list_check("a:{id} b:{id", false, &err), FL_EINVAL);
	cr_expect_str_eq(err.text, "no closing brace behind {id (a literal brace is written {{)");
	cr_expect_eq(fl_template_list_check("  ", true, &err), FL_EINVAL);
	cr_expect_str_eq(err.text, "the template is empty");
}

Test(table_pattern, matches_db_and_table_apart)
{
	static const struct {
		const char *pattern, *db, *table;
		bool fold, expected;
	} cases[] = {
		{ "shop.users", "shop", "users", false, true },
		{ "shop.users", "shop", "user", false, false },
		{ "shop.users", "shop", "users2", false, false },
		{ "shop.users", "Shop", "users", false, false },
		{ "shop.users", "Shop", "USERS", true, true },
		{ "SHOP.Users", "shop", "users", true, true },
		{ "shop.*", "shop", "anything", false, true },
		{ "shop.*", "shop", "", false, true },
		{ "*.users", "x", "users", false, true },
		{ "s*p.u*r*", "shop", "users", false, true },
		{ "s*p.u*r*", "shop", "unions", false, false },
		{ "*a*b.t", "xaxxaxb", "t", false, true },
		{ "*ab.t", "aab", "t", false, true },
		{ "shop.user?", "shop", "users", false, true },
		{ "shop.user?", "shop", "user", false, false },
		{ "shop.user?", "shop", "userss", false, false },
		{ "shop.?", "shop", "\xe7\x94\xa8", false, true }, /* one character */
		{ "shop.??", "shop", "\xe7\x94\xa8", false, false },
		{ "shop.a?c", "shop", "a.c", false, true },
		{ "*.*", "a.b", "c", false, true },
		/* what is not known may be anything */
		{ "shop.users", NULL, "users", false, true },
		{ "shop.users", "shop", NULL, false, true },
		{ "shop.users", "other", NULL, false, false },
		{ "shop.users", NULL, NULL, false, true },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fl_arena arena = { 0 };
		struct fl_table_pattern pattern;
		cr_assert_eq(fl_table_pattern_compile(cases[i].pattern, &arena, &pattern, NULL), 0);
		cr_expect_eq(fl_table_pattern_matches(&pattern, bytes(cases[i].db),
				     bytes(cases[i].table), cases[i].fold),
			cases[i].expected, "%s and %s.%s", cases[i].pattern,
			cases[i].db != NULL ? cases[i].db : "-",
			cases[i].table != NULL ? cases[i].table : "-");
		fl_arena_finish(&arena);
	}
}

Test(table_pattern, must_be_a_db_and_a_table)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{ "users", "must be of the form db.table, with * and ? as wildcards" },
		{ ".users", "must be of the form db.table, with * and ? as wildcards" },
		{ "shop.", "must be of the form db.table, with * and ? as wildcards" },
		{ "a.b.c", "has more than one dot: names that hold a dot can't be written, but ? "
			   "stands for any character" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fl_err err = { 0 };
		cr_assert_eq(fl_table_pattern_check(cases[i].text, &err), FL_EINVAL);
		cr_expect_str_eq(err.text, cases[i].reason);
	}
}

static void collect_template(void *ctx, const struct fl_map_template *template)
{
	struct fl_buf *out = ctx;
	char line[200];
	snprintf(line, sizeof(line), "%s%s%s%s %.*s", template->key, template->is_key ? "!" : "",
		template->has_db ? " db" : "", template->has_table ? " table" : "",
		(int)template->text.size, template->text.data);
	fl_buf_text(out, line);
	for (size_t i = 0; i < template->column_count; i++) {
		snprintf(line, sizeof(line), " [%.*s]%s", (int)template->columns[i].name.size,
			template->columns[i].name.data, template->columns[i].whole ? "" : "?");
		fl_buf_text(out, line);
	}
	fl_buf_char(out, ';');
}

Test(template, a_rules_templates_are_told_with_their_columns)
{
	static const struct {
		struct fl_map_rule rule;
		int code;
		const char *expected;
	} cases[] = {
		{ { .key = "user:{id}" }, 0, "key! user:{id} [id];" },
		{ { .key = "all", .invalidate = " \t" }, 0, "key! all;" },
		{ { .key = "{{{table}:{a b}:{id}:{db}", .invalidate = "x:{a b}:{c} all {db}:{d}" },
			0,
			"key! db table {{{table}:{a b}:{id}:{db} [a b] [id];"
			"invalidate x:{a b}:{c} [a b] [c];invalidate all;invalidate db {db}:{d} "
			"[d];" },
		{ { .key = "{{db}}:{id}{table}" }, 0, "key! table {{db}}:{id}{table} [id];" },
		{ { .key = "user:{id" }, FL_EINVAL, "" },
		{ { .key = "user:{id}", .invalidate = "a:{b} c}" }, FL_EINVAL,
			"key! user:{id} [id];invalidate a:{b} [b];" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fl_buf out = { 0 };
		struct fl_err err;
		cr_expect_eq(fl_map_rule_templates(&cases[i].rule, collect_template, &out, &err),
			cases[i].code, "%zu", i);
		fl_buf_char(&out, '\0');
		cr_expect_str_eq(out.data, cases[i].expected, "%zu: %s", i, out.data);
		fl_buf_finish(&out);
	}
}
