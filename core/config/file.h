/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration file as text: sections and their settings, each with its line. Private to
 * this room. inih reads it, guarded: what it would cut, join or pass over without a word is
 * refused. Lines are joined where one ends in a blank and a backslash and the next begins with
 * white space.
 */
#ifndef FL_CONFIG_FILE_H
#define FL_CONFIG_FILE_H

#include "base/arena.h"

struct fl_setting {
	struct fl_setting *next;
	const char *key;
	char *value;
	unsigned line;
	bool cut; /* a comment on the line begins within what may have been meant as the value */
};

struct fl_section {
	struct fl_section *next;
	const char *kind; /* "sink" of [sink:hot] */
	const char *name; /* "hot"; NULL where there is no colon */
	const char *text; /* "sink:hot" */
	unsigned line;
	struct fl_setting *settings; /* in the order of the file */
	struct fl_setting **last;
};

/* Problems are kept until the end, to be told in the order of the lines. */
struct fl_problems {
	const char *path;
	size_t count, fatal;
	struct fl_problem *first;
	struct fl_arena *memory;
	bool no_memory;
};

void fl_problem(struct fl_problems *problems, bool fatal, unsigned line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void fl_problems_report(struct fl_problems *problems,
	void (*report)(void *ctx, bool fatal, const char *line), void *ctx);

/* Reads the file into the arena. What can't be read is a problem. */
struct fl_section *fl_config_file_read(
	FILE *file, struct fl_arena *memory, struct fl_problems *problems);

#endif
