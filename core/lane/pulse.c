/* SPDX-License-Identifier: Apache-2.0
 *
 * What can be seen of a lane's thread from outside: how much it has read, and how far it is behind.
 * All of it is stored once for many events.
 */
#include "lane/private.h"

static const uint64_t GOAL_NS = 60 * UINT64_C(1000000000);

void fl_lane_show_server(struct fl_lane *lane, const struct fl_server *server)
{
	uv_mutex_lock(&lane->mutex);
	lane->state.connected = server != NULL;
	if (server != NULL) {
		lane->state.host = lane->host;
		lane->state.flavour = server->flavour;
		snprintf(lane->state.version, sizeof(lane->state.version), "%s",
			server->version_text);
	}
	uv_mutex_unlock(&lane->mutex);
	atomic_store(&lane->is_well_now, false);
	atomic_store(&lane->waits_since, 0);
	atomic_store(&lane->within_since, 0);
	if (server != NULL)
		atomic_store(&lane->heard_us, fl_now_us());
}

/* A transaction that is large, or comes slowly, is lacking for as long as it comes. */
static void show_within(struct fl_lane *lane)
{
	uint64_t since = atomic_load_explicit(&lane->within_since, memory_order_relaxed);
	if (fl_grouper_at_boundary(lane->grouper))
		since = 0;
	else if (since == 0)
		since = uv_hrtime();
	atomic_store_explicit(&lane->within_since, since, memory_order_relaxed);
}

void fl_lane_count(struct fl_lane *lane)
{
	struct fl_source_counters *counters = lane->config->counters;
	if (lane->tally.read == 0)
		return;
	fl_count(&counters->events, lane->tally.events);
	fl_count(&counters->bytes, lane->tally.bytes);
	fl_count(&counters->transactions, lane->tally.transactions);
	fl_count(&counters->rows, lane->tally.rows);
	memset(&lane->tally, 0, sizeof(lane->tally));
	atomic_store_explicit(&lane->heard_us, fl_now_us(), memory_order_relaxed);
	if (lane->is_well)
		atomic_store_explicit(&lane->is_well_now, true, memory_order_relaxed);
	show_within(lane);
}

void fl_lane_show_delivered(struct fl_lane *lane, int64_t last_us)
{
	/* A mere place has no time. */
	if (last_us != 0)
		atomic_store_explicit(&lane->delivered_us, last_us, memory_order_relaxed);
}

void fl_lane_show_ready(struct fl_lane *lane, int64_t *ret_last_us)
{
	int64_t const now = fl_now_us();
	int64_t first = 0, last = 0;
	for (size_t i = 0; i < lane->ready_count; i++) {
		struct fl_txn *txn = lane->ready[i].item;
		txn->handed_us = now; /* nobody else has it yet */
		int64_t const committed = fl_txn_committed_us(txn);
		first = first != 0 ? first : committed;
		last = committed != 0 ? committed : last;
	}
	/* While one of the sinks keeps the others waiting, these lack it. */
	fl_lane_show_delivered(lane, first);
	atomic_store_explicit(&lane->waits_since, 0, memory_order_relaxed);
	atomic_store_explicit(&lane->within_since, 0, memory_order_relaxed);
	*ret_last_us = last;
}

int fl_lane_aim(struct fl_lane *lane, struct fl_session *session, struct fl_err *err)
{
	fl_gtid_set_destroy(lane->goal);
	lane->goal = NULL;
	lane->goal_ends = uv_hrtime() + GOAL_NS;
	return lane->position.gtids != NULL ? fl_session_gtids(session, &lane->goal, err) : 0;
}

static bool lacks_goal(struct fl_lane *lane)
{
	if (lane->goal == NULL)
		return false;
	const struct fl_gtid_set *here = lane->position.gtids;
	if (here != NULL && !fl_gtid_set_covers(here, lane->goal) && uv_hrtime() < lane->goal_ends)
		return true;
	fl_gtid_set_destroy(lane->goal);
	lane->goal = NULL;
	return false;
}

void fl_lane_show_waiting(struct fl_lane *lane)
{
	fl_lane_count(lane);
	/* What waits for the rest of a transaction has not all there is. */
	if (fl_grouper_at_boundary(lane->grouper) &&
		atomic_load_explicit(&lane->waits_since, memory_order_relaxed) == 0 &&
		!lacks_goal(lane))
		atomic_store_explicit(&lane->waits_since, uv_hrtime(), memory_order_relaxed);
}
