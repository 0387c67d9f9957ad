/* SPDX-License-Identifier: Apache-2.0
 *
 * The memcached sink against a server that is made up, for answers that a real one gives only at
 * the worst of moments, or never.
 */
#include "conformance.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LIMIT_MS = 200 };

static char address[64];
static const struct setting settings[] = { { "servers", address }, { "timeout_ms", "200" },
	{ NULL, NULL } };

static void prepare(void)
{
	signal(SIGPIPE, SIG_IGN);
}

TestSuite(memcached_answers, .init = prepare, .timeout = 120);

/* Takes one connection, says hello as a real server does, and answers the first barrier with
 * `script`: in it %O is the number that the barrier has. */
enum how { AT_ONCE, TRICKLE, THEN_CLOSE, FOR_EVER };

static struct fake {
	int listener;
	pthread_t thread;
	const char *hello; /* in place of the answer to the first command */
	const char *script;
	size_t script_size; /* 0: its length as a text */
	enum how how;
} fake;

static void say(int fd, const char *text)
{
	size_t size = strlen(text);
	if (write(fd, text, size) != (ssize_t)size)
		close(fd);
}

static void trickle(int fd, const char *text, size_t size)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	for (size_t i = 0; i < size && write(fd, text + i, 1) == 1; i++)
		nanosleep(&pause, NULL);
}

static void answer_barrier(int fd, const char *line)
{
	struct fl_buf out = { 0 };
	const char *opaque = strstr(line, " O");
	size_t size = fake.script_size > 0 ? fake.script_size : strlen(fake.script);
	for (size_t i = 0; i < size; i++) {
		if (size - i >= 2 && memcmp(fake.script + i, "%O", 2) == 0) {
			fl_buf_append(&out, opaque + 1, strcspn(opaque + 1, "\r"));
			i++;
		} else {
			fl_buf_char(&out, fake.script[i]);
		}
	}
	if (fake.how == TRICKLE)
		trickle(fd, out.data, out.size);
	do {
		if (fake.how != TRICKLE && send(fd, out.data, out.size, MSG_NOSIGNAL) < 0)
			break;
	} while (fake.how == FOR_EVER);
	if (fake.how == THEN_CLOSE)
		shutdown(fd, SHUT_WR);
	fl_buf_finish(&out);
}

static void answer(int fd, const char *line)
{
	if (strncmp(line, "mn", 2) == 0)
		say(fd, fake.hello != NULL ? fake.hello : "MN\r\n");
	else if (strncmp(line, "stats\r", 6) == 0)
		say(fd, "STAT pid 1\r\nSTAT uptime 5\r\nSTAT time 1700000000\r\nEND\r\n");
	else if (strncmp(line, "stats", 5) == 0)
		say(fd, "END\r\n");
	else if (strncmp(line, "mg fastlane:canary:test v", 25) == 0)
		say(fd, "EN\r\n");
	else if (strncmp(line, "ms fastlane:canary:test", 23) == 0)
		say(fd, "HD O1\r\n");
	else if (strncmp(line, "mg ", 3) == 0)
		answer_barrier(fd, line);
}

static void *fake_run(void *ctx)
{
	(void)ctx;
	int fd = accept(fake.listener, NULL, NULL);
	FILE *in = fdopen(fd, "r");
	char line[8192];
	while (fgets(line, sizeof(line), in) != NULL)
		answer(fd, line);
	fclose(in);
	return NULL;
}

static void fake_start(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(at);
	fake.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert(bind(fake.listener, (struct sockaddr *)&at, length) == 0);
	cr_assert(listen(fake.listener, 8) == 0);
	cr_assert(getsockname(fake.listener, (struct sockaddr *)&at, &length) == 0);
	snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(at.sin_port));
	cr_assert(pthread_create(&fake.thread, NULL, fake_run, NULL) == 0);
}

static void fake_end(void)
{
	pthread_join(fake.thread, NULL);
	close(fake.listener);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Two sets and a delete in a batch, and how it ended. */
static enum fl_outcome talk(struct sink *sink, double *ret_seconds)
{
	const struct fl_operation operations[] = {
		{ .kind = FL_KEY_SET, .key = text_bytes("a"), .value = text_bytes("1") },
		{ .kind = FL_KEY_SET, .key = text_bytes("b"), .value = text_bytes("2") },
		{ .kind = FL_KEY_DELETE, .key = text_bytes("c") },
	};
	struct fl_batch batch = operations_batch(operations, 3, "p");
	cr_assert_eq(sink_open(sink, settings), FL_DONE, "%s", sink->err.text);
	double start = now();
	enum fl_outcome outcome = sink_submit(sink, &batch);
	if (outcome == FL_PENDING)
		outcome = sink_drain(sink);
	*ret_seconds = now() - start;
	return outcome;
}

#define X88                                                                                        \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct {
	const char *script;
	size_t size;
	enum how how;
	enum fl_outcome outcome;
	const char *says;
} cases[] = {
	{ "HD %O\r\n", 0, AT_ONCE, FL_DONE, "" },
	{ "EN\r\n", 0, AT_ONCE, FL_DONE, "" }, /* and the canary is set anew */
	{ "EN %O\r\nHD\r\n", 0, AT_ONCE, FL_DONE, "" },
	{ "NF\r\nHD %O\r\n", 0, AT_ONCE, FL_DONE, "" },
	{ "NF O17 k\r\nHD %O\r\n", 0, AT_ONCE, FL_DONE, "" },
	{ "HD\r\n", 0, AT_ONCE, FL_RETRY, "answers 'HD'" },
	{ "HD O\r\n", 0, AT_ONCE, FL_RETRY, "answers 'HD O'" },
	{ "HD O77\r\n", 0, AT_ONCE, FL_RETRY, "answers 'HD O77'" },
	{ "HD %O0\r\n", 0, AT_ONCE, FL_RETRY, "answers" },
	{ "EN O77\r\n", 0, AT_ONCE, FL_RETRY, "answers" },
	{ "MN\r\n", 0, AT_ONCE, FL_RETRY, "answers 'MN'" },
	{ "OK\r\n", 0, AT_ONCE, FL_RETRY, "answers 'OK'" },
	{ "NF\r\nNF\r\nHD %O\r\n", 0, AT_ONCE, FL_RETRY, "answers" },
	{ "HD %O\r\nHD %O\r\n", 0, AT_ONCE, FL_RETRY, "answers 'HD O" },
	{ "NS\r\nHD %O\r\n", 0, AT_ONCE, FL_RETRY, "answers 'NS'" },
	{ "EX\r\nHD %O\r\n", 0, AT_ONCE, FL_RETRY, "answers 'EX'" },
	{ "\r\n", 0, AT_ONCE, FL_RETRY, "answers ''" },
	{ "HD %O\n", 0, AT_ONCE, FL_RETRY, "answers" },
	{ "\n", 0, AT_ONCE, FL_RETRY, "answers" },
	{ "SERVER_ERROR busy\r\nHD %O\r\n", 0, AT_ONCE, FL_RETRY, "SERVER_ERROR busy" },
	{ "SERVER_ERROR\r\nHD %O\r\n", 0, AT_ONCE, FL_RETRY, "SERVER_ERROR" },
	{ "CLIENT_ERROR bad data chunk\r\nHD %O\r\n", 0, AT_ONCE, FL_RETRY, "bad data chunk" },
	{ "ERROR\r\nHD %O\r\n", 0, AT_ONCE, FL_RETRY, "ERROR" },
	{ "SERVER_ERROR out of memory storing object\r\nHD %O\r\nHD\r\nNF\r\n", 0, AT_ONCE, FL_DONE,
		"" },
	{ "SERVER_ERROR object too large for cache\r\nNF\r\nHD %O\r\nHD\r\nHD\r\n", 0, AT_ONCE,
		FL_DONE, "" },
	{ "SERVER_ERROR out of memory storing object\r\nHD %O\r\nHD\r\n", 0, AT_ONCE, FL_RETRY,
		"does not answer in time" },
	{ "SERVER_ERROR out of memory\r\nSERVER_ERROR out of memory\r\nSERVER_ERROR out of "
	  "memory\r\nHD %O\r\n",
		0, AT_ONCE, FL_RETRY, "answers" },
	{ "SERVER_ERROR out of memory\r\n", 0, FOR_EVER, FL_RETRY, "answers" },
	{ "NF\r\n", 0, FOR_EVER, FL_RETRY, "answers" },
	{ "STAT x 1\r\n", 0, FOR_EVER, FL_RETRY, "answers" },
	{ X88 X88, 0, FOR_EVER, FL_RETRY, "answers 'xxx" },
	{ "\x00\xff\x80\x01\r\n", 6, AT_ONCE, FL_RETRY, "answers '?" },
	{ "", 0, AT_ONCE, FL_RETRY, "does not answer in time" },
	{ "HD", 0, AT_ONCE, FL_RETRY, "does not answer in time" },
	{ "HD %O\r", 0, AT_ONCE, FL_RETRY, "does not answer in time" },
	{ "", 0, THEN_CLOSE, FL_RETRY, "closed the connection" },
	{ "HD %", 0, THEN_CLOSE, FL_RETRY, "closed the connection" },
	{ "HD %O\r\n", 0, THEN_CLOSE, FL_DONE, "" },
	{ "SERVER_ERROR that takes quite some time to say\r\n", 0, TRICKLE, FL_RETRY,
		"does not answer in time" },
};

Test(memcached_answers, every_answer_that_is_not_the_one_that_is_due_ends_the_connection_in_time)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct sink sink;
		double seconds;
		fake.script = cases[i].script;
		fake.script_size = cases[i].size;
		fake.how = cases[i].how;
		fake_start();
		enum fl_outcome outcome = talk(&sink, &seconds);
		cr_expect_eq(outcome, cases[i].outcome, "case %zu, '%s': %d, %s", i,
			cases[i].script, (int)outcome, sink.err.text);
		if (outcome == FL_RETRY) {
			cr_expect(strstr(sink.err.text, cases[i].says) != NULL, "case %zu: %s", i,
				sink.err.text);
			cr_expect(strstr(sink.err.text, address) != NULL, "case %zu: %s", i,
				sink.err.text);
			cr_expect_eq(host_state.settled, 0, "case %zu is settled", i);
		}
		cr_expect_lt(seconds, LIMIT_MS / 1000.0 + 0.3, "case %zu took %.3f s", i, seconds);
		sink_close(&sink);
		fake_end();
	}
}

static const struct {
	const char *hello;
	enum fl_outcome outcome;
} greetings[] = {
	{ "", FL_RETRY },
	{ "HD\r\n", FL_RETRY },
	{ "MN \x01\r\n", FL_RETRY },
	{ "HTTP/1.1 400 Bad Request\r\n\r\n", FL_RETRY },
	{ "\n", FL_RETRY },
};

Test(memcached_answers, who_does_not_greet_as_memcached_does_is_not_written_to)
{
	fake.script = "";
	for (size_t i = 0; i < sizeof(greetings) / sizeof(*greetings); i++) {
		struct sink sink;
		fake.hello = greetings[i].hello;
		fake_start();
		double start = now();
		cr_expect_eq(sink_open(&sink, settings), greetings[i].outcome, "case %zu: %s", i,
			sink.err.text);
		cr_expect_lt(now() - start, LIMIT_MS / 1000.0 + 0.3, "case %zu", i);
		fake_end();
	}
}
