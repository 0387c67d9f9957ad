/* SPDX-License-Identifier: Apache-2.0
 *
 * Oracle's libmysqlclient, 8.0 and newer.
 */
#include "source/backend.h"

enum { BINLOG_DUMP_NON_BLOCK = 1 };

int fl_backend_options(
	MYSQL *mysql, const struct fl_source_config *config, const struct fl_source_host *host)
{
	(void)host;
	/* caching_sha2_password over a plain connection sends the password under the server's key.
	 */
	const bool on = true;
	int failed = mysql_options(mysql, MYSQL_OPT_GET_SERVER_PUBLIC_KEY, &on);
	if (!config->tls)
		return failed;
	/* This library does not look for the system's certificates by itself. */
	if (config->tls_ca != NULL)
		failed |= mysql_options(mysql, MYSQL_OPT_SSL_CA, config->tls_ca);
	else
		failed |= mysql_options(mysql, MYSQL_OPT_SSL_CAPATH, "/etc/ssl/certs");
	if (config->tls_cert != NULL) {
		failed |= mysql_options(mysql, MYSQL_OPT_SSL_CERT, config->tls_cert);
		failed |= mysql_options(mysql, MYSQL_OPT_SSL_KEY, config->tls_key);
	}
	failed |= mysql_options(mysql, MYSQL_OPT_TLS_VERSION, FL_TLS_VERSIONS);
	const unsigned mode = SSL_MODE_VERIFY_IDENTITY;
	failed |= mysql_options(mysql, MYSQL_OPT_SSL_MODE, &mode);
	return failed;
}

int fl_backend_socket(MYSQL *mysql)
{
	return mysql->net.fd;
}

int fl_backend_open(MYSQL *mysql, const struct fl_dump_request *request, void **ret_dump)
{
	MYSQL_RPL *rpl = calloc(1, sizeof(*rpl));
	if (rpl == NULL)
		return -1;
	rpl->file_name = request->file;
	rpl->file_name_length = strlen(request->file);
	rpl->start_position = request->offset;
	rpl->server_id = request->server_id;
	rpl->flags = request->until_end ? BINLOG_DUMP_NON_BLOCK : 0;
	if (request->gtids != NULL) {
		rpl->flags |= MYSQL_RPL_GTID;
		rpl->gtid_set_encoded_size = request->gtids->size;
		rpl->gtid_set_arg = request->gtids->data;
	}
	if (mysql_binlog_open(mysql, rpl) != 0) {
		free(rpl);
		return -1;
	}
	/* What these point to lives no longer than the request. */
	rpl->file_name = NULL;
	rpl->file_name_length = 0;
	rpl->gtid_set_arg = NULL;
	*ret_dump = rpl;
	return 0;
}

int fl_backend_read(MYSQL *mysql, void *dump, const uint8_t **ret_data, size_t *ret_size)
{
	MYSQL_RPL *rpl = dump;
	if (mysql_binlog_fetch(mysql, rpl) != 0)
		return -1;
	if (rpl->size == 0)
		return 0;
	*ret_data = rpl->buffer;
	*ret_size = rpl->size;
	return 1;
}

void fl_backend_close(MYSQL *mysql, void *dump)
{
	mysql_binlog_close(mysql, dump);
	free(dump);
}
