/* SPDX-License-Identifier: Apache-2.0
 *
 * Sinks that break a rule where it is about what they write to, each in one way: RUDE_... says
 * which (see meson.build). For each batch they send PING to a Redis, and wait for its PONG.
 */
#include <fastlane/sink.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

struct pinger {
	int fd;
};

static enum fl_outcome lost(struct fl_err *err)
{
	fl_err_set(err, FL_ELOST, "the connection: %s", strerror(errno));
#ifdef RUDE_HALTS
	return FL_FAILED;
#else
	return FL_RETRY;
#endif
}

static enum fl_outcome net_open(const struct fl_host *host, const struct fl_settings *settings,
	void **ret_self, struct fl_err *err)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const char *colon = strchr(settings->text(settings->ctx, "address"), ':');
	struct pinger *p = calloc(1, sizeof(*p));
	(void)host;
	to.sin_port = htons((uint16_t)(colon != NULL ? atoi(colon + 1) : 1));
	if (p == NULL)
		return lost(err);
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->fd < 0 || connect(p->fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		enum fl_outcome const outcome = lost(err);
		close(p->fd);
		free(p);
		return outcome;
	}
#ifdef RUDE_IMPATIENT
	struct timeval const limit = { .tv_usec = 150000 };
	setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
#endif
	*ret_self = p;
	return FL_DONE;
}

static enum fl_outcome net_submit(void *ctx, const struct fl_batch *batch, struct fl_err *err)
{
	struct pinger *p = ctx;
	char answer[7];
	(void)batch;
	bool const sent = send(p->fd, "PING\r\n", 6, MSG_NOSIGNAL) == 6;
#ifdef RUDE_IGNORES
	(void)sent;
	(void)answer;
	(void)err;
	return FL_DONE;
#else
	if (!sent || recv(p->fd, answer, sizeof(answer), MSG_WAITALL) != sizeof(answer))
		return lost(err);
	return FL_DONE;
#endif
}

static void net_interrupt(void *ctx)
{
	struct pinger *p = ctx;
#ifdef RUDE_DEAF
	(void)p;
#else
	shutdown(p->fd, SHUT_RDWR);
#endif
}

static void net_close(void *ctx)
{
	struct pinger *p = ctx;
	close(p->fd);
	free(p);
}

static const struct fl_option options[] = {
	{ .name = "address", .required = true, .help = "a Redis on this machine: 127.0.0.1:PORT" },
	{ .name = NULL },
};

const struct fl_sink_plugin fl_sink_plugin = {
	.abi_major = FL_ABI_MAJOR,
	.abi_minor = FL_ABI_MINOR,
	.size = sizeof(struct fl_sink_plugin),
	.name = MODULE_NAME,
	.summary = "a sink that is rude to its server",
	.options = options,
	.takes = FL_TAKES_CHANGES,
	.open = net_open,
	.submit = net_submit,
	.interrupt = net_interrupt,
	.close = net_close,
};
