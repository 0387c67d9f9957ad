/* SPDX-License-Identifier: Apache-2.0
 *
 * The memcached sink on a pool: which server a key goes to, and which order is kept.
 */
#include "memcached.h"

#include <signal.h>

enum { POOL = 4, KEYS = 100000, BATCH = 1000 };

static struct server pool[POOL];
static char addresses[256];

static void begin(void)
{
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < POOL; i++)
		server_start(&pool[i], "memcached.sh", "");
}

static void end(void)
{
	for (size_t i = 0; i < POOL; i++)
		server_end(&pool[i]);
}

TestSuite(memcached_servers, .init = begin, .fini = end, .timeout = 120);

/* A client as a reader has it. */
static memcached_st *reader(const unsigned *weights, size_t count)
{
	memcached_st *client = memcached_create(NULL);
	cr_assert(memcached_success(
		memcached_behavior_set(client, MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1)));
	for (size_t i = 0; i < count; i++)
		cr_assert(memcached_success(memcached_server_add_with_weight(
			client, "127.0.0.1", (in_port_t)pool[i].port, weights[i])));
	return client;
}

static void name_servers(const unsigned *weights, size_t count)
{
	addresses[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		size_t size = strlen(addresses);
		snprintf(addresses + size, sizeof(addresses) - size, "%s127.0.0.1:%u:%u",
			i > 0 ? "," : "", pool[i].port, weights[i]);
	}
}

/* Of what is stored, the keys k:... */
static unsigned items_on(const struct server *at)
{
	memcached_return_t r;
	memcached_st *look = memcached_create(NULL);
	cr_assert(memcached_success(memcached_server_add(look, "127.0.0.1", (in_port_t)at->port)));
	char name[] = "curr_items";
	memcached_stat_st *stat = memcached_stat(look, NULL, &r);
	char *value = memcached_stat_get_value(look, stat, name, &r);
	unsigned items = (unsigned)strtoul(value, NULL, 10) - 1; /* the canary */
	free(value);
	memcached_stat_free(look, stat);
	memcached_free(look);
	return items;
}

static void set_all(struct sink *sink, unsigned run)
{
	static char keys[BATCH][32];
	static struct fl_operation operations[BATCH];
	for (unsigned first = 0; first < KEYS; first += BATCH) {
		for (unsigned i = 0; i < BATCH; i++) {
			snprintf(keys[i], sizeof(keys[i]), "k:%u:%u", run, first + i);
			operations[i] = (struct fl_operation){ .kind = FL_KEY_SET,
				.key = text_bytes(keys[i]),
				.value = text_bytes(keys[i]) };
		}
		struct fl_batch batch = operations_batch(operations, BATCH, "p");
		cr_assert_leq(sink_submit(sink, &batch), FL_PENDING, "%s", sink->err.text);
	}
	cr_assert_eq(sink_drain(sink), FL_DONE, "%s", sink->err.text);
}

/* Looks for BATCH keys; adds to what each server should have. */
static unsigned count_found(memcached_st *client, unsigned run, unsigned first, unsigned *expected)
{
	static char keys[BATCH][32];
	const char *pointers[BATCH];
	size_t sizes[BATCH];
	memcached_return_t r;
	memcached_result_st result;
	unsigned found = 0;
	for (unsigned i = 0; i < BATCH; i++) {
		sizes[i] = (size_t)snprintf(keys[i], sizeof(keys[i]), "k:%u:%u", run, first + i);
		pointers[i] = keys[i];
		expected[memcached_generate_hash(client, keys[i], sizes[i])]++;
	}
	cr_assert(memcached_success(memcached_mget(client, pointers, sizes, BATCH)));
	memcached_result_create(client, &result);
	while (memcached_fetch_result(client, &result, &r) != NULL)
		found++;
	memcached_result_free(&result);
	return found;
}

/* On each server are exactly the keys that libmemcached, as a reader has it, looks for there. */
Test(memcached_servers, a_hundred_thousand_keys_are_where_libmemcached_looks_for_them)
{
	static const struct {
		size_t count;
		unsigned weights[POOL];
	} cases[] = {
		{ 1, { 1 } },
		{ 2, { 1, 1 } },
		{ 3, { 1, 2, 5 } },
		{ 4, { 7, 1, 3, 3 } },
		{ 4, { 100, 1, 10000, 50 } },
	};
	const struct setting settings[] = { { "servers", addresses }, { NULL, NULL } };
	for (unsigned c = 0; c < sizeof(cases) / sizeof(*cases); c++) {
		struct sink sink;
		unsigned before[POOL], expected[POOL] = { 0 }, missing = 0;
		memcached_st *client = reader(cases[c].weights, cases[c].count);
		name_servers(cases[c].weights, cases[c].count);
		cr_assert_eq(sink_open(&sink, settings), FL_DONE, "%s", sink.err.text);
		for (size_t i = 0; i < cases[c].count; i++)
			before[i] = items_on(&pool[i]);
		set_all(&sink, c);
		for (unsigned first = 0; first < KEYS; first += BATCH)
			missing += BATCH - count_found(client, c, first, expected);
		cr_assert_eq(missing, 0, "case %u: %u keys are not found", c, missing);
		for (size_t i = 0; i < cases[c].count; i++)
			cr_assert_eq(items_on(&pool[i]) - before[i], expected[i],
				"case %u, server %zu", c, i);
		sink_close(&sink);
		memcached_free(client);
	}
}

/* ---- order ---- */

/* A key of each server, by trial. */
static void find_keys(char first[16], char second[16])
{
	const unsigned weights[] = { 1, 1 };
	memcached_st *client = reader(weights, 2);
	name_servers(weights, 2);
	first[0] = second[0] = '\0';
	for (unsigned n = 0; first[0] == '\0' || second[0] == '\0'; n++) {
		char key[16];
		int size = snprintf(key, sizeof(key), "n:%u", n);
		strcpy(memcached_generate_hash(client, key, (size_t)size) == 0 ? first : second,
			key);
	}
	memcached_free(client);
}

/* Transaction 0 writes to the second server, which is frozen, and transaction 1, or another batch,
 * to the first one. Whether the latter can be seen although the former can't. */
static bool shows_the_later_one(const char *order, bool in_one_batch)
{
	const struct setting settings[] = { { "servers", addresses }, { "order", order },
		{ "timeout_ms", "300" }, { NULL, NULL } };
	char first[16], second[16];
	struct sink sink;
	find_keys(first, second);
	const struct fl_operation operations[] = {
		{ .kind = FL_KEY_SET, .key = text_bytes(second), .value = text_bytes("v") },
		{ .kind = FL_KEY_SET,
			.key = text_bytes(first),
			.value = text_bytes("v"),
			.transaction = in_one_batch },
	};
	struct fl_batch both = operations_batch(operations, 2, "p");
	struct fl_batch one = operations_batch(operations, 1, "p");
	struct fl_batch other = operations_batch(operations + 1, 1, "p");
	cr_assert_eq(sink_open(&sink, settings), FL_DONE, "%s", sink.err.text);
	server_signal(&pool[1], SIGSTOP);
	enum fl_outcome outcome = sink_submit(&sink, in_one_batch ? &both : &one);
	if (!in_one_batch && outcome == FL_PENDING)
		outcome = sink_submit(&sink, &other);
	if (outcome == FL_PENDING)
		outcome = sink_drain(&sink);
	cr_assert_eq(outcome, FL_RETRY, "the second server does not answer");
	bool is_seen = value_is(&pool[0], first, "v");
	server_signal(&pool[1], SIGCONT);
	sink_close(&sink);
	return is_seen;
}

Test(memcached_servers, strict_holds_a_transaction_back_until_the_one_before_is_there)
{
	cr_assert(!shows_the_later_one("strict", true));
}

Test(memcached_servers, strict_holds_a_batch_back_until_the_one_before_is_there)
{
	cr_assert(!shows_the_later_one("strict", false));
}

Test(memcached_servers, batch_sends_a_batch_to_all_servers_at_once)
{
	cr_assert(shows_the_later_one("batch", true));
}

Test(memcached_servers, batch_holds_a_batch_back_until_the_one_before_is_there)
{
	cr_assert(!shows_the_later_one("batch", false));
}

/* The host fails the test if a batch is told twice. */
Test(memcached_servers, what_is_settled_only_grows_whichever_servers_the_batches_go_to)
{
	const unsigned weights[] = { 1, 1, 1, 1 };
	const char *const orders[] = { "batch", "strict" };
	for (unsigned o = 0; o < 2; o++) {
		const struct setting settings[] = { { "servers", addresses },
			{ "order", orders[o] }, { NULL, NULL } };
		struct sink sink;
		name_servers(weights, 4);
		cr_assert_eq(sink_open(&sink, settings), FL_DONE, "%s", sink.err.text);
		for (unsigned n = 0; n < 2000; n++) {
			char key[16];
			snprintf(key, sizeof(key), "k:%u", n * 7919 % 97);
			const struct fl_operation set = {
				.kind = FL_KEY_SET, .key = text_bytes(key), .value = text_bytes("v")
			};
			struct fl_batch batch = operations_batch(&set, 1, "p");
			cr_assert_leq(sink_submit(&sink, &batch), FL_PENDING, "%s", sink.err.text);
			/* All, or all but what is under way on each server. */
			cr_assert_geq(host_state.settled + 32, sink.batches);
		}
		sink_close(&sink);
	}
}
