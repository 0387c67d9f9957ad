/* SPDX-License-Identifier: Apache-2.0
 *
 * The grouper's insides: the transaction under way (group.c), which the events (grouper.c, query.c,
 * changes.c) add to.
 * Private to this folder.
 */
#ifndef FL_GROUP_H
#define FL_GROUP_H

#include "binlog/inflate.h"
#include "transaction/grouper.h"
#include "transaction/tables.h"

enum { FL_MOST_SAVEPOINTS = 1000 };

/* Where a ROLLBACK TO SAVEPOINT goes back to. */
struct savepoint {
	char name[256];
	unsigned part;
	size_t change_count;
};

struct fl_grouper {
	struct fl_grouper_hooks hooks;
	struct fl_tables_asked asked; /* of them */
	size_t limit;
	struct fl_format format;
	const struct fl_collations *collations;
	struct fl_tables *tables;
	struct fl_prepared *prepared;
	struct fl_inflater *inflater;
	bool in_payload; /* the event at hand comes out of a compressed one */

	/* The place behind the last event. */
	char file[FL_FILE_NAME_SIZE];
	uint64_t offset;
	uint64_t told; /* behind the last event that tells where it ends: MariaDB 11's do so only at
			* the end of a transaction, and not all of them are sent */

	/* The transaction under way. */
	bool in_group;	 /* from its GTID or BEGIN to its end */
	bool begun;	 /* there was a BEGIN, or what stands for it: statements don't end it */
	bool standalone; /* one statement, without BEGIN and COMMIT */
	bool is_xa;
	bool too_large; /* XA: dropped for its size; its tables are in doubt */
	bool scanning;	/* beyond the limit: changes are dropped, its tables and its end are looked
			   for */
	bool dirty;	/* scanning: parts of it are rolled back */
	bool has_ddl;	/* scanning: there are statements in it */
	bool vouched;	/* it was scanned and is committed: it may be passed on in parts */
	unsigned parts; /* passed on so far */
	struct fl_gtid gtid;
	bool anonymous;
	int64_t commit_us;
	struct fl_pack *pack; /* for the next ones; or NULL */
	struct fl_txn *txn;   /* NULL until there is something to hold */
	struct fl_txn
		*touched; /* its table references alone: the tables of parts that were passed on */
	struct savepoint *savepoints;
	size_t savepoint_count;
	bool rolled_back; /* to a savepoint, exactly; but beyond the limit it can't be done twice
			     alike */
	bool savepoints_lost; /* there were more than can be kept: going back to one is a doubt */

	/* A transaction of which parts had been passed on when the connection was lost. It is
	 * expected to come again; if another one comes in its place, it was never committed. */
	struct fl_txn *torn; /* the tables it touched; or NULL */
	bool owes;	     /* the one under way is that one, come again: they are in `touched` */
	struct fl_gtid torn_gtid;

	/* A transaction that was scanned and is to be read again. */
	bool has_vouched_for;
	struct fl_vouched {
		struct fl_gtid gtid;
		int64_t commit_us;
		uint64_t xid;
		uint64_t end; /* offset behind it */
	} vouched_for;
	struct fl_txn
		*doubts; /* that were found in it, to be known before its first part; or NULL */
};

static inline struct fl_bytes fl_bytes_of(const char *text)
{
	return (struct fl_bytes){ text, strlen(text) };
}

int fl_group_no_memory(struct fl_err *err);

/* Forgets the transaction to add to, and gives back its memory. */
void fl_group_drop_txn(struct fl_grouper *g);
/* The transaction to add to; NULL when memory runs out. */
struct fl_txn *fl_group_txn(struct fl_grouper *g);

int fl_group_doubt(struct fl_grouper *g, struct fl_bytes db, struct fl_bytes table,
	const char *reason, struct fl_err *err);
int fl_group_doubt_anywhere(struct fl_grouper *g, const char *reason, struct fl_err *err);
/* One doubt for each table that the transaction has touched so far, whose earlier changes are
 * dropped from the part at hand. */
int fl_group_doubt_touched(struct fl_grouper *g, const char *reason, struct fl_err *err);

/* Passes on what there is, as the transaction's last part or not. */
int fl_group_emit(struct fl_grouper *g, bool last, struct fl_err *err);
int fl_group_commit(
	struct fl_grouper *g, const struct fl_event *event, uint64_t xid, struct fl_err *err);
/* What the transaction did is undone; its GTID still counts. */
int fl_group_rollback(struct fl_grouper *g, const struct fl_event *event, struct fl_err *err);
/* Remembers a table of the transaction under way, by name. 0 or FL_ENOMEM. */
int fl_group_touch(struct fl_grouper *g, struct fl_table_def *def);
/* If there is too much: scans, or passes a part on. */
int fl_group_keep_within_limit(struct fl_grouper *g, struct fl_err *err);

void fl_group_savepoint(struct fl_grouper *g, struct fl_bytes name);
void fl_group_release(struct fl_grouper *g, struct fl_bytes name);
int fl_group_rollback_to(struct fl_grouper *g, struct fl_bytes name, struct fl_err *err);

/* The transaction under way will not be ended: what was passed on of it is in doubt. */
int fl_group_tear(struct fl_grouper *g, struct fl_err *err);
/* The one that was torn will not come again: as fl_group_tear(). */
int fl_group_give_up_torn(struct fl_grouper *g, struct fl_err *err);
/* The connection has ended in the middle of the transaction under way, if there is one. */
void fl_group_interrupt(struct fl_grouper *g);
/* A transaction begins: perhaps the one that was interrupted, or that is read again. */
int fl_group_begin(struct fl_grouper *g, const struct fl_gtid *gtid, struct fl_err *err);

/* Events: query.c, changes.c. Each takes the whole event. */
int fl_group_query(struct fl_grouper *g, const struct fl_event *event, struct fl_err *err);
int fl_group_xa_prepare(struct fl_grouper *g, const struct fl_event *event, struct fl_err *err);
int fl_group_rows(struct fl_grouper *g, const struct fl_event *event, struct fl_err *err);

/* Forgets the transaction under way. */
void fl_group_end(struct fl_grouper *g);

#endif
