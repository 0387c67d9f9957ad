/* SPDX-License-Identifier: Apache-2.0 */
#include "binlog/value.h"

const char fl_digit_pairs[201] = "00010203040506070809101112131415161718192021222324"
				 "25262728293031323334353637383940414243444546474849"
				 "50515253545556575859606162636465666768697071727374"
				 "75767778798081828384858687888990919293949596979899";

/* The digits of a number below 10^8, the first one in the lowest byte, as values 0 to 9. All lanes
 * are divided at once: into halves of four digits, of two, of one. */
static inline uint64_t eight_digits(uint32_t value)
{
	uint64_t x = value / 10000 | (uint64_t)(value % 10000) << 32;
	uint64_t upper = (x * 10486 >> 20) & 0x0000007f0000007f; /* by 100 */
	x = upper | (x - upper * 100) << 16;
	upper = (x * 103 >> 10) & 0x000f000f000f000f; /* by 10 */
	return upper | (x - upper * 10) << 8;
}

static const uint64_t zeros = 0x3030303030303030;

static inline void put_eight(uint64_t digits, char *to)
{
	digits = htole64(digits);
	memcpy(to, &digits, sizeof(digits));
}

/* Below 10^8, and not 0; eight bytes are written in any case. */
static inline char *write_short(uint32_t value, char *to)
{
	uint64_t const digits = eight_digits(value);
	unsigned const leading = (unsigned)__builtin_ctzll(digits) / 8;
	put_eight((digits | zeros) >> 8 * leading, to);
	return to + 8 - leading;
}

char *fl_digits_write(uint32_t value, unsigned count, char *to)
{
	if (count == 9) {
		*to++ = (char)('0' + value / 100000000);
		value %= 100000000;
		count = 8;
	}
	put_eight((eight_digits(value) | zeros) >> 8 * (8 - count), to);
	return to + count;
}

enum { EIGHT = 100000000 };

static inline char *write_below_eight(uint32_t value, char *to)
{
	if (value < 10) {
		*to = (char)('0' + value);
		return to + 1;
	}
	return value < 100 ? fl_two_digits_write(value, to) : write_short(value, to);
}

char *fl_uint_write(uint64_t value, char *to)
{
	if (value < EIGHT)
		return write_below_eight((uint32_t)value, to);
	uint64_t head = value / EIGHT;
	if (head >= EIGHT) {
		to = write_below_eight((uint32_t)(head / EIGHT), to);
		put_eight(eight_digits((uint32_t)(head % EIGHT)) | zeros, to);
		to += 8;
	} else {
		to = write_short((uint32_t)head, to);
	}
	put_eight(eight_digits((uint32_t)(value % EIGHT)) | zeros, to);
	return to + 8;
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

/* Two characters for each 12 bits. */
/* clang-format off */
#define PAIRS(a, b, c, d, e) { a, b }, { a, c }, { a, d }, { a, e },
#define ROW(a) \
	PAIRS(a, 'A', 'B', 'C', 'D') PAIRS(a, 'E', 'F', 'G', 'H') \
	PAIRS(a, 'I', 'J', 'K', 'L') PAIRS(a, 'M', 'N', 'O', 'P') \
	PAIRS(a, 'Q', 'R', 'S', 'T') PAIRS(a, 'U', 'V', 'W', 'X') \
	PAIRS(a, 'Y', 'Z', 'a', 'b') PAIRS(a, 'c', 'd', 'e', 'f') \
	PAIRS(a, 'g', 'h', 'i', 'j') PAIRS(a, 'k', 'l', 'm', 'n') \
	PAIRS(a, 'o', 'p', 'q', 'r') PAIRS(a, 's', 't', 'u', 'v') \
	PAIRS(a, 'w', 'x', 'y', 'z') PAIRS(a, '0', '1', '2', '3') \
	PAIRS(a, '4', '5', '6', '7') PAIRS(a, '8', '9', '+', '/')
static const char base64_pairs[4096][2] = {
	ROW('A') ROW('B') ROW('C') ROW('D') ROW('E') ROW('F') ROW('G') ROW('H')
	ROW('I') ROW('J') ROW('K') ROW('L') ROW('M') ROW('N') ROW('O') ROW('P')
	ROW('Q') ROW('R') ROW('S') ROW('T') ROW('U') ROW('V') ROW('W') ROW('X')
	ROW('Y') ROW('Z') ROW('a') ROW('b') ROW('c') ROW('d') ROW('e') ROW('f')
	ROW('g') ROW('h') ROW('i') ROW('j') ROW('k') ROW('l') ROW('m') ROW('n')
	ROW('o') ROW('p') ROW('q') ROW('r') ROW('s') ROW('t') ROW('u') ROW('v')
	ROW('w') ROW('x') ROW('y') ROW('z') ROW('0') ROW('1') ROW('2') ROW('3')
	ROW('4') ROW('5') ROW('6') ROW('7') ROW('8') ROW('9') ROW('+') ROW('/')
};
#undef PAIRS
#undef ROW
/* clang-format on */

static inline char *write_three(uint32_t three, char *to)
{
	memcpy(to, base64_pairs[three >> 12], 2);
	memcpy(to + 2, base64_pairs[three & 4095], 2);
	return to + 4;
}

char *fl_base64_write(const uint8_t *at, size_t size, char *to)
{
	/* with one byte too many read, which is in the next three */
	for (; size >= 4; size -= 3, at += 3)
		to = write_three(fl_be32(at) >> 8, to);
	if (size == 3)
		return write_three((uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2], to);
	if (size == 0)
		return to;
	to = write_three((uint32_t)at[0] << 16 | (size == 2 ? (uint32_t)at[1] << 8 : 0), to);
	to[-1] = '=';
	if (size == 1)
		to[-2] = '=';
	return to;
}
