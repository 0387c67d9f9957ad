/* SPDX-License-Identifier: Apache-2.0
 *
 * What a running daemon says of itself at /status, on a terminal: --status and --top. A client of
 * its own: nothing of it is in the daemon. Main thread; blocks.
 */
#ifndef FL_VIEW_H
#define FL_VIEW_H

#include <fastlane/change.h>

enum fl_view {
	FL_VIEW_STATUS, /* once, for people */
	FL_VIEW_JSON,	/* once, as the daemon says it */
	FL_VIEW_TOP,	/* again each second, until the user has enough */
};

enum fl_view_result {
	FL_VIEW_READY,
	FL_VIEW_NOT_READY, /* it answers, and says so */
	FL_VIEW_NO_ANSWER, /* it can't be reached, or its answer is not understood */
	FL_VIEW_FAILED,	   /* `err`: the URL is none, or this is no terminal */
};

/* Asks the daemon at `url` ("127.0.0.1:9306", "http://db1:9306/behind/a/proxy") and prints on
 * standard output. `err` tells why there was no answer; --top shows that itself, and its result is
 * FL_VIEW_READY once it has been ended. */
enum fl_view_result fl_view_run(const char *url, enum fl_view what, struct fl_err *err);

#endif
