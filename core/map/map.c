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

/* Compiles a template and puts the rule's part in front of what is wrong with it. */
static int compile_template(struct fl_map *map, const char *part, struct fl_bytes text,
	struct fl_template *ret, struct fl_err *err)
{
	struct fl_err why;
	int code = fl_template_compile(text, &map->memory, ret, &why);
	return code < 0 ? fl_err_set(err, code, "%s: %s", part, why.text) : 0;
}

int fl_map_add(struct fl_map *map, const struct fl_map_rule *rule, struct fl_err *err)
{
	struct fl_arena *memory = &map->memory;
	size_t template_count = 1;
	for (const char *list = rule->invalidate; list != NULL;) {
		if (fl_template_next(&list).size == 0)
			break;
		template_count++;
	}
	struct fl_rule *made = fl_arena_alloc(memory, sizeof(*made));
	struct fl_template *templates = fl_arena_alloc(memory, template_count * sizeof(*templates));
	if (made == NULL || templates == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	*made = (struct fl_rule){
		.name = fl_arena_copy(memory, rule->name, strlen(rule->name)),
		.value_json = rule->value_json,
		.ttl = rule->ttl,
		.template_count = template_count,
		.templates = templates,
	};
	if (made->name == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	if (rule->sinks != NULL) {
		made->sinks = fl_arena_copy(memory, rule->sinks, strlen(rule->sinks));
		if (made->sinks == NULL)
			return fl_err_set(err, FL_ENOMEM, "out of memory");
	}

	struct fl_err why;
	int code = fl_table_pattern_compile(rule->table, memory, &made->pattern, &why);
	if (code < 0)
		return fl_err_set(err, code, "table: %s", why.text);
	code = compile_template(
		map, "key", (struct fl_bytes){ rule->key, strlen(rule->key) }, &templates[0], err);
	const char *list = rule->invalidate;
	for (size_t i = 1; i < template_count && code == 0; i++)
		code = compile_template(
			map, "invalidate", fl_template_next(&list), &templates[i], err);
	if (code < 0)
		return code;
	for (size_t i = 0; i < template_count; i++)
		made->has_generation |= templates[i].has_generation;

	struct fl_rule **last = &map->rules;
	while (*last != NULL)
		last = &(*last)->next;
	*last = made;
	return 0;
}

void fl_map_fold_case(struct fl_map *map, bool fold)
{
	map->fold_case = fold;
}

bool fl_map_wants(const struct fl_map *map, struct fl_bytes db, struct fl_bytes table)
{
	for (const struct fl_rule *rule = map->rules; rule != NULL; rule = rule->next)
		if (fl_table_pattern_matches(&rule->pattern, db, table, map->fold_case))
			return true;
	return false;
}

bool fl_rule_is_for(const struct fl_rule *rule, const char *sink)
{
	static const char blanks[] = ", \t";
	size_t size = strlen(sink);
	if (rule->sinks == NULL)
		return true;
	for (const char *at = rule->sinks; *(at += strspn(at, blanks)) != '\0';) {
		size_t length = strcspn(at, blanks);
		if (length == size && memcmp(at, sink, size) == 0)
			return true;
		at += length;
	}
	return false;
}

bool fl_map_has_rules(const struct fl_map *map, const char *sink)
{
	for (const struct fl_rule *rule = map->rules; rule != NULL; rule = rule->next)
		if (fl_rule_is_for(rule, sink))
			return true;
	return false;
}
