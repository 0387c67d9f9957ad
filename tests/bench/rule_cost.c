/* SPDX-License-Identifier: Apache-2.0
 *
 * usage: rule_cost            the names of the rules
 *        rule_cost NAME ROWS  maps so many updates of a row, in batches; tells nanoseconds a row
 */
#include <time.h>

#include "map_fixture.h"

#define IN(pattern) .name = "r", .table = pattern
#define USERS	    IN("shop.users"), .key = "user:{id}"

static const struct {
	const char *name;
	struct fl_map_rule rule;
	unsigned tables; /* 0: shop.users alone; else shop.t0 and so on, in turn */
	unsigned maps;	 /* in front of that one: of shop.t0 and so on, one of each */
	bool coalesced;
} rules[] = {
	{ "unmapped table", { .name = "r", .table = "shop.other", .key = "user:{id}" }, 0, 0,
		false },
	{ "value = none", { USERS, .value = "none" }, 0, 0, false },
	{ "... coalesced", { USERS, .value = "none" }, 0, 0, true },
	{ "... one of 1000 maps", { USERS, .value = "none" }, 0, 1000, false },
	{ "... 10,000 tables", { IN("shop.*"), .key = "user:{id}", .value = "none" }, 10000, 0,
		false },
	{ "... 1000 tables and maps", { USERS, .value = "none" }, 1000, 1000, false },
	{ "value = json", { USERS, .value = "json" }, 0, 0, false },
	{ "json, columns", { USERS, .value = "json", .columns = "id, email" }, 0, 0, false },
	{ "json, rename", { USERS, .value = "json", .rename = "email:mail" }, 0, 0, false },
	{ "value = hash", { USERS, .value = "hash" }, 0, 0, false },
	{ "value = msgpack", { USERS, .value = "msgpack" }, 0, 0, false },
	{ "value = column:email", { USERS, .value = "column:email" }, 0, 0, false },
	{ "value = template:...", { USERS, .value = "template:{email} {note|default:-}" }, 0, 0,
		false },
	{ "key = user:{note}", { IN("shop.users"), .key = "user:{note}", .value = "none" }, 0, 0,
		false },
	{ "also, lower", { USERS, .value = "none", .also = "mail:{email|lower}" }, 0, 0, false },
	{ "also, urlencode", { USERS, .value = "none", .also = "mail:{email|urlencode}" }, 0, 0,
		false },
	{ "also, xxh64", { USERS, .value = "none", .also = "mail:{email|xxh64}" }, 0, 0, false },
	{ "also, sha1", { USERS, .value = "none", .also = "mail:{email|sha1}" }, 0, 0, false },
	{ "key = {generation}:{id}",
		{ IN("shop.users"), .key = "u:{generation}:{id}", .value = "none" }, 0, 0, false },
	{ "invalidate", { USERS, .value = "none", .invalidate = "feed:{email}" }, 0, 0, false },
	{ "invalidate {*}", { USERS, .value = "none", .invalidate = "feed:{email}:{*}" }, 0, 0,
		false },
	{ "only_when number", { USERS, .value = "none", .only_when = "id > 5" }, 0, 0, false },
	{ "only_when text", { USERS, .value = "none", .only_when = "note != 'off'" }, 0, 0, false },
	{ "delete_when null", { USERS, .value = "none", .delete_when = "note is null" }, 0, 0,
		false },
	{ "ttl = column:id, jitter",
		{ USERS, .value = "column:email", .ttl = "column:id", .ttl_jitter = "10%" }, 0, 0,
		false },
};

enum { COUNT = sizeof(rules) / sizeof(*rules), BATCH = 100, TABLES = 10000 };

/* What is counted by instructions: tables have been seen before. */
__attribute__((noinline)) int counted(
	struct fl_mapper *mapper, const struct fl_transaction *transaction, uint32_t index);
int counted(struct fl_mapper *mapper, const struct fl_transaction *transaction, uint32_t index)
{
	int code = fl_mapper_add(mapper, transaction, index, NULL);
	__asm__ volatile("" ::: "memory"); /* it is no tail call */
	return code;
}
__attribute__((noinline)) void counted_coalesce(struct fl_mapper *mapper);
void counted_coalesce(struct fl_mapper *mapper)
{
	fl_mapper_coalesce(mapper);
	__asm__ volatile("" ::: "memory");
}

static struct fl_change make_change(const struct fl_table_def *def)
{
	static struct fl_buf images[2];
	fl_buf_clear(&images[0]);
	fl_buf_clear(&images[1]);
	struct fl_change change = { .op = FL_UPDATE,
		.before = make_row(def, "2000000017|Ada.Lovelace@example.org|a note", &images[0]),
		.after = make_row(def, "2000000017|Ada.Lovelace@example.org|another", &images[1]),
		.db = def->table.db,
		.table = def->table.name };
	/* As the binlog's rows are that have all columns. */
	change.before.present = change.after.present = NULL;
	return change;
}

static void run(size_t which, unsigned long rows)
{
	static struct fl_table_def *defs[TABLES];
	static struct fl_change changes[TABLES];
	struct fl_map *map = fl_map_create();
	char name[32];
	for (unsigned i = 0; i < rules[which].maps; i++) {
		struct fl_map_rule rule = { USERS, .value = "none" };
		snprintf(name, sizeof(name), "shop.t%u", i);
		rule.table = name;
		cr_assert_eq(fl_map_add(map, &rule, NULL), 0);
	}
	cr_assert_eq(fl_map_add(map, &rules[which].rule, NULL), 0);
	struct fl_mapper *mapper = fl_mapper_create(map, "hot", FL_ON_DOUBT_HALT);
	unsigned const tables = rules[which].tables > 0 ? rules[which].tables : 1;
	for (unsigned i = 0; i < tables; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		defs[i] = make_table("shop", rules[which].tables > 0 ? name : "users", PLAIN);
		changes[i] = make_change(defs[i]);
		struct fl_transaction const transaction = { .change_count = 1,
			.changes = &changes[i] };
		cr_assert_eq(fl_mapper_add(mapper, &transaction, 0, NULL), 0);
	}
	struct timespec from, to;
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (unsigned long i = 0; i < rows; i++) {
		if (i % BATCH == 0)
			fl_mapper_reset(mapper);
		struct fl_transaction const transaction = { .change_count = 1,
			.changes = &changes[i % tables] };
		cr_assert_eq(counted(mapper, &transaction, 0), 0);
		if (rules[which].coalesced && i % BATCH == BATCH - 1)
			counted_coalesce(mapper);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	double const ns =
		(double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
	printf("%.1f\n", ns / (double)rows);
	fl_mapper_destroy(mapper);
	fl_map_destroy(map);
	for (unsigned i = 0; i < tables; i++)
		fl_table_unref(defs[i]);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < COUNT; i++)
		if (argc < 3)
			puts(rules[i].name);
		else if (strcmp(argv[1], rules[i].name) == 0)
			run(i, strtoul(argv[2], NULL, 10));
	return 0;
}
