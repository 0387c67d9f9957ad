/* SPDX-License-Identifier: Apache-2.0
 *
 * A row image: a bit a column that tells whether it is NULL, then the others' values.
 */
#include "trial.h"

#include <mysql.h>

static const uint32_t TIME_ZERO = 0x800000;
static const uint64_t DATETIME_ZERO = 0x8000000000;

/* ---- decimals: groups of nine digits in four bytes, the first bit turned ---- */

static const uint8_t bytes_of[10] = { 0, 1, 1, 2, 2, 3, 3, 4, 4, 4 };

struct digits {
	const uint8_t *at;
	uint32_t mask;
	uint8_t first; /* what the first byte has turned in addition */
};

static inline uint32_t next_group(struct digits *from, unsigned bytes)
{
	uint32_t group = 0;
	for (unsigned i = 0; i < bytes; i++) {
		uint8_t const byte = *from->at++ ^ from->first ^ (uint8_t)from->mask;
		from->first = 0;
		group = group << 8 | byte;
	}
	return group;
}

static inline char *put_digits(char *out, uint32_t number, unsigned width)
{
	char digits[9];
	for (unsigned i = width; i-- > 0; number /= 10)
		digits[i] = (char)('0' + number % 10);
	return put(out, digits, width);
}

static inline const uint8_t *decode_decimal(
	const uint8_t *at, unsigned precision, unsigned scale, char **arena, struct value *value)
{
	unsigned const whole = precision - scale;
	bool const is_negative = (*at & 0x80) == 0;
	struct digits from = { at, is_negative ? UINT32_MAX : 0, 0x80 };
	char *out = *arena;
	bool leading = true;
	if (is_negative)
		*out++ = '-';
	if (whole % 9 > 0) {
		uint32_t const group = next_group(&from, bytes_of[whole % 9]);
		if (group > 0) {
			out = put_unsigned(out, group);
			leading = false;
		}
	}
	for (unsigned i = 0; i < whole / 9; i++) {
		uint32_t const group = next_group(&from, 4);
		if (!leading) {
			out = put_digits(out, group, 9);
		} else if (group > 0) {
			out = put_unsigned(out, group);
			leading = false;
		}
	}
	if (leading)
		*out++ = '0';
	if (scale > 0) {
		*out++ = '.';
		for (unsigned i = 0; i < scale / 9; i++)
			out = put_digits(out, next_group(&from, 4), 9);
		if (scale % 9 > 0)
			out = put_digits(out, next_group(&from, bytes_of[scale % 9]), scale % 9);
	}
	value->kind = KIND_DECIMAL;
	value->bytes = (const uint8_t *)*arena;
	value->size = (uint32_t)(out - *arena);
	*arena = out;
	return from.at;
}

/* ---- times ---- */

static inline const uint8_t *decode_fraction(
	const uint8_t *at, unsigned digits, struct value *value)
{
	static const uint32_t scale[4] = { 0, 10000, 100, 1 };
	unsigned const bytes = (digits + 1) / 2;
	value->fraction_digits = (uint8_t)digits;
	value->microseconds = bytes > 0 ? (uint32_t)big_endian(at, bytes) * scale[bytes] : 0;
	return at + bytes;
}

/* Days since 1970 to a date, by eras of 400 years that begin in March. */
static inline void set_civil(struct value *value, uint32_t time)
{
	uint32_t const seconds = time % 86400;
	uint32_t const days = time / 86400 + 719468;
	uint32_t const era = days / 146097, day = days - era * 146097;
	uint32_t const year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	uint32_t const of_year = day - (365 * year + year / 4 - year / 100);
	uint32_t const month = (5 * of_year + 2) / 153;
	value->day = (uint8_t)(of_year - (153 * month + 2) / 5 + 1);
	value->month = (uint8_t)(month < 10 ? month + 3 : month - 9);
	value->year = (uint16_t)(year + era * 400 + (value->month <= 2));
	value->hour = (uint16_t)(seconds / 3600);
	value->minute = seconds / 60 % 60;
	value->second = seconds % 60;
}

static inline void set_datetime(struct value *value, uint64_t packed)
{
	uint32_t const months = (uint32_t)(packed >> 22);
	value->year = (uint16_t)(months / 13);
	value->month = months % 13;
	value->day = packed >> 17 & 31;
	value->hour = packed >> 12 & 31;
	value->minute = packed >> 6 & 63;
	value->second = packed & 63;
}

static inline const uint8_t *decode_time(const uint8_t *at, unsigned digits, struct value *value)
{
	unsigned const bytes = (digits + 1) / 2;
	int64_t const zero = (int64_t)TIME_ZERO << 8 * bytes;
	/* The fraction counts in a negative time's whole seconds. */
	int64_t packed = (int64_t)big_endian(at, 3 + bytes) - zero;
	value->kind = KIND_TIME;
	value->negative = packed < 0;
	if (packed < 0)
		packed = -packed;
	uint32_t const whole = (uint32_t)(packed >> 8 * bytes);
	uint32_t const fraction = (uint32_t)(packed & ((INT64_C(1) << 8 * bytes) - 1));
	value->hour = whole >> 12 & 1023;
	value->minute = whole >> 6 & 63;
	value->second = whole & 63;
	value->fraction_digits = (uint8_t)digits;
	value->microseconds = bytes == 1   ? fraction * 10000
			      : bytes == 2 ? fraction * 100
					   : fraction;
	return at + 3 + bytes;
}

/* ---- the row ---- */

static inline void set_integer(
	const struct column *column, struct value *value, int64_t if_signed, uint64_t if_not)
{
	value->kind = column->is_unsigned ? KIND_UNSIGNED : KIND_SIGNED;
	if (column->is_unsigned)
		value->u = if_not;
	else
		value->i = if_signed;
}

static inline const uint8_t *set_bytes(
	const struct column *column, struct value *value, const uint8_t *at, uint32_t size)
{
	value->kind = column->is_binary ? KIND_BYTES : KIND_TEXT;
	value->bytes = at;
	value->size = size;
	return at + size;
}

/* BINARY(N), which the source sends without the zeros at its end. */
static inline const uint8_t *set_padded(const struct column *column, struct value *value,
	const uint8_t *at, uint32_t size, char **arena)
{
	uint32_t const whole = column->meta & 255u;
	set_bytes(column, value, at, size);
	if (likely(size >= whole))
		return at + size;
	memcpy(*arena, at, size);
	memset(*arena + size, 0, whole - size);
	value->bytes = (const uint8_t *)*arena;
	value->size = whole;
	*arena += whole;
	return at + size;
}

static inline const uint8_t *decode_column(
	const struct column *column, const uint8_t *at, struct value *value, char **arena)
{
	unsigned bytes;
	switch (column->type) {
	case MYSQL_TYPE_TINY:
		set_integer(column, value, (int8_t)*at, *at);
		return at + 1;
	case MYSQL_TYPE_SHORT:
		set_integer(column, value, (int16_t)le16(at), le16(at));
		return at + 2;
	case MYSQL_TYPE_INT24:
		set_integer(column, value, (int32_t)(le24(at) << 8) >> 8, le24(at));
		return at + 3;
	case MYSQL_TYPE_LONG:
		set_integer(column, value, (int32_t)le32(at), le32(at));
		return at + 4;
	case MYSQL_TYPE_LONGLONG:
		set_integer(column, value, (int64_t)le64(at), le64(at));
		return at + 8;
	case MYSQL_TYPE_YEAR:
		value->kind = KIND_UNSIGNED;
		value->u = 1900u + *at;
		return at + 1;
	case MYSQL_TYPE_FLOAT: {
		float number;
		memcpy(&number, at, sizeof(number));
		value->kind = KIND_FLOAT;
		value->f = number;
		return at + 4;
	}
	case MYSQL_TYPE_DOUBLE:
		value->kind = KIND_DOUBLE;
		memcpy(&value->f, at, sizeof(value->f));
		return at + 8;
	case MYSQL_TYPE_NEWDECIMAL:
		return decode_decimal(at, column->meta >> 8, column->meta & 255, arena, value);
	case MYSQL_TYPE_STRING:
		if (column->is_binary)
			return set_padded(column, value, at + 1, *at, arena);
		__attribute__((fallthrough));
	case MYSQL_TYPE_VARCHAR:
	case MYSQL_TYPE_VAR_STRING:
		if (column->length_bytes == 2)
			return set_bytes(column, value, at + 2, le16(at));
		return set_bytes(column, value, at + 1, *at);
	case MYSQL_TYPE_BLOB: {
		bytes = column->meta;
		uint32_t const size = bytes == 1   ? *at
				      : bytes == 2 ? le16(at)
				      : bytes == 3 ? le24(at)
						   : le32(at);
		return set_bytes(column, value, at + bytes, size);
	}
	case MYSQL_TYPE_ENUM:
		value->kind = KIND_ENUM;
		value->u = column->length_bytes == 1 ? *at : le16(at);
		return at + column->length_bytes;
	case MYSQL_TYPE_SET:
		value->kind = KIND_SET;
		value->u = 0;
		memcpy(&value->u, at, column->length_bytes);
		return at + column->length_bytes;
	case MYSQL_TYPE_BIT:
		bytes = (column->meta & 255u) + (column->meta > 255);
		value->kind = KIND_UNSIGNED;
		value->u = big_endian(at, bytes);
		return at + bytes;
	case MYSQL_TYPE_DATE: {
		uint32_t const packed = le24(at);
		value->kind = KIND_DATE;
		value->day = packed & 31;
		value->month = packed >> 5 & 15;
		value->year = (uint16_t)(packed >> 9);
		return at + 3;
	}
	case MYSQL_TYPE_DATETIME2:
		value->kind = KIND_DATETIME;
		set_datetime(value, big_endian(at, 5) - DATETIME_ZERO);
		return decode_fraction(at + 5, column->meta, value);
	case MYSQL_TYPE_TIMESTAMP2:
		value->kind = KIND_DATETIME;
		set_civil(value, (uint32_t)big_endian(at, 4));
		return decode_fraction(at + 4, column->meta, value);
	case MYSQL_TYPE_TIME2:
		return decode_time(at, column->meta, value);
	default:
		die("a column of a type that the trial does not know");
	}
}

const uint8_t *row_decode(
	const struct table *table, const uint8_t *at, struct value *values, char *arena)
{
	const uint8_t *nulls = at;
	at += (table->column_count + 7) / 8;
	for (size_t i = 0; i < table->column_count; i++)
		if (nulls[i / 8] >> i % 8 & 1)
			values[i].kind = KIND_NULL;
		else
			at = decode_column(&table->columns[i], at, &values[i], &arena);
	return at;
}
