/* SPDX-License-Identifier: Apache-2.0
 *
 * How a regime is, in one line for people: "binlog.000012:4711, 2 of 3 sinks riding; opening:
 * pool".
 */
#ifndef FL_SUMMARY_H
#define FL_SUMMARY_H

#include "regime.h"

/* Writes it, cut to `size` bytes with the NUL. Main thread. */
void fl_summary(const struct fl_regime *regime, char *ret, size_t size);

#endif
