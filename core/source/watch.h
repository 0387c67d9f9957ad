/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to this room: what keeps anybody from waiting for a dead connection. A client library's
 * read timeout begins anew with each byte. So that a source which sends some now and then, and
 * never a whole event, is noticed as well, one thread of the process looks at all TCP connections
 * that wait for an event.
 */
#ifndef FL_WATCH_H
#define FL_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Part of a session; zero at first. */
struct fl_watch {
	atomic_uint_fast64_t steps; /* odd: waits for an event. Written by the session's thread */
	atomic_bool expired;	    /* the connection was shut down for it */

	/* The watching thread's, under its lock. */
	struct fl_watch *next;
	int socket;
	uint64_t limit_ns;
	uint64_t seen_steps, seen_bytes, since; /* nanoseconds */
};

/* Keep-alive probes, and a limit to unanswered data, on a TCP socket; nothing on others. */
void fl_watch_prepare(int socket, unsigned seconds);

/* From now on a wait of more than the seconds ends: the socket, which stays the caller's, is shut
 * down. While an event comes in, and not too slowly, it may take as long as it likes. Does nothing
 * on other than TCP sockets, whose other end is on this machine. */
void fl_watch_add(struct fl_watch *watch, int socket, unsigned seconds);
/* Before the socket is closed. Takes one that was not added. */
void fl_watch_remove(struct fl_watch *watch);

#endif
