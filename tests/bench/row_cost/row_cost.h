/* SPDX-License-Identifier: Apache-2.0
 *
 * A sink's part of row_cost: what it does with a batch, without its server.
 */
#ifndef ROW_COST_H
#define ROW_COST_H

#include <fastlane/sink.h>

extern const bool cost_takes_operations;
void cost_open(const struct fl_host *host);
void cost_submit(const struct fl_batch *batch);
void cost_check(bool good, const char *what);

#endif
