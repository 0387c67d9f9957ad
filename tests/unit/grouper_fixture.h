/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams of events, written by hand, and the transactions that come of them, as text: one line a
 * transaction, "GTID? [first|part|last] change change ... @offset".
 */
#ifndef FL_TEST_GROUPER_FIXTURE_H
#define FL_TEST_GROUPER_FIXTURE_H

#include <criterion/criterion.h>

#include "transaction/grouper.h"

enum { TABLE_ID = 77 };

struct bench {
	struct fl_grouper *grouper;
	struct fl_buf said;
	uint32_t offset;
	bool unwanted;
	int complete_result;
	unsigned completed, renewed;
	uint32_t asked_as_of;
	int result; /* of the last event, if it may be another than 0 */
	bool may_fail;
};

static inline bool wants(void *ctx, struct fl_bytes db, struct fl_bytes table)
{
	struct bench *b = ctx;
	cr_expect(db.size == 4 && memcmp(db.data, "shop", 4) == 0);
	cr_expect(table.size > 0);
	return !b->unwanted;
}

static inline void renew(void *ctx, struct fl_bytes db, struct fl_bytes sql, uint32_t time)
{
	struct bench *b = ctx;
	cr_expect_eq(db.size, 4);
	cr_expect_gt(sql.size, 0);
	cr_expect_geq(time, 1000);
	b->renewed++;
}

static inline int complete(
	void *ctx, struct fl_table_def *def, uint32_t event_time, struct fl_err *err)
{
	struct bench *b = ctx;
	cr_expect_eq(def->table.column_count, 1);
	b->asked_as_of = event_time;
	b->completed++;
	return b->complete_result != 0 ? fl_err_set(err, b->complete_result, "altered since") : 0;
}

static inline int emit(void *ctx, struct fl_txn *txn)
{
	static const char ops[] = "IUDTS?";
	struct bench *b = ctx;
	char text[80];
	if (txn->view.gtid.size > 0) {
		fl_buf_append(&b->said, txn->view.gtid.data, txn->view.gtid.size);
		fl_buf_char(&b->said, ' ');
	}
	if (!txn->view.first || !txn->view.last)
		fl_buf_text(&b->said, txn->view.last	? "last "
				      : txn->view.first ? "first "
							: "part ");
	for (size_t i = 0; i < txn->view.change_count; i++) {
		const struct fl_change *change = &txn->view.changes[i];
		const struct fl_row *row =
			change->op == FL_DELETE ? &change->before : &change->after;
		fl_buf_char(&b->said, ops[change->op]);
		if (change->op <= FL_DELETE) {
			/* One INT column behind a null bitmap of one byte. */
			cr_assert_eq(row->size, 5);
			snprintf(text, sizeof(text), "%u", row->data[1]);
			fl_buf_text(&b->said, text);
		} else {
			fl_buf_append(&b->said, change->table.data, change->table.size);
		}
		fl_buf_char(&b->said, ' ');
	}
	snprintf(text, sizeof(text), "@%llu\n", (unsigned long long)txn->view.position);
	fl_buf_text(&b->said, text);
	fl_txn_unref(txn);
	return 0;
}

static inline void put(struct fl_buf *buf, uint64_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		fl_buf_char(buf, (char)(value >> 8 * i));
}

static inline int feed_at(struct bench *b, uint8_t type, uint16_t flags, const void *body,
	size_t size, uint32_t log_pos, struct fl_err *err)
{
	struct fl_buf event = { 0 };
	put(&event, 1000, 4);
	put(&event, type, 1);
	put(&event, 1, 4);
	put(&event, 19 + size, 4);
	put(&event, log_pos, 4);
	put(&event, flags, 2);
	fl_buf_append(&event, body, size);
	int result = fl_grouper_feed(b->grouper, (const uint8_t *)event.data, event.size, err);
	fl_buf_finish(&event);
	return result;
}

static inline void feed(struct bench *b, uint8_t type, const void *body, size_t size)
{
	struct fl_err err = { 0 };
	b->offset += (uint32_t)(19 + size);
	int result = feed_at(b, type, 0, body, size, b->offset, &err);
	b->result = result;
	cr_assert(b->may_fail || result == 0, "type %u: %s", type, err.text);
}

static inline void feed_buf(struct bench *b, uint8_t type, struct fl_buf *body)
{
	feed(b, type, body->data, body->size);
	fl_buf_finish(body);
}

static inline void format(struct bench *b, const char *version)
{
	struct fl_buf body = { 0 };
	char text[50] = { 0 };
	memcpy(text, version, strlen(version));
	put(&body, 4, 2);
	fl_buf_append(&body, text, sizeof(text));
	put(&body, 0, 4);
	put(&body, 19, 1);
	for (unsigned type = 1; type <= 164; type++)
		put(&body,
			type == 2				   ? 13
			: type == 4				   ? 8
			: type == 19				   ? 8
			: (type >= 23 && type <= 25)		   ? 8
			: (type >= 30 && type <= 32) || type == 39 ? 10
								   : 0,
			1);
	put(&body, 0, 1); /* no checksums ... */
	put(&body, 0, 4); /* ... and the place of one */
	feed_buf(b, FL_EVENT_FORMAT_DESCRIPTION, &body);
}

static inline void query(struct bench *b, const char *sql)
{
	struct fl_buf body = { 0 };
	put(&body, 1, 4);
	put(&body, 0, 4);
	put(&body, 4, 1); /* the database's length */
	put(&body, 0, 2);
	put(&body, 0, 2); /* no status variables */
	fl_buf_append(&body, "shop", 5);
	fl_buf_text(&body, sql);
	feed_buf(b, FL_EVENT_QUERY, &body);
}

static inline void table_map(struct bench *b, const char *name, uint8_t type)
{
	struct fl_buf body = { 0 };
	put(&body, TABLE_ID, 6);
	put(&body, 1, 2);
	put(&body, 4, 1);
	fl_buf_append(&body, "shop", 5);
	put(&body, strlen(name), 1);
	fl_buf_append(&body, name, strlen(name) + 1);
	put(&body, 1, 1); /* one column */
	put(&body, type, 1);
	put(&body, 0, 1); /* no metadata */
	put(&body, 0, 1); /* not nullable */
	feed_buf(b, FL_EVENT_TABLE_MAP, &body);
}

static inline void rows(struct bench *b, uint8_t type, const char *ids, uint64_t table_id)
{
	struct fl_buf body = { 0 };
	put(&body, table_id, 6);
	put(&body, FL_ROWS_STATEMENT_END, 2);
	put(&body, 2, 2); /* no extra data */
	put(&body, 1, 1);
	put(&body, 0xff, 1);
	if (type == FL_EVENT_UPDATE_ROWS)
		put(&body, 0xff, 1);
	for (; *ids != '\0'; ids++) {
		put(&body, 0, 1);
		put(&body, (uint64_t)(*ids - '0'), 4);
	}
	feed_buf(b, type, &body);
}

static inline void insert(struct bench *b, const char *ids)
{
	table_map(b, "t", 3);
	rows(b, FL_EVENT_WRITE_ROWS, ids, TABLE_ID);
}

static inline void xid(struct bench *b)
{
	feed(b, FL_EVENT_XID, "\7\0\0\0\0\0\0\0", 8);
}

static inline void mariadb_gtid(struct bench *b, uint8_t number, uint8_t flags)
{
	struct fl_buf body = { 0 };
	put(&body, number, 8);
	put(&body, 0, 4);
	put(&body, flags, 1);
	put(&body, 0, 6);
	feed_buf(b, FL_EVENT_MARIADB_GTID, &body);
}

static const char mysql[] = "9.7.0", mariadb[] = "10.11.8-MariaDB-log";

static inline void begin(struct bench *b, size_t limit, const char *version)
{
	struct fl_grouper_hooks hooks = {
		.ctx = b, .wants = wants, .complete = complete, .emit = emit, .renew = renew
	};
	struct fl_position from = { .file = "binlog.000001", .offset = 4 };
	static const struct fl_collations none;
	*b = (struct bench){ .offset = 4 };
	b->grouper = fl_grouper_create(&hooks, limit);
	cr_assert_not_null(b->grouper);
	fl_grouper_restart(b->grouper, &from, &none);
	format(b, version);
}

/* Offsets are left out of what is expected: they have a test of their own. */
static inline void end(struct bench *b, const char *expected)
{
	struct fl_buf plain = { 0 };
	for (size_t i = 0; i < b->said.size; i++) {
		if (b->said.data[i] == '@')
			while (b->said.data[i] != '\n')
				i++;
		fl_buf_char(&plain, b->said.data[i]);
	}
	fl_buf_char(&plain, '\0');
	cr_expect_str_eq(plain.data, expected);
	fl_buf_finish(&plain);
	fl_buf_finish(&b->said);
	fl_grouper_destroy(b->grouper);
}

#endif
