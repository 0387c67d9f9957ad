/* SPDX-License-Identifier: Apache-2.0
 *
 * In place of tls.c where hiredis was built without TLS, as Debian 12's is.
 */
#include "redis.h"

#include <strings.h>

bool redis_check_tls(const char *value, struct fl_err *err)
{
	static const char *const words[] = { "no", "false", "off", "0" };
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcasecmp(value, words[i]) == 0)
			return true;
	fl_err_set(err, FL_EINVAL,
		"the hiredis that fastlane was built with has no TLS: build it with hiredis 1.0 "
		"or newer and its hiredis_ssl, or let stunnel encrypt: see fastlane-redis(5)");
	return false;
}

bool redis_check_pem(const char *path, struct fl_err *err)
{
	(void)path;
	(void)err;
	return true;
}

bool redis_tls_has_some(const struct redis_sink *self)
{
	(void)self;
	return false;
}

enum fl_outcome redis_start_tls(struct redis_sink *self, const char *host, struct fl_err *err)
{
	(void)host;
	fl_err_set(err, FL_EUNSUPPORTED, "there is no TLS to %s: see fastlane-redis(5)",
		self->address);
	return FL_FAILED;
}
