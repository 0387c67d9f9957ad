/* SPDX-License-Identifier: Apache-2.0
 *
 * The first words with a server: whether it has the meta protocol, as our commands need it (it came
 * with memcached 1.5.19 and was another one before 1.6.10 or so), what it is, whether it is the one
 * that was there before, and whether it is done with us.
 *
 * A server that was frozen, or had no time, may have commands in its receive buffer that we have
 * given up: it executes them although the connection is gone, and at the same time what comes on
 * the next one. So nothing is sent before the last connection, which the canary names, is gone from
 * `stats conns`: by then everything from it has been executed, or never will be.
 */
#include "memcached.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { CONNECTION_MAX = 96, POLL_MS = 20, IDLE_MS = 3000 };

struct greeting {
	struct memcached_sink *self;
	struct link *link;
	struct identity identity;
	bool has_cas;
	char canary[CANARY_MAX];  /* what was there; empty: nothing */
	char own[CONNECTION_MAX]; /* our connection, as the server names it, or "-" */
	bool earlier_is_there;
	long earlier_idle;		      /* seconds since it has done something */
	char host[INET6_ADDRSTRLEN], port[8]; /* our side of it; empty for a unix socket */
};

enum answer { ANSWERED, CLASSIC, FAILED, REFUSED };

static enum answer ask(
	struct greeting *greeting, const char *command, struct fl_bytes *ret, struct fl_err *err)
{
	fl_buf_text(&greeting->link->out, command);
	return wire_ask(greeting->self, greeting->link, 0, ret, err) == FL_DONE ? ANSWERED : FAILED;
}

static bool is(struct fl_bytes line, const char *text)
{
	return line.size == strlen(text) && memcmp(line.data, text, line.size) == 0;
}

static bool begins(struct fl_bytes line, const char *text)
{
	return line.size >= strlen(text) && memcmp(line.data, text, strlen(text)) == 0;
}

/* An answer to a meta command that is not the one that was expected. */
static enum answer unexpected(
	const struct greeting *greeting, struct fl_bytes line, struct fl_err *err)
{
	/* "OK", "VA f1 s2" and the like: other meta commands than ours. */
	if (begins(line, "ERROR") || begins(line, "CLIENT_ERROR") || begins(line, "OK") ||
		begins(line, "VA "))
		return CLASSIC;
	wire_confused(greeting->link, line, err);
	return FAILED;
}

/* ---- statistics ---- */

static void note_general(struct greeting *greeting, const char *name, const char *value)
{
	canary_identify(name, value, &greeting->identity);
}

static void note_setting(struct greeting *greeting, const char *name, const char *value)
{
	if (strcmp(name, "cas_enabled") == 0)
		greeting->has_cas = strcmp(value, "no") != 0;
	else if (strcmp(name, "item_size_max") == 0)
		greeting->link->item_max = strtoull(value, NULL, 10);
}

/* "24:addr" "tcp:127.0.0.1:38412" or "tcp6:[::1]:38412", "24:secs_since_last_cmd" "0" */
static void note_connection(struct greeting *greeting, const char *name, const char *value)
{
	char connection[CONNECTION_MAX];
	const char *earlier = canary_connection(greeting->canary);
	const char *colon = strchr(name, ':');
	const char *port = strrchr(value, ':');
	if (colon == NULL)
		return;
	size_t number = (size_t)(colon - name) + 1;
	if (strcmp(colon, ":secs_since_last_cmd") == 0 && strncmp(name, earlier, number) == 0)
		greeting->earlier_idle = strtol(value, NULL, 10);
	if (port == NULL || strcmp(colon, ":addr") != 0)
		return;
	int size = snprintf(connection, sizeof(connection), "%.*s%s", (int)number, name, value);
	if (size < 0 || (size_t)size >= sizeof(connection) || strchr(connection, ' ') != NULL)
		return;
	if (greeting->port[0] != '\0' && strcmp(port + 1, greeting->port) == 0 &&
		strstr(value, greeting->host) != NULL)
		strcpy(greeting->own, connection);
	else if (strcmp(connection, earlier) == 0)
		greeting->earlier_is_there = true;
}

static enum answer statistics(struct greeting *greeting, const char *command,
	void (*note)(struct greeting *greeting, const char *name, const char *value),
	struct fl_err *err)
{
	struct fl_bytes line;
	enum answer answer = ask(greeting, command, &line, err);
	while (answer == ANSWERED && !is(line, "END")) {
		char text[256], *rest;
		/* Not everything that speaks the protocol lists its connections. */
		if (note == note_connection && begins(line, "ERROR"))
			return ANSWERED;
		if (!begins(line, "STAT "))
			return wire_confused(greeting->link, line, err), FAILED;
		snprintf(text, sizeof(text), "%.*s", (int)line.size - 5, line.data + 5);
		char *name = strtok_r(text, " ", &rest);
		if (name != NULL)
			note(greeting, name, rest);
		answer = ask(greeting, "", &line, err);
	}
	return answer;
}

/* ---- connections ---- */

static void find_own_address(struct greeting *greeting)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} at = { 0 };
	socklen_t size = sizeof(at);
	strcpy(greeting->own, "-");
	if (getsockname(greeting->link->fd, &at.any, &size) != 0)
		return;
	const void *host = at.any.sa_family == AF_INET ? (const void *)&at.v4.sin_addr
						       : (const void *)&at.v6.sin6_addr;
	uint16_t port = at.any.sa_family == AF_INET ? at.v4.sin_port : at.v6.sin6_port;
	if ((at.any.sa_family == AF_INET || at.any.sa_family == AF_INET6) &&
		inet_ntop(at.any.sa_family, host, greeting->host, sizeof(greeting->host)) != NULL)
		snprintf(greeting->port, sizeof(greeting->port), "%u", ntohs(port));
}

/* Waits until the last connection is gone, or has nothing left. One that comes through a proxy has
 * another name than we know: then nobody can tell. */
static enum answer wait_for_earlier(struct greeting *greeting, struct fl_err *err)
{
	find_own_address(greeting);
	if (greeting->port[0] == '\0')
		return ANSWERED;
	for (unsigned waited = 0;; waited += POLL_MS) {
		greeting->earlier_is_there = false;
		greeting->earlier_idle = 0;
		wire_expect_greeting(greeting->self, greeting->link);
		enum answer answer = statistics(greeting, "stats conns\r\n", note_connection, err);
		if (answer != ANSWERED || !greeting->earlier_is_there || greeting->own[0] == '-')
			return answer;
		if (waited >= IDLE_MS) {
			if (greeting->earlier_idle >= IDLE_MS / 1000 - 1)
				return ANSWERED;
			fl_err_set(err, FL_ELOST,
				"%s still works for the last connection, or another sink of this "
				"name writes to it",
				greeting->link->name);
			return FAILED;
		}
		poll(NULL, 0, POLL_MS);
	}
}

/* ---- the canary ---- */

static enum answer read_canary(struct greeting *greeting, struct fl_err *err)
{
	char command[KEY_MAX + 16];
	struct fl_bytes line;
	unsigned long long size = 0;
	snprintf(command, sizeof(command), "mg %s v\r\n", greeting->self->canary_key);
	enum answer answer = ask(greeting, command, &line, err);
	if (answer != ANSWERED || is(line, "EN"))
		return answer;
	for (size_t i = 3; begins(line, "VA ") && i < line.size && line.data[i] != ' '; i++) {
		if (line.data[i] < '0' || line.data[i] > '9' || size > CANARY_MAX)
			return CLASSIC;
		size = size * 10 + (unsigned long long)(line.data[i] - '0');
	}
	if (size == 0)
		return unexpected(greeting, line, err);
	if (size >= CANARY_MAX) {
		fl_err_set(err, FL_ELOST, "%s: somebody else writes the key %s",
			greeting->link->name, greeting->self->canary_key);
		return FAILED;
	}
	if (wire_ask(greeting->self, greeting->link, (size_t)size, &line, err) != FL_DONE)
		return FAILED;
	memcpy(greeting->canary, line.data, line.size);
	return ANSWERED;
}

static enum answer write_canary(struct greeting *greeting, struct fl_err *err)
{
	struct link *link = greeting->link;
	char command[KEY_MAX + CANARY_MAX + 64];
	struct fl_bytes line;
	canary_make(&greeting->identity, greeting->own, link->canary);
	snprintf(command, sizeof(command), "ms %s %zu O1\r\n%s\r\n", greeting->self->canary_key,
		strlen(link->canary), link->canary);
	enum answer answer = ask(greeting, command, &line, err);
	if (answer != ANSWERED || is(line, "HD O1") || begins(line, "SERVER_ERROR out of memory"))
		return answer;
	return unexpected(greeting, line, err);
}

/* ---- all of it ---- */

/* The first command, which tells who is there; and again, if user and password have to come first.
 */
static enum answer say_hello(struct greeting *greeting, struct fl_err *err)
{
	const struct memcached_sink *self = greeting->self;
	struct fl_bytes line;
	enum answer answer = ask(greeting, "mn\r\n", &line, err);
	bool const is_asked = answer == ANSWERED && auth_is_asked_for(line);
	if (is_asked) {
		enum fl_outcome const outcome = auth_log_in(greeting->self, greeting->link, err);
		if (outcome != FL_DONE)
			return outcome == FL_FAILED ? REFUSED : FAILED;
		answer = ask(greeting, "mn\r\n", &line, err);
	}
	if (answer == ANSWERED && !is(line, "MN"))
		answer = unexpected(greeting, line, err);
	if (answer == ANSWERED && self->pool.user != NULL && !is_asked)
		self->host->log(self->host->ctx, FL_LEVEL_WARN,
			"%s lets everybody in: it has not asked for user and password",
			greeting->link->name);
	if (answer == CLASSIC && self->pool.user != NULL) {
		auth_no_classic(err);
		return REFUSED;
	}
	return answer;
}

enum fl_outcome greet_check_flush(
	const struct memcached_sink *self, const char *server, bool has_cas, struct fl_err *err)
{
	if (has_cas || !self->may_flush)
		return FL_DONE;
	fl_err_set(err, FL_EFATAL,
		"%s runs with -C, which makes flush_all keep what was written in the same second: "
		"start it without -C, or set clear = halt",
		server);
	return FL_FAILED;
}

static enum fl_outcome greet(
	struct memcached_sink *self, size_t server, bool *ret_classic, struct fl_err *err)
{
	struct greeting greeting = { .self = self, .link = &self->links[server], .has_cas = true };
	enum fl_outcome outcome = wire_connect(self, server, err);
	if (outcome != FL_DONE)
		return outcome;
	enum answer answer = say_hello(&greeting, err);
	if (answer == ANSWERED)
		answer = read_canary(&greeting, err);
	if (answer == ANSWERED)
		answer = statistics(&greeting, "stats\r\n", note_general, err);
	if (answer == ANSWERED)
		answer = statistics(&greeting, "stats settings\r\n", note_setting, err);
	if (answer == ANSWERED)
		answer = wait_for_earlier(&greeting, err);
	if (answer == ANSWERED) {
		outcome = greet_check_flush(self, greeting.link->name, greeting.has_cas, err);
		if (outcome != FL_DONE)
			return outcome;
		answer = write_canary(&greeting, err);
	}
	if (answer == ANSWERED)
		canary_judge(self, greeting.link->name,
			greeting.canary[0] != '\0' ? greeting.canary : NULL, &greeting.identity);
	*ret_classic = answer == CLASSIC;
	if (answer == REFUSED)
		return FL_FAILED;
	return answer == FAILED ? FL_RETRY : FL_DONE;
}

enum fl_outcome greet_all(struct memcached_sink *self, bool *ret_classic, struct fl_err *err)
{
	enum fl_outcome outcome = FL_DONE;
	bool is_classic = false;
	self->links = calloc(self->pool.count, sizeof(*self->links));
	self->polls = calloc(self->pool.count + 2, sizeof(*self->polls));
	if (self->links == NULL || self->polls == NULL)
		return sink_no_memory(err);
	for (size_t i = 0; i < self->pool.count; i++) {
		self->links[i].fd = -1;
		self->links[i].item_max = SIZE_MAX;
		pool_name(&self->pool.servers[i], self->links[i].name);
	}
	for (size_t i = 0; i < self->pool.count && outcome == FL_DONE && !is_classic; i++)
		outcome = greet(self, i, &is_classic, err);
	*ret_classic = is_classic;
	return outcome;
}
