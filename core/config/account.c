/* SPDX-License-Identifier: Apache-2.0 */
#include <grp.h>
#include <pwd.h>

#include "config/private.h"

bool fl_config_account(
	const char *user, const char *group, struct fl_account *ret, struct fl_err *err)
{
	struct fl_account account = { .user = user };
	if (user != NULL) {
		const struct passwd *found = getpwnam(user);
		if (found == NULL) {
			fl_err_set(err, FL_EINVAL, "must be an account of this machine");
			return false;
		}
		account.uid = found->pw_uid;
		account.gid = found->pw_gid;
	}
	if (group != NULL) {
		const struct group *found = getgrnam(group);
		if (found == NULL) {
			fl_err_set(err, FL_EINVAL, "must be a group of this machine");
			return false;
		}
		account.gid = found->gr_gid;
	}
	*ret = account;
	return true;
}
