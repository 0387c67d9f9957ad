/* SPDX-License-Identifier: Apache-2.0
 *
 * The table definitions that a sink's rows have, and how its rules apply to each. Found by the
 * definition's address; each holds a reference on its own, so that an equal address is the same
 * one. A table that is altered has another definition, and the old one is given up: what is held
 * is bounded by the number of tables, and by MOST.
 */
#include "map/use.h"

enum { SMALLEST = 64, MOST = 16384 };

static size_t place_of(const struct fl_uses *uses, const struct fl_table *table)
{
	uint64_t const hash = (uint64_t)(uintptr_t)table * 0x9e3779b97f4a7c15u;
	return (hash >> 32) & (uses->size - 1);
}

static uint32_t hash_of(const struct fl_table *table)
{
	uint32_t hash = 2166136261u; /* FNV-1a */
	for (size_t i = 0; i < table->db.size; i++)
		hash = (hash ^ (uint8_t)table->db.data[i]) * 16777619u;
	for (size_t i = 0; i < table->name.size; i++)
		hash = (hash ^ (uint8_t)table->name.data[i]) * 16777619u;
	return hash ^ hash >> 16;
}

static void link_in(struct fl_uses *uses, struct fl_table_use *use)
{
	struct fl_table_use **by_def = &uses->by_def[place_of(uses, &use->def->table)];
	struct fl_table_use **by_name = &uses->by_name[use->name_hash & (uses->size - 1)];
	use->next_by_def = *by_def;
	*by_def = use;
	use->next_by_name = *by_name;
	*by_name = use;
}

static void drop(struct fl_uses *uses, struct fl_table_use *use)
{
	struct fl_table_use **at = &uses->by_def[place_of(uses, &use->def->table)];
	while (*at != use)
		at = &(*at)->next_by_def;
	*at = use->next_by_def;
	at = &uses->by_name[use->name_hash & (uses->size - 1)];
	while (*at != use)
		at = &(*at)->next_by_name;
	*at = use->next_by_name;
	uses->count--;
	if (uses->last == use)
		uses->last = NULL;
	fl_use_destroy(use);
}

static bool is_same(struct fl_bytes a, struct fl_bytes b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* The one of an earlier definition goes. */
static void drop_earlier(struct fl_uses *uses, const struct fl_table *table, uint32_t hash)
{
	struct fl_table_use *use = uses->by_name[hash & (uses->size - 1)];
	while (use != NULL && !(use->name_hash == hash && is_same(use->def->table.db, table->db) &&
				      is_same(use->def->table.name, table->name)))
		use = use->next_by_name;
	if (use != NULL)
		drop(uses, use);
}

/* Makes room where there are more tables than are kept: those go that have had no row since this
 * was done last, or all. */
static void sweep(struct fl_uses *uses)
{
	size_t const before = uses->count;
	for (int again = 0; again < 2 && uses->count == before; again++)
		for (size_t i = 0; i < uses->size; i++)
			for (struct fl_table_use *use = uses->by_def[i], *next; use != NULL;
				use = next) {
				next = use->next_by_def;
				if (!use->used)
					drop(uses, use);
				else
					use->used = false;
			}
}

static bool grow(struct fl_uses *uses)
{
	struct fl_uses grown = { .size = uses->size == 0 ? SMALLEST : uses->size * 2 };
	grown.by_def = calloc(grown.size, sizeof(struct fl_table_use *));
	grown.by_name = calloc(grown.size, sizeof(struct fl_table_use *));
	if (grown.by_def == NULL || grown.by_name == NULL) {
		free(grown.by_def);
		free(grown.by_name);
		return false;
	}
	for (size_t i = 0; i < uses->size; i++)
		for (struct fl_table_use *use = uses->by_def[i], *next; use != NULL; use = next) {
			next = use->next_by_def;
			link_in(&grown, use);
		}
	free(uses->by_def);
	free(uses->by_name);
	uses->size = grown.size;
	uses->by_def = grown.by_def;
	uses->by_name = grown.by_name;
	return true;
}

/* For the columns of a table, in the images of a row. */
static bool make_room(struct fl_uses *uses, size_t columns)
{
	if (columns <= uses->columns)
		return true;
	struct fl_found *before = realloc(uses->before.found, columns * sizeof(*before));
	uses->before.found = before != NULL ? before : uses->before.found;
	struct fl_found *after = realloc(uses->after.found, columns * sizeof(*after));
	uses->after.found = after != NULL ? after : uses->after.found;
	if (before == NULL || after == NULL)
		return false;
	uses->columns = columns;
	return true;
}

struct fl_table_use *fl_uses_search(
	struct fl_uses *uses, const struct fl_use_rules *rules, const struct fl_table *table)
{
	struct fl_table_use *use = uses->size > 0 ? uses->by_def[place_of(uses, table)] : NULL;
	while (use != NULL && &use->def->table != table)
		use = use->next_by_def;
	if (use == NULL) {
		uint32_t const hash = hash_of(table);
		if (uses->size > 0)
			drop_earlier(uses, table, hash);
		if (uses->count == MOST)
			sweep(uses);
		if ((uses->count == uses->size && !grow(uses)) ||
			!make_room(uses, table->column_count))
			return NULL;
		use = fl_use_make(rules, table);
		if (use == NULL)
			return NULL;
		use->name_hash = hash;
		link_in(uses, use);
		uses->count++;
	}
	use->used = true;
	uses->last = use;
	return use;
}

void fl_uses_finish(struct fl_uses *uses)
{
	for (size_t i = 0; i < uses->size; i++)
		while (uses->by_def[i] != NULL)
			drop(uses, uses->by_def[i]);
	free(uses->by_def);
	free(uses->by_name);
	free(uses->before.found);
	free(uses->after.found);
	*uses = (struct fl_uses){ 0 };
}
