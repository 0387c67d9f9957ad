/* SPDX-License-Identifier: Apache-2.0
 *
 * The memcached sink: operations in commit order, each one's result known before its batch is
 * settled, on one server or on a pool that is spread by ketama. memcached has no transactions: a
 * reader can see a part of one. On one server he never sees a later change without an earlier one,
 * since they travel on one connection; on a pool, `order` says what is waited for.
 */
#include "memcached.h"

#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
	PIPELINE = 32,		  /* batches under way, at most ... */
	UNSEEN = 8,		  /* ... and so many before their answers are looked for */
	UNSENT = 1024 * 1024,	  /* bytes of commands that wait for a server, at most ... */
	UNSENT_LOW = 256 * 1024,  /* ... and then so many are left */
	UNANSWERED = 1024 * 1024, /* the same of the log */
	UNANSWERED_LOW = 512 * 1024,
};

enum fl_outcome sink_no_memory(struct fl_err *err)
{
	fl_err_set(err, FL_ENOMEM, "out of memory");
	return FL_RETRY;
}

enum fl_outcome sink_interrupted(struct fl_err *err)
{
	fl_err_set(err, FL_ESTOPPED, "interrupted");
	return FL_RETRY;
}

/* A value that can't be stored: its key must not keep an older one. */
void sink_note_too_large(struct memcached_sink *self, struct fl_bytes key, size_t size)
{
	/* The 1st, 2nd, 4th ...: a table of such rows is not to fill the log. */
	uint64_t count = ++self->too_large;
	if ((count & (count - 1)) == 0)
		self->host->log(self->host->ctx, FL_LEVEL_WARN,
			"%.*s has a value of %zu bytes, too large to be stored, and is deleted "
			"(%llu so far)",
			(int)key.size, key.data, size, (unsigned long long)count);
}

/* memcached takes a time to live of more than 30 days for a date, in seconds since 1970, and reads
 * it as a signed 32-bit number. */
time_t sink_expiration(uint32_t ttl)
{
	enum { LONGEST = 30 * 24 * 60 * 60 };
	if (ttl <= LONGEST)
		return (time_t)ttl;
	time_t now = time(NULL);
	return now > INT32_MAX - (time_t)ttl ? INT32_MAX : now + (time_t)ttl;
}

/* ---- life ---- */

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What outlives an instance, in the host's one number: when it last had contact, in ms, and how
 * many losses it has seen. */
enum { LOSSES_BITS = 20 };

static void remember(const struct memcached_sink *self)
{
	uint64_t most = ((uint64_t)1 << LOSSES_BITS) - 1;
	uint64_t losses = self->losses < most ? self->losses : most;
	if (self->host->size > offsetof(struct fl_host, memory))
		*self->host->memory = (uint64_t)self->contact << LOSSES_BITS | losses;
}

static void recall(struct memcached_sink *self)
{
	if (self->host->size <= offsetof(struct fl_host, memory))
		return;
	self->last_contact = self->contact = (int64_t)(*self->host->memory >> LOSSES_BITS);
	self->losses = *self->host->memory & (((uint64_t)1 << LOSSES_BITS) - 1);
}

static void close_links(struct memcached_sink *self)
{
	for (size_t i = 0; self->links != NULL && i < self->pool.count; i++)
		wire_close(&self->links[i]);
	free(self->links);
	free(self->polls);
	self->links = NULL;
	self->polls = NULL;
}

static void memcached_sink_close(void *ctx)
{
	struct memcached_sink *self = ctx;
	remember(self);
	close_links(self);
	pool_close(&self->pool);
	if (self->wake >= 0)
		close(self->wake);
	free(self);
}

static enum fl_outcome set_up(
	struct memcached_sink *self, const struct fl_settings *settings, struct fl_err *err)
{
	void *ctx = settings->ctx;
	struct fl_buf name = { 0 };
	self->may_flush = strcmp(settings->text(ctx, "clear"), "flush") == 0;
	self->is_strict = strcmp(settings->text(ctx, "order"), "strict") == 0;
	self->item_max = (size_t)settings->integer(ctx, "item_max");
	self->pool.connect_timeout_ms = (uint32_t)settings->integer(ctx, "connect_timeout_ms");
	self->pool.timeout_ms = (uint32_t)settings->integer(ctx, "timeout_ms");
	if (pool_parse(settings->text(ctx, "servers"), &self->pool, err) != 0 ||
		auth_set_up(&self->pool, settings, err) != FL_DONE)
		return FL_FAILED;
	fl_buf_text(&name, "fastlane:canary:");
	fl_buf_text(&name, settings->sink);
	if (!name.failed) {
		char room[KEY_MAX];
		struct fl_bytes const key =
			key_encode((struct fl_bytes){ name.data, name.size }, room);
		memcpy(self->canary_key, key.data, key.size);
	}
	fl_buf_finish(&name);
	self->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (self->wake < 0 || self->canary_key[0] == '\0')
		return sink_no_memory(err);
	recall(self);
	return pool_open(&self->pool, err);
}

static enum fl_outcome memcached_sink_open(const struct fl_host *host,
	const struct fl_settings *settings, void **ret_self, struct fl_err *err)
{
	struct memcached_sink *self = calloc(1, sizeof(*self));
	if (self == NULL)
		return sink_no_memory(err);
	self->host = host;
	self->wake = self->news = -1;
	enum fl_outcome outcome = set_up(self, settings, err);
	bool is_classic = strcmp(settings->text(settings->ctx, "protocol"), "auto") != 0;
	if (outcome == FL_DONE && !is_classic) {
		outcome = greet_all(self, &is_classic, err);
		if (outcome == FL_DONE && is_classic) {
			close_links(self);
			host->log(host->ctx, FL_LEVEL_INFO,
				"one operation at a time, for want of the meta protocol of "
				"memcached 1.6");
		}
	}
	/* Half a pool is no pool: its other half would keep what is deleted meanwhile. */
	for (size_t i = 0; is_classic && i < self->pool.count && outcome == FL_DONE; i++)
		outcome = sync_check(self, i, err);
	if (outcome != FL_DONE) {
		memcached_sink_close(self);
		return outcome;
	}
	self->contact = now_ms();
	*ret_self = self;
	return FL_DONE;
}

/* ---- batches ---- */

static bool has_room(const struct memcached_sink *self)
{
	for (size_t i = 0; i < self->pool.count; i++)
		if (wire_unsent(&self->links[i]) > UNSENT_LOW ||
			meta_kept(&self->links[i]) > UNANSWERED_LOW)
			return false;
	return true;
}

/* The last batch that is in the sink for good, with all before it. */
static uint64_t safe_batch(const struct memcached_sink *self)
{
	uint64_t safe = self->submitted;
	for (size_t i = 0; i < self->pool.count; i++) {
		const struct link *link = &self->links[i];
		bool is_busy = link->passed != link->asked || link->repairs > 0;
		if (is_busy && link->safe < safe)
			safe = link->safe;
	}
	return safe;
}

static bool has_few_batches(const struct memcached_sink *self)
{
	return self->submitted - safe_batch(self) < PIPELINE;
}

/* Asks each server that has something to do for a sign that it is done. */
static void ask_all(struct memcached_sink *self, uint64_t batch)
{
	for (size_t i = 0; i < self->pool.count; i++) {
		struct link *link = &self->links[i];
		if (link->is_touched)
			meta_barrier(self, link, batch);
	}
}

/* Waits until all that was sent is done. */
static enum fl_outcome finish(struct memcached_sink *self, uint64_t batch, struct fl_err *err)
{
	ask_all(self, batch);
	return wire_pump(self, wire_is_idle, err);
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
	if (self->links == NULL)
		return sync_flush(self, err);
	enum fl_outcome outcome = finish(self, self->submitted - 1, err);
	for (size_t i = 0; i < self->pool.count && outcome == FL_DONE; i++) {
		meta_flush(&self->links[i]);
		meta_write_canary(self, &self->links[i]);
	}
	return outcome == FL_DONE ? wire_pump(self, wire_is_idle, err) : outcome;
}

/* order = strict: waits for all servers if this operation goes to another one than what is under
 * way of earlier transactions. */
static enum fl_outcome keep_order(
	struct memcached_sink *self, const struct link *to, struct fl_err *err)
{
	for (size_t i = 0; i < self->pool.count; i++) {
		const struct link *link = &self->links[i];
		if (link != to && meta_is_due(link) && link->first_transaction < self->transaction)
			return finish(self, self->submitted - 1, err);
	}
	return FL_DONE;
}

static enum fl_outcome put(struct memcached_sink *self, const struct fl_operation *operation,
	struct fl_bytes key, struct fl_err *err)
{
	struct link *link = &self->links[pool_pick(&self->pool, key)];
	enum fl_outcome outcome = FL_DONE;
	if (self->is_strict && self->pool.count > 1)
		outcome = keep_order(self, link, err);
	if (outcome != FL_DONE)
		return outcome;
	if (!meta_is_due(link)) {
		link->first_transaction = self->transaction;
		link->safe = self->submitted - 1; /* none of them has anything left here */
	}
	outcome = meta_apply(self, link, operation, key, err);
	if (outcome != FL_DONE)
		return outcome;
	if (wire_unsent(link) > UNSENT || meta_kept(link) > UNANSWERED)
		return wire_pump(self, has_room, err);
	return FL_DONE;
}

static enum fl_outcome apply(
	struct memcached_sink *self, const struct fl_operation *operation, struct fl_err *err)
{
	char room[KEY_MAX];
	if (operation->kind == FL_KEY_CLEAR)
		return clear(self, operation->key, err);
	struct fl_bytes const key = key_encode(operation->key, room);
	return self->links != NULL ? put(self, operation, key, err)
				   : sync_apply(self, operation, key, err);
}

/* Takes note of how far all is settled: DONE, or PENDING. */
static enum fl_outcome settle(struct memcached_sink *self)
{
	uint64_t safe = self->links != NULL ? safe_batch(self) : self->submitted;
	if (safe > self->settled)
		self->contact = now_ms();
	self->settled = safe;
	return safe == self->submitted ? FL_DONE : FL_PENDING;
}

static enum fl_outcome submit(
	struct memcached_sink *self, const struct fl_batch *batch, struct fl_err *err)
{
	enum fl_outcome outcome = FL_DONE;
	uint32_t transaction = UINT32_MAX;
	bool is_pool = self->links != NULL && self->pool.count > 1;
	if (is_pool && !self->is_strict && batch->operation_count > 0)
		outcome = wire_pump(self, wire_is_idle, err);
	self->submitted = batch->id;
	for (size_t i = 0; i < batch->operation_count && outcome == FL_DONE; i++) {
		const struct fl_operation *operation = &batch->operations[i];
		self->transaction += operation->transaction != transaction;
		transaction = operation->transaction;
		outcome = atomic_load(&self->interrupted) ? sink_interrupted(err)
							  : apply(self, operation, err);
	}
	if (outcome != FL_DONE || self->links == NULL)
		return outcome;
	ask_all(self, batch->id);
	/* If there is nothing else to do, drain() comes, and looks for all answers. */
	if (self->submitted - safe_batch(self) < UNSEEN)
		return wire_send(self, err);
	return wire_pump(self, has_few_batches, err);
}

static bool has_failed(const struct memcached_sink *self, struct fl_err *err)
{
	if (self->is_broken)
		fl_err_set(err, FL_ELOST, "the connection was lost before");
	return self->is_broken;
}

static enum fl_outcome memcached_sink_submit(
	void *ctx, const struct fl_batch *batch, struct fl_err *err)
{
	struct memcached_sink *self = ctx;
	uint64_t settled = self->settled;
	if (has_failed(self, err))
		return FL_RETRY;
	enum fl_outcome outcome = submit(self, batch, err);
	self->is_broken = outcome != FL_DONE;
	if (outcome == FL_DONE)
		outcome = settle(self);
	if (outcome == FL_PENDING && self->settled > settled)
		self->host->settled(self->host->ctx, self->settled);
	return outcome;
}

static bool is_idle_or_has_news(const struct memcached_sink *self)
{
	return wire_is_idle(self) || self->has_news;
}

static enum fl_outcome memcached_sink_drain(void *ctx, struct fl_err *err)
{
	struct memcached_sink *self = ctx;
	uint64_t settled = self->settled;
	if (has_failed(self, err))
		return FL_RETRY;
	self->has_news = false;
	if (self->host->size > offsetof(struct fl_host, news))
		self->news = self->host->news;
	enum fl_outcome outcome =
		self->links != NULL ? wire_pump(self, is_idle_or_has_news, err) : FL_DONE;
	self->news = -1;
	self->is_broken = outcome != FL_DONE;
	if (outcome == FL_DONE)
		outcome = settle(self);
	if (self->settled > settled)
		self->host->settled(self->host->ctx, self->settled);
	return outcome;
}

static void memcached_sink_interrupt(void *ctx)
{
	struct memcached_sink *self = ctx;
	uint64_t one = 1;
	atomic_store(&self->interrupted, true);
	/* libmemcached's sockets are out of reach: its call ends within timeout_ms. */
	ssize_t ignored = write(self->wake, &one, sizeof(one));
	(void)ignored;
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
		.help = "limit for each answer, and for a server that takes nothing" },
	{ .name = "order",
		.type = FL_OPTION_CHOICE,
		.choices = "strict|batch",
		.fallback = "batch",
		.help = "on a pool, when all servers are awaited: before a transaction's "
			"operations go to "
			"another server, or between batches" },
	{ .name = "protocol",
		.type = FL_OPTION_CHOICE,
		.choices = "auto|classic|sasl",
		.fallback = "auto",
		.help = "auto: the meta protocol where the servers have it; classic: never; sasl: "
			"the binary one, with SASL" },
	{ .name = "user",
		.help = "user name, where the servers want one (-Y, or -S with protocol = sasl)",
		.check = auth_check_user },
	{ .name = "password",
		.type = FL_OPTION_SECRET,
		.help = "password",
		.check = auth_check_password },
	{ .name = "password_file",
		.type = FL_OPTION_FILE,
		.help = "file that holds the password",
		.check = auth_check_password },
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
	.takes = FL_TAKES_OPERATIONS | FL_TAKES_EXISTING,
	.open = memcached_sink_open,
	.submit = memcached_sink_submit,
	.drain = memcached_sink_drain,
	.interrupt = memcached_sink_interrupt,
	.close = memcached_sink_close,
};
