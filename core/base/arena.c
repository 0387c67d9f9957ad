/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

enum { FIRST_BLOCK = 512, LARGEST_BLOCK = 256 << 10 };

struct fl_arena_block {
	struct fl_arena_block *previous;
	max_align_t data[];
};

static bool add_block(struct fl_arena *arena, size_t size)
{
	size_t const first = arena->first > FIRST_BLOCK ? arena->first : FIRST_BLOCK;
	size_t room = arena->reserved < first		? first
		      : arena->reserved > LARGEST_BLOCK ? LARGEST_BLOCK
							: arena->reserved;
	if (room < size)
		room = size;
	struct fl_arena_block *block = malloc(sizeof(*block) + room);
	if (block == NULL)
		return false;
	block->previous = arena->blocks;
	arena->blocks = block;
	arena->reserved += room;
	arena->next = (char *)block->data;
	arena->end = arena->next + room;
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
		free(block);
		block = previous;
	}
	*arena = (struct fl_arena){ 0 };
}
