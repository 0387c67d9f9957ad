/* SPDX-License-Identifier: Apache-2.0
 *
 * Key templates and table patterns, compiled once from the configuration's text. Private to
 * core/map. Owned by the rule; read-only once compiled.
 */
#ifndef FL_TEMPLATE_H
#define FL_TEMPLATE_H

#include "map/filter.h"

/* Whether both are equal but for the case of ASCII letters, in any locale. */
bool fl_same_letters(const char *a, const char *b, size_t size);

enum fl_part_kind {
	FL_PART_LITERAL,
	FL_PART_COLUMN,
	FL_PART_DB,
	FL_PART_TABLE,
	FL_PART_GENERATION,
	FL_PART_ANY, /* {*}: any run of bytes */
};

struct fl_part {
	enum fl_part_kind kind;
	struct fl_bytes text; /* the literal, or the column's name */
	size_t filter_count;  /* of a column */
	const struct fl_filter *filters;
};

/* What a template is for, and so what may stand in it. */
enum fl_template_use_for {
	FL_TEMPLATE_KEY,   /* begins with a text of its own, or has a generation */
	FL_TEMPLATE_KILL,  /* the same, and {*} */
	FL_TEMPLATE_VALUE, /* neither begins with anything nor has a generation */
};

struct fl_template {
	size_t part_count;
	struct fl_part *parts;
	size_t column_count; /* parts that are columns */
	bool has_generation;
	bool has_any;
};

/* The template lives in the arena. 0, FL_ENOMEM or FL_EINVAL. */
int fl_template_compile(struct fl_bytes text, enum fl_template_use_for use, struct fl_arena *arena,
	struct fl_template *ret, struct fl_err *err);

/* Where the key of a row would depend on something that is not known, any value stands: appends the
 * pattern (see struct fl_operation) of all keys that the template can give. `db` and `table` with
 * data NULL are not known. Returns whether there is anything open in it; if not, what was appended
 * is the one key itself, without escapes. Not for a template that has a generation. */
bool fl_template_pattern(const struct fl_template *template, struct fl_bytes db,
	struct fl_bytes table, struct fl_buf *out);

/* Puts a backslash in front of what has a meaning in patterns. */
void fl_template_append_escaped(struct fl_buf *out, struct fl_bytes text);
/* The same in what stands in `out` from `at` on. */
void fl_template_escape(struct fl_buf *out, size_t at);

/* Takes the next template of a list that is separated by blanks, with or without a comma in front
 * of them (what is within braces does not count). Empty at the end. */
struct fl_bytes fl_template_next(const char **list);

/* "db.table" with wildcards, split. */
struct fl_table_pattern {
	struct fl_bytes db, table;
};

int fl_table_pattern_compile(
	const char *text, struct fl_arena *arena, struct fl_table_pattern *ret, struct fl_err *err);

/* A name whose data is NULL is not known and matches everything. */
bool fl_table_pattern_matches(const struct fl_table_pattern *pattern, struct fl_bytes db,
	struct fl_bytes table, bool fold_case);

#endif
