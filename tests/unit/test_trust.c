/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups that have one account in them, and such that seem to. The accounts are made up: the C
 * library's functions that tell them are this file's own.
 */
#include <criterion/criterion.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/trust.h"

static struct passwd accounts[3];
static size_t account_count, next_account;
static char *members[3];
static struct group group = { .gr_name = (char[]){ "ada" }, .gr_mem = members };

struct passwd *getpwuid(uid_t uid)
{
	for (size_t i = 0; i < account_count; i++)
		if (accounts[i].pw_uid == uid)
			return &accounts[i];
	return NULL;
}

void setpwent(void)
{
	next_account = 0;
}

struct passwd *getpwent(void)
{
	return next_account < account_count ? &accounts[next_account++] : NULL;
}

void endpwent(void)
{
	next_account = account_count;
}

struct group *getgrgid(gid_t gid)
{
	return gid == group.gr_gid ? &group : NULL;
}

Test(trust, a_group_is_private_that_no_other_account_is_in)
{
	static const struct {
		const char *title;
		const char *member; /* in the group's list; NULL: none */
		int uid, gid;	    /* of a further account, beyond the owner's and its group's */
		bool is_private;
	} cases[] = {
		{ "nobody else", NULL, 1, 1, true },
		{ "the owner by name", "ada", 1, 1, true },
		{ "another by name", "bob", 1, 1, false },
		{ "another by its log-in", NULL, 1, 0, false },
		{ "the owner under another name", NULL, 0, 0, true },
	};
	char path[] = "/tmp/fastlane-test-XXXXXX";
	int const fd = mkstemp(path);
	uid_t const self = geteuid();
	gid_t const gid = self == 0 ? 4711 : getegid();
	cr_assert_geq(fd, 0);
	cr_assert_eq(fchown(fd, self, gid), 0);
	cr_assert_eq(fchmod(fd, 0660), 0);
	group.gr_gid = gid;
	accounts[0] =
		(struct passwd){ .pw_name = (char[]){ "ada" }, .pw_uid = self, .pw_gid = gid };
	account_count = 2;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fl_err err;
		accounts[1] = (struct passwd){ .pw_name = (char[]){ "bob" },
			.pw_uid = self + (uid_t)cases[i].uid,
			.pw_gid = gid + (gid_t)cases[i].gid };
		members[0] = (char *)(uintptr_t)cases[i].member;
		int const code = fl_trust_check(path, FL_TRUST_DATA, &err);
		cr_expect_eq(code, cases[i].is_private ? 0 : FL_EINVAL, "%s", cases[i].title);
		cr_expect(code == 0 || strstr(err.text, "the group ada can change") != NULL, "%s",
			err.text);
	}
	close(fd);
	unlink(path);
}
