/* SPDX-License-Identifier: Apache-2.0
 *
 * Compressed events, made into the plain ones that they stand for: MySQL's TRANSACTION_PAYLOAD
 * (zstd, a whole transaction's events) and MariaDB's compressed QUERY and rows events (zlib, one
 * event each). No I/O. One owner, one thread.
 *
 * Memory: a buffer for one plain event, which grows with what is really inflated and not with what
 * the event claims (MariaDB's: at most 1032 times what the event has), and the window that a zstd
 * frame asks for, up to 128 MiB at compression level 22, of which as much is touched as is
 * inflated.
 */
#ifndef FL_INFLATE_H
#define FL_INFLATE_H

#include "binlog/event.h"

struct fl_inflater;

/* `limit`: bytes that a plain event, and a window, may have at most. NULL when memory runs out. */
struct fl_inflater *fl_inflater_create(size_t limit);
void fl_inflater_destroy(struct fl_inflater *inflater); /* takes NULL */

/* Whether it is one of MariaDB's compressed events (165 to 171). */
bool fl_inflater_is_for(uint8_t event_type);

/* The plain event that one of those stands for. Its body lies in the inflater until the next call.
 * 0, FL_ENOMEM, FL_ECORRUPT, FL_EUNSUPPORTED for an unknown way of compression. */
int fl_inflate_event(struct fl_inflater *inflater, const struct fl_event *event,
	const struct fl_format *format, struct fl_event *ret, struct fl_err *err);

/* Opens a TRANSACTION_PAYLOAD, which must outlive the reading of it. 0, FL_ENOMEM, FL_ECORRUPT, or
 * FL_EUNSUPPORTED for an unknown way of compression. */
int fl_inflate_payload(
	struct fl_inflater *inflater, const struct fl_event *event, struct fl_err *err);

/* The next event in the payload, as it would stand in the binlog but without a checksum; valid
 * until the next call. 1, 0 at the end, FL_ENOMEM, FL_ECORRUPT, or FL_EUNSUPPORTED where zstd needs
 * too large a window: told before the first event. */
int fl_inflate_next(struct fl_inflater *inflater, const uint8_t **ret_data, size_t *ret_size,
	struct fl_err *err);

#endif
