/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands, into a buffer that is sent piece by piece, lest a batch be in memory twice. The server
 * works on the first piece while the next one is written.
 */
#include "redis.h"

#include <errno.h>
#include <unistd.h>

enum {
	OUT_FULL = 64 * 1024,	 /* is sent, as soon as a command is complete */
	OUT_KEPT = 4 * OUT_FULL, /* a buffer that a large value has made larger is not kept */
	HEAD_MAX = 1 + 20 + 2,	 /* prefix, number, line break */
};

static char *put_head(char *to, char prefix, size_t value)
{
	*to++ = prefix;
	if (value < 1000) { /* nearly always */
		if (value >= 100)
			*to++ = (char)('0' + value / 100);
		if (value >= 10)
			*to++ = (char)('0' + value / 10 % 10);
		*to++ = (char)('0' + value % 10);
	} else {
		for (size_t rest = value; rest > 0; rest /= 10)
			to++;
		for (char *at = to; value > 0; value /= 10)
			*--at = (char)('0' + value % 10);
	}
	*to++ = '\r';
	*to++ = '\n';
	return to;
}

void resp_command(struct fl_buf *out, size_t words)
{
	char *to = fl_buf_reserve(out, HEAD_MAX);
	if (to != NULL)
		out->size = (size_t)(put_head(to, '*', words) - out->data);
}

void resp_word(struct fl_buf *out, const char *data, size_t size)
{
	char *to = fl_buf_reserve(out, HEAD_MAX + size + 2);
	if (to == NULL)
		return;
	to = put_head(to, '$', size);
	if (size > 0)
		memcpy(to, data, size);
	memcpy(to + size, "\r\n", 2);
	out->size = (size_t)(to + size + 2 - out->data);
}

/* Through hiredis, which encrypts it. */
static enum fl_outcome flush_tls(struct redis_sink *self, struct fl_err *err)
{
	redisContext *link = self->link;
	int result = redisAppendFormattedCommand(link, self->out.data, self->out.size);
	for (int done = 0; result == REDIS_OK && !done;)
		result = redisBufferWrite(link, &done);
	return result == REDIS_OK ? FL_DONE : redis_lost(self, errno, link->errstr, err);
}

enum fl_outcome redis_flush(struct redis_sink *self, struct fl_err *err)
{
	struct fl_buf *out = &self->out;
	if (out->failed)
		return redis_no_memory(err);
	if (self->tls && out->size > 0) {
		enum fl_outcome outcome = flush_tls(self, err);
		if (outcome != FL_DONE)
			return outcome;
		fl_buf_clear(out);
	}
	for (size_t done = 0; done < out->size;) {
		ssize_t const size = write(self->link->fd, out->data + done, out->size - done);
		if (size < 0 && errno != EINTR)
			return redis_lost(self, errno, strerror(errno), err);
		done += size > 0 ? (size_t)size : 0;
	}
	fl_buf_clear(out);
	if (out->capacity > OUT_KEPT)
		fl_buf_finish(out);
	return FL_DONE;
}

enum fl_outcome redis_flush_full(struct redis_sink *self, struct fl_err *err)
{
	return self->out.size >= OUT_FULL || self->out.failed ? redis_flush(self, err) : FL_DONE;
}
