/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters: the latency's buckets and what is read off them, and counters that outlive who counts.
 */
#include <criterion/criterion.h>

#include "telemetry.h"

static void read_latency(const struct fl_sink_counters *c, uint64_t counts[FL_LATENCY_BOUNDS + 1])
{
	for (size_t i = 0; i <= FL_LATENCY_BOUNDS; i++)
		counts[i] = fl_counted(&c->latency[i]);
}

Test(telemetry, a_latency_falls_into_the_first_bucket_that_bounds_it)
{
	static const struct {
		int64_t us;
		size_t bucket;
	} cases[] = { { -5000000, 0 }, { 0, 0 }, { 500, 0 }, { 501, 1 }, { 1000, 1 },
		{ 60000000, FL_LATENCY_BOUNDS - 1 }, { 60000001, FL_LATENCY_BOUNDS },
		{ 3600000000, FL_LATENCY_BOUNDS } };
	struct fl_telemetry telemetry = { 0 };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[8];
		snprintf(name, sizeof(name), "s%zu", i);
		struct fl_sink_counters *c = fl_telemetry_sink(&telemetry, name);
		fl_latency_add(c, cases[i].us, 3);
		for (size_t b = 0; b <= FL_LATENCY_BOUNDS; b++)
			cr_expect_eq(fl_counted(&c->latency[b]), b == cases[i].bucket ? 3 : 0);
		cr_expect_eq(fl_counted(&c->latency_us),
			cases[i].us > 0 ? 3 * (uint64_t)cases[i].us : 0);
	}
	fl_telemetry_finish(&telemetry);
}

Test(telemetry, quantiles_lie_within_their_bucket)
{
	struct fl_telemetry telemetry = { 0 };
	uint64_t counts[FL_LATENCY_BOUNDS + 1];
	struct fl_sink_counters *c = fl_telemetry_sink(&telemetry, "hot");
	read_latency(c, counts);
	cr_expect_eq(fl_latency_quantile(counts, 0.5), 0);
	fl_latency_add(c, 700, 90);
	fl_latency_add(c, 3000, 9);
	fl_latency_add(c, 90000000, 1);
	read_latency(c, counts);
	double const p50 = fl_latency_quantile(counts, 0.5),
		     p95 = fl_latency_quantile(counts, 0.95);
	cr_expect(p50 > 0.0005 && p50 < 0.001, "%g", p50);
	cr_expect(p95 > 0.0025 && p95 < 0.005, "%g", p95);
	cr_expect_eq(fl_latency_quantile(counts, 1), 60, "above all bounds: the highest");
	fl_telemetry_finish(&telemetry);
}

static bool is_hot(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "hot") == 0;
}

Test(telemetry, counters_stay_as_long_as_there_is_a_sink_of_the_name)
{
	struct fl_telemetry telemetry = { 0 };
	struct fl_sink_counters *hot = fl_telemetry_sink(&telemetry, "hot");
	struct fl_last_error error;
	fl_sink_error(hot, FL_ERROR_WRITE, "once");
	fl_sink_error(fl_telemetry_sink(&telemetry, "pool"), FL_ERROR_CONNECT, "x");
	cr_expect_eq(fl_telemetry_sink(&telemetry, "hot"), hot);
	fl_telemetry_forget(&telemetry, is_hot, NULL);
	hot = fl_telemetry_sink(&telemetry, "hot");
	fl_sink_last_error(hot, &error);
	cr_expect_str_eq(error.text, "once");
	cr_expect_eq(fl_counted(&hot->errors[FL_ERROR_WRITE]), 1);
	struct fl_sink_counters *pool = fl_telemetry_sink(&telemetry, "pool");
	cr_expect_eq(fl_counted(&pool->errors[FL_ERROR_CONNECT]), 0);
	fl_telemetry_finish(&telemetry);
}
