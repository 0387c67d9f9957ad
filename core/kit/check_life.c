/* SPDX-License-Identifier: Apache-2.0
 *
 * An instance's life: opening, in vain too, closing, and what is left behind.
 */
#include "kit/private.h"

void fl_kit_check_open(struct fl_kit *kit)
{
	fl_kit_load(kit);
	fl_kit_open(kit, NULL);
	fl_kit_close(kit);
}

void fl_kit_check_batch(struct fl_kit *kit)
{
	fl_kit_load(kit);
	fl_kit_open(kit, NULL);
	fl_kit_submit(kit, fl_kit_row(kit, 1, 10));
	fl_kit_drain(kit);
	fl_kit_close(kit);
}

static void live(struct fl_kit *kit, unsigned rows, bool drains)
{
	fl_kit_open(kit, NULL);
	for (unsigned i = 1; i <= rows; i++)
		fl_kit_submit(kit, fl_kit_row(kit, i, 100));
	if (drains)
		fl_kit_drain(kit);
	fl_kit_close(kit);
}

/* What libraries allocate once, and caches that fill up, are not counted. */
enum { WARM_UP = 3, ROUNDS = 15 };

void fl_kit_check_reopening(struct fl_kit *kit)
{
	fl_kit_load(kit);
	for (unsigned i = 0; i < WARM_UP; i++)
		live(kit, 5, true);
	struct fl_kit_traces traces = fl_kit_traces();
	for (unsigned i = 0; i < ROUNDS; i++) {
		live(kit, 5, true);
		fl_kit_traces_round(&traces);
	}
	fl_kit_expect_no_traces(kit, &traces, "opening, a few rows and closing");
}

void fl_kit_check_closing(struct fl_kit *kit)
{
	fl_kit_load(kit);
	for (unsigned i = 0; i < WARM_UP; i++)
		live(kit, 3, false);
	struct fl_kit_traces traces = fl_kit_traces();
	for (unsigned i = 0; i < ROUNDS; i++) {
		live(kit, 3, false);
		fl_kit_traces_round(&traces);
	}
	fl_kit_expect_no_traces(kit, &traces, "closing with batches under way");
}

/* ---- options that won't do ---- */

enum { MOST_VALUES = 16 };

/* What to try for an option, in `room`. */
static size_t values_of(
	struct fl_kit *kit, const struct fl_option *o, const char **ret, char room[MOST_VALUES][64])
{
	const char *backend = kit->arguments->backend_option;
	size_t count = 0;
	switch (o->type) {
	case FL_OPTION_TEXT:
		ret[count++] = "";
		ret[count++] = "/nonexistent/fastlane-test";
		if (backend != NULL && strcmp(backend, o->name) == 0)
			ret[count++] = "127.0.0.1:1";
		break;
	case FL_OPTION_SECRET:
		ret[count++] = "not-the-secret";
		break;
	case FL_OPTION_INT:
		snprintf(room[0], 64, "%lld", (long long)o->minimum);
		snprintf(room[1], 64, "%lld", (long long)o->maximum);
		ret[count++] = room[0];
		ret[count++] = room[1];
		break;
	case FL_OPTION_BOOL:
		ret[count++] = "no";
		ret[count++] = "yes";
		break;
	case FL_OPTION_CHOICE:
		for (const char *at = o->choices; *at != '\0' && count < MOST_VALUES;) {
			size_t const size = strcspn(at, "|");
			snprintf(room[count], 64, "%.*s", (int)size, at);
			ret[count] = room[count];
			count++;
			at += size + (at[size] == '|');
		}
		break;
	case FL_OPTION_FILE:
		break; /* what is in it is checked by the core alone */
	}
	return count;
}

static void try_value(struct fl_kit *kit, const struct fl_option *o, const char *value)
{
	struct fl_err err = { 0 };
	char stage[64];
	snprintf(stage, sizeof(stage), "%s = %.40s", o->name, value);
	fl_kit_stage(kit, stage);
	if (!fl_kit_set_options(kit, o->name, value, &err))
		return; /* refused when the configuration is read: as it should be */
	enum fl_outcome const outcome = fl_kit_try_open(kit, &err);
	if (outcome == FL_DONE)
		fl_kit_close(kit);
	else if (outcome == FL_FAILED && strcmp(value, "127.0.0.1:1") == 0)
		fl_kit_fail(kit,
			"open() returned FAILED where nobody listens: that halts the sink for "
			"good; somebody may come, it is RETRY (%s)",
			err.text);
}

static void try_all(struct fl_kit *kit)
{
	for (const struct fl_option *o = kit->plugin->options; o != NULL && o->name != NULL; o++) {
		const char *values[MOST_VALUES];
		char room[MOST_VALUES][64];
		size_t const count = values_of(kit, o, values, room);
		for (size_t i = 0; i < count; i++)
			try_value(kit, o, values[i]);
	}
}

void fl_kit_check_wrong_options(struct fl_kit *kit)
{
	struct fl_err err;
	fl_kit_load(kit);
	if (kit->plugin->options == NULL || kit->plugin->options->name == NULL)
		fl_kit_skip(kit, "it has no options");
	for (unsigned i = 0; i < WARM_UP; i++)
		try_all(kit);
	fl_kit_set_options(kit, NULL, NULL, &err);
	struct fl_kit_traces traces = fl_kit_traces();
	/* Too few, and too unlike each other, to tell memory that is lost from memory that is kept.
	 */
	for (; traces.rounds < WARM_UP; traces.rounds++)
		try_all(kit);
	fl_kit_stage(kit, "");
	fl_kit_expect_no_traces(kit, &traces, "opening with options that won't do");
}
