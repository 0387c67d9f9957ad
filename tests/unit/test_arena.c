/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdalign.h>

#include "base/arena.h"

Test(arena, pieces_are_aligned_apart_and_stay_where_they_are)
{
	enum { PIECES = 3000 };
	static unsigned char *pieces[PIECES];
	struct fl_arena arena = { 0 };
	for (size_t i = 1; i < PIECES; i++) {
		pieces[i] = fl_arena_alloc(&arena, i);
		cr_assert_not_null(pieces[i]);
		cr_expect_eq((uintptr_t)pieces[i] % alignof(max_align_t), 0);
		memset(pieces[i], (int)(i % 251), i);
	}
	for (size_t i = 1; i < PIECES; i++)
		for (size_t j = 0; j < i; j++)
			cr_assert_eq(pieces[i][j], i % 251, "piece %zu was written over", i);
	size_t const used = PIECES * (PIECES - 1) / 2;
	cr_expect_geq(arena.reserved, used);
	cr_expect_lt(arena.reserved, 2 * used, "blocks waste no more than they hold");
	fl_arena_finish(&arena);
}

Test(arena, small_ones_take_little_memory)
{
	struct fl_arena arena = { 0 };
	cr_assert_not_null(fl_arena_alloc(&arena, 1));
	cr_expect_leq(arena.reserved, 1024);
	fl_arena_finish(&arena);
}

Test(arena, a_piece_larger_than_any_block_has_one_of_its_own)
{
	enum { LARGE = 20 << 20 };
	struct fl_arena arena = { 0 };
	char *before = fl_arena_alloc(&arena, 16);
	char *large = fl_arena_alloc(&arena, LARGE);
	char *after = fl_arena_alloc(&arena, 16);
	cr_assert(before != NULL && large != NULL && after != NULL);
	memset(large, 1, LARGE);
	memset(before, 2, 16);
	memset(after, 3, 16);
	cr_expect_eq(large[0], 1);
	cr_expect_eq(large[LARGE - 1], 1);
	fl_arena_finish(&arena);
}

Test(arena, sizes_beyond_memory_fail_and_leave_it_usable)
{
	static const size_t sizes[] = { SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 15, SIZE_MAX / 2 + 1 };
	struct fl_arena arena = { 0 };
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		cr_expect_null(fl_arena_alloc(&arena, sizes[i]));
		cr_expect_null(fl_arena_copy(&arena, "x", sizes[i]));
	}
	cr_expect_not_null(fl_arena_alloc(&arena, 8));
	fl_arena_finish(&arena);
}

Test(arena, a_copy_ends_in_a_nul)
{
	struct fl_arena arena = { 0 };
	char *text = fl_arena_copy(&arena, "key\0value and more", 9);
	cr_expect_arr_eq(text, "key\0value", 10);
	char *empty = fl_arena_copy(&arena, NULL, 0);
	cr_expect_str_eq(empty, "");
	fl_arena_finish(&arena);
}

Test(arena, finished_it_is_empty_and_can_be_used_again)
{
	struct fl_arena arena = { 0 };
	fl_arena_finish(&arena);
	cr_assert_not_null(fl_arena_alloc(&arena, 100));
	fl_arena_finish(&arena);
	cr_expect_eq(arena.reserved, 0);
	cr_assert_not_null(fl_arena_alloc(&arena, 100));
	fl_arena_finish(&arena);
}
