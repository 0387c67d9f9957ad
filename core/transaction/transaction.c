/* SPDX-License-Identifier: Apache-2.0 */
#include "transaction/transaction.h"

struct fl_txn *fl_txn_create(void)
{
	struct fl_arena arena = { 0 };
	struct fl_txn *txn = fl_arena_alloc(&arena, sizeof(*txn));
	if (txn == NULL)
		return NULL;
	*txn = (struct fl_txn){ .view = { .first = true, .last = true }, .arena = arena };
	atomic_init(&txn->references, 1);
	return txn;
}

struct fl_txn *fl_txn_ref(struct fl_txn *txn)
{
	atomic_fetch_add_explicit(&txn->references, 1, memory_order_relaxed);
	return txn;
}

void fl_txn_unref(struct fl_txn *txn)
{
	if (txn == NULL ||
		atomic_fetch_sub_explicit(&txn->references, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < txn->table_count; i++)
		fl_table_unref(txn->tables[i]);
	fl_held_unref(txn->held);
	fl_held_unref(txn->jump);
	/* It lies in its own arena. */
	struct fl_arena arena = txn->arena;
	fl_arena_finish(&arena);
}

/* Makes room for one more element in an array that grows inside the arena. */
static void *room_for_one(struct fl_txn *txn, void *array, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return array;
	size_t more = *room == 0 ? 4 : *room * 2;
	void *grown = fl_arena_alloc(&txn->arena, more * size);
	if (grown == NULL)
		return NULL;
	if (count > 0)
		memcpy(grown, array, count * size);
	*room = more;
	return grown;
}

struct fl_change *fl_txn_add(struct fl_txn *txn)
{
	struct fl_change *changes = room_for_one(
		txn, txn->changes, txn->view.change_count, &txn->change_room, sizeof(*changes));
	if (changes == NULL)
		return NULL;
	txn->changes = changes;
	txn->view.changes = changes;
	struct fl_change *change = &changes[txn->view.change_count++];
	*change = (struct fl_change){ 0 };
	return change;
}

int fl_txn_hold(struct fl_txn *txn, struct fl_table_def *def)
{
	/* Statements touch few tables, mostly the one they touched last. */
	for (size_t i = txn->table_count; i-- > 0;)
		if (txn->tables[i] == def)
			return 0;
	struct fl_table_def **tables =
		room_for_one(txn, txn->tables, txn->table_count, &txn->table_room, sizeof(*tables));
	if (tables == NULL)
		return FL_ENOMEM;
	txn->tables = tables;
	tables[txn->table_count++] = fl_table_ref(def);
	return 0;
}

struct fl_bytes fl_txn_copy(struct fl_txn *txn, struct fl_bytes bytes)
{
	char *copy = fl_arena_copy(&txn->arena, bytes.data, bytes.size);
	return (struct fl_bytes){ copy, copy != NULL ? bytes.size : 0 };
}

int fl_txn_advance(const struct fl_txn *txn, struct fl_position *position)
{
	if (!txn->view.last)
		return 0;
	if (txn->jump != NULL)
		return fl_held_position(txn->jump, position);
	if (position->gtids != NULL && txn->gtid.kind != FL_GTID_NONE) {
		int result = fl_gtid_set_add(position->gtids, &txn->gtid);
		if (result != 0)
			return result;
	} else if (position->gtids != NULL && txn->anonymous) {
		fl_gtid_set_destroy(position->gtids);
		position->gtids = NULL;
	}
	if (position->held != txn->held) {
		fl_held_unref(position->held);
		position->held = fl_held_ref(txn->held);
	}
	/* The grouper has checked the name's length. */
	memcpy(position->file, txn->view.file.data, txn->view.file.size + 1);
	position->offset = txn->view.position;
	return 0;
}
