/* SPDX-License-Identifier: Apache-2.0
 *
 * The replication session: one connection to the source, first for queries, then for the binlog.
 * Two backends of the part that differs between client libraries (backend.h, private), chosen at
 * configure time: MariaDB Connector/C and Oracle's libmysqlclient.
 *
 * One owner and one thread, but for fl_session_wake(). Calls block.
 */
#ifndef FL_SESSION_H
#define FL_SESSION_H

#include "binlog/position.h"
#include "binlog/table.h"

/* A server. Texts belong to the configuration. */
struct fl_source_host {
	const char *name; /* for messages: HOST:PORT, or the socket's path */
	const char *host; /* used if socket is NULL */
	unsigned port;
	const char *socket;
};

/* How to reach the source. Texts belong to the configuration. */
struct fl_source_config {
	const struct fl_source_host *hosts; /* one is used at a time: the next when it fails */
	unsigned host_count;
	const char *user;
	const char *password; /* "" for none; never logged */
	uint32_t server_id;
	const char *start;  /* "current", "earliest", "FILE:POS" or a GTID set */
	unsigned heartbeat; /* seconds, >= 1: how often an idle source is to send a sign of life; a
			     * read that waits for 3 times as long has lost its connection */
	unsigned connect_timeout;	/* seconds */
	bool tls;			/* encrypted and verified, or no connection */
	const char *tls_ca;		/* PEM file; NULL: the system's */
	const char *tls_cert, *tls_key; /* PEM files of our own; both or NULL */
	unsigned catch_up_timeout; /* seconds to wait for a host that lacks what was applied, and
				    * for those that can't be reached where others have purged it */
	bool on_purged_current; /* go on at the end of the binlog where what was before is gone */
	bool geojson;		/* geometries are shown as GeoJSON, not as their bytes */
};

enum fl_flavour { FL_MARIADB, FL_MYSQL };

/* What the server says of itself; filled by fl_session_connect(). */
struct fl_server {
	enum fl_flavour flavour;
	unsigned version; /* 101108 for 10.11.8, 90704 for 9.7.4 */
	char version_text[64];
	uint32_t server_id;
	char identity[FL_SERVER_NAME_SIZE]; /* MySQL: its server_uuid; MariaDB: its server_id: two
					     * sessions whose identities are equal read the same
					     * binlog files */
	bool gtids;	/* GTIDs are on: positions are GTID sets (always so with MariaDB) */
	bool fold_case; /* table names are compared without case */
	bool read_only; /* as replicas mostly are */
	struct fl_collations collations; /* lives as long as the session */
};

struct fl_session;

/* Connects to one of the hosts, sets the session up (UTC, utf8mb4, net_write_timeout, checksums,
 * heartbeat), and asks for the facts. `server_id` is the one to announce: several sessions of one
 * fastlane need different ones. 0; FL_ELOST if trying again may help (no connection, server
 * starting up); FL_EFATAL if not (access denied, not a server we know). */
int fl_session_connect(const struct fl_source_config *config, unsigned host, uint32_t server_id,
	struct fl_session **ret, struct fl_err *err);

const struct fl_server *fl_session_server(const struct fl_session *session);

/* Finds what would keep replication from working. Calls `report` once a finding: `fatal` or a
 * warning, one line that says what is wrong and the statement that mends it. `wants` tells whether
 * a table is mapped (for the warning about foreign keys that cascade below the binlog); may be
 * NULL. Returns how many were fatal, or a negative FL_E... if it could not ask. */
int fl_session_preflight(struct fl_session *session,
	bool (*wants)(void *ctx, struct fl_bytes db, struct fl_bytes table),
	void (*report)(void *ctx, bool fatal, const char *text), void *report_ctx, void *wants_ctx,
	struct fl_err *err);

/* Where the source is now: file, offset and, where GTIDs are on, the set. `ret` is finished first.
 */
int fl_session_current(struct fl_session *session, struct fl_position *ret, struct fl_err *err);
/* The GTIDs that the source has now, in a set that is the caller's; MySQL tells those as well that
 * it has applied and not logged. `ret` is left alone where there are none. */
int fl_session_gtids(struct fl_session *session, struct fl_gtid_set **ret, struct fl_err *err);

/* Makes a position of a `start` setting. "current" and "earliest" ask the server; for FILE:POS on a
 * server with GTIDs, `gtids` is filled only if the server can tell it (MariaDB: BINLOG_GTID_POS),
 * otherwise it is left NULL and the reader goes by file. FL_EINVAL with a reason if the text is
 * none of the four, or is a set of the other flavour. */
int fl_session_start_position(
	struct fl_session *session, const char *start, struct fl_position *ret, struct fl_err *err);

/* Whether the position's place is where its GTIDs end in this server's binlog, so that its places
 * tell what is behind and before it. 1; 0: it is not, or the server can't tell (MySQL, where GTIDs
 * tell as much); FL_ELOST. */
int fl_session_is_at(
	struct fl_session *session, const struct fl_position *position, struct fl_err *err);

/* Checks a `start` setting's form alone. */
int fl_start_check(const char *start, struct fl_err *err);

/* Whether this server can be gone on with by whoever has everything up to `applied`: 0; 1: it lacks
 * some of that, and may have it later (the text says what); FL_EFATAL: without GTIDs it is another
 * server (the text says which and what to do); FL_ELOST; FL_ENOMEM. */
int fl_session_check(
	struct fl_session *session, const struct fl_position *applied, struct fl_err *err);

/* Asks for the binlog behind `position`: by its GTID set if it has one, else by file and offset.
 * From then on only read, wake and close are allowed. `until_end`: the server ends the stream
 * (FL_READ_END) at the end of its binlog instead of waiting. */
int fl_session_open(struct fl_session *session, const struct fl_position *position, bool until_end,
	struct fl_err *err);

enum fl_read {
	FL_READ_EVENT,
	FL_READ_END, /* the end of the binlog, if asked for. MySQL ends the stream in the same way
		      * when it shuts down: compare positions where it matters */
	FL_READ_STOPPED, /* fl_session_wake() was called */
	FL_READ_LOST,	 /* the connection is gone or silent for too long: connect anew */
	FL_READ_PURGED,	 /* the server has no longer what is behind the position */
	FL_READ_FATAL,	 /* the server refuses for another reason: the text says what to do */
};

/* The next event: its bytes, valid until the next call. Events over 16 MiB arrive whole. */
enum fl_read fl_session_read(
	struct fl_session *session, const uint8_t **ret_data, size_t *ret_size, struct fl_err *err);

/* Whether the next read returns at once, after waiting for that so long at most. False where only
 * the library knows. */
bool fl_session_is_ready(struct fl_session *session, int wait_ms);

/* Nothing more has come: if the source sends as fast as it can, waits for much of it, or for a
 * moment, since being woken for each event costs both sides more than the event. Whether it came;
 * to be called where nobody waits for what has been read. */
bool fl_session_gather(struct fl_session *session);

/* From any thread while the session lives: makes a read under way, and all later ones, return
 * FL_READ_STOPPED within milliseconds. */
void fl_session_wake(struct fl_session *session);

/* Takes NULL. */
void fl_session_close(struct fl_session *session);

#endif
