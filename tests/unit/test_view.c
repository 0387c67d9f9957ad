/* SPDX-License-Identifier: Apache-2.0
 *
 * core/view: what is made of a daemon's answer, whatever it is.
 */
#include <criterion/criterion.h>
#include <locale.h>
#include <math.h>

#include "view/private.h"

static void use_utf8(void)
{
	setlocale(LC_CTYPE, "C.UTF-8");
}

TestSuite(view, .init = use_utf8);

Test(view, urls_are_taken_apart)
{
	static const struct {
		const char *text, *host, *port, *path;
	} right[] = {
		{ "127.0.0.1:9306", "127.0.0.1", "9306", "" },
		{ "http://db1:80/", "db1", "80", "" },
		{ "http://db1:80/a/b/?x#y", "db1", "80", "/a/b" },
		{ "db1", "db1", "9306", "" },
		{ "[::1]:1", "::1", "1", "" },
		{ "http://[fe80::1%eth0]/x", "fe80::1%eth0", "9306", "/x" },
		{ "0.0.0.0:9306", "127.0.0.1", "9306", "" },
		{ "[::]:9306", "::1", "9306", "" },
		{ "unix:/run/fastlane/http.sock", "/run/fastlane/http.sock", "", "" },
	};
	static const char *const wrong[] = { "", "http://", ":9306", "https://db1:1",
		"db1:", "db1:0", "db1:65536", "db1:99999999999999999999", "db1:9x", "[::1",
		"[::1]9306", "a b:1", "a:1/\r\nX: y", "unix:relative", "ftp://a" };
	for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++) {
		struct fl_url url;
		struct fl_err err = { 0 };
		cr_assert_eq(fl_url_parse(right[i].text, &url, &err), 0, "%s", err.text);
		cr_assert_str_eq(url.host, right[i].host);
		cr_assert_str_eq(url.port, right[i].port, "%s", right[i].text);
		cr_assert_str_eq(url.path, right[i].path, "%s", right[i].text);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct fl_url url;
		struct fl_err err = { 0 };
		cr_assert_eq(fl_url_parse(wrong[i], &url, &err), FL_EINVAL, "%s", wrong[i]);
		cr_assert(strstr(err.text, "is to be") != NULL, "%s", err.text);
	}
	for (size_t size = 1; size < 600; size++) {
		char text[700] = "http://";
		struct fl_url url;
		memset(text + 7, 'a', size);
		strcpy(text + 7 + size, ":1");
		cr_assert_eq(fl_url_parse(text, &url, NULL), size < 256 ? 0 : FL_EINVAL);
		text[7] = '/';
		cr_assert_eq(fl_url_parse(text, &url, NULL), FL_EINVAL);
	}
}

Test(view, numbers_have_three_digits_and_a_unit)
{
	static const struct {
		double number;
		const char *count, *bytes, *time;
	} table[] = {
		{ 0, "0", "0 B", "0 ms" },
		{ 7e-7, "0", "0 B", "0.7 us" },
		{ 0.0005, "0", "0 B", "500 us" },
		{ 0.0012345, "0", "0 B", "1.23 ms" },
		{ 0.99999, "1", "1 B", "1 s" },
		{ 1, "1", "1 B", "1 s" },
		{ 59.94, "59.9", "59.9 B", "59.9 s" },
		{ 59.96, "60", "60 B", "1 min" },
		{ 123, "123", "123 B", "2 min 3 s" },
		{ 999.4, "999", "999 B", "16 min 39 s" },
		{ 999.6, "1k", "1000 B", "16 min 40 s" },
		{ 1024, "1.02k", "1 KiB", "17 min 4 s" },
		{ 3600, "3.6k", "3.52 KiB", "1 h" },
		{ 86399.6, "86.4k", "84.4 KiB", "1 d" },
		{ 90000, "90k", "87.9 KiB", "1 d 1 h" },
		{ 123456789, "123M", "118 MiB", "1428 d 21 h" },
		{ 1e15, "1000T", "909 TiB", "-" },
		{ 1e25, "10000000000000T", "9094947017729 TiB", "-" },
		{ 1e31, "-", "-", "-" },
		{ -1, "-", "-", "-" },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		char to[FL_UNITS_SIZE];
		cr_assert_str_eq(fl_units_count(to, table[i].number), table[i].count);
		cr_assert_str_eq(fl_units_bytes(to, table[i].number), table[i].bytes);
		cr_assert_str_eq(fl_units_time(to, table[i].number), table[i].time);
	}
	char to[FL_UNITS_SIZE];
	cr_assert_str_eq(fl_units_time(to, (double)NAN), "-");
	cr_assert_str_eq(fl_units_count(to, (double)INFINITY), "-");
}

Test(view, text_is_safe_and_cut_to_the_width)
{
	static const struct {
		const char *text;
		unsigned width;
		const char *shown;
	} table[] = {
		{ "abc", 0, "abc" }, { "abc", 2, "ab" },
		{ "a\033[31mb\007\r\n\tc\177", 0, "a?[31mb????c?" },
		{ "\xc2\x9b"
		  "31m",
			0, "?31m" }, /* CSI in one character */
		{ "\xe2\x80\xae"
		  "txe",
			0, "?txe" },	  /* turns the line around */
		{ "e\xcc\x81", 0, "e?" }, /* joins the letter before it */
		{ "\xff\xc3(\xc3", 0, "?\?(?" }, { "J\xc3\xbcrgen", 3, "J\xc3\xbcr" },
		{ "\xe6\x97\xa5\xe6\x9c\xac", 3, "\xe6\x97\xa5" }, /* two columns each */
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct fl_sheet sheet = { .width = table[i].width };
		fl_sheet_text(&sheet, FL_BAD, table[i].text);
		fl_buf_char(&sheet.out, '\0');
		cr_assert_str_eq(sheet.out.data, table[i].shown);
		fl_buf_finish(&sheet.out);
	}
	struct fl_sheet sheet = { .colour = true };
	fl_sheet_text(&sheet, FL_GOOD, "a");
	fl_sheet_to(&sheet, 3);
	fl_sheet_text(&sheet, FL_PLAIN, "b");
	fl_buf_char(&sheet.out, '\0');
	cr_assert_str_eq(sheet.out.data, "\033[32ma\033[0m  b");
	fl_buf_finish(&sheet.out);
}

static const char full[] =
	"{\"version\":\"0.1.0\",\"pid\":1,\"started\":1.5,\"uptime\":100.0,\"config\":\"/etc/"
	"f.ini\","
	"\"reloads\":2,\"ready\":false,\"max_lag\":10.0,\"source\":{\"name\":\"db1:3306\","
	"\"flavour\":"
	"\"mariadb\",\"version\":\"10.11.8\",\"connected\":true,\"position\":{\"file\":\"binlog."
	"000001\","
	"\"offset\":4294967300,\"gtids\":\"0-1-5\"},\"events\":3000,\"transactions\":1000,\"rows\":"
	"2000,"
	"\"bytes\":1048576,\"reconnects\":1,\"since_last_event\":0.25},\"lanes\":[{\"number\":0},{"
	"\"number\":1}],"
	"\"sinks\":[{\"name\":\"hot\",\"plugin\":\"redis\",\"state\":\"riding\",\"lane\":0,"
	"\"ready\":true,"
	"\"unready\":null,\"position\":{\"file\":\"binlog.000001\",\"offset\":4,\"gtids\":null},"
	"\"operations\":1500,\"changes\":10,\"retries\":3,\"doubts\":1,\"queue_bytes\":1048576,"
	"\"queue_limit\":4194304,\"lag\":0.002,\"latency\":{\"count\":5,\"sum\":1.0,\"p50\":0.0011,"
	"\"p99\":0.02},\"last_error\":null},{\"name\":\"pool\",\"plugin\":\"memcached\",\"state\":"
	"\"waiting\",\"lane\":null,\"ready\":false,\"unready\":\"waits\",\"position\":null,"
	"\"operations\":0,"
	"\"changes\":0,\"lag\":75,\"latency\":{\"count\":0,\"p50\":0,\"p99\":0},\"last_error\":{"
	"\"time\":"
	"1000000000.5,\"text\":\"refused\"}}]}";

static struct fl_status *parse(const char *text)
{
	struct fl_status *status = NULL;
	struct fl_err err = { 0 };
	cr_assert_eq(fl_status_parse(text, strlen(text), &status, &err), 0, "%s", err.text);
	return status;
}

Test(view, a_status_is_shown)
{
	struct fl_status *status = parse(full);
	struct fl_sheet sheet = { 0 };
	setenv("TZ", "UTC", 1);
	fl_show_status(&sheet, status, 0);
	fl_buf_char(&sheet.out, '\0');
	cr_assert_str_eq(sheet.out.data,
		"not ready: pool: waits\n"
		"fastlane 0.1.0, process 1, up 1 min 40 s, /etc/f.ini, reloads: 2\n"
		"source db1:3306 (MariaDB 10.11.8): connected, last event 250 ms ago, reconnects: "
		"1, 2 "
		"lanes\n"
		"  at binlog.000001:4294967300  0-1-5\n"
		"  read 2k rows in 1k transactions, 3k events, 1 MiB\n"
		"\n"
		"SINK  PLUGIN     STATE           LAG  APPLIED  QUEUE     P50    P99  RETRIES  "
		"DOUBTS  "
		"LANE  POSITION\n"
		"hot   redis      riding         2 ms     1.5k    25%  1.1 ms  20 ms        3      "
		" 1  "
		"   0  binlog.000001:4\n"
		"pool  memcached  waiting  1 min 15 s        0              -      -        0      "
		" 0  "
		"   -  -\n"
		"\n"
		"LAST ERRORS\n"
		"2001-09-09 01:46:40  pool  refused\n");
	fl_buf_finish(&sheet.out);
	fl_status_destroy(status);
	fl_status_destroy(NULL);
}

Test(view, rates_are_those_between_two_answers)
{
	static const struct {
		const char *old, *new, *shown;
	} table[] = {
		{ NULL, NULL, "rows -/s   transactions -/s   events -/s   read -/s" },
		{ "\"uptime\":100.0", "\"uptime\":98.0", "rows 0/s   transactions 0/s" },
		{ "\"uptime\":100.0", "\"uptime\":100.0", "rows -/s" },
		/* Another process: its numbers have nothing to do with these. */
		{ "\"started\":1.5", "\"started\":1.2", "rows -/s" },
	};
	struct fl_status *status = parse(full);
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct fl_sheet sheet = { 0 };
		struct fl_status *before = NULL;
		char text[sizeof(full) + 16];
		if (table[i].old != NULL) {
			const char *at = strstr(full, table[i].old);
			snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - full), full,
				table[i].new, at + strlen(table[i].old));
			before = parse(text);
		}
		fl_show_top(&sheet, status, before, 1000000000);
		fl_buf_char(&sheet.out, '\0');
		cr_assert(strstr(sheet.out.data, table[i].shown) != NULL, "%s", sheet.out.data);
		fl_buf_finish(&sheet.out);
		fl_status_destroy(before);
	}
	struct fl_status *before = parse(full);
	before->uptime = 98;
	before->source.rows = 0;
	before->source.bytes = 0;
	before->sinks[0].operations = 0;
	struct fl_sheet sheet = { 0 };
	fl_show_top(&sheet, status, before, 1000000000);
	fl_buf_char(&sheet.out, '\0');
	cr_assert(strstr(
		sheet.out.data, "rows 1k/s   transactions 0/s   events 0/s   read 512 KiB/s"));
	cr_assert(strstr(sheet.out.data, "2 ms        750    25%"), "%s", sheet.out.data);
	fl_buf_finish(&sheet.out);
	fl_status_destroy(before);
	fl_status_destroy(status);
}

Test(view, no_line_is_wider_than_the_window)
{
	struct fl_status *status = parse(full);
	for (unsigned width = 1; width < 160; width++) {
		struct fl_sheet sheet = { .width = width };
		fl_show_top(&sheet, status, NULL, 1000000000);
		const char *at = sheet.out.data, *end = at + sheet.out.size;
		while (at < end) {
			const char *line_end = memchr(at, '\n', (size_t)(end - at));
			cr_assert_leq((unsigned)(line_end - at), width);
			at = line_end + 1;
		}
		if (width >= 33) /* sink, state and lag: the last that are left out */
			cr_assert(memmem(sheet.out.data, sheet.out.size, "1 min 15 s", 10) != NULL);
		fl_buf_finish(&sheet.out);
	}
	fl_status_destroy(status);
}

Test(view, what_is_no_status_is_refused_and_what_is_odd_is_empty)
{
	static const char *const refused[] = { "", "{}", "[]", "null", "1", "\"ready\"",
		"{\"ready\":true,\"source\":{}}", "{\"ready\":true,\"source\":{},\"sinks\":[]} x",
		"{\"ready\":true,\"source\":{},\"sinks\":[\"\033\"]}" };
	static const char *const odd[] = { "{\"ready\":1,\"source\":7,\"sinks\":{}}",
		"{\"ready\":true,\"source\":null,\"sinks\":[null,1,\"a\",[],{}],\"lanes\":3}",
		"{\"ready\":false,\"source\":{\"name\":1},\"sinks\":[{\"name\":{},\"lag\":\"x\","
		"\"lane\":1.5,"
		"\"queue_limit\":-5,\"operations\":1e300,\"latency\":[],\"last_error\":{\"time\":"
		"1e300}}],"
		"\"uptime\":-1e300,\"pid\":99999999999999999999999}" };
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		struct fl_status *status = NULL;
		cr_assert_eq(fl_status_parse(refused[i], strlen(refused[i]), &status, NULL),
			FL_ECORRUPT, "%s", refused[i]);
		cr_assert_null(status);
	}
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		struct fl_status *status = parse(odd[i]);
		struct fl_sheet sheet = { 0 };
		fl_show_status(&sheet, status, 80);
		fl_show_top(&sheet, status, status, 1e300);
		cr_assert(!sheet.out.failed);
		fl_buf_finish(&sheet.out);
		fl_status_destroy(status);
	}
	for (size_t size = 0; size < strlen(full); size++) {
		struct fl_status *status = NULL;
		char *exact = malloc(size + 1);
		memcpy(exact, full, size);
		cr_assert_eq(fl_status_parse(exact, size, &status, NULL), FL_ECORRUPT, "%zu", size);
		free(exact);
	}
}
