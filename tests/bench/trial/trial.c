/* SPDX-License-Identifier: Apache-2.0
 *
 * usage: trial [OPTION...] packets|rows|lines|redis|memcached|libmemcached
 *   -P PORT        of the source, on 127.0.0.1, as repl with the password repl
 *   -f FILE        the binlog file to begin with; all is read that there is
 *   -F             in its place: from the source's end, for ever; sends what it has when nothing
 *                  more is there
 *   -n ROWS        no more than these
 *   -s PORT        of Redis or memcached
 *   -o FILE        of what would be sent to them
 *   -b BYTES       sent at once
 *   -w BATCHES     without an answer
 *   -m             Redis: MULTI for each transaction, and its position in it
 *   -t             a thread of its own sends
 *
 * `packets` only reads what comes, `rows` checks and decodes it. Tells the rows on standard error.
 */
#include "trial.h"

#include <errno.h>
#include <libdeflate.h>
#include <mysql.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	EVENT_HEADER = 19,
	CHECKSUM = 4,
	ROOM = 64 * 1024, /* for at least so much is room before the source is read from */
	RECEIVE_BUFFER = 4 << 20,
	BINLOG_DUMP_NON_BLOCK = 1
};

enum event_type {
	FORMAT_DESCRIPTION = 15,
	XID = 16,
	TABLE_MAP = 19,
	WRITE_ROWS_V1 = 23,
	UPDATE_ROWS_V1,
	DELETE_ROWS_V1,
	WRITE_ROWS = 30,
	UPDATE_ROWS,
	DELETE_ROWS
};

static bool only_packets, follows, has_checksums, is_over;
static long rows, rows_max;
static struct value values[COLUMNS_MAX];
static char arena[64 * 1024];

void die(const char *what)
{
	fprintf(stderr, "%s (%s)\n", what, strerror(errno));
	exit(1);
}

static void rows_event(uint8_t type, const uint8_t *at, const uint8_t *end)
{
	struct table *table = table_of(le48(at));
	unsigned const op = type >= WRITE_ROWS ? type - WRITE_ROWS : type - WRITE_ROWS_V1;
	bool const is_update = op == 1;
	at += 8;
	if (type >= WRITE_ROWS)
		at += le16(at);
	size_t const columns = (size_t)length_encoded(&at);
	at += (columns + 7) / 8 * (is_update ? 2 : 1);
	while (at < end && !is_over) {
		if (is_update)
			at = row_decode(table, at, values, arena);
		at = row_decode(table, at, values, arena);
		rows++;
		output_row(table, values, op);
		is_over = rows == rows_max;
	}
}

static inline void event(const uint8_t *at, size_t size)
{
	uint8_t const type = at[4];
	const uint8_t *body = at + EVENT_HEADER, *end = at + size;
	if (type == FORMAT_DESCRIPTION)
		has_checksums = end[-CHECKSUM - 1] == 1;
	if (only_packets)
		return;
	if (has_checksums) {
		end -= CHECKSUM;
		if (!likely(libdeflate_crc32(0, at, (size_t)(end - at)) == le32(end)))
			die("a checksum is wrong");
	}
	switch (type) {
	case TABLE_MAP:
		table_map(body, (size_t)(end - body));
		break;
	case WRITE_ROWS_V1:
	case UPDATE_ROWS_V1:
	case DELETE_ROWS_V1:
	case WRITE_ROWS:
	case UPDATE_ROWS:
	case DELETE_ROWS:
		rows_event(type, body, end);
		break;
	case XID:
		output_commit(le32(at + 13));
		break;
	default:
		break;
	}
}

/* ---- the source ---- */

static MYSQL *connect_source(unsigned port)
{
	MYSQL *source = mysql_init(NULL);
	if (mysql_real_connect(source, "127.0.0.1", "repl", "repl", NULL, port, NULL, 0) == NULL ||
		mysql_query(source, "SET @master_binlog_checksum = @@global.binlog_checksum") ||
		mysql_query(source, "SET @mariadb_slave_capability = 4"))
		die(mysql_error(source));
	return source;
}

static char *find_end(MYSQL *source, uint32_t *ret_position)
{
	MYSQL_RES *result = NULL;
	if (mysql_query(source, "SHOW MASTER STATUS") == 0)
		result = mysql_store_result(source);
	if (result == NULL)
		die(mysql_error(source));
	MYSQL_ROW row = mysql_fetch_row(result);
	char *file = strdup(row[0]);
	*ret_position = (uint32_t)atol(row[1]);
	mysql_free_result(result);
	return file;
}

/* COM_BINLOG_DUMP: position, flags, server id, file. With the flag the source says when there is no
 * more. */
static void ask_for(int fd, const char *file, uint32_t position)
{
	uint8_t packet[600] = { 0 };
	uint32_t const id = 40000 + (uint32_t)getpid() % 10000;
	size_t const file_size = strlen(file), size = 11 + file_size;
	packet[0] = (uint8_t)size;
	packet[1] = (uint8_t)(size >> 8);
	packet[4] = COM_BINLOG_DUMP;
	memcpy(packet + 5, &position, 4);
	packet[9] = follows ? 0 : BINLOG_DUMP_NON_BLOCK;
	memcpy(packet + 11, &id, 4);
	memcpy(packet + 15, file, file_size);
	if (write(fd, packet, size + 4) != (ssize_t)size + 4)
		die("can't ask for the binlog");
}

/* What has come and was not used yet. */
struct input {
	uint8_t *data;
	size_t capacity, begin, end;
};

/* The packets that have come whole. */
static void use_packets(struct input *in)
{
	while (!is_over && in->end - in->begin >= 4) {
		size_t const size = le24(in->data + in->begin);
		const uint8_t *packet = in->data + in->begin + 4;
		if (size == 0xffffff)
			die("an event of 16 MiB: the trial can't read it");
		if (in->end - in->begin < size + 4)
			return;
		if (packet[0] == 0xff) {
			fprintf(stderr, "%.*s\n", (int)size - 9, (const char *)packet + 9);
			exit(1);
		}
		if (packet[0] == 0)
			event(packet + 1, size - 1);
		else
			is_over = true;
		in->begin += size + 4;
	}
}

static void make_room(struct input *in)
{
	if (in->begin == in->end) {
		in->begin = in->end = 0;
	} else if (in->capacity - in->end < ROOM || in->begin > in->capacity / 2) {
		memmove(in->data, in->data + in->begin, in->end - in->begin);
		in->end -= in->begin;
		in->begin = 0;
	}
	if (in->capacity - in->end < ROOM) {
		in->capacity *= 2;
		in->data = realloc(in->data, in->capacity);
	}
}

static void read_binlog(int fd)
{
	struct input in = { .capacity = 1 << 20 };
	int const buffer = RECEIVE_BUFFER;
	in.data = malloc(in.capacity);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	for (;;) {
		use_packets(&in);
		if (is_over)
			break;
		make_room(&in);
		struct pollfd more = { .fd = fd, .events = POLLIN };
		if (follows && !output_is_empty() && poll(&more, 1, 0) == 0)
			output_settle();
		ssize_t const size = recv(fd, in.data + in.end, in.capacity - in.end, 0);
		if (size <= 0)
			die("the source has closed the connection");
		in.end += (size_t)size;
	}
	free(in.data);
}

static enum target target_of(const char *word)
{
	static const char *const words[] = { "rows", "lines", "redis", "memcached",
		"libmemcached" };
	only_packets = strcmp(word, "packets") == 0;
	if (only_packets)
		return TO_NOTHING;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(word, words[i]) == 0)
			return (enum target)i;
	die(word);
}

int main(int argc, char **argv)
{
	struct output_options output = { .batch_bytes = 64 * 1024, .window = 4 };
	const char *file = NULL;
	uint32_t position = 4;
	unsigned port = 0;
	for (int c; (c = getopt(argc, argv, "P:f:Fn:s:o:b:w:mt")) != -1;)
		switch (c) {
		case 'P':
			port = (unsigned)atoi(optarg);
			break;
		case 'f':
			file = optarg;
			break;
		case 'F':
			follows = true;
			break;
		case 'n':
			rows_max = atol(optarg);
			break;
		case 's':
			output.port = atoi(optarg);
			break;
		case 'o':
			output.file = optarg;
			break;
		case 'b':
			output.batch_bytes = (size_t)atol(optarg);
			break;
		case 'w':
			output.window = atoi(optarg);
			break;
		case 'm':
			output.has_multi = true;
			break;
		case 't':
			output.has_thread = true;
			break;
		default:
			return 2;
		}
	if (optind + 1 != argc || (file == NULL) != follows)
		die("usage: see trial.c");
	output.target = target_of(argv[optind]);
	MYSQL *source = connect_source(port);
	if (follows)
		file = find_end(source, &position);
	output_open(&output);
	ask_for(mysql_get_socket(source), file, position);
	read_binlog(mysql_get_socket(source));
	output_close();
	fprintf(stderr, "rows=%ld\n", rows);
	fflush(stderr);
	_exit(0); /* without an orderly end, which the source would answer after all it has sent */
}
