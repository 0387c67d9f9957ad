/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a reader of the binlog stands: always at a transaction's end. One owner, one thread.
 */
#ifndef FL_POSITION_H
#define FL_POSITION_H

#include <stdatomic.h>

#include "binlog/gtid.h"

enum { FL_FILE_NAME_SIZE = 256, FL_SERVER_NAME_SIZE = 64 };
/* Whether it can be a binlog file's name: not empty, fits, no control characters. */
bool fl_file_name_is_valid(struct fl_bytes name);

/* An earlier place: where the oldest of the XA transactions that are prepared but not decided
 * begins. Who reads the binlog without having their rows at hand has to begin there. Immutable and
 * counted; any thread. */
struct fl_held;

struct fl_position {
	char file[FL_FILE_NAME_SIZE]; /* "" if not known */
	uint64_t offset;	      /* in the file; tracked in 64 bits */
	/* Whose file that is: MySQL's server_uuid, MariaDB's server_id; "" if not known. Without
	 * GTIDs the position means something to this server alone. */
	char server[FL_SERVER_NAME_SIZE];
	struct fl_gtid_set *gtids; /* everything up to here; NULL: GTIDs are off or not known */
	struct fl_held *held;	   /* NULL: there are no such XA transactions */
};

/* Of a position, whose own `held` does not count. NULL when memory runs out. */
struct fl_held *fl_held_create(const struct fl_position *position);
struct fl_held *fl_held_ref(struct fl_held *held); /* takes NULL */
void fl_held_unref(struct fl_held *held);	   /* takes NULL */
/* `ret` is finished first. 0 or FL_ENOMEM. */
int fl_held_position(const struct fl_held *held, struct fl_position *ret);

/* Frees what it holds and leaves it empty. */
void fl_position_finish(struct fl_position *position);

/* `to` is finished first. 0 or FL_ENOMEM. */
int fl_position_copy(const struct fl_position *from, struct fl_position *to);

bool fl_position_is_set(const struct fl_position *position);

/* The form that is kept in caches and state files: "1 pos=4711 gtid=SET server=ID file=NAME",
 * gtid=- if there are none, server left out if it is not known; where an earlier place is held, "2
 * pos=4711 gtid=SET server=ID held=SIZE:POSITION file=NAME". Printable, one line; the file's name
 * comes last, as it may hold blanks. */
void fl_position_format(const struct fl_position *position, struct fl_buf *out);
int fl_position_parse(struct fl_bytes text, struct fl_position *ret, struct fl_err *err);

/* Orders two places in one server's binlog, by the number at the end of the file's name, then the
 * offset: < 0, 0, > 0. */
int fl_binlog_compare(const char *file_a, uint64_t offset_a, const char *file_b, uint64_t offset_b);

#endif
