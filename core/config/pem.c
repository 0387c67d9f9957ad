/* SPDX-License-Identifier: Apache-2.0
 *
 * What can be known of a certificate or key before the client library is given it: it would say
 * less, later, and to nobody who is looking.
 */
#include <errno.h>
#include <unistd.h>

#include "base/trust.h"
#include "config/private.h"

enum { LOOKED_AT = 4 << 20 }; /* bytes; the system's authorities come to a few hundred KiB */

static int read_some(int fd, struct fl_buf *ret)
{
	ssize_t size;
	do {
		char *to = fl_buf_reserve(ret, 65536);
		size = to != NULL ? read(fd, to, 65536) : -1;
		ret->size += size > 0 ? (size_t)size : 0;
	} while ((size > 0 && ret->size < LOOKED_AT) ||
		 (size < 0 && errno == EINTR && !ret->failed));
	return size < 0 ? -1 : 0;
}

static bool has(const struct fl_buf *text, const char *words)
{
	return text->data != NULL && memmem(text->data, text->size, words, strlen(words)) != NULL;
}

/* NULL, or what is wrong. */
static const char *judge(const struct fl_buf *text, bool is_key)
{
	if (text->size == 0)
		return "it is empty";
	if (!is_key)
		return has(text, "-----BEGIN CERTIFICATE-----") ||
				       has(text, "-----BEGIN TRUSTED CERTIFICATE-----") ||
				       has(text, "-----BEGIN X509 CERTIFICATE-----")
			       ? NULL
			       : "there is no line -----BEGIN CERTIFICATE----- in it";
	if (!has(text, "PRIVATE KEY-----"))
		return "there is no line -----BEGIN PRIVATE KEY----- in it";
	return has(text, "ENCRYPTED")
		       ? "it needs a pass phrase, for which nobody can be asked: take it off with "
			 "openssl pkey -in OLD -out NEW"
		       : NULL;
}

bool fl_config_pem_check(const char *path, bool is_key, struct fl_err *err)
{
	static const char *const kinds[] = { "certificates", "a private key" };
	struct fl_err why;
	struct fl_buf text = { 0 };
	int fd = -1;
	const char *wrong = why.text;
	if (fl_trust_open(path, is_key ? FL_TRUST_SECRET : FL_TRUST_DATA, &fd, &why) == 0)
		wrong = read_some(fd, &text) == 0 ? judge(&text, is_key) : strerror(errno);
	if (wrong != NULL)
		fl_err_set(err, FL_EINVAL, "must be a PEM file of %s: %s", kinds[is_key], wrong);
	if (text.data != NULL)
		explicit_bzero(text.data, text.capacity);
	fl_buf_finish(&text);
	if (fd >= 0)
		close(fd);
	return wrong == NULL;
}
