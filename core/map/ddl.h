/* SPDX-License-Identifier: Apache-2.0
 *
 * What a statement means for keys in a cache: which tables' rows it may have changed or moved out
 * of reach. Private to core/map. Tolerant on purpose: a reader of MySQL's and MariaDB's grammar
 * that is exact today would be wrong tomorrow; what it can't tell is doubt.
 */
#ifndef FL_DDL_H
#define FL_DDL_H

#include "base/arena.h"

enum fl_ddl_effect {
	FL_DDL_NONE,   /* no row is another than before */
	FL_DDL_TABLES, /* the rows of these tables may be others, or gone */
	FL_DDL_ANY,    /* can't be told: it may be any table */
};

/* A part that is not known, or that stands for all of them (DROP DATABASE), has data NULL. Names
 * with other than ASCII characters count as not known: the statement is in the character set of the
 * session that sent it. */
struct fl_ddl_name {
	struct fl_ddl_name *next;
	struct fl_bytes db, table;
};

struct fl_ddl {
	enum fl_ddl_effect effect;
	char what[40];		   /* "ALTER TABLE": for messages */
	struct fl_ddl_name *names; /* in the statement's order */
	struct fl_arena memory;
};

/* `db` is the session's default database, or empty. 0 or FL_ENOMEM. */
int fl_ddl_parse(struct fl_bytes sql, struct fl_bytes db, struct fl_ddl *ret);
void fl_ddl_finish(struct fl_ddl *ddl);

#endif
