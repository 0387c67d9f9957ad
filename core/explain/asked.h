/* SPDX-License-Identifier: Apache-2.0
 *
 * A change as somebody asks for it: one JSON object, as the stdout sink prints a change, or a
 * shorter one written by hand. Private to core/explain. Texts and documents live as long as the
 * struct; one thread.
 *
 *   db, table   of the change
 *   op          insert, update, delete, truncate, ddl, doubt, commit; if it is not there, what the
 *               images say
 *   row, old    the row (after an update, or what was deleted); the values it had before, of
 *               those columns that were others then
 *   before, after   instead of these: both images, each as a whole
 *   sql, doubt  of a statement, of a doubt
 *
 * What else stdout prints (ts_us, gtid, file, pos, xid, commit, key) is taken and not needed.
 */
#ifndef FL_ASKED_H
#define FL_ASKED_H

#include "base/arena.h"

#include <json-c/json.h>

enum fl_given_kind {
	FL_GIVEN_NULL,
	FL_GIVEN_NUMBER,   /* all its digits; true is 1 and false is 0 */
	FL_GIVEN_TEXT,	   /* as JSON shows it: binary is base64 */
	FL_GIVEN_DOCUMENT, /* an object or an array: its text */
	FL_GIVEN_BYTES,	   /* as SELECT gives it */
};

/* One column's value. */
struct fl_given {
	struct fl_bytes name;
	enum fl_given_kind kind;
	struct fl_bytes text;
	struct json_object *json; /* the value itself; NULL if it is not from JSON */
};

struct fl_given_row {
	bool exists;
	unsigned count;
	struct fl_given *values; /* each column once */
};

struct fl_asked {
	enum fl_op op;
	bool nothing; /* a commit, which changes no row */
	struct fl_bytes db, table, sql, doubt;
	struct fl_given_row before, after;
	struct fl_arena memory;
	struct json_object *json;
};

/* 0; FL_ENOMEM; FL_EINVAL and what is wrong. Nothing is to be finished after a failure. */
int fl_asked_parse(struct fl_bytes text, struct fl_asked *ret, struct fl_err *err);
void fl_asked_finish(struct fl_asked *asked);

/* Parses one JSON value with all of its digits. NULL, and why. To be put with json_object_put();
 * JSON's null is NULL too, with err->code 0. */
struct json_object *fl_asked_json(struct fl_bytes text, struct fl_err *err);

/* Whether two names are of one column: they may differ in the case of ASCII letters. */
bool fl_given_same(struct fl_bytes a, struct fl_bytes b);

/* The value of that column, by its name or else by one that differs in the case of ASCII letters;
 * or NULL. It is looked for at the index `near` first. */
const struct fl_given *fl_given_find(
	const struct fl_given_row *row, struct fl_bytes name, unsigned near);

#endif
