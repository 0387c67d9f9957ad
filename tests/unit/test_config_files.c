/* SPDX-License-Identifier: Apache-2.0
 *
 * Files themselves: their bytes, where they end, who can read them.
 */
#include <fcntl.h>

#include "config_fixture.h"

#define SOURCE "[source]\n"
#define BODY                                                                                       \
	"user = repl\nserver_id = 1\n[sink:hot]\nplugin = redis\n"                                 \
	"[map:m]\ntable = a.b\nkey = m:{id}\n"
#define BOM	    "\xef\xbb\xbf"
#define BYTES(text) text, sizeof(text) - 1

Test(config, bytes_that_editors_add_are_no_harm_and_others_are_refused)
{
	static const struct {
		const char *content;
		size_t size;
		const char *expected; /* behind the path */
	} cases[] = {
		{ BYTES(BOM SOURCE BODY), NULL },
		{ BYTES("[source]\r\nuser = repl\r\nserver_id = 1\r\n \r\n[sink:a]\r\nplugin = "
			"stdout\r\n[fastlane]\r\nstate_dir = /tmp\r"),
			NULL },
		{ BYTES(SOURCE BODY "ttl = 1\0 2\n"), ":9: there is a NUL byte in the line\n" },
		{ BYTES(SOURCE BODY "\0"), ":9: there is a NUL byte in the line\n" },
		{ BYTES(SOURCE BODY BOM "[source]\n"),
			":9: the line is neither a [section] nor a key = value\n" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char path[] = "/tmp/fastlane-test-XXXXXX", expected[200] = "";
		struct fl_buf got = { 0 };
		struct fl_config *config = NULL;
		write_file(path, 0600, cases[i].content, cases[i].size);
		if (cases[i].expected != NULL)
			snprintf(expected, sizeof(expected), "%s%s", path, cases[i].expected);
		int fatal = load(path, &got, &config);
		cr_expect_str_eq(got.data, expected, "case %zu: %s", i, got.data);
		cr_expect_eq(fatal, cases[i].expected != NULL);
		fl_config_destroy(config);
		fl_buf_finish(&got);
		unlink(path);
	}
}

static void put_file(const char *path, const char *content)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	close(fd);
}

Test(config, password_comes_from_a_file_that_others_should_not_read)
{
	for (unsigned open = 0; open < 2; open++) {
		char secret[] = "/tmp/fastlane-test-XXXXXX", path[] = "/tmp/fastlane-test-XXXXXX";
		char content[300], expected[300] = "";
		struct fl_buf got = { 0 };
		struct fl_config *config = NULL;
		write_file(secret, open ? 0644 : 0600, "p ;x\n", 5);
		snprintf(content, sizeof(content), SOURCE "password_file = %s\n" BODY, secret);
		write_file(path, 0600, content, strlen(content));
		if (open)
			snprintf(expected, sizeof(expected),
				"(warning) %s:2: [source] password_file: %s can be read by "
				"everybody: chmod o-r it\n",
				path, secret);
		cr_assert_eq(load(path, &got, &config), 0, "%s", got.data);
		cr_expect_str_eq(got.data, expected);
		cr_expect_str_eq(config->source.password, "p ;x");
		fl_config_destroy(config);
		fl_buf_finish(&got);
		unlink(path);
		unlink(secret);
	}
}

/* The folder that systemd names; else the configuration's own, so that it can be checked by hand.
 */
Test(config, credentials_directory_stands_for_the_folder_that_is_named_or_the_own_one)
{
	char own[] = "/tmp/fastlane-test-XXXXXX", named[] = "/tmp/fastlane-test-XXXXXX";
	char in_own[60], in_named[60], path[60];
	static const char content[] = SOURCE "password_file = ${CREDENTIALS_DIRECTORY}/word\n" BODY;
	cr_assert(mkdtemp(own) != NULL && mkdtemp(named) != NULL);
	snprintf(in_own, sizeof(in_own), "%s/word", own);
	snprintf(in_named, sizeof(in_named), "%s/word", named);
	snprintf(path, sizeof(path), "%s/fastlane.ini", own);
	put_file(in_own, "by hand");
	put_file(in_named, "of the service");
	put_file(path, content);
	for (unsigned i = 0; i < 3; i++) {
		static const char *const expected[] = { "by hand", "of the service", "by hand" };
		const char *const set[] = { NULL, named, "" };
		if (set[i] != NULL)
			setenv("CREDENTIALS_DIRECTORY", set[i], 1);
		struct fl_config *config = load_good(path);
		cr_expect_str_eq(config->source.password, expected[i]);
		fl_config_destroy(config);
	}
	setenv("CREDENTIALS_DIRECTORY", "/nowhere", 1);
	char told[200];
	struct fl_buf got = { 0 };
	struct fl_config *config = NULL;
	snprintf(told, sizeof(told),
		"%s:2: [source] password_file: /nowhere/word can't be read: No such file or "
		"directory\n",
		path);
	cr_expect_eq(load(path, &got, &config), 1);
	cr_expect_str_eq(got.data, told);
	fl_buf_finish(&got);
	unlink(in_own);
	unlink(in_named);
	unlink(path);
	rmdir(own);
	rmdir(named);
}

Test(config, file_that_is_not_there_is_a_problem)
{
	struct fl_buf got = { 0 };
	struct fl_config *config = NULL;
	cr_expect_eq(load("/nowhere/fastlane.ini", &got, &config), 1);
	cr_expect_str_eq(got.data,
		"/nowhere/fastlane.ini:1: the file can't be read: No such file or directory\n");
	cr_expect_null(config);
	cr_expect_eq(load("/tmp", &got, &config), 1);
	cr_expect_str_eq(got.data, "/tmp:1: the file can't be read: Is a directory\n");
	fl_buf_finish(&got);
}

Test(config, file_that_is_cut_off_anywhere_is_read_within_its_bounds)
{
	struct fl_buf good = { 0 }, got = { 0 };
	size_t right = 0;
	read_all(CONFIG "good.ini", &good);
	for (size_t size = 0; size < good.size; size++) {
		char path[] = "/tmp/fastlane-test-XXXXXX";
		struct fl_config *config = NULL;
		write_file(path, 0600, good.data, size);
		int fatal = load(path, &got, &config);
		cr_assert_geq(fatal, 0);
		cr_assert_eq(config != NULL, fatal == 0);
		cr_assert_eq((size_t)fatal, count_fatal(got.data));
		right += fatal == 0;
		fl_config_destroy(config);
		unlink(path);
	}
	cr_expect_gt(right, 0);
	fl_buf_finish(&good);
	fl_buf_finish(&got);
}
