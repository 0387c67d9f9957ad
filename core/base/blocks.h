/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of memory that come and go all the time, mostly from one thread to another: some that were
 * given back are kept for who wants one next, or until one of another size is wanted, so that they
 * add nothing to the most that was in use at once. malloc() returns such to the kernel, which then
 * has as many pages to map and to clear again: with 1000 rows a transaction that took a seventh of
 * all processor time. Any thread.
 */
#ifndef FL_BLOCKS_H
#define FL_BLOCKS_H

#include <stddef.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

enum {
	/* Bytes; what is smaller or larger is malloc()'s. */
	FL_BLOCK_LEAST = 64 << 10,
	FL_BLOCK_MOST = 256 << 10,
/* Of all sizes that are kept, at most: what full queues (queue_bytes) have, when they are emptied.
 */
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
	FL_BLOCKS_KEPT = 0, /* who uses one that was given back is to be found */
#else
	FL_BLOCKS_KEPT = 6 << 20,
#endif
};

/* The least size of those that are kept in which so many bytes have room; as many as they are, if
 * there is none. */
size_t fl_block_size(size_t bytes);

/* A block of so many bytes, not cleared; NULL when memory runs out. It is the caller's until it is
 * given back with its size. */
void *fl_block_take(size_t size);
void fl_block_give(void *block, size_t size);

/* Bytes that are kept now. */
size_t fl_blocks_kept(void);

#endif
