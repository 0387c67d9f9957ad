/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether the maps fit the tables that the source has, before a configuration is put in force.
 */
#ifndef FL_FIT_H
#define FL_FIT_H

#include "config/config.h"

struct fl_fit {
	const struct fl_config *config;
	const char *path; /* of the configuration; NULL: it has no maps */
	bool halt;	  /* what does not fit is refused ... */
	bool replaces;	  /* ... as it is if another configuration is in force, and so is what can't
			   * be checked */
	bool (*stopped)(void *ctx);
	void *ctx;
};

/* Asks that host of the source, for ten seconds at most, and logs what does not fit, with file and
 * line. NULL, or why the configuration is to be refused. Where it is not, a row that does not fit
 * is a doubt, as ever: tables can change at any time, and a daemon that will not start for one of
 * them leaves the keys of all of them stale. Blocks. */
const char *fl_fit_check(const struct fl_fit *fit, unsigned host);

#endif
