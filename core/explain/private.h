/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to this room: what explaining and checking share.
 */
#ifndef FL_EXPLAIN_PRIVATE_H
#define FL_EXPLAIN_PRIVATE_H

#include "explain/explain.h"
#include "source/catalog.h"

struct fl_explainer {
	const struct fl_config *config;
	const char *path;
	FILE *out; /* checking: may be NULL */
	int host;  /* to ask; -1: any that answers */
	fl_report *report;
	void *ctx;
	struct fl_map **maps;	    /* of each rule alone, in the order of the file */
	struct fl_catalog *catalog; /* NULL: not asked yet, or can't be */
	bool asked;
	struct fl_err unreachable; /* why it can't be */
};

/* explain.c */
int fl_explainer_init(struct fl_explainer *explainer, struct fl_err *err);
void fl_explainer_finish(struct fl_explainer *explainer);
/* Connects to the source, once. Whether it can be asked. */
bool fl_explainer_connect(struct fl_explainer *explainer);
void fl_explainer_report(struct fl_explainer *explainer, bool fatal, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* show.c */

/* Text as it is, other bytes as \xNN. */
void fl_show_text(FILE *out, struct fl_bytes text);
/* What every map and sink makes of the change. `definition`: where its columns are known from, or
 * NULL. 0 or FL_ENOMEM. */
int fl_show_change(
	struct fl_explainer *explainer, const struct fl_change *change, const char *definition);

#endif
