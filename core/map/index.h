/* SPDX-License-Identifier: Apache-2.0
 *
 * Which rules match a table, without a look at all of them: those that name one table are found by
 * its name, those with wildcards are gone through. Private to core/map; lives in an arena, is
 * filled once and then read-only (any thread).
 */
#ifndef FL_INDEX_H
#define FL_INDEX_H

#include "base/arena.h"

struct fl_rule;

/* A rule, in the order of the file among its like. */
struct fl_indexed {
	struct fl_indexed *next;
	const struct fl_rule *rule;
	size_t number; /* in the order in which they were added */
};

enum { FL_INDEX_SIZE = 1024 };

struct fl_index {
	size_t count;
	struct fl_indexed *wild;
	struct fl_indexed **named; /* FL_INDEX_SIZE of them, by the table's name */
};

/* 0 or FL_ENOMEM. */
int fl_index_add(struct fl_index *index, const struct fl_rule *rule, struct fl_arena *arena);

/* Goes through those that match, in the order in which they were added. */
struct fl_index_walk {
	struct fl_bytes db, table;
	bool fold_case;
	const struct fl_indexed *wild, *named;
};

struct fl_index_walk fl_index_walk_from(
	const struct fl_index *index, struct fl_bytes db, struct fl_bytes table, bool fold_case);
/* NULL at the end. */
const struct fl_indexed *fl_index_next(struct fl_index_walk *walk);

#endif
