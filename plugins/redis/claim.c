/* SPDX-License-Identifier: Apache-2.0
 *
 * The position key holds "owner=NUMBER/BATCH POSITION". Who opens the sink claims it under a number
 * above the last one's, and keeps that for as long as the process lives. Two daemons of one name
 * thus notice each other: the older one finds a number above its own, and stops.
 *
 * That has to hold to the last batch, and in the middle of those under way. MULTI can't be made to
 * depend on a value, but EXEC does nothing if a key that is watched has been touched, be it by the
 * client itself: so the guard is WATCH, and a script that touches the key if it does not hold what
 * it should. What comes between the script and EXEC touches it as well. Where there is time to read
 * what the key holds before anything else is sent, WATCH and GET do without a script.
 */
#include "redis.h"

#include <inttypes.h>
#include <time.h>

/* The owner's number, and the position. ARGV: ours, or 0 for the first time; and what it is to be
 * at least. The numbers are microseconds since 1970, exact in Lua until 2255. */
static const char claim[] =
	"local held = redis.call('GET', KEYS[1]) or '' "
	"local owner, at = string.match(held, '^owner=(%d+)/%d+ (.*)$') "
	"if not owner then owner, at = '0', held end "
	"local ours = tonumber(ARGV[1]) "
	"if ours == 0 then ours = math.max(tonumber(ARGV[2]), tonumber(owner) + 1) "
	"elseif tonumber(owner) > ours then return {owner, at} end "
	"ours = string.format('%.0f', ours) "
	"redis.call('SET', KEYS[1], 'owner=' .. ours .. '/0 ' .. at) "
	"return {ours, at}";

/* PEXPIRE, unlike SET, is not refused when memory is full. */
static const char guard[] = "local held = redis.call('GET', KEYS[1]) "
			    "if held == ARGV[1] then return 1 end "
			    "if held then redis.call('PEXPIRE', KEYS[1], 3600000) "
			    "redis.call('PERSIST', KEYS[1]) "
			    "else redis.call('SET', KEYS[1], '') redis.call('DEL', KEYS[1]) end "
			    "return 0";

static void append_script(const struct redis_sink *self, const char *script, size_t size,
	size_t arguments, struct fl_buf *out)
{
	resp_command(out, 4 + arguments);
	resp_word(out, "EVAL", 4);
	resp_word(out, script, size);
	resp_word(out, "1", 1);
	resp_word(out, self->position_key, strlen(self->position_key));
}

void redis_guard(const struct redis_sink *self, struct fl_bytes mark, struct fl_buf *out)
{
	resp_command(out, 2);
	resp_word(out, "WATCH", 5);
	resp_word(out, self->position_key, strlen(self->position_key));
	append_script(self, guard, sizeof(guard) - 1, 1, out);
	resp_word(out, mark.data, mark.size);
}

enum fl_outcome redis_expect_guard(struct redis_sink *self, struct fl_err *err)
{
	static const int types[GUARD_REPLIES] = { REDIS_REPLY_STATUS, REDIS_REPLY_INTEGER };
	for (size_t i = 0; i < GUARD_REPLIES; i++) {
		enum fl_outcome outcome = FL_DONE;
		redisReply *reply = redis_reply(self, err);
		if (reply == NULL)
			return FL_RETRY;
		if (reply->type == REDIS_REPLY_ERROR)
			outcome = redis_refused(self, reply->str, err);
		else if (reply->type != types[i])
			outcome = redis_confused(self, i == 0 ? "WATCH" : "EVAL", err);
		redis_free(reply);
		if (outcome != FL_DONE)
			return outcome;
	}
	return FL_DONE;
}

enum fl_outcome redis_overtaken(struct redis_sink *self, struct fl_err *err)
{
	fl_err_set(err, FL_ELOST,
		"%s: %s is gone, or somebody else has written it: the batch was not applied",
		self->address, self->position_key);
	return FL_RETRY;
}

void redis_watch(const struct redis_sink *self, struct fl_buf *out)
{
	size_t const size = strlen(self->position_key);
	resp_command(out, 2);
	resp_word(out, "WATCH", 5);
	resp_word(out, self->position_key, size);
	resp_command(out, 2);
	resp_word(out, "GET", 3);
	resp_word(out, self->position_key, size);
}

/* If it holds something else, the next batch's guard will tell. */
enum fl_outcome redis_expect_watch(struct redis_sink *self, struct fl_err *err)
{
	const struct fl_buf *mark = &self->settled_mark;
	for (size_t i = 0; i < GUARD_REPLIES; i++) {
		enum fl_outcome outcome = FL_DONE;
		redisReply *reply = redis_reply(self, err);
		if (reply == NULL)
			return FL_RETRY;
		if (reply->type == REDIS_REPLY_ERROR)
			outcome = redis_refused(self, reply->str, err);
		else if (i == 0 && reply->type == REDIS_REPLY_STATUS)
			self->watched = self->pending == 0;
		else if (i == 1 && reply->type == REDIS_REPLY_STRING)
			self->watched &= reply->len == mark->size &&
					 memcmp(reply->str, mark->data, mark->size) == 0;
		else if (i == 1 && reply->type == REDIS_REPLY_NIL)
			self->watched = false;
		else
			outcome = redis_confused(self, i == 0 ? "WATCH" : "GET", err);
		redis_free(reply);
		if (outcome != FL_DONE)
			return outcome;
	}
	return FL_DONE;
}

void redis_mark(
	const struct redis_sink *self, uint64_t batch, struct fl_bytes position, struct fl_buf *out)
{
	char owner[64];
	int size = snprintf(
		owner, sizeof(owner), "owner=%" PRIu64 "/%" PRIu64 " ", self->owner, batch);
	fl_buf_append(out, owner, (size_t)size);
	fl_buf_append(out, position.data, position.size);
}

static uint64_t microseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static enum fl_outcome take(
	struct redis_sink *self, const redisReply *reply, struct fl_buf *ret, struct fl_err *err)
{
	uint64_t *ours = self->host->memory;
	unsigned long long owner = 0;
	if (reply->type == REDIS_REPLY_ERROR)
		return redis_refused(self, reply->str, err);
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
		reply->element[0]->type != REDIS_REPLY_STRING ||
		reply->element[1]->type != REDIS_REPLY_STRING ||
		sscanf(reply->element[0]->str, "%llu", &owner) != 1)
		return redis_confused(self, "EVAL", err);
	if (*ours != 0 && owner > *ours) {
		fl_err_set(err, FL_EFATAL,
			"another fastlane has taken over %s at %s: give each sink a position_key "
			"of "
			"its own, or stop one of the two",
			self->position_key, self->address);
		return FL_FAILED;
	}
	*ours = self->owner = owner;
	struct fl_bytes const position = { reply->element[1]->str, reply->element[1]->len };
	redis_mark(self, 0, position, &self->sent_mark);
	redis_mark(self, 0, position, &self->settled_mark);
	fl_buf_append(ret, position.data, position.size);
	return self->sent_mark.failed || self->settled_mark.failed || ret->failed
		       ? redis_no_memory(err)
		       : FL_DONE;
}

enum fl_outcome redis_claim(struct redis_sink *self, struct fl_buf *ret, struct fl_err *err)
{
	char ours[24], least[24];
	snprintf(ours, sizeof(ours), "%" PRIu64, *self->host->memory);
	snprintf(least, sizeof(least), "%" PRIu64, microseconds());
	fl_buf_clear(&self->out);
	append_script(self, claim, sizeof(claim) - 1, 2, &self->out);
	resp_word(&self->out, ours, strlen(ours));
	resp_word(&self->out, least, strlen(least));
	enum fl_outcome outcome = redis_flush(self, err);
	if (outcome != FL_DONE)
		return outcome;
	redisReply *reply = redis_reply(self, err);
	if (reply == NULL)
		return FL_RETRY;
	outcome = take(self, reply, ret, err);
	redis_free(reply);
	return outcome;
}
