/* SPDX-License-Identifier: Apache-2.0 */
#include "map/map.h"

#include "map/template.h"

typedef void each_template(void *ctx, const struct fl_map_template *template);

static int tell(const char *key, bool is_key, struct fl_bytes text, struct fl_arena *arena,
	each_template *each, void *ctx, struct fl_err *err)
{
	struct fl_template template;
	int code = fl_template_compile(text, arena, &template, err);
	if (code < 0)
		return code;
	struct fl_map_column *columns =
		fl_arena_alloc(arena, (template.column_count + 1) * sizeof(*columns));
	if (columns == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	struct fl_map_template told = {
		.key = key, .is_key = is_key, .text = text, .columns = columns
	};
	for (size_t i = 0; i < template.part_count; i++) {
		const struct fl_part *part = &template.parts[i];
		told.has_db |= part->kind == FL_PART_DB;
		told.has_table |= part->kind == FL_PART_TABLE;
		if (part->kind == FL_PART_COLUMN)
			columns[told.column_count++] =
				(struct fl_map_column){ .name = part->text, .whole = true };
	}
	each(ctx, &told);
	return 0;
}

int fl_map_rule_templates(
	const struct fl_map_rule *rule, each_template *each, void *ctx, struct fl_err *err)
{
	struct fl_arena arena = { 0 };
	int code = tell("key", true, (struct fl_bytes){ rule->key, strlen(rule->key) }, &arena,
		each, ctx, err);
	for (const char *list = rule->invalidate; list != NULL && code == 0;) {
		struct fl_bytes text = fl_template_next(&list);
		if (text.size == 0)
			break;
		code = tell("invalidate", false, text, &arena, each, ctx, err);
	}
	fl_arena_finish(&arena);
	return code;
}
