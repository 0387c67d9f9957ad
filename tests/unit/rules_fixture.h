/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of rules: one rule, one change of a row, and what is expected of them.
 */
#ifndef FL_TEST_RULES_FIXTURE_H
#define FL_TEST_RULES_FIXTURE_H

#include "map_fixture.h"

#define USERS .name = "r", .table = "shop.users"

struct given {
	struct fl_map_rule rule;
	enum fl_op op;
	const char *before, *after, *expected;
};

static inline void check(const struct given *given)
{
	struct fl_map *map = fl_map_create();
	struct fl_err err = { 0 };
	cr_assert_eq(fl_map_add(map, &given->rule, &err), 0, "%s", err.text);
	struct fl_mapper *mapper = fl_mapper_create(map, "hot", FL_ON_DOUBT_DELETE);
	struct fl_table_def *def = make_table("shop", "users", PLAIN);
	struct fl_buf got = { 0 };
	map_row(mapper, def, given->op, given->before, given->after, &got);
	const char *notice = fl_mapper_notice(mapper);
	if (notice != NULL) {
		got.size--;
		fl_buf_text(&got, " # ");
		fl_buf_append(&got, notice, strlen(notice) + 1);
	}
	cr_expect_str_eq(got.data, given->expected, "%s / %s:\n  is       %s\n  expected %s",
		given->before, given->after, got.data, given->expected);
	fl_buf_finish(&got);
	fl_table_unref(def);
	fl_mapper_destroy(mapper);
	fl_map_destroy(map);
}

#define CHECK(cases)                                                                               \
	for (size_t i = 0; i < sizeof(cases) / sizeof(*(cases)); i++)                              \
	check(&(cases)[i])

#endif
