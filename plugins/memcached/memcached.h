/* SPDX-License-Identifier: Apache-2.0
 *
 * The memcached sink, private: memcached.c is the sink itself, pool.c the list of servers and the
 * connections to them, key.c how keys are written. All on the sink's thread, but for interrupt().
 */
#ifndef FL_MEMCACHED_H
#define FL_MEMCACHED_H

#include <fastlane/sink.h>

#include "../address.h"

#include <libmemcached/memcached.h>

/* As memcached has it. */
enum { KEY_MAX = 250 };

/* pool.c */
enum { SERVERS_MAX = 256 };

struct pool {
	size_t count;
	struct address servers[SERVERS_MAX];
	memcached_st *connections; /* to all of them, spread by ketama */
	uint32_t connect_timeout_ms, timeout_ms;
};

bool pool_check_servers(const char *value, struct fl_err *err);
/* Reads the list of servers. Nothing is connected yet. */
int pool_parse(const char *list, struct pool *pool, struct fl_err *err);
enum fl_outcome pool_open(struct pool *pool, struct fl_err *err);
void pool_close(struct pool *pool);
/* Whether a server answers, and whether its flush_all is exact. DONE, RETRY or FAILED. */
enum fl_outcome pool_check(struct pool *pool, size_t server, bool will_flush, struct fl_err *err);
/* Makes one server forget everything. */
enum fl_outcome pool_flush(struct pool *pool, size_t server, struct fl_err *err);
/* RETRY, naming the server that an operation on this key failed at. */
enum fl_outcome pool_failed(
	struct pool *pool, struct fl_bytes key, memcached_return_t cause, struct fl_err *err);

/* key.c */
/* Writes a key the way memcached can take it, at most KEY_MAX bytes, and returns its size; 0 when
 * libcrypto fails. */
size_t key_encode(struct fl_bytes raw, char ret[KEY_MAX]);

#endif
