/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading from before the position: for the rows of XA transactions that were prepared there. What
 * the sinks have already is passed over.
 */
#include "base/log.h"
#include "lane/private.h"

static bool goes_by_gtids(const struct fl_lane *lane)
{
	return !lane->replay_by_place && lane->position.gtids != NULL;
}

/* Whether the sinks have the transaction already. */
static bool is_behind(const struct fl_lane *lane, const struct fl_txn *txn)
{
	const struct fl_position *position = &lane->position;
	if (goes_by_gtids(lane) && txn->gtid.kind != FL_GTID_NONE)
		return fl_gtid_set_contains(position->gtids, &txn->gtid);
	return fl_binlog_compare(txn->view.file.data, txn->view.position, position->file,
		       position->offset) <= 0;
}

int fl_lane_pass_over(struct fl_lane *lane, const struct fl_txn *txn)
{
	if (is_behind(lane, txn)) {
		int result = fl_txn_advance(txn, &lane->replay);
		return result != 0 ? result : 1;
	}
	if (goes_by_gtids(lane) && txn->is_place)
		return 1;
	/* A server that was promoted may have some of them behind what is new: in another domain,
	 * or applied in parallel. */
	if (goes_by_gtids(lane) && txn->gtid.kind != FL_GTID_NONE && lane->replay.gtids != NULL &&
		!fl_gtid_set_covers(lane->replay.gtids, lane->position.gtids))
		return fl_txn_advance(txn, &lane->replay);
	lane->placed |= !goes_by_gtids(lane);
	lane->replaying = false;
	fl_position_finish(&lane->replay);
	return 0;
}

int fl_lane_prepare_replay(struct fl_lane *lane, struct fl_session *session, struct fl_err *err)
{
	int result = fl_session_is_at(session, &lane->position, err);
	lane->replay_by_place = result == 1;
	return result < 0 ? result : 0;
}

void fl_lane_give_up_replay(struct fl_lane *lane, const struct fl_err *err)
{
	fl_warn(NULL,
		"the rows of XA transactions that were prepared earlier can't be read again, and "
		"their XA COMMIT will be a doubt: %s",
		err->text);
	lane->replaying = false;
	fl_position_finish(&lane->replay);
	/* They may have been decided, and their names used again, in what is left out. */
	fl_grouper_forget_prepared(lane->grouper);
}
