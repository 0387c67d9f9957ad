/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

#define CONFIG	TEST_SOURCES "/tests/unit/config/"
#define TESTS	TEST_BUILD "/tests/support/plugins"
#define PLACES	TEST_BUILD "/plugins:" TESTS ":" FL_PLUGIN_DIR
#define PLUGINS "bad_open, blocker, memcached, redis, stdout"

static void init(void)
{
	setenv("FASTLANE_PLUGIN_PATH", TEST_BUILD "/plugins:" TESTS, 1);
}

TestSuite(config, .init = init, .fini = fl_plugins_finish);

/* Collects the lines without the directory in front; warnings have a "(warning) ". */
static void collect(void *ctx, bool fatal, const char *line)
{
	struct fl_buf *out = ctx;
	const char *name = strstr(line, CONFIG) == line ? line + strlen(CONFIG) : line;
	fl_buf_text(out, fatal ? "" : "(warning) ");
	fl_buf_text(out, name);
	fl_buf_char(out, '\n');
}

static int load(const char *path, struct fl_buf *out, struct fl_config **ret)
{
	fl_buf_clear(out);
	int problems = fl_config_load(path, collect, out, ret);
	fl_buf_char(out, '\0');
	return problems;
}

static size_t count_fatal(const char *lines)
{
	size_t count = 0;
	for (const char *at = lines; *at != '\0'; at = strchr(at, '\n') + 1)
		count += *at != '(';
	return count;
}

static const char duplicates_ini[] =
	"duplicates.ini:6: [source] user is set already, in line 5\n"
	"duplicates.ini:8: [source] password_file: password is set as well, in line 7; only one of "
	"them is allowed\n"
	"(warning) duplicates.ini:8: [source] password_file: /dev/null can be read by everybody: "
	"chmod o-r it\n"
	"duplicates.ini:9: [source] socket: host is set as well, in line 4; only one of them is "
	"allowed\n"
	"duplicates.ini:13: [sink:log] plugin is set already, in line 12\n";

Test(config, problems_are_all_told_with_their_lines)
{
	static const struct {
		const char *file, *expected;
	} cases[] = {
		{ "keys.ini", "" },
		{ "duplicates.ini", duplicates_ini },
	};
	struct fl_buf got = { 0 };
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char path[sizeof(CONFIG) + 64];
		struct fl_config *config = NULL;
		snprintf(path, sizeof(path), CONFIG "%s", cases[i].file);
		int problems = load(path, &got, &config);
		cr_expect_str_eq(got.data, cases[i].expected);
		cr_expect_eq((size_t)problems, count_fatal(cases[i].expected), "%s",
			cases[i].file);
		cr_expect_null(config);
	}
	fl_buf_finish(&got);
}
