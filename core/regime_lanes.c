/* SPDX-License-Identifier: Apache-2.0
 *
 * A regime's lanes: sinks are given seats, lanes that have come close to each other become one.
 */
#include "base/log.h"
#include "daemon.h"
#include "regime.h"

enum {
	SEATS_AFTER_MS = 1000, /* of waiting for a sink that can't be opened, or an earlier lane to
				  end: the others start without it */
	MERGE_DISTANCE = 1 << 20, /* bytes of binlog within which two lanes may become one */
};

/* Whether a lane of theirs may still have a session of this server_id: the source takes one. */
static bool is_taken(const struct fl_regime *earlier, uint32_t server_id)
{
	for (; earlier != NULL; earlier = earlier->next)
		for (size_t i = 0; i < earlier->lane_room; i++)
			if (earlier->lanes[i] != NULL && fl_lane_server_id(&earlier->config->source,
								 (unsigned)i) == server_id)
				return true;
	return false;
}

static struct fl_lane *open_lane(
	struct fl_regime *r, const struct fl_regime *earlier, const struct fl_position *from)
{
	for (size_t i = 0; i < r->lane_room; i++) {
		uint32_t const id = fl_lane_server_id(&r->config->source, (unsigned)i);
		if (r->lanes[i] != NULL || is_taken(earlier, id))
			continue;
		r->lanes[i] = fl_lane_create(&r->lane_config, (unsigned)i, from);
		return r->lanes[i];
	}
	return NULL;
}

void fl_regime_close_ended_lanes(struct fl_regime *r)
{
	for (size_t i = 0; i < r->lane_room; i++) {
		struct fl_lane_state state;
		if (r->lanes[i] == NULL)
			continue;
		fl_lane_state(r->lanes[i], &state);
		/* Its source may be idle: then it would find out late, and keep its place. */
		if (!state.ended && state.deserted)
			fl_lane_stop(r->lanes[i]);
		if (!state.ended)
			continue;
		/* A sink that halts because of files is not to blame for it. */
		if (state.refused && r->lane_config.files != NULL)
			r->code = FL_EXIT_SOURCE;
		fl_lane_destroy(r->lanes[i]);
		r->lanes[i] = NULL;
	}
}

bool fl_regime_has_lanes(const struct fl_regime *r)
{
	for (size_t i = 0; i < r->lane_room; i++)
		if (r->lanes[i] != NULL)
			return true;
	return false;
}

/* Gives every sink that waits a seat. Those at the same position share a lane. */
static int give_seats(struct fl_regime *r, const struct fl_regime *earlier)
{
	struct fl_lane *fresh[FL_MOST_SINKS];
	struct fl_buf places[FL_MOST_SINKS];
	size_t fresh_count = 0;
	int result = 0;
	struct fl_position wish = { 0 };

	for (size_t i = 0; i < r->config->sink_count; i++) {
		struct fl_worker *worker = r->sinks[i].worker;
		if (worker == NULL || fl_worker_state(worker) != FL_WORKER_WAITING ||
			fl_worker_wish(worker, &wish) != 0)
			continue;
		struct fl_buf place = { 0 };
		fl_position_format(&wish, &place);
		size_t same = 0;
		while (same < fresh_count &&
			(places[same].size != place.size ||
				memcmp(places[same].data, place.data, place.size) != 0))
			same++;
		if (same == fresh_count) {
			fresh[same] = open_lane(r, earlier, &wish);
			if (fresh[same] == NULL) {
				/* The next tick tries again: a lane that merges has still to end.
				 */
				fl_buf_finish(&place);
				continue;
			}
			places[fresh_count++] = place;
		} else {
			fl_buf_finish(&place);
		}
		struct fl_seat *seat = fl_seat_create(r->config->queue_bytes);
		if (seat == NULL || fl_lane_add(fresh[same], seat) != 0) {
			fl_seat_unref(seat);
			continue;
		}
		seat->lane = fl_lane_number(fresh[same]);
		fl_worker_seat(worker, seat);
	}
	for (size_t i = 0; i < fresh_count; i++) {
		struct fl_err err;
		if (fl_lane_start(fresh[i], &err) != 0) {
			fl_error(NULL, "%s", err.text);
			r->code = FL_EXIT_USAGE;
			result = -1;
		}
		fl_buf_finish(&places[i]);
	}
	fl_position_finish(&wish);
	return result;
}

static bool may_merge(const struct fl_regime *r, const struct fl_lane_state *from,
	const struct fl_lane_state *into)
{
	if (!from->placed || !into->placed || from->ended || into->ended || from->merging ||
		into->merging || from->seats == 0 || into->seats == 0 ||
		strcmp(from->identity, into->identity) != 0 || strcmp(from->file, into->file) != 0)
		return false;
	uint64_t distance = from->offset > into->offset ? from->offset - into->offset
							: into->offset - from->offset;
	return distance <= MERGE_DISTANCE && from->queued <= r->config->queue_bytes / 4 &&
	       (from->seats < into->seats ||
		       (from->seats == into->seats && from->number > into->number));
}

static void merge_lanes(struct fl_regime *r)
{
	for (size_t i = 0; i < r->lane_room; i++)
		for (size_t j = 0; j < r->lane_room; j++) {
			struct fl_lane_state from, into;
			if (i == j || r->lanes[i] == NULL || r->lanes[j] == NULL)
				continue;
			fl_lane_state(r->lanes[i], &from);
			fl_lane_state(r->lanes[j], &into);
			if (may_merge(r, &from, &into))
				fl_lane_merge(r->lanes[i], r->lanes[j], r->config->queue_bytes);
		}
}

/* Whether each sink has shown where it begins, or that it can't be reached for now: lanes are
 * opened for all of them together, so that those at the same place share one. */
static bool all_have_tried(const struct fl_regime *r)
{
	for (size_t i = 0; i < r->config->sink_count; i++) {
		struct fl_worker *worker = r->sinks[i].worker;
		if (worker == NULL || (fl_worker_state(worker) == FL_WORKER_OPENING &&
					      !fl_worker_has_tried(worker)))
			return false;
	}
	return true;
}

int fl_regime_seat(struct fl_regime *r, const struct fl_regime *earlier)
{
	bool lanes = false;
	for (const struct fl_regime *e = earlier; e != NULL; e = e->next)
		lanes |= fl_regime_has_lanes(e);
	r->seated = r->seated || (all_have_tried(r) && !lanes) ||
		    fl_regime_now() - r->in_force_at >= SEATS_AFTER_MS;
	int result = r->seated ? give_seats(r, earlier) : 0;
	merge_lanes(r);
	return result;
}
