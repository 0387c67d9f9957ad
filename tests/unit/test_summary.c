/* SPDX-License-Identifier: Apache-2.0
 *
 * The line that the service manager shows.
 */
#include <criterion/criterion.h>

#include "summary.h"

Test(summary, tells_where_it_reads_and_who_is_away)
{
	static const struct fl_snapshot_place place = { .file = "b.1", .offset = 4 };
	static const struct fl_snapshot_sink sinks[] = {
		{ .name = "hot", .state = "riding", .is_riding = true, .lag = 2.6 },
		{ .name = "pool", .state = "opening" },
		{ .name = "log", .state = "opening" },
	};
	static const struct {
		const char *source;
		size_t lanes, sinks;
		bool connected, placed;
		const char *expected;
	} cases[] = {
		{ "db1:3306", 1, 1, true, true, "b.1:4, 1 of 1 sinks riding, lag 3 s" },
		{ "db1:3306", 2, 3, false, false,
			"2 lanes, 1 of 3 sinks riding, lag 3 s; no connection to db1:3306; "
			"opening: pool, log" },
		/* Files, to which there is none. */
		{ NULL, 1, 1, false, true, "b.1:4, 1 of 1 sinks riding, lag 3 s" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[200];
		const struct fl_snapshot snapshot = {
			.source = { .name = cases[i].source,
				.connected = cases[i].connected,
				.place = cases[i].placed ? &place : NULL },
			.lane_count = cases[i].lanes,
			.sinks = sinks,
			.sink_count = cases[i].sinks,
		};
		fl_summary(&snapshot, text, sizeof(text));
		cr_expect_str_eq(text, cases[i].expected, "%zu: %s", i, text);
	}
}
