/* SPDX-License-Identifier: Apache-2.0 */
#include "map/index.h"

#include "map/rule.h"

/* FNV-1a (Fowler, Noll, Vo), the same for names that differ in the case of ASCII letters alone. */
static uint32_t add_name(uint32_t hash, struct fl_bytes name)
{
	for (size_t i = 0; i < name.size; i++) {
		char const c = name.data[i];
		hash = (hash ^ (uint8_t)(c >= 'A' && c <= 'Z' ? c | 0x20 : c)) * 16777619u;
	}
	return hash;
}

static unsigned place_of(struct fl_bytes db, struct fl_bytes table)
{
	uint32_t const hash = add_name(add_name(2166136261u, db), table);
	return (hash ^ hash >> 16) % FL_INDEX_SIZE;
}

static bool is_wild(struct fl_bytes pattern)
{
	return memchr(pattern.data, '*', pattern.size) != NULL ||
	       memchr(pattern.data, '?', pattern.size) != NULL;
}

int fl_index_add(struct fl_index *index, const struct fl_rule *rule, struct fl_arena *arena)
{
	struct fl_indexed *made = fl_arena_alloc(arena, sizeof(*made));
	if (made == NULL)
		return FL_ENOMEM;
	if (index->named == NULL) {
		size_t const size = FL_INDEX_SIZE * sizeof(struct fl_indexed *);
		index->named = fl_arena_alloc(arena, size);
		if (index->named == NULL)
			return FL_ENOMEM;
		memset(index->named, 0, size);
	}
	*made = (struct fl_indexed){ .rule = rule, .number = index->count++ };
	const struct fl_table_pattern *pattern = &rule->pattern;
	struct fl_indexed **last = is_wild(pattern->db) || is_wild(pattern->table)
					   ? &index->wild
					   : &index->named[place_of(pattern->db, pattern->table)];
	while (*last != NULL)
		last = &(*last)->next;
	*last = made;
	return 0;
}

struct fl_index_walk fl_index_walk_from(
	const struct fl_index *index, struct fl_bytes db, struct fl_bytes table, bool fold_case)
{
	return (struct fl_index_walk){ .db = db,
		.table = table,
		.fold_case = fold_case,
		.wild = index->wild,
		.named = index->named != NULL ? index->named[place_of(db, table)] : NULL };
}

/* The first of the list that matches. */
static const struct fl_indexed *skip(const struct fl_index_walk *walk, const struct fl_indexed *at)
{
	while (at != NULL && !fl_table_pattern_matches(
				     &at->rule->pattern, walk->db, walk->table, walk->fold_case))
		at = at->next;
	return at;
}

const struct fl_indexed *fl_index_next(struct fl_index_walk *walk)
{
	walk->wild = skip(walk, walk->wild);
	walk->named = skip(walk, walk->named);
	bool const wild_first = walk->wild != NULL &&
				(walk->named == NULL || walk->wild->number < walk->named->number);
	const struct fl_indexed **from = wild_first ? &walk->wild : &walk->named;
	const struct fl_indexed *found = *from;
	if (found != NULL)
		*from = found->next;
	return found;
}
