/* SPDX-License-Identifier: Apache-2.0
 *
 * A batch is a guard (claim.c), MULTI, commands for its operations, a SET of the position key, and
 * EXEC: sent without a pause, and answered by two replies to the guard, OK, a QUEUED for each
 * command, and an array of as many results.
 *
 * Sets that follow each other are one MSET, which costs the server a third less than as many SETs,
 * and deletes one DEL. Nothing changes its place for that; of a key that comes twice in an MSET
 * the last value stays, as it would anyway.
 *
 * While a batch is unanswered the next ones are sent already. If the server refuses one (out of
 * memory, say) and could take the next, the guard keeps it from doing so: the position key does not
 * hold what the batch before was to leave there. Neither does it if another daemon has taken the
 * key over, or if it has been lost. A batch that is alone is followed by a watch, in the place of
 * the next one's guard: it takes the server less, and the time is not that of a change on its way.
 */
#include "redis.h"

/* proto-max-bulk-len, as every server has it unless told otherwise. */
enum { VALUE_MAX = 512 * 1024 * 1024 };

/* Of one MSET or DEL: more would make the server no faster, but buffers larger. */
enum { RUN_MAX = 64, RUN_BYTES = 32 * 1024 };

/* What was sent, and what answers it. */
enum kind {
	SET = 'S',	   /* OK: a SET, or an MSET */
	REPLACE = 'R',	   /* OK or nil */
	DELETE = 'D',	   /* a number, as the others */
	HASH = 'H',	   /* all of a hash's fields, behind the DELETE of the key */
	EXPIRE = 'E',	   /* ... and when it expires */
	REPLACE_HASH = 'V' /* all of that, in a script, if the key is there */
};

static void append_ttl(struct fl_buf *out, uint32_t ttl)
{
	char digits[12];
	int size = snprintf(digits, sizeof(digits), "%u", ttl);
	resp_word(out, digits, (size_t)size);
}

static void append_set(struct fl_buf *out, const struct fl_operation *operation)
{
	bool const replaces = (operation->flags & FL_IF_EXISTS) != 0;
	resp_command(out, 3 + (operation->ttl != 0 ? 2u : 0u) + (replaces ? 1u : 0u));
	resp_word(out, "SET", 3);
	resp_word(out, operation->key.data, operation->key.size);
	resp_word(out, operation->value.data, operation->value.size);
	if (operation->ttl != 0) {
		resp_word(out, "EX", 2);
		append_ttl(out, operation->ttl);
	}
	if (replaces)
		resp_word(out, "XX", 2);
}

static void append_delete(struct fl_buf *out, const struct fl_operation *operation)
{
	resp_command(out, 2);
	resp_word(out, "DEL", 3);
	resp_word(out, operation->key.data, operation->key.size);
}

/* Plain sets, or deletes. */
static void append_run(
	struct fl_buf *out, enum kind kind, const struct fl_operation *operations, size_t count)
{
	if (kind == SET) {
		resp_command(out, 1 + 2 * count);
		resp_word(out, count > 1 ? "MSET" : "SET", count > 1 ? 4 : 3);
	} else {
		resp_command(out, 1 + count);
		resp_word(out, "DEL", 3);
	}
	for (size_t i = 0; i < count; i++) {
		resp_word(out, operations[i].key.data, operations[i].key.size);
		if (kind == SET)
			resp_word(out, operations[i].value.data, operations[i].value.size);
	}
}

static size_t append_fields(struct fl_buf *out, struct fl_bytes value)
{
	struct fl_bytes name, text;
	size_t count = 0;
	while (fl_field_next(&value, &name, &text)) {
		count++;
		if (out == NULL)
			continue;
		resp_word(out, name.data, name.size);
		resp_word(out, text.data, text.size);
	}
	return count;
}

/* Fields that the row has no longer are to go, so the key goes first. */
static void append_hash(
	struct fl_buf *out, struct fl_buf *kinds, const struct fl_operation *operation)
{
	size_t const fields = append_fields(NULL, operation->value);
	append_delete(out, operation);
	fl_buf_char(kinds, DELETE);
	if (fields == 0)
		return;
	resp_command(out, 2 + 2 * fields);
	resp_word(out, "HSET", 4);
	resp_word(out, operation->key.data, operation->key.size);
	append_fields(out, operation->value);
	fl_buf_char(kinds, HASH);
	if (operation->ttl == 0)
		return;
	resp_command(out, 3);
	resp_word(out, "EXPIRE", 6);
	resp_word(out, operation->key.data, operation->key.size);
	append_ttl(out, operation->ttl);
	fl_buf_char(kinds, EXPIRE);
}

static void append_replace_hash(struct fl_buf *out, const struct fl_operation *operation)
{
	static const char script[] =
		"if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end "
		"redis.call('DEL', KEYS[1]) "
		"for i = 2, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end "
		"if ARGV[1] ~= '0' then redis.call('EXPIRE', KEYS[1], ARGV[1]) end "
		"return 1";
	resp_command(out, 5 + 2 * append_fields(NULL, operation->value));
	resp_word(out, "EVAL", 4);
	resp_word(out, script, sizeof(script) - 1);
	resp_word(out, "1", 1);
	resp_word(out, operation->key.data, operation->key.size);
	append_ttl(out, operation->ttl);
	append_fields(out, operation->value);
}

static bool is_position_key(struct redis_sink *self, size_t size, struct fl_bytes key)
{
	if (key.size != size || memcmp(key.data, self->position_key, size) != 0)
		return false;
	if (!self->warned_of_key)
		self->host->log(self->host->ctx, FL_LEVEL_WARN,
			"a row maps to the key %s, where the position is kept: it is left out; "
			"set another position_key",
			self->position_key);
	self->warned_of_key = true;
	return true;
}

/* The kind under which an operation is sent. */
static enum kind kind_of(
	struct redis_sink *self, const struct fl_operation *operation, uint32_t forget)
{
	bool const replaces = (operation->flags & FL_IF_EXISTS) != 0;
	if (operation->kind == FL_KEY_DELETE || operation->transaction == forget)
		return DELETE;
	if (operation->value.size <= VALUE_MAX)
		return operation->kind == FL_KEY_HASH ? (replaces ? REPLACE_HASH : HASH)
						      : (replaces ? REPLACE : SET);
	if (!self->warned_of_size)
		self->host->log(self->host->ctx, FL_LEVEL_WARN,
			"a value of %zu bytes is beyond what the server takes: such keys are "
			"deleted (first: %.*s)",
			operation->value.size,
			(int)(operation->key.size < 200 ? operation->key.size : 200),
			operation->key.data);
	self->warned_of_size = true;
	return DELETE;
}

static void append(struct fl_buf *out, struct fl_buf *kinds, enum kind kind,
	const struct fl_operation *operation)
{
	if (kind == HASH) {
		append_hash(out, kinds, operation);
		return;
	}
	fl_buf_char(kinds, (char)kind);
	if (kind == REPLACE_HASH)
		append_replace_hash(out, operation);
	else
		append_set(out, operation);
}

/* What is collected to be one command. */
struct run {
	enum kind kind;
	const struct fl_operation *first;
	size_t count, bytes;
};

static void end_run(struct redis_sink *self, struct sent *sent, struct run *run)
{
	if (run->count == 0)
		return;
	append_run(&self->out, run->kind, run->first, run->count);
	fl_buf_char(&sent->kinds, (char)run->kind);
	*run = (struct run){ 0 };
}

static enum fl_outcome append_operations(struct redis_sink *self, struct sent *sent,
	const struct fl_operation *operations, size_t count, uint32_t forget, struct fl_err *err)
{
	size_t const position_key_size = strlen(self->position_key);
	struct run run = { 0 };
	enum fl_outcome outcome = FL_DONE;
	for (size_t i = 0; i < count && outcome == FL_DONE; i++) {
		const struct fl_operation *operation = &operations[i];
		bool const is_ours = is_position_key(self, position_key_size, operation->key);
		enum kind const kind = kind_of(self, operation, forget);
		bool const may_run =
			!is_ours && (kind == DELETE || (kind == SET && operation->ttl == 0));
		size_t const bytes =
			operation->key.size + (kind == SET ? operation->value.size : 0);
		if (!may_run || kind != run.kind || run.count == RUN_MAX ||
			run.bytes + bytes > RUN_BYTES)
			end_run(self, sent, &run);
		if (may_run && run.count == 0)
			run = (struct run){ .kind = kind, .first = operation };
		if (may_run) {
			run.count++;
			run.bytes += bytes;
		} else if (!is_ours) {
			append(&self->out, &sent->kinds, kind, operation);
		}
		outcome = redis_flush_full(self, err);
	}
	end_run(self, sent, &run);
	return outcome;
}

enum fl_outcome redis_send(struct redis_sink *self, const struct fl_batch *batch, size_t begin,
	size_t end, uint32_t forget, bool moves, struct fl_err *err)
{
	struct sent *sent = &self->sent[(self->first + self->pending) % PIPELINE_MAX];
	sent->id = batch->id;
	sent->moves = moves;
	sent->guarded = !self->watched;
	sent->watches = moves && self->pending == 0;
	self->watched = false;
	fl_buf_clear(&sent->kinds);
	fl_buf_clear(&sent->mark);

	struct fl_buf *out = &self->out;
	fl_buf_clear(out);
	if (sent->guarded)
		redis_guard(
			self, (struct fl_bytes){ self->sent_mark.data, self->sent_mark.size }, out);
	fl_buf_text(out, "*1\r\n$5\r\nMULTI\r\n");
	enum fl_outcome outcome =
		append_operations(self, sent, batch->operations + begin, end - begin, forget, err);
	if (outcome != FL_DONE)
		return outcome;
	if (moves) {
		redis_mark(self, batch->id, batch->position, &sent->mark);
		resp_command(out, 3);
		resp_word(out, "SET", 3);
		resp_word(out, self->position_key, strlen(self->position_key));
		resp_word(out, sent->mark.data, sent->mark.size);
		fl_buf_char(&sent->kinds, SET);
	}
	fl_buf_text(out, "*1\r\n$4\r\nEXEC\r\n");
	if (sent->watches)
		redis_watch(self, out);
	if (sent->kinds.failed || sent->mark.failed)
		return redis_no_memory(err);
	outcome = redis_flush(self, err);
	if (outcome != FL_DONE)
		return outcome;
	if (self->pending++ == 0)
		redis_expect_answer(self);
	if (moves) {
		fl_buf_clear(&self->sent_mark);
		fl_buf_append(&self->sent_mark, sent->mark.data, sent->mark.size);
		if (self->sent_mark.failed)
			return redis_no_memory(err);
	}
	return FL_DONE;
}

/* How many come for all that is under way, behind that to the oldest batch's EXEC. */
static size_t replies_due(const struct redis_sink *self)
{
	size_t due = 0;
	for (size_t i = 0; i < self->pending; i++) {
		const struct sent *sent = &self->sent[(self->first + i) % PIPELINE_MAX];
		if (i > 0 && sent->guarded)
			due += GUARD_REPLIES;
		if (i > 0)
			due += 1 + sent->kinds.size + 1;
		if (sent->watches)
			due += GUARD_REPLIES;
	}
	return due;
}

/* An error in the middle of EXEC (an ACL that changed under it) undoes nothing, not even the move
 * of the position: put that back to where everything is in place. */
static void put_position_back(struct redis_sink *self)
{
	const char *outcome =
		"it could not be put back: set it by hand, or what was refused is lost";
	redisReply *reply = NULL;
	struct fl_err ignored;

	for (size_t due = replies_due(self); due > 0; due--) {
		reply = redis_reply(self, &ignored);
		if (reply == NULL)
			goto out;
		redis_free(reply);
	}
	reply = redisCommand(self->link, "SET %s %b", self->position_key, self->settled_mark.data,
		self->settled_mark.size);
	if (reply != NULL && reply->type != REDIS_REPLY_ERROR)
		outcome = "it was put back";
	redis_free(reply);
out:
	self->host->log(self->host->ctx, FL_LEVEL_ERROR,
		"the server refused a part of a batch after it had moved %s: %s",
		self->position_key, outcome);
}

/* OK to MULTI and QUEUED to all that follows. */
static enum fl_outcome expect_queued(struct redis_sink *self, size_t commands, struct fl_err *err)
{
	for (size_t i = 0; i <= commands; i++) {
		enum fl_outcome outcome = FL_DONE;
		redisReply *reply = redis_reply(self, err);
		if (reply == NULL)
			return FL_RETRY;
		if (reply->type == REDIS_REPLY_ERROR)
			outcome = redis_refused(self, reply->str, err);
		else if (reply->type != REDIS_REPLY_STATUS ||
			 strcmp(reply->str, i == 0 ? "OK" : "QUEUED") != 0)
			outcome = redis_confused(self, i == 0 ? "MULTI" : "a command", err);
		redis_free(reply);
		if (outcome != FL_DONE)
			return outcome;
	}
	return FL_DONE;
}

static enum fl_outcome check_result(
	struct redis_sink *self, const redisReply *result, char kind, struct fl_err *err)
{
	if (result->type == REDIS_REPLY_ERROR)
		return redis_refused(self, result->str, err);
	bool const is_set = kind == SET || kind == REPLACE;
	if (kind == REPLACE && result->type == REDIS_REPLY_NIL)
		return FL_DONE;
	if (is_set ? result->type != REDIS_REPLY_STATUS || strcmp(result->str, "OK") != 0
		   : result->type != REDIS_REPLY_INTEGER)
		return redis_confused(self, is_set ? "SET or MSET" : "DEL, HSET or EXPIRE", err);
	return FL_DONE;
}

static enum fl_outcome check_results(struct redis_sink *self, const struct sent *sent,
	const redisReply *reply, struct fl_err *err)
{
	size_t count = sent->kinds.size;
	if (reply->type == REDIS_REPLY_ERROR)
		return redis_refused(self, reply->str, err);
	if (reply->type == REDIS_REPLY_NIL)
		return redis_overtaken(self, err);
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != count)
		return redis_confused(self, "EXEC", err);
	enum fl_outcome outcome = FL_DONE;
	for (size_t i = 0; i < count && outcome == FL_DONE; i++)
		outcome = check_result(self, reply->element[i], sent->kinds.data[i], err);
	if (outcome != FL_DONE && sent->moves &&
		reply->element[count - 1]->type == REDIS_REPLY_STATUS)
		put_position_back(self);
	return outcome;
}

static enum fl_outcome settle(struct redis_sink *self, struct fl_err *err)
{
	struct sent *sent = &self->sent[self->first];
	enum fl_outcome outcome = sent->guarded ? redis_expect_guard(self, err) : FL_DONE;
	if (outcome == FL_DONE)
		outcome = expect_queued(self, sent->kinds.size, err);
	if (outcome != FL_DONE)
		return outcome;
	redisReply *reply = redis_reply(self, err);
	if (reply == NULL)
		return FL_RETRY;
	outcome = check_results(self, sent, reply, err);
	redis_free(reply);
	if (outcome != FL_DONE)
		return outcome;

	self->first = (self->first + 1) % PIPELINE_MAX;
	self->pending--;
	if (sent->moves) {
		struct fl_buf old = self->settled_mark;
		self->settled_mark = sent->mark;
		sent->mark = old;
		self->host->settled(self->host->ctx, sent->id);
	}
	outcome = sent->watches ? redis_expect_watch(self, err) : FL_DONE;
	if (self->pending > 0)
		redis_expect_answer(self);
	return outcome;
}

enum fl_outcome redis_settle_one(struct redis_sink *self, int news, struct fl_err *err)
{
	enum fl_outcome const outcome = redis_await(self, news, err);
	return outcome == FL_DONE ? settle(self, err) : outcome;
}

enum fl_outcome redis_settle_all(struct redis_sink *self, struct fl_err *err)
{
	enum fl_outcome outcome = FL_DONE;
	while (self->pending > 0 && outcome == FL_DONE)
		outcome = redis_settle_one(self, -1, err);
	return outcome;
}
