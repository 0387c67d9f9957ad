/* SPDX-License-Identifier: Apache-2.0
 *
 * When it is interrupted, and when what it writes to is slow, or gone.
 */
#include "kit/private.h"

#include <unistd.h>
#include <uv.h>

/* Submits until a call ends otherwise than well, or so many are taken and settled. */
static enum fl_outcome submit_until_it_fails(
	struct fl_kit *kit, unsigned most, size_t padding, struct fl_err *err)
{
	enum fl_outcome outcome = FL_DONE;
	for (unsigned i = 1; i <= most && outcome <= FL_PENDING; i++)
		outcome = fl_kit_try_submit(kit, fl_kit_row(kit, i, padding), err);
	return outcome <= FL_PENDING ? fl_kit_try_drain(kit, err) : outcome;
}

/* ---- interrupt() ---- */

struct interrupter {
	struct fl_kit *kit;
	pthread_t thread;
	unsigned after_us; /* of the start; 0: once a call has not returned for BLOCKED_MS */
	atomic_bool stop;
	atomic_uint_fast64_t at; /* uv_hrtime of the interruption; 0: not yet */
};

enum { BLOCKED_MS = 300, STEP_US = 10000 };

static void wait_until_blocked(struct interrupter *i)
{
	struct fl_kit *kit = i->kit;
	uint64_t seen = atomic_load(&kit->returned), since = uv_hrtime();
	while (!atomic_load(&i->stop) && uv_hrtime() - since < BLOCKED_MS * UINT64_C(1000000)) {
		usleep(STEP_US);
		if (atomic_load(&kit->returned) != seen || !atomic_load(&kit->in_call)) {
			seen = atomic_load(&kit->returned);
			since = uv_hrtime();
		}
	}
}

/* From either thread; it must not block. */
static void call_interrupt(struct fl_kit *kit)
{
	enum { LIMIT_MS = 500 };
	uint64_t const since = uv_hrtime();
	bool const is_checker = pthread_equal(pthread_self(), kit->checker);
	if (is_checker)
		snprintf(kit->shared->call, sizeof(kit->shared->call), "interrupt()");
	kit->plugin->interrupt(kit->self);
	if (is_checker)
		kit->shared->call[0] = '\0';
	uint64_t const ms = (uv_hrtime() - since) / 1000000;
	if (ms > LIMIT_MS)
		fl_kit_blame(kit, "interrupt() blocked for %.1f s", (double)ms / 1000);
}

static void *interrupt(void *ctx)
{
	struct interrupter *i = ctx;
	if (i->after_us > 0)
		usleep(i->after_us);
	else
		wait_until_blocked(i);
	if (!atomic_load(&i->stop)) {
		atomic_store(&i->at, uv_hrtime());
		call_interrupt(i->kit);
	}
	return NULL;
}

static void start_interrupter(struct interrupter *i)
{
	if (pthread_create(&i->thread, NULL, interrupt, i) != 0)
		fl_kit_fail(i->kit, "no thread for the check");
}

static void stop_interrupter(struct interrupter *i)
{
	atomic_store(&i->stop, true);
	pthread_join(i->thread, NULL);
}

static void expect_retry_or_done(
	struct fl_kit *kit, enum fl_outcome outcome, const struct fl_err *err)
{
	if (outcome == FL_FAILED)
		fl_kit_fail(kit,
			"once interrupted, a call returned FAILED, which halts the sink for good: "
			"%s",
			err->text);
}

void fl_kit_check_interrupt(struct fl_kit *kit)
{
	enum { ROUNDS = 6, STEP = 1100, BATCHES = 100 };
	struct fl_err err = { 0 };
	fl_kit_load(kit);
	if (kit->plugin->interrupt == NULL)
		fl_kit_skip(kit, "it has no interrupt()");
	kit->is_disturbed = true;
	fl_kit_stage(kit, "interrupted before its first batch");
	fl_kit_open(kit, NULL);
	call_interrupt(kit);
	call_interrupt(kit);
	expect_retry_or_done(kit, submit_until_it_fails(kit, BATCHES, 100, &err), &err);
	fl_kit_close(kit);
	fl_kit_stage(kit, "interrupted at any moment");
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct interrupter i = { .kit = kit, .after_us = 1 + round * STEP };
		fl_kit_open(kit, NULL);
		start_interrupter(&i);
		expect_retry_or_done(kit, submit_until_it_fails(kit, BATCHES, 2000, &err), &err);
		stop_interrupter(&i);
		fl_kit_close(kit);
	}
	fl_kit_stage(kit, "the next instance");
	fl_kit_open(kit, NULL);
	fl_kit_submit(kit, fl_kit_row(kit, 1, 10));
	fl_kit_drain(kit);
	fl_kit_close(kit);
}

/* ---- the backend ---- */

static void begin(struct fl_kit *kit)
{
	fl_kit_load(kit);
	if (kit->arguments->backend_option == NULL && !kit->arguments->backend_is_stdout)
		fl_kit_skip(kit, "where it writes to is not known: --backend-option NAME");
	fl_kit_open(kit, NULL);
}

void fl_kit_check_blocked(struct fl_kit *kit)
{
	enum { BATCHES = 400, SIZE = 64 << 10, LIMIT_MS = 1000 };
	struct interrupter i = { .kit = kit };
	struct fl_err err = { 0 };
	begin(kit);
	fl_kit_submit(kit, fl_kit_row(kit, 1, 10));
	fl_kit_drain(kit);
	fl_kit_tell(kit, FL_KIT_STALL);
	uint64_t const start = uv_hrtime();
	if (kit->plugin->interrupt != NULL)
		start_interrupter(&i);
	enum fl_outcome const outcome = submit_until_it_fails(kit, BATCHES, SIZE, &err);
	uint64_t const now = uv_hrtime();
	if (kit->plugin->interrupt != NULL)
		stop_interrupter(&i);
	uint64_t const at = atomic_load(&i.at);
	if (outcome == FL_DONE)
		fl_kit_fail(kit, "%d batches were settled though nobody took them", BATCHES);
	if (outcome != FL_RETRY)
		fl_kit_fail(
			kit, "a call returned FAILED, which halts the sink for good: %s", err.text);
	if (kit->plugin->interrupt == NULL && now - start > 10 * LIMIT_MS * UINT64_C(1000000))
		fl_kit_fail(kit, "a call was blocked for %.1f s, and there is no interrupt()",
			(double)(now - start) / 1e9);
	if (at != 0 && now - at > LIMIT_MS * UINT64_C(1000000))
		fl_kit_fail(kit, "a call returned only %.1f s after it was interrupted",
			(double)(now - at) / 1e9);
	if (at != 0)
		fl_kit_note(
			kit, "interrupted, it returned after %.0f ms", (double)(now - at) / 1e6);
	fl_kit_tell(kit, FL_KIT_FORWARD);
	fl_kit_close(kit);
	fl_kit_stage(kit, "afterwards");
	fl_kit_open(kit, NULL);
	fl_kit_submit(kit, fl_kit_row(kit, 1, 10));
	fl_kit_drain(kit);
	fl_kit_close(kit);
}

void fl_kit_check_slow(struct fl_kit *kit)
{
	enum { PAUSES = 2, BATCHES = 20, SIZE = 20000 };
	begin(kit);
	for (unsigned p = 0; p < PAUSES; p++) {
		fl_kit_tell(kit, FL_KIT_PAUSE);
		for (unsigned i = 1; i <= BATCHES; i++)
			fl_kit_submit(kit, fl_kit_row(kit, i, SIZE));
		fl_kit_drain(kit);
	}
	fl_kit_tell(kit, FL_KIT_FORWARD);
	fl_kit_submit(kit, fl_kit_row(kit, 1, 10));
	fl_kit_drain(kit);
	fl_kit_close(kit);
}

/* Opens it as the core does, again and again. */
static void open_in_the_end(struct fl_kit *kit, char **ret_position)
{
	enum { TRIES = 50, PAUSE_US = 100000 };
	struct fl_err err = { 0 };
	for (unsigned i = 0; i < TRIES; i++) {
		enum fl_outcome outcome = fl_kit_try_open(kit, &err);
		if (outcome == FL_DONE) {
			outcome = fl_kit_position(kit, ret_position, &err);
			if (outcome == FL_DONE)
				return;
			fl_kit_close(kit);
		}
		if (outcome == FL_FAILED)
			fl_kit_fail(kit, "it returned FAILED: %s", err.text);
		usleep(PAUSE_US);
	}
	fl_kit_fail(kit, "for 5 s it has not come back: %s", err.text);
}

/* While nobody is there. */
static void open_in_vain(struct fl_kit *kit)
{
	struct fl_err err = { 0 };
	char *position = NULL;
	enum fl_outcome outcome = fl_kit_try_open(kit, &err);
	if (outcome == FL_DONE) {
		outcome = fl_kit_position(kit, &position, &err);
		free(position);
		if (outcome == FL_DONE)
			outcome = submit_until_it_fails(kit, 20, 100, &err);
		fl_kit_close(kit);
	}
	if (outcome == FL_DONE)
		fl_kit_fail(kit, "batches were settled though nobody was there");
	if (outcome != FL_RETRY)
		fl_kit_fail(kit, "it returned FAILED, which halts the sink for good: %s", err.text);
}

void fl_kit_check_dead(struct fl_kit *kit)
{
	enum { BATCHES = 20, MORE = 400 };
	struct fl_err err = { 0 };
	char *position = NULL;
	bool const may_halt = kit->arguments->backend_is_stdout;
	begin(kit);
	for (unsigned i = 1; i <= BATCHES; i++)
		fl_kit_submit(kit, fl_kit_row(kit, i, 100));
	fl_kit_drain(kit);
	fl_kit_submit(kit, fl_kit_row(kit, 1, 100));
	fl_kit_submit(kit, fl_kit_row(kit, 2, 100));
	fl_kit_stage(kit, "its connection is reset");
	fl_kit_tell(kit, FL_KIT_CUT);
	enum fl_outcome const outcome = submit_until_it_fails(kit, MORE, 1000, &err);
	if (outcome == FL_DONE)
		fl_kit_fail(kit, "%d batches were settled though nobody took them", MORE);
	if (outcome == FL_FAILED && !may_halt)
		fl_kit_fail(kit, "it returned FAILED, which halts the sink for good: %s", err.text);
	uint64_t const settled = kit->base + kit->settled;
	fl_kit_close(kit);
	if (may_halt)
		return; /* nobody gives it another one */
	fl_kit_stage(kit, "opened while nobody listens");
	open_in_vain(kit);
	fl_kit_stage(kit, "opened once somebody listens again");
	fl_kit_tell(kit, FL_KIT_FORWARD);
	open_in_the_end(kit, &position);
	if (kit->plugin->position != NULL) {
		char least[64];
		fl_kit_place(kit, settled, least);
		size_t const size = strlen(kit->run) + 1;
		if (strlen(position) <= size || strtoull(position + size, NULL, 10) < settled)
			fl_kit_fail(kit, "%s was settled, and position() gives '%.100s'", least,
				position);
	}
	free(position);
	for (unsigned i = 1; i <= BATCHES; i++)
		fl_kit_submit(kit, fl_kit_row(kit, i, 100));
	fl_kit_drain(kit);
	fl_kit_close(kit);
}
