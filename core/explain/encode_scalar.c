/* SPDX-License-Identifier: Apache-2.0
 *
 * Decimals, dates and times: the layouts are drawn in binlog/decimal.c and binlog/temporal.c, which
 * read what is written here.
 */
#include "explain/encode.h"

#include "binlog/value.h"

static void put_be(struct fl_buf *out, uint64_t value, size_t size)
{
	while (size-- > 0)
		fl_buf_char(out, (char)(value >> 8 * size));
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A decimal's digits, in front of and behind the point; leading zeros are left out. */
struct number {
	bool negative;
	const char *whole, *fraction;
	unsigned whole_count, fraction_count;
};

static bool take_number(struct fl_bytes text, struct number *ret)
{
	enum { MOST = 400 };
	struct number n = { 0 };
	const char *at = text.data, *end = text.data + text.size;
	if (text.size == 0 || text.size > MOST)
		return false;
	n.negative = *at == '-';
	at += n.negative;
	const char *start = at;
	while (at < end && *at == '0')
		at++;
	n.whole = at;
	while (at < end && is_digit(*at))
		at++;
	n.whole_count = (unsigned)(at - n.whole);
	bool const has_digit = at > start;
	if (at < end && *at == '.') {
		n.fraction = ++at;
		while (at < end && is_digit(*at))
			at++;
		n.fraction_count = (unsigned)(at - n.fraction);
	}
	*ret = n;
	return at == end && (has_digit || n.fraction_count > 0);
}

bool fl_encode_digits(struct fl_bytes text, unsigned *ret_precision, unsigned *ret_scale)
{
	enum { PRECISION = 65, SCALE = 30 };
	struct number n;
	if (!take_number(text, &n) || n.fraction_count > SCALE ||
		n.whole_count + SCALE > PRECISION + SCALE - n.fraction_count)
		return false;
	unsigned const digits = n.whole_count + n.fraction_count;
	*ret_precision = digits > 0 ? digits : 1;
	*ret_scale = n.fraction_count;
	return true;
}

static uint32_t group_of(const char *digits, unsigned count)
{
	uint32_t value = 0;
	for (unsigned i = 0; i < count; i++)
		value = value * 10 + (uint32_t)(digits[i] - '0');
	return value;
}

bool fl_encode_decimal(struct fl_bytes text, unsigned precision, unsigned scale, struct fl_buf *out)
{
	static const uint8_t group_size[10] = { 0, 1, 1, 2, 2, 3, 3, 4, 4, 4 };
	enum { MOST = 65 };
	struct number n;
	char digits[MOST];
	unsigned const whole = precision - scale;
	if (!take_number(text, &n) || n.whole_count > whole)
		return false;
	for (unsigned i = scale; i < n.fraction_count; i++)
		if (n.fraction[i] != '0')
			return false;
	memset(digits, '0', sizeof(digits));
	if (n.whole_count > 0)
		memcpy(digits + whole - n.whole_count, n.whole, n.whole_count);
	if (n.fraction_count > 0)
		memcpy(digits + whole, n.fraction,
			n.fraction_count < scale ? n.fraction_count : scale);
	size_t const start = out->size;
	const char *at = digits;
	if (whole % 9 > 0)
		put_be(out, group_of(at, whole % 9), group_size[whole % 9]);
	at += whole % 9;
	for (unsigned i = 0; i < whole / 9; i++, at += 9)
		put_be(out, group_of(at, 9), 4);
	for (unsigned i = 0; i < scale / 9; i++, at += 9)
		put_be(out, group_of(at, 9), 4);
	if (scale % 9 > 0)
		put_be(out, group_of(at, scale % 9), group_size[scale % 9]);
	if (out->failed)
		return true; /* told by the buffer */
	bool is_zero = true;
	for (unsigned i = 0; i < precision; i++)
		is_zero = is_zero && digits[i] == '0';
	if (n.negative && !is_zero)
		for (size_t i = start; i < out->size; i++)
			out->data[i] = (char)~out->data[i];
	out->data[start] = (char)(out->data[start] ^ 0x80);
	return true;
}

/* A moment as written: "-838:59:59.5", "2024-02-29", "2024-02-29 01:02:03.500". */
struct moment {
	bool negative;
	unsigned year, month, day, hour, minute, second;
	unsigned micros;
};

/* Between `least` and `most` digits. */
static bool take_part(
	const char **at, const char *end, unsigned least, unsigned most, unsigned *ret)
{
	unsigned value = 0, count = 0;
	while (*at < end && is_digit(**at) && count < most) {
		value = value * 10 + (unsigned)(**at - '0');
		(*at)++;
		count++;
	}
	*ret = value;
	return count >= least;
}

static bool take_char(const char **at, const char *end, char c)
{
	if (*at == end || **at != c)
		return false;
	(*at)++;
	return true;
}

static bool take_date(const char **at, const char *end, struct moment *m)
{
	return take_part(at, end, 4, 4, &m->year) && take_char(at, end, '-') &&
	       take_part(at, end, 1, 2, &m->month) && take_char(at, end, '-') &&
	       take_part(at, end, 1, 2, &m->day) && m->month <= 12 && m->day <= 31;
}

static bool take_time(const char **at, const char *end, unsigned most, struct moment *m)
{
	if (!take_part(at, end, 1, 3, &m->hour) || !take_char(at, end, ':') ||
		!take_part(at, end, 1, 2, &m->minute) || m->hour > most || m->minute > 59)
		return false;
	if (take_char(at, end, ':') && (!take_part(at, end, 1, 2, &m->second) || m->second > 59))
		return false;
	if (take_char(at, end, '.')) {
		const char *start = *at;
		if (!take_part(at, end, 1, 6, &m->micros))
			return false;
		for (ptrdiff_t i = *at - start; i < 6; i++)
			m->micros *= 10;
	}
	return true;
}

/* Days since 1970-01-01; see temporal.c for the count. */
static int64_t days_of(const struct moment *m)
{
	int64_t const year = (int64_t)m->year - (m->month <= 2);
	int64_t const era = year / 400, of_era = year % 400;
	int64_t const month = m->month > 2 ? m->month - 3 : m->month + 9;
	int64_t const day = (153 * month + 2) / 5 + m->day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + day - 719468;
}

static bool put_fraction(unsigned micros, unsigned digits, struct fl_buf *out)
{
	static const unsigned units[] = { 1000000, 10000, 10000, 100, 100, 1, 1 };
	static const unsigned steps[] = { 1000000, 100000, 10000, 1000, 100, 10, 1 };
	if (micros % steps[digits] != 0)
		return false;
	put_be(out, digits == 0 ? 0 : micros / units[digits], (digits + 1) / 2);
	return true;
}

static bool put_time(const struct moment *m, unsigned digits, struct fl_buf *out)
{
	struct fl_buf fraction = { 0 };
	unsigned const size = (digits + 1) / 2;
	int64_t const unit = (int64_t)1 << 8 * size;
	bool good = put_fraction(m->micros, digits, &fraction);
	int64_t value = (int64_t)(m->hour << 12 | m->minute << 6 | m->second) * unit;
	for (unsigned i = 0, shift = 8 * size; i < size && good && !fraction.failed; i++) {
		shift -= 8;
		value += (int64_t)(uint8_t)fraction.data[i] << shift;
	}
	out->failed |= fraction.failed;
	fl_buf_finish(&fraction);
	put_be(out, (uint64_t)(0x800000 * unit + (m->negative ? -value : value)), 3 + size);
	return good;
}

bool fl_encode_temporal(const struct fl_column_def *def, struct fl_bytes text, struct fl_buf *out)
{
	enum { DAY = 86400, LONGEST_TIME = 838 };
	const char *at = text.data, *end = text.data + text.size;
	struct moment m = { 0 };
	if (text.size == 0)
		return false;
	if (def->type == FL_TYPE_TIME2) {
		m.negative = take_char(&at, end, '-');
		return take_time(&at, end, LONGEST_TIME, &m) && at == end &&
		       put_time(&m, def->meta, out);
	}
	if (!take_date(&at, end, &m))
		return false;
	if (def->type == FL_TYPE_DATE) {
		uint32_t bits = m.year << 9 | m.month << 5 | m.day;
		for (unsigned i = 0; i < 3; i++)
			fl_buf_char(out, (char)(bits >> 8 * i));
		return at == end;
	}
	if ((take_char(&at, end, ' ') || take_char(&at, end, 'T')) && !take_time(&at, end, 23, &m))
		return false;
	if (at != end)
		return false;
	if (def->type == FL_TYPE_DATETIME2) {
		uint64_t bits = (uint64_t)(m.year * 13 + m.month) << 22 | (uint64_t)m.day << 17 |
				(uint64_t)m.hour << 12 | m.minute << 6 | m.second;
		put_be(out, 0x8000000000 + bits, 5);
		return put_fraction(m.micros, def->meta, out);
	}
	/* TIMESTAMP: 0 is the zero date. */
	bool const none = m.year == 0 && m.month == 0 && m.day == 0;
	int64_t seconds = days_of(&m) * DAY + m.hour * 3600 + m.minute * 60 + m.second;
	if (none && m.hour + m.minute + m.second == 0)
		seconds = 0;
	else if (m.month == 0 || m.day == 0)
		return false;
	if (seconds < 0 || seconds > UINT32_MAX)
		return false;
	put_be(out, (uint64_t)seconds, 4);
	return put_fraction(m.micros, def->meta, out);
}
