/* SPDX-License-Identifier: Apache-2.0
 *
 * Of a batch that readers see all at once, only the last operation of each key matters - unless it
 * goes by what is there already, or keys are forgotten by pattern in between, which such a sink
 * does in steps of their own.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "map/private.h"

static bool has_same_key(const struct fl_mapper *m, size_t a, size_t b)
{
	size_t const size = m->operations[a].key.size;
	return size == m->operations[b].key.size &&
	       memcmp(m->bytes.data + m->places[a].key, m->bytes.data + m->places[b].key, size) ==
		       0;
}

/* The table's place of an operation's key: empty, or that of the last operation of the key. */
static uint32_t *find(struct fl_mapper *m, size_t mask, size_t index)
{
	uint64_t at =
		XXH3_64bits(m->bytes.data + m->places[index].key, m->operations[index].key.size);
	for (;; at++) {
		uint32_t *place = &m->seen[at & mask];
		if (*place == 0 || has_same_key(m, *place - 1, index))
			return place;
	}
}

/* Whether an operation makes all earlier ones of its key void. */
static bool is_final(const struct fl_operation *operation)
{
	return (operation->flags & FL_IF_EXISTS) == 0;
}

size_t fl_mapper_coalesce(struct fl_mapper *m)
{
	size_t size = 64;
	if (m->count < 2 || m->count >= UINT32_MAX / 4)
		return 0;
	while (size < m->count * 2)
		size *= 2;
	if (size > m->seen_size) {
		uint32_t *grown = realloc(m->seen, size * sizeof(*grown));
		if (grown == NULL)
			return 0;
		m->seen = grown;
		m->seen_size = size;
	}
	memset(m->seen, 0, size * sizeof(*m->seen));

	/* From the end, so that what is found there is later. What is left is moved there too. */
	size_t kept = m->count;
	bool is_clean = true;
	for (size_t i = m->count; i-- > 0;) {
		const struct fl_operation *operation = &m->operations[i];
		bool keep = true;
		if (operation->kind == FL_KEY_CLEAR) {
			if (!is_clean)
				memset(m->seen, 0, size * sizeof(*m->seen));
			is_clean = true;
		} else {
			uint32_t *place = find(m, size - 1, i);
			keep = *place == 0;
			is_clean = false;
			if (keep && is_final(operation))
				*place = (uint32_t)kept; /* where it is put below, plus 1 */
		}
		if (!keep)
			continue;
		if (--kept == i)
			continue;
		m->operations[kept] = m->operations[i];
		m->places[kept] = m->places[i];
	}
	if (kept == 0)
		return 0;
	memmove(m->operations, m->operations + kept, (m->count - kept) * sizeof(*m->operations));
	memmove(m->places, m->places + kept, (m->count - kept) * sizeof(*m->places));
	m->count -= kept;
	return kept;
}
