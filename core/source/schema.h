/* SPDX-License-Identifier: Apache-2.0
 *
 * Column names and more for sources whose table maps lack them: look-ups in information_schema on a
 * connection of their own, made when first needed. One owner, one thread. Calls block.
 */
#ifndef FL_SCHEMA_H
#define FL_SCHEMA_H

#include "source/session.h"

struct fl_schema;

struct fl_schema *fl_schema_create(const struct fl_source_config *config);
void fl_schema_destroy(struct fl_schema *schema);

/* Completes a definition from today's schema. `event_time` (seconds since 1970) is when the row was
 * logged: a table that was made or altered later than that (information_schema.tables.create_time)
 * is in doubt. 0; FL_ECORRUPT: in doubt, the text says why (gone, altered since, does not fit);
 * FL_ELOST: could not ask; FL_EFATAL: may not ask (access denied); FL_EUNSUPPORTED. */
int fl_schema_complete(struct fl_schema *schema, struct fl_table_def *def, uint32_t event_time,
	struct fl_err *err);

#endif
