/* SPDX-License-Identifier: Apache-2.0 */
#include "base/blocks.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size)
#define ASAN_UNPOISON_MEMORY_REGION(at, size)
#endif

/* What is kept is chained through its first bytes, the last one given first: it is the likeliest to
 * be in a processor's cache. */
struct kept {
	struct kept *next;
};

enum { SIZES = 3 }; /* powers of two, from FL_BLOCK_LEAST on */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct kept *kept[SIZES];
static size_t kept_bytes;

/* The index of the least size that holds so many bytes, or SIZES. */
static unsigned index_of(size_t bytes)
{
	unsigned i = 0;
	while (i < SIZES && bytes > (size_t)FL_BLOCK_LEAST << i)
		i++;
	return i;
}

size_t fl_block_size(size_t bytes)
{
	return bytes < FL_BLOCK_LEAST || bytes > FL_BLOCK_MOST
		       ? bytes
		       : (size_t)FL_BLOCK_LEAST << index_of(bytes);
}

static bool is_kept(size_t size)
{
	return size >= FL_BLOCK_LEAST && size <= FL_BLOCK_MOST;
}

void *fl_block_take(size_t size)
{
	if (!is_kept(size))
		return malloc(size);
	unsigned const i = index_of(size);
	pthread_mutex_lock(&mutex);
	struct kept *block = kept[i];
	if (block != NULL) {
		ASAN_UNPOISON_MEMORY_REGION(block + 1, size - sizeof(*block));
		kept[i] = block->next;
		kept_bytes -= size;
	}
	pthread_mutex_unlock(&mutex);
	return block != NULL ? block : malloc(size);
}

void fl_block_give(void *block, size_t size)
{
	bool keeps = is_kept(size);
	if (keeps) {
		unsigned const i = index_of(size);
		pthread_mutex_lock(&mutex);
		keeps = size <= FL_BLOCKS_KEPT - kept_bytes;
		if (keeps) {
			struct kept *const first = block;
			*first = (struct kept){ kept[i] };
			kept[i] = first;
			kept_bytes += size;
			ASAN_POISON_MEMORY_REGION(first + 1, size - sizeof(*first));
		}
		pthread_mutex_unlock(&mutex);
	}
	if (!keeps)
		free(block);
}

size_t fl_blocks_kept(void)
{
	pthread_mutex_lock(&mutex);
	size_t const bytes = kept_bytes;
	pthread_mutex_unlock(&mutex);
	return bytes;
}
