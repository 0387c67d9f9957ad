/* SPDX-License-Identifier: Apache-2.0
 *
 * XA transactions that are prepared and wait for XA COMMIT or XA ROLLBACK, by their xid. Bounded:
 * what does not fit is forgotten, and its commit is then one that is not known (a doubt). One
 * owner, one thread.
 */
#ifndef FL_PREPARED_H
#define FL_PREPARED_H

#include "transaction/transaction.h"

struct fl_prepared;

struct fl_prepared *fl_prepared_create(size_t limit_bytes);
void fl_prepared_destroy(struct fl_prepared *prepared);

/* Forgets them all. */
void fl_prepared_clear(struct fl_prepared *prepared);

/* Takes the transaction's reference, and that of where it begins (may be NULL: not known). An older
 * one of the same xid is dropped. */
void fl_prepared_put(struct fl_prepared *prepared, struct fl_bytes xid, struct fl_txn *txn,
	struct fl_held *begin);

/* Where the oldest of them begins, or NULL. The reference stays the store's. */
struct fl_held *fl_prepared_begin(const struct fl_prepared *prepared);

/* Gives the transaction and its reference back, or NULL if the xid is not known. */
struct fl_txn *fl_prepared_take(struct fl_prepared *prepared, struct fl_bytes xid);

#endif
