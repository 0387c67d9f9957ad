/* SPDX-License-Identifier: Apache-2.0
 *
 * From events to transactions: groups row changes by commit, holds XA transactions until they are
 * committed, drops what is rolled back, and keeps the place in the binlog. No I/O of its own.
 * One owner, one thread (the lane's reader).
 *
 * What can't be decoded with certainty becomes a change of op FL_DOUBT, never nothing.
 */
#ifndef FL_GROUPER_H
#define FL_GROUPER_H

#include "transaction/transaction.h"

struct fl_grouper_hooks {
	void *ctx;
	/* Whether any sink asks for the table; if not, its rows are not even walked. */
	bool (*wants)(void *ctx, struct fl_bytes db, struct fl_bytes table);
	/* Completes a definition that has no names, for rows behind fl_grouper_told_place(). 0;
	 * FL_ELOST to give up the connection; any other error puts the table in doubt for the
	 * error's reason. */
	int (*complete)(
		void *ctx, struct fl_table_def *def, uint32_t event_time, struct fl_err *err);
	/* Takes a transaction and its reference, in commit order. 0 or FL_ESTOPPED. */
	int (*emit)(void *ctx, struct fl_txn *txn);
	/* Where the binlog has to be read from to have the transaction under way again: behind the
	 * last one that was emitted. With a reference; NULL if it is not known. May be NULL. */
	struct fl_held *(*begin)(void *ctx);
	/* DDL, or what may be: definitions that it may be about are to be looked up anew. `db`: its
	 * default database; `time`: when it was done. May be NULL. */
	void (*renew)(void *ctx, struct fl_bytes db, struct fl_bytes sql, uint32_t time);
	size_t event_bytes; /* the largest event that is inflated; 0: 1 GiB, as servers have it */
};

struct fl_grouper;

/* `limit`: bytes beyond which a transaction is passed on in parts. NULL when memory runs out. */
struct fl_grouper *fl_grouper_create(const struct fl_grouper_hooks *hooks, size_t limit);
void fl_grouper_destroy(struct fl_grouper *grouper);

/* Geometries are to be shown as GeoJSON from now on. */
void fl_grouper_show_geojson(struct fl_grouper *grouper);

/* A new connection begins at this place: drops the transaction under way and all table maps, keeps
 * prepared XA transactions. `collations` must outlive the connection. */
void fl_grouper_restart(struct fl_grouper *grouper, const struct fl_position *from,
	const struct fl_collations *collations);

/* XA COMMIT of what is prepared now will be a doubt. */
void fl_grouper_forget_prepared(struct fl_grouper *grouper);
/* Nothing more will be fed, and those that go on go on without it: what was passed on of a
 * transaction that has not ended is put in doubt. As fl_grouper_feed(). */
int fl_grouper_abandon(struct fl_grouper *grouper, struct fl_err *err);

/* The next event begins at this offset of the same file: for a source that can be moved. */
void fl_grouper_move(struct fl_grouper *grouper, uint64_t offset);

/* A transaction beyond the limit is only passed on in parts once its end is known: lest what is
 * then rolled back is seen by anybody, it is read twice. This is how fl_grouper_feed() asks for it:
 * restart, and read again from behind the last transaction that was emitted. */
enum { FL_GROUPER_AGAIN = 1 };

/* Takes one event as the server sent it. 0; FL_GROUPER_AGAIN; FL_ESTOPPED or FL_ELOST from a hook;
 * FL_ECORRUPT: the stream can't be read on from here (the text names the event and its place);
 * FL_EUNSUPPORTED: likewise, and reading it again does not help; FL_ENOMEM. */
int fl_grouper_feed(
	struct fl_grouper *grouper, const uint8_t *data, size_t size, struct fl_err *err);

/* Whether the last event ended a transaction, or none is under way; and the place behind it. */
bool fl_grouper_at_boundary(const struct fl_grouper *grouper);
void fl_grouper_place(
	const struct fl_grouper *grouper, const char **ret_file, uint64_t *ret_offset);

/* The transaction under way; its kind is FL_GTID_NONE if it has none. */
const struct fl_gtid *fl_grouper_gtid(const struct fl_grouper *grouper);

/* The last place that an event has told: within a transaction the one above may be too low by
 * events that the source does not send, and is none to ask the source for. */
void fl_grouper_told_place(
	const struct fl_grouper *grouper, const char **ret_file, uint64_t *ret_offset);

#endif
