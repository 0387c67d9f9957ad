/* SPDX-License-Identifier: Apache-2.0
 *
 * The compiled rules. Private to core/map; read-only once the configuration is read.
 */
#ifndef FL_RULE_H
#define FL_RULE_H

#include "map/template.h"

struct fl_rule {
	struct fl_rule *next; /* in the order of the file */
	const char *name;
	struct fl_table_pattern pattern;
	size_t template_count;
	struct fl_template *templates; /* the key's, then those to invalidate */
	bool has_generation;	       /* one of them has */
	bool value_json;
	uint32_t ttl;
	const char *sinks; /* NULL: all */
};

struct fl_map {
	struct fl_rule *rules;
	bool fold_case;
	struct fl_arena memory;
};

bool fl_rule_is_for(const struct fl_rule *rule, const char *sink);

#endif
