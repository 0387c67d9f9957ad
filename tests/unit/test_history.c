/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "source/history.h"

static struct fl_bytes text(const char *string)
{
	return (struct fl_bytes){ string, strlen(string) };
}

Test(history, a_statement_is_about_what_it_may_name)
{
	static const struct {
		const char *sql, *default_db, *db, *table;
		bool names;
	} cases[] = {
		{ "ALTER TABLE t ADD c int", "shop", "shop", "t", true },
		{ "ALTER TABLE T ADD c int", "Shop", "shop", "t", true },
		{ "ALTER TABLE `t` ADD c int", "shop", "shop", "t", true },
		{ "ALTER TABLE t1 ADD c int", "shop", "shop", "t", false },
		{ "ALTER TABLE a_t ADD c int", "shop", "shop", "t", false },
		{ "rename/**/table/**/a/**/to/**/t", "shop", "shop", "t", true },
		{ "ALTER TABLE t ADD c int", "other", "shop", "t", false },
		{ "ALTER TABLE shop.t ADD c int", "other", "shop", "t", true },
		{ "ALTER TABLE shop.t ADD c int", "", "shop", "t", true },
		{ "ALTER TABLE `shop`.`t` ADD c int", "other", "shop", "t", true },
		{ "ALTER TABLE `shop2`.`t` ADD c int", "other", "shop", "t", false },
		{ "RENAME TABLE b TO a, t TO b", "shop", "shop", "t", true },
		{ "ALTER TABLE `a.b c` ADD c int", "shop", "shop", "a.b c", true },
		{ "ALTER TABLE `a.b d` ADD c int", "shop", "shop", "a.b c", false },
		/* Quotes within a name are doubled, or not, as the statement is written. */
		{ "ALTER TABLE `a``b` ADD c int", "shop", "shop", "a`b", true },
		{ "ALTER TABLE \"a`b\" ADD c int", "shop", "shop", "a`b", true },
		/* In the character set of whoever sent it. */
		{ "ALTER TABLE f\xfc ADD c int", "shop", "shop", "f\xc3\xbc", true },
		{ "ALTER TABLE fu ADD c int", "shop", "shop", "f\xc3\xbc", false },
		{ "", "shop", "shop", "t", false },
		{ "t", "shop", "shop", "t", true },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(fl_history_names(text(cases[i].sql), text(cases[i].default_db),
				     text(cases[i].db), text(cases[i].table)),
			cases[i].names, "%s", cases[i].sql);
}

static const struct fl_source_config config = { 0 };

static uint32_t passed; /* when the last statement behind it was done */

static enum fl_history_find find(
	const struct fl_history *history, const char *file, uint64_t offset)
{
	struct fl_err err = { 0 };
	return fl_history_find(history, text("shop"), text("t"), file, offset, &passed, &err);
}

Test(history, a_statement_is_ahead_of_what_lies_before_its_end)
{
	struct fl_history *history = fl_history_create(&config);
	cr_assert_not_null(history);
	cr_expect_eq(find(history, "binlog.000001", 4), FL_HISTORY_NONE);
	fl_history_note(history, "binlog.000009", 200, text("shop"), text("ALTER TABLE t x"), 50);
	cr_expect_eq(find(history, "binlog.000009", 199), FL_HISTORY_AHEAD);
	cr_expect_eq(find(history, "binlog.000008", 5000), FL_HISTORY_AHEAD);
	cr_expect_eq(find(history, "binlog.000009", 200), FL_HISTORY_BEHIND);
	cr_expect_eq(find(history, "binlog.000010", 4), FL_HISTORY_BEHIND);
	cr_expect_eq(passed, 50);
	fl_history_note(history, "binlog.000010", 100, text("shop"), text("DROP TABLE t"), 60);
	cr_expect_eq(find(history, "binlog.000009", 300), FL_HISTORY_AHEAD);
	cr_expect_eq(find(history, "binlog.000010", 100), FL_HISTORY_BEHIND);
	cr_expect_eq(passed, 60);
	fl_history_clear(history, 0);
	cr_expect_eq(find(history, "binlog.000009", 199), FL_HISTORY_NONE);
	fl_history_destroy(history);
	fl_history_destroy(NULL);
}

Test(history, what_changes_no_columns_is_passed_over)
{
	static const struct {
		const char *sql;
		bool counts;
	} cases[] = {
		{ "ANALYZE TABLE t", false },
		{ " optimize table t", false },
		{ "GRANT SELECT ON t TO u", false },
		{ "CREATE INDEX i ON t (a)", false },
		{ "create unique index i on t (a)", false },
		{ "DROP INDEX i ON t", false },
		{ "CREATE VIEW v AS SELECT * FROM t", false },
		{ "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a = 1", false },
		{ "CREATE TABLE t (a int)", true },
		{ "CREATE OR REPLACE TABLE t (a int)", true },
		{ "DROP TABLE t", true },
		{ "/* a note */ ANALYZE TABLE t", true },
		{ "SOMETHING NEW t", true },
		{ "SET PASSWORD FOR t = 'x'", false },
		{ "SET STATEMENT max_statement_time = 1 FOR ALTER TABLE t DROP a", true },
		{ "analyzed t", true },
		{ "t", true },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_history *history = fl_history_create(&config);
		fl_history_note(history, "binlog.000001", 500, text("shop"), text(cases[i].sql), 0);
		cr_expect_eq(find(history, "binlog.000001", 4),
			cases[i].counts ? FL_HISTORY_AHEAD : FL_HISTORY_NONE, "%s", cases[i].sql);
		fl_history_destroy(history);
	}
}

Test(history, what_has_been_passed_makes_room_and_a_place_counts_once)
{
	struct fl_history *history = fl_history_create(&config);
	static char large[1 << 20];
	memset(large, 'x', sizeof(large));
	fl_history_note(history, "binlog.000001", 100, text("shop"), text("ALTER TABLE t x"), 50);
	for (unsigned i = 0; i < 50; i++)
		fl_history_note(history, "binlog.000002", 100 + i, text("shop"),
			(struct fl_bytes){ large, sizeof(large) }, 0);
	cr_expect_eq(find(history, "binlog.000001", 4), FL_HISTORY_NONE);
	/* Larger than all that is kept: then any table may be meant. */
	static char huge[5 << 20];
	memset(huge, 'x', sizeof(huge));
	fl_history_note(history, "binlog.000002", 400, text("shop"),
		(struct fl_bytes){ huge, sizeof(huge) }, 0);
	cr_expect_eq(find(history, "binlog.000002", 399), FL_HISTORY_AHEAD);
	cr_expect_eq(find(history, "binlog.000002", 400), FL_HISTORY_NONE);
	fl_history_note(history, "binlog.000002", 400, text("shop"), text("DROP TABLE t"), 60);
	cr_expect_eq(find(history, "binlog.000002", 400), FL_HISTORY_NONE);
	fl_history_destroy(history);
}
