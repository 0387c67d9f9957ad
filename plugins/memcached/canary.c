/* SPDX-License-Identifier: Apache-2.0
 *
 * The canary is a key of the sink's own, on every server: "PID START CONNECTION", the server's
 * process, the second it began in by its own clock, and the connection that the sink had then, as
 * the server names it. If it is not there any more, nothing is that was there before.
 */
#include "memcached.h"

#include <inttypes.h>
#include <time.h>

void canary_identify(const char *name, const char *value, struct identity *identity)
{
	uint64_t *to = strcmp(name, "pid") == 0	     ? &identity->pid
		       : strcmp(name, "uptime") == 0 ? &identity->uptime
		       : strcmp(name, "time") == 0   ? &identity->time
						     : NULL;
	if (to != NULL)
		*to = strtoull(value, NULL, 10);
}

static uint64_t start_of(const struct identity *identity)
{
	return identity->time > identity->uptime ? identity->time - identity->uptime : 0;
}

void canary_make(const struct identity *identity, const char *connection, char ret[CANARY_MAX])
{
	snprintf(ret, CANARY_MAX, "%" PRIu64 " %" PRIu64 " %s", identity->pid, start_of(identity),
		connection);
}

const char *canary_connection(const char *canary)
{
	const char *last = strrchr(canary, ' ');
	return last != NULL ? last + 1 : "";
}

void canary_lost(struct memcached_sink *self, const char *server, const char *how)
{
	/* The 1st, 2nd, 4th ...: one that has no room for the canary is not to fill the log. */
	uint64_t count = ++self->losses;
	if ((count & (count - 1)) == 0)
		self->host->log(self->host->ctx, FL_LEVEL_WARN,
			"%s %s: what it held is absent until it changes (%" PRIu64 " so far)",
			server, how, count);
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void canary_judge(struct memcached_sink *self, const char *server, const char *found,
	const struct identity *identity)
{
	char how[160];
	uint64_t pid = 0, start = 0;
	if (found != NULL && sscanf(found, "%" SCNu64 " %" SCNu64, &pid, &start) == 2) {
		uint64_t now = start_of(identity);
		/* Its clock may have been set. */
		if (pid != identity->pid || now > start + 2)
			self->host->log(self->host->ctx, FL_LEVEL_WARN,
				"%s was restarted and has kept its memory", server);
		return;
	}
	if (self->last_contact == 0)
		return; /* we may never have been here */
	int64_t away = now_ms() - self->last_contact;
	if ((int64_t)identity->uptime * 1000 <= away + 2000) {
		snprintf(how, sizeof(how), "was restarted %" PRIu64 " s ago as process %" PRIu64,
			identity->uptime, identity->pid);
		canary_lost(self, server, how);
	} else {
		canary_lost(self, server, "was emptied by somebody, or has evicted the canary");
	}
}
