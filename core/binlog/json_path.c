/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON paths as the server writes them into partial updates: $.name, $."any \"name\"", $[3],
 * $[last], $[last-3]; no blanks.
 */
#include "binlog/json.h"

static bool take_if(struct fl_cursor *c, char wanted)
{
	if (c->at == c->end || *c->at != (uint8_t)wanted)
		return false;
	fl_take(c, 1);
	return true;
}

static uint32_t take_number(struct fl_cursor *c)
{
	uint64_t number = 0;
	bool const is_number = c->at < c->end && *c->at >= '0' && *c->at <= '9';
	while (c->at < c->end && *c->at >= '0' && *c->at <= '9' && number <= UINT32_MAX)
		number = number * 10 + fl_take_u8(c) - '0';
	c->failed |= !is_number || number > UINT32_MAX;
	return (uint32_t)number;
}

/* Behind the bracket. */
static void take_cell(struct fl_cursor *c, struct fl_json_leg *ret)
{
	static const char last[] = "last";
	ret->is_cell = true;
	ret->from_last = fl_cursor_left(c) >= 4 && memcmp(c->at, last, 4) == 0;
	if (ret->from_last)
		fl_take(c, 4);
	if (!ret->from_last || take_if(c, '-'))
		ret->cell = take_number(c);
	c->failed |= !take_if(c, ']');
}

static uint32_t take_hex4(struct fl_cursor *c)
{
	uint32_t value = 0;
	for (unsigned i = 0; i < 4; i++) {
		uint8_t const digit = fl_take_u8(c);
		uint8_t const letter = digit | 0x20;
		value <<= 4;
		if (digit >= '0' && digit <= '9')
			value |= (uint32_t)(digit - '0');
		else if (letter >= 'a' && letter <= 'f')
			value |= (uint32_t)(letter - 'a' + 10);
		else
			c->failed = true;
	}
	return value;
}

static char *write_utf8(uint32_t code, char *to)
{
	if (code < 0x80) {
		*to++ = (char)code;
		return to;
	}
	if (code < 0x800) {
		*to++ = (char)(0xc0 | code >> 6);
	} else if (code < 0x10000) {
		*to++ = (char)(0xe0 | code >> 12);
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
	} else {
		*to++ = (char)(0xf0 | code >> 18);
		*to++ = (char)(0x80 | (code >> 12 & 0x3f));
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
	}
	*to++ = (char)(0x80 | (code & 0x3f));
	return to;
}

/* Behind a backslash. What it stands for is never longer than it is written. */
static char *take_escape(struct fl_cursor *c, char *to)
{
	static const char from[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	uint8_t const which = fl_take_u8(c);
	const char *found = which != '\0' ? strchr(from, which) : NULL;
	if (found != NULL) {
		*to++ = meant[found - from];
		return to;
	}
	uint32_t code = which == 'u' ? take_hex4(c) : 0;
	c->failed |= which != 'u' || code >> 10 == 0xdc00 >> 10;
	if (c->failed)
		return to;
	if (code >> 10 == 0xd800 >> 10) {
		bool const goes_on = take_if(c, '\\') && take_if(c, 'u');
		uint32_t const low = take_hex4(c);
		c->failed |= !goes_on || low >> 10 != 0xdc00 >> 10;
		if (c->failed)
			return to;
		code = 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff));
	}
	return write_utf8(code, to);
}

/* Behind the opening quote. */
static int take_quoted(struct fl_cursor *c, struct fl_arena *memory, struct fl_bytes *ret)
{
	const uint8_t *start = c->at;
	bool escapes = false;
	while (c->at < c->end && *c->at != '"') {
		bool const escaped = *c->at == '\\';
		escapes |= escaped;
		fl_take(c, escaped ? 2 : 1);
	}
	struct fl_cursor inside = fl_cursor(start, (size_t)(c->at - start));
	c->failed |= !take_if(c, '"');
	*ret = (struct fl_bytes){ (const char *)start, fl_cursor_left(&inside) };
	if (!escapes || c->failed)
		return 0;
	char *plain = fl_arena_alloc(memory, ret->size);
	if (plain == NULL)
		return FL_ENOMEM;
	char *to = plain;
	while (inside.at < inside.end && !inside.failed) {
		if (take_if(&inside, '\\'))
			to = take_escape(&inside, to);
		else
			*to++ = (char)fl_take_u8(&inside);
	}
	c->failed |= inside.failed;
	*ret = (struct fl_bytes){ plain, (size_t)(to - plain) };
	return 0;
}

/* Behind the dot. Names without quotes are identifiers, which have neither of these. */
static int take_member(struct fl_cursor *c, struct fl_arena *memory, struct fl_json_leg *ret)
{
	if (take_if(c, '"'))
		return take_quoted(c, memory, &ret->member);
	const uint8_t *start = c->at;
	while (c->at < c->end && strchr(".[]*\"\\ ", *c->at) == NULL)
		fl_take(c, 1);
	ret->member = (struct fl_bytes){ (const char *)start, (size_t)(c->at - start) };
	c->failed |= ret->member.size == 0;
	return 0;
}

int fl_json_path(
	struct fl_bytes text, struct fl_arena *memory, struct fl_json_leg ret[FL_JSON_DEEPEST])
{
	struct fl_cursor c = fl_cursor(text.data, text.size);
	int count = 0;
	if (!take_if(&c, '$'))
		return FL_ECORRUPT;
	while (c.at < c.end) {
		if (count == FL_JSON_DEEPEST)
			return FL_ECORRUPT;
		struct fl_json_leg leg = { 0 };
		if (take_if(&c, '[')) {
			take_cell(&c, &leg);
		} else if (take_if(&c, '.')) {
			int code = take_member(&c, memory, &leg);
			if (code < 0)
				return code;
		} else {
			return FL_ECORRUPT;
		}
		if (c.failed)
			return FL_ECORRUPT;
		ret[count++] = leg;
	}
	return count;
}
