/* SPDX-License-Identifier: Apache-2.0
 *
 * usage: row_cost_SINK BINLOG PASSES
 *
 * Decodes, checks, groups and maps a binlog file so often, in batches that depend on nothing but
 * the file, and has a sink render them: all that a row costs but for threads and the network.
 * Prints the rows of a pass.
 */
#include "row_cost.h"

#include "binlog/row.h"
#include "map/map.h"
#include "source/file.h"
#include "transaction/grouper.h"

#include <stdio.h>

enum { BATCH = 32, BATCH_BYTES = 32 * 1024 };

static const struct fl_map_rule rule = {
	.name = "rows", .table = "bench.*", .key = "bench:{table}:{id}", .value = "json"
};

struct event {
	uint8_t *data;
	size_t size;
};

static struct event *events;
static size_t event_count;
static char file_name[256];

static struct fl_map *map;
static struct fl_mapper *mapper;
static struct fl_txn *txns[BATCH];
static const struct fl_transaction *views[BATCH];
static size_t count, bytes;
static struct fl_position position;
static uint64_t batch_id, rows;

void cost_check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static void submit(void)
{
	static struct fl_buf text;
	struct fl_err err = { 0 };
	if (count == 0)
		return;
	fl_buf_clear(&text);
	fl_position_format(&position, &text);
	struct fl_batch batch = { .id = ++batch_id,
		.position = { text.data, text.size },
		.transaction_count = count,
		.transactions = views };
	if (cost_takes_operations) {
		fl_mapper_reset(mapper);
		for (size_t i = 0; i < count; i++)
			cost_check(
				fl_mapper_add(mapper, views[i], (uint32_t)i, &err) == 0, err.text);
		batch.operations = fl_mapper_operations(mapper, &batch.operation_count);
	}
	cost_submit(&batch);
	for (size_t i = 0; i < count; i++)
		fl_txn_unref(txns[i]);
	count = bytes = 0;
}

static bool wants(void *ctx, struct fl_bytes db, struct fl_bytes table)
{
	(void)ctx;
	return !cost_takes_operations || fl_map_wants(map, db, table);
}

static int complete(void *ctx, struct fl_table_def *def, uint32_t event_time, struct fl_err *err)
{
	(void)ctx, (void)event_time;
	return fl_table_number_columns(def, err);
}

static int emit(void *ctx, struct fl_txn *txn)
{
	(void)ctx;
	rows += txn->view.change_count;
	cost_check(!txn->in_doubt, "a doubt");
	cost_check(fl_txn_advance(txn, &position) == 0, "a GTID of another kind");
	txns[count] = txn;
	views[count++] = &txn->view;
	bytes += txn->bytes;
	if (count == BATCH || bytes > BATCH_BYTES)
		submit();
	return 0;
}

static void read_events(const char *path)
{
	struct fl_err err = { 0 };
	struct fl_binlog_file *file = NULL;
	const uint8_t *data;
	size_t size;
	enum fl_read read;
	cost_check(fl_binlog_file_open(path, &file, &err) == 0, err.text);
	snprintf(file_name, sizeof(file_name), "%s", fl_binlog_file_name(file));
	while ((read = fl_binlog_file_read(file, &data, &size, &err)) == FL_READ_EVENT) {
		events = realloc(events, (event_count + 1) * sizeof(*events));
		events[event_count] = (struct event){ malloc(size), size };
		memcpy(events[event_count++].data, data, size);
	}
	cost_check(read == FL_READ_END, err.text);
	fl_binlog_file_close(file);
}

static void pass(struct fl_grouper *grouper, const struct fl_collations *collations)
{
	struct fl_err err = { 0 };
	struct fl_position place = { .offset = 4 };
	snprintf(place.file, sizeof(place.file), "%s", file_name);
	fl_position_finish(&position);
	position = (struct fl_position){ .gtids = NULL };
	fl_grouper_restart(grouper, &place, collations);
	for (size_t i = 0; i < event_count; i++)
		cost_check(fl_grouper_feed(grouper, events[i].data, events[i].size, &err) == 0,
			err.text);
	submit();
}

static void host_log(void *ctx, enum fl_level level, const char *format, ...)
{
	(void)ctx, (void)level;
	cost_check(false, format);
}

static void host_settled(void *ctx, uint64_t batch)
{
	(void)ctx, (void)batch;
}

int main(int argc, char **argv)
{
	struct fl_collations collations = { 0 };
	uint64_t memory = 0;
	struct fl_host const host = { .size = sizeof(host),
		.log = host_log,
		.settled = host_settled,
		.row_value = fl_row_value,
		.row_json = fl_row_json,
		.row_key_json = fl_row_key_json,
		.row_old_json = fl_row_old_json,
		.json_text = fl_json_text,
		.halt_on_doubt = true,
		.memory = &memory,
		.news = -1 };
	struct fl_grouper_hooks const hooks = {
		.wants = wants, .complete = complete, .emit = emit
	};
	cost_check(argc == 3, "usage: see row_cost.c");
	read_events(argv[1]);
	map = fl_map_create();
	cost_check(map != NULL && fl_map_add(map, &rule, NULL) == 0, "the rule");
	mapper = fl_mapper_create(map, "hot", FL_ON_DOUBT_HALT);
	cost_check(fl_collations_known(&collations) == 0, "out of memory");
	struct fl_grouper *grouper = fl_grouper_create(&hooks, 64 << 20);
	cost_check(mapper != NULL && grouper != NULL, "out of memory");
	cost_open(&host);
	long const passes = atol(argv[2]);
	for (long i = 0; i < passes; i++) {
		rows = 0;
		pass(grouper, &collations);
	}
	fprintf(stderr, "rows=%llu\n", (unsigned long long)rows);
	fl_grouper_destroy(grouper);
	fl_position_finish(&position);
	return 0;
}
