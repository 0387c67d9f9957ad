/* SPDX-License-Identifier: Apache-2.0
 *
 * The conformance suite as a tool: `fastlane --test-plugin FILE.so [name=value ...]` drives a
 * sink's module through the ABI as the daemon would, and worse, and says what it does wrong. Each
 * check runs in a process of its own with a deadline, so that a module that crashes or hangs costs
 * one check and not the tool. Main thread alone; the plugin is never loaded into the calling
 * process.
 */
#ifndef FL_KIT_H
#define FL_KIT_H

/* Exit codes: all checks passed (or were skipped); some failed; the arguments are wrong. */
enum { FL_KIT_OK = 0, FL_KIT_FAILED = 1, FL_KIT_USAGE = 2 };

/* Runs all checks and prints the report, a line a check, to standard output. `words`: the arguments
 * behind the file, ended by NULL; see etc/fastlane.1. Returns the exit code. */
int fl_kit_run(const char *file, char *const *words);

#endif
