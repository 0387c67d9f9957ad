/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker with a sink that does as it is told: what is submitted, which positions are settled and
 * saved, and where it goes on after each way in which a seat or the sink can end.
 */
#include "worker_fixture.h"

TestSuite(worker, .init = set_up, .fini = tear_down, .timeout = 20);

Test(worker, transactions_arrive_in_order_and_the_position_is_saved)
{
	struct fl_seat *seat = give_seat(100);
	push(seat, 200, true);
	push(seat, 300, true);
	push(seat, 400, true);
	end_seat(seat, FL_SEAT_FINISHED);
	wait_for(FL_WORKER_FINISHED);
	expect_calls("o 200 300 400 c ");
	expect_saved("1 pos=400 gtid=- file=b.1");
}

Test(worker, what_is_pending_is_drained_before_its_position_is_saved)
{
	sink.leaves_pending = true;
	struct fl_seat *seat = give_seat(100);
	push(seat, 200, true);
	end_seat(seat, FL_SEAT_FINISHED);
	wait_for(FL_WORKER_FINISHED);
	expect_calls("o 200 c ");
	cr_expect_not_null(strstr(sink.log, "200 d "));
	expect_saved("1 pos=200 gtid=- file=b.1");
}

static void wait_for_calls(const char *some)
{
	for (bool seen = false; !seen; sched_yield()) {
		uv_mutex_lock(&sink.mutex);
		seen = strstr(sink.log, some) != NULL;
		uv_mutex_unlock(&sink.mutex);
	}
}

/* Two transactions of so many changes, committed then; the second comes while the sink waits for
 * the first one's answer. */
static void push_while_draining(
	unsigned changes, int64_t first_us, int64_t second_us, const char *expected)
{
	uint64_t const offsets[] = { 200, 300 };
	int64_t const committed[] = { first_us, second_us };
	sink.leaves_pending = sink.looks_for_news = true;
	struct fl_seat *seat = give_seat(100);
	for (int i = 0; i < 2; i++) {
		struct fl_txn *txn = make(offsets[i], true);
		for (unsigned n = 0; n < changes; n++) {
			struct fl_change *change = fl_txn_add(txn);
			cr_assert_not_null(change);
			change->op = FL_DDL;
		}
		txn->view.commit_us = committed[i];
		cr_assert_eq(fl_queue_push(seat->queue, txn, txn->bytes, 0), 1);
		if (i == 0)
			wait_for_calls("200 d ");
	}
	uv_sem_post(&sink.gate);
	end_seat(seat, FL_SEAT_FINISHED);
	wait_for(FL_WORKER_FINISHED);
	expect_calls(expected);
	expect_saved("1 pos=300 gtid=- file=b.1");
}

Test(worker, news_goes_to_the_sink_before_it_has_answered)
{
	push_while_draining(1, fl_now_us(), fl_now_us(), "o 200 n 300 c ");
}

Test(worker, what_is_no_news_waits_until_it_has)
{
	push_while_draining(1, fl_now_us() - 10000000, fl_now_us(), "o 200 300 c ");
}

Test(worker, an_older_plugin_is_told_no_news)
{
	plugin.abi_minor = 2;
	push_while_draining(1, fl_now_us(), fl_now_us(), "o 200 300 c ");
}

Test(worker, what_comes_behind_much_waits_until_it_is_done)
{
	push_while_draining(100, fl_now_us(), fl_now_us(), "o 200 300 c ");
}

Test(worker, a_sink_that_calls_a_drain_off_without_news_halts)
{
	sink.leaves_pending = sink.is_hasty = true;
	struct fl_seat *seat = give_seat(100);
	push(seat, 200, true);
	wait_for(FL_WORKER_HALTED);
	fl_seat_unref(seat);
	expect_calls("o 200 c ");
}

Test(worker, what_is_pending_is_settled_before_it_waits_for_another_seat)
{
	sink.leaves_pending = true;
	struct fl_seat *seat = give_seat(100);
	push(seat, 200, true);
	end_seat(seat, FL_SEAT_LEFT);
	wait_for(FL_WORKER_WAITING);
	expect_saved("1 pos=200 gtid=- file=b.1");
}

Test(worker, a_retry_opens_the_sink_anew_and_goes_back_to_what_was_settled)
{
	sink.retry_at = 300;
	struct fl_seat *seat = give_seat(100);
	push(seat, 200, true);
	end_seat(seat, FL_SEAT_LEFT);
	seat = give_seat(200);
	push(seat, 300, true);
	fl_seat_unref(seat);
	seat = give_seat(200);
	push(seat, 300, true);
	end_seat(seat, FL_SEAT_FINISHED);
	wait_for(FL_WORKER_FINISHED);
	expect_calls("o 200 c o 300 c ");
	expect_saved("1 pos=300 gtid=- file=b.1");
}

Test(worker, a_failure_halts_it_and_keeps_the_position_before)
{
	sink.fail_at = 300;
	struct fl_seat *seat = give_seat(100);
	push(seat, 200, true);
	end_seat(seat, FL_SEAT_LEFT);
	seat = give_seat(200);
	push(seat, 300, true);
	wait_for(FL_WORKER_HALTED);
	fl_seat_unref(seat);
	expect_calls("o 200 c ");
	expect_saved("1 pos=200 gtid=- file=b.1");
}

/* One that is faulty halts it, and moves no position. */
static void expect_halt_at_300(void)
{
	struct fl_seat *seat = give_seat(200);
	push(seat, 300, true);
	wait_for(FL_WORKER_HALTED);
	fl_seat_unref(seat);
	expect_calls("o 200 300 c ");
	expect_saved("1 pos=200 gtid=- file=b.1");
}

static void settle_200(void)
{
	struct fl_seat *seat = give_seat(100);
	push(seat, 200, true);
	end_seat(seat, FL_SEAT_LEFT);
	wait_for(FL_WORKER_WAITING);
}

Test(worker, settling_what_was_not_submitted_halts_it)
{
	settle_200();
	sink.leaves_pending = true;
	sink.claims = 1;
	expect_halt_at_300();
}

Test(worker, settling_from_another_thread_halts_it)
{
	settle_200();
	sink.leaves_pending = true;
	sink.claims_from_thread = true;
	expect_halt_at_300();
}

Test(worker, an_outcome_that_is_none_halts_it)
{
	settle_200();
	sink.nonsense = (enum fl_outcome)7;
	expect_halt_at_300();
}

Test(worker, in_the_next_seat_it_skips_what_it_has)
{
	struct fl_seat *seat = give_seat(100), *next = fl_seat_create(1 << 20);
	cr_assert_not_null(next);
	push(seat, 200, true);
	push(seat, 300, true);
	push(next, 200, true);
	push(next, 300, true);
	push(next, 400, true);
	push(next, 350, true); /* only what comes first is compared */
	fl_seat_end(next, FL_SEAT_FINISHED, NULL);
	seat->next = next;
	end_seat(seat, FL_SEAT_MOVED);
	wait_for(FL_WORKER_FINISHED);
	expect_calls("o 200 300 400 350 c ");
}

Test(worker, a_part_of_a_transaction_does_not_move_the_position)
{
	struct fl_seat *seat = give_seat(100);
	push(seat, 200, true);
	push(seat, 300, false);
	end_seat(seat, FL_SEAT_LEFT);
	seat = give_seat(200);
	push(seat, 300, false);
	push(seat, 300, true);
	end_seat(seat, FL_SEAT_FINISHED);
	wait_for(FL_WORKER_FINISHED);
	expect_calls("o 200 300 300 300 c ");
	expect_saved("1 pos=300 gtid=- file=b.1");
}

/* Who reads a stream waits for it. */
Test(worker, the_end_of_a_transaction_in_parts_arrives_though_nothing_is_in_it)
{
	struct fl_seat *seat = give_seat(100);
	push(seat, 200, false);
	for (bool there = false; !there; sched_yield()) {
		uv_mutex_lock(&sink.mutex);
		there = strstr(sink.log, "200 ") != NULL;
		uv_mutex_unlock(&sink.mutex);
	}
	struct fl_txn *end = make(300, true);
	end->view.first = false;
	cr_assert_eq(fl_queue_push(seat->queue, end, end->bytes, 0), 1);
	end_seat(seat, FL_SEAT_FINISHED);
	wait_for(FL_WORKER_FINISHED);
	expect_calls("o 200 300 c ");
	expect_saved("1 pos=300 gtid=- file=b.1");
}

Test(worker, a_position_of_its_own_is_saved_before_anything_comes)
{
	struct fl_seat *seat = give_seat(100);
	end_seat(seat, FL_SEAT_FINISHED);
	wait_for(FL_WORKER_FINISHED);
	expect_saved("1 pos=100 gtid=- file=b.1");
}

Test(worker, a_source_that_refuses_halts_it)
{
	struct fl_err reason;
	struct fl_seat *seat = give_seat(100);
	fl_err_set(&reason, FL_EFATAL, "purged");
	fl_seat_end(seat, FL_SEAT_REFUSED, &reason);
	fl_seat_unref(seat);
	wait_for(FL_WORKER_HALTED);
	expect_calls("o c ");
}

Test(worker, a_stop_ends_it_while_it_waits_for_a_seat_or_for_transactions)
{
	struct fl_seat *seat = give_seat(100);
	push(seat, 200, true);
	fl_worker_stop(worker);
	wait_for(FL_WORKER_STOPPED);
	fl_seat_unref(seat);
	cr_expect_eq(sink.log[strlen(sink.log) - 2], 'c');
}

Test(worker, one_that_leaves_brings_a_transaction_in_parts_to_its_end)
{
	struct fl_seat *seat = give_seat(100);
	push(seat, 200, true);
	push(seat, 299, false);
	wait_for_calls("299 ");
	fl_worker_leave(worker);
	cr_expect_eq(fl_worker_state(worker), FL_WORKER_RIDING);
	push(seat, 300, true);
	push(seat, 400, true);
	wait_for(FL_WORKER_STOPPED);
	expect_calls("o 200 299 300 c ");
	expect_saved("1 pos=300 gtid=- file=b.1");
	fl_seat_unref(seat);
}

Test(worker, one_that_leaves_does_not_wait_for_an_end_that_is_lost)
{
	struct fl_seat *seat = give_seat(100);
	push(seat, 200, true);
	push(seat, 299, false);
	wait_for_calls("299 ");
	fl_worker_leave(worker);
	end_seat(seat, FL_SEAT_LEFT);
	wait_for(FL_WORKER_STOPPED);
	expect_saved("1 pos=200 gtid=- file=b.1");
}

Test(worker, one_that_leaves_between_transactions_ends_at_once)
{
	struct fl_seat *seat = give_seat(100);
	push(seat, 200, true);
	wait_for_calls("200 ");
	fl_worker_leave(worker);
	wait_for(FL_WORKER_STOPPED);
	expect_calls("o 200 c ");
	expect_saved("1 pos=200 gtid=- file=b.1");
	fl_seat_unref(seat);
}

Test(worker, the_next_one_goes_on_where_the_last_was_though_there_is_no_file)
{
	struct fl_buf settled = { 0 };
	struct fl_err err;
	uint64_t memory;
	struct fl_seat *seat = give_seat(100);
	push(seat, 200, true);
	wait_for_calls("200 ");
	*sink.host->memory = 17;
	fl_worker_leave(worker);
	wait_for(FL_WORKER_STOPPED);
	fl_worker_remains(worker, &memory, &settled);
	cr_expect_eq(memory, 17);
	fl_worker_destroy(worker);
	fl_seat_unref(seat);

	char path[100];
	snprintf(path, sizeof(path), "%s/told.position", folder);
	cr_assert_eq(unlink(path), 0);
	struct fl_worker_config next = config;
	next.memory = memory;
	next.known = (struct fl_bytes){ settled.data, settled.size };
	worker = fl_worker_create(&next);
	cr_assert_not_null(worker);
	fl_buf_finish(&settled);
	cr_assert_eq(fl_worker_start(worker, &err), 0);
	seat = give_seat(200);
	cr_expect_eq(*sink.host->memory, 17);
	end_seat(seat, FL_SEAT_FINISHED);
	wait_for(FL_WORKER_FINISHED);
	expect_saved("1 pos=200 gtid=- file=b.1");
	fl_worker_destroy(worker);
	worker = NULL;
}
