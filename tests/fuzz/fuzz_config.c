/* SPDX-License-Identifier: Apache-2.0
 *
 * Input: a configuration file, read for a server and for binlog files. It is built with sources of
 * its own, in which the names of functions that open or look at files stand for those below: no
 * real file can be named in it. The same goes for sinks: there are two, with an option of each
 * type.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/trust.h"
#include "config/config.h"
#include "target.h"

static const char name[] = "fuzz.ini";

static bool is_short(const char *value, struct fl_err *err)
{
	enum { MOST = 8 };
	return strlen(value) <= MOST || fl_err_set(err, FL_EINVAL, "is too long") == 0;
}

static const struct fl_option options[] = {
	{ .name = "address", .type = FL_OPTION_TEXT, .required = true, .help = "-" },
	{ .name = "name", .type = FL_OPTION_TEXT, .help = "-", .check = is_short },
	{ .name = "password", .type = FL_OPTION_SECRET, .help = "-", .check = is_short },
	{ .name = "password_file", .type = FL_OPTION_FILE, .help = "-" },
	{ .name = "db", .type = FL_OPTION_INT, .maximum = 15, .fallback = "0", .help = "-" },
	{ .name = "tls", .type = FL_OPTION_BOOL, .fallback = "no", .help = "-" },
	{ .name = "clear", .type = FL_OPTION_CHOICE, .choices = "all|halt", .help = "-" },
	{ .name = NULL },
};

static enum fl_outcome position(void *self, struct fl_buf *ret, struct fl_err *err)
{
	(void)self;
	(void)ret;
	(void)err;
	return FL_DONE;
}

static const struct fl_sink_plugin cache = {
	.name = "cache", .options = options, .takes = FL_TAKES_OPERATIONS, .position = position
};
static const struct fl_sink_plugin stream = { .name = "stdout", .takes = FL_TAKES_CHANGES };

int fl_plugins_init(const char *path, struct fl_err *err)
{
	(void)path;
	(void)err;
	return 0;
}

int fl_plugin_load(const char *wanted, const struct fl_sink_plugin **ret, struct fl_err *err)
{
	if (strcmp(wanted, cache.name) == 0)
		*ret = &cache;
	else if (strcmp(wanted, stream.name) == 0)
		*ret = &stream;
	else
		return fl_err_set(err, FL_EINVAL, "there is no plugin %s", wanted);
	return 0;
}

void fl_plugins_each(void (*each)(void *ctx, const char *name, const char *file,
			     const struct fl_sink_plugin *plugin, const struct fl_err *err),
	void *ctx)
{
	each(ctx, cache.name, "-", &cache, NULL);
	each(ctx, stream.name, "-", &stream, NULL);
}

FILE *fopen(const char *path, const char *mode)
{
	(void)mode;
	if (strcmp(path, "secret") == 0)
		return fmemopen((void *)(uintptr_t) "hush\n", 5, "r");
	errno = ENOENT;
	return NULL;
}

int access(const char *path, int mode)
{
	(void)mode;
	if (strcmp(path, "secret") == 0 || strcmp(path, "/") == 0)
		return 0;
	errno = EACCES;
	return -1;
}

int stat(const char *path, struct stat *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->st_mode = strcmp(path, "/") == 0 ? S_IFDIR | 0755 : S_IFREG | 0644;
	return access(path, 0);
}

/* In place of base/trust.c. */
void fl_trust_account(uid_t uid, gid_t gid)
{
	(void)uid;
	(void)gid;
}

bool fl_trust_is_onlooker(void)
{
	return false;
}

int fl_trust_check(const char *path, enum fl_trust kind, struct fl_err *err)
{
	(void)kind;
	return access(path, 0) == 0 ? 0 : fl_err_set(err, FL_EIO, "%s can't be read", path);
}

int fl_trust_open(const char *path, enum fl_trust kind, int *ret_fd, struct fl_err *err)
{
	static const char *const contents[] = { "hush\n", "-----BEGIN CERTIFICATE-----\n" };
	int code = fl_trust_check(path, kind, err);
	if (code < 0)
		return code;
	const char *content = contents[kind == FL_TRUST_DATA];
	int fd = memfd_create("secret", MFD_CLOEXEC);
	must(fd >= 0);
	must(write(fd, content, strlen(content)) == (ssize_t)strlen(content));
	must(lseek(fd, 0, SEEK_SET) == 0);
	*ret_fd = fd;
	return 0;
}

struct passwd *getpwnam(const char *user)
{
	static struct passwd root;
	return strcmp(user, "root") == 0 ? &root : NULL;
}

struct group *getgrnam(const char *group)
{
	static struct group root;
	return strcmp(group, "root") == 0 ? &root : NULL;
}

static void report(void *ctx, bool fatal, const char *line)
{
	unsigned *count = ctx;
	*count += fatal;
	must(strncmp(line, name, sizeof(name) - 1) == 0);
	must(strchr(line, '\n') == NULL);
}

static void load(const uint8_t *data, size_t size, bool for_files)
{
	struct fl_config *config = NULL;
	unsigned fatal = 0;
	FILE *file = fmemopen((void *)(uintptr_t)data, size, "r");
	must(file != NULL);
	int rc = fl_config_read(file, name, for_files, report, &fatal, &config);
	fclose(file);
	must(rc >= 0 && (unsigned)rc == fatal && (config != NULL) == (rc == 0));
	if (config != NULL) {
		must(config->sink_count > 0);
		must(config->queue_bytes > 0 && config->transaction_bytes > 0);
		must(for_files || config->source.user != NULL);
		must(for_files || config->source.server_id > 0);
		for (unsigned i = 0; i < config->source.host_count; i++)
			must(config->source.hosts[i].port <= UINT16_MAX);
	}
	fl_config_destroy(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	load(data, size, false);
	load(data, size, true);
	return 0;
}
