/* SPDX-License-Identifier: Apache-2.0
 *
 * How the daemon is, in one line for people: "binlog.000012:4711, 2 of 3 sinks riding, lag 0 s;
 * opening: pool". Any thread.
 */
#ifndef FL_SUMMARY_H
#define FL_SUMMARY_H

#include "http/snapshot.h"

/* Writes it, cut to `size` bytes with the NUL. */
void fl_summary(const struct fl_snapshot *snapshot, char *ret, size_t size);

#endif
