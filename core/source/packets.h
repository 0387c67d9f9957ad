/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to this room: the server's packets, read from the socket of a plain connection once the
 * client library has asked for the binlog: as many bytes at once as have come, used where they lie.
 * (The library reads 16 KiB at a time and copies each packet.) One owner, one thread.
 *
 * Layout (MySQL's "Protocol Basics", Packets):
 *
 *   offset  size
 *        0     3  size of the payload
 *        3     1  sequence number: one more than the last packet's, modulo 256
 *        4     n  payload; where that has 2^24 - 1 bytes it goes on in the next packet
 */
#ifndef FL_PACKETS_H
#define FL_PACKETS_H

#include <fastlane/change.h>

struct fl_packets {
	int socket;    /* the caller's */
	uint8_t *data; /* NULL: not open */
	size_t capacity;
	size_t begin, end; /* what has come and is not used: from the payload's first packet on */
	size_t scanned;	   /* where the next packet begins */
	size_t size;	   /* of the payload so far, in one piece behind its first header */
	bool whole;	   /* it is complete */
	uint8_t sequence;  /* of the next packet */
	int failure;	   /* FL_E..., for the next read to tell ... */
	int number;	   /* ... and errno; 0: the other side has closed, or `reason` says why */
	const char *reason;
	int least;		  /* SO_RCVLOWAT */
	uint64_t since, received; /* when the window began, and the bytes since */
	bool streams;		  /* as much as shows that the other side need not wait */
};

/* `silence`: seconds that a read waits for more bytes. 0 or FL_ENOMEM. */
int fl_packets_open(struct fl_packets *packets, int socket, unsigned silence);
void fl_packets_close(struct fl_packets *packets); /* takes one that is not open */

/* Whether the next read has something to tell without waiting; waits for it so long at most. */
bool fl_packets_is_ready(struct fl_packets *packets, int wait_ms);

/* Where the other side sends as fast as it can, and nothing that has come is left: waits until
 * there is much of it, or for a millisecond, since to be woken for each packet costs both sides
 * more than the packet. Whether there was much; false at once where it does not send like that.
 * `now`: nanoseconds, as uv_hrtime(). */
bool fl_packets_gather(struct fl_packets *packets, uint64_t now);

/* The next payload, valid until the next call of any of these: 0; FL_ELOST, also once the socket
 * has been shut down; FL_ENOMEM. `err` tells why alone, not where. */
int fl_packets_read(
	struct fl_packets *packets, const uint8_t **ret_data, size_t *ret_size, struct fl_err *err);

#endif
