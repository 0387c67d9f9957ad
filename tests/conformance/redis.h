/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of the redis sink share; redis.c has it, and the suite's set-up.
 */
#ifndef FL_CONFORMANCE_REDIS_H
#define FL_CONFORMANCE_REDIS_H

#include "conformance.h"

#define BYTES(text)                                                                                \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}
#define SET(key_, value_)                                                                          \
	{                                                                                          \
		.kind = FL_KEY_SET, .key = BYTES(key_), .value = BYTES(value_)                     \
	}
#define DELETE(key_)                                                                               \
	{                                                                                          \
		.kind = FL_KEY_DELETE, .key = BYTES(key_)                                          \
	}
#define CLEAR(pattern)                                                                             \
	{                                                                                          \
		.kind = FL_KEY_CLEAR, .key = BYTES(pattern)                                        \
	}
#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define POSITION     "fastlane:position:test"

/* One server, started before each test, and how the sink reaches it. */
extern struct server server;
extern char address[64];
extern struct setting settings[];
void pause_server(void);

/* Runs a command and returns its answer as text, "(nil)" for none; valid until the next call. */
const char *ask(const char *format, ...);
bool value_is(const char *key, const char *expected);
/* As a subject's. */
bool holds(unsigned first, unsigned last, size_t padding);
/* The position in its key, less the owner in front of it. */
const char *position_kept(void);

/* Opens it where the server has this position. */
void open_sink(struct sink *sink, const struct setting *set, const char *position);
/* Submits batch 1 and waits until it is there. */
void submit_first(struct sink *sink);

#endif
