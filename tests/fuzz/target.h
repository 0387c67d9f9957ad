/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fuzz targets share. A target is one file with LLVMFuzzerTestOneInput(); libFuzzer drives
 * it, or replay.c with the files of its corpus. Invariants are checked by must().
 */
#ifndef FL_FUZZ_TARGET_H
#define FL_FUZZ_TARGET_H

#include "binlog/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(what)                                                                                 \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #what);         \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static inline struct fl_bytes fuzz_bytes(const struct fl_buf *buf)
{
	return (struct fl_bytes){ buf->data, buf->size };
}

/* The format that the events of the corpora have: no checksums, so that a changed byte is not
 * caught by them. */
static inline struct fl_format fuzz_format(bool is_mariadb)
{
	struct fl_format format = { .known = true, .is_mariadb = is_mariadb, .header_size = 19 };
	format.post_header_count = 172;
	format.post_header[FL_EVENT_QUERY] = 13;
	format.post_header[FL_EVENT_TABLE_MAP] = 8;
	for (uint8_t type = FL_EVENT_WRITE_ROWS_V1; type <= FL_EVENT_DELETE_ROWS_V1; type++)
		format.post_header[type] = 8;
	for (uint8_t type = FL_EVENT_WRITE_ROWS; type <= FL_EVENT_DELETE_ROWS; type++)
		format.post_header[type] = 10;
	format.post_header[FL_EVENT_PARTIAL_UPDATE_ROWS] = 10;
	return format;
}

/* Takes the next event of a file of events; one that is cut off, as an event that is so small.
 * False at the end, or where an event is refused. */
static inline bool fuzz_next_event(
	struct fl_cursor *c, const struct fl_format *format, struct fl_event *ret)
{
	enum { HEADER_SIZE = 19, SIZE_OFFSET = 9 };
	size_t const left = fl_cursor_left(c);
	if (left < HEADER_SIZE)
		return false;
	uint64_t size = fl_le(c->at + SIZE_OFFSET, 4);
	const uint8_t *data = fl_take(c, size < left ? (size_t)size : left);
	if (size <= left)
		return fl_event_decode(format, data, (size_t)size, ret, NULL) == FL_OK;
	*ret = (struct fl_event){ .type = data[4],
		.size = (uint32_t)left,
		.body = { (const char *)data + HEADER_SIZE, left - HEADER_SIZE } };
	return true;
}

/* Some collations, as a server's list would give them. */
static inline const struct fl_collations *fuzz_collations(void)
{
	static struct fl_collation by_id[256] = {
		[8] = { FL_CHARSET_LATIN1, "latin1" },
		[11] = { FL_CHARSET_ASCII, "ascii" },
		[12] = { FL_CHARSET_UJIS, "ujis" },
		[13] = { FL_CHARSET_SJIS, "sjis" },
		[28] = { FL_CHARSET_GBK, "gbk" },
		[33] = { FL_CHARSET_UTF8, "utf8mb3" },
		[35] = { FL_CHARSET_UCS2, "ucs2" },
		[45] = { FL_CHARSET_UTF8, "utf8mb4" },
		[51] = { FL_CHARSET_CP1251, "cp1251" },
		[54] = { FL_CHARSET_UTF16, "utf16" },
		[56] = { FL_CHARSET_UTF16LE, "utf16le" },
		[60] = { FL_CHARSET_UTF32, "utf32" },
		[63] = { FL_CHARSET_BINARY, "binary" },
		[248] = { FL_CHARSET_GB18030, "gb18030" },
		[255] = { FL_CHARSET_UTF8, "utf8mb4" },
	};
	static const struct fl_collations collations = { .count = 256, .by_id = by_id };
	return &collations;
}

#endif
