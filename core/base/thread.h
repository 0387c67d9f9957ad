/* SPDX-License-Identifier: Apache-2.0
 *
 * The calling thread's name, as top -H and gdb show it: cut to 15 bytes, which is all that the
 * system takes.
 */
#ifndef FL_THREAD_H
#define FL_THREAD_H

#include <pthread.h>
#include <string.h>

enum { FL_THREAD_NAME_SIZE = 16 };

static inline void fl_thread_name(const char *kind, const char *name)
{
	char text[FL_THREAD_NAME_SIZE] = "";
	size_t const kind_size = strnlen(kind, sizeof(text) - 2);
	memcpy(text, kind, kind_size);
	text[kind_size] = ' ';
	memcpy(text + kind_size + 1, name, strnlen(name, sizeof(text) - 2 - kind_size));
	pthread_setname_np(pthread_self(), text);
}

#endif
