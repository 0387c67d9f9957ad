/* SPDX-License-Identifier: Apache-2.0
 *
 * A transaction: the unit of everything behind the grouper. Built by the grouper on the reader's
 * thread, then immutable, shared by all sinks, counted; the last one to drop it frees its one
 * arena. It lives in that arena itself.
 */
#ifndef FL_TXN_H
#define FL_TXN_H

#include "base/arena.h"
#include "binlog/position.h"
#include "binlog/rows.h"

struct fl_txn {
	struct fl_transaction view; /* what sinks see */
	struct fl_gtid gtid;
	bool anonymous;	      /* a transaction proper, but without a GTID */
	bool is_place;	      /* no transaction: the place in the binlog has moved, that is all */
	bool in_doubt;	      /* some change is FL_DOUBT */
	size_t bytes;	      /* memory it stands for, once it is emitted */
	struct fl_held *held; /* behind it: for the XA transactions that are then prepared */
	/* Where positions are behind it, whatever they were: what was before is not to be had any
	 * more. NULL with all others. */
	struct fl_held *jump;

	/* Private. */
	atomic_uint references;
	struct fl_arena arena;
	struct fl_change *changes;
	size_t change_room;
	struct fl_table_def **tables; /* referenced by the changes */
	size_t table_count, table_room;
};

/* An empty one, references: 1. NULL when memory runs out. */
struct fl_txn *fl_txn_create(void);

struct fl_txn *fl_txn_ref(struct fl_txn *txn);
void fl_txn_unref(struct fl_txn *txn); /* takes NULL; any thread */

/* Moves a position behind the transaction (behind its last part; the others leave it where it is).
 * A transaction without a GTID ends the exactness of the set, and from then on the position is a
 * place in a file. 0, FL_ENOMEM, or FL_EINVAL: its GTID is of the other kind of server. */
int fl_txn_advance(const struct fl_txn *txn, struct fl_position *position);

/* While it is built: */

/* Appends a cleared change; NULL when memory runs out. Invalidates pointers to earlier ones. */
struct fl_change *fl_txn_add(struct fl_txn *txn);
/* Keeps a definition alive as long as the transaction. 0 or FL_ENOMEM. */
int fl_txn_hold(struct fl_txn *txn, struct fl_table_def *def);
/* Copies text into the arena. `data` NULL when memory runs out. */
struct fl_bytes fl_txn_copy(struct fl_txn *txn, struct fl_bytes bytes);

#endif
