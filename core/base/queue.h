/* SPDX-License-Identifier: Apache-2.0
 *
 * A queue of pointers between one producer's and one consumer's thread, bounded by the bytes that
 * its items stand for. An item larger than the bound is taken when the queue is empty.
 */
#ifndef FL_QUEUE_H
#define FL_QUEUE_H

#include <fastlane/change.h>

struct fl_queue;

struct fl_queue *fl_queue_create(size_t limit_bytes);
/* Only once neither side uses it. `release` (may be NULL) is called for each item left. */
void fl_queue_destroy(struct fl_queue *queue, void (*release)(void *item));

struct fl_queue_item {
	void *item;
	size_t bytes;
};

/* Producer: how many of them, from the first on, were taken without waiting; FL_ESTOPPED if the
 * queue was closed by either side; FL_ENOMEM with none of them taken. */
int fl_queue_push_some(struct fl_queue *queue, const struct fl_queue_item *items, size_t count);

/* Producer: 1 taken; 0 still full after `wait_ms` (-1: wait for ever); FL_ESTOPPED if the queue was
 * closed by either side; FL_ENOMEM. */
int fl_queue_push(struct fl_queue *queue, void *item, size_t bytes, int wait_ms);

/* Consumer: 1 and an item; 0 if there is none after `wait_ms` (-1: for ever), or if
 * fl_queue_nudge() was called; FL_ESTOPPED if the queue is empty and closed, or was woken. */
int fl_queue_pop(struct fl_queue *queue, int wait_ms, void **ret_item);
/* The same of as many as there are, up to `most`, and until they stand for `bytes`: how many, 0 or
 * FL_ESTOPPED. */
int fl_queue_pop_some(
	struct fl_queue *queue, int wait_ms, void **ret_items, size_t most, size_t bytes);

/* Consumer, about to wait for something else as well: the next item makes the eventfd (which does
 * not block) readable, once. True: there is an item already, and nothing is watched. Until
 * fl_queue_unwatch(), which tells whether one has come, and makes it unreadable again. */
bool fl_queue_watch(struct fl_queue *queue, int eventfd);
bool fl_queue_unwatch(struct fl_queue *queue, int eventfd);

/* Any thread. No more items are taken; those in it can still be popped. */
void fl_queue_close(struct fl_queue *queue);
/* Any thread. Closes it and makes pop return FL_ESTOPPED at once, items or not. */
void fl_queue_abort(struct fl_queue *queue);

/* Any thread. Makes a pop that waits, or else the next one that would, return 0. */
void fl_queue_nudge(struct fl_queue *queue);

/* Any thread. Shows the item that would be popped next, which stays; `look` must be quick. False if
 * there is none. */
bool fl_queue_peek(struct fl_queue *queue, void (*look)(void *ctx, const void *item), void *ctx);

bool fl_queue_is_closed(struct fl_queue *queue);
size_t fl_queue_bytes(struct fl_queue *queue);

#endif
