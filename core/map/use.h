/* SPDX-License-Identifier: Apache-2.0
 *
 * How one sink's rules apply to one table definition: which rules match, and which columns their
 * templates name. Worked out once a definition. Private to core/map; one thread.
 */
#ifndef FL_USE_H
#define FL_USE_H

#include "binlog/table.h"
#include "map/rule.h"

struct fl_template_use {
	const struct fl_template *template;
	const unsigned *columns; /* of the template's column parts, in their order */
	const char *missing;	 /* NULL, or why the columns can't be told */
	bool noticed;		 /* a doubt about it has been told */
};

struct fl_rule_use {
	const struct fl_rule *rule;
	struct fl_template_use *templates; /* one for each of the rule's */
	struct fl_template_use value;	   /* of a rule whose value has a template */
	struct fl_fields_use fields;
	unsigned lifetime_column;
	const unsigned *only_when, *delete_when; /* of the conditions' columns */
	const char *missing;	 /* NULL, or why the value can't be made, or the conditions can't be
				  * judged, of any row */
	const char *missing_key; /* the configuration's, that asks for it; NULL: not told */
	bool can_judge;
	bool noticed;
};

struct fl_table_use {
	struct fl_table_def *def;
	size_t rule_count; /* 0: nobody asks for the table */
	struct fl_rule_use *rules;
	struct fl_arena memory;
};

struct fl_use_cache;

/* The rules must outlive it. `first`: only the first that matches a table counts. NULL when memory
 * runs out. */
struct fl_use_cache *fl_use_cache_create(
	const struct fl_map *map, const struct fl_rule *const *rules, size_t count, bool first);
void fl_use_cache_destroy(struct fl_use_cache *cache);

/* `table` is that of a row. Valid until the next call; NULL when memory runs out. */
struct fl_table_use *fl_use_cache_find(struct fl_use_cache *cache, const struct fl_table *table);

#endif
