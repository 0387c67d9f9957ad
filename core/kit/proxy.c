/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the plugin and what it writes to: listens on ports of its own, one for each address in
 * the list, and passes on what comes - or not, as the check says. What the plugin prints goes to
 * nowhere by the same way. A process of its own, so that neither descriptors nor threads of it
 * count as the plugin's; it ends when it is killed, or with the tool.
 */
#include "kit/private.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

enum { MOST_ADDRESSES = 16, MOST_QUEUED = 256 << 10, PAUSE_MS = 300 };

struct target {
	uv_tcp_t listener;
	bool listens;
	uint16_t port;
	struct sockaddr_storage address;
	char path[108]; /* a unix socket's; "": TCP */
};

/* One direction of a link takes from one side and gives to the other. */
struct side {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	};
	struct link *link;
	struct side *other;
	bool ended; /* has said all */
};

struct link {
	struct link *next, **at;
	struct side client, backend;
	union {
		uv_connect_t connect;
		uv_shutdown_t shutdown[2];
	};
	bool connected, closing;
	unsigned open_handles;
};

struct proxy {
	uv_loop_t loop;
	uv_poll_t control;
	uv_pipe_t output; /* what the plugin prints */
	uv_timer_t pause;
	int control_fd;
	bool stalled, cut;
	bool output_open;
	struct target targets[MOST_ADDRESSES];
	size_t target_count;
	struct link *links;
};

static struct proxy proxy; /* of the process */

/* ---- links ---- */

static void on_closed(uv_handle_t *handle)
{
	struct link *link = ((struct side *)handle->data)->link;
	if (--link->open_handles > 0)
		return;
	*link->at = link->next;
	if (link->next != NULL)
		link->next->at = link->at;
	free(link);
}

static void close_link(struct link *link, bool reset)
{
	struct linger const at_once = { .l_onoff = 1 };
	int fd;
	if (link->closing)
		return;
	link->closing = true;
	struct side *const sides[] = { &link->client, &link->backend };
	for (size_t i = 0; i < 2; i++) {
		if (reset && sides[i]->handle.type == UV_TCP &&
			uv_fileno(&sides[i]->handle, &fd) == 0)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		uv_close(&sides[i]->handle, on_closed);
	}
}

struct passing {
	uv_write_t request;
	struct side *from;
	char *data;
};

static void read_on(struct side *side);

static void on_written(uv_write_t *request, int status)
{
	struct passing *passing = (struct passing *)(void *)request;
	struct side *from = passing->from;
	if (status < 0)
		close_link(from->link, true);
	else if (!from->link->closing && !from->ended && !proxy.stalled)
		read_on(from);
	free(passing->data);
	free(passing);
}

static void on_shut(uv_shutdown_t *request, int status)
{
	(void)request;
	(void)status;
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
	struct side *side = stream->data;
	struct link *link = side->link;
	struct passing *passing = NULL;
	if (size > 0)
		passing = malloc(sizeof(*passing));
	if (passing == NULL)
		free(buf->base);
	if (size == UV_EOF) {
		side->ended = true;
		uv_read_stop(stream);
		if (side->other->ended)
			close_link(link, false);
		else
			uv_shutdown(&link->shutdown[side == &link->client], &side->other->stream,
				on_shut);
	} else if (size < 0) {
		close_link(link, true);
	}
	if (passing == NULL)
		return;
	passing->from = side;
	passing->data = buf->base;
	uv_buf_t const out = uv_buf_init(buf->base, (unsigned)size);
	if (uv_write(&passing->request, &side->other->stream, &out, 1, on_written) != 0) {
		free(passing->data);
		free(passing);
		close_link(link, true);
	} else if (uv_stream_get_write_queue_size(&side->other->stream) > MOST_QUEUED) {
		uv_read_stop(stream);
	}
}

static void on_room(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	(void)handle;
	*buf = uv_buf_init(malloc(size), (unsigned)size);
}

static void read_on(struct side *side)
{
	uv_read_start(&side->stream, on_room, on_read);
}

static void set_reading(struct link *link)
{
	struct side *const sides[] = { &link->client, &link->backend };
	for (size_t i = 0; i < 2 && link->connected && !link->closing; i++) {
		if (proxy.stalled)
			uv_read_stop(&sides[i]->stream);
		else if (!sides[i]->ended)
			read_on(sides[i]);
	}
}

static void on_connected(uv_connect_t *request, int status)
{
	struct link *link = request->data;
	if (link->closing)
		return;
	if (status < 0) {
		close_link(link, true);
		return;
	}
	link->connected = true;
	set_reading(link);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct target *target = listener->data;
	struct link *link = status == 0 ? calloc(1, sizeof(*link)) : NULL;
	if (link == NULL)
		return;
	link->client.link = link->backend.link = link;
	link->client.other = &link->backend;
	link->backend.other = &link->client;
	link->open_handles = 2;
	uv_tcp_init(&proxy.loop, &link->client.tcp);
	if (target->path[0] != '\0')
		uv_pipe_init(&proxy.loop, &link->backend.pipe, 0);
	else
		uv_tcp_init(&proxy.loop, &link->backend.tcp);
	link->client.handle.data = &link->client;
	link->backend.handle.data = &link->backend;
	link->next = proxy.links;
	link->at = &proxy.links;
	if (link->next != NULL)
		link->next->at = &link->next;
	proxy.links = link;
	link->connect.data = link;
	int code = uv_accept(listener, &link->client.stream);
	if (code == 0 && target->path[0] != '\0')
		uv_pipe_connect(&link->connect, &link->backend.pipe, target->path, on_connected);
	else if (code == 0)
		code = uv_tcp_connect(&link->connect, &link->backend.tcp,
			(struct sockaddr *)&target->address, on_connected);
	if (code != 0)
		close_link(link, true);
	else
		uv_tcp_nodelay(&link->client.tcp, 1);
}

/* ---- listening ---- */

static int listen_for(struct target *target)
{
	struct sockaddr_in own;
	int size = sizeof(own);
	uv_ip4_addr("127.0.0.1", target->port, &own);
	uv_tcp_init(&proxy.loop, &target->listener);
	target->listener.data = target;
	int code = uv_tcp_bind(&target->listener, (struct sockaddr *)&own, 0);
	if (code == 0)
		code = uv_listen((uv_stream_t *)&target->listener, 128, on_connection);
	if (code == 0)
		code = uv_tcp_getsockname(&target->listener, (struct sockaddr *)&own, &size);
	target->port = ntohs(own.sin_port);
	target->listens = code == 0;
	return code;
}

static void set_listening(bool listens)
{
	for (size_t i = 0; i < proxy.target_count; i++) {
		struct target *target = &proxy.targets[i];
		if (listens == target->listens)
			continue;
		if (listens) {
			listen_for(target);
		} else {
			uv_close((uv_handle_t *)&target->listener, NULL);
			target->listens = false;
		}
	}
}

/* ---- commands ---- */

static void on_output(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
	free(buf->base);
	if (size < 0)
		uv_read_stop(stream);
}

static void obey(void)
{
	if (proxy.cut)
		for (struct link *link = proxy.links; link != NULL; link = link->next)
			close_link(link, true);
	set_listening(!proxy.cut);
	for (struct link *link = proxy.links; link != NULL; link = link->next)
		set_reading(link);
	if (proxy.cut && proxy.output_open) {
		proxy.output_open = false;
		uv_close((uv_handle_t *)&proxy.output, NULL);
	}
	if (proxy.output_open && proxy.stalled)
		uv_read_stop((uv_stream_t *)&proxy.output);
	else if (proxy.output_open)
		uv_read_start((uv_stream_t *)&proxy.output, on_room, on_output);
}

static void on_pause_over(uv_timer_t *timer)
{
	(void)timer;
	proxy.stalled = false;
	obey();
}

static void on_command(uv_poll_t *poll, int status, int events)
{
	char command;
	(void)poll;
	(void)status;
	(void)events;
	if (read(proxy.control_fd, &command, 1) != 1)
		_exit(0);
	proxy.stalled = command == FL_KIT_STALL || command == FL_KIT_PAUSE;
	proxy.cut = command == FL_KIT_CUT;
	uv_timer_stop(&proxy.pause);
	if (command == FL_KIT_PAUSE)
		uv_timer_start(&proxy.pause, on_pause_over, PAUSE_MS, 0);
	obey();
	if (write(proxy.control_fd, &command, 1) != 1)
		_exit(0);
}

void fl_kit_tell(struct fl_kit *kit, enum fl_kit_command command)
{
	char byte = (char)command;
	kit->is_disturbed = command != FL_KIT_FORWARD;
	if (write(kit->control, &byte, 1) != 1 || read(kit->control, &byte, 1) != 1)
		fl_kit_fail(kit, "the check's own proxy is gone");
}

static void serve(int control, int output) __attribute__((noreturn));
static void serve(int control, int output)
{
	proxy.control_fd = control;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	uv_poll_init(&proxy.loop, &proxy.control, control);
	uv_poll_start(&proxy.control, UV_READABLE, on_command);
	uv_timer_init(&proxy.loop, &proxy.pause);
	uv_pipe_init(&proxy.loop, &proxy.output, 0);
	proxy.output_open = uv_pipe_open(&proxy.output, output) == 0;
	obey();
	uv_run(&proxy.loop, UV_RUN_DEFAULT);
	_exit(0);
}

/* ---- starting ---- */

static int resolve(const char *host, const char *port, struct target *ret, struct fl_err *err)
{
	struct addrinfo const hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	int const code = getaddrinfo(host, port, &hints, &found);
	if (code != 0)
		return fl_err_set(err, FL_EINVAL, "%s: %s", host, gai_strerror(code));
	memcpy(&ret->address, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return 0;
}

/* HOST:PORT, [V6]:PORT, unix:/PATH or /PATH; `ret_rest`: what stands behind the port, as a weight.
 */
static int parse(const char *text, struct target *ret, const char **ret_rest, struct fl_err *err)
{
	char host[256], port[8];
	int size = 0;
	*ret_rest = "";
	if (strncmp(text, "unix:", 5) == 0)
		text += 5;
	if (*text == '/' && strlen(text) < sizeof(ret->path)) {
		memcpy(ret->path, text, strlen(text) + 1);
		return 0;
	}
	if ((sscanf(text, "[%255[0-9a-fA-F:.]]:%7[0-9]%n", host, port, &size) == 2 ||
		    sscanf(text, "%255[^:]:%7[0-9]%n", host, port, &size) == 2) &&
		size > 0 && (text[size] == '\0' || text[size] == ':')) {
		*ret_rest = text + size;
		return resolve(host, port, ret, err);
	}
	return fl_err_set(err, FL_EINVAL,
		"'%s' is no address that a proxy can stand for: HOST:PORT, [IPV6]:PORT, or a "
		"socket's path",
		text);
}

static int listen_for_all(const char *list, char *ret, size_t room, struct fl_err *err)
{
	char *copy = strdup(list), *rest = copy;
	int code = copy == NULL ? fl_err_set(err, FL_ENOMEM, "out of memory") : 0;
	size_t used = 0;
	for (char *entry; code == 0 && (entry = strsep(&rest, ",")) != NULL;) {
		const char *more;
		struct target *target = &proxy.targets[proxy.target_count];
		entry += strspn(entry, " ");
		if (proxy.target_count == MOST_ADDRESSES)
			code = fl_err_set(err, FL_EINVAL, "more than %d addresses", MOST_ADDRESSES);
		if (code == 0)
			code = parse(entry, target, &more, err);
		if (code != 0)
			break;
		int const failed = listen_for(target);
		if (failed != 0)
			code = fl_err_set(
				err, FL_EIO, "no port to listen on: %s", uv_strerror(failed));
		proxy.target_count++;
		used += (size_t)snprintf(ret + used, room - used, "%s127.0.0.1:%u%s",
			used > 0 ? "," : "", target->port, more);
		if (code == 0 && used >= room)
			code = fl_err_set(err, FL_EINVAL, "too many addresses");
	}
	free(copy);
	return code;
}

int fl_kit_proxy_start(const char *address, struct fl_kit_proxy *ret, struct fl_err *err)
{
	int control[2], output[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) != 0)
		return fl_err_set(err, FL_EIO, "no socket: %s", strerror(errno));
	if (pipe2(output, O_CLOEXEC) != 0) {
		close(control[0]);
		close(control[1]);
		return fl_err_set(err, FL_EIO, "no pipe: %s", strerror(errno));
	}
	*ret = (struct fl_kit_proxy){ .control = control[0], .output = output[1] };
	ret->pid = fork();
	if (ret->pid == 0) {
		struct fl_err why = { 0 };
		close(control[0]);
		close(output[1]);
		uv_loop_init(&proxy.loop);
		if (address != NULL)
			listen_for_all(address, ret->address, sizeof(ret->address), &why);
		if (write(control[1], &why, sizeof(why)) == sizeof(why) &&
			write(control[1], ret->address, sizeof(ret->address)) > 0 && why.code == 0)
			serve(control[1], output[0]);
		_exit(0);
	}
	close(control[1]);
	close(output[0]);
	struct fl_err why = { .code = FL_EIO, .text = "the proxy can't be started" };
	if (ret->pid > 0 &&
		(read(control[0], &why, sizeof(why)) != sizeof(why) ||
			read(control[0], ret->address, sizeof(ret->address)) !=
				sizeof(ret->address)) &&
		why.code == 0)
		why.code = FL_EIO;
	if (why.code != 0) {
		fl_kit_proxy_end(ret);
		return fl_err_set(err, why.code, "%s", why.text);
	}
	return 0;
}

void fl_kit_proxy_end(struct fl_kit_proxy *p)
{
	close(p->control);
	close(p->output);
	if (p->pid > 0) {
		kill(p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
	}
}
