/* SPDX-License-Identifier: Apache-2.0 */
#include "config/guess.h"

/* Letters to change, add, drop or swap with their neighbour until both are equal; of short words.
 */
static unsigned distance(const char *a, const char *b)
{
	enum { MOST = 49 };
	unsigned rows[3][MOST + 2];
	size_t const as = strlen(a), bs = strlen(b);
	if (as > MOST || bs > MOST)
		return MOST;
	for (size_t j = 0; j <= bs; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= as; i++) {
		unsigned *row = rows[i % 3];
		const unsigned *above = rows[(i - 1) % 3], *above2 = rows[(i + 1) % 3];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= bs; j++) {
			unsigned best = above[j - 1] + (a[i - 1] != b[j - 1]);
			best = above[j] + 1 < best ? above[j] + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				above2[j - 2] + 1 < best)
				best = above2[j - 2] + 1;
			row[j] = best;
		}
	}
	return rows[as % 3][bs];
}

void fl_guess_from(struct fl_guess *guess, const char *candidate)
{
	unsigned far = distance(guess->word, candidate);
	if (far <= 2 && far < strlen(candidate) && (guess->near == NULL || far < guess->distance)) {
		guess->near = candidate;
		guess->distance = far;
	}
	fl_buf_text(&guess->list, guess->list.size > 0 ? ", " : "");
	fl_buf_text(&guess->list, candidate);
}

const char *fl_guess_text(struct fl_guess *guess, struct fl_problems *problems)
{
	struct fl_buf text = { 0 };
	if (guess->near != NULL) {
		fl_buf_text(&text, "did you mean ");
		fl_buf_text(&text, guess->near);
		fl_buf_text(&text, "? ");
	}
	fl_buf_text(&text, guess->list.size > 0 ? "allowed are " : "there are none");
	fl_buf_append(&text, guess->list.data, guess->list.size);
	const char *made = text.failed || guess->list.failed
				   ? NULL
				   : fl_arena_copy(problems->memory, text.data, text.size);
	fl_buf_finish(&text);
	fl_buf_finish(&guess->list);
	if (made == NULL)
		problems->no_memory = true;
	return made != NULL ? made : "";
}
