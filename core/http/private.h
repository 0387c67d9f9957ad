/* SPDX-License-Identifier: Apache-2.0
 *
 * The server's insides, shared by server.c (the library and the loop), routes.c (which page is
 * whose), the pages (status.c, metrics.c), wait.c and wait_query.c. Main thread.
 */
#ifndef FL_HTTP_PRIVATE_H
#define FL_HTTP_PRIVATE_H

#include "binlog/position.h"
#include "http/http.h"
#include "http/library.h"

/* ---- answers ---- */

struct fl_reply {
	unsigned status;
	const char *type;   /* Content-Type */
	const char *policy; /* Content-Security-Policy; NULL: none of that needed */
	const char *allow;  /* methods; NULL: the request's is one of them */
	struct fl_buf body;
};

/* Fills a reply of a text, or of an object with one member, "error". */
void fl_reply_text(struct fl_reply *reply, unsigned status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void fl_reply_error(struct fl_reply *reply, unsigned status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

struct fl_http;
struct fl_request;

struct fl_route {
	const char *path;
	/* Fills the reply. False: there is none yet, the request waits. */
	bool (*answer)(struct fl_http *http, struct fl_request *request, struct fl_reply *reply);
};

/* routes.c: what becomes of a request, for whichever path. `refuse` looks at its headers alone:
 * whether it is to be answered at once. */
bool fl_routes_refuse(
	const struct fl_http *http, const struct fl_request *request, struct fl_reply *reply);
bool fl_routes_answer(struct fl_http *http, struct fl_request *request, struct fl_reply *reply);

/* Pages of a snapshot. */
void fl_metrics_write(const struct fl_snapshot *snapshot, struct fl_buf *out);
void fl_status_write(const struct fl_snapshot *snapshot, struct fl_buf *out);
/* {"file":...,"offset":...,"gtids":...}, or null. */
void fl_place_write(const struct fl_snapshot_place *place, struct fl_buf *out);
/* Appends a text as JSON, or null; and formatted text as it is. */
void fl_json_write(const char *text, struct fl_buf *out);
void fl_buf_format(struct fl_buf *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- who waits ---- */

/* What a request waits for. */
struct fl_target {
	struct fl_gtid_set *gtids; /* NULL: a place */
	char file[FL_FILE_NAME_SIZE];
	uint64_t offset;
	char sink[33]; /* "": all of them */
	unsigned timeout_ms;
};

/* wait_query.c: pure; the only thing of a request that is parsed here and not by the library.
 * `take` adds one parameter, its value NULL where there is none; `check` looks at all of them. 0 or
 * FL_EINVAL: the text says what is allowed; or FL_ENOMEM. */
struct fl_target_query {
	struct fl_target target; /* to be finished in any case */
	bool has_gtid, has_place, has_sink, has_timeout;
};
int fl_target_take(struct fl_target_query *query, struct fl_bytes name, struct fl_bytes value,
	struct fl_err *err);
int fl_target_check(const struct fl_target_query *query, struct fl_err *err);
unsigned fl_target_timeout_ms(const struct fl_target_query *query);
void fl_target_finish(struct fl_target *target);
/* Whether it can be told of that position: 0, or FL_EINVAL and why not. */
int fl_target_fits(const struct fl_target *target, const struct fl_position *position,
	const char *flavour, struct fl_err *err);
/* `server`: that the changes come from now. A place is another one's than the position's as long as
 * that one has sent nothing. */
bool fl_target_is_reached(
	const struct fl_target *target, const struct fl_position *position, const char *server);

/* A request, for as long as it lasts. */
struct fl_request {
	struct fl_http *http;
	struct MHD_Connection *connection;
	struct fl_connection *on;
	const char *method, *path;

	/* While it waits, in http->waiting. */
	struct fl_request *next, **place;
	struct fl_target target;
	uint64_t since, deadline; /* uv_hrtime */
};

/* wait.c */

bool fl_wait_answer(struct fl_http *http, struct fl_request *request, struct fl_reply *reply);
/* Looks at all who wait: who has it, or has waited for long enough, or in vain. */
void fl_wait_look(struct fl_http *http);
/* `request` waits no more, for whatever reason. */
void fl_wait_forget(struct fl_request *request);
/* Memory of its own. */
struct fl_known_sink;
void fl_wait_finish(struct fl_http *http);

/* ---- the server ---- */

struct fl_connection {
	struct fl_connection *next, **place;
	int fd;
	uint64_t deadline; /* uv_hrtime, of what it is at: to ask, or to take an answer; 0: none */
	struct fl_request *request; /* under way */
	bool is_cut;
};

struct fl_http {
	uv_loop_t *loop;
	char *listen;
	struct fl_http_config config; /* listen: as above */
	struct fl_listen address;
	struct fl_http_hooks hooks;
	struct MHD_Daemon *mhd;
	uv_poll_t poll;	  /* the library's sockets, all in one epoll descriptor */
	uv_timer_t timer; /* when the library wants to be run though nothing has come */
	uv_timer_t sweep; /* for deadlines of connections, while there are any */
	uv_timer_t alarm; /* the first deadline of those who wait */
	unsigned open_handles;
	struct fl_connection *connections;
	bool has_closed; /* a connection, lately */

	const char *refusal; /* why nobody may wait; NULL: they may */
	struct fl_request *waiting;
	size_t waiting_count;
	struct fl_known_sink *known; /* the sinks' positions, as they were parsed last */
	size_t known_count, known_room;
	bool knows_all;	     /* there was memory for all of them */
	const char *flavour; /* of the source, at that time; NULL: not known */
};

/* server.c: sends a reply to a request that waits. */
void fl_http_send(struct fl_request *request, struct fl_reply *reply);
/* Has the library do what is to be done. */
void fl_http_run(struct fl_http *http);

#endif
