/* SPDX-License-Identifier: Apache-2.0
 *
 * Binlog files as a source: events read from the files that a server has written, instead of from
 * the server. One owner, one thread. Calls block on the disk alone.
 *
 * A file: 4 bytes, fe 62 69 6e; then events, one behind the other, the first of them a
 * FORMAT_DESCRIPTION.
 */
#ifndef FL_FILE_H
#define FL_FILE_H

#include "binlog/position.h"
#include "source/session.h"

struct fl_binlog_file;

/* Opens the file and checks what it is. 0, FL_ENOMEM, FL_EIO; FL_EUNSUPPORTED: encrypted; or
 * FL_ECORRUPT: no binlog. */
int fl_binlog_file_open(const char *path, struct fl_binlog_file **ret, struct fl_err *err);
void fl_binlog_file_close(struct fl_binlog_file *file); /* takes NULL */

/* The name without its folders, as the server calls it. */
const char *fl_binlog_file_name(const struct fl_binlog_file *file);
/* Where the next event begins. */
uint64_t fl_binlog_file_offset(const struct fl_binlog_file *file);
/* Goes to where an event begins, which is checked only by reading it. */
int fl_binlog_file_seek(struct fl_binlog_file *file, uint64_t offset, struct fl_err *err);

/* The next event, valid until the next call: FL_READ_EVENT; FL_READ_END at the file's end;
 * FL_READ_FATAL: it can't be read, is cut off, or its size is impossible. Of an event nothing but
 * its size is checked here. */
enum fl_read fl_binlog_file_read(struct fl_binlog_file *file, const uint8_t **ret_data,
	size_t *ret_size, struct fl_err *err);

/* The position at which the file begins: its name, and the GTIDs of what was before it as far as it
 * tells them. The file is opened for it anew. */
int fl_binlog_file_begin(const char *path, struct fl_position *ret, struct fl_err *err);

#endif
