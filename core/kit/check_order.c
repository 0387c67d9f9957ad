/* SPDX-License-Identifier: Apache-2.0
 *
 * What is settled, and the position: in order, and never ahead of what is safe.
 */
#include "kit/private.h"

#include <errno.h>

void fl_kit_check_settling(struct fl_kit *kit)
{
	enum { BATCHES = 300 };
	uint32_t random = 1;
	fl_kit_load(kit);
	fl_kit_open(kit, NULL);
	/* host.c and calls.c see that it is right. */
	for (unsigned i = 1; i <= BATCHES; i++) {
		fl_kit_submit(kit, fl_kit_row(kit, i % 50, i % 100 == 0 ? 300000 : 50));
		random = random * 1664525 + 1013904223;
		if (random >> 24 < 20)
			fl_kit_drain(kit);
		else if (random >> 24 < 60)
			fl_kit_call_off(kit);
		if (random >> 24 > 240)
			fl_kit_submit(kit, fl_kit_batch(kit, 0));
	}
	fl_kit_drain(kit);
	fl_kit_close(kit);
}

/* The place that a position tells. */
static uint64_t place_of(struct fl_kit *kit, const char *position)
{
	size_t const size = strlen(kit->run);
	char *end;
	if (strncmp(position, kit->run, size) == 0 && position[size] == ':') {
		errno = 0;
		uint64_t const place = strtoull(position + size + 1, &end, 10);
		if (errno == 0 && *end == '\0')
			return place;
	}
	fl_kit_fail(
		kit, "position() gives '%.100s', which no batch of this check has had", position);
}

/* Opens it anew: it is to stand at least at one place, and at most at another. */
static uint64_t reopen(struct fl_kit *kit, uint64_t least, uint64_t most)
{
	char *position;
	fl_kit_open(kit, &position);
	uint64_t const place = place_of(kit, position);
	free(position);
	if (place < least)
		fl_kit_fail(kit, "batch %llu was settled, and position() gives that of batch %llu",
			(unsigned long long)least, (unsigned long long)place);
	if (place > most)
		fl_kit_fail(kit,
			"batch %llu was the last one submitted, and position() gives that of "
			"batch %llu",
			(unsigned long long)most, (unsigned long long)place);
	return place;
}

void fl_kit_check_position(struct fl_kit *kit)
{
	fl_kit_load(kit);
	if (kit->plugin->position == NULL)
		fl_kit_skip(kit, "it keeps none: the core does");
	fl_kit_open(kit, NULL);
	for (unsigned i = 1; i <= 7; i++)
		fl_kit_submit(kit, fl_kit_row(kit, i, 10));
	fl_kit_drain(kit);
	fl_kit_close(kit);
	fl_kit_stage(kit, "after all was settled");
	reopen(kit, 7, 7);
	fl_kit_stage(kit, "with batches under way");
	for (unsigned i = 1; i <= 3; i++)
		fl_kit_submit(kit, fl_kit_row(kit, i, 10));
	uint64_t const settled = kit->base + kit->settled;
	fl_kit_close(kit);
	reopen(kit, settled, 10);
	fl_kit_stage(kit, "after a batch without transactions");
	fl_kit_submit(kit, fl_kit_batch(kit, 0));
	fl_kit_drain(kit);
	uint64_t const last = kit->base + kit->submitted;
	fl_kit_close(kit);
	reopen(kit, last, last);
	fl_kit_stage(kit, "after nothing at all");
	fl_kit_close(kit);
	reopen(kit, last, last);
	fl_kit_close(kit);
}

/* ---- again ---- */

/* What the target holds, as the command says; NULL: nobody knows. */
static char *contents(struct fl_kit *kit)
{
	struct fl_buf out = { 0 };
	size_t got;
	if (kit->arguments->contents == NULL)
		return NULL;
	FILE *from = popen(kit->arguments->contents, "re");
	if (from == NULL)
		fl_kit_fail(kit, "--contents: %s", strerror(errno));
	do {
		char *to = fl_buf_reserve(&out, 65536);
		got = to != NULL ? fread(to, 1, 65536, from) : 0;
		out.size += got;
	} while (got > 0);
	int const status = pclose(from);
	fl_buf_char(&out, '\0');
	if (status != 0 || out.failed)
		fl_kit_fail(kit, "--contents: the command failed");
	return out.data;
}

static void submit_again(struct fl_kit *kit, unsigned first, unsigned last)
{
	for (unsigned i = first; i <= last; i++) {
		struct fl_kit_batch *b = fl_kit_batch(kit, 4000);
		fl_kit_insert(b, i, fl_kit_text("made"), fl_kit_none);
		fl_kit_update(b, i, fl_kit_text("made"), fl_kit_text("changed"));
		if (i % 4 == 0)
			fl_kit_delete(b, i - 1, fl_kit_text("changed"));
		fl_kit_submit(kit, b);
	}
}

void fl_kit_check_again(struct fl_kit *kit)
{
	enum { BATCHES = 20 };
	fl_kit_load(kit);
	fl_kit_open(kit, NULL);
	submit_again(kit, 1, BATCHES);
	fl_kit_drain(kit);
	char *first = contents(kit);
	fl_kit_stage(kit, "closed under way");
	submit_again(kit, 1, BATCHES / 2);
	fl_kit_close(kit);
	fl_kit_stage(kit, "the same batches again");
	fl_kit_open(kit, NULL);
	submit_again(kit, 1, BATCHES);
	fl_kit_drain(kit);
	char *second = contents(kit);
	if (first != NULL && first[0] == '\0')
		fl_kit_fail(kit, "--contents: the command prints nothing");
	if (first != NULL && strcmp(first, second) != 0)
		fl_kit_fail(kit, "after the same batches the target holds something else");
	if (first == NULL)
		fl_kit_note(kit, "whether it ends in the same state is not looked at: --contents");
	free(first);
	free(second);
	fl_kit_close(kit);
}
