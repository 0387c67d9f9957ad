/* SPDX-License-Identifier: Apache-2.0
 *
 * A batch is answered by thousands of replies, nearly all of them alike: those are not made anew
 * each time. hiredis lets us in where it makes and frees its objects; whoever reads replies does
 * not see the difference, but must free them by redis_free().
 *
 * hiredis takes any length that a server says, and any number of bytes: what one answer may take
 * is counted here.
 */
#include "redis.h"

static char ok[] = "OK", queued[] = "QUEUED";

/* Never written. */
static redisReply constants[] = {
	{ .type = REDIS_REPLY_STATUS, .str = ok, .len = sizeof(ok) - 1 },
	{ .type = REDIS_REPLY_STATUS, .str = queued, .len = sizeof(queued) - 1 },
	{ .type = REDIS_REPLY_INTEGER, .integer = 0 },
	{ .type = REDIS_REPLY_INTEGER, .integer = 1 },
};
enum { OK, QUEUED, NUMBERS, CONSTANTS = sizeof(constants) / sizeof(*constants) };

static void *constant(const redisReadTask *task, size_t which)
{
	if (task->parent != NULL) {
		redisReply *array = task->parent->obj;
		array->element[task->idx] = &constants[which];
	}
	return &constants[which];
}

/* NULL, which hiredis takes for memory that has run out, where the answer takes too much. */
static bool take_room(struct redis_sink *self, size_t size)
{
	if (size > self->reply_room) {
		self->reply_is_large = true;
		return false;
	}
	self->reply_room -= size;
	return true;
}

#if HIREDIS_MAJOR < 1
static void *create_array(const redisReadTask *task, int elements)
{
	size_t const count = elements > 0 ? (size_t)elements : 0;
#else
static void *create_array(const redisReadTask *task, size_t elements)
{
	size_t const count = elements;
#endif
	struct redis_sink *self = task->privdata;
	bool const is_beyond = count > REPLY_MAX / sizeof(redisReply *);
	if (!take_room(
		    self, is_beyond ? SIZE_MAX : sizeof(redisReply) + count * sizeof(redisReply *)))
		return NULL;
	return self->reply_defaults.createArray(task, elements);
}

static void *create_string(const redisReadTask *task, char *text, size_t size)
{
	struct redis_sink *self = task->privdata;
	for (size_t i = OK; i <= QUEUED && task->type == REDIS_REPLY_STATUS; i++)
		if (size == constants[i].len && memcmp(text, constants[i].str, size) == 0)
			return constant(task, i);
	if (!take_room(self, sizeof(redisReply) + size))
		return NULL;
	return self->reply_defaults.createString(task, text, size);
}

static void *create_integer(const redisReadTask *task, long long value)
{
	struct redis_sink *self = task->privdata;
	if (value == 0 || value == 1)
		return constant(task, NUMBERS + (size_t)value);
	if (!take_room(self, sizeof(redisReply)))
		return NULL;
	return self->reply_defaults.createInteger(task, value);
}

/* freeReplyObject() passes over elements that are not there. */
static void free_object(void *object)
{
	redisReply *reply = object;
	for (size_t i = 0; i < CONSTANTS; i++)
		if (reply == &constants[i])
			return;
	/* Not arrays alone: later versions have more that has elements. */
	if (reply != NULL && reply->element != NULL)
		for (size_t i = 0; i < reply->elements; i++) {
			free_object(reply->element[i]);
			reply->element[i] = NULL;
		}
	freeReplyObject(reply);
}

void redis_free(redisReply *reply)
{
	free_object(reply);
}

void redis_share_replies(struct redis_sink *self)
{
	redisReader *reader = self->link->reader;
	self->reply_defaults = self->reply_functions = *reader->fn;
	self->reply_functions.createString = create_string;
	self->reply_functions.createInteger = create_integer;
	self->reply_functions.createArray = create_array;
	self->reply_functions.freeObject = free_object;
	reader->fn = &self->reply_functions;
	reader->privdata = self;
}
