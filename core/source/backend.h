/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to this room: a session's inside, the queries that its files share, and the few calls
 * that differ between the client libraries (backend_mariadb.c, backend_oracle.c).
 */
#ifndef FL_BACKEND_H
#define FL_BACKEND_H

#include "source/packets.h"
#include "source/session.h"
#include "source/watch.h"

#include <mysql.h>
#include <stdatomic.h>

struct fl_session {
	MYSQL *mysql;
	int wake_socket; /* a duplicate of the connection's: shutting it down ends a read under way,
			  * and it stays ours when the library closes its own */
	atomic_bool woken;
	bool dumping;
	bool until_end;
	uint32_t server_id;
	unsigned silence; /* seconds without a byte after which the connection counts as lost */
	char place[300];  /* for messages: the server, or the position asked for */
	void *dump;	  /* the backend's own */
	/* Open: the binlog's packets are read by us. Else by the library, which alone can decrypt
	 * them. */
	struct fl_packets packets;
	struct fl_watch watch;
	struct fl_server server;
};

/* session.c: an error of the server or the library as FL_ELOST or FL_EFATAL; while connecting, what
 * is not known to be final may pass. */
int fl_session_fault(struct fl_session *session, unsigned number, const char *text, bool connecting,
	const char *doing, struct fl_err *err);
/* The library's last error. */
int fl_session_failure(
	struct fl_session *session, bool connecting, const char *doing, struct fl_err *err);

/* session.c: queries. `sql` is NUL-terminated. */

/* FL_ELOST or FL_EFATAL, as the library's last error has it. `ret` may be NULL for a statement
 * without rows; else it is to be freed with mysql_free_result(). */
int fl_session_query(
	struct fl_session *session, const char *sql, MYSQL_RES **ret, struct fl_err *err);

/* The one value that `sql` gives, NUL-terminated, in place of what `ret` holds. 1; 0 for NULL or no
 * row at all. */
int fl_session_value(
	struct fl_session *session, const char *sql, struct fl_buf *ret, struct fl_err *err);

/* Appends a text as a literal, quotes included. */
void fl_session_quote(struct fl_session *session, struct fl_bytes text, struct fl_buf *sql);

/* A whole number from outside: digits only, at most `limit`. */
bool fl_number(const char *text, uint64_t limit, uint64_t *ret);

/* start.c: the statement that tells where the source's log ends. */
const char *fl_status_statement(const struct fl_server *server);

/* dump.c: opens a session that reads ahead of another one, up to the end of the binlog: by place
 * where that can be asked for, else from behind the GTID set. As fl_session_open(). */
int fl_session_open_ahead(
	struct fl_session *session, const struct fl_position *position, struct fl_err *err);

/* The backend. */

/* Older ones are broken; the libraries differ in what they would still take. */
#define FL_TLS_VERSIONS "TLSv1.2,TLSv1.3"

/* Before connecting to this host: TLS as the configuration says, and what only this library has.
 * Zero if the library took it all. */
int fl_backend_options(
	MYSQL *mysql, const struct fl_source_config *config, const struct fl_source_host *host);

int fl_backend_socket(MYSQL *mysql);

struct fl_dump_request {
	const char *file; /* "" where GTIDs tell */
	uint32_t offset;
	uint32_t server_id;
	bool until_end;
	const struct fl_buf *gtids; /* MySQL's encoded set, or NULL: COM_BINLOG_DUMP */
};

/* Sends the request; *ret_dump is given to read and close. Zero, or the library has an error. */
int fl_backend_open(MYSQL *mysql, const struct fl_dump_request *request, void **ret_dump);

/* One packet, its OK byte included: 1; 0 for the end; -1: the library has an error. */
int fl_backend_read(MYSQL *mysql, void *dump, const uint8_t **ret_data, size_t *ret_size);

void fl_backend_close(MYSQL *mysql, void *dump);

#endif
