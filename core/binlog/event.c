/* SPDX-License-Identifier: Apache-2.0 */
#include "binlog/event.h"

#include <inttypes.h>
#include <libdeflate.h>

#include "binlog/position.h"

enum {
	HEADER_SIZE = 19,
	CHECKSUM_SIZE = 4,
	FLAGS_OFFSET = 17,
	FLAG_IN_USE = 1, /* set in a file that is being written */
};

static const char *const names[256] = {
	[1] = "START_EVENT_V3",
	[FL_EVENT_QUERY] = "QUERY_EVENT",
	[FL_EVENT_STOP] = "STOP_EVENT",
	[FL_EVENT_ROTATE] = "ROTATE_EVENT",
	[FL_EVENT_INTVAR] = "INTVAR_EVENT",
	[6] = "LOAD_EVENT",
	[7] = "SLAVE_EVENT",
	[8] = "CREATE_FILE_EVENT",
	[9] = "APPEND_BLOCK_EVENT",
	[10] = "EXEC_LOAD_EVENT",
	[11] = "DELETE_FILE_EVENT",
	[12] = "NEW_LOAD_EVENT",
	[FL_EVENT_RAND] = "RAND_EVENT",
	[FL_EVENT_USER_VAR] = "USER_VAR_EVENT",
	[FL_EVENT_FORMAT_DESCRIPTION] = "FORMAT_DESCRIPTION_EVENT",
	[FL_EVENT_XID] = "XID_EVENT",
	[17] = "BEGIN_LOAD_QUERY_EVENT",
	[18] = "EXECUTE_LOAD_QUERY_EVENT",
	[FL_EVENT_TABLE_MAP] = "TABLE_MAP_EVENT",
	[20] = "PRE_GA_WRITE_ROWS_EVENT",
	[21] = "PRE_GA_UPDATE_ROWS_EVENT",
	[22] = "PRE_GA_DELETE_ROWS_EVENT",
	[FL_EVENT_WRITE_ROWS_V1] = "WRITE_ROWS_EVENT_V1",
	[FL_EVENT_UPDATE_ROWS_V1] = "UPDATE_ROWS_EVENT_V1",
	[FL_EVENT_DELETE_ROWS_V1] = "DELETE_ROWS_EVENT_V1",
	[FL_EVENT_INCIDENT] = "INCIDENT_EVENT",
	[FL_EVENT_HEARTBEAT] = "HEARTBEAT_LOG_EVENT",
	[FL_EVENT_IGNORABLE] = "IGNORABLE_LOG_EVENT",
	[FL_EVENT_ROWS_QUERY] = "ROWS_QUERY_LOG_EVENT",
	[FL_EVENT_WRITE_ROWS] = "WRITE_ROWS_EVENT",
	[FL_EVENT_UPDATE_ROWS] = "UPDATE_ROWS_EVENT",
	[FL_EVENT_DELETE_ROWS] = "DELETE_ROWS_EVENT",
	[FL_EVENT_GTID] = "GTID_LOG_EVENT",
	[FL_EVENT_ANONYMOUS_GTID] = "ANONYMOUS_GTID_LOG_EVENT",
	[FL_EVENT_PREVIOUS_GTIDS] = "PREVIOUS_GTIDS_LOG_EVENT",
	[FL_EVENT_TRANSACTION_CONTEXT] = "TRANSACTION_CONTEXT_EVENT",
	[FL_EVENT_VIEW_CHANGE] = "VIEW_CHANGE_EVENT",
	[FL_EVENT_XA_PREPARE] = "XA_PREPARE_LOG_EVENT",
	[FL_EVENT_PARTIAL_UPDATE_ROWS] = "PARTIAL_UPDATE_ROWS_EVENT",
	[FL_EVENT_TRANSACTION_PAYLOAD] = "TRANSACTION_PAYLOAD_EVENT",
	[FL_EVENT_HEARTBEAT_V2] = "HEARTBEAT_LOG_EVENT_V2",
	[FL_EVENT_GTID_TAGGED] = "GTID_TAGGED_LOG_EVENT",
	[FL_EVENT_MARIADB_ANNOTATE_ROWS] = "ANNOTATE_ROWS_EVENT",
	[FL_EVENT_MARIADB_BINLOG_CHECKPOINT] = "BINLOG_CHECKPOINT_EVENT",
	[FL_EVENT_MARIADB_GTID] = "GTID_EVENT",
	[FL_EVENT_MARIADB_GTID_LIST] = "GTID_LIST_EVENT",
	[FL_EVENT_MARIADB_START_ENCRYPTION] = "START_ENCRYPTION_EVENT",
	[FL_EVENT_MARIADB_QUERY_COMPRESSED] = "QUERY_COMPRESSED_EVENT",
	[FL_EVENT_MARIADB_WRITE_ROWS_COMPRESSED_V1] = "WRITE_ROWS_COMPRESSED_EVENT_V1",
	[FL_EVENT_MARIADB_UPDATE_ROWS_COMPRESSED_V1] = "UPDATE_ROWS_COMPRESSED_EVENT_V1",
	[FL_EVENT_MARIADB_DELETE_ROWS_COMPRESSED_V1] = "DELETE_ROWS_COMPRESSED_EVENT_V1",
	[FL_EVENT_MARIADB_WRITE_ROWS_COMPRESSED] = "WRITE_ROWS_COMPRESSED_EVENT",
	[FL_EVENT_MARIADB_UPDATE_ROWS_COMPRESSED] = "UPDATE_ROWS_COMPRESSED_EVENT",
	[FL_EVENT_MARIADB_DELETE_ROWS_COMPRESSED] = "DELETE_ROWS_COMPRESSED_EVENT",
};

const char *fl_event_name(uint8_t type)
{
	return names[type] != NULL ? names[type] : "unknown event";
}

bool fl_event_is_known(uint8_t type)
{
	return names[type] != NULL;
}

static int corrupt(uint8_t type, struct fl_err *err, const char *what)
{
	return fl_err_set(err, FL_ECORRUPT, "%s: %s", fl_event_name(type), what);
}

/* Whether the last four bytes are the CRC32 of the rest. The server computes it as if the flag "in
 * use" were not set. */
static bool checksum_fits(const uint8_t *data, size_t size)
{
	uint8_t const flags = data[FLAGS_OFFSET] & (uint8_t)~FLAG_IN_USE;
	size_t const end = size - CHECKSUM_SIZE;
	size_t const head = flags != data[FLAGS_OFFSET] ? FLAGS_OFFSET + 1 : 0;
	uint32_t crc = 0;
	if (head > 0) {
		crc = libdeflate_crc32(0, data, FLAGS_OFFSET);
		crc = libdeflate_crc32(crc, &flags, 1);
	}
	crc = libdeflate_crc32(crc, data + head, end - head);
	return crc == fl_le(data + end, CHECKSUM_SIZE);
}

static int too_short(size_t size, struct fl_err *err)
{
	return fl_err_set(err, FL_ECORRUPT, "an event of only %zu bytes", size);
}

/*
 * Every event:
 *
 *    0  4  timestamp, seconds since 1970
 *    4  1  type
 *    5  4  server id
 *    9  4  size of the event
 *   13  4  position of its end, the low 32 bits; may be 0
 *   17  2  flags
 *   19  n  body (where a FORMAT_DESCRIPTION announced a longer header, behind that)
 *          4  where checksums are on: CRC32 of all that is before it
 *
 * A FORMAT_DESCRIPTION always has the checksum's four bytes, and before them one that says whether
 * this and the following events fill them: 1, or 0.
 */
int fl_event_decode(const struct fl_format *format, const uint8_t *data, size_t size,
	struct fl_event *ret, struct fl_err *err)
{
	if (size < HEADER_SIZE)
		return too_short(size, err);
	struct fl_event event = {
		.timestamp = (uint32_t)fl_le(data, 4),
		.type = data[4],
		.server_id = (uint32_t)fl_le(data + 5, 4),
		.size = (uint32_t)fl_le(data + 9, 4),
		.log_pos = (uint32_t)fl_le(data + 13, 4),
		.flags = (uint16_t)fl_le(data + FLAGS_OFFSET, 2),
	};
	bool const describes = event.type == FL_EVENT_FORMAT_DESCRIPTION;
	size_t const header =
		format->known && !describes ? (size_t)format->header_size : HEADER_SIZE;
	if (size < header)
		return too_short(size, err);
	if (event.size != size)
		return fl_err_set(err, FL_ECORRUPT,
			"%s: its header tells a size of %" PRIu32 " bytes, but it has %zu",
			fl_event_name(event.type), event.size, size);

	size_t body = size - header;
	bool const has_room = body >= CHECKSUM_SIZE;
	bool checked, must_fit;
	if (describes) {
		if (body < CHECKSUM_SIZE + 1)
			return corrupt(event.type, err, "it ends too early");
		checked = true;
		must_fit = data[size - CHECKSUM_SIZE - 1] != 0;
	} else if (format->known) {
		checked = must_fit = format->checksum;
	} else {
		checked = has_room && checksum_fits(data, size);
		must_fit = false;
	}
	if (must_fit && (!has_room || !checksum_fits(data, size)))
		return corrupt(event.type, err, "its checksum is wrong");
	if (checked)
		body -= CHECKSUM_SIZE;
	event.body = (struct fl_bytes){ (const char *)data + header, body };
	*ret = event;
	return FL_OK;
}

/*
 * FORMAT_DESCRIPTION:
 *
 *    0   2  binlog version: 4
 *    2  50  server version, NUL-terminated text
 *   52   4  timestamp
 *   56   1  size of the common header
 *   57   n  size of the post-header of each event type from 1 on
 *        1  checksum algorithm of this file: 0 none, 1 CRC32
 *
 * Servers older than MySQL 5.6 have no algorithm byte; they are not supported.
 */
int fl_format_decode(const struct fl_event *event, struct fl_format *ret, struct fl_err *err)
{
	struct fl_cursor c = fl_cursor(event->body.data, event->body.size);
	struct fl_format format = { .known = true };
	uint16_t binlog_version = fl_take_u16(&c);
	struct fl_bytes version = fl_take_bytes(&c, sizeof(format.server_version) - 1);
	fl_take_u32(&c);
	format.header_size = fl_take_u8(&c);
	size_t left = fl_cursor_left(&c);
	struct fl_bytes sizes = fl_take_bytes(&c, left > 0 ? left - 1 : 0);
	uint8_t algorithm = fl_take_u8(&c);
	if (c.failed)
		return corrupt(event->type, err, "it ends too early");
	memcpy(format.server_version, version.data, version.size);

	if (binlog_version != 4)
		return fl_err_set(
			err, FL_EUNSUPPORTED, "binlog version %u is not supported", binlog_version);
	if (format.header_size < HEADER_SIZE)
		return corrupt(event->type, err, "its event header is too small");
	if (sizes.size < FL_EVENT_FORMAT_DESCRIPTION || sizes.size >= sizeof(format.post_header))
		return corrupt(event->type, err, "too few or too many event types");
	if (algorithm > 1)
		return fl_err_set(err, FL_EUNSUPPORTED,
			"checksum algorithm %u of server version %s is not supported", algorithm,
			format.server_version);
	memcpy(format.post_header + 1, sizes.data, sizes.size);
	format.post_header_count = (unsigned)sizes.size + 1;
	format.is_mariadb = strstr(format.server_version, "MariaDB") != NULL;
	format.checksum = algorithm == 1;
	*ret = format;
	return FL_OK;
}

/*
 * ROTATE:  0  8  position in the next file
 *          8  n  its name
 */
int fl_rotate_decode(const struct fl_event *event, struct fl_rotate *ret, struct fl_err *err)
{
	struct fl_cursor c = fl_cursor(event->body.data, event->body.size);
	struct fl_rotate rotate = { .position = fl_take_u64(&c) };
	rotate.file = fl_take_bytes(&c, fl_cursor_left(&c));
	if (c.failed)
		return corrupt(event->type, err, "it ends too early");
	if (!fl_file_name_is_valid(rotate.file))
		return corrupt(event->type, err, "the file's name is empty, too long or not text");
	*ret = rotate;
	return FL_OK;
}

/*
 * QUERY:   0  4  thread id
 *          4  4  seconds it took
 *          8  1  size of the database's name
 *          9  2  error code
 *         11  2  size of the status variables
 *         13     (the post-header may be longer: skipped)
 *             n  status variables: settings of the session; not needed, so that new ones do no harm
 *             n  database, and a NUL
 *             n  statement
 */
/*
 * Status variables: a code of one byte, then a value whose size the code tells. Servers write them
 * in the order below, so that what comes behind the character sets need not be known.
 *
 *   0 flags (4)   1 sql_mode (8)   2, 6 catalog (1 size, n, and for 2 a NUL)   3 auto_increment (4)
 *   131, MariaDB since 11.2: default collations (1 count, as many pairs of 2, 2)
 *   4 collations: client (2), connection (2), server (2)
 */
static uint16_t client_collation(struct fl_bytes status)
{
	struct fl_cursor c = fl_cursor(status.data, status.size);
	while (fl_cursor_left(&c) > 0 && !c.failed) {
		uint8_t code = fl_take_u8(&c);
		if (code == 4)
			return fl_take_u16(&c);
		if (code == 0 || code == 3)
			fl_take(&c, 4);
		else if (code == 1)
			fl_take(&c, 8);
		else if (code == 2 || code == 6)
			fl_take(&c, (size_t)fl_take_u8(&c) + (code == 2));
		else if (code == 131)
			fl_take(&c, (size_t)fl_take_u8(&c) * 4);
		else
			break;
	}
	return 0;
}

int fl_query_decode(const struct fl_event *event, const struct fl_format *format,
	struct fl_query *ret, struct fl_err *err)
{
	enum { POST_HEADER = 13 };
	struct fl_cursor c = fl_cursor(event->body.data, event->body.size);
	struct fl_query query = { .thread_id = fl_take_u32(&c) };
	query.seconds = fl_take_u32(&c);
	uint8_t db_size = fl_take_u8(&c);
	query.error_code = fl_take_u16(&c);
	uint16_t status_size = fl_take_u16(&c);
	uint8_t post_header = format->post_header[FL_EVENT_QUERY];
	if (post_header > POST_HEADER)
		fl_take(&c, post_header - POST_HEADER);
	query.client_collation = client_collation(fl_take_bytes(&c, status_size));
	query.db = fl_take_bytes(&c, db_size);
	uint8_t end_of_db = fl_take_u8(&c);
	query.sql = fl_take_bytes(&c, fl_cursor_left(&c));
	if (c.failed)
		return corrupt(event->type, err, "it ends too early");
	if (end_of_db != 0)
		return corrupt(event->type, err, "no NUL behind the database's name");
	*ret = query;
	return FL_OK;
}

int fl_xid_decode(const struct fl_event *event, uint64_t *ret_xid, struct fl_err *err)
{
	struct fl_cursor c = fl_cursor(event->body.data, event->body.size);
	uint64_t xid = fl_take_u64(&c);
	if (c.failed)
		return corrupt(event->type, err, "it ends too early");
	*ret_xid = xid;
	return FL_OK;
}

/*
 * HEARTBEAT_V2: fields until one of type 0; those of unknown types are skipped:
 *
 *   0  lenenc  type: 1 file name, 2 position
 *      lenenc  size
 *           n  value: the name, or the position as a lenenc integer
 */
static int decode_heartbeat_v2(
	const struct fl_event *event, struct fl_rotate *ret, struct fl_err *err)
{
	enum { END = 0, FILE_NAME = 1, POSITION = 2 };
	struct fl_cursor c = fl_cursor(event->body.data, event->body.size);
	bool has_position = false;
	for (;;) {
		uint64_t type = fl_take_lenenc(&c);
		if (c.failed)
			return corrupt(event->type, err, "it ends too early");
		if (type == END)
			break;
		struct fl_bytes value = fl_take_lenenc_bytes(&c);
		if (type == FILE_NAME) {
			ret->file = value;
		} else if (type == POSITION && !c.failed) {
			struct fl_cursor number = fl_cursor(value.data, value.size);
			ret->position = fl_take_lenenc(&number);
			has_position = !number.failed;
		}
	}
	return has_position ? FL_OK : corrupt(event->type, err, "it has no position");
}

int fl_heartbeat_decode(const struct fl_event *event, struct fl_rotate *ret, struct fl_err *err)
{
	struct fl_rotate heartbeat = { .position = event->log_pos, .file = event->body };
	if (event->type == FL_EVENT_HEARTBEAT_V2) {
		heartbeat.file = (struct fl_bytes){ 0 };
		int rc = decode_heartbeat_v2(event, &heartbeat, err);
		if (rc != FL_OK)
			return rc;
	}
	if (!fl_file_name_is_valid(heartbeat.file))
		return corrupt(event->type, err, "the file's name is empty, too long or not text");
	*ret = heartbeat;
	return FL_OK;
}
