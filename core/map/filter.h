/* SPDX-License-Identifier: Apache-2.0
 *
 * What may stand behind a column's name in a template, {column|filter|filter}: compiled once, then
 * applied to the column's text where it lies at the end of a buffer. Private to core/map; read-only
 * once compiled.
 */
#ifndef FL_FILTER_H
#define FL_FILTER_H

#include "base/arena.h"

enum fl_filter_kind {
	FL_FILTER_LOWER, /* letter by letter, of all of Unicode */
	FL_FILTER_UPPER,
	FL_FILTER_HEX,	  /* of the bytes, in lower case */
	FL_FILTER_BASE64, /* with padding */
	FL_FILTER_URLENCODE,
	FL_FILTER_SHA1,	 /* 40 digits of lower-case hexadecimal */
	FL_FILTER_XXH64, /* seed 0, 16 digits of lower-case hexadecimal */
	FL_FILTER_DATE,	 /* parts of "2024-02-29 01:02:03.5" */
	FL_FILTER_YEAR,
	FL_FILTER_MONTH,
	FL_FILTER_DAY,
	FL_FILTER_HOUR,
	FL_FILTER_MINUTE,
	FL_FILTER_DEFAULT, /* what stands for NULL */
};

struct fl_filter {
	enum fl_filter_kind kind;
	struct fl_bytes argument; /* of DEFAULT */
};

/* "lower" or "default:none". 0 or FL_EINVAL; the argument points into `text`. */
int fl_filter_compile(struct fl_bytes text, struct fl_filter *ret, struct fl_err *err);

/* Whether the first one (but for DEFAULT) is for bytes rather than for text: a binary column comes
 * to it as it is, and not as hexadecimal. And whether it is for dates, `ret_time`: for their time.
 */
bool fl_filters_take_bytes(const struct fl_filter *filters, size_t count);
bool fl_filters_want_date(const struct fl_filter *filters, size_t count, bool *ret_time);
/* Whether they leave a date, `with_time`: its time, for one that takes it apart. */
bool fl_filters_keep_date(const struct fl_filter *filters, size_t count, bool with_time);

/* Replaces what stands in `out` from `at` on. `is_null`: there is no value; set and taken back. 0,
 * FL_ENOMEM, or FL_EUNSUPPORTED: the value is none that the filter can be applied to. */
int fl_filter_apply(const struct fl_filter *filter, struct fl_buf *out, size_t at, bool *is_null,
	struct fl_err *err);

#endif
