/* SPDX-License-Identifier: Apache-2.0
 *
 * Which transactions come of a stream of events (see grouper_fixture.h).
 */
#include "grouper_fixture.h"

Test(grouper, changes_come_with_their_commit)
{
	struct bench b;
	begin(&b, 1 << 20, mysql);
	query(&b, "BEGIN");
	insert(&b, "12");
	cr_expect_eq(b.said.size, 0, "nothing may be passed on before the commit");
	cr_expect_not(fl_grouper_at_boundary(b.grouper));
	table_map(&b, "t", 3);
	rows(&b, FL_EVENT_UPDATE_ROWS, "13", TABLE_ID);
	table_map(&b, "t", 3);
	rows(&b, FL_EVENT_DELETE_ROWS, "2", TABLE_ID);
	xid(&b);
	cr_expect(fl_grouper_at_boundary(b.grouper));
	query(&b, "BEGIN");
	insert(&b, "4");
	query(&b, "COMMIT");
	end(&b, "I1 I2 U3 D2 \nI4 \n");
}

Test(grouper, what_is_rolled_back_never_shows)
{
	struct bench b;
	begin(&b, 1 << 20, mysql);
	query(&b, "BEGIN");
	insert(&b, "1");
	query(&b, "ROLLBACK");
	query(&b, "BEGIN");
	insert(&b, "2");
	query(&b, "SAVEPOINT `s`");
	insert(&b, "3");
	query(&b, "SAVEPOINT `s2`");
	insert(&b, "4");
	query(&b, "ROLLBACK TO `s`");
	insert(&b, "5");
	xid(&b);
	end(&b, "\nI2 I5 \n");
}

Test(grouper, a_statement_alone_is_a_transaction)
{
	struct bench b;
	begin(&b, 1 << 20, mysql);
	query(&b, "ALTER TABLE t ADD c int");
	query(&b, "TRUNCATE TABLE t");
	end(&b, "S \nTt \n");
}

Test(grouper, a_statement_that_deletes_all_rows_is_in_doubt_within_a_transaction)
{
	struct bench b;
	begin(&b, 1 << 20, mysql);
	query(&b, "DELETE FROM `d`.`t`"); /* a MEMORY table, after a restart */
	query(&b, "BEGIN");
	query(&b, "DELETE FROM v"); /* a view, or triggers */
	xid(&b);
	query(&b, "CREATE TABLE t SELECT f()");
	query(&b, "ANALYZE UPDATE t SET a = 1");
	end(&b, "Tt \n? \nS ? \n? \n");
}

Test(grouper, mariadb_s_gtid_stands_for_the_begin)
{
	struct bench b;
	begin(&b, 1 << 20, mariadb);
	mariadb_gtid(&b, 5, 0);
	insert(&b, "1");
	xid(&b);
	mariadb_gtid(&b, 6, 1);
	query(&b, "DROP TABLE t");
	mariadb_gtid(&b, 7, 0);
	query(&b, "INSERT INTO t VALUES (1)");
	insert(&b, "2");
	query(&b, "COMMIT");
	end(&b, "0-1-5 I1 \n0-1-6 S \n0-1-7 ? I2 \n");
}

Test(grouper, a_statement_in_place_of_rows_is_a_doubt_about_every_table)
{
	struct bench b;
	begin(&b, 1 << 20, mysql);
	query(&b, "BEGIN");
	query(&b, "UPDATE t SET a = 1");
	xid(&b);
	end(&b, "? \n");
}

Test(grouper, a_savepoint_of_the_same_name_replaces_the_older_one)
{
	struct bench b;
	begin(&b, 1 << 20, mysql);
	query(&b, "BEGIN");
	insert(&b, "1");
	for (int i = 0; i < 1100; i++)
		query(&b, "SAVEPOINT `sp`");
	insert(&b, "2");
	query(&b, "SAVEPOINT `sp`");
	insert(&b, "3");
	query(&b, "ROLLBACK TO `sp`");
	query(&b, "SAVEPOINT `other`");
	query(&b, "RELEASE SAVEPOINT `sp`");
	insert(&b, "4");
	query(&b, "COMMIT");
	end(&b, "I1 I2 I4 \n");
}

Test(grouper, going_back_to_a_savepoint_that_was_not_kept_is_a_doubt)
{
	struct bench b;
	char name[40];
	begin(&b, 1 << 20, mysql);
	query(&b, "BEGIN");
	insert(&b, "1");
	query(&b, "SAVEPOINT `early`");
	insert(&b, "2");
	for (int i = 0; i < 1100; i++) {
		snprintf(name, sizeof(name), "SAVEPOINT `s%d`", i);
		query(&b, name);
	}
	query(&b, "ROLLBACK TO `s1099`");
	insert(&b, "3");
	query(&b, "ROLLBACK TO `early`");
	query(&b, "COMMIT");
	end(&b, "?t \n");
}

static void xa_prepare(struct bench *b)
{
	struct fl_buf body = { 0 };
	put(&body, 0, 1);
	put(&body, 1, 4);
	put(&body, 1, 4);
	put(&body, 0, 4);
	fl_buf_char(&body, 'a');
	feed_buf(b, FL_EVENT_XA_PREPARE, &body);
}

static void xa(struct bench *b, const char *row, const char *ending)
{
	query(b, "XA START X'61',X'',1");
	insert(b, row);
	query(b, "XA END X'61',X'',1");
	xa_prepare(b);
	query(b, "BEGIN");
	insert(b, "9");
	xid(b);
	query(b, ending);
}

Test(grouper, xa_rows_wait_for_their_commit)
{
	struct bench b;
	begin(&b, 1 << 20, mysql);
	xa(&b, "1", "XA COMMIT X'61',X'',1");
	xa(&b, "2", "XA ROLLBACK X'61',X'',1");
	query(&b, "XA COMMIT X'61',X'',1");
	end(&b, "\nI9 \nI1 \n"
		"\nI9 \n\n"
		"? \n");
}

/* The images lie in the event's copy, or anew, in the transaction. */
Test(grouper, an_update_in_parts_is_an_update)
{
	static const char whole[] = "\xff\xff\0\1\0\0\0\0\0\2\0\0\0";
	static const char nothing_new[] = "\xff\0\0\3\0\0\0\0\0";
	struct bench b;
	begin(&b, 1 << 20, mysql);
	query(&b, "BEGIN");
	for (int i = 0; i < 2; i++) {
		struct fl_buf body = { 0 };
		table_map(&b, "t", 3);
		put(&body, TABLE_ID, 6);
		put(&body, FL_ROWS_STATEMENT_END, 2);
		put(&body, 2, 2);
		put(&body, 1, 1);
		fl_buf_append(&body, i == 0 ? whole : nothing_new,
			i == 0 ? sizeof(whole) - 1 : sizeof(nothing_new) - 2);
		feed_buf(&b, FL_EVENT_PARTIAL_UPDATE_ROWS, &body);
	}
	xid(&b);
	end(&b, "U2 U3 \n");
}

Test(grouper, what_can_not_be_read_is_a_doubt_never_nothing)
{
	struct bench b;
	begin(&b, 1 << 20, mysql);
	query(&b, "BEGIN");
	rows(&b, FL_EVENT_WRITE_ROWS, "1", 5);	     /* never mapped */
	rows(&b, FL_EVENT_WRITE_ROWS, "", 0xffffff); /* the dummy that ends a statement */
	table_map(&b, "odd", 222);
	rows(&b, FL_EVENT_WRITE_ROWS, "1", TABLE_ID);
	table_map(&b, "json", 3);
	rows(&b, FL_EVENT_PARTIAL_UPDATE_ROWS, "1", TABLE_ID);
	feed(&b, 17, "??", 2); /* LOAD DATA as a statement */
	xid(&b);
	/* compressed in ways that are not known */
	feed(&b, FL_EVENT_TRANSACTION_PAYLOAD, "\2\1\7\1\1\1\0?", 8);
	feed(&b, FL_EVENT_MARIADB_QUERY_COMPRESSED, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x91\1?", 17);
	query(&b, "BEGIN");
	feed(&b, FL_EVENT_INCIDENT, "??", 2);
	cr_expect(fl_grouper_at_boundary(b.grouper));
	end(&b, "? ?odd ?json \n? \n? \n? \n");
}

Test(grouper, an_event_that_is_not_known_at_all_ends_the_stream)
{
	struct bench b;
	struct fl_err err = { 0 };
	begin(&b, 1 << 20, mysql);
	query(&b, "BEGIN");
	cr_expect_eq(feed_at(&b, 99, FL_EVENT_FLAG_IGNORABLE, "??", 2, 0, &err), 0);
	cr_expect_eq(feed_at(&b, 99, 0, "??", 2, 0, &err), FL_EUNSUPPORTED);
	cr_expect_not_null(strstr(err.text, "type 99 is not known"));
	end(&b, "");
}

Test(grouper, a_statement_s_names_are_read_in_its_client_s_character_set)
{
	enum { LATIN1 = 1, EBCDIC, GBK, SJIS, SWE7, CHARSETS };
	static struct fl_collation by_id[CHARSETS] = {
		[LATIN1] = { FL_CHARSET_LATIN1, "latin1" },
		[EBCDIC] = { FL_CHARSET_OTHER, "ebcdic" },
		[GBK] = { FL_CHARSET_GBK, "gbk" },
		[SJIS] = { FL_CHARSET_SJIS, "sjis" },
		[SWE7] = { FL_CHARSET_SWE7, "swe7" },
	};
	static const struct {
		uint8_t collation;
		const char *sql;
	} statements[] = {
		{ LATIN1, "TRUNCATE `\xe9`" },
		{ EBCDIC, "TRUNCATE `\xe9`" },
		{ CHARSETS, "TRUNCATE `\xe9`" }, /* unknown */
		{ GBK, "TRUNCATE `\x81\\`" },
		{ GBK, "TRUNCATE `\x81``" }, /* to MariaDB, half of it is a quote */
		{ GBK, "TRUNCATE `\xff\x40`" },
		{ SJIS, "TRUNCATE \x95\\ " },
		{ SWE7, "TRUNCATE `a`" },
		{ EBCDIC, "TRUNCATE `a`" },
	};
	static const struct fl_collations known = { CHARSETS, by_id };
	struct fl_position from = { .file = "binlog.000001", .offset = 4 };
	struct bench b;
	begin(&b, 1 << 20, mysql);
	fl_grouper_restart(b.grouper, &from, &known);
	b.offset = 4;
	format(&b, mysql);
	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
		struct fl_buf body = { 0 };
		put(&body, 1, 4);
		put(&body, 0, 4);
		put(&body, 4, 1);
		put(&body, 0, 2);
		put(&body, 5 + 7, 2); /* status variables: the flags, the collations */
		put(&body, 0, 5);
		put(&body, 4, 1);
		put(&body, statements[i].collation, 6);
		fl_buf_append(&body, "shop", 5);
		fl_buf_text(&body, statements[i].sql);
		feed_buf(&b, FL_EVENT_QUERY, &body);
	}
	end(&b, "Té \n? \n? \nT乗 \n? \n? \nT表 \n? \nTa \n");
}

Test(grouper, a_truncated_table_has_the_name_that_its_quotes_stand_for)
{
	struct bench b;
	begin(&b, 1 << 20, mysql);
	query(&b, "TRUNCATE `tick``ed`");
	query(&b, "TRUNCATE TABLE `shop`.```b`");
	query(&b, "TRUNCATE \"a\"\"b`c``d\"");
	query(&b, "TRUNCATE plain");
	end(&b, "Ttick`ed \nT`b \nTa\"b`c``d \nTplain \n");
}

Test(grouper, a_table_in_doubt_shows_no_rows)
{
	struct bench b;
	begin(&b, 1 << 20, mysql);
	b.complete_result = FL_ECORRUPT;
	query(&b, "BEGIN");
	insert(&b, "1");
	xid(&b);
	end(&b, "?t \n");
}

Test(grouper, an_unwanted_table_s_rows_are_left_out_and_the_position_moves)
{
	struct bench b;
	begin(&b, 1 << 20, mysql);
	b.unwanted = true;
	query(&b, "BEGIN");
	table_map(&b, "u", 222);
	rows(&b, FL_EVENT_WRITE_ROWS, "1", TABLE_ID);
	xid(&b);
	end(&b, "\n");
}

Test(grouper, a_definition_is_parsed_once_until_it_changes)
{
	struct bench b;
	begin(&b, 1 << 20, mysql);
	query(&b, "BEGIN");
	insert(&b, "1");
	insert(&b, "2");
	cr_expect_eq(b.completed, 1);
	cr_expect_eq(b.asked_as_of, 1000);
	xid(&b);
	cr_expect_eq(b.renewed, 0);
	query(&b, "ALTER TABLE t FORCE");
	cr_expect_eq(b.renewed, 1);
	query(&b, "BEGIN");
	insert(&b, "3");
	cr_expect_eq(b.completed, 2);
	xid(&b);
	end(&b, "I1 I2 \nS \nI3 \n");
}

Test(grouper, places_are_kept_in_64_bits_and_through_events_without_one)
{
	struct bench b;
	struct fl_err err = { 0 };
	const char *file;
	uint64_t offset;
	begin(&b, 1 << 20, mysql);
	cr_assert_eq(feed_at(&b, FL_EVENT_STOP, 0, "", 0, 0xfffffff0, &err), 0);
	cr_assert_eq(feed_at(&b, FL_EVENT_STOP, 0, "", 0, 0, &err), 0);
	fl_grouper_place(b.grouper, &file, &offset);
	cr_expect_eq(offset, UINT64_C(0xfffffff0) + 19);
	cr_assert_eq(feed_at(&b, FL_EVENT_STOP, 0, "", 0, 0x40, &err), 0);
	fl_grouper_place(b.grouper, &file, &offset);
	cr_expect_eq(offset, UINT64_C(0x100000040));
	cr_assert_eq(feed_at(&b, FL_EVENT_STOP, FL_EVENT_FLAG_ARTIFICIAL, "", 0, 7, &err), 0);
	fl_grouper_place(b.grouper, &file, &offset);
	cr_expect_eq(offset, UINT64_C(0x100000040));
	cr_expect_eq(feed_at(&b, FL_EVENT_STOP, 0, "", 0, 0x20, &err), FL_ECORRUPT);
	cr_expect_not_null(strstr(err.text, "binlog.000001:4294967360"), "%s", err.text);
	end(&b, "");
}

Test(grouper, a_new_file_moves_the_place_and_drops_what_a_crash_left)
{
	struct bench b;
	const char *file;
	uint64_t offset;
	begin(&b, 1 << 20, mysql);
	query(&b, "BEGIN");
	insert(&b, "1");
	struct fl_buf body = { 0 };
	put(&body, 4, 8);
	fl_buf_text(&body, "binlog.000002");
	feed_buf(&b, FL_EVENT_ROTATE, &body);
	fl_grouper_place(b.grouper, &file, &offset);
	cr_expect_str_eq(file, "binlog.000002");
	cr_expect_eq(offset, 4);
	cr_expect(fl_grouper_at_boundary(b.grouper));
	end(&b, "\n");
}
