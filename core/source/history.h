/* SPDX-License-Identifier: Apache-2.0
 *
 * The DDL statements in the source's binlog from where a reader is up to where the source is: what
 * tells whether a table's columns of today were those of a row that is read only now. Those that
 * the reader has come to are noted; those ahead of it are looked for on a connection of its own.
 * Kept within a few MiB. One owner, one thread.
 */
#ifndef FL_HISTORY_H
#define FL_HISTORY_H

#include "source/session.h"

#include <stdatomic.h>

struct fl_history;

struct fl_history *fl_history_create(const struct fl_source_config *config);
void fl_history_destroy(struct fl_history *history);

/* Forgets all: another connection, maybe another server. `host`: which one to ask from now on. */
void fl_history_clear(struct fl_history *history, unsigned host);

/* The reader has come to a statement at this place. `db`: its default database; `time`: when it was
 * done, in seconds since 1970. */
void fl_history_note(struct fl_history *history, const char *file, uint64_t offset,
	struct fl_bytes db, struct fl_bytes sql, uint32_t time);

/* Sees to it that everything from `from`, where the reader is, up to `to` is known: what is not is
 * read now, unless `stop` is set. The source has to say that it is `identity`. `from` has GTIDs for
 * an offset that can't be asked for. 0; FL_ELOST; FL_ESTOPPED; FL_EFATAL: it can't be known. */
int fl_history_read(struct fl_history *history, const char *identity,
	const struct fl_position *from, const struct fl_position *to, const atomic_bool *stop,
	struct fl_err *err);

enum fl_history_find {
	FL_HISTORY_NONE,
	FL_HISTORY_BEHIND, /* a statement that may be about the table is at the place or before */
	FL_HISTORY_AHEAD,  /* ... behind it; `ret` says which and where */
};

/* Whether a statement that is known may have changed the table's columns, or put another in its
 * place. Tolerant: what is not plainly about something else counts. `ret_time` is when the last was
 * done that explains when the table was made, those ahead that leave the columns alone (CREATE
 * INDEX) included; 0 if there is none. */
enum fl_history_find fl_history_find(const struct fl_history *history, struct fl_bytes db,
	struct fl_bytes table, const char *file, uint64_t offset, uint32_t *ret_time,
	struct fl_err *ret);

/* Whether a statement may be about the table: it writes its name, and its database's unless that is
 * the default one. */
bool fl_history_names(
	struct fl_bytes sql, struct fl_bytes default_db, struct fl_bytes db, struct fl_bytes table);

#endif
