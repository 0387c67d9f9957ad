/* SPDX-License-Identifier: Apache-2.0 */
#include "memcached.h"

enum { DEFAULT_PORT = 11211 };

int pool_parse(const char *list, struct pool *pool, struct fl_err *err)
{
	size_t count = 0;
	for (const char *at = list;;) {
		size_t size = strcspn(at, ",");
		struct fl_bytes text = { at, size };
		while (text.size > 0 && (*text.data == ' ' || *text.data == '\t')) {
			text.data++;
			text.size--;
		}
		while (text.size > 0 && strchr(" \t", text.data[text.size - 1]) != NULL)
			text.size--;
		if (count == SERVERS_MAX)
			return fl_err_set(err, FL_EINVAL, "more than %d servers", SERVERS_MAX);
		struct address *server = &pool->servers[count];
		int r = address_parse(text, DEFAULT_PORT, true, server, err);
		if (r != 0)
			return r;
		/* The same server twice would be flushed, checked and weighed twice. */
		for (size_t i = 0; i < count; i++)
			if (pool->servers[i].port == server->port &&
				strcmp(pool->servers[i].host, server->host) == 0)
				return fl_err_set(err, FL_EINVAL, "the server %s is named twice",
					server->host);
		count++;
		if (at[size] == '\0')
			break;
		at += size + 1;
	}
	pool->count = count;
	return 0;
}

bool pool_check_servers(const char *value, struct fl_err *err)
{
	struct pool *pool = calloc(1, sizeof(*pool));
	if (pool == NULL) {
		fl_err_set(err, FL_ENOMEM, "out of memory");
		return false;
	}
	bool right = pool_parse(value, pool, err) == 0;
	free(pool);
	return right;
}

/* How we use the library. Nothing is buffered or sent without an answer: those modes lose writes
 * silently. A server that fails keeps its keys: if they went to another one, the values left on it
 * would be found again, stale, once it is back. NO_BLOCK only makes closing drop what was not sent
 * (SO_LINGER), so that a command given up for a dead network can't arrive late, after newer ones.
 */
static const struct {
	memcached_behavior_t behavior;
	uint64_t value;
} behaviors[] = {
	{ MEMCACHED_BEHAVIOR_NO_BLOCK, 1 },
	{ MEMCACHED_BEHAVIOR_TCP_NODELAY, 1 },
	{ MEMCACHED_BEHAVIOR_BUFFER_REQUESTS, 0 },
	{ MEMCACHED_BEHAVIOR_NOREPLY, 0 },
	{ MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, 0 },
	{ MEMCACHED_BEHAVIOR_NUMBER_OF_REPLICAS, 0 },
	{ MEMCACHED_BEHAVIOR_AUTO_EJECT_HOSTS, 0 },
	{ MEMCACHED_BEHAVIOR_REMOVE_FAILED_SERVERS, 0 },
	{ MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1 },
};

static enum fl_outcome failed(const char *doing, const struct address *server,
	const memcached_st *connections, memcached_return_t cause, struct fl_err *err)
{
	/* The library's messages name its source lines; only for what the server itself says are
	 * they worth that. */
	const char *reason = memcached_strerror(connections, cause);
	int system_error = memcached_last_error_errno(connections);
	char port[8] = "";

	if (cause == MEMCACHED_SERVER_ERROR || cause == MEMCACHED_CLIENT_ERROR)
		reason = memcached_last_error_message(connections);
	else if (system_error != 0)
		reason = strerror(system_error);
	if (!server->is_unix)
		snprintf(port, sizeof(port), ":%u", server->port);
	fl_err_set(err, FL_ELOST, "%s at %s%s: %s", doing, server->host, port,
		reason != NULL ? reason : "unknown error");
	return FL_RETRY;
}

/* Connections to `count` servers; made when first used. NULL when memory runs out. */
static memcached_st *create(const struct pool *pool, const struct address *servers, size_t count)
{
	memcached_st *connections = memcached_create(NULL);
	if (connections == NULL)
		return NULL;
	memcached_return_t r = MEMCACHED_SUCCESS;
	for (size_t i = 0; i < sizeof(behaviors) / sizeof(*behaviors); i++)
		if (memcached_success(r))
			r = memcached_behavior_set(
				connections, behaviors[i].behavior, behaviors[i].value);
	if (memcached_success(r))
		r = memcached_behavior_set(
			connections, MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, pool->connect_timeout_ms);
	if (memcached_success(r))
		r = memcached_behavior_set(
			connections, MEMCACHED_BEHAVIOR_POLL_TIMEOUT, pool->timeout_ms);
	for (size_t i = 0; i < count && memcached_success(r); i++)
		r = servers[i].is_unix
			    ? memcached_server_add_unix_socket_with_weight(
				      connections, servers[i].host, servers[i].weight)
			    : memcached_server_add_with_weight(connections, servers[i].host,
				      servers[i].port, servers[i].weight);
	if (memcached_success(r))
		return connections;
	memcached_free(connections);
	return NULL;
}

enum fl_outcome pool_open(struct pool *pool, struct fl_err *err)
{
	pool->connections = create(pool, pool->servers, pool->count);
	if (pool->connections != NULL)
		return FL_DONE;
	fl_err_set(err, FL_ENOMEM, "libmemcached can't set up the pool");
	return FL_RETRY;
}

void pool_close(struct pool *pool)
{
	if (pool->connections != NULL)
		memcached_free(pool->connections);
}

static memcached_return_t note_setting(const memcached_instance_st *server, const char *key,
	size_t key_size, const char *value, size_t value_size, void *ctx)
{
	bool *has_cas = ctx;
	(void)server;
	if (key_size == 11 && memcmp(key, "cas_enabled", 11) == 0)
		*has_cas = !(value_size == 2 && memcmp(value, "no", 2) == 0);
	return MEMCACHED_SUCCESS;
}

enum fl_outcome pool_check(struct pool *pool, size_t server, bool will_flush, struct fl_err *err)
{
	const struct address *address = &pool->servers[server];
	memcached_st *one = create(pool, address, 1);
	bool has_cas = true;
	enum fl_outcome outcome = FL_DONE;
	if (one == NULL) {
		fl_err_set(err, FL_ENOMEM, "out of memory");
		return FL_RETRY;
	}
	memcached_return_t r = memcached_version(one);
	if (r == MEMCACHED_SUCCESS && will_flush)
		r = memcached_stat_execute(one, "settings", note_setting, &has_cas);
	if (r != MEMCACHED_SUCCESS) {
		outcome = failed("no answer", address, one, r, err);
	} else if (!has_cas) {
		fl_err_set(err, FL_EFATAL,
			"%s:%u runs with -C, which makes flush_all keep what was written in the "
			"same second: start it without -C, or set clear = halt",
			address->host, address->port);
		outcome = FL_FAILED;
	}
	memcached_free(one);
	return outcome;
}

enum fl_outcome pool_flush(struct pool *pool, size_t server, struct fl_err *err)
{
	memcached_st *one = create(pool, &pool->servers[server], 1);
	enum fl_outcome outcome = FL_DONE;
	if (one == NULL) {
		fl_err_set(err, FL_ENOMEM, "out of memory");
		return FL_RETRY;
	}
	memcached_return_t r = memcached_flush(one, 0);
	if (r != MEMCACHED_SUCCESS)
		outcome = failed("flush_all failed", &pool->servers[server], one, r, err);
	memcached_free(one);
	return outcome;
}

enum fl_outcome pool_failed(
	struct pool *pool, struct fl_bytes key, memcached_return_t cause, struct fl_err *err)
{
	uint32_t server = memcached_generate_hash(pool->connections, key.data, key.size);
	return failed("a write failed", &pool->servers[server < pool->count ? server : 0],
		pool->connections, cause, err);
}
