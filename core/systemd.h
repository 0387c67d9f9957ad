/* SPDX-License-Identifier: Apache-2.0
 *
 * What the service manager is told of the daemon, in sd_notify(3)'s protocol: whether it is up,
 * what it does, and that its main loop still turns. Where no manager listens (NOTIFY_SOCKET is not
 * set) nothing here does anything.
 *
 * Main thread. Nothing blocks: a message that the manager has no room for is dropped.
 */
#ifndef FL_SYSTEMD_H
#define FL_SYSTEMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct fl_systemd {
	int socket; /* -1: nobody listens */
	struct sockaddr_un to;
	socklen_t to_size;
	uint64_t
		watchdog_ms; /* the manager ends a daemon that says nothing for so long; 0: never */
	bool ready;	     /* it has been told so */
	bool reloading;	     /* it has been told so, and not that it is done */
	bool stopping;
	char status[240];
	uint64_t status_at; /* ms: when it was looked at last */
};

void fl_systemd_open(struct fl_systemd *systemd);
void fl_systemd_close(struct fl_systemd *systemd);

void fl_systemd_ready(struct fl_systemd *systemd);     /* the first call says it */
void fl_systemd_reloading(struct fl_systemd *systemd); /* each call does, while it is up */
void fl_systemd_reloaded(struct fl_systemd *systemd);  /* of as many, the first call says it */
void fl_systemd_stopping(struct fl_systemd *systemd);  /* the first call says it */
void fl_systemd_alive(struct fl_systemd *systemd);     /* each call does */

/* Whether it is time to make a status: once a second, `now` being milliseconds. */
bool fl_systemd_wants_status(struct fl_systemd *systemd, uint64_t now);
/* One line; said if it is another one than the last. */
void fl_systemd_status(struct fl_systemd *systemd, const char *text);

#endif
