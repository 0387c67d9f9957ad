/* SPDX-License-Identifier: Apache-2.0 */
#include "redis.h"

/* Sends one command and reads its answer; errors are judged by the caller. */
static redisReply *ask(struct redis_sink *self, struct fl_err *err)
{
	return redis_flush(self, err) == FL_DONE ? redis_reply(self, err) : NULL;
}

/* OK to MULTI, QUEUED to what deletes, and how many those were. */
static enum fl_outcome expect_deleted(
	struct redis_sink *self, bool *ret_unknown, struct fl_err *err)
{
	enum fl_outcome outcome = redis_expect_guard(self, err);
	*ret_unknown = false;
	for (int i = 0; i < 3 && outcome == FL_DONE; i++) {
		redisReply *reply = redis_reply(self, err);
		if (reply == NULL)
			return FL_RETRY;
		if (reply->type == REDIS_REPLY_ERROR && self->can_unlink &&
			(*ret_unknown || strncmp(reply->str, "ERR unknown command", 19) == 0))
			*ret_unknown = true; /* and EXEC says so too */
		else if (reply->type == REDIS_REPLY_ERROR)
			outcome = redis_refused(self, reply->str, err);
		else if (i == 2 && reply->type == REDIS_REPLY_NIL)
			outcome = redis_overtaken(self, err);
		else if (i < 2 ? reply->type != REDIS_REPLY_STATUS
			       : reply->type != REDIS_REPLY_ARRAY || reply->elements != 1)
			outcome = redis_confused(self, "UNLINK", err);
		else if (i == 2 && reply->element[0]->type == REDIS_REPLY_ERROR)
			outcome = redis_refused(self, reply->element[0]->str, err);
		redis_free(reply);
	}
	return outcome;
}

/* Deletes the keys of one step of SCAN, if the position key is still as we have left it. UNLINK
 * leaves the work of freeing to another thread of the server; before Redis 4 there is only DEL. */
static enum fl_outcome delete_keys(
	struct redis_sink *self, const redisReply *keys, struct fl_err *err)
{
	size_t own = strlen(self->position_key), count = 0;
	struct fl_buf *out = &self->out;
	for (size_t i = 0; i < keys->elements; i++) {
		const redisReply *key = keys->element[i];
		if (key->type != REDIS_REPLY_STRING)
			return redis_confused(self, "SCAN", err);
		count += key->len != own || memcmp(key->str, self->position_key, own) != 0;
	}
	if (count == 0)
		return FL_DONE;
	fl_buf_clear(out);
	redis_guard(self, (struct fl_bytes){ self->sent_mark.data, self->sent_mark.size }, out);
	self->watched = false; /* it goes with EXEC */
	fl_buf_text(out, "*1\r\n$5\r\nMULTI\r\n");
	resp_command(out, count + 1);
	resp_word(out, self->can_unlink ? "UNLINK" : "DEL", self->can_unlink ? 6 : 3);
	for (size_t i = 0; i < keys->elements; i++) {
		const redisReply *key = keys->element[i];
		if (key->len != own || memcmp(key->str, self->position_key, own) != 0)
			resp_word(out, key->str, key->len);
	}
	fl_buf_text(out, "*1\r\n$4\r\nEXEC\r\n");
	bool is_unknown;
	enum fl_outcome outcome = redis_flush(self, err);
	if (outcome == FL_DONE)
		outcome = expect_deleted(self, &is_unknown, err);
	if (outcome != FL_DONE || !is_unknown)
		return outcome;
	self->can_unlink = false;
	return delete_keys(self, keys, err);
}

enum fl_outcome redis_clear(struct redis_sink *self, struct fl_bytes pattern, struct fl_err *err)
{
	char cursor[24] = "0"; /* an unsigned 64-bit number, for the server to know */
	enum fl_outcome outcome = FL_DONE;
	do {
		fl_buf_clear(&self->out);
		resp_command(&self->out, 6);
		resp_word(&self->out, "SCAN", 4);
		resp_word(&self->out, cursor, strlen(cursor));
		resp_word(&self->out, "MATCH", 5);
		resp_word(&self->out, pattern.data, pattern.size);
		resp_word(&self->out, "COUNT", 5);
		resp_word(&self->out, "1000", 4);
		redisReply *reply = ask(self, err);
		if (reply == NULL)
			return FL_RETRY;
		if (reply->type == REDIS_REPLY_ERROR)
			outcome = redis_refused(self, reply->str, err);
		else if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
			 reply->element[0]->type != REDIS_REPLY_STRING ||
			 reply->element[0]->len >= sizeof(cursor) ||
			 reply->element[1]->type != REDIS_REPLY_ARRAY)
			outcome = redis_confused(self, "SCAN", err);
		else {
			memcpy(cursor, reply->element[0]->str, reply->element[0]->len + 1);
			outcome = delete_keys(self, reply->element[1], err);
		}
		redis_free(reply);
	} while (outcome == FL_DONE && strcmp(cursor, "0") != 0);
	return outcome;
}
