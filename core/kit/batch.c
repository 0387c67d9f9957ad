/* SPDX-License-Identifier: Apache-2.0
 *
 * Batches: of real rows, as a server would have sent them, and the operations that a map would make
 * of them, `fastlane-test:ID` = the row as JSON.
 */
#include "kit/private.h"

#include "binlog/row.h"

enum { ID, NAME, DATA, COLUMNS };

static const char db[] = "fastlane_test", table[] = "things";
static const char key_prefix[] = "fastlane-test:";
const struct fl_bytes fl_kit_none = { NULL, 0 };

struct transaction {
	struct fl_transaction view;
	size_t first_change;
};

struct fl_kit_batch {
	struct fl_kit *kit;
	struct fl_kit_guard *guard;
	struct fl_buf transactions; /* struct transaction */
	struct fl_buf changes;	    /* struct fl_change */
	struct fl_buf operations;   /* struct fl_operation */
};

struct fl_bytes fl_kit_text(const char *text)
{
	return (struct fl_bytes){ text, strlen(text) };
}

/* A TABLE_MAP event's body, see core/binlog/table.c and metadata.c. */
const struct fl_table_def *fl_kit_table(struct fl_kit *kit)
{
	static const char body[] = "\0\0\0\0\0\0\0\0" /* id, flags */
				   "\x0d"
				   "fastlane_test\0"
				   "\x06"
				   "things\0"
				   "\x03\x08\xfc\xfc" /* BIGINT, BLOB, BLOB */
				   "\x02\x04\x04"     /* with lengths of four bytes */
				   "\x06"	      /* the last two may be NULL */
				   "\x01\x01"
				   "\0" /* signed */
				   "\x03\x02"
				   "\x2d\x3f" /* utf8mb4, binary */
				   "\x04\x0d"
				   "\x02"
				   "id"
				   "\x04"
				   "name"
				   "\x04"
				   "data"
				   "\x08\x01"
				   "\0"; /* the key */
	static const struct fl_format format = { .known = true,
		.header_size = 19,
		.post_header_count = 255,
		.post_header = { [FL_EVENT_TABLE_MAP] = 8 } };
	struct fl_event event = { .type = FL_EVENT_TABLE_MAP, .body = { body, sizeof(body) - 1 } };
	struct fl_collations collations;
	struct fl_table_def *def = NULL;
	struct fl_err err = { .text = "out of memory" };
	if (fl_collations_known(&collations) != 0 ||
		fl_table_decode(&event, &format, &collations, &def, &err) != 0 || !def->complete)
		fl_kit_fail(kit, "the check's own table: %s", err.text);
	free(collations.by_id);
	return def;
}

struct fl_kit_batch *fl_kit_batch(struct fl_kit *kit, size_t room)
{
	enum { OVERHEAD = 64 << 10 };
	struct fl_kit_batch *b = calloc(1, sizeof(*b));
	if (b == NULL)
		fl_kit_fail(kit, "out of memory");
	b->kit = kit;
	b->guard = fl_kit_guard_create(kit, FL_KIT_BATCH, kit->submitted + 1, 4 * room + OVERHEAD);
	return b;
}

void fl_kit_transaction(struct fl_kit_batch *b, bool first, bool last)
{
	enum { FIRST_SECOND = 1700000000 };
	uint64_t const number = b->transactions.size / sizeof(struct transaction) + 1;
	char gtid[48];
	snprintf(gtid, sizeof(gtid), "0-1-%llu", (unsigned long long)number);
	struct transaction const made = {
		.view = { .gtid = fl_kit_guard_copy(b->kit, b->guard, gtid, strlen(gtid)),
			.file = fl_kit_guard_copy(b->kit, b->guard, "binlog.000001", 13),
			.position = 4 + number,
			.xid = number,
			.commit_us = FIRST_SECOND * INT64_C(1000000),
			.first = first,
			.last = last },
		.first_change = b->changes.size / sizeof(struct fl_change)
	};
	fl_buf_append(&b->transactions, &made, sizeof(made));
}

static struct fl_change *add_change(struct fl_kit_batch *b, enum fl_op op)
{
	struct fl_change const change = { .op = op,
		.db = fl_kit_guard_copy(b->kit, b->guard, db, sizeof(db) - 1),
		.table = fl_kit_guard_copy(b->kit, b->guard, table, sizeof(table) - 1) };
	if (b->transactions.size == 0)
		fl_kit_transaction(b, true, true);
	fl_buf_append(&b->changes, &change, sizeof(change));
	if (b->changes.failed || b->transactions.failed)
		fl_kit_fail(b->kit, "out of memory");
	size_t const last = b->transactions.size - sizeof(struct transaction);
	((struct transaction *)(void *)(b->transactions.data + last))->view.change_count++;
	return (struct fl_change *)(void *)(b->changes.data + b->changes.size) - 1;
}

static void put_blob(struct fl_buf *out, struct fl_bytes value)
{
	uint32_t const size = htole32((uint32_t)value.size);
	if (value.data == NULL)
		return;
	fl_buf_append(out, &size, sizeof(size));
	fl_buf_append(out, value.data, value.size);
}

static struct fl_row make_row(
	struct fl_kit_batch *b, int64_t id, struct fl_bytes name, struct fl_bytes data)
{
	struct fl_buf image = { 0 };
	uint64_t const little = htole64((uint64_t)id);
	fl_buf_char(&image, (char)((name.data == NULL) << NAME | (data.data == NULL) << DATA));
	fl_buf_append(&image, &little, sizeof(little));
	put_blob(&image, name);
	put_blob(&image, data);
	if (image.failed)
		fl_kit_fail(b->kit, "out of memory");
	struct fl_bytes const copy = fl_kit_guard_copy(b->kit, b->guard, image.data, image.size);
	fl_buf_finish(&image);
	return (struct fl_row){ .table = &b->kit->table->table,
		.data = (const uint8_t *)copy.data,
		.size = (uint32_t)copy.size };
}

void fl_kit_operation(struct fl_kit_batch *b, enum fl_operation_kind kind, uint32_t flags,
	struct fl_bytes key, struct fl_bytes value, uint32_t ttl)
{
	if ((b->kit->plugin->takes & FL_TAKES_OPERATIONS) == 0)
		return;
	if (b->transactions.size == 0)
		fl_kit_transaction(b, true, true);
	struct fl_operation const operation = { .kind = kind,
		.ttl = ttl,
		.transaction = (uint32_t)(b->transactions.size / sizeof(struct transaction) - 1),
		.flags = flags,
		.key = fl_kit_guard_copy(b->kit, b->guard, key.data, key.size),
		.value = fl_kit_guard_copy(b->kit, b->guard, value.data, value.size) };
	fl_buf_append(&b->operations, &operation, sizeof(operation));
}

/* What a map makes of a row; one that can't be shown is deleted, as in the core. */
static void add_operation(
	struct fl_kit_batch *b, int64_t id, const struct fl_row *row, enum fl_operation_kind kind)
{
	char key[64];
	struct fl_buf json = { 0 };
	struct fl_err err;
	snprintf(key, sizeof(key), "%s%lld", key_prefix, (long long)id);
	if (kind == FL_KEY_SET && fl_row_json(row, &json, &err) != 0)
		kind = FL_KEY_DELETE;
	fl_kit_operation(b, kind, 0, fl_kit_text(key),
		kind == FL_KEY_SET ? (struct fl_bytes){ json.data, json.size } : fl_kit_none, 0);
	fl_buf_finish(&json);
}

void fl_kit_insert(struct fl_kit_batch *b, int64_t id, struct fl_bytes name, struct fl_bytes data)
{
	struct fl_row const row = make_row(b, id, name, data);
	add_change(b, FL_INSERT)->after = row;
	add_operation(b, id, &row, FL_KEY_SET);
}

void fl_kit_update(struct fl_kit_batch *b, int64_t id, struct fl_bytes old, struct fl_bytes name)
{
	struct fl_row const before = make_row(b, id, old, fl_kit_none);
	struct fl_row const after = make_row(b, id, name, fl_kit_none);
	struct fl_change *change = add_change(b, FL_UPDATE);
	change->before = before;
	change->after = after;
	add_operation(b, id, &after, FL_KEY_SET);
}

void fl_kit_delete(struct fl_kit_batch *b, int64_t id, struct fl_bytes name)
{
	struct fl_row const row = make_row(b, id, name, fl_kit_none);
	add_change(b, FL_DELETE)->before = row;
	add_operation(b, id, &row, FL_KEY_DELETE);
}

void fl_kit_say(struct fl_kit_batch *b, enum fl_op op, const char *text)
{
	struct fl_bytes const said = fl_kit_guard_copy(b->kit, b->guard, text, strlen(text));
	struct fl_change *change = add_change(b, op);
	if (op == FL_DOUBT)
		change->doubt = said;
	else
		change->sql = said;
	fl_kit_operation(b, FL_KEY_CLEAR, 0, fl_kit_text("fastlane-test:*"), fl_kit_none, 0);
}

void fl_kit_field(struct fl_buf *value, struct fl_bytes name, struct fl_bytes text)
{
	struct fl_bytes const parts[] = { name, text };
	for (size_t i = 0; i < 2; i++) {
		uint32_t const size = (uint32_t)parts[i].size;
		fl_buf_append(value, &size, sizeof(size));
		fl_buf_append(value, parts[i].data, parts[i].size);
	}
}

struct fl_kit_batch *fl_kit_row(struct fl_kit *kit, int64_t id, size_t padding)
{
	struct fl_kit_batch *b = fl_kit_batch(kit, 2 * padding + 1000);
	char *text = malloc(padding + 1);
	if (text == NULL)
		fl_kit_fail(kit, "out of memory");
	memset(text, 'x', padding);
	fl_kit_insert(b, id, (struct fl_bytes){ text, padding }, fl_kit_none);
	free(text);
	return b;
}

void fl_kit_place(const struct fl_kit *kit, uint64_t place, char ret[64])
{
	snprintf(ret, 64, "%s:%llu", kit->run, (unsigned long long)place);
}

const struct fl_batch *fl_kit_batch_finish(struct fl_kit *kit, struct fl_kit_batch *b)
{
	struct fl_kit_guard *guard = b->guard;
	size_t const count = b->transactions.size / sizeof(struct transaction);
	char position[64];
	if (b->transactions.failed || b->changes.failed || b->operations.failed)
		fl_kit_fail(kit, "out of memory");
	const struct transaction *from = (const void *)b->transactions.data;
	kit->submitted++;
	/* A part of a transaction leaves the position where it was. */
	if (count == 0 || from[count - 1].view.last)
		kit->last_place = kit->base + kit->submitted;
	fl_kit_place(kit, kit->last_place, position);

	struct fl_batch *batch = fl_kit_guard_alloc(kit, guard, sizeof(*batch));
	const struct fl_change *changes =
		(const void *)fl_kit_guard_copy(kit, guard, b->changes.data, b->changes.size).data;
	struct fl_transaction *views = fl_kit_guard_alloc(kit, guard, count * sizeof(*views));
	const struct fl_transaction **pointers =
		fl_kit_guard_alloc(kit, guard, count * sizeof(*pointers));
	for (size_t i = 0; i < count; i++) {
		views[i] = from[i].view;
		views[i].changes = changes + from[i].first_change;
		pointers[i] = &views[i];
	}
	guard->id = kit->submitted;
	*batch = (struct fl_batch){ .id = kit->submitted,
		.position = fl_kit_guard_copy(kit, guard, position, strlen(position)),
		.transaction_count = count,
		.transactions = pointers,
		.operation_count = b->operations.size / sizeof(struct fl_operation),
		.operations = (const void *)fl_kit_guard_copy(
			kit, guard, b->operations.data, b->operations.size)
				      .data };
	fl_kit_guard_seal(guard);
	return batch;
}

void fl_kit_batch_retire(struct fl_kit_batch *b)
{
	fl_kit_guard_retire(b->guard);
	fl_buf_finish(&b->transactions);
	fl_buf_finish(&b->changes);
	fl_buf_finish(&b->operations);
	free(b);
}
