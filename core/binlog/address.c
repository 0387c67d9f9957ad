/* SPDX-License-Identifier: Apache-2.0
 *
 * MariaDB's INET4, INET6 and UUID: fixed bytes in the order of their text, logged as BINARY(4) and
 * BINARY(16), that is without the zero bytes at the end.
 */
#include "binlog/value.h"

enum { WORDS = 8 };

static char *write_hex(uint8_t byte, char *to)
{
	static const char hex[] = "0123456789abcdef";
	*to++ = hex[byte >> 4];
	*to++ = hex[byte & 15];
	return to;
}

static char *write_inet4(const uint8_t *at, char *to)
{
	for (unsigned i = 0; i < 4; i++) {
		if (i > 0)
			*to++ = '.';
		to = fl_uint_write(at[i], to);
	}
	return to;
}

static char *write_uuid(const uint8_t *at, char *to)
{
	for (unsigned i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*to++ = '-';
		to = write_hex(at[i], to);
	}
	return to;
}

static char *write_word(unsigned word, char *to)
{
	char digits[4], *end = write_hex((uint8_t)word, write_hex((uint8_t)(word >> 8), digits));
	const char *first = digits;
	while (first < end - 1 && *first == '0')
		first++;
	memcpy(to, first, (size_t)(end - first));
	return to + (end - first);
}

/* The first of the longest runs of zero words, even one alone, is left out. */
static unsigned find_gap(const unsigned words[WORDS], unsigned *ret_size)
{
	unsigned start = WORDS, size = 0;
	for (unsigned i = 0; i < WORDS; i++) {
		unsigned run = 0;
		while (i + run < WORDS && words[i + run] == 0)
			run++;
		if (run > size) {
			start = i;
			size = run;
		}
	}
	*ret_size = size;
	return start;
}

static char *write_inet6(const uint8_t *at, char *to)
{
	unsigned words[WORDS], gap_size;
	for (unsigned i = 0; i < WORDS; i++)
		words[i] = (unsigned)at[2 * i] << 8 | at[2 * i + 1];
	unsigned const gap = find_gap(words, &gap_size);
	/* ::1.2.3.4 and ::ffff:1.2.3.4 */
	bool const inet4 = gap == 0 && (gap_size == 6 || (gap_size == 5 && words[5] == 0xffff));
	for (unsigned i = 0; i < WORDS;) {
		if (i == gap) {
			*to++ = ':';
			*to++ = ':';
			i += gap_size;
			continue;
		}
		if (i > 0 && i != gap + gap_size)
			*to++ = ':';
		if (inet4 && i == 6)
			return write_inet4(at + 12, to);
		to = write_word(words[i++], to);
	}
	return to;
}

char *fl_address_write(const struct fl_column_def *def, const uint8_t *at, uint32_t size, char *to)
{
	uint8_t whole[16] = { 0 };
	if (size > def->fixed_size)
		return NULL;
	memcpy(whole, at, size);
	switch (def->type) {
	case FL_TYPE_INET4:
		return write_inet4(whole, to);
	case FL_TYPE_INET6:
		return write_inet6(whole, to);
	default:
		return write_uuid(whole, to);
	}
}
