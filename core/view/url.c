/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/un.h>

#include "view/private.h"

static const char default_port[] = "9306";

static int refuse(struct fl_err *err, const char *text, const char *why)
{
	return fl_err_set(err, FL_EINVAL, "'%s' %s: it is to be [http://]HOST:PORT, or unix:/PATH",
		text, why);
}

/* Copies what stands between, if it fits. */
static bool copy(char *to, size_t room, const char *from, const char *end)
{
	size_t const size = (size_t)(end - from);
	if (size >= room)
		return false;
	memcpy(to, from, size);
	to[size] = '\0';
	return true;
}

static bool port_is_right(const char *port)
{
	size_t const digits = strspn(port, "0123456789");
	long const number = strtol(port, NULL, 10);
	return digits > 0 && port[digits] == '\0' && number > 0 && number <= 65535;
}

static int parse_unix(const char *text, struct fl_url *ret, struct fl_err *err)
{
	struct fl_url url = { .port = "" };
	const char *path = text + strlen("unix:");
	if (*path != '/' || strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return refuse(err, text, "is no absolute path of a socket, or too long");
	strcpy(url.host, path);
	*ret = url;
	return 0;
}

int fl_url_parse(const char *text, struct fl_url *ret, struct fl_err *err)
{
	struct fl_url url;
	const char *at = text;
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(text, ret, err);
	if (strncmp(at, "http://", 7) == 0)
		at += 7;
	else if (strstr(at, "://") != NULL)
		return refuse(err, text, "is not of http");
	/* It is sent as a line of a request. */
	for (const char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return refuse(err, text, "holds a blank or a control character");
	bool const bracket = *at == '[';
	const char *host = at + bracket;
	const char *host_end = host + strcspn(host, bracket ? "]" : ":/");
	const char *rest = host_end + bracket;
	if (host_end == host || (bracket && *host_end != ']'))
		return refuse(err, text, "names no host");
	const char *path = rest + strcspn(rest, "/");
	const char *path_end = path + strcspn(path, "?#");
	while (path_end > path && path_end[-1] == '/')
		path_end--;
	if (rest != path && *rest != ':')
		return refuse(err, text, "has something else than a port behind the host");
	bool const has_port = rest != path;
	if (!copy(url.host, sizeof(url.host), host, host_end) ||
		!copy(url.port, sizeof(url.port), has_port ? rest + 1 : default_port,
			has_port ? path : default_port + strlen(default_port)) ||
		!copy(url.path, sizeof(url.path), path, path_end))
		return refuse(err, text, "is too long");
	if (!port_is_right(url.port))
		return refuse(err, text, "has no port of 1 to 65535");
	if (strcmp(url.host, "0.0.0.0") == 0 || strcmp(url.host, "*") == 0)
		strcpy(url.host, "127.0.0.1");
	else if (strcmp(url.host, "::") == 0)
		strcpy(url.host, "::1");
	*ret = url;
	return 0;
}
