/* SPDX-License-Identifier: Apache-2.0 */
#include "map/generation.h"

#include <inttypes.h>
#include <time.h>

static const char head[] = "generations=";

static void set(struct fl_generation *generation, uint64_t number)
{
	generation->number = number;
	generation->size =
		(unsigned)snprintf(generation->text, sizeof(generation->text), "%" PRIu64, number);
}

static uint64_t now(void)
{
	struct timespec at;
	clock_gettime(CLOCK_REALTIME, &at);
	return at.tv_sec > 0 ? (uint64_t)at.tv_sec * 1000000 + (uint64_t)at.tv_nsec / 1000 : 1;
}

void fl_generation_begin(struct fl_generation *generation, const struct fl_rule *rule)
{
	generation->rule = rule;
	set(generation, now());
}

void fl_generation_next(struct fl_generation *generation)
{
	uint64_t const least = now();
	set(generation, generation->number < least ? least : generation->number + 1);
}

void fl_generation_append_key(const struct fl_generation *generation, struct fl_buf *out)
{
	fl_buf_text(out, "fastlane:generation:");
	fl_buf_text(out, generation->rule->name);
}

void fl_generations_format(
	const struct fl_generation *generations, size_t count, struct fl_buf *out)
{
	for (size_t i = 0; i < count; i++) {
		fl_buf_text(out, i == 0 ? head : ",");
		fl_buf_text(out, generations[i].rule->name);
		fl_buf_char(out, ':');
		fl_buf_append(out, generations[i].text, generations[i].size);
	}
	if (count > 0)
		fl_buf_char(out, ' ');
}

/* One "RULE:NUMBER". Whether it is one; of rules that are no more, nothing is kept. */
static bool take(struct fl_bytes entry, struct fl_generation *generations, size_t count)
{
	const char *colon = memchr(entry.data, ':', entry.size);
	size_t const name_size = colon != NULL ? (size_t)(colon - entry.data) : 0;
	size_t const digits = entry.size - name_size - 1;
	uint64_t number = 0;
	if (name_size == 0 || digits == 0 || digits > 18)
		return false;
	for (size_t i = 0; i < digits; i++) {
		if (colon[1 + i] < '0' || colon[1 + i] > '9')
			return false;
		number = number * 10 + (uint64_t)(colon[1 + i] - '0');
	}
	for (size_t i = 0; i < count; i++)
		if (strlen(generations[i].rule->name) == name_size &&
			memcmp(generations[i].rule->name, entry.data, name_size) == 0)
			set(&generations[i], number);
	return true;
}

int fl_generations_parse(
	struct fl_bytes *text, struct fl_generation *generations, size_t count, struct fl_err *err)
{
	size_t const size = sizeof(head) - 1;
	if (text->size < size || memcmp(text->data, head, size) != 0)
		return 0;
	const char *end = memchr(text->data, ' ', text->size);
	const char *at = text->data + size;
	if (end == NULL)
		return fl_err_set(err, FL_EINVAL, "its generations have no end");
	while (at < end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		const char *stop = comma != NULL ? comma : end;
		if (!take((struct fl_bytes){ at, (size_t)(stop - at) }, generations, count))
			return fl_err_set(err, FL_EINVAL, "its generations are none: %.*s",
				(int)(end - at < 100 ? end - at : 100), at);
		at = stop + (comma != NULL);
	}
	text->size -= (size_t)(end + 1 - text->data);
	text->data = end + 1;
	return 0;
}
