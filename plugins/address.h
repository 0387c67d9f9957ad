/* SPDX-License-Identifier: Apache-2.0
 *
 * How the sinks write a server's address: HOST, HOST:PORT, [V6]:PORT, unix:/PATH or /PATH, and
 * where weights are allowed a further :WEIGHT behind a port. Shared by source, not linked: a sink
 * is a module of its own.
 */
#ifndef FL_PLUGINS_ADDRESS_H
#define FL_PLUGINS_ADDRESS_H

#include <fastlane/change.h>

struct address {
	char host[256]; /* a name or number without brackets; or the socket's path */
	bool is_unix;
	uint16_t port;
	uint32_t weight;
};

/* Digits up to the end of the text, 1 to `limit`. 0 if it is anything else. */
static inline uint32_t address_number(const char *at, const char *end, uint32_t limit)
{
	uint32_t value = 0;
	for (; at < end; at++) {
		if (*at < '0' || *at > '9' || value > limit / 10)
			return 0;
		value = value * 10 + (uint32_t)(*at - '0');
	}
	return value <= limit ? value : 0;
}

static inline int address_parse(struct fl_bytes text, uint16_t default_port, bool with_weight,
	struct address *ret, struct fl_err *err)
{
	struct address address = { .port = default_port, .weight = 1 };
	const char *host = text.data, *end = text.data + text.size, *rest = end;

	address.is_unix = text.size > 0 && *host == '/';
	if (text.size > 5 && memcmp(host, "unix:/", 6) == 0) {
		address.is_unix = true;
		host += 5;
	}
	const char *host_end = end;
	if (!address.is_unix && text.size > 0 && *host == '[') {
		host++;
		host_end = memchr(host, ']', (size_t)(end - host));
		if (host_end == NULL)
			goto wrong;
		rest = host_end + 1;
		if (rest < end && *rest != ':')
			goto wrong;
	} else if (!address.is_unix) {
		const char *colon = memchr(host, ':', text.size);
		if (colon != NULL)
			host_end = rest = colon;
	}
	size_t size = (size_t)(host_end - host);
	/* A socket's address has room for 107 bytes. */
	if (size == 0 || size > (address.is_unix ? 107 : sizeof(address.host) - 1))
		goto wrong;
	memcpy(address.host, host, size);
	if (rest < end) {
		const char *colon = memchr(rest + 1, ':', (size_t)(end - rest - 1));
		if (colon != NULL && !with_weight)
			goto wrong;
		address.port =
			(uint16_t)address_number(rest + 1, colon != NULL ? colon : end, 65535);
		if (colon != NULL)
			address.weight = address_number(colon + 1, end, 10000);
		if (address.port == 0 || address.weight == 0)
			goto wrong;
	}
	*ret = address;
	return 0;
wrong:
	return fl_err_set(err, FL_EINVAL,
		"'%.*s' is no address: write HOST:PORT%s, [IPV6]:PORT, or a socket's path (at most "
		"107 bytes)",
		(int)(text.size < 200 ? text.size : 200), text.data,
		with_weight ? "[:WEIGHT]" : "");
}

#endif
