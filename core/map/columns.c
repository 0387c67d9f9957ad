/* SPDX-License-Identifier: Apache-2.0 */
#include "map/map.h"

#include "map/template.h"

/* The columns of one template. */
static int each_of(const char *key, struct fl_bytes text, struct fl_arena *arena,
	void (*each)(void *ctx, const char *key, struct fl_bytes text, struct fl_bytes column),
	void *ctx, struct fl_err *err)
{
	struct fl_template template;
	int code = fl_template_compile(text, arena, &template, err);
	for (size_t i = 0; code == 0 && i < template.part_count; i++)
		if (template.parts[i].kind == FL_PART_COLUMN)
			each(ctx, key, text, template.parts[i].text);
	return code;
}

int fl_map_rule_columns(const struct fl_map_rule *rule,
	void (*each)(void *ctx, const char *key, struct fl_bytes text, struct fl_bytes column),
	void *ctx, struct fl_err *err)
{
	struct fl_arena arena = { 0 };
	int code = each_of(
		"key", (struct fl_bytes){ rule->key, strlen(rule->key) }, &arena, each, ctx, err);
	for (const char *list = rule->invalidate; list != NULL && code == 0;) {
		struct fl_bytes text = fl_template_next(&list);
		if (text.size == 0)
			break;
		code = each_of("invalidate", text, &arena, each, ctx, err);
	}
	fl_arena_finish(&arena);
	return code;
}

int fl_map_rule_tells(
	const struct fl_map_rule *rule, bool *ret_db, bool *ret_table, struct fl_err *err)
{
	struct fl_arena arena = { 0 };
	struct fl_template template;
	int code = fl_template_compile(
		(struct fl_bytes){ rule->key, strlen(rule->key) }, &arena, &template, err);
	if (code == 0)
		*ret_db = *ret_table = false;
	for (size_t i = 0; code == 0 && i < template.part_count; i++) {
		*ret_db |= template.parts[i].kind == FL_PART_DB;
		*ret_table |= template.parts[i].kind == FL_PART_TABLE;
	}
	fl_arena_finish(&arena);
	return code;
}
