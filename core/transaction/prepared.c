/* SPDX-License-Identifier: Apache-2.0 */
#include "transaction/prepared.h"

enum { MOST = 10000 };

struct entry {
	struct entry *next;
	struct fl_txn *txn;
	struct fl_held *begin;
	size_t xid_size;
	char xid[];
};

struct fl_prepared {
	struct entry *oldest;
	size_t count, bytes, limit;
};

struct fl_prepared *fl_prepared_create(size_t limit_bytes)
{
	struct fl_prepared *prepared = calloc(1, sizeof(*prepared));
	if (prepared != NULL)
		prepared->limit = limit_bytes;
	return prepared;
}

static struct fl_txn *unlink_entry(struct fl_prepared *prepared, struct entry **link)
{
	struct entry *entry = *link;
	struct fl_txn *txn = entry->txn;
	*link = entry->next;
	prepared->count--;
	prepared->bytes -= txn->bytes;
	fl_held_unref(entry->begin);
	free(entry);
	return txn;
}

void fl_prepared_clear(struct fl_prepared *prepared)
{
	while (prepared->oldest != NULL)
		fl_txn_unref(unlink_entry(prepared, &prepared->oldest));
}

void fl_prepared_destroy(struct fl_prepared *prepared)
{
	if (prepared == NULL)
		return;
	fl_prepared_clear(prepared);
	free(prepared);
}

struct fl_txn *fl_prepared_take(struct fl_prepared *prepared, struct fl_bytes xid)
{
	for (struct entry **link = &prepared->oldest; *link != NULL; link = &(*link)->next)
		if ((*link)->xid_size == xid.size && memcmp((*link)->xid, xid.data, xid.size) == 0)
			return unlink_entry(prepared, link);
	return NULL;
}

struct fl_held *fl_prepared_begin(const struct fl_prepared *prepared)
{
	return prepared->oldest != NULL ? prepared->oldest->begin : NULL;
}

void fl_prepared_put(struct fl_prepared *prepared, struct fl_bytes xid, struct fl_txn *txn,
	struct fl_held *begin)
{
	fl_txn_unref(fl_prepared_take(prepared, xid));
	struct entry *entry = malloc(sizeof(*entry) + xid.size);
	if (entry == NULL || txn->bytes > prepared->limit) {
		free(entry);
		fl_held_unref(begin);
		fl_txn_unref(txn);
		return;
	}
	while (prepared->oldest != NULL &&
		(prepared->bytes + txn->bytes > prepared->limit || prepared->count >= MOST))
		fl_txn_unref(unlink_entry(prepared, &prepared->oldest));

	*entry = (struct entry){ .txn = txn, .begin = begin, .xid_size = xid.size };
	memcpy(entry->xid, xid.data, xid.size);
	struct entry **link = &prepared->oldest;
	while (*link != NULL)
		link = &(*link)->next;
	*link = entry;
	prepared->count++;
	prepared->bytes += txn->bytes;
}
