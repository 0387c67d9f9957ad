/* SPDX-License-Identifier: Apache-2.0 */
#include "redis.h"

#include "../address.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

enum { DEFAULT_PORT = 6379, GRACE_MS = 100 };

bool redis_check_address(const char *value, struct fl_err *err)
{
	struct address ignored;
	struct fl_bytes text = { value, strlen(value) };
	return address_parse(text, DEFAULT_PORT, false, &ignored, err) == 0;
}

enum fl_outcome redis_no_memory(struct fl_err *err)
{
	fl_err_set(err, FL_ENOMEM, "out of memory");
	return FL_RETRY;
}

/* What an error begins with, how it is met, and what to do about it. All others end the sink:
 * what the server does not understand today it won't understand tomorrow. */
static const struct {
	const char *word;
	enum fl_outcome outcome;
	const char *advice;
} refusals[] = {
	{ "LOADING", FL_RETRY, "" },
	{ "BUSY", FL_RETRY, "" },
	{ "EXECABORT", FL_RETRY, "" },
	{ "TRYAGAIN", FL_RETRY, "" },
	{ "CLUSTERDOWN", FL_RETRY, "" },
	{ "MASTERDOWN", FL_RETRY, "" },
	{ "NOREPLICAS", FL_RETRY, "" },
	{ "MISCONF", FL_RETRY, ": the server can't save to its disk" },
	{ "READONLY", FL_RETRY, ": this is a replica; address must name the primary" },
	{ "OOM", FL_RETRY, ": raise maxmemory, or set a maxmemory-policy of volatile-..." },
	{ "ERR max number of clients", FL_RETRY, ": raise maxclients" },
	{ "MOVED", FL_FAILED, ": a cluster is not supported" },
	{ "ASK", FL_FAILED, ": a cluster is not supported" },
	{ "CROSSSLOT", FL_FAILED, ": a cluster is not supported" },
	{ "NOAUTH", FL_FAILED, ": set user and password_file" },
	{ "WRONGPASS", FL_FAILED, ": check user and password_file" },
	{ "ERR invalid password", FL_FAILED, ": check password_file" },
	{ "ERR Client sent AUTH, but no password is set", FL_FAILED,
		": leave out password and password_file" },
	{ "ERR AUTH <password> called without any password", FL_FAILED,
		": leave out password and password_file" },
	{ "ERR wrong number of arguments", FL_FAILED, ": user goes with Redis 6 or newer" },
	{ "ERR unknown command", FL_FAILED, ": is it a Redis?" },
	{ "NOPERM", FL_FAILED, ": ACL SETUSER must allow this; see fastlane-redis(5)" },
	{ "WRONGTYPE", FL_FAILED, ": position_key holds something else; set another one" },
};

static size_t find_refusal(const char *answer)
{
	size_t i = 0;
	for (; i < sizeof(refusals) / sizeof(*refusals); i++) {
		size_t size = strlen(refusals[i].word);
		if (strncmp(answer, refusals[i].word, size) == 0 &&
			(answer[size] == ' ' || answer[size] == '\0'))
			break;
	}
	return i;
}

/* An answer to AUTH may repeat the password: what does not know the command names its arguments.
 * None of the server's own words is told. */
static enum fl_outcome refused_login(
	struct redis_sink *self, const char *answer, struct fl_err *err)
{
	size_t const i = find_refusal(answer);
	if (i == sizeof(refusals) / sizeof(*refusals)) {
		fl_err_set(err, FL_EFATAL,
			"%s answers AUTH with an error that is not shown, as it may hold the "
			"password: check user and password_file",
			self->address);
		return FL_FAILED;
	}
	enum fl_outcome const outcome = refusals[i].outcome;
	fl_err_set(err, outcome == FL_RETRY ? FL_ELOST : FL_EFATAL, "%s answers AUTH with '%s'%s",
		self->address, refusals[i].word, refusals[i].advice);
	return outcome;
}

enum fl_outcome redis_refused(struct redis_sink *self, const char *answer, struct fl_err *err)
{
	enum fl_outcome outcome = FL_FAILED;
	const char *advice = "";
	/* Before Redis 7 a script's error is wrapped: "ERR Error running script (...): -OOM ...".
	 */
	const char *inner = strncmp(answer, "ERR Error ", 10) == 0 ? strstr(answer, ": -") : NULL;
	if (inner != NULL)
		answer = inner + 3;
	size_t const i = find_refusal(answer);
	if (i < sizeof(refusals) / sizeof(*refusals)) {
		outcome = refusals[i].outcome;
		advice = refusals[i].advice;
	}
	fl_err_set(err, outcome == FL_RETRY ? FL_ELOST : FL_EFATAL, "%s answers '%.200s'%s",
		self->address, answer, advice);
	return outcome;
}

enum fl_outcome redis_confused(struct redis_sink *self, const char *asked, struct fl_err *err)
{
	fl_err_set(err, FL_ECORRUPT, "%s gives no proper answer to %s", self->address, asked);
	return FL_RETRY;
}

enum fl_outcome redis_lost(
	struct redis_sink *self, int cause, const char *meaning, struct fl_err *err)
{
	if (atomic_load(&self->interrupted))
		fl_err_set(err, FL_ESTOPPED, "interrupted");
	else if (cause == EAGAIN || cause == EWOULDBLOCK)
		fl_err_set(err, FL_ELOST, "%s does not answer in time", self->address);
	else
		fl_err_set(err, FL_ELOST, "%s: %s", self->address, meaning);
	return FL_RETRY;
}

static enum fl_outcome lost(struct redis_sink *self, struct fl_err *err)
{
	int const cause = self->link->err == REDIS_ERR_IO ? errno : 0;
	return redis_lost(self, cause, self->link->errstr, err);
}

static redisReply *too_large(struct redis_sink *self, struct fl_err *err)
{
	fl_err_set(err, FL_ECORRUPT, "%s gives an answer that is too long", self->address);
	return NULL;
}

/* What has come of an answer that is not whole yet. A line is looked for from its beginning each
 * time, so that one must not be long. */
static bool is_too_large(const redisReader *reader)
{
	size_t const size = reader->len - reader->pos;
	return size > REPLY_MAX || (size > REPLY_LINE_MAX && memchr(reader->buf + reader->pos, '\n',
								     REPLY_LINE_MAX) == NULL);
}

/* As redisGetReply(), but for an end to what is taken in. */
redisReply *redis_reply(struct redis_sink *self, struct fl_err *err)
{
	redisContext *link = self->link;
	void *reply = NULL;
	self->reply_room = REPLY_MAX;
	int result = redisGetReplyFromReader(link, &reply);
	for (int done = 0; result == REDIS_OK && reply == NULL && !done;)
		result = redisBufferWrite(link, &done);
	while (result == REDIS_OK && reply == NULL) {
		if (is_too_large(link->reader))
			return too_large(self, err);
		result = redisBufferRead(link);
		if (result == REDIS_OK)
			result = redisGetReplyFromReader(link, &reply);
	}
	if (result == REDIS_OK)
		return reply;
	if (self->reply_is_large)
		return too_large(self, err);
	lost(self, err);
	return NULL;
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void redis_expect_answer(struct redis_sink *self)
{
	self->answer_limit = now_ms() + self->timeout_ms + 1; /* a part of one has passed */
}

/* Where the limit has passed already, we may have been away, and the server too: it gets a moment,
 * in which no news counts. */
static int wait_for_answer(const struct redis_sink *self, struct pollfd *polls)
{
	int64_t const left = self->answer_limit - now_ms();
	if (left > 0)
		return poll(polls, 2, (int)left);
	return poll(polls, 1, self->timeout_ms < GRACE_MS ? self->timeout_ms : GRACE_MS);
}

enum fl_outcome redis_await(struct redis_sink *self, int news, struct fl_err *err)
{
	const redisReader *reader = self->link->reader;
	struct pollfd polls[] = {
		{ .fd = self->link->fd, .events = POLLIN },
		{ .fd = news, .events = POLLIN },
	};
	/* Some of it has come, and been read with the last one. */
	if (reader->len > reader->pos || (self->tls && redis_tls_has_some(self)))
		return FL_DONE;
	int found;
	do
		found = wait_for_answer(self, polls);
	while (found < 0 && errno == EINTR);
	if (found == 0)
		return redis_lost(self, EAGAIN, "", err);
	return found > 0 && polls[0].revents == 0 && (polls[1].revents & POLLIN) != 0 ? FL_PENDING
										      : FL_DONE;
}

static struct timeval milliseconds(int64_t ms)
{
	return (struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
}

/* Reads the answer to one command of the log-in: OK, or an error. */
static enum fl_outcome expect_ok(struct redis_sink *self, const char *asked, struct fl_err *err)
{
	redisReply *reply = redis_reply(self, err);
	if (reply == NULL)
		return FL_RETRY;
	enum fl_outcome outcome = FL_DONE;
	if (reply->type == REDIS_REPLY_ERROR)
		outcome = strcmp(asked, "AUTH") == 0 ? refused_login(self, reply->str, err)
						     : redis_refused(self, reply->str, err);
	else if (reply->type != REDIS_REPLY_STATUS)
		outcome = redis_confused(self, asked, err);
	redis_free(reply);
	return outcome;
}

/* A server that may evict any key may evict the position, and what is then missed is missed
 * silently. Not every server lets us ask. */
static enum fl_outcome check_eviction(struct redis_sink *self, struct fl_err *err)
{
	redisReply *reply = redis_reply(self, err);
	if (reply == NULL)
		return FL_RETRY;
	if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
		reply->element[1]->type == REDIS_REPLY_STRING &&
		strncmp(reply->element[1]->str, "allkeys-", 8) == 0)
		self->host->log(self->host->ctx, FL_LEVEL_WARN,
			"%s has maxmemory-policy %s, which may evict %s: changes would then be "
			"missed; use noeviction or volatile-...",
			self->address, reply->element[1]->str, self->position_key);
	redis_free(reply);
	return FL_DONE;
}

static enum fl_outcome log_in(struct redis_sink *self, struct fl_err *err)
{
	const struct fl_settings *settings = self->settings;
	const char *user = settings->text(settings->ctx, "user");
	const char *password = settings->text(settings->ctx, "password");
	const char *from_file = settings->text(settings->ctx, "password_file");
	int64_t database = settings->integer(settings->ctx, "database");

	if (password != NULL && from_file != NULL) {
		fl_err_set(err, FL_EINVAL, "password and password_file are both set");
		return FL_FAILED;
	}
	if (password == NULL)
		password = from_file;
	if (user != NULL && password == NULL) {
		fl_err_set(err, FL_EINVAL, "user needs a password or password_file");
		return FL_FAILED;
	}
	if (password != NULL) {
		fl_buf_clear(&self->out);
		resp_command(&self->out, user != NULL ? 3 : 2);
		resp_word(&self->out, "AUTH", 4);
		if (user != NULL)
			resp_word(&self->out, user, strlen(user));
		resp_word(&self->out, password, strlen(password));
		enum fl_outcome outcome = redis_flush(self, err);
		if (self->out.data != NULL)
			explicit_bzero(self->out.data, self->out.capacity);
		if (outcome == FL_DONE)
			outcome = expect_ok(self, "AUTH", err);
		if (outcome != FL_DONE)
			return outcome;
	}
	int r = redisAppendCommand(self->link, "SELECT %lld", (long long)database);
	if (r == REDIS_OK)
		r = redisAppendCommand(self->link, "CONFIG GET maxmemory-policy");
	if (r != REDIS_OK)
		return lost(self, err);
	enum fl_outcome outcome = expect_ok(self, "SELECT", err);
	return outcome == FL_DONE ? check_eviction(self, err) : outcome;
}

enum fl_outcome redis_connect(struct redis_sink *self, struct fl_err *err)
{
	const struct fl_settings *settings = self->settings;
	struct timeval limit = milliseconds(settings->integer(settings->ctx, "connect_timeout_ms"));
	struct address address;
	struct fl_bytes text = { self->address, strlen(self->address) };

	if (address_parse(text, DEFAULT_PORT, false, &address, err) != 0)
		return FL_FAILED;
	if (address.is_unix && settings->integer(settings->ctx, "tls") != 0) {
		fl_err_set(err, FL_EINVAL, "tls goes with a host, not with the socket %s",
			self->address);
		return FL_FAILED;
	}
	self->link = address.is_unix ? redisConnectUnixWithTimeout(address.host, limit)
				     : redisConnectWithTimeout(address.host, address.port, limit);
	if (self->link == NULL)
		return redis_no_memory(err);
	if (self->link->err != 0)
		return lost(self, err);
	redis_share_replies(self);
	/* Closing drops what the kernel has not sent. Else a batch that was given up for a dead
	 * network could still arrive once that is back, after what the next connection wrote. */
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };
	if (setsockopt(self->link->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) != 0 ||
		redisSetTimeout(self->link, limit) != REDIS_OK)
		return lost(self, err);
	enum fl_outcome outcome = FL_DONE;
	if (settings->integer(settings->ctx, "tls") != 0)
		outcome = redis_start_tls(self, address.host, err);
	if (outcome == FL_DONE)
		outcome = log_in(self, err);
	if (outcome != FL_DONE)
		return outcome;
	limit = milliseconds(settings->integer(settings->ctx, "timeout_ms"));
	return redisSetTimeout(self->link, limit) == REDIS_OK ? FL_DONE : lost(self, err);
}
