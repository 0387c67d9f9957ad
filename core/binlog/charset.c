/* SPDX-License-Identifier: Apache-2.0 */
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include <strings.h>

#include "binlog/charset.h"
#include "binlog/row.h"

/* The loop that all text goes through is worth a copy of its own in each caller. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum fl_charset fl_charset_from_name(struct fl_bytes name)
{
	static const struct {
		const char *name;
		enum fl_charset charset;
	} known[] = {
		{ "", FL_CHARSET_UNKNOWN },
		{ "armscii8", FL_CHARSET_ARMSCII8 },
		{ "ascii", FL_CHARSET_ASCII },
		{ "big5", FL_CHARSET_BIG5 },
		{ "binary", FL_CHARSET_BINARY },
		{ "cp1250", FL_CHARSET_CP1250 },
		{ "cp1251", FL_CHARSET_CP1251 },
		{ "cp1256", FL_CHARSET_CP1256 },
		{ "cp1257", FL_CHARSET_CP1257 },
		{ "cp850", FL_CHARSET_CP850 },
		{ "cp852", FL_CHARSET_CP852 },
		{ "cp866", FL_CHARSET_CP866 },
		{ "cp932", FL_CHARSET_CP932 },
		{ "dec8", FL_CHARSET_DEC8 },
		{ "eucjpms", FL_CHARSET_EUCJPMS },
		{ "euckr", FL_CHARSET_EUCKR },
		{ "gb18030", FL_CHARSET_GB18030 },
		{ "gb2312", FL_CHARSET_GB2312 },
		{ "gbk", FL_CHARSET_GBK },
		{ "geostd8", FL_CHARSET_GEOSTD8 },
		{ "greek", FL_CHARSET_GREEK },
		{ "hebrew", FL_CHARSET_HEBREW },
		{ "hp8", FL_CHARSET_HP8 },
		{ "keybcs2", FL_CHARSET_KEYBCS2 },
		{ "koi8r", FL_CHARSET_KOI8R },
		{ "koi8u", FL_CHARSET_KOI8U },
		{ "latin1", FL_CHARSET_LATIN1 },
		{ "latin2", FL_CHARSET_LATIN2 },
		{ "latin5", FL_CHARSET_LATIN5 },
		{ "latin7", FL_CHARSET_LATIN7 },
		{ "macce", FL_CHARSET_MACCE },
		{ "macroman", FL_CHARSET_MACROMAN },
		{ "sjis", FL_CHARSET_SJIS },
		{ "swe7", FL_CHARSET_SWE7 },
		{ "tis620", FL_CHARSET_TIS620 },
		{ "ucs2", FL_CHARSET_UCS2 },
		{ "ujis", FL_CHARSET_UJIS },
		{ "utf16", FL_CHARSET_UTF16 },
		{ "utf16le", FL_CHARSET_UTF16LE },
		{ "utf32", FL_CHARSET_UTF32 },
		{ "utf8", FL_CHARSET_UTF8 },
		{ "utf8mb3", FL_CHARSET_UTF8 },
		{ "utf8mb4", FL_CHARSET_UTF8 },
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strlen(known[i].name) == name.size &&
			(name.size == 0 || strncasecmp(known[i].name, name.data, name.size) == 0))
			return known[i].charset;
	}
	return FL_CHARSET_OTHER;
}

/* Of 0x80 ... 0x9f; above, latin1 is Unicode. */
static const uint16_t latin1_c1[32] = { 0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021,
	0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d, 0x8f, 0x90, 0x2018, 0x2019, 0x201c,
	0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d, 0x17e, 0x178 };

static char *write_latin1(uint8_t c, char *to)
{
	unsigned code = c < 0xa0 ? latin1_c1[c - 0x80] : c;
	if (code < 0x800) {
		*to++ = (char)(0xc0 | code >> 6);
	} else {
		*to++ = (char)(0xe0 | code >> 12);
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
	}
	*to++ = (char)(0x80 | (code & 0x3f));
	return to;
}

/* The length of the character of two to four bytes at `at`, or 0 if there is no valid one: no
 * overlong forms, no surrogates, nothing above U+10FFFF. */
static size_t utf8_length(const uint8_t *at, const uint8_t *end)
{
	uint8_t low = 0x80, high = 0xbf; /* of the second byte */
	size_t size;
	if (at[0] >= 0xc2 && at[0] <= 0xdf) {
		size = 2;
	} else if ((at[0] & 0xf0) == 0xe0) {
		size = 3;
		low = at[0] == 0xe0 ? 0xa0 : 0x80;
		high = at[0] == 0xed ? 0x9f : 0xbf;
	} else if (at[0] >= 0xf0 && at[0] <= 0xf4) {
		size = 4;
		low = at[0] == 0xf0 ? 0x90 : 0x80;
		high = at[0] == 0xf4 ? 0x8f : 0xbf;
	} else {
		return 0;
	}
	if ((size_t)(end - at) < size || at[1] < low || at[1] > high)
		return 0;
	for (size_t i = 2; i < size; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	}
	return size;
}

/* Whether the byte stands for itself in a JSON string. */
static bool is_plain(uint8_t c)
{
	return (uint8_t)(c - 0x20) < 0x60 && c != '"' && c != '\\';
}

/* Whether all eight bytes do. A borrow can reach only bytes above one that is not plain. */
static bool are_plain(uint64_t eight)
{
	uint64_t const ones = 0x0101010101010101;
	uint64_t quote = eight ^ ones * '"', backslash = eight ^ ones * '\\';
	return ((eight | (eight - ones * 0x20) | (quote - ones) | (backslash - ones)) &
		       ones * 0x80) == 0;
}

/* Copies the plain bytes at the front; there is room for all up to `end`. */
ALWAYS_INLINE const uint8_t *copy_plain(const uint8_t *at, const uint8_t *end, char **to)
{
	const uint8_t *const start = at;
	char *out = *to;
#ifdef __SSE2__
	/* Signed comparison: below 0x20 are the controls and all from 0x80 on. */
	__m128i const space = _mm_set1_epi8(0x20), quote = _mm_set1_epi8('"'),
		      backslash = _mm_set1_epi8('\\');
	for (; end - at >= 16; at += 16, out += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)at);
		__m128i special = _mm_or_si128(_mm_cmplt_epi8(v, space),
			_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)));
		int mask = _mm_movemask_epi8(special);
		_mm_storeu_si128((__m128i *)out, v);
		if (mask != 0) {
			*to = out + __builtin_ctz((unsigned)mask);
			return at + __builtin_ctz((unsigned)mask);
		}
	}
#endif
	for (; end - at >= 8; at += 8, out += 8) {
		uint64_t eight;
		memcpy(&eight, at, 8);
		if (!are_plain(eight))
			break;
		memcpy(out, &eight, 8);
	}
	/* the last bytes in one go, together with some before them that are known to be plain */
	if (end - at < 8 && end - start >= 8 && at < end) {
		uint64_t eight;
		memcpy(&eight, end - 8, 8);
		if (are_plain(eight)) {
			out += end - at;
			memcpy(out - 8, &eight, 8);
			at = end;
		}
	}
	while (at < end && is_plain(*at))
		*out++ = (char)*at++;
	*to = out;
	return at;
}

const uint8_t *fl_charset_copy_plain(const uint8_t *at, const uint8_t *end, char **to)
{
	return copy_plain(at, end, to);
}

static inline char *write_escape(uint8_t c, char *to)
{
	static const char names[] = "btn\0fr"; /* of 8 ... 13 */
	static const char hex[] = "0123456789abcdef";
	*to++ = '\\';
	if (c == '"' || c == '\\') {
		*to++ = (char)c;
	} else if (c >= 8 && c <= 13 && c != 11) {
		*to++ = names[c - 8];
	} else {
		memcpy(to, "u00", 3);
		to[3] = hex[c >> 4];
		to[4] = hex[c & 15];
		to += 5;
	}
	return to;
}

char *fl_charset_escape(uint8_t c, char *to)
{
	return write_escape(c, to);
}

/* A byte of 0x80 and above, or the character that begins with it; its length, 0 if it is none. */
static size_t write_character(
	enum fl_charset charset, const uint8_t *at, const uint8_t *end, char **to)
{
	if (charset == FL_CHARSET_LATIN1) {
		*to = write_latin1(*at, *to);
		return 1;
	}
	size_t size = charset == FL_CHARSET_UTF8 ? utf8_length(at, end) : 0;
	char *out = *to;
	for (size_t i = 0; i < size; i++)
		out[i] = (char)at[i];
	*to = out + size;
	return size;
}

/* The characters that begin before `stop`; the last may reach beyond it, up to `end`. There is room
 * for FL_TEXT_WORST bytes for each. Returns how far it came: not to `stop` where there is no valid
 * character. */
static const uint8_t *write_json(enum fl_charset charset, const uint8_t *at, const uint8_t *stop,
	const uint8_t *end, char **to)
{
	if (charset > FL_CHARSET_UTF8)
		return fl_charset_convert(charset, true, at, stop, end, to);
	while (at < stop) {
		at = copy_plain(at, stop, to);
		while (at < stop && *at >= 0x80) {
			size_t size = write_character(charset, at, end, to);
			if (size == 0)
				return at;
			at += size;
		}
		if (at < stop && !is_plain(*at))
			*to = write_escape(*at++, *to);
	}
	return at;
}

char *fl_charset_json_write(
	enum fl_charset charset, const uint8_t *at, const uint8_t *end, char *to)
{
	return write_json(charset, at, end, end, &to) == end ? to : NULL;
}

/* In blocks, since the worst case is six times the text. */
static int json_text(
	enum fl_charset charset, struct fl_bytes text, bool replace, struct fl_buf *out)
{
	if (text.size == 0)
		return 0;
	const uint8_t *at = (const uint8_t *)text.data, *end = at + text.size;
	while (at < end) {
		const uint8_t *stop = end - at > FL_TEXT_SHORT ? at + FL_TEXT_SHORT : end;
		char *to = fl_buf_reserve(out, (size_t)(stop - at) * FL_TEXT_WORST);
		if (to == NULL)
			return FL_ENOMEM;
		at = write_json(charset, at, stop, end, &to);
		if (at < stop) {
			if (!replace)
				return FL_ECORRUPT;
			memcpy(to, "\xef\xbf\xbd", 3);
			to += 3;
			at++;
		}
		out->size = (size_t)(to - out->data);
	}
	return 0;
}

int fl_charset_json(enum fl_charset charset, struct fl_bytes text, struct fl_buf *out)
{
	return json_text(charset, text, false, out);
}

void fl_json_text(struct fl_bytes text, struct fl_buf *out)
{
	fl_buf_char(out, '"');
	json_text(FL_CHARSET_UTF8, text, true, out);
	fl_buf_char(out, '"');
}

static const uint8_t *skip_ascii(const uint8_t *at, const uint8_t *end)
{
	for (; end - at >= 8; at += 8) {
		uint64_t eight;
		memcpy(&eight, at, 8);
		if ((eight & 0x8080808080808080) != 0)
			break;
	}
	while (at < end && *at < 0x80)
		at++;
	return at;
}

bool fl_utf8_is_valid(struct fl_bytes text)
{
	if (text.size == 0)
		return true;
	const uint8_t *at = (const uint8_t *)text.data, *end = at + text.size;
	for (;;) {
		at = skip_ascii(at, end);
		if (at == end)
			return true;
		size_t size = utf8_length(at, end);
		if (size == 0)
			return false;
		at += size;
	}
}

/* Of the sets that are neither ASCII, UTF-8 nor latin1; in blocks. */
static int other_text(enum fl_charset charset, struct fl_bytes text, struct fl_buf *out)
{
	size_t const start = out->size;
	const uint8_t *at = (const uint8_t *)text.data, *end = at + text.size;
	while (at < end) {
		const uint8_t *stop = end - at > FL_TEXT_SHORT ? at + FL_TEXT_SHORT : end;
		char *to = fl_buf_reserve(out, (size_t)(stop - at) * FL_TEXT_WORST);
		if (to != NULL)
			at = fl_charset_convert(charset, false, at, stop, end, &to);
		if (to == NULL || at < stop) {
			out->size = start;
			return to == NULL ? FL_ENOMEM : FL_ECORRUPT;
		}
		out->size = (size_t)(to - out->data);
	}
	return 0;
}

int fl_charset_text(enum fl_charset charset, struct fl_bytes text, struct fl_buf *out)
{
	if (text.size == 0)
		return 0;
	if (charset > FL_CHARSET_UTF8)
		return other_text(charset, text, out);
	if (charset != FL_CHARSET_LATIN1) {
		const uint8_t *at = (const uint8_t *)text.data, *end = at + text.size;
		bool valid = charset == FL_CHARSET_UTF8 ? fl_utf8_is_valid(text)
							: skip_ascii(at, end) == end;
		if (!valid)
			return FL_ECORRUPT;
		fl_buf_append(out, text.data, text.size);
		return out->failed ? FL_ENOMEM : 0;
	}
	char *to = fl_buf_reserve(out, text.size * 3);
	if (to == NULL)
		return FL_ENOMEM;
	for (size_t i = 0; i < text.size; i++) {
		uint8_t c = (uint8_t)text.data[i];
		if (c < 0x80)
			*to++ = (char)c;
		else
			to = write_latin1(c, to);
	}
	out->size = (size_t)(to - out->data);
	return 0;
}
