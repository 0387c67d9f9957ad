/* SPDX-License-Identifier: Apache-2.0 */
#include "map/lifetime.h"

#include "binlog/row.h"

/* What every cache takes; 68 years. */
enum { LONGEST = INT32_MAX };

int fl_lifetime_compile(
	const char *ttl, struct fl_arena *arena, struct fl_lifetime *ret, struct fl_err *err)
{
	static const char column[] = "column:";
	*ret = (struct fl_lifetime){ 0 };
	if (strncmp(ttl, column, sizeof(column) - 1) == 0) {
		const char *name = ttl + sizeof(column) - 1;
		ret->column =
			(struct fl_bytes){ fl_arena_copy(arena, name, strlen(name)), strlen(name) };
		if (ret->column.data == NULL)
			return fl_err_set(err, FL_ENOMEM, "out of memory");
		if (ret->column.size == 0)
			return fl_err_set(err, FL_EINVAL, "column: names no column");
		return 0;
	}
	unsigned long seconds = strtoul(ttl, NULL, 10);
	if (*ttl == '\0' || strspn(ttl, "0123456789") != strlen(ttl) || seconds > LONGEST)
		return fl_err_set(err, FL_EINVAL,
			"must be 0 to %d seconds, or column:NAME for a column that says when",
			LONGEST);
	ret->seconds = (uint32_t)seconds;
	return 0;
}

int fl_lifetime_set_jitter(const char *jitter, struct fl_lifetime *lifetime, struct fl_err *err)
{
	char *end;
	unsigned long percent = strtoul(jitter, &end, 10);
	if (*jitter < '0' || *jitter > '9' || strcmp(end, "%") != 0 || percent > 90)
		return fl_err_set(err, FL_EINVAL, "must be 0%% to 90%%");
	if (lifetime->seconds == 0 && lifetime->column.data == NULL)
		return fl_err_set(err, FL_EINVAL, "nothing expires: set ttl, or remove it");
	lifetime->jitter = (unsigned)percent;
	return 0;
}

int fl_lifetime_fit(const struct fl_table_def *def, unsigned column, struct fl_err *err)
{
	const struct fl_column_def *const c = &def->defs[column];
	switch (c->type) {
	case FL_TYPE_DATE:
	case FL_TYPE_NEWDATE:
	case FL_TYPE_DATETIME:
	case FL_TYPE_DATETIME2:
	case FL_TYPE_TIMESTAMP:
	case FL_TYPE_TIMESTAMP2:
		return 0;
	default:
		if (fl_cell_is_int(c))
			return 0;
		return fl_err_set(err, FL_EINVAL,
			"ttl: the column %.*s is neither DATE, DATETIME, TIMESTAMP nor an integer",
			(int)def->table.columns[column].name.size,
			def->table.columns[column].name.data);
	}
}

/* Days from 1970-01-01 in the Gregorian calendar. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
	/* The year begins in March, so that the leap day is its last. */
	year -= month <= 2;
	int64_t const era = year / 400;
	int64_t const of_era = year - era * 400;
	int64_t const of_year = (153 * (int64_t)(month + (month > 2 ? -3u : 9u)) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static unsigned number(const char *text, size_t size)
{
	unsigned value = 0;
	for (size_t i = 0; i < size; i++)
		value = value * 10 + (unsigned)(text[i] - '0');
	return value;
}

/* "2024-02-29 01:02:03.5": the fraction is cut off, so that nothing lives longer than it may. */
static bool read_moment(struct fl_bytes text, int64_t *ret)
{
	if (text.size < 10)
		return false;
	unsigned const month = number(text.data + 5, 2), day = number(text.data + 8, 2);
	if (month == 0 || day == 0)
		return false; /* such as the zero date */
	*ret = days_of(number(text.data, 4), month, day) * 86400;
	if (text.size >= 19)
		*ret += number(text.data + 11, 2) * 3600 + number(text.data + 14, 2) * 60 +
			number(text.data + 17, 2);
	return true;
}

/* xorshift64 (Marsaglia): nothing depends on how good it is. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static uint32_t shorten(uint32_t seconds, unsigned percent, uint64_t *random)
{
	uint64_t const most = (uint64_t)seconds * percent / 100;
	return seconds - (uint32_t)(percent > 0 ? next_random(random) % (most + 1) : 0);
}

/* When the column says that it ends. 1; 0 if it says never; FL_E... if it can't be told. */
static int end_of(const struct fl_image *image, unsigned column, struct fl_buf *scratch,
	int64_t *ret, struct fl_err *err)
{
	const struct fl_table_def *def =
		(const struct fl_table_def *)(const void *)image->row->table;
	const struct fl_found *found = &image->found[column];
	struct fl_value value;
	if (found->state == FL_CELL_ABSENT)
		return fl_cell_refuse_absent(image->row, column, err);
	int code = fl_row_check_known(image->row, err);
	if (code < 0 || found->state == FL_CELL_NULL)
		return code;
	fl_buf_clear(scratch);
	code = fl_value_decode(&def->defs[column], found->cell, scratch, &value);
	if (code < 0)
		return fl_row_explain(def, column, code, err);
	switch (value.kind) {
	case FL_VALUE_INT:
		*ret = value.i;
		return 1;
	case FL_VALUE_UINT:
		*ret = value.u > INT64_MAX ? INT64_MAX : (int64_t)value.u;
		return 1;
	default:
		break;
	}
	if (read_moment(value.bytes, ret))
		return 1;
	if (value.bytes.size >= 10 && memcmp(value.bytes.data, "0000-00-00", 10) == 0)
		return 0;
	return fl_err_set(err, FL_EUNSUPPORTED, "ttl: %.*s is no moment",
		(int)(value.bytes.size < 40 ? value.bytes.size : 40), value.bytes.data);
}

int fl_lifetime_left(const struct fl_lifetime *lifetime, const struct fl_image *image,
	unsigned column, int64_t now, struct fl_buf *scratch, uint64_t *random, uint32_t *ret,
	struct fl_err *err)
{
	*ret = lifetime->seconds;
	if (lifetime->column.data != NULL) {
		int64_t until = 0;
		int code = end_of(image, column, scratch, &until, err);
		if (code < 0)
			return code;
		if (code == 0)
			return 1;
		if (until <= now)
			return 0;
		*ret = until - now > LONGEST ? LONGEST : (uint32_t)(until - now);
	}
	*ret = *ret > 1 ? shorten(*ret, lifetime->jitter, random) : *ret;
	return 1;
}
