/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "source/packets.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_IN_PACKET = 0xffffff };

static struct fl_packets packets;
static int server = -1, client = -1;

static void set_up(void)
{
	int pair[2];
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	client = pair[0];
	server = pair[1];
	cr_assert_eq(fl_packets_open(&packets, client, 20), 0);
}

static void tear_down(void)
{
	fl_packets_close(&packets);
	fl_packets_close(&packets); /* once more: nothing */
	close(client);
	if (server >= 0)
		close(server);
}

TestSuite(packets, .init = set_up, .fini = tear_down, .timeout = 60);

static void write_all(const void *data, size_t size)
{
	const char *at = data;
	while (size > 0) {
		ssize_t const written = write(server, at, size);
		cr_assert_gt(written, 0);
		at += written;
		size -= (size_t)written;
	}
}

static void put_header(struct fl_buf *out, size_t size, unsigned number)
{
	fl_buf_char(out, (char)size);
	fl_buf_char(out, (char)(size >> 8));
	fl_buf_char(out, (char)(size >> 16));
	fl_buf_char(out, (char)number);
}

/* A byte that tells where it stands, in which payload. */
static char byte_of(size_t payload, size_t at)
{
	return (char)(payload * 31 + at * 7 + at / 251);
}

/* As servers do: what is as large as a packet can be goes on in the next one. */
static void put_payload(struct fl_buf *out, size_t payload, size_t size, unsigned *number)
{
	size_t at = 0, some;
	do {
		some = size - at < MOST_IN_PACKET ? size - at : MOST_IN_PACKET;
		put_header(out, some, (*number)++);
		for (size_t i = 0; i < some; i++)
			fl_buf_char(out, byte_of(payload, at + i));
		at += some;
	} while (some == MOST_IN_PACKET);
}

static void expect_payload(size_t payload, size_t size)
{
	const uint8_t *data;
	size_t got;
	struct fl_err err;
	cr_assert_eq(fl_packets_read(&packets, &data, &got, &err), 0, "payload %zu", payload);
	cr_assert_eq(got, size, "payload %zu has %zu bytes, not %zu", payload, got, size);
	for (size_t i = 0; i < size; i++)
		cr_assert_eq(
			(char)data[i], byte_of(payload, i), "payload %zu, byte %zu", payload, i);
}

static void expect_failure(int code, const char *text)
{
	const uint8_t *data;
	size_t size;
	struct fl_err err = { 0 };
	cr_expect_eq(fl_packets_read(&packets, &data, &size, &err), code);
	cr_expect_not_null(strstr(err.text, text), "it says: %s", err.text);
}

struct stream {
	struct fl_buf bytes;
	size_t piece; /* bytes that are written at once */
};

static void *send_stream(void *ctx)
{
	const struct stream *stream = ctx;
	for (size_t at = 0; at < stream->bytes.size; at += stream->piece) {
		size_t const left = stream->bytes.size - at;
		write_all(stream->bytes.data + at, left < stream->piece ? left : stream->piece);
	}
	return NULL;
}

Test(packets, payloads_of_any_size_come_whole_however_they_are_cut)
{
	static const size_t sizes[] = { 1, 0, 5, 251, 70000, 3, 262139, 262140, 262141, 600000,
		17 };
	static const size_t pieces[] = { 1 << 20, 4096, 1021, 3 };
	enum { SIZES = sizeof(sizes) / sizeof(*sizes) };
	for (size_t p = 0; p < sizeof(pieces) / sizeof(*pieces); p++) {
		struct stream stream = { .piece = pieces[p] };
		unsigned number = packets.sequence;
		size_t const count = pieces[p] > 3 ? SIZES : SIZES - 7;
		for (size_t i = 0; i < count; i++)
			put_payload(&stream.bytes, i, sizes[i], &number);
		cr_assert_not(stream.bytes.failed);
		pthread_t sender;
		cr_assert_eq(pthread_create(&sender, NULL, send_stream, &stream), 0);
		for (size_t i = 0; i < count; i++)
			expect_payload(i, sizes[i]);
		pthread_join(sender, NULL);
		fl_buf_finish(&stream.bytes);
	}
}

Test(packets, sequence_numbers_begin_again_behind_255)
{
	for (size_t i = 0; i < 600; i++) {
		struct fl_buf bytes = { 0 };
		unsigned number = packets.sequence;
		put_payload(&bytes, i, 10, &number);
		write_all(bytes.data, bytes.size);
		fl_buf_finish(&bytes);
		expect_payload(i, 10);
	}
}

/* Of exactly 2^24 - 1 bytes too, behind which an empty packet stands. */
Test(packets, payloads_beyond_16_mib_are_joined)
{
	static const size_t sizes[] = { MOST_IN_PACKET, 9, 2 * MOST_IN_PACKET + 5, 40 };
	struct stream stream = { .piece = 1 << 20 };
	unsigned number = 1;
	for (size_t i = 0; i < 4; i++)
		put_payload(&stream.bytes, i, sizes[i], &number);
	cr_assert_not(stream.bytes.failed);
	pthread_t sender;
	cr_assert_eq(pthread_create(&sender, NULL, send_stream, &stream), 0);
	for (size_t i = 0; i < 4; i++)
		expect_payload(i, sizes[i]);
	pthread_join(sender, NULL);
	cr_expect_not(fl_packets_is_ready(&packets, 0));
	cr_expect_leq(packets.capacity, 1 << 20, "a large event's memory is given back");
	fl_buf_finish(&stream.bytes);
}

Test(packets, what_is_there_is_told_without_waiting)
{
	struct fl_buf bytes = { 0 };
	unsigned number = 1;
	put_payload(&bytes, 0, 100, &number);
	put_payload(&bytes, 1, 100, &number);
	cr_expect_not(fl_packets_is_ready(&packets, 0));
	write_all(bytes.data, 50);
	cr_expect_not(fl_packets_is_ready(&packets, 0));
	cr_expect_not(fl_packets_is_ready(&packets, 5));
	write_all(bytes.data + 50, 60);
	cr_expect(fl_packets_is_ready(&packets, 0));
	expect_payload(0, 100);
	cr_expect_not(fl_packets_is_ready(&packets, 0));
	write_all(bytes.data + 110, bytes.size - 110);
	cr_expect(fl_packets_is_ready(&packets, 1000));
	expect_payload(1, 100);
	fl_buf_finish(&bytes);
}

Test(packets, a_number_out_of_order_loses_the_connection)
{
	struct fl_buf bytes = { 0 };
	put_header(&bytes, 1, 2);
	fl_buf_char(&bytes, 'x');
	write_all(bytes.data, bytes.size);
	fl_buf_finish(&bytes);
	cr_expect(fl_packets_is_ready(&packets, 0), "the next read does not wait");
	expect_failure(FL_ELOST, "out of order");
	expect_failure(FL_ELOST, "out of order");
}

Test(packets, an_end_within_a_packet_is_no_payload)
{
	struct fl_buf bytes = { 0 };
	unsigned number = 1;
	put_payload(&bytes, 0, 30, &number);
	put_payload(&bytes, 1, 30, &number);
	write_all(bytes.data, bytes.size - 1);
	fl_buf_finish(&bytes);
	close(server);
	server = -1;
	expect_payload(0, 30);
	expect_failure(FL_ELOST, "closed");
}

Test(packets, a_socket_that_is_shut_down_ends_a_read)
{
	shutdown(client, SHUT_RDWR);
	expect_failure(FL_ELOST, "closed");
}

Test(packets, a_server_that_is_silent_for_too_long_is_lost)
{
	fl_packets_close(&packets);
	cr_assert_eq(fl_packets_open(&packets, client, 1), 0);
	expect_failure(FL_ELOST, "timed out");
}

/* In place of the pair, which does not wait for much. */
static void use_tcp(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int const listener = socket(AF_INET, SOCK_STREAM, 0);
	tear_down();
	client = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(bind(listener, (struct sockaddr *)&at, size), 0);
	cr_assert_eq(listen(listener, 1), 0);
	cr_assert_eq(getsockname(listener, (struct sockaddr *)&at, &size), 0);
	cr_assert_eq(connect(client, (struct sockaddr *)&at, size), 0);
	server = accept(listener, NULL, NULL);
	cr_assert_geq(server, 0);
	close(listener);
	cr_assert_eq(fl_packets_open(&packets, client, 20), 0);
}

enum { MS = 1000000, PIECE = 1000, PIECES = 400 };

static unsigned next_number = 1;

static void send_piece(size_t payload)
{
	struct fl_buf out = { 0 };
	put_payload(&out, payload, PIECE, &next_number);
	write_all(out.data, out.size);
	fl_buf_finish(&out);
}

/* So many, all read, in a window that begins then. */
static void stream(size_t pieces, uint64_t begin)
{
	cr_expect_not(fl_packets_gather(&packets, begin), "nothing is known yet");
	for (size_t i = 0; i < pieces; i++) {
		send_piece(i);
		expect_payload(i, PIECE);
	}
	cr_expect_not(fl_packets_is_ready(&packets, 0));
}

Test(packets, much_of_a_stream_is_waited_for)
{
	use_tcp();
	stream(PIECES, 100 * MS);
	for (size_t i = 0; i < 100; i++)
		send_piece(i);
	cr_expect(fl_packets_gather(&packets, 103 * MS), "there are 100 kB");
	for (size_t i = 0; i < 100; i++)
		expect_payload(i, PIECE);
}

Test(packets, the_end_of_a_stream_is_waited_for_but_a_moment)
{
	use_tcp();
	stream(PIECES, 100 * MS);
	send_piece(7);
	cr_expect_not(fl_packets_gather(&packets, 103 * MS), "one is not much");
	expect_payload(7, PIECE);
	/* Now each wakes the reader again. */
	send_piece(8);
	cr_expect(fl_packets_is_ready(&packets, 10000));
	expect_payload(8, PIECE);
	cr_expect_not(fl_packets_gather(&packets, 104 * MS), "it streams no more");
}

Test(packets, what_comes_slowly_is_no_stream)
{
	use_tcp();
	stream(PIECES, 100 * MS);
	for (size_t i = 0; i < 100; i++)
		send_piece(i);
	cr_expect_not(fl_packets_gather(&packets, 120 * MS), "400 kB in 20 ms");
	for (size_t i = 0; i < 100; i++)
		expect_payload(i, PIECE);
	cr_expect_not(fl_packets_gather(&packets, 123 * MS), "100 kB in 3 ms");
}
