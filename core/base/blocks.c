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
static struct kept *pools[SIZES];
static size_t kept_bytes; /* of all of them */

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

/* The mutex is held, as below. NULL: none is kept. */
static struct kept *pop(unsigned i)
{
	struct kept *block = pools[i];
	if (block != NULL) {
		pools[i] = block->next;
		kept_bytes -= (size_t)FL_BLOCK_LEAST << i;
	}
	return block;
}

/* Takes out as much of other sizes, as far as there is, as a new one of this size will take: of the
 * smaller ones, else of the larger ones. */
static void forget_others(unsigned wanted, struct kept *ret_forgotten[SIZES])
{
	size_t const size = (size_t)FL_BLOCK_LEAST << wanted;
	size_t forgotten = 0;
	for (unsigned step = 1; step < SIZES; step++) {
		unsigned const i = step <= wanted ? wanted - step : step;
		for (struct kept *block; forgotten < size && (block = pop(i)) != NULL;) {
			*block = (struct kept){ ret_forgotten[i] };
			ret_forgotten[i] = block;
			forgotten += (size_t)FL_BLOCK_LEAST << i;
		}
	}
}

static void unmap_all(struct kept *const blocks[SIZES])
{
	for (unsigned i = 0; i < SIZES; i++)
		for (struct kept *block = blocks[i], *next; block != NULL; block = next) {
			next = block->next;
			unmap(block, (size_t)FL_BLOCK_LEAST << i);
		}
}

void *fl_block_take(size_t size)
{
	unsigned const i = pool_for(size);
	if (i == SIZES || fl_block_size(size) != size)
		return malloc(size);
	struct kept *forgotten[SIZES] = { NULL };
	pthread_mutex_lock(&mutex);
	void *block = pop(i);
	if (block == NULL && kept_bytes > 0)
		forget_others(i, forgotten);
	pthread_mutex_unlock(&mutex);
	unmap_all(forgotten);
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
	bool const keeps = kept_bytes + size <= FL_BLOCKS_KEPT;
	if (keeps) {
		struct kept *const first = block;
		*first = (struct kept){ pools[i] };
		pools[i] = first;
		kept_bytes += size;
	}
	pthread_mutex_unlock(&mutex);
	if (!keeps)
		unmap(block, size);
}

size_t fl_blocks_kept(void)
{
	pthread_mutex_lock(&mutex);
	size_t const bytes = kept_bytes;
	pthread_mutex_unlock(&mutex);
	return bytes;
}
