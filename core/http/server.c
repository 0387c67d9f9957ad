/* SPDX-License-Identifier: Apache-2.0
 *
 * The library's server in our loop: it has one epoll descriptor for all of its sockets, which the
 * loop watches; it is run when that has something, and when it asks for it. It cuts who does
 * nothing, but not who does little at a time, so deadlines are kept here.
 */
#include "http/private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	MEMORY_PER_CONNECTION = 32 << 10, /* request line and headers; what is larger is refused */
	SWEEP_MS = 250,
	LAST_RUNS =
		8, /* of the library, for answers to be sent at the end: they fit into sockets */
};

/* ---- listening ---- */

static int failed(const char *listen, int error, struct fl_err *err)
{
	if (error == ENOTSOCK)
		return fl_err_set(err, FL_EIO,
			"[http] listen = %s: there is something else than a socket: remove it, or "
			"give another path",
			listen);
	return fl_err_set(err, FL_EIO, "[http] listen = %s: can't be listened at: %s%s", listen,
		strerror(error),
		error == EADDRINUSE ? " by another program: give one of the two another port" : "");
}

/* Whether a socket's path is one that nobody listens at any more. */
static bool is_stale(const struct fl_listen *listen)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	bool const stale =
		connect(fd, (const struct sockaddr *)&listen->address, listen->size) != 0 &&
		errno == ECONNREFUSED;
	close(fd);
	return stale;
}

static const char *path_of(const struct fl_listen *listen)
{
	return ((const struct sockaddr_un *)&listen->address)->sun_path;
}

/* To connect to anything else is refused just as a stale one is. */
static bool is_socket(const char *path)
{
	struct stat status;
	return lstat(path, &status) == 0 && S_ISSOCK(status.st_mode);
}

static int bind_to(int fd, const struct fl_listen *listen)
{
	const struct sockaddr *address = (const struct sockaddr *)&listen->address;
	int const on = 1;
	if (!listen->is_unix)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, address, listen->size) == 0)
		return 0;
	if (!listen->is_unix || errno != EADDRINUSE)
		return -1;
	if (!is_socket(path_of(listen))) {
		errno = ENOTSOCK;
		return -1;
	}
	if (is_stale(listen) && unlink(path_of(listen)) == 0)
		return bind(fd, address, listen->size);
	errno = EADDRINUSE;
	return -1;
}

bool fl_http_listens_at(const struct fl_http *http, const char *at)
{
	return strcmp(http->listen, at) == 0;
}

int fl_http_bind(const struct fl_http_config *config, const struct fl_http *current, int *ret,
	struct fl_err *err)
{
	struct fl_listen listen_at;
	int result = fl_listen_parse(config->listen, &listen_at, err);
	if (result == 0)
		result = fl_mhd_open(err);
	if (result != 0)
		return result;
	if (current != NULL && fl_http_listens_at(current, config->listen)) {
		const union MHD_DaemonInfo *info =
			fl_mhd.get_daemon_info(current->mhd, MHD_DAEMON_INFO_LISTEN_FD);
		*ret = info != NULL ? fcntl(info->listen_fd, F_DUPFD_CLOEXEC, 0) : -1;
		return *ret >= 0 ? 0 : failed(config->listen, errno, err);
	}
	int fd = socket(listen_at.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return failed(config->listen, errno, err);
	if (bind_to(fd, &listen_at) != 0) {
		int const error = errno;
		close(fd);
		return failed(config->listen, error, err);
	}
	*ret = fd;
	return 0;
}

/* ---- the library in the loop ---- */

static void on_timer(uv_timer_t *timer)
{
	fl_http_run(timer->data);
}

void fl_http_run(struct fl_http *http)
{
	MHD_UNSIGNED_LONG_LONG ms = 0;
	http->has_closed = false;
	fl_mhd.run(http->mhd);
	/* While there are too many connections it does not listen, and it looks whether there still
	 * are when it begins to run. */
	if (http->has_closed || fl_mhd.get_timeout(http->mhd, &ms) == MHD_YES)
		uv_timer_start(&http->timer, on_timer, ms, 0);
	else
		uv_timer_stop(&http->timer);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	fl_http_run(poll->data);
}

/* ---- answers ---- */

static uint64_t deadline_of(const struct fl_http *http)
{
	return uv_hrtime() + (uint64_t)http->config.timeout * 1000000000;
}

/* Takes the reply's body over. */
static enum MHD_Result queue(struct fl_request *request, struct fl_reply *reply)
{
	if (reply->body.failed) {
		fl_buf_finish(&reply->body);
		*reply = (struct fl_reply){ .status = MHD_HTTP_SERVICE_UNAVAILABLE };
	}
	struct MHD_Response *response = fl_mhd.create_response_from_buffer(
		reply->body.size, reply->body.data, MHD_RESPMEM_MUST_FREE);
	if (response == NULL) {
		fl_buf_finish(&reply->body);
		return MHD_NO;
	}
	fl_mhd.add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	fl_mhd.add_response_header(response, "X-Content-Type-Options", "nosniff");
	if (reply->type != NULL)
		fl_mhd.add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->type);
	if (reply->policy != NULL)
		fl_mhd.add_response_header(response, "Content-Security-Policy", reply->policy);
	if (reply->allow != NULL)
		fl_mhd.add_response_header(response, MHD_HTTP_HEADER_ALLOW, reply->allow);
	request->on->deadline = deadline_of(request->http);
	enum MHD_Result const result =
		fl_mhd.queue_response(request->connection, reply->status, response);
	fl_mhd.destroy_response(response);
	return result;
}

void fl_http_send(struct fl_request *request, struct fl_reply *reply)
{
	struct fl_connection *on = request->on;
	/* Without memory for an answer: the connection is closed. */
	if (queue(request, reply) != MHD_YES) {
		shutdown(on->fd, SHUT_RDWR);
		on->is_cut = true;
	}
	fl_mhd.resume_connection(request->connection);
}

static struct fl_connection *connection_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		fl_mhd.get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return info != NULL ? info->socket_context : NULL;
}

/* Called for a request's headers, and again once all of it has come. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *path,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **ret_request)
{
	struct fl_http *http = ctx;
	struct fl_connection *on = connection_of(connection);
	struct fl_request *request = *ret_request;
	struct fl_reply reply = { 0 };
	(void)version;
	(void)upload;
	if (on == NULL || *upload_size > 0)
		return MHD_NO;
	if (request == NULL) {
		request = calloc(1, sizeof(*request));
		if (request == NULL)
			return MHD_NO;
		*request = (struct fl_request){ .http = http,
			.connection = connection,
			.on = on,
			.method = method,
			.path = path };
		*ret_request = on->request = request;
		return fl_routes_refuse(http, request, &reply) ? queue(request, &reply) : MHD_YES;
	}
	on->deadline = 0;
	if (fl_routes_answer(http, request, &reply))
		return queue(request, &reply);
	fl_mhd.suspend_connection(connection);
	return MHD_YES;
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **request_place,
	enum MHD_RequestTerminationCode how)
{
	struct fl_http *http = ctx;
	struct fl_request *request = *request_place;
	(void)connection;
	(void)how;
	if (request == NULL)
		return;
	fl_wait_forget(request);
	request->on->request = NULL;
	request->on->deadline = deadline_of(http);
	free(request);
	*request_place = NULL;
}

/* ---- connections ---- */

/* Whether the client of a request that waits has gone. */
static bool has_gone(const struct fl_connection *c)
{
	char byte;
	ssize_t const got = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

static void on_sweep(uv_timer_t *timer)
{
	struct fl_http *http = timer->data;
	uint64_t const now = uv_hrtime();
	bool runs = false;
	for (struct fl_connection *c = http->connections; c != NULL; c = c->next) {
		struct fl_request *request = c->request;
		if (c->is_cut)
			continue;
		if (request != NULL && request->place != NULL && has_gone(c)) {
			struct fl_reply reply = { 0 };
			fl_wait_forget(request);
			fl_reply_error(&reply, MHD_HTTP_REQUEST_TIMEOUT, "nobody is there");
			fl_http_send(request, &reply);
			runs = true;
		} else if (c->deadline != 0 && now >= c->deadline) {
			shutdown(c->fd, SHUT_RDWR);
			c->is_cut = true;
			runs = true;
		}
	}
	if (runs)
		fl_http_run(http);
	if (http->connections == NULL)
		uv_timer_stop(&http->sweep);
}

static void on_connection(void *ctx, struct MHD_Connection *connection, void **socket_context,
	enum MHD_ConnectionNotificationCode what)
{
	struct fl_http *http = ctx;
	struct fl_connection *c = *socket_context;
	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (c == NULL)
			return;
		http->has_closed = true;
		*c->place = c->next;
		if (c->next != NULL)
			c->next->place = c->place;
		free(c);
		*socket_context = NULL;
		return;
	}
	const union MHD_ConnectionInfo *info =
		fl_mhd.get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	c = calloc(1, sizeof(*c));
	if (c == NULL || info == NULL) {
		free(c);
		return;
	}
	c->fd = info->connect_fd;
	c->deadline = deadline_of(http);
	c->next = http->connections;
	c->place = &http->connections;
	if (c->next != NULL)
		c->next->place = &c->next;
	http->connections = c;
	*socket_context = c;
	if (!uv_is_active((uv_handle_t *)&http->sweep))
		uv_timer_start(&http->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
}

/* ---- life ---- */

static void free_it(struct fl_http *http)
{
	fl_wait_finish(http);
	free(http->listen);
	free(http);
}

static void on_closed(uv_handle_t *handle)
{
	struct fl_http *http = handle->data;
	if (--http->open_handles == 0)
		free_it(http);
}

static void close_handles(struct fl_http *http)
{
	http->open_handles = 4;
	uv_close((uv_handle_t *)&http->poll, on_closed);
	uv_close((uv_handle_t *)&http->timer, on_closed);
	uv_close((uv_handle_t *)&http->sweep, on_closed);
	uv_close((uv_handle_t *)&http->alarm, on_closed);
}

static struct MHD_Daemon *start(struct fl_http *http, int fd)
{
	unsigned const most = http->config.max_connections;
	return fl_mhd.start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
		on_request, http, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, most,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, http->address.is_local ? 0 : most / 2,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_PER_CONNECTION,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_END);
}

/* The library, when it fails, has closed its socket in some cases, and in others not. */
static void close_if_still(int fd, const struct stat *was)
{
	struct stat is;
	if (fstat(fd, &is) == 0 && is.st_dev == was->st_dev && is.st_ino == was->st_ino)
		close(fd);
}

struct fl_http *fl_http_create(uv_loop_t *loop, const struct fl_http_config *config, int fd,
	const struct fl_http_hooks *hooks, struct fl_err *err)
{
	struct fl_http *http = calloc(1, sizeof(*http));
	char *listen_at = strdup(config->listen);
	if (http == NULL || listen_at == NULL ||
		fl_listen_parse(listen_at, &http->address, err) != 0) {
		fl_err_set(err, FL_ENOMEM, "out of memory");
		close(fd);
		goto fail;
	}
	if (listen(fd, (int)config->max_connections) != 0) {
		failed(listen_at, errno, err);
		close(fd);
		goto fail;
	}
	http->loop = loop;
	http->config = *config;
	http->listen = listen_at;
	http->config.listen = listen_at;
	http->hooks = *hooks;
	struct stat socket_status = { 0 };
	fstat(fd, &socket_status);
	http->mhd = start(http, fd);
	const union MHD_DaemonInfo *info =
		http->mhd != NULL ? fl_mhd.get_daemon_info(http->mhd, MHD_DAEMON_INFO_EPOLL_FD)
				  : NULL;
	if (info == NULL || uv_poll_init(loop, &http->poll, info->epoll_fd) != 0) {
		fl_err_set(err, FL_EIO, "[http] the server can't be started: %s", strerror(errno));
		if (http->mhd != NULL)
			fl_mhd.stop_daemon(http->mhd);
		close_if_still(fd, &socket_status);
		goto fail;
	}
	uv_timer_init(loop, &http->timer);
	uv_timer_init(loop, &http->sweep);
	uv_timer_init(loop, &http->alarm);
	http->poll.data = http->timer.data = http->sweep.data = http->alarm.data = http;
	uv_poll_start(&http->poll, UV_READABLE, on_readable);
	return http;
fail:
	free(listen_at);
	free(http);
	return NULL;
}

bool fl_http_serves(const struct fl_http *http, const struct fl_http_config *config)
{
	return config->listen != NULL && fl_http_listens_at(http, config->listen) &&
	       http->config.allow_remote == config->allow_remote &&
	       http->config.max_connections == config->max_connections &&
	       http->config.timeout == config->timeout;
}

void fl_http_settled(struct fl_http *http)
{
	if (http != NULL)
		fl_wait_look(http);
}

void fl_http_refuse(struct fl_http *http, const char *why)
{
	if (http == NULL)
		return;
	http->refusal = why;
	fl_wait_look(http);
}

void fl_http_destroy(struct fl_http *http, bool keeps_path)
{
	if (http == NULL)
		return;
	fl_http_refuse(http, http->refusal != NULL ? http->refusal : "[http] has been changed");
	for (int i = 0; i < LAST_RUNS; i++)
		fl_mhd.run(http->mhd);
	uv_poll_stop(&http->poll);
	fl_mhd.stop_daemon(http->mhd);
	if (http->address.is_unix && !keeps_path && is_socket(path_of(&http->address)))
		unlink(path_of(&http->address));
	close_handles(http);
}
