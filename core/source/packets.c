/* SPDX-License-Identifier: Apache-2.0 */
#include "source/packets.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/cursor.h"

enum {
	HEADER = 4,
	MOST_IN_PACKET = 0xffffff,
	ROOM = 256 << 10,  /* all there is, unless an event is larger */
	LEAST = 64 << 10,  /* so much at least is asked for at once */
	LARGEST = 1 << 30, /* what servers allow, and more than any event has */

	MUCH = 64 << 10,    /* of a stream, to be waited for ... */
	GATHER_MS = 1,	    /* ... so long at most */
	WINDOW_US = 2000,   /* it streams if within such a time, ... */
	LONGEST_US = 8000,  /* ... or until it was looked at again, so long at most, ... */
	STREAM = 256 << 10, /* ... so much has come */
};

int fl_packets_open(struct fl_packets *p, int socket, unsigned silence)
{
	struct timeval const limit = { .tv_sec = silence };
	int const flags = fcntl(socket, F_GETFL);
	/* They answer a command, whose number is 0. */
	*p = (struct fl_packets){ .socket = socket, .capacity = ROOM, .sequence = 1, .least = 1 };
	p->data = malloc(ROOM);
	if (p->data == NULL)
		return FL_ENOMEM;
	/* The library may have left it either way. */
	if (flags >= 0)
		fcntl(socket, F_SETFL, flags & ~O_NONBLOCK);
	setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return 0;
}

void fl_packets_close(struct fl_packets *p)
{
	free(p->data);
	*p = (struct fl_packets){ .socket = -1 };
}

static void fail(struct fl_packets *p, int code, int number, const char *reason)
{
	p->failure = code;
	p->number = number;
	p->reason = reason;
}

/* Goes over the packets that have come, until the payload is whole. Returns the bytes that are
 * needed from `scanned` on to go on; 0: it is, or it can't be. */
static size_t scan(struct fl_packets *p)
{
	while (!p->whole) {
		size_t const left = p->end - p->scanned;
		const uint8_t *packet = p->data + p->scanned;
		if (left < HEADER)
			return HEADER;
		size_t const size = (size_t)fl_le(packet, 3);
		if (left < HEADER + size)
			return HEADER + size;
		if (packet[3] != p->sequence++) {
			fail(p, FL_ELOST, 0, "packets out of order");
			return 0;
		}
		if (p->size + size > LARGEST) {
			fail(p, FL_ELOST, 0, "an event of more than 1 GiB");
			return 0;
		}
		if (p->size > 0)
			memmove(p->data + p->begin + HEADER + p->size, packet + HEADER, size);
		p->size += size;
		p->scanned += HEADER + size;
		p->whole = size < MOST_IN_PACKET;
	}
	return 0;
}

/* For so many bytes from `scanned` on, and a read that is worth it. */
static bool make_room(struct fl_packets *p, size_t wanted)
{
	size_t capacity = p->capacity;
	if (p->begin == p->end) {
		p->begin = p->end = p->scanned = 0;
		capacity = ROOM; /* what a large event has needed is given back */
	} else if (p->begin > 0 && (capacity - p->end < LEAST || p->scanned + wanted > capacity)) {
		p->end -= p->begin;
		p->scanned -= p->begin;
		memmove(p->data, p->data + p->begin, p->end);
		p->begin = 0;
	}
	if (p->scanned + wanted > capacity) {
		capacity += capacity / 2;
		capacity = p->scanned + wanted > capacity ? p->scanned + wanted : capacity;
	}
	if (capacity == p->capacity)
		return true;
	uint8_t *data = realloc(p->data, capacity);
	if (data == NULL) {
		fail(p, FL_ENOMEM, 0, "out of memory");
		return false;
	}
	p->data = data;
	p->capacity = capacity;
	return true;
}

static void wake_at(struct fl_packets *p, int least)
{
	if (p->least != least &&
		setsockopt(p->socket, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof(least)) == 0)
		p->least = least;
}

/* Takes what comes. False: nothing has, for now or, as `failure` tells, for good. */
static bool receive(struct fl_packets *p, size_t wanted, int flags)
{
	if (!make_room(p, wanted))
		return false;
	for (;;) {
		ssize_t const got = recv(p->socket, p->data + p->end, p->capacity - p->end, flags);
		if (got > 0) {
			p->end += (size_t)got;
			p->received += (size_t)got;
			return true;
		}
		if (got < 0 && errno == EINTR)
			continue;
		bool const nothing = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
		if (!nothing)
			fail(p, FL_ELOST, got < 0 ? errno : 0, NULL);
		else if ((flags & MSG_DONTWAIT) == 0)
			fail(p, FL_ELOST, ETIMEDOUT, NULL);
		return false;
	}
}

bool fl_packets_is_ready(struct fl_packets *p, int wait_ms)
{
	size_t wanted;
	while ((wanted = scan(p)) > 0 && p->failure == 0) {
		if (receive(p, wanted, MSG_DONTWAIT) || p->failure != 0)
			continue;
		if (wait_ms > 0)
			wake_at(p, 1);
		struct pollfd more = { .fd = p->socket, .events = POLLIN };
		if (wait_ms <= 0 || poll(&more, 1, wait_ms) <= 0)
			return false;
		wait_ms = 0; /* for what may follow it, somebody else has waited long enough */
	}
	return true;
}

bool fl_packets_gather(struct fl_packets *p, uint64_t now)
{
	if (now - p->since >= (uint64_t)WINDOW_US * 1000) {
		p->streams = p->received >= STREAM && now - p->since < (uint64_t)LONGEST_US * 1000;
		p->since = now;
		p->received = 0;
	}
	if (!p->streams || p->failure != 0)
		return false;
	wake_at(p, MUCH);
	struct pollfd more = { .fd = p->socket, .events = POLLIN };
	p->streams = p->least == MUCH && poll(&more, 1, GATHER_MS) > 0;
	return p->streams;
}

int fl_packets_read(
	struct fl_packets *p, const uint8_t **ret_data, size_t *ret_size, struct fl_err *err)
{
	size_t wanted;
	while ((wanted = scan(p)) > 0 && p->failure == 0) {
		wake_at(p, 1);
		receive(p, wanted, 0);
	}
	if (p->failure != 0)
		return fl_err_set(err, p->failure, "%s",
			p->reason != NULL ? p->reason
			: p->number != 0  ? strerror(p->number)
					  : "the connection was closed");
	*ret_data = p->data + p->begin + HEADER;
	*ret_size = p->size;
	p->begin = p->scanned;
	p->size = 0;
	p->whole = false;
	return 0;
}
