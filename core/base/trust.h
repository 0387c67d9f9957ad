/* SPDX-License-Identifier: Apache-2.0
 *
 * Which files are fastlane's alone. A file counts as safe if nobody but root and the account that
 * fastlane runs as can change it, or put another one in its place: so each directory on the way to
 * it is looked at, symbolic links followed one by one. Main thread; the calls look at local files,
 * and where they refuse one they ask the system for the names of accounts.
 */
#ifndef FL_TRUST_H
#define FL_TRUST_H

#include <fastlane/change.h>

#include <limits.h>
#include <sys/types.h>

enum fl_trust {
	FL_TRUST_SECRET, /* a file that only we may read, too: also a group that we belong to */
	FL_TRUST_DATA,	 /* a file that everybody may read */
	FL_TRUST_CODE,	 /* the same, to be run: of root, of the account that runs it now, or of the
			  * one that the program itself is of */
	FL_TRUST_FOLDER, /* a directory that we write to */
	FL_TRUST_CONFIG, /* a file that everybody may read, whoever it and its directories belong to
			  */
};

/* The account that will be ours once privileges are dropped: files may be its own, too, but for
 * CODE. (uid_t)-1: none. */
void fl_trust_account(uid_t uid, gid_t gid);

/* What is loaded is only looked at, as by --check, and nothing done with it: root may then look at
 * files of whatever account fastlane is run as, which the file need not name. */
void fl_trust_only_look(void);
/* Whether it is looked at so by somebody who is neither that account nor can become it. */
bool fl_trust_is_onlooker(void);

/* 0; FL_EIO: it can't be looked at; FL_EINVAL: it is not safe. The text names what is wrong, its
 * owner and mode, and the command that mends it. */
int fl_trust_check(const char *path, enum fl_trust kind, struct fl_err *err);

/* The same, of a regular file that is opened for reading: it is the one that was looked at. */
int fl_trust_open(const char *path, enum fl_trust kind, int *ret_fd, struct fl_err *err);

#endif
