/* SPDX-License-Identifier: Apache-2.0
 *
 * The redis sink: a batch of cache operations and the position behind it are one MULTI ... EXEC, so
 * that a reader sees whole transactions and what was applied is applied once.
 */
#include "redis.h"

#include <sys/socket.h>

static void redis_close(void *ctx)
{
	struct redis_sink *self = ctx;
	if (self->link != NULL)
		redisFree(self->link);
	for (size_t i = 0; i < PIPELINE_MAX; i++) {
		fl_buf_finish(&self->sent[i].kinds);
		fl_buf_finish(&self->sent[i].mark);
	}
	fl_buf_finish(&self->settled_mark);
	fl_buf_finish(&self->sent_mark);
	fl_buf_finish(&self->out);
	free(self->position_key);
	free(self);
}

static char *make_position_key(const struct fl_settings *settings)
{
	const char *set = settings->text(settings->ctx, "position_key");
	char *key = NULL;
	if (set != NULL)
		return strdup(set);
	return asprintf(&key, "fastlane:position:%s", settings->sink) >= 0 ? key : NULL;
}

static enum fl_outcome redis_open(const struct fl_host *host, const struct fl_settings *settings,
	void **ret_self, struct fl_err *err)
{
	struct redis_sink *self = calloc(1, sizeof(*self));
	if (self == NULL)
		return redis_no_memory(err);
	self->host = host;
	self->settings = settings;
	self->address = settings->text(settings->ctx, "address");
	self->pipeline = (unsigned)settings->integer(settings->ctx, "pipeline");
	self->can_unlink = true;
	self->news = host->size > offsetof(struct fl_host, news) ? host->news : -1;
	self->timeout_ms = (int)settings->integer(settings->ctx, "timeout_ms");
	self->position_key = make_position_key(settings);
	enum fl_outcome outcome =
		self->position_key != NULL ? redis_connect(self, err) : redis_no_memory(err);
	if (outcome != FL_DONE) {
		redis_close(self);
		return outcome;
	}
	*ret_self = self;
	return FL_DONE;
}

static enum fl_outcome redis_position(void *ctx, struct fl_buf *ret, struct fl_err *err)
{
	return redis_claim(ctx, ret, err);
}

/* A batch in which keys are forgotten by pattern can't be one transaction: the server has no
 * command for it. It is applied piece by piece, in order: the operations up to a CLEAR, the keys
 * that fit, and so on; the last piece moves the position, so that all of it is done again if it is
 * cut short. What a reader sees meanwhile is the end of a transaction, or less: a CLEAR only takes
 * away, and a cache may forget. Only where a CLEAR stands inside a transaction would half of that
 * be seen: there the values that come before it are not set, but forgotten too. */
static enum fl_outcome submit_with_clear(
	struct redis_sink *self, const struct fl_batch *batch, struct fl_err *err)
{
	size_t begin = 0;
	enum fl_outcome outcome = redis_settle_all(self, err);
	for (size_t i = 0; i < batch->operation_count && outcome == FL_DONE; i++) {
		const struct fl_operation *operation = &batch->operations[i];
		if (operation->kind != FL_KEY_CLEAR)
			continue;
		if (i > begin)
			outcome = redis_send(
				self, batch, begin, i, operation->transaction, false, err);
		if (outcome == FL_DONE)
			outcome = redis_settle_all(self, err);
		if (outcome == FL_DONE)
			outcome = redis_clear(self, operation->key, err);
		begin = i + 1;
	}
	if (outcome == FL_DONE)
		outcome = redis_send(
			self, batch, begin, batch->operation_count, UINT32_MAX, true, err);
	return outcome == FL_DONE ? redis_settle_all(self, err) : outcome;
}

static bool has_clear(const struct fl_batch *batch)
{
	for (size_t i = 0; i < batch->operation_count; i++)
		if (batch->operations[i].kind == FL_KEY_CLEAR)
			return true;
	return false;
}

static enum fl_outcome redis_submit(void *ctx, const struct fl_batch *batch, struct fl_err *err)
{
	struct redis_sink *self = ctx;
	if (has_clear(batch))
		return submit_with_clear(self, batch, err);

	enum fl_outcome outcome =
		redis_send(self, batch, 0, batch->operation_count, UINT32_MAX, true, err);
	if (outcome == FL_DONE && self->pending >= self->pipeline)
		outcome = redis_settle_one(self, -1, err);
	if (outcome != FL_DONE)
		return outcome;
	return self->pending > 0 ? FL_PENDING : FL_DONE;
}

static enum fl_outcome redis_drain(void *ctx, struct fl_err *err)
{
	struct redis_sink *self = ctx;
	enum fl_outcome outcome = FL_DONE;
	while (self->pending > 0 && outcome == FL_DONE)
		outcome = redis_settle_one(self, self->news, err);
	return outcome;
}

static void redis_interrupt(void *ctx)
{
	struct redis_sink *self = ctx;
	atomic_store(&self->interrupted, true);
	/* The descriptor is the connection's until close(), which is never called at the same time.
	 */
	shutdown(self->link->fd, SHUT_RDWR);
}

static const struct fl_option options[] = {
	{ .name = "address",
		.fallback = "127.0.0.1:6379",
		.help = "the server: HOST:PORT, [IPV6]:PORT, or its socket's path",
		.check = redis_check_address },
	{ .name = "user", .help = "user name, where the server has users (Redis 6 on)" },
	{ .name = "password", .type = FL_OPTION_SECRET, .help = "password" },
	{ .name = "password_file", .type = FL_OPTION_FILE, .help = "file that holds the password" },
	{ .name = "tls",
		.type = FL_OPTION_BOOL,
		.fallback = "no",
		.help = "encrypt, and verify the server's certificate",
		.check = redis_check_tls },
	{ .name = "tls_ca",
		.help = "PEM file of the authorities to trust, in place of the system's",
		.check = redis_check_pem },
	{ .name = "tls_cert",
		.help = "PEM file of the certificate that fastlane shows, with tls_key",
		.check = redis_check_pem },
	{ .name = "tls_key",
		.type = FL_OPTION_FILE,
		.help = "PEM file of its private key, which nobody else can read" },
	{ .name = "database",
		.type = FL_OPTION_INT,
		.fallback = "0",
		.maximum = 1000000,
		.help = "number of the database" },
	{ .name = "position_key",
		.help = "key that holds the position; fastlane:position:SINK if not set" },
	{ .name = "connect_timeout_ms",
		.type = FL_OPTION_INT,
		.fallback = "2000",
		.minimum = 1,
		.maximum = 60000,
		.help = "limit for connecting and for each answer while logging in" },
	{ .name = "timeout_ms",
		.type = FL_OPTION_INT,
		.fallback = "5000",
		.minimum = 1,
		.maximum = 600000,
		.help = "limit for each answer from then on" },
	{ .name = "pipeline",
		.type = FL_OPTION_INT,
		.fallback = "4",
		.minimum = 1,
		.maximum = PIPELINE_MAX,
		.help = "batches that may be under way at once" },
	{ .name = NULL },
};

const struct fl_sink_plugin fl_sink_plugin = {
	.abi_major = FL_ABI_MAJOR,
	.abi_minor = FL_ABI_MINOR,
	.size = sizeof(struct fl_sink_plugin),
	.name = "redis",
	.summary = "rows as keys and values in Redis, each batch one transaction",
	.options = options,
	.takes = FL_TAKES_OPERATIONS | FL_TAKES_HASHES | FL_TAKES_EXISTING | FL_TAKES_PATTERNS |
		 FL_TAKES_ATOMIC,
	.open = redis_open,
	.position = redis_position,
	.submit = redis_submit,
	.drain = redis_drain,
	.interrupt = redis_interrupt,
	.close = redis_close,
};
