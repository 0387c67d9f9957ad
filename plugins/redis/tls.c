/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS to the server. hiredis does the records, but knows nothing of a certificate's name: so
 * OpenSSL is set up here, and verifies that, too.
 */
#include "redis.h"

#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

bool redis_check_tls(const char *value, struct fl_err *err)
{
	(void)value;
	(void)err;
	return true;
}

bool redis_check_pem(const char *path, struct fl_err *err)
{
	if (access(path, R_OK) == 0)
		return true;
	fl_err_set(err, FL_EINVAL, "must be a PEM file that can be read: %m");
	return false;
}

/* FAILED: what is configured does not do. */
static enum fl_outcome wrong(struct redis_sink *self, const char *what, struct fl_err *err)
{
	char why[200] = "";
	unsigned long const code = ERR_get_error();
	if (code != 0)
		ERR_error_string_n(code, why, sizeof(why));
	ERR_clear_error();
	fl_err_set(err, FL_EINVAL, "TLS to %s: %s: %s", self->address, what, why);
	return FL_FAILED;
}

/* There is nobody to be asked for one. */
static int no_pass_phrase(char *text, int size, int writing, void *ctx)
{
	(void)text;
	(void)size;
	(void)writing;
	(void)ctx;
	return -1;
}

static bool use_key(SSL_CTX *context, const char *text)
{
	BIO *bio = BIO_new_mem_buf(text, -1);
	EVP_PKEY *key =
		bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL) : NULL;
	bool const good = key != NULL && SSL_CTX_use_PrivateKey(context, key) == 1 &&
			  SSL_CTX_check_private_key(context) == 1;
	EVP_PKEY_free(key);
	BIO_free(bio);
	return good;
}

static enum fl_outcome set_up(struct redis_sink *self, SSL_CTX *context, struct fl_err *err)
{
	const struct fl_settings *settings = self->settings;
	const char *ca = settings->text(settings->ctx, "tls_ca");
	const char *certificate = settings->text(settings->ctx, "tls_cert");
	const char *key = settings->text(settings->ctx, "tls_key");
	if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
		return wrong(self, "no TLS 1.2", err);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	if (ca != NULL ? SSL_CTX_load_verify_locations(context, ca, NULL) != 1
		       : SSL_CTX_set_default_verify_paths(context) != 1)
		return wrong(self, "tls_ca can't be used", err);
	if ((certificate != NULL) != (key != NULL))
		return wrong(self, "tls_cert and tls_key go together", err);
	if (certificate != NULL && SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
		return wrong(self, "tls_cert can't be used", err);
	if (key != NULL && !use_key(context, key))
		return wrong(self, "tls_key can't be used, or is not that of tls_cert", err);
	return FL_DONE;
}

/* The certificate has to be that of this host. */
static bool expect_host(SSL *ssl, const char *host)
{
	if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1)
		return true;
	ERR_clear_error();
	return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

enum fl_outcome redis_start_tls(struct redis_sink *self, const char *host, struct fl_err *err)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *ssl = NULL;
	if (context == NULL)
		return redis_no_memory(err);
	enum fl_outcome outcome = set_up(self, context, err);
	if (outcome == FL_DONE) {
		ssl = SSL_new(context);
		if (ssl == NULL || !expect_host(ssl, host))
			outcome = redis_no_memory(err);
	}
	SSL_CTX_free(context); /* `ssl` holds it */
	if (outcome == FL_DONE && redisInitiateSSL(self->link, ssl) != REDIS_OK) {
		/* It may be mended at the server, or pass. */
		long const verdict = SSL_get_verify_result(ssl);
		fl_err_set(err, FL_ELOST, "TLS to %s: %s%s%s%s", self->address, self->link->errstr,
			verdict != X509_V_OK ? ": " : "",
			verdict != X509_V_OK ? X509_verify_cert_error_string(verdict) : "",
			verdict != X509_V_OK
				? ": check tls_ca, and that the server's certificate names the host"
				: "");
		outcome = FL_RETRY;
	}
	if (outcome != FL_DONE)
		SSL_free(ssl);
	self->tls = outcome == FL_DONE;
	self->ssl = self->tls ? ssl : NULL;
	return outcome;
}

bool redis_tls_has_some(const struct redis_sink *self)
{
	return SSL_has_pending(self->ssl) == 1;
}
