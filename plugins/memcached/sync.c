/* SPDX-License-Identifier: Apache-2.0
 *
 * Servers that don't have the meta protocol: by libmemcached, each operation awaited before the
 * next one; and those that want SASL, in the binary protocol. The library's buffered and unanswered
 * modes lose writes silently.
 */
#include "memcached.h"

/* ---- what a server is ---- */

struct seen {
	bool has_cas;
	struct identity identity;
};

static memcached_return_t note(const memcached_instance_st *server, const char *key,
	size_t key_size, const char *value, size_t value_size, void *ctx)
{
	struct seen *seen = ctx;
	char name[32], text[32];
	(void)server;
	if (key_size >= sizeof(name) || value_size >= sizeof(text))
		return MEMCACHED_SUCCESS;
	snprintf(name, sizeof(name), "%.*s", (int)key_size, key);
	snprintf(text, sizeof(text), "%.*s", (int)value_size, value);
	if (strcmp(name, "cas_enabled") == 0)
		seen->has_cas = strcmp(text, "no") != 0;
	canary_identify(name, text, &seen->identity);
	return MEMCACHED_SUCCESS;
}

/* Reads the canary, and sets it anew. */
static memcached_return_t renew_canary(struct memcached_sink *self, const char *server,
	memcached_st *one, const struct identity *identity)
{
	size_t size = 0, key_size = strlen(self->canary_key);
	uint32_t flags;
	memcached_return_t r;
	char canary[CANARY_MAX];
	char *found = memcached_get(one, self->canary_key, key_size, &size, &flags, &r);
	if (r != MEMCACHED_SUCCESS && r != MEMCACHED_NOTFOUND)
		return r;
	canary_judge(self, server, found, identity);
	free(found);
	canary_make(identity, "-", canary);
	r = memcached_set(one, self->canary_key, key_size, canary, strlen(canary), 0, 0);
	return r == MEMCACHED_SERVER_MEMORY_ALLOCATION_FAILURE ? MEMCACHED_SUCCESS : r;
}

enum fl_outcome sync_check(struct memcached_sink *self, size_t server, struct fl_err *err)
{
	struct seen seen = { .has_cas = true };
	char name[NAME_MAX_SIZE];
	memcached_st *one = pool_one(&self->pool, server);
	if (one == NULL)
		return sink_no_memory(err);
	enum fl_outcome outcome = FL_DONE;
	pool_name(&self->pool.servers[server], name);
	memcached_return_t r = memcached_version(one);
	if (r == MEMCACHED_SUCCESS && self->may_flush)
		r = memcached_stat_execute(one, "settings", note, &seen);
	if (r == MEMCACHED_SUCCESS)
		r = memcached_stat_execute(one, NULL, note, &seen);
	if (r == MEMCACHED_SUCCESS)
		outcome = greet_check_flush(self, name, seen.has_cas, err);
	if (r == MEMCACHED_SUCCESS && outcome == FL_DONE)
		r = renew_canary(self, name, one, &seen.identity);
	if (r != MEMCACHED_SUCCESS)
		outcome = pool_failed(&self->pool, server, "no answer", one, r, err);
	memcached_free(one);
	return outcome;
}

/* ---- operations ---- */

static enum fl_outcome failed(struct memcached_sink *self, struct fl_bytes key,
	memcached_return_t cause, struct fl_err *err)
{
	return pool_failed(&self->pool, pool_pick(&self->pool, key), "a write failed",
		self->pool.connections, cause, err);
}

static enum fl_outcome delete_key(
	struct memcached_sink *self, struct fl_bytes key, struct fl_err *err)
{
	memcached_return_t r = memcached_delete(self->pool.connections, key.data, key.size, 0);
	if (r == MEMCACHED_SUCCESS || r == MEMCACHED_NOTFOUND)
		return FL_DONE;
	return failed(self, key, r, err);
}

static enum fl_outcome set(struct memcached_sink *self, const struct fl_operation *operation,
	struct fl_bytes key, struct fl_err *err)
{
	memcached_return_t r = MEMCACHED_E2BIG;
	if (operation->value.size <= self->item_max)
		r = (operation->flags & FL_IF_EXISTS ? memcached_replace : memcached_set)(
			self->pool.connections, key.data, key.size, operation->value.data,
			operation->value.size, sink_expiration(operation->ttl), 0);
	/* What is not there to be replaced: the binary protocol says that it is not found. */
	if (r == MEMCACHED_SUCCESS ||
		((operation->flags & FL_IF_EXISTS) != 0 &&
			(r == MEMCACHED_NOTSTORED || r == MEMCACHED_NOTFOUND)))
		return FL_DONE;
	/* The server's own limit is lower, or it has no room for items of this size: the key must
	 * not keep an older value. */
	if (r == MEMCACHED_E2BIG || r == MEMCACHED_SERVER_MEMORY_ALLOCATION_FAILURE) {
		sink_note_too_large(self, key, operation->value.size);
		return delete_key(self, key, err);
	}
	return failed(self, key, r, err);
}

enum fl_outcome sync_apply(struct memcached_sink *self, const struct fl_operation *operation,
	struct fl_bytes key, struct fl_err *err)
{
	return operation->kind == FL_KEY_SET ? set(self, operation, key, err)
					     : delete_key(self, key, err);
}

static enum fl_outcome flush(struct memcached_sink *self, size_t server, struct fl_err *err)
{
	enum fl_outcome outcome = FL_DONE;
	memcached_st *one = pool_one(&self->pool, server);
	if (one == NULL)
		return sink_no_memory(err);
	memcached_return_t r = memcached_flush(one, 0);
	if (r != MEMCACHED_SUCCESS)
		outcome = pool_failed(&self->pool, server, "flush_all failed", one, r, err);
	memcached_free(one);
	/* The canary is gone with the rest. */
	return outcome == FL_DONE ? sync_check(self, server, err) : outcome;
}

enum fl_outcome sync_flush(struct memcached_sink *self, struct fl_err *err)
{
	int64_t last_contact = self->last_contact;
	enum fl_outcome outcome = FL_DONE;
	self->last_contact = 0; /* it was us */
	for (size_t i = 0; i < self->pool.count && outcome == FL_DONE; i++)
		outcome = atomic_load(&self->interrupted) ? sink_interrupted(err)
							  : flush(self, i, err);
	self->last_contact = last_contact;
	return outcome;
}
