/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to core/binlog: the shortest decimal digits of a binary number. No state, any thread.
 */
#ifndef FL_REAL_H
#define FL_REAL_H

#include <stdbool.h>
#include <stdint.h>

struct fl_wide {
	uint64_t high, low;
};

/* See powers.c. */
enum { FL_POWERS_FIRST = -292, FL_POWERS_LAST = 324, FL_POWERS = 617 };
extern const struct fl_wide fl_powers_of_ten[FL_POWERS];

/* digits * 10^exponent */
struct fl_decimal {
	uint64_t digits;
	int exponent;
};

/* Of all decimals nearer to significand * 2^exponent than to its neighbours, the one with the
 * fewest digits, and of these the one nearest to it. `closer_below`: the neighbour below is at half
 * the distance of the one above. As doubles and floats are: 0 < significand < 2^53, -1074 <=
 * exponent <= 971. */
struct fl_decimal fl_shortest(uint64_t significand, int exponent, bool closer_below);

/* The product of two words: where the compiler has no type for it. */
static inline struct fl_wide fl_multiply_plain(uint64_t a, uint64_t b)
{
	uint64_t const a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
	uint64_t const low = a0 * b0, cross = a1 * b0 + (low >> 32);
	uint64_t const middle = a0 * b1 + (uint32_t)cross;
	return (struct fl_wide){ a1 * b1 + (cross >> 32) + (middle >> 32),
		middle << 32 | (uint32_t)low };
}

static inline struct fl_wide fl_multiply(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
	unsigned __int128 const product = (unsigned __int128)a * b;
	return (struct fl_wide){ (uint64_t)(product >> 64), (uint64_t)product };
#else
	return fl_multiply_plain(a, b);
#endif
}

#endif
