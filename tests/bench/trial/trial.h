/* SPDX-License-Identifier: Apache-2.0
 *
 * The trial: the shortest way that we know from the source's packets to JSON lines, Redis or
 * memcached, and so what fastlane is measured against. It trusts every byte, knows one source and
 * one sink, ends at the first error, and shares no code with fastlane.
 *
 *   trial.c   options, the connection to the source, events
 *   table.c   table maps
 *   row.c     a row's bytes to values
 *   render.c  values to JSON
 *   output.c  batches, and what takes them
 */
#ifndef TRIAL_H
#define TRIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { COLUMNS_MAX = 4096 };

/* How a row's column is shown. */
enum kind {
	KIND_NULL,
	KIND_SIGNED,
	KIND_UNSIGNED,
	KIND_FLOAT,
	KIND_DOUBLE,
	KIND_TEXT,
	KIND_BYTES,
	KIND_DECIMAL, /* its digits, in the arena that row_decode() was given */
	KIND_DATETIME,
	KIND_DATE,
	KIND_TIME,
	KIND_ENUM, /* the label's number, from 1 on */
	KIND_SET   /* a bit a label */
};

struct value {
	uint8_t kind;
	bool negative;
	uint8_t month, day, minute, second, fraction_digits;
	uint16_t year, hour;
	uint32_t size, microseconds;
	union {
		int64_t i;
		uint64_t u;
		double f;
		const uint8_t *bytes;
	};
};

struct column {
	uint8_t type, length_bytes;
	bool is_unsigned, is_binary;
	uint16_t meta;
	char *prefix; /* "name": with a comma in front, but for the first */
	size_t prefix_size;
	char **labels; /* of ENUM and SET */
	size_t label_count;
};

struct table {
	uint64_t id;
	uint8_t *raw; /* the last table map, which is not parsed again if it comes again */
	size_t raw_size, raw_capacity;
	size_t column_count, key; /* the column that is the primary key */
	struct column *columns;
	char *key_prefix, *line_head;
	size_t key_prefix_size, line_head_size;
};

/* A table map's body, behind the event's header. */
struct table *table_map(const uint8_t *at, size_t size);
struct table *table_of(uint64_t id);

/* A row image's values; returns its end. `arena` is for digits. */
const uint8_t *row_decode(
	const struct table *table, const uint8_t *at, struct value *values, char *arena);

/* The row as a JSON object; returns its end. Room is the caller's business. */
char *row_render(const struct table *table, const struct value *values, char *out);

enum target { TO_NOTHING, TO_STDOUT, TO_REDIS, TO_MEMCACHED, TO_LIBMEMCACHED };

struct output_options {
	enum target target;
	int port;
	const char *file;   /* in place of a server, of what is sent to it */
	size_t batch_bytes; /* sent at once */
	int window;	    /* batches without an answer */
	bool has_multi;	    /* to Redis: a transaction is one, with the position in it */
	bool has_thread;    /* what is sent is sent by a thread of its own */
};

void output_open(const struct output_options *options);
/* A row of the transaction under way; `op`: 0 insert, 1 update, 2 delete. */
void output_row(const struct table *table, const struct value *values, unsigned op);
/* The end of a transaction. */
void output_commit(uint64_t position);
/* Everything so far, sent and answered. */
void output_settle(void);
bool output_is_empty(void);
void output_close(void);

void die(const char *what) __attribute__((noreturn));

static inline bool likely(bool what)
{
	return __builtin_expect(what, true);
}

/* ---- numbers on the wire ---- */

static inline uint32_t le16(const uint8_t *at)
{
	uint16_t number;
	memcpy(&number, at, sizeof(number));
	return number;
}

static inline uint32_t le24(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16;
}

static inline uint32_t le32(const uint8_t *at)
{
	uint32_t number;
	memcpy(&number, at, sizeof(number));
	return number;
}

static inline uint64_t le48(const uint8_t *at)
{
	return le32(at) | (uint64_t)le16(at + 4) << 32;
}

static inline uint64_t le64(const uint8_t *at)
{
	uint64_t number;
	memcpy(&number, at, sizeof(number));
	return number;
}

static inline uint64_t big_endian(const uint8_t *at, unsigned size)
{
	uint64_t number = 0;
	while (size-- > 0)
		number = number << 8 | *at++;
	return number;
}

static inline uint64_t length_encoded(const uint8_t **at)
{
	const uint8_t *from = *at;
	switch (from[0]) {
	case 252:
		*at += 3;
		return le16(from + 1);
	case 253:
		*at += 4;
		return le24(from + 1);
	case 254:
		*at += 9;
		return le64(from + 1);
	default:
		*at += 1;
		return from[0];
	}
}

/* ---- numbers as text ---- */

extern const char two_digits[201];

static inline char *put(char *out, const void *bytes, size_t size)
{
	memcpy(out, bytes, size);
	return out + size;
}

static inline char *put_pair(char *out, unsigned number)
{
	return put(out, two_digits + 2 * number, 2);
}

static inline char *put_unsigned(char *out, uint64_t number)
{
	char digits[20];
	unsigned at = sizeof(digits);
	while (number >= 100) {
		at -= 2;
		memcpy(digits + at, two_digits + 2 * (number % 100), 2);
		number /= 100;
	}
	if (number >= 10) {
		at -= 2;
		memcpy(digits + at, two_digits + 2 * number, 2);
	} else {
		digits[--at] = (char)('0' + number);
	}
	return put(out, digits + at, sizeof(digits) - at);
}

static inline char *put_signed(char *out, int64_t number)
{
	if (number >= 0)
		return put_unsigned(out, (uint64_t)number);
	*out++ = '-';
	return put_unsigned(out, 0 - (uint64_t)number);
}

#endif
