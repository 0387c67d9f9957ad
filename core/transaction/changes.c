/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows events: changes of the tables that the statement under way has mapped.
 */
#include "binlog/rows.h"
#include "transaction/group.h"
#include "transaction/tables.h"

enum { MOST_EXPECTED = 256 };

/* Behind an event's first row: the others are mostly of about the same size. */
static int expect_more(struct fl_txn *txn, const struct fl_rows *rows)
{
	size_t const more = (rows->data.size - rows->next) / rows->next;
	return more == 0 ? 0 : fl_txn_expect(txn, more < MOST_EXPECTED ? more : MOST_EXPECTED);
}

/* The event's rows, up to the first that can't be read; what came before it in the event is dropped
 * too. */
static int add_rows(struct fl_grouper *g, const struct fl_event *event,
	const struct fl_mapped *mapped, struct fl_err *err)
{
	struct fl_txn *txn = fl_group_txn(g);
	if (txn == NULL)
		return fl_group_no_memory(err);
	/* The images point into the event, so the event goes into the arena. */
	struct fl_event copy = *event;
	copy.body = fl_txn_copy(txn, event->body);
	if (copy.body.data == NULL || fl_txn_hold(txn, mapped->def) != 0)
		return fl_group_no_memory(err);

	struct fl_table_def *def = mapped->def;
	struct fl_err reason;
	struct fl_rows rows;
	size_t count = txn->view.change_count;
	int result = fl_rows_decode(&copy, &g->format, &rows, &reason);
	if (result == 0)
		result = fl_rows_check(&rows, def, &reason);
	if (result == 0) {
		rows.arena = fl_txn_arena(txn);
		result = 1;
	}
	while (result == 1) {
		struct fl_change *change = fl_txn_add(txn);
		if (change == NULL)
			return fl_group_no_memory(err);
		result = fl_rows_next(&rows, def, &change->before, &change->after, &reason);
		if (result != 1) {
			txn->view.change_count--;
			break;
		}
		change->op = rows.op;
		change->db = def->table.db;
		change->table = def->table.name;
		if (txn->view.change_count == count + 1 && expect_more(txn, &rows) != 0)
			return fl_group_no_memory(err);
	}
	if (result == 0)
		return 0;
	if (result == FL_ENOMEM)
		return fl_group_no_memory(err);
	txn->view.change_count = count;
	return fl_group_doubt(g, def->table.db, def->table.name, reason.text, err);
}

int fl_group_rows(struct fl_grouper *g, const struct fl_event *event, struct fl_err *err)
{
	/* All rows events begin with the table id and the flags. */
	size_t const id_size = g->format.post_header[event->type] == 6 ? 4 : 6;
	const uint8_t *at = (const uint8_t *)event->body.data;
	uint64_t id;
	uint16_t flags;
	if (event->body.size >= id_size + sizeof(flags)) {
		id = fl_le(at, id_size);
		flags = (uint16_t)fl_le(at + id_size, sizeof(flags));
	} else
		return fl_err_set(err, FL_ECORRUPT, "a rows event of %zu bytes", event->body.size);

	int result = 0;
	const struct fl_mapped *mapped = fl_tables_find(g->tables, id);
	bool is_dummy = id == UINT64_C(0xffffffffffff) || id == 0xffffff;
	if (mapped == NULL) {
		/* A dummy row closes a statement whose rows were all filtered. */
		if (!is_dummy)
			result = fl_group_doubt_anywhere(
				g, "rows of a table that was not mapped", err);
	} else if (!mapped->wanted) {
		/* Nobody asks for it. */
	} else if (g->too_large) {
		result = fl_group_doubt(g,
			mapped->def != NULL ? mapped->def->table.db : fl_bytes_of(mapped->db),
			mapped->def != NULL ? mapped->def->table.name : fl_bytes_of(mapped->name),
			"an XA transaction beyond transaction_bytes", err);
	} else if (mapped->def == NULL) {
		result = fl_group_doubt(
			g, fl_bytes_of(mapped->db), fl_bytes_of(mapped->name), mapped->doubt, err);
	} else if (mapped->def->doubt != NULL) {
		result = fl_group_doubt(
			g, mapped->def->table.db, mapped->def->table.name, mapped->def->doubt, err);
	} else if (!fl_rows_is(event->type)) {
		char reason[160];
		snprintf(reason, sizeof(reason), "%s is not decoded yet",
			fl_event_name(event->type));
		result = fl_group_doubt(
			g, mapped->def->table.db, mapped->def->table.name, reason, err);
	} else if (g->scanning) {
		if (fl_group_touch(g, mapped->def) != 0)
			result = fl_group_no_memory(err);
	} else {
		result = add_rows(g, event, mapped, err);
	}
	if ((flags & FL_ROWS_STATEMENT_END) != 0)
		fl_tables_end_statement(g->tables);
	return result != 0 ? result : fl_group_keep_within_limit(g, err);
}
