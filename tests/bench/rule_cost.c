/* SPDX-License-Identifier: Apache-2.0
 *
 * usage: rule_cost            the names of the rules
 *        rule_cost NAME ROWS  maps so many updates of a row, in batches; tells nanoseconds a row
 */
#include <time.h>

#include "map_fixture.h"

#define USERS .name = "r", .table = "shop.users", .key = "user:{id}"

static const struct {
	const char *name;
	struct fl_map_rule rule;
} rules[] = {
	{ "unmapped table", { .name = "r", .table = "shop.other", .key = "user:{id}" } },
	{ "value = none", { USERS, .value = "none" } },
	{ "value = json", { USERS, .value = "json" } },
	{ "json, columns", { USERS, .value = "json", .columns = "id, email" } },
	{ "json, rename", { USERS, .value = "json", .rename = "email:mail" } },
	{ "value = hash", { USERS, .value = "hash" } },
	{ "value = msgpack", { USERS, .value = "msgpack" } },
	{ "value = column:email", { USERS, .value = "column:email" } },
	{ "value = template:...", { USERS, .value = "template:{email} {note|default:-}" } },
	{ "also, lower", { USERS, .value = "none", .also = "mail:{email|lower}" } },
	{ "also, urlencode", { USERS, .value = "none", .also = "mail:{email|urlencode}" } },
	{ "also, xxh64", { USERS, .value = "none", .also = "mail:{email|xxh64}" } },
	{ "also, sha1", { USERS, .value = "none", .also = "mail:{email|sha1}" } },
	{ "invalidate", { USERS, .value = "none", .invalidate = "feed:{email}" } },
	{ "invalidate {*}", { USERS, .value = "none", .invalidate = "feed:{email}:{*}" } },
	{ "only_when number", { USERS, .value = "none", .only_when = "id > 5" } },
	{ "only_when text", { USERS, .value = "none", .only_when = "note != 'off'" } },
	{ "delete_when null", { USERS, .value = "none", .delete_when = "note is null" } },
	{ "ttl = column:id, jitter",
		{ USERS, .value = "column:email", .ttl = "column:id", .ttl_jitter = "10%" } },
};

enum { COUNT = sizeof(rules) / sizeof(*rules), BATCH = 100 };

static void run(const struct fl_map_rule *rule, unsigned long rows)
{
	struct fl_map *map = fl_map_create();
	cr_assert_eq(fl_map_add(map, rule, NULL), 0);
	struct fl_mapper *mapper = fl_mapper_create(map, "hot", FL_ON_DOUBT_HALT);
	struct fl_table_def *def = make_table("shop", "users", PLAIN);
	struct fl_buf images[2] = { 0 };
	struct fl_change const change = { .op = FL_UPDATE,
		.before = make_row(def, "2000000017|Ada.Lovelace@example.org|a note", &images[0]),
		.after = make_row(def, "2000000017|Ada.Lovelace@example.org|another", &images[1]),
		.db = def->table.db,
		.table = def->table.name };
	struct fl_transaction const transaction = { .change_count = 1, .changes = &change };
	struct timespec from, to;
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (unsigned long i = 0; i < rows; i++) {
		if (i % BATCH == 0)
			fl_mapper_reset(mapper);
		cr_assert_eq(fl_mapper_add(mapper, &transaction, 0, NULL), 0);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	double const ns =
		(double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
	printf("%.1f\n", ns / (double)rows);
	fl_buf_finish(&images[0]);
	fl_buf_finish(&images[1]);
	fl_table_unref(def);
	fl_mapper_destroy(mapper);
	fl_map_destroy(map);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < COUNT; i++)
		if (argc < 3)
			puts(rules[i].name);
		else if (strcmp(argv[1], rules[i].name) == 0)
			run(&rules[i].rule, strtoul(argv[2], NULL, 10));
	return 0;
}
