/* SPDX-License-Identifier: Apache-2.0
 *
 * As much of an HTTP client as it takes to ask a daemon: libcurl would come with a TLS library and
 * be loaded at each of the daemon's own starts. The request says HTTP/1.0, so that the answer never
 * comes in chunks and ends where the connection does.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "view/private.h"

enum { ANSWER_LIMIT = 16 << 20 };

struct asking {
	const struct fl_url *url;
	char where[300]; /* as errors name it */
	const struct fl_fetch_wait *wait;
	int64_t deadline; /* ms of the monotonic clock */
	int fd;
	struct fl_err *err;
};

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int lost(const struct asking *a, const char *why)
{
	return fl_err_set(a->err, FL_ELOST, "no answer from %s: %s", a->where, why);
}

static int await(const struct asking *a, short events)
{
	struct pollfd fds[2] = { { .fd = a->fd, .events = events },
		{ .fd = a->wait->wake_fd, .events = POLLIN } };
	int64_t const left = a->deadline - now_ms();
	struct timespec const most = { left / 1000, left % 1000 * 1000000 };
	int const ready = left > 0 ? ppoll(fds, 2, &most, a->wait->mask) : 0;
	if (ready < 0 && errno != EINTR)
		return lost(a, strerror(errno));
	if (ready < 0 ? a->wait->mask != NULL : fds[1].revents != 0)
		return fl_err_set(a->err, FL_ESTOPPED, "interrupted");
	if (ready == 0) {
		char text[64];
		snprintf(text, sizeof(text), "nothing within %g s", a->wait->timeout_ms / 1000.0);
		return lost(a, text);
	}
	return 0;
}

static int connect_to(struct asking *a, const struct addrinfo *to)
{
	int error = 0, code = 0;
	socklen_t size = sizeof(error);
	a->fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd < 0)
		return lost(a, strerror(errno));
	if (connect(a->fd, to->ai_addr, to->ai_addrlen) != 0) {
		error = errno;
		if (error == EINPROGRESS)
			code = await(a, POLLOUT);
		if (error == EINPROGRESS && code == 0)
			getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &size);
		if (error != 0 && code == 0)
			code = lost(a, strerror(error));
	}
	if (code != 0) {
		close(a->fd);
		a->fd = -1;
	}
	return code;
}

static int connect_any(struct asking *a)
{
	struct addrinfo const hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	a->deadline = now_ms() + a->wait->timeout_ms;
	if (*a->url->port == '\0') {
		struct sockaddr_un path = { .sun_family = AF_UNIX };
		struct addrinfo const to = { .ai_family = AF_UNIX,
			.ai_addr = (struct sockaddr *)&path,
			.ai_addrlen = sizeof(path) };
		/* fl_url_parse() has seen that it fits. */
		memcpy(path.sun_path, a->url->host,
			strnlen(a->url->host, sizeof(path.sun_path) - 1));
		return connect_to(a, &to);
	}
	int code = getaddrinfo(a->url->host, a->url->port, &hints, &found);
	if (code != 0)
		return lost(a, gai_strerror(code));
	a->deadline = now_ms() + a->wait->timeout_ms;
	code = FL_ELOST;
	for (const struct addrinfo *to = found; to != NULL && code == FL_ELOST; to = to->ai_next)
		code = connect_to(a, to);
	freeaddrinfo(found);
	return code;
}

static int send_request(const struct asking *a, const char *path)
{
	char request[1024];
	int size = snprintf(request, sizeof(request),
		"GET %s%s HTTP/1.0\r\nHost: %s\r\nAccept: application/json\r\n"
		"Connection: close\r\n\r\n",
		a->url->path, path, *a->url->port != '\0' ? a->where : "localhost");
	if (size < 0 || (size_t)size >= sizeof(request))
		return fl_err_set(a->err, FL_EINVAL, "the URL is too long");
	for (size_t sent = 0; sent < (size_t)size;) {
		ssize_t done = send(a->fd, request + sent, (size_t)size - sent, MSG_NOSIGNAL);
		if (done < 0 && errno != EAGAIN && errno != EINTR)
			return lost(a, strerror(errno));
		sent += done > 0 ? (size_t)done : 0;
		int code = done < 0 ? await(a, POLLOUT) : 0;
		if (code != 0)
			return code;
	}
	return 0;
}

static int read_all(const struct asking *a, struct fl_buf *to)
{
	enum { PIECE = 16384 };
	for (;;) {
		char *room = fl_buf_reserve(to, PIECE);
		if (room == NULL)
			return fl_err_set(a->err, FL_ENOMEM, "out of memory");
		ssize_t got = recv(a->fd, room, PIECE, 0);
		if (got == 0)
			return 0;
		if (got < 0 && errno != EAGAIN && errno != EINTR)
			return lost(a, strerror(errno));
		to->size += got > 0 ? (size_t)got : 0;
		if (to->size > ANSWER_LIMIT)
			return fl_err_set(
				a->err, FL_ECORRUPT, "%s answers with too much", a->where);
		int code = got < 0 ? await(a, POLLIN) : 0;
		if (code != 0)
			return code;
	}
}

int fl_fetch_body(struct fl_buf *answer, const char *where, struct fl_err *err)
{
	fl_buf_char(answer, '\0');
	if (answer->failed)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	if (answer->size == 1)
		return fl_err_set(
			err, FL_ELOST, "no answer from %s: it closed the connection", where);
	char *const text = answer->data, *body = strstr(text, "\r\n\r\n");
	if (strncmp(text, "HTTP/1.", 7) != 0 || body == NULL)
		return fl_err_set(err, FL_ECORRUPT, "%s is no HTTP server", where);
	*body = '\0';
	body += 4;
	const char *length = strcasestr(text, "\r\nContent-Length:");
	unsigned long long const promised = length != NULL ? strtoull(length + 17, NULL, 10) : 0;
	text[strcspn(text, "\r")] = '\0';
	for (char *c = text; *c != '\0'; c++)
		*c = *c < ' ' || *c > '~' ? '?' : *c; /* it is to be shown */
	const char *status = text + strcspn(text, " ");
	if (strncmp(status, " 200", 4) != 0)
		return fl_err_set(
			err, FL_ECORRUPT, "%s answers '%.60s'", where, status + (*status == ' '));
	answer->size -= (size_t)(body - text) + 1;
	if (promised > answer->size)
		return fl_err_set(
			err, FL_ELOST, "no answer from %s: its answer was cut off", where);
	memmove(answer->data, body, answer->size + 1);
	return 0;
}

int fl_fetch(const struct fl_url *url, const char *path, const struct fl_fetch_wait *wait,
	struct fl_buf *ret_body, struct fl_err *err)
{
	struct asking a = { .url = url, .wait = wait, .fd = -1, .err = err };
	struct fl_buf answer = { 0 };
	bool const v6 = strchr(url->host, ':') != NULL && *url->port != '\0';
	snprintf(a.where, sizeof(a.where), "%s%s%s%s%s", v6 ? "[" : "", url->host, v6 ? "]" : "",
		*url->port != '\0' ? ":" : "", url->port);
	int code = connect_any(&a);
	if (code == 0)
		code = send_request(&a, path);
	if (code == 0)
		code = read_all(&a, &answer);
	if (code == 0)
		code = fl_fetch_body(&answer, a.where, err);
	if (a.fd >= 0)
		close(a.fd);
	if (code == 0) {
		fl_buf_finish(ret_body);
		*ret_body = answer;
	} else {
		fl_buf_finish(&answer);
	}
	return code;
}
