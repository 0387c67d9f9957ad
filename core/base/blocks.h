/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of memory that come and go all the time, mostly from one thread to another: some that were
 * given back are kept for who wants one next. malloc() returns such to the kernel, which then has
 * as many pages to map and to clear again: with 1000 rows a transaction that took a seventh of all
 * processor time. Any thread.
 */
#ifndef FL_BLOCKS_H
#define FL_BLOCKS_H

#include <stddef.h>

enum {
	/* Bytes; what is smaller or larger is malloc()'s. */
	FL_BLOCK_LEAST = 64 << 10,
	FL_BLOCK_MOST = 256 << 10,
	/* All that are kept, at most. */
	FL_BLOCKS_KEPT = 2 << 20,
};

/* So many bytes at least, of which there are as many as are kept alike. */
size_t fl_block_size(size_t bytes);

/* A block of a size that fl_block_size() told, not cleared; NULL when memory runs out. It is the
 * caller's until it is given back with its size. */
void *fl_block_take(size_t size);
void fl_block_give(void *block, size_t size);

/* Bytes that are kept now. */
size_t fl_blocks_kept(void);

#endif
