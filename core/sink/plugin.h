/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding, loading and checking sink modules, and the values of their options. Main thread alone.
 * Modules stay resident until fl_plugins_finish(), and under sanitizers for ever.
 */
#ifndef FL_PLUGIN_H
#define FL_PLUGIN_H

#include <fastlane/sink.h>

/* From this minor version on plugins know fl_host's `news`. */
enum { FL_NEWS_MINOR = 3 };

/* Where modules are looked for from now on: `path` (directories separated by ':', may be NULL),
 * then the environment's FASTLANE_PLUGIN_PATH (not with set-user-id or file capabilities), then the
 * installed <libdir>/fastlane. */
int fl_plugins_init(const char *path, struct fl_err *err);
void fl_plugins_finish(void);

/* Loads the module of that plain name, or returns it if it is loaded. Refuses, saying what was
 * wanted and what is supported: a name that is no plain name, no such file (with the places looked
 * at), a file that others can change (base/trust.h), what dlopen says of a broken one, a missing
 * symbol, another ABI major, a newer minor, a wrong size, another name inside, missing mandatory
 * entries, an option declared wrongly. */
int fl_plugin_load(const char *name, const struct fl_sink_plugin **ret, struct fl_err *err);

/* The same of a file that is named by its path, in no directory of the search path: the name is
 * that of the file. */
int fl_plugin_load_file(const char *path, const struct fl_sink_plugin **ret, struct fl_err *err);

/* Calls `each` for every module found, loaded or refused (plugin NULL, err set), by name. */
void fl_plugins_each(void (*each)(void *ctx, const char *name, const char *file,
			     const struct fl_sink_plugin *plugin, const struct fl_err *err),
	void *ctx);

/* The option of that name, or NULL. `options` may be NULL, as in a plugin that has none. */
const struct fl_option *fl_option_find(const struct fl_option *options, const char *name);
const struct fl_option *fl_plugin_option(const struct fl_sink_plugin *plugin, const char *name);

/* 0, or FL_EINVAL and what is wrong with how they are declared. */
int fl_options_declared(const struct fl_option *options, struct fl_err *err);

/* What an option may be, in words: "a whole number from 1 to 65535". */
const char *fl_option_allowed(const struct fl_option *option, char *text, size_t size);

/* Checks one value: 0, or FL_EINVAL and what is allowed. */
int fl_option_check(const struct fl_option *option, const char *value, struct fl_err *err);

/* The values of one sink's section. */
struct fl_options;
struct fl_options *fl_options_create(const char *sink, const struct fl_sink_plugin *plugin);
/* The same for a section of the core's own, which is declared in the same way. */
struct fl_options *fl_options_create_for(const char *section, const struct fl_option *options);
/* Counted: one more reference, for the main thread; destroy takes one away. */
struct fl_options *fl_options_ref(struct fl_options *options);
void fl_options_destroy(struct fl_options *options);
/* Whether both, of one plugin, say the same: by their values, files by what was in them. */
bool fl_options_same(const struct fl_options *a, const struct fl_options *b);
/* Takes a checked value; FL_OPTION_FILE is read here. 0, FL_EINVAL (unknown, twice, not allowed, a
 * file that others can read), FL_EIO. */
int fl_options_set(
	struct fl_options *options, const char *name, const char *value, struct fl_err *err);
/* The first required option without a value, or NULL. */
const struct fl_option *fl_options_missing(const struct fl_options *options);
/* What the plugin is given; lives as long as the options. */
const struct fl_settings *fl_options_settings(const struct fl_options *options);

/* Prints what `--plugin-help NAME` and `--list-plugins` show. */
void fl_plugin_print_help(const struct fl_sink_plugin *plugin, FILE *to);

#endif
