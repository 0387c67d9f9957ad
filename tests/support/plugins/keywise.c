/* SPDX-License-Identifier: Apache-2.0
 *
 * A cache sink that does what the redis sink must not: each operation is a command of its own, so
 * that a reader finds transactions half done. With it the tests of readers have to fail.
 */
#include <fastlane/sink.h>

#include <hiredis/hiredis.h>

struct keywise {
	redisContext *link;
};

static void close_sink(void *self)
{
	struct keywise *k = self;
	if (k->link != NULL)
		redisFree(k->link);
	free(k);
}

static enum fl_outcome open_sink(const struct fl_host *host, const struct fl_settings *settings,
	void **ret_self, struct fl_err *err)
{
	(void)host;
	struct keywise *k = calloc(1, sizeof(*k));
	if (k == NULL)
		return FL_RETRY;
	k->link = redisConnect("127.0.0.1", (int)settings->integer(settings->ctx, "port"));
	if (k->link == NULL || k->link->err != 0) {
		fl_err_set(err, FL_ELOST, "keywise: no connection");
		close_sink(k);
		return FL_RETRY;
	}
	*ret_self = k;
	return FL_DONE;
}

static enum fl_outcome submit(void *self, const struct fl_batch *batch, struct fl_err *err)
{
	struct keywise *k = self;
	for (size_t i = 0; i < batch->operation_count; i++) {
		const struct fl_operation *o = &batch->operations[i];
		redisReply *reply =
			o->kind == FL_KEY_SET
				? redisCommand(k->link, "SET %b %b", o->key.data, o->key.size,
					  o->value.data, o->value.size)
				: redisCommand(k->link, "DEL %b", o->key.data, o->key.size);
		bool done = reply != NULL && reply->type != REDIS_REPLY_ERROR;
		freeReplyObject(reply);
		if (!done) {
			fl_err_set(err, FL_ELOST, "keywise: a command failed");
			return FL_RETRY;
		}
	}
	return FL_DONE;
}

static const struct fl_option options[] = {
	{ .name = "port",
		.type = FL_OPTION_INT,
		.required = true,
		.minimum = 1,
		.maximum = 65535,
		.help = "port of a Redis on this machine" },
	{ .name = NULL },
};

const struct fl_sink_plugin fl_sink_plugin = {
	.abi_major = FL_ABI_MAJOR,
	.abi_minor = FL_ABI_MINOR,
	.size = sizeof(struct fl_sink_plugin),
	.name = "keywise",
	.summary = "rows as keys and values in Redis, one after the other: for tests",
	.options = options,
	.takes = FL_TAKES_OPERATIONS,
	.open = open_sink,
	.submit = submit,
	.close = close_sink,
};
