/* SPDX-License-Identifier: Apache-2.0
 *
 * usage: writer redis|memcached PORT FILE COMMANDS
 *
 * Sends a file of commands, as the trial has written it, in large pieces while another thread reads
 * the answers: as much as the server takes.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 256 * 1024 };

static int server;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void send_all(const char *data, size_t size)
{
	while (size > 0) {
		ssize_t const sent = write(server, data, size < PIECE ? size : PIECE);
		if (sent <= 0)
			die("can't send");
		data += sent;
		size -= (size_t)sent;
	}
}

/* Lines, each of which begins with this letter. */
static void read_lines(long lines, char letter)
{
	static char answers[PIECE];
	bool within_line = false;
	while (lines > 0) {
		ssize_t const size = read(server, answers, sizeof(answers));
		if (size <= 0)
			die("can't read");
		for (const char *at = answers, *end = at + size; at < end;) {
			if (!within_line && *at != letter) {
				fprintf(stderr, "refused: %.60s\n", at);
				exit(1);
			}
			const char *line_end = memchr(at, '\n', (size_t)(end - at));
			within_line = line_end == NULL;
			if (within_line)
				break;
			lines--;
			at = line_end + 1;
		}
	}
}

static void *read_redis(void *lines)
{
	read_lines(*(long *)lines, '+');
	return NULL;
}

static void *read_memcached(void *lines)
{
	(void)lines;
	read_lines(1, 'M'); /* MN, behind everything */
	return NULL;
}

int main(int argc, char **argv)
{
	struct stat stat;
	pthread_t reader;
	if (argc != 5)
		return 2;
	bool const is_redis = strcmp(argv[1], "redis") == 0;
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(argv[2])),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	long commands = atol(argv[4]);
	int const file = open(argv[3], O_RDONLY);
	if (file < 0 || fstat(file, &stat) != 0)
		die(argv[3]);
	const char *data =
		mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
	if (data == MAP_FAILED)
		die(argv[3]);
	server = socket(AF_INET, SOCK_STREAM, 0);
	if (server < 0 || connect(server, (struct sockaddr *)&at, sizeof(at)) != 0)
		die("can't connect");
	if (pthread_create(&reader, NULL, is_redis ? read_redis : read_memcached, &commands) != 0)
		die("can't start a thread");
	send_all(data, (size_t)stat.st_size);
	if (!is_redis)
		send_all("mn\r\n", 4);
	pthread_join(reader, NULL);
	return 0;
}
