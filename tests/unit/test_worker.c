/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker with a sink that does as it is told: what is submitted, which positions are settled and
 * saved, and where it goes on after each way in which a seat or the sink can end.
 */
#include <criterion/criterion.h>
#include <sched.h>
#include <unistd.h>
#include <uv.h>

#include "checkpoint.h"
#include "sink/worker.h"

/* ---- the sink ---- */

static struct {
	uv_mutex_t mutex;
	char log[1000]; /* what was called: o(pen), c(lose), d(rain), and offsets submitted */
	uint64_t retry_at, fail_at; /* offsets of transactions at which to give up, once */
	bool leaves_pending;
	uint64_t claims;	  /* settled() is called for so many batches too many */
	bool claims_from_thread;  /* ... and from a thread of its own */
	enum fl_outcome nonsense; /* what is returned in place of how it ended; 0: nothing */
	const struct fl_host *host;
	uint64_t last;
} sink;

static void note(const char *format, uint64_t number)
{
	uv_mutex_lock(&sink.mutex);
	size_t size = strlen(sink.log);
	snprintf(sink.log + size, sizeof(sink.log) - size, format, (unsigned long long)number);
	uv_mutex_unlock(&sink.mutex);
}

static enum fl_outcome sink_open(const struct fl_host *host, const struct fl_settings *settings,
	void **ret_self, struct fl_err *err)
{
	(void)settings;
	(void)err;
	note("o ", 0);
	sink.host = host;
	*ret_self = &sink;
	return FL_DONE;
}

static void claim(void *batch)
{
	sink.host->settled(sink.host->ctx, *(uint64_t *)batch + sink.claims);
}

static enum fl_outcome sink_submit(void *self, const struct fl_batch *batch, struct fl_err *err)
{
	uv_thread_t thread;
	uint64_t id = batch->id;
	(void)self;
	if (sink.claims_from_thread) {
		cr_assert_eq(uv_thread_create(&thread, claim, &id), 0);
		uv_thread_join(&thread);
	} else if (sink.claims > 0) {
		claim(&id);
	}
	for (size_t i = 0; i < batch->transaction_count; i++) {
		uint64_t at = batch->transactions[i]->position;
		if (at == sink.retry_at) {
			sink.retry_at = 0;
			fl_err_set(err, FL_ELOST, "told to try again");
			return FL_RETRY;
		}
		if (at == sink.fail_at) {
			fl_err_set(err, FL_EFATAL, "told to fail");
			return FL_FAILED;
		}
		note("%llu ", at);
	}
	sink.last = batch->id;
	if (sink.nonsense != 0)
		return sink.nonsense;
	return sink.leaves_pending ? FL_PENDING : FL_DONE;
}

static enum fl_outcome sink_drain(void *self, struct fl_err *err)
{
	(void)self;
	(void)err;
	note("d ", 0);
	sink.host->settled(sink.host->ctx, sink.last);
	return FL_DONE;
}

static void sink_close(void *self)
{
	(void)self;
	note("c ", 0);
}

static const struct fl_sink_plugin plugin = {
	.abi_major = FL_ABI_MAJOR,
	.size = sizeof(plugin),
	.name = "told",
	.takes = FL_TAKES_CHANGES,
	.open = sink_open,
	.submit = sink_submit,
	.drain = sink_drain,
	.close = sink_close,
};

/* ---- the bench ---- */

static char folder[] = "/tmp/fastlane-worker-XXXXXX";
static struct fl_position start = { .file = "b.1", .offset = 100 };
static uv_sem_t news;
static struct fl_worker *worker;

static void changed(void *ctx)
{
	(void)ctx;
	uv_sem_post(&news);
}

static const struct fl_worker_config config = {
	.name = "told",
	.plugin = &plugin,
	.on_doubt = FL_ON_DOUBT_DELETE,
	.state_dir = folder,
	.start = &start,
	.changed = changed,
};

static void set_up(void)
{
	struct fl_err err;
	cr_assert_not_null(mkdtemp(folder));
	uv_mutex_init(&sink.mutex);
	uv_sem_init(&news, 0);
	worker = fl_worker_create(&config);
	cr_assert_not_null(worker);
	cr_assert_eq(fl_worker_start(worker, &err), 0);
}

static void tear_down(void)
{
	char path[100];
	if (worker != NULL)
		fl_worker_stop(worker);
	fl_worker_destroy(worker);
	snprintf(path, sizeof(path), "%s/told.position", folder);
	unlink(path);
	rmdir(folder);
	uv_sem_destroy(&news);
	uv_mutex_destroy(&sink.mutex);
}

TestSuite(worker, .init = set_up, .fini = tear_down, .timeout = 20);

static void wait_for(enum fl_worker_state state)
{
	while (fl_worker_state(worker) != state)
		uv_sem_wait(&news);
}

static struct fl_txn *make(uint64_t offset, bool last)
{
	struct fl_txn *txn = fl_txn_create(NULL);
	cr_assert_not_null(txn);
	txn->anonymous = true;
	txn->view.file = fl_txn_copy(txn, (struct fl_bytes){ "b.1", 3 });
	txn->view.position = offset;
	txn->view.last = last;
	txn->bytes = 100;
	return txn;
}

static void push(struct fl_seat *seat, uint64_t offset, bool last)
{
	struct fl_txn *txn = make(offset, last);
	struct fl_change *change = fl_txn_add(txn);
	cr_assert_not_null(change);
	change->op = FL_DDL;
	cr_assert_eq(fl_queue_push(seat->queue, txn, txn->bytes, 0), 1);
}

/* Waits until the worker asks for a seat at that place and gives it one. */
static struct fl_seat *give_seat(uint64_t expected_offset)
{
	struct fl_position wish = { 0 };
	wait_for(FL_WORKER_WAITING);
	cr_assert_eq(fl_worker_wish(worker, &wish), 0);
	cr_expect_str_eq(wish.file, "b.1");
	cr_expect_eq(
		wish.offset, expected_offset, "it asks for %llu", (unsigned long long)wish.offset);
	fl_position_finish(&wish);
	struct fl_seat *seat = fl_seat_create(1 << 20);
	cr_assert_not_null(seat);
	fl_worker_seat(worker, fl_seat_ref(seat));
	return seat;
}

static void end_seat(struct fl_seat *seat, enum fl_seat_end end)
{
	fl_seat_end(seat, end, NULL);
	fl_seat_unref(seat);
}

static void expect_saved(const char *expected)
{
	struct fl_buf text = { 0 };
	struct fl_err err = { 0 };
	cr_assert_eq(fl_checkpoint_load(folder, "told", &text, &err), 1, "%s", err.text);
	fl_buf_char(&text, '\0');
	cr_expect_str_eq(text.data, expected);
	fl_buf_finish(&text);
}

/* The calls, less drains, which come as often as the queue is found empty. */
static void expect_calls(const char *expected)
{
	char calls[sizeof(sink.log)];
	size_t size = 0;
	for (const char *at = sink.log; *at != '\0'; at++)
		if (at[0] == 'd' && at[1] == ' ')
			at++;
		else
			calls[size++] = *at;
	calls[size] = '\0';
	cr_expect_str_eq(calls, expected);
}

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

static void wait_for_calls(const char *some)
{
	for (bool seen = false; !seen; sched_yield()) {
		uv_mutex_lock(&sink.mutex);
		seen = strstr(sink.log, some) != NULL;
		uv_mutex_unlock(&sink.mutex);
	}
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
