/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to core/binlog: the character sets beside utf8, latin1 and ascii, as the servers convert
 * them. All tables are constant and lie in the program's file; only the pages in use take memory.
 * No state, any thread.
 */
#ifndef FL_CHARSET_H
#define FL_CHARSET_H

#include <endian.h>

#include "binlog/value.h"

/* The upper halves of the sets with one byte a character, beginning with FL_CHARSET_ARMSCII8; 0: no
 * character. The lower half is ASCII, but in swe7, which has no upper one. */
enum { FL_CHARSET_SINGLES = FL_CHARSET_BIG5 - FL_CHARSET_ARMSCII8 };
extern const uint16_t fl_charset_single[FL_CHARSET_SINGLES][128];
extern const uint16_t fl_charset_swe7[128];

/* A rectangle of two-byte codes, or of the last two bytes of longer ones: from `cell` on in
 * fl_charset_cells, row by row. */
struct fl_charset_plane {
	uint32_t cell;
	uint8_t lead_first, lead_last, trail_first, trail_last;
};
enum fl_charset_plane_id {
	FL_PLANE_NONE,
	FL_PLANE_BIG5,
	FL_PLANE_CP932,
	FL_PLANE_EUCJPMS,
	FL_PLANE_EUCJPMS_8F, /* behind a byte 0x8f */
	FL_PLANE_EUCKR,
	FL_PLANE_GB18030,
	FL_PLANE_GB18030_FOUR, /* of four bytes, up to U+FFFF: one row, in the order of the codes */
	FL_PLANE_GB2312,
	FL_PLANE_GBK,
	FL_PLANE_SJIS,
	FL_PLANE_UJIS,
	FL_PLANE_UJIS_8F,
	FL_PLANES,
};
extern const struct fl_charset_plane fl_charset_planes[FL_PLANES];
/* Code points, little-endian; 0: no character. Here are the contents of charset_tables.bin. */
extern const uint16_t fl_charset_cells[];

/* The characters that begin before `stop`, in UTF-8, escaped for the inside of a JSON string if
 * `escape`; the last may reach beyond, up to `end`. At `*to` there is room for FL_TEXT_WORST bytes
 * for each byte before `stop`, and for FL_TEXT_PAD. Returns how far it came: not to `stop` where
 * the server has no character. */
const uint8_t *fl_charset_convert(enum fl_charset charset, bool escape, const uint8_t *at,
	const uint8_t *stop, const uint8_t *end, char **to);

/* Of charset.c: bytes that stand for themselves in a JSON string, copied up to the first that does
 * not; and one that does not, below 0x80. */
const uint8_t *fl_charset_copy_plain(const uint8_t *at, const uint8_t *end, char **to);
char *fl_charset_escape(uint8_t c, char *to);

#endif
