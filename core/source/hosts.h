/* SPDX-License-Identifier: Apache-2.0
 *
 * Which of the source's hosts is in use: whoever has to ask the source begins there. Shared by the
 * starter, the lanes and the main thread; any thread. Owned by the daemon, outlives them.
 */
#ifndef FL_HOSTS_H
#define FL_HOSTS_H

#include <pthread.h>

#include "source/session.h"

struct fl_hosts {
	pthread_mutex_t mutex;
	unsigned current;
	char checked[FL_SERVER_NAME_SIZE]; /* the server whose preflight was the last */
};

unsigned fl_hosts_current(struct fl_hosts *hosts);
void fl_hosts_use(struct fl_hosts *hosts, unsigned host);

/* Whether the server has passed the preflight, and none other since. */
bool fl_hosts_is_checked(struct fl_hosts *hosts, const char *identity);
void fl_hosts_set_checked(struct fl_hosts *hosts, const char *identity);

#endif
