/* SPDX-License-Identifier: Apache-2.0
 *
 * The memcached sink: against one server, and against a pool of two.
 */
#include "memcached.h"

#include <signal.h>

struct server server;
static struct server second;
char servers[128];
static const struct setting settings[] = { { "servers", servers }, { "item_max", "20000000" },
	{ NULL, NULL } };

static void begin(void)
{
	server_start(&server, "memcached.sh", "");
	snprintf(servers, sizeof(servers), "127.0.0.1:%u", server.port);
}

static void end(void)
{
	server_end(&server);
}

static void pause_server(void)
{
	server_signal(&server, SIGSTOP);
}

static void kill_server(void)
{
	server_kill(&server);
}

static void restart_server(void)
{
	server_restart(&server, "");
}

char *get_from(const struct server *from, const char *key)
{
	memcached_return_t r;
	uint32_t flags;
	size_t size;
	memcached_st *look = memcached_create(NULL);
	cr_assert(memcached_server_add(look, "127.0.0.1", (in_port_t)from->port) ==
		  MEMCACHED_SUCCESS);
	char *value = memcached_get(look, key, strlen(key), &size, &flags, &r);
	cr_assert(r == MEMCACHED_SUCCESS || r == MEMCACHED_NOTFOUND, "%s",
		memcached_strerror(look, r));
	memcached_free(look);
	return value;
}

bool value_is(const struct server *from, const char *key, const char *expected)
{
	char *value = get_from(from, key);
	bool same =
		expected != NULL ? value != NULL && strcmp(value, expected) == 0 : value == NULL;
	free(value);
	return same;
}

static bool holds(unsigned first, unsigned last, size_t padding)
{
	char key[32];
	if (last < first)
		return value_is(&server, "last", NULL);
	for (unsigned n = first; n <= last; n++) {
		char *json = fake_json(n, padding);
		snprintf(key, sizeof(key), "n:%u", n);
		bool same = value_is(&server, key, json);
		free(json);
		if (!same)
			return false;
	}
	snprintf(key, sizeof(key), "%u", last);
	return value_is(&server, "last", key);
}

static const struct bad_settings bad[] = {
	{ { { "servers", "127.0.0.1:1" } }, FL_RETRY, false },
	{ { { "servers", "/nowhere/memcached.sock" } }, FL_RETRY, false },
	{ { { "servers", "no-such-host.invalid" } }, FL_RETRY, false },
	{ { { "servers", "" } }, FL_FAILED, true },
	{ { { "servers", "a,,b" } }, FL_FAILED, true },
	{ { { "servers", "a," } }, FL_FAILED, true },
	{ { { "servers", "a:11211,b,a" } }, FL_FAILED, true },
	{ { { "servers", "a:x" } }, FL_FAILED, true },
	{ { { "servers", "a:1:0" } }, FL_FAILED, true },
	{ { { "servers", "a:1:2:3" } }, FL_FAILED, true },
	{ { { "user", "a b" } }, FL_FAILED, true },
	{ { { "user", "a:b" } }, FL_FAILED, true },
	{ { { "password", "a\r\nb" } }, FL_FAILED, true },
	{ { { "user", "a" } }, FL_FAILED, false },
	{ { { "password", "a" } }, FL_FAILED, false },
	{ { { "protocol", "sasl" } }, FL_FAILED, false },
	{ { { "user", "a" }, { "password", "b" }, { "password_file", "b" } }, FL_FAILED, false },
	{ { { "user", "a" }, { "password", "b" }, { "protocol", "classic" } }, FL_FAILED, false },
	{ { { NULL, NULL } }, FL_DONE, false },
};

const struct subject subject = {
	.plugin = "memcached",
	.begin = begin,
	.end = end,
	.settings = settings,
	.bad = bad,
	.pause = pause_server,
	.kill = kill_server,
	.restart = restart_server,
	.when_killed = FL_RETRY,
	.holds = holds,
};

/* ---- what is its own ---- */

void prepare_server(void)
{
	signal(SIGPIPE, SIG_IGN);
	begin();
}

void end_server(void)
{
	end();
}

TestSuite(memcached_sink, .init = prepare_server, .fini = end_server, .timeout = 60);

static void prepare_pool(void)
{
	prepare_server();
	server_start(&second, "memcached.sh", "");
	snprintf(
		servers, sizeof(servers), "127.0.0.1:%u, 127.0.0.1:%u:2", server.port, second.port);
}

static void end_pool(void)
{
	server_end(&second);
	end();
}

TestSuite(memcached_pool, .init = prepare_pool, .fini = end_pool, .timeout = 60);

static void open_sink(struct sink *sink, const struct setting *set)
{
	cr_assert_eq(sink_open(sink, set), FL_DONE, "%s", sink->err.text);
}

enum fl_outcome apply(struct sink *sink, struct fl_batch *batch)
{
	enum fl_outcome outcome = sink_submit(sink, batch);
	return outcome == FL_PENDING ? sink_drain(sink) : outcome;
}

enum fl_outcome submit_one(struct sink *sink, enum fl_operation_kind kind, const char *key,
	const char *value, uint32_t ttl)
{
	struct fl_operation operation = { .kind = kind, .key = text_bytes(key), .ttl = ttl };
	if (value != NULL)
		operation.value = text_bytes(value);
	struct fl_batch batch = operations_batch(&operation, 1, "p");
	return apply(sink, &batch);
}

#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

Test(memcached_sink, keys_are_written_so_that_every_reader_finds_them)
{
	static const struct {
		const char *raw, *stored;
	} cases[] = {
		{ "user:1", "user:1" },
		{ "a b\tc\r\n\x7f%", "a%20b%09c%0D%0A%7F%25" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ X50 X50 X50 X50 X50, X50 X50 X50 X50 X50 },
		{ X50 X50 X50 X50 X50 "x",
			"sha256:"
			"90d738c31c5ee1241cbcd2ff3d4aa1257ba5b7d717c545c397d37dc060ecf7ff" },
		{ X50 X50 X50 X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx ",
			X50 X50 X50 X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx%20" },
		{ X50 X50 X50 X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx ",
			"sha256:4064e9b1051c541c854c66cdc74d91cc10ce4cea49cad87fe03fe8d7b34f2701" },
		{ "", "sha256:"
		      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	};
	struct sink sink;
	open_sink(&sink, settings);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		cr_assert_eq(submit_one(&sink, FL_KEY_SET, cases[i].raw, "v", 0), FL_DONE, "%s",
			sink.err.text);
		cr_expect(value_is(&server, cases[i].stored, "v"), "case %zu", i);
		cr_assert_eq(submit_one(&sink, FL_KEY_DELETE, cases[i].raw, NULL, 0), FL_DONE);
		cr_expect(value_is(&server, cases[i].stored, NULL), "case %zu", i);
	}
	sink_close(&sink);
}

Test(memcached_sink, times_to_live_beyond_30_days_are_no_dates)
{
	static const uint32_t ttls[] = { 0, 1000, 2592000, 2592001, 31536000, 4000000000 };
	struct sink sink;
	open_sink(&sink, settings);
	for (size_t i = 0; i < sizeof(ttls) / sizeof(*ttls); i++) {
		cr_assert_eq(submit_one(&sink, FL_KEY_SET, "k", "v", ttls[i]), FL_DONE, "%s",
			sink.err.text);
		cr_expect(value_is(&server, "k", "v"), "ttl %u", ttls[i]);
		cr_assert_eq(submit_one(&sink, FL_KEY_DELETE, "k", NULL, 0), FL_DONE);
	}
	sink_close(&sink);
}

Test(memcached_sink, deleting_what_is_not_there_is_no_error)
{
	struct sink sink;
	open_sink(&sink, settings);
	cr_assert_eq(submit_one(&sink, FL_KEY_DELETE, "never", NULL, 0), FL_DONE);
	sink_close(&sink);
}

Test(memcached_sink, too_large_a_value_deletes_the_key_and_warns)
{
	const struct setting small[] = { { "servers", servers }, { "item_max", "100" },
		{ NULL, NULL } };
	struct sink sink;
	char *large = fake_json(1, 200);
	open_sink(&sink, small);
	cr_assert_eq(submit_one(&sink, FL_KEY_SET, "k", "old", 0), FL_DONE);
	for (unsigned i = 1; i <= 5; i++)
		cr_assert_eq(submit_one(&sink, FL_KEY_SET, "k", large, 0), FL_DONE);
	cr_assert(value_is(&server, "k", NULL));
	cr_assert_eq(host_state.warnings, 3, "the 1st, 2nd and 4th");
	sink_close(&sink);
	free(large);
}

Test(memcached_sink, a_value_beyond_the_servers_limit_deletes_the_key_too)
{
	struct sink sink;
	char *large = fake_json(1, 3000000);
	kill_server();
	server_restart(&server, "--max-item-size=1m");
	open_sink(&sink, settings);
	cr_assert_eq(submit_one(&sink, FL_KEY_SET, "k", "old", 0), FL_DONE);
	cr_assert_eq(submit_one(&sink, FL_KEY_SET, "k", large, 0), FL_DONE, "%s", sink.err.text);
	cr_assert(value_is(&server, "k", NULL));
	cr_assert_eq(submit_one(&sink, FL_KEY_SET, "k", "new", 0), FL_DONE, "%s", sink.err.text);
	cr_assert(value_is(&server, "k", "new"));
	cr_assert_eq(host_state.warnings, 1);
	sink_close(&sink);
	free(large);
}

Test(memcached_sink, clear_forgets_what_was_before_it_and_keeps_what_comes_after)
{
	struct sink sink;
	const struct fl_operation operations[] = {
		{ .kind = FL_KEY_SET, .key = text_bytes("a"), .value = text_bytes("1") },
		{ .kind = FL_KEY_CLEAR, .key = text_bytes("a*") },
		{ .kind = FL_KEY_SET, .key = text_bytes("b"), .value = text_bytes("2") },
	};
	struct fl_batch batch = operations_batch(operations, 3, "p");
	open_sink(&sink, settings);
	cr_assert_eq(apply(&sink, &batch), FL_DONE, "%s", sink.err.text);
	cr_assert(value_is(&server, "a", NULL));
	cr_assert(value_is(&server, "b", "2"));
	cr_assert_eq(host_state.warnings, 1);
	sink_close(&sink);
}

Test(memcached_sink, clear_halts_if_it_is_told_to)
{
	const struct setting halt[] = { { "servers", servers }, { "clear", "halt" },
		{ NULL, NULL } };
	struct sink sink;
	open_sink(&sink, halt);
	cr_assert_eq(submit_one(&sink, FL_KEY_SET, "a", "1", 0), FL_DONE);
	cr_assert_eq(submit_one(&sink, FL_KEY_CLEAR, "a*", NULL, 0), FL_FAILED);
	cr_assert(value_is(&server, "a", "1"));
	sink_close(&sink);
}

Test(memcached_sink, a_server_whose_flush_is_not_exact_is_refused)
{
	const struct setting halt[] = { { "servers", servers }, { "clear", "halt" },
		{ NULL, NULL } };
	struct sink sink;
	kill_server();
	server_restart(&server, "--disable-cas");
	cr_assert_eq(sink_open(&sink, settings), FL_FAILED);
	cr_assert(strstr(sink.err.text, "clear = halt") != NULL, "%s", sink.err.text);
	open_sink(&sink, halt);
	sink_close(&sink);
}

/* ---- a pool ---- */

Test(memcached_pool, keys_are_spread_and_each_is_on_one_server)
{
	struct sink sink;
	unsigned on_first = 0, on_second = 0;
	open_sink(&sink, settings);
	for (unsigned n = 1; n <= 300; n++) {
		char key[32];
		snprintf(key, sizeof(key), "n:%u", n);
		cr_assert_eq(submit_one(&sink, FL_KEY_SET, key, "v", 0), FL_DONE);
		bool first = value_is(&server, key, "v");
		cr_assert_neq(first, value_is(&second, key, "v"));
		on_first += first;
		on_second += !first;
	}
	cr_assert(on_first > 50 && on_second > on_first, "%u and %u", on_first, on_second);
	cr_assert_eq(submit_one(&sink, FL_KEY_CLEAR, "*", NULL, 0), FL_DONE);
	cr_assert(value_is(&server, "n:1", NULL) && value_is(&second, "n:1", NULL));
	cr_assert(value_is(&server, "n:2", NULL) && value_is(&second, "n:2", NULL));
	sink_close(&sink);
}

Test(memcached_pool, the_keys_of_a_dead_server_go_to_no_other)
{
	struct sink sink;
	enum fl_outcome outcome = FL_DONE;
	char key[32];
	open_sink(&sink, settings);
	server_kill(&second);
	unsigned n = 0;
	while (outcome == FL_DONE && n < 100) {
		snprintf(key, sizeof(key), "n:%u", ++n);
		outcome = submit_one(&sink, FL_KEY_SET, key, "v", 0);
	}
	cr_assert_eq(outcome, FL_RETRY);
	snprintf(servers, sizeof(servers), "127.0.0.1:%u", second.port);
	cr_assert(strstr(sink.err.text, servers) != NULL, "%s", sink.err.text);
	cr_assert(value_is(&server, key, NULL));
	for (unsigned again = 0; again < 30; again++)
		cr_assert_eq(submit_one(&sink, FL_KEY_SET, key, "v", 0), FL_RETRY);
	cr_assert(value_is(&server, key, NULL));
	sink_close(&sink);
}

Test(memcached_pool, half_a_pool_is_not_opened)
{
	struct sink sink;
	server_kill(&second);
	cr_assert_eq(sink_open(&sink, settings), FL_RETRY);
	server_restart(&second, "");
	open_sink(&sink, settings);
	sink_close(&sink);
}
