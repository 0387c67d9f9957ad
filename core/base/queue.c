/* SPDX-License-Identifier: Apache-2.0 */
#include "base/queue.h"

#include <unistd.h>
#include <uv.h>

struct fl_queue {
	uv_mutex_t mutex;
	uv_cond_t not_empty, not_full;
	struct fl_queue_item *ring; /* `size` entries, a power of two */
	size_t size, first, count;
	size_t bytes, limit;
	bool consumer_waits, producer_waits;
	bool closed, aborted;
	bool nudged;
	int eventfd; /* of a consumer that watches; -1: none, or it has been made readable */
};

struct fl_queue *fl_queue_create(size_t limit_bytes)
{
	struct fl_queue *queue = calloc(1, sizeof(*queue));
	if (queue == NULL)
		return NULL;
	queue->limit = limit_bytes;
	queue->eventfd = -1;
	if (uv_mutex_init(&queue->mutex) != 0)
		goto no_mutex;
	if (uv_cond_init(&queue->not_empty) != 0)
		goto no_not_empty;
	if (uv_cond_init(&queue->not_full) != 0)
		goto no_not_full;
	return queue;
no_not_full:
	uv_cond_destroy(&queue->not_empty);
no_not_empty:
	uv_mutex_destroy(&queue->mutex);
no_mutex:
	free(queue);
	return NULL;
}

void fl_queue_destroy(struct fl_queue *queue, void (*release)(void *item))
{
	if (queue == NULL)
		return;
	if (release != NULL)
		for (size_t i = 0; i < queue->count; i++)
			release(queue->ring[(queue->first + i) & (queue->size - 1)].item);
	uv_cond_destroy(&queue->not_full);
	uv_cond_destroy(&queue->not_empty);
	uv_mutex_destroy(&queue->mutex);
	free(queue->ring);
	free(queue);
}

/* Waits on `cond` until `deadline` (uv_hrtime's nanoseconds; 0: for ever). false once it has
 * passed. */
static bool wait_until(uv_cond_t *cond, uv_mutex_t *mutex, uint64_t deadline)
{
	if (deadline == 0) {
		uv_cond_wait(cond, mutex);
		return true;
	}
	uint64_t now = uv_hrtime();
	return now < deadline && uv_cond_timedwait(cond, mutex, deadline - now) == 0;
}

static uint64_t deadline_after(int wait_ms)
{
	return wait_ms < 0 ? 0 : uv_hrtime() + (uint64_t)wait_ms * 1000000;
}

static bool grow(struct fl_queue *queue)
{
	size_t size = queue->size == 0 ? 64 : queue->size * 2;
	struct fl_queue_item *ring = malloc(size * sizeof(*ring));
	if (ring == NULL)
		return false;
	for (size_t i = 0; i < queue->count; i++)
		ring[i] = queue->ring[(queue->first + i) & (queue->size - 1)];
	free(queue->ring);
	queue->ring = ring;
	queue->size = size;
	queue->first = 0;
	return true;
}

static bool is_full(const struct fl_queue *queue, size_t bytes)
{
	return queue->count > 0 &&
	       (queue->bytes >= queue->limit || bytes > queue->limit - queue->bytes);
}

/* To whom does not sleep. Whether there is one who does. The mutex is held. */
static bool tell(struct fl_queue *queue)
{
	uint64_t const one = 1;
	if (queue->eventfd >= 0 && write(queue->eventfd, &one, sizeof(one)) > 0)
		queue->eventfd = -1;
	return queue->consumer_waits;
}

/* 1; 0: it is full; FL_ENOMEM. The mutex is held. */
static int put(struct fl_queue *queue, struct fl_queue_item item)
{
	if (is_full(queue, item.bytes))
		return 0;
	if (queue->count == queue->size && !grow(queue))
		return FL_ENOMEM;
	queue->ring[(queue->first + queue->count++) & (queue->size - 1)] = item;
	queue->bytes += item.bytes;
	return 1;
}

int fl_queue_push_some(struct fl_queue *queue, const struct fl_queue_item *items, size_t count)
{
	int result = 1;
	size_t taken = 0;
	uv_mutex_lock(&queue->mutex);
	if (queue->closed)
		result = FL_ESTOPPED;
	for (; taken < count && result == 1; taken += result == 1)
		result = put(queue, items[taken]);
	bool const wakes = taken > 0 && tell(queue);
	uv_mutex_unlock(&queue->mutex);
	/* Once it can have the mutex. */
	if (wakes)
		uv_cond_signal(&queue->not_empty);
	return result < 0 && taken == 0 ? result : (int)taken;
}

int fl_queue_push(struct fl_queue *queue, void *item, size_t bytes, int wait_ms)
{
	int result;
	uv_mutex_lock(&queue->mutex);
	if (!queue->closed && wait_ms != 0 && is_full(queue, bytes)) {
		uint64_t deadline = deadline_after(wait_ms);
		queue->producer_waits = true;
		while (!queue->closed && is_full(queue, bytes) &&
			wait_until(&queue->not_full, &queue->mutex, deadline))
			;
		queue->producer_waits = false;
	}
	result = queue->closed ? FL_ESTOPPED : put(queue, (struct fl_queue_item){ item, bytes });
	if (result == 1 && tell(queue))
		uv_cond_signal(&queue->not_empty);
	uv_mutex_unlock(&queue->mutex);
	return result;
}

int fl_queue_pop_some(
	struct fl_queue *queue, int wait_ms, void **ret_items, size_t most, size_t bytes)
{
	int taken = 0;
	size_t taken_bytes = 0;
	uv_mutex_lock(&queue->mutex);
	if (queue->count == 0 && !queue->closed && wait_ms != 0) {
		uint64_t deadline = deadline_after(wait_ms);
		queue->consumer_waits = true;
		while (queue->count == 0 && !queue->closed && !queue->nudged &&
			wait_until(&queue->not_empty, &queue->mutex, deadline))
			;
		queue->consumer_waits = queue->nudged = false;
	}
	if (queue->aborted || (queue->count == 0 && queue->closed)) {
		uv_mutex_unlock(&queue->mutex);
		return FL_ESTOPPED;
	}
	for (; queue->count > 0 && (size_t)taken < most && taken_bytes < bytes; queue->count--) {
		struct fl_queue_item const *item = &queue->ring[queue->first];
		ret_items[taken++] = item->item;
		taken_bytes += item->bytes;
		queue->first = (queue->first + 1) & (queue->size - 1);
	}
	queue->bytes -= taken_bytes;
	/* A producer is woken once there is room to speak of, not for every item. */
	bool const wakes = taken > 0 && queue->producer_waits &&
			   (queue->bytes <= queue->limit - queue->limit / 8 || queue->count == 0);
	uv_mutex_unlock(&queue->mutex);
	if (wakes)
		uv_cond_signal(&queue->not_full);
	return taken;
}

int fl_queue_pop(struct fl_queue *queue, int wait_ms, void **ret_item)
{
	return fl_queue_pop_some(queue, wait_ms, ret_item, 1, SIZE_MAX);
}

bool fl_queue_watch(struct fl_queue *queue, int eventfd)
{
	uv_mutex_lock(&queue->mutex);
	bool const has_item = queue->count > 0;
	queue->eventfd = has_item ? -1 : eventfd;
	uv_mutex_unlock(&queue->mutex);
	return has_item;
}

bool fl_queue_unwatch(struct fl_queue *queue, int eventfd)
{
	uint64_t number;
	uv_mutex_lock(&queue->mutex);
	bool const has_come = queue->eventfd < 0;
	queue->eventfd = -1;
	uv_mutex_unlock(&queue->mutex);
	return has_come && read(eventfd, &number, sizeof(number)) > 0;
}

static void end(struct fl_queue *queue, bool abort)
{
	uv_mutex_lock(&queue->mutex);
	queue->closed = true;
	queue->aborted |= abort;
	uv_cond_broadcast(&queue->not_empty);
	uv_cond_broadcast(&queue->not_full);
	uv_mutex_unlock(&queue->mutex);
}

void fl_queue_close(struct fl_queue *queue)
{
	end(queue, false);
}

void fl_queue_abort(struct fl_queue *queue)
{
	end(queue, true);
}

void fl_queue_nudge(struct fl_queue *queue)
{
	uv_mutex_lock(&queue->mutex);
	queue->nudged = true;
	uv_cond_broadcast(&queue->not_empty);
	uv_mutex_unlock(&queue->mutex);
}

bool fl_queue_peek(struct fl_queue *queue, void (*look)(void *ctx, const void *item), void *ctx)
{
	uv_mutex_lock(&queue->mutex);
	bool const found = queue->count > 0;
	if (found)
		look(ctx, queue->ring[queue->first].item);
	uv_mutex_unlock(&queue->mutex);
	return found;
}

bool fl_queue_is_closed(struct fl_queue *queue)
{
	uv_mutex_lock(&queue->mutex);
	bool closed = queue->closed;
	uv_mutex_unlock(&queue->mutex);
	return closed;
}

size_t fl_queue_bytes(struct fl_queue *queue)
{
	uv_mutex_lock(&queue->mutex);
	size_t bytes = queue->bytes;
	uv_mutex_unlock(&queue->mutex);
	return bytes;
}
