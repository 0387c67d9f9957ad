/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "base/cursor.h"

static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0x80 };

Test(cursor, integers_are_little_endian)
{
	struct fl_cursor c = fl_cursor(bytes, sizeof(bytes));
	cr_expect_eq(fl_take_u8(&c), 1);
	cr_expect_eq(fl_take_u16(&c), 0x0302);
	cr_expect_eq(fl_take_u32(&c), 0x07060504);
	cr_expect_eq(fl_take_u64(&c), UINT64_C(0x800e0d0c0b0a0908));
	cr_expect_not(c.failed);
	cr_expect_eq(fl_cursor_left(&c), 0);
}

Test(cursor, integers_of_every_width)
{
	static const uint64_t expected[9] = { 0, 0x01, 0x0201, 0x030201, 0x04030201, 0x0504030201,
		0x060504030201, 0x07060504030201, 0x0807060504030201 };
	for (size_t size = 1; size <= 8; size++) {
		struct fl_cursor c = fl_cursor(bytes, size);
		cr_expect_eq(fl_take_uint(&c, size), expected[size]);
		cr_expect_not(c.failed);
		cr_expect_eq(fl_cursor_left(&c), 0);
	}
}

Test(cursor, a_read_beyond_the_end_gives_zero_and_sticks)
{
	for (size_t size = 0; size < 8; size++) {
		struct fl_cursor c = fl_cursor(bytes, size);
		cr_expect_eq(fl_take_u64(&c), 0);
		cr_expect(c.failed);
		cr_expect_eq(fl_cursor_left(&c), 0);
		cr_expect_eq(fl_take_u8(&c), 0, "what is left can't be read any more");
		cr_expect_null(fl_take(&c, 0));
	}
}

Test(cursor, sizes_from_outside_can_not_overflow)
{
	static const size_t sizes[] = { sizeof(bytes) + 1, SIZE_MAX, SIZE_MAX - 7,
		SIZE_MAX / 2 + 1 };
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct fl_cursor c = fl_cursor(bytes, sizeof(bytes));
		struct fl_bytes taken = fl_take_bytes(&c, sizes[i]);
		cr_expect_null(taken.data);
		cr_expect_eq(taken.size, 0);
		cr_expect(c.failed);
	}
}

Test(cursor, bytes_are_taken_where_they_lie)
{
	struct fl_cursor c = fl_cursor(bytes, sizeof(bytes));
	fl_take_u8(&c);
	struct fl_bytes taken = fl_take_bytes(&c, 3);
	cr_expect_eq((const uint8_t *)taken.data, bytes + 1);
	cr_expect_eq(taken.size, 3);
	cr_expect_eq(fl_take_u8(&c), 5);
}

Test(cursor, length_encoded_integers)
{
	static const struct {
		uint8_t data[9];
		size_t size;
		uint64_t value;
		bool failed;
	} cases[] = {
		{ { 0 }, 1, 0, false },
		{ { 250 }, 1, 250, false },
		{ { 251 }, 1, 0, true },
		{ { 252, 1, 2 }, 3, 0x0201, false },
		{ { 252, 1 }, 2, 0, true },
		{ { 253, 1, 2, 3 }, 4, 0x030201, false },
		{ { 253, 1, 2 }, 3, 0, true },
		{ { 254, 1, 2, 3, 4, 5, 6, 7, 8 }, 9, 0x0807060504030201, false },
		{ { 254, 1, 2, 3, 4, 5, 6, 7 }, 8, 0, true },
		{ { 255, 1, 2, 3, 4, 5, 6, 7, 8 }, 9, 0, true },
		{ { 0 }, 0, 0, true },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_cursor c = fl_cursor(cases[i].data, cases[i].size);
		cr_expect_eq(fl_take_lenenc(&c), cases[i].value, "case %zu", i);
		cr_expect_eq(c.failed, cases[i].failed, "case %zu", i);
		cr_expect(c.failed || fl_cursor_left(&c) == 0, "case %zu", i);
	}
}

Test(cursor, length_encoded_strings)
{
	static const struct {
		uint8_t data[9];
		size_t size, length;
		bool failed;
	} cases[] = {
		{ { 0 }, 1, 0, false },
		{ { 3, 'a', 'b', 'c' }, 4, 3, false },
		{ { 3, 'a', 'b' }, 3, 0, true },
		{ { 251 }, 1, 0, true },
		{ { 254, 255, 255, 255, 255, 255, 255, 255, 255 }, 9, 0, true },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_cursor c = fl_cursor(cases[i].data, cases[i].size);
		struct fl_bytes text = fl_take_lenenc_bytes(&c);
		cr_expect_eq(text.size, cases[i].length, "case %zu", i);
		cr_expect_eq(c.failed, cases[i].failed, "case %zu", i);
	}
}
