/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

static atomic_int threshold = FL_LEVEL_INFO; /* enum fl_level */

void fl_log_set_level(enum fl_level level)
{
	atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

void fl_log_v(enum fl_level level, const char *who, const char *format, va_list args)
{
	static const char *const names[] = { "error", "warn ", "info ", "debug" };
	if ((int)level > atomic_load_explicit(&threshold, memory_order_relaxed))
		return;

	struct timespec now;
	struct tm utc;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);

	/* One write an entry keeps the lines of several threads apart. */
	char line[1400];
	size_t size = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &utc);
	int head = snprintf(line + size, sizeof(line) - size, ".%03ldZ %s %s%s%s",
		now.tv_nsec / 1000000, names[level], who != NULL ? "[" : "", who != NULL ? who : "",
		who != NULL ? "] " : "");
	size += (size_t)head < sizeof(line) - size ? (size_t)head : 0;
	size_t text = size;
	int body = vsnprintf(line + size, sizeof(line) - size - 1, format, args);
	if (body > 0)
		size += (size_t)body < sizeof(line) - size - 1 ? (size_t)body
							       : sizeof(line) - size - 2;
	for (size_t i = text; i < size; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[size++] = '\n';
	ssize_t written = write(STDERR_FILENO, line, size);
	(void)written; /* there is no place left to complain at */
}

void fl_log(enum fl_level level, const char *who, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fl_log_v(level, who, format, args);
	va_end(args);
}
