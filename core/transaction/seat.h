/* SPDX-License-Identifier: Apache-2.0
 *
 * A sink's place in a lane: the bounded queue of transactions between the lane's reader and the
 * sink, and why it ended. Counted: one reference each for the lane, the sink and whoever passes it
 * around.
 */
#ifndef FL_SEAT_H
#define FL_SEAT_H

#include "base/queue.h"
#include "transaction/transaction.h"

enum fl_seat_end {
	FL_SEAT_OPEN,  /* it has not ended */
	FL_SEAT_LEFT,  /* the queue stayed full, or the lane ended: go on in another lane from your
			  position */
	FL_SEAT_MOVED, /* go on in the next seat, skipping what you have */
	FL_SEAT_FINISHED, /* as far as was asked for */
	FL_SEAT_REFUSED,  /* the source will not send what is behind your position: see `reason` */
};

struct fl_seat {
	struct fl_queue *queue;
	atomic_int end; /* enum fl_seat_end; set before the queue is closed */
	struct fl_err reason;
	char server[FL_SERVER_NAME_SIZE]; /* that its transactions come from; set before the first,
					   * and never another one */
	struct fl_gtid_set *joined; /* of a next one: what its lane had delivered before; or NULL */
	struct fl_seat *next; /* MOVED: where to go on; the sink takes it, and its reference */
	unsigned lane;	      /* its number; set before anybody has the seat */
	atomic_uint references;
	/* The reader's: how long it has waited for this seat lately. */
	uint64_t waited_ns, waited_since;
	uint64_t slowed_ns; /* ... and in all, since the lane last was level with the source */
};

struct fl_seat *fl_seat_create(size_t queue_bytes);
struct fl_seat *fl_seat_ref(struct fl_seat *seat);
void fl_seat_unref(struct fl_seat *seat); /* takes NULL */

/* Reader: nothing more will come. The first end stands. */
void fl_seat_end(struct fl_seat *seat, enum fl_seat_end end, const struct fl_err *reason);
/* Sink: it will take nothing more. */
void fl_seat_abandon(struct fl_seat *seat);

#endif
