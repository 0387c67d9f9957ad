/* SPDX-License-Identifier: Apache-2.0
 *
 * usage: distance PORT TARGET_PORT MICROSECONDS
 *
 * A network between 127.0.0.1:PORT and 127.0.0.1:TARGET_PORT that takes so long each way, whatever
 * is under way. Says "ready" once it listens. A process a connection.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 64 * 1024 };

/* What is under way. */
struct piece {
	struct piece *next;
	int64_t due; /* nanoseconds */
	size_t size;
	char data[];
};

struct way {
	int from, to;
	struct piece *first, **end;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static struct sockaddr_in address(const char *port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int make_socket(void)
{
	int const on = 1, made = socket(AF_INET, SOCK_STREAM, 0);
	if (made < 0 || setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
		die("socket");
	return made;
}

/* Passes on what has arrived. The time at which the next will; 0: nothing is under way. */
static int64_t deliver(struct way *way)
{
	struct piece *piece;
	while ((piece = way->first) != NULL && piece->due <= now()) {
		for (size_t done = 0; done < piece->size;) {
			ssize_t const size = write(way->to, piece->data + done, piece->size - done);
			if (size < 0)
				exit(0);
			done += (size_t)size;
		}
		way->first = piece->next;
		if (way->first == NULL)
			way->end = &way->first;
		free(piece);
	}
	return piece != NULL ? piece->due : 0;
}

static void take(struct way *way, int64_t time)
{
	struct piece *piece = malloc(sizeof(*piece) + ROOM);
	ssize_t const size = piece != NULL ? read(way->from, piece->data, ROOM) : -1;
	if (size <= 0)
		exit(0);
	piece->size = (size_t)size;
	piece->due = now() + time;
	piece->next = NULL;
	*way->end = piece;
	way->end = &piece->next;
}

static void carry(int near, int far, int64_t time)
{
	struct way ways[] = { { .from = near, .to = far }, { .from = far, .to = near } };
	for (int i = 0; i < 2; i++)
		ways[i].end = &ways[i].first;
	for (;;) {
		int64_t due = 0;
		struct pollfd polls[2];
		for (int i = 0; i < 2; i++) {
			int64_t const next = deliver(&ways[i]);
			due = due == 0 || (next != 0 && next < due) ? next : due;
			polls[i] = (struct pollfd){ .fd = ways[i].from, .events = POLLIN };
		}
		int64_t const left = due - now();
		struct timespec const wait = { .tv_sec = left > 0 ? left / 1000000000 : 0,
			.tv_nsec = left > 0 ? left % 1000000000 : 0 };
		if (ppoll(polls, 2, due != 0 ? &wait : NULL, NULL) < 0)
			die("ppoll");
		for (int i = 0; i < 2; i++)
			if (polls[i].revents != 0)
				take(&ways[i], time);
	}
}

int main(int count, char **words)
{
	if (count != 4)
		return 2;
	int const on = 1, listener = make_socket();
	struct sockaddr_in const here = address(words[1]), target = address(words[2]);
	signal(SIGCHLD, SIG_IGN);
	if (bind(listener, (const struct sockaddr *)&here, sizeof(here)) != 0 ||
		listen(listener, 16) != 0)
		die("listen");
	puts("ready");
	fflush(stdout);
	for (;;) {
		int const near = accept(listener, NULL, NULL);
		if (near < 0)
			die("accept");
		if (fork() == 0) {
			int const far = make_socket();
			if (connect(far, (const struct sockaddr *)&target, sizeof(target)) != 0)
				die("connect");
			setsockopt(near, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
			setsockopt(far, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
			carry(near, far, (int64_t)atoi(words[3]) * 1000);
		}
		close(near);
	}
}
