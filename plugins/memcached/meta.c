/* SPDX-License-Identifier: Apache-2.0
 *
 * The meta protocol. Operations are sent with the flag q, which keeps a server from answering to
 * what went well. Errors it answers all the same, though without saying to which. So the log has,
 * in the order of sending, a record of each command that always has an answer, and of how many
 * quiet ones there are before it; a line that comes belongs
 *
 *   - to the oldest record, and then all quiet ones before it are done;
 *   - or, if it is an error and there are quiet ones before that, to one of them; or, if it says
 *     that a key to be replaced was not there; or one to be deleted, which not every version keeps
 *     quiet about.
 *
 * Where a value is refused for want of room, its key must not keep an older value. (memcached
 * deletes it by itself; we don't count on it.) So the keys of all sets are kept until they are
 * done. If it was a quiet one, any of its group may be meant, so the keys of all of them are
 * deleted, and for a while every operation is answered by itself. Large values, which are refused
 * most often, always are.
 *
 * A batch ends with a barrier on each server that it touched: `mg` of the canary with a number of
 * its own, which must come back. If the canary is not there, the server was emptied.
 */
#include "memcached.h"

#include <inttypes.h>

enum {
	LOUD_SIZE = 32 * 1024, /* bytes: values from here on have an answer of their own */
	GROUP = 512,	       /* quiet operations, without an answer between them, at most */
	CAREFUL = 100000,      /* operations, after a refusal */
	ITEM_OVERHEAD = 256,   /* bytes of an item besides key and value, generously */
	COMPACT = 64 * 1024,
	COMMAND_ROOM = KEY_MAX + 80, /* bytes: the longest command, but for a value */
};

enum kind {
	LOUD_SET,
	LOUD_REPLACE, /* a set of what is there already */
	LOUD_DELETE,
	REPAIR, /* deletes a key whose value was refused */
	MARK,	/* has an answer, and nothing else */
	FLUSH,
	CANARY,
	BARRIER, /* the batch, and the number that must come back */
};

struct record {
	struct quiet before;	/* since the record before */
	uint8_t kind, key_size; /* of a set: it is in `keys`, behind those of `before` */
	uint32_t value_size;
	uint64_t batch, opaque; /* of a barrier */
};

/* ---- writing ---- */

static char *write_text(char *to, const char *text, size_t size)
{
	memcpy(to, text, size);
	return to + size;
}

static char *write_number(char *to, uint64_t number)
{
	size_t digits = 1;
	for (uint64_t rest = number; rest >= 10; rest /= 10)
		digits++;
	for (char *at = to + digits; at > to; number /= 10)
		*--at = (char)('0' + number % 10);
	return to + digits;
}

static char *write_set(
	char *to, struct fl_bytes key, const struct fl_operation *operation, bool is_quiet)
{
	struct fl_bytes const value = operation->value;
	to = write_text(to, "ms ", 3);
	to = write_text(to, key.data, key.size);
	*to++ = ' ';
	to = write_number(to, value.size);
	if (operation->ttl > 0) {
		to = write_text(to, " T", 2);
		to = write_number(to, (uint64_t)sink_expiration(operation->ttl));
	}
	if ((operation->flags & FL_IF_EXISTS) != 0)
		to = write_text(to, " MR", 3);
	to = is_quiet ? write_text(to, " q\r\n", 4) : write_text(to, "\r\n", 2);
	if (value.size > 0)
		to = write_text(to, value.data, value.size);
	return write_text(to, "\r\n", 2);
}

static char *write_delete(char *to, struct fl_bytes key, bool is_quiet)
{
	to = write_text(to, "md ", 3);
	to = write_text(to, key.data, key.size);
	return is_quiet ? write_text(to, " q\r\n", 4) : write_text(to, "\r\n", 2);
}

/* What was written up to `end`, behind what fl_buf_reserve() has given. */
static void written(struct link *link, const char *end)
{
	link->out.size = (size_t)(end - link->out.data);
}

/* Takes note of what always has an answer, and so ends the group of quiet ones before it. */
static void note(struct link *link, struct record record)
{
	record.before = link->quiet;
	fl_buf_append(&link->log, &record, sizeof(record));
	link->quiet = (struct quiet){ 0 };
}

static bool is_empty(struct quiet quiet)
{
	return quiet.sets == 0 && quiet.deletes == 0;
}

/* An error that comes from here on belongs to nothing before. */
static void mark(struct link *link)
{
	if (is_empty(link->quiet))
		return;
	fl_buf_append(&link->out, "mn\r\n", 4);
	note(link, (struct record){ .kind = MARK });
}

static void repair(struct link *link, struct fl_bytes key)
{
	mark(link);
	char *to = fl_buf_reserve(&link->out, COMMAND_ROOM);
	if (to == NULL)
		return; /* write_some() will find that */
	written(link, write_delete(to, key, false));
	note(link, (struct record){ .kind = REPAIR });
	link->repairs++;
}

static void note_quiet(
	struct link *link, const struct fl_operation *operation, struct fl_bytes key, bool is_set)
{
	if (!is_set) {
		link->quiet.deletes++;
		return;
	}
	char *to = fl_buf_reserve(&link->keys, 1 + KEY_MAX);
	if (to == NULL)
		return;
	*to = (char)(unsigned char)key.size;
	memcpy(to + 1, key.data, key.size);
	link->keys.size += 1 + key.size;
	link->quiet.bytes += 1 + (uint32_t)key.size;
	link->quiet.sets++;
	if ((operation->flags & FL_IF_EXISTS) != 0)
		link->quiet.replaces++;
}

static void note_loud(
	struct link *link, const struct fl_operation *operation, struct fl_bytes key, bool is_set)
{
	struct record record = { .kind = LOUD_DELETE };
	size_t const size = operation->value.size;
	if (is_set) {
		record.kind = (operation->flags & FL_IF_EXISTS) != 0 ? LOUD_REPLACE : LOUD_SET;
		record.value_size = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
		record.key_size = (uint8_t)key.size;
		fl_buf_append(&link->keys, key.data, key.size);
	}
	note(link, record);
}

enum fl_outcome meta_apply(struct memcached_sink *self, struct link *link,
	const struct fl_operation *operation, struct fl_bytes key, struct fl_err *err)
{
	size_t const size = operation->value.size;
	bool is_set = operation->kind == FL_KEY_SET;
	if (is_set && size > self->item_max) {
		sink_note_too_large(self, key, size);
		is_set = false;
	}
	bool const is_loud =
		link->careful > 0 ||
		(is_set && (size >= LOUD_SIZE || size + ITEM_OVERHEAD + KEY_MAX >= link->item_max));
	if (link->careful > 0)
		link->careful--;
	if (is_loud || link->quiet.sets + link->quiet.deletes >= GROUP)
		mark(link);
	char *to = fl_buf_reserve(&link->out, COMMAND_ROOM + (is_set ? size : 0));
	if (to == NULL)
		return sink_no_memory(err);
	written(link,
		is_set ? write_set(to, key, operation, !is_loud) : write_delete(to, key, !is_loud));
	if (is_loud)
		note_loud(link, operation, key, is_set);
	else
		note_quiet(link, operation, key, is_set);
	link->is_touched = true;
	return link->log.failed || link->keys.failed ? sink_no_memory(err) : FL_DONE;
}

void meta_barrier(struct memcached_sink *self, struct link *link, uint64_t batch)
{
	struct record record = { .kind = BARRIER, .batch = batch, .opaque = ++self->opaque };
	char *to = fl_buf_reserve(&link->out, COMMAND_ROOM);
	if (to == NULL)
		return;
	to = write_text(to, "mg ", 3);
	to = write_text(to, self->canary_key, strlen(self->canary_key));
	to = write_text(to, " O", 2);
	to = write_number(to, record.opaque);
	written(link, write_text(to, "\r\n", 2));
	note(link, record);
	link->asked = batch;
	link->is_touched = false;
}

void meta_write_canary(struct memcached_sink *self, struct link *link)
{
	struct fl_bytes const key = { self->canary_key, strlen(self->canary_key) };
	struct fl_operation const set = { .kind = FL_KEY_SET,
		.value = { link->canary, strlen(link->canary) } };
	mark(link);
	char *to = fl_buf_reserve(&link->out, COMMAND_ROOM + set.value.size);
	if (to == NULL)
		return;
	written(link, write_set(to, key, &set, false));
	note(link, (struct record){ .kind = CANARY });
	link->canary_is_due = true;
}

void meta_flush(struct link *link)
{
	mark(link);
	fl_buf_append(&link->out, "flush_all\r\n", 11);
	note(link, (struct record){ .kind = FLUSH });
}

/* ---- reading ---- */

/* The oldest record; false if there is none. */
static bool look(const struct link *link, struct record *ret)
{
	if (link->log_start == link->log.size)
		return false;
	memcpy(ret, link->log.data + link->log_start, sizeof(*ret));
	return true;
}

/* The quiet ones that are asked about first: before the oldest record, or all. */
static struct quiet first_quiet(const struct link *link)
{
	struct record record = { .before = link->quiet };
	look(link, &record);
	return record.before;
}

static void take_off(struct fl_buf *buf, size_t *start, size_t size)
{
	*start += size;
	if (*start == buf->size) {
		*start = buf->size = 0; /* and if it has failed, it has */
	} else if (*start > COMPACT && *start > buf->size / 2) {
		buf->size -= *start;
		memmove(buf->data, buf->data + *start, buf->size);
		*start = 0;
	}
}

/* The quiet ones before it have been passed. */
static void drop(struct link *link, const struct record *record)
{
	take_off(&link->keys, &link->keys_start, record->key_size);
	take_off(&link->log, &link->log_start, sizeof(*record));
}

static bool starts_with(struct fl_bytes line, const char *word)
{
	size_t size = strlen(word);
	return line.size >= size && memcmp(line.data, word, size) == 0;
}

/* A line that is this code, with or without flags behind it. */
static bool is_code(struct fl_bytes line, const char *code)
{
	return starts_with(line, code) && (line.size == 2 || line.data[2] == ' ');
}

static bool has_opaque(struct fl_bytes line, uint64_t opaque)
{
	char expected[32];
	int size = snprintf(expected, sizeof(expected), " O%" PRIu64, opaque);
	return line.size == 2 + (size_t)size && memcmp(line.data + 2, expected, (size_t)size) == 0;
}

static enum fl_outcome refuse(
	struct memcached_sink *self, struct link *link, struct fl_bytes line, struct fl_err *err)
{
	struct record record;
	if (!is_empty(first_quiet(link))) {
		link->careful = CAREFUL;
		return ++link->refused <= GROUP ? FL_DONE : wire_confused(link, line, err);
	}
	if (!look(link, &record))
		return wire_confused(link, line, err);
	if (record.kind == LOUD_SET || record.kind == LOUD_REPLACE) {
		struct fl_bytes const key = { link->keys.data + link->keys_start, record.key_size };
		if (link->careful > 0)
			link->careful = CAREFUL;
		sink_note_too_large(self, key, record.value_size);
		repair(link, key);
	} else if (record.kind == CANARY) {
		link->canary_is_due = false;
	} else {
		return wire_confused(link, line, err);
	}
	drop(link, &record);
	return FL_DONE;
}

/* A value was refused, and the server does not say which. */
static void repair_all(struct memcached_sink *self, struct link *link, struct quiet quiet)
{
	const char *at = link->keys.data + link->keys_start;
	self->host->log(self->host->ctx, FL_LEVEL_WARN,
		"%s had no room for %u of %u values, and does not say for which: the keys of "
		"all of them are deleted",
		link->name, link->refused, quiet.sets);
	self->too_large += link->refused;
	for (unsigned i = 0; i < quiet.sets; i++) {
		size_t const size = (unsigned char)*at;
		repair(link, (struct fl_bytes){ at + 1, size });
		at += 1 + size;
	}
}

/* The quiet operations before the oldest record have been done, but for those that were refused. */
static enum fl_outcome pass_quiet(struct memcached_sink *self, struct link *link,
	struct quiet quiet, struct fl_bytes line, struct fl_err *err)
{
	if (link->refused > quiet.sets || link->not_stored > quiet.replaces ||
		link->missed > quiet.deletes)
		return wire_confused(link, line, err);
	if (link->refused > 0)
		repair_all(self, link, quiet);
	take_off(&link->keys, &link->keys_start, quiet.bytes);
	link->refused = link->not_stored = link->missed = 0;
	return FL_DONE;
}

static bool is_expected(const struct record *record, struct fl_bytes line)
{
	switch ((enum kind)record->kind) {
	case LOUD_SET:
	case CANARY:
		return is_code(line, "HD");
	case LOUD_REPLACE:
		return is_code(line, "HD") || is_code(line, "NS");
	case LOUD_DELETE:
	case REPAIR:
		return is_code(line, "HD") || is_code(line, "NF");
	case MARK:
		return is_code(line, "MN");
	case FLUSH:
		return is_code(line, "OK") && line.size == 2;
	case BARRIER:
		return (is_code(line, "HD") && has_opaque(line, record->opaque)) ||
		       (is_code(line, "EN") &&
			       (line.size == 2 || has_opaque(line, record->opaque)));
	default:
		return false;
	}
}

enum fl_outcome meta_answer(
	struct memcached_sink *self, struct link *link, struct fl_bytes line, struct fl_err *err)
{
	struct record record;
	struct quiet const quiet = first_quiet(link);
	/* memcached says so of an item; all other errors end the connection. */
	if (starts_with(line, "SERVER_ERROR object too large") ||
		starts_with(line, "SERVER_ERROR out of memory"))
		return refuse(self, link, line, err);
	if (starts_with(line, "SERVER_ERROR") || starts_with(line, "CLIENT_ERROR") ||
		starts_with(line, "ERROR"))
		return wire_confused(link, line, err);
	if (is_code(line, "NF") && !is_empty(quiet))
		return ++link->missed <= GROUP ? FL_DONE : wire_confused(link, line, err);
	if (is_code(line, "NS") && link->not_stored < quiet.replaces) {
		link->not_stored++;
		return FL_DONE;
	}
	if (!look(link, &record) || !is_expected(&record, line))
		return wire_confused(link, line, err);
	enum fl_outcome outcome = pass_quiet(self, link, quiet, line, err);
	if (outcome != FL_DONE)
		return outcome;
	drop(link, &record);
	switch ((enum kind)record.kind) {
	case REPAIR:
		link->repairs--;
		break;
	case CANARY:
		link->canary_is_due = false;
		break;
	case FLUSH:
		break;
	case BARRIER:
		link->passed = record.batch;
		if (is_code(line, "EN") && !link->canary_is_due) {
			canary_lost(self, link->name,
				"was emptied by somebody, or has evicted the canary");
			meta_write_canary(self, link);
		}
		break;
	default:
		break;
	}
	if (link->repairs == 0 && link->passed > link->safe)
		link->safe = link->passed;
	return FL_DONE;
}
