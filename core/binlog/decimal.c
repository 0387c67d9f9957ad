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
	uint32_t turn; /* what the first byte has besides, if it is still to come */
	bool failed;
};

static inline uint32_t big_endian(const uint8_t *at, unsigned size)
{
	switch (size) {
	case 1:
		return at[0];
	case 2:
		return (uint32_t)at[0] << 8 | at[1];
	case 3:
		return (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
	default:
		return fl_be32(at);
	}
}

/* The value of a group of 1 to 9 digits; `failed` if it is more than they can be. */
static inline uint32_t next_group(struct groups *g, unsigned digits)
{
	unsigned const size = group_size[digits];
	uint32_t const value =
		big_endian(g->at, size) ^ g->flip >> (32 - 8 * size) ^ g->turn << (8 * size - 8);
	g->turn = 0;
	g->at += size;
	g->failed |= value >= group_limit[digits];
	return value;
}

/* Without leading zeros. */
static inline char *write_whole(struct groups *g, unsigned digits, char *to)
{
	char *const start = to;
	if (digits % 9 > 0) {
		uint32_t const value = next_group(g, digits % 9);
		if (value > 0)
			to = fl_uint_write(value, to);
	}
	for (unsigned left = digits / 9; left > 0; left--) {
		uint32_t const value = next_group(g, 9);
		if (to > start)
			to = fl_digits_write(value, 9, to);
		else if (value > 0)
			to = fl_uint_write(value, to);
	}
	if (to == start)
		*to++ = '0';
	return to;
}

static inline char *write_fraction(struct groups *g, unsigned digits, char *to)
{
	*to++ = '.';
	if (digits == 2) {
		uint32_t const value = next_group(g, 2);
		return fl_two_digits_write(g->failed ? 0 : value, to);
	}
	for (; digits >= 9; digits -= 9)
		to = fl_digits_write(next_group(g, 9), 9, to);
	if (digits > 0)
		to = fl_digits_write(next_group(g, digits), digits, to);
	return to;
}

static inline char *write_value(const uint8_t *at, unsigned precision, unsigned scale, char *to)
{
	bool const negative = (at[0] & 0x80) == 0;
	struct groups g = { .at = at, .flip = negative ? UINT32_MAX : 0, .turn = 0x80 };
	if (negative)
		*to++ = '-';
	to = write_whole(&g, precision - scale, to);
	if (scale > 0)
		to = write_fraction(&g, scale, to);
	return g.failed ? NULL : to;
}

char *fl_decimal_write(const uint8_t *at, unsigned precision, unsigned scale, char *to)
{
	return write_value(at, precision, scale, to);
}

FL_VALUE_WRITER(fl_decimal_json)
{
	*to = '"';
	return fl_quote(write_value(at, def->meta & 0xff, def->meta >> 8, to + 1));
}
