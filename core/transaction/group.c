/* SPDX-License-Identifier: Apache-2.0 */
#include "transaction/group.h"
#include "transaction/prepared.h"

#include <strings.h>

/* Of a part, in bytes. */
enum { PART_BYTES = 4 << 20 };

/* The next transaction begins another pack, if this one is full. */
static void renew_pack(struct fl_grouper *g)
{
	if (g->pack == NULL || !fl_pack_is_full(g->pack))
		return;
	fl_pack_unref(g->pack);
	g->pack = NULL;
}

void fl_group_drop_txn(struct fl_grouper *g)
{
	fl_txn_unref(g->txn);
	g->txn = NULL;
	renew_pack(g);
}

void fl_group_end(struct fl_grouper *g)
{
	fl_group_drop_txn(g);
	fl_txn_unref(g->touched);
	g->touched = NULL;
	g->in_group = g->begun = g->standalone = g->is_xa = g->too_large = g->anonymous = false;
	g->savepoints_lost = g->rolled_back = g->scanning = g->dirty = g->has_ddl = g->vouched =
		g->owes = false;
	g->parts = 0;
	g->savepoint_count = 0;
	g->gtid.kind = FL_GTID_NONE;
	g->commit_us = 0;
}

int fl_group_no_memory(struct fl_err *err)
{
	return fl_err_set(err, FL_ENOMEM, "out of memory while grouping a transaction");
}

struct fl_txn *fl_group_txn(struct fl_grouper *g)
{
	if (g->txn != NULL)
		return g->txn;
	/* What is prepared may wait for long, and would keep all of its pack. */
	if (g->is_xa)
		return g->txn = fl_txn_create(NULL);
	renew_pack(g);
	if (g->pack == NULL)
		g->pack = fl_pack_create();
	return g->pack != NULL ? g->txn = fl_txn_create(g->pack) : NULL;
}

static bool same(struct fl_bytes a, struct fl_bytes b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Whether the transaction's last changes are doubts and this one is among them. */
static bool was_just_doubted(const struct fl_txn *txn, struct fl_bytes db, struct fl_bytes table)
{
	for (size_t i = txn->view.change_count; i-- > 0 && txn->changes[i].op == FL_DOUBT;)
		if (same(txn->changes[i].db, db) && same(txn->changes[i].table, table))
			return true;
	return false;
}

int fl_group_doubt(struct fl_grouper *g, struct fl_bytes db, struct fl_bytes table,
	const char *reason, struct fl_err *err)
{
	struct fl_txn *txn = fl_group_txn(g);
	if (txn != NULL && was_just_doubted(txn, db, table))
		return 0;
	struct fl_change *change = txn != NULL ? fl_txn_add(txn) : NULL;
	if (change == NULL)
		return fl_group_no_memory(err);
	change->op = FL_DOUBT;
	change->db = fl_txn_copy(txn, db);
	change->table = fl_txn_copy(txn, table);
	change->doubt = fl_txn_copy(txn, fl_bytes_of(reason));
	if (change->db.data == NULL || change->table.data == NULL || change->doubt.data == NULL)
		return fl_group_no_memory(err);
	txn->in_doubt = true;
	return 0;
}

int fl_group_doubt_anywhere(struct fl_grouper *g, const char *reason, struct fl_err *err)
{
	return fl_group_doubt(g, fl_bytes_of(""), fl_bytes_of(""), reason, err);
}

int fl_group_doubt_touched(struct fl_grouper *g, const char *reason, struct fl_err *err)
{
	struct fl_txn *sources[2] = { g->touched, g->txn };
	g->touched = NULL;
	g->txn = NULL;
	/* What they would go back to is gone. */
	g->savepoints_lost |= g->savepoint_count > 0;
	g->savepoint_count = 0;
	int result = 0;
	for (size_t s = 0; s < 2 && result == 0; s++)
		for (size_t i = 0; sources[s] != NULL && i < sources[s]->table_count && result == 0;
			i++) {
			const struct fl_table *table = &sources[s]->tables[i]->table;
			result = fl_group_doubt(g, table->db, table->name, reason, err);
		}
	for (size_t s = 0; s < 2 && result == 0; s++)
		for (size_t i = 0;
			sources[s] != NULL && i < sources[s]->view.change_count && result == 0;
			i++) {
			const struct fl_change *change = &sources[s]->changes[i];
			if (change->op == FL_DOUBT)
				result = fl_group_doubt(g, change->db, change->table, reason, err);
		}
	fl_txn_unref(sources[0]);
	fl_txn_unref(sources[1]);
	return result;
}

int fl_group_touch(struct fl_grouper *g, struct fl_table_def *def)
{
	if (g->touched == NULL)
		g->touched = fl_txn_create(NULL);
	if (g->touched == NULL)
		return FL_ENOMEM;
	for (size_t i = g->touched->table_count; i-- > 0;) {
		const struct fl_table *table = &g->touched->tables[i]->table;
		if (same(table->db, def->table.db) && same(table->name, def->table.name))
			return 0;
	}
	return fl_txn_hold(g->touched, def);
}

int fl_group_emit(struct fl_grouper *g, bool last, struct fl_err *err)
{
	struct fl_txn *txn = fl_group_txn(g);
	if (txn == NULL)
		return fl_group_no_memory(err);
	g->txn = NULL;

	char gtid[FL_GTID_TEXT_SIZE];
	size_t gtid_size = fl_gtid_format(&g->gtid, gtid);
	txn->gtid = g->gtid;
	txn->anonymous = g->anonymous;
	txn->view.gtid = fl_txn_copy(txn, (struct fl_bytes){ gtid, gtid_size });
	txn->view.file = fl_txn_copy_file(txn, g->file);
	txn->view.position = g->offset;
	txn->view.commit_us = g->commit_us;
	if (!last) {
		/* The same on all parts: it has been seen what the last one will have. */
		txn->view.position = g->vouched_for.end;
		txn->view.commit_us = g->vouched_for.commit_us;
		txn->view.xid = g->vouched_for.xid;
	}
	txn->view.first = g->parts == 0;
	txn->view.last = last;
	fl_txn_set_held(txn, fl_held_ref(fl_prepared_begin(g->prepared)));
	txn->bytes = fl_txn_weight(txn);
	if (txn->view.file.data == NULL || txn->view.gtid.data == NULL) {
		fl_txn_unref(txn);
		return fl_group_no_memory(err);
	}
	if (!last) {
		g->parts++;
		for (size_t i = 0; i < txn->table_count; i++)
			if (fl_group_touch(g, txn->tables[i]) != 0) {
				fl_txn_unref(txn);
				return fl_group_no_memory(err);
			}
	}
	renew_pack(g); /* lest it waits for another transaction to be given back */
	int result = g->hooks.emit(g->hooks.ctx, txn);
	return result != 0 ? fl_err_set(err, result, "stopped") : 0;
}

/* Parts of the transaction under way have been passed on, now or when it came before. */
static void keep_torn(struct fl_grouper *g)
{
	if (g->parts == 0 && !g->owes)
		return;
	fl_txn_unref(g->torn);
	g->torn = g->touched;
	g->touched = NULL;
	g->torn_gtid = g->gtid;
}

int fl_group_commit(
	struct fl_grouper *g, const struct fl_event *event, uint64_t xid, struct fl_err *err)
{
	if (g->scanning && !g->dirty) {
		g->has_vouched_for = true;
		g->vouched_for = (struct fl_vouched){
			.gtid = g->gtid,
			.commit_us = g->commit_us != 0 ? g->commit_us
						       : (int64_t)event->timestamp * 1000000,
			.xid = xid,
			.end = g->offset,
		};
		/* Whoever halts at a doubt is to halt before the transaction, not inside of it. */
		if (g->txn != NULL && g->txn->in_doubt) {
			fl_txn_unref(g->doubts);
			g->doubts = g->txn;
			g->txn = NULL;
		}
		keep_torn(g);
		fl_group_end(g);
		return FL_GROUPER_AGAIN;
	}
	if (g->scanning) {
		int result = fl_group_doubt_touched(g,
			"a transaction beyond transaction_bytes that was rolled back in part", err);
		if (result == 0 && g->has_ddl)
			result = fl_group_doubt_anywhere(g,
				"a statement in a transaction that was rolled back in part", err);
		if (result != 0)
			return result;
	}
	g->has_vouched_for = false;
	if (g->commit_us == 0)
		g->commit_us = (int64_t)event->timestamp * 1000000;
	if (xid != 0) {
		if (fl_group_txn(g) == NULL)
			return fl_group_no_memory(err);
		g->txn->view.xid = xid;
	}
	int result = fl_group_emit(g, true, err);
	fl_group_end(g);
	return result;
}

int fl_group_rollback(struct fl_grouper *g, const struct fl_event *event, struct fl_err *err)
{
	int result = 0;
	if (g->parts > 0) {
		result = fl_group_doubt_touched(
			g, "rolled back after a part of it had been passed on for its size", err);
	} else {
		fl_group_drop_txn(g);
		g->scanning = false;
	}
	return result != 0 ? result : fl_group_commit(g, event, 0, err);
}

/* Keeps the tables and the doubts alone. */
static int start_scanning(struct fl_grouper *g, struct fl_err *err)
{
	struct fl_txn *txn = g->txn;
	g->txn = NULL;
	g->scanning = true;
	g->dirty = g->rolled_back;
	g->savepoint_count = 0;
	int result = 0;
	for (size_t i = 0; i < txn->table_count && result == 0; i++)
		if (fl_group_touch(g, txn->tables[i]) != 0)
			result = fl_group_no_memory(err);
	for (size_t i = 0; i < txn->view.change_count && result == 0; i++) {
		const struct fl_change *change = &txn->changes[i];
		if (change->op == FL_DOUBT)
			result = fl_group_doubt(
				g, change->db, change->table, "a large transaction", err);
		else if (change->op > FL_DELETE)
			g->has_ddl = true;
	}
	fl_txn_unref(txn);
	renew_pack(g);
	return result;
}

int fl_group_keep_within_limit(struct fl_grouper *g, struct fl_err *err)
{
	/* Once it goes on in parts anyway, small ones: each sink holds a few at a time, and what it
	 * makes of them. */
	size_t const limit = g->vouched && g->limit > PART_BYTES ? PART_BYTES : g->limit;
	if (g->txn == NULL || fl_txn_size(g->txn) <= limit)
		return 0;
	if (g->vouched)
		return fl_group_emit(g, false, err);
	/* Without a beginning it would not be known again. */
	if (!g->in_group)
		return fl_err_set(err, FL_ECORRUPT, "rows outside of a transaction");
	if (!g->is_xa)
		return start_scanning(g, err);
	g->too_large = true;
	return fl_group_doubt_touched(g, "an XA transaction beyond transaction_bytes", err);
}

/* The savepoint's index, or -1. */
static int find_savepoint(const struct fl_grouper *g, struct fl_bytes name)
{
	for (size_t i = g->savepoint_count; i-- > 0;)
		if (strlen(g->savepoints[i].name) == name.size &&
			strncasecmp(g->savepoints[i].name, name.data, name.size) == 0)
			return (int)i;
	return -1;
}

void fl_group_savepoint(struct fl_grouper *g, struct fl_bytes name)
{
	if (g->scanning)
		return;
	/* One of the same name replaces the older one. */
	int older = find_savepoint(g, name);
	if (older >= 0) {
		size_t behind = g->savepoint_count - (size_t)older - 1;
		memmove(&g->savepoints[older], &g->savepoints[older + 1],
			behind * sizeof(*g->savepoints));
		g->savepoint_count--;
	}
	if (g->savepoint_count == FL_MOST_SAVEPOINTS || name.size >= sizeof(g->savepoints->name)) {
		g->savepoints_lost = true;
		return;
	}
	struct savepoint *savepoint = &g->savepoints[g->savepoint_count++];
	memcpy(savepoint->name, name.data, name.size);
	savepoint->name[name.size] = '\0';
	savepoint->part = g->parts;
	savepoint->change_count = g->txn != NULL ? g->txn->view.change_count : 0;
}

void fl_group_release(struct fl_grouper *g, struct fl_bytes name)
{
	int index = find_savepoint(g, name);
	if (index >= 0)
		g->savepoint_count = (size_t)index;
}

int fl_group_rollback_to(struct fl_grouper *g, struct fl_bytes name, struct fl_err *err)
{
	if (g->scanning) {
		g->dirty = true;
		return 0;
	}
	int index = g->savepoints_lost ? -1 : find_savepoint(g, name);
	const struct savepoint *savepoint = index >= 0 ? &g->savepoints[index] : NULL;
	size_t count = g->txn != NULL ? g->txn->view.change_count : 0;
	if (savepoint == NULL || savepoint->part != g->parts || g->too_large ||
		savepoint->change_count > count)
		return fl_group_doubt_touched(
			g, "rolled back to a savepoint that is no longer at hand", err);
	g->savepoint_count = (size_t)index + 1;
	g->rolled_back = true;
	if (g->txn != NULL)
		g->txn->view.change_count = savepoint->change_count;
	return 0;
}

int fl_group_tear(struct fl_grouper *g, struct fl_err *err)
{
	int result = 0;
	if (g->parts > 0 || g->owes) {
		g->gtid.kind = FL_GTID_NONE;
		g->anonymous = false;
		result = fl_group_doubt_touched(
			g, "a transaction without an end, of which parts had been passed on", err);
		if (result == 0)
			result = fl_group_emit(g, true, err);
	}
	fl_group_end(g);
	return result;
}

void fl_group_interrupt(struct fl_grouper *g)
{
	keep_torn(g);
	fl_group_end(g);
}

static bool is_same(const struct fl_gtid *a, const struct fl_gtid *b)
{
	char as[FL_GTID_TEXT_SIZE], bs[FL_GTID_TEXT_SIZE];
	fl_gtid_format(a, as);
	fl_gtid_format(b, bs);
	return strcmp(as, bs) == 0;
}

int fl_group_give_up_torn(struct fl_grouper *g, struct fl_err *err)
{
	if (g->torn == NULL)
		return 0;
	g->touched = g->torn;
	g->torn = NULL;
	g->parts = 1;
	return fl_group_tear(g, err);
}

int fl_group_begin(struct fl_grouper *g, const struct fl_gtid *gtid, struct fl_err *err)
{
	/* Without GTIDs what comes first is what stands at the place where it began. */
	int result = 0;
	if (g->torn != NULL && !is_same(&g->torn_gtid, gtid))
		result = fl_group_give_up_torn(g, err);
	/* It has come again, and may be torn again before it comes as far. */
	g->owes = g->torn != NULL;
	if (g->owes)
		g->touched = g->torn;
	g->torn = NULL;
	g->vouched = g->has_vouched_for && is_same(&g->vouched_for.gtid, gtid);
	g->has_vouched_for = g->vouched;
	if (g->vouched && result == 0)
		g->txn = g->doubts;
	else
		fl_txn_unref(g->doubts);
	g->doubts = NULL;
	return result;
}
