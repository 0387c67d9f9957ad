/* SPDX-License-Identifier: Apache-2.0 */
#include "binlog/value.h"

/* DECIMAL(precision, scale) in a row, big-endian, digits in groups of nine:
 *
 *   the whole part     its first precision-scale modulo 9 digits in as few bytes as hold them,
 *                      then 4 bytes for each 9 digits
 *   the fraction       4 bytes for each 9 digits, then its last scale modulo 9 digits
 *
 * The first bit is inverted, so that values sort as bytes; a negative value has all bits inverted.
 */
static const uint8_t group_size[10] = { 0, 1, 1, 2, 2, 3, 3, 4, 4, 4 };
static const uint32_t group_limit[10] = { 1, 10, 100, 1000, 10000, 100000, 1000000, 10000000,
	100000000, 1000000000 };

unsigned fl_decimal_size(unsigned precision, unsigned scale)
{
	unsigned whole = precision - scale;
	return whole / 9 * 4 + group_size[whole % 9] + scale / 9 * 4 + group_size[scale % 9];
}

/* The groups of one value, in order. */
struct groups {
	const uint8_t *at;
	uint32_t flip; /* all ones for a negative value */
	bool first;
	bool failed;
};

/* A group's value; `failed` if it is more than its digits can be. */
static inline uint32_t next_group(struct groups *g, unsigned digits)
{
	unsigned const size = group_size[digits];
	uint32_t value = 0;
	if (size == 4)
		value = fl_be32(g->at);
	for (unsigned i = 0; i < size % 4; i++)
		value = value << 8 | g->at[i];
	uint32_t const bits = (uint32_t)((1ULL << 8 * size) - 1);
	value ^= (g->flip & bits) ^ (g->first ? bits / 2 + 1 : 0);
	g->first = false;
	g->at += size;
	g->failed = g->failed || value >= group_limit[digits];
	return value;
}

/* Without leading zeros. */
static char *write_whole(struct groups *g, unsigned digits, char *to)
{
	char *const start = to;
	for (unsigned count = digits % 9 > 0 ? digits % 9 : 9; digits > 0 && !g->failed;
		digits -= count, count = 9) {
		uint32_t value = next_group(g, count);
		if (to > start)
			to = fl_digits_write(value, count, to);
		else if (value > 0)
			to = fl_uint_write(value, to);
	}
	if (to == start)
		*to++ = '0';
	return to;
}

static char *write_fraction(struct groups *g, unsigned digits, char *to)
{
	*to++ = '.';
	while (digits > 0 && !g->failed) {
		unsigned count = digits < 9 ? digits : 9;
		to = fl_digits_write(next_group(g, count), count, to);
		digits -= count;
	}
	return to;
}

char *fl_decimal_write(const uint8_t *at, unsigned precision, unsigned scale, char *to)
{
	bool const negative = (at[0] & 0x80) == 0;
	struct groups g = { .at = at, .flip = negative ? UINT32_MAX : 0, .first = true };
	if (negative)
		*to++ = '-';
	to = write_whole(&g, precision - scale, to);
	if (scale > 0)
		to = write_fraction(&g, scale, to);
	return g.failed ? NULL : to;
}
