/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to this room: what the loaders of the sections share. Main thread; lives while a file is
 * loaded.
 */
#ifndef FL_CONFIG_PRIVATE_H
#define FL_CONFIG_PRIVATE_H

#include "config/config.h"
#include "config/file.h"

/* What the configuration's texts live in. */
struct fl_config_memory {
	struct fl_arena arena;
	struct fl_options *fastlane, *source, *http;
};

struct fl_loader {
	struct fl_config *config;
	struct fl_config_memory *memory;
	struct fl_problems problems;
	struct fl_section *sections;
	bool for_files;
};

#define PROBLEM(loader, line, ...) fl_problem(&(loader)->problems, true, line, __VA_ARGS__)
#define WARNING(loader, line, ...) fl_problem(&(loader)->problems, false, line, __VA_ARGS__)

/* config.c: NULL if there is none. */
const struct fl_setting *fl_loader_setting(const struct fl_section *section, const char *key);
const struct fl_section *fl_loader_section(const struct fl_loader *loader, const char *text);
/* Checks and sets all settings of a section but `plugin`, and tells those that are missing. */
void fl_loader_set_all(struct fl_loader *loader, const struct fl_section *section,
	const struct fl_option *declared, struct fl_options *options);

/* credentials.c: puts the folder's name in place of ${CREDENTIALS_DIRECTORY} at values' beginnings.
 */
void fl_loader_credentials(struct fl_loader *loader);

/* map.c: each [map:NAME], once the sinks are known; and at the end, what nobody uses. */
void fl_loader_maps(struct fl_loader *loader);
void fl_loader_check_use(struct fl_loader *loader);

/* http.c */
void fl_loader_http(struct fl_loader *loader);

/* source.c */
void fl_loader_source(struct fl_loader *loader);
/* `hosts`: HOST, HOST:PORT, [IPV6] or [IPV6]:PORT, separated by commas. */
bool fl_config_hosts_check(const char *text, struct fl_err *err);

#endif
