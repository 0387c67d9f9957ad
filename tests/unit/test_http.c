/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP, as far as it needs no clients: addresses, who may ask, what is waited for, and how pages
 * are written.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/private.h"

static struct fl_bytes bytes(const char *text)
{
	return (struct fl_bytes){ text, strlen(text) };
}

/* ---- listen ---- */

Test(http, listens_at_addresses_in_numbers_and_paths)
{
	static const struct {
		const char *text;
		bool is_local, is_unix;
	} cases[] = {
		{ "127.0.0.1:9306", true, false },
		{ "127.7.7.7:1", true, false },
		{ "[::1]:65535", true, false },
		{ "0.0.0.0:9306", false, false },
		{ "[::]:9306", false, false },
		{ "10.0.0.5:80", false, false },
		{ "[::ffff:127.0.0.1]:80", false, false },
		{ "unix:/run/fastlane/http", true, true },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_listen listen;
		struct fl_err err = { 0 };
		cr_expect_eq(fl_listen_parse(cases[i].text, &listen, &err), 0, "%s: %s",
			cases[i].text, err.text);
		cr_expect_eq(listen.is_local, cases[i].is_local, "%s", cases[i].text);
		cr_expect_eq(listen.is_unix, cases[i].is_unix, "%s", cases[i].text);
	}
}

Test(http, listens_at_nothing_else)
{
	static const char *const cases[] = { "", ":", "9306", ":9306", "127.0.0.1",
		"127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:+1", "127.0.0.1: 1",
		"localhost:9306", "::1:9306", "[::1]", "[::1]9306", "[]:9306", "[::1:9306",
		"1.2.3:9306", "unix:", "unix:run/x", "/run/x", "127.0.0.1:123456", "[[::1]]:1",
		"11111111111111111111111111111111111111111111111111111:1" };
	char path[200] = "unix:/";
	struct fl_listen listen;
	struct fl_err err;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(fl_listen_parse(cases[i], &listen, &err), FL_EINVAL, "%s", cases[i]);
	memset(path + 6, 'x', 106);
	path[6 + 106] = '\0';
	cr_expect_eq(fl_listen_parse(path, &listen, &err), 0, "107 bytes");
	path[6 + 106] = 'x';
	cr_expect_eq(fl_listen_parse(path, &listen, &err), FL_EINVAL, "108 bytes");
}

Test(http, another_sites_name_is_not_this_machines)
{
	static const struct {
		const char *host;
		bool is_own;
	} cases[] = { { "localhost", true }, { "LocalHost:9306", true }, { "127.0.0.1", true },
		{ "127.0.0.1:80", true }, { "[::1]:9306", true }, { "[::1]", true },
		{ "127.0.0.2:9306", true }, { "", false }, { ":9306", false },
		{ "evil.example", false }, { "localhost.evil.example", false },
		{ "localhost:9306.evil.example", false }, { "127.0.0.1.evil.example:9306", false },
		{ "evil@localhost", false }, { "[::1].evil", false }, { "::1", false },
		{ "127.0.0.3", false }, { "[::1", false } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(fl_listen_is_own_host("127.0.0.2:9306", cases[i].host),
			cases[i].is_own, "%s", cases[i].host);
}

/* Makes a folder, and "unix:" and a path in it. */
static struct fl_http_config listens_in(char folder[32], char at[64])
{
	strcpy(folder, "/tmp/fastlane-http-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	snprintf(at, 64, "unix:%s/there", folder);
	return (struct fl_http_config){ .listen = at, .max_connections = 16, .timeout = 1 };
}

Test(http, takes_the_place_of_a_socket_nobody_listens_at_and_of_nothing_else)
{
	char folder[32], at[64];
	const struct fl_http_config config = listens_in(folder, at);
	const char *path = at + strlen("unix:");
	struct stat status;
	struct fl_err err = { 0 };
	int fd = -1, second = -1, file = open(path, O_WRONLY | O_CREAT, 0600);
	cr_assert(file >= 0 && write(file, "data", 4) == 4 && close(file) == 0);
	cr_expect_eq(fl_http_bind(&config, NULL, &fd, &err), FL_EIO);
	cr_expect_not_null(strstr(err.text, "something else than a socket"), "%s", err.text);
	cr_expect(stat(path, &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 4);
	unlink(path);

	cr_assert_eq(fl_http_bind(&config, NULL, &fd, &err), 0, "%s", err.text);
	close(fd);
	cr_assert_eq(fl_http_bind(&config, NULL, &fd, &err), 0, "%s", err.text);
	cr_assert_eq(listen(fd, 1), 0);
	cr_expect_eq(fl_http_bind(&config, NULL, &second, &err), FL_EIO);
	cr_expect_not_null(strstr(err.text, "Address already in use"), "%s", err.text);
	close(fd);
	unlink(path);
	rmdir(folder);
}

Test(http, without_descriptors_there_is_no_server_and_no_socket_is_left)
{
	char folder[32], at[64];
	const struct fl_http_config config = listens_in(folder, at);
	const struct fl_http_hooks hooks = { 0 };
	struct fl_err err = { 0 };
	uv_loop_t loop;
	int fd = -1;
	cr_assert_eq(uv_loop_init(&loop), 0);
	cr_assert_eq(fl_http_bind(&config, NULL, &fd, &err), 0, "%s", err.text);
	struct rlimit const none_left = { (rlim_t)fd + 1, (rlim_t)fd + 1 };
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none_left), 0);
	cr_expect_null(fl_http_create(&loop, &config, fd, &hooks, &err));
	cr_expect_eq(fcntl(fd, F_GETFD), -1, "it is still open: %s", err.text);
	unlink(at + strlen("unix:"));
	rmdir(folder);
	uv_loop_close(&loop);
}

/* ---- wait ---- */

#define UUID "3e11fa47-71ca-11e1-9e33-c80aa9429562"

/* Reads "name=value&...". What is wrong, or "". */
static const char *ask(const char *text, struct fl_target_query *query)
{
	static struct fl_err err;
	err.text[0] = '\0';
	*query = (struct fl_target_query){ 0 };
	int result = 0;
	for (const char *at = text; *at != '\0' && result == 0;) {
		size_t const size = strcspn(at, "&"), name = strcspn(at, "=");
		struct fl_bytes value = { NULL, 0 };
		if (name < size)
			value = (struct fl_bytes){ at + name + 1, size - name - 1 };
		result = fl_target_take(
			query, (struct fl_bytes){ at, name < size ? name : size }, value, &err);
		at += size + (at[size] == '&');
	}
	if (result == 0)
		result = fl_target_check(query, &err);
	return result == 0 ? "" : err.text;
}

Test(http, what_is_waited_for_is_read)
{
	struct fl_target_query query;
	cr_expect_str_eq(ask("gtid=0-1-5&sink=hot&timeout_ms=60000", &query), "");
	cr_expect_not_null(query.target.gtids);
	cr_expect_str_eq(query.target.sink, "hot");
	cr_expect_eq(fl_target_timeout_ms(&query), 60000);
	fl_target_finish(&query.target);
	cr_expect_str_eq(ask("pos=bin:log.000017:18446744073709551615", &query), "");
	cr_expect_str_eq(query.target.file, "bin:log.000017");
	cr_expect_eq(query.target.offset, UINT64_MAX);
	cr_expect_eq(fl_target_timeout_ms(&query), 1000);
	cr_expect_str_eq(ask("gtid=" UUID ":1-5:7,\n" UUID ":tag:1&timeout_ms=0", &query), "");
	cr_expect_eq(fl_target_timeout_ms(&query), 0);
	fl_target_finish(&query.target);
}

Test(http, what_can_not_be_waited_for_is_refused_with_a_reason)
{
	static const struct {
		const char *query, *reason;
	} cases[] = {
		{ "", "either gtid=SET or pos=FILE:OFFSET has to say what is waited for" },
		{ "sink=hot", "either gtid=SET or pos=FILE:OFFSET has to say what is waited for" },
		{ "gtid=0-1-5&pos=b.1:4",
			"either gtid=SET or pos=FILE:OFFSET has to say what is waited for" },
		{ "gtid=",
			"gtid is empty: the session has written nothing, or has not asked for it" },
		{ "gtid",
			"gtid is empty: the session has written nothing, or has not asked for it" },
		{ "gtid=0-1-5&gtid=0-1-6", "gtid is there twice" },
		{ "gtid=five", "GTID set: at \"five\": a number is missing" },
		{ "gtid=0-1-5&timeout=5",
			"unknown parameter: there are gtid, pos, sink and timeout_ms" },
		{ "gtid=0-1-5&timeout_ms=60001",
			"timeout_ms must be a whole number from 0 to 60000" },
		{ "gtid=0-1-5&timeout_ms=", "timeout_ms must be a whole number from 0 to 60000" },
		{ "gtid=0-1-5&timeout_ms=-1", "timeout_ms must be a whole number from 0 to 60000" },
		{ "gtid=0-1-5&sink=", "sink must be the name of one" },
		{ "gtid=0-1-5&sink=123456789012345678901234567890123",
			"sink must be the name of one" },
		{ "pos=b.1", "pos must be FILE:OFFSET, such as binlog.000017:4711" },
		{ "pos=:4", "pos must be FILE:OFFSET, such as binlog.000017:4711" },
		{ "pos=binlog:4", "pos must be FILE:OFFSET, such as binlog.000017:4711" },
		{ "pos=b.1:18446744073709551616",
			"pos must be FILE:OFFSET, such as binlog.000017:4711" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_target_query query;
		cr_expect_str_eq(ask(cases[i].query, &query), cases[i].reason, "%s: %s",
			cases[i].query, ask(cases[i].query, &query));
		fl_target_finish(&query.target);
	}
}

Test(http, a_position_has_what_is_waited_for_or_can_not_tell)
{
	enum { NO, YES, OTHER };
	static const struct {
		const char *query, *position, *flavour;
		int expected;
	} cases[] = {
		{ "gtid=0-1-5", "1 pos=4 gtid=0-1-5 file=b.1", "mariadb", YES },
		{ "gtid=0-1-5", "1 pos=4 gtid=0-2-6,1-1-1 file=b.1", NULL, YES },
		{ "gtid=0-1-5", "1 pos=4 gtid=0-1-4,1-1-9 file=b.1", "mariadb", NO },
		{ "gtid=0-1-5,1-1-9", "1 pos=4 gtid=0-1-5 file=b.1", "mariadb", NO },
		{ "gtid=0-1-5", "1 pos=4 gtid=- file=b.1", "mariadb", NO },
		{ "gtid=0-1-5", "1 pos=4 gtid=" UUID ":1-5 file=b.1", NULL, OTHER },
		{ "gtid=0-1-5", "1 pos=4 gtid=- file=b.1", "mysql", OTHER },
		{ "gtid=" UUID ":5", "1 pos=4 gtid=" UUID ":1-5 file=b.1", "mysql", YES },
		{ "gtid=" UUID ":1-6", "1 pos=4 gtid=" UUID ":1-5 file=b.1", "mysql", NO },
		{ "gtid=" UUID ":4", "1 pos=4 gtid=" UUID ":1-3:5 file=b.1", "mysql", NO },
		{ "gtid=" UUID ":5", "1 pos=4 gtid=- file=b.1", "mysql", OTHER },
		{ "gtid=" UUID ":5", "1 pos=4 gtid=0-1-5 file=b.1", "mariadb", OTHER },
		{ "pos=b.10:100", "1 pos=100 gtid=- file=b.10", "mysql", YES },
		{ "pos=b.10:101", "1 pos=100 gtid=- file=b.10", "mysql", NO },
		{ "pos=b.9:999", "1 pos=4 gtid=0-1-5 file=b.10", "mariadb", YES },
		{ "pos=b.11:4", "1 pos=999 gtid=- file=b.10", "mysql", NO },
		{ "pos=c.1:4", "1 pos=999 gtid=- file=b.10", "mysql", OTHER },
		{ "pos=b.1:4", "1 pos=0 gtid=- file=", "mysql", NO },
		/* It comes from server 2 by now. */
		{ "pos=b.10:100", "1 pos=100 gtid=- server=2 file=b.10", "mysql", YES },
		{ "pos=b.10:100", "1 pos=100 gtid=- server=1 file=b.10", "mysql", NO },
		{ "gtid=0-1-5", "1 pos=4 gtid=0-1-5 server=1 file=b.1", "mariadb", YES },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_target_query query;
		struct fl_position position = { 0 };
		struct fl_err err;
		cr_assert_str_eq(ask(cases[i].query, &query), "");
		cr_assert_eq(fl_position_parse(bytes(cases[i].position), &position, &err), 0);
		int got = OTHER;
		if (fl_target_fits(&query.target, &position, cases[i].flavour, &err) == 0)
			got = fl_target_is_reached(&query.target, &position, "2") ? YES : NO;
		cr_expect_eq(got, cases[i].expected, "%s of %s: %d", cases[i].query,
			cases[i].position, got);
		fl_target_finish(&query.target);
		fl_position_finish(&position);
	}
}

/* ---- pages ---- */

static const struct fl_snapshot_place place = { "b\"1", 4711, "0-1-5" };
static const struct fl_snapshot_sink sinks[] = {
	{ .name = "hot",
		.plugin = "redis",
		.state = "riding",
		.is_riding = true,
		.lane = 0,
		.place = &place,
		.transactions = 3,
		.errors = { 1, 2, 0 },
		.queue_limit = 100,
		.latency = { [1] = 2, [FL_LATENCY_BOUNDS] = 1 },
		.latency_sum = 61.5,
		.last_error = { 1500000, "a \"b\"\n" } },
	{ .name = "pool",
		.plugin = "mem\\c",
		.state = "opening",
		.lane = -1,
		.unready = "opening" },
};
static const struct fl_snapshot snapshot = {
	.version = "0.1.0",
	.config = "/etc/x",
	.pid = 7,
	.now = 20,
	.started = 5,
	.max_lag = 10,
	.source = { .name = "db1:3306", .place = &place, .since_last_event = -1 },
	.sink_count = 2,
	.sinks = sinks,
};

static void expect_in(const struct fl_buf *text, const char *expected)
{
	cr_expect_not_null(strstr(text->data, expected), "no %s in %s", expected, text->data);
}

Test(http, metrics_have_buckets_that_add_up_and_escaped_labels)
{
	struct fl_buf out = { 0 };
	fl_metrics_write(&snapshot, &out);
	fl_buf_char(&out, '\0');
	expect_in(&out, "fastlane_build_info{version=\"0.1.0\"} 1\n");
	expect_in(&out, "fastlane_sink_transactions_total{sink=\"hot\",plugin=\"redis\"} 3\n");
	expect_in(&out, "fastlane_sink_transactions_total{sink=\"pool\",plugin=\"mem\\\\c\"} 0\n");
	expect_in(&out, "fastlane_source_position_bytes{file=\"b\\\"1\"} 4711\n");
	expect_in(&out,
		"fastlane_sink_errors_total{sink=\"hot\",plugin=\"redis\",kind=\"write\"} 2\n");
	expect_in(&out, "_bucket{sink=\"hot\",plugin=\"redis\",le=\"0.0005\"} 0\n");
	expect_in(&out, "_bucket{sink=\"hot\",plugin=\"redis\",le=\"60\"} 2\n");
	expect_in(&out, "_bucket{sink=\"hot\",plugin=\"redis\",le=\"+Inf\"} 3\n");
	expect_in(&out, "_sum{sink=\"hot\",plugin=\"redis\"} 61.500000\n");
	expect_in(&out, "fastlane_sink_up{sink=\"pool\",plugin=\"mem\\\\c\"} 0\n");
	cr_expect_null(strstr(out.data, "last_event_seconds"), "it was never heard of");
	fl_buf_clear(&out);
	/* There was no memory for its name. */
	static const struct fl_snapshot_place nowhere = { .offset = 4 };
	struct fl_snapshot poor = snapshot;
	poor.source.place = &nowhere;
	fl_metrics_write(&poor, &out);
	fl_buf_char(&out, '\0');
	cr_expect_null(strstr(out.data, "position_bytes"));
	fl_buf_finish(&out);
}

Test(http, status_is_json_with_null_for_what_is_not_there)
{
	struct fl_buf out = { 0 };
	fl_status_write(&snapshot, &out);
	fl_buf_char(&out, '\0');
	expect_in(&out, "\"position\":{\"file\":\"b\\\"1\",\"offset\":4711,\"gtids\":\"0-1-5\"}");
	expect_in(&out, "\"last_error\":{\"time\":1.500000,\"text\":\"a \\\"b\\\"\\n\"}");
	expect_in(&out, "\"lane\":null,\"ready\":false,\"unready\":\"opening\",\"position\":null");
	expect_in(&out, "\"flavour\":null");
	expect_in(&out, "\"since_last_event\":null");
	expect_in(&out, "\"uptime\":15.000");
	fl_buf_finish(&out);
}
