/* SPDX-License-Identifier: Apache-2.0
 *
 * Binlog events: from the bytes of one event to a typed struct. Pure: no I/O, no threads, no state
 * but struct fl_format, which its one reader owns. What is decoded points into the event's bytes.
 *
 * Layouts: MySQL's libs/mysql/binlog/event and MariaDB's "Replication Protocol" pages; drawn beside
 * each decoder in event.c.
 */
#ifndef FL_EVENT_H
#define FL_EVENT_H

#include "base/cursor.h"
#include "binlog/gtid.h"

enum fl_event_type {
	FL_EVENT_QUERY = 2,
	FL_EVENT_STOP = 3,
	FL_EVENT_ROTATE = 4,
	FL_EVENT_INTVAR = 5,
	FL_EVENT_RAND = 13,
	FL_EVENT_USER_VAR = 14,
	FL_EVENT_FORMAT_DESCRIPTION = 15,
	FL_EVENT_XID = 16,
	FL_EVENT_TABLE_MAP = 19,
	FL_EVENT_WRITE_ROWS_V1 = 23,
	FL_EVENT_UPDATE_ROWS_V1 = 24,
	FL_EVENT_DELETE_ROWS_V1 = 25,
	FL_EVENT_INCIDENT = 26,
	FL_EVENT_HEARTBEAT = 27,
	FL_EVENT_IGNORABLE = 28,
	FL_EVENT_ROWS_QUERY = 29,
	FL_EVENT_WRITE_ROWS = 30,
	FL_EVENT_UPDATE_ROWS = 31,
	FL_EVENT_DELETE_ROWS = 32,
	FL_EVENT_GTID = 33,
	FL_EVENT_ANONYMOUS_GTID = 34,
	FL_EVENT_PREVIOUS_GTIDS = 35,
	FL_EVENT_TRANSACTION_CONTEXT = 36,
	FL_EVENT_VIEW_CHANGE = 37,
	FL_EVENT_XA_PREPARE = 38,
	FL_EVENT_PARTIAL_UPDATE_ROWS = 39,
	FL_EVENT_TRANSACTION_PAYLOAD = 40,
	FL_EVENT_HEARTBEAT_V2 = 41,
	FL_EVENT_GTID_TAGGED = 42,
	FL_EVENT_MARIADB_ANNOTATE_ROWS = 160,
	FL_EVENT_MARIADB_BINLOG_CHECKPOINT = 161,
	FL_EVENT_MARIADB_GTID = 162,
	FL_EVENT_MARIADB_GTID_LIST = 163,
	FL_EVENT_MARIADB_START_ENCRYPTION = 164,
	FL_EVENT_MARIADB_QUERY_COMPRESSED = 165,
	FL_EVENT_MARIADB_WRITE_ROWS_COMPRESSED_V1 = 166,
	FL_EVENT_MARIADB_UPDATE_ROWS_COMPRESSED_V1 = 167,
	FL_EVENT_MARIADB_DELETE_ROWS_COMPRESSED_V1 = 168,
	FL_EVENT_MARIADB_WRITE_ROWS_COMPRESSED = 169,
	FL_EVENT_MARIADB_UPDATE_ROWS_COMPRESSED = 170,
	FL_EVENT_MARIADB_DELETE_ROWS_COMPRESSED = 171,
};

enum {
	FL_EVENT_FLAG_ARTIFICIAL =
		0x20, /* made up by the server for this connection, not in the file */
	FL_EVENT_FLAG_IGNORABLE = 0x80, /* LOG_EVENT_IGNORABLE_F: may be passed over if not known */
};

/* The event's name as servers write it ("TRANSACTION_PAYLOAD_EVENT"), "unknown event" otherwise. */
const char *fl_event_name(uint8_t type);
bool fl_event_is_known(uint8_t type);

/* What the last FORMAT_DESCRIPTION event said of the events behind it. */
struct fl_format {
	bool known;		  /* there was one */
	bool is_mariadb;	  /* by the server version in it */
	bool checksum;		  /* events end in a CRC32 */
	uint8_t header_size;	  /* of the common header: 19 */
	uint8_t post_header[256]; /* post-header size by event type; 0 where not told */
	unsigned post_header_count;
	char server_version[51];
};

/* An event's common header (19 bytes) and its body. */
struct fl_event {
	uint32_t timestamp; /* seconds since 1970 */
	uint8_t type;
	uint32_t server_id;
	uint32_t size;	  /* as in the header: whole event, header and checksum included */
	uint32_t log_pos; /* low 32 bits of where it ends; 0 in some events */
	uint16_t flags;
	struct fl_bytes body; /* behind the header, without the checksum */
};

/* Splits one event as the server sent it (behind the protocol's OK byte). Checks sizes, and the
 * checksum as `format` says; a FORMAT_DESCRIPTION event is checked as it says of itself. The first
 * artificial ROTATE, which comes before any FORMAT_DESCRIPTION, has no checksum on some servers and
 * has one on others: where nothing is known it may be either, told by its CRC. 0 or FL_ECORRUPT. */
int fl_event_decode(const struct fl_format *format, const uint8_t *data, size_t size,
	struct fl_event *ret, struct fl_err *err);

/* Each decodes the body of one event type. 0, or FL_ECORRUPT/FL_EUNSUPPORTED. */
int fl_format_decode(const struct fl_event *event, struct fl_format *ret, struct fl_err *err);

struct fl_rotate {
	uint64_t position;
	struct fl_bytes file;
};
int fl_rotate_decode(const struct fl_event *event, struct fl_rotate *ret, struct fl_err *err);

struct fl_query {
	uint32_t thread_id;
	uint32_t seconds; /* that it took, from the event's timestamp on */
	uint16_t error_code;
	uint16_t
		client_collation; /* of `sql`: its character set; 0 where the event does not tell */
	struct fl_bytes db;	  /* the session's default database */
	struct fl_bytes sql;
};
int fl_query_decode(const struct fl_event *event, const struct fl_format *format,
	struct fl_query *ret, struct fl_err *err);

int fl_xid_decode(const struct fl_event *event, uint64_t *ret_xid, struct fl_err *err);

/* The beginning of a transaction: MySQL's GTID, ANONYMOUS_GTID and GTID_TAGGED, MariaDB's GTID. */
struct fl_gtid_event {
	struct fl_gtid gtid; /* kind FL_GTID_NONE for an anonymous one */
	int64_t commit_us;   /* 0 where the event does not tell */
	bool standalone;     /* MariaDB: no terminating COMMIT: the group is one statement (DDL) */
	bool is_ddl;	     /* MariaDB: FL_DDL */
	bool xa_prepared;    /* MariaDB: the group is an XA PREPARE; `xid` names it */
	bool xa_completed;   /* MariaDB: the group is an XA COMMIT or ROLLBACK */
	struct fl_bytes xid; /* MariaDB: format id (4 bytes), gtrid length, bqual length, data */
};
int fl_gtid_event_decode(
	const struct fl_event *event, struct fl_gtid_event *ret, struct fl_err *err);

/* HEARTBEAT (27): the file is the body, the position the header's 32 bits. HEARTBEAT_V2 (41): both
 * are fields of the body. */
int fl_heartbeat_decode(const struct fl_event *event, struct fl_rotate *ret, struct fl_err *err);

/* XA_PREPARE (38): whether it is a one-phase commit, and its xid in the form in which statements
 * write it (X'..',X'..',n), appended to `ret_xid`. fl_xa_name makes the same of MariaDB's binary
 * xid. */
int fl_xa_prepare_decode(const struct fl_event *event, bool *ret_one_phase, struct fl_buf *ret_xid,
	struct fl_err *err);
int fl_xa_name(struct fl_bytes mariadb_xid, struct fl_buf *ret, struct fl_err *err);

/* PREVIOUS_GTIDS (35, both layouts) and MariaDB's GTID_LIST (163): adds them to the set. */
int fl_gtid_list_decode(const struct fl_event *event, struct fl_gtid_set *set, struct fl_err *err);

#endif
