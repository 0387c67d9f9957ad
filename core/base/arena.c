/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"
#include "base/blocks.h"

enum { FIRST_BLOCK = 512, LARGEST_BLOCK = 256 << 10 };

struct fl_arena_block {
	struct fl_arena_block *previous;
	size_t size; /* of all of it */
	max_align_t data[];
};

static bool add_block(struct fl_arena *arena, size_t size)
{
	size_t const first = arena->first > FIRST_BLOCK ? arena->first : FIRST_BLOCK;
	size_t bytes = arena->reserved < first		 ? first
		       : arena->reserved > LARGEST_BLOCK ? LARGEST_BLOCK
							 : arena->reserved;
	bytes = fl_block_size(bytes);
	if (bytes < sizeof(struct fl_arena_block) + size)
		bytes = sizeof(struct fl_arena_block) + size;
	struct fl_arena_block *block = fl_block_take(bytes);
	if (block == NULL)
		return false;
	*block = (struct fl_arena_block){ .previous = arena->blocks, .size = bytes };
	arena->blocks = block;
	arena->reserved += bytes - sizeof(*block);
	arena->next = (char *)block->data;
	arena->end = (char *)block + bytes;
	return true;
}

void *fl_arena_alloc(struct fl_arena *arena, size_t size)
{
	size_t const unit = _Alignof(max_align_t);
	if (size > SIZE_MAX / 2)
		return NULL;
	size = size > 0 ? size : 1;
	size = (size + unit - 1) / unit * unit;
	if ((size_t)(arena->end - arena->next) < size && !add_block(arena, size))
		return NULL;
	void *piece = arena->next;
	arena->next += size;
	return piece;
}

size_t fl_arena_fill(const struct fl_arena *arena, size_t size)
{
	size_t const head = sizeof(struct fl_arena_block);
	return size <= (size_t)(arena->end - arena->next) || size > SIZE_MAX / 2
		       ? size
		       : fl_block_size(head + size) - head;
}

void *fl_arena_copy(struct fl_arena *arena, const void *data, size_t size)
{
	char *copy = size < SIZE_MAX ? fl_arena_alloc(arena, size + 1) : NULL;
	if (copy == NULL)
		return NULL;
	if (size > 0)
		memcpy(copy, data, size);
	copy[size] = '\0';
	return copy;
}

void fl_arena_finish(struct fl_arena *arena)
{
	for (struct fl_arena_block *block = arena->blocks; block != NULL;) {
		struct fl_arena_block *previous = block->previous;
		fl_block_give(block, block->size);
		block = previous;
	}
	*arena = (struct fl_arena){ 0 };
}
