/* SPDX-License-Identifier: Apache-2.0 */
#include "row_cost.h"

const bool cost_takes_operations = false;

static void *self;

void cost_open(const struct fl_host *host)
{
	static const struct fl_settings settings;
	struct fl_err err = { 0 };
	cost_check(fl_sink_plugin.open(host, &settings, &self, &err) == FL_DONE, err.text);
}

void cost_submit(const struct fl_batch *batch)
{
	struct fl_err err = { 0 };
	cost_check(fl_sink_plugin.submit(self, batch, &err) == FL_DONE, err.text);
}
