/* SPDX-License-Identifier: Apache-2.0 */
#include "transaction/statement.h"

#include <strings.h>

/* A token: a word, a quoted name or text, or one other character. Empty at the end. */
struct token {
	struct fl_bytes text; /* without quotes */
	char quote;	      /* 0, or the quote character */
};

struct reader {
	const char *at, *end;
	bool in_versioned; /* inside of a comment that servers execute */
	bool escapes;	   /* backslashes escape within texts */
};

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static bool at(const struct reader *r, const char *text)
{
	size_t size = strlen(text);
	return (size_t)(r->end - r->at) >= size && memcmp(r->at, text, size) == 0;
}

static void skip_to(struct reader *r, const char *mark)
{
	while (r->at < r->end && !at(r, mark))
		r->at++;
	r->at += r->at < r->end ? strlen(mark) : 0;
}

/* Blanks and comments. The text of a comment that starts with an exclamation mark (and MariaDB's
 * with M!) is executed by servers, so it is read as if it stood alone. */
static void skip_blanks(struct reader *r)
{
	while (r->at < r->end) {
		if (is_space(*r->at)) {
			r->at++;
		} else if (at(r, "/*!") || at(r, "/*M!")) {
			r->at += at(r, "/*!") ? 3 : 4;
			while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
				r->at++;
			r->in_versioned = true;
		} else if (r->in_versioned && at(r, "*/")) {
			r->at += 2;
			r->in_versioned = false;
		} else if (at(r, "/*")) {
			r->at += 2;
			skip_to(r, "*/");
		} else if (at(r, "#") ||
			   (at(r, "--") && (r->end - r->at == 2 || is_space(r->at[2])))) {
			skip_to(r, "\n");
		} else {
			return;
		}
	}
}

static struct token next(struct reader *r)
{
	skip_blanks(r);
	struct token token = { { r->at, 0 }, 0 };
	if (r->at == r->end)
		return token;
	char c = *r->at;
	if (c == '`' || c == '"' || c == '\'') {
		token.quote = c;
		token.text.data = ++r->at;
		while (r->at < r->end && (*r->at != c || (r->end - r->at > 1 && r->at[1] == c))) {
			bool const escaped =
				r->escapes && *r->at == '\\' && c != '`' && r->end - r->at > 1;
			r->at += *r->at == c || escaped ? 2 : 1;
		}
		token.text.size = (size_t)(r->at - token.text.data);
		r->at += r->at < r->end;
		return token;
	}
	do
		r->at++;
	while (is_word(c) && r->at < r->end && is_word(*r->at));
	token.text.size = (size_t)(r->at - token.text.data);
	return token;
}

static bool is(struct token token, const char *word)
{
	return token.quote == 0 && token.text.size == strlen(word) &&
	       strncasecmp(token.text.data, word, token.text.size) == 0;
}

static bool is_end(struct token token)
{
	return token.quote == 0 && (token.text.size == 0 || is(token, ";"));
}

/* name or db.name, up to the end of the statement or anything else. */
static bool read_table(struct reader *r, struct token first, struct fl_statement *ret)
{
	if (is_end(first) || (first.quote == 0 && !is_word(*first.text.data)))
		return false;
	ret->name = first.text;
	struct reader ahead = *r;
	if (is(next(&ahead), ".")) {
		*r = ahead;
		ret->db = first.text;
		ret->name = next(r).text;
	}
	return ret->name.size > 0;
}

static struct fl_statement truncate_statement(struct reader *r)
{
	struct fl_statement ret = { .kind = FL_STATEMENT_TRUNCATE };
	struct token token = next(r);
	if (is(token, "TABLE"))
		token = next(r);
	if (!read_table(r, token, &ret))
		ret = (struct fl_statement){ .kind = FL_STATEMENT_DDL };
	return ret;
}

static struct fl_statement delete_statement(struct reader *r)
{
	struct fl_statement ret = { .kind = FL_STATEMENT_DELETE_ALL };
	if (!is(next(r), "FROM") || !read_table(r, next(r), &ret) || !is_end(next(r)))
		ret = (struct fl_statement){ .kind = FL_STATEMENT_DML };
	return ret;
}

static struct fl_statement xa_statement(struct reader *r)
{
	struct token verb = next(r);
	enum fl_statement_kind kind = is(verb, "START") || is(verb, "BEGIN") ? FL_STATEMENT_XA_START
				      : is(verb, "END")			     ? FL_STATEMENT_XA_END
				      : is(verb, "COMMIT")   ? FL_STATEMENT_XA_COMMIT
				      : is(verb, "ROLLBACK") ? FL_STATEMENT_XA_ROLLBACK
							     : FL_STATEMENT_DDL;
	/* The xid ends at the first blank: X'..',X'..',1 ONE PHASE */
	skip_blanks(r);
	const char *name = r->at;
	while (r->at < r->end && !is_space(*r->at) && *r->at != ';')
		r->at++;
	return (struct fl_statement){ .kind = kind, .name = { name, (size_t)(r->at - name) } };
}

static struct fl_statement rollback_statement(struct reader *r)
{
	struct token token = next(r);
	if (is(token, "WORK"))
		token = next(r);
	if (!is(token, "TO"))
		return (struct fl_statement){ .kind = FL_STATEMENT_ROLLBACK };
	token = next(r);
	if (is(token, "SAVEPOINT")) {
		/* SAVEPOINT may itself be the name. */
		struct reader ahead = *r;
		struct token name = next(&ahead);
		token = is_end(name) ? token : name;
	}
	return (struct fl_statement){ .kind = FL_STATEMENT_ROLLBACK_TO, .name = token.text };
}

/* MariaDB's ANALYZE of a statement executes it. */
static struct fl_statement analyze_statement(struct reader *r)
{
	struct token token = next(r);
	bool const of_tables = is_end(token) || is(token, "TABLE") || is(token, "TABLES") ||
			       is(token, "LOCAL") || is(token, "NO_WRITE_TO_BINLOG");
	return (struct fl_statement){ .kind = of_tables ? FL_STATEMENT_DDL : FL_STATEMENT_DML };
}

/* Whether the word SELECT stands in what is left, outside of texts and names. */
static bool has_select(struct reader r, bool escapes)
{
	r.escapes = escapes;
	struct token token;
	do
		token = next(&r);
	while (!is(token, "SELECT") && (token.quote != 0 || token.text.size > 0));
	return is(token, "SELECT");
}

/* With rows the table is logged without the SELECT that filled it. With a statement in place of
 * them, whatever the functions in it did is not logged either. */
static struct fl_statement create_statement(struct reader *r)
{
	struct fl_statement ret = { .kind = FL_STATEMENT_DDL };
	struct token token = next(r);
	if (is(token, "OR")) {
		next(r);
		token = next(r);
	}
	if (is(token, "TEMPORARY"))
		token = next(r);
	ret.in_place_of_rows =
		is(token, "TABLE") && (has_select(*r, false) || has_select(*r, true));
	return ret;
}

static struct fl_statement read_statement(struct reader r);

/* MariaDB: SET STATEMENT variable = value, ... FOR statement. */
static struct fl_statement set_statement(struct reader *r)
{
	struct fl_statement const ddl = { .kind = FL_STATEMENT_DDL };
	/* Where backslashes may escape, it is not certain which FOR it is. */
	if (!is(next(r), "STATEMENT") || memchr(r->at, '\\', (size_t)(r->end - r->at)) != NULL)
		return ddl;
	struct token token;
	do
		token = next(r);
	while (!is_end(token) && !is(token, "FOR"));
	if (is_end(token))
		return ddl;
	struct fl_statement ret = read_statement(*r);
	return ret.kind == FL_STATEMENT_DML || ret.kind == FL_STATEMENT_DELETE_ALL ||
			       ret.kind == FL_STATEMENT_TRUNCATE || ret.in_place_of_rows
		       ? ret
		       : ddl;
}

static struct fl_statement read_statement(struct reader r)
{
	static const char *const dml[] = { "INSERT", "UPDATE", "REPLACE", "LOAD", "WITH", "CALL",
		"DO", "SELECT", "EXECUTE", "IMPORT", "HANDLER", "VALUES", "TABLE" };

	struct token verb = next(&r);
	if (is(verb, "BEGIN"))
		return (struct fl_statement){ .kind = FL_STATEMENT_BEGIN };
	if (is(verb, "START") && is(next(&r), "TRANSACTION"))
		return (struct fl_statement){ .kind = FL_STATEMENT_BEGIN };
	if (is(verb, "COMMIT"))
		return (struct fl_statement){ .kind = FL_STATEMENT_COMMIT };
	if (is(verb, "ROLLBACK"))
		return rollback_statement(&r);
	if (is(verb, "SAVEPOINT"))
		return (struct fl_statement){ .kind = FL_STATEMENT_SAVEPOINT,
			.name = next(&r).text };
	if (is(verb, "RELEASE") && is(next(&r), "SAVEPOINT"))
		return (struct fl_statement){ .kind = FL_STATEMENT_RELEASE_SAVEPOINT,
			.name = next(&r).text };
	if (is(verb, "XA"))
		return xa_statement(&r);
	if (is(verb, "TRUNCATE"))
		return truncate_statement(&r);
	if (is(verb, "DELETE"))
		return delete_statement(&r);
	if (is(verb, "ANALYZE"))
		return analyze_statement(&r);
	if (is(verb, "CREATE"))
		return create_statement(&r);
	for (size_t i = 0; i < sizeof(dml) / sizeof(*dml); i++)
		if (is(verb, dml[i]))
			return (struct fl_statement){ .kind = FL_STATEMENT_DML };
	return (struct fl_statement){ .kind = FL_STATEMENT_DDL };
}

struct fl_statement fl_statement_read(struct fl_bytes sql)
{
	struct reader r = { .at = sql.data, .end = sql.data + sql.size };
	struct reader ahead = r;
	return is(next(&ahead), "SET") ? set_statement(&ahead) : read_statement(r);
}

static size_t count(struct fl_bytes text, char c)
{
	size_t found = 0;
	for (size_t i = 0; i < text.size; i++)
		found += text.data[i] == c;
	return found;
}

bool fl_statement_to_utf8(
	enum fl_charset charset, struct fl_bytes sql, struct fl_buf *text, struct fl_bytes *ret)
{
	/* It has other characters in the places of ASCII's quotes and brackets. */
	if (charset == FL_CHARSET_SWE7)
		return false;
	bool is_ascii = true;
	for (size_t i = 0; i < sql.size && is_ascii; i++)
		is_ascii = (unsigned char)sql.data[i] < 0x80;
	if (is_ascii) {
		*ret = sql;
		return true;
	}
	if (fl_charset_text(charset, sql, text) != 0)
		return false;
	*ret = (struct fl_bytes){ text->data, text->size };
	/* MariaDB takes half of a character for the quote that it looks like. */
	return count(*ret, '`') == count(sql, '`');
}
