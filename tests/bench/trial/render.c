/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON. Text is UTF-8 already: the workloads have no other.
 */
#include "trial.h"

#include <emmintrin.h>
#include <stdio.h>

const char two_digits[201] = "00010203040506070809101112131415161718192021222324252627282930313233"
			     "34353637383940414243444546474849505152535455565758596061626364656667"
			     "6869707172737475767778798081828384858687888990919293949596979899";

static char *put_escaped(char *out, uint8_t byte)
{
	static const char hex[] = "0123456789abcdef";
	*out++ = '\\';
	switch (byte) {
	case '"':
	case '\\':
		*out++ = (char)byte;
		return out;
	case '\n':
		*out++ = 'n';
		return out;
	case '\t':
		*out++ = 't';
		return out;
	case '\r':
		*out++ = 'r';
		return out;
	default:
		out = put(out, "u00", 3);
		*out++ = hex[byte >> 4];
		*out++ = hex[byte & 15];
		return out;
	}
}

/* 16 bytes at a time, as long as none of them has to be escaped. */
static inline char *put_text(char *out, const uint8_t *text, size_t size)
{
	__m128i const quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'),
		      control = _mm_set1_epi8(0x1f);
	*out++ = '"';
	while (size >= 16) {
		__m128i const some = _mm_loadu_si128((const __m128i *)text);
		__m128i const special = _mm_or_si128(
			_mm_or_si128(_mm_cmpeq_epi8(some, quote), _mm_cmpeq_epi8(some, backslash)),
			_mm_cmpeq_epi8(_mm_min_epu8(some, control), some));
		int const mask = _mm_movemask_epi8(special);
		_mm_storeu_si128((__m128i *)out, some);
		size_t plain = 16;
		if (!likely(mask == 0)) {
			plain = (size_t)__builtin_ctz((unsigned)mask);
			out = put_escaped(out + plain, text[plain]);
			text += plain + 1;
			size -= plain + 1;
			continue;
		}
		out += plain;
		text += plain;
		size -= plain;
	}
	for (; size > 0; size--, text++)
		if (likely(*text >= ' ' && *text != '"' && *text != '\\'))
			*out++ = (char)*text;
		else
			out = put_escaped(out, *text);
	*out++ = '"';
	return out;
}

static inline char *put_base64(char *out, const uint8_t *bytes, size_t size)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	*out++ = '"';
	for (; size >= 3; size -= 3, bytes += 3) {
		uint32_t const three =
			(uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2];
		*out++ = letters[three >> 18];
		*out++ = letters[three >> 12 & 63];
		*out++ = letters[three >> 6 & 63];
		*out++ = letters[three & 63];
	}
	if (size > 0) {
		uint32_t const rest =
			(uint32_t)bytes[0] << 16 | (size > 1 ? (uint32_t)bytes[1] << 8 : 0);
		*out++ = letters[rest >> 18];
		*out++ = letters[rest >> 12 & 63];
		*out++ = size > 1 ? letters[rest >> 6 & 63] : '=';
		*out++ = '=';
	}
	*out++ = '"';
	return out;
}

static inline char *put_date(char *out, const struct value *value)
{
	out = put_pair(out, value->year / 100);
	out = put_pair(out, value->year % 100);
	*out++ = '-';
	out = put_pair(out, value->month);
	*out++ = '-';
	return put_pair(out, value->day);
}

static inline char *put_time(char *out, const struct value *value)
{
	out = value->hour > 99 ? put_unsigned(out, value->hour) : put_pair(out, value->hour);
	*out++ = ':';
	out = put_pair(out, value->minute);
	*out++ = ':';
	out = put_pair(out, value->second);
	if (value->fraction_digits == 0)
		return out;
	char digits[6];
	uint32_t rest = value->microseconds;
	for (unsigned i = sizeof(digits); i-- > 0; rest /= 10)
		digits[i] = (char)('0' + rest % 10);
	*out++ = '.';
	return put(out, digits, value->fraction_digits);
}

static char *put_labels(char *out, const struct column *column, uint64_t set)
{
	const char *start = out;
	for (; set != 0; set &= set - 1) {
		const char *label = column->labels[__builtin_ctzll(set)];
		if (out > start)
			*out++ = ',';
		out = put(out, label, strlen(label));
	}
	return out;
}

char *row_render(const struct table *table, const struct value *values, char *out)
{
	const struct column *column = table->columns;
	const struct value *end = values + table->column_count;
	*out++ = '{';
	for (const struct value *value = values; value < end; value++, column++) {
		out = put(out, column->prefix, column->prefix_size);
		switch ((enum kind)value->kind) {
		case KIND_NULL:
			out = put(out, "null", 4);
			break;
		case KIND_SIGNED:
			out = put_signed(out, value->i);
			break;
		case KIND_UNSIGNED:
			out = put_unsigned(out, value->u);
			break;
		case KIND_FLOAT:
			out += sprintf(out, "%.9g", value->f);
			break;
		case KIND_DOUBLE:
			out += sprintf(out, "%.17g", value->f);
			break;
		case KIND_TEXT:
			out = put_text(out, value->bytes, value->size);
			break;
		case KIND_BYTES:
			out = put_base64(out, value->bytes, value->size);
			break;
		case KIND_DECIMAL:
			*out++ = '"';
			out = put(out, value->bytes, value->size);
			*out++ = '"';
			break;
		case KIND_DATETIME:
			*out++ = '"';
			out = put_date(out, value);
			*out++ = ' ';
			out = put_time(out, value);
			*out++ = '"';
			break;
		case KIND_DATE:
			*out++ = '"';
			out = put_date(out, value);
			*out++ = '"';
			break;
		case KIND_TIME:
			*out++ = '"';
			if (value->negative)
				*out++ = '-';
			out = put_time(out, value);
			*out++ = '"';
			break;
		case KIND_ENUM:
			*out++ = '"';
			if (value->u > 0)
				out = put_labels(out, column, UINT64_C(1) << (value->u - 1));
			*out++ = '"';
			break;
		case KIND_SET:
			*out++ = '"';
			out = put_labels(out, column, value->u);
			*out++ = '"';
			break;
		}
	}
	*out++ = '}';
	return out;
}
