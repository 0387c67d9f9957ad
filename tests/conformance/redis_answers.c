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
#define QUEUED	  "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"

/* Opens, submits one batch of two operations, drains. */
static enum fl_outcome talk(struct fl_err *err)
{
	struct sink sink;
	struct fl_buf position = { 0 };
	enum fl_outcome outcome = sink_open(&sink, settings);
	if (outcome == FL_DONE) {
		outcome = sink.plugin->position(sink.self, &position, &sink.err);
		if (outcome == FL_DONE)
			outcome = submit_number(&sink, 1, 1);
		if (outcome == FL_PENDING)
			outcome = sink.plugin->drain(sink.self, &sink.err);
		sink_close(&sink);
		fl_buf_finish(&position);
	}
	*err = sink.err;
	return outcome;
}

Test(redis_answers, every_answer_is_judged)
{
	static const struct {
		const char *script;
		enum fl_outcome outcome;
		const char *says;
	} cases[] = {
		{ LOGGED_IN QUEUED "*3\r\n+OK\r\n+OK\r\n+OK\r\n", FL_DONE, "" },
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
		{ LOGGED_IN QUEUED "*2\r\n+OK\r\n:1\r\n", FL_RETRY, "EXEC" },
		{ LOGGED_IN QUEUED "*3\r\n+OK\r\n:1\r\n:0\r\n", FL_RETRY, "SET" },
		{ LOGGED_IN QUEUED "*3\r\n+OK\r\n+OK\r\n:0\r\n", FL_RETRY, "SET" },
		{ LOGGED_IN QUEUED "*3\r\n+OK\r\n+OK\r\n-OOM x\r\n", FL_RETRY, "OOM" },
		{ LOGGED_IN QUEUED "*3\r\n+OK\r\n-NOPERM x\r\n-NOPERM x\r\n", FL_FAILED, "ACL" },
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
	static const char script[] = LOGGED_IN QUEUED "*3\r\n-NOPERM x\r\n+OK\r\n+OK\r\n";
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
	static const char script[] = LOGGED_IN QUEUED "*3\r\n-NOPERM x\r\n+OK\r\n+OK\r\n";
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
	static const char script[] = LOGGED_IN QUEUED "*3\r\n+OK\r\n+OK\r\n+OK\r\n";
	for (size_t size = 0; size < sizeof(script) - 1; size++) {
		struct fl_err err;
		fake_start(script, size);
		cr_expect_eq(talk(&err), FL_RETRY, "%zu bytes: %s", size, err.text);
		fake_end();
	}
	fl_buf_finish(&fake.asked);
}
