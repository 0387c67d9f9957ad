/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <pthread.h>

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
