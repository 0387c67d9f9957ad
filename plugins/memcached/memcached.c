/* SPDX-License-Identifier: Apache-2.0
 *
 * The memcached sink: every operation of a batch in order, each awaited and checked, on one server
 * or on a pool that is spread by ketama. memcached has no transactions: a reader can see a part of
 * one, but never a later change without an earlier one.
 */
#include "memcached.h"

#include <stdatomic.h>
#include <time.h>

struct memcached_sink {
	const struct fl_host *host;
	atomic_bool interrupted;
	bool may_flush;
	size_t item_max;
	uint64_t too_large; /* values that did not fit, so far */
	struct pool pool;
};

static void memcached_sink_close(void *ctx)
{
	struct memcached_sink *self = ctx;
	pool_close(&self->pool);
	free(self);
}

static enum fl_outcome memcached_sink_open(const struct fl_host *host,
	const struct fl_settings *settings, void **ret_self, struct fl_err *err)
{
	enum fl_outcome outcome = FL_FAILED;
	struct memcached_sink *self = calloc(1, sizeof(*self));
	if (self == NULL) {
		fl_err_set(err, FL_ENOMEM, "out of memory");
		return FL_RETRY;
	}
	self->host = host;
	self->may_flush = strcmp(settings->text(settings->ctx, "clear"), "flush") == 0;
	self->item_max = (size_t)settings->integer(settings->ctx, "item_max");
	self->pool.connect_timeout_ms =
		(uint32_t)settings->integer(settings->ctx, "connect_timeout_ms");
	self->pool.timeout_ms = (uint32_t)settings->integer(settings->ctx, "timeout_ms");
	if (pool_parse(settings->text(settings->ctx, "servers"), &self->pool, err) == 0)
		outcome = pool_open(&self->pool, err);
	/* Half a pool is no pool: its other half would keep what is deleted meanwhile. */
	for (size_t i = 0; i < self->pool.count && outcome == FL_DONE; i++)
		outcome = pool_check(&self->pool, i, self->may_flush, err);
	if (outcome != FL_DONE) {
		memcached_sink_close(self);
		return outcome;
	}
	*ret_self = self;
	return FL_DONE;
}

/* memcached takes a time to live of more than 30 days for a date, in seconds since 1970, and reads
 * it as a signed 32-bit number. */
static time_t expiration(uint32_t ttl)
{
	enum { LONGEST = 30 * 24 * 60 * 60 };
	if (ttl <= LONGEST)
		return (time_t)ttl;
	time_t now = time(NULL);
	return now > INT32_MAX - (time_t)ttl ? INT32_MAX : now + (time_t)ttl;
}

static enum fl_outcome delete_key(
	struct memcached_sink *self, struct fl_bytes key, struct fl_err *err)
{
	memcached_return_t r = memcached_delete(self->pool.connections, key.data, key.size, 0);
	if (r == MEMCACHED_SUCCESS || r == MEMCACHED_NOTFOUND)
		return FL_DONE;
	return pool_failed(&self->pool, key, r, err);
}

/* A value that can't be stored: the key must not keep an older one. */
static enum fl_outcome forget(struct memcached_sink *self, const struct fl_operation *operation,
	struct fl_bytes key, struct fl_err *err)
{
	/* The 1st, 2nd, 4th ...: a table of such rows is not to fill the log. */
	uint64_t count = ++self->too_large;
	if ((count & (count - 1)) == 0)
		self->host->log(self->host->ctx, FL_LEVEL_WARN,
			"%.*s has a value of %zu bytes, too large to be stored, and is deleted "
			"(%llu so far)",
			(int)key.size, key.data, operation->value.size, (unsigned long long)count);
	return delete_key(self, key, err);
}

static enum fl_outcome set(struct memcached_sink *self, const struct fl_operation *operation,
	struct fl_bytes key, struct fl_err *err)
{
	if (operation->value.size > self->item_max)
		return forget(self, operation, key, err);
	memcached_return_t r = memcached_set(self->pool.connections, key.data, key.size,
		operation->value.data, operation->value.size, expiration(operation->ttl), 0);
	if (r == MEMCACHED_SUCCESS)
		return FL_DONE;
	/* The server's own limit is lower, or it has no room for items of this size. */
	if (r == MEMCACHED_E2BIG || r == MEMCACHED_SERVER_MEMORY_ALLOCATION_FAILURE)
		return forget(self, operation, key, err);
	return pool_failed(&self->pool, key, r, err);
}

/* memcached can't list its keys, so that those which fit a pattern can only be forgotten along with
 * all others. */
static enum fl_outcome clear(
	struct memcached_sink *self, struct fl_bytes pattern, struct fl_err *err)
{
	int size = (int)(pattern.size < 200 ? pattern.size : 200);
	if (!self->may_flush) {
		fl_err_set(err, FL_EFATAL,
			"the keys %.*s are to be deleted, which only flush_all could do, and "
			"clear = halt",
			size, pattern.data);
		return FL_FAILED;
	}
	self->host->log(self->host->ctx, FL_LEVEL_WARN,
		"the keys %.*s are to be deleted: all servers forget everything, since memcached "
		"can't list its keys",
		size, pattern.data);
	for (size_t i = 0; i < self->pool.count; i++) {
		if (atomic_load(&self->interrupted)) {
			fl_err_set(err, FL_ESTOPPED, "interrupted");
			return FL_RETRY;
		}
		enum fl_outcome outcome = pool_flush(&self->pool, i, err);
		if (outcome != FL_DONE)
			return outcome;
	}
	return FL_DONE;
}

static enum fl_outcome apply(
	struct memcached_sink *self, const struct fl_operation *operation, struct fl_err *err)
{
	char encoded[KEY_MAX];
	if (operation->kind == FL_KEY_CLEAR)
		return clear(self, operation->key, err);
	struct fl_bytes key = { encoded, key_encode(operation->key, encoded) };
	if (key.size == 0) {
		fl_err_set(err, FL_EFATAL, "libcrypto has no SHA-256");
		return FL_FAILED;
	}
	return operation->kind == FL_KEY_SET ? set(self, operation, key, err)
					     : delete_key(self, key, err);
}

static enum fl_outcome memcached_sink_submit(
	void *ctx, const struct fl_batch *batch, struct fl_err *err)
{
	struct memcached_sink *self = ctx;
	for (size_t i = 0; i < batch->operation_count; i++) {
		if (atomic_load(&self->interrupted)) {
			fl_err_set(err, FL_ESTOPPED, "interrupted");
			return FL_RETRY;
		}
		enum fl_outcome outcome = apply(self, &batch->operations[i], err);
		if (outcome != FL_DONE)
			return outcome;
	}
	return FL_DONE;
}

/* The library's sockets are out of reach; a call ends within timeout_ms, which is a second at most,
 * and no further one is made. */
static void memcached_sink_interrupt(void *ctx)
{
	struct memcached_sink *self = ctx;
	atomic_store(&self->interrupted, true);
}

static const struct fl_option options[] = {
	{ .name = "servers",
		.fallback = "127.0.0.1:11211",
		.help = "the servers, separated by commas: HOST:PORT[:WEIGHT] or a socket's path",
		.check = pool_check_servers },
	{ .name = "connect_timeout_ms",
		.type = FL_OPTION_INT,
		.fallback = "500",
		.minimum = 1,
		.maximum = 1000,
		.help = "limit for connecting to a server" },
	{ .name = "timeout_ms",
		.type = FL_OPTION_INT,
		.fallback = "500",
		.minimum = 1,
		.maximum = 1000,
		.help = "limit for each answer" },
	{ .name = "item_max",
		.type = FL_OPTION_INT,
		.fallback = "1048576",
		.minimum = 1,
		.maximum = 1024 * 1024 * 1024,
		.help = "largest value in bytes; the keys of larger ones are deleted" },
	{ .name = "clear",
		.type = FL_OPTION_CHOICE,
		.choices = "flush|halt",
		.fallback = "flush",
		.help = "when a table's keys are to go: forget everything, or stop this sink" },
	{ .name = NULL },
};

const struct fl_sink_plugin fl_sink_plugin = {
	.abi_major = FL_ABI_MAJOR,
	.abi_minor = FL_ABI_MINOR,
	.size = sizeof(struct fl_sink_plugin),
	.name = "memcached",
	.summary = "rows as keys and values in memcached, on one server or a pool",
	.options = options,
	.takes = FL_TAKES_OPERATIONS,
	.open = memcached_sink_open,
	.submit = memcached_sink_submit,
	.interrupt = memcached_sink_interrupt,
	.close = memcached_sink_close,
};
