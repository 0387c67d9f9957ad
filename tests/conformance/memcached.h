/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of the memcached sink share; memcached.c has it.
 */
#ifndef FL_CONFORMANCE_MEMCACHED_H
#define FL_CONFORMANCE_MEMCACHED_H

#include "conformance.h"

#include <libmemcached/memcached.h>

/* One server, started before each test, and how the sink reaches it. */
extern struct server server;
extern char servers[128];
void prepare_server(void);
void end_server(void);

/* The value on one server, or NULL; the caller frees it. */
char *get_from(const struct server *from, const char *key);
bool value_is(const struct server *from, const char *key, const char *expected);

/* Submits a batch and waits until it is there. */
enum fl_outcome apply(struct sink *sink, struct fl_batch *batch);
enum fl_outcome submit_one(struct sink *sink, enum fl_operation_kind kind, const char *key,
	const char *value, uint32_t ttl);

#endif
