/* SPDX-License-Identifier: Apache-2.0
 *
 * The redis sink against what is no Redis, or one that means no good: whatever it sends, and
 * however much, the sink ends in time, without memory to speak of, and takes nothing for settled.
 */
#include "conformance.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	MIB = 1024 * 1024,
	OFFERED = 1024 * MIB, /* bytes that would be sent */
	TAKEN = 192 * MIB,    /* far less is to be taken, with what lies in the sockets */
};

static char address[64];
static const struct setting settings[] = { { "address", address }, { "timeout_ms", "500" },
	{ "connect_timeout_ms", "500" }, { NULL, NULL } };

/* Says `first`, then `more` over and over. */
static struct fake {
	int listener;
	pthread_t thread;
	const char *first, *more;
	size_t sent;
} fake;

static void *fake_run(void *ctx)
{
	(void)ctx;
	enum { PIECE = 64 * 1024 };
	static char piece[PIECE];
	size_t size = strlen(fake.first);
	int fd = accept(fake.listener, NULL, NULL);
	ssize_t got = send(fd, fake.first, size, MSG_NOSIGNAL);
	size_t const unit = fake.more != NULL ? strlen(fake.more) : 0;
	for (size = 0; unit > 0 && size + unit <= PIECE; size += unit)
		memcpy(piece + size, fake.more, unit);
	while (got > 0 && size > 0 && fake.sent < OFFERED) {
		got = send(fd, piece, size, MSG_NOSIGNAL);
		fake.sent += got > 0 ? (size_t)got : 0;
	}
	/* Until the other side has had enough. */
	for (char rest[4096]; recv(fd, rest, sizeof(rest), 0) > 0;)
		;
	close(fd);
	return NULL;
}

static void fake_start(const char *first, const char *more)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(at);
	fake = (struct fake){ .first = first, .more = more };
	fake.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert(bind(fake.listener, (struct sockaddr *)&at, length) == 0);
	cr_assert(listen(fake.listener, 1) == 0);
	cr_assert(getsockname(fake.listener, (struct sockaddr *)&at, &length) == 0);
	snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(at.sin_port));
	cr_assert(pthread_create(&fake.thread, NULL, fake_run, NULL) == 0);
}

static void prepare(void)
{
	signal(SIGPIPE, SIG_IGN);
}

TestSuite(redis_hostile, .init = prepare, .timeout = 120);

/* As far as the sink gets: FL_DONE if it takes a batch for settled. */
static enum fl_outcome talk(const struct setting *with, struct fl_err *err)
{
	struct sink sink;
	struct fl_buf position = { 0 };
	enum fl_outcome outcome = sink_open(&sink, with);
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

#define LOGGED_IN "+OK\r\n*0\r\n"
#define CLAIMED	  LOGGED_IN "*2\r\n$1\r\n7\r\n$2\r\np0\r\n"
#define NESTED	  "*8000000\r\n"
#define X16	  "xxxxxxxxxxxxxxxx"

Test(redis_hostile, whatever_it_sends_takes_neither_memory_nor_time)
{
	static const struct {
		const char *first, *more, *says;
	} cases[] = {
		/* Lengths that are none, or beyond all bounds. */
		{ "$-2\r\n", NULL, "" },
		{ "$99999999999999999999\r\n", NULL, "" },
		{ "*99999999999999999999\r\n", NULL, "" },
		{ "*-7\r\n", NULL, "" },
		{ ":99999999999999999999999999\r\n", NULL, "" },
		{ LOGGED_IN "*2147483647\r\n", NULL, "too long" },
		{ LOGGED_IN "*1000000000\r\n", NULL, "too long" },
		{ LOGGED_IN NESTED NESTED NESTED, NULL, "too long" },
		{ "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", NULL, "" },
		{ LOGGED_IN "$2147483647\r\n", NULL, "in time" },
		/* No end. */
		{ "+", X16, "too long" },
		{ "-", X16, "too long" },
		{ LOGGED_IN "$2147483647\r\n", X16, "too long" },
		{ LOGGED_IN "*8000000\r\n", ":77\r\n", "too long" },
		{ LOGGED_IN "*1000000\r\n", "$16\r\n" X16 "\r\n", "too long" },
		{ CLAIMED "+OK\r\n:1\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*1000000\r\n", "+OK\r\n", "" },
		{ CLAIMED, ":1\r\n", "" },
		/* Other protocols. */
		{ "HTTP/1.1 400 Bad Request\r\n\r\n", NULL, "" },
		{ "ERROR\r\n", "ERROR\r\n", "" },
		{ "\n", "\n", "" },
		{ "\x15\x03\x01", "\x02", "" },
		{ "%1\r\n+a\r\n+b\r\n", "%1\r\n", "" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fl_err err;
		struct timespec start, end;
		clock_gettime(CLOCK_MONOTONIC, &start);
		host_state.memory = 0;
		fake_start(cases[i].first, cases[i].more);
		enum fl_outcome outcome = talk(settings, &err);
		pthread_join(fake.thread, NULL);
		close(fake.listener);
		clock_gettime(CLOCK_MONOTONIC, &end);
		cr_expect_lt(end.tv_sec - start.tv_sec, 15, "case %zu takes %ld s", i,
			(long)(end.tv_sec - start.tv_sec));
		cr_expect(outcome == FL_RETRY || outcome == FL_FAILED, "case %zu: %d, %s", i,
			(int)outcome, err.text);
		cr_expect(strstr(err.text, cases[i].says) != NULL, "case %zu: %s", i, err.text);
		cr_expect_lt(fake.sent, TAKEN, "case %zu takes %zu MiB", i, fake.sent / MIB);
		cr_expect_eq(host_state.settled, 0, "case %zu is settled", i);
	}
}

#define WORD "Sesam-offne-dich"

Test(redis_hostile, what_it_says_to_a_log_in_is_not_repeated)
{
	static const struct setting login[] = { { "address", address }, { "user", "ada" },
		{ "password", WORD }, { "timeout_ms", "500" }, { "connect_timeout_ms", "500" },
		{ NULL, NULL } };
	static const struct {
		const char *answer, *says;
		enum fl_outcome outcome;
	} cases[] = {
		{ "-ERR unknown command `AUTH`, with args beginning with: `ada` `" WORD "`, \r\n",
			"'ERR unknown command': is it", FL_FAILED },
		{ "-" WORD " is wrong\r\n", "check user and password_file", FL_FAILED },
		{ "-ERR Error running AUTH: -" WORD "\r\n", "check user and password_file",
			FL_FAILED },
		{ "-WRONGPASS it is not " WORD "\r\n", "'WRONGPASS': check user", FL_FAILED },
		{ "-LOADING " WORD "\r\n", "'LOADING'", FL_RETRY },
		{ "$16\r\n" WORD "\r\n", "no proper answer to AUTH", FL_RETRY },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fl_err err;
		host_state.memory = 0;
		fake_start(cases[i].answer, NULL);
		cr_expect_eq(talk(login, &err), cases[i].outcome, "case %zu", i);
		pthread_join(fake.thread, NULL);
		close(fake.listener);
		cr_expect(strstr(err.text, cases[i].says) != NULL, "case %zu: %s", i, err.text);
		cr_expect(strstr(err.text, WORD) == NULL, "case %zu: %s", i, err.text);
	}
}
