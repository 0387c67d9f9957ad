/* SPDX-License-Identifier: Apache-2.0
 *
 * usage: latency_probe probe SOURCE_PORT REDIS_PORT COUNT PAUSE_US
 *        latency_probe load SOURCE_PORT SECONDS COMMITS_A_SECOND
 *
 * `probe` changes a row so often, with a pause before each, and asks Redis for its value without a
 * break from the moment on in which the commit is acknowledged: prints the microseconds until the
 * new value is seen, a line a change. `load` commits other changes at an even pace, or as many as
 * it can if that is 0, and prints how many a second it has made.
 */
#include <arpa/inet.h>
#include <mysql.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { WARM_UP = 100, LOAD_ROWS = 1000 };

static const double ATTACHED_S = 0.1, LOST_S = 10, PATIENCE_S = 30;

static void die(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static MYSQL *connect_source(const char *port)
{
	MYSQL *source = mysql_init(NULL);
	if (mysql_real_connect(source, "127.0.0.1", "app", "app", "bench", (unsigned)atoi(port),
		    NULL, 0) == NULL)
		die(mysql_error(source));
	return source;
}

static void run(MYSQL *source, const char *statement)
{
	if (mysql_query(source, statement) != 0)
		die(mysql_error(source));
}

static int connect_redis(const char *port)
{
	int const on = 1;
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int redis = socket(AF_INET, SOCK_STREAM, 0);
	if (redis < 0 || connect(redis, (struct sockaddr *)&at, sizeof(at)) != 0)
		die("can't connect to Redis");
	setsockopt(redis, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return redis;
}

/* Whether the row in Redis has this number. */
static bool is_seen(int redis, unsigned number)
{
	static const char get[] = "*2\r\n$3\r\nGET\r\n$13\r\nbench:probe:1\r\n";
	char expected[32], answer[256];
	ssize_t size = 0;
	snprintf(expected, sizeof(expected), "\"n\":%u}", number);
	if (write(redis, get, sizeof(get) - 1) != (ssize_t)sizeof(get) - 1)
		die("can't ask Redis");
	/* A size and a value, each with its line's end; $-1 for none. */
	do {
		ssize_t const more = read(redis, answer + size, sizeof(answer) - 1 - (size_t)size);
		if (more <= 0)
			die("Redis has closed the connection");
		size += more;
		answer[size] = '\0';
	} while (strncmp(answer, "$-1\r\n", 5) != 0 &&
		 (size < 2 || strcmp(answer + size - 2, "\r\n") != 0 ||
			 strchr(answer, '\n') == answer + size - 1));
	return strstr(answer, expected) != NULL;
}

/* Changes the row; seconds from the acknowledgement until it is seen, below 0: not in time. */
static double change(MYSQL *source, int redis, unsigned number, double limit)
{
	char statement[80];
	snprintf(statement, sizeof(statement), "UPDATE probe SET n = %u WHERE id = 1", number);
	run(source, statement);
	double const acknowledged = now();
	while (!is_seen(redis, number))
		if (now() - acknowledged > limit)
			return -1;
	return now() - acknowledged;
}

static int probe(char **arguments)
{
	MYSQL *source = connect_source(arguments[0]);
	int const redis = connect_redis(arguments[1]);
	unsigned const count = (unsigned)atoi(arguments[2]);
	unsigned const pause = (unsigned)atoi(arguments[3]);
	unsigned number = (unsigned)time(NULL) % 1000000 * 1000; /* another one each time */
	double const started = now();
	/* Until somebody follows the source. */
	while (change(source, redis, ++number, ATTACHED_S) < 0)
		if (now() - started > PATIENCE_S)
			die("nothing comes to Redis");
	for (unsigned i = 0; i < WARM_UP + count; i++) {
		usleep(pause / 2 + (unsigned)rand() % (pause + 1));
		double const seconds = change(source, redis, ++number, LOST_S);
		if (seconds < 0)
			die("a change has not come to Redis");
		if (i >= WARM_UP)
			printf("%.1f\n", seconds * 1e6);
	}
	return 0;
}

static int load(char **arguments)
{
	MYSQL *source = connect_source(arguments[0]);
	double const seconds = atof(arguments[1]), pace = atof(arguments[2]);
	double const started = now();
	unsigned long commits = 0;
	char statement[120];
	while (now() - started < seconds) {
		double const early = pace > 0 ? started + (double)commits / pace - now() : 0;
		if (early > 0)
			usleep((unsigned)(early * 1e6));
		snprintf(statement, sizeof(statement),
			"UPDATE load_table SET n = n + 1 WHERE id = %lu",
			1 + commits * 7919 % LOAD_ROWS);
		run(source, statement);
		commits++;
	}
	printf("%.0f\n", (double)commits / (now() - started));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 6 && strcmp(argv[1], "probe") == 0)
		return probe(argv + 2);
	if (argc == 5 && strcmp(argv[1], "load") == 0)
		return load(argv + 2);
	die("usage: see latency_probe.c");
}
