/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	LONGEST_TEXT = 1300,
	LONGEST_WHO = 64,
};

static const char *const level_names[] = { "error", "warn", "info", "debug" };

static atomic_int threshold = FL_LEVEL_INFO; /* enum fl_level */
static atomic_int written_as = FL_LOG_TEXT;  /* enum fl_log_format */

void fl_log_set_level(enum fl_level level)
{
	atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

/* ---- which format ---- */

/* systemd tells the stream that it has given: should stderr have been redirected since, it is
 * another one. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	char behind;
	struct stat status;
	return stream != NULL && sscanf(stream, "%llu:%llu%c", &device, &inode, &behind) == 2 &&
	       fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
	       status.st_ino == inode;
}

void fl_log_set_format(enum fl_log_format format)
{
	static const char *const names[] = { "auto", "text", "json", "journal" };
	const char *wanted = format == FL_LOG_AUTO ? getenv("LOG_FORMAT") : NULL;
	bool known = wanted == NULL || *wanted == '\0';
	for (enum fl_log_format i = FL_LOG_AUTO; !known && i <= FL_LOG_JOURNAL; i++) {
		known = strcmp(wanted, names[i]) == 0;
		format = known ? i : format;
	}
	if (format == FL_LOG_AUTO)
		format = is_journal() ? FL_LOG_JOURNAL : FL_LOG_TEXT;
	atomic_store_explicit(&written_as, (int)format, memory_order_relaxed);
	if (!known)
		fl_warn(NULL,
			"LOG_FORMAT of the environment is \"%s\", which is none of auto, text, "
			"json "
			"and journal: it is passed over",
			wanted);
}

enum fl_log_format fl_log_format(void)
{
	return (enum fl_log_format)atomic_load_explicit(&written_as, memory_order_relaxed);
}

/* ---- an entry ---- */

struct line {
	char data[PIPE_BUF]; /* what a pipe takes at once, so that no other entry comes between */
	size_t size, room;
};

static void put(struct line *line, const char *data, size_t size)
{
	if (size > line->room - line->size)
		size = line->room - line->size;
	memcpy(line->data + line->size, data, size);
	line->size += size;
}

static void put_text(struct line *line, const char *text)
{
	put(line, text, strlen(text));
}

/* "2026-02-03T04:05:06.789Z" */
static void put_time(struct line *line)
{
	struct timespec now;
	struct tm utc;
	char text[40], ms[8];
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	put(line, text, strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc));
	snprintf(ms, sizeof(ms), ".%03uZ", (unsigned)(now.tv_nsec / 1000000) % 1000);
	put_text(line, ms);
}

/* How many bytes the character that begins there has in UTF-8; 0: it is none. */
static size_t character_size(const unsigned char *at, size_t size)
{
	unsigned char const first = at[0];
	size_t const whole = first < 0x80   ? 1
			     : first < 0xc2 ? 0
			     : first < 0xe0 ? 2
			     : first < 0xf0 ? 3
					    : 4;
	if (first > 0xf4 || whole > size)
		return 0;
	for (size_t i = 1; i < whole; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	/* Longer than need be, a surrogate, or beyond the last one. */
	if ((first == 0xe0 && at[1] < 0xa0) || (first == 0xed && at[1] > 0x9f) ||
		(first == 0xf0 && at[1] < 0x90) || (first == 0xf4 && at[1] > 0x8f))
		return 0;
	return whole;
}

/* A JSON string. Bytes that are no UTF-8 become U+FFFD; what there is no room for is left out,
 * never half of a character. `tail`: what has to have room behind it. */
static void put_string(struct line *line, const char *text, size_t size, size_t tail)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + size;
	put(line, "\"", 1);
	while (at < end) {
		size_t const whole = character_size(at, (size_t)(end - at));
		char escaped[8];
		const char *piece = (const char *)at;
		size_t piece_size = whole;
		if (whole == 0 || *at < ' ' || *at == 0x7f)
			piece_size = (size_t)snprintf(escaped, sizeof(escaped), "\\u%04x",
				whole == 0 ? 0xfffdu : (unsigned)*at);
		else if (*at == '"' || *at == '\\')
			piece_size = (size_t)snprintf(escaped, sizeof(escaped), "\\%c", *at);
		if (piece_size != whole)
			piece = escaped;
		if (piece_size + tail > line->room - line->size)
			break;
		put(line, piece, piece_size);
		at += whole > 0 ? whole : 1;
	}
	put(line, "\"", 1);
}

static void put_json(
	struct line *line, enum fl_level level, const char *who, const char *text, size_t size)
{
	put_text(line, "{\"time\":\"");
	put_time(line);
	put_text(line, "\",\"level\":\"");
	put_text(line, level_names[level]);
	put_text(line, "\",\"sink\":");
	if (who != NULL)
		put_string(line, who, strnlen(who, LONGEST_WHO), LONGEST_TEXT);
	else
		put_text(line, "null");
	put_text(line, ",\"message\":");
	put_string(line, text, size, sizeof("\"}") - 1);
	put_text(line, "}");
}

static void put_plain(struct line *line, const char *who, const char *text, size_t size)
{
	if (who != NULL) {
		put_text(line, "[");
		put(line, who, strnlen(who, LONGEST_WHO));
		put_text(line, "] ");
	}
	size_t const first = line->size;
	put(line, text, size);
	for (size_t i = first; i < line->size; i++)
		if ((unsigned char)line->data[i] < ' ' || line->data[i] == 0x7f)
			line->data[i] = '?';
}

void fl_log_v(enum fl_level level, const char *who, const char *format, va_list args)
{
	static const char *const columns[] = { " error ", " warn  ", " info  ", " debug " };
	static const char *const priorities[] = { "<3>", "<4>", "<6>", "<7>" }; /* syslog(3) */
	if ((int)level > atomic_load_explicit(&threshold, memory_order_relaxed))
		return;

	char text[LONGEST_TEXT];
	int const length = vsnprintf(text, sizeof(text), format, args);
	size_t const size = length < 0			    ? 0
			    : (size_t)length < sizeof(text) ? (size_t)length
							    : sizeof(text) - 1;
	struct line line;
	line.size = 0;
	line.room = sizeof(line.data) - 1; /* and the line's end */
	switch (fl_log_format()) {
	case FL_LOG_JSON:
		put_json(&line, level, who, text, size);
		break;
	case FL_LOG_JOURNAL:
		put_text(&line, priorities[level]);
		put_plain(&line, who, text, size);
		break;
	case FL_LOG_AUTO:
	case FL_LOG_TEXT:
		put_time(&line);
		put_text(&line, columns[level]);
		put_plain(&line, who, text, size);
		break;
	}
	line.data[line.size++] = '\n';
	ssize_t written = write(STDERR_FILENO, line.data, line.size);
	(void)written; /* there is no place left to complain at */
}

void fl_log(enum fl_level level, const char *who, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fl_log_v(level, who, format, args);
	va_end(args);
}
