/* SPDX-License-Identifier: Apache-2.0 */
#include "reload.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "checkpoint.h"
#include "privileges.h"

static void report(void *ctx, bool fatal, const char *line)
{
	(void)ctx;
	if (fatal)
		fl_error(NULL, "%s", line);
	else
		fl_warn(NULL, "%s", line);
}

/* A pipe would give nothing a second time, or keep the main thread waiting. */
static FILE *open_regular(const char *path)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &status) == 0 && !S_ISREG(status.st_mode)) {
		close(fd);
		fl_error(
			NULL, "%s:1: it is no regular file, and can't be read a second time", path);
		return NULL;
	}
	FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (file == NULL) {
		fl_error(NULL, "%s:1: the file can't be read: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
	}
	return file;
}

struct fl_config *fl_reload_read(const char *path)
{
	struct fl_config *config = NULL;
	int problems = 1;
	FILE *file = open_regular(path);
	if (file != NULL) {
		problems = fl_config_read(file, path, false, report, NULL, &config);
		fclose(file);
	}
	if (problems == 0 && config->sink_count > FL_MOST_SINKS) {
		fl_error(NULL, "%s:1: %zu sinks; up to %d can be used", path, config->sink_count,
			FL_MOST_SINKS);
		fl_config_destroy(config);
		config = NULL;
		problems = 1;
	}
	/* Other threads run by now, and files are what they are. */
	struct fl_err err;
	if (problems == 0 && config->account.user != NULL && geteuid() == 0 &&
		config->account.uid != 0)
		problems = fl_err_set(&err, FL_EINVAL, "user can be set at a start only");
	else if (problems == 0 && config->account.user != NULL)
		problems = fl_privileges_check(config, &err);
	if (problems == FL_EINVAL) {
		fl_error(NULL, "%s:1: %s", path, err.text);
		fl_config_destroy(config);
		config = NULL;
		problems = 1;
	}
	if (problems == 0 && config->core_dumps != fl_privileges_has_core_dumps())
		fl_warn(NULL, "%s: core_dumps counts from the next start on", path);
	if (problems > 0)
		fl_error(NULL, "%s: %d error%s: the configuration stays as it was", path, problems,
			problems > 1 ? "s" : "");
	else if (problems < 0)
		fl_error(NULL, "%s: out of memory: the configuration stays as it was", path);
	return config;
}

/* Whether this descriptor is the lock file of the folder. */
static bool is_lock_of(int fd, const char *state_dir)
{
	char path[PATH_MAX];
	struct stat ours, theirs;
	int size = snprintf(path, sizeof(path), "%s/" FL_LOCK_NAME, state_dir);
	return size > 0 && (size_t)size < sizeof(path) && fstat(fd, &ours) == 0 &&
	       stat(path, &theirs) == 0 && ours.st_dev == theirs.st_dev &&
	       ours.st_ino == theirs.st_ino;
}

int fl_reload_lock(const struct fl_config *config, const struct fl_regime *const *lists,
	size_t count, int *ret, struct fl_err *err)
{
	*ret = -1;
	if (config->state_dir == NULL)
		return 0;
	for (size_t i = 0; i < count; i++)
		for (const struct fl_regime *r = lists[i]; r != NULL; r = r->next) {
			if (r->lock < 0 || !is_lock_of(r->lock, config->state_dir))
				continue;
			/* Both descriptors hold it, until the last is closed. */
			*ret = fcntl(r->lock, F_DUPFD_CLOEXEC, 0);
			return *ret >= 0 ? 0
					 : fl_err_set(err, FL_EIO, "state_dir can't be kept: %s",
						   strerror(errno));
		}
	return fl_checkpoint_lock(config->state_dir, ret, err);
}
