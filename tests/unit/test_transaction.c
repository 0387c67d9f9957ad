/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "transaction/transaction.h"

static struct fl_table_def *make_table(void)
{
	struct fl_table_def *def = calloc(1, sizeof(*def));
	cr_assert_not_null(def);
	atomic_init(&def->references, 1);
	return def;
}

static unsigned references(struct fl_table_def *def)
{
	return atomic_load(&def->references);
}

Test(transaction, one_of_its_own_holds_its_tables_until_it_is_dropped)
{
	struct fl_table_def *table = make_table();
	struct fl_txn *txn = fl_txn_create(NULL);
	cr_assert_not_null(txn);
	cr_assert_eq(fl_txn_hold(txn, table), 0);
	cr_assert_eq(fl_txn_hold(txn, table), 0);
	cr_expect_eq(references(table), 2);
	fl_txn_ref(txn);
	fl_txn_unref(txn);
	cr_expect_eq(references(table), 2);
	fl_txn_unref(txn);
	cr_expect_eq(references(table), 1);
	fl_table_unref(table);
}

Test(transaction, those_of_a_pack_share_its_hold_and_the_last_one_ends_it)
{
	enum { COUNT = 50 };
	struct fl_table_def *table = make_table();
	struct fl_pack *pack = fl_pack_create();
	struct fl_txn *txns[COUNT];
	cr_assert_not_null(pack);
	for (size_t i = 0; i < COUNT; i++) {
		txns[i] = fl_txn_create(pack);
		cr_assert_not_null(txns[i]);
		cr_assert_eq(fl_txn_hold(txns[i], table), 0);
		cr_expect_eq(txns[i]->table_count, 1);
	}
	cr_expect_eq(references(table), 2);
	fl_txns_unref(txns + 1, COUNT - 1);
	fl_pack_unref(pack);
	cr_expect_eq(references(table), 2, "the first one is still there");
	fl_txn_unref(txns[0]);
	cr_expect_eq(references(table), 1);
	fl_table_unref(table);
}

Test(transaction, many_are_dropped_at_once_in_any_order_of_packs)
{
	enum { COUNT = 40 };
	struct fl_table_def *table = make_table();
	struct fl_pack *packs[3];
	struct fl_txn *txns[COUNT];
	for (size_t p = 0; p < 3; p++)
		cr_assert_not_null(packs[p] = fl_pack_create());
	for (size_t i = 0; i < COUNT; i++) {
		txns[i] = fl_txn_create(i % 7 == 6 ? NULL : packs[i % 3]);
		cr_assert_not_null(txns[i]);
		cr_assert_eq(fl_txn_hold(txns[i], table), 0);
	}
	for (size_t p = 0; p < 3; p++)
		fl_pack_unref(packs[p]);
	cr_expect_gt(references(table), 1);
	fl_txns_unref(txns, COUNT);
	cr_expect_eq(references(table), 1);
	fl_table_unref(table);
}

Test(transaction, changes_keep_their_place_and_their_order_as_they_become_many)
{
	struct fl_pack *pack = fl_pack_create();
	struct fl_txn *txn = fl_txn_create(pack);
	cr_assert_not_null(txn);
	for (uint32_t i = 0; i < 1000; i++) {
		if (i % 100 == 7)
			cr_assert_eq(fl_txn_expect(txn, i % 300), 0);
		struct fl_change *change = fl_txn_add(txn);
		cr_assert_not_null(change);
		cr_expect_null(change->before.data);
		change->after.size = i;
	}
	cr_assert_eq(txn->view.change_count, 1000);
	for (uint32_t i = 0; i < 1000; i++)
		cr_assert_eq(txn->view.changes[i].after.size, i);
	cr_expect(fl_pack_is_full(pack));
	cr_expect_geq(fl_txn_size(txn), 1000 * sizeof(struct fl_change));
	cr_expect_geq(fl_txn_weight(txn), fl_txn_size(txn), "no other comes behind it");
	fl_txn_unref(txn);
	fl_pack_unref(pack);
}

/* What a queue's bound counts has to be what is held. */
Test(transaction, what_they_weigh_is_what_their_pack_takes)
{
	struct fl_pack *pack = fl_pack_create();
	struct fl_txn *txns[1000];
	size_t count = 0, weight = 0;
	for (; !fl_pack_is_full(pack); count++) {
		cr_assert_lt(count, 1000);
		txns[count] = fl_txn_create(pack);
		cr_assert_not_null(txns[count]);
		cr_assert_not_null(fl_txn_copy(txns[count], (struct fl_bytes){ "row", 3 }).data);
		weight += fl_txn_weight(txns[count]);
	}
	size_t const reserved = fl_txn_arena(txns[0])->reserved;
	cr_expect_leq(weight, reserved);
	cr_expect_geq(weight, reserved - 1024, "%zu of %zu", weight, reserved);
	fl_txns_unref(txns, count);
	fl_pack_unref(pack);
}

Test(transaction, what_positions_are_behind_it_is_given_back_with_its_pack)
{
	struct fl_pack *pack = fl_pack_create();
	struct fl_position place = { .file = "b.1", .offset = 4 };
	struct fl_txn *one = fl_txn_create(pack), *other = fl_txn_create(pack);
	fl_txn_set_held(one, fl_held_create(&place));
	fl_txn_set_jump(one, fl_held_create(&place));
	fl_txn_set_held(other, fl_held_create(&place));
	fl_txn_set_held(other, NULL);
	cr_assert_not_null(one->held);
	cr_assert_not_null(one->jump);
	cr_expect_null(other->held);
	fl_pack_unref(pack);
	fl_txn_unref(one);
	fl_txn_unref(other); /* what is not given back, the sanitizer tells */
}
