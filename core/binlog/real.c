/* SPDX-License-Identifier: Apache-2.0
 *
 * Doubles and floats, by the algorithm of Raffaello Giulietti, "The Schubfach way to render
 * doubles" (2020): one multiplication by a power of ten for the value and for each end of what
 * reads back as it, all in integers. The text does not depend on the locale.
 */
#include "binlog/real.h"

#include "binlog/value.h"

/* floor(log10(2^e)), floor(log10(3/4 * 2^e)), floor(log2(10^k)): exact where they are used. */
static inline int log10_of_power(int e, bool three_quarters)
{
	return (e * 1262611 - (three_quarters ? 524031 : 0)) >> 22;
}
static inline int log2_of_ten(int k)
{
	return (k * 1741647) >> 19;
}

/* The product's upper word; its last bit is set if anything was cut off, so that comparisons with
 * multiples of two are exact. The power, rounded up, may have one too many in the word below. */
static inline uint64_t scale(const struct fl_wide *power, uint64_t value)
{
	struct fl_wide const upper = fl_multiply(power->high, value);
	uint64_t const below = fl_multiply(power->low, value).high;
	uint64_t const low = upper.low + below;
	return (upper.high + (low < below)) | (low > 1);
}

struct fl_decimal fl_shortest(uint64_t significand, int exponent, bool closer_below)
{
	/* A unit of the result is 10^k: no more than the distance of the ends, so that there is a
	 * decimal between them, and less than a tenth would not be needed. */
	int const k = log10_of_power(exponent, closer_below);
	int const shift = exponent + log2_of_ten(-k) + 1;
	struct fl_wide const *power = &fl_powers_of_ten[-k - FL_POWERS_FIRST];
	/* In quarters of the last bit, and then of 10^k. The ends themselves are read back as an
	 * even significand. */
	uint64_t const odd = significand & 1;
	uint64_t const value = scale(power, 4 * significand << shift);
	uint64_t const lower = scale(power, (4 * significand - 2 + closer_below) << shift) + odd;
	uint64_t const upper = scale(power, (4 * significand + 2) << shift) - odd;

	uint64_t const below = value / 4;
	uint64_t const shorter = below / 10;
	/* Of the neighbours with one digit less there is at most one inside. */
	bool const down = lower <= 40 * shorter, up = 40 * shorter + 40 <= upper;
	if (below >= 10 && down != up)
		return (struct fl_decimal){ shorter + up, k + 1 };
	bool const under = lower <= 4 * below, over = 4 * below + 4 <= upper;
	if (under != over)
		return (struct fl_decimal){ below + over, k };
	/* Both are: the nearer one; the even one if they are equally near. */
	uint64_t const middle = 4 * below + 2;
	bool const round_up = value > middle || (value == middle && (below & 1) != 0);
	return (struct fl_decimal){ below + round_up, k };
}

static inline struct fl_decimal without_zeros(struct fl_decimal d)
{
	if (d.digits % 10 != 0)
		return d;
	while (d.digits % 100000000 == 0) {
		d.digits /= 100000000;
		d.exponent += 8;
	}
	if (d.digits % 10000 == 0) {
		d.digits /= 10000;
		d.exponent += 4;
	}
	if (d.digits % 100 == 0) {
		d.digits /= 100;
		d.exponent += 2;
	}
	if (d.digits % 10 == 0) {
		d.digits /= 10;
		d.exponent += 1;
	}
	return d;
}

/* As servers do: plain where the point is within 15 places or there are digits behind it, else
 * d.ddde-300. Moves are of fixed sizes, and may reach beyond the end. */
static char *write_decimal(struct fl_decimal d, char *to)
{
	char digits[32] = { 0 };
	int const count = (int)(fl_uint_write(d.digits, digits) - digits);
	int const point = count + d.exponent; /* how many of the digits stand before it */
	if (point < -14 || (point > 15 && count <= point)) {
		*to++ = digits[0];
		if (count > 1) {
			*to++ = '.';
			memcpy(to, digits + 1, 16);
			to += count - 1;
		}
		*to++ = 'e';
		return fl_int_write(point - 1, to);
	}
	if (point <= 0) {
		memcpy(to, "0.00000000000000", 16);
		memcpy(to + 2 - point, digits, 20);
		return to + 2 - point + count;
	}
	memcpy(to, digits, 16);
	if (count <= point) {
		memset(to + count, '0', 16);
		return to + point;
	}
	to[point] = '.';
	memcpy(to + point + 1, digits + point, 16);
	return to + count + 1;
}

/* `whole`: integers below are their own digits. */
static inline char *write_positive(double value, uint64_t whole, uint64_t significand, int exponent,
	bool closer_below, char *to)
{
	if (value < (double)whole && (double)(int64_t)value == value)
		return fl_uint_write((uint64_t)(int64_t)value, to);
	return write_decimal(without_zeros(fl_shortest(significand, exponent, closer_below)), to);
}

char *fl_double_write(double value, char *to)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof(bits));
	uint64_t const fraction = bits & ((UINT64_C(1) << 52) - 1);
	int const exponent = (int)(bits >> 52 & 0x7ff);
	if (exponent == 0x7ff) /* infinite, or not a number */
		return NULL;
	*to = '-';
	to += bits >> 63;
	return write_positive(value < 0 ? -value : value, 1000000000000000,
		exponent > 0 ? fraction | UINT64_C(1) << 52 : fraction,
		exponent > 0 ? exponent - 1075 : -1074, fraction == 0 && exponent > 1, to);
}

char *fl_float_write(float value, char *to)
{
	uint32_t bits;
	memcpy(&bits, &value, sizeof(bits));
	uint32_t const fraction = bits & ((UINT32_C(1) << 23) - 1);
	int const exponent = (int)(bits >> 23 & 0xff);
	if (exponent == 0xff)
		return NULL;
	*to = '-';
	to += bits >> 31;
	return write_positive((double)(value < 0 ? -value : value), UINT64_C(1) << 24,
		exponent > 0 ? fraction | UINT32_C(1) << 23 : fraction,
		exponent > 0 ? exponent - 150 : -149, fraction == 0 && exponent > 1, to);
}
