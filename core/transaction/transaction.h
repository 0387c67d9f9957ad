/* SPDX-License-Identifier: Apache-2.0
 *
 * A transaction: the unit of everything behind the grouper. Built by the grouper on the reader's
 * thread, then immutable and shared by all sinks.
 *
 * Most are small, and hundreds of thousands come in a second. So they lie in packs: one arena, one
 * count of references and one hold on a table's definition for some hundred of them. A reference
 * to a transaction is one to its pack, which is freed when the last sink has dropped the last
 * transaction in it, and the reader has begun another.
 */
#ifndef FL_TXN_H
#define FL_TXN_H

#include "base/arena.h"
#include "binlog/position.h"
#include "binlog/rows.h"

struct fl_pack;

struct fl_txn {
	struct fl_transaction view; /* what sinks see */
	struct fl_gtid gtid;
	bool anonymous;	      /* a transaction proper, but without a GTID */
	bool is_place;	      /* no transaction: the place in the binlog has moved, that is all */
	bool in_doubt;	      /* some change is FL_DOUBT */
	size_t bytes;	      /* memory it stands for, once it is emitted */
	int64_t handed_us;    /* when the sinks got it: microseconds since 1970; 0: not yet */
	struct fl_held *held; /* behind it: for the XA transactions that are then prepared */
	/* Where positions are behind it, whatever they were: what was before is not to be had any
	 * more. NULL with all others. */
	struct fl_held *jump;

	/* Private. */
	struct fl_pack *pack;
	struct fl_txn *next_holding; /* in the pack's list of those with one of the two above */
	bool is_holding;
	size_t begin; /* bytes used in the pack in front of it */
	struct fl_change *changes;
	size_t change_room;
	struct fl_table_def **tables; /* referenced by the changes; held by the pack */
	size_t table_count, table_room;
};

/* An empty one. NULL when memory runs out. The creator's reference keeps it open for more. */
struct fl_pack *fl_pack_create(void);
/* Whether it has come to the size at which another one is to be begun. */
bool fl_pack_is_full(const struct fl_pack *pack);
void fl_pack_unref(struct fl_pack *pack); /* takes NULL; any thread */

/* An empty one, with a reference, in a pack that is open on this thread; NULL: in one of its own,
 * for those that may be kept for long. NULL when memory runs out. */
struct fl_txn *fl_txn_create(struct fl_pack *pack);

struct fl_txn *fl_txn_ref(struct fl_txn *txn);
void fl_txn_unref(struct fl_txn *txn); /* takes NULL; any thread */
/* The same of many at once, which is cheaper where they follow one another in a pack. */
void fl_txns_unref(struct fl_txn *const *txns, size_t count);

/* When it was committed, in microseconds since 1970; 0: not known. Where the source tells whole
 * seconds alone (MariaDB), it is the second's end, but no later than when the sinks got it. */
static inline int64_t fl_txn_committed_us(const struct fl_txn *txn)
{
	enum { SECOND = 1000000 };
	int64_t const told = txn->view.commit_us;
	if (told % SECOND != 0 || told == 0)
		return told;
	if (txn->handed_us == 0 || txn->handed_us >= told + SECOND)
		return told + SECOND;
	return txn->handed_us > told ? txn->handed_us : told;
}

/* Moves a position behind the transaction (behind its last part; the others leave it where it is).
 * A transaction without a GTID ends the exactness of the set, and from then on the position is a
 * place in a file. 0, FL_ENOMEM, or FL_EINVAL: its GTID is of the other kind of server. */
int fl_txn_advance(const struct fl_txn *txn, struct fl_position *position);

/* While it is built, on the thread that has its pack open: */

/* Room for so many changes more, that they need not be moved. 0 or FL_ENOMEM. */
int fl_txn_expect(struct fl_txn *txn, size_t changes);
/* Appends a cleared change; NULL when memory runs out. Invalidates pointers to earlier ones. */
struct fl_change *fl_txn_add(struct fl_txn *txn);
/* Keeps a definition alive as long as the transaction. 0 or FL_ENOMEM. */
int fl_txn_hold(struct fl_txn *txn, struct fl_table_def *def);
/* Set `held` and `jump`, and take their references; NULL for none. */
void fl_txn_set_held(struct fl_txn *txn, struct fl_held *held);
void fl_txn_set_jump(struct fl_txn *txn, struct fl_held *jump);
/* Copies text into the arena, with a NUL behind it that does not count. `data` NULL when memory
 * runs out. */
struct fl_bytes fl_txn_copy(struct fl_txn *txn, struct fl_bytes bytes);
/* The file that it lies in: copied once a pack, mostly. */
struct fl_bytes fl_txn_copy_file(struct fl_txn *txn, const char *file);
/* Where it lies. */
struct fl_arena *fl_txn_arena(struct fl_txn *txn);
/* Bytes that it has taken so far. */
size_t fl_txn_size(const struct fl_txn *txn);
/* Once it is complete: with what is left of its pack, if no other comes behind it. */
size_t fl_txn_weight(const struct fl_txn *txn);

#endif
