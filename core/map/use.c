/* SPDX-License-Identifier: Apache-2.0 */
#include "map/use.h"

#include "binlog/value.h"

/* A definition is looked for in a few neighbouring slots; where all are taken, one is given up. */
enum { SLOTS = 256, PROBES = 8 };

struct fl_use_cache {
	const struct fl_map *map;
	const struct fl_rule *const *rules;
	size_t rule_count;
	bool first;
	unsigned next_victim;
	/* Each holds a reference on its definition, so that an equal pointer is the same one. */
	struct fl_table_use *slots[SLOTS + PROBES];
};

struct fl_use_cache *fl_use_cache_create(
	const struct fl_map *map, const struct fl_rule *const *rules, size_t count, bool first)
{
	struct fl_use_cache *cache = calloc(1, sizeof(*cache));
	if (cache != NULL) {
		cache->map = map;
		cache->rules = rules;
		cache->rule_count = count;
		cache->first = first;
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

/* Why a column can't be told in a table, in its memory; NULL when there is none. */
static const char *why_missing(struct fl_table_use *use, const struct fl_err *why)
{
	return use->def->doubt != NULL ? use->def->doubt
	       : use->def->names == FL_NAMES_NONE
		       ? "the names of the table's columns are not known"
		       : fl_arena_copy(&use->memory, why->text, strlen(why->text));
}

static bool find_column(
	const struct fl_table_use *use, struct fl_bytes name, unsigned *ret, struct fl_err *why)
{
	if (fl_field_find(&use->def->table, name, ret))
		return true;
	fl_err_set(why, FL_EINVAL, "the table has no column %.*s", (int)name.size, name.data);
	return false;
}

/* Dates are looked for in dates alone: what else looks like one today may not tomorrow. */
static bool fits_filters(const struct fl_table_use *use, const struct fl_part *part,
	unsigned column, struct fl_err *why)
{
	bool time, has_time = false;
	if (!fl_filters_want_date(part->filters, part->filter_count, &time))
		return true;
	switch (use->def->defs[column].type) {
	case FL_TYPE_DATETIME:
	case FL_TYPE_DATETIME2:
	case FL_TYPE_TIMESTAMP:
	case FL_TYPE_TIMESTAMP2:
		has_time = true;
		break;
	case FL_TYPE_DATE:
	case FL_TYPE_NEWDATE:
		break;
	default:
		fl_err_set(why, FL_EINVAL,
			"the column %.*s is no DATE, DATETIME or TIMESTAMP, for which its filter "
			"is",
			(int)part->text.size, part->text.data);
		return false;
	}
	if (!time || has_time)
		return true;
	fl_err_set(why, FL_EINVAL, "the column %.*s is a DATE, which has no hours and minutes",
		(int)part->text.size, part->text.data);
	return false;
}

static bool resolve(
	struct fl_table_use *use, const struct fl_template *template, struct fl_template_use *ret)
{
	unsigned *columns = fl_arena_alloc(&use->memory, template->column_count * sizeof(*columns));
	struct fl_err why;
	if (columns == NULL)
		return false;
	*ret = (struct fl_template_use){ .template = template, .columns = columns };
	for (size_t i = 0; i < template->part_count; i++) {
		const struct fl_part *part = &template->parts[i];
		if (part->kind != FL_PART_COLUMN ||
			(find_column(use, part->text, columns, &why) &&
				fits_filters(use, part, *columns++, &why)))
			continue;
		ret->missing = why_missing(use, &why);
		return ret->missing != NULL;
	}
	return true;
}

/* 0, FL_ENOMEM, or FL_EINVAL: they can't be judged of this table. */
static int fit_conditions(struct fl_table_use *use, const struct fl_conditions *conditions,
	const unsigned **ret, struct fl_err *why)
{
	unsigned *columns =
		fl_arena_alloc(&use->memory, (conditions->column_count + 1) * sizeof(*columns));
	if (columns == NULL)
		return FL_ENOMEM;
	*ret = columns;
	for (unsigned i = 0; i < conditions->column_count; i++)
		if (!find_column(use, conditions->columns[i], &columns[i], why))
			return FL_EINVAL;
	return fl_conditions_fit(conditions, use->def, columns, why);
}

static int fit_value(struct fl_table_use *use, struct fl_rule_use *ret, struct fl_err *why)
{
	const struct fl_rule *rule = ret->rule;
	ret->missing_key = "rename"; /* what else is wrong with names is no matter of a table's */
	int code = fl_fields_fit(&rule->fields, use->def, &use->memory, &ret->fields, why);
	if (code == 0)
		ret->missing_key = "ttl";
	if (code == 0 && rule->lifetime.column.data != NULL) {
		if (!find_column(use, rule->lifetime.column, &ret->lifetime_column, why))
			return FL_EINVAL;
		code = fl_lifetime_fit(use->def, ret->lifetime_column, why);
	}
	return code;
}

static bool apply_rule(
	struct fl_table_use *use, const struct fl_rule *rule, struct fl_rule_use *ret)
{
	struct fl_err why;
	struct fl_template_use *templates =
		fl_arena_alloc(&use->memory, rule->template_count * sizeof(*templates));
	if (templates == NULL)
		return false;
	*ret = (struct fl_rule_use){ .rule = rule, .templates = templates };
	for (size_t t = 0; t < rule->template_count; t++)
		if (!resolve(use, &rule->templates[t], &templates[t]))
			return false;
	if (!resolve(use, &rule->value, &ret->value))
		return false;
	ret->missing_key = "only_when";
	int code = fit_conditions(use, &rule->only_when, &ret->only_when, &why);
	if (code == 0)
		ret->missing_key = "delete_when";
	if (code == 0)
		code = fit_conditions(use, &rule->delete_when, &ret->delete_when, &why);
	ret->can_judge = code == 0;
	if (code == 0)
		code = fit_value(use, ret, &why);
	if (code == FL_ENOMEM)
		return false;
	if (code == 0)
		ret->missing_key = "value";
	ret->missing = code < 0 ? why_missing(use, &why) : ret->value.missing;
	return code == 0 || ret->missing != NULL;
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
		if (!apply_rule(use, rule, &use->rules[use->rule_count]))
			goto fail;
		use->rule_count++;
		if (cache->first)
			break;
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
