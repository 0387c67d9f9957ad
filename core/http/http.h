/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP: what the daemon tells of itself, and waiting for a position. Runs on the main thread's
 * libuv loop without threads of its own; nothing here blocks, and all of it is bounded:
 * connections, what a request may take, how long it may take, and who waits.
 *
 * Owned by the daemon's observer, main thread.
 */
#ifndef FL_HTTP_H
#define FL_HTTP_H

#include <uv.h>

#include "binlog/position.h"
#include "http/listen.h"
#include "http/snapshot.h"

/* A sink, as one who waits for its position sees it. */
struct fl_http_sink {
	const char *name;
	char server[FL_SERVER_NAME_SIZE]; /* that it is sent its changes by; "": not known */
	bool can_move;	 /* it is at work, or will be: what it has not it may get */
	bool has_halted; /* for good */
	bool is_known;	 /* its cache can be reached, and has what the position says */
};

/* What is asked of the daemon. All on the main thread. */
struct fl_http_hooks {
	void *ctx;
	/* Fills an empty one, whose arena is the caller's to be finished in any case. 0 or
	 * FL_ENOMEM. */
	int (*snapshot)(void *ctx, struct fl_snapshot *ret);
	/* The index-th sink of the configuration in force, appending its settled position, as
	 * fl_position_parse() reads it, to `position`. False: there are no more. */
	bool (*sink)(void *ctx, size_t index, struct fl_http_sink *ret, struct fl_buf *position);
	/* "mariadb" or "mysql"; NULL: not known yet. */
	const char *(*flavour)(void *ctx);
	/* So many wait from now on: as long as there are any, fl_http_settled() is to be called
	 * whenever a sink has settled something. */
	void (*waiting)(void *ctx, size_t count);
};

struct fl_http;

/* Binds a socket, the caller's, and does not listen yet: who connects is refused, and another one
 * may be bound to the same address, as long as nobody listens there. Where `current` (may be NULL)
 * listens already it is one more of the same. 0 or FL_EIO. */
int fl_http_bind(const struct fl_http_config *config, const struct fl_http *current, int *ret,
	struct fl_err *err);

/* Listens and answers at a socket of fl_http_bind(), which it takes over, also on failure. NULL and
 * why. */
struct fl_http *fl_http_create(uv_loop_t *loop, const struct fl_http_config *config, int fd,
	const struct fl_http_hooks *hooks, struct fl_err *err);

/* Whether it is what this section asks for; what does not concern connections does not count. */
bool fl_http_serves(const struct fl_http *http, const struct fl_http_config *config);

/* Whether it listens at that place. */
bool fl_http_listens_at(const struct fl_http *http, const char *listen);

/* A position has been settled, or a sink's state has changed: looks who has waited for it. */
void fl_http_settled(struct fl_http *http); /* takes NULL */

/* From now on nobody waits, and who does is told why not. */
void fl_http_refuse(struct fl_http *http, const char *why); /* takes NULL */

/* Answers who waits, closes all connections, and frees it once the loop has run. `keeps_path`: its
 * unix socket's path is another one's now. */
void fl_http_destroy(struct fl_http *http, bool keeps_path); /* takes NULL */

#endif
