/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration: one INI file, read by inih, checked whole. Main thread; read-only afterwards.
 */
#ifndef FL_CONFIG_H
#define FL_CONFIG_H

#include "base/log.h"
#include "http/listen.h"
#include "map/map.h"
#include "sink/plugin.h"
#include "sink/worker.h"
#include "source/session.h"

/* One [sink:NAME]. */
struct fl_sink_config {
	const char *name;
	const struct fl_sink_plugin *plugin;
	struct fl_options *options;
	struct fl_options *own; /* private: of the keys that every sink has */
	bool coalesce;
	bool match_first;
	size_t max_batch_ops, max_batch_bytes;
};

/* Names of text options that are paths of certificates, in whatever plugin: NULL ends them. */
extern const char *const fl_sink_certificates[];
/* What a sink has for one of them; NULL: nothing. */
const char *fl_sink_certificate(const struct fl_sink_config *sink, size_t i);

/* One [map:NAME]. */
struct fl_map_config {
	struct fl_map_rule rule;    /* its texts belong to the options */
	struct fl_options *options; /* the section's keys, as text */
	const void *section;	    /* private: for fl_config_map_line() */
};

/* Whom to run as. */
struct fl_account {
	const char *user; /* NULL: as whoever has started it */
	uid_t uid;
	gid_t gid;
};

struct fl_config {
	const char *state_dir;
	const char *plugin_path;    /* further directories, or NULL */
	uint64_t queue_bytes;	    /* of each sink's queue */
	uint64_t transaction_bytes; /* beyond it a transaction is passed on in parts */
	enum fl_level log_level;
	enum fl_log_format log_format;
	struct fl_account account;
	bool core_dumps; /* secrets may get into core files, and debuggers may look */
	enum fl_on_doubt on_doubt;
	enum fl_on_cold on_cold;
	struct fl_source_config source;
	struct fl_http_config http;
	size_t sink_count;
	struct fl_sink_config *sinks;
	struct fl_map *map; /* all of the rules */
	size_t rule_count;
	struct fl_map_config *rules; /* in the order of the file */
	void *memory;		     /* private */
};

/* Reads and checks the file. Every problem, not only the first, is told to `report`, as one line
 * that starts with "FILE:LINE: " and says what is allowed; `fatal` false for warnings. Plugins that
 * sinks name are loaded. Returns the number of fatal problems, `ret` being set if it is 0; or
 * FL_ENOMEM. `for_files`: binlog files will be read instead of a server: [source] is not needed,
 * nor a state_dir. */
int fl_config_load(const char *path, bool for_files,
	void (*report)(void *ctx, bool fatal, const char *line), void *ctx, struct fl_config **ret);
/* The same of an open file, which stays open, called `name` in messages. */
int fl_config_read(FILE *file, const char *name, bool for_files,
	void (*report)(void *ctx, bool fatal, const char *line), void *ctx, struct fl_config **ret);
/* For binlog files and no configuration: one sink, stdout. */
int fl_config_for_stdout(
	void (*report)(void *ctx, bool fatal, const char *line), void *ctx, struct fl_config **ret);
void fl_config_destroy(struct fl_config *config);

/* The value of one key, of a file that is otherwise not looked at: neither need its plugins, places
 * and passwords be there for the caller. Empty if it is not set. 0; FL_EIO, FL_EINVAL: the file
 * can't be read as one, with file and line; FL_ENOMEM. */
int fl_config_value(const char *path, const char *section, const char *key, char *ret, size_t size,
	struct fl_err *err);

/* The line of the file that sets this key of the map; that of its section where none does, or for
 * NULL. */
unsigned fl_config_map_line(const struct fl_map_config *map, const char *key);

/* The declared keys of a section: "fastlane", "source", "http", "map", or "sink", whose plugin
 * declares more; NULL for others. */
const struct fl_option *fl_config_keys(const char *section);
/* A size with its unit: "1M", "65536". As `queue_bytes` is read. */
bool fl_config_size(const char *text, uint64_t *ret, struct fl_err *err);

#endif
