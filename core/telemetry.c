/* SPDX-License-Identifier: Apache-2.0 */
#include "telemetry.h"

const uint32_t fl_latency_bounds[FL_LATENCY_BOUNDS] = { 500, 1000, 2500, 5000, 10000, 25000, 50000,
	100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000 };

int fl_sink_counters_init(struct fl_sink_counters *counters, const char *name)
{
	*counters = (struct fl_sink_counters){ .name = strdup(name) };
	if (counters->name == NULL)
		return FL_ENOMEM;
	if (uv_mutex_init(&counters->mutex) == 0)
		return 0;
	free(counters->name);
	return FL_ENOMEM;
}

void fl_sink_counters_finish(struct fl_sink_counters *counters)
{
	uv_mutex_destroy(&counters->mutex);
	free(counters->name);
}

struct fl_sink_counters *fl_telemetry_sink(struct fl_telemetry *telemetry, const char *name)
{
	for (struct fl_sink_counters *s = telemetry->sinks; s != NULL; s = s->next)
		if (strcmp(s->name, name) == 0)
			return s;
	struct fl_sink_counters *made = malloc(sizeof(*made));
	if (made == NULL || fl_sink_counters_init(made, name) != 0) {
		free(made);
		return NULL;
	}
	made->complete_us = fl_now_us();
	made->next = telemetry->sinks;
	telemetry->sinks = made;
	return made;
}

void fl_telemetry_forget(
	struct fl_telemetry *telemetry, bool (*has)(void *ctx, const char *name), void *ctx)
{
	for (struct fl_sink_counters **place = &telemetry->sinks; *place != NULL;) {
		struct fl_sink_counters *sink = *place;
		if (has(ctx, sink->name)) {
			place = &sink->next;
			continue;
		}
		*place = sink->next;
		fl_sink_counters_finish(sink);
		free(sink);
	}
}

static bool has_none(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	return false;
}

void fl_telemetry_finish(struct fl_telemetry *telemetry)
{
	fl_telemetry_forget(telemetry, has_none, NULL);
}

void fl_latency_add(struct fl_sink_counters *counters, int64_t us, uint64_t transactions)
{
	size_t bucket = 0;
	/* The source's clock may be ahead of ours. */
	uint64_t const took = us > 0 ? (uint64_t)us : 0;
	while (bucket < FL_LATENCY_BOUNDS && took > fl_latency_bounds[bucket])
		bucket++;
	fl_count(&counters->latency[bucket], transactions);
	fl_count(&counters->latency_us, took * transactions);
}

void fl_sink_error(struct fl_sink_counters *counters, enum fl_error_kind kind, const char *text)
{
	fl_count(&counters->errors[kind], 1);
	uv_mutex_lock(&counters->mutex);
	counters->last_error.time_us = fl_now_us();
	snprintf(counters->last_error.text, sizeof(counters->last_error.text), "%s", text);
	uv_mutex_unlock(&counters->mutex);
}

void fl_sink_last_error(struct fl_sink_counters *counters, struct fl_last_error *ret)
{
	uv_mutex_lock(&counters->mutex);
	*ret = counters->last_error;
	uv_mutex_unlock(&counters->mutex);
}

double fl_latency_quantile(const uint64_t counts[FL_LATENCY_BOUNDS + 1], double part)
{
	uint64_t all = 0;
	for (size_t i = 0; i <= FL_LATENCY_BOUNDS; i++)
		all += counts[i];
	if (all == 0)
		return 0;
	double const rank = part * (double)all;
	double before = 0;
	for (size_t i = 0; i < FL_LATENCY_BOUNDS; i++) {
		double const from = i > 0 ? fl_latency_bounds[i - 1] : 0, to = fl_latency_bounds[i];
		double const here = (double)counts[i];
		if (here > 0 && before + here >= rank)
			return (from + (to - from) * (rank - before) / here) / 1e6;
		before += here;
	}
	return fl_latency_bounds[FL_LATENCY_BOUNDS - 1] / 1e6;
}
