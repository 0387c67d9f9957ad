/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of text for a terminal: safe, cut to its width, with units.
 */
#include <math.h>
#include <wchar.h>
#include <wctype.h>

#include "view/private.h"

/* The character at the start of the text: its bytes, and columns; 0 columns if it can't be shown.
 */
static size_t next_character(const char *text, unsigned *ret_columns)
{
	wchar_t c;
	mbstate_t state = { 0 };
	size_t const size = mbrtowc(&c, text, strlen(text), &state);
	if (size == (size_t)-1 || size == (size_t)-2 || size == 0) {
		*ret_columns = 0;
		return 1;
	}
	/* What takes no column joins, hides or turns what is beside it. */
	int const columns = iswprint((wint_t)c) ? wcwidth(c) : 0;
	*ret_columns = columns > 0 ? (unsigned)columns : 0;
	return size;
}

unsigned fl_text_columns(const char *text)
{
	unsigned sum = 0, columns;
	while (*text != '\0') {
		text += next_character(text, &columns);
		sum += columns > 0 ? columns : 1;
	}
	return sum;
}

void fl_sheet_text(struct fl_sheet *s, enum fl_style style, const char *text)
{
	static const char *const codes[] = { "", "1", "2", "32", "33", "1;31" };
	bool const styled = s->colour && style != FL_PLAIN;
	if (styled) {
		fl_buf_text(&s->out, "\033[");
		fl_buf_text(&s->out, codes[style]);
		fl_buf_char(&s->out, 'm');
	}
	while (*text != '\0') {
		unsigned columns;
		size_t const size = next_character(text, &columns);
		unsigned const takes = columns > 0 ? columns : 1;
		if (s->width > 0 && s->column + takes > s->width)
			break;
		if (columns > 0)
			fl_buf_append(&s->out, text, size);
		else
			fl_buf_char(&s->out, '?');
		s->column += takes;
		text += size;
	}
	if (styled)
		fl_buf_text(&s->out, "\033[0m");
}

void fl_sheet_add(struct fl_sheet *s, enum fl_style style, const char *format, ...)
{
	char text[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fl_sheet_text(s, style, text);
}

void fl_sheet_to(struct fl_sheet *s, unsigned column)
{
	while (s->column < column && (s->width == 0 || s->column < s->width)) {
		fl_buf_char(&s->out, ' ');
		s->column++;
	}
}

void fl_sheet_end_line(struct fl_sheet *s)
{
	fl_buf_char(&s->out, '\n');
	s->column = 0;
}

/* At least two digits, at most three or the number's own before the point. */
static const char *digits(char *to, double number, const char *unit)
{
	int const decimals = number >= 99.95 ? 0 : number >= 9.995 ? 1 : 2;
	int size = snprintf(to, FL_UNITS_SIZE, "%.*f", decimals, number);
	if (decimals > 0) {
		while (to[size - 1] == '0')
			size--;
		size -= to[size - 1] == '.';
	}
	snprintf(to + size, FL_UNITS_SIZE - (size_t)size, "%s", unit);
	return to;
}

static const char *scaled(char *to, double number, double base, const char *const *units)
{
	if (!(number >= 0) || number > 1e30)
		return strcpy(to, "-");
	while (number >= base * 0.9995 && units[1] != NULL) {
		number /= base;
		units++;
	}
	return digits(to, number, *units);
}

const char *fl_units_count(char to[FL_UNITS_SIZE], double number)
{
	static const char *const units[] = { "", "k", "M", "G", "T", NULL };
	return scaled(to, number, 1000, units);
}

const char *fl_units_bytes(char to[FL_UNITS_SIZE], double bytes)
{
	static const char *const units[] = { " B", " KiB", " MiB", " GiB", " TiB", NULL };
	return scaled(to, bytes, 1024, units);
}

const char *fl_units_time(char to[FL_UNITS_SIZE], double seconds)
{
	static const struct {
		unsigned parts; /* seconds */
		const char *name;
	} units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
	if (!(seconds >= 0) || seconds > 1e12)
		return strcpy(to, "-");
	if (seconds < 0.00099995)
		return seconds == 0 ? strcpy(to, "0 ms") : digits(to, seconds * 1e6, " us");
	if (seconds < 0.99995)
		return digits(to, seconds * 1e3, " ms");
	if (seconds < 59.95)
		return digits(to, seconds, " s");
	uint64_t const whole = (uint64_t)(seconds + 0.5);
	for (size_t i = 0; i < 3; i++) {
		uint64_t const more = whole % units[i].parts / units[i + 1].parts;
		if (whole < units[i].parts)
			continue;
		int size = snprintf(to, FL_UNITS_SIZE, "%llu %s",
			(unsigned long long)(whole / units[i].parts), units[i].name);
		if (more > 0)
			snprintf(to + size, FL_UNITS_SIZE - (size_t)size, " %llu %s",
				(unsigned long long)more, units[i + 1].name);
		break;
	}
	return to;
}
