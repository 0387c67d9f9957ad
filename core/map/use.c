/* SPDX-License-Identifier: Apache-2.0 */
#include "map/use.h"

/* A definition is looked for in a few neighbouring slots; where all are taken, one is given up. */
enum { SLOTS = 256, PROBES = 8 };

struct fl_use_cache {
	const struct fl_map *map;
	const struct fl_rule *const *rules;
	size_t rule_count;
	unsigned next_victim;
	/* Each holds a reference on its definition, so that an equal pointer is the same one. */
	struct fl_table_use *slots[SLOTS + PROBES];
};

struct fl_use_cache *fl_use_cache_create(
	const struct fl_map *map, const struct fl_rule *const *rules, size_t count)
{
	struct fl_use_cache *cache = calloc(1, sizeof(*cache));
	if (cache != NULL) {
		cache->map = map;
		cache->rules = rules;
		cache->rule_count = count;
	}
	return cache;
}

static void forget(struct fl_table_use *use)
{
	if (use == NULL)
		return;
	fl_table_unref(use->def);
	fl_arena_finish(&use->memory);
	free(use);
}

void fl_use_cache_destroy(struct fl_use_cache *cache)
{
	if (cache == NULL)
		return;
	for (size_t i = 0; i < SLOTS + PROBES; i++)
		forget(cache->slots[i]);
	free(cache);
}

/* Column names are compared without case, as the servers do (letters outside ASCII as written). */
static bool find_column(const struct fl_table *table, struct fl_bytes name, unsigned *ret)
{
	for (unsigned i = 0; i < table->column_count; i++) {
		struct fl_bytes column = table->columns[i].name;
		if (column.size == name.size && name.size > 0 &&
			fl_same_letters(column.data, name.data, name.size)) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static bool resolve(
	struct fl_table_use *use, const struct fl_template *template, struct fl_template_use *ret)
{
	const struct fl_table_def *def = use->def;
	unsigned *columns = fl_arena_alloc(&use->memory, template->column_count * sizeof(*columns));
	if (columns == NULL)
		return false;
	*ret = (struct fl_template_use){ .template = template, .columns = columns };
	for (size_t i = 0; i < template->part_count; i++) {
		const struct fl_part *part = &template->parts[i];
		if (part->kind != FL_PART_COLUMN || find_column(&def->table, part->text, columns++))
			continue;
		char why[256];
		snprintf(why, sizeof(why), "the table has no column %.*s", (int)part->text.size,
			part->text.data);
		ret->missing = def->doubt != NULL ? def->doubt
			       : def->names == FL_NAMES_NONE
				       ? "the names of the table's columns are not known"
				       : fl_arena_copy(&use->memory, why, strlen(why));
		return ret->missing != NULL;
	}
	return true;
}

static struct fl_table_use *make(struct fl_use_cache *cache, const struct fl_table *table)
{
	struct fl_table_use *use = calloc(1, sizeof(*use));
	if (use == NULL)
		return NULL;
	/* A row's struct fl_table is always the first member of one of these. */
	use->def = fl_table_ref((struct fl_table_def *)(uintptr_t)table);
	use->rules = fl_arena_alloc(&use->memory, cache->rule_count * sizeof(*use->rules));
	if (use->rules == NULL)
		goto fail;
	for (size_t r = 0; r < cache->rule_count; r++) {
		const struct fl_rule *rule = cache->rules[r];
		if (!fl_table_pattern_matches(
			    &rule->pattern, table->db, table->name, cache->map->fold_case))
			continue;
		struct fl_template_use *templates =
			fl_arena_alloc(&use->memory, rule->template_count * sizeof(*templates));
		if (templates == NULL)
			goto fail;
		for (size_t t = 0; t < rule->template_count; t++)
			if (!resolve(use, &rule->templates[t], &templates[t]))
				goto fail;
		use->rules[use->rule_count++] =
			(struct fl_rule_use){ .rule = rule, .templates = templates };
	}
	return use;
fail:
	forget(use);
	return NULL;
}

struct fl_table_use *fl_use_cache_find(struct fl_use_cache *cache, const struct fl_table *table)
{
	uint64_t hash = (uint64_t)(uintptr_t)table * 0x9e3779b97f4a7c15u;
	struct fl_table_use **slot = &cache->slots[hash >> 56];
	struct fl_table_use **free_slot = NULL;
	for (size_t i = 0; i < PROBES; i++) {
		if (slot[i] == NULL)
			free_slot = free_slot != NULL ? free_slot : &slot[i];
		else if (&slot[i]->def->table == table)
			return slot[i];
	}
	struct fl_table_use *use = make(cache, table);
	if (use == NULL)
		return NULL;
	if (free_slot == NULL) {
		free_slot = &slot[cache->next_victim++ % PROBES];
		forget(*free_slot);
	}
	*free_slot = use;
	return use;
}
