/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes to and from the servers. Nothing blocks but poll(): while there is something to be written,
 * answers are read, lest both sides wait for each other with full buffers.
 *
 * A server is lost when it closes its side, when it takes nothing of what is to be written for
 * timeout_ms, or when all is written and no whole answer comes for timeout_ms. A few bytes now and
 * then don't count.
 */
#include "memcached.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	PROGRESS = 16 * 1024,	/* bytes: so many at least have to be taken in timeout_ms */
	KEPT = 4 * 1024 * 1024, /* bytes: a larger buffer is given back */
	GREETING = 4,		/* times timeout_ms, for a server's answers on a new connection */
	IDLE_S = 15,		/* then the kernel asks whether the server is still there ... */
	ASK_S = 5,
	ASK_TIMES = 3 /* ... so often */
};

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static enum fl_outcome lost(const struct link *link, const char *reason, struct fl_err *err)
{
	fl_err_set(err, FL_ELOST, "%s: %s", link->name, reason);
	return FL_RETRY;
}

enum fl_outcome wire_confused(const struct link *link, struct fl_bytes answer, struct fl_err *err)
{
	char text[100];
	size_t size = 0;
	for (; size < answer.size && size < sizeof(text) - 1; size++) {
		unsigned char c = (unsigned char)answer.data[size];
		text[size] = c >= 0x20 && c < 0x7f ? (char)c : '?';
	}
	text[size] = '\0';
	fl_err_set(err, FL_ECORRUPT, "%s answers '%s'", link->name, text);
	return FL_RETRY;
}

/* ---- one connection ---- */

static bool has_set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

static bool prepare(const struct memcached_sink *self, int fd, int family)
{
	/* Closing drops what the kernel has not sent. Else what was given up for a dead network
	 * could still arrive once that is back, after what the next connection wrote. */
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };
	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) != 0)
		return false;
	if (family == AF_UNIX)
		return true;
	return has_set(fd, IPPROTO_TCP, TCP_NODELAY, 1) &&
	       has_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1) &&
	       has_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, IDLE_S) &&
	       has_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, ASK_S) &&
	       has_set(fd, IPPROTO_TCP, TCP_KEEPCNT, ASK_TIMES) &&
	       has_set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)self->pool.timeout_ms);
}

/* 0 and a descriptor, or an errno. */
static int try_address(struct memcached_sink *self, const struct sockaddr *at, socklen_t size,
	int64_t limit, int *ret_fd)
{
	int error = 0;
	socklen_t error_size = sizeof(error);
	int fd = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return errno;
	if (!prepare(self, fd, at->sa_family)) {
		error = errno;
	} else if (connect(fd, at, size) != 0) {
		error = errno;
		struct pollfd poll_for = { .fd = fd, .events = POLLOUT };
		if (error == EINPROGRESS) {
			int64_t left = limit - now_ms();
			if (poll(&poll_for, 1, left > 0 ? (int)left : 0) <= 0)
				error = ETIMEDOUT;
			else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size) != 0)
				error = errno;
		}
	}
	if (error == 0)
		*ret_fd = fd;
	else
		close(fd);
	return error;
}

void wire_expect_greeting(const struct memcached_sink *self, struct link *link)
{
	link->greet_limit = now_ms() + GREETING * (int64_t)self->pool.timeout_ms;
}

enum fl_outcome wire_connect(struct memcached_sink *self, size_t server, struct fl_err *err)
{
	const struct address *address = &self->pool.servers[server];
	struct link *link = &self->links[server];
	int64_t limit = now_ms() + self->pool.connect_timeout_ms;
	int error = EHOSTUNREACH;

	if (address->is_unix) {
		struct sockaddr_un at = { .sun_family = AF_UNIX };
		memcpy(at.sun_path, address->host, strlen(address->host));
		error = try_address(self, (struct sockaddr *)&at, sizeof(at), limit, &link->fd);
	} else {
		struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
		char port[8];
		snprintf(port, sizeof(port), "%u", address->port);
		int r = getaddrinfo(address->host, port, &hints, &found);
		if (r != 0)
			return lost(link, r == EAI_SYSTEM ? strerror(errno) : gai_strerror(r), err);
		for (struct addrinfo *at = found; at != NULL && error != 0; at = at->ai_next)
			error = try_address(self, at->ai_addr, at->ai_addrlen, limit, &link->fd);
		freeaddrinfo(found);
	}
	wire_expect_greeting(self, link);
	return error == 0 ? FL_DONE : lost(link, strerror(error), err);
}

void wire_close(struct link *link)
{
	if (link->fd >= 0)
		close(link->fd);
	fl_buf_finish(&link->out);
	fl_buf_finish(&link->log);
	fl_buf_finish(&link->keys);
	link->fd = -1;
}

static bool has_failed(const struct link *link)
{
	return link->out.failed || link->log.failed || link->keys.failed;
}

static enum fl_outcome write_some(
	struct memcached_sink *self, struct link *link, struct fl_err *err)
{
	if (has_failed(link))
		return sink_no_memory(err);
	size_t before = link->sent;
	while (wire_unsent(link) > 0) {
		ssize_t size = send(link->fd, link->out.data + link->sent, wire_unsent(link),
			MSG_NOSIGNAL | MSG_DONTWAIT);
		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (size < 0)
			return lost(link, strerror(errno), err);
		link->sent += (size_t)size;
	}
	if (wire_unsent(link) == 0) {
		link->sent = 0;
		fl_buf_clear(&link->out);
		if (link->out.capacity > KEPT)
			fl_buf_finish(&link->out);
		link->write_limit = 0;
		if (link->answer_limit == 0 && meta_is_due(link))
			link->answer_limit = now_ms() + self->pool.timeout_ms;
		return FL_DONE;
	}
	link->written += link->sent - before;
	if (link->write_limit == 0 || link->written >= PROGRESS) {
		link->write_limit = now_ms() + self->pool.timeout_ms;
		link->written = 0;
	}
	/* Without moving what is not sent each time. */
	if (link->sent > KEPT / 4 && link->sent > link->out.size / 2) {
		memmove(link->out.data, link->out.data + link->sent, wire_unsent(link));
		link->out.size -= link->sent;
		link->sent = 0;
	}
	return FL_DONE;
}

/* Takes what has come: 1, or 0 if nothing has; -1 if the connection is lost. */
static int receive(struct link *link, struct fl_err *err)
{
	if (link->in_start > 0) {
		memmove(link->in, link->in + link->in_start, link->in_end - link->in_start);
		link->in_end -= link->in_start;
		link->in_start = 0;
	}
	if (link->in_end == sizeof(link->in)) {
		wire_confused(link, (struct fl_bytes){ link->in, link->in_end }, err);
		return -1;
	}
	ssize_t size = recv(
		link->fd, link->in + link->in_end, sizeof(link->in) - link->in_end, MSG_DONTWAIT);
	if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return 0;
	if (size <= 0) {
		lost(link, size == 0 ? "closed the connection" : strerror(errno), err);
		return -1;
	}
	link->in_end += (size_t)size;
	return 1;
}

/* The next whole line that has come, without its end: 1; 0: there is none; -1: it is no line. */
static int next_line(struct link *link, struct fl_bytes *ret, struct fl_err *err)
{
	char *start = link->in + link->in_start;
	char *end = memchr(start, '\n', link->in_end - link->in_start);
	if (end == NULL)
		return 0;
	struct fl_bytes line = { start, (size_t)(end - start) };
	link->in_start += line.size + 1;
	if (line.size == 0 || line.data[line.size - 1] != '\r') {
		wire_confused(link, line, err);
		return -1;
	}
	line.size--;
	*ret = line;
	return 1;
}

static enum fl_outcome read_some(struct memcached_sink *self, struct link *link, struct fl_err *err)
{
	int has_come = 1;
	/* What has not filled the buffer was all. */
	for (bool is_more = true; is_more && has_come == 1 && meta_is_due(link);) {
		struct fl_bytes line;
		int is_line;
		has_come = receive(link, err);
		is_more = link->in_end == sizeof(link->in);
		while (has_come == 1 && (is_line = next_line(link, &line, err)) != 0) {
			if (is_line < 0)
				return FL_RETRY;
			enum fl_outcome outcome = meta_answer(self, link, line, err);
			if (outcome != FL_DONE)
				return outcome;
			link->answer_limit = meta_is_due(link) && wire_unsent(link) == 0
						     ? now_ms() + self->pool.timeout_ms
						     : 0;
		}
	}
	return has_come < 0 ? FL_RETRY : FL_DONE;
}

/* ---- all of them ---- */

enum fl_outcome wire_send(struct memcached_sink *self, struct fl_err *err)
{
	enum fl_outcome outcome = FL_DONE;
	for (size_t i = 0; i < self->pool.count && outcome == FL_DONE; i++)
		if (wire_unsent(&self->links[i]) > 0 || has_failed(&self->links[i]))
			outcome = write_some(self, &self->links[i], err);
	return outcome;
}

bool wire_is_idle(const struct memcached_sink *self)
{
	for (size_t i = 0; i < self->pool.count; i++)
		if (meta_is_due(&self->links[i]) || wire_unsent(&self->links[i]) > 0)
			return false;
	return true;
}

/* Waits until something can be done. */
static enum fl_outcome wait(struct memcached_sink *self, struct fl_err *err)
{
	int64_t now = now_ms(), limit = INT64_MAX;
	struct pollfd *news = &self->polls[self->pool.count + 1];
	self->polls[0] = (struct pollfd){ .fd = self->wake, .events = POLLIN };
	*news = (struct pollfd){ .fd = self->news, .events = POLLIN };
	for (size_t i = 0; i < self->pool.count; i++) {
		const struct link *link = &self->links[i];
		bool writes = wire_unsent(link) > 0, reads = meta_is_due(link);
		self->polls[i + 1] = (struct pollfd){
			.fd = writes || reads ? link->fd : -1,
			.events = (short)((writes ? POLLOUT : 0) | POLLIN),
		};
		if (link->write_limit != 0 && link->write_limit < limit)
			limit = link->write_limit;
		if (link->answer_limit != 0 && link->answer_limit < limit)
			limit = link->answer_limit;
		if (limit <= now)
			return lost(link, "does not answer in time", err);
	}
	/* Each connection that has something to do has a limit. */
	int ms = limit - now < 1000 ? (int)(limit - now) : 1000;
	if (poll(self->polls, (nfds_t)self->pool.count + 2, ms) < 0 && errno != EINTR) {
		fl_err_set(err, FL_EIO, "poll: %s", strerror(errno));
		return FL_RETRY;
	}
	self->has_news = (news->revents & POLLIN) != 0;
	return FL_DONE;
}

enum fl_outcome wire_pump(struct memcached_sink *self,
	bool (*enough)(const struct memcached_sink *self), struct fl_err *err)
{
	for (;;) {
		if (atomic_load(&self->interrupted))
			return sink_interrupted(err);
		for (size_t i = 0; i < self->pool.count; i++) {
			struct link *link = &self->links[i];
			enum fl_outcome outcome = FL_DONE;
			if (has_failed(link))
				return sink_no_memory(err);
			if (wire_unsent(link) > 0)
				outcome = write_some(self, link, err);
			if (outcome == FL_DONE && meta_is_due(link))
				outcome = read_some(self, link, err);
			/* What an answer has given rise to. */
			if (outcome == FL_DONE && wire_unsent(link) > 0 && link->write_limit == 0)
				outcome = write_some(self, link, err);
			if (outcome != FL_DONE)
				return outcome;
		}
		if (enough(self))
			return FL_DONE;
		enum fl_outcome outcome = wait(self, err);
		if (outcome != FL_DONE)
			return outcome;
	}
}

enum fl_outcome wire_ask(struct memcached_sink *self, struct link *link, size_t size,
	struct fl_bytes *ret, struct fl_err *err)
{
	int64_t limit = now_ms() + self->pool.timeout_ms;
	if (limit > link->greet_limit)
		limit = link->greet_limit;
	for (;;) {
		enum fl_outcome outcome = write_some(self, link, err);
		if (outcome != FL_DONE)
			return outcome;
		if (size == 0) {
			int is_line = next_line(link, ret, err);
			if (is_line != 0)
				return is_line > 0 ? FL_DONE : FL_RETRY;
		} else if (link->in_end - link->in_start >= size + 2) {
			*ret = (struct fl_bytes){ link->in + link->in_start, size };
			link->in_start += size + 2;
			return FL_DONE;
		}
		int has_more = receive(link, err);
		if (has_more < 0)
			return FL_RETRY;
		if (has_more > 0)
			continue;
		int64_t left = limit - now_ms();
		struct pollfd poll_for = { .fd = link->fd,
			.events = (short)(POLLIN | (wire_unsent(link) > 0 ? POLLOUT : 0)) };
		if (left <= 0)
			return lost(link, "does not answer in time", err);
		poll(&poll_for, 1, (int)left);
	}
}
