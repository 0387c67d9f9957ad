/* SPDX-License-Identifier: Apache-2.0
 *
 * The log's formats, as they come out of standard error, which is a pipe here.
 */
#include <criterion/criterion.h>
#include <json-c/json.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

static int out = -1; /* the pipe's other end */

static void set_up(void)
{
	int ends[2];
	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	close(ends[1]);
	out = ends[0];
	unsetenv("LOG_FORMAT");
	unsetenv("JOURNAL_STREAM");
}

TestSuite(log, .init = set_up);

/* The entry that was written: one line, without its end. */
static const char *written(void)
{
	static char line[8192];
	ssize_t const size = read(out, line, sizeof(line));
	cr_assert_gt(size, 0);
	cr_assert_leq(size, 4096, "a pipe takes no more at once");
	cr_assert_eq(line[size - 1], '\n');
	cr_assert_eq(memchr(line, '\n', (size_t)size), line + size - 1, "it is one line");
	line[size - 1] = '\0';
	return line;
}

/* What a strict reader makes of the line. The caller's. */
static struct json_object *parsed(const char *line)
{
	struct json_tokener *tokener = json_tokener_new();
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	struct json_object *object = json_tokener_parse_ex(tokener, line, (int)strlen(line) + 1);
	cr_assert_eq(json_tokener_get_error(tokener), json_tokener_success, "%s", line);
	json_tokener_free(tokener);
	return object;
}

static const char *member(struct json_object *object, const char *name)
{
	struct json_object *value = NULL;
	cr_assert(json_object_object_get_ex(object, name, &value), "%s", name);
	return value != NULL ? json_object_get_string(value) : NULL;
}

Test(log, text_has_time_level_and_sink)
{
	fl_warn("hot", "tab\there, %s", "\xc3\xa9");
	const char *line = written();
	cr_expect_eq(strlen(line), strlen("2026-02-03T04:05:06.789Z warn  [hot] tab?here, .."));
	cr_expect_eq(line[10], 'T');
	cr_expect_str_eq(line + 23, "Z warn  [hot] tab?here, \xc3\xa9");
	fl_error(NULL, "x");
	cr_expect_str_eq(written() + 23, "Z error x");
}

Test(log, journal_has_priorities_and_leaves_the_time_out)
{
	static const char *const expected[] = { "<3>[hot] a?b", "<4>[hot] a?b", "<6>[hot] a?b",
		"<7>[hot] a?b" };
	fl_log_set_level(FL_LEVEL_DEBUG);
	fl_log_set_format(FL_LOG_JOURNAL);
	for (enum fl_level level = FL_LEVEL_ERROR; level <= FL_LEVEL_DEBUG; level++) {
		fl_log(level, "hot", "a\nb");
		cr_expect_str_eq(written(), expected[level]);
	}
	fl_info(NULL, "x");
	cr_expect_str_eq(written(), "<6>x");
}

Test(log, json_has_the_same)
{
	static const char *const levels[] = { "error", "warn", "info", "debug" };
	fl_log_set_level(FL_LEVEL_DEBUG);
	fl_log_set_format(FL_LOG_JSON);
	for (enum fl_level level = FL_LEVEL_ERROR; level <= FL_LEVEL_DEBUG; level++) {
		fl_log(level, level == FL_LEVEL_INFO ? NULL : "hot", "a \"quoted\" \\ word");
		struct json_object *entry = parsed(written());
		cr_expect_eq(json_object_object_length(entry), 4);
		cr_expect_eq(strlen(member(entry, "time")), strlen("2026-02-03T04:05:06.789Z"));
		cr_expect_str_eq(member(entry, "level"), levels[level]);
		cr_expect_str_eq(member(entry, "message"), "a \"quoted\" \\ word");
		if (level == FL_LEVEL_INFO)
			cr_expect_null(member(entry, "sink"));
		else
			cr_expect_str_eq(member(entry, "sink"), "hot");
		json_object_put(entry);
	}
}

/* One byte, between others: itself where it is a character, else U+FFFD. */
Test(log, json_is_valid_for_every_byte)
{
	fl_log_set_format(FL_LOG_JSON);
	for (unsigned byte = 1; byte < 256; byte++) {
		char expected[8];
		fl_info(NULL, "<%c>", (int)byte);
		struct json_object *entry = parsed(written());
		snprintf(expected, sizeof(expected), byte < 0x80 ? "<%c>" : "<\xef\xbf\xbd>",
			(int)byte);
		cr_expect_str_eq(member(entry, "message"), expected, "byte %u", byte);
		json_object_put(entry);
	}
}

Test(log, json_keeps_characters_and_replaces_what_is_none)
{
	static const struct {
		const char *given, *expected;
	} cases[] = {
		{ "\xc2\x80\xdf\xbf", NULL },
		{ "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf", NULL },
		{ "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", NULL },
		{ "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" }, /* longer than need be */
		{ "\xe0\x9f\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* so is this */
		{ "\xf0\x8f\xbf\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* a surrogate */
		{ "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd" }, /* cut off */
		{ "\xe2\x82x", "\xef\xbf\xbd\xef\xbf\xbdx" },
	};
	fl_log_set_format(FL_LOG_JSON);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		fl_info(NULL, "%s", cases[i].given);
		struct json_object *entry = parsed(written());
		cr_expect_str_eq(member(entry, "message"),
			cases[i].expected != NULL ? cases[i].expected : cases[i].given, "case %zu",
			i);
		json_object_put(entry);
	}
}

/* The longest that any bytes become; a name that no sink may have. */
Test(log, an_entry_of_any_length_is_one_write_and_valid)
{
	static const char pieces[][5] = { "x", "\x01", "\xff", "\"", "\xe2\x82\xac",
		"\xf0\x9f\x98\x80" };
	static char text[20000];
	for (enum fl_log_format format = FL_LOG_TEXT; format <= FL_LOG_JOURNAL; format++)
		for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++)
			for (size_t count = 200; count < 1500; count += 13) {
				text[0] = '\0';
				size_t size = 0;
				for (size_t n = 0; n < count; n++, size += strlen(pieces[i]))
					strcpy(text + size, pieces[i]);
				fl_log_set_format(format);
				fl_error(text, "%s", text);
				const char *line = written();
				if (format != FL_LOG_JSON)
					continue;
				struct json_object *entry = parsed(line);
				cr_expect_gt(strlen(member(entry, "message")), 190);
				json_object_put(entry);
			}
}

Test(log, auto_is_what_the_environment_says_else_what_stderr_is)
{
	struct stat status;
	char stream[80];
	cr_assert_eq(fstat(STDERR_FILENO, &status), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)status.st_dev,
		(unsigned long long)status.st_ino);
	const struct {
		const char *format, *stream;
		enum fl_log_format expected;
		bool warned;
	} cases[] = {
		{ NULL, NULL, FL_LOG_TEXT, false },
		{ NULL, stream, FL_LOG_JOURNAL, false },
		{ NULL, "1:2", FL_LOG_TEXT, false }, /* stderr was redirected */
		{ NULL, "nonsense", FL_LOG_TEXT, false },
		{ "json", NULL, FL_LOG_JSON, false },
		{ "json", stream, FL_LOG_JSON, false },
		{ "text", stream, FL_LOG_TEXT, false },
		{ "journal", NULL, FL_LOG_JOURNAL, false },
		{ "auto", stream, FL_LOG_JOURNAL, false },
		{ "", stream, FL_LOG_JOURNAL, false },
		{ "pretty", NULL, FL_LOG_TEXT, true },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unsetenv("LOG_FORMAT");
		unsetenv("JOURNAL_STREAM");
		if (cases[i].format != NULL)
			setenv("LOG_FORMAT", cases[i].format, 1);
		if (cases[i].stream != NULL)
			setenv("JOURNAL_STREAM", cases[i].stream, 1);
		fl_log_set_format(FL_LOG_AUTO);
		cr_expect_eq(fl_log_format(), cases[i].expected, "case %zu", i);
		if (cases[i].warned)
			cr_expect_not_null(strstr(written(), "LOG_FORMAT"));
	}
	fl_log_set_format(FL_LOG_JSON);
	cr_expect_eq(fl_log_format(), FL_LOG_JSON, "what is set goes before the environment");
}
