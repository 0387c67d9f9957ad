/* SPDX-License-Identifier: Apache-2.0
 *
 * The events about GTIDs and about the names of XA transactions.
 */
#include <inttypes.h>

#include "binlog/event.h"

static int corrupt(const struct fl_event *event, struct fl_err *err, const char *what)
{
	return fl_err_set(err, FL_ECORRUPT, "%s: %s", fl_event_name(event->type), what);
}

/* MySQL's GTIDs have numbers from 1 to 2^63 - 2. */
static bool is_number(uint64_t number)
{
	return number >= 1 && number < (uint64_t)INT64_MAX;
}

/*
 * MySQL's GTID and ANONYMOUS_GTID:
 *
 *    0   1  flags
 *    1  16  uuid
 *   17   8  number; 0 for an anonymous one
 *   25   1  2: the next two are there; 5.6 ends here or before
 *   26   8  last committed
 *   34   8  sequence number
 *   42   7  commit time at this server, microseconds since 1970, since 8.0; in the top bit: whether
 *           the one at the first server follows (7 bytes)
 *           more, not needed
 */
static int decode_mysql(const struct fl_event *event, struct fl_gtid_event *ret, struct fl_err *err)
{
	enum { LOGICAL_CLOCK = 2, TIME_SIZE = 7 };
	uint64_t const time_mask = (UINT64_C(1) << 55) - 1;
	struct fl_cursor c = fl_cursor(event->body.data, event->body.size);
	fl_take_u8(&c);
	const uint8_t *uuid = fl_take(&c, sizeof(ret->gtid.uuid));
	uint64_t number = fl_take_u64(&c);
	if (!c.failed && fl_cursor_left(&c) > 0 && fl_take_u8(&c) == LOGICAL_CLOCK) {
		fl_take(&c, 8 + 8);
		if (!c.failed && fl_cursor_left(&c) > 0)
			ret->commit_us = (int64_t)(fl_take_uint(&c, TIME_SIZE) & time_mask);
	}
	if (c.failed)
		return corrupt(event, err, "it ends too early");
	if (event->type == FL_EVENT_ANONYMOUS_GTID)
		return FL_OK;
	if (!is_number(number))
		return corrupt(event, err, "its number is out of range");
	ret->gtid.kind = FL_GTID_MYSQL;
	memcpy(ret->gtid.uuid, uuid, sizeof(ret->gtid.uuid));
	ret->gtid.number = number;
	return FL_OK;
}

/* An integer of MySQL's serialisation: as many bytes follow the first as it has ones at its low
 * end; the value begins behind those and a zero, and is little-endian. Eight ones: 8 bytes follow.
 */
static uint64_t take_varint(struct fl_cursor *c)
{
	uint8_t first = fl_take_u8(c);
	unsigned more = 0;
	while (more < 8 && (first >> more & 1) != 0)
		more++;
	uint64_t rest = fl_take_uint(c, more);
	if (more == 8)
		return rest;
	/* more + 1 bits of the first byte are used up; none is left when 7 follow. */
	return rest << (7 - more) | (uint64_t)first >> (more + 1);
}

/* A signed one: the sign in the lowest bit, negative numbers as -(n + 1). GTID events have none
 * below zero: those, too, come out as a number that no check lets pass. */
static uint64_t take_signed_varint(struct fl_cursor *c)
{
	uint64_t value = take_varint(c);
	return (value & 1) != 0 ? UINT64_MAX - (value >> 1) : value >> 1;
}

/*
 * GTID_TAGGED, in MySQL's serialisation (its libs/mysql/serialization/readme.md). All integers are
 * of variable length, each byte of the uuid too:
 *
 *   version of the serialisation: 1
 *   size of the whole body
 *   the last field that a reader must know
 *   fields in ascending order, each: number, value
 *       0  flags
 *       1  uuid: 16 integers
 *       2  number, signed
 *       3  tag: size and bytes
 *       4  last committed, signed
 *       5  sequence number, signed
 *       6  commit time at this server, microseconds since 1970
 *       7+ more, not needed
 */
static int decode_tagged(
	const struct fl_event *event, struct fl_gtid_event *ret, struct fl_err *err)
{
	enum { FLAGS, UUID, NUMBER, TAG, LAST_COMMITTED, SEQUENCE, COMMIT_TIME, LAST_KNOWN = 11 };
	struct fl_cursor c = fl_cursor(event->body.data, event->body.size);
	struct fl_gtid *gtid = &ret->gtid;
	uint64_t version = take_varint(&c);
	uint64_t size = take_varint(&c);
	uint64_t last_needed = take_varint(&c);
	if (!c.failed && (version != 1 || last_needed > LAST_KNOWN))
		return fl_err_set(err, FL_EUNSUPPORTED,
			"%s: version %" PRIu64 " with fields up to %" PRIu64 " is not supported",
			fl_event_name(event->type), version, last_needed);
	size_t read = event->body.size - fl_cursor_left(&c);
	if (c.failed || size > event->body.size || size < read)
		return corrupt(event, err, "its size is not the event's");

	struct fl_cursor fields = fl_cursor(c.at, (size_t)size - read);
	unsigned seen = 0;
	while (fl_cursor_left(&fields) > 0) {
		uint64_t field = take_varint(&fields);
		if (field > COMMIT_TIME || fields.failed)
			break;
		if (seen >> field != 0)
			return corrupt(event, err, "its fields are out of order");
		seen |= 1U << field;
		switch (field) {
		case UUID:
			for (size_t i = 0; i < sizeof(gtid->uuid); i++) {
				uint64_t byte = take_varint(&fields);
				fields.failed |= byte > UINT8_MAX;
				gtid->uuid[i] = (uint8_t)byte;
			}
			break;
		case NUMBER:
			gtid->number = take_signed_varint(&fields);
			break;
		case TAG: {
			uint64_t tag_size = take_varint(&fields);
			struct fl_bytes tag = { 0 };
			if (tag_size < sizeof(gtid->tag))
				tag = fl_take_bytes(&fields, (size_t)tag_size);
			if (tag_size > 0 && !fl_gtid_tag_is_valid(tag))
				return corrupt(event, err, "a tag that is none");
			if (tag.size > 0)
				memcpy(gtid->tag, tag.data, tag.size);
			break;
		}
		case COMMIT_TIME: {
			uint64_t time = take_varint(&fields);
			ret->commit_us = time <= INT64_MAX ? (int64_t)time : 0;
			break;
		}
		default: /* FLAGS, LAST_COMMITTED, SEQUENCE */
			take_varint(&fields);
			break;
		}
	}
	if (fields.failed)
		return corrupt(event, err, "it ends too early");
	if ((seen & (1U << UUID | 1U << NUMBER)) != (1U << UUID | 1U << NUMBER))
		return corrupt(event, err, "it has no uuid or no number");
	if (!is_number(gtid->number))
		return corrupt(event, err, "its number is out of range");
	gtid->kind = FL_GTID_MYSQL;
	return FL_OK;
}

/*
 * MariaDB's GTID; the server's id is the header's:
 *
 *    0   8  sequence number
 *    8   4  domain
 *   12   1  flags
 *   13   8  with FL_GROUP_COMMIT_ID: that id
 *           with FL_PREPARED_XA or FL_COMPLETED_XA:
 *        4  format id
 *        1  size of the global part, at most 64
 *        1  size of the branch part, at most 64
 *        n  both
 *           more, not needed
 */
static int decode_mariadb(
	const struct fl_event *event, struct fl_gtid_event *ret, struct fl_err *err)
{
	enum {
		STANDALONE = 1,
		GROUP_COMMIT_ID = 2,
		DDL = 32,
		PREPARED_XA = 64,
		COMPLETED_XA = 128,
	};
	struct fl_cursor c = fl_cursor(event->body.data, event->body.size);
	ret->gtid.kind = FL_GTID_MARIADB;
	ret->gtid.number = fl_take_u64(&c);
	ret->gtid.domain = fl_take_u32(&c);
	ret->gtid.server = event->server_id;
	uint8_t flags = fl_take_u8(&c);
	ret->standalone = (flags & STANDALONE) != 0;
	ret->is_ddl = (flags & DDL) != 0;
	ret->xa_prepared = (flags & PREPARED_XA) != 0;
	ret->xa_completed = (flags & COMPLETED_XA) != 0;
	if ((flags & GROUP_COMMIT_ID) != 0)
		fl_take_u64(&c);
	if ((flags & (PREPARED_XA | COMPLETED_XA)) != 0) {
		struct fl_cursor xid = c;
		fl_take_u32(&xid);
		size_t global = fl_take_u8(&xid);
		size_t branch = fl_take_u8(&xid);
		ret->xid = fl_take_bytes(&c, 4 + 1 + 1 + global + branch);
	}
	return c.failed ? corrupt(event, err, "it ends too early") : FL_OK;
}

int fl_gtid_event_decode(
	const struct fl_event *event, struct fl_gtid_event *ret, struct fl_err *err)
{
	struct fl_gtid_event gtid = { 0 };
	int rc = event->type == FL_EVENT_MARIADB_GTID  ? decode_mariadb(event, &gtid, err)
		 : event->type == FL_EVENT_GTID_TAGGED ? decode_tagged(event, &gtid, err)
						       : decode_mysql(event, &gtid, err);
	if (rc == FL_OK)
		*ret = gtid;
	return rc;
}

/*
 * MariaDB's GTID_LIST:
 *
 *   0  4  count in the low 28 bits, flags above
 *   for each of them, a domain's last one behind its other servers'
 *      4  domain
 *      4  server id
 *      8  sequence number
 */
static int decode_mariadb_list(
	const struct fl_event *event, struct fl_gtid_set *set, struct fl_err *err)
{
	struct fl_cursor c = fl_cursor(event->body.data, event->body.size);
	uint32_t count = fl_take_u32(&c) & 0x0fffffff;
	if (c.failed || fl_cursor_left(&c) / 16 < count)
		return corrupt(event, err, "it ends too early");
	for (; count > 0; count--) {
		struct fl_gtid gtid = { .kind = FL_GTID_MARIADB };
		gtid.domain = fl_take_u32(&c);
		gtid.server = fl_take_u32(&c);
		gtid.number = fl_take_u64(&c);
		int rc = fl_gtid_set_add(set, &gtid);
		if (rc == FL_ENOMEM)
			return fl_err_set(err, rc, "out of memory");
		if (rc != FL_OK)
			return corrupt(event, err, "MariaDB's GTIDs among MySQL's");
	}
	return FL_OK;
}

int fl_gtid_list_decode(const struct fl_event *event, struct fl_gtid_set *set, struct fl_err *err)
{
	return event->type == FL_EVENT_MARIADB_GTID_LIST
		       ? decode_mariadb_list(event, set, err)
		       : fl_gtid_set_decode(set, event->body, err);
}

enum { XID_PART_MAX = 64 };

/* As SHOW BINLOG EVENTS and the statements in the log write it: X'6162',X'',1. */
static int append_xid(uint32_t format_id, struct fl_bytes global, struct fl_bytes branch,
	struct fl_buf *out, struct fl_err *err)
{
	static const char hex[] = "0123456789abcdef";
	char text[2 * (3 + 2 * XID_PART_MAX) + 16];
	size_t size = 0;
	for (int i = 0; i < 2; i++) {
		struct fl_bytes part = i == 0 ? global : branch;
		text[size++] = 'X';
		text[size++] = '\'';
		for (size_t j = 0; j < part.size; j++) {
			text[size++] = hex[(uint8_t)part.data[j] >> 4];
			text[size++] = hex[(uint8_t)part.data[j] & 15];
		}
		text[size++] = '\'';
		text[size++] = ',';
	}
	size += (size_t)snprintf(text + size, sizeof(text) - size, "%" PRIu32, format_id);
	fl_buf_append(out, text, size);
	return out->failed ? fl_err_set(err, FL_ENOMEM, "out of memory") : FL_OK;
}

/*
 * XA_PREPARE:  0  1  whether it is a one-phase commit
 *              1  4  format id
 *              5  4  size of the global part, at most 64
 *              9  4  size of the branch part, at most 64
 *             13  n  both
 */
int fl_xa_prepare_decode(const struct fl_event *event, bool *ret_one_phase, struct fl_buf *ret_xid,
	struct fl_err *err)
{
	struct fl_cursor c = fl_cursor(event->body.data, event->body.size);
	bool one_phase = fl_take_u8(&c) != 0;
	uint32_t format_id = fl_take_u32(&c);
	uint32_t global_size = fl_take_u32(&c);
	uint32_t branch_size = fl_take_u32(&c);
	if (global_size > XID_PART_MAX || branch_size > XID_PART_MAX)
		return corrupt(event, err, "its name is too long");
	struct fl_bytes global = fl_take_bytes(&c, global_size);
	struct fl_bytes branch = fl_take_bytes(&c, branch_size);
	if (c.failed)
		return corrupt(event, err, "it ends too early");
	int rc = append_xid(format_id, global, branch, ret_xid, err);
	if (rc == FL_OK)
		*ret_one_phase = one_phase;
	return rc;
}

int fl_xa_name(struct fl_bytes mariadb_xid, struct fl_buf *ret, struct fl_err *err)
{
	struct fl_cursor c = fl_cursor(mariadb_xid.data, mariadb_xid.size);
	uint32_t format_id = fl_take_u32(&c);
	uint8_t global_size = fl_take_u8(&c);
	uint8_t branch_size = fl_take_u8(&c);
	struct fl_bytes global = fl_take_bytes(&c, global_size);
	struct fl_bytes branch = fl_take_bytes(&c, branch_size);
	if (c.failed || global_size > XID_PART_MAX || branch_size > XID_PART_MAX)
		return fl_err_set(err, FL_ECORRUPT, "the name of an XA transaction is too long");
	return append_xid(format_id, global, branch, ret, err);
}
