/* SPDX-License-Identifier: Apache-2.0
 *
 * What only_when and delete_when say: comparisons of columns with constants, joined by and, or and
 * not; with SQL's logic, in which NULL compared with anything is neither true nor false. Compiled
 * once; private to core/map; read-only once compiled, and fitted to a table definition once for
 * each.
 *
 *	condition  = term { or term }
 *	term       = factor { and factor }
 *	factor     = not factor | ( condition ) | test
 *	test       = column comparison constant | column is [not] null
 *	           | column [not] in ( constant { , constant } )
 *	comparison = "=" | "!=" | "<>" | "<" | "<=" | ">" | ">="
 *	constant   = number | 'text' | "text" | true | false     (a quote is doubled inside of
 *itself) column     = name | `name`
 */
#ifndef FL_CONDITION_H
#define FL_CONDITION_H

#include "map/cells.h"

enum fl_test {
	FL_TEST_NOT,
	FL_TEST_AND,
	FL_TEST_OR,
	FL_TEST_IS_NULL,
	FL_TEST_EQUAL,
	FL_TEST_LESS,
	FL_TEST_GREATER,
	FL_TEST_IN,
};

struct fl_constant {
	struct fl_constant *next; /* of IN's list */
	bool is_number;
	bool is_integer; /* ... that fits `integer` */
	int64_t integer;
	double real;
	struct fl_bytes text;	 /* the number's or the text's */
	struct fl_bytes decimal; /* the number without an exponent */
};

struct fl_condition {
	enum fl_test test;
	struct fl_condition *left, *right; /* NOT: left alone */
	unsigned column;		   /* the others: index into the columns' names ... */
	struct fl_constant *constant;	   /* ... and what it is compared with */
};

struct fl_conditions {
	struct fl_condition *root; /* NULL: none, always true */
	unsigned column_count;
	struct fl_bytes *columns; /* the names in it, each once */
};

/* It lives in the arena. 0, FL_ENOMEM or FL_EINVAL: what is wrong and where. */
int fl_conditions_compile(
	const char *text, struct fl_arena *arena, struct fl_conditions *ret, struct fl_err *err);

/* Whether each column can be compared with its constants. `columns` are the names' indexes in the
 * definition. 0, or FL_EINVAL and which can't. */
int fl_conditions_fit(const struct fl_conditions *conditions, const struct fl_table_def *def,
	const unsigned *columns, struct fl_err *err);

enum fl_truth { FL_FALSE, FL_TRUE, FL_UNKNOWN };

/* Of a row of a definition that it fits, whose cells of these columns have been found. FL_E...: a
 * column is not in the image, or can't be decoded. */
int fl_conditions_judge(const struct fl_conditions *conditions, const struct fl_image *image,
	const unsigned *columns, struct fl_buf *scratch, enum fl_truth *ret, struct fl_err *err);

#endif
