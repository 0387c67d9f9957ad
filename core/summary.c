/* SPDX-License-Identifier: Apache-2.0 */
#include "summary.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

/* "; opening: pool, hot" */
static void add_sinks(struct line *line, const struct fl_snapshot *s, const char *state)
{
	bool first = true;
	for (size_t i = 0; i < s->sink_count; i++) {
		if (strcmp(s->sinks[i].state, state) != 0)
			continue;
		add(line, first ? "; %s: %s" : ", %s%s", first ? state : "", s->sinks[i].name);
		first = false;
	}
}

void fl_summary(const struct fl_snapshot *s, char *ret, size_t size)
{
	struct line line = { .data = ret, .room = size };
	size_t riding = 0;
	double lag = 0;
	*ret = '\0';
	for (size_t i = 0; i < s->sink_count; i++) {
		riding += s->sinks[i].is_riding;
		if (s->sinks[i].is_riding && s->sinks[i].lag > lag)
			lag = s->sinks[i].lag;
	}
	if (s->source.place != NULL && s->source.place->file != NULL)
		add(&line, "%s:%llu, ", s->source.place->file,
			(unsigned long long)s->source.place->offset);
	if (s->lane_count > 1)
		add(&line, "%zu lanes, ", s->lane_count);
	add(&line, "%zu of %zu sinks riding", riding, s->sink_count);
	if (riding > 0)
		add(&line, ", lag %.0f s", lag);
	/* Files have no name. */
	if (s->lane_count > 0 && !s->source.connected && s->source.name != NULL)
		add(&line, "; no connection to %s", s->source.name);
	add_sinks(&line, s, "opening");
	add_sinks(&line, s, "waiting");
	add_sinks(&line, s, "halted");
}
