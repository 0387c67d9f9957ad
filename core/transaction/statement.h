/* SPDX-License-Identifier: Apache-2.0
 *
 * What a QUERY event's statement means for transactions. Tolerant: comments, versioned comments and
 * any case are read; what is not known counts as DDL, whose effect the mapping judges. Pure.
 */
#ifndef FL_STATEMENT_H
#define FL_STATEMENT_H

#include "binlog/table.h"

enum fl_statement_kind {
	FL_STATEMENT_DDL, /* anything not listed below */
	FL_STATEMENT_BEGIN,
	FL_STATEMENT_COMMIT,
	FL_STATEMENT_ROLLBACK,
	FL_STATEMENT_SAVEPOINT,		/* `name` */
	FL_STATEMENT_ROLLBACK_TO,	/* `name` */
	FL_STATEMENT_RELEASE_SAVEPOINT, /* `name` */
	FL_STATEMENT_XA_START,
	FL_STATEMENT_XA_END,
	FL_STATEMENT_XA_COMMIT,	  /* `name`: the xid as the statement writes it, without blanks */
	FL_STATEMENT_XA_ROLLBACK, /* `name` */
	FL_STATEMENT_TRUNCATE,	  /* `db` (may be empty: the default one) and `name` */
	FL_STATEMENT_DELETE_ALL,  /* likewise: DELETE FROM t without a condition, which MySQL 5 logs
				   * for an emptied MEMORY table, outside of a transaction. Inside
				   * of one it is DML: triggers, and the table under a view */
	FL_STATEMENT_DML,	  /* changes rows: statement-based logging */
};

struct fl_statement {
	enum fl_statement_kind kind;
	/* In `sql`; quoted names still have their quotes doubled inside. Empty where there are
	 * none. */
	struct fl_bytes db;
	struct fl_bytes name;
	/* DDL: CREATE TABLE ... SELECT, as statement-based logging has it. */
	bool in_place_of_rows;
};

struct fl_statement fl_statement_read(struct fl_bytes sql);

/* A statement that stands in the log in its client's character set. `*ret`: in UTF-8, `sql` itself
 * or in `text`. False: its names can't be read for certain. */
bool fl_statement_to_utf8(
	enum fl_charset charset, struct fl_bytes sql, struct fl_buf *text, struct fl_bytes *ret);

#endif
