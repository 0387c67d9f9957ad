/* SPDX-License-Identifier: Apache-2.0
 *
 * What a worker tells of itself: how much was settled and how long that took from the commit on,
 * and how old the oldest transaction is that it has in hand.
 */
#include "sink/private.h"

enum {
	SAME_AGE_US = 50,   /* transactions committed within this time, ... */
	SAME_AGE_PART = 16, /* ... or within this part of their age, count as of one age */
};

static bool is_of_age(const struct fl_tally *tally, int64_t committed_us, int64_t now_us)
{
	int64_t const other = tally->ages[tally->age_count - 1].committed_us;
	int64_t const apart = committed_us > other ? committed_us - other : other - committed_us;
	return apart <= SAME_AGE_US || apart <= (now_us - other) / SAME_AGE_PART;
}

void fl_tally_add(struct fl_tally *tally, const struct fl_txn *txn, bool matters, int64_t now_us)
{
	tally->doubts += txn->in_doubt;
	if (!matters)
		return;
	tally->changes += txn->view.change_count;
	if (!txn->view.last)
		return;
	tally->transactions++;
	int64_t const committed_us = fl_txn_committed_us(txn);
	if (committed_us == 0)
		return;
	if (tally->age_count == 0 ||
		(tally->age_count < FL_TALLY_AGES && !is_of_age(tally, committed_us, now_us)))
		tally->ages[tally->age_count++].committed_us = committed_us;
	tally->ages[tally->age_count - 1].transactions++;
}

void fl_tally_settle(struct fl_tally *tally, struct fl_sink_counters *counters, int64_t now_us)
{
	fl_count(&counters->batches,
		tally->transactions > 0 || tally->operations > 0 || tally->changes > 0);
	fl_count(&counters->transactions, tally->transactions);
	fl_count(&counters->operations, tally->operations);
	fl_count(&counters->changes, tally->changes);
	fl_count(&counters->doubts, tally->doubts);
	for (unsigned i = 0; i < tally->age_count; i++)
		fl_latency_add(counters, now_us - tally->ages[i].committed_us,
			tally->ages[i].transactions);
	*tally = (struct fl_tally){ 0 };
}

void fl_worker_show_oldest(struct fl_worker *w)
{
	int64_t oldest = 0;
	for (size_t i = 0; i < w->pending_count && oldest == 0; i++) {
		const struct pending *pending =
			&w->pending[(w->first_pending + i) % FL_MOST_PENDING];
		if (pending->tally.age_count > 0)
			oldest = pending->tally.ages[0].committed_us;
	}
	if (oldest == 0 && w->txn_count > 0)
		oldest = fl_txn_committed_us(w->txns[0]);
	atomic_store_explicit(&w->oldest_us, oldest, memory_order_relaxed);
}

bool fl_worker_is_awaited(const struct fl_worker *w)
{
	return w->config->waiters != NULL && atomic_load(w->config->waiters) > 0;
}
