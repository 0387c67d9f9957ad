/* SPDX-License-Identifier: Apache-2.0
 *
 * fastlane/change.h - plain data: what changed at the source; and the two small types that every
 * call shares, a growing buffer and an error.
 *
 * Everything here belongs to the core, is immutable, and is shared by all sinks at once without
 * copies. A pointer given to a plugin is valid until the call it was given to returns.
 * Thread-safe to read from any thread.
 */
#ifndef FASTLANE_CHANGE_H
#define FASTLANE_CHANGE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Why something failed: a code for programs, one line for people. The text never holds secrets. Set
 * it with fl_err_set(). */
enum {
	FL_OK = 0,
	FL_ENOMEM = -1,	      /* out of memory */
	FL_EINVAL = -2,	      /* a value that is not allowed */
	FL_ECORRUPT = -3,     /* bytes from outside that contradict themselves */
	FL_EUNSUPPORTED = -4, /* well-formed, but not decoded by this version */
	FL_ELOST = -5,	      /* a connection was lost; trying again may help */
	FL_EFATAL = -6,	      /* trying again does not help */
	FL_EIO = -7,	      /* a file could not be read or written */
	FL_ESTOPPED = -8,     /* interrupted on request */
};

struct fl_err {
	int code;	/* 0 or FL_E... */
	char text[508]; /* one line, NUL-terminated */
};

/* Records a failure and returns `code`, so that `return fl_err_set(err, ...)` reads well. `err` may
 * be NULL. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
static inline int
fl_err_set(struct fl_err *err, int code, const char *format, ...)
{
	if (err != NULL) {
		va_list args;
		va_start(args, format);
		err->code = code;
		vsnprintf(err->text, sizeof(err->text), format, args);
		va_end(args);
	}
	return code;
}

/* A run of bytes; not NUL-terminated, may hold any byte. `data` may be NULL where `size` is 0. */
struct fl_bytes {
	const char *data;
	size_t size;
};

/* A growing output buffer. Zero-initialise it; release it with fl_buf_finish(). When memory runs
 * out `failed` sticks and further appends do nothing: check it once, at the end. */
struct fl_buf {
	char *data;
	size_t size;
	size_t capacity;
	bool failed;
};

/* Makes room for `more` bytes behind the content and returns where they start, or NULL. */
static inline char *fl_buf_reserve(struct fl_buf *buf, size_t more)
{
	if (buf->capacity - buf->size >= more && !buf->failed && buf->data != NULL)
		return buf->data + buf->size;
	if (buf->failed || more > SIZE_MAX / 4 || buf->size > SIZE_MAX / 4) {
		buf->failed = true;
		return NULL;
	}
	size_t capacity = buf->capacity < 256 ? 256 : buf->capacity;
	while (capacity - buf->size < more)
		capacity *= 2;
	char *data = realloc(buf->data, capacity);
	if (data == NULL) {
		buf->failed = true;
		return NULL;
	}
	buf->data = data;
	buf->capacity = capacity;
	return data + buf->size;
}

static inline void fl_buf_append(struct fl_buf *buf, const void *data, size_t size)
{
	char *to = fl_buf_reserve(buf, size);
	if (to != NULL && size > 0) {
		memcpy(to, data, size);
		buf->size += size;
	}
}

static inline void fl_buf_text(struct fl_buf *buf, const char *text)
{
	fl_buf_append(buf, text, strlen(text));
}

static inline void fl_buf_char(struct fl_buf *buf, char c)
{
	fl_buf_append(buf, &c, 1);
}

/* Empties the buffer and keeps its memory. */
static inline void fl_buf_clear(struct fl_buf *buf)
{
	buf->size = 0;
	buf->failed = false;
}

/* Frees the memory; the buffer can be used again. */
static inline void fl_buf_finish(struct fl_buf *buf)
{
	free(buf->data);
	*buf = (struct fl_buf){ 0 };
}

/* What a change is. */
enum fl_op {
	FL_INSERT,   /* `after` */
	FL_UPDATE,   /* `before` and `after` */
	FL_DELETE,   /* `before` */
	FL_TRUNCATE, /* `db`.`table` was emptied; `sql` */
	FL_DDL,	  /* a statement that may change structures; `sql`, `db` is its default database */
	FL_DOUBT, /* something changed that could not be decoded with certainty; `doubt` says what;
		   * `db`.`table` where known, else empty: it may be any table */
};

/* One column of a table. */
struct fl_column {
	struct fl_bytes name; /* UTF-8; empty where the names are not known, and where SELECT has
			       * no such column */
	bool is_unsigned;
	bool in_key; /* part of the primary key */
};

/* A table as it was when the change was made. */
struct fl_table {
	struct fl_bytes db;
	struct fl_bytes name;
	unsigned column_count;
	const struct fl_column *columns;
	unsigned key_count;	     /* columns of the primary key; 0 where it has none */
	const unsigned *key_columns; /* their indexes, in the key's order */
};

/* A row image, in the form in which the source sends it: read it with the host's row_... functions.
 * The core has checked that every column's extent lies inside it. A column that is not in it is not
 * known: that is not NULL. */
struct fl_row {
	const struct fl_table *table;
	const uint8_t *present; /* bitmap of the columns in the image; NULL: all of them */
	const uint8_t *data;	/* null bitmap, then values; NULL: there is no such image */
	uint32_t size;		/* bytes */
	bool is_torn;		/* a column that is not in it has changed: it can't be shown */
};

struct fl_change {
	enum fl_op op;
	struct fl_row before; /* UPDATE, DELETE */
	struct fl_row after;  /* INSERT, UPDATE: completed from `before`, lacks what neither has */
	struct fl_bytes db;
	struct fl_bytes table;
	struct fl_bytes sql;   /* TRUNCATE, DDL: the statement, as the source logged it */
	struct fl_bytes doubt; /* DOUBT: why, one line */
};

/* A committed transaction, or a part of one that is beyond the memory limit. */
struct fl_transaction {
	struct fl_bytes gtid; /* text; empty where the source has GTIDs off */
	struct fl_bytes file; /* binlog file ... */
	uint64_t position;    /* ... and the offset behind the transaction's last event */
	uint64_t xid;	      /* the storage engine's transaction id; 0 where the log has none */
	int64_t commit_us;    /* commit time, microseconds since 1970 UTC (whole seconds on sources
			       * that log no finer) */
	bool first;	      /* the transaction's first part (the usual case: both are true) */
	bool last;	      /* its last part: the commit */
	size_t change_count;
	const struct fl_change *changes; /* in the order of the log */
};

/* A decoded column. */
enum fl_value_kind {
	FL_VALUE_ABSENT, /* not in this row image */
	FL_VALUE_NULL,
	FL_VALUE_INT,	 /* i */
	FL_VALUE_UINT,	 /* u: unsigned integers, BIT, YEAR */
	FL_VALUE_FLOAT,	 /* d, with the precision of a float */
	FL_VALUE_DOUBLE, /* d */
	FL_VALUE_NUMBER, /* bytes: DECIMAL, as exact text */
	FL_VALUE_TEXT,	 /* bytes: UTF-8; strings, ENUM, SET, dates and times, INET, UUID */
	FL_VALUE_BINARY, /* bytes: BINARY, VARBINARY, BLOB, GEOMETRY, VECTOR */
	FL_VALUE_JSON,	 /* bytes: JSON text of a native JSON column, GeoJSON of a geometry */
};

struct fl_value {
	enum fl_value_kind kind;
	union {
		int64_t i;
		uint64_t u;
		double d;
		struct fl_bytes bytes; /* in the row image, or in the scratch buffer of the call */
	};
};

#endif
