/* SPDX-License-Identifier: Apache-2.0
 *
 * Column names and more for sources whose table maps lack them: look-ups in information_schema on a
 * connection of their own, made when first needed. What was looked up is kept until DDL about the
 * table is read. One owner, one thread. Calls block.
 */
#ifndef FL_SCHEMA_H
#define FL_SCHEMA_H

#include "source/session.h"

#include <stdatomic.h>

struct fl_schema;

/* A look-up that takes long is given up with FL_ESTOPPED once `stop` is set. */
struct fl_schema *fl_schema_create(const struct fl_source_config *config, const atomic_bool *stop);
void fl_schema_destroy(struct fl_schema *schema);

/* Forgets all: for another connection of the reader. `host`: the one it goes to, to be asked from
 * now on. */
void fl_schema_clear(struct fl_schema *schema, unsigned host);

/* The reader has come to DDL at this place, which was done at `time`, `db` being its default
 * database: what it may be about is looked up anew. */
void fl_schema_renew(struct fl_schema *schema, const char *file, uint64_t offset,
	struct fl_bytes db, struct fl_bytes sql, uint32_t time);

/* Completes a definition from today's schema, for a row behind `place` (whose GTIDs lie
 * before it) and was logged at `event_time` (seconds since 1970). The schema is that of the row if
 * the source's binlog has no DDL between the two that may be about the table; this is looked up,
 * too. DDL that is not in the binlog shows by information_schema.tables.create_time, to the second.
 * `identity` is that of the server that the row comes from. 0; FL_ECORRUPT: in doubt, the text says
 * why (gone, altered since, does not fit); FL_ELOST: could not ask; FL_EFATAL: may not ask (access
 * denied); FL_ESTOPPED; FL_EUNSUPPORTED. */
int fl_schema_complete(struct fl_schema *schema, struct fl_table_def *def, const char *identity,
	const struct fl_position *place, uint32_t event_time, struct fl_err *err);

#endif
