/* SPDX-License-Identifier: Apache-2.0
 *
 * The redis sink against a server that is made up, for answers that a real one gives only at the
 * worst of moments.
 */
#include "conformance.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define POSITION "fastlane:position:test"

static char address[64];
static const struct setting settings[] = { { "address", address }, { NULL, NULL } };

static void prepare(void)
{
	signal(SIGPIPE, SIG_IGN);
}

/* Takes one connection, answers with `script` whatever is asked, and keeps what it was. With `cue`,
 * OK is answered once that has been asked. */
static struct fake {
	int listener;
	pthread_t thread;
	const char *script, *cue;
	size_t size;
	struct fl_buf asked;
} fake;

static void *fake_run(void *ctx)
{
	(void)ctx;
	int fd = accept(fake.listener, NULL, NULL);
	/* No assertion: Criterion's are for a test's first thread. What is not sent is missed
	 * there. */
	ssize_t sent = write(fd, fake.script, fake.size);
	if (fake.cue == NULL)
		shutdown(fd, SHUT_WR);
	for (ssize_t size = 1; size > 0;) {
		char *to = fl_buf_reserve(&fake.asked, 4096);
		size = read(fd, to, 4096);
		if (size > 0)
			fake.asked.size += (size_t)size;
		if (fake.cue != NULL && memmem(fake.asked.data, fake.asked.size, fake.cue,
						strlen(fake.cue)) != NULL) {
			sent = write(fd, "+OK\r\n", 5);
			fake.cue = NULL;
		}
	}
	close(fd);
	return sent < 0 ? &fake : NULL;
}

static void fake_start(const char *script, size_t size)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(at);
	fl_buf_clear(&fake.asked);
	fake.script = script;
	fake.size = size;
	fake.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert(bind(fake.listener, (struct sockaddr *)&at, length) == 0);
	cr_assert(listen(fake.listener, 1) == 0);
	cr_assert(getsockname(fake.listener, (struct sockaddr *)&at, &length) == 0);
	snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(at.sin_port));
	cr_assert(pthread_create(&fake.thread, NULL, fake_run, NULL) == 0);
}

static void fake_end(void)
{
	void *failed = NULL;
	pthread_join(fake.thread, &failed);
	cr_assert(failed == NULL);
	close(fake.listener);
	fl_buf_char(&fake.asked, '\0');
}

TestSuite(redis_answers, .init = prepare, .timeout = 60);

#define CLAIMED	  "+OK\r\n*0\r\n*2\r\n$1\r\n7\r\n$2\r\np0\r\n"
#define LOGGED_IN CLAIMED "+OK\r\n:1\r\n"
/* To MULTI, an MSET and the position's SET. */
#define QUEUED	"+OK\r\n+QUEUED\r\n+QUEUED\r\n"
#define APPLIED "*2\r\n+OK\r\n+OK\r\n"
/* To the watch behind it. */
#define WATCHED "+OK\r\n$14\r\nowner=7/1 at:1\r\n"

static enum fl_outcome submit_two(struct sink *sink)
{
	return submit_number(sink, 1, 1);
}

/* Opens, submits one batch, drains. */
static enum fl_outcome talk_of(enum fl_outcome (*submit)(struct sink *), struct fl_err *err)
{
	struct sink sink;
	struct fl_buf position = { 0 };
	enum fl_outcome outcome = sink_open(&sink, settings);
	if (outcome == FL_DONE) {
		outcome = sink.plugin->position(sink.self, &position, &sink.err);
		if (outcome == FL_DONE)
			outcome = submit(&sink);
		if (outcome == FL_PENDING)
			outcome = sink.plugin->drain(sink.self, &sink.err);
		sink_close(&sink);
		fl_buf_finish(&position);
	}
	*err = sink.err;
	return outcome;
}

static enum fl_outcome talk(struct fl_err *err)
{
	return talk_of(submit_two, err);
}

Test(redis_answers, every_answer_is_judged)
{
	static const struct {
		const char *script;
		enum fl_outcome outcome;
		const char *says;
	} cases[] = {
		{ LOGGED_IN QUEUED APPLIED WATCHED, FL_DONE, "" },
		{ LOGGED_IN QUEUED APPLIED "+OK\r\n$1\r\nx\r\n", FL_DONE, "" },
		{ LOGGED_IN QUEUED APPLIED "+OK\r\n$-1\r\n", FL_DONE, "" },
		{ LOGGED_IN QUEUED APPLIED "-NOPERM no WATCH\r\n", FL_FAILED, "ACL" },
		{ LOGGED_IN QUEUED APPLIED "+OK\r\n-NOPERM no GET\r\n", FL_FAILED, "ACL" },
		{ LOGGED_IN QUEUED APPLIED ":1\r\n", FL_RETRY, "WATCH" },
		{ LOGGED_IN QUEUED APPLIED "+OK\r\n+OK\r\n", FL_RETRY, "GET" },
		{ "-LOADING Redis is loading\r\n", FL_RETRY, "LOADING" },
		{ "-NOAUTH Authentication required.\r\n", FL_FAILED, "password_file" },
		{ "-ERR max number of clients reached\r\n", FL_RETRY, "maxclients" },
		{ ":1\r\n", FL_RETRY, "SELECT" },
		{ "+OK\r\n-NOPERM no CONFIG\r\n-NOPERM no GET\r\n", FL_FAILED, "ACL" },
		{ "+OK\r\n*0\r\n-WRONGTYPE x\r\n", FL_FAILED, "position_key" },
		{ "+OK\r\n*0\r\n-ERR Error running script (call to f_1): @user_script:1: "
		  "@user_script: 1: -READONLY You can't write against a read only replica. \r\n",
			FL_RETRY, "primary" },
		{ "+OK\r\n*0\r\n*0\r\n", FL_RETRY, "EVAL" },
		{ "+OK\r\n*0\r\n*2\r\n$1\r\nx\r\n$2\r\np0\r\n", FL_RETRY, "EVAL" },
		{ CLAIMED "-NOPERM no WATCH\r\n", FL_FAILED, "ACL" },
		{ CLAIMED "+OK\r\n-NOPERM no EVAL\r\n", FL_FAILED, "ACL" },
		{ CLAIMED "+OK\r\n+OK\r\n", FL_RETRY, "EVAL" },
		{ CLAIMED "+OK\r\n:0\r\n" QUEUED "*-1\r\n", FL_RETRY, "not applied" },
		{ LOGGED_IN "-MOVED 1 other:1\r\n", FL_FAILED, "cluster" },
		{ LOGGED_IN "+OK\r\n-MOVED 1 other:1\r\n", FL_FAILED, "cluster" },
		{ LOGGED_IN "+OK\r\n-OOM x\r\n", FL_RETRY, "maxmemory" },
		{ LOGGED_IN "+OK\r\n-MISCONF x\r\n", FL_RETRY, "disk" },
		{ LOGGED_IN "+OK\r\n-ERR unknown command\r\n", FL_FAILED, "unknown" },
		{ LOGGED_IN "+OK\r\n+OK\r\n", FL_RETRY, "proper" },
		{ LOGGED_IN "+QUEUED\r\n", FL_RETRY, "MULTI" },
		{ LOGGED_IN QUEUED "-EXECABORT x\r\n", FL_RETRY, "EXECABORT" },
		{ LOGGED_IN QUEUED "*-1\r\n", FL_RETRY, "not applied" },
		{ LOGGED_IN QUEUED "*1\r\n+OK\r\n", FL_RETRY, "EXEC" },
		{ LOGGED_IN QUEUED "*3\r\n+OK\r\n+OK\r\n+OK\r\n", FL_RETRY, "EXEC" },
		{ LOGGED_IN QUEUED "*2\r\n:1\r\n:0\r\n", FL_RETRY, "SET" },
		{ LOGGED_IN QUEUED "*2\r\n+OK\r\n:0\r\n", FL_RETRY, "SET" },
		{ LOGGED_IN QUEUED "*2\r\n+QUEUED\r\n:0\r\n", FL_RETRY, "SET" },
		{ LOGGED_IN QUEUED "*2\r\n+OK\r\n*1\r\n*2\r\n+OK\r\n:0\r\n", FL_RETRY, "SET" },
		{ LOGGED_IN QUEUED "*2\r\n+OK\r\n-OOM x\r\n", FL_RETRY, "OOM" },
		{ LOGGED_IN QUEUED "*2\r\n-NOPERM x\r\n-NOPERM x\r\n", FL_FAILED, "ACL" },
		{ LOGGED_IN QUEUED "*2\r\n+OK\r\nnonsense\r\n", FL_RETRY, "Protocol error" },
		{ LOGGED_IN "+OK\r\n+OK\r\n*2\r\n", FL_RETRY, "proper" },
		{ LOGGED_IN "nonsense\r\n", FL_RETRY, "Protocol error" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fl_err err;
		host_state.memory = 0;
		fake_start(cases[i].script, strlen(cases[i].script));
		enum fl_outcome outcome = talk(&err);
		fake_end();
		cr_expect_eq(outcome, cases[i].outcome, "case %zu: %s", i, err.text);
		cr_expect(strstr(err.text, cases[i].says) != NULL, "case %zu: %s", i, err.text);
		cr_expect_eq(host_state.errors, 0, "case %zu: the position was put back", i);
	}
	fl_buf_finish(&fake.asked);
}

Test(redis_answers, a_part_refused_behind_a_moved_position_puts_it_back)
{
	static const char script[] = LOGGED_IN QUEUED "*2\r\n-NOPERM x\r\n+OK\r\n" WATCHED;
	struct fl_err err;
	fake.cue = "SET\r\n$22\r\n" POSITION "\r\n$12\r\nowner=7/0 p0\r\n";
	fake_start(script, sizeof(script) - 1);
	cr_assert_eq(talk(&err), FL_FAILED);
	fake_end();
	cr_assert(fake.cue == NULL, "it was not set: %s", fake.asked.data);
	cr_assert_eq(host_state.errors, 1);
	cr_assert(strstr(host_state.log, "it was put back") != NULL, "%s", host_state.log);
	fl_buf_finish(&fake.asked);
}

Test(redis_answers, a_position_that_cannot_be_put_back_is_told)
{
	static const char script[] = LOGGED_IN QUEUED "*2\r\n-NOPERM x\r\n+OK\r\n";
	struct fl_err err;
	fake_start(script, sizeof(script) - 1);
	cr_assert_eq(talk(&err), FL_FAILED);
	fake_end();
	cr_assert_eq(host_state.errors, 1);
	cr_assert(strstr(host_state.log, "by hand") != NULL, "%s", host_state.log);
	fl_buf_finish(&fake.asked);
}

Test(redis_answers, an_answer_that_ends_anywhere_is_a_lost_connection)
{
	static const char script[] = LOGGED_IN QUEUED APPLIED WATCHED;
	for (size_t size = 0; size < sizeof(script) - 1; size++) {
		struct fl_err err;
		fake_start(script, size);
		cr_expect_eq(talk(&err), FL_RETRY, "%zu bytes: %s", size, err.text);
		fake_end();
	}
	fl_buf_finish(&fake.asked);
}

#define BYTES(text)                                                                                \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}
#define KEY(kind_, name, ...)                                                                      \
	{                                                                                          \
		.kind = FL_KEY_##kind_, .key = BYTES(name), __VA_ARGS__                            \
	}

/* Of every kind; the numbers are those of the commands that are sent for it. */
static enum fl_outcome submit_all_kinds(struct sink *sink)
{
	uint32_t const one = 1;
	char fields[] = "----n----v";
	struct fl_bytes const hash = { fields, sizeof(fields) - 1 };
	memcpy(fields, &one, sizeof(one));
	memcpy(fields + 5, &one, sizeof(one));
	const struct fl_operation operations[] = {
		KEY(SET, "a", .value = BYTES("1")),			   /* 0 */
		KEY(SET, "b", .value = BYTES("2")),			   /* 0 */
		KEY(SET, "c", .value = BYTES("3"), .ttl = 9),		   /* 1 */
		KEY(SET, "d", .value = BYTES("4"), .flags = FL_IF_EXISTS), /* 2 */
		KEY(DELETE, "e", .ttl = 0),				   /* 3 */
		KEY(DELETE, "f", .ttl = 0),				   /* 3 */
		KEY(HASH, "g", .value = hash, .ttl = 9),		   /* 4, 5, 6 */
		KEY(HASH, "h", .value = hash, .flags = FL_IF_EXISTS),	   /* 7 */
		KEY(SET, "i", .value = BYTES("5")),			   /* 8 */
	};
	struct fl_batch batch =
		operations_batch(operations, sizeof(operations) / sizeof(*operations), "at:1");
	return sink_submit(sink, &batch);
}

Test(redis_answers, each_command_has_an_answer_of_its_own)
{
	static const char kinds[] = "OOXNNNNNOO"; /* OK, OK or nil, a number */
	static const char *const answers[] = { "+OK\r\n", "$-1\r\n", ":0\r\n", ":7\r\n",
		"+QUEUED\r\n", "$2\r\nOK\r\n", "*1\r\n+OK\r\n", "-OOM x\r\n" };
	static const char may[][4] = { "OX", "X", "N", "N", "", "", "", "" };
	size_t const count = sizeof(kinds) - 1;
	struct fl_buf script = { 0 };
	for (size_t i = 0; i < count * 8; i++) {
		size_t const at = i / 8, wrong = i % 8;
		bool const good = strchr(may[wrong], kinds[at]) != NULL;
		struct fl_err err;
		fl_buf_clear(&script);
		fl_buf_text(&script, LOGGED_IN "+OK\r\n");
		for (size_t k = 0; k < count; k++)
			fl_buf_text(&script, "+QUEUED\r\n");
		fl_buf_text(&script, "*10\r\n");
		for (size_t k = 0; k < count; k++)
			fl_buf_text(&script, k == at	       ? answers[wrong]
					     : kinds[k] == 'N' ? ":1\r\n"
							       : "+OK\r\n");
		fl_buf_text(&script, WATCHED);
		host_state.memory = 0;
		fake_start(script.data, script.size);
		enum fl_outcome outcome = talk_of(submit_all_kinds, &err);
		fake_end();
		cr_expect_eq(outcome, good ? FL_DONE : FL_RETRY, "command %zu, answer %zu: %s", at,
			wrong, err.text);
	}
	fl_buf_finish(&script);
	fl_buf_finish(&fake.asked);
}

Test(redis_answers, sets_and_deletes_that_follow_each_other_are_one_command)
{
	static const char script[] = LOGGED_IN QUEUED;
	static const char *const asked[] = {
		"*1\r\n$5\r\nMULTI\r\n*5\r\n$4\r\nMSET\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$"
		"1\r\n2\r\n*5\r\n"
		"$3\r\nSET\r\n$1\r\nc\r\n$1\r\n3\r\n$2\r\nEX\r\n$1\r\n9\r\n*4\r\n$3\r\nSET\r\n$"
		"1\r\nd\r\n",
		"XX\r\n*3\r\n$3\r\nDEL\r\n$1\r\ne\r\n$1\r\nf\r\n*2\r\n$3\r\nDEL\r\n$1\r\ng\r\n*"
		"4\r\n$4\r\nHSET",
		"*3\r\n$3\r\nSET\r\n$1\r\ni\r\n$1\r\n5\r\n*3\r\n$3\r\nSET\r\n$22\r\n" POSITION
		"\r\n",
	};
	struct fl_err err;
	fake_start(script, sizeof(script) - 1);
	talk_of(submit_all_kinds, &err);
	fake_end();
	for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++)
		cr_expect(strstr(fake.asked.data, asked[i]) != NULL, "%zu: %s", i, fake.asked.data);
	fl_buf_finish(&fake.asked);
}

static enum fl_outcome submit_two_in_turn(struct sink *sink)
{
	enum fl_outcome outcome = submit_number(sink, 1, 1);
	if (outcome == FL_PENDING)
		outcome = sink_drain(sink);
	return outcome == FL_DONE ? submit_number(sink, 2, 1) : outcome;
}

static enum fl_outcome submit_two_at_once(struct sink *sink)
{
	enum fl_outcome outcome = submit_number(sink, 1, 1);
	return outcome == FL_PENDING ? submit_number(sink, 2, 1) : outcome;
}

static unsigned times_asked(const char *what)
{
	unsigned count = 0;
	for (const char *at = fake.asked.data; (at = strstr(at, what)) != NULL; at++)
		count++;
	return count;
}

Test(redis_answers, a_batch_behind_a_watch_needs_no_guard)
{
#define FIRST	LOGGED_IN QUEUED APPLIED
#define REST	QUEUED APPLIED
#define AGAIN	"+OK\r\n$14\r\nowner=7/2 at:2\r\n"
#define GUARDED "+OK\r\n:1\r\n"
	static const struct {
		enum fl_outcome (*submit)(struct sink *);
		const char *script;
		unsigned scripts, watches; /* asked for; one of the former is the claim */
	} cases[] = {
		{ submit_two_in_turn, FIRST WATCHED REST AGAIN, 2, 3 },
		{ submit_two_in_turn, FIRST "+OK\r\n$1\r\nx\r\n" GUARDED REST AGAIN, 3, 4 },
		{ submit_two_in_turn, FIRST AGAIN GUARDED REST AGAIN, 3, 4 },
		{ submit_two_in_turn, FIRST "+OK\r\n$-1\r\n" GUARDED REST AGAIN, 3, 4 },
		/* Then the watch is gone with the second one's EXEC. */
		{ submit_two_at_once, FIRST WATCHED GUARDED REST, 3, 3 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fl_err err;
		host_state.memory = 0;
		fake_start(cases[i].script, strlen(cases[i].script));
		cr_expect_eq(talk_of(cases[i].submit, &err), FL_DONE, "case %zu: %s", i, err.text);
		fake_end();
		cr_expect_eq(times_asked("$4\r\nEVAL\r\n"), cases[i].scripts, "case %zu: %s", i,
			fake.asked.data);
		cr_expect_eq(times_asked("$5\r\nWATCH\r\n"), cases[i].watches, "case %zu: %s", i,
			fake.asked.data);
	}
	fl_buf_finish(&fake.asked);
}
