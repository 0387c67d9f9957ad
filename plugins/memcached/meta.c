/* SPDX-License-Identifier: Apache-2.0
 *
 * The meta protocol. Operations are sent with the flag q, which keeps a server from answering to
 * what went well. Errors it answers all the same, though without saying to which. So the log has,
 * in the order of sending, a record of each command; a line that comes belongs
 *
 *   - to the oldest record that always has an answer, and then all quiet ones before it are done;
 *   - or, if it is an error and there are quiet ones before that, to one of them; or, if it says
 *     that a key to be replaced was not there; or one to be deleted, which not every version keeps
 *     quiet about.
 *
 * Where a value is refused for want of room, its key must not keep an older value. (memcached
 * deletes it by itself; we don't count on it.) If it was a quiet one, any of its group may be
 * meant, so the keys of all of them are deleted, and for a while every operation is answered by
 * itself. Large values, which are refused most often, always are.
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
};

enum kind {
	QUIET_SET,
	QUIET_REPLACE, /* a set of what is there already */
	QUIET_DELETE,
	LOUD_SET,
	LOUD_REPLACE,
	LOUD_DELETE,
	REPAIR, /* deletes a key whose value was refused */
	MARK,	/* has an answer, and nothing else */
	FLUSH,
	CANARY,
	BARRIER, /* the batch, and the number that must come back */
};

struct record {
	uint8_t kind, key_size;
	uint32_t value_size;
	uint64_t batch, opaque; /* of a barrier */
};

/* ---- writing ---- */

static void put(struct link *link, const void *data, size_t size)
{
	fl_buf_append(&link->out, data, size);
}

static void put_number(struct link *link, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);
	do
		digits[--at] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	put(link, digits + at, sizeof(digits) - at);
}

static void note(struct link *link, struct record record, struct fl_bytes key)
{
	record.key_size = (uint8_t)key.size;
	fl_buf_append(&link->log, &record, sizeof(record));
	fl_buf_append(&link->log, key.data, key.size);
	link->replaces += record.kind == QUIET_REPLACE;
	if (record.kind <= QUIET_DELETE)
		link->quiet++;
	else
		link->quiet = 0;
}

/* An error that comes from here on belongs to nothing before. */
static void mark(struct link *link)
{
	if (link->quiet == 0)
		return;
	put(link, "mn\r\n", 4);
	note(link, (struct record){ .kind = MARK }, (struct fl_bytes){ 0 });
}

static void put_set(
	struct link *link, struct fl_bytes key, struct fl_bytes value, uint32_t ttl, enum kind kind)
{
	bool const is_quiet = kind <= QUIET_DELETE;
	put(link, "ms ", 3);
	put(link, key.data, key.size);
	put(link, " ", 1);
	put_number(link, value.size);
	if (ttl > 0) {
		put(link, " T", 2);
		put_number(link, (uint64_t)sink_expiration(ttl));
	}
	if (kind == QUIET_REPLACE || kind == LOUD_REPLACE)
		put(link, " MR", 3);
	put(link, " q\r\n", is_quiet ? 4 : 0);
	put(link, "\r\n", is_quiet ? 0 : 2);
	put(link, value.data, value.size);
	put(link, "\r\n", 2);
}

static void put_delete(struct link *link, struct fl_bytes key, bool is_quiet)
{
	put(link, "md ", 3);
	put(link, key.data, key.size);
	put(link, " q\r\n", is_quiet ? 4 : 0);
	put(link, "\r\n", is_quiet ? 0 : 2);
}

static void repair(struct link *link, struct fl_bytes key)
{
	char copy[KEY_MAX]; /* of what lies in the log, which may move */
	memcpy(copy, key.data, key.size);
	key.data = copy;
	mark(link);
	put_delete(link, key, false);
	note(link, (struct record){ .kind = REPAIR }, key);
	link->repairs++;
}

enum fl_outcome meta_apply(struct memcached_sink *self, struct link *link,
	const struct fl_operation *operation, struct fl_bytes key, struct fl_err *err)
{
	struct record record = { .kind = QUIET_DELETE };
	size_t size = operation->value.size;
	bool is_set = operation->kind == FL_KEY_SET;
	if (is_set && size > self->item_max) {
		sink_note_too_large(self, key, size);
		is_set = false;
	}
	bool is_loud =
		link->careful > 0 ||
		(is_set && (size >= LOUD_SIZE || size + ITEM_OVERHEAD + KEY_MAX >= link->item_max));
	if (link->careful > 0)
		link->careful--;
	if (is_loud || link->quiet >= GROUP)
		mark(link);
	if (is_set) {
		bool const replaces = (operation->flags & FL_IF_EXISTS) != 0;
		record.kind = is_loud ? (replaces ? LOUD_REPLACE : LOUD_SET)
				      : (replaces ? QUIET_REPLACE : QUIET_SET);
		record.value_size = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
		put_set(link, key, operation->value, operation->ttl, record.kind);
	} else {
		record.kind = is_loud ? LOUD_DELETE : QUIET_DELETE;
		put_delete(link, key, !is_loud);
	}
	note(link, record, key);
	link->is_touched = true;
	return link->out.failed || link->log.failed ? sink_no_memory(err) : FL_DONE;
}

void meta_barrier(struct memcached_sink *self, struct link *link, uint64_t batch)
{
	struct record record = { .kind = BARRIER, .batch = batch, .opaque = ++self->opaque };
	put(link, "mg ", 3);
	put(link, self->canary_key, strlen(self->canary_key));
	put(link, " O", 2);
	put_number(link, record.opaque);
	put(link, "\r\n", 2);
	note(link, record, (struct fl_bytes){ 0 });
	link->asked = batch;
	link->is_touched = false;
}

void meta_write_canary(struct memcached_sink *self, struct link *link)
{
	struct fl_bytes key = { self->canary_key, strlen(self->canary_key) };
	mark(link);
	put_set(link, key, (struct fl_bytes){ link->canary, strlen(link->canary) }, 0, CANARY);
	note(link, (struct record){ .kind = CANARY }, (struct fl_bytes){ 0 });
	link->canary_is_due = true;
}

void meta_flush(struct link *link)
{
	mark(link);
	put(link, "flush_all\r\n", 11);
	note(link, (struct record){ .kind = FLUSH }, (struct fl_bytes){ 0 });
}

/* ---- reading ---- */

/* The record at an offset of the log; false at its end. */
static bool look(const struct link *link, size_t at, struct record *ret, struct fl_bytes *ret_key)
{
	if (at >= link->log.size)
		return false;
	memcpy(ret, link->log.data + at, sizeof(*ret));
	*ret_key = (struct fl_bytes){ link->log.data + at + sizeof(*ret), ret->key_size };
	return true;
}

static bool is_quiet(const struct record *record)
{
	return record->kind <= QUIET_DELETE;
}

static void drop(struct link *link, const struct record *record)
{
	link->replaces -= record->kind == QUIET_REPLACE;
	link->log_start += sizeof(*record) + record->key_size;
	if (link->log_start == link->log.size) {
		link->log_start = link->log.size = 0; /* and if it has failed, it has */
	} else if (link->log_start > COMPACT && link->log_start > link->log.size / 2) {
		link->log.size -= link->log_start;
		memmove(link->log.data, link->log.data + link->log_start, link->log.size);
		link->log_start = 0;
	}
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
	struct fl_bytes key;
	if (!look(link, link->log_start, &record, &key))
		return wire_confused(link, line, err);
	if (is_quiet(&record)) {
		link->careful = CAREFUL;
		return ++link->refused <= GROUP ? FL_DONE : wire_confused(link, line, err);
	}
	if (record.kind == LOUD_SET || record.kind == LOUD_REPLACE) {
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

/* All quiet operations in front have been done, but for those that were refused. */
static enum fl_outcome pass_quiet(
	struct memcached_sink *self, struct link *link, struct fl_bytes line, struct fl_err *err)
{
	struct record record;
	struct fl_bytes key;
	unsigned sets = 0, replaces = 0, deletes = 0;
	for (; look(link, link->log_start, &record, &key) && is_quiet(&record);
		drop(link, &record)) {
		sets += record.kind != QUIET_DELETE;
		replaces += record.kind == QUIET_REPLACE;
		deletes += record.kind == QUIET_DELETE;
		if (link->refused > 0 && record.kind != QUIET_DELETE)
			repair(link, key);
	}
	if (link->refused > sets || link->not_stored > replaces || link->missed > deletes)
		return wire_confused(link, line, err);
	if (link->refused > 0)
		self->host->log(self->host->ctx, FL_LEVEL_WARN,
			"%s had no room for %u of %u values, and does not say for which: the keys "
			"of "
			"all of them are deleted",
			link->name, link->refused, sets);
	self->too_large += link->refused;
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
	struct fl_bytes key;
	/* memcached says so of an item; all other errors end the connection. */
	if (starts_with(line, "SERVER_ERROR object too large") ||
		starts_with(line, "SERVER_ERROR out of memory"))
		return refuse(self, link, line, err);
	if (starts_with(line, "SERVER_ERROR") || starts_with(line, "CLIENT_ERROR") ||
		starts_with(line, "ERROR"))
		return wire_confused(link, line, err);
	if (is_code(line, "NF") && look(link, link->log_start, &record, &key) && is_quiet(&record))
		return ++link->missed <= GROUP ? FL_DONE : wire_confused(link, line, err);
	if (is_code(line, "NS") && link->not_stored < link->replaces &&
		look(link, link->log_start, &record, &key) && is_quiet(&record)) {
		link->not_stored++;
		return FL_DONE;
	}
	enum fl_outcome outcome = pass_quiet(self, link, line, err);
	if (outcome != FL_DONE)
		return outcome;
	if (!look(link, link->log_start, &record, &key) || !is_expected(&record, line))
		return wire_confused(link, line, err);
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
	if (link->repairs == 0)
		link->safe = link->passed;
	return FL_DONE;
}
