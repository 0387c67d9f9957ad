/* SPDX-License-Identifier: Apache-2.0
 *
 * The compiled rules. Private to core/map; read-only once the configuration is read.
 */
#ifndef FL_RULE_H
#define FL_RULE_H

#include "map/condition.h"
#include "map/fields.h"
#include "map/index.h"
#include "map/lifetime.h"
#include "map/template.h"

struct fl_rule {
	struct fl_rule *next; /* in the order of the file */
	const char *name;
	struct fl_table_pattern pattern;
	size_t key_count; /* of the templates: those of keys that get the value */
	size_t template_count;
	struct fl_template *templates; /* the keys', then those to invalidate */
	bool has_generation;	       /* one of them has */

	enum fl_value_form form;
	struct fl_fields fields;  /* JSON, HASH, MSGPACK */
	struct fl_template value; /* TEMPLATE; COLUMN: its one part is the column */
	struct fl_lifetime lifetime;
	bool only_existing; /* a key that is not there is not set */

	bool has_conditions;
	struct fl_conditions only_when, delete_when;
	const char *sinks; /* NULL: all */
};

struct fl_map {
	struct fl_rule *rules;
	struct fl_index index; /* of all of them */
	bool fold_case;
	struct fl_sink_name {
		struct fl_sink_name *next;
		const char *name;
	} * match_first; /* the sinks that use the first rule that matches */
	struct fl_arena memory;
};

bool fl_rule_is_for(const struct fl_rule *rule, const char *sink);

#endif
