/* SPDX-License-Identifier: Apache-2.0
 *
 * One value of a file, for those who only want to find the daemon that runs on it.
 */
#include <errno.h>

#include "config/private.h"

struct first {
	struct fl_err *err;
	bool set;
};

static void keep_first(void *ctx, bool fatal, const char *line)
{
	struct first *first = ctx;
	if (fatal && !first->set) {
		fl_err_set(first->err, FL_EINVAL, "%s", line);
		first->set = true;
	}
}

int fl_config_value(const char *path, const char *section, const char *key, char *ret, size_t size,
	struct fl_err *err)
{
	struct fl_arena memory = { 0 };
	struct fl_problems problems = { .path = path, .memory = &memory };
	struct first first = { .err = err };
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return fl_err_set(
			err, FL_EIO, "%s:1: the file can't be read: %s", path, strerror(errno));
	const struct fl_section *at = fl_config_file_read(file, &memory, &problems);
	fclose(file);
	int code = 0;
	while (at != NULL && strcmp(at->text, section) != 0)
		at = at->next;
	const struct fl_setting *setting = at != NULL ? fl_loader_setting(at, key) : NULL;
	if (problems.no_memory) {
		code = fl_err_set(err, FL_ENOMEM, "out of memory");
	} else if (problems.fatal > 0) {
		fl_problems_report(&problems, keep_first, &first);
		code = FL_EINVAL;
	} else if (setting == NULL) {
		*ret = '\0';
	} else if (strlen(setting->value) >= size) {
		code = fl_err_set(err, FL_EINVAL, "%s:%u: [%s] %s is too long", path, setting->line,
			section, key);
	} else {
		strcpy(ret, setting->value);
	}
	fl_arena_finish(&memory);
	return code;
}
