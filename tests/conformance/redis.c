/* SPDX-License-Identifier: Apache-2.0
 *
 * The redis sink, against a server of its own.
 */
#include "redis.h"

#include <hiredis/hiredis.h>
#include <signal.h>

struct server server;
static redisContext *look; /* a connection to look into the server */
char address[64];
struct setting settings[] = { { "address", address }, { NULL, NULL } };

static void look_in(void)
{
	look = redisConnect("127.0.0.1", (int)server.port);
	cr_assert(look != NULL && look->err == 0);
}

static void begin_with(const char *options)
{
	server_start(&server, "redis.sh", options);
	snprintf(address, sizeof(address), "127.0.0.1:%u", server.port);
	look_in();
}

static void begin(void)
{
	begin_with("");
}

static void end(void)
{
	redisFree(look);
	server_end(&server);
}

void pause_server(void)
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
	redisFree(look);
	look_in();
}

const char *ask(const char *format, ...)
{
	static char answer[512];
	va_list args;
	va_start(args, format);
	redisReply *reply = redisvCommand(look, format, args);
	va_end(args);
	cr_assert(reply != NULL, "%s", look->errstr);
	if (reply->type == REDIS_REPLY_NIL)
		snprintf(answer, sizeof(answer), "(nil)");
	else if (reply->type == REDIS_REPLY_INTEGER)
		snprintf(answer, sizeof(answer), "%lld", reply->integer);
	else
		snprintf(answer, sizeof(answer), "%s", reply->str);
	freeReplyObject(reply);
	return answer;
}

bool value_is(const char *key, const char *expected)
{
	redisReply *reply = redisCommand(look, "GET %s", key);
	cr_assert(reply != NULL, "%s", look->errstr);
	bool same = reply->type == REDIS_REPLY_STRING && strcmp(reply->str, expected) == 0;
	freeReplyObject(reply);
	return same;
}

bool holds(unsigned first, unsigned last, size_t padding)
{
	char key[32];
	if (last < first)
		return strcmp(ask("EXISTS last"), "0") == 0;
	for (unsigned n = first; n <= last; n++) {
		char *json = fake_json(n, padding);
		snprintf(key, sizeof(key), "n:%u", n);
		bool same = value_is(key, json);
		free(json);
		if (!same)
			return false;
	}
	snprintf(key, sizeof(key), "%u", last);
	return value_is("last", key);
}

static const struct bad_settings bad[] = {
	{ { { "address", "127.0.0.1:1" } }, FL_RETRY, false },
	{ { { "address", "/nowhere/redis.sock" } }, FL_RETRY, false },
	{ { { "address", "unix:/nowhere/redis.sock" } }, FL_RETRY, false },
	{ { { "address", "no-such-host.invalid:6379" } }, FL_RETRY, false },
	{ { { "address", "" } }, FL_FAILED, true },
	{ { { "address", "host:" } }, FL_FAILED, true },
	{ { { "address", "host:65536" } }, FL_FAILED, true },
	{ { { "address", "host:1:2" } }, FL_FAILED, true },
	{ { { "address", "::1" } }, FL_FAILED, true },
	{ { { "address", "[::1" } }, FL_FAILED, true },
	{ { { "address", "[::1]x" } }, FL_FAILED, true },
	{ { { "address", address }, { "database", "1000" } }, FL_FAILED, false },
	{ { { "address", address }, { "password", "wrong" } }, FL_FAILED, false },
	{ { { "address", address }, { "user", "me" } }, FL_FAILED, false },
	{ { { "address", address }, { "password", "a" }, { "password_file", "b" } }, FL_FAILED,
		false },
	{ { { NULL, NULL } }, FL_DONE, false },
};

const struct subject subject = {
	.plugin = "redis",
	.begin = begin,
	.end = end,
	.settings = settings,
	.bad = bad,
	.pause = pause_server,
	.kill = kill_server,
	.restart = restart_server,
	.when_killed = FL_RETRY,
	.keeps_position = true,
	.holds = holds,
};

/* ---- what is its own ---- */

static void prepare(void)
{
	signal(SIGPIPE, SIG_IGN);
	begin();
}

TestSuite(redis_sink, .init = prepare, .fini = end, .timeout = 60);

void open_sink(struct sink *sink, const struct setting *set, const char *position)
{
	cr_assert_eq(sink_open(sink, set), FL_DONE, "%s", sink->err.text);
	char *at = sink_position(sink);
	cr_assert_str_eq(at, position);
	free(at);
}

static enum fl_outcome submit_and_drain(
	struct sink *sink, const struct fl_operation *operations, size_t count, const char *at)
{
	struct fl_batch batch = operations_batch(operations, count, at);
	enum fl_outcome outcome = sink_submit(sink, &batch);
	return outcome == FL_PENDING ? sink_drain(sink) : outcome;
}

void submit_first(struct sink *sink)
{
	cr_assert_eq(submit_number(sink, 1, 1), FL_PENDING);
	cr_assert_eq(sink_drain(sink), FL_DONE, "%s", sink->err.text);
}

const char *position_kept(void)
{
	const char *held = ask("GET " POSITION), *blank = strchr(held, ' ');
	cr_assert(blank != NULL && strncmp(held, "owner=", 6) == 0, "%s", held);
	return blank + 1;
}

Test(redis_sink, values_are_set_expire_and_go)
{
	struct sink sink;
	const struct fl_operation operations[] = { SET("a", "1"), SET("b", "x\0y"), SET("c", "3"),
		DELETE("c"), DELETE("never"), SET("a", "2"),
		{ .kind = FL_KEY_SET, .key = BYTES("t"), .value = BYTES("4"), .ttl = 4000000000 } };
	open_sink(&sink, settings, "");
	cr_assert_eq(submit_and_drain(&sink, operations, COUNT(operations), "p"), FL_DONE);
	cr_expect_str_eq(ask("GET a"), "2");
	cr_expect_str_eq(ask("STRLEN b"), "3");
	cr_expect_str_eq(ask("EXISTS c"), "0");
	cr_expect_str_eq(ask("TTL t"), "4000000000");
	cr_expect_str_eq(ask("TTL a"), "-1");
	cr_expect_str_eq(position_kept(), "p");
	cr_expect_str_eq(ask("DBSIZE"), "4");
	sink_close(&sink);
}

/* Random, over a few keys, beside a model of what each holds: 0 for none, else the number of the
 * operation that set it. */
Test(redis_sink, the_order_of_operations_is_kept)
{
	enum { KEYS = 9, OPERATIONS = 2000, LARGE = 40000 };
	static char keys[KEYS][8], values[OPERATIONS][16], large[LARGE];
	struct fl_operation operations[OPERATIONS];
	size_t held[KEYS] = { 0 }, used = 0;
	uint32_t random = 1;
	struct sink sink;
	memset(large, 'l', sizeof(large));
	open_sink(&sink, settings, "");
	for (size_t k = 0; k < KEYS; k++)
		snprintf(keys[k], sizeof(keys[k]), "k%zu", k);
	for (size_t i = 0; i < OPERATIONS; i++) {
		random = random * 1664525 + 1013904223;
		unsigned const what = random >> 24, k = (random >> 8) % KEYS;
		/* Runs of either kind, some longer than a command may be. */
		bool const sets = i % 700 < 300 ? what > 10 : i % 700 < 500 ? what < 10 : what & 1;
		operations[i] = (struct fl_operation){ .kind = sets ? FL_KEY_SET : FL_KEY_DELETE,
			.key = { keys[k], strlen(keys[k]) } };
		snprintf(values[i], sizeof(values[i]), "%zu", i + 1);
		if (sets) {
			operations[i].value = (struct fl_bytes){ values[i], strlen(values[i]) };
			operations[i].ttl = what % 16 == 15 ? 1000 : 0;
			operations[i].flags = what % 16 == 13 ? FL_IF_EXISTS : 0;
		}
		if (!sets)
			held[k] = 0;
		else if (operations[i].flags == 0 || held[k] != 0)
			held[k] = i + 1;
		/* Between two of these, nothing is as small as it was. */
		if (sets && what % 64 == 12)
			operations[i].value = (struct fl_bytes){ large, sizeof(large) };
	}
	cr_assert_eq(
		submit_and_drain(&sink, operations, OPERATIONS, "p"), FL_DONE, "%s", sink.err.text);
	for (size_t k = 0; k < KEYS; k++) {
		const struct fl_operation *last = held[k] > 0 ? &operations[held[k] - 1] : NULL;
		used += last != NULL;
		if (last == NULL) {
			cr_expect_str_eq(ask("EXISTS %s", keys[k]), "0");
		} else if (last->value.size == LARGE) {
			cr_expect_str_eq(ask("STRLEN %s", keys[k]), "40000");
		} else {
			cr_expect(value_is(keys[k], values[held[k] - 1]), "%s", keys[k]);
			cr_expect_eq(strcmp(ask("TTL %s", keys[k]), "-1") == 0, last->ttl == 0);
		}
	}
	cr_expect_gt(used, 0);
	cr_expect_str_eq(position_kept(), "p");
	sink_close(&sink);
}

Test(redis_sink, a_unix_socket_and_a_database_and_a_key_of_ones_own)
{
	char path[128];
	struct setting own[] = { { "address", path }, { "database", "3" },
		{ "position_key", "where" }, { "pipeline", "1" }, { NULL, NULL } };
	struct sink sink;
	snprintf(path, sizeof(path), "unix:%s/sock", server.dir);
	open_sink(&sink, own, "");
	cr_assert_eq(submit_number(&sink, 1, 10), FL_DONE);
	cr_assert_eq(submit_number(&sink, 2, 10), FL_DONE);
	cr_expect_str_eq(ask("DBSIZE"), "0");
	cr_expect_str_eq(ask("SELECT 3"), "OK");
	cr_expect_str_eq(strchr(ask("GET where"), ' '), " at:2");
	cr_expect_str_eq(ask("GET last"), "2");
	sink_close(&sink);
}

Test(redis_sink, clear_takes_what_was_before_it_and_leaves_what_comes_after)
{
	struct sink sink;
	char key[32];
	struct fl_operation operations[] = { SET("user:1", "a"), SET("other", "b"), CLEAR("user:*"),
		SET("user:2", "c"), CLEAR("no\\*body"), SET("user:3", "d") };
	operations[2].transaction = 1;
	for (size_t i = 3; i < COUNT(operations); i++)
		operations[i].transaction = 2;
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(key, sizeof(key), "user:old:%u", i);
		ask("SET %s v", key);
	}
	ask("SET no*body v");
	ask("SET noxbody v");
	open_sink(&sink, settings, "");
	submit_first(&sink);
	cr_assert_eq(submit_number(&sink, 2, 1), FL_PENDING);
	cr_assert_eq(submit_and_drain(&sink, operations, COUNT(operations), "p"), FL_DONE);
	cr_expect_str_eq(ask("EXISTS user:1 user:old:0 user:old:4999 no*body"), "0");
	cr_expect_str_eq(ask("EXISTS other noxbody user:3"), "3");
	/* It stood before a CLEAR in its own transaction. */
	cr_expect_str_eq(ask("EXISTS user:2"), "0");
	cr_expect_str_eq(ask("DBSIZE"), "7");
	cr_expect_str_eq(position_kept(), "p");
	sink_close(&sink);
}

Test(redis_sink, the_position_is_not_touched_by_operations)
{
	struct sink sink;
	const struct fl_operation operations[] = { SET(POSITION, "x"), SET("a", "1"),
		DELETE(POSITION), CLEAR("*"), SET("b", "2") };
	open_sink(&sink, settings, "");
	cr_assert_eq(submit_and_drain(&sink, operations, COUNT(operations), "p1"), FL_DONE);
	cr_assert_eq(submit_and_drain(&sink, operations, 3, "p2"), FL_DONE);
	cr_expect_str_eq(position_kept(), "p2");
	cr_expect_str_eq(ask("GET a"), "1");
	cr_expect_eq(host_state.warnings, 1);
	/* What comes after the CLEAR is refused: it must still be there. */
	ask("ACL SETUSER default -set");
	cr_assert_eq(submit_and_drain(&sink, operations + 3, 2, "p3"), FL_FAILED);
	cr_expect_str_eq(position_kept(), "p2");
	cr_expect_str_eq(ask("EXISTS a"), "0");
	sink_close(&sink);
}

Test(redis_sink, a_clear_that_is_cut_short_is_done_again)
{
	struct sink sink;
	const struct fl_operation operations[] = { SET("a", "1"), CLEAR("u*"), SET("b", "2") };
	open_sink(&sink, settings, "");
	submit_first(&sink);
	ask("ACL SETUSER default -scan");
	cr_assert_eq(submit_and_drain(&sink, operations, COUNT(operations), "p"), FL_FAILED);
	cr_assert(strstr(sink.err.text, "ACL") != NULL, "%s", sink.err.text);
	cr_expect_str_eq(position_kept(), "at:1");
	cr_expect_str_eq(ask("EXISTS b"), "0");
	sink_close(&sink);
}

Test(redis_sink, passwords_and_users)
{
	const struct {
		struct setting set[4];
		enum fl_outcome outcome;
		const char *says;
	} cases[] = {
		{ { { "address", address } }, FL_FAILED, "password_file" },
		{ { { "address", address }, { "password", "wrong" } }, FL_FAILED, "check" },
		{ { { "address", address }, { "password", "secret" } }, FL_DONE, "" },
		{ { { "address", address }, { "password_file", "secret" } }, FL_DONE, "" },
		{ { { "address", address }, { "user", "me" }, { "password", "mine" } }, FL_DONE,
			"" },
		{ { { "address", address }, { "user", "me" }, { "password", "secret" } }, FL_FAILED,
			"check" },
	};
	ask("ACL SETUSER me on >mine ~* +@all");
	ask("CONFIG SET requirepass secret");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sink sink;
		enum fl_outcome outcome = sink_open(&sink, cases[i].set);
		cr_expect_eq(outcome, cases[i].outcome, "case %zu: %s", i, sink.err.text);
		cr_expect(strstr(sink.err.text, cases[i].says) != NULL, "case %zu: %s", i,
			sink.err.text);
		cr_expect(strstr(sink.err.text, "secret") == NULL);
		if (outcome == FL_DONE)
			sink_close(&sink);
	}
}

Test(redis_sink, the_rights_in_the_manual_page_are_enough)
{
	struct sink sink;
	const struct setting set[] = { { "address", address }, { "user", "fastlane" },
		{ "password", "secret" }, { NULL, NULL } };
	const struct fl_operation operations[] = { SET("user:1", "a"), CLEAR("user:*"),
		SET("user:2", "b"), SET("user:4", "d"), DELETE("user:3"), SET("user:5", "e") };
	ask("ACL SETUSER fastlane on >secret ~user:* ~fastlane:* +multi +exec +set +mset +del "
	    "+unlink "
	    "+get +eval +watch +pexpire +persist +scan +select +config|get");
	ask("SET user:0 v");
	open_sink(&sink, set, "");
	cr_assert_eq(submit_and_drain(&sink, operations, COUNT(operations), "p"), FL_DONE, "%s",
		sink.err.text);
	cr_expect_str_eq(position_kept(), "p");
	cr_expect_str_eq(ask("DBSIZE"), "4");
	sink_close(&sink);
}

Test(redis_sink, a_server_that_may_evict_the_position_is_warned_of)
{
	struct sink sink;
	open_sink(&sink, settings, "");
	cr_expect_eq(host_state.warnings, 0);
	sink_close(&sink);
	ask("CONFIG SET maxmemory-policy allkeys-lru");
	open_sink(&sink, settings, "");
	cr_expect_eq(host_state.warnings, 1);
	cr_expect(strstr(host_state.log, POSITION) != NULL, "%s", host_state.log);
	sink_close(&sink);
}
