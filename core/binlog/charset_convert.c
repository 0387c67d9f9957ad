/* SPDX-License-Identifier: Apache-2.0
 *
 * The sets differ in how a character is read; the rest is the same for all, and made once for each
 * way of reading, so that the loops have no choices in them.
 */
#include "binlog/charset.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* The file is named by its whole path, since assemblers do not look where compilers do. */
__asm__(".pushsection .rodata\n"
	".balign 64\n"
	".globl fl_charset_cells\n"
	".hidden fl_charset_cells\n"
	"fl_charset_cells:\n"
	".incbin \"" FL_CHARSET_TABLES "\"\n"
	".popsection");

enum way { SINGLE, SWE7, DOUBLE, SHIFT_JIS, EUC_JAPAN, GB18030, UCS2, UTF16, UTF16LE, UTF32 };

/* What a way of reading needs to know of a set. */
struct set {
	const uint16_t *upper;
	const struct fl_charset_plane *plane, *third;
};

/* Where the character ends and which it is; NULL if it is none. */
struct character {
	const uint8_t *end;
	uint32_t code;
};

ALWAYS_INLINE uint32_t cell(uint32_t index)
{
	return le16toh(fl_charset_cells[index]);
}

ALWAYS_INLINE uint32_t look_up(const struct fl_charset_plane *plane, uint8_t lead, uint8_t trail)
{
	unsigned row = (unsigned)lead - plane->lead_first;
	unsigned column = (unsigned)trail - plane->trail_first;
	unsigned rows = plane->lead_last + 1u - plane->lead_first;
	unsigned columns = plane->trail_last + 1u - plane->trail_first;
	return row < rows && column < columns ? cell(plane->cell + row * columns + column) : 0;
}

ALWAYS_INLINE struct character found(const uint8_t *end, uint32_t code)
{
	return (struct character){ code != 0 ? end : NULL, code };
}

static const struct character none;

ALWAYS_INLINE struct character read_double(
	const struct fl_charset_plane *plane, const uint8_t *at, const uint8_t *end)
{
	return end - at < 2 ? none : found(at + 2, look_up(plane, at[0], at[1]));
}

/* Four bytes, the second and the fourth being digits, count through what is not in the two-byte
 * codes: from 81308130 on through the rest of the first plane, from 90308130 on all above it. */
ALWAYS_INLINE struct character read_gb18030(
	const struct set *set, const uint8_t *at, const uint8_t *end)
{
	enum { BELOW = 39420, ABOVE = 189000, LAST = ABOVE + 0xfffff };
	unsigned second = end - at < 2 ? 0 : at[1] - (unsigned)'0';
	if (second > 9)
		return read_double(set->plane, at, end);
	if (end - at < 4)
		return none;
	unsigned first = at[0] - 0x81u, third = at[2] - 0x81u, fourth = at[3] - (unsigned)'0';
	if (first > 0x7d || third > 0x7d || fourth > 9)
		return none;
	uint32_t index = ((first * 10 + second) * 126 + third) * 10 + fourth;
	if (index < BELOW)
		return found(at + 4, cell(set->third->cell + index));
	return index < ABOVE || index > LAST ? none : found(at + 4, index - ABOVE + 0x10000);
}

ALWAYS_INLINE struct character read_utf16(
	const uint8_t *at, const uint8_t *end, unsigned high, bool pairs)
{
	if (end - at < 2)
		return none;
	uint32_t code = (uint32_t)at[high] << 8 | at[1 - high];
	if (code < 0xd800 || code > 0xdfff)
		return (struct character){ at + 2, code };
	if (!pairs || code > 0xdbff || end - at < 4)
		return none;
	uint32_t second = (uint32_t)at[2 + high] << 8 | at[3 - high];
	if (second < 0xdc00 || second > 0xdfff)
		return none;
	return (struct character){ at + 4, 0x10000 + ((code - 0xd800) << 10 | (second - 0xdc00)) };
}

ALWAYS_INLINE struct character read_utf32(const uint8_t *at, const uint8_t *end)
{
	if (end - at < 4)
		return none;
	uint32_t code = fl_be32(at);
	if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return none;
	return (struct character){ at + 4, code };
}

/* Whether bytes below 0x80, where a character begins, are ASCII. */
ALWAYS_INLINE bool has_ascii(enum way way)
{
	return way != SWE7 && way < UCS2;
}

/* A character; where has_ascii(), one that begins with 0x80 or above. */
ALWAYS_INLINE struct character read_character(
	enum way way, const struct set *set, const uint8_t *at, const uint8_t *end)
{
	switch (way) {
	case SINGLE:
		return found(at + 1, set->upper[*at - 0x80]);
	case SWE7:
		if (*at == 0)
			return (struct character){ at + 1, 0 };
		return found(at + 1, *at < 0x80 ? fl_charset_swe7[*at] : 0);
	case DOUBLE:
		return read_double(set->plane, at, end);
	case SHIFT_JIS:
		/* half-width katakana */
		if (*at >= 0xa1 && *at <= 0xdf)
			return (struct character){ at + 1, 0xff61u - 0xa1 + *at };
		return read_double(set->plane, at, end);
	case EUC_JAPAN:
		if (*at != 0x8f)
			return read_double(set->plane, at, end);
		return end - at < 3 ? none : read_double(set->third, at + 1, end);
	case GB18030:
		return read_gb18030(set, at, end);
	case UCS2:
		return read_utf16(at, end, 0, false);
	case UTF16:
		return read_utf16(at, end, 0, true);
	case UTF16LE:
		return read_utf16(at, end, 1, true);
	case UTF32:
		return read_utf32(at, end);
	}
	return none;
}

ALWAYS_INLINE char *write_character(uint32_t code, bool escape, char *to)
{
	if (code < 0x80) {
		if (escape && (code < 0x20 || code == '"' || code == '\\'))
			return fl_charset_escape((uint8_t)code, to);
		*to++ = (char)code;
		return to;
	}
	if (code < 0x800) {
		*to++ = (char)(0xc0 | code >> 6);
	} else {
		if (code < 0x10000) {
			*to++ = (char)(0xe0 | code >> 12);
		} else {
			*to++ = (char)(0xf0 | code >> 18);
			*to++ = (char)(0x80 | (code >> 12 & 0x3f));
		}
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
	}
	*to++ = (char)(0x80 | (code & 0x3f));
	return to;
}

/* Plain ASCII goes by whole blocks if there is any. */
ALWAYS_INLINE const uint8_t *convert(enum way way, const struct set *set, bool escape,
	const uint8_t *at, const uint8_t *stop, const uint8_t *end, char **to)
{
	char *out = *to;
	while (at < stop) {
		if (has_ascii(way) && *at < 0x80) {
			at = fl_charset_copy_plain(at, stop, &out);
			if (at < stop && *at < 0x80)
				out = write_character(*at++, escape, out);
			continue;
		}
		struct character c = read_character(way, set, at, end);
		if (c.end == NULL)
			break;
		at = c.end;
		out = write_character(c.code, escape, out);
	}
	*to = out;
	return at;
}

/* The way of reading, and the planes of the sets from FL_CHARSET_BIG5 on. */
static const struct {
	uint8_t way, plane, third;
} ways[] = {
	{ DOUBLE, FL_PLANE_BIG5, 0 },
	{ SHIFT_JIS, FL_PLANE_CP932, 0 },
	{ EUC_JAPAN, FL_PLANE_EUCJPMS, FL_PLANE_EUCJPMS_8F },
	{ DOUBLE, FL_PLANE_EUCKR, 0 },
	{ GB18030, FL_PLANE_GB18030, FL_PLANE_GB18030_FOUR },
	{ DOUBLE, FL_PLANE_GB2312, 0 },
	{ DOUBLE, FL_PLANE_GBK, 0 },
	{ SHIFT_JIS, FL_PLANE_SJIS, 0 },
	{ EUC_JAPAN, FL_PLANE_UJIS, FL_PLANE_UJIS_8F },
	{ UCS2, 0, 0 },
	{ UTF16, 0, 0 },
	{ UTF16LE, 0, 0 },
	{ UTF32, 0, 0 },
};

const uint8_t *fl_charset_convert(enum fl_charset charset, bool escape, const uint8_t *at,
	const uint8_t *stop, const uint8_t *end, char **to)
{
	struct set set = { 0 };
	enum way way = charset == FL_CHARSET_SWE7 ? SWE7 : SINGLE;
	if (charset >= FL_CHARSET_BIG5) {
		unsigned index = charset - FL_CHARSET_BIG5;
		way = ways[index].way;
		set.plane = &fl_charset_planes[ways[index].plane];
		set.third = &fl_charset_planes[ways[index].third];
	} else if (charset >= FL_CHARSET_ARMSCII8) {
		set.upper = fl_charset_single[charset - FL_CHARSET_ARMSCII8];
	} else {
		return at;
	}
#define WAY(name)                                                                                  \
	case name:                                                                                 \
		return convert(name, &set, escape, at, stop, end, to)
	switch (way) {
		WAY(SINGLE);
		WAY(SWE7);
		WAY(DOUBLE);
		WAY(SHIFT_JIS);
		WAY(EUC_JAPAN);
		WAY(GB18030);
		WAY(UCS2);
		WAY(UTF16);
		WAY(UTF16LE);
		WAY(UTF32);
	}
#undef WAY
	return at;
}
