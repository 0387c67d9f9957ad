/* SPDX-License-Identifier: Apache-2.0
 *
 * Which page is whose, and what no page is to see.
 */
#include "http/page.h"
#include "http/private.h"

#include <strings.h>

static const char text_type[] = "text/plain; charset=utf-8";
static const char json_type[] = "application/json";

void fl_buf_format(struct fl_buf *out, const char *format, ...)
{
	char text[512];
	va_list args;
	va_start(args, format);
	int const size = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (size > 0 && (size_t)size < sizeof(text)) {
		fl_buf_append(out, text, (size_t)size);
		return;
	}
	char *to = size > 0 ? fl_buf_reserve(out, (size_t)size + 1) : NULL;
	if (to == NULL)
		return;
	va_start(args, format);
	vsnprintf(to, (size_t)size + 1, format, args);
	va_end(args);
	out->size += (size_t)size;
}

void fl_reply_text(struct fl_reply *reply, unsigned status, const char *format, ...)
{
	char text[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	reply->status = status;
	reply->type = text_type;
	fl_buf_text(&reply->body, text);
	fl_buf_char(&reply->body, '\n');
}

void fl_reply_error(struct fl_reply *reply, unsigned status, const char *format, ...)
{
	char text[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	reply->status = status;
	reply->type = json_type;
	fl_buf_clear(&reply->body);
	fl_buf_text(&reply->body, "{\"error\":");
	fl_json_write(text, &reply->body);
	fl_buf_text(&reply->body, "}\n");
}

/* ---- pages ---- */

static bool answer_health(struct fl_http *http, struct fl_request *request, struct fl_reply *reply)
{
	(void)http;
	(void)request;
	fl_reply_text(reply, MHD_HTTP_OK, "ok");
	return true;
}

/* A page of a snapshot. */
static bool show(struct fl_http *http, struct fl_reply *reply,
	void (*write)(const struct fl_snapshot *snapshot, struct fl_buf *out))
{
	struct fl_snapshot snapshot = { .pid = 0 };
	if (http->hooks.snapshot(http->hooks.ctx, &snapshot) == 0)
		write(&snapshot, &reply->body);
	else
		reply->body.failed = true;
	fl_arena_finish(&snapshot.arena);
	reply->status = MHD_HTTP_OK;
	return true;
}

static bool answer_metrics(struct fl_http *http, struct fl_request *request, struct fl_reply *reply)
{
	(void)request;
	reply->type = "text/plain; version=0.0.4; charset=utf-8";
	return show(http, reply, fl_metrics_write);
}

static bool answer_status(struct fl_http *http, struct fl_request *request, struct fl_reply *reply)
{
	(void)request;
	reply->type = json_type;
	return show(http, reply, fl_status_write);
}

/* A line for each sink that is not ready. */
static void write_unready(const struct fl_snapshot *snapshot, struct fl_buf *out)
{
	for (size_t i = 0; i < snapshot->sink_count; i++)
		if (snapshot->sinks[i].unready != NULL)
			fl_buf_format(out, "%s: %s\n", snapshot->sinks[i].name,
				snapshot->sinks[i].unready);
}

static bool answer_ready(struct fl_http *http, struct fl_request *request, struct fl_reply *reply)
{
	(void)request;
	reply->type = text_type;
	if (http->refusal != NULL) {
		fl_reply_text(reply, MHD_HTTP_SERVICE_UNAVAILABLE, "%s", http->refusal);
		return true;
	}
	show(http, reply, write_unready);
	if (reply->body.size > 0)
		reply->status = MHD_HTTP_SERVICE_UNAVAILABLE;
	else
		fl_reply_text(reply, MHD_HTTP_OK, "ready");
	return true;
}

static bool answer_page(struct fl_http *http, struct fl_request *request, struct fl_reply *reply)
{
	(void)http;
	(void)request;
	struct fl_bytes const page = fl_page_text();
	reply->status = MHD_HTTP_OK;
	reply->type = "text/html; charset=utf-8";
	reply->policy = fl_page_policy();
	fl_buf_append(&reply->body, page.data, page.size);
	return true;
}

static const struct fl_route routes[] = {
	{ "/", answer_page },
	{ "/health", answer_health },
	{ "/ready", answer_ready },
	{ "/status", answer_status },
	{ "/metrics", answer_metrics },
	{ "/wait", fl_wait_answer },
};

enum { ROUTES = sizeof(routes) / sizeof(routes[0]) };

static void not_found(struct fl_reply *reply)
{
	char paths[256] = "";
	for (size_t i = 0, at = 0; i < ROUTES; i++)
		at += (size_t)snprintf(
			paths + at, sizeof(paths) - at, "%s%s", i > 0 ? ", " : "", routes[i].path);
	fl_reply_error(reply, MHD_HTTP_NOT_FOUND, "there is no such page; there are %s", paths);
}

/* ---- what no page is to see ---- */

static const char *header(const struct fl_request *request, const char *name)
{
	return fl_mhd.lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

/* Some other site's page, in a browser on this machine, may have its name lead here. */
static bool is_of_another_site(const struct fl_http *http, const struct fl_request *request)
{
	const char *host = header(request, MHD_HTTP_HEADER_HOST);
	return !http->config.allow_remote && !http->address.is_unix && host != NULL &&
	       !fl_listen_is_own_host(http->listen, host);
}

static bool has_body(const struct fl_request *request)
{
	const char *length = header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
	return (length != NULL && strcmp(length, "0") != 0) ||
	       header(request, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
}

bool fl_routes_refuse(
	const struct fl_http *http, const struct fl_request *request, struct fl_reply *reply)
{
	if (strcmp(request->method, MHD_HTTP_METHOD_GET) != 0 &&
		strcmp(request->method, MHD_HTTP_METHOD_HEAD) != 0) {
		reply->allow = "GET, HEAD";
		fl_reply_error(
			reply, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD are answered");
		return true;
	}
	if (has_body(request)) {
		fl_reply_error(reply, MHD_HTTP_CONTENT_TOO_LARGE, "a request must have no body");
		return true;
	}
	if (is_of_another_site(http, request)) {
		fl_reply_error(reply, MHD_HTTP_FORBIDDEN,
			"the request's Host is none of localhost, 127.0.0.1 and [::1] "
			"(allow_remote = "
			"yes takes any)");
		return true;
	}
	return false;
}

bool fl_routes_answer(struct fl_http *http, struct fl_request *request, struct fl_reply *reply)
{
	for (size_t i = 0; i < ROUTES; i++)
		if (strcmp(routes[i].path, request->path) == 0)
			return routes[i].answer(http, request, reply);
	not_found(reply);
	return true;
}
