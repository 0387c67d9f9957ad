/* SPDX-License-Identifier: Apache-2.0
 *
 * What every sink must do, as far as it takes a look at its target. See conformance.h; the rest is
 * core/kit's.
 */
#include "conformance.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>

static void begin(void)
{
	signal(SIGPIPE, SIG_IGN); /* as the daemon does */
	subject.begin();
}

static void end(void)
{
	subject.end();
}

TestSuite(conformance, .init = begin, .fini = end, .timeout = 60);

static void open_sink(struct sink *sink)
{
	enum fl_outcome outcome = sink_open(sink, subject.settings);
	cr_assert_eq(outcome, FL_DONE, "open: %s", sink->err.text);
}

/* Submits the batches first ... last; all must be taken. */
static void submit_all(struct sink *sink, unsigned first, unsigned last)
{
	for (unsigned n = first; n <= last; n++) {
		enum fl_outcome outcome = submit_number(sink, n, 10);
		cr_assert(outcome == FL_DONE || outcome == FL_PENDING, "batch %u: %s", n,
			sink->err.text);
	}
}

static void drain(struct sink *sink)
{
	cr_assert_eq(sink_drain(sink), FL_DONE, "drain: %s", sink->err.text);
}

/* Submits until a call ends otherwise than well, and returns how. */
static enum fl_outcome submit_until_it_fails(struct sink *sink, unsigned first, sem_t *progress)
{
	for (unsigned n = first;; n++) {
		enum fl_outcome outcome = submit_number(sink, n, 1000);
		if (outcome != FL_DONE && outcome != FL_PENDING)
			return outcome;
		if (progress != NULL)
			sem_post(progress);
	}
}

/* In the page an option is a line ".BR name" or ".B name" behind ".TP". */
Test(conformance, manual_page_and_declaration_name_the_same_options)
{
	const struct fl_sink_plugin *plugin = load_plugin();
	char line[1024], name[64];
	bool is_entry = false;
	unsigned declared = 0, described = 0;
	for (const struct fl_option *o = plugin->options; o->name != NULL; o++)
		declared++;
	FILE *page = fopen(getenv("FL_MANUAL"), "re");
	cr_assert(page != NULL, "no manual page %s", getenv("FL_MANUAL"));
	while (fgets(line, sizeof(line), page) != NULL) {
		bool was_tp = is_entry;
		is_entry = strcmp(line, ".TP\n") == 0;
		if (!was_tp || sscanf(line, ".B%*[R ]%63[a-z0-9_]", name) != 1)
			continue;
		const struct fl_option *o = plugin->options;
		while (o->name != NULL && strcmp(o->name, name) != 0)
			o++;
		cr_expect(o->name != NULL, "%s is described, but not declared", name);
		described++;
	}
	fclose(page);
	cr_assert_eq(
		described, declared, "%u options are declared, %u described", declared, described);
}

/* Whether the line sets the option in an example, to that choice if one is given. */
static bool is_set(const char *line, const char *name, const char *choice, size_t size)
{
	char wanted[64];
	snprintf(wanted, sizeof(wanted), "%.*s", (int)size, choice);
	return strncmp(line, name, strlen(name)) == 0 &&
	       strncmp(line + strlen(name), " = ", 3) == 0 &&
	       strstr(line + strlen(name) + 3, wanted) != NULL;
}

static bool is_shown(FILE *page, const char *name, const char *choice, size_t size)
{
	char line[1024], heading[80];
	bool is_entry = false, is_example = false, found = false;
	snprintf(heading, sizeof(heading), ".B %s\n", name);
	rewind(page);
	while (fgets(line, sizeof(line), page) != NULL) {
		if (strcmp(line, heading) == 0)
			is_entry = true;
		else if (strcmp(line, ".TP\n") == 0 || strncmp(line, ".SH", 3) == 0)
			is_entry = false;
		if (strcmp(line, ".\\\" example\n") == 0)
			is_example = true;
		else if (strcmp(line, ".fi\n") == 0)
			is_example = false;
		found |= is_entry && is_example && is_set(line, name, choice, size);
	}
	return found;
}

Test(conformance, manual_page_has_an_example_of_each_option_and_choice)
{
	FILE *page = fopen(getenv("FL_MANUAL"), "re");
	cr_assert(page != NULL, "no manual page %s", getenv("FL_MANUAL"));
	for (const struct fl_option *o = load_plugin()->options; o->name != NULL; o++) {
		cr_expect(is_shown(page, o->name, "", 0), "%s: no example", o->name);
		for (const char *at = o->choices; at != NULL && *at != '\0';) {
			size_t const size = strcspn(at, "|");
			cr_expect(is_shown(page, o->name, at, size), "%s: no example of %.*s",
				o->name, (int)size, at);
			at += size + (at[size] == '|');
		}
	}
	fclose(page);
}

Test(conformance, open_fails_cleanly)
{
	const struct fl_sink_plugin *plugin = load_plugin();
	for (const struct bad_settings *bad = subject.bad; bad->settings[0].name != NULL; bad++) {
		const struct setting *setting = bad->settings;
		const struct fl_option *option = plugin->options;
		struct sink sink;
		enum fl_outcome outcome = sink_open(&sink, setting);
		cr_expect_eq(outcome, bad->outcome, "%s = %s: outcome %d (%s)", setting->name,
			setting->value, (int)outcome, sink.err.text);
		cr_expect(sink.self == NULL && sink.err.code != 0 && sink.err.text[0] != '\0');
		while (strcmp(option->name, setting->name) != 0)
			option++;
		struct fl_err err;
		if (option->check != NULL)
			cr_expect_eq(!option->check(setting->value, &err), bad->is_checked,
				"%s = %s", setting->name, setting->value);
	}
}

Test(conformance, batches_arrive_whole_and_in_order)
{
	struct sink sink;
	open_sink(&sink);
	free(sink_position(&sink));
	submit_all(&sink, 1, 200);
	drain(&sink);
	cr_assert(subject.holds(1, 200, 10));
	sink_close(&sink);
}

Test(conformance, a_sink_that_is_opened_and_closed_leaves_no_trace)
{
	struct sink sink;
	open_sink(&sink);
	sink_close(&sink);
	open_sink(&sink);
	free(sink_position(&sink));
	drain(&sink);
	sink_close(&sink);
	cr_assert(subject.holds(1, 0, 0));
}

Test(conformance, an_empty_batch_moves_the_position)
{
	struct sink sink;
	struct fl_batch empty = { .position = text_bytes("somewhere") };
	open_sink(&sink);
	free(sink_position(&sink));
	cr_assert_leq(sink_submit(&sink, &empty), FL_PENDING);
	drain(&sink);
	sink_close(&sink);
	open_sink(&sink);
	char *position = sink_position(&sink);
	cr_assert_str_eq(position, subject.keeps_position ? "somewhere" : "");
	free(position);
	sink_close(&sink);
	cr_assert(subject.holds(1, 0, 0));
}

Test(conformance, the_position_comes_back_after_reopening)
{
	struct sink sink;
	open_sink(&sink);
	char *position = sink_position(&sink);
	cr_assert_str_eq(position, "");
	free(position);
	submit_all(&sink, 1, 7);
	drain(&sink);
	sink_close(&sink);
	open_sink(&sink);
	position = sink_position(&sink);
	cr_assert_str_eq(position, subject.keeps_position ? "at:7" : "");
	free(position);
	submit_all(&sink, 8, 9);
	drain(&sink);
	sink_close(&sink);
	cr_assert(subject.holds(1, 9, 10));
}

Test(conformance, large_values_arrive_whole)
{
	enum { LARGE = 8 * 1000 * 1000 };
	struct sink sink;
	open_sink(&sink);
	free(sink_position(&sink));
	for (unsigned n = 1; n <= 3; n++)
		cr_assert_leq(submit_number(&sink, n, LARGE), FL_PENDING, "%s", sink.err.text);
	drain(&sink);
	cr_assert(subject.holds(1, 3, LARGE));
	sink_close(&sink);
}

struct interruption {
	struct sink *sink;
	sem_t progress;
	struct timespec at;
};

/* Interrupts once no call has returned for 100 ms: one is blocked. */
static void *interrupt_when_blocked(void *ctx)
{
	struct interruption *interruption = ctx;
	struct timespec limit;
	do {
		clock_gettime(CLOCK_REALTIME, &limit);
		limit.tv_nsec += 100 * 1000 * 1000;
		if (limit.tv_nsec >= 1000000000) {
			limit.tv_sec++;
			limit.tv_nsec -= 1000000000;
		}
	} while (sem_timedwait(&interruption->progress, &limit) == 0);
	clock_gettime(CLOCK_MONOTONIC, &interruption->at);
	interruption->sink->plugin->interrupt(interruption->sink->self);
	return NULL;
}

Test(conformance, a_blocked_call_returns_within_a_second_of_its_interruption)
{
	struct sink sink;
	struct interruption interruption = { .sink = &sink };
	pthread_t thread;
	struct timespec now;
	open_sink(&sink);
	free(sink_position(&sink));
	submit_all(&sink, 1, 3);
	subject.pause();
	sem_init(&interruption.progress, 0, 0);
	pthread_create(&thread, NULL, interrupt_when_blocked, &interruption);
	enum fl_outcome outcome = submit_until_it_fails(&sink, 4, &interruption.progress);
	clock_gettime(CLOCK_MONOTONIC, &now);
	pthread_join(thread, NULL);
	cr_assert_eq(outcome, FL_RETRY, "%s", sink.err.text);
	double waited = (double)(now.tv_sec - interruption.at.tv_sec) +
			(double)(now.tv_nsec - interruption.at.tv_nsec) / 1e9;
	cr_assert_lt(waited, 1.0, "it took %.3f s", waited);
	sink_close(&sink);
	sem_destroy(&interruption.progress);
}

Test(conformance, an_interrupted_instance_does_nothing_more)
{
	struct sink sink;
	open_sink(&sink);
	free(sink_position(&sink));
	sink.plugin->interrupt(sink.self);
	cr_assert_eq(submit_until_it_fails(&sink, 1, NULL), FL_RETRY);
	sink_close(&sink);
	cr_assert(subject.holds(1, 0, 0));
}

Test(conformance, a_target_that_dies_is_survived_by_opening_anew_and_sending_again)
{
	struct sink sink;
	unsigned settled, first = 1;
	open_sink(&sink);
	free(sink_position(&sink));
	submit_all(&sink, 1, 20);
	drain(&sink);
	submit_all(&sink, 21, 22);
	settled = (unsigned)host_state.settled;
	cr_assert_geq(settled, 20);
	subject.kill();
	enum fl_outcome outcome = submit_until_it_fails(&sink, 23, NULL);
	cr_assert_eq(outcome, subject.when_killed, "%s", sink.err.text);
	settled = (unsigned)host_state.settled;
	cr_assert_leq(settled, 22);
	sink_close(&sink);
	if (subject.restart == NULL)
		return;

	cr_assert_eq(sink_open(&sink, subject.settings), FL_RETRY, "it is not there");
	subject.restart();
	open_sink(&sink);
	char *position = sink_position(&sink);
	if (!subject.keeps_position)
		first = settled + 1;
	else if (position[0] != '\0')
		cr_assert(sscanf(position, "at:%u", &first) == 1 && first++ >= settled);
	free(position);
	submit_all(&sink, first, 40);
	drain(&sink);
	cr_assert(subject.holds(first, 40, 10));
	sink_close(&sink);
}
