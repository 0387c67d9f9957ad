/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of MariaDB's COMPRESSED columns. An empty one takes no bytes; else:
 *
 *   1   bits 7-4: method, 0 stored as it is, 8 deflate; bit 3: without zlib's header and checksum;
 *       bits 2-0: bytes of the length
 *   n   method 8: the length of the value, big-endian
 *   ... the value
 */
#include <libdeflate.h>

#include "binlog/value.h"

enum { STORED = 0, DEFLATE = 8, BARE = 8 };

/* Nothing that deflate makes is larger than so many times what it came from. */
enum { MOST_INFLATED = 1032 };

/* The longest value that the column can have. */
static uint64_t most_of(const struct fl_column_def *def)
{
	if (def->type == FL_TYPE_VARCHAR_COMPRESSED)
		return def->meta > 0 ? def->meta - 1u : 0;
	return ((uint64_t)1 << 8 * def->length_bytes) - 1;
}

static int inflate(bool bare, struct fl_bytes in, void *to, size_t size)
{
	struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
	if (decompressor == NULL)
		return FL_ENOMEM;
	size_t taken = 0;
	/* Without a place for the size of the result, it has to be exactly `size`. */
	enum libdeflate_result result = bare ? libdeflate_deflate_decompress_ex(decompressor,
						       in.data, in.size, to, size, &taken, NULL)
					     : libdeflate_zlib_decompress_ex(decompressor, in.data,
						       in.size, to, size, &taken, NULL);
	libdeflate_free_decompressor(decompressor);
	return result == LIBDEFLATE_SUCCESS && taken == in.size ? 0 : FL_ECORRUPT;
}

int fl_compressed_read(const struct fl_column_def *def, struct fl_cell cell, struct fl_cell *ret,
	void **ret_memory)
{
	*ret_memory = NULL;
	if (cell.size == 0) {
		*ret = cell;
		return 0;
	}
	struct fl_cursor c = fl_cursor((const char *)cell.at, cell.size);
	uint8_t head = fl_take_u8(&c);
	if (head >> 4 == STORED) {
		*ret = (struct fl_cell){ c.at, (uint32_t)fl_cursor_left(&c) };
		return head == 0 && ret->size <= most_of(def) ? 0 : FL_ECORRUPT;
	}
	uint64_t size = 0;
	for (unsigned i = 0; i < (head & 7u); i++)
		size = size << 8 | fl_take_u8(&c);
	struct fl_bytes in = { (const char *)c.at, fl_cursor_left(&c) };
	if (head >> 4 != DEFLATE || c.failed || (head & 7) > 4 || size == 0 ||
		size > most_of(def) || size > (uint64_t)in.size * MOST_INFLATED)
		return FL_ECORRUPT;
	void *memory = malloc((size_t)size);
	if (memory == NULL)
		return FL_ENOMEM;
	int code = inflate((head & BARE) != 0, in, memory, (size_t)size);
	if (code < 0) {
		free(memory);
		return code;
	}
	*ret = (struct fl_cell){ memory, (uint32_t)size };
	*ret_memory = memory;
	return 0;
}
