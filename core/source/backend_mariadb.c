/* SPDX-License-Identifier: Apache-2.0
 *
 * MariaDB Connector/C. Its replication API knows neither MySQL's GTIDs nor all events, so both dump
 * commands are sent as they are, and packets are read raw.
 */
#include "base/cursor.h"
#include "source/backend.h"

#include <errmsg.h>

enum { BINLOG_DUMP_NON_BLOCK = 1, BINLOG_DUMP_GTID = 30, EOF_PACKET = 0xfe, ERROR_PACKET = 0xff };

/* Without encryption, a server, or who stands in for it, may not ask for the password as it is: the
 * library has plugins that would tell it. */
static const char methods_unencrypted[] =
	"mysql_native_password,client_ed25519,caching_sha2_password,sha256_password,"
	"auth_gssapi_client,parsec";

int fl_backend_options(
	MYSQL *mysql, const struct fl_source_config *config, const struct fl_source_host *host)
{
	const my_bool off = 0, on = 1;
	int failed = mysql_options(mysql, MYSQL_OPT_RECONNECT, &off);
	if (!config->tls && host->socket == NULL)
		failed |= mysql_options(mysql, MARIADB_OPT_RESTRICTED_AUTH, methods_unencrypted);
	if (!config->tls)
		return failed;
	/* Each of the three alone would let an unverified or plain connection pass. */
	if (config->tls_ca != NULL)
		failed |= mysql_options(mysql, MYSQL_OPT_SSL_CA, config->tls_ca);
	failed |= mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &on);
	failed |= mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &on);
	if (config->tls_cert != NULL) {
		failed |= mysql_options(mysql, MYSQL_OPT_SSL_CERT, config->tls_cert);
		failed |= mysql_options(mysql, MYSQL_OPT_SSL_KEY, config->tls_key);
	}
	failed |= mysql_options(mysql, MARIADB_OPT_TLS_VERSION, FL_TLS_VERSIONS);
	return failed;
}

int fl_backend_socket(MYSQL *mysql)
{
	return mysql_get_socket(mysql);
}

static void append_uint(struct fl_buf *buf, uint64_t value, unsigned size)
{
	for (; size > 0; size--, value >>= 8)
		fl_buf_char(buf, (char)(value & 0xff));
}

/* COM_BINLOG_DUMP              COM_BINLOG_DUMP_GTID
 *
 * offset  size                 offset  size
 *      0     4  position            0     2  flags
 *      4     2  flags               2     4  server id
 *      6     4  server id           6     4  n
 *     10     -  file name          10     n  file name
 *                                10+n     8  position
 *                                18+n     4  m
 *                                22+n     m  GTID set
 */
int fl_backend_open(MYSQL *mysql, const struct fl_dump_request *request, void **ret_dump)
{
	struct fl_buf buf = { 0 };
	unsigned flags = request->until_end ? BINLOG_DUMP_NON_BLOCK : 0;
	size_t name_size = strlen(request->file);
	enum enum_server_command command = COM_BINLOG_DUMP;
	if (request->gtids == NULL) {
		append_uint(&buf, request->offset, 4);
		append_uint(&buf, flags, 2);
		append_uint(&buf, request->server_id, 4);
		fl_buf_append(&buf, request->file, name_size);
	} else {
		command = (enum enum_server_command)BINLOG_DUMP_GTID;
		append_uint(&buf, flags, 2);
		append_uint(&buf, request->server_id, 4);
		append_uint(&buf, name_size, 4);
		fl_buf_append(&buf, request->file, name_size);
		append_uint(&buf, request->offset, 8);
		append_uint(&buf, request->gtids->size, 4);
		fl_buf_append(&buf, request->gtids->data, request->gtids->size);
	}
	/* The answer is the stream itself: nothing of it may be taken for a reply to the command.
	 */
	int result = buf.failed ? -1
				: mysql->methods->db_command(
					  mysql, command, buf.data, buf.size, 1, NULL);
	fl_buf_finish(&buf);
	if (result == 0)
		*ret_dump = NULL;
	return result;
}

/* Makes an error packet the library's last error, as it does itself outside of a dump.
 *
 * offset  size
 *      0     1  0xff
 *      1     2  number
 *      3     6  '#' and SQL state
 *      9     -  text
 */
static void record_error(MYSQL *mysql, const uint8_t *packet, size_t size)
{
	struct fl_cursor c = fl_cursor(packet, size);
	char state[6] = "HY000", text[512];
	fl_take(&c, 1);
	unsigned number = fl_take_u16(&c);
	if (fl_cursor_left(&c) >= 6 && *c.at == '#') {
		fl_take(&c, 1);
		memcpy(state, fl_take(&c, 5), 5);
	}
	struct fl_bytes rest = fl_take_bytes(&c, fl_cursor_left(&c));
	snprintf(text, sizeof(text), "%.*s", (int)(rest.size < 511 ? rest.size : 511),
		rest.size > 0 ? rest.data : "");
	mysql->methods->set_error(
		mysql, number != 0 ? number : CR_MALFORMED_PACKET, state, "%s", text);
}

int fl_backend_read(MYSQL *mysql, void *dump, const uint8_t **ret_data, size_t *ret_size)
{
	(void)dump;
	unsigned long size = mysql_net_read_packet(mysql);
	const uint8_t *packet = mysql->net.read_pos;
	if (size == packet_error)
		return -1;
	if (size > 0 && packet[0] == ERROR_PACKET) {
		record_error(mysql, packet, size);
		return -1;
	}
	if (size > 0 && size < 9 && packet[0] == EOF_PACKET)
		return 0;
	*ret_data = packet;
	*ret_size = size;
	return 1;
}

void fl_backend_close(MYSQL *mysql, void *dump)
{
	(void)mysql;
	(void)dump;
}
