/* SPDX-License-Identifier: Apache-2.0
 *
 * What a worker tells of itself: what is counted, which position is settled, and how old what it
 * has in hand is.
 */
#include "worker_fixture.h"

TestSuite(worker_told, .init = set_up, .fini = tear_down, .timeout = 20);

static bool has_settled(const char *position)
{
	struct fl_buf text = { 0 };
	fl_worker_position(worker, &text);
	bool const has =
		text.size == strlen(position) && memcmp(text.data, position, text.size) == 0;
	fl_buf_finish(&text);
	return has;
}

Test(worker_told, what_is_settled_is_counted_and_shown)
{
	struct fl_last_error error;
	sink.fail_at = 500;
	struct fl_seat *seat = give_seat(100);
	cr_expect(has_settled("1 pos=100 gtid=- file=b.1"), "from the beginning on");
	push(seat, 200, true);
	push(seat, 299, false);
	struct fl_txn *last = make(300, true);
	last->view.first = false;
	cr_assert_eq(fl_queue_push(seat->queue, last, last->bytes, 0), 1);
	while (!has_settled("1 pos=300 gtid=- file=b.1"))
		sched_yield();
	cr_assert_eq(fl_queue_push(seat->queue, make(400, true), 100, 0), 1); /* empty */
	push(seat, 500, true);
	wait_for(FL_WORKER_HALTED);
	fl_seat_unref(seat);
	cr_expect_eq(fl_counted(&counters.transactions), 2);
	cr_expect_eq(fl_counted(&counters.changes), 2);
	cr_expect_eq(fl_counted(&counters.errors[FL_ERROR_HALTED]), 1);
	cr_expect_eq(fl_counted(&counters.retries), 0);
	fl_sink_last_error(&counters, &error);
	cr_expect_str_eq(error.text, "halted: told to fail");
	cr_expect_neq(error.time_us, 0);
	cr_expect(has_settled("1 pos=300 gtid=- file=b.1"));
}

Test(worker_told, a_retry_is_counted_by_what_it_was_about)
{
	struct fl_last_error error;
	sink.retry_at = 200;
	struct fl_seat *seat = give_seat(100);
	push(seat, 200, true);
	fl_seat_unref(seat);
	seat = give_seat(100);
	end_seat(seat, FL_SEAT_FINISHED);
	wait_for(FL_WORKER_FINISHED);
	cr_expect_eq(fl_counted(&counters.retries), 1);
	cr_expect_eq(fl_counted(&counters.errors[FL_ERROR_WRITE]), 1);
	cr_expect_eq(fl_counted(&counters.errors[FL_ERROR_CONNECT]), 0);
	fl_sink_last_error(&counters, &error);
	cr_expect_str_eq(error.text, "told to try again");
	cr_expect_eq(fl_counted(&counters.transactions), 0);
}

/* Nothing else carries the position of what is empty: without anybody who waits it may take a
 * second. */
Test(worker_told, a_position_that_is_waited_for_is_settled_at_once)
{
	struct fl_seat *seat = give_seat(100);
	push(seat, 200, true);
	while (!has_settled("1 pos=200 gtid=- file=b.1"))
		sched_yield();
	cr_assert_eq(fl_queue_push(seat->queue, make(300, true), 100, 0), 1);
	while (fl_queue_bytes(seat->queue) > 0)
		sched_yield();
	uint64_t const begin = uv_hrtime();
	while (uv_sem_trywait(&news) == 0)
		;
	atomic_store(&waiters, 1);
	fl_worker_nudge(worker);
	while (!has_settled("1 pos=300 gtid=- file=b.1"))
		uv_sem_wait(&news);
	cr_expect_lt(uv_hrtime() - begin, 500000000);
	fl_seat_unref(seat);
}

Test(worker_told, the_oldest_in_hand_is_told_until_it_is_settled)
{
	struct fl_worker_view view;
	sink.retry_at = 200;
	struct fl_seat *seat = give_seat(100);
	fl_worker_look(worker, &view);
	cr_expect_eq(view.state, FL_WORKER_RIDING);
	cr_expect(view.has_seat);
	cr_expect_eq(view.oldest_us, 0);
	fl_seat_unref(seat);
	/* In a seat that is not taken up yet. */
	struct fl_txn *txn = make(200, true);
	txn->view.commit_us = 1700000000000001;
	seat = fl_seat_create(1 << 20);
	cr_assert_not_null(seat);
	seat->lane = 7;
	cr_assert_eq(fl_queue_push(seat->queue, txn, txn->bytes, 0), 1);
	fl_worker_stop(worker);
	wait_for(FL_WORKER_STOPPED);
	fl_worker_seat(worker, seat);
	fl_worker_look(worker, &view);
	cr_expect_eq(view.oldest_us, 1700000000000001);
	cr_expect_eq(view.lane, 7);
	cr_expect_eq(view.queued, 100);
}
