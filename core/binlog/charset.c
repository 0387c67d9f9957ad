/* SPDX-License-Identifier: Apache-2.0 */
#include <strings.h>

#include "binlog/charset.h"
#include "binlog/chunk.h"
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

static inline bool continues(uint8_t c)
{
	return (c & 0xc0) == 0x80;
}

/* The length of the character of two to four bytes at `at`, or 0 if there is no valid one: no
 * overlong forms, no surrogates, nothing above U+10FFFF. */
ALWAYS_INLINE size_t utf8_length(const uint8_t *at, const uint8_t *end)
{
	ptrdiff_t const left = end - at;
	uint8_t const lead = at[0];
	if (lead < 0xe0)
		return lead >= 0xc2 && left >= 2 && continues(at[1]) ? 2 : 0;
	if (lead < 0xf0) {
		uint8_t const low = lead == 0xe0 ? 0xa0 : 0x80, high = lead == 0xed ? 0x9f : 0xbf;
		return left >= 3 && at[1] >= low && at[1] <= high && continues(at[2]) ? 3 : 0;
	}
	uint8_t const low = lead == 0xf0 ? 0x90 : 0x80, high = lead == 0xf4 ? 0x8f : 0xbf;
	return lead <= 0xf4 && left >= 4 && at[1] >= low && at[1] <= high && continues(at[2]) &&
			       continues(at[3])
		       ? 4
		       : 0;
}

const uint8_t *fl_charset_copy_plain(const uint8_t *at, const uint8_t *end, char **to)
{
	char *out = *to;
	unsigned special = 0;
	while (special == 0 && at < end) {
		size_t const left = (size_t)(end - at);
		special =
			left < FL_CHUNK ? fl_chunk_copy_few(at, left, out) : fl_chunk_copy(at, out);
		size_t const plain = special != 0      ? (size_t)__builtin_ctz(special)
				     : left < FL_CHUNK ? left
						       : FL_CHUNK;
		at += plain;
		out += plain;
	}
	*to = out;
	return at;
}

static inline char *write_escape(uint8_t c, char *to)
{
	/* with its length behind it */
#define U00(a, b)                                                                                  \
	{                                                                                          \
		'\\', 'u', '0', '0', a, b, 0, 6                                                    \
	}
#define SHORT(a)                                                                                   \
	{                                                                                          \
		'\\', a, 0, 0, 0, 0, 0, 2                                                          \
	}
	static const char controls[32][8] = { U00('0', '0'), U00('0', '1'), U00('0', '2'),
		U00('0', '3'), U00('0', '4'), U00('0', '5'), U00('0', '6'), U00('0', '7'),
		SHORT('b'), SHORT('t'), SHORT('n'), U00('0', 'b'), SHORT('f'), SHORT('r'),
		U00('0', 'e'), U00('0', 'f'), U00('1', '0'), U00('1', '1'), U00('1', '2'),
		U00('1', '3'), U00('1', '4'), U00('1', '5'), U00('1', '6'), U00('1', '7'),
		U00('1', '8'), U00('1', '9'), U00('1', 'a'), U00('1', 'b'), U00('1', 'c'),
		U00('1', 'd'), U00('1', 'e'), U00('1', 'f') };
#undef U00
#undef SHORT
	if (c < 0x20) {
		memcpy(to, controls[c], 8);
		return to + controls[c][7];
	}
	*to++ = '\\';
	*to++ = (char)c;
	return to;
}

char *fl_charset_escape(uint8_t c, char *to)
{
	return write_escape(c, to);
}

/* A place in a text, and where it is written. */
struct progress {
	const uint8_t *at;
	char *out;
};

/* How many bytes of a chunk are whole characters, if it is plain to see that they are valid: up to
 * the first of them that has to be escaped, or to one that reaches beyond the chunk. 0: look. */
ALWAYS_INLINE unsigned whole_characters(const uint8_t *at, unsigned special)
{
	struct fl_chunk_utf8 const kind = fl_chunk_utf8(at);
	unsigned const escaped = special & ~(kind.two | kind.three | kind.more | kind.other);
	unsigned const cut = (kind.two & 0x8000) | (kind.three & 0xc000);
	unsigned const end = (unsigned)__builtin_ctz(escaped | cut | 1u << FL_CHUNK);
	/* with the byte at the end, which must not be awaited by those before it */
	unsigned const seen = (2u << end) - 1;
	unsigned const begun = (kind.two | kind.three) & (seen >> 1);
	unsigned const awaited = begun << 1 | (kind.three & (seen >> 1)) << 2;
	return ((awaited ^ kind.more) & seen & 0xffff) == 0 && (kind.other & (seen >> 1)) == 0 ? end
											       : 0;
}

/* Goes over the `size` bytes at hand, which have been copied as they are: to their end, or only
 * behind the first that can't stay as it was; false where there is no valid character. */
ALWAYS_INLINE bool settle(enum fl_charset charset, unsigned special, size_t size,
	const uint8_t *stop, const uint8_t *end, struct progress *p)
{
	if (charset == FL_CHARSET_UTF8 && size == FL_CHUNK &&
		p->at[__builtin_ctz(special)] >= 0x80) {
		unsigned const whole = whole_characters(p->at, special);
		p->at += whole;
		p->out += whole;
		if (whole > 0)
			return true;
	}
	do {
		size_t const i = (size_t)__builtin_ctz(special);
		const uint8_t *at = p->at + i;
		if (*at < 0x80) {
			p->out = write_escape(*at, p->out + i);
			p->at = at + 1;
			return true;
		}
		if (charset == FL_CHARSET_LATIN1) {
			p->out += i;
			do
				p->out = write_latin1(*at++, p->out);
			while (at < stop && *at >= 0x80);
			p->at = at;
			return true;
		}
		size_t const length = charset == FL_CHARSET_UTF8 ? utf8_length(at, end) : 0;
		if (length == 0 || i + length > size) {
			p->out += i;
			p->at = at + length;
			for (size_t k = 0; k < length; k++)
				*p->out++ = (char)at[k];
			return length > 0;
		}
		special &= UINT32_MAX << (i + length);
	} while (special != 0);
	p->at += size;
	p->out += size;
	return true;
}

/* The characters that begin before `stop`; the last may reach beyond it, up to `end`. There is room
 * for FL_TEXT_WORST bytes for each, and FL_TEXT_PAD. Returns how far it came: not to `stop` where
 * there is no valid character. */
ALWAYS_INLINE const uint8_t *write_plain_sets(enum fl_charset charset, const uint8_t *at,
	const uint8_t *stop, const uint8_t *end, char **to)
{
	struct progress p = { at, *to };
	bool valid = true;
	while (valid && stop - p.at >= FL_CHUNK) {
		unsigned const special = fl_chunk_copy(p.at, p.out);
		if (special != 0) {
			valid = settle(charset, special, FL_CHUNK, stop, end, &p);
		} else {
			p.at += FL_CHUNK;
			p.out += FL_CHUNK;
		}
	}
	while (valid && p.at < stop) {
		size_t const left = (size_t)(stop - p.at);
		unsigned const special = fl_chunk_copy_few(p.at, left, p.out);
		if (special != 0) {
			valid = settle(charset, special, left, stop, end, &p);
		} else {
			p.at = stop;
			p.out += left;
		}
	}
	*to = p.out;
	return p.at;
}

static const uint8_t *write_json(enum fl_charset charset, const uint8_t *at, const uint8_t *stop,
	const uint8_t *end, char **to)
{
	switch (charset) {
	case FL_CHARSET_UTF8:
		return write_plain_sets(FL_CHARSET_UTF8, at, stop, end, to);
	case FL_CHARSET_LATIN1:
		return write_plain_sets(FL_CHARSET_LATIN1, at, stop, end, to);
	case FL_CHARSET_UNKNOWN:
	case FL_CHARSET_BINARY:
	case FL_CHARSET_OTHER:
	case FL_CHARSET_ASCII:
		return write_plain_sets(FL_CHARSET_ASCII, at, stop, end, to);
	default:
		return fl_charset_convert(charset, true, at, stop, end, to);
	}
}

/* Not inline: what has come so far needs no registers to be saved. */
static __attribute__((noinline)) char *write_rest(
	enum fl_charset charset, const uint8_t *at, const uint8_t *end, char *to)
{
	return fl_quote(write_json(charset, at, end, end, &to) == end ? to : NULL);
}

/* Most texts are plain ASCII to their end. */
static FL_VALUE_WRITER(write_like_ascii)
{
	*to++ = '"';
	for (; size >= FL_CHUNK && fl_chunk_copy(at, to) == 0; size -= FL_CHUNK) {
		at += FL_CHUNK;
		to += FL_CHUNK;
	}
	if (size >= FL_CHUNK || (size > 0 && fl_chunk_copy_few(at, size, to) != 0))
		return write_rest(def->charset, at, at + size, to);
	to[size] = '"';
	return to + size + 1;
}

static FL_VALUE_WRITER(write_other)
{
	*to++ = '"';
	return write_rest(def->charset, at, at + size, to);
}

fl_value_writer *fl_charset_writer(enum fl_charset charset)
{
	bool const like_ascii = charset == FL_CHARSET_UTF8 || charset == FL_CHARSET_LATIN1 ||
				charset == FL_CHARSET_ASCII;
	return like_ascii ? write_like_ascii : write_other;
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
		char *to = fl_buf_reserve(out, (size_t)(stop - at) * FL_TEXT_WORST + FL_TEXT_PAD);
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
	uint64_t const high = 0x8080808080808080;
	while (end - at >= 32 &&
		((fl_le64(at) | fl_le64(at + 8) | fl_le64(at + 16) | fl_le64(at + 24)) & high) == 0)
		at += 32;
	while (end - at >= 8 && (fl_le64(at) & high) == 0)
		at += 8;
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
		char *to = fl_buf_reserve(out, (size_t)(stop - at) * FL_TEXT_WORST + FL_TEXT_PAD);
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
