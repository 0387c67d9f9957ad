/* SPDX-License-Identifier: Apache-2.0 */
#include "http/listen.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <strings.h>
#include <sys/un.h>

static const char unix_prefix[] = "unix:";

static int refuse(struct fl_err *err)
{
	return fl_err_set(err, FL_EINVAL,
		"must be an address in numbers with a port, such as 127.0.0.1:9306 or [::1]:9306, "
		"or "
		"unix: and an absolute path of up to %zu bytes",
		sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
}

static int parse_unix(const char *path, struct fl_listen *ret, struct fl_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t const size = strlen(path);
	if (path[0] != '/' || size >= sizeof(address.sun_path))
		return refuse(err);
	memcpy(address.sun_path, path, size + 1);
	*ret = (struct fl_listen){ .size = sizeof(address), .is_local = true, .is_unix = true };
	memcpy(&ret->address, &address, sizeof(address));
	return 0;
}

static bool parse_port(const char *text, in_port_t *ret)
{
	unsigned long port = 0;
	size_t const digits = strlen(text);
	if (digits == 0 || digits > 5 || text[strspn(text, "0123456789")] != '\0')
		return false;
	port = strtoul(text, NULL, 10);
	*ret = htons((uint16_t)port);
	return port >= 1 && port <= 65535;
}

int fl_listen_parse(const char *text, struct fl_listen *ret, struct fl_err *err)
{
	char host[INET6_ADDRSTRLEN];
	if (strncmp(text, unix_prefix, sizeof(unix_prefix) - 1) == 0)
		return parse_unix(text + sizeof(unix_prefix) - 1, ret, err);
	const char *colon = strrchr(text, ':');
	bool const is_v6 = text[0] == '[';
	size_t const skip = is_v6 ? 1 : 0;
	if (colon == NULL || (size_t)(colon - text) <= 2 * skip ||
		(size_t)(colon - text) - 2 * skip >= sizeof(host) || (is_v6 && colon[-1] != ']'))
		return refuse(err);
	size_t const size = (size_t)(colon - text) - 2 * skip;
	memcpy(host, text + skip, size);
	host[size] = '\0';

	struct fl_listen made = { .size = 0 };
	if (is_v6) {
		struct sockaddr_in6 address = { .sin6_family = AF_INET6 };
		if (inet_pton(AF_INET6, host, &address.sin6_addr) != 1 ||
			!parse_port(colon + 1, &address.sin6_port))
			return refuse(err);
		made.size = sizeof(address);
		made.is_local = IN6_IS_ADDR_LOOPBACK(&address.sin6_addr);
		memcpy(&made.address, &address, sizeof(address));
	} else {
		struct sockaddr_in address = { .sin_family = AF_INET };
		if (inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
			!parse_port(colon + 1, &address.sin_port))
			return refuse(err);
		made.size = sizeof(address);
		made.is_local = ntohl(address.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
		memcpy(&made.address, &address, sizeof(address));
	}
	*ret = made;
	return 0;
}

/* The size of a host's name in front of its port. */
static size_t size_of_host(const char *host)
{
	size_t const size = strcspn(host, host[0] == '[' ? "]" : ":");
	return size + (host[size] == ']');
}

static bool is_port(const char *text)
{
	return text[0] == '\0' ||
	       (text[0] == ':' && text[1 + strspn(text + 1, "0123456789")] == '\0');
}

bool fl_listen_is_own_host(const char *listen, const char *host)
{
	static const char *const names[] = { "localhost", "127.0.0.1", "[::1]" };
	size_t const size = size_of_host(host);
	if (!is_port(host + size))
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == size && strncasecmp(names[i], host, size) == 0)
			return true;
	return size > 0 && size == size_of_host(listen) && strncasecmp(listen, host, size) == 0;
}
