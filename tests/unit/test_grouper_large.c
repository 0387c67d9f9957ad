/* SPDX-License-Identifier: Apache-2.0
 *
 * Transactions beyond the limit of what is kept, which are passed on in parts.
 */
#include "grouper_fixture.h"

/* A transaction of twelve inserts, beyond a limit of 1000 bytes. */
static void large(struct bench *b, const char *middle, const char *ending)
{
	query(b, "BEGIN");
	for (int i = 0; i < 6; i++)
		insert(b, "1");
	if (middle != NULL)
		query(b, middle);
	for (int i = 0; i < 6; i++)
		insert(b, "2");
	b->may_fail = true;
	query(b, ending);
}

static void read_again(struct bench *b)
{
	static const struct fl_collations none;
	struct fl_position from = { .file = "binlog.000001", .offset = 4 };
	cr_assert_eq(b->result, FL_GROUPER_AGAIN);
	cr_expect_eq(b->said.size, 0, "nothing may be passed on before the end is known");
	b->may_fail = false;
	b->offset = 4;
	fl_grouper_restart(b->grouper, &from, &none);
	format(b, mysql);
}

static unsigned count_of(const struct bench *b, char c)
{
	unsigned count = 0;
	for (size_t i = 0; i < b->said.size; i++)
		count += b->said.data[i] == c;
	return count;
}

Test(grouper, a_large_transaction_is_passed_on_in_parts_once_its_commit_has_been_seen)
{
	struct bench b;
	begin(&b, 1000, mysql);
	large(&b, NULL, "COMMIT");
	read_again(&b);
	large(&b, NULL, "COMMIT");
	cr_expect_eq(b.result, 0);
	cr_expect_eq(count_of(&b, 'I'), 12);
	fl_buf_char(&b.said, '\0');
	cr_expect_eq(strncmp(b.said.data, "first I1 ", 9), 0);
	cr_expect_not_null(strstr(b.said.data, "\npart I"));
	cr_expect_not_null(strstr(b.said.data, "\nlast "));
	/* The next one is not vouched for. */
	large(&b, NULL, "COMMIT");
	cr_expect_eq(b.result, FL_GROUPER_AGAIN);
	fl_buf_finish(&b.said);
	fl_grouper_destroy(b.grouper);
}

Test(grouper, a_doubt_in_a_large_transaction_is_told_before_its_first_part)
{
	struct bench b;
	begin(&b, 1000, mysql);
	large(&b, "UPDATE t SET a = 1", "COMMIT");
	read_again(&b);
	large(&b, "UPDATE t SET a = 1", "COMMIT");
	cr_expect_eq(b.result, 0);
	cr_expect_eq(strncmp(b.said.data, "first ? I1 ", 11), 0);
	cr_expect_eq(count_of(&b, '?'), 2, "and once more where it stands");
	cr_expect_eq(count_of(&b, 'I'), 12);
	fl_buf_finish(&b.said);
	fl_grouper_destroy(b.grouper);
}

Test(grouper, a_large_transaction_that_is_rolled_back_never_shows)
{
	struct bench b;
	begin(&b, 1000, mysql);
	large(&b, NULL, "ROLLBACK");
	cr_expect_eq(b.result, 0);
	end(&b, "\n");
}

Test(grouper, a_large_transaction_that_is_rolled_back_in_part_is_a_doubt)
{
	struct bench b;
	begin(&b, 1000, mysql);
	large(&b, NULL, "ROLLBACK TO `s`");
	insert(&b, "3");
	query(&b, "COMMIT");
	cr_expect_eq(b.result, 0);
	end(&b, "?t \n");
}

Test(grouper, so_is_one_that_was_rolled_back_in_part_before_it_grew_large)
{
	struct bench b;
	begin(&b, 1000, mysql);
	query(&b, "BEGIN");
	query(&b, "SAVEPOINT `s`");
	insert(&b, "1");
	query(&b, "ROLLBACK TO `s`");
	for (int i = 0; i < 12; i++)
		insert(&b, "2");
	query(&b, "COMMIT");
	end(&b, "?t \n");
}

Test(grouper, parts_of_a_transaction_that_never_ends_put_its_tables_in_doubt)
{
	struct bench b;
	begin(&b, 1000, mysql);
	large(&b, NULL, "COMMIT");
	read_again(&b);
	query(&b, "BEGIN");
	for (int i = 0; i < 12; i++)
		insert(&b, "1");
	struct fl_buf body = { 0 };
	put(&body, 4, 8);
	fl_buf_text(&body, "binlog.000002");
	feed_buf(&b, FL_EVENT_ROTATE, &body);
	fl_buf_char(&b.said, '\0');
	cr_expect_not_null(strstr(b.said.data, "\nlast ?t @"));
	fl_buf_finish(&b.said);
	fl_grouper_destroy(b.grouper);
}
