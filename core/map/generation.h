/* SPDX-License-Identifier: Apache-2.0
 *
 * Generations: a rule whose templates hold {generation} does not have its keys deleted when they
 * are all to go, it makes others from then on. The number is kept in the cache itself, under
 * fastlane:generation:RULE, for readers to make keys with, and in the sink's position, so that what
 * is read again is mapped as it was. Private to core/map; a sink's thread.
 */
#ifndef FL_GENERATION_H
#define FL_GENERATION_H

#include "map/rule.h"

struct fl_generation {
	const struct fl_rule *rule;
	uint64_t number;
	char text[24];
	unsigned size; /* of the text */
	bool is_due;   /* it is new, and to be told at the transaction's end */
};

/* The rule's first, or its next: above all that went before, also in a cache whose position has
 * been lost, since numbers are microseconds since 1970 or above. */
void fl_generation_begin(struct fl_generation *generation, const struct fl_rule *rule);
void fl_generation_next(struct fl_generation *generation);

/* The name of the key that holds it. */
void fl_generation_append_key(const struct fl_generation *generation, struct fl_buf *out);

/* In front of a position: "generations=RULE:NUMBER,RULE:NUMBER "; nothing if there are none. */
void fl_generations_format(
	const struct fl_generation *generations, size_t count, struct fl_buf *out);
/* Takes that off the text and sets those that are named; the others are left as they are. 0 or
 * FL_EINVAL. */
int fl_generations_parse(
	struct fl_bytes *text, struct fl_generation *generations, size_t count, struct fl_err *err);

#endif
