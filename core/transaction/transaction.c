/* SPDX-License-Identifier: Apache-2.0 */
#include "transaction/transaction.h"
#include "base/blocks.h"

enum {
	PACK_BLOCK = FL_BLOCK_LEAST, /* of a pack that is shared */
	PACK_FULL = 48 << 10,
};

/* It lies in its own arena. */
struct fl_pack {
	atomic_uint references; /* the creator's, and one for each transaction's */
	uint64_t number;	/* its own: an address is used again */
	struct fl_arena arena;
	struct fl_table_def **tables; /* with a reference each */
	size_t table_count, table_room;
	struct fl_txn *holding;
	struct fl_bytes file; /* of the transaction before */
};

static struct fl_pack *create(size_t first_block)
{
	static atomic_uint_fast64_t last;
	struct fl_arena arena = { .first = first_block };
	struct fl_pack *pack = fl_arena_alloc(&arena, sizeof(*pack));
	if (pack == NULL)
		return NULL;
	*pack = (struct fl_pack){ .arena = arena,
		.number = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1 };
	atomic_init(&pack->references, 1);
	return pack;
}

struct fl_pack *fl_pack_create(void)
{
	return create(PACK_BLOCK);
}

bool fl_pack_is_full(const struct fl_pack *pack)
{
	return fl_arena_used(&pack->arena) >= PACK_FULL;
}

static void drop(struct fl_pack *pack, unsigned references)
{
	if (atomic_fetch_sub_explicit(&pack->references, references, memory_order_acq_rel) !=
		references)
		return;
	for (size_t i = 0; i < pack->table_count; i++)
		fl_table_unref(pack->tables[i]);
	for (struct fl_txn *txn = pack->holding; txn != NULL; txn = txn->next_holding) {
		fl_held_unref(txn->held);
		fl_held_unref(txn->jump);
	}
	struct fl_arena arena = pack->arena;
	fl_arena_finish(&arena);
}

void fl_pack_unref(struct fl_pack *pack)
{
	if (pack != NULL)
		drop(pack, 1);
}

struct fl_txn *fl_txn_create(struct fl_pack *pack)
{
	struct fl_pack *own = NULL;
	if (pack == NULL)
		pack = own = create(0);
	if (pack == NULL)
		return NULL;
	size_t const begin = fl_arena_used(&pack->arena);
	struct fl_txn *txn = fl_arena_alloc(&pack->arena, sizeof(*txn));
	if (txn == NULL) {
		fl_pack_unref(own);
		return NULL;
	}
	*txn = (struct fl_txn){
		.view = { .first = true, .last = true }, .pack = pack, .begin = begin
	};
	/* The creator's is the transaction's. */
	if (own == NULL)
		fl_txn_ref(txn);
	return txn;
}

struct fl_txn *fl_txn_ref(struct fl_txn *txn)
{
	atomic_fetch_add_explicit(&txn->pack->references, 1, memory_order_relaxed);
	return txn;
}

void fl_txn_unref(struct fl_txn *txn)
{
	if (txn != NULL)
		drop(txn->pack, 1);
}

void fl_txns_unref(struct fl_txn *const *txns, size_t count)
{
	for (size_t i = 0; i < count;) {
		/* None of them may be looked at once the last of its pack's has been dropped. */
		struct fl_pack *pack = txns[i]->pack;
		unsigned run = 0;
		for (; i < count && txns[i]->pack == pack; i++)
			run++;
		drop(pack, run);
	}
}

/* Makes room for more elements in an array that grows inside the arena. */
static void *room_for(
	struct fl_arena *arena, void *array, size_t count, size_t more, size_t *room, size_t size)
{
	if (more <= *room - count)
		return array;
	size_t wanted = *room == 0 ? 4 : *room * 2;
	if (wanted < count + more)
		wanted = count + more;
	wanted = fl_arena_fill(arena, wanted * size) / size;
	void *grown = fl_arena_alloc(arena, wanted * size);
	if (grown == NULL)
		return NULL;
	if (count > 0)
		memcpy(grown, array, count * size);
	*room = wanted;
	return grown;
}

int fl_txn_expect(struct fl_txn *txn, size_t more)
{
	struct fl_change *changes = room_for(&txn->pack->arena, txn->changes,
		txn->view.change_count, more, &txn->change_room, sizeof(*changes));
	if (changes == NULL)
		return FL_ENOMEM;
	txn->changes = changes;
	txn->view.changes = changes;
	return 0;
}

struct fl_change *fl_txn_add(struct fl_txn *txn)
{
	if (txn->view.change_count == txn->change_room && fl_txn_expect(txn, 1) != 0)
		return NULL;
	struct fl_change *change = &txn->changes[txn->view.change_count++];
	*change = (struct fl_change){ 0 };
	return change;
}

static int hold_in_pack(struct fl_pack *pack, struct fl_table_def *def)
{
	if (def->holder == pack->number)
		return 0;
	struct fl_table_def **tables = room_for(&pack->arena, pack->tables, pack->table_count, 1,
		&pack->table_room, sizeof(struct fl_table_def *));
	if (tables == NULL)
		return FL_ENOMEM;
	pack->tables = tables;
	tables[pack->table_count++] = fl_table_ref(def);
	def->holder = pack->number;
	return 0;
}

int fl_txn_hold(struct fl_txn *txn, struct fl_table_def *def)
{
	/* Statements touch few tables, mostly the one they touched last. */
	for (size_t i = txn->table_count; i-- > 0;)
		if (txn->tables[i] == def)
			return 0;
	struct fl_table_def **tables = room_for(&txn->pack->arena, txn->tables, txn->table_count, 1,
		&txn->table_room, sizeof(struct fl_table_def *));
	if (tables == NULL || hold_in_pack(txn->pack, def) != 0)
		return FL_ENOMEM;
	txn->tables = tables;
	tables[txn->table_count++] = def;
	return 0;
}

static void add_holding(struct fl_txn *txn)
{
	if (txn->is_holding)
		return;
	txn->is_holding = true;
	txn->next_holding = txn->pack->holding;
	txn->pack->holding = txn;
}

void fl_txn_set_held(struct fl_txn *txn, struct fl_held *held)
{
	fl_held_unref(txn->held);
	txn->held = held;
	if (held != NULL)
		add_holding(txn);
}

void fl_txn_set_jump(struct fl_txn *txn, struct fl_held *jump)
{
	fl_held_unref(txn->jump);
	txn->jump = jump;
	if (jump != NULL)
		add_holding(txn);
}

struct fl_bytes fl_txn_copy(struct fl_txn *txn, struct fl_bytes bytes)
{
	char *copy = fl_arena_copy(&txn->pack->arena, bytes.data, bytes.size);
	return (struct fl_bytes){ copy, copy != NULL ? bytes.size : 0 };
}

struct fl_bytes fl_txn_copy_file(struct fl_txn *txn, const char *file)
{
	struct fl_bytes *last = &txn->pack->file;
	if (last->data == NULL || strcmp(last->data, file) != 0)
		*last = fl_txn_copy(txn, (struct fl_bytes){ file, strlen(file) });
	return *last;
}

struct fl_arena *fl_txn_arena(struct fl_txn *txn)
{
	return &txn->pack->arena;
}

size_t fl_txn_size(const struct fl_txn *txn)
{
	return fl_arena_used(&txn->pack->arena) - txn->begin;
}

size_t fl_txn_weight(const struct fl_txn *txn)
{
	return fl_pack_is_full(txn->pack) ? txn->pack->arena.reserved - txn->begin
					  : fl_txn_size(txn);
}

int fl_txn_advance(const struct fl_txn *txn, struct fl_position *position)
{
	if (!txn->view.last)
		return 0;
	if (txn->jump != NULL)
		return fl_held_position(txn->jump, position);
	if (position->gtids != NULL && txn->gtid.kind != FL_GTID_NONE) {
		int result = fl_gtid_set_add(position->gtids, &txn->gtid);
		if (result != 0)
			return result;
	} else if (position->gtids != NULL && txn->anonymous) {
		fl_gtid_set_destroy(position->gtids);
		position->gtids = NULL;
	}
	if (position->held != txn->held) {
		fl_held_unref(position->held);
		position->held = fl_held_ref(txn->held);
	}
	/* The grouper has checked the name's length. */
	memcpy(position->file, txn->view.file.data, txn->view.file.size + 1);
	position->offset = txn->view.position;
	return 0;
}
