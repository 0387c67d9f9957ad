/* SPDX-License-Identifier: Apache-2.0
 *
 * Input: a default database, a NUL byte, and a statement; or a statement alone. What it is for
 * transactions and what it means for keys must not contradict each other.
 */
#include "map/ddl.h"
#include "target.h"
#include "transaction/statement.h"

static bool lies_within(struct fl_bytes inner, struct fl_bytes outer)
{
	return inner.size == 0 ||
	       (inner.data >= outer.data && inner.data + inner.size <= outer.data + outer.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_bytes db = { NULL, 0 }, sql = { (const char *)data, size };
	const uint8_t *zero = size > 0 ? memchr(data, 0, size) : NULL;
	if (zero != NULL) {
		db = (struct fl_bytes){ (const char *)data, (size_t)(zero - data) };
		sql = (struct fl_bytes){ (const char *)zero + 1, size - db.size - 1 };
	}
	struct fl_statement statement = fl_statement_read(sql);
	must(lies_within(statement.db, sql) && lies_within(statement.name, sql));

	struct fl_ddl ddl;
	must(fl_ddl_parse(sql, db, &ddl) == 0);
	must(strnlen(ddl.what, sizeof(ddl.what)) < sizeof(ddl.what));
	must((ddl.effect == FL_DDL_TABLES) <= (ddl.names != NULL));
	for (const struct fl_ddl_name *n = ddl.names; n != NULL; n = n->next) {
		must(n->db.data != NULL || n->db.size == 0);
		must(n->table.data != NULL || n->table.size == 0);
		for (size_t i = 0; i < n->table.size; i++)
			must((n->table.data[i] & 0x80) == 0);
	}
	/* What empties a table or changes its structure is not taken for something that does not.
	 */
	bool changes = statement.kind == FL_STATEMENT_DDL || statement.kind == FL_STATEMENT_DML ||
		       statement.kind == FL_STATEMENT_TRUNCATE ||
		       statement.kind == FL_STATEMENT_DELETE_ALL;
	must(changes || ddl.effect != FL_DDL_TABLES);
	must((statement.kind != FL_STATEMENT_TRUNCATE &&
		     statement.kind != FL_STATEMENT_DELETE_ALL) ||
		ddl.effect != FL_DDL_NONE);
	fl_ddl_finish(&ddl);
	return 0;
}
