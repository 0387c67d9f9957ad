/* SPDX-License-Identifier: Apache-2.0
 *
 * A shared module that is no sink: it exports something else.
 */
#include <fastlane/sink.h>

FL_EXPORT extern const char *const no_sink;
const char *const no_sink = "not the table that is looked for";
