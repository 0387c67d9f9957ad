/* SPDX-License-Identifier: Apache-2.0
 *
 * MySQL's binary JSON, piece by piece. Private to core/binlog, and to core/explain, which writes
 * it. What is found points into the document; every offset and length is checked against the piece
 * that it lies in. Any thread.
 */
#ifndef FL_JSON_H
#define FL_JSON_H

#include "base/arena.h"
#include "base/cursor.h"

/* A document: one byte type, then a value of it:
 *
 *   00, 01   object in the small, the large format
 *   02, 03   array in the small, the large format
 *   04       literal: 0 null, 1 true, 2 false
 *   05..0a   int16 uint16 int32 uint32 int64 uint64
 *   0b       double
 *   0c       text: length, UTF-8
 *   0f       opaque: a column type, length, that column's bytes
 *
 * A length takes seven bits a byte, the lowest first; all bytes but the last have the eighth bit.
 */
enum {
	FL_JSON_SMALL_OBJECT = 0,
	FL_JSON_LARGE_OBJECT = 1,
	FL_JSON_SMALL_ARRAY = 2,
	FL_JSON_LARGE_ARRAY = 3,
	FL_JSON_LITERAL = 4,
	FL_JSON_INT16 = 5,
	FL_JSON_UINT16 = 6,
	FL_JSON_INT32 = 7,
	FL_JSON_UINT32 = 8,
	FL_JSON_INT64 = 9,
	FL_JSON_UINT64 = 10,
	FL_JSON_DOUBLE = 11,
	FL_JSON_TEXT = 12,
	FL_JSON_OPAQUE = 15,
};

enum { FL_JSON_DEEPEST = 100 };

uint32_t fl_json_take_length(struct fl_cursor *c);

/* Objects and arrays. w is 2 in the small, 4 in the large format; offsets count from the start.
 *
 *   offset   size
 *   0        w           number of elements
 *   w        w           bytes of all of it
 *   2w       (w+2)*n     objects: offset (w) and length (2) of each key
 *   ...      (1+w)*n     type (1) of each value, and its offset (w) or, where it fits, itself
 *   ...                  keys and values
 */
struct fl_json_container {
	struct fl_bytes data; /* all of it */
	struct fl_cursor keys, values;
	uint32_t count;
	size_t w;
	bool is_object;
};

/* Whether a value lies in its entry. */
static inline bool fl_json_is_inline(uint8_t type, size_t w)
{
	return type == FL_JSON_LITERAL || type == FL_JSON_INT16 || type == FL_JSON_UINT16 ||
	       (w == 4 && (type == FL_JSON_INT32 || type == FL_JSON_UINT32));
}

static inline bool fl_json_is_container(uint8_t type)
{
	return type <= FL_JSON_LARGE_ARRAY;
}

/* A container of the given type at the cursor, its elements not looked at yet. 0 or FL_ECORRUPT. */
int fl_json_open(uint8_t type, struct fl_cursor at, struct fl_json_container *ret);

/* The next key, and behind it the next value: its type, and a cursor that begins where it lies. A
 * key beyond the container, or a value, sets the cursor's `failed`. */
struct fl_bytes fl_json_next_key(struct fl_json_container *container, bool *failed);
uint8_t fl_json_next_value(struct fl_json_container *container, struct fl_cursor *ret);

/* Applies the changes of a partial update to a document, appending the new one. The changes, one
 * behind the other, until the end:
 *
 *   1                operation: 0 replace, 1 insert, 2 remove
 *   length-encoded   path, as text: $.a[2]."b c"[last]
 *   length-encoded   not for remove: a document
 *
 * What replace and remove name has to be there, what insert names must not, or is an array's cell,
 * and those behind it move up. Everything else is an error: FL_ECORRUPT, and which change of what
 * path; FL_ENOMEM. The new document is at most twice as long as the document and its changes.
 * Nothing is appended on failure. */
int fl_json_apply(
	struct fl_bytes document, struct fl_bytes changes, struct fl_buf *out, struct fl_err *err);

/* One step of a path: a member, or a cell counted from the first, or from the last. */
struct fl_json_leg {
	bool is_cell, from_last;
	uint32_t cell;
	struct fl_bytes member; /* in the path, or in the arena where it has escapes */
};

/* Takes a path apart, up to FL_JSON_DEEPEST legs. Returns how many; FL_ENOMEM; FL_ECORRUPT where
 * it is none that names one place: wildcards and ranges are none. */
int fl_json_path(
	struct fl_bytes text, struct fl_arena *memory, struct fl_json_leg ret[FL_JSON_DEEPEST]);

#endif
