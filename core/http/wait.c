/* SPDX-License-Identifier: Apache-2.0
 *
 * /wait: answers once a position is settled. Nothing is polled: workers call when they have settled
 * something and anybody waits, and then each position is parsed once and held against all that is
 * waited for.
 */
#include "http/private.h"

#include <inttypes.h>

/* A sink's position, as it was parsed last. */
struct fl_known_sink {
	char name[sizeof(((struct fl_target *)NULL)->sink)];
	struct fl_http_sink sink; /* name: as above */
	struct fl_buf text;
	struct fl_position position;
	bool has_position;
};

static void finish_known(struct fl_known_sink *known)
{
	fl_buf_finish(&known->text);
	fl_position_finish(&known->position);
}

void fl_wait_finish(struct fl_http *http)
{
	for (size_t i = 0; i < http->known_room; i++)
		finish_known(&http->known[i]);
	free(http->known);
}

static bool make_room(struct fl_http *http)
{
	size_t const room = http->known_room + 8;
	struct fl_known_sink *known = realloc(http->known, room * sizeof(*known));
	if (known == NULL)
		return false;
	memset(known + http->known_room, 0, (room - http->known_room) * sizeof(*known));
	http->known = known;
	http->known_room = room;
	return true;
}

static void parse_known(struct fl_known_sink *known)
{
	struct fl_bytes const text = { known->text.data, known->text.size };
	struct fl_position position = { 0 };
	fl_position_finish(&known->position);
	known->has_position = text.size > 0 && fl_position_parse(text, &position, NULL) == 0;
	if (known->has_position)
		known->position = position;
}

/* Asks for all sinks' positions; what has not changed is not parsed again. */
static void learn(struct fl_http *http)
{
	struct fl_buf text = { 0 };
	size_t i = 0;
	http->knows_all = true;
	for (struct fl_http_sink sink; http->hooks.sink(http->hooks.ctx, i, &sink, &text); i++) {
		http->knows_all = i < http->known_room || make_room(http);
		if (!http->knows_all)
			break;
		struct fl_known_sink *known = &http->known[i];
		snprintf(known->name, sizeof(known->name), "%s", sink.name);
		known->sink = sink;
		known->sink.name = known->name;
		if (text.size != known->text.size || text.failed ||
			(text.size > 0 && memcmp(text.data, known->text.data, text.size) != 0)) {
			struct fl_buf const old = known->text;
			known->text = text;
			text = old;
			parse_known(known);
		}
		fl_buf_clear(&text);
	}
	http->known_count = i;
	http->flavour = http->hooks.flavour(http->hooks.ctx);
	fl_buf_finish(&text);
}

/* ---- answers ---- */

static bool is_meant(const struct fl_target *target, const struct fl_known_sink *known)
{
	return target->sink[0] == '\0' || strcmp(target->sink, known->name) == 0;
}

static void write_position(const struct fl_known_sink *known, struct fl_buf *out)
{
	const struct fl_position *position = &known->position;
	if (!known->has_position) {
		fl_buf_text(out, "null");
		return;
	}
	fl_buf_text(out, "{\"file\":");
	fl_json_write(position->file, out);
	fl_buf_format(out, ",\"offset\":%" PRIu64 ",\"gtids\":", position->offset);
	if (position->gtids != NULL) {
		fl_buf_char(out, '"');
		fl_gtid_set_format(position->gtids, out);
		fl_buf_text(out, "\"}");
	} else {
		fl_buf_text(out, "null}");
	}
}

static void write_answer(const struct fl_http *http, const struct fl_request *request,
	unsigned status, struct fl_reply *reply)
{
	bool is_first = true;
	reply->status = status;
	reply->type = "application/json";
	fl_buf_format(&reply->body, "{\"applied\":%s,\"waited_ms\":%.3f,\"sinks\":[",
		status == MHD_HTTP_OK ? "true" : "false",
		(double)(uv_hrtime() - request->since) / 1e6);
	for (size_t i = 0; i < http->known_count; i++) {
		const struct fl_known_sink *known = &http->known[i];
		if (!is_meant(&request->target, known))
			continue;
		fl_buf_text(&reply->body, is_first ? "{\"name\":" : ",{\"name\":");
		fl_json_write(known->name, &reply->body);
		fl_buf_text(&reply->body, ",\"position\":");
		write_position(known, &reply->body);
		fl_buf_char(&reply->body, '}');
		is_first = false;
	}
	fl_buf_text(&reply->body, "]}\n");
}

static void no_such_sink(const struct fl_http *http, const char *name, struct fl_reply *reply)
{
	struct fl_buf names = { 0 };
	for (size_t i = 0; i < http->known_count; i++) {
		fl_buf_text(&names, i > 0 ? ", " : "");
		fl_buf_text(&names, http->known[i].name);
	}
	fl_buf_char(&names, '\0');
	fl_reply_error(reply, MHD_HTTP_NOT_FOUND, "there is no sink %s; there are %s", name,
		names.failed ? "others" : names.data);
	fl_buf_finish(&names);
}

/* Whether there is an answer by now. */
static bool judge(
	const struct fl_http *http, const struct fl_request *request, struct fl_reply *reply)
{
	const struct fl_target *target = &request->target;
	struct fl_err err;
	size_t meant = 0, reached = 0;
	if (!http->knows_all) {
		fl_reply_error(reply, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
		return true;
	}
	for (size_t i = 0; i < http->known_count; i++) {
		const struct fl_known_sink *known = &http->known[i];
		if (!is_meant(target, known))
			continue;
		meant++;
		if (known->has_position &&
			fl_target_fits(target, &known->position, http->flavour, &err) != 0) {
			fl_reply_error(reply, MHD_HTTP_BAD_REQUEST, "%s", err.text);
			return true;
		}
		bool const has = known->sink.is_known && known->has_position &&
				 fl_target_is_reached(target, &known->position, known->sink.server);
		if (known->sink.has_halted || (!has && !known->sink.can_move)) {
			fl_reply_error(reply, MHD_HTTP_SERVICE_UNAVAILABLE, "%s has %s",
				known->name, known->sink.has_halted ? "halted" : "ended");
			return true;
		}
		reached += has;
	}
	if (meant == 0)
		no_such_sink(http, target->sink, reply);
	else if (reached == meant)
		write_answer(http, request, MHD_HTTP_OK, reply);
	return meant == 0 || reached == meant;
}

/* ---- waiting ---- */

static void on_alarm(uv_timer_t *timer)
{
	fl_wait_look(timer->data);
}

static void set_alarm(struct fl_http *http)
{
	uint64_t first = UINT64_MAX;
	for (struct fl_request *r = http->waiting; r != NULL; r = r->next)
		first = r->deadline < first ? r->deadline : first;
	if (http->waiting == NULL) {
		uv_timer_stop(&http->alarm);
		return;
	}
	/* The loop's idea of now is a little old, so that it might fire too early. */
	uv_update_time(http->loop);
	uint64_t const now = uv_hrtime();
	uv_timer_start(&http->alarm, on_alarm, first > now ? (first - now) / 1000000 + 1 : 0, 0);
}

static void enlist(struct fl_http *http, struct fl_request *request)
{
	request->next = http->waiting;
	request->place = &http->waiting;
	if (http->waiting != NULL)
		http->waiting->place = &request->next;
	http->waiting = request;
	http->hooks.waiting(http->hooks.ctx, ++http->waiting_count);
}

void fl_wait_forget(struct fl_request *request)
{
	struct fl_http *http = request->http;
	fl_target_finish(&request->target);
	if (request->place == NULL)
		return;
	*request->place = request->next;
	if (request->next != NULL)
		request->next->place = request->place;
	request->next = NULL;
	request->place = NULL;
	http->hooks.waiting(http->hooks.ctx, --http->waiting_count);
}

struct taking {
	struct fl_target_query query;
	struct fl_err err;
	int result;
};

static enum MHD_Result take_parameter(void *ctx, enum MHD_ValueKind kind, const char *key,
	size_t key_size, const char *value, size_t value_size)
{
	struct taking *taking = ctx;
	(void)kind;
	if (taking->result == 0)
		taking->result = fl_target_take(&taking->query, (struct fl_bytes){ key, key_size },
			(struct fl_bytes){ value, value != NULL ? value_size : 0 }, &taking->err);
	return MHD_YES;
}

/* What it asks for. False: the reply says what is wrong. */
static bool read_target(struct fl_request *request, struct fl_reply *reply)
{
	struct taking taking = { .result = 0 };
	fl_mhd.get_connection_values_n(
		request->connection, MHD_GET_ARGUMENT_KIND, take_parameter, &taking);
	if (taking.result == 0)
		taking.result = fl_target_check(&taking.query, &taking.err);
	request->target = taking.query.target;
	request->target.timeout_ms = fl_target_timeout_ms(&taking.query);
	if (taking.result != 0)
		fl_reply_error(reply,
			taking.result == FL_EINVAL ? MHD_HTTP_BAD_REQUEST
						   : MHD_HTTP_SERVICE_UNAVAILABLE,
			"%s", taking.err.text);
	return taking.result == 0;
}

bool fl_wait_answer(struct fl_http *http, struct fl_request *request, struct fl_reply *reply)
{
	unsigned const most = http->config.max_connections;
	bool answered = true;
	if (http->refusal != NULL) {
		fl_reply_error(reply, MHD_HTTP_SERVICE_UNAVAILABLE, "%s", http->refusal);
		return true;
	}
	if (!read_target(request, reply))
		return true;
	request->since = uv_hrtime();
	request->deadline = request->since + (uint64_t)request->target.timeout_ms * 1000000;
	/* From here on nothing is settled without a word. */
	enlist(http, request);
	learn(http);
	if (judge(http, request, reply))
		;
	else if (request->target.timeout_ms == 0)
		write_answer(http, request, MHD_HTTP_REQUEST_TIMEOUT, reply);
	/* Others are to find a connection, to ask how it is. */
	else if (http->waiting_count > most - most / 8)
		fl_reply_error(reply, MHD_HTTP_SERVICE_UNAVAILABLE,
			"%zu wait already: [http] max_connections says how many may",
			http->waiting_count - 1);
	else
		answered = false;
	if (answered)
		fl_wait_forget(request);
	else
		set_alarm(http);
	return answered;
}

void fl_wait_look(struct fl_http *http)
{
	bool sent = false;
	if (http->waiting == NULL)
		return;
	learn(http);
	uint64_t const now = uv_hrtime();
	for (struct fl_request *r = http->waiting, *next; r != NULL; r = next) {
		struct fl_reply reply = { 0 };
		next = r->next;
		if (http->refusal != NULL)
			fl_reply_error(&reply, MHD_HTTP_SERVICE_UNAVAILABLE, "%s", http->refusal);
		else if (!judge(http, r, &reply) && now >= r->deadline)
			write_answer(http, r, MHD_HTTP_REQUEST_TIMEOUT, &reply);
		if (reply.status == 0)
			continue;
		fl_wait_forget(r);
		fl_http_send(r, &reply);
		sent = true;
	}
	set_alarm(http);
	if (sent)
		fl_http_run(http);
}
