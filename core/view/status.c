/* SPDX-License-Identifier: Apache-2.0
 *
 * A daemon's /status, read.
 */
#include <json-c/json.h>

#include "view/private.h"

static struct json_object *member(struct json_object *object, const char *name, json_type type)
{
	struct json_object *found = NULL;
	if (!json_object_is_type(object, json_type_object) ||
		!json_object_object_get_ex(object, name, &found) ||
		!json_object_is_type(found, type))
		return NULL;
	return found;
}

static const char *text(struct json_object *object, const char *name)
{
	struct json_object *found = member(object, name, json_type_string);
	return found != NULL ? json_object_get_string(found) : "";
}

static int64_t integer(struct json_object *object, const char *name)
{
	struct json_object *found = member(object, name, json_type_int);
	return found != NULL ? json_object_get_int64(found) : 0;
}

static double number(struct json_object *object, const char *name, double without)
{
	struct json_object *found = member(object, name, json_type_double);
	if (found == NULL)
		found = member(object, name, json_type_int);
	return found != NULL ? json_object_get_double(found) : without;
}

static bool flag(struct json_object *object, const char *name)
{
	struct json_object *found = member(object, name, json_type_boolean);
	return found != NULL && json_object_get_boolean(found);
}

static struct fl_status_place place(struct json_object *object)
{
	struct json_object *p = member(object, "position", json_type_object);
	return (struct fl_status_place){
		.file = text(p, "file"), .gtids = text(p, "gtids"), .offset = integer(p, "offset")
	};
}

static void read_sink(struct json_object *from, struct fl_status_sink *sink)
{
	struct json_object *latency = member(from, "latency", json_type_object);
	struct json_object *error = member(from, "last_error", json_type_object);
	bool const any = integer(latency, "count") > 0;
	*sink = (struct fl_status_sink){ .name = text(from, "name"),
		.plugin = text(from, "plugin"),
		.state = text(from, "state"),
		.ready = flag(from, "ready"),
		.lane = member(from, "lane", json_type_int) ? integer(from, "lane") : -1,
		.position = place(from),
		.unready = text(from, "unready"),
		.operations = integer(from, "operations"),
		.changes = integer(from, "changes"),
		.retries = integer(from, "retries"),
		.doubts = integer(from, "doubts"),
		.queue_bytes = integer(from, "queue_bytes"),
		.queue_limit = integer(from, "queue_limit"),
		.lag = number(from, "lag", -1),
		.p50 = any ? number(latency, "p50", -1) : -1,
		.p99 = any ? number(latency, "p99", -1) : -1,
		.error_time = error != NULL ? number(error, "time", 0) : 0,
		.error = text(error, "text") };
}

static void read_source(struct json_object *from, struct fl_status *status)
{
	status->source.name = text(from, "name");
	status->source.flavour = text(from, "flavour");
	status->source.version = text(from, "version");
	status->source.connected = flag(from, "connected");
	status->source.position = place(from);
	status->source.events = integer(from, "events");
	status->source.transactions = integer(from, "transactions");
	status->source.rows = integer(from, "rows");
	status->source.bytes = integer(from, "bytes");
	status->source.reconnects = integer(from, "reconnects");
	status->source.since_last_event = number(from, "since_last_event", -1);
}

/* JSON has no raw control characters but white space; a terminal must not get any. */
static bool has_controls(const char *at, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (((unsigned char)at[i] < 0x20 && strchr("\t\n\r", at[i]) == NULL) ||
			at[i] == '\0' || at[i] == 0x7f)
			return true;
	return false;
}

int fl_status_parse(const char *from, size_t size, struct fl_status **ret, struct fl_err *err)
{
	static const char *const needed[] = { "ready", "source", "sinks" };
	struct json_object *json = NULL;
	if (!has_controls(from, size) && size <= INT32_MAX) {
		struct json_tokener *tokener = json_tokener_new();
		if (tokener == NULL)
			return fl_err_set(err, FL_ENOMEM, "out of memory");
		json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
		json = json_tokener_parse_ex(tokener, from, (int)size);
		if (json_tokener_get_error(tokener) != json_tokener_success) {
			json_object_put(json);
			json = NULL;
		}
		json_tokener_free(tokener);
	}
	struct fl_status *status = calloc(1, sizeof(*status));
	if (status == NULL)
		goto no_memory;
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		if (!json_object_is_type(json, json_type_object) ||
			!json_object_object_get_ex(json, needed[i], NULL)) {
			free(status);
			json_object_put(json);
			return fl_err_set(
				err, FL_ECORRUPT, "the answer is not the status of a fastlane");
		}
	status->json = json;
	status->version = text(json, "version");
	status->config = text(json, "config");
	status->pid = integer(json, "pid");
	status->reloads = integer(json, "reloads");
	status->ready = flag(json, "ready");
	status->started = number(json, "started", 0);
	status->uptime = number(json, "uptime", 0);
	status->max_lag = number(json, "max_lag", -1);
	read_source(member(json, "source", json_type_object), status);
	struct json_object *lanes = member(json, "lanes", json_type_array);
	status->lane_count = lanes != NULL ? json_object_array_length(lanes) : 0;
	struct json_object *sinks = member(json, "sinks", json_type_array);
	status->sink_count = sinks != NULL ? json_object_array_length(sinks) : 0;
	status->sinks = calloc(status->sink_count + 1, sizeof(*status->sinks));
	if (status->sinks == NULL)
		goto no_memory;
	for (size_t i = 0; i < status->sink_count; i++)
		read_sink(json_object_array_get_idx(sinks, i), &status->sinks[i]);
	*ret = status;
	return 0;
no_memory:
	free(status);
	json_object_put(json);
	return fl_err_set(err, FL_ENOMEM, "out of memory");
}

void fl_status_destroy(struct fl_status *status)
{
	if (status == NULL)
		return;
	json_object_put(status->json);
	free(status->sinks);
	free(status);
}

const struct fl_status_sink *fl_status_sink(const struct fl_status *status, const char *name)
{
	for (size_t i = 0; i < status->sink_count; i++)
		if (strcmp(status->sinks[i].name, name) == 0)
			return &status->sinks[i];
	return NULL;
}
