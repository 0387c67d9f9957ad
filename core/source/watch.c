/* SPDX-License-Identifier: Apache-2.0 */
#include "source/watch.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum {
	TICK_MS = 100,
	AHEAD_MS = 200,	      /* of the limit, so that it is not exceeded by what a tick takes */
	PROGRESS = 16 * 1024, /* bytes within the limit that are worth waiting longer for */
	MOST_PROBES = 3,
	LONGEST_IDLE = 32767, /* seconds: what the system takes */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;
static struct fl_watch *watches;
static bool running;

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool is_tcp(int socket)
{
	int domain = 0;
	socklen_t size = sizeof(domain);
	return getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
	       (domain == AF_INET || domain == AF_INET6);
}

void fl_watch_prepare(int socket, unsigned seconds)
{
	if (!is_tcp(socket))
		return;
	/* None of these is needed for being right, so what a system does not have is left out. */
	int const on = 1, probes = MOST_PROBES;
	int const every =
		(int)(seconds / MOST_PROBES < LONGEST_IDLE ? seconds / MOST_PROBES : LONGEST_IDLE);
	unsigned const timeout = seconds < INT32_MAX / 1000 ? seconds * 1000 : INT32_MAX;
	setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &every, sizeof(every));
	setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
	setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
	setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
}

static uint64_t bytes_received(int socket)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);
	/* An old kernel tells less; what it leaves out stays zero. */
	getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size);
	return info.tcpi_bytes_received;
}

static void look_at(struct fl_watch *watch, uint64_t now)
{
	uint64_t const steps = atomic_load_explicit(&watch->steps, memory_order_relaxed);
	if (steps % 2 == 0) {
		watch->seen_steps = steps;
		return;
	}
	uint64_t const bytes = bytes_received(watch->socket);
	if (steps != watch->seen_steps || bytes - watch->seen_bytes >= PROGRESS) {
		watch->seen_steps = steps;
		watch->seen_bytes = bytes;
		watch->since = now;
		return;
	}
	if (now - watch->since < watch->limit_ns || atomic_load(&watch->expired))
		return;
	atomic_store(&watch->expired, true);
	shutdown(watch->socket, SHUT_RDWR);
}

static void *run(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&mutex);
	for (;;) {
		while (watches == NULL)
			pthread_cond_wait(&news, &mutex);
		uint64_t const now = now_ns();
		for (struct fl_watch *watch = watches; watch != NULL; watch = watch->next)
			look_at(watch, now);
		pthread_mutex_unlock(&mutex);
		struct timespec const tick = { .tv_nsec = TICK_MS * 1000000L };
		nanosleep(&tick, NULL);
		pthread_mutex_lock(&mutex);
	}
	return NULL;
}

/* Without the thread the library's own timeouts are left. The lock is held. */
static void start(void)
{
	pthread_attr_t attributes;
	pthread_t thread;
	if (running || pthread_attr_init(&attributes) != 0)
		return;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	running = pthread_create(&thread, &attributes, run, NULL) == 0;
	pthread_attr_destroy(&attributes);
}

void fl_watch_add(struct fl_watch *watch, int socket, unsigned seconds)
{
	if (!is_tcp(socket))
		return;
	watch->socket = socket;
	watch->limit_ns = (uint64_t)seconds * 1000000000 - AHEAD_MS * UINT64_C(1000000);
	watch->since = now_ns();
	pthread_mutex_lock(&mutex);
	start();
	watch->next = watches;
	watches = watch;
	pthread_cond_signal(&news);
	pthread_mutex_unlock(&mutex);
}

void fl_watch_remove(struct fl_watch *watch)
{
	pthread_mutex_lock(&mutex);
	struct fl_watch **place = &watches;
	while (*place != NULL && *place != watch)
		place = &(*place)->next;
	if (*place != NULL)
		*place = watch->next;
	pthread_mutex_unlock(&mutex);
}
