/* SPDX-License-Identifier: Apache-2.0
 *
 * User and password. A server that was started with -Y wants them as the value of the first `set`
 * on a connection, whatever its key. One that was not would store them for everybody to read: so
 * they are sent only to a server that has asked for them. SASL, which servers have in the binary
 * protocol alone, is libmemcached's.
 */
#include "memcached.h"

static bool is_printed(const char *text, bool may_have_blanks)
{
	for (const char *at = text; *at != '\0'; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f || (*at == ' ' && !may_have_blanks))
			return false;
	return *text != '\0';
}

bool auth_check_user(const char *value, struct fl_err *err)
{
	if (strlen(value) <= AUTH_MAX && is_printed(value, false) && strchr(value, ':') == NULL)
		return true;
	fl_err_set(err, FL_EINVAL, "must be 1 to %d bytes without blanks, colons and line breaks",
		AUTH_MAX);
	return false;
}

bool auth_check_password(const char *value, struct fl_err *err)
{
	if (strlen(value) <= AUTH_MAX && is_printed(value, true))
		return true;
	fl_err_set(err, FL_EINVAL, "must be 1 to %d bytes without line breaks", AUTH_MAX);
	return false;
}

static enum fl_outcome refuse(struct fl_err *err, const char *why)
{
	fl_err_set(err, FL_EINVAL, "%s", why);
	return FL_FAILED;
}

enum fl_outcome auth_set_up(
	struct pool *pool, const struct fl_settings *settings, struct fl_err *err)
{
	const char *protocol = settings->text(settings->ctx, "protocol");
	const char *password = settings->text(settings->ctx, "password");
	const char *from_file = settings->text(settings->ctx, "password_file");
	if (password != NULL && from_file != NULL)
		return refuse(err, "password and password_file are both set");
	pool->user = settings->text(settings->ctx, "user");
	pool->password = password != NULL ? password : from_file;
	pool->has_sasl = strcmp(protocol, "sasl") == 0;
	if (pool->user != NULL && pool->password == NULL)
		return refuse(err, "user needs password_file or password");
	if (pool->user == NULL && pool->password != NULL)
		return refuse(err, "a password needs a user");
	if (pool->user == NULL && pool->has_sasl)
		return refuse(err, "protocol = sasl needs user and password_file");
	if (pool->user != NULL && strcmp(protocol, "classic") == 0)
		return auth_no_classic(err);
	return FL_DONE;
}

enum fl_outcome auth_no_classic(struct fl_err *err)
{
	return refuse(err, "user and password are for servers of memcached 1.6 that run with -Y, "
			   "and, with protocol = sasl, for those that run with -S: the old "
			   "commands have no way to say them");
}

bool auth_is_asked_for(struct fl_bytes answer)
{
	static const char asks[] = "CLIENT_ERROR unauthenticated";
	return answer.size == sizeof(asks) - 1 && memcmp(answer.data, asks, answer.size) == 0;
}

/* Sends them, and leaves no trace in the buffer. */
static enum fl_outcome say(struct memcached_sink *self, struct link *link,
	struct fl_bytes *ret_line, struct fl_err *err)
{
	char text[2 * AUTH_MAX + 64];
	int const size = snprintf(text, sizeof(text), "set fastlane 0 0 %zu\r\n%s %s\r\n",
		strlen(self->pool.user) + 1 + strlen(self->pool.password), self->pool.user,
		self->pool.password);
	/* In one piece: what the buffer moves away from would be left behind. */
	if (fl_buf_reserve(&link->out, sizeof(text)) == NULL)
		return sink_no_memory(err);
	fl_buf_append(&link->out, text, (size_t)size);
	enum fl_outcome const outcome = wire_ask(self, link, 0, ret_line, err);
	explicit_bzero(text, sizeof(text));
	if (link->out.data != NULL)
		explicit_bzero(link->out.data, link->out.capacity);
	return outcome;
}

enum fl_outcome auth_log_in(struct memcached_sink *self, struct link *link, struct fl_err *err)
{
	static const char stored[] = "STORED", refused[] = "CLIENT_ERROR authentication failure";
	struct fl_bytes line;
	if (self->pool.user == NULL) {
		fl_err_set(err, FL_EFATAL,
			"%s wants a user and a password: set user and password_file", link->name);
		return FL_FAILED;
	}
	/* memcached takes what is behind it for a word of its own, and does not look at it. */
	if (strchr(self->pool.password, ' ') != NULL)
		return refuse(
			err, "a server that runs with -Y can't be told a password with a blank");
	enum fl_outcome const outcome = say(self, link, &line, err);
	if (outcome != FL_DONE)
		return outcome;
	if (line.size == sizeof(stored) - 1 && memcmp(line.data, stored, line.size) == 0)
		return FL_DONE;
	if (line.size == sizeof(refused) - 1 && memcmp(line.data, refused, line.size) == 0) {
		fl_err_set(err, FL_EFATAL, "%s refuses them: check user and password_file",
			link->name);
		return FL_FAILED;
	}
	/* Without the answer, which might repeat them. */
	fl_err_set(err, FL_ELOST, "%s does not answer to user and password as memcached does",
		link->name);
	return FL_RETRY;
}
