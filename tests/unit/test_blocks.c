/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/blocks.h"
#include "base/queue.h"

Test(blocks, sizes_that_are_kept_are_powers_of_two)
{
	static const struct {
		size_t bytes, size;
	} cases[] = {
		{ 1, 1 },
		{ FL_BLOCK_LEAST - 1, FL_BLOCK_LEAST - 1 },
		{ FL_BLOCK_LEAST, FL_BLOCK_LEAST },
		{ FL_BLOCK_LEAST + 1, 2 * FL_BLOCK_LEAST },
		{ 2 * FL_BLOCK_LEAST + 1, FL_BLOCK_MOST },
		{ FL_BLOCK_MOST, FL_BLOCK_MOST },
		{ FL_BLOCK_MOST + 1, FL_BLOCK_MOST + 1 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		cr_expect_eq(fl_block_size(cases[i].bytes), cases[i].size, "case %zu", i);
}

/* Nothing is kept from the address sanitizer. */
Test(blocks, the_last_one_given_back_is_the_next_of_its_size)
{
	bool const keeps = FL_BLOCKS_KEPT > 0;
	void *small = fl_block_take(FL_BLOCK_LEAST), *large = fl_block_take(FL_BLOCK_MOST);
	void *other = fl_block_take(FL_BLOCK_LEAST);
	cr_assert(small != NULL && large != NULL && other != NULL);
	fl_block_give(small, FL_BLOCK_LEAST);
	fl_block_give(other, FL_BLOCK_LEAST);
	fl_block_give(large, FL_BLOCK_MOST);
	cr_expect_eq(fl_blocks_kept(), keeps ? 2 * FL_BLOCK_LEAST + FL_BLOCK_MOST : 0);
	void *first = fl_block_take(FL_BLOCK_LEAST), *second = fl_block_take(FL_BLOCK_MOST);
	void *third = fl_block_take(FL_BLOCK_LEAST);
	cr_assert(first != NULL && second != NULL && third != NULL);
	cr_expect(!keeps || (first == other && second == large && third == small));
	cr_expect_eq(fl_blocks_kept(), 0);
	memset(first, 1, FL_BLOCK_LEAST);
	memset(second, 2, FL_BLOCK_MOST);
	memset(third, 3, FL_BLOCK_LEAST);
	fl_block_give(first, FL_BLOCK_LEAST);
	fl_block_give(second, FL_BLOCK_MOST);
	fl_block_give(third, FL_BLOCK_LEAST);
}

enum { MANY = 2 * (6 << 20) / FL_BLOCK_LEAST };

static void *blocks[MANY];

/* So many, which are given back. */
static void use(size_t size, size_t count)
{
	for (size_t i = 0; i < count; i++)
		cr_assert_not_null(blocks[i] = fl_block_take(size));
	for (size_t i = 0; i < count; i++)
		fl_block_give(blocks[i], size);
}

Test(blocks, those_of_another_size_make_way)
{
	bool const keeps = FL_BLOCKS_KEPT > 0;
	use(FL_BLOCK_LEAST, 6);
	cr_expect_eq(fl_blocks_kept(), keeps ? 6 * FL_BLOCK_LEAST : 0);
	use(FL_BLOCK_MOST, 1);
	cr_expect_eq(fl_blocks_kept(), keeps ? 2 * FL_BLOCK_LEAST + FL_BLOCK_MOST : 0);
	use(2 * FL_BLOCK_LEAST, 1);
	cr_expect_eq(fl_blocks_kept(), keeps ? 2 * FL_BLOCK_LEAST + FL_BLOCK_MOST : 0,
		"the smaller ones go first");
	use(2 * FL_BLOCK_LEAST, 1);
	cr_expect_eq(fl_blocks_kept(), keeps ? 2 * FL_BLOCK_LEAST + FL_BLOCK_MOST : 0);
	use(FL_BLOCK_MOST, 2);
	cr_expect_eq(fl_blocks_kept(), keeps ? 2 * FL_BLOCK_MOST : 0);
}

Test(blocks, no_more_are_kept_than_the_bound)
{
	for (size_t size = FL_BLOCK_LEAST; size <= FL_BLOCK_MOST; size *= 2) {
		use(size, MANY);
		cr_expect_eq(fl_blocks_kept(), FL_BLOCKS_KEPT);
	}
	static const size_t others[] = { 1, FL_BLOCK_LEAST - 1, FL_BLOCK_LEAST + 1,
		FL_BLOCK_MOST + 1, 10 * FL_BLOCK_MOST };
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		void *block = fl_block_take(others[i]);
		cr_assert_not_null(block);
		memset(block, 1, others[i]);
		fl_block_give(block, others[i]);
		cr_expect_eq(fl_blocks_kept(), FL_BLOCKS_KEPT, "they are malloc()'s");
	}
}

/* An arena of one thread, which another one ends, as transactions are. */
struct load {
	struct fl_arena arena;
	unsigned char *pieces[64];
	size_t count;
	unsigned char mark;
};

static void *end_arenas(void *ctx)
{
	size_t wrong = 0;
	void *item;
	while (fl_queue_pop(ctx, -1, &item) == 1) {
		struct load *load = item;
		for (size_t i = 0; i < load->count; i++)
			wrong += load->pieces[i][0] != load->mark ||
				 load->pieces[i][4095] != load->mark;
		fl_arena_finish(&load->arena);
		free(load);
	}
	return (void *)wrong;
}

Test(blocks, arenas_pass_them_between_threads)
{
	enum { LOADS = 3000, THREADS = 2, PIECE = 4096 };
	struct fl_queue *queue = fl_queue_create(16);
	pthread_t threads[THREADS];
	for (size_t i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, end_arenas, queue), 0);
	for (size_t i = 0; i < LOADS; i++) {
		struct load *load = calloc(1, sizeof(*load));
		cr_assert_not_null(load);
		*load = (struct load){ .arena = { .first = FL_BLOCK_LEAST },
			.count = i % 64,
			.mark = (unsigned char)i };
		for (size_t p = 0; p < load->count; p++) {
			cr_assert_not_null(load->pieces[p] = fl_arena_alloc(&load->arena, PIECE));
			memset(load->pieces[p], load->mark, PIECE);
		}
		cr_assert_eq(fl_queue_push(queue, load, 1, -1), 1);
	}
	fl_queue_close(queue);
	for (size_t i = 0; i < THREADS; i++) {
		void *wrong;
		cr_assert_eq(pthread_join(threads[i], &wrong), 0);
		cr_expect_null(wrong, "pieces were written over");
	}
	cr_expect_leq(fl_blocks_kept(), FL_BLOCKS_KEPT);
	cr_expect(FL_BLOCKS_KEPT == 0 || fl_blocks_kept() > 0);
	fl_queue_destroy(queue, NULL);
}
