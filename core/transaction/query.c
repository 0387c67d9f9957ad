/* SPDX-License-Identifier: Apache-2.0
 *
 * Statements: those that begin and end transactions, DDL, and XA.
 */
#include "transaction/group.h"
#include "transaction/prepared.h"
#include "transaction/statement.h"
#include "transaction/tables.h"

/* A name out of a statement, with the quotes that are doubled in it made single. */
static struct fl_bytes copy_name(struct fl_txn *txn, struct fl_bytes sql, struct fl_bytes name)
{
	struct fl_bytes copy = fl_txn_copy(txn, name);
	char quote = name.size > 0 && name.data != sql.data ? name.data[-1] : 0;
	if (copy.data == NULL || (quote != '`' && quote != '"'))
		return copy;
	char *to = (char *)copy.data;
	copy.size = 0;
	for (size_t i = 0; i < name.size; i++) {
		to[copy.size++] = name.data[i];
		i += name.data[i] == quote;
	}
	return copy;
}

static int add_statement(struct fl_grouper *g, enum fl_op op, const struct fl_query *query,
	const struct fl_statement *statement, struct fl_err *err)
{
	struct fl_txn *txn = fl_group_txn(g);
	struct fl_change *change = txn != NULL ? fl_txn_add(txn) : NULL;
	if (change == NULL)
		return fl_group_no_memory(err);
	change->op = op;
	change->db = statement->db.size > 0 ? copy_name(txn, query->sql, statement->db)
					    : fl_txn_copy(txn, query->db);
	change->table = copy_name(txn, query->sql, statement->name);
	change->sql = fl_txn_copy(txn, query->sql);
	if (change->db.data == NULL || change->table.data == NULL || change->sql.data == NULL)
		return fl_group_no_memory(err);
	return 0;
}

/* DDL and TRUNCATE. A statement stands in the log in its client's character set; the names in it
 * matter. */
static int add_ddl(struct fl_grouper *g, const struct fl_query *query, struct fl_err *err)
{
	if (g->scanning) {
		g->has_ddl = true;
		return 0;
	}
	unsigned id = query->client_collation;
	const struct fl_collation *collation = g->collations != NULL && id < g->collations->count
						       ? &g->collations->by_id[id]
						       : NULL;
	struct fl_buf text = { 0 };
	struct fl_query converted = *query;
	int result;
	if (fl_statement_to_utf8(collation != NULL ? collation->charset : FL_CHARSET_UNKNOWN,
		    query->sql, &text, &converted.sql)) {
		struct fl_statement statement = fl_statement_read(converted.sql);
		enum fl_op op = statement.kind == FL_STATEMENT_TRUNCATE ||
						statement.kind == FL_STATEMENT_DELETE_ALL
					? FL_TRUNCATE
					: FL_DDL;
		result = add_statement(g, op, &converted, &statement, err);
	} else {
		char reason[128];
		snprintf(reason, sizeof(reason), "a statement in the character set %s",
			collation != NULL ? collation->name : "that is not known");
		result = fl_group_doubt_anywhere(g, reason, err);
	}
	fl_buf_finish(&text);
	return result;
}

static int doubt_statement(struct fl_grouper *g, struct fl_err *err)
{
	return fl_group_doubt_anywhere(
		g, "a statement in place of rows: SET GLOBAL binlog_format = ROW", err);
}

static int end_xa(struct fl_grouper *g, const struct fl_event *event, struct fl_bytes xid,
	bool commits, struct fl_err *err)
{
	struct fl_txn *prepared = fl_prepared_take(g->prepared, xid);
	if (!commits) {
		fl_txn_unref(prepared);
	} else if (prepared != NULL) {
		fl_txn_unref(g->txn);
		g->txn = prepared;
	} else {
		int result = fl_group_doubt_anywhere(g,
			"XA COMMIT of a transaction whose rows are not at hand: it was prepared "
			"before "
			"this sink's lane was opened, or is beyond transaction_bytes",
			err);
		if (result != 0)
			return result;
	}
	return fl_group_commit(g, event, 0, err);
}

int fl_group_query(struct fl_grouper *g, const struct fl_event *event, struct fl_err *err)
{
	struct fl_query query;
	int result = fl_query_decode(event, &g->format, &query, err);
	if (result != 0)
		return result;
	struct fl_statement statement = fl_statement_read(query.sql);
	if (!g->in_group)
		result = fl_group_begin(g, &g->gtid, err);
	if (result != 0)
		return result;

	switch (statement.kind) {
	case FL_STATEMENT_BEGIN:
		g->in_group = g->begun = true;
		g->anonymous |= g->gtid.kind == FL_GTID_NONE;
		return 0;
	case FL_STATEMENT_XA_START:
		g->in_group = g->begun = g->is_xa = true;
		g->anonymous |= g->gtid.kind == FL_GTID_NONE;
		return 0;
	case FL_STATEMENT_XA_END:
		return 0;
	case FL_STATEMENT_RELEASE_SAVEPOINT:
		fl_group_release(g, statement.name);
		return 0;
	case FL_STATEMENT_SAVEPOINT:
		fl_group_savepoint(g, statement.name);
		return 0;
	case FL_STATEMENT_ROLLBACK_TO:
		return fl_group_rollback_to(g, statement.name, err);
	case FL_STATEMENT_COMMIT:
		return fl_group_commit(g, event, 0, err);
	case FL_STATEMENT_ROLLBACK:
		return fl_group_rollback(g, event, err);
	case FL_STATEMENT_XA_COMMIT:
	case FL_STATEMENT_XA_ROLLBACK:
		return end_xa(
			g, event, statement.name, statement.kind == FL_STATEMENT_XA_COMMIT, err);
	case FL_STATEMENT_TRUNCATE:
		result = add_ddl(g, &query, err);
		break;
	case FL_STATEMENT_DELETE_ALL:
		result = g->begun ? doubt_statement(g, err) : add_ddl(g, &query, err);
		break;
	case FL_STATEMENT_DML:
		result = doubt_statement(g, err);
		break;
	case FL_STATEMENT_DDL:
		result = add_ddl(g, &query, err);
		if (result == 0 && statement.in_place_of_rows)
			result = doubt_statement(g, err);
		fl_tables_clear(g->tables);
		if (g->hooks.renew != NULL)
			g->hooks.renew(g->hooks.ctx, query.db, query.sql,
				event->timestamp + query.seconds);
		break;
	}
	/* Servers without GTIDs have no event that begins a lone statement. */
	if (result != 0 || g->begun)
		return result;
	g->anonymous |= g->gtid.kind == FL_GTID_NONE;
	return fl_group_commit(g, event, 0, err);
}

int fl_group_xa_prepare(struct fl_grouper *g, const struct fl_event *event, struct fl_err *err)
{
	bool one_phase;
	struct fl_buf xid = { 0 };
	int result = fl_xa_prepare_decode(event, &one_phase, &xid, err);
	if (result == 0 && !one_phase && g->parts > 0)
		result = fl_err_set(
			err, FL_ECORRUPT, "XA PREPARE of a transaction without XA START");
	/* One without rows is kept too, that its XA COMMIT finds it. */
	if (result == 0 && !one_phase && fl_group_txn(g) == NULL)
		result = fl_group_no_memory(err);
	if (result == 0 && !one_phase) {
		struct fl_held *begin =
			g->hooks.begin != NULL ? g->hooks.begin(g->hooks.ctx) : NULL;
		g->txn->bytes = fl_txn_size(g->txn);
		fl_prepared_put(
			g->prepared, (struct fl_bytes){ xid.data, xid.size }, g->txn, begin);
		g->txn = NULL;
	}
	fl_buf_finish(&xid);
	return result != 0 ? result : fl_group_commit(g, event, 0, err);
}
