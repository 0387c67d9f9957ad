/* SPDX-License-Identifier: Apache-2.0 */
#include "binlog/value.h"

const char fl_digit_pairs[201] = "00010203040506070809101112131415161718192021222324"
				 "25262728293031323334353637383940414243444546474849"
				 "50515253545556575859606162636465666768697071727374"
				 "75767778798081828384858687888990919293949596979899";

static unsigned digits_of(uint64_t value)
{
	static const uint64_t tens[20] = { 0, 10, 100, 1000, 10000, 100000, 1000000, 10000000,
		100000000, 1000000000, 10000000000, 100000000000, 1000000000000, 10000000000000,
		100000000000000, 1000000000000000, 10000000000000000, 100000000000000000,
		1000000000000000000, 10000000000000000000u };
	/* bits * log10(2), one too few at most */
	unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
	unsigned count = bits * 1233 >> 12;
	return count + (value >= tens[count]);
}

char *fl_digits_write(uint64_t value, unsigned count, char *to)
{
	char *at = to + count;
	for (; at - to >= 2; value /= 100) {
		at -= 2;
		fl_two_digits_write((unsigned)(value % 100), at);
	}
	if (at > to)
		*to = (char)('0' + value % 10);
	return to + count;
}

char *fl_uint_write(uint64_t value, char *to)
{
	return fl_digits_write(value, digits_of(value), to);
}

char *fl_int_write(int64_t value, char *to)
{
	uint64_t magnitude = (uint64_t)value;
	if (value < 0) {
		*to++ = '-';
		magnitude = 0 - magnitude;
	}
	return fl_uint_write(magnitude, to);
}

static const double powers[] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12,
	1e13, 1e14, 1e15 };

/* Most numbers that people store are whole / 10^k with few digits. Both are exact as doubles, so
 * the quotient is what reading the decimal text gives; and no two decimals of 15 (FLOAT: 6) digits
 * read back as the same value: the first k that fits is the shortest text. NULL if none does. */
static char *write_few_digits(double value, bool single, char *to)
{
	double const limit = single ? 1e6 : 1e15;
	unsigned const most = single ? 6 : 15;
	for (unsigned k = 0; k <= most; k++) {
		double scaled = value * powers[k] + 0.5;
		if (scaled >= limit)
			return NULL;
		uint64_t whole = (uint64_t)scaled;
		double back = (double)whole / powers[k];
		if (single ? (float)back != (float)value : back != value)
			continue;
		uint64_t power = (uint64_t)powers[k];
		to = fl_uint_write(whole / power, to);
		if (k == 0)
			return to;
		*to++ = '.';
		return fl_digits_write(whole % power, k, to);
	}
	return NULL;
}

/* As servers do: plain where the point is within 15 places or there are digits behind it, else
 * d.ddde-300. `point`: how many of the digits stand before it. */
static char *place_point(const char *digits, int count, int point, char *to)
{
	if (point < -14 || (point > 15 && count <= point)) {
		*to++ = digits[0];
		if (count > 1) {
			*to++ = '.';
			memcpy(to, digits + 1, (size_t)count - 1);
			to += count - 1;
		}
		*to++ = 'e';
		return fl_int_write(point - 1, to);
	}
	if (point <= 0) {
		*to++ = '0';
		*to++ = '.';
		memset(to, '0', (size_t)-point);
		memcpy(to - point, digits, (size_t)count);
		return to - point + count;
	}
	int before = count < point ? count : point;
	memcpy(to, digits, (size_t)before);
	memset(to + before, '0', (size_t)(point - before));
	to += point;
	if (count > point) {
		*to++ = '.';
		memcpy(to, digits + point, (size_t)(count - point));
		to += count - point;
	}
	return to;
}

/* The general way: the least precision whose text reads back. The locale's decimal point may be
 * anything, even several bytes, so digits alone are taken from the text. */
static char *write_any(double value, bool single, char *to)
{
	char text[64];
	/* the smallest values of all have fewer digits than the others */
	bool const few = single ? value < 1e-37 : value < 1e-307;
	int const first = few ? 1 : single ? 6 : 15, last = single ? 9 : 17;
	for (int precision = first; precision <= last; precision++) {
		snprintf(text, sizeof(text), "%.*e", precision - 1, value);
		if (single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
			break;
	}
	char digits[20];
	int count = 0;
	const char *at = text;
	for (; *at != 'e'; at++) {
		if (*at >= '0' && *at <= '9')
			digits[count++] = *at;
	}
	while (count > 1 && digits[count - 1] == '0')
		count--;
	return place_point(digits, count, (int)strtol(at + 1, NULL, 10) + 1, to);
}

static char *write_real(double value, bool single, char *to)
{
	if (value - value != 0) /* infinite, or not a number */
		return NULL;
	if (__builtin_signbit(value)) {
		*to++ = '-';
		value = -value;
	}
	char *end = write_few_digits(value, single, to);
	return end != NULL ? end : write_any(value, single, to);
}

char *fl_double_write(double value, char *to)
{
	return write_real(value, false, to);
}

char *fl_float_write(float value, char *to)
{
	return write_real((double)value, true, to);
}

char *fl_base64_write(const uint8_t *at, size_t size, char *to)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";
	for (; size >= 3; size -= 3, at += 3) {
		uint32_t three = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
		*to++ = digits[three >> 18];
		*to++ = digits[three >> 12 & 63];
		*to++ = digits[three >> 6 & 63];
		*to++ = digits[three & 63];
	}
	if (size == 0)
		return to;
	uint32_t rest = (uint32_t)at[0] << 16 | (size == 2 ? (uint32_t)at[1] << 8 : 0);
	*to++ = digits[rest >> 18];
	*to++ = digits[rest >> 12 & 63];
	*to++ = size == 2 ? digits[rest >> 6 & 63] : '=';
	*to++ = '=';
	return to;
}
