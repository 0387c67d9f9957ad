/* SPDX-License-Identifier: Apache-2.0 */
#include "lane/private.h"

static struct fl_meeting *meeting_create(void)
{
	struct fl_meeting *meeting = calloc(1, sizeof(*meeting));
	if (meeting == NULL)
		return NULL;
	if (uv_mutex_init(&meeting->mutex) != 0) {
		free(meeting);
		return NULL;
	}
	atomic_init(&meeting->references, 2);
	return meeting;
}

void fl_meeting_unref(struct fl_meeting *meeting)
{
	if (meeting == NULL || atomic_fetch_sub(&meeting->references, 1) != 1)
		return;
	uv_mutex_destroy(&meeting->mutex);
	fl_gtid_set_destroy(meeting->gtids);
	free(meeting);
}

uint32_t fl_lane_server_id(const struct fl_source_config *source, unsigned number)
{
	return (source->server_id - 1 + number) % UINT32_MAX + 1;
}

struct fl_lane *fl_lane_create(
	const struct fl_lane_config *config, unsigned number, const struct fl_position *from)
{
	struct fl_lane *lane = calloc(1, sizeof(*lane));
	if (lane == NULL)
		return NULL;
	lane->config = config;
	lane->number = lane->state.number = number;
	memcpy(lane->state.file, from->file, sizeof(lane->state.file));
	lane->state.offset = from->offset;
	if (fl_position_copy(from, &lane->position) != 0)
		goto no_position;
	lane->host = config->hosts != NULL ? fl_hosts_current(config->hosts) : 0;
	lane->refusals = calloc(config->source->host_count + 1, sizeof(*lane->refusals));
	if (lane->refusals == NULL)
		goto no_mutex;
	lane->replaying = from->held != NULL;
	if (lane->replaying && fl_held_position(from->held, &lane->replay) != 0)
		goto no_mutex;
	if (uv_mutex_init(&lane->mutex) != 0)
		goto no_mutex;
	if (uv_cond_init(&lane->wake) != 0)
		goto no_cond;
	return lane;
no_cond:
	uv_mutex_destroy(&lane->mutex);
no_mutex:
	free(lane->refusals);
	fl_position_finish(&lane->position);
	fl_position_finish(&lane->replay);
no_position:
	free(lane);
	return NULL;
}

unsigned fl_lane_number(const struct fl_lane *lane)
{
	return lane->number;
}

int fl_lane_add(struct fl_lane *lane, struct fl_seat *seat)
{
	if (lane->seat_count == lane->seat_room) {
		size_t room = lane->seat_room + 4;
		struct fl_seat **seats = realloc(lane->seats, room * sizeof(struct fl_seat *));
		if (seats == NULL)
			return FL_ENOMEM;
		lane->seats = seats;
		lane->seat_room = room;
	}
	lane->seats[lane->seat_count++] = fl_seat_ref(seat);
	return 0;
}

int fl_lane_start(struct fl_lane *lane, struct fl_err *err)
{
	int result = uv_thread_create(&lane->thread, fl_lane_run, lane);
	if (result != 0)
		return fl_err_set(err, FL_EFATAL, "no thread for a lane: %s", uv_strerror(result));
	lane->started = true;
	return 0;
}

void fl_lane_stop(struct fl_lane *lane)
{
	atomic_store(&lane->stop, true);
	uv_mutex_lock(&lane->mutex);
	if (lane->session != NULL)
		fl_session_wake(lane->session);
	for (size_t i = 0; i < lane->seat_count; i++)
		fl_queue_close(lane->seats[i]->queue);
	uv_cond_signal(&lane->wake);
	uv_mutex_unlock(&lane->mutex);
}

void fl_lane_leave(struct fl_lane *lane)
{
	uv_mutex_lock(&lane->mutex);
	bool const later = lane->in_parts;
	atomic_store(later ? &lane->leaving : &lane->stop, true);
	uv_mutex_unlock(&lane->mutex);
	if (!later)
		fl_lane_stop(lane);
}

void fl_lane_destroy(struct fl_lane *lane)
{
	if (lane == NULL)
		return;
	if (lane->started)
		uv_thread_join(&lane->thread);
	for (size_t i = 0; i < lane->seat_count; i++)
		fl_seat_unref(lane->seats[i]);
	free(lane->seats);
	for (size_t i = 0; i < lane->joining_count; i++)
		fl_seat_unref(lane->joining[i]);
	free(lane->joining);
	free(lane->refusals);
	fl_meeting_unref(lane->host_meeting);
	fl_meeting_unref(lane->guest_meeting);
	fl_position_finish(&lane->position);
	fl_position_finish(&lane->replay);
	fl_position_finish(&lane->read);
	fl_gtid_set_destroy(lane->goal);
	uv_cond_destroy(&lane->wake);
	uv_mutex_destroy(&lane->mutex);
	free(lane);
}

void fl_lane_state(struct fl_lane *lane, struct fl_lane_state *ret)
{
	uv_mutex_lock(&lane->mutex);
	*ret = lane->state;
	uint64_t const since = atomic_load(&lane->waits_since);
	uint64_t const within = atomic_load(&lane->within_since);
	uint64_t const now = uv_hrtime(), until = within != 0 ? within : now;
	ret->is_well = atomic_load(&lane->is_well_now);
	ret->heard_us = atomic_load(&lane->heard_us);
	ret->delivered_us = atomic_load(&lane->delivered_us);
	ret->waits_ms = since != 0 && until > since ? (until - since) / 1000000 : 0;
	ret->within_us = within != 0 ? (int64_t)(now - within) / 1000 + 1 : 0;
	ret->seats = lane->seat_count;
	ret->merging = lane->host_meeting != NULL || lane->guest_meeting != NULL;
	ret->queued = 0;
	ret->deserted = lane->started && lane->joining_count == 0;
	for (size_t i = 0; i < lane->seat_count; i++) {
		ret->deserted &= fl_queue_is_closed(lane->seats[i]->queue);
		size_t queued = fl_queue_bytes(lane->seats[i]->queue);
		ret->queued = queued > ret->queued ? queued : ret->queued;
	}
	uv_mutex_unlock(&lane->mutex);
}

/* Gives each seat of the lane a next one in the other and returns them, with a reference each. NULL
 * when memory runs out. The lane's mutex is held. */
static struct fl_seat **make_next_seats(
	struct fl_lane *lane, const struct fl_lane *into, size_t queue_bytes)
{
	struct fl_seat **seats = calloc(lane->seat_count + 1, sizeof(struct fl_seat *));
	for (size_t i = 0; seats != NULL && i < lane->seat_count; i++) {
		struct fl_seat *next = fl_seat_create(queue_bytes);
		if (next == NULL) {
			while (i-- > 0)
				fl_seat_unref(seats[i]);
			free(seats);
			return NULL;
		}
		/* An earlier meeting that came to nothing may have left one. */
		if (lane->seats[i]->next != NULL)
			fl_seat_abandon(lane->seats[i]->next);
		fl_seat_unref(lane->seats[i]->next);
		next->lane = into->number;
		lane->seats[i]->next = next;
		seats[i] = fl_seat_ref(next);
	}
	return seats;
}

int fl_lane_merge(struct fl_lane *from, struct fl_lane *into, size_t queue_bytes)
{
	struct fl_meeting *meeting = meeting_create();
	if (meeting == NULL)
		return FL_ENOMEM;
	uv_mutex_lock(&from->mutex);
	size_t count = from->seat_count;
	struct fl_seat **joining = make_next_seats(from, into, queue_bytes);
	if (joining != NULL) {
		from->guest_meeting = meeting;
		atomic_store(&from->attention, true);
	}
	uv_mutex_unlock(&from->mutex);
	if (joining == NULL) {
		fl_meeting_unref(meeting);
		fl_meeting_unref(meeting);
		return FL_ENOMEM;
	}

	uv_mutex_lock(&into->mutex);
	into->joining = joining;
	into->joining_count = count;
	into->host_meeting = meeting;
	atomic_store(&into->attention, true);
	/* A lane that has ended takes nobody in any more. */
	bool too_late = into->state.ended;
	uv_mutex_unlock(&into->mutex);
	if (too_late) {
		uv_mutex_lock(&meeting->mutex);
		meeting->failed = true;
		uv_mutex_unlock(&meeting->mutex);
	}
	return 0;
}
