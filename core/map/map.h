/* SPDX-License-Identifier: Apache-2.0
 *
 * From changes to cache operations, by the [map:...] sections of the configuration.
 *
 * A struct fl_map is built at start and then read-only (any thread). A struct fl_mapper is one
 * sink's use of it, and belongs to that sink's thread.
 */
#ifndef FL_MAP_H
#define FL_MAP_H

#include <fastlane/sink.h>

/* What to do with a change that can't be applied with certainty. */
enum fl_on_doubt { FL_ON_DOUBT_DELETE, FL_ON_DOUBT_HALT };

/* One [map:NAME] section, as text; NULL: not set. Templates: {column}, {column|filter|filter},
 * {db}, {table}, {generation}; {{ and }} are literal braces. */
struct fl_map_rule {
	const char *name;
	const char *table;	/* db.table, * and ? as wildcards */
	const char *key;	/* template */
	const char *also;	/* templates of further keys for the value, separated by blanks */
	const char *invalidate; /* the same, of keys to delete; {*} stands for any text */
	const char *value;   /* json, hash, msgpack, column:NAME, template:TEXT, none; NULL: json */
	const char *columns; /* of json, hash and msgpack: names, separated by commas */
	const char *exclude; /* in place of columns: those to leave out */
	const char *rename;  /* column:name pairs, separated by commas */
	const char *only_when;	 /* condition: other rows are as if they were not there */
	const char *delete_when; /* condition: such rows are as if they were not there */
	const char *ttl;	 /* seconds or column:NAME; NULL: for ever */
	const char *ttl_jitter;	 /* "10%" */
	const char *mode;	 /* write, invalidate, update-existing; NULL: write */
	const char *sinks;	 /* names separated by commas; NULL: all that take operations */
};

struct fl_map;

/* Compiles the rules. Errors name the rule's part ("key: no closing brace"). `fold_case`: the
 * source compares table names without case (lower_case_table_names is not 0); it can be set later
 * with fl_map_fold_case(), before any thread uses the map. */
struct fl_map *fl_map_create(void);
void fl_map_destroy(struct fl_map *map);
int fl_map_add(struct fl_map *map, const struct fl_map_rule *rule, struct fl_err *err);
void fl_map_fold_case(struct fl_map *map, bool fold);
/* For this sink only the first rule that matches a table is used. 0 or FL_ENOMEM. */
int fl_map_match_first(struct fl_map *map, const char *sink);

/* Whether it is for the sink. */
bool fl_map_rule_is_for(const struct fl_map_rule *rule, const char *sink);
/* What a sink has to be able to do for a rule, as bits FL_TAKES_... */
unsigned fl_map_rule_needs(const struct fl_map_rule *rule);

/* Checks one template alone, for messages with file:line. */
int fl_template_check(const char *text, struct fl_err *err);
/* The same for a list of them, separated by blanks; `kill`: of keys to delete. */
int fl_template_list_check(const char *list, bool kill, struct fl_err *err);
int fl_table_pattern_check(const char *text, struct fl_err *err);
int fl_condition_check(const char *text, struct fl_err *err);
int fl_map_value_check(const char *text, struct fl_err *err);
int fl_map_ttl_check(const char *text, struct fl_err *err);

/* A column that a template names. */
struct fl_map_column {
	struct fl_bytes name;
	bool whole;  /* two values never give the same text ... */
	bool folded; /* ... that differ in more than the case of letters */
};

/* What a rule's template is made of. */
struct fl_map_template {
	const char *key; /* of the section: "key", "invalidate" */
	bool is_key;	 /* of keys that get the row's value; else of others to delete */
	struct fl_bytes text;
	bool has_db, has_table; /* their names are in it */
	size_t column_count;
	const struct fl_map_column *columns;
};

/* Calls `each` for every template of the rule, which belongs to the call. 0, FL_ENOMEM or
 * FL_EINVAL. */
int fl_map_rule_templates(const struct fl_map_rule *rule,
	void (*each)(void *ctx, const struct fl_map_template *template), void *ctx,
	struct fl_err *err);

/* Whether any rule mentions the table, for any sink. */
bool fl_map_wants(const struct fl_map *map, struct fl_bytes db, struct fl_bytes table);

/* Whether there is any rule for the sink. */
bool fl_map_has_rules(const struct fl_map *map, const char *sink);

struct fl_mapper;

/* `on_doubt`: for changes and rows that can't be decoded or keyed. NULL when memory runs out. */
struct fl_mapper *fl_mapper_create(
	const struct fl_map *map, const char *sink, enum fl_on_doubt on_doubt);
void fl_mapper_destroy(struct fl_mapper *mapper);

/* Why keys or values can't be made, or conditions not be judged, of any row of this table (that of
 * a row); NULL: they can. `ret_key`: the key of the configuration that asks for it. Valid until the
 * next call. */
const char *fl_mapper_missing(
	struct fl_mapper *mapper, const struct fl_table *table, const char **ret_key);

/* Begins a batch: earlier operations are forgotten, their memory is kept for the next. */
void fl_mapper_reset(struct fl_mapper *mapper);

/* Appends the operations of one transaction, the batch's `index`-th. 0; FL_ENOMEM; or
 * FL_EUNSUPPORTED under FL_ON_DOUBT_HALT: the text says which change of which table and why. On
 * failure the operations of this transaction are not in the batch. */
int fl_mapper_add(struct fl_mapper *mapper, const struct fl_transaction *transaction,
	uint32_t index, struct fl_err *err);

/* Whether the last fl_mapper_add() has made a CLEAR; and takes back what it made. */
bool fl_mapper_has_clear(const struct fl_mapper *mapper);
/* Whether there are operations in front of those of the last fl_mapper_add(). */
bool fl_mapper_comes_later(const struct fl_mapper *mapper);
void fl_mapper_undo(struct fl_mapper *mapper);

/* Appends the operations that tell readers the generations, in a batch that has none yet. 0 or
 * FL_ENOMEM. */
int fl_mapper_publish(struct fl_mapper *mapper);
bool fl_mapper_has_generations(const struct fl_mapper *mapper);
/* The generations as they are behind the operations so far, as text in front of a position; and
 * back again: takes it off, and begins anew those that it does not name. 0 or FL_EINVAL. */
void fl_mapper_format(const struct fl_mapper *mapper, struct fl_buf *out);
int fl_mapper_resume(struct fl_mapper *mapper, struct fl_bytes *position, struct fl_err *err);

/* Leaves out what a later operation of the same batch makes void: for a sink that shows a batch all
 * at once, or where nobody minds. Returns how many were left out. 0 also when memory runs out: then
 * all of them stay. */
size_t fl_mapper_coalesce(struct fl_mapper *mapper);

/* The operations so far, until the next reset or add. */
const struct fl_operation *fl_mapper_operations(const struct fl_mapper *mapper, size_t *ret_count);
/* How many there are, and the bytes of their keys and values, to bound a batch. */
size_t fl_mapper_count(const struct fl_mapper *mapper);
size_t fl_mapper_bytes(const struct fl_mapper *mapper);
/* How many times, since the last call, something of a row could not be made for certain. */
uint64_t fl_mapper_doubts(struct fl_mapper *mapper);
/* Takes what there is to tell of doubts since the last call ("shop.users: ALTER TABLE: cleared
 * user:*"), or NULL: one line, to be logged by the caller. Valid until the next call. */
const char *fl_mapper_notice(struct fl_mapper *mapper);

#endif
