/* SPDX-License-Identifier: Apache-2.0
 *
 * An arena: memory that is handed out piece by piece and freed at once. One owner, one thread at a
 * time. Zero-initialise it; fl_arena_finish() frees everything.
 */
#ifndef FL_ARENA_H
#define FL_ARENA_H

#include <fastlane/change.h>

struct fl_arena_block;

struct fl_arena {
	struct fl_arena_block *blocks; /* the newest first */
	char *next, *end;	       /* what is left of the newest */
	size_t reserved;	       /* bytes of all blocks */
	size_t first;		       /* bytes of the first block; 0: few */
};

/* `size` bytes, aligned for any type, not cleared; NULL when memory runs out. */
void *fl_arena_alloc(struct fl_arena *arena, size_t size);

/* How large a piece of `size` bytes had better be if it can make use of more: what else would be
 * left of a block that it has to itself. */
size_t fl_arena_fill(const struct fl_arena *arena, size_t size);

/* Bytes handed out, with what was left of blocks that were too small for the next piece. */
static inline size_t fl_arena_used(const struct fl_arena *arena)
{
	return arena->reserved - (size_t)(arena->end - arena->next);
}

/* A copy in the arena, with a NUL behind it that does not count; NULL when memory runs out. */
void *fl_arena_copy(struct fl_arena *arena, const void *data, size_t size);

/* Frees all of it; the arena is empty, without a size for its first block, and can be used again.
 */
void fl_arena_finish(struct fl_arena *arena);

#endif
