/* SPDX-License-Identifier: Apache-2.0
 *
 * The kit's insides. kit.c reads the arguments, runs the checks and reports (the tool's process);
 * proxy.c stands between the plugin and what it writes to (a process of its own); process.c is a
 * check's process, in which all else runs: host.c what the plugin is lent, calls.c the calls to it,
 * batch.c what it is given, check_*.c the checks.
 *
 * A check's process has two threads: the checker, which calls the plugin as the core's worker does
 * and ends as soon as there is something to complain of, and the first one, which watches over it.
 */
#ifndef FL_KIT_PRIVATE_H
#define FL_KIT_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "binlog/table.h"
#include "kit/kit.h"
#include "sink/plugin.h"

enum { FL_KIT_TEXT = 1000, FL_KIT_MOST_SETTINGS = 64 };

/* What a check's process leaves to the tool, in memory that both have. The plugin can write to it
 * too; the tool takes nothing in it for more than text. */
struct fl_kit_shared {
	atomic_int failed, skipped; /* `text` says why */
	char text[FL_KIT_TEXT];
	char notes[FL_KIT_TEXT]; /* what is worth knowing besides */
	char call[32];		 /* of the plugin's, under way; "": none */
	char stage[64];		 /* what is being tried */
	atomic_bool ended;	 /* the check has run to its end */
};

struct fl_kit_setting {
	char *name, *value;
};

/* What the command line says. */
struct fl_kit_arguments {
	const char *file;
	struct fl_kit_setting settings[FL_KIT_MOST_SETTINGS];
	size_t setting_count;
	const char *backend_option; /* which one holds the backend's address; NULL: not known */
	bool backend_is_stdout;
	const char *contents; /* a command that prints what the target holds; NULL: none */
	unsigned deadline;    /* seconds that a check may take */
	const char *only;     /* the check wanted, with those that it needs; NULL: all */
};

struct fl_kit_lent {
	struct fl_kit_guard *guard;
	struct fl_host *host;
	struct fl_settings *settings;
};

struct fl_kit {
	const struct fl_kit_arguments *arguments;
	struct fl_kit_shared *shared;
	int control;	   /* to the proxy */
	char backend[512]; /* the backend option's value, by way of the proxy */

	const struct fl_sink_plugin *plugin;
	const struct fl_table_def *table;
	struct fl_options *options;
	const struct fl_settings *own; /* of `options` */
	pthread_t checker;

	/* The instance that is open. */
	struct fl_kit_lent lent; /* what it is lent, in a mapping of its own */
	void *volatile self;
	bool halt_on_doubt;
	unsigned unreadable; /* rows that it asked for and that can't be shown */
	bool is_disturbed;   /* something is done to the backend: calls may take longer */
	uint64_t memory;
	int news;		     /* an eventfd; of the process */
	uint64_t submitted, settled; /* batches of the instance */
	uint64_t base;	     /* batches of earlier ones: a batch's place is its id and this */
	char run[48];	     /* positions of this process begin with it */
	uint64_t last_place; /* of the position given last */
	uint64_t call_since; /* uv_hrtime */
	atomic_bool in_call;
	atomic_uint_fast64_t returned; /* calls so far */
};

/* ---- process.c ---- */

/* Runs the check in this process, which ends with it. */
void fl_kit_process(struct fl_kit *kit, void (*check)(struct fl_kit *)) __attribute__((noreturn));

/* Notes a failure, the first one counts. Any thread. */
void fl_kit_blame(struct fl_kit *kit, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The same, and ends the check. The checker's thread, and never below a call to the plugin. */
void fl_kit_fail(struct fl_kit *kit, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));
/* The check can't be made. */
void fl_kit_skip(struct fl_kit *kit, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));
/* Said behind the verdict. */
void fl_kit_note(struct fl_kit *kit, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Ends the check if anything has been blamed. */
void fl_kit_stop_if_failed(struct fl_kit *kit);
void fl_kit_stage(struct fl_kit *kit, const char *stage);

/* What a process has open, to see later whether there is more. What libraries keep to use again
 * grows in some rounds; what is lost grows in all of them. */
struct fl_kit_traces {
	unsigned files, threads;
	size_t memory, memory_now; /* bytes, at first and after the last round; 0: not known */
	unsigned rounds, grown;	   /* in how many of them there was more memory than before */
};
struct fl_kit_traces fl_kit_traces(void);
/* A round of what is to leave nothing behind has been made. */
void fl_kit_traces_round(struct fl_kit_traces *traces);
/* Fails if there is more than there was. */
void fl_kit_expect_no_traces(
	struct fl_kit *kit, const struct fl_kit_traces *traces, const char *what);

/* Memory for one call: the plugin may read it until fl_kit_guard_retire(), and from then on whoever
 * touches it is found out. Its addresses are never used again. */
enum fl_kit_guarded { FL_KIT_BATCH, FL_KIT_LENT };
struct fl_kit_guard {
	enum fl_kit_guarded kind;
	uint64_t id;
	char *at;
	size_t size, used;
	bool retired;
};
struct fl_kit_guard *fl_kit_guard_create(
	struct fl_kit *kit, enum fl_kit_guarded kind, uint64_t id, size_t size);
void *fl_kit_guard_alloc(struct fl_kit *kit, struct fl_kit_guard *guard, size_t size);
struct fl_bytes fl_kit_guard_copy(
	struct fl_kit *kit, struct fl_kit_guard *guard, const void *data, size_t size);
void fl_kit_guard_seal(struct fl_kit_guard *guard); /* it can be read from now on */
void fl_kit_guard_retire(struct fl_kit_guard *guard);

/* ---- host.c ---- */

/* Makes kit->lent; retired once the instance is closed. */
void fl_kit_lend(struct fl_kit *kit);
/* Blames a text that shows a secret, or is not one line. */
void fl_kit_check_text(struct fl_kit *kit, const char *where, const char *text);

/* ---- calls.c: all of them fail if the plugin breaks a rule ---- */

/* Loads the module and sets the options given. */
void fl_kit_load(struct fl_kit *kit);
/* Fresh options, those given; `name`: which one is to have `value` instead; false: that is refused
 * before open(), as the core would. */
bool fl_kit_set_options(
	struct fl_kit *kit, const char *name, const char *value, struct fl_err *err);
enum fl_outcome fl_kit_try_open(struct fl_kit *kit, struct fl_err *err);
/* Opens it and asks for the position, as the core does. `ret_position` may be NULL; the text is the
 * caller's to free. */
void fl_kit_open(struct fl_kit *kit, char **ret_position);
enum fl_outcome fl_kit_position(struct fl_kit *kit, char **ret, struct fl_err *err);
void fl_kit_close(struct fl_kit *kit);
/* Submits a batch and retires it. */
struct fl_kit_batch;
enum fl_outcome fl_kit_try_submit(
	struct fl_kit *kit, struct fl_kit_batch *batch, struct fl_err *err);
void fl_kit_submit(struct fl_kit *kit, struct fl_kit_batch *batch); /* must be taken */
/* Settles all that is pending. */
enum fl_outcome fl_kit_try_drain(struct fl_kit *kit, struct fl_err *err);
void fl_kit_drain(struct fl_kit *kit); /* must succeed */
/* The same, while the host says that there is more to be submitted: it may leave some. */
void fl_kit_call_off(struct fl_kit *kit);

/* ---- batch.c ---- */

extern const struct fl_bytes fl_kit_none; /* a column that is NULL */

/* The table of all rows: id BIGINT (the key), name LONGTEXT in utf8mb4, data LONGBLOB. */
const struct fl_table_def *fl_kit_table(struct fl_kit *kit);

/* Begins one. `room`: bytes of all that will be in it, roughly. */
struct fl_kit_batch *fl_kit_batch(struct fl_kit *kit, size_t room);
/* Begins a transaction. */
void fl_kit_transaction(struct fl_kit_batch *batch, bool first, bool last);
void fl_kit_insert(
	struct fl_kit_batch *batch, int64_t id, struct fl_bytes name, struct fl_bytes data);
void fl_kit_update(
	struct fl_kit_batch *batch, int64_t id, struct fl_bytes old, struct fl_bytes name);
void fl_kit_delete(struct fl_kit_batch *batch, int64_t id, struct fl_bytes name);
/* TRUNCATE, DDL and DOUBT; `text`: the statement, or why. */
void fl_kit_say(struct fl_kit_batch *batch, enum fl_op op, const char *text);
/* An operation that no row stands for: for sinks that take operations. */
void fl_kit_operation(struct fl_kit_batch *batch, enum fl_operation_kind kind, uint32_t flags,
	struct fl_bytes key, struct fl_bytes value, uint32_t ttl);
/* Puts a field into a value for FL_KEY_HASH. */
void fl_kit_field(struct fl_buf *value, struct fl_bytes name, struct fl_bytes text);
/* Gives it the next id and position. Nothing can be added any more. */
const struct fl_batch *fl_kit_batch_finish(struct fl_kit *kit, struct fl_kit_batch *batch);
/* Takes its memory away. */
void fl_kit_batch_retire(struct fl_kit_batch *batch);
/* A batch of one row, of a number and so many bytes besides. */
struct fl_kit_batch *fl_kit_row(struct fl_kit *kit, int64_t id, size_t padding);
struct fl_bytes fl_kit_text(const char *text);
/* The position of a batch, by its place. */
void fl_kit_place(const struct fl_kit *kit, uint64_t place, char ret[64]);

/* ---- proxy.c ---- */

/* Commands to the proxy; each is answered once it is done. */
enum fl_kit_command {
	FL_KIT_FORWARD = 'f', /* all is as it should be */
	FL_KIT_STALL = 's',   /* what the plugin sends is not taken any more */
	FL_KIT_PAUSE = 'p',   /* the same, for 0.3 seconds */
	FL_KIT_CUT = 'c',     /* connections are reset, new ones refused */
};
void fl_kit_tell(struct fl_kit *kit, enum fl_kit_command command);
/* Starts it for a backend's address (NULL: none) and what the plugin prints. 0, or FL_E... */
struct fl_kit_proxy {
	int pid;
	int control;	   /* the check's end */
	int output;	   /* what is to be its standard output */
	char address[512]; /* in place of the backend's */
};
int fl_kit_proxy_start(const char *address, struct fl_kit_proxy *ret, struct fl_err *err);
void fl_kit_proxy_end(struct fl_kit_proxy *proxy);

/* ---- check_*.c ---- */

struct fl_kit_check {
	const char *name;
	int needs; /* which check must have passed; -1: none */
	void (*run)(struct fl_kit *kit);
};

void fl_kit_check_module(struct fl_kit *kit);
void fl_kit_check_table(struct fl_kit *kit);
void fl_kit_check_options(struct fl_kit *kit);
void fl_kit_check_open(struct fl_kit *kit);
void fl_kit_check_batch(struct fl_kit *kit);
void fl_kit_check_wrong_options(struct fl_kit *kit);
void fl_kit_check_reopening(struct fl_kit *kit);
void fl_kit_check_closing(struct fl_kit *kit);
void fl_kit_check_shapes(struct fl_kit *kit);
void fl_kit_check_clears(struct fl_kit *kit);
void fl_kit_check_large(struct fl_kit *kit);
void fl_kit_check_hostile(struct fl_kit *kit);
void fl_kit_check_doubts(struct fl_kit *kit);
void fl_kit_check_settling(struct fl_kit *kit);
void fl_kit_check_position(struct fl_kit *kit);
void fl_kit_check_again(struct fl_kit *kit);
void fl_kit_check_interrupt(struct fl_kit *kit);
void fl_kit_check_blocked(struct fl_kit *kit);
void fl_kit_check_slow(struct fl_kit *kit);
void fl_kit_check_dead(struct fl_kit *kit);

#endif
