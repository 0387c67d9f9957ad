/* SPDX-License-Identifier: Apache-2.0 */
#include "redis.h"

/* Sends one command and reads its answer; errors are judged by the caller. */
static redisReply *ask(struct redis_sink *self, struct fl_err *err)
{
	return redis_flush(self, err) == FL_DONE ? redis_reply(self, err) : NULL;
}

/* Deletes the keys of one step of SCAN. UNLINK leaves the work of freeing to another thread of the
 * server; before Redis 4 there is only DEL. */
static enum fl_outcome delete_keys(
	struct redis_sink *self, const redisReply *keys, struct fl_err *err)
{
	size_t own = strlen(self->position_key), count = 0;
	for (size_t i = 0; i < keys->elements; i++)
		if (keys->element[i]->type != REDIS_REPLY_STRING)
			return redis_confused(self, "SCAN", err);
	fl_buf_clear(&self->out);
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < keys->elements; i++) {
			const redisReply *key = keys->element[i];
			if (key->len == own && memcmp(key->str, self->position_key, own) == 0)
				continue;
			if (pass == 0)
				count++;
			else
				resp_word(&self->out, key->str, key->len);
		}
		if (count == 0)
			return FL_DONE;
		if (pass == 0) {
			resp_command(&self->out, count + 1);
			if (self->can_unlink)
				resp_word(&self->out, "UNLINK", 6);
			else
				resp_word(&self->out, "DEL", 3);
		}
	}
	redisReply *reply = ask(self, err);
	if (reply == NULL)
		return FL_RETRY;
	enum fl_outcome outcome = FL_DONE;
	if (reply->type == REDIS_REPLY_ERROR && self->can_unlink &&
		strncmp(reply->str, "ERR unknown command", 19) == 0) {
		self->can_unlink = false;
		outcome = delete_keys(self, keys, err);
	} else if (reply->type == REDIS_REPLY_ERROR) {
		outcome = redis_refused(self, reply->str, err);
	} else if (reply->type != REDIS_REPLY_INTEGER) {
		outcome = redis_confused(self, "UNLINK", err);
	}
	freeReplyObject(reply);
	return outcome;
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
		freeReplyObject(reply);
	} while (outcome == FL_DONE && strcmp(cursor, "0") != 0);
	return outcome;
}
