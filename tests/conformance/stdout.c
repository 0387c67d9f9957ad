/* SPDX-License-Identifier: Apache-2.0
 *
 * The stdout sink: into a pipe that a thread reads; and what lines look like.
 */
#include "conformance.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct reader {
	pthread_t thread;
	bool runs;
	int fd, stop;
	struct fl_buf got;
} reader;

static void *read_all(void *ctx)
{
	(void)ctx;
	struct pollfd fds[2] = { { .fd = reader.fd, .events = POLLIN },
		{ .fd = reader.stop, .events = POLLIN } };
	while (poll(fds, 2, -1) > 0 && fds[1].revents == 0) {
		char *to = fl_buf_reserve(&reader.got, 65536);
		ssize_t size = read(reader.fd, to, 65536);
		if (size <= 0)
			break;
		reader.got.size += (size_t)size;
	}
	return NULL;
}

static void reader_start(void)
{
	reader.stop = eventfd(0, EFD_CLOEXEC);
	reader.runs = pthread_create(&reader.thread, NULL, read_all, NULL) == 0;
	cr_assert(reader.runs);
}

static void reader_stop(void)
{
	if (!reader.runs)
		return;
	reader.runs = false;
	cr_assert(eventfd_write(reader.stop, 1) == 0);
	pthread_join(reader.thread, NULL);
	close(reader.stop);
}

/* Stops, and takes what the pipe still holds. */
static void read_rest(void)
{
	ssize_t size = 1;
	reader_stop();
	cr_assert(fcntl(reader.fd, F_SETFL, O_NONBLOCK) == 0);
	while (size > 0) {
		char *to = fl_buf_reserve(&reader.got, 65536);
		size = read(reader.fd, to, 65536);
		if (size > 0)
			reader.got.size += (size_t)size;
	}
}

static void use_pipe(bool is_read)
{
	int ends[2];
	cr_assert(pipe2(ends, O_CLOEXEC) == 0);
	cr_assert(dup2(ends[1], STDOUT_FILENO) == STDOUT_FILENO);
	close(ends[1]);
	reader.fd = ends[0];
	if (is_read)
		reader_start();
}

static void begin(void)
{
	use_pipe(true);
}

static void end(void)
{
	reader_stop();
	fl_buf_finish(&reader.got);
}

static void kill_reader(void)
{
	reader_stop();
	close(reader.fd);
}

static bool holds(unsigned first, unsigned last, size_t padding)
{
	struct fl_buf expected = { 0 };
	read_rest();
	for (unsigned n = first; n <= last; n++) {
		char line[256], *json = fake_json(n, padding);
		snprintf(line, sizeof(line),
			"{\"db\":\"shop\",\"table\":\"things\",\"op\":\"insert\",\"ts_us\":1,"
			"\"gtid\":\"0-1-1\",\"file\":\"bin.000001\",\"pos\":%u,\"xid\":%u,"
			"\"commit\":true,\"key\":{\"n\":%u},\"row\":",
			n, n, n);
		fl_buf_text(&expected, line);
		fl_buf_text(&expected, json);
		fl_buf_text(&expected, "}\n");
		free(json);
	}
	bool same =
		expected.size == reader.got.size &&
		(expected.size == 0 || memcmp(expected.data, reader.got.data, expected.size) == 0);
	fl_buf_finish(&expected);
	return same;
}

static const struct setting no_settings[] = { { NULL, NULL } };
static const struct bad_settings no_bad[] = { { .outcome = FL_DONE } };

const struct subject subject = {
	.plugin = "stdout",
	.begin = begin,
	.end = end,
	.settings = no_settings,
	.bad = no_bad,
	.pause = reader_stop,
	.kill = kill_reader,
	.when_killed = FL_FAILED,
	.holds = holds,
};

/* ---- what is written ---- */

TestSuite(stdout_sink, .fini = end, .timeout = 30);

/* Writes one transaction with these changes and returns how it ended. */
static enum fl_outcome write_changes(
	struct sink *sink, const struct fl_change *changes, size_t count, bool first, bool last)
{
	struct fl_transaction transaction = { .file = text_bytes("bin.1"),
		.position = 5000000000,
		.commit_us = -7,
		.first = first,
		.last = last,
		.change_count = count,
		.changes = changes };
	const struct fl_transaction *transactions[] = { &transaction };
	struct fl_batch batch = {
		.position = text_bytes("p"), .transaction_count = 1, .transactions = transactions
	};
	return sink_submit(sink, &batch);
}

static struct fl_change change(enum fl_op op, const char *before, const char *after)
{
	struct fl_change change = { .op = op, .db = text_bytes("d\"b"), .table = text_bytes("t") };
	if (before != NULL)
		change.before = fake_row(before);
	if (after != NULL)
		change.after = fake_row(after);
	if (op == FL_TRUNCATE || op == FL_DDL)
		change.sql = text_bytes("SQL \"x\"");
	if (op == FL_DOUBT)
		change.doubt = text_bytes("why");
	return change;
}

#define HEAD(op)                                                                                   \
	"{\"db\":\"d\\\"b\",\"table\":\"t\",\"op\":\"" op                                          \
	"\",\"ts_us\":-7,\"file\":\"bin.1\",\"pos\":5000000000"

Test(stdout_sink, lines_say_what_happened)
{
	const struct {
		struct fl_change change;
		bool last;
		const char *line;
	} cases[] = {
		{ change(FL_INSERT, NULL, "{\"n\":1,\"v\":2}"), false,
			HEAD("insert") ",\"key\":{\"n\":1},\"row\":{\"n\":1,\"v\":2}}\n" },
		{ change(FL_UPDATE, "{\"n\":1,\"v\":2}", "{\"n\":3,\"v\":4}"), true,
			HEAD("update") ",\"commit\":true,\"key\":{\"n\":3},"
				       "\"row\":{\"n\":3,\"v\":4},\"old\":{\"n\":1,\"v\":2}}\n" },
		{ change(FL_DELETE, "{\"n\":3}", NULL), true,
			HEAD("delete") ",\"commit\":true,\"key\":{\"n\":3},\"row\":{\"n\":3}}\n" },
		{ change(FL_TRUNCATE, NULL, NULL), true,
			HEAD("truncate") ",\"commit\":true,\"sql\":\"SQL \\\"x\\\"\"}\n" },
		{ change(FL_DDL, NULL, NULL), true,
			HEAD("ddl") ",\"commit\":true,\"sql\":\"SQL \\\"x\\\"\"}\n" },
		{ change(FL_DOUBT, NULL, NULL), true,
			HEAD("doubt") ",\"commit\":true,\"doubt\":\"why\"}\n" },
		{ change(FL_INSERT, NULL, "!unknown type"), true,
			HEAD("insert") ",\"commit\":true,\"doubt\":\"unknown type\"}\n" },
		{ change(FL_UPDATE, "!bad before", "{\"n\":1}"), true,
			HEAD("update") ",\"commit\":true,\"doubt\":\"bad before\"}\n" },
	};
	struct sink sink;
	struct fl_buf expected = { 0 };
	use_pipe(true);
	host.halt_on_doubt = false;
	cr_assert_eq(sink_open(&sink, no_settings), FL_DONE, "%s", sink.err.text);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		cr_assert_eq(
			write_changes(&sink, &cases[i].change, 1, true, cases[i].last), FL_DONE);
		fl_buf_text(&expected, cases[i].line);
	}
	read_rest();
	fl_buf_char(&expected, '\0');
	fl_buf_char(&reader.got, '\0');
	cr_assert_str_eq(reader.got.data, expected.data);
	fl_buf_finish(&expected);
	sink_close(&sink);
}

Test(stdout_sink, only_the_last_change_commits)
{
	struct sink sink;
	const struct fl_change changes[] = { change(FL_INSERT, NULL, "{\"n\":1}"),
		change(FL_INSERT, NULL, "{\"n\":2}") };
	use_pipe(true);
	cr_assert_eq(sink_open(&sink, no_settings), FL_DONE);
	cr_assert_eq(write_changes(&sink, changes, 2, true, false), FL_DONE);
	cr_assert_eq(write_changes(&sink, changes, 2, false, true), FL_DONE);
	cr_assert_eq(write_changes(&sink, changes, 0, false, true), FL_DONE);
	cr_assert_eq(write_changes(&sink, changes, 0, true, true), FL_DONE);
	read_rest();
	fl_buf_char(&reader.got, '\0');
#define ROW(commit, n) HEAD("insert") commit ",\"key\":{\"n\":" n "},\"row\":{\"n\":" n "}}\n"
	cr_assert_str_eq(reader.got.data,
		ROW("", "1") ROW("", "2") ROW("", "1") ROW(",\"commit\":true",
			"2") "{\"db\":\"\",\"table\":\"\",\"op\":\"commit\",\"ts_us\":-7,"
			     "\"file\":\"bin.1\",\"pos\":5000000000,\"commit\":true}\n");
	sink_close(&sink);
}

Test(stdout_sink, a_doubt_halts_unless_told_otherwise)
{
	struct sink sink;
	const struct fl_change doubts[] = { change(FL_DOUBT, NULL, NULL),
		change(FL_INSERT, NULL, "!why") };
	use_pipe(true);
	for (size_t i = 0; i < 2; i++) {
		cr_assert_eq(sink_open(&sink, no_settings), FL_DONE);
		cr_assert_eq(write_changes(&sink, &doubts[i], 1, true, true), FL_FAILED);
		cr_assert(strstr(sink.err.text, "why") != NULL, "%s", sink.err.text);
		sink_close(&sink);
	}
	cr_assert(holds(1, 0, 0));
}

Test(stdout_sink, the_key_of_an_update_is_that_of_the_new_row)
{
	struct sink sink;
	struct fl_change update = change(FL_UPDATE, "{\"n\":1}", "{\"n\":2}");
	use_pipe(true);
	cr_assert_eq(sink_open(&sink, no_settings), FL_DONE);
	cr_assert_eq(write_changes(&sink, &update, 1, true, true), FL_DONE);
	read_rest();
	fl_buf_char(&reader.got, '\0');
	cr_assert(strstr(reader.got.data, "\"key\":{\"n\":2},\"row\":{\"n\":2}") != NULL, "%s",
		reader.got.data);
	sink_close(&sink);
}

/* ---- where it is written ---- */

static int open_file(char path[])
{
	int fd = mkstemp(path);
	cr_assert(fd >= 0);
	cr_assert(dup2(fd, STDOUT_FILENO) == STDOUT_FILENO);
	return fd;
}

Test(stdout_sink, a_line_that_was_cut_off_is_ended_first)
{
	const struct {
		const char *before, *between;
	} cases[] = { { "", "" }, { "{\"whole\":1}\n", "" }, { "{\"torn\":", "\n" } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char path[] = "/tmp/fl-stdout-XXXXXX", got[512] = "", expected[512];
		struct sink sink;
		struct fl_change insert = change(FL_INSERT, NULL, "{}");
		int fd = open_file(path);
		cr_assert(write(fd, cases[i].before, strlen(cases[i].before)) >= 0);
		cr_assert_eq(sink_open(&sink, no_settings), FL_DONE);
		cr_assert_eq(write_changes(&sink, &insert, 1, true, false), FL_DONE);
		cr_assert_eq(write_changes(&sink, &insert, 1, true, false), FL_DONE);
		sink_close(&sink);
		cr_assert(pread(fd, got, sizeof(got) - 1, 0) > 0);
		snprintf(expected, sizeof(expected), "%s%s%s%s", cases[i].before, cases[i].between,
			HEAD("insert") ",\"key\":{},\"row\":{}}\n",
			HEAD("insert") ",\"key\":{},\"row\":{}}\n");
		cr_expect_str_eq(got, expected);
		close(fd);
		unlink(path);
	}
}

/* Interrupts once the pipe is full. */
static void *interrupt_when_full(void *ctx)
{
	struct sink *sink = ctx;
	int size = 0;
	while (ioctl(reader.fd, FIONREAD, &size) == 0 && size < 4096)
		sched_yield();
	sink->plugin->interrupt(sink->self);
	return NULL;
}

Test(stdout_sink, after_an_interruption_in_mid_line_the_next_instance_begins_a_new_one)
{
	struct sink sink;
	struct fl_change insert = change(FL_INSERT, NULL, "{}");
	pthread_t thread;
	use_pipe(false);
	cr_assert_eq(fcntl(STDOUT_FILENO, F_SETPIPE_SZ, 4096), 4096);
	cr_assert_eq(sink_open(&sink, no_settings), FL_DONE);
	pthread_create(&thread, NULL, interrupt_when_full, &sink);
	cr_assert_eq(submit_number(&sink, 1, 10000), FL_RETRY);
	pthread_join(thread, NULL);
	sink_close(&sink);
	cr_assert_eq(sink_open(&sink, no_settings), FL_DONE);
	read_rest();
	cr_assert_eq(reader.got.size, 4096);
	fl_buf_clear(&reader.got);
	cr_assert_eq(write_changes(&sink, &insert, 1, true, false), FL_DONE);
	read_rest();
	fl_buf_char(&reader.got, '\0');
	cr_assert_str_eq(reader.got.data, "\n" HEAD("insert") ",\"key\":{},\"row\":{}}\n");
	sink_close(&sink);
}

Test(stdout_sink, a_full_disk_is_waited_for)
{
	struct sink sink;
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	cr_assert(dup2(fd, STDOUT_FILENO) == STDOUT_FILENO);
	cr_assert_eq(sink_open(&sink, no_settings), FL_DONE);
	cr_assert_eq(submit_number(&sink, 1, 1), FL_RETRY);
	cr_assert(strstr(sink.err.text, "No space left") != NULL, "%s", sink.err.text);
	sink_close(&sink);
	close(fd);
}

Test(stdout_sink, a_closed_stdout_is_refused)
{
	struct sink sink;
	close(STDOUT_FILENO);
	cr_assert_eq(sink_open(&sink, no_settings), FL_FAILED);
	cr_assert(sink.self == NULL);
}

Test(stdout_sink, one_instance_at_a_time)
{
	struct sink sink, other;
	use_pipe(true);
	cr_assert_eq(sink_open(&sink, no_settings), FL_DONE);
	cr_assert_eq(sink_open(&other, no_settings), FL_FAILED);
	sink_close(&sink);
	cr_assert_eq(sink_open(&other, no_settings), FL_DONE);
	sink_close(&other);
}

Test(stdout_sink, the_flags_of_a_shared_descriptor_stay)
{
	struct sink sink;
	use_pipe(true);
	int flags = fcntl(STDOUT_FILENO, F_GETFL);
	cr_assert_eq(sink_open(&sink, no_settings), FL_DONE);
	cr_assert_eq(submit_number(&sink, 1, 10), FL_DONE);
	cr_assert_eq(fcntl(STDOUT_FILENO, F_GETFL), flags);
	sink_close(&sink);
}

Test(stdout_sink, a_socket_will_do)
{
	struct sink sink;
	int ends[2];
	cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	cr_assert(dup2(ends[1], STDOUT_FILENO) == STDOUT_FILENO);
	close(ends[1]);
	reader.fd = ends[0];
	reader_start();
	cr_assert_eq(sink_open(&sink, no_settings), FL_DONE);
	cr_assert_eq(submit_number(&sink, 1, 1000000), FL_DONE);
	cr_assert(holds(1, 1, 1000000));
	kill_reader();
	cr_assert_eq(submit_number(&sink, 2, 1), FL_FAILED);
	sink_close(&sink);
}
