/* SPDX-License-Identifier: Apache-2.0
 *
 * What a daemon says of itself, as --status and --top show it.
 */
#include <time.h>

#include "view/private.h"

/* ---- The table of sinks. */
enum { CELL_SIZE = 160, GAP = 2 };

/* In their order from the left. `rank`: where the width does not suffice for all, the columns with
 * the lowest are shown. `per_second`: can be told in --top alone. */
enum column {
	SINK,
	PLUGIN,
	STATE,
	LAG,
	RATE,
	TOTAL,
	QUEUE,
	P50,
	P99,
	RETRIES,
	DOUBTS,
	LANE,
	PLACE,
	COLUMNS
};

static const struct {
	const char *title;
	unsigned rank;
	bool right;
} columns[COLUMNS] = {
	[SINK] = { "SINK", 0, false },
	[PLUGIN] = { "PLUGIN", 11, false },
	[STATE] = { "STATE", 1, false },
	[LAG] = { "LAG", 2, true },
	[RATE] = { "APPLIED/S", 3, true },
	[TOTAL] = { "APPLIED", 4, true },
	[QUEUE] = { "QUEUE", 5, true },
	[P50] = { "P50", 9, true },
	[P99] = { "P99", 6, true },
	[RETRIES] = { "RETRIES", 7, true },
	[DOUBTS] = { "DOUBTS", 12, true },
	[LANE] = { "LANE", 8, true },
	[PLACE] = { "POSITION", 10, false },
};

struct table {
	const struct fl_status *status, *before;
	unsigned widths[COLUMNS]; /* 0: is not shown */
};

/* How much a counter has grown in a second; below 0 if that is not known. */
static double per_second(
	const struct fl_status *now, const struct fl_status *before, int64_t to, int64_t from)
{
	double const seconds = before != NULL ? now->uptime - before->uptime : 0;
	return seconds > 0 && to >= from ? (double)(to - from) / seconds : -1;
}

/* A stream takes changes as they are, a cache the operations that they become. `at`: the sink at
 * the moment that is meant. */
static int64_t applied(const struct fl_status_sink *sink, const struct fl_status_sink *at)
{
	return sink->operations > 0 ? at->operations : at->changes;
}

static void show_place(char *to, const struct fl_status_place *place)
{
	if (*place->file != '\0')
		snprintf(to, CELL_SIZE, "%s:%lld", place->file, (long long)place->offset);
	else
		snprintf(to, CELL_SIZE, "%s", *place->gtids != '\0' ? place->gtids : "-");
}

static void cell(const struct table *t, const struct fl_status_sink *sink, enum column column,
	char to[CELL_SIZE])
{
	const struct fl_status_sink *before =
		t->before != NULL ? fl_status_sink(t->before, sink->name) : NULL;
	*to = '\0';
	switch (column) {
	case SINK:
		snprintf(to, CELL_SIZE, "%s", sink->name);
		break;
	case PLUGIN:
		snprintf(to, CELL_SIZE, "%s", sink->plugin);
		break;
	case STATE:
		snprintf(to, CELL_SIZE, "%s", sink->state);
		break;
	case LAG:
		fl_units_time(to, sink->lag);
		break;
	case RATE:
		fl_units_count(to, before == NULL
					   ? -1
					   : per_second(t->status, t->before, applied(sink, sink),
						     applied(sink, before)));
		break;
	case TOTAL:
		fl_units_count(to, (double)applied(sink, sink));
		break;
	case QUEUE:
		if (sink->queue_limit > 0)
			snprintf(to, CELL_SIZE, "%.0f%%",
				100.0 * (double)sink->queue_bytes / (double)sink->queue_limit);
		break;
	case P50:
		fl_units_time(to, sink->p50);
		break;
	case P99:
		fl_units_time(to, sink->p99);
		break;
	case RETRIES:
		fl_units_count(to, (double)sink->retries);
		break;
	case DOUBTS:
		fl_units_count(to, (double)sink->doubts);
		break;
	case LANE:
		snprintf(to, CELL_SIZE, sink->lane < 0 ? "-" : "%lld", (long long)sink->lane);
		break;
	case PLACE:
		show_place(to, &sink->position);
		break;
	case COLUMNS:
		break;
	}
}

/* Each as wide as what it holds; by rank, those that fit. */
static void measure(struct table *t, unsigned width, bool with_rates)
{
	char text[CELL_SIZE];
	unsigned needed[COLUMNS], sum = 0;
	for (enum column c = 0; c < COLUMNS; c++) {
		needed[c] = fl_text_columns(columns[c].title);
		for (size_t i = 0; i < t->status->sink_count; i++) {
			cell(t, &t->status->sinks[i], c, text);
			unsigned const size = fl_text_columns(text);
			needed[c] = size > needed[c] ? size : needed[c];
		}
	}
	for (unsigned rank = 0; rank < COLUMNS; rank++)
		for (enum column c = 0; c < COLUMNS; c++) {
			if (columns[c].rank != rank || c == (with_rates ? TOTAL : RATE))
				continue;
			unsigned const more = needed[c] + (sum > 0 ? GAP : 0);
			if (rank > 0 && width > 0 && sum + more > width)
				continue;
			t->widths[c] = needed[c];
			sum += more;
		}
}

static enum fl_style style_of(const char *state)
{
	return strcmp(state, "riding") == 0				       ? FL_GOOD
	       : strcmp(state, "halted") == 0 || strcmp(state, "stopped") == 0 ? FL_BAD
	       : strcmp(state, "finished") == 0				       ? FL_PLAIN
									       : FL_WARN;
}

/* A row, or the titles where there is no sink. */
static void show_row(
	struct fl_sheet *sheet, const struct table *t, const struct fl_status_sink *sink)
{
	char text[CELL_SIZE];
	unsigned at = 0;
	for (enum column c = 0; c < COLUMNS; c++) {
		if (t->widths[c] == 0)
			continue;
		if (sink == NULL)
			snprintf(text, sizeof(text), "%s", columns[c].title);
		else
			cell(t, sink, c, text);
		unsigned const size = fl_text_columns(text);
		fl_sheet_to(sheet, at + (columns[c].right ? t->widths[c] - size : 0));
		enum fl_style style = FL_PLAIN;
		if (sink == NULL)
			style = FL_FAINT;
		else if (c == SINK)
			style = FL_BOLD;
		else if (c == STATE)
			style = style_of(sink->state);
		else if (c == LAG && sink->lag > t->status->max_lag)
			style = FL_BAD;
		fl_sheet_text(sheet, style, text);
		at += t->widths[c] + GAP;
	}
	fl_sheet_end_line(sheet);
}

static void show_sinks(struct fl_sheet *sheet, const struct fl_status *status,
	const struct fl_status *before, unsigned width, bool with_rates)
{
	struct table table = { .status = status, .before = before };
	unsigned const outer = sheet->width;
	sheet->width = width;
	measure(&table, width, with_rates);
	show_row(sheet, &table, NULL);
	for (size_t i = 0; i < status->sink_count; i++)
		show_row(sheet, &table, &status->sinks[i]);
	sheet->width = outer;
}

/* ---- Lines around it. */
static void show_clock(char to[32], double unix_seconds, const char *format)
{
	time_t const seconds = unix_seconds >= 0 && unix_seconds < 1e11 ? (time_t)unix_seconds : -1;
	struct tm local;
	if (seconds < 0 || localtime_r(&seconds, &local) == NULL ||
		strftime(to, 32, format, &local) == 0)
		strcpy(to, "?");
}

static void show_ready(struct fl_sheet *sheet, const struct fl_status *status)
{
	bool any = false;
	if (status->ready) {
		fl_sheet_text(sheet, FL_GOOD, "ready");
		return;
	}
	fl_sheet_text(sheet, FL_BAD, "not ready");
	if (!status->source.connected) {
		fl_sheet_text(sheet, FL_PLAIN, ": the source is not connected");
		any = true;
	}
	for (size_t i = 0; i < status->sink_count; i++) {
		const struct fl_status_sink *sink = &status->sinks[i];
		if (sink->ready)
			continue;
		fl_sheet_add(sheet, FL_PLAIN, "%s %s: %s", any ? ";" : ":", sink->name,
			*sink->unready != '\0' ? sink->unready : sink->state);
		any = true;
	}
}

static void show_source_name(struct fl_sheet *sheet, const struct fl_status *status)
{
	bool const mariadb = strcmp(status->source.flavour, "mariadb") == 0;
	bool const mysql = strcmp(status->source.flavour, "mysql") == 0;
	fl_sheet_text(sheet, FL_BOLD, status->source.name);
	/* Of 10.11.8-MariaDB-log what is not said already. */
	if (*status->source.flavour != '\0')
		fl_sheet_add(sheet, FL_PLAIN, " (%s %.*s)",
			mariadb ? "MariaDB"
			: mysql ? "MySQL"
				: status->source.flavour,
			(int)strcspn(status->source.version, "-"), status->source.version);
}

static void show_connection(struct fl_sheet *sheet, const struct fl_status *status)
{
	char text[FL_UNITS_SIZE];
	fl_sheet_text(sheet, status->source.connected ? FL_GOOD : FL_BAD,
		status->source.connected ? "connected" : "not connected");
	if (status->source.since_last_event >= 0)
		fl_sheet_add(sheet, FL_PLAIN, ", last event %s ago",
			fl_units_time(text, status->source.since_last_event));
	if (status->source.reconnects > 0)
		fl_sheet_add(sheet, FL_PLAIN, ", reconnects: %s",
			fl_units_count(text, (double)status->source.reconnects));
	if (status->lane_count > 1)
		fl_sheet_add(sheet, FL_PLAIN, ", %zu lanes", status->lane_count);
}

static void show_errors(struct fl_sheet *sheet, const struct fl_status *status)
{
	bool any = false;
	for (size_t i = 0; i < status->sink_count; i++) {
		const struct fl_status_sink *sink = &status->sinks[i];
		char when[32];
		if (sink->error_time <= 0)
			continue;
		if (!any) {
			fl_sheet_end_line(sheet);
			fl_sheet_text(sheet, FL_FAINT, "LAST ERRORS");
			fl_sheet_end_line(sheet);
		}
		any = true;
		show_clock(when, sink->error_time, "%Y-%m-%d %H:%M:%S");
		fl_sheet_add(sheet, FL_PLAIN, "%s  ", when);
		fl_sheet_text(sheet, FL_BOLD, sink->name);
		fl_sheet_text(sheet, FL_PLAIN, "  ");
		fl_sheet_text(sheet, FL_PLAIN, sink->error);
		fl_sheet_end_line(sheet);
	}
}

void fl_show_status(struct fl_sheet *sheet, const struct fl_status *status, unsigned width)
{
	char a[FL_UNITS_SIZE], b[FL_UNITS_SIZE], c[FL_UNITS_SIZE], d[FL_UNITS_SIZE];
	show_ready(sheet, status);
	fl_sheet_end_line(sheet);
	fl_sheet_add(sheet, FL_PLAIN, "fastlane %s, process %lld, up %s", status->version,
		(long long)status->pid, fl_units_time(a, status->uptime));
	if (*status->config != '\0') {
		fl_sheet_text(sheet, FL_PLAIN, ", ");
		fl_sheet_text(sheet, FL_PLAIN, status->config);
	}
	if (status->reloads > 0)
		fl_sheet_add(sheet, FL_PLAIN, ", reloads: %lld", (long long)status->reloads);
	fl_sheet_end_line(sheet);
	fl_sheet_text(sheet, FL_PLAIN, "source ");
	show_source_name(sheet, status);
	fl_sheet_text(sheet, FL_PLAIN, ": ");
	show_connection(sheet, status);
	fl_sheet_end_line(sheet);
	if (*status->source.position.file != '\0' || *status->source.position.gtids != '\0') {
		char where[CELL_SIZE];
		show_place(where, &status->source.position);
		fl_sheet_add(sheet, FL_PLAIN, "  at %s", where);
		if (*status->source.position.file != '\0') {
			fl_sheet_text(sheet, FL_PLAIN, "  ");
			fl_sheet_text(sheet, FL_PLAIN, status->source.position.gtids);
		}
		fl_sheet_end_line(sheet);
	}
	fl_sheet_add(sheet, FL_PLAIN, "  read %s rows in %s transactions, %s events, %s",
		fl_units_count(a, (double)status->source.rows),
		fl_units_count(b, (double)status->source.transactions),
		fl_units_count(c, (double)status->source.events),
		fl_units_bytes(d, (double)status->source.bytes));
	fl_sheet_end_line(sheet);
	fl_sheet_end_line(sheet);
	show_sinks(sheet, status, NULL, width, false);
	show_errors(sheet, status);
}

static void show_rate(struct fl_sheet *sheet, const char *name, const char *rate)
{
	fl_sheet_add(sheet, FL_FAINT, "%s ", name);
	fl_sheet_add(sheet, FL_BOLD, "%s/s", rate);
	fl_sheet_text(sheet, FL_PLAIN, "   ");
}

void fl_show_top(struct fl_sheet *sheet, const struct fl_status *status,
	const struct fl_status *before, double now)
{
	static const char hint[] = "q quits";
	char text[FL_UNITS_SIZE], clock[32], where[CELL_SIZE];
	bool const same = before != NULL && before->started == status->started;
	before = same ? before : NULL; /* another process counts anew */
	show_clock(clock, now, "%H:%M:%S");
	fl_sheet_text(sheet, FL_BOLD, "fastlane");
	fl_sheet_add(sheet, FL_PLAIN, " %s  ", status->version);
	show_ready(sheet, status);
	if (sheet->width > sheet->column + sizeof(hint)) {
		fl_sheet_to(sheet, sheet->width - (unsigned)sizeof(hint) + 1);
		fl_sheet_text(sheet, FL_FAINT, hint);
	}
	fl_sheet_end_line(sheet);
	fl_sheet_add(sheet, FL_PLAIN, "%s, up %s, ", clock, fl_units_time(text, status->uptime));
	show_source_name(sheet, status);
	fl_sheet_text(sheet, FL_PLAIN, " ");
	show_connection(sheet, status);
	fl_sheet_end_line(sheet);
	const struct {
		const char *name;
		int64_t now, before;
	} rates[] = {
		{ "rows", status->source.rows, before ? before->source.rows : 0 },
		{ "transactions", status->source.transactions,
			before ? before->source.transactions : 0 },
		{ "events", status->source.events, before ? before->source.events : 0 },
	};
	for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++)
		show_rate(sheet, rates[i].name,
			fl_units_count(
				text, per_second(status, before, rates[i].now, rates[i].before)));
	show_rate(sheet, "read",
		fl_units_bytes(text, per_second(status, before, status->source.bytes,
					     before ? before->source.bytes : 0)));
	fl_sheet_end_line(sheet);
	show_place(where, &status->source.position);
	fl_sheet_add(sheet, FL_FAINT, "at ");
	fl_sheet_text(sheet, FL_PLAIN, where);
	if (*status->source.position.file != '\0') {
		fl_sheet_text(sheet, FL_PLAIN, "  ");
		fl_sheet_text(sheet, FL_PLAIN, status->source.position.gtids);
	}
	fl_sheet_end_line(sheet);
	fl_sheet_end_line(sheet);
	show_sinks(sheet, status, before, sheet->width, true);
	show_errors(sheet, status);
}
