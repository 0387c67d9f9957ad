/* SPDX-License-Identifier: Apache-2.0
 *
 * Mapping a row allocates nothing, once the buffers have grown to a batch's usual size. The linker
 * lets the allocator's functions be counted (--wrap), in all that is linked into this program; of
 * shared libraries, on the way of a row are hashes that lie on the stack.
 */
#include "map_fixture.h"

static size_t allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
	allocations++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	allocations++;
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	allocations++;
	return __real_realloc(old, size);
}

#define USERS .name = "r", .table = "shop.users"

static const struct fl_map_rule rules[] = {
	{ USERS, .key = "a:{id}" },
	{ USERS, .key = "b:{email|lower}:{note|urlencode|xxh64}",
		.also = "b:{id} b:{note|base64}" },
	{ USERS, .key = "c:{id}", .value = "hash", .exclude = "note", .rename = "email:e" },
	{ USERS, .key = "d:{id}", .value = "msgpack", .columns = "id, note" },
	{ USERS, .key = "e:{id}", .value = "template:{id} {email|upper} {note|default:-}" },
	{ USERS, .key = "f:{id}", .value = "column:note", .ttl = "column:id", .ttl_jitter = "10%" },
	{ USERS, .key = "g:{id}", .columns = "id, email", .mode = "update-existing",
		.only_when = "id > 5 and (email = 'a' or not note in ('x', 'y')) and email < 'zz'",
		.delete_when = "note is null" },
	{ USERS, .key = "h:{generation}:{id}", .value = "none",
		.invalidate = "l:{email}, m:{email}:{*}, n:{note|hex}, o:{note|sha1}" },
};

static const struct {
	const char *before, *after;
} changes[] = { { NULL, "7|a@X.org|hello" }, { "7|a@X.org|hello", "8|~|hello" },
	{ "8|~|hello", "8|b|~" }, { "8|b|~", NULL } };

enum { CHANGES = sizeof(changes) / sizeof(*changes), ROUNDS = 1000 };

Test(allocations, a_row_costs_none)
{
	struct fl_map *map = fl_map_create();
	struct fl_err err = { 0 };
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
		cr_assert_eq(fl_map_add(map, &rules[i], &err), 0, "%s", err.text);
	struct fl_mapper *mapper = fl_mapper_create(map, "hot", FL_ON_DOUBT_DELETE);
	struct fl_table_def *def = make_table("shop", "users", PLAIN);
	struct fl_buf images[2 * CHANGES] = { 0 };
	struct fl_change made[CHANGES];
	for (size_t i = 0; i < CHANGES; i++)
		made[i] = (struct fl_change){
			.op = changes[i].before == NULL	 ? FL_INSERT
			      : changes[i].after == NULL ? FL_DELETE
							 : FL_UPDATE,
			.before = make_row(def, changes[i].before, &images[2 * i]),
			.after = make_row(def, changes[i].after, &images[2 * i + 1]),
			.db = def->table.db,
			.table = def->table.name,
		};
	struct fl_transaction const transaction = { .change_count = CHANGES, .changes = made };
	size_t operations = 0, counted = 0;
	for (unsigned round = 0; round < ROUNDS; round++) {
		/* The buffers have grown by then, whatever was left out or not. */
		if (round == ROUNDS / 2)
			allocations = 0;
		fl_mapper_reset(mapper);
		for (unsigned t = 0; t < 20; t++)
			cr_assert_eq(
				fl_mapper_add(mapper, &transaction, t, &err), 0, "%s", err.text);
		fl_mapper_coalesce(mapper);
		fl_mapper_operations(mapper, &operations);
		counted = allocations;
	}
	cr_expect_gt(operations, 20);
	cr_expect_eq(counted, 0, "%zu allocations in %u rounds", counted, ROUNDS / 2);
	for (size_t i = 0; i < 2 * CHANGES; i++)
		fl_buf_finish(&images[i]);
	fl_table_unref(def);
	fl_mapper_destroy(mapper);
	fl_map_destroy(map);
}

/* That they are counted at all. */
Test(allocations, are_counted)
{
	allocations = 0;
	struct fl_map *map = fl_map_create();
	cr_expect_eq(allocations, 1);
	fl_map_destroy(map);
}
