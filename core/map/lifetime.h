/* SPDX-License-Identifier: Apache-2.0
 *
 * How long a value lives: for a number of seconds, or until a moment that a column of the row says;
 * less a random part, so that what was written together does not expire together. Private to
 * core/map; read-only once compiled.
 */
#ifndef FL_LIFETIME_H
#define FL_LIFETIME_H

#include "map/cells.h"

struct fl_lifetime {
	uint32_t seconds;	/* 0: for ever */
	struct fl_bytes column; /* data not NULL: the column that says it */
	unsigned jitter;	/* per cent */
};

/* `ttl`: "3600" or "column:NAME"; `jitter`: "10%". Texts live in the arena. 0, FL_ENOMEM or
 * FL_EINVAL. */
int fl_lifetime_compile(
	const char *ttl, struct fl_arena *arena, struct fl_lifetime *ret, struct fl_err *err);
int fl_lifetime_set_jitter(const char *jitter, struct fl_lifetime *lifetime, struct fl_err *err);

/* Whether a column can say it: integers (seconds since 1970 UTC), DATE, DATETIME (taken as UTC) and
 * TIMESTAMP. 0 or FL_EINVAL. */
int fl_lifetime_fit(const struct fl_table_def *def, unsigned column, struct fl_err *err);

/* The seconds that a row's value has left at `now` (since 1970 UTC); 0: it does not expire.
 * `column` is that of its name. `*random` is the state of a generator, never 0. 1; 0 if it has
 * expired; FL_E... if it can't be told. */
int fl_lifetime_left(const struct fl_lifetime *lifetime, const struct fl_image *image,
	unsigned column, int64_t now, struct fl_buf *scratch, uint64_t *random, uint32_t *ret,
	struct fl_err *err);

#endif
