/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>

#include "binlog/real.h"
#include "binlog/value.h"

/* A natural number of up to 2048 bits, the lowest part first. */
enum { PARTS = 64 };
struct big {
	uint32_t part[PARTS];
};

static void times(struct big *big, uint32_t factor, uint32_t plus)
{
	uint64_t carry = plus;
	for (unsigned i = 0; i < PARTS; i++) {
		carry += (uint64_t)big->part[i] * factor;
		big->part[i] = (uint32_t)carry;
		carry >>= 32;
	}
	cr_assert_eq(carry, 0);
}

static unsigned bits_of(const struct big *big)
{
	unsigned i = PARTS;
	while (i > 0 && big->part[i - 1] == 0)
		i--;
	return i == 0 ? 0 : 32 * i - (unsigned)__builtin_clz(big->part[i - 1]);
}

static bool bit_of(const struct big *big, unsigned bit)
{
	return big->part[bit / 32] >> bit % 32 & 1;
}

/* Takes `other` away if there is as much. */
static bool take_away(struct big *big, const struct big *other)
{
	struct big rest;
	int64_t borrow = 0;
	for (unsigned i = 0; i < PARTS; i++) {
		borrow += (int64_t)big->part[i] - other->part[i];
		rest.part[i] = (uint32_t)borrow;
		borrow >>= 32;
	}
	if (borrow < 0)
		return false;
	*big = rest;
	return true;
}

static void push_bit(struct fl_wide *wide, bool bit)
{
	wide->high = wide->high << 1 | wide->low >> 63;
	wide->low = wide->low << 1 | bit;
}

static struct fl_wide power_of_ten(int k)
{
	struct big big = { { 1 } };
	struct fl_wide wide = { 0, 0 };
	bool more = false;
	for (int i = 0; i < (k < 0 ? -k : k); i++)
		times(&big, 10, 0);
	unsigned const bits = bits_of(&big);
	if (k >= 0) {
		for (unsigned i = 0; i < 128; i++)
			push_bit(&wide, i < bits && bit_of(&big, bits - 1 - i));
		for (unsigned i = 128; i < bits; i++)
			more |= bit_of(&big, bits - 1 - i);
	} else {
		/* 2^(bits - 1) by 10^-k is less than one, and at least a half */
		struct big rest = { { 0 } };
		rest.part[(bits - 1) / 32] = UINT32_C(1) << (bits - 1) % 32;
		for (unsigned i = 0; i < 128; i++) {
			times(&rest, 2, 0);
			push_bit(&wide, take_away(&rest, &big));
		}
		more = bits_of(&rest) > 0;
	}
	wide.low += more;
	wide.high += more && wide.low == 0;
	return wide;
}

Test(real, powers_of_ten_are_the_first_128_bits_rounded_up)
{
	cr_assert_eq(FL_POWERS, FL_POWERS_LAST - FL_POWERS_FIRST + 1);
	for (int k = FL_POWERS_FIRST; k <= FL_POWERS_LAST; k++) {
		struct fl_wide const made = power_of_ten(k);
		struct fl_wide const kept = fl_powers_of_ten[k - FL_POWERS_FIRST];
		cr_assert(made.high == kept.high && made.low == kept.low, "10^%d", k);
	}
}

static uint64_t seed = 88172645463325252;

static uint64_t any(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * UINT64_C(2685821657736338717);
}

Test(real, products_are_the_same_without_a_type_for_them)
{
	static const uint64_t edges[] = { 0, 1, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX };
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t a = i < 25 ? edges[i / 5] : any(), b = i < 25 ? edges[i % 5] : any();
		struct fl_wide const one = fl_multiply(a, b), other = fl_multiply_plain(a, b);
		cr_assert(one.high == other.high && one.low == other.low);
	}
}

/* The plain way: the least precision whose text reads back. Since it looks at the nearest text of
 * each length only, it misses a shorter one on the far side of a power of two. */
static int least_precision(double value, bool single, char text[64])
{
	for (int precision = 1;; precision++) {
		snprintf(text, 64, "%.*e", precision - 1, value);
		if (single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
			return precision;
	}
}

static int digits_in(const char *text)
{
	int count = 0, zeros = 0;
	for (; *text != '\0' && *text != 'e'; text++) {
		if (*text < '0' || *text > '9' || (count == 0 && *text == '0'))
			continue;
		count++;
		zeros = *text == '0' ? zeros + 1 : 0;
	}
	return count > zeros ? count - zeros : 1;
}

static bool is_power_of_two(double value)
{
	int exponent;
	return fabs(frexp(value, &exponent)) == 0.5;
}

static void expect_shortest(double value, bool single)
{
	char text[FL_SHORT_MAX + 1], reference[64];
	char *end = single ? fl_float_write((float)value, text) : fl_double_write(value, text);
	cr_assert_not_null(end);
	*end = '\0';
	double const back = single ? (double)strtof(text, NULL) : strtod(text, NULL);
	cr_assert(back == value && signbit(back) == signbit(value), "%s: not %.17g", text, value);
	int const precision = least_precision(value, single, reference);
	int const digits = digits_in(text);
	cr_assert(digits <= precision, "%s: longer than %s", text, reference);
	cr_assert(digits == precision || is_power_of_two(value), "%s: shorter than %s", text,
		reference);
	/* the same digits: the nearest of those that are as short */
	if (digits == precision) {
		char again[64];
		snprintf(again, sizeof(again), "%.*e", precision - 1, strtod(text, NULL));
		long double const one = strtold(text, NULL), other = strtold(reference, NULL);
		cr_assert(strcmp(again, reference) == 0 || one == other, "%s: %s", text, reference);
	}
}

static double double_of(uint64_t bits)
{
	double value;
	memcpy(&value, &bits, sizeof(value));
	return value;
}

static float float_of(uint32_t bits)
{
	float value;
	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* More of them, if somebody has the time: TEST_REALS=10000000. */
static unsigned how_many(unsigned usual)
{
	const char *told = getenv("TEST_REALS");
	return told != NULL ? (unsigned)strtoul(told, NULL, 10) : usual;
}

Test(real, doubles_are_the_shortest_that_read_back)
{
	unsigned const count = how_many(60000);
	for (unsigned i = 0; i < count; i++) {
		double value = double_of(any());
		if (isfinite(value))
			expect_shortest(value, false);
		/* as people store them */
		expect_shortest((double)(int64_t)(any() >> (i % 60)) / pow(10, i % 23), false);
	}
}

Test(real, floats_are_the_shortest_that_read_back)
{
	unsigned const count = how_many(60000);
	/* all exponents, evenly */
	uint32_t const step = UINT32_MAX / count;
	for (uint64_t bits = any() % step; bits <= UINT32_MAX; bits += step + any() % 2) {
		float value = float_of((uint32_t)bits);
		if (isfinite(value))
			expect_shortest((double)value, true);
		value = (float)((double)(any() >> (40 + bits % 24)) / pow(10, (double)(bits % 11)));
		expect_shortest((double)value, true);
	}
}

Test(real, edges_are_the_shortest_that_read_back)
{
	for (uint64_t exponent = 0; exponent < 0x7ff; exponent++) {
		static const uint64_t fractions[] = { 0, 1, 2, UINT64_C(1) << 51,
			(UINT64_C(1) << 52) - 2, (UINT64_C(1) << 52) - 1 };
		for (unsigned i = 0; i < 6; i++) {
			expect_shortest(double_of(exponent << 52 | fractions[i]), false);
			expect_shortest(
				double_of(UINT64_C(1) << 63 | exponent << 52 | fractions[i]),
				false);
		}
	}
	for (uint32_t exponent = 0; exponent < 0xff; exponent++) {
		static const uint32_t fractions[] = { 0, 1, 2, 1 << 22, (1 << 23) - 2,
			(1 << 23) - 1 };
		for (unsigned i = 0; i < 6; i++)
			expect_shortest((double)float_of(exponent << 23 | fractions[i]), true);
	}
	for (unsigned shift = 0; shift < 52; shift++) {
		expect_shortest(double_of(UINT64_C(1) << shift), false);
		expect_shortest(double_of((UINT64_C(1) << shift) - 1), false);
	}
	for (int k = -323; k <= 308; k++) {
		char text[16];
		snprintf(text, sizeof(text), "1e%d", k);
		double const value = strtod(text, NULL);
		expect_shortest(value, false);
		expect_shortest(nextafter(value, 0), false);
		expect_shortest(nextafter(value, INFINITY), false);
		if (k >= -45 && k <= 38)
			expect_shortest((double)strtof(text, NULL), true);
	}
	for (int64_t i = -1000; i <= 1000; i++) {
		expect_shortest((double)((INT64_C(1) << 53) + i), false);
		expect_shortest((double)(INT64_C(1000000000000000) + i), false);
		expect_shortest((double)(float)((INT64_C(1) << 24) + i), true);
	}
}

Test(real, numbers_are_written_as_servers_do)
{
	static const struct {
		double value;
		const char *as_double, *as_float;
	} cases[] = {
		{ 0, "0", "0" },
		{ -0.0, "-0", "-0" },
		{ 0.1, "0.1", "0.1" },
		{ -1.5, "-1.5", "-1.5" },
		{ 100, "100", "100" },
		{ 1e14, "100000000000000", "100000000000000" },
		{ 1e15, "1e15", NULL },
		{ 1.5e15, "1.5e15", NULL },
		{ 123456789012345.6, "123456789012345.6", NULL },
		{ 1234567890123456, "1.234567890123456e15", NULL },
		{ 1234567890123456.8, "1234567890123456.8", NULL },
		{ 1e-14, "0.00000000000001", "0.00000000000001" },
		{ 1e-15, "0.000000000000001", "0.000000000000001" },
		{ 1e-16, "1e-16", "1e-16" },
		{ 1.25e-15, "0.00000000000000125", NULL },
		{ 1e23, "1e23", "1e23" },
		{ 9007199254740992, "9.007199254740992e15", NULL },
		{ 16777217, "16777217", "16777216" },
		{ 33554436, "33554436", "33554436" },
		{ 34359738368, "34359738368", "34359740000" },
		{ 5e-324, "5e-324", "0" },
		{ DBL_MIN, "2.2250738585072014e-308", "0" },
		{ DBL_MAX, "1.7976931348623157e308", NULL },
		{ (double)FLT_MAX, "3.4028234663852886e38", "3.4028235e38" },
		{ (double)FLT_MIN, "1.1754943508222875e-38", "1.1754944e-38" },
		{ 1.4012984643e-45, NULL, "1e-45" },
		{ 8.571428, NULL, "8.571428" },
		/* on which others have been known to fail */
		{ 2.2250738585072011e-308, "2.225073858507201e-308", NULL },
		{ 9.5367431640625e-7, "0.00000095367431640625", "0.0000009536743" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[FL_SHORT_MAX + 1];
		*fl_double_write(cases[i].value, text) = '\0';
		if (cases[i].as_double != NULL)
			cr_expect_str_eq(text, cases[i].as_double);
		if (cases[i].as_float == NULL)
			continue;
		*fl_float_write((float)cases[i].value, text) = '\0';
		cr_expect_str_eq(text, cases[i].as_float);
	}
	char text[FL_SHORT_MAX];
	cr_expect_null(fl_double_write((double)INFINITY, text));
	cr_expect_null(fl_double_write((double)NAN, text));
	cr_expect_null(fl_float_write(-INFINITY, text));
	cr_expect_null(fl_float_write(NAN, text));
}

Test(real, integers_of_every_length)
{
	uint64_t power = 1;
	for (unsigned digits = 1; digits <= 20; digits++, power *= 10) {
		for (unsigned i = 0; i < 3000; i++) {
			uint64_t value = i < 3 ? power + i - 1 : any() % power;
			char text[21], expected[32];
			memset(text, '#', sizeof(text));
			char *end = fl_uint_write(value, text);
			snprintf(expected, sizeof(expected), "%llu", (unsigned long long)value);
			cr_assert(strlen(expected) == (size_t)(end - text) &&
					  memcmp(text, expected, strlen(expected)) == 0,
				"%s", expected);
			cr_assert_eq(text[20], '#');
			if (value >= 1000000000)
				continue;
			for (unsigned width = digits; width <= 9; width++) {
				char wide[FL_SHORT_MAX];
				*fl_digits_write((uint32_t)value, width, wide) = '\0';
				snprintf(expected, sizeof(expected), "%0*llu", (int)width,
					(unsigned long long)value);
				cr_assert(width < strlen(expected) || strcmp(wide, expected) == 0,
					"%s", expected);
			}
		}
	}
	char text[22];
	*fl_int_write(INT64_MIN, text) = '\0';
	cr_expect_str_eq(text, "-9223372036854775808");
	*fl_uint_write(UINT64_MAX, text) = '\0';
	cr_expect_str_eq(text, "18446744073709551615");
}
