/* SPDX-License-Identifier: Apache-2.0
 *
 * What the source has, for who asks while nothing is replicated: tables, columns, keys, and a few
 * rows. A connection of its own, which only reads. One owner, one thread. Calls block, each for
 * little longer than connect_timeout.
 */
#ifndef FL_CATALOG_H
#define FL_CATALOG_H

#include "base/arena.h"
#include "source/session.h"

struct fl_catalog;

/* Connects to that host, or to the first that answers where it is < 0. 0, or the last one's
 * FL_ELOST or FL_EFATAL; FL_EINVAL if the configuration has none. */
int fl_catalog_open(const struct fl_source_config *config, int host, struct fl_catalog **ret,
	struct fl_err *err);
void fl_catalog_close(struct fl_catalog *catalog); /* takes NULL */

const struct fl_server *fl_catalog_server(const struct fl_catalog *catalog);

struct fl_catalog_name {
	struct fl_bytes db, table;
	bool is_view;
};

/* A UNIQUE key. */
struct fl_catalog_key {
	struct fl_bytes name;
	unsigned count;
	unsigned *columns; /* indexes */
	bool exact; /* of whole columns, none of which can be NULL: no two rows are equal in it */
};

struct fl_catalog_table {
	unsigned column_count;
	struct fl_schema_column *columns; /* in their order */
	bool *folds_case; /* of each: by its collation, letters in another case are the same */
	unsigned key_count;
	struct fl_catalog_key *keys;
};

/* Tables and views that the account can see, less the server's own, by name. In the arena. */
int fl_catalog_names(struct fl_catalog *catalog, struct fl_arena *memory,
	struct fl_catalog_name **ret, size_t *ret_count, struct fl_err *err);

/* A table's columns and keys, in the arena. No columns: there is no such table, or the account
 * can't see it. */
int fl_catalog_table(struct fl_catalog *catalog, struct fl_bytes db, struct fl_bytes table,
	struct fl_arena *memory, struct fl_catalog_table *ret, struct fl_err *err);

/* Whether the account sees all of a table's columns: servers show only those on which it has some
 * privilege. */
bool fl_catalog_sees_all(struct fl_catalog *catalog, struct fl_bytes db, struct fl_bytes table);

/* Reads `limit` rows of a table in a transaction that can't write, `where` being SQL or empty.
 * `values` has one a column, NULL with data NULL: text, but ENUM, SET and BIT are numbers, and
 * FLOAT has all of its digits. */
int fl_catalog_rows(struct fl_catalog *catalog, struct fl_bytes db, struct fl_bytes table,
	const struct fl_catalog_table *of, struct fl_bytes where, unsigned limit,
	void (*each)(void *ctx, const struct fl_bytes *values), void *ctx, struct fl_err *err);

#endif
