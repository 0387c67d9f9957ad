/* SPDX-License-Identifier: Apache-2.0 */
#include "privileges.h"

#include "checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct rlimit core_limit; /* as it was */

void fl_privileges_harden(void)
{
	getrlimit(RLIMIT_CORE, &core_limit);
	fl_privileges_core_dumps(false);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	umask(077);
}

/* The limit alone does not keep a core from a program that the kernel is told to hand it to; of a
 * process that is not dumpable there is none, and its memory in /proc is root's. */
void fl_privileges_core_dumps(bool allowed)
{
	struct rlimit const none = { .rlim_cur = 0, .rlim_max = core_limit.rlim_max };
	setrlimit(RLIMIT_CORE, allowed ? &core_limit : &none);
	prctl(PR_SET_DUMPABLE, allowed, 0, 0, 0);
}

bool fl_privileges_has_core_dumps(void)
{
	return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1;
}

static bool has_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
	if (syscall(SYS_capget, &head, sets) != 0)
		return true;
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		if ((sets[i].effective | sets[i].permitted | sets[i].inheritable) != 0)
			return true;
	return false;
}

/* Another account's id takes the others away, but not those for what it might run. */
static bool drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct const none[_LINUX_CAPABILITY_U32S_3] = { 0 };
	return syscall(SYS_capset, &head, none) == 0;
}

static int failed(const struct fl_account *account, const char *what, struct fl_err *err)
{
	return fl_err_set(err, FL_EFATAL, "[fastlane] user = %s: %s: %s", account->user, what,
		strerror(errno));
}

/* What has been given up has to be gone: each way back is tried. */
static bool is_for_good(const struct fl_account *account)
{
	uid_t uid[3];
	gid_t gid[3];
	if (getresuid(&uid[0], &uid[1], &uid[2]) != 0 || getresgid(&gid[0], &gid[1], &gid[2]) != 0)
		return false;
	for (size_t i = 0; i < 3; i++)
		if (uid[i] != account->uid || gid[i] != account->gid)
			return false;
	if (account->uid == 0)
		return true;
	return setuid(0) != 0 && seteuid(0) != 0 && setresuid((uid_t)-1, 0, (uid_t)-1) != 0 &&
	       setgroups(0, NULL) != 0 && !has_capabilities();
}

int fl_privileges_drop(const struct fl_account *account, struct fl_err *err)
{
	bool const core_dumps = fl_privileges_has_core_dumps();
	if (account->user == NULL || (geteuid() != 0 && geteuid() == account->uid))
		return 0;
	if (geteuid() != 0)
		return fl_err_set(err, FL_EFATAL,
			"[fastlane] user = %s: only root can become another account",
			account->user);
	/* Groups first: who is not root can't change them. The user's own are taken, too: of
	 * files, say, that only they may read. */
	prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (initgroups(account->user, account->gid) != 0)
		return failed(account, "its groups can't be taken", err);
	if (setresgid(account->gid, account->gid, account->gid) != 0)
		return failed(account, "its group can't be taken", err);
	if (setresuid(account->uid, account->uid, account->uid) != 0)
		return failed(account, "can't be taken", err);
	if (account->uid != 0 && !drop_capabilities())
		return failed(account, "root's rights can't be given up", err);
	if (!is_for_good(account))
		return fl_err_set(err, FL_EFATAL,
			"[fastlane] user = %s: root's rights are not gone for good", account->user);
	/* The system has set this anew. */
	fl_privileges_core_dumps(core_dumps);
	return 0;
}

/* What an earlier run has left there, as root perhaps. */
static int check_state(const struct fl_config *config, struct fl_err *err)
{
	char path[PATH_MAX];
	for (size_t i = 0; i <= config->sink_count; i++) {
		int const size = i < config->sink_count
					 ? snprintf(path, sizeof(path), "%s/%s.position",
						   config->state_dir, config->sinks[i].name)
					 : snprintf(path, sizeof(path), "%s/" FL_LOCK_NAME,
						   config->state_dir);
		if (size < 0 || (size_t)size >= sizeof(path) ||
			faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) == 0 || errno != EACCES)
			continue;
		return fl_err_set(err, FL_EINVAL,
			"[fastlane] state_dir: %.200s can't be used by user = %s: %s: chown -R %s "
			"%.200s",
			path, config->account.user, strerror(EACCES), config->account.user,
			config->state_dir);
	}
	return 0;
}

/* What a sink opens when it connects. */
static int check_sink(
	const struct fl_config *config, const struct fl_sink_config *sink, struct fl_err *err)
{
	for (size_t i = 0; fl_sink_certificates[i] != NULL; i++) {
		const char *path = fl_sink_certificate(sink, i);
		if (path != NULL && faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) != 0)
			return fl_err_set(err, FL_EINVAL,
				"[sink:%s] %s = %.200s can't be used by user = %s: %s: chgrp %s "
				"%.200s",
				sink->name, fl_sink_certificates[i], path, config->account.user,
				strerror(errno), config->account.user, path);
	}
	return 0;
}

int fl_privileges_check(const struct fl_config *config, struct fl_err *err)
{
	const struct fl_source_config *source = &config->source;
	const struct {
		const char *key, *path;
		int mode;
		const char *mend;
	} used[] = {
		{ "[fastlane] state_dir", config->state_dir, R_OK | W_OK | X_OK, "chown -R" },
		{ "[source] tls_ca", source->tls_ca, R_OK, "chgrp" },
		{ "[source] tls_cert", source->tls_cert, R_OK, "chgrp" },
		{ "[source] tls_key", source->tls_key, R_OK, "chgrp" },
	};
	for (size_t i = 0; i < sizeof(used) / sizeof(*used); i++) {
		if (used[i].path == NULL ||
			faccessat(AT_FDCWD, used[i].path, used[i].mode, AT_EACCESS) == 0)
			continue;
		return fl_err_set(err, FL_EINVAL,
			"%s = %.200s can't be used by user = %s: %s: %s %s %.200s", used[i].key,
			used[i].path, config->account.user, strerror(errno), used[i].mend,
			config->account.user, used[i].path);
	}
	int result = config->state_dir != NULL ? check_state(config, err) : 0;
	for (size_t i = 0; result == 0 && i < config->sink_count; i++)
		result = check_sink(config, &config->sinks[i], err);
	return result;
}
