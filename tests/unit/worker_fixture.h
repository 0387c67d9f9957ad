/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of a worker: a sink that does as it is told, a seat, and what both have got. The
 * program's one worker is started by set_up().
 */
#ifndef FL_TEST_WORKER_FIXTURE_H
#define FL_TEST_WORKER_FIXTURE_H

#include <criterion/criterion.h>
#include <poll.h>
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
	bool looks_for_news; /* drain() behind the first transaction waits for the gate,
			      * and ends on news: n(ews) */
	bool is_hasty;	     /* drain() ends at once, and settles nothing */
	uv_sem_t gate;
	uint64_t claims;	  /* settled() is called for so many batches too many */
	bool claims_from_thread;  /* ... and from a thread of its own */
	enum fl_outcome nonsense; /* what is returned in place of how it ended; 0: nothing */
	const struct fl_host *host;
	uint64_t last, transactions;
} sink;

static inline void note(const char *format, uint64_t number)
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

static inline void claim(void *batch)
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
	sink.transactions += batch->transaction_count;
	if (sink.nonsense != 0)
		return sink.nonsense;
	return sink.leaves_pending ? FL_PENDING : FL_DONE;
}

static enum fl_outcome sink_drain(void *self, struct fl_err *err)
{
	(void)self;
	(void)err;
	note("d ", 0);
	if (sink.looks_for_news && sink.transactions == 1) {
		struct pollfd news = { .fd = sink.host->news, .events = POLLIN };
		uv_sem_wait(&sink.gate);
		if (poll(&news, 1, 0) > 0) {
			note("n ", 0);
			return FL_PENDING;
		}
	}
	if (sink.is_hasty && sink.transactions > 0)
		return FL_PENDING;
	sink.host->settled(sink.host->ctx, sink.last);
	return FL_DONE;
}

static inline void sink_close(void *self)
{
	(void)self;
	note("c ", 0);
}

static struct fl_sink_plugin plugin = {
	.abi_major = FL_ABI_MAJOR,
	.abi_minor = FL_ABI_MINOR,
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

static inline void changed(void *ctx)
{
	(void)ctx;
	uv_sem_post(&news);
}

static struct fl_sink_counters counters;
static atomic_uint waiters;

static const struct fl_worker_config config = {
	.name = "told",
	.plugin = &plugin,
	.on_doubt = FL_ON_DOUBT_DELETE,
	.state_dir = folder,
	.start = &start,
	.changed = changed,
	.counters = &counters,
	.waiters = &waiters,
	.settled = changed,
};

static inline void set_up(void)
{
	struct fl_err err;
	cr_assert_not_null(mkdtemp(folder));
	uv_mutex_init(&sink.mutex);
	uv_sem_init(&news, 0);
	uv_sem_init(&sink.gate, 0);
	cr_assert_eq(fl_sink_counters_init(&counters, "told"), 0);
	worker = fl_worker_create(&config);
	cr_assert_not_null(worker);
	cr_assert_eq(fl_worker_start(worker, &err), 0);
}

static inline void tear_down(void)
{
	char path[100];
	if (worker != NULL)
		fl_worker_stop(worker);
	fl_worker_destroy(worker);
	snprintf(path, sizeof(path), "%s/told.position", folder);
	unlink(path);
	rmdir(folder);
	uv_sem_destroy(&news);
	uv_sem_destroy(&sink.gate);
	uv_mutex_destroy(&sink.mutex);
	fl_sink_counters_finish(&counters);
}

static inline void wait_for(enum fl_worker_state state)
{
	while (fl_worker_state(worker) != state)
		uv_sem_wait(&news);
}

static inline struct fl_txn *make(uint64_t offset, bool last)
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

static inline void push(struct fl_seat *seat, uint64_t offset, bool last)
{
	struct fl_txn *txn = make(offset, last);
	struct fl_change *change = fl_txn_add(txn);
	cr_assert_not_null(change);
	change->op = FL_DDL;
	cr_assert_eq(fl_queue_push(seat->queue, txn, txn->bytes, 0), 1);
}

/* Waits until the worker asks for a seat at that place and gives it one. */
static inline struct fl_seat *give_seat(uint64_t expected_offset)
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

static inline void end_seat(struct fl_seat *seat, enum fl_seat_end end)
{
	fl_seat_end(seat, end, NULL);
	fl_seat_unref(seat);
}

static inline void expect_saved(const char *expected)
{
	struct fl_buf text = { 0 };
	struct fl_err err = { 0 };
	cr_assert_eq(fl_checkpoint_load(folder, "told", &text, &err), 1, "%s", err.text);
	fl_buf_char(&text, '\0');
	cr_expect_str_eq(text.data, expected);
	fl_buf_finish(&text);
}

/* The calls, less drains, which come as often as the queue is found empty. */
static inline void expect_calls(const char *expected)
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

#endif
