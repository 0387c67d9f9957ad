/* SPDX-License-Identifier: Apache-2.0
 *
 * The mapper's insides, shared by mapper.c (batches, statements, what clears a table), rows.c and
 * render.c (rows: the hot path) and coalesce.c. A sink's thread.
 */
#ifndef FL_MAP_PRIVATE_H
#define FL_MAP_PRIVATE_H

#include "map/generation.h"
#include "map/map.h"
#include "map/rule.h"
#include "map/use.h"

/* A key, rendered into the bytes. Size 0: there is none. */
struct key {
	size_t at, size;
};

struct kill {
	struct key key;
	const struct fl_template *template;
	bool all; /* of the template's keys */
};

/* Offsets into the bytes, of one operation. */
struct place {
	size_t key, value;
};

struct fl_mapper {
	enum fl_on_doubt on_doubt;
	size_t rule_count;
	const struct fl_rule **rules;  /* this sink's, in the order of the file */
	struct fl_use_rules use_rules; /* the same, by the tables' names */
	struct fl_uses uses;
	struct fl_arena memory;					/* of what is made once */
	size_t generation_count;				/* of the rules that have them */
	struct fl_generation *generations, *generations_before; /* and before the transaction */
	struct fl_generation **generation_of;			/* by the rule's number */
	bool generations_moved; /* in the transaction: only then are there those before it */

	struct fl_buf bytes;
	size_t count, capacity;
	struct fl_operation *operations; /* pointers are set by fl_mapper_operations() */
	struct place *places;

	bool has_clear;	      /* of the transaction under way */
	size_t bytes_before;  /* the transaction under way */
	size_t first;	      /* of the operations of the transaction under way ... */
	uint32_t transaction; /* ... and its index */

	size_t kill_count, kill_capacity;
	struct kill *kills;	     /* patterns that rows of the transaction under way ask for */
	size_t rule_first, rule_old; /* where the operations of a rule and row begin, and how many
				      * of them are of keys that it has left */
	bool has_old;		     /* the row has such keys, by any rule */
	int64_t now;	 /* of that transaction: seconds since 1970, 0 until asked for */
	uint64_t random; /* the state of a generator */
	struct fl_buf scratch;
	size_t seen_size; /* for fl_mapper_coalesce() */
	uint32_t *seen;

	struct fl_buf notice;
	bool notice_taken;
	uint64_t doubts;	/* rows, since they were last asked for */
	uint64_t doubts_before; /* in the batch, before the transaction */
};

/* A row's value, rendered into the bytes when the first key asks for it. */
struct value {
	bool tried; /* only then is set what follows */
	int code;   /* 1; 0: there is none; FL_E... */
	size_t at, size;
	uint32_t ttl;
	struct fl_err *why; /* memory for it, which is large: values are copied without */
};

/* The images of a change, as a rule sees them: a row that it does not want is not there. */
struct images {
	const struct fl_image *before, *after;
	const struct fl_table *table;
	bool unknown;	     /* of `after`: it may be one that is not wanted */
	struct value *plain; /* that of all rules that want the row as it is */
};

/* Makes room for another operation. 0 or FL_ENOMEM. */
int fl_mapper_grow(struct fl_mapper *m);

/* Appends an operation. 0 or FL_ENOMEM. */
static inline int fl_mapper_push(
	struct fl_mapper *m, struct fl_operation operation, struct place place)
{
	if (m->count == m->capacity && fl_mapper_grow(m) < 0)
		return FL_ENOMEM;
	m->has_clear |= operation.kind == FL_KEY_CLEAR;
	operation.transaction = m->transaction;
	m->places[m->count] = place;
	m->operations[m->count++] = operation;
	return 0;
}

/* rows.c */

/* A change of one row of a table that rules are for. As fl_mapper_add(). */
int fl_mapper_row(struct fl_mapper *m, struct fl_table_use *use, const struct fl_change *change,
	struct fl_err *err);

/* render.c */

/* Renders the keys of both images, or the patterns of keys where the template has {*}; an old one
 * that is also the new one counts as none. 0; FL_ENOMEM; FL_EUNSUPPORTED and why they can't be
 * known. */
int fl_keys_render(struct fl_mapper *m, const struct fl_rule_use *rule,
	const struct fl_template_use *use, const struct images *images, struct key *ret_old,
	struct key *ret_now, struct fl_err *why);
/* Makes the value of the image after, unless that has been tried. */
void fl_value_make(struct fl_mapper *m, const struct fl_rule_use *use, const struct images *images,
	struct value *value);

/* mapper.c */

/* Takes a line down for fl_mapper_notice(). */
void fl_mapper_tell(struct fl_mapper *m, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Forgets every key that a template can have given. `cleared` (may be NULL) takes down the patterns
 * that were not just cleared. */
int fl_mapper_clear(struct fl_mapper *m, const struct fl_rule *rule,
	const struct fl_template *template, struct fl_bytes db, struct fl_bytes table,
	struct fl_buf *cleared);

#endif
