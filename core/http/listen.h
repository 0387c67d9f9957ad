/* SPDX-License-Identifier: Apache-2.0
 *
 * Where HTTP is listened for, and how it is bounded: the section [http]. Plain data; the addresses
 * are numbers, so that nothing has to be looked up.
 */
#ifndef FL_HTTP_LISTEN_H
#define FL_HTTP_LISTEN_H

#include <sys/socket.h>

#include <fastlane/change.h>

enum {
	FL_MOST_CONNECTIONS = 4096,
	/* Descriptors that are kept for all else: the source, sinks, files, libraries. */
	FL_OTHER_DESCRIPTORS = 256,
};

/* Texts belong to the configuration. */
struct fl_http_config {
	const char *listen; /* NULL: nowhere */
	bool allow_remote;
	unsigned max_connections;
	unsigned timeout; /* seconds: for a request to come, and for an answer to be taken */
	unsigned max_lag; /* seconds: a sink that lags no more is ready */
	unsigned line;	  /* of `listen` in the file */
};

struct fl_listen {
	struct sockaddr_storage address;
	socklen_t size;
	bool is_local; /* nobody but this machine can reach it */
	bool is_unix;
};

/* Reads "127.0.0.1:9306", "[::1]:9306" or "unix:/run/fastlane/http.sock". 0 or FL_EINVAL: the text
 * says what is allowed. */
int fl_listen_parse(const char *text, struct fl_listen *ret, struct fl_err *err);

/* Whether a request's Host header names this machine from within: localhost, 127.0.0.1 or [::1],
 * with a port or without, or what stands in `listen` itself. A page of some other site whose name
 * is made to lead here ("DNS rebinding") sends its own name. */
bool fl_listen_is_own_host(const char *listen, const char *host);

#endif
