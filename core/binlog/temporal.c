/* SPDX-License-Identifier: Apache-2.0 */
#include "binlog/value.h"

struct moment {
	bool negative; /* TIME */
	unsigned year, month, day;
	unsigned hour, minute, second;
	unsigned micros;
};

static const unsigned powers[] = { 1, 10, 100, 1000, 10000, 100000, 1000000 };

static uint64_t big_endian(const uint8_t *at, size_t size)
{
	uint64_t value = 0;
	for (size_t i = 0; i < size; i++)
		value = value << 8 | at[i];
	return value;
}

/* Dates are shown as stored, the invalid ones too: only what has no place is refused. */
static inline char *write_date(const struct moment *m, char *to)
{
	if (m->year > 9999)
		return NULL;
	to = fl_two_digits_write(m->year / 100, to);
	to = fl_two_digits_write(m->year % 100, to);
	*to++ = '-';
	to = fl_two_digits_write(m->month, to);
	*to++ = '-';
	return fl_two_digits_write(m->day, to);
}

static inline char *write_time(const struct moment *m, unsigned digits, char *to)
{
	if (m->negative)
		*to++ = '-';
	if (m->hour >= 100)
		*to++ = (char)('0' + m->hour / 100 % 10);
	to = fl_two_digits_write(m->hour % 100, to);
	*to++ = ':';
	to = fl_two_digits_write(m->minute, to);
	*to++ = ':';
	to = fl_two_digits_write(m->second, to);
	if (m->micros > 999999 || m->hour > 999)
		return NULL;
	if (digits == 0)
		return to;
	*to++ = '.';
	fl_digits_write(m->micros, 6, to);
	return to + digits;
}

static inline char *write_datetime(const struct moment *m, unsigned digits, char *to)
{
	to = write_date(m, to);
	if (to == NULL)
		return NULL;
	*to++ = ' ';
	return write_time(m, digits, to);
}

/* The fraction of a second behind the value: big-endian, in units of its last even digit. */
static size_t fraction_size(unsigned digits)
{
	return (digits + 1) / 2;
}

static unsigned micros_of(uint64_t fraction, unsigned digits)
{
	uint64_t micros = fraction * powers[6 - (digits + 1) / 2 * 2];
	return micros > 999999 ? 1000000 : (unsigned)micros;
}

static unsigned fraction_micros(const uint8_t *at, unsigned digits)
{
	switch (fraction_size(digits)) {
	case 0:
		return 0;
	case 1:
		return micros_of(at[0], digits);
	case 2:
		return micros_of((uint64_t)at[0] << 8 | at[1], digits);
	default:
		return micros_of((uint64_t)at[0] << 16 | (uint64_t)at[1] << 8 | at[2], digits);
	}
}

/* Seconds since 1970 as a date and time in UTC. The year is taken to begin in March, so that the
 * leap day is its last; days are counted from 0000-03-01, in eras of 400 years. */
static void set_epoch(struct moment *m, uint32_t seconds)
{
	unsigned rest = seconds % 86400;
	m->hour = rest / 3600;
	m->minute = rest / 60 % 60;
	m->second = rest % 60;

	unsigned days = seconds / 86400 + 719468;
	unsigned era = days / 146097, day = days % 146097;
	unsigned year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	day -= 365 * year + year / 4 - year / 100;
	unsigned month = (5 * day + 2) / 153;
	m->day = day - (153 * month + 2) / 5 + 1;
	m->month = month < 10 ? month + 3 : month - 9;
	m->year = era * 400 + year + (m->month <= 2);
}

/* 17 bits year*13+month, 5 day, 5 hour, 6 minute, 6 second. */
static void set_datetime(struct moment *m, uint64_t bits)
{
	uint64_t months = bits >> 22;
	/* years that there is no place for remain so */
	unsigned const known = months > 10000 * 13 ? 10000 * 13 : (unsigned)months;
	m->year = known / 13;
	m->month = known % 13;
	m->day = bits >> 17 & 31;
	m->hour = bits >> 12 & 31;
	m->minute = bits >> 6 & 63;
	m->second = bits & 63;
}

/* 10 bits hour, 6 minute, 6 second. */
static void set_time(struct moment *m, uint64_t bits)
{
	m->hour = bits >> 12 & 1023;
	m->minute = bits >> 6 & 63;
	m->second = bits & 63;
}

/* 3 bytes: 15 bits year, 4 month, 5 day. */
static char *write_date_column(const uint8_t *at, char *to)
{
	uint32_t bits = (uint32_t)fl_le(at, 3);
	struct moment m = { .year = bits >> 9, .month = bits >> 5 & 15, .day = bits & 31 };
	return write_date(&m, to);
}

/* 3 bytes big-endian, 0x800000 is zero; then the fraction. Value and fraction are one number, so a
 * negative one borrows: -00:00:00.5 is -1 with a fraction of 0.5. */
static char *write_time2(const uint8_t *at, unsigned digits, char *to)
{
	unsigned const size = (unsigned)fraction_size(digits);
	int64_t const unit = (int64_t)1 << 8 * size;
	int64_t value = (int64_t)big_endian(at, 3 + size) - 0x800000 * unit;
	struct moment m = { .negative = value < 0 };
	if (m.negative)
		value = -value;
	set_time(&m, (uint64_t)(value / unit));
	m.micros = size == 0 ? 0 : micros_of((uint64_t)(value % unit), digits);
	return write_time(&m, digits, to);
}

/* 5 bytes big-endian, 0x8000000000 is zero; then the fraction. Never negative. */
static char *write_datetime2(const uint8_t *at, unsigned digits, char *to)
{
	uint64_t value = (uint64_t)at[0] << 32 | fl_be32(at + 1);
	if (value < 0x8000000000)
		return NULL;
	struct moment m = { 0 };
	set_datetime(&m, value - 0x8000000000);
	m.micros = fraction_micros(at + 5, digits);
	return write_datetime(&m, digits, to);
}

/* 4 bytes, seconds since 1970; then, in the newer form, the fraction. 0 is the zero date. */
static char *write_timestamp(uint32_t seconds, unsigned micros, unsigned digits, char *to)
{
	struct moment m = { .micros = micros };
	if (seconds != 0 || m.micros != 0)
		set_epoch(&m, seconds);
	return write_datetime(&m, digits, to);
}

/* 3 bytes, signed: hhmmss in decimal. */
static char *write_old_time(const uint8_t *at, char *to)
{
	uint32_t value = (uint32_t)fl_le(at, 3);
	struct moment m = { .negative = (value & 0x800000) != 0 };
	if (m.negative)
		value = 0x1000000 - value;
	m.hour = value / 10000;
	m.minute = value / 100 % 100;
	m.second = value % 100;
	return write_time(&m, 0, to);
}

/* 8 bytes: YYYYMMDDhhmmss in decimal. */
static char *write_old_datetime(const uint8_t *at, char *to)
{
	uint64_t value = fl_le(at, 8);
	if (value > 99999999999999)
		return NULL;
	uint32_t date = (uint32_t)(value / 1000000), time = (uint32_t)(value % 1000000);
	struct moment m = { .year = date / 10000, .month = date / 100 % 100, .day = date % 100 };
	m.hour = time / 10000;
	m.minute = time / 100 % 100;
	m.second = time % 100;
	return write_datetime(&m, 0, to);
}

/* MariaDB's old types with a fraction are one big-endian number each, in units of its last digit:
 *
 *   TIME       4, 4, 5, 5, 5, 6 bytes for 1 to 6 digits; 839 hours are zero
 *   DATETIME   6, 6, 7, 7, 7, 8 bytes: ((((year * 13 + month) * 32 + day) * 24 + hour) * 60 +
 * minute)
 *              * 60 + second, then the digits
 *   TIMESTAMP  4 bytes, seconds since 1970; then the fraction by itself in 1, 1, 2, 2, 3, 3 bytes
 */
static const uint8_t time_sizes[] = { 3, 4, 4, 5, 5, 5, 6 };
static const uint8_t datetime_sizes[] = { 8, 6, 6, 7, 7, 7, 8 };

static char *write_packed_time(const uint8_t *at, unsigned digits, char *to)
{
	int64_t const unit = powers[digits];
	int64_t value = (int64_t)big_endian(at, time_sizes[digits]) - 839 * 3600 * unit;
	struct moment m = { .negative = value < 0 };
	if (m.negative)
		value = -value;
	m.micros = (unsigned)(value % unit) * powers[6 - digits];
	value /= unit;
	if (value >= 839 * 3600)
		return NULL;
	m.hour = (unsigned)(value / 3600);
	m.minute = (unsigned)(value / 60 % 60);
	m.second = (unsigned)(value % 60);
	return write_time(&m, digits, to);
}

static char *write_packed_datetime(const uint8_t *at, unsigned digits, char *to)
{
	uint64_t value = big_endian(at, datetime_sizes[digits]);
	struct moment m = { .micros = (unsigned)(value % powers[digits]) * powers[6 - digits] };
	value /= powers[digits];
	m.second = (unsigned)(value % 60);
	m.minute = (unsigned)(value / 60 % 60);
	m.hour = (unsigned)(value / 3600 % 24);
	m.day = (unsigned)(value / 86400 % 32);
	uint64_t months = value / 86400 / 32;
	m.year = months / 13 > 9999 ? 10000 : (unsigned)(months / 13);
	m.month = (unsigned)(months % 13);
	return write_datetime(&m, digits, to);
}

static char *write_packed_timestamp(const uint8_t *at, unsigned digits, char *to)
{
	uint64_t fraction = big_endian(at + 4, fraction_size(digits));
	if (fraction >= powers[digits])
		return NULL;
	return write_timestamp(fl_be32(at), (unsigned)fraction * powers[6 - digits], digits, to);
}

unsigned fl_temporal_size(uint8_t type, unsigned digits)
{
	unsigned fraction = (unsigned)fraction_size(digits);
	switch (type) {
	case FL_TYPE_TIMESTAMP2:
		return 4 + fraction;
	case FL_TYPE_DATETIME2:
		return 5 + fraction;
	case FL_TYPE_TIME2:
		return 3 + fraction;
	case FL_TYPE_DATETIME:
		return datetime_sizes[digits];
	case FL_TYPE_TIMESTAMP:
		return 4 + fraction;
	case FL_TYPE_TIME:
		return time_sizes[digits];
	default: /* DATE */
		return 3;
	}
}

#define WRITER(name) static FL_VALUE_WRITER(name)

WRITER(timestamp2)
{
	*to = '"';
	return fl_quote(write_timestamp(
		fl_be32(at), fraction_micros(at + 4, def->meta), def->meta, to + 1));
}

WRITER(datetime2)
{
	*to = '"';
	return fl_quote(write_datetime2(at, def->meta, to + 1));
}

WRITER(time2)
{
	*to = '"';
	return fl_quote(write_time2(at, def->meta, to + 1));
}

WRITER(timestamp)
{
	*to = '"';
	return fl_quote(def->meta > 0 ? write_packed_timestamp(at, def->meta, to + 1)
				      : write_timestamp(fl_le32(at), 0, 0, to + 1));
}

WRITER(datetime)
{
	*to = '"';
	return fl_quote(def->meta > 0 ? write_packed_datetime(at, def->meta, to + 1)
				      : write_old_datetime(at, to + 1));
}

WRITER(time_of_day)
{
	*to = '"';
	return fl_quote(def->meta > 0 ? write_packed_time(at, def->meta, to + 1)
				      : write_old_time(at, to + 1));
}

WRITER(date)
{
	*to = '"';
	return fl_quote(write_date_column(at, to + 1));
}

fl_value_writer *fl_temporal_writer(uint8_t type)
{
	switch (type) {
	case FL_TYPE_TIMESTAMP2:
		return timestamp2;
	case FL_TYPE_DATETIME2:
		return datetime2;
	case FL_TYPE_TIME2:
		return time2;
	case FL_TYPE_TIMESTAMP:
		return timestamp;
	case FL_TYPE_DATETIME:
		return datetime;
	case FL_TYPE_TIME:
		return time_of_day;
	default:
		return date;
	}
}

/* 40 bits date and time as in the columns, 24 bits microseconds; signed. */
char *fl_temporal_packed_write(uint8_t type, uint64_t packed, char *to)
{
	struct moment m = { .negative = packed >> 63 };
	if (m.negative)
		packed = 0 - packed;
	m.micros = packed & 0xffffff;
	if (type == FL_TYPE_TIME) {
		set_time(&m, packed >> 24);
		return write_time(&m, 6, to);
	}
	if (m.negative)
		return NULL;
	set_datetime(&m, packed >> 24);
	return type == FL_TYPE_DATE ? write_date(&m, to) : write_datetime(&m, 6, to);
}
