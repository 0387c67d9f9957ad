/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon: puts a configuration in force, and on SIGHUP another one in its place, without losing
 * or repeating a change; and stops everything in order. Runs on the main thread's libuv loop, which
 * never blocks.
 */
#ifndef FL_DAEMON_H
#define FL_DAEMON_H

#include "config/config.h"

/* Exit codes; etc/fastlane.1 tells the user. */
enum {
	FL_EXIT_OK = 0,
	FL_EXIT_USAGE = 1, /* wrong arguments, or something of the system's is lacking */
	FL_EXIT_CONFIG = 2,
	FL_EXIT_SOURCE = 3,    /* the source can't be replicated from as it is */
	FL_EXIT_SINK = 4,      /* a sink has halted */
	FL_EXIT_EARLY = 5,     /* --until-current was stopped before all was applied */
	FL_EXIT_NOT_READY = 6, /* --status: the daemon says so */
	FL_EXIT_NO_ANSWER = 7, /* --status: it can't be reached, or is not understood */
};

/* To be called before the configuration is read: a SIGHUP from then on waits for fl_daemon_run(),
 * so that it does not miss what has been written since. SIGPIPE and SIGXFSZ are ignored. */
void fl_daemon_prepare(void);

/* Runs until it is stopped by a signal; or, with `until_current`, until all sinks have what the
 * source had at the start; or, with `files` (NULL-terminated, else NULL), until they have what
 * these binlog files hold, which are then read instead of the source. Takes the configuration over;
 * `path`: where it is read from again. Returns the exit code. */
int fl_daemon_run(
	struct fl_config *config, const char *path, bool until_current, const char *const *files);

#endif
