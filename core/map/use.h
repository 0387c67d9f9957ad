/* SPDX-License-Identifier: Apache-2.0
 *
 * How one sink's rules apply to one table definition: which rules match, which columns they name,
 * and what a key is put together of. Worked out once a definition. Private to core/map; one thread.
 */
#ifndef FL_USE_H
#define FL_USE_H

#include "map/cells.h"
#include "map/rule.h"

/* A template, fitted to a table, is pieces: a text, and what stands behind it. Names of database
 * and table are text by then; in patterns, text is escaped and {*} is part of it. */
struct fl_piece {
	struct fl_bytes text; /* FL_NAME_PAD bytes behind it may be copied */
	enum { FL_PIECE_END, FL_PIECE_INT, FL_PIECE_COLUMN, FL_PIECE_GENERATION } behind;
	unsigned column;
	const struct fl_column_def *def; /* of INT: a column without filters that is known well */
	const struct fl_part *part;	 /* of COLUMN */
};

struct fl_template_use {
	const struct fl_template *template;
	const unsigned *columns; /* of the template's column parts, in their order */
	const struct fl_piece *pieces;
	size_t plain_room; /* bytes that it takes at most if it is of texts and integers; else 0 */
	const char *missing; /* NULL, or why the columns can't be told: then there are no pieces */
	bool is_key;	     /* of one that gets the row's value; else it is to go */
	bool noticed;	     /* a doubt about it has been told */
};

struct fl_rule_use {
	const struct fl_rule *rule;
	size_t number;			   /* of the rule, among the sink's */
	struct fl_template_use *templates; /* one for each of the rule's: there is one */
	struct fl_template_use *templates_end;
	struct fl_template_use value; /* of a rule whose value has a template */
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
	struct fl_named named; /* what keys, conditions and lifetimes name */
	struct fl_arena memory;

	/* The cache's. */
	struct fl_table_use *next_by_def, *next_by_name;
	uint32_t name_hash;
	bool used; /* since the cache was swept last */
};

/* One sink's rules, in the order of the file. */
struct fl_use_rules {
	const struct fl_map *map;
	struct fl_index index;
	bool first; /* only the first that matches a table counts */
};

/* `table` is that of a row; the rules must outlive it. NULL when memory runs out. */
struct fl_table_use *fl_use_make(const struct fl_use_rules *rules, const struct fl_table *table);
void fl_use_destroy(struct fl_table_use *use);

/* Those at hand: one for each table, that of its latest definition. */
struct fl_uses {
	struct fl_table_use *last; /* rows of a table come one after the other */
	size_t count, size;	   /* a power of two, or 0 */
	struct fl_table_use **by_def, **by_name;
	struct fl_image before, after; /* of the row under way, with room for all columns */
	size_t columns;		       /* that there is room for */
};

void fl_uses_finish(struct fl_uses *uses);
struct fl_table_use *fl_uses_search(
	struct fl_uses *uses, const struct fl_use_rules *rules, const struct fl_table *table);

/* `table` is that of a row. Valid until the next call; NULL when memory runs out. */
static inline struct fl_table_use *fl_uses_find(
	struct fl_uses *uses, const struct fl_use_rules *rules, const struct fl_table *table)
{
	struct fl_table_use *last = uses->last;
	return last != NULL && &last->def->table == table ? last
							  : fl_uses_search(uses, rules, table);
}

#endif
