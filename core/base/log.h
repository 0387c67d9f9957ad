/* SPDX-License-Identifier: Apache-2.0
 *
 * The log: one line an entry on stderr, as text for people ("TIME LEVEL [SINK] text", TIME in UTC
 * with milliseconds), as a JSON object, or for systemd's journal ("<PRIORITY>[SINK] text": it keeps
 * the time itself). For the daemon's upper layers (lane, sink, daemon); decoders and base return
 * errors instead. Any thread. Control characters are replaced or escaped, so that an entry is
 * always one line, and one write of up to PIPE_BUF bytes.
 */
#ifndef FL_LOG_H
#define FL_LOG_H

#include <fastlane/sink.h>

/* Entries above this level are dropped; FL_LEVEL_INFO at start. Any thread. */
void fl_log_set_level(enum fl_level level);

enum fl_log_format {
	FL_LOG_AUTO, /* as LOG_FORMAT of the environment says; else, where stderr is the journal's
		      * stream, FL_LOG_JOURNAL; else FL_LOG_TEXT */
	FL_LOG_TEXT,
	FL_LOG_JSON,
	FL_LOG_JOURNAL,
};
/* How entries are written from now on; FL_LOG_TEXT at start. A LOG_FORMAT that is none of "auto",
 * "text", "json" and "journal" is warned of and passed over. Any thread. */
void fl_log_set_format(enum fl_log_format format);
/* Never FL_LOG_AUTO: what has become of it. */
enum fl_log_format fl_log_format(void);

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
