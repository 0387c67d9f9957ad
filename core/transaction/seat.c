/* SPDX-License-Identifier: Apache-2.0 */
#include "transaction/seat.h"

struct fl_seat *fl_seat_create(size_t queue_bytes)
{
	struct fl_seat *seat = calloc(1, sizeof(*seat));
	if (seat == NULL)
		return NULL;
	seat->queue = fl_queue_create(queue_bytes);
	if (seat->queue == NULL) {
		free(seat);
		return NULL;
	}
	atomic_init(&seat->end, FL_SEAT_OPEN);
	atomic_init(&seat->references, 1);
	return seat;
}

struct fl_seat *fl_seat_ref(struct fl_seat *seat)
{
	atomic_fetch_add(&seat->references, 1);
	return seat;
}

static void release(void *item)
{
	fl_txn_unref(item);
}

void fl_seat_unref(struct fl_seat *seat)
{
	if (seat == NULL || atomic_fetch_sub(&seat->references, 1) != 1)
		return;
	if (seat->next != NULL)
		fl_seat_abandon(seat->next);
	fl_seat_unref(seat->next);
	fl_queue_destroy(seat->queue, release);
	fl_gtid_set_destroy(seat->joined);
	free(seat);
}

void fl_seat_end(struct fl_seat *seat, enum fl_seat_end end, const struct fl_err *reason)
{
	if (atomic_load(&seat->end) == FL_SEAT_OPEN) {
		if (reason != NULL)
			seat->reason = *reason;
		atomic_store(&seat->end, end);
	}
	fl_queue_close(seat->queue);
}

void fl_seat_abandon(struct fl_seat *seat)
{
	void *item;
	fl_queue_close(seat->queue);
	while (fl_queue_pop(seat->queue, 0, &item) == 1)
		fl_txn_unref(item);
}
