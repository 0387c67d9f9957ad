/* SPDX-License-Identifier: Apache-2.0 */
#include "summary.h"

/* Text that grows up to its room, and is cut there. */
struct line {
	char *data;
	size_t size, room;
};

static void add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct line *line, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int const length =
		vsnprintf(line->data + line->size, line->room - line->size, format, args);
	va_end(args);
	size_t const left = line->room - line->size - 1;
	line->size += length < 0 ? 0 : (size_t)length < left ? (size_t)length : left;
}

/* Of several lanes the one in which most ride. */
static void add_place(struct line *line, const struct fl_regime *r)
{
	struct fl_lane_state best = { 0 };
	unsigned count = 0;
	for (size_t i = 0; i < r->lane_room; i++) {
		struct fl_lane_state state;
		if (r->lanes[i] == NULL)
			continue;
		fl_lane_state(r->lanes[i], &state);
		if (state.ended)
			continue;
		if (count++ == 0 || state.seats > best.seats)
			best = state;
	}
	if (count == 0)
		return;
	add(line, "%s:%llu, ", best.file[0] != '\0' ? best.file : "connecting",
		(unsigned long long)best.offset);
	if (count > 1)
		add(line, "%u lanes, ", count);
}

static void add_sinks(struct line *line, const struct fl_regime *r, enum fl_worker_state state,
	const char *called)
{
	const char *before = "; ";
	for (size_t i = 0; i < r->config->sink_count; i++) {
		struct fl_worker *worker = r->sinks[i].worker;
		if ((worker != NULL ? fl_worker_state(worker) : FL_WORKER_WAITING) != state)
			continue;
		if (*before == ';')
			add(line, "; %s: %s", called, r->config->sinks[i].name);
		else
			add(line, "%s%s", before, r->config->sinks[i].name);
		before = ", ";
	}
}

void fl_summary(const struct fl_regime *r, char *ret, size_t size)
{
	struct line line = { .data = ret, .room = size };
	size_t riding = 0;
	*ret = '\0';
	if (!r->in_force) {
		add(&line, atomic_load(&r->starter.in_vain)
				   ? "the source does not answer: it is asked again and again"
				   : "asks the source");
		return;
	}
	add_place(&line, r);
	for (size_t i = 0; i < r->config->sink_count; i++)
		riding += r->sinks[i].worker != NULL &&
			  fl_worker_state(r->sinks[i].worker) == FL_WORKER_RIDING;
	add(&line, "%zu of %zu sinks riding", riding, r->config->sink_count);
	add_sinks(&line, r, FL_WORKER_OPENING, "opening");
	add_sinks(&line, r, FL_WORKER_WAITING, "waiting");
	add_sinks(&line, r, FL_WORKER_HALTED, "halted");
}
