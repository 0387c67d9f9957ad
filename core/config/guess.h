/* SPDX-License-Identifier: Apache-2.0
 *
 * What was probably meant, and what is allowed. Private to config.c.
 */
#ifndef FL_CONFIG_GUESS_H
#define FL_CONFIG_GUESS_H

#include "config/file.h"

/* Begin with `word` alone set. */
struct fl_guess {
	const char *word;
	const char *near; /* the candidate that is closest to it, if one is close */
	unsigned distance;
	struct fl_buf list;
};

/* A word that would have been allowed; it must live as long as the guess. */
void fl_guess_from(struct fl_guess *guess, const char *candidate);

/* "did you mean X? allowed are X, Y"; lives as long as the problems. Ends the guess. */
const char *fl_guess_text(struct fl_guess *guess, struct fl_problems *problems);

#endif
