/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

#include <dlfcn.h>
#include <sys/eventfd.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>

/* Criterion's own. */
const char *__lsan_default_suppressions(void);
FL_EXPORT const char *__lsan_default_suppressions(void)
{
	return "leak:libcriterion\n";
}
#endif

struct host_state host_state;

/* Here and not left to the end of the process: Criterion takes no notice of how its child ends. */
static void expect_no_leaks(void)
{
#ifdef __SANITIZE_ADDRESS__
	cr_assert_eq(__lsan_do_recoverable_leak_check(), 0, "the sink leaks memory");
#endif
}

static void host_log(void *ctx, enum fl_level level, const char *format, ...)
{
	(void)ctx;
	va_list args;
	va_start(args, format);
	vsnprintf(host_state.log, sizeof(host_state.log), format, args);
	va_end(args);
	host_state.warnings += level == FL_LEVEL_WARN;
	host_state.errors += level == FL_LEVEL_ERROR;
}

static void host_settled(void *ctx, uint64_t batch)
{
	(void)ctx;
	cr_assert(batch > host_state.settled, "batch %llu was settled before",
		(unsigned long long)batch);
	host_state.settled = batch;
}

static int row_value(const struct fl_row *row, unsigned column, struct fl_buf *scratch,
	struct fl_value *ret, struct fl_err *err)
{
	(void)row, (void)column, (void)scratch, (void)ret;
	return fl_err_set(err, FL_EUNSUPPORTED, "rows of the test have no columns");
}

static int row_json(const struct fl_row *row, struct fl_buf *out, struct fl_err *err)
{
	if (row->size > 0 && *row->data == '!')
		return fl_err_set(err, FL_EUNSUPPORTED, "%s", (const char *)row->data + 1);
	fl_buf_append(out, row->data, row->size);
	return 0;
}

/* The first member. */
static int row_key_json(const struct fl_row *row, struct fl_buf *out, struct fl_err *err)
{
	(void)err;
	if (row->size == 0 || *row->data == '!') {
		fl_buf_text(out, "{}");
		return 0;
	}
	fl_buf_append(out, row->data, strcspn((const char *)row->data, ",}"));
	fl_buf_char(out, '}');
	return 0;
}

static int row_old_json(const struct fl_row *before, const struct fl_row *after, struct fl_buf *out,
	struct fl_err *err)
{
	(void)after;
	return row_json(before, out, err);
}

static void json_text(struct fl_bytes text, struct fl_buf *out)
{
	fl_buf_char(out, '"');
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] == '"' || text.data[i] == '\\')
			fl_buf_char(out, '\\');
		fl_buf_char(out, text.data[i]);
	}
	fl_buf_char(out, '"');
}

struct fl_host host = {
	.size = sizeof(struct fl_host),
	.log = host_log,
	.settled = host_settled,
	.row_value = row_value,
	.row_json = row_json,
	.row_key_json = row_key_json,
	.row_old_json = row_old_json,
	.json_text = json_text,
	.halt_on_doubt = true,
	.memory = &host_state.memory,
	.news = -1,
};

const struct fl_sink_plugin *load_plugin(void)
{
	const char *file = getenv("FL_PLUGIN");
	cr_assert(file != NULL, "FL_PLUGIN is not set");
	/* Never closed: a leak report is to find its symbols. */
	void *module = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	cr_assert(module != NULL, "%s", dlerror());
	const struct fl_sink_plugin *plugin = dlsym(module, FL_SINK_SYMBOL);
	cr_assert(plugin != NULL, "%s", dlerror());
	return plugin;
}

/* ---- settings ---- */

static const char *setting_text(void *ctx, const char *name)
{
	const struct sink *sink = ctx;
	const struct fl_option *option = sink->plugin->options;
	while (option->name != NULL && strcmp(option->name, name) != 0)
		option++;
	cr_assert(option->name != NULL, "the option %s is not declared", name);
	for (const struct setting *s = sink->set; s->name != NULL; s++)
		if (strcmp(s->name, name) == 0)
			return s->value;
	return option->fallback;
}

static int64_t setting_integer(void *ctx, const char *name)
{
	const char *text = setting_text(ctx, name);
	return text != NULL ? strtoll(text, NULL, 10) : 0;
}

/* ---- calls ---- */

enum fl_outcome sink_open(struct sink *sink, const struct setting *settings)
{
	*sink = (struct sink){ .plugin = load_plugin(), .set = settings };
	sink->settings = (struct fl_settings){
		.sink = "test", .ctx = sink, .text = setting_text, .integer = setting_integer
	};
	host_state.settled = 0;
	if (host.news < 0 && sink->plugin->drain != NULL)
		host.news = eventfd(0, EFD_NONBLOCK);
	enum fl_outcome outcome =
		sink->plugin->open(&host, &sink->settings, &sink->self, &sink->err);
	if (outcome != FL_DONE) {
		cr_assert(sink->self == NULL, "a failed open() leaves an instance");
		expect_no_leaks();
	}
	return outcome;
}

char *sink_position(struct sink *sink)
{
	struct fl_buf position = { 0 };
	if (sink->plugin->position != NULL) {
		enum fl_outcome outcome = sink->plugin->position(sink->self, &position, &sink->err);
		cr_assert_eq(outcome, FL_DONE, "position: %s", sink->err.text);
	}
	fl_buf_append(&position, "", 1);
	return position.data;
}

enum fl_outcome sink_submit(struct sink *sink, struct fl_batch *batch)
{
	batch->id = ++sink->batches;
	enum fl_outcome outcome = sink->plugin->submit(sink->self, batch, &sink->err);
	if (outcome == FL_DONE)
		host_state.settled = batch->id;
	cr_assert(outcome != FL_PENDING || sink->plugin->drain != NULL);
	return outcome;
}

enum fl_outcome sink_drain(struct sink *sink)
{
	enum fl_outcome outcome = FL_DONE;
	if (sink->plugin->drain != NULL)
		outcome = sink->plugin->drain(sink->self, &sink->err);
	if (outcome == FL_DONE)
		cr_assert_eq(host_state.settled, sink->batches, "drained, but not settled");
	return outcome;
}

enum fl_outcome sink_call_off(struct sink *sink)
{
	uint64_t number = 1;
	cr_assert_eq(write(host.news, &number, sizeof(number)), (ssize_t)sizeof(number));
	enum fl_outcome outcome = sink->plugin->drain(sink->self, &sink->err);
	cr_assert_eq(read(host.news, &number, sizeof(number)), (ssize_t)sizeof(number),
		"it has read the news");
	return outcome;
}

void expect_given_up_in_time(struct sink *sink)
{
	unsigned calls = 0;
	enum fl_outcome outcome;
	cr_assert_eq(submit_number(sink, 1, 1), FL_PENDING);
	while ((outcome = sink_call_off(sink)) == FL_PENDING)
		if (++calls == 1)
			cr_assert_eq(submit_number(sink, 2, 1), FL_PENDING);
	cr_assert_eq(outcome, FL_RETRY);
	cr_assert_geq(calls, 1);
	cr_assert(strstr(sink->err.text, "in time") != NULL, "%s", sink->err.text);
}

void sink_close(struct sink *sink)
{
	sink->plugin->close(sink->self);
	sink->self = NULL;
	expect_no_leaks();
}

/* ---- batches ---- */

struct fl_bytes text_bytes(const char *text)
{
	return (struct fl_bytes){ text, strlen(text) };
}

struct fl_row fake_row(const char *json)
{
	static const struct fl_column columns[] = { { .name = { "n", 1 }, .in_key = true } };
	static const unsigned key[] = { 0 };
	static const struct fl_table table = { .db = { "shop", 4 },
		.name = { "things", 6 },
		.column_count = 1,
		.columns = columns,
		.key_count = 1,
		.key_columns = key };
	return (struct fl_row){
		.table = &table, .data = (const uint8_t *)json, .size = (uint32_t)strlen(json)
	};
}

char *fake_json(unsigned n, size_t padding)
{
	char *json = malloc(padding + 64);
	int size = sprintf(json, "{\"n\":%u,\"pad\":\"", n);
	memset(json + size, 'x', padding);
	strcpy(json + (size_t)size + padding, "\"}");
	return json;
}

void fake_batch_make(struct fake_batch *b, unsigned n, size_t padding)
{
	memset(b, 0, sizeof(*b));
	b->json = fake_json(n, padding);
	snprintf(b->position, sizeof(b->position), "at:%u", n);
	snprintf(b->key, sizeof(b->key), "n:%u", n);
	snprintf(b->number, sizeof(b->number), "%u", n);
	b->change = (struct fl_change){ .op = FL_INSERT,
		.after = fake_row(b->json),
		.db = text_bytes("shop"),
		.table = text_bytes("things") };
	b->transaction = (struct fl_transaction){ .gtid = text_bytes("0-1-1"),
		.file = text_bytes("bin.000001"),
		.position = n,
		.xid = n,
		.commit_us = 1,
		.first = true,
		.last = true,
		.change_count = 1,
		.changes = &b->change };
	b->transactions[0] = &b->transaction;
	b->operations[0] = (struct fl_operation){
		.kind = FL_KEY_SET, .key = text_bytes(b->key), .value = text_bytes(b->json)
	};
	b->operations[1] = (struct fl_operation){
		.kind = FL_KEY_SET, .key = text_bytes("last"), .value = text_bytes(b->number)
	};
	b->batch = (struct fl_batch){ .position = text_bytes(b->position),
		.transaction_count = 1,
		.transactions = b->transactions,
		.operation_count = 2,
		.operations = b->operations };
}

void fake_batch_finish(struct fake_batch *batch)
{
	free(batch->json);
}

enum fl_outcome submit_number(struct sink *sink, unsigned n, size_t padding)
{
	struct fake_batch batch;
	fake_batch_make(&batch, n, padding);
	enum fl_outcome outcome = sink_submit(sink, &batch.batch);
	/* Nothing of a batch may be used after submit() has returned: make it show. */
	memset(batch.json, '?', strlen(batch.json));
	fake_batch_finish(&batch);
	memset(&batch, '?', sizeof(batch));
	return outcome;
}

struct fl_batch operations_batch(
	const struct fl_operation *operations, size_t count, const char *position)
{
	static const struct fl_transaction transaction = { .first = true, .last = true };
	static const struct fl_transaction *const transactions[] = { &transaction, &transaction,
		&transaction };
	return (struct fl_batch){ .position = text_bytes(position),
		.transaction_count = 3,
		.transactions = transactions,
		.operation_count = count,
		.operations = operations };
}
