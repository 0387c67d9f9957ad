/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows are rendered straight into a batch. A batch that is large enough is sent, by a thread of its
 * own if asked for, and the next one is filled while its answers are outstanding.
 */
#include "trial.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <libmemcached/memcached.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROW_MAX = 1 << 20, SPARE = 4, WINDOW_MAX = 64, KEY_MAX = 256 };

struct batch {
	char *data;
	size_t size;
	long answers; /* lines that answer it */
	struct batch *next;
};

static struct output_options options;
static struct batch *filling;
static bool in_transaction;
static memcached_st *library;

static struct batch *batch_create(void)
{
	struct batch *batch = calloc(1, sizeof(*batch));
	batch->data = malloc(options.batch_bytes + ROW_MAX);
	return batch;
}

/* ---- the sink ---- */

static int sink = STDOUT_FILENO;
static long due[WINDOW_MAX]; /* the answers to batches under way, a ring */
static unsigned first, behind;
static bool within_line;

static int connect_to(int port)
{
	int const on = 1;
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		die("can't connect to the sink");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void write_all(const char *data, size_t size)
{
	while (size > 0) {
		ssize_t const written = write(sink, data, size);
		if (written <= 0)
			die("can't write");
		data += written;
		size -= (size_t)written;
	}
}

/* Reads so many lines, or some more that have come with them; one that tells an error ends it. */
static void read_answers(long lines)
{
	static char answers[1 << 18];
	while (lines > 0) {
		ssize_t const size = read(sink, answers, sizeof(answers));
		if (size <= 0)
			die("the sink has closed the connection");
		for (const char *at = answers, *end = at + size; at < end;) {
			if (!within_line && *at == '-')
				die("the sink has refused something");
			const char *line_end = memchr(at, '\n', (size_t)(end - at));
			within_line = line_end == NULL;
			if (within_line)
				break;
			lines--;
			at = line_end + 1;
		}
	}
	due[first % WINDOW_MAX] += lines;
}

static void settle_oldest(void)
{
	long const lines = due[first % WINDOW_MAX];
	due[first++ % WINDOW_MAX] = 0;
	read_answers(lines);
}

static void send_batch(struct batch *batch)
{
	write_all(batch->data, batch->size);
	if (options.target == TO_REDIS && options.file == NULL && batch->size > 0) {
		due[behind++ % WINDOW_MAX] += batch->answers;
		while (behind - first > (unsigned)options.window)
			settle_oldest();
	}
	batch->size = 0;
	batch->answers = 0;
}

static void settle(void)
{
	while (behind != first)
		settle_oldest();
	if (options.target != TO_MEMCACHED || options.file != NULL)
		return;
	/* Quiet commands answer only if they fail: nothing may come before the barrier's answer. */
	char answer[4];
	write_all("mn\r\n", 4);
	if (recv(sink, answer, sizeof(answer), MSG_WAITALL) != sizeof(answer) ||
		memcmp(answer, "MN\r\n", sizeof(answer)) != 0)
		die("memcached has refused something");
}

/* ---- the thread ---- */

static pthread_t thread;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t has_full = PTHREAD_COND_INITIALIZER, has_spare = PTHREAD_COND_INITIALIZER;
static struct batch *full, **full_end = &full, *spare;
static bool is_over;

static void *send_all(void *unused)
{
	pthread_mutex_lock(&lock);
	for (;;) {
		while (full == NULL && !is_over)
			pthread_cond_wait(&has_full, &lock);
		struct batch *batch = full;
		if (batch == NULL)
			break;
		full = batch->next;
		if (full == NULL)
			full_end = &full;
		pthread_mutex_unlock(&lock);
		send_batch(batch);
		pthread_mutex_lock(&lock);
		batch->next = spare;
		spare = batch;
		pthread_cond_signal(&has_spare);
	}
	pthread_mutex_unlock(&lock);
	return unused;
}

static void hand_over(void)
{
	pthread_mutex_lock(&lock);
	filling->next = NULL;
	*full_end = filling;
	full_end = &filling->next;
	pthread_cond_signal(&has_full);
	while (spare == NULL)
		pthread_cond_wait(&has_spare, &lock);
	filling = spare;
	spare = filling->next;
	pthread_mutex_unlock(&lock);
}

static void send_filled(void)
{
	if (options.has_thread)
		hand_over();
	else
		send_batch(filling);
}

/* ---- rows ---- */

static char *put_bulk_size(char *out, size_t size)
{
	*out++ = '$';
	out = put_unsigned(out, size);
	return put(out, "\r\n", 2);
}

static char *put_bulk(char *out, const char *data, size_t size)
{
	out = put_bulk_size(out, size);
	out = put(out, data, size);
	return put(out, "\r\n", 2);
}

static char *put_line(char *out, const struct table *table, const struct value *values, unsigned op)
{
	static const char ops[][15] = {
		"insert\",\"row\":", "update\",\"row\":", "delete\",\"row\":"
	};
	out = put(out, table->line_head, table->line_head_size);
	out = put(out, ops[op], sizeof(ops[op]) - 1);
	out = row_render(table, values, out);
	return put(out, "}\n", 2);
}

/* The value's size stands before it: it is rendered a little further on, and moved. */
static char *put_redis_set(char *out, const struct table *table, const struct value *values,
	const char *key, size_t key_size)
{
	if (options.has_multi && !in_transaction) {
		out = put(out, "*1\r\n$5\r\nMULTI\r\n", 15);
		filling->answers++;
	}
	out = put(out, "*3\r\n$3\r\nSET\r\n", 13);
	out = put_bulk(out, key, key_size);
	char *rendered = out + 10;
	size_t const size = (size_t)(row_render(table, values, rendered) - rendered);
	out = put_bulk_size(out, size);
	if (out != rendered)
		memmove(out, rendered, size);
	filling->answers += options.has_multi ? 2 : 1;
	return put(out + size, "\r\n", 2);
}

static char *put_memcached_set(
	char *out, const char *key, size_t key_size, const char *value, size_t size)
{
	out = put(out, "ms ", 3);
	out = put(out, key, key_size);
	*out++ = ' ';
	out = put_unsigned(out, size);
	out = put(out, " q\r\n", 4);
	out = put(out, value, size);
	return put(out, "\r\n", 2);
}

static void set_by_library(const char *key, size_t key_size, const char *value, size_t size)
{
	if (memcached_set(library, key, key_size, value, size, 0, 0) != MEMCACHED_SUCCESS)
		die(memcached_last_error_message(library));
}

static size_t make_key(const struct table *table, const struct value *values, char *key)
{
	const struct value *number = &values[table->key];
	char *end = put(key, table->key_prefix, table->key_prefix_size);
	end = number->kind == KIND_UNSIGNED ? put_unsigned(end, number->u)
					    : put_signed(end, number->i);
	return (size_t)(end - key);
}

void output_row(const struct table *table, const struct value *values, unsigned op)
{
	static char value[ROW_MAX];
	char key[KEY_MAX];
	size_t key_size = 0, size = 0;
	if (options.target == TO_NOTHING)
		return;
	char *out = filling->data + filling->size;
	if (options.target != TO_STDOUT)
		key_size = make_key(table, values, key);
	if (options.target == TO_MEMCACHED || options.target == TO_LIBMEMCACHED)
		size = (size_t)(row_render(table, values, value) - value);
	switch (options.target) {
	case TO_NOTHING:
		return;
	case TO_STDOUT:
		out = put_line(out, table, values, op);
		break;
	case TO_REDIS:
		out = put_redis_set(out, table, values, key, key_size);
		break;
	case TO_MEMCACHED:
		out = put_memcached_set(out, key, key_size, value, size);
		break;
	case TO_LIBMEMCACHED:
		set_by_library(key, key_size, value, size);
		return;
	}
	filling->size = (size_t)(out - filling->data);
	in_transaction = options.has_multi;
	if (filling->size >= options.batch_bytes && !in_transaction)
		send_filled();
}

void output_commit(uint64_t position)
{
	char number[24];
	if (!in_transaction)
		return;
	size_t const size = (size_t)(put_unsigned(number, position) - number);
	char *out = filling->data + filling->size;
	out = put(out, "*3\r\n$3\r\nSET\r\n", 13);
	out = put_bulk(out, "trial:position", 14);
	out = put_bulk(out, number, size);
	out = put(out, "*1\r\n$4\r\nEXEC\r\n", 14);
	filling->size = (size_t)(out - filling->data);
	filling->answers += 3;
	in_transaction = false;
	if (filling->size >= options.batch_bytes)
		send_filled();
}

bool output_is_empty(void)
{
	return filling == NULL || filling->size == 0;
}

void output_settle(void)
{
	if (options.target == TO_NOTHING)
		return;
	send_filled();
	if (!options.has_thread)
		settle();
}

void output_open(const struct output_options *given)
{
	options = *given;
	if (options.target == TO_NOTHING)
		return;
	if (options.file != NULL) {
		sink = open(options.file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		if (sink < 0)
			die(options.file);
	} else if (options.target == TO_LIBMEMCACHED) {
		library = memcached_create(NULL);
		memcached_server_add(library, "127.0.0.1", (in_port_t)options.port);
		memcached_behavior_set(library, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
	} else if (options.target != TO_STDOUT) {
		sink = connect_to(options.port);
	}
	filling = batch_create();
	if (!options.has_thread)
		return;
	for (int i = 0; i < SPARE; i++) {
		struct batch *batch = batch_create();
		batch->next = spare;
		spare = batch;
	}
	if (pthread_create(&thread, NULL, send_all, NULL) != 0)
		die("can't start a thread");
}

void output_close(void)
{
	if (options.target == TO_NOTHING)
		return;
	output_settle();
	if (!options.has_thread)
		return;
	pthread_mutex_lock(&lock);
	is_over = true;
	pthread_cond_signal(&has_full);
	pthread_mutex_unlock(&lock);
	pthread_join(thread, NULL);
	settle();
}
