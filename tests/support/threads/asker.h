/* SPDX-License-Identifier: Apache-2.0
 *
 * Whoever asks the daemon over HTTP how it is, and waits for positions, while it runs. A thread of
 * its own, for the program in daemon.c.
 */
#ifndef FL_TEST_ASKER_H
#define FL_TEST_ASKER_H

#include <stdatomic.h>
#include <stdint.h>

struct asker {
	const char *socket;	  /* path */
	uint64_t (*offset)(void); /* in the binlog, that the sink 0 is waited to have */
	atomic_bool enough;
	unsigned told, waited; /* answers of 200, to pages and to /wait */
};

/* For pthread_create(). */
void *asker_run(void *asker);

#endif
