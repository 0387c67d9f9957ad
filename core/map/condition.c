/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of conditions, read by recursive descent.
 */
#include "map/condition.h"

#include <errno.h>

#include "map/template.h"

enum { DEPTH_MAX = 32, COLUMNS_MAX = 64 };

struct parser {
	const char *text, *at;
	struct fl_arena *arena;
	struct fl_conditions *out;
	struct fl_err *err;
	unsigned depth;
};

static struct fl_condition *no_memory(struct parser *p)
{
	fl_err_set(p->err, FL_ENOMEM, "out of memory");
	return NULL;
}

static void *refuse(struct parser *p, const char *expected)
{
	if (*p->at == '\0')
		fl_err_set(p->err, FL_EINVAL, "%s is expected at the end", expected);
	else
		fl_err_set(p->err, FL_EINVAL, "%s is expected at column %zu, before %.40s",
			expected, (size_t)(p->at - p->text) + 1, p->at);
	return NULL;
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '$' || (c & 0x80) != 0;
}

static void skip_blanks(struct parser *p)
{
	p->at += strspn(p->at, " \t");
}

static bool take(struct parser *p, const char *sign)
{
	skip_blanks(p);
	size_t size = strlen(sign);
	if (strncmp(p->at, sign, size) != 0)
		return false;
	p->at += size;
	return true;
}

static bool take_word(struct parser *p, const char *word)
{
	skip_blanks(p);
	size_t size = strlen(word);
	if (strlen(p->at) < size || !fl_same_letters(p->at, word, size) ||
		is_name_char(p->at[size]))
		return false;
	p->at += size;
	return true;
}

/* Text between quotes, with those inside of it doubled. */
static bool take_quoted(struct parser *p, char quote, struct fl_bytes *ret)
{
	const char *at = p->at + 1;
	char *copy = fl_arena_alloc(p->arena, strlen(at) + 1);
	size_t size = 0;
	if (copy == NULL) {
		no_memory(p);
		return false;
	}
	for (;; at++) {
		if (*at == '\0') {
			fl_err_set(p->err, FL_EINVAL,
				"the quote at column %zu has no end (one inside is doubled)",
				(size_t)(p->at - p->text) + 1);
			return false;
		}
		if (*at == quote && *++at != quote)
			break;
		copy[size++] = *at;
	}
	p->at = at;
	*ret = (struct fl_bytes){ copy, size };
	return true;
}

static bool add_column(struct parser *p, struct fl_bytes name, unsigned *ret)
{
	struct fl_conditions *out = p->out;
	for (unsigned i = 0; i < out->column_count; i++)
		if (out->columns[i].size == name.size &&
			fl_same_letters(out->columns[i].data, name.data, name.size)) {
			*ret = i;
			return true;
		}
	if (out->column_count == COLUMNS_MAX) {
		fl_err_set(p->err, FL_EINVAL, "more than %d columns", COLUMNS_MAX);
		return false;
	}
	*ret = out->column_count;
	out->columns[out->column_count++] = name;
	return true;
}

static bool take_column(struct parser *p, unsigned *ret)
{
	static const char *const words[] = { "and", "or", "not", "in", "is", "null", "true",
		"false" };
	struct fl_bytes name;
	skip_blanks(p);
	if (*p->at == '`') {
		if (!take_quoted(p, '`', &name))
			return false;
		if (name.size == 0)
			return refuse(p, "a column's name between the quotes") != NULL;
		return add_column(p, name, ret);
	}
	size_t size = 0;
	while (is_name_char(p->at[size]))
		size++;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (size == strlen(words[i]) && fl_same_letters(p->at, words[i], size))
			size = 0;
	if (size == 0 || (p->at[0] >= '0' && p->at[0] <= '9'))
		return refuse(p, "a column (a name like a word or a number: in `backquotes`)") !=
		       NULL;
	name = (struct fl_bytes){ fl_arena_copy(p->arena, p->at, size), size };
	p->at += size;
	if (name.data == NULL)
		return no_memory(p) != NULL;
	return add_column(p, name, ret);
}

/* "1.25e3" as "1250.": where the point belongs is told from the number's first digit. */
static bool write_out(struct parser *p, const char *number, size_t digits, size_t fraction,
	long exponent, struct fl_bytes *ret)
{
	struct fl_buf out = { 0 };
	bool const negative = *number == '-';
	const char *at = number + (negative || *number == '+');
	long const point = (long)digits + exponent, count = (long)(digits + fraction);
	if (negative)
		fl_buf_char(&out, '-');
	for (long i = point < 0 ? point : 0; i < count || i < point; i++) {
		if (i == point)
			fl_buf_char(&out, '.');
		long const place = i < (long)digits ? i : i + 1; /* behind the point */
		fl_buf_char(&out, i >= 0 && i < count ? at[place] : '0');
	}
	*ret = (struct fl_bytes){ NULL, out.size };
	if (!out.failed)
		ret->data = fl_arena_copy(p->arena, out.data, out.size);
	fl_buf_finish(&out);
	return ret->data != NULL;
}

static bool take_number(struct parser *p, struct fl_constant *constant)
{
	enum { MOST = 400 }; /* as an exponent: no column holds what is larger */
	long exponent = 0;
	const char *at = p->at + (*p->at == '-' || *p->at == '+');
	size_t digits = strspn(at, "0123456789"), fraction = 0;
	const char *end = at + digits;
	if (*end == '.') {
		fraction = strspn(end + 1, "0123456789");
		end += 1 + fraction;
	}
	if (digits + fraction == 0)
		return false;
	bool const is_integer = end == at + digits;
	if (*end == 'e' || *end == 'E') {
		const char *power = end + 1 + (end[1] == '-' || end[1] == '+');
		size_t more = strspn(power, "0123456789");
		exponent = strtol(end + 1, NULL, 10);
		if (more == 0 || exponent < -MOST || exponent > MOST)
			return false;
		end = power + more;
	}
	if (is_name_char(*end))
		return false;
	size_t const size = (size_t)(end - p->at);
	constant->text = (struct fl_bytes){ fl_arena_copy(p->arena, p->at, size), size };
	if (constant->text.data == NULL ||
		!write_out(p, p->at, digits, fraction, exponent, &constant->decimal))
		return no_memory(p) != NULL;
	constant->is_number = true;
	constant->real = strtod(constant->text.data, NULL);
	errno = 0;
	constant->integer = strtoll(constant->text.data, NULL, 10);
	constant->is_integer = is_integer && end == at + digits && errno == 0;
	p->at = end;
	return true;
}

static struct fl_constant *take_constant(struct parser *p)
{
	struct fl_constant *constant = fl_arena_alloc(p->arena, sizeof(*constant));
	if (constant == NULL) {
		no_memory(p);
		return NULL;
	}
	*constant = (struct fl_constant){ 0 };
	skip_blanks(p);
	if (*p->at == '\'' || *p->at == '"')
		return take_quoted(p, *p->at, &constant->text) ? constant : NULL;
	bool const is_true = take_word(p, "true");
	if (is_true || take_word(p, "false")) {
		constant->is_number = constant->is_integer = true;
		constant->integer = is_true;
		constant->real = is_true;
		constant->text = (struct fl_bytes){ is_true ? "1" : "0", 1 };
		constant->decimal = constant->text;
		return constant;
	}
	p->err->code = 0;
	if (take_number(p, constant))
		return constant;
	if (p->err->code == FL_ENOMEM)
		return NULL;
	if (take_word(p, "null")) {
		fl_err_set(
			p->err, FL_EINVAL, "nothing equals NULL: write `is null` or `is not null`");
		return NULL;
	}
	return refuse(p, "a number, a text in quotes, true or false");
}

static struct fl_condition *make(
	struct parser *p, enum fl_test test, struct fl_condition *left, struct fl_condition *right)
{
	struct fl_condition *made = fl_arena_alloc(p->arena, sizeof(*made));
	if (made == NULL)
		return no_memory(p);
	*made = (struct fl_condition){ .test = test, .left = left, .right = right };
	return made;
}

static struct fl_condition *negate(struct parser *p, bool negated, struct fl_condition *what)
{
	return negated && what != NULL ? make(p, FL_TEST_NOT, what, NULL) : what;
}

static struct fl_condition *parse_list(struct parser *p, struct fl_condition *made)
{
	if (!take(p, "("))
		return refuse(p, "( and a list of constants");
	struct fl_constant **last = &made->constant;
	do {
		*last = take_constant(p);
		if (*last == NULL)
			return NULL;
		last = &(*last)->next;
	} while (take(p, ","));
	return take(p, ")") ? made : refuse(p, "a comma or )");
}

static struct fl_condition *parse_test(struct parser *p)
{
	static const struct {
		const char *sign;
		enum fl_test test;
		bool negated;
	} signs[] = { { "<=", FL_TEST_GREATER, true }, { ">=", FL_TEST_LESS, true },
		{ "<>", FL_TEST_EQUAL, true }, { "!=", FL_TEST_EQUAL, true },
		{ "<", FL_TEST_LESS, false }, { ">", FL_TEST_GREATER, false },
		{ "=", FL_TEST_EQUAL, false } };
	struct fl_condition *made = make(p, FL_TEST_IS_NULL, NULL, NULL);
	if (made == NULL || !take_column(p, &made->column))
		return NULL;
	if (take_word(p, "is")) {
		bool const negated = take_word(p, "not");
		return take_word(p, "null") ? negate(p, negated, made) : refuse(p, "null");
	}
	bool const negated = take_word(p, "not");
	if (take_word(p, "in")) {
		made->test = FL_TEST_IN;
		return negate(p, negated, parse_list(p, made));
	}
	for (size_t i = 0; !negated && i < sizeof(signs) / sizeof(*signs); i++) {
		if (!take(p, signs[i].sign))
			continue;
		made->test = signs[i].test;
		made->constant = take_constant(p);
		return made->constant != NULL ? negate(p, signs[i].negated, made) : NULL;
	}
	return refuse(p, negated ? "in" : "= != < <= > >= is, or in");
}

static struct fl_condition *parse_condition(struct parser *p);

static struct fl_condition *parse_factor(struct parser *p)
{
	if (p->depth == DEPTH_MAX) {
		fl_err_set(p->err, FL_EINVAL, "it is nested more than %d deep", DEPTH_MAX);
		return NULL;
	}
	p->depth++;
	struct fl_condition *made;
	if (take_word(p, "not")) {
		made = negate(p, true, parse_factor(p));
	} else if (take(p, "(")) {
		made = parse_condition(p);
		if (made != NULL && !take(p, ")"))
			made = refuse(p, "and, or, or )");
	} else {
		made = parse_test(p);
	}
	p->depth--;
	return made;
}

static struct fl_condition *parse_term(struct parser *p)
{
	struct fl_condition *made = parse_factor(p);
	while (made != NULL && take_word(p, "and")) {
		struct fl_condition *right = parse_factor(p);
		made = right != NULL ? make(p, FL_TEST_AND, made, right) : NULL;
	}
	return made;
}

static struct fl_condition *parse_condition(struct parser *p)
{
	struct fl_condition *made = parse_term(p);
	while (made != NULL && take_word(p, "or")) {
		struct fl_condition *right = parse_term(p);
		made = right != NULL ? make(p, FL_TEST_OR, made, right) : NULL;
	}
	return made;
}

int fl_conditions_compile(
	const char *text, struct fl_arena *arena, struct fl_conditions *ret, struct fl_err *err)
{
	struct fl_err why = { 0 };
	*ret = (struct fl_conditions){ .columns = fl_arena_alloc(
					       arena, COLUMNS_MAX * sizeof(*ret->columns)) };
	if (ret->columns == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	struct parser p = { .text = text, .at = text, .arena = arena, .out = ret, .err = &why };
	ret->root = parse_condition(&p);
	skip_blanks(&p);
	if (ret->root != NULL && *p.at != '\0') {
		refuse(&p, "and, or, or the end");
		ret->root = NULL;
	}
	if (ret->root != NULL)
		return 0;
	return fl_err_set(err, why.code, "%s", why.text);
}
