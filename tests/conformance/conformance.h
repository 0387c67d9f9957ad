/* SPDX-License-Identifier: Apache-2.0
 *
 * One suite for every sink. suite.c drives a plugin through the ABI alone, as the core would, with
 * the host of host.c; what the plugin writes to is started and looked into by its subject, which is
 * all that a new sink adds. Run with FL_PLUGIN (the module), FL_SERVERS (tests/servers) and
 * FL_MANUAL (the manual page) in the environment; `meson test` sets them.
 */
#ifndef FL_CONFORMANCE_H
#define FL_CONFORMANCE_H

#include <fastlane/sink.h>

#include <criterion/criterion.h>

struct setting {
	const char *name, *value; /* a name of NULL ends a list */
};

/* Settings with which open() must not succeed, and how it is to end. */
struct bad_settings {
	struct setting settings[4];
	enum fl_outcome outcome;
	bool is_checked; /* an option's own check refuses it already */
};

struct subject {
	const char *plugin;
	/* Before and after each test: something of its own to write to, and how to reach it. */
	void (*begin)(void);
	void (*end)(void);
	const struct setting *settings;
	const struct bad_settings *bad; /* ended by one without settings */
	/* It stays, but takes nothing more. */
	void (*pause)(void);
	/* It is gone, as after a crash; NULL in restart: it can't come back. */
	void (*kill)(void);
	void (*restart)(void);
	enum fl_outcome when_killed;
	bool keeps_position;
	/* Whether the batches first ... last, made with that padding, can be seen there, whole, in
	 * order and with nothing behind them. */
	bool (*holds)(unsigned first, unsigned last, size_t padding);
};
extern const struct subject subject;

/* ---- host.c ---- */

/* What the host has been told. */
extern struct host_state {
	uint64_t settled; /* of the instance opened last */
	uint64_t memory;  /* what the host lends under that name */
	unsigned warnings, errors;
	char log[512]; /* the last entry */
} host_state;
extern struct fl_host host;

const struct fl_sink_plugin *load_plugin(void);

/* An open sink. */
struct sink {
	const struct fl_sink_plugin *plugin;
	struct fl_settings settings;
	const struct setting *set;
	void *self;
	uint64_t batches;
	struct fl_err err; /* of the last call */
};

/* What fails leaves nothing behind, and neither does what is closed: the test fails otherwise (with
 * the address sanitizer). */
enum fl_outcome sink_open(struct sink *sink, const struct setting *settings);
enum fl_outcome sink_submit(struct sink *sink, struct fl_batch *batch);
enum fl_outcome sink_drain(struct sink *sink);
/* Drains it while there is news all the time. */
enum fl_outcome sink_call_off(struct sink *sink);
/* Its server is silent: that is noticed though there is news all the time. */
void expect_given_up_in_time(struct sink *sink);
/* The position; the text is the caller's to free. Fails the test if there is an error. */
char *sink_position(struct sink *sink);
void sink_close(struct sink *sink);

/* Makes a row whose JSON is this text; one that starts with '!' can't be decoded. */
struct fl_row fake_row(const char *json);

/* Batch n: one transaction with one row, {"n":N,"pad":"xx..."}, inserted, and its operations: that
 * text under the key n:N, and N under the key last. */
struct fake_batch {
	struct fl_batch batch;
	struct fl_transaction transaction;
	const struct fl_transaction *transactions[1];
	struct fl_change change;
	struct fl_operation operations[2];
	char position[32], key[32], number[16], *json;
};
void fake_batch_make(struct fake_batch *batch, unsigned n, size_t padding);
void fake_batch_finish(struct fake_batch *batch);
char *fake_json(unsigned n, size_t padding);

/* Makes batch n, submits it and returns the outcome. */
enum fl_outcome submit_number(struct sink *sink, unsigned n, size_t padding);

/* A batch of operations, all of one transaction unless they say otherwise, at a position. */
struct fl_batch operations_batch(
	const struct fl_operation *operations, size_t count, const char *position);
struct fl_bytes text_bytes(const char *text);

/* ---- server.c: a server of tests/servers, in a directory of its own ---- */

struct server {
	const char *script;
	char dir[64];
	unsigned port;
	int pid;
	int guard;  /* whatever happens to the test: once this is closed, the server is ended ... */
	int keeper; /* ... by this process */
};
void server_start(struct server *server, const char *script, const char *options);
void server_restart(struct server *server, const char *options);
void server_signal(struct server *server, int signal);
void server_kill(struct server *server);
void server_end(struct server *server);
unsigned free_port(void);

#endif
