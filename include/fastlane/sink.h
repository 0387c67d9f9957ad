/* SPDX-License-Identifier: Apache-2.0
 *
 * fastlane/sink.h - the one header a sink includes.
 *
 * A sink is a shared module that exports one symbol, a `const struct fl_sink_plugin` named
 * fl_sink_plugin, and links nothing of the core: all it needs from there is lent to it as a
 * `struct fl_host`. See plugins/README.md for how to write one.
 *
 * THREADS. The core calls open, position, submit, drain and close of one instance from one thread,
 * the sink's own, one call at a time. They may block: a sink stalls only itself. interrupt() alone
 * is called from another thread.
 *
 * SIGNALS. The host ignores SIGPIPE and SIGXFSZ.
 *
 * ORDER. Batches come in commit order, their operations and changes too. Nothing may be reordered
 * so that a reader can see a later transaction without an earlier one.
 *
 * ABI CHANGES
 *   1.0  the first
 *   1.1  fl_host: memory
 *   1.2  FL_KEY_HASH, fl_operation.flags (where there was padding), FL_TAKES_HASHES, _EXISTING,
 *        _PATTERNS, _ATOMIC: a sink that does not declare them gets none of it
 *   1.3  fl_host: news; drain() may return PENDING
 */
#ifndef FASTLANE_SINK_H
#define FASTLANE_SINK_H

#include <fastlane/change.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A plugin fits if its major number equals the host's and its minor number is not above it. */
#define FL_ABI_MAJOR 1
#define FL_ABI_MINOR 3

enum fl_level {
	FL_LEVEL_ERROR,
	FL_LEVEL_WARN,
	FL_LEVEL_INFO,
	FL_LEVEL_DEBUG,
};

/* How a call to a sink ended. */
enum fl_outcome {
	FL_DONE,    /* it is in the sink for good */
	FL_PENDING, /* taken; the host's settled() will be called, from submit() or drain() */
	FL_RETRY,  /* it could not be done now: the core closes the instance, backs off, opens a new
		    * one, asks position() and sends everything behind that again */
	FL_FAILED, /* it can't be done: the core halts this sink and says so loudly */
};

/* What a cache sink is to do with one key. */
enum fl_operation_kind {
	FL_KEY_SET,    /* key = value, for ttl seconds (0: for ever) */
	FL_KEY_DELETE, /* key */
	FL_KEY_CLEAR,  /* every key that fits `key` as a pattern; see struct fl_operation */
	FL_KEY_HASH, /* 1.2. key = a hash of exactly the fields in value, for ttl seconds; read them
		      * with fl_field_next(). No fields: delete the key. */
};

enum {
	FL_IF_EXISTS = 1, /* 1.2. SET and HASH: do nothing unless the key is there already */
};

struct fl_operation {
	enum fl_operation_kind kind;
	uint32_t ttl;	      /* seconds; 0: the value does not expire */
	uint32_t transaction; /* index into the batch's transactions */
	uint32_t flags;	      /* 1.2. FL_IF_EXISTS */
	struct fl_bytes
		key; /* CLEAR: a pattern: any byte of the key itself stands behind a backslash
		      * if it is one of * ? [ ] \ ; a bare * stands for any run of bytes. (It is
		      * what Redis's SCAN ... MATCH takes.) A sink that can't list its keys
		      * forgets more than that: a cache may forget, it may not lie. */
	struct fl_bytes value; /* SET, HASH */
};

/* Takes the next field of a HASH off its value; false at the end. */
static inline bool fl_field_next(
	struct fl_bytes *value, struct fl_bytes *ret_name, struct fl_bytes *ret_text)
{
	struct fl_bytes *parts[] = { ret_name, ret_text };
	if (value->size == 0)
		return false;
	for (int i = 0; i < 2; i++) {
		uint32_t size;
		memcpy(&size, value->data, sizeof(size));
		*parts[i] = (struct fl_bytes){ value->data + sizeof(size), size };
		value->data += sizeof(size) + size;
		value->size -= sizeof(size) + size;
	}
	return true;
}

/* Whole transactions in commit order. Belongs to the core, valid until submit() returns. */
struct fl_batch {
	uint64_t id; /* counts up by one, from 1 at open() */
	struct fl_bytes
		position; /* where the source stands behind this batch: printable text, no line
			   * break, meaningless to the sink, which returns it from position() */
	size_t transaction_count; /* may be 0: only the position moves */
	const struct fl_transaction *const *transactions;
	size_t operation_count; /* FL_TAKES_OPERATIONS */
	const struct fl_operation *operations;
};

/* Options that a sink's section of the configuration may have. The core parses, checks and
 * documents them; a plugin sees only values that fit. */
enum fl_option_type {
	FL_OPTION_TEXT,
	FL_OPTION_SECRET, /* text that is never shown */
	FL_OPTION_INT,	  /* minimum ... maximum */
	FL_OPTION_BOOL,	  /* yes/no, true/false, on/off, 1/0: seen as 1 or 0 */
	FL_OPTION_CHOICE, /* one of the words in `choices`, separated by '|' */
	FL_OPTION_FILE, /* a path to a file whose content, less a last line break, is the value; it
			 * is never shown, and refused if others can read or change it */
};

struct fl_option {
	const char *name; /* NULL ends the array */
	enum fl_option_type type;
	bool required;
	const char *fallback; /* the value if it is not set; NULL: none */
	const char *help;     /* one line */
	int64_t minimum, maximum;
	const char *choices;
	/* Checks a value that fits its type, or NULL. Called when the configuration is read, from
	 * the main thread: before open(), and again while instances are open; must not block.
	 * Returns true, or false with a reason in `err`. */
	bool (*check)(const char *value, struct fl_err *err);
};

/* The values of the declared options. Valid from open() to close(). */
struct fl_settings {
	const char *sink; /* the sink's name in the configuration */
	void *ctx;
	/* The value or its fallback; NULL if there is neither. Asking for an option that is not
	 * declared gives NULL. The text lives until close(). */
	const char *(*text)(void *ctx, const char *name);
	/* INT and BOOL: the number; 0 if there is neither value nor fallback. */
	int64_t (*integer)(void *ctx, const char *name);
};

/* Services lent to a sink from open() to close(); to be called from the sink's thread, log() from
 * any thread. New ones are added at the end: look at `size` before using one newer than 1.0. */
struct fl_host {
	uint32_t size;
	void *ctx;
	/* Writes one line to the log, under the sink's name. No secrets. */
	void (*log)(void *ctx, enum fl_level level, const char *format, ...)
#if defined(__GNUC__)
		__attribute__((format(printf, 3, 4)))
#endif
		;
	/* Every batch up to and including this one is in the sink for good. */
	void (*settled)(void *ctx, uint64_t batch);

	/* Decodes one column. Text that is not in the row image as it is to be shown is put into
	 * `scratch`, which is cleared first. 0, or FL_E... when the column can't be decoded. */
	int (*row_value)(const struct fl_row *row, unsigned column, struct fl_buf *scratch,
		struct fl_value *ret, struct fl_err *err);
	/* Append a JSON object of: all columns in the image; the primary key's columns; those
	 * columns of `before` whose value differs in `after`. 0, or FL_E... with the buffer's
	 * content undone. */
	int (*row_json)(const struct fl_row *row, struct fl_buf *out, struct fl_err *err);
	int (*row_key_json)(const struct fl_row *row, struct fl_buf *out, struct fl_err *err);
	int (*row_old_json)(const struct fl_row *before, const struct fl_row *after,
		struct fl_buf *out, struct fl_err *err);
	/* Appends text (UTF-8; other bytes are replaced by U+FFFD) as a JSON string, with its
	 * quotes. */
	void (*json_text)(struct fl_bytes text, struct fl_buf *out);
	/* `on_doubt = halt`: a stream sink returns FAILED at a change that can't be decoded.
	 * Otherwise it passes the change on as one in doubt, without its values. */
	bool halt_on_doubt;
	/* 1.1. A number of the sink's own that outlives the instance: 0 at its first open() in this
	 * process, and at the first with other options; later what the last instance left there. */
	uint64_t *memory;
	/* 1.3. A descriptor for poll(), and for nothing else, or -1. While drain() is called it may
	 * become readable, and stay so until drain() returns: there is more to be submitted. Then
	 * drain() may return PENDING with batches left, instead of having the next one wait for
	 * what does not concern it. */
	int news;
};

enum {
	FL_TAKES_OPERATIONS = 1, /* cache sinks: keys and values, by the [map:...] sections */
	FL_TAKES_CHANGES = 2,	 /* stream sinks: the changes themselves */
	/* 1.2. What a cache sink can do besides, added to FL_TAKES_OPERATIONS. */
	FL_TAKES_HASHES = 4,	/* FL_KEY_HASH */
	FL_TAKES_EXISTING = 8,	/* FL_IF_EXISTS */
	FL_TAKES_PATTERNS = 16, /* FL_KEY_CLEAR without forgetting more than the pattern says, in
				 * steps that do not block its server: rules may then ask for it
				 * row by row */
	FL_TAKES_ATOMIC = 32,	/* readers see a batch all at once: of several writes of a key in it
				 * the core passes on the last alone. (The operations between two
				 * CLEARs count as a batch of their own.) */
};

/* The one exported symbol. The first three fields never move. */
struct fl_sink_plugin {
	uint16_t abi_major, abi_minor; /* FL_ABI_MAJOR, FL_ABI_MINOR */
	uint32_t size;		       /* sizeof(struct fl_sink_plugin) */
	const char *name;	       /* as in `plugin = name`, and the module's file name */
	const char *summary;	       /* one line */
	const struct fl_option *options;
	unsigned takes; /* FL_TAKES_OPERATIONS, perhaps with more; or FL_TAKES_CHANGES */

	/* Makes an instance and connects it. May block, no longer than its own time limits. Returns
	 * DONE and an instance; RETRY if what it needs can't be reached now; FAILED if it never
	 * can. A failed open leaves nothing behind. `host` and `settings` live until close(). */
	enum fl_outcome (*open)(const struct fl_host *host, const struct fl_settings *settings,
		void **ret_self, struct fl_err *err);
	/* Appends the position of the last batch that the sink itself has kept, or nothing if it
	 * has none. NULL: this sink keeps no positions and the core keeps them in state_dir. May
	 * block. Called after open() and before the first submit(). DONE, RETRY or FAILED. */
	enum fl_outcome (*position)(void *self, struct fl_buf *ret, struct fl_err *err);
	/* Applies a batch. May block. Nothing of the batch may be kept after it returns. DONE means
	 * that this batch and every earlier one is settled. */
	enum fl_outcome (*submit)(void *self, const struct fl_batch *batch, struct fl_err *err);
	/* Settles all that is pending. May block. DONE, RETRY or FAILED; or PENDING once there is
	 * something to be read from the host's `news`. NULL if submit never returns PENDING. */
	enum fl_outcome (*drain)(void *self, struct fl_err *err);
	/* From any thread, while the instance is open: a call that blocks is to return soon, with
	 * RETRY. Must not block and not free anything. Once interrupted, an instance is only
	 * closed. NULL if no call blocks for more than a second. */
	void (*interrupt)(void *self);
	/* Frees the instance. Does not settle what is pending. Must not fail. */
	void (*close)(void *self);
};

/* The name under which a module exports it: `const struct fl_sink_plugin fl_sink_plugin = {...};`
 */
#define FL_SINK_SYMBOL "fl_sink_plugin"
#if defined(__GNUC__)
#define FL_EXPORT __attribute__((visibility("default")))
#else
#define FL_EXPORT
#endif
extern FL_EXPORT const struct fl_sink_plugin fl_sink_plugin;

#ifdef __cplusplus
}
#endif
#endif
