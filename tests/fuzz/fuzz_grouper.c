/* SPDX-License-Identifier: Apache-2.0
 *
 * Input: a byte whose lowest bit says MariaDB, then records: type, flags, size of the body (two
 * bytes) and the body of an event, whose header is made here. Type 0 is a lost connection. All
 * tables are wanted, and the limit is small, so that transactions are passed on in parts.
 */
#include "binlog/row.h"
#include "target.h"
#include "transaction/grouper.h"

enum {
	LIMIT = 1024,
	EVENT_LIMIT = 1 << 21,
	MOST_EVENTS = 400,
	FDE_SIZE = 19 + 57 + 171 + 1 + 4,
	/* A record's flags; their other bits are those of the event. */
	NO_PLACE = 0x40, /* log_pos is 0 */
	FALLS = 0x02,	 /* log_pos is that of an earlier event */
};

struct stream {
	struct fl_grouper *grouper;
	uint8_t description[FDE_SIZE];
	struct fl_position boundary; /* behind the last transaction that was emitted ... */
	const uint8_t *resume;	     /* ... and the records behind it */
	bool within;		     /* parts of a transaction are out */
	bool emitted;
};

static bool wants(void *ctx, struct fl_bytes db, struct fl_bytes table)
{
	(void)ctx;
	(void)db;
	return table.size == 0 || table.data[0] != '-';
}

static int complete(void *ctx, struct fl_table_def *def, uint32_t event_time, struct fl_err *err)
{
	(void)ctx;
	(void)def;
	return event_time % 2 != 0 ? fl_err_set(err, FL_ECORRUPT, "altered since") : 0;
}

static struct fl_held *begin(void *ctx)
{
	const struct stream *s = ctx;
	return fl_held_create(&s->boundary);
}

static void show(const struct fl_row *row)
{
	struct fl_buf out = { 0 };
	if (row->data != NULL)
		fl_row_json(row, &out, NULL);
	fl_buf_finish(&out);
}

static int emit(void *ctx, struct fl_txn *txn)
{
	struct stream *s = ctx;
	must(s->within || txn->view.first || txn->in_doubt);
	must(txn->view.first || !txn->is_place);
	must(txn->view.file.data != NULL && txn->view.gtid.data != NULL);
	bool in_doubt = false;
	for (size_t i = 0; i < txn->view.change_count; i++) {
		const struct fl_change *change = &txn->view.changes[i];
		must((change->op == FL_DOUBT) == (change->doubt.size > 0));
		in_doubt |= change->op == FL_DOUBT;
		if (change->op <= FL_DELETE) {
			must((change->op != FL_INSERT) == (change->before.data != NULL));
			must((change->op != FL_DELETE) == (change->after.data != NULL));
			show(&change->before);
			show(&change->after);
		}
	}
	must(!in_doubt || txn->in_doubt);
	/* As in the lane: a GTID of the other kind of server ends it. */
	int rc = fl_txn_advance(txn, &s->boundary);
	must(rc == FL_OK || rc == FL_EINVAL);
	s->within = !txn->view.last;
	s->emitted = true;
	fl_txn_unref(txn);
	return rc;
}

static void put(uint8_t *to, uint64_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		to[i] = (uint8_t)(value >> 8 * i);
}

static void put_header(uint8_t *to, uint8_t type, uint8_t flags, size_t size, uint64_t place)
{
	put(to, 1000 + (flags >> 7), 4);
	to[4] = type;
	put(to + 5, 1, 4);
	put(to + 9, size, 4);
	put(to + 13, (flags & NO_PLACE) != 0 ? 0 : place - ((flags & FALLS) != 0 ? 500 : 0), 4);
	put(to + 17, flags & ~(unsigned)(NO_PLACE | FALLS), 2);
}

static void describe(struct stream *s, bool is_mariadb)
{
	struct fl_format const format = fuzz_format(is_mariadb);
	uint8_t *body = s->description + 19;
	put_header(s->description, FL_EVENT_FORMAT_DESCRIPTION, NO_PLACE, FDE_SIZE, 0);
	body[0] = 4;
	memcpy(body + 2, is_mariadb ? "10.11.19-MariaDB" : "9.7.4", is_mariadb ? 16 : 5);
	body[56] = format.header_size;
	memcpy(body + 57, format.post_header + 1, 171);
}

/* What the lane does where a connection begins. */
static void connect(struct stream *s)
{
	fl_grouper_restart(s->grouper, &s->boundary, fuzz_collations());
	s->within = false;
	must(fl_grouper_feed(s->grouper, s->description, FDE_SIZE, NULL) == FL_OK);
}

static int feed(
	struct stream *s, uint8_t type, uint8_t flags, const uint8_t *body, size_t body_size)
{
	const char *file;
	uint64_t offset;
	struct fl_err err = { 0 };
	uint8_t *event = malloc(19 + body_size);
	must(event != NULL);
	fl_grouper_place(s->grouper, &file, &offset);
	put_header(event, type, flags, 19 + body_size, offset + 19 + body_size);
	memcpy(event + 19, body, body_size);
	int rc = fl_grouper_feed(s->grouper, event, 19 + body_size, &err);
	must((rc < 0) == (err.code < 0));
	free(event);
	return rc;
}

static void run(struct stream *s, const uint8_t *data, size_t size)
{
	struct fl_cursor c = fl_cursor(data, size);
	const uint8_t *lost = NULL, *asked = NULL;
	s->resume = data;
	for (unsigned count = 0; fl_cursor_left(&c) > 0 && count < MOST_EVENTS; count++) {
		const uint8_t *here = c.at;
		uint8_t type = fl_take_u8(&c), flags = fl_take_u8(&c);
		struct fl_bytes body = fl_take_bytes(&c, fl_take_u16(&c));
		if (c.failed)
			return;
		int rc = FL_ELOST;
		if (type != 0) {
			rc = feed(s, type, flags, (const uint8_t *)body.data, body.size);
		} else if (here <= lost) { /* read again */
			continue;
		} else {
			lost = here;
		}
		if (s->emitted && rc == 0) {
			must(s->within || fl_grouper_at_boundary(s->grouper));
			s->resume = s->within ? s->resume : c.at;
		}
		s->emitted = false;
		if (rc == 0)
			continue;
		if (rc != FL_ELOST && rc != FL_GROUPER_AGAIN)
			return;
		/* Whoever asks to read a transaction again has what it asked for. */
		must(rc != FL_GROUPER_AGAIN || asked != s->resume);
		asked = rc == FL_GROUPER_AGAIN ? s->resume : NULL;
		connect(s);
		c = fl_cursor(s->resume, (size_t)(data + size - s->resume));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct stream s = { .boundary = { .file = "binlog.000001", .offset = 4 } };
	struct fl_grouper_hooks const hooks = { .ctx = &s,
		.wants = wants,
		.complete = complete,
		.emit = emit,
		.begin = begin,
		.event_bytes = EVENT_LIMIT };
	s.grouper = fl_grouper_create(&hooks, LIMIT);
	must(s.grouper != NULL);
	s.boundary.gtids = fl_gtid_set_create();
	describe(&s, (data[0] & 1) != 0);
	connect(&s);
	run(&s, data + 1, size - 1);
	fl_grouper_destroy(s.grouper);
	fl_position_finish(&s.boundary);
	return 0;
}
