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

static memcached_return_t add_sasl(memcached_st *connections, const struct pool *pool)
{
#if defined(LIBMEMCACHED_WITH_SASL_SUPPORT) && LIBMEMCACHED_WITH_SASL_SUPPORT
	memcached_return_t r =
		memcached_behavior_set(connections, MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, 1);
	if (memcached_success(r))
		r = memcached_set_sasl_auth_data(connections, pool->user, pool->password);
	return r;
#else
	(void)connections, (void)pool;
	return MEMCACHED_NOT_SUPPORTED;
#endif
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
	if (memcached_success(r) && pool->has_sasl)
		r = add_sasl(connections, pool);
	if (memcached_success(r))
		return connections;
	memcached_free(connections);
	return NULL;
}

enum fl_outcome pool_open(struct pool *pool, struct fl_err *err)
{
#if !defined(LIBMEMCACHED_WITH_SASL_SUPPORT) || !LIBMEMCACHED_WITH_SASL_SUPPORT
	if (pool->has_sasl) {
		fl_err_set(err, FL_EUNSUPPORTED,
			"protocol = sasl: this libmemcached was built without SASL");
		return FL_FAILED;
	}
#endif
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

memcached_st *pool_one(const struct pool *pool, size_t server)
{
	return create(pool, &pool->servers[server], 1);
}

size_t pool_spread(const struct pool *pool, struct fl_bytes key)
{
	uint32_t server = memcached_generate_hash(pool->connections, key.data, key.size);
	return server < pool->count ? server : 0;
}

void pool_name(const struct address *server, char ret[NAME_MAX_SIZE])
{
	if (server->is_unix)
		snprintf(ret, NAME_MAX_SIZE, "%s", server->host);
	else
		snprintf(ret, NAME_MAX_SIZE, "%s:%u", server->host, server->port);
}

static bool is_refused(memcached_return_t cause)
{
	return cause == MEMCACHED_AUTH_FAILURE || cause == MEMCACHED_AUTH_PROBLEM;
}

enum fl_outcome pool_failed(const struct pool *pool, size_t server, const char *doing,
	const memcached_st *connections, memcached_return_t cause, struct fl_err *err)
{
	/* The library's messages name its source lines; only for what the server itself says are
	 * they worth that. */
	const char *reason = memcached_strerror(connections, cause);
	int system_error = memcached_last_error_errno(connections);
	char name[NAME_MAX_SIZE];

	if (cause == MEMCACHED_SERVER_ERROR || cause == MEMCACHED_CLIENT_ERROR)
		reason = memcached_last_error_message(connections);
	else if (system_error != 0)
		reason = strerror(system_error);
	pool_name(&pool->servers[server], name);
	if (is_refused(memcached_last_error(connections))) {
		fl_err_set(err, FL_EFATAL, "%s refuses them: check user and password_file", name);
		return FL_FAILED;
	}
	fl_err_set(err, FL_ELOST, "%s at %s: %s", doing, name,
		reason != NULL ? reason : "unknown error");
	return FL_RETRY;
}
