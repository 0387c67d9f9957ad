/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/queue.h"

static void *item(uintptr_t number)
{
	return (void *)number;
}

Test(queue, gives_items_in_order)
{
	struct fl_queue *queue = fl_queue_create(100);
	cr_assert_not_null(queue);
	for (uintptr_t i = 1; i <= 5; i++)
		cr_assert_eq(fl_queue_push(queue, item(i), 10, 0), 1);
	cr_expect_eq(fl_queue_bytes(queue), 50);
	for (uintptr_t i = 1; i <= 5; i++) {
		void *got = NULL;
		cr_assert_eq(fl_queue_pop(queue, 0, &got), 1);
		cr_expect_eq(got, item(i));
	}
	cr_expect_eq(fl_queue_bytes(queue), 0);
	fl_queue_destroy(queue, NULL);
}

Test(queue, takes_no_more_than_its_bytes)
{
	static const struct {
		size_t limit, first, second;
		int expected;
	} cases[] = {
		{ 100, 50, 50, 1 },
		{ 100, 50, 51, 0 },
		{ 100, 100, 1, 0 },
		{ 100, 0, 100, 1 },
		{ 100, 0, 1000, 0 },
		{ 100, 1000, 1, 0 }, /* larger than the bound: only into an empty queue */
		{ 100, 50, SIZE_MAX, 0 },
		{ SIZE_MAX, SIZE_MAX, SIZE_MAX, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fl_queue *queue = fl_queue_create(cases[i].limit);
		cr_assert_eq(fl_queue_push(queue, item(1), cases[i].first, 0), 1, "case %zu", i);
		cr_expect_eq(fl_queue_push(queue, item(2), cases[i].second, 0), cases[i].expected,
			"case %zu", i);
		fl_queue_destroy(queue, NULL);
	}
}

Test(queue, that_is_empty_says_so_in_time)
{
	struct fl_queue *queue = fl_queue_create(100);
	void *got = item(7);
	cr_expect_eq(fl_queue_pop(queue, 0, &got), 0);
	cr_expect_eq(fl_queue_pop(queue, 5, &got), 0);
	cr_expect_eq(got, item(7), "an output is untouched on failure");
	fl_queue_destroy(queue, NULL);
}

static void look(void *ctx, const void *seen)
{
	*(const void **)ctx = seen;
}

Test(queue, shows_what_would_be_popped_next_and_keeps_it)
{
	struct fl_queue *queue = fl_queue_create(100);
	const void *seen = NULL;
	void *got = NULL;
	cr_expect_not(fl_queue_peek(queue, look, &seen));
	cr_assert_eq(fl_queue_push(queue, item(1), 1, 0), 1);
	cr_assert_eq(fl_queue_push(queue, item(2), 1, 0), 1);
	cr_expect(fl_queue_peek(queue, look, &seen));
	cr_expect_eq(seen, item(1));
	cr_expect_eq(fl_queue_pop(queue, 0, &got), 1);
	cr_expect_eq(got, item(1));
	fl_queue_destroy(queue, NULL);
}

static void *nudge(void *queue)
{
	fl_queue_nudge(queue);
	return NULL;
}

Test(queue, nudged_makes_one_wait_end_and_loses_nothing)
{
	struct fl_queue *queue = fl_queue_create(100);
	void *got = NULL;
	pthread_t other;
	/* Before it waits, or while. */
	fl_queue_nudge(queue);
	cr_expect_eq(fl_queue_pop(queue, -1, &got), 0);
	cr_assert_eq(pthread_create(&other, NULL, nudge, queue), 0);
	cr_expect_eq(fl_queue_pop(queue, -1, &got), 0);
	pthread_join(other, NULL);
	cr_expect_eq(fl_queue_pop(queue, 1, &got), 0);
	fl_queue_nudge(queue);
	cr_assert_eq(fl_queue_push(queue, item(1), 1, 0), 1);
	cr_expect_eq(fl_queue_pop(queue, -1, &got), 1);
	fl_queue_destroy(queue, NULL);
}

static bool is_readable(int fd)
{
	struct pollfd poll_for = { .fd = fd, .events = POLLIN };
	return poll(&poll_for, 1, 0) > 0;
}

Test(queue, that_is_watched_tells_of_the_next_item_once)
{
	struct fl_queue *queue = fl_queue_create(100);
	int const fd = eventfd(0, EFD_NONBLOCK);
	void *got = NULL;
	cr_assert_geq(fd, 0);
	cr_expect_not(fl_queue_watch(queue, fd));
	cr_expect_not(is_readable(fd));
	cr_expect_not(fl_queue_unwatch(queue, fd), "nothing has come");
	cr_expect_not(fl_queue_watch(queue, fd));
	for (uintptr_t i = 1; i <= 2; i++)
		cr_assert_eq(fl_queue_push(queue, item(i), 1, 0), 1);
	cr_expect(is_readable(fd));
	cr_expect(fl_queue_unwatch(queue, fd));
	cr_expect_not(is_readable(fd));
	cr_assert_eq(fl_queue_push(queue, item(3), 1, 0), 1);
	cr_expect_not(is_readable(fd), "nobody watches");
	cr_expect(fl_queue_watch(queue, fd), "there is one already");
	while (fl_queue_pop(queue, 0, &got) == 1)
		;
	cr_expect_eq(got, item(3));
	cr_expect_not(fl_queue_watch(queue, fd));
	cr_assert_eq(fl_queue_push_some(queue, &(struct fl_queue_item){ item(4), 1 }, 1), 1);
	cr_expect(fl_queue_unwatch(queue, fd));
	close(fd);
	fl_queue_destroy(queue, NULL);
}

Test(queue, that_is_closed_is_emptied_and_then_ends)
{
	struct fl_queue *queue = fl_queue_create(100);
	void *got = NULL;
	cr_assert_eq(fl_queue_push(queue, item(1), 1, 0), 1);
	fl_queue_close(queue);
	cr_expect_eq(fl_queue_push(queue, item(2), 1, 0), FL_ESTOPPED);
	cr_expect_eq(fl_queue_pop(queue, -1, &got), 1);
	cr_expect_eq(got, item(1));
	cr_expect_eq(fl_queue_pop(queue, -1, &got), FL_ESTOPPED);
	fl_queue_destroy(queue, NULL);
}

Test(queue, that_is_aborted_ends_at_once)
{
	struct fl_queue *queue = fl_queue_create(100);
	void *got = NULL;
	cr_assert_eq(fl_queue_push(queue, item(1), 1, 0), 1);
	fl_queue_abort(queue);
	cr_expect_eq(fl_queue_pop(queue, -1, &got), FL_ESTOPPED);
	cr_expect_eq(fl_queue_push(queue, item(2), 1, -1), FL_ESTOPPED);
	fl_queue_destroy(queue, NULL);
}

static unsigned released;

static void release(void *left)
{
	released += (unsigned)(uintptr_t)left;
}

Test(queue, gives_back_what_is_left_when_destroyed)
{
	struct fl_queue *queue = fl_queue_create(100);
	for (uintptr_t i = 1; i <= 3; i++)
		cr_assert_eq(fl_queue_push(queue, item(i), 1, 0), 1);
	void *got;
	cr_assert_eq(fl_queue_pop(queue, 0, &got), 1);
	fl_queue_destroy(queue, release);
	cr_expect_eq(released, 2 + 3);
}

enum { ITEMS = 50000 };

static void *produce(void *ctx)
{
	struct fl_queue *queue = ctx;
	for (uintptr_t i = 1; i <= ITEMS; i++)
		if (fl_queue_push(queue, item(i), i % 7, -1) != 1)
			return item(i);
	fl_queue_close(queue);
	return NULL;
}

Test(queue, loses_nothing_between_two_threads)
{
	struct fl_queue *queue = fl_queue_create(16); /* full again and again */
	pthread_t producer;
	cr_assert_eq(pthread_create(&producer, NULL, produce, queue), 0);
	void *got;
	uintptr_t next = 1;
	int code;
	while ((code = fl_queue_pop(queue, -1, &got)) == 1) {
		cr_assert_eq(got, item(next));
		cr_assert_leq(fl_queue_bytes(queue), 16);
		next++;
	}
	void *failed = item(1);
	pthread_join(producer, &failed);
	cr_expect_eq(code, FL_ESTOPPED);
	cr_expect_eq(next, ITEMS + 1);
	cr_expect_null(failed);
	fl_queue_destroy(queue, NULL);
}

static void *push_forever(void *ctx)
{
	int code;
	do
		code = fl_queue_push(ctx, item(1), 1, -1);
	while (code == 1);
	return item((uintptr_t)-code);
}

Test(queue, aborted_by_the_consumer_frees_a_waiting_producer)
{
	struct fl_queue *queue = fl_queue_create(4);
	pthread_t producer;
	void *got, *result = NULL;
	cr_assert_eq(pthread_create(&producer, NULL, push_forever, queue), 0);
	cr_assert_eq(fl_queue_pop(queue, -1, &got), 1);
	fl_queue_abort(queue);
	pthread_join(producer, &result);
	cr_expect_eq(result, item((uintptr_t)-FL_ESTOPPED));
	fl_queue_destroy(queue, NULL);
}

Test(queue, takes_and_gives_many_at_once_up_to_its_bound)
{
	struct fl_queue *queue = fl_queue_create(100);
	struct fl_queue_item items[8];
	void *got[8];
	for (uintptr_t i = 0; i < 8; i++)
		items[i] = (struct fl_queue_item){ item(i + 1), 30 };
	cr_expect_eq(fl_queue_push_some(queue, items, 8), 3, "90 of 100 bytes");
	cr_expect_eq(fl_queue_push_some(queue, items + 3, 5), 0);
	cr_expect_eq(fl_queue_pop_some(queue, 0, got, 8, 31), 2, "until there are 31 bytes");
	cr_expect_eq(got[1], item(2));
	cr_expect_eq(fl_queue_bytes(queue), 30);
	cr_expect_eq(fl_queue_push_some(queue, items + 3, 5), 2);
	cr_expect_eq(fl_queue_pop_some(queue, 0, got, 2, SIZE_MAX), 2);
	cr_expect_eq(got[0], item(3));
	cr_expect_eq(fl_queue_pop_some(queue, 0, got, 8, SIZE_MAX), 1);
	cr_expect_eq(got[0], item(5));
	cr_expect_eq(fl_queue_pop_some(queue, 0, got, 8, SIZE_MAX), 0);
	fl_queue_close(queue);
	cr_expect_eq(fl_queue_push_some(queue, items, 8), FL_ESTOPPED);
	cr_expect_eq(fl_queue_pop_some(queue, -1, got, 8, SIZE_MAX), FL_ESTOPPED);
	fl_queue_destroy(queue, NULL);
}

static void *produce_some(void *ctx)
{
	struct fl_queue *queue = ctx;
	struct fl_queue_item items[9];
	for (uintptr_t next = 1; next <= ITEMS;) {
		size_t count = 0;
		for (; count < 1 + next % 9 && next + count <= ITEMS; count++)
			items[count] =
				(struct fl_queue_item){ item(next + count), (next + count) % 7 };
		for (size_t done = 0; done < count;) {
			int taken = fl_queue_push_some(queue, items + done, count - done);
			if (taken == 0)
				taken = fl_queue_push(
					queue, items[done].item, items[done].bytes, -1);
			if (taken < 0)
				return item(next);
			done += (size_t)taken;
		}
		next += count;
	}
	fl_queue_close(queue);
	return NULL;
}

Test(queue, loses_nothing_of_many_at_once_between_two_threads)
{
	struct fl_queue *queue = fl_queue_create(16);
	pthread_t producer;
	cr_assert_eq(pthread_create(&producer, NULL, produce_some, queue), 0);
	void *got[5];
	uintptr_t next = 1;
	int count;
	while ((count = fl_queue_pop_some(queue, -1, got, 5, 12)) > 0)
		for (int i = 0; i < count; i++)
			cr_assert_eq(got[i], item(next++));
	void *failed = item(1);
	pthread_join(producer, &failed);
	cr_expect_eq(count, FL_ESTOPPED);
	cr_expect_eq(next, ITEMS + 1);
	cr_expect_null(failed);
	fl_queue_destroy(queue, NULL);
}
