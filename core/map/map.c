/* SPDX-License-Identifier: Apache-2.0 */
#include "map/map.h"

#include "map/rule.h"

struct fl_map *fl_map_create(void)
{
	return calloc(1, sizeof(struct fl_map));
}

void fl_map_destroy(struct fl_map *map)
{
	if (map == NULL)
		return;
	fl_arena_finish(&map->memory);
	free(map);
}

static int out_of_memory(struct fl_err *err)
{
	return fl_err_set(err, FL_ENOMEM, "out of memory");
}

/* Puts the rule's part in front of what is wrong with it. */
static int blame(const char *part, int code, const struct fl_err *why, struct fl_err *err)
{
	return code < 0 ? fl_err_set(err, code, "%s: %s", part, why->text) : 0;
}

static int compile_template(struct fl_map *map, const char *part, struct fl_bytes text,
	enum fl_template_use_for use, struct fl_template *ret, struct fl_err *err)
{
	struct fl_err why;
	return blame(part, fl_template_compile(text, use, &map->memory, ret, &why), &why, err);
}

static size_t count_templates(const char *list)
{
	size_t count = 0;
	while (list != NULL && fl_template_next(&list).size > 0)
		count++;
	return count;
}

static int compile_keys(struct fl_map *map, const struct fl_map_rule *rule, struct fl_rule *made,
	struct fl_err *err)
{
	struct fl_arena *memory = &map->memory;
	made->key_count = 1 + count_templates(rule->also);
	made->template_count = made->key_count + count_templates(rule->invalidate);
	made->templates = fl_arena_alloc(memory, made->template_count * sizeof(*made->templates));
	if (made->templates == NULL)
		return out_of_memory(err);
	int code = compile_template(map, "key", (struct fl_bytes){ rule->key, strlen(rule->key) },
		FL_TEMPLATE_KEY, &made->templates[0], err);
	const char *list = rule->also;
	for (size_t i = 1; i < made->key_count && code == 0; i++)
		code = compile_template(map, "also", fl_template_next(&list), FL_TEMPLATE_KEY,
			&made->templates[i], err);
	list = rule->invalidate;
	for (size_t i = made->key_count; i < made->template_count && code == 0; i++)
		code = compile_template(map, "invalidate", fl_template_next(&list),
			FL_TEMPLATE_KILL, &made->templates[i], err);
	for (size_t i = 0; i < made->template_count && code == 0; i++)
		made->has_generation |= made->templates[i].has_generation;
	return code;
}

static const char *after(const char *text, const char *prefix)
{
	size_t size = strlen(prefix);
	return text != NULL && strncmp(text, prefix, size) == 0 ? text + size : NULL;
}

static int compile_form(const char *text, enum fl_value_form *ret, struct fl_err *err)
{
	static const char *const names[] = { [FL_FORM_OF_NONE] = "none",
		[FL_FORM_OF_JSON] = "json",
		[FL_FORM_OF_HASH] = "hash",
		[FL_FORM_OF_MSGPACK] = "msgpack" };
	*ret = FL_FORM_OF_JSON;
	if (text == NULL)
		return 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum fl_value_form)i;
			return 0;
		}
	*ret = after(text, "column:") != NULL ? FL_FORM_OF_COLUMN : FL_FORM_OF_TEMPLATE;
	if (*ret == FL_FORM_OF_COLUMN || after(text, "template:") != NULL)
		return 0;
	return fl_err_set(
		err, FL_EINVAL, "must be json, hash, msgpack, none, column:NAME or template:TEXT");
}

/* column:NAME and template:TEXT. */
static int compile_text(const char *text, enum fl_value_form form, struct fl_arena *memory,
	struct fl_template *ret, struct fl_err *err)
{
	const char *name = after(text, "column:");
	if (form == FL_FORM_OF_TEMPLATE) {
		const char *template = after(text, "template:");
		return fl_template_compile((struct fl_bytes){ template, strlen(template) },
			FL_TEMPLATE_VALUE, memory, ret, err);
	}
	if (form != FL_FORM_OF_COLUMN)
		return 0;
	if (*name == '\0')
		return fl_err_set(err, FL_EINVAL, "column: names no column");
	struct fl_part *part = fl_arena_alloc(memory, sizeof(*part));
	const char *copy = fl_arena_copy(memory, name, strlen(name));
	if (part == NULL || copy == NULL)
		return out_of_memory(err);
	*part = (struct fl_part){ .kind = FL_PART_COLUMN, .text = { copy, strlen(copy) } };
	*ret = (struct fl_template){ .part_count = 1, .parts = part, .column_count = 1 };
	return 0;
}

static int compile_value(struct fl_map *map, const struct fl_map_rule *rule, struct fl_rule *made,
	struct fl_err *err)
{
	struct fl_err why;
	int code = compile_form(rule->value, &made->form, &why);
	if (code == 0)
		code = compile_text(rule->value, made->form, &map->memory, &made->value, &why);
	if (code < 0)
		return blame("value", code, &why, err);
	bool const has_fields = made->form == FL_FORM_OF_JSON || made->form == FL_FORM_OF_HASH ||
				made->form == FL_FORM_OF_MSGPACK;
	if (!has_fields && (rule->columns != NULL || rule->exclude != NULL || rule->rename != NULL))
		return fl_err_set(err, FL_EINVAL,
			"%s is for the values json, hash and msgpack: remove it",
			rule->columns != NULL	? "columns"
			: rule->exclude != NULL ? "exclude"
						: "rename");
	code = fl_fields_compile(
		rule->columns, rule->exclude, rule->rename, &map->memory, &made->fields, err);
	if (code == 0 && rule->ttl != NULL)
		code = blame("ttl",
			fl_lifetime_compile(rule->ttl, &map->memory, &made->lifetime, &why), &why,
			err);
	if (code == 0 && rule->ttl_jitter != NULL)
		code = blame("ttl_jitter",
			fl_lifetime_set_jitter(rule->ttl_jitter, &made->lifetime, &why), &why, err);
	return code;
}

static int compile_conditions(struct fl_map *map, const struct fl_map_rule *rule,
	struct fl_rule *made, struct fl_err *err)
{
	struct fl_err why = { 0 };
	int code = 0;
	if (rule->only_when != NULL)
		code = blame("only_when",
			fl_conditions_compile(
				rule->only_when, &map->memory, &made->only_when, &why),
			&why, err);
	if (rule->delete_when != NULL && code == 0)
		code = blame("delete_when",
			fl_conditions_compile(
				rule->delete_when, &map->memory, &made->delete_when, &why),
			&why, err);
	made->has_conditions = rule->only_when != NULL || rule->delete_when != NULL;
	return code;
}

static int compile_mode(const struct fl_map_rule *rule, struct fl_rule *made, struct fl_err *err)
{
	if (rule->mode == NULL || strcmp(rule->mode, "write") == 0)
		return 0;
	if (strcmp(rule->mode, "invalidate") == 0) {
		made->form = FL_FORM_OF_NONE;
	} else if (strcmp(rule->mode, "update-existing") != 0) {
		return fl_err_set(
			err, FL_EINVAL, "mode: must be write, invalidate or update-existing");
	} else if (made->form == FL_FORM_OF_NONE) {
		return fl_err_set(err, FL_EINVAL,
			"mode: there is no value to update existing keys with: remove it, or set a "
			"value");
	} else {
		made->only_existing = true;
	}
	return 0;
}

int fl_map_add(struct fl_map *map, const struct fl_map_rule *rule, struct fl_err *err)
{
	struct fl_arena *memory = &map->memory;
	struct fl_rule *made = fl_arena_alloc(memory, sizeof(*made));
	if (made == NULL)
		return out_of_memory(err);
	*made = (struct fl_rule){ .name = fl_arena_copy(memory, rule->name, strlen(rule->name)) };
	if (made->name == NULL)
		return out_of_memory(err);
	if (rule->sinks != NULL) {
		made->sinks = fl_arena_copy(memory, rule->sinks, strlen(rule->sinks));
		if (made->sinks == NULL)
			return out_of_memory(err);
	}

	struct fl_err why;
	int code = blame("table",
		fl_table_pattern_compile(rule->table, memory, &made->pattern, &why), &why, err);
	if (code == 0)
		code = compile_keys(map, rule, made, err);
	if (code == 0)
		code = compile_value(map, rule, made, err);
	if (code == 0)
		code = compile_conditions(map, rule, made, err);
	if (code == 0)
		code = compile_mode(rule, made, err);
	if (code < 0)
		return code;

	if (fl_index_add(&map->index, made, memory) < 0)
		return out_of_memory(err);
	struct fl_rule **last = &map->rules;
	while (*last != NULL)
		last = &(*last)->next;
	*last = made;
	return 0;
}

int fl_map_match_first(struct fl_map *map, const char *sink)
{
	struct fl_sink_name *made = fl_arena_alloc(&map->memory, sizeof(*made));
	if (made == NULL)
		return FL_ENOMEM;
	*made = (struct fl_sink_name){ .next = map->match_first,
		.name = fl_arena_copy(&map->memory, sink, strlen(sink)) };
	if (made->name == NULL)
		return FL_ENOMEM;
	map->match_first = made;
	return 0;
}

unsigned fl_map_rule_needs(const struct fl_map_rule *rule)
{
	bool const writes = rule->mode == NULL || strcmp(rule->mode, "invalidate") != 0;
	unsigned needs = 0;
	if (writes && rule->value != NULL && strcmp(rule->value, "hash") == 0)
		needs |= FL_TAKES_HASHES;
	if (rule->mode != NULL && strcmp(rule->mode, "update-existing") == 0)
		needs |= FL_TAKES_EXISTING;
	if (rule->invalidate != NULL && strstr(rule->invalidate, "{*}") != NULL)
		needs |= FL_TAKES_PATTERNS;
	return needs;
}

int fl_map_value_check(const char *text, struct fl_err *err)
{
	struct fl_arena arena = { 0 };
	struct fl_template template;
	enum fl_value_form form;
	int code = compile_form(text, &form, err);
	if (code == 0)
		code = compile_text(text, form, &arena, &template, err);
	fl_arena_finish(&arena);
	return code;
}

int fl_map_ttl_check(const char *text, struct fl_err *err)
{
	struct fl_arena arena = { 0 };
	struct fl_lifetime lifetime;
	int code = fl_lifetime_compile(text, &arena, &lifetime, err);
	fl_arena_finish(&arena);
	return code;
}

int fl_condition_check(const char *text, struct fl_err *err)
{
	struct fl_arena arena = { 0 };
	struct fl_conditions conditions;
	int code = fl_conditions_compile(text, &arena, &conditions, err);
	fl_arena_finish(&arena);
	return code;
}

int fl_template_check(const char *text, struct fl_err *err)
{
	struct fl_arena arena = { 0 };
	struct fl_template template;
	int code = fl_template_compile(
		(struct fl_bytes){ text, strlen(text) }, FL_TEMPLATE_KEY, &arena, &template, err);
	fl_arena_finish(&arena);
	return code;
}

int fl_template_list_check(const char *list, bool kill, struct fl_err *err)
{
	struct fl_arena arena = { 0 };
	struct fl_bytes text = fl_template_next(&list);
	int code = 0;
	do {
		struct fl_template template;
		code = fl_template_compile(
			text, kill ? FL_TEMPLATE_KILL : FL_TEMPLATE_KEY, &arena, &template, err);
		for (size_t i = 0; i + 1 < text.size && code == 0; i++)
			if (text.data[i] == '}' && text.data[i + 1] == ',')
				code = fl_err_set(err, FL_EINVAL,
					"%.*s: put a blank behind the comma, if it begins another "
					"template",
					(int)text.size, text.data);
		text = fl_template_next(&list);
	} while (code == 0 && text.size > 0);
	fl_arena_finish(&arena);
	return code;
}

int fl_table_pattern_check(const char *text, struct fl_err *err)
{
	struct fl_arena arena = { 0 };
	struct fl_table_pattern pattern;
	int code = fl_table_pattern_compile(text, &arena, &pattern, err);
	fl_arena_finish(&arena);
	return code;
}

void fl_map_fold_case(struct fl_map *map, bool fold)
{
	map->fold_case = fold;
}

bool fl_map_wants(const struct fl_map *map, struct fl_bytes db, struct fl_bytes table)
{
	struct fl_index_walk walk = fl_index_walk_from(&map->index, db, table, map->fold_case);
	return fl_index_next(&walk) != NULL;
}

static bool is_for(const char *sinks, const char *sink)
{
	static const char blanks[] = ", \t";
	size_t size = strlen(sink);
	if (sinks == NULL)
		return true;
	for (const char *at = sinks; *(at += strspn(at, blanks)) != '\0';) {
		size_t length = strcspn(at, blanks);
		if (length == size && memcmp(at, sink, size) == 0)
			return true;
		at += length;
	}
	return false;
}

bool fl_rule_is_for(const struct fl_rule *rule, const char *sink)
{
	return is_for(rule->sinks, sink);
}

bool fl_map_rule_is_for(const struct fl_map_rule *rule, const char *sink)
{
	return is_for(rule->sinks, sink);
}

bool fl_map_has_rules(const struct fl_map *map, const char *sink)
{
	for (const struct fl_rule *rule = map->rules; rule != NULL; rule = rule->next)
		if (fl_rule_is_for(rule, sink))
			return true;
	return false;
}
