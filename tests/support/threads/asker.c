/* SPDX-License-Identifier: Apache-2.0 */
#include "asker.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Whether the answer to that path is 200. */
static bool ask(const char *socket_path, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char request[300], answer[4096];
	size_t size = 0;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	snprintf(request, sizeof(request),
		"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
		write(fd, request, strlen(request)) == (ssize_t)strlen(request)) {
		/* Only the beginning is kept. */
		for (ssize_t got; (got = read(fd, answer + size, sizeof(answer) - size)) > 0;)
			size = size + (size_t)got < sizeof(answer) / 2 ? size + (size_t)got
								       : sizeof(answer) / 2;
	}
	close(fd);
	return size >= 12 && memcmp(answer, "HTTP/1.1 200", 12) == 0;
}

void *asker_run(void *ctx)
{
	static const char *const pages[] = { "/metrics", "/status", "/ready", "/health" };
	struct asker *asker = ctx;
	for (unsigned i = 0; !atomic_load(&asker->enough); i++) {
		char path[100];
		asker->told += ask(asker->socket, pages[i % 4]);
		snprintf(path, sizeof(path), "/wait?pos=b.000001:%llu&sink=0&timeout_ms=%u",
			(unsigned long long)asker->offset(), 5 + i % 200);
		asker->waited += ask(asker->socket, path);
		usleep(2000);
	}
	return NULL;
}
