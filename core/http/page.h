/* SPDX-License-Identifier: Apache-2.0
 *
 * The page at /: one file, built into the program. Constant; the policy is made once, at the first
 * call. Main thread.
 */
#ifndef FL_HTTP_PAGE_H
#define FL_HTTP_PAGE_H

#include <fastlane/change.h>

/* HTML, UTF-8. */
struct fl_bytes fl_page_text(void);
/* The Content-Security-Policy to send with it: this page's own style and script, by their hashes,
 * and requests to where it comes from. */
const char *fl_page_policy(void);

#endif
