/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows, judged by conditions.
 */
#include "binlog/row.h"
#include "map/condition.h"

/* What a column can be compared with. */
enum kind { NUMBER, REAL, TIME, DATE, TEXT, OTHER };

static enum kind short_kind(const struct fl_column_def *def)
{
	switch (def->type) {
	case FL_TYPE_NEWDECIMAL:
		return NUMBER;
	case FL_TYPE_TIME:
	case FL_TYPE_TIME2:
		return OTHER; /* as text -1:00 would not be less than 1:00 */
	case FL_TYPE_DATE:
	case FL_TYPE_NEWDATE:
		return DATE;
	case FL_TYPE_DATETIME:
	case FL_TYPE_DATETIME2:
	case FL_TYPE_TIMESTAMP:
	case FL_TYPE_TIMESTAMP2:
		return TIME;
	default:
		return TEXT;
	}
}

static enum kind kind_of(const struct fl_column_def *def)
{
	switch ((enum fl_form)def->form) {
	case FL_FORM_NUMBER:
		return def->type == FL_TYPE_FLOAT || def->type == FL_TYPE_DOUBLE ? REAL : NUMBER;
	case FL_FORM_SIGNLESS:
		return NUMBER;
	case FL_FORM_SHORT:
		return short_kind(def);
	case FL_FORM_TEXT:
	case FL_FORM_ENUM:
	case FL_FORM_SET:
		return TEXT;
	case FL_FORM_COMPRESSED:
		return def->charset == FL_CHARSET_BINARY ? OTHER : TEXT;
	default:
		return OTHER;
	}
}

/* "2024-02-29", and for moments also "2024-02-29 01:02:03.5". */
static bool is_moment(struct fl_bytes text, bool with_time)
{
	static const char form[] = "0000-00-00 00:00:00.000000";
	if (text.size != 10 &&
		(!with_time || text.size < 19 || text.size == 20 || text.size > sizeof(form) - 1))
		return false;
	for (size_t i = 0; i < text.size; i++)
		if (form[i] == '0' ? text.data[i] < '0' || text.data[i] > '9'
				   : text.data[i] != form[i])
			return false;
	return true;
}

static int fit(const struct fl_conditions *conditions, const struct fl_condition *c,
	const struct fl_table_def *def, const unsigned *columns, struct fl_err *err)
{
	if (c == NULL || c->test == FL_TEST_IS_NULL)
		return 0;
	if (c->test <= FL_TEST_OR) {
		int code = fit(conditions, c->left, def, columns, err);
		return code == 0 ? fit(conditions, c->right, def, columns, err) : code;
	}
	enum kind const kind = kind_of(&def->defs[columns[c->column]]);
	for (const struct fl_constant *k = c->constant; k != NULL; k = k->next) {
		const char *wanted = NULL;
		if (kind == OTHER)
			wanted = "can only be tested with is null";
		else if (kind <= REAL && !k->is_number)
			wanted = "is a number, and is compared with a text";
		else if (kind > REAL && k->is_number)
			wanted = "is no number, and is compared with one";
		else if (kind == DATE && !is_moment(k->text, false))
			wanted = "is a date, to be compared with one like '2024-02-29'";
		else if (kind == TIME && !is_moment(k->text, true))
			wanted = "is to be compared with a date or time like '2024-02-29 "
				 "01:02:03'";
		if (wanted != NULL)
			return fl_err_set(err, FL_EINVAL, "the column %.*s %s (%.*s)",
				(int)conditions->columns[c->column].size,
				conditions->columns[c->column].data, wanted, (int)k->text.size,
				k->text.data);
	}
	return 0;
}

int fl_conditions_fit(const struct fl_conditions *conditions, const struct fl_table_def *def,
	const unsigned *columns, struct fl_err *err)
{
	return fit(conditions, conditions->root, def, columns, err);
}

static int sign_of(int64_t number)
{
	return number < 0 ? -1 : number > 0;
}

/* "-012.50" as sign, digits without zeros in front, and fraction without zeros behind. */
struct decimal {
	bool negative;
	struct fl_bytes whole, fraction;
};

static struct decimal decimal_of(struct fl_bytes text)
{
	struct decimal d = { .negative = text.size > 0 && text.data[0] == '-' };
	const char *at = text.data + (text.size > 0 && (*text.data == '-' || *text.data == '+'));
	const char *end = text.data + text.size;
	const char *dot = memchr(at, '.', (size_t)(end - at));
	const char *stop = dot != NULL ? dot : end;
	while (at < stop && *at == '0')
		at++;
	d.whole = (struct fl_bytes){ at, (size_t)(stop - at) };
	if (dot != NULL) {
		while (end > dot + 1 && end[-1] == '0')
			end--;
		d.fraction = (struct fl_bytes){ dot + 1, (size_t)(end - dot) - 1 };
	}
	d.negative = d.negative && d.whole.size + d.fraction.size > 0;
	return d;
}

static int compare_bytes(struct fl_bytes a, struct fl_bytes b)
{
	size_t const size = a.size < b.size ? a.size : b.size;
	int result = size > 0 ? memcmp(a.data, b.data, size) : 0;
	return result != 0 ? result : (a.size > b.size) - (a.size < b.size);
}

/* Exact, whatever the number of digits. */
static int compare_decimals(struct fl_bytes a, struct fl_bytes b)
{
	struct decimal const x = decimal_of(a), y = decimal_of(b);
	if (x.negative != y.negative)
		return x.negative ? -1 : 1;
	int result = x.whole.size != y.whole.size ? (x.whole.size < y.whole.size ? -1 : 1)
						  : compare_bytes(x.whole, y.whole);
	if (result == 0)
		result = compare_bytes(x.fraction, y.fraction);
	return x.negative ? -result : result;
}

/* What is left out at the end is zero. */
static int compare_moments(struct fl_bytes a, struct fl_bytes b)
{
	static const char zero[] = "0000-00-00 00:00:00.000000";
	for (size_t i = 0; i < sizeof(zero) - 1; i++) {
		char const x = i < a.size ? a.data[i] : zero[i];
		char const y = i < b.size ? b.data[i] : zero[i];
		if (x != y)
			return x < y ? -1 : 1;
	}
	return 0;
}

static int compare(const struct fl_column_def *def, const struct fl_value *value,
	const struct fl_constant *constant)
{
	char digits[24];
	int size;
	switch (value->kind) {
	case FL_VALUE_INT:
		if (constant->is_integer)
			return (value->i > constant->integer) - (value->i < constant->integer);
		size = snprintf(digits, sizeof(digits), "%lld", (long long)value->i);
		break;
	case FL_VALUE_UINT:
		if (constant->is_integer)
			return constant->integer < 0
				       ? 1
				       : (value->u > (uint64_t)constant->integer) -
						 (value->u < (uint64_t)constant->integer);
		size = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value->u);
		break;
	case FL_VALUE_FLOAT:
		/* 0.1 is what a FLOAT makes of it. */
		return (value->d > (double)(float)constant->real) -
		       (value->d < (double)(float)constant->real);
	case FL_VALUE_DOUBLE:
		return (value->d > constant->real) - (value->d < constant->real);
	case FL_VALUE_NUMBER:
		return compare_decimals(value->bytes, constant->decimal);
	default:
		return kind_of(def) == TIME ? compare_moments(value->bytes, constant->text)
					    : sign_of(compare_bytes(value->bytes, constant->text));
	}
	return compare_decimals((struct fl_bytes){ digits, (size_t)size }, constant->decimal);
}

struct judge {
	const struct fl_conditions *conditions;
	const struct fl_table_def *def;
	const struct fl_found *found;
	const unsigned *columns;
	struct fl_buf *scratch;
	struct fl_err *err;
};

static int judge_test(const struct judge *j, const struct fl_condition *c, enum fl_truth *ret)
{
	unsigned const column = j->columns[c->column];
	const struct fl_column_def *def = &j->def->defs[column];
	const struct fl_found *found = &j->found[column];
	struct fl_value value;
	if (found->state == FL_CELL_ABSENT)
		return fl_err_set(j->err, FL_EUNSUPPORTED,
			"column %.*s is not in the row image (binlog_row_image is not FULL)",
			(int)j->conditions->columns[c->column].size,
			j->conditions->columns[c->column].data);
	if (found->state == FL_CELL_VALUE) {
		/* It is decoded in any case: a row that can't be is in doubt. */
		fl_buf_clear(j->scratch);
		int code = fl_value_decode(def, found->cell, j->scratch, &value);
		if (code < 0)
			return fl_row_explain(j->def, column, code, j->err);
	}
	if (c->test == FL_TEST_IS_NULL) {
		*ret = found->state == FL_CELL_NULL ? FL_TRUE : FL_FALSE;
		return 0;
	}
	*ret = FL_UNKNOWN;
	if (found->state == FL_CELL_NULL)
		return 0;
	*ret = FL_FALSE;
	for (const struct fl_constant *k = c->constant; k != NULL; k = k->next) {
		int const order = compare(def, &value, k);
		if (c->test == FL_TEST_LESS	     ? order < 0
			: c->test == FL_TEST_GREATER ? order > 0
						     : order == 0)
			*ret = FL_TRUE;
	}
	return 0;
}

static int judge(const struct judge *j, const struct fl_condition *c, enum fl_truth *ret)
{
	enum fl_truth left, right;
	int code;
	switch (c->test) {
	case FL_TEST_NOT:
		code = judge(j, c->left, &left);
		*ret = left == FL_UNKNOWN ? FL_UNKNOWN : left == FL_TRUE ? FL_FALSE : FL_TRUE;
		return code;
	case FL_TEST_AND:
	case FL_TEST_OR: {
		enum fl_truth const decides = c->test == FL_TEST_AND ? FL_FALSE : FL_TRUE;
		code = judge(j, c->left, &left);
		if (code < 0 || left == decides) {
			*ret = decides;
			return code;
		}
		code = judge(j, c->right, &right);
		*ret = right == decides ? decides : left == FL_UNKNOWN ? FL_UNKNOWN : right;
		return code;
	}
	default:
		return judge_test(j, c, ret);
	}
}

int fl_conditions_judge(const struct fl_conditions *conditions, const struct fl_image *image,
	const unsigned *columns, struct fl_buf *scratch, enum fl_truth *ret, struct fl_err *err)
{
	*ret = FL_TRUE;
	if (conditions->root == NULL)
		return 0;
	struct judge const j = { .conditions = conditions,
		.def = (const struct fl_table_def *)(const void *)image->row->table,
		.found = image->found,
		.columns = columns,
		.scratch = scratch,
		.err = err };
	int code = fl_row_check_known(image->row, err);
	return code < 0 ? code : judge(&j, conditions->root, ret);
}
