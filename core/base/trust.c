/* SPDX-License-Identifier: Apache-2.0 */
#include "base/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MAX = 40, NAME_SIZE = 40 };
#define NOBODY ((uid_t)-1)

static uid_t account_uid = NOBODY;
static gid_t account_gid = (gid_t)-1;
static bool only_looks;

void fl_trust_account(uid_t uid, gid_t gid)
{
	account_uid = uid;
	account_gid = gid;
}

void fl_trust_only_look(void)
{
	only_looks = true;
}

bool fl_trust_is_onlooker(void)
{
	uid_t const self = geteuid();
	return only_looks && account_uid != NOBODY && self != 0 && self != account_uid;
}

/* ---- whom we trust ---- */

/* Whoever can replace the program itself gains nothing by replacing what it loads: its owner, and
 * who can write to a directory on the way to it. As with one that is run from where it was built.
 */
static const struct program {
	char path[PATH_MAX]; /* "" if it can't be told */
	uid_t owner;
} * the_program(void)
{
	static struct program program = { .owner = NOBODY };
	static bool asked;
	struct stat status;
	if (asked)
		return &program;
	asked = true;
	ssize_t const size = readlink("/proc/self/exe", program.path, sizeof(program.path) - 1);
	program.path[size > 0 ? size : 0] = '\0';
	if (size > 0 && stat(program.path, &status) == 0)
		program.owner = status.st_uid;
	return &program;
}

static bool is_on_way_to_program(const char *folder)
{
	size_t const size = strlen(folder);
	const char *path = the_program()->path;
	return strncmp(path, folder, size) == 0 && (path[size] == '/' || size == 1);
}

/* What root runs is root's or the account's that it becomes. */
static bool is_ours(uid_t uid, enum fl_trust kind)
{
	uid_t const self = geteuid();
	if (kind == FL_TRUST_CONFIG || uid == 0 || uid == self)
		return true;
	if (kind == FL_TRUST_CODE)
		return uid == the_program()->owner;
	return uid == account_uid || (only_looks && self == 0);
}

/* Whether the group is that of another account from its log-in on: such are not named in it. */
static bool is_of_another(gid_t gid, uid_t owner)
{
	bool found = false;
	setpwent();
	for (const struct passwd *user; !found && (user = getpwent()) != NULL;)
		found = user->pw_gid == gid && user->pw_uid != owner;
	endpwent();
	return found;
}

/* A group that has its owner alone in it, as many systems give to each user. */
static bool is_private(uid_t owner, gid_t gid)
{
	const struct passwd *user = getpwuid(owner);
	if (user == NULL || user->pw_gid != gid)
		return false;
	char name[NAME_SIZE];
	snprintf(name, sizeof(name), "%s", user->pw_name);
	const struct group *group = getgrgid(gid);
	if (group == NULL || strcmp(group->gr_name, name) != 0)
		return false;
	for (char **member = group->gr_mem; *member != NULL; member++)
		if (strcmp(*member, name) != 0)
			return false;
	return !is_of_another(gid, owner);
}

static bool group_may_write(const struct stat *status)
{
	return status->st_gid == 0 || is_private(status->st_uid, status->st_gid);
}

static bool group_may_read(const struct stat *status)
{
	gid_t groups[256];
	gid_t const gid = status->st_gid;
	if (gid == 0 || gid == getegid() || (account_uid != NOBODY && gid == account_gid))
		return true;
	int const count = getgroups(sizeof(groups) / sizeof(*groups), groups);
	for (int i = 0; i < count; i++)
		if (groups[i] == gid)
			return true;
	return is_private(status->st_uid, gid);
}

/* ---- what is said of the others ---- */

static void name_user(uid_t uid, char name[NAME_SIZE])
{
	const struct passwd *user = getpwuid(uid);
	if (user != NULL)
		snprintf(name, NAME_SIZE, "%s", user->pw_name);
	else
		snprintf(name, NAME_SIZE, "uid %u", (unsigned)uid);
}

static void name_group(gid_t gid, char name[NAME_SIZE])
{
	const struct group *group = getgrgid(gid);
	if (group != NULL)
		snprintf(name, NAME_SIZE, "%s", group->gr_name);
	else
		snprintf(name, NAME_SIZE, "gid %u", (unsigned)gid);
}

/* "everybody can write to the directory PATH, of ada:users, mode 0777: chmod o-w PATH" */
static int refuse(const char *path, const struct stat *status, const char *verb, char mode,
	bool everybody, struct fl_err *err)
{
	char user[NAME_SIZE], group[NAME_SIZE];
	name_user(status->st_uid, user);
	name_group(status->st_gid, group);
	return fl_err_set(err, FL_EINVAL,
		"%s%s can %s %s%.150s, which is of %s:%s, mode %04o: chmod %s-%c %.150s",
		everybody ? "everybody" : "the group ", everybody ? "" : group, verb,
		S_ISDIR(status->st_mode) ? "the directory " : "", path, user, group,
		(unsigned)status->st_mode & 07777, everybody ? "go" : "g", mode, path);
}

static int refuse_owner(
	const char *path, const struct stat *status, enum fl_trust kind, struct fl_err *err)
{
	char user[NAME_SIZE], self[NAME_SIZE];
	bool const is_root = geteuid() == 0;
	name_user(status->st_uid, user);
	name_user(is_root && account_uid != NOBODY ? account_uid : geteuid(), self);
	if (is_root && account_uid == NOBODY && kind != FL_TRUST_CODE)
		return fl_err_set(err, FL_EINVAL,
			"%s%.150s (mode %04o) is of %s, who can change it; where fastlane runs as "
			"root it must be root's: run it as %s (user in [fastlane]), or chown root "
			"%.150s",
			S_ISDIR(status->st_mode) ? "the directory " : "", path,
			(unsigned)status->st_mode & 07777, user, user, path);
	return fl_err_set(err, FL_EINVAL,
		"%s%.150s (mode %04o) is of %s, who can change it; it must be root's or, where "
		"fastlane runs as %s, of that account: chown %s %.150s",
		S_ISDIR(status->st_mode) ? "the directory " : "", path,
		(unsigned)status->st_mode & 07777, user, self,
		kind == FL_TRUST_CODE ? "root" : self, path);
}

/* ---- looking ---- */

static int check_changes(
	const char *path, const struct stat *status, enum fl_trust kind, struct fl_err *err)
{
	static const char *const verbs[] = { "write to", "change" };
	const char *verb = verbs[!S_ISDIR(status->st_mode)];
	if (!is_ours(status->st_uid, kind))
		return refuse_owner(path, status, kind, err);
	if ((status->st_mode & S_IWOTH) != 0)
		return refuse(path, status, verb, 'w', true, err);
	if ((status->st_mode & S_IWGRP) != 0 && !group_may_write(status))
		return refuse(path, status, verb, 'w', false, err);
	return 0;
}

/* A directory on the way, and whose entry in it is used. In one such as /tmp everybody may write,
 * but only its owner removes an entry. */
static int check_way(const char *path, const struct stat *status, const struct stat *entry,
	enum fl_trust kind, struct fl_err *err)
{
	if ((status->st_mode & S_ISVTX) != 0 && is_ours(status->st_uid, kind) &&
		is_ours(entry->st_uid, kind))
		return 0;
	if (kind == FL_TRUST_CODE && is_on_way_to_program(path))
		return 0;
	return check_changes(path, status, kind, err);
}

static int check_end(
	const char *path, const struct stat *status, enum fl_trust kind, struct fl_err *err)
{
	bool const is_folder = kind == FL_TRUST_FOLDER;
	if (is_folder ? !S_ISDIR(status->st_mode) : !S_ISREG(status->st_mode))
		return fl_err_set(err, FL_EINVAL, "%.300s is not a %s", path,
			is_folder ? "directory" : "regular file");
	int code = check_changes(path, status, kind, err);
	if (code < 0 || kind != FL_TRUST_SECRET)
		return code;
	if ((status->st_mode & S_IROTH) != 0)
		return refuse(path, status, "read", 'r', true, err);
	if ((status->st_mode & S_IRGRP) != 0 && !group_may_read(status))
		return refuse(path, status, "read", 'r', false, err);
	return 0;
}

static int unseen(const char *path, int cause, struct fl_err *err)
{
	return fl_err_set(err, FL_EIO, "%.300s can't be read: %s", path, strerror(cause));
}

/* The way to a file, as the system goes it. */
struct walk {
	char at[PATH_MAX];   /* has been come to; no link in it; "" for the root */
	char rest[PATH_MAX]; /* is to be gone yet */
	struct stat status;  /* of `at` */
	unsigned links;
};

static bool put_in_front(struct walk *w, const char *text)
{
	char whole[PATH_MAX];
	int size = snprintf(whole, sizeof(whole), "%s/%s", text, w->rest);
	if (size < 0 || (size_t)size >= sizeof(whole))
		return false;
	memcpy(w->rest, whole, (size_t)size + 1);
	return true;
}

/* The next name off `rest`. False at its end. */
static bool next_name(struct walk *w, char name[NAME_MAX + 1], bool *ret_fits)
{
	const char *start = w->rest + strspn(w->rest, "/");
	size_t const size = strcspn(start, "/");
	*ret_fits = size <= NAME_MAX;
	if (size == 0 || !*ret_fits)
		return false;
	memcpy(name, start, size);
	name[size] = '\0';
	memmove(w->rest, start + size, strlen(start + size) + 1);
	return true;
}

/* One step. 0 or what the system says. */
static int step(
	struct walk *w, const char *name, enum fl_trust kind, int *ret_code, struct fl_err *err)
{
	if (strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0) {
		char *slash = strrchr(w->at, '/');
		if (slash != NULL)
			*slash = '\0';
		return lstat(*w->at != '\0' ? w->at : "/", &w->status) == 0 ? 0 : errno;
	}
	char next[PATH_MAX], target[PATH_MAX];
	struct stat status;
	int size = snprintf(next, sizeof(next), "%s/%s", w->at, name);
	if (size < 0 || (size_t)size >= sizeof(next))
		return ENAMETOOLONG;
	if (lstat(next, &status) != 0)
		return errno;
	*ret_code = check_way(*w->at != '\0' ? w->at : "/", &w->status, &status, kind, err);
	if (*ret_code < 0)
		return 0;
	if (S_ISLNK(status.st_mode)) {
		ssize_t length = readlink(next, target, sizeof(target) - 1);
		if (length < 0)
			return errno;
		target[length] = '\0';
		if (++w->links > LINKS_MAX)
			return ELOOP;
		if (*target == '/')
			*w->at = '\0';
		if (*target == '/' && lstat("/", &w->status) != 0)
			return errno;
		return put_in_front(w, target) ? 0 : ENAMETOOLONG;
	}
	memcpy(w->at, next, (size_t)size + 1);
	w->status = status;
	return 0;
}

static int check(const char *path, enum fl_trust kind, struct stat *ret, struct fl_err *err)
{
	struct walk w = { .links = 0 };
	char name[NAME_MAX + 1];
	bool fits = strlen(path) < sizeof(w.rest);
	if (!fits)
		return unseen(path, ENAMETOOLONG, err);
	memcpy(w.rest, path, strlen(path) + 1);
	if (*path != '/') {
		char here[PATH_MAX];
		if (getcwd(here, sizeof(here)) == NULL)
			return unseen(path, errno, err);
		if (!put_in_front(&w, here))
			return unseen(path, ENAMETOOLONG, err);
	}
	if (lstat("/", &w.status) != 0)
		return unseen(path, errno, err);
	while (next_name(&w, name, &fits)) {
		int code = 0;
		int const cause = step(&w, name, kind, &code, err);
		if (cause != 0)
			return unseen(path, cause, err);
		if (code < 0)
			return code;
	}
	if (!fits)
		return unseen(path, ENAMETOOLONG, err);
	*ret = w.status;
	return check_end(*w.at != '\0' ? w.at : "/", &w.status, kind, err);
}

int fl_trust_check(const char *path, enum fl_trust kind, struct fl_err *err)
{
	struct stat status;
	return check(path, kind, &status, err);
}

int fl_trust_open(const char *path, enum fl_trust kind, int *ret_fd, struct fl_err *err)
{
	struct stat seen, opened;
	int code = check(path, kind, &seen, err);
	if (code < 0)
		return code;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return unseen(path, errno, err);
	if (fstat(fd, &opened) != 0 || opened.st_dev != seen.st_dev ||
		opened.st_ino != seen.st_ino || check_end(path, &opened, kind, err) < 0) {
		close(fd);
		return fl_err_set(err, FL_EINVAL,
			"%.300s became another file while it was being looked at", path);
	}
	*ret_fd = fd;
	return 0;
}
