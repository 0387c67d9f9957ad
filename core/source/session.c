/* SPDX-License-Identifier: Apache-2.0 */
#include "source/backend.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	COLLATION_LIMIT = 65535,     /* ids are two bytes wide on the wire */
	LARGEST_PACKET = 0x40000000, /* 1 GiB: the most that servers allow */
	OLDEST_MYSQL = 50600,
	OLDEST_MARIADB = 100002, /* the first with GTIDs */
};

/* Errors of a connection that trying again does not mend. */
static const struct {
	unsigned number;
	const char *advice;
} final_errors[] = {
	{ 1044, "check the account's grants" },
	{ 1045, "check user and password, the host that the account is made for, and whether it "
		"has to use TLS (REQUIRE SSL: tls = yes; REQUIRE X509: tls_cert and tls_key)" },
	{ 1130, "make an account that may connect from this machine" },
	{ 1251, "give the account an authentication plugin that the client library has" },
	{ 1524, "give the account an authentication plugin that the server has" },
	{ 1698, "check user and password, and the host that the account is made for" },
	{ 1820, "set the account a new password" },
	{ 1862, "set the account a new password" },
	{ 3118, "unlock the account: ALTER USER ... ACCOUNT UNLOCK" },
	{ 4151, "unlock the account: ALTER USER ... ACCOUNT UNLOCK" },
	{ 3159, "set tls = yes" }, /* require_secure_transport */
	{ 2049, "give the account a newer authentication plugin" },
	{ 2059, "the client library lacks this authentication plugin: install it, or name its "
		"folder in the environment (MARIADB_PLUGIN_DIR, LIBMYSQL_PLUGIN_DIR)" },
	{ 2061, "use tls = yes or the server's socket" },
	/* MariaDB's library: CR_PLUGIN_NOT_ALLOWED */
	{ 5010, "it asks for the password as it is, or by a method that is not known to be safe "
		"without encryption: use tls = yes or the server's socket" },
};

/* Errors of the server that pass by themselves: overload, shutdown, start, a killed connection. The
 * library's own (2000-2999) are lost connections but for those above. */
static const unsigned passing_errors[] = { 1040, 1043, 1053, 1077, 1078, 1079, 1129, 1152, 1153,
	1156, 1158, 1159, 1160, 1161, 1184, 1203, 1205, 1213, 1226, 1317, 1927, 3024, 3032, 3168,
	3169, 4031 };

bool fl_number(const char *text, uint64_t limit, uint64_t *ret)
{
	uint64_t value = 0;
	if (text == NULL || *text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		unsigned digit = (unsigned)(*text - '0');
		if (digit > limit || value > (limit - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*ret = value;
	return true;
}

static bool is_passing(unsigned number)
{
	for (size_t i = 0; i < sizeof(passing_errors) / sizeof(passing_errors[0]); i++)
		if (passing_errors[i] == number)
			return true;
	return number >= 2000 && number < 3000;
}

static const char *final_advice(unsigned number, const char *text)
{
	for (size_t i = 0; i < sizeof(final_errors) / sizeof(final_errors[0]); i++)
		if (final_errors[i].number == number)
			return final_errors[i].advice;
	/* 2026 is a refusal, a certificate that does not do, or a connection lost in the handshake.
	 */
	if (number == 2026 && strstr(text, "required") != NULL)
		return "set the server up for TLS, or use tls = no";
	if (number == 2026 && (strstr(text, "ersion") != NULL || strstr(text, "protocol") != NULL))
		return "the server needs TLS 1.2 or newer";
	if (number == 2026 && (strstr(text, "key") != NULL || strstr(text, "alert") != NULL))
		return "check tls_cert and tls_key";
	if (number == 2026 && strstr(text, "ertificate") != NULL)
		return "check tls_ca, that the server's certificate names the host and has not "
		       "expired, and tls_cert and tls_key";
	return NULL;
}

int fl_session_failure(
	struct fl_session *session, bool connecting, const char *doing, struct fl_err *err)
{
	return fl_session_fault(session, mysql_errno(session->mysql), mysql_error(session->mysql),
		connecting, doing, err);
}

int fl_session_fault(struct fl_session *session, unsigned number, const char *text, bool connecting,
	const char *doing, struct fl_err *err)
{
	if (number == 0)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	const char *advice = final_advice(number, text);
	if (advice != NULL)
		return fl_err_set(err, FL_EFATAL, "%s %s: %s (%u): %s", doing, session->place, text,
			number, advice);
	int code = connecting || is_passing(number) ? FL_ELOST : FL_EFATAL;
	return fl_err_set(err, code, "%s %s: %s (%u)", doing, session->place, text, number);
}

int fl_session_query(
	struct fl_session *session, const char *sql, MYSQL_RES **ret, struct fl_err *err)
{
	if (session->dumping)
		return fl_err_set(err, FL_EINVAL, "this session reads the binlog");
	if (mysql_real_query(session->mysql, sql, strlen(sql)) != 0)
		return fl_session_failure(session, false, "cannot query", err);
	MYSQL_RES *rows = mysql_store_result(session->mysql);
	if (rows == NULL && mysql_field_count(session->mysql) > 0)
		return fl_session_failure(session, false, "cannot query", err);
	if (rows == NULL && ret != NULL)
		return fl_err_set(err, FL_EFATAL, "%s gave no rows for: %s", session->place, sql);
	if (ret != NULL)
		*ret = rows;
	else
		mysql_free_result(rows);
	return 0;
}

int fl_session_value(
	struct fl_session *session, const char *sql, struct fl_buf *ret, struct fl_err *err)
{
	MYSQL_RES *rows = NULL;
	int result = fl_session_query(session, sql, &rows, err);
	if (result != 0)
		return result;
	MYSQL_ROW row = mysql_fetch_row(rows);
	if (row != NULL && row[0] != NULL) {
		fl_buf_clear(ret);
		fl_buf_append(ret, row[0], mysql_fetch_lengths(rows)[0]);
		fl_buf_char(ret, '\0');
		result = ret->failed ? fl_err_set(err, FL_ENOMEM, "out of memory") : 1;
	}
	mysql_free_result(rows);
	return result;
}

void fl_session_quote(struct fl_session *session, struct fl_bytes text, struct fl_buf *sql)
{
	fl_buf_char(sql, '\'');
	char *to = text.size < SIZE_MAX / 8 ? fl_buf_reserve(sql, 2 * text.size + 1) : NULL;
	if (to != NULL && text.size > 0)
		sql->size += mysql_real_escape_string(session->mysql, to, text.data, text.size);
	sql->failed |= to == NULL;
	fl_buf_char(sql, '\'');
}

static void initialise_library(void)
{
	/* mysql_init() would do it too, but not when two threads come at once. */
	mysql_library_init(0, NULL, NULL);
}

static int connect_to(struct fl_session *session, const struct fl_source_config *config,
	const struct fl_source_host *host, struct fl_err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, initialise_library);
	session->mysql = mysql_init(NULL);
	if (session->mysql == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	if (config->tls && host->socket != NULL)
		return fl_err_set(err, FL_EFATAL,
			"tls goes with a host, not with the socket %s, which never leaves the "
			"machine",
			host->socket);

	const unsigned off = 0;
	const unsigned long packet = LARGEST_PACKET;
	const unsigned protocol = host->socket != NULL ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
	MYSQL *mysql = session->mysql;
	int failed = mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &config->connect_timeout);
	failed |= mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &session->silence);
	failed |= mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &session->silence);
	failed |= mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
	failed |= mysql_options(mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
	/* A server could ask for files of this machine. */
	failed |= mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &off);
	failed |= mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	failed |= fl_backend_options(mysql, config, host);
	if (failed != 0)
		return fl_err_set(err, FL_EFATAL, "the client library refuses an option: %s",
			mysql_error(mysql));

	if (mysql_real_connect(mysql, host->socket != NULL ? NULL : host->host, config->user,
		    config->password, NULL, host->socket != NULL ? 0 : host->port, host->socket,
		    0) == NULL)
		return fl_session_failure(session, true, "cannot connect to", err);
	if (config->tls && mysql_get_ssl_cipher(mysql) == NULL)
		return fl_err_set(err, FL_EFATAL,
			"the connection to %s is not encrypted: set the server up for TLS, or tls "
			"= no",
			session->place);
	session->wake_socket = fcntl(fl_backend_socket(mysql), F_DUPFD_CLOEXEC, 0);
	if (session->wake_socket < 0)
		return fl_err_set(
			err, FL_ELOST, "cannot duplicate the socket to %s: %m", session->place);
	fl_watch_prepare(session->wake_socket, session->silence);
	return 0;
}

/* Variables that a server does not know it ignores: so both names of each are set everywhere. */
static int set_up(
	struct fl_session *session, const struct fl_source_config *config, struct fl_err *err)
{
	/* A server keeps one dump for each uuid, and ends the older one. Sessions of one fastlane
	 * must not end each other. */
	uint8_t random[16];
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return fl_err_set(err, FL_EFATAL, "no random numbers: %m");
	random[6] = (uint8_t)((random[6] & 0x0f) | 0x40);
	random[8] = (uint8_t)((random[8] & 0x3f) | 0x80);
	char uuid[37];
	size_t at = 0;
	for (size_t i = 0; i < sizeof(random); i++)
		at += (size_t)snprintf(uuid + at, sizeof(uuid) - at, "%s%02x",
			i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", random[i]);

	/* A server without utf8mb4 has only its older, shorter form. */
	if (mysql_set_character_set(session->mysql, "utf8mb4") != 0 &&
		mysql_set_character_set(session->mysql, "utf8") != 0)
		return fl_session_failure(session, true, "cannot set up the session with", err);
	char sql[700];
	unsigned long long period = config->heartbeat * 1000000000ULL;
	/* Strict: MariaDB refuses a GTID that lies in a hole of its binlog, instead of going on
	 * behind the hole. net_write_timeout: a reader held up by a slow sink is not to be cut off.
	 * sql_mode: backslashes escape. */
	snprintf(sql, sizeof(sql),
		"SET SESSION net_write_timeout = 31536000, time_zone = '+00:00', sql_mode = '', "
		"@master_binlog_checksum = @@global.binlog_checksum, "
		"@source_binlog_checksum = @@global.binlog_checksum, "
		"@master_heartbeat_period = %llu, @source_heartbeat_period = %llu, "
		"@slave_uuid = '%s', @replica_uuid = '%s', @mariadb_slave_capability = 4, "
		"@slave_gtid_strict_mode = 1",
		period, period, uuid, uuid);
	return fl_session_query(session, sql, NULL, err);
}

/* "10.11.8-MariaDB-log" -> 101108 */
static bool parse_version(const char *text, unsigned *ret)
{
	unsigned major, minor, patch;
	if (sscanf(text, "%2u.%3u.%3u", &major, &minor, &patch) != 3 || minor > 99 || patch > 99)
		return false;
	*ret = major * 10000 + minor * 100 + patch;
	return true;
}

static int ask_facts(struct fl_session *session, struct fl_err *err)
{
	struct fl_server *server = &session->server;
	MYSQL_RES *rows = NULL;
	int result = fl_session_query(session,
		"SELECT @@version, @@server_id, @@lower_case_table_names, @@read_only", &rows, err);
	if (result != 0)
		return result;
	MYSQL_ROW row = mysql_fetch_row(rows);
	uint64_t id = 0, fold = 0;
	bool good = row != NULL && row[0] != NULL && parse_version(row[0], &server->version) &&
		    fl_number(row[1], UINT32_MAX, &id) && fl_number(row[2], 2, &fold) &&
		    row[3] != NULL;
	if (good) {
		snprintf(server->version_text, sizeof(server->version_text), "%s", row[0]);
		/* MariaDB 11.8 has words for it. */
		server->read_only = strcmp(row[3], "0") != 0 && strcasecmp(row[3], "OFF") != 0;
	}
	mysql_free_result(rows);
	if (!good)
		return fl_err_set(err, FL_EFATAL, "%s is not a server we know", session->place);
	server->flavour = strstr(server->version_text, "MariaDB") != NULL ? FL_MARIADB : FL_MYSQL;
	server->server_id = (uint32_t)id;
	server->fold_case = fold != 0;
	if (server->version < (server->flavour == FL_MARIADB ? OLDEST_MARIADB : OLDEST_MYSQL))
		return fl_err_set(err, FL_EFATAL,
			"%s is too old (%s): MySQL 5.6 and MariaDB 10.0.2 are the oldest that do",
			session->place, server->version_text);

	if (server->flavour == FL_MARIADB) {
		server->gtids = true;
		snprintf(server->identity, sizeof(server->identity), "%u", server->server_id);
		return 0;
	}
	result = fl_session_query(session, "SELECT @@server_uuid, @@gtid_mode", &rows, err);
	if (result != 0)
		return result;
	row = mysql_fetch_row(rows);
	if (row != NULL && row[0] != NULL && row[1] != NULL) {
		snprintf(server->identity, sizeof(server->identity), "%s", row[0]);
		server->gtids = strcmp(row[1], "ON") == 0;
	}
	mysql_free_result(rows);
	return 0;
}

static int ask_collations(struct fl_session *session, struct fl_err *err)
{
	/* Since MariaDB 10.10 some collations have an id a character set, and NULL in the first of
	 * these tables. */
	const struct fl_server *server = &session->server;
	bool by_set = server->flavour == FL_MARIADB && server->version >= 101000;
	MYSQL_RES *rows = NULL;
	int result = fl_session_query(session,
		by_set ? "SELECT id, character_set_name FROM "
			 "information_schema.collation_character_set_applicability"
		       : "SELECT id, character_set_name FROM information_schema.collations",
		&rows, err);
	if (result != 0)
		return result;
	uint64_t id, highest = 0;
	MYSQL_ROW row;
	while ((row = mysql_fetch_row(rows)) != NULL)
		if (fl_number(row[0], COLLATION_LIMIT, &id) && id > highest)
			highest = id;
	struct fl_collation *by_id = calloc((size_t)highest + 1, sizeof(*by_id));
	if (by_id == NULL) {
		mysql_free_result(rows);
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	}
	mysql_data_seek(rows, 0);
	while ((row = mysql_fetch_row(rows)) != NULL) {
		if (!fl_number(row[0], COLLATION_LIMIT, &id) || row[1] == NULL)
			continue;
		struct fl_bytes name = { row[1], strlen(row[1]) };
		by_id[id].charset = (uint8_t)fl_charset_from_name(name);
		snprintf(by_id[id].name, sizeof(by_id[id].name), "%s", row[1]);
	}
	mysql_free_result(rows);
	session->server.collations =
		(struct fl_collations){ .count = (unsigned)highest + 1, .by_id = by_id };
	return 0;
}

int fl_session_connect(const struct fl_source_config *config, unsigned host, uint32_t server_id,
	struct fl_session **ret, struct fl_err *err)
{
	const struct fl_source_host *chosen = &config->hosts[host];
	struct fl_session *session = calloc(1, sizeof(*session));
	if (session == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	session->wake_socket = -1;
	session->server_id = server_id;
	session->silence = config->heartbeat < UINT32_MAX / 3 ? 3 * config->heartbeat : UINT32_MAX;
	snprintf(session->place, sizeof(session->place), "%s", chosen->name);
	int result = connect_to(session, config, chosen, err);
	if (result == 0)
		result = set_up(session, config, err);
	if (result == 0)
		result = ask_facts(session, err);
	if (result == 0)
		result = ask_collations(session, err);
	if (result != 0)
		fl_session_close(session);
	else
		*ret = session;
	return result;
}

const struct fl_server *fl_session_server(const struct fl_session *session)
{
	return &session->server;
}

void fl_session_wake(struct fl_session *session)
{
	atomic_store(&session->woken, true);
	shutdown(session->wake_socket, SHUT_RDWR);
}

void fl_session_close(struct fl_session *session)
{
	if (session == NULL)
		return;
	if (session->dumping) {
		/* Neither a farewell nor an orderly end: a server in the middle of sending would
		 * notice neither for a minute, and MariaDB lets no other session of this server_id
		 * begin until it has. A reset it notices at once. */
		const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
		setsockopt(session->wake_socket, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		shutdown(session->wake_socket, SHUT_RDWR);
		fl_backend_close(session->mysql, session->dump);
	}
	fl_watch_remove(&session->watch);
	fl_packets_close(&session->packets);
	if (session->mysql != NULL)
		mysql_close(session->mysql);
	if (session->wake_socket >= 0)
		close(session->wake_socket);
	free(session->server.collations.by_id);
	free(session);
}
