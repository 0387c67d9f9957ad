/* SPDX-License-Identifier: Apache-2.0 */
#include "base/blocks.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

/* What is kept is chained through its first bytes, the last one given first: it is the likeliest to
 * be in a processor's cache. */
struct kept {
	struct kept *next;
};

enum { SIZES = 3 }; /* powers of two, from FL_BLOCK_LEAST on */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
	struct kept *first;
	size_t bytes;
} pools[SIZES];

/* The pool of the least size that has room for so many bytes; SIZES: there is none. */
static unsigned pool_for(size_t bytes)
{
	unsigned i = bytes < FL_BLOCK_LEAST ? SIZES : 0;
	while (i < SIZES && bytes > (size_t)FL_BLOCK_LEAST << i)
		i++;
	return i;
}

size_t fl_block_size(size_t bytes)
{
	unsigned const i = pool_for(bytes);
	return i < SIZES ? (size_t)FL_BLOCK_LEAST << i : bytes;
}

/* Those that may be kept lie apart from malloc()'s heap, of which they would hold pieces together
 * that are free. */
static void *map(size_t size)
{
	if (FL_BLOCKS_KEPT == 0)
		return malloc(size);
	void *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return block != MAP_FAILED ? block : NULL;
}

static void unmap(void *block, size_t size)
{
	if (FL_BLOCKS_KEPT == 0)
		free(block);
	else
		munmap(block, size);
}

void *fl_block_take(size_t size)
{
	unsigned const i = pool_for(size);
	if (i == SIZES || fl_block_size(size) != size)
		return malloc(size);
	pthread_mutex_lock(&mutex);
	struct kept *block = pools[i].first;
	if (block != NULL) {
		pools[i].first = block->next;
		pools[i].bytes -= size;
	}
	pthread_mutex_unlock(&mutex);
	return block != NULL ? block : map(size);
}

void fl_block_give(void *block, size_t size)
{
	unsigned const i = pool_for(size);
	if (i == SIZES || fl_block_size(size) != size) {
		free(block);
		return;
	}
	pthread_mutex_lock(&mutex);
	bool const keeps = pools[i].bytes + size <= FL_BLOCKS_KEPT;
	if (keeps) {
		struct kept *const first = block;
		*first = (struct kept){ pools[i].first };
		pools[i].first = first;
		pools[i].bytes += size;
	}
	pthread_mutex_unlock(&mutex);
	if (!keeps)
		unmap(block, size);
}

size_t fl_blocks_kept(void)
{
	size_t bytes = 0;
	pthread_mutex_lock(&mutex);
	for (unsigned i = 0; i < SIZES; i++)
		bytes += pools[i].bytes;
	pthread_mutex_unlock(&mutex);
	return bytes;
}
