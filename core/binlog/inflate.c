/* SPDX-License-Identifier: Apache-2.0 */
#include "binlog/inflate.h"

#include <inttypes.h>
#include <libdeflate.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
	HEADER_SIZE = 19,
	SIZE_OFFSET = 9, /* of an event's size in its header */
	CHUNK = 64 << 10,
	KEPT = 4 << 20, /* a buffer beyond it is freed rather than used again */
};

/* zstd's window, as a power of two: what its format and this library have. */
enum { SMALLEST_WINDOW = 10, LARGEST_WINDOW = 27 };

/* How many times larger than its deflated form a text can be: a match of 258 bytes in two bits. */
enum { MOST_DEFLATED = 1032 };

struct fl_inflater {
	size_t limit;
	struct fl_buf plain; /* the event at hand */
	struct libdeflate_decompressor *zlib;
	ZSTD_DCtx *zstd;

	/* The payload under way. */
	bool is_plain; /* it is not compressed at all */
	ZSTD_inBuffer in;
	uint64_t left; /* bytes that it is still to give */
	bool frame_is_open;
};

struct fl_inflater *fl_inflater_create(size_t limit)
{
	struct fl_inflater *inflater = calloc(1, sizeof(*inflater));
	if (inflater != NULL)
		inflater->limit = limit;
	return inflater;
}

void fl_inflater_destroy(struct fl_inflater *inflater)
{
	if (inflater == NULL)
		return;
	fl_buf_finish(&inflater->plain);
	libdeflate_free_decompressor(inflater->zlib);
	ZSTD_freeDCtx(inflater->zstd);
	free(inflater);
}

static int corrupt(uint8_t type, struct fl_err *err, const char *what)
{
	return fl_err_set(err, FL_ECORRUPT, "%s: %s", fl_event_name(type), what);
}

static int no_memory(struct fl_err *err)
{
	return fl_err_set(err, FL_ENOMEM, "out of memory for a compressed event");
}

static void clear(struct fl_inflater *inflater)
{
	if (inflater->plain.capacity > KEPT)
		fl_buf_finish(&inflater->plain);
	fl_buf_clear(&inflater->plain);
}

/* ---- MariaDB ---- */

static const struct {
	uint8_t compressed, plain;
} pairs[] = {
	{ FL_EVENT_MARIADB_QUERY_COMPRESSED, FL_EVENT_QUERY },
	{ FL_EVENT_MARIADB_WRITE_ROWS_COMPRESSED_V1, FL_EVENT_WRITE_ROWS_V1 },
	{ FL_EVENT_MARIADB_UPDATE_ROWS_COMPRESSED_V1, FL_EVENT_UPDATE_ROWS_V1 },
	{ FL_EVENT_MARIADB_DELETE_ROWS_COMPRESSED_V1, FL_EVENT_DELETE_ROWS_V1 },
	{ FL_EVENT_MARIADB_WRITE_ROWS_COMPRESSED, FL_EVENT_WRITE_ROWS },
	{ FL_EVENT_MARIADB_UPDATE_ROWS_COMPRESSED, FL_EVENT_UPDATE_ROWS },
	{ FL_EVENT_MARIADB_DELETE_ROWS_COMPRESSED, FL_EVENT_DELETE_ROWS },
};

static uint8_t plain_type(uint8_t type)
{
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (pairs[i].compressed == type)
			return pairs[i].plain;
	return 0;
}

bool fl_inflater_is_for(uint8_t event_type)
{
	return plain_type(event_type) != 0;
}

/* Steps over what is not compressed: of a QUERY all but the statement, of rows all but the rows.
 * The layouts are those of fl_query_decode() and fl_rows_decode(). */
static void skip_head(struct fl_cursor *c, const struct fl_event *event,
	const struct fl_format *format, uint8_t plain)
{
	uint8_t post_header = format->post_header[event->type];
	if (plain == FL_EVENT_QUERY) {
		enum { POST_HEADER = 13 };
		fl_take(c, 8);
		uint8_t db_size = fl_take_u8(c);
		fl_take(c, 2);
		uint16_t status_size = fl_take_u16(c);
		if (post_header > POST_HEADER)
			fl_take(c, post_header - POST_HEADER);
		fl_take(c, (size_t)status_size + db_size + 1);
		return;
	}
	fl_take(c, (post_header == 6 ? 4 : 6) + 2);
	if (plain >= FL_EVENT_WRITE_ROWS) {
		uint16_t extra = fl_take_u16(c);
		c->failed = c->failed || extra < 2;
		fl_take(c, extra >= 2 ? extra - 2u : 0);
	}
	uint64_t columns = fl_take_lenenc(c);
	c->failed = c->failed || columns > UINT16_MAX;
	size_t bitmap = c->failed ? 0 : (size_t)(columns + 7) / 8;
	bool is_update = plain == FL_EVENT_UPDATE_ROWS || plain == FL_EVENT_UPDATE_ROWS_V1;
	fl_take(c, is_update ? 2 * bitmap : bitmap);
}

/* The compressed part:
 *
 *    0   1  bits 7-5: 100; bits 6-4: the algorithm, 0 zlib; bits 2-0: size of the length
 *    1   n  length when inflated, big-endian, 1 to 4 bytes
 *  1+n   m  zlib's format
 */
int fl_inflate_event(struct fl_inflater *inflater, const struct fl_event *event,
	const struct fl_format *format, struct fl_event *ret, struct fl_err *err)
{
	uint8_t const plain = plain_type(event->type);
	struct fl_cursor c = fl_cursor(event->body.data, event->body.size);
	skip_head(&c, event, format, plain);
	size_t const head = event->body.size - fl_cursor_left(&c);
	uint8_t flags = fl_take_u8(&c);
	unsigned length_size = flags & 7;
	uint64_t length = 0;
	for (unsigned i = 0; i < length_size; i++)
		length = length << 8 | fl_take_u8(&c);
	size_t const size = fl_cursor_left(&c);
	if (c.failed || (flags & 0x80) == 0 || length_size < 1 || length_size > 4)
		return corrupt(event->type, err, "it ends too early, or has no compressed part");
	if ((flags & 0x70) != 0)
		return fl_err_set(err, FL_EUNSUPPORTED,
			"%s: compressed in a way that is not known (%u)",
			fl_event_name(event->type), flags >> 4 & 7);
	if (length > (uint64_t)size * MOST_DEFLATED || head + length > inflater->limit)
		return corrupt(event->type, err, "it claims more than it can hold");

	if (inflater->zlib == NULL)
		inflater->zlib = libdeflate_alloc_decompressor();
	clear(inflater);
	fl_buf_append(&inflater->plain, event->body.data, head);
	char *to = fl_buf_reserve(&inflater->plain, (size_t)length);
	if (inflater->zlib == NULL || to == NULL)
		return no_memory(err);
	if (libdeflate_zlib_decompress(inflater->zlib, c.at, size, to, (size_t)length, NULL) !=
		LIBDEFLATE_SUCCESS)
		return corrupt(event->type, err, "its compressed part is damaged");
	inflater->plain.size += (size_t)length;
	*ret = *event;
	ret->type = plain;
	ret->body = (struct fl_bytes){ inflater->plain.data, inflater->plain.size };
	return 0;
}

/* ---- MySQL ---- */

/* TRANSACTION_PAYLOAD: fields until one of type 0, then the payload. Those of unknown types are
 * passed over:
 *
 *   0  lenenc  type: 1 size of the payload, 2 algorithm (0 zstd, 255 none), 3 size when inflated
 *      lenenc  size
 *           n  value: a lenenc integer
 */
int fl_inflate_payload(
	struct fl_inflater *inflater, const struct fl_event *event, struct fl_err *err)
{
	enum { END = 0, SIZE = 1, ALGORITHM = 2, INFLATED_SIZE = 3, ZSTD = 0, NONE = 255 };
	struct fl_cursor c = fl_cursor(event->body.data, event->body.size);
	uint64_t values[INFLATED_SIZE + 1] = { 0 };
	bool has[INFLATED_SIZE + 1] = { false };
	for (uint64_t type; (type = fl_take_lenenc(&c)) != END && !c.failed;) {
		struct fl_bytes value = fl_take_lenenc_bytes(&c);
		if (type > INFLATED_SIZE)
			continue;
		struct fl_cursor number = fl_cursor(value.data, value.size);
		values[type] = fl_take_lenenc(&number);
		has[type] = true;
		c.failed = c.failed || number.failed;
	}
	if (c.failed || !has[SIZE] || !has[ALGORITHM] || values[SIZE] != fl_cursor_left(&c))
		return corrupt(event->type, err, "its head is damaged");
	inflater->is_plain = values[ALGORITHM] == NONE;
	if (!inflater->is_plain && values[ALGORITHM] != ZSTD)
		return fl_err_set(err, FL_EUNSUPPORTED,
			"%s: compressed in a way that is not known (%" PRIu64 ")",
			fl_event_name(event->type), values[ALGORITHM]);
	if (!inflater->is_plain && !has[INFLATED_SIZE])
		return corrupt(event->type, err, "it does not tell its size");

	inflater->in = (ZSTD_inBuffer){ .src = c.at, .size = fl_cursor_left(&c) };
	inflater->left = inflater->is_plain ? inflater->in.size : values[INFLATED_SIZE];
	inflater->frame_is_open = false;
	if (inflater->is_plain)
		return 0;
	if (inflater->zstd == NULL) {
		int window = SMALLEST_WINDOW;
		while (window < LARGEST_WINDOW && (size_t)2 << window <= inflater->limit)
			window++;
		inflater->zstd = ZSTD_createDCtx();
		if (inflater->zstd == NULL)
			return no_memory(err);
		ZSTD_DCtx_setParameter(inflater->zstd, ZSTD_d_windowLogMax, window);
	}
	ZSTD_DCtx_reset(inflater->zstd, ZSTD_reset_session_only);
	return 0;
}

static int zstd_failed(size_t result, struct fl_err *err)
{
	/* One that is well-formed, but needs too much. */
	int code = ZSTD_getErrorCode(result) == ZSTD_error_frameParameter_windowTooLarge
			   ? FL_EUNSUPPORTED
			   : FL_ECORRUPT;
	return fl_err_set(err, code, "%s: %s", fl_event_name(FL_EVENT_TRANSACTION_PAYLOAD),
		ZSTD_getErrorName(result));
}

/* Appends `size` more bytes of the payload to the buffer. */
static int inflate(struct fl_inflater *inflater, size_t size, struct fl_err *err)
{
	uint8_t const type = FL_EVENT_TRANSACTION_PAYLOAD;
	if (size > inflater->left)
		return corrupt(type, err, "an event reaches beyond its end");
	inflater->left -= size;
	while (size > 0) {
		size_t const some = size < CHUNK ? size : CHUNK;
		char *to = fl_buf_reserve(&inflater->plain, some);
		if (to == NULL)
			return no_memory(err);
		ZSTD_outBuffer out = { .dst = to, .size = some };
		if (inflater->is_plain) {
			/* As many are left as the check above has seen. */
			memcpy(to, (const char *)inflater->in.src + inflater->in.pos, some);
			inflater->in.pos += some;
			out.pos = some;
		} else {
			size_t const before = inflater->in.pos;
			size_t hint = ZSTD_decompressStream(inflater->zstd, &out, &inflater->in);
			if (ZSTD_isError(hint))
				return zstd_failed(hint, err);
			inflater->frame_is_open = hint != 0;
			if (out.pos == 0 && inflater->in.pos == before)
				return corrupt(type, err, "its compressed part ends too early");
		}
		inflater->plain.size += out.pos;
		size -= out.pos;
	}
	return 0;
}

/* Whether all was used up: to the byte, lest what is behind it be passed over. */
static int check_end(struct fl_inflater *inflater, struct fl_err *err)
{
	char more;
	ZSTD_outBuffer out = { .dst = &more, .size = 1 };
	while (!inflater->is_plain &&
		(inflater->frame_is_open || inflater->in.pos < inflater->in.size)) {
		size_t const before = inflater->in.pos;
		size_t hint = ZSTD_decompressStream(inflater->zstd, &out, &inflater->in);
		if (ZSTD_isError(hint) || out.pos > 0 || (hint != 0 && inflater->in.pos == before))
			return corrupt(FL_EVENT_TRANSACTION_PAYLOAD, err,
				"its compressed part is not as long as it tells");
		inflater->frame_is_open = hint != 0;
	}
	return 0;
}

int fl_inflate_next(struct fl_inflater *inflater, const uint8_t **ret_data, size_t *ret_size,
	struct fl_err *err)
{
	uint8_t const type = FL_EVENT_TRANSACTION_PAYLOAD;
	if (inflater->left == 0)
		return check_end(inflater, err);
	clear(inflater);
	int result = inflate(inflater, HEADER_SIZE, err);
	if (result != 0)
		return result;
	size_t const size = (size_t)fl_le((uint8_t *)inflater->plain.data + SIZE_OFFSET, 4);
	if (size < HEADER_SIZE || size > inflater->limit)
		return corrupt(type, err, "an event in it is too small or too large");
	result = inflate(inflater, size - HEADER_SIZE, err);
	if (result != 0)
		return result;
	*ret_data = (const uint8_t *)inflater->plain.data;
	*ret_size = inflater->plain.size;
	return 1;
}
