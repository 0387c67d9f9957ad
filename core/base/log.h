/* SPDX-License-Identifier: Apache-2.0
 *
 * The log: one line an entry on stderr, "TIME LEVEL [SINK] text", TIME in UTC with milliseconds.
 * For the daemon's upper layers (lane, sink, daemon); decoders and base return errors instead.
 * Any thread. Control characters are replaced, so that an entry is always one line.
 */
#ifndef FL_LOG_H
#define FL_LOG_H

#include <fastlane/sink.h>

/* Entries above this level are dropped; FL_LEVEL_INFO at start. Any thread. */
void fl_log_set_level(enum fl_level level);

/* `who` is the sink's name, or NULL for the core's own entries. */
void fl_log(enum fl_level level, const char *who, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void fl_log_v(enum fl_level level, const char *who, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

#define fl_error(who, ...) fl_log(FL_LEVEL_ERROR, who, __VA_ARGS__)
#define fl_warn(who, ...)  fl_log(FL_LEVEL_WARN, who, __VA_ARGS__)
#define fl_info(who, ...)  fl_log(FL_LEVEL_INFO, who, __VA_ARGS__)
#define fl_debug(who, ...) fl_log(FL_LEVEL_DEBUG, who, __VA_ARGS__)

#endif
