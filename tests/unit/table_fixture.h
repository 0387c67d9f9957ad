/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of table definitions, beside make_table.h.
 */
#ifndef FL_TEST_TABLE_FIXTURE_H
#define FL_TEST_TABLE_FIXTURE_H

#include "make_table.h"

static inline void expect_text(struct fl_bytes text, const char *expected)
{
	cr_expect(text.size == strlen(expected) && memcmp(text.data, expected, text.size) == 0,
		"%.*s, not %s", (int)text.size, text.data, expected);
}

#endif
