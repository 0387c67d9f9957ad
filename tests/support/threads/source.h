/* SPDX-License-Identifier: Apache-2.0
 *
 * The made-up source of the program in daemon.c, in place of source/session.h and source/schema.h:
 * one binlog file of DDL statements, all of one size, that grows, and connections that are lost by
 * chance.
 */
#ifndef FL_TEST_SOURCE_H
#define FL_TEST_SOURCE_H

#include <stdatomic.h>
#include <stdint.h>

/* Bytes: where the file's events begin, its first one, and each statement. */
enum { BEGIN = 4, FORMAT_SIZE = 19 + 57 + 164 + 5, EVENT_SIZE = 19 + 13 + 2 + 23 };

extern _Atomic uint64_t written; /* statements that it has */

/* A number below that; each thread's own, so that chance itself orders nothing. */
unsigned chance(unsigned below);
void nap(unsigned ms);

#endif
