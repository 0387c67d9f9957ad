/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of the configuration: files are read, and what is told of them is text. The suite's
 * set-up is in test_config.c.
 */
#ifndef FL_TEST_CONFIG_FIXTURE_H
#define FL_TEST_CONFIG_FIXTURE_H

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"

#define CONFIG TEST_SOURCES "/tests/unit/config/"
#define TESTS  TEST_BUILD "/tests/support/plugins"

/* Collects the lines without the directory in front; warnings have a "(warning) ". */
static inline void collect(void *ctx, bool fatal, const char *line)
{
	struct fl_buf *out = ctx;
	/* Who can read the tests' files is up to whoever has made the checkout. */
	if (!fatal && strstr(line, "; or keep it in a file (") != NULL)
		return;
	const char *name = strstr(line, CONFIG) == line ? line + strlen(CONFIG) : line;
	fl_buf_text(out, fatal ? "" : "(warning) ");
	fl_buf_text(out, name);
	fl_buf_char(out, '\n');
}

static inline int load(const char *path, struct fl_buf *out, struct fl_config **ret)
{
	fl_buf_clear(out);
	int problems = fl_config_load(path, false, collect, out, ret);
	fl_buf_char(out, '\0');
	return problems;
}

static inline size_t count_fatal(const char *lines)
{
	size_t count = 0;
	for (const char *at = lines; *at != '\0'; at = strchr(at, '\n') + 1)
		count += *at != '(';
	return count;
}

static inline struct fl_config *load_good(const char *path)
{
	struct fl_buf got = { 0 };
	struct fl_config *config = NULL;
	cr_assert_eq(load(path, &got, &config), 0, "%s", got.data);
	cr_expect_str_eq(got.data, "");
	fl_buf_finish(&got);
	return config;
}

/* Writes a file under the name, which it makes. */
static inline void write_file(char *path, mode_t mode, const char *content, size_t size)
{
	int fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, content, size), (ssize_t)size);
	cr_assert_eq(fchmod(fd, mode), 0);
	close(fd);
}

static inline void read_all(const char *path, struct fl_buf *out)
{
	FILE *file = fopen(path, "re");
	cr_assert_not_null(file, "%s", path);
	size_t got;
	while ((got = fread(fl_buf_reserve(out, 4096), 1, 4096, file)) > 0)
		out->size += got;
	fl_buf_char(out, '\0');
	fclose(file);
}

#endif
