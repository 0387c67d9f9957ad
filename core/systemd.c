/* SPDX-License-Identifier: Apache-2.0
 *
 * The protocol is a datagram of NAME=VALUE lines, and is promised to stay so; libsystemd would draw
 * libraries for compression and encryption into the process to send it.
 */
#include "systemd.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

enum { STATUS_AFTER_MS = 1000 };

/* A file's path, or "@" and a name in the abstract name space. */
static bool find_manager(struct fl_systemd *s)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t const size = path != NULL ? strlen(path) : 0;
	if (size == 0)
		return false;
	if ((*path != '/' && *path != '@') || size >= sizeof(s->to.sun_path)) {
		fl_warn(NULL,
			"NOTIFY_SOCKET is no address that can be used: nobody is told how it goes");
		return false;
	}
	s->to.sun_family = AF_UNIX;
	memcpy(s->to.sun_path, path, size);
	if (*path == '@')
		s->to.sun_path[0] = '\0';
	s->to_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
	return true;
}

static uint64_t read_watchdog(void)
{
	const char *interval = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	/* It may be meant for a process that has started this one. */
	if (interval == NULL || (pid != NULL && strtoll(pid, NULL, 10) != getpid()))
		return 0;
	return strtoull(interval, NULL, 10) / 1000;
}

void fl_systemd_open(struct fl_systemd *s)
{
	*s = (struct fl_systemd){ .socket = -1 };
	if (!find_manager(s))
		return;
	s->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->socket >= 0)
		s->watchdog_ms = read_watchdog();
}

void fl_systemd_close(struct fl_systemd *s)
{
	if (s->socket >= 0)
		close(s->socket);
	s->socket = -1;
}

static bool say(struct fl_systemd *s, const char *text)
{
	return s->socket >= 0 && sendto(s->socket, text, strlen(text), MSG_NOSIGNAL,
					 (const struct sockaddr *)&s->to, s->to_size) >= 0;
}

void fl_systemd_ready(struct fl_systemd *s)
{
	/* What must not be lost is said again at the next call. */
	if (!s->ready)
		s->ready = say(s, "READY=1");
}

void fl_systemd_reloading(struct fl_systemd *s)
{
	struct timespec now;
	char text[80];
	/* Who is not up yet is expected to become so. */
	if (!s->ready || s->stopping)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
		(long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	s->reloading = say(s, text);
}

void fl_systemd_reloaded(struct fl_systemd *s)
{
	if (s->reloading && !s->stopping)
		s->reloading = !say(s, "READY=1");
}

void fl_systemd_stopping(struct fl_systemd *s)
{
	if (!s->stopping)
		say(s, "STOPPING=1\nSTATUS=settles what is in flight");
	s->stopping = true;
}

void fl_systemd_alive(struct fl_systemd *s)
{
	say(s, "WATCHDOG=1");
}

bool fl_systemd_wants_status(struct fl_systemd *s, uint64_t now)
{
	if (s->socket < 0 || s->stopping ||
		(s->status_at != 0 && now - s->status_at < STATUS_AFTER_MS))
		return false;
	s->status_at = now;
	return true;
}

void fl_systemd_status(struct fl_systemd *s, const char *text)
{
	char message[sizeof(s->status) + 8];
	if (strncmp(text, s->status, sizeof(s->status) - 1) == 0)
		return;
	snprintf(s->status, sizeof(s->status), "%s", text);
	snprintf(message, sizeof(message), "STATUS=%s", s->status);
	if (!say(s, message))
		s->status[0] = '\0';
}
