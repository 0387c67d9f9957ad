/* SPDX-License-Identifier: Apache-2.0 */
#include "map/map.h"

#include "map/condition.h"
#include "map/fields.h"
#include "map/lifetime.h"
#include "map/template.h"

typedef void each_template(void *ctx, const struct fl_map_template *template);

struct telling {
	each_template *each;
	void *ctx;
	struct fl_arena arena;
};

/* Whether the filters keep apart what they are given. (Of SHA-1 nobody meets two alike by chance,
 * as may be of 64 bits; and what stands for NULL matters where there may be NULL.) */
static bool is_whole(const struct fl_part *part, bool *ret_folded)
{
	for (size_t i = 0; i < part->filter_count; i++)
		switch (part->filters[i].kind) {
		case FL_FILTER_LOWER:
		case FL_FILTER_UPPER:
			*ret_folded = true;
			break;
		case FL_FILTER_HEX:
		case FL_FILTER_BASE64:
		case FL_FILTER_URLENCODE:
		case FL_FILTER_SHA1:
		case FL_FILTER_DEFAULT:
			break;
		default:
			return false;
		}
	return true;
}

static void tell_column(const struct fl_part *part, struct fl_map_column *ret)
{
	bool folded = false;
	bool const whole = is_whole(part, &folded);
	*ret = (struct fl_map_column){
		.name = part->text, .whole = whole && !folded, .folded = whole && folded
	};
}

static int tell_template(struct telling *t, const char *key, enum fl_template_use_for use,
	struct fl_bytes text, struct fl_err *err)
{
	struct fl_template template;
	int code = fl_template_compile(text, use, &t->arena, &template, err);
	if (code < 0)
		return code;
	struct fl_map_column *columns =
		fl_arena_alloc(&t->arena, (template.column_count + 1) * sizeof(*columns));
	if (columns == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	struct fl_map_template told = {
		.key = key, .is_key = use == FL_TEMPLATE_KEY, .text = text, .columns = columns
	};
	for (size_t i = 0; i < template.part_count; i++) {
		const struct fl_part *part = &template.parts[i];
		told.has_db |= part->kind == FL_PART_DB;
		told.has_table |= part->kind == FL_PART_TABLE;
		if (part->kind == FL_PART_COLUMN)
			tell_column(part, &columns[told.column_count++]);
	}
	t->each(t->ctx, &told);
	return 0;
}

static int tell_list(struct telling *t, const char *key, enum fl_template_use_for use,
	const char *list, struct fl_err *err)
{
	int code = 0;
	while (list != NULL && code == 0) {
		struct fl_bytes text = fl_template_next(&list);
		if (text.size == 0)
			break;
		code = tell_template(t, key, use, text, err);
	}
	return code;
}

/* What names columns and is no template. */
static int tell_names(struct telling *t, const char *key, const char *text,
	const struct fl_bytes *names, size_t count, struct fl_err *err)
{
	struct fl_map_column *columns = fl_arena_alloc(&t->arena, (count + 1) * sizeof(*columns));
	if (columns == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++)
		columns[i] = (struct fl_map_column){ .name = names[i] };
	struct fl_map_template const told = { .key = key,
		.text = { text, strlen(text) },
		.columns = columns,
		.column_count = count };
	t->each(t->ctx, &told);
	return 0;
}

static int tell_condition(struct telling *t, const char *key, const char *text, struct fl_err *err)
{
	struct fl_conditions conditions;
	if (text == NULL)
		return 0;
	int code = fl_conditions_compile(text, &t->arena, &conditions, err);
	return code == 0
		       ? tell_names(t, key, text, conditions.columns, conditions.column_count, err)
		       : code;
}

static int tell_value(struct telling *t, const struct fl_map_rule *rule, struct fl_err *err)
{
	static const char column[] = "column:", template[] = "template:";
	if (rule->value != NULL && strncmp(rule->value, column, sizeof(column) - 1) == 0) {
		const char *name = rule->value + sizeof(column) - 1;
		return tell_names(
			t, "value", rule->value, &(struct fl_bytes){ name, strlen(name) }, 1, err);
	}
	if (rule->value != NULL && strncmp(rule->value, template, sizeof(template) - 1) == 0) {
		const char *text = rule->value + sizeof(template) - 1;
		return tell_template(t, "value", FL_TEMPLATE_VALUE,
			(struct fl_bytes){ text, strlen(text) }, err);
	}
	struct fl_fields fields;
	int code = fl_fields_compile(
		rule->columns, rule->exclude, rule->rename, &t->arena, &fields, err);
	if (code == 0 && fields.column_count > 0)
		code = tell_names(t, fields.exclude ? "exclude" : "columns",
			fields.exclude ? rule->exclude : rule->columns, fields.columns,
			fields.column_count, err);
	if (code == 0 && fields.rename_count > 0)
		code = tell_names(t, "rename", rule->rename, fields.from, fields.rename_count, err);
	return code;
}

static int tell_ttl(struct telling *t, const char *text, struct fl_err *err)
{
	struct fl_lifetime lifetime;
	if (text == NULL)
		return 0;
	int code = fl_lifetime_compile(text, &t->arena, &lifetime, err);
	return code == 0 && lifetime.column.data != NULL
		       ? tell_names(t, "ttl", text, &lifetime.column, 1, err)
		       : code;
}

int fl_map_rule_templates(
	const struct fl_map_rule *rule, each_template *each, void *ctx, struct fl_err *err)
{
	struct telling t = { .each = each, .ctx = ctx };
	int code = tell_template(
		&t, "key", FL_TEMPLATE_KEY, (struct fl_bytes){ rule->key, strlen(rule->key) }, err);
	if (code == 0)
		code = tell_list(&t, "also", FL_TEMPLATE_KEY, rule->also, err);
	if (code == 0)
		code = tell_list(&t, "invalidate", FL_TEMPLATE_KILL, rule->invalidate, err);
	if (code == 0)
		code = tell_value(&t, rule, err);
	if (code == 0)
		code = tell_condition(&t, "only_when", rule->only_when, err);
	if (code == 0)
		code = tell_condition(&t, "delete_when", rule->delete_when, err);
	if (code == 0)
		code = tell_ttl(&t, rule->ttl, err);
	fl_arena_finish(&t.arena);
	return code;
}
