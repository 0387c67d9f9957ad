/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/asked.h"

#include <limits.h>

#include "binlog/value.h"

enum {
	DEEPEST = 120, /* a document's 100 levels, and what stands around it */
	MOST_VALUES = 4096,
};

/* One string, from its quote on: where it ends. *ret_nul: it has a NUL in it. */
static const char *pass_string(const char *at, const char *end, bool *ret_nul)
{
	*ret_nul = false;
	for (at++; at < end && *at != '"'; at++)
		if (*at == '\\' && ++at < end && *at == 'u')
			*ret_nul |= end - at > 4 && memcmp(at, "u0000", 5) == 0;
	return at < end ? at + 1 : end;
}

static const char *pass_digits(const char *at, const char *end)
{
	while (at < end && *at >= '0' && *at <= '9')
		at++;
	return at;
}

/* One number, from its first digit on: where it ends. The library takes numbers whose fraction or
 * exponent has no digits: *ret_bad. */
static const char *pass_number(const char *at, const char *end, bool *ret_integer, bool *ret_bad)
{
	at = pass_digits(at, end);
	*ret_integer = true;
	*ret_bad = false;
	if (at < end && *at == '.') {
		const char *const start = ++at;
		at = pass_digits(at, end);
		*ret_integer = false;
		*ret_bad = at == start;
	}
	if (at < end && (*at == 'e' || *at == 'E')) {
		at++;
		at += at < end && (*at == '+' || *at == '-');
		const char *const start = at;
		at = pass_digits(at, end);
		*ret_integer = false;
		*ret_bad = *ret_bad || at == start;
	}
	return at;
}

/* Copies the text for the library, which loses without a word: the digits of integers beyond 64
 * bits, which are refused; the sign of -0, which is copied as -0e0; what is behind a NUL in a
 * member's name, which is refused. */
static int copy_text(struct fl_bytes text, struct fl_buf *out, struct fl_err *err)
{
	const char *const end = text.data + text.size;
	for (const char *at = text.data; at < end;) {
		const char *const start = at;
		bool nul = false, integer = false, bad = false;
		if (*at == '"') {
			at = pass_string(at, end, &nul);
			const char *behind = at;
			while (behind < end && memchr(" \t\r\n", *behind, 4) != NULL)
				behind++;
			if (nul && behind < end && *behind == ':')
				return fl_err_set(err, FL_EINVAL,
					"byte %td: a name with a NUL in it can't be explained",
					start - text.data + 1);
		} else if (*at >= '0' && *at <= '9') {
			bool const negative = start > text.data && start[-1] == '-';
			const char *const limit =
				negative ? "9223372036854775808" : "18446744073709551615";
			at = pass_number(at, end, &integer, &bad);
			if (bad)
				return fl_err_set(err, FL_EINVAL,
					"it is not JSON at byte %td: a number without digits "
					"behind "
					"its point or exponent",
					start - text.data + 1);
			size_t const size = (size_t)(at - start), most = strlen(limit);
			if (integer &&
				(size > most || (size == most && memcmp(start, limit, size) > 0)))
				return fl_err_set(err, FL_EINVAL,
					"byte %td: an integer of more than 64 bits: write it in "
					"quotes",
					start - text.data + 1);
			integer = integer && negative && size == 1 && *start == '0';
		} else {
			at++;
		}
		fl_buf_append(out, start, (size_t)(at - start));
		if (integer)
			fl_buf_text(out, "e0");
	}
	return out->failed ? fl_err_set(err, FL_ENOMEM, "out of memory") : 0;
}

static struct json_object *parse_text(
	struct json_tokener *tokener, struct fl_bytes text, struct fl_err *err)
{
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	struct json_object *json = json_tokener_parse_ex(tokener, text.data, (int)text.size);
	enum json_tokener_error error = json_tokener_get_error(tokener);
	/* A number alone might go on: its end has to be told. */
	if (error == json_tokener_continue) {
		json = json_tokener_parse_ex(tokener, "", 1);
		error = json_tokener_get_error(tokener);
	}
	if (error == json_tokener_success)
		return json;
	size_t const at = json_tokener_get_parse_end(tokener);
	fl_err_set(err, FL_EINVAL, "it is not JSON at byte %zu: %s",
		at < text.size ? at + 1 : text.size, json_tokener_error_desc(error));
	json_object_put(json);
	return NULL;
}

struct json_object *fl_asked_json(struct fl_bytes text, struct fl_err *err)
{
	struct fl_buf copy = { 0 };
	struct json_object *json = NULL;
	struct json_tokener *tokener = json_tokener_new_ex(DEEPEST);
	*err = (struct fl_err){ 0 };
	if (tokener == NULL)
		fl_err_set(err, FL_ENOMEM, "out of memory");
	else if (text.size > INT_MAX / 2)
		fl_err_set(err, FL_EINVAL, "the JSON is too large");
	else if (!fl_utf8_is_valid(text))
		fl_err_set(err, FL_EINVAL, "it is not JSON: it is not UTF-8");
	else if (copy_text(text, &copy, err) == 0)
		json = parse_text(tokener, (struct fl_bytes){ copy.data, copy.size }, err);
	json_tokener_free(tokener);
	fl_buf_finish(&copy);
	return json;
}

static struct fl_bytes string_of(struct json_object *json)
{
	return (struct fl_bytes){ json_object_get_string(json),
		(size_t)json_object_get_string_len(json) };
}

/* A member that has to be a string where it is there. */
static int take_text(
	struct json_object *json, const char *name, struct fl_bytes *ret, struct fl_err *err)
{
	struct json_object *member;
	if (!json_object_object_get_ex(json, name, &member))
		return 0;
	if (!json_object_is_type(member, json_type_string))
		return fl_err_set(err, FL_EINVAL, "\"%s\" must be a string", name);
	*ret = string_of(member);
	return 0;
}

bool fl_given_same(struct fl_bytes a, struct fl_bytes b)
{
	for (size_t i = 0; i < a.size && i < b.size; i++) {
		char x = a.data[i], y = b.data[i];
		x = x >= 'A' && x <= 'Z' ? (char)(x - 'A' + 'a') : x;
		y = y >= 'A' && y <= 'Z' ? (char)(y - 'A' + 'a') : y;
		if (x != y)
			return false;
	}
	return a.size == b.size;
}

static bool is_name(const struct fl_given *value, struct fl_bytes name)
{
	return value->name.size == name.size && memcmp(value->name.data, name.data, name.size) == 0;
}

const struct fl_given *fl_given_find(
	const struct fl_given_row *row, struct fl_bytes name, unsigned near)
{
	if (near < row->count && is_name(&row->values[near], name))
		return &row->values[near];
	for (unsigned i = 0; i < row->count; i++)
		if (is_name(&row->values[i], name))
			return &row->values[i];
	for (unsigned i = 0; i < row->count; i++)
		if (fl_given_same(row->values[i].name, name))
			return &row->values[i];
	return NULL;
}

static void set_value(struct fl_given *value, struct json_object *json)
{
	value->json = json;
	switch (json_object_get_type(json)) {
	case json_type_null:
		value->kind = FL_GIVEN_NULL;
		break;
	case json_type_boolean:
		value->kind = FL_GIVEN_NUMBER;
		value->text = (struct fl_bytes){ json_object_get_boolean(json) ? "1" : "0", 1 };
		break;
	case json_type_string:
		value->kind = FL_GIVEN_TEXT;
		value->text = string_of(json);
		break;
	default: {
		size_t size = 0;
		/* A number that was read is written as it was read. The text belongs to it. */
		const char *text = json_object_to_json_string_length(
			json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);
		bool number = json_object_is_type(json, json_type_int) ||
			      json_object_is_type(json, json_type_double);
		value->kind = number ? FL_GIVEN_NUMBER : FL_GIVEN_DOCUMENT;
		value->text = (struct fl_bytes){ text, text != NULL ? size : 0 };
	}
	}
}

/* Puts the members into the row, over what it has of the same name. */
static int take_values(struct fl_asked *asked, struct json_object *json, const char *name,
	struct fl_given_row *row, struct fl_err *err)
{
	if (!json_object_is_type(json, json_type_object))
		return fl_err_set(err, FL_EINVAL, "\"%s\" must be an object of columns", name);
	unsigned const most = row->count + (unsigned)json_object_object_length(json);
	if (most > MOST_VALUES)
		return fl_err_set(err, FL_EINVAL, "\"%s\" has more columns than a table", name);
	struct fl_given *values = fl_arena_alloc(&asked->memory, (most + 1) * sizeof(*values));
	if (values == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	if (row->count > 0)
		memcpy(values, row->values, row->count * sizeof(*values));
	row->values = values;
	row->exists = true;
	/* An object has each of its members once. */
	unsigned const earlier = row->count;
	unsigned near = 0;
	json_object_object_foreach(json, key, member)
	{
		struct fl_bytes column = { key, strlen(key) };
		if (column.size == 0)
			return fl_err_set(
				err, FL_EINVAL, "\"%s\" has a column without a name", name);
		struct fl_given *value = earlier > 0 ? (struct fl_given *)(uintptr_t)fl_given_find(
							       row, column, near++)
						     : NULL;
		if (value == NULL)
			value = &values[row->count++];
		*value = (struct fl_given){ .name = column };
		set_value(value, member);
	}
	return 0;
}

static const struct {
	const char *name;
	enum fl_op op;
	bool before, after; /* the images that it has */
} ops[] = {
	{ "insert", FL_INSERT, false, true },
	{ "update", FL_UPDATE, true, true },
	{ "delete", FL_DELETE, true, false },
	{ "truncate", FL_TRUNCATE, false, false },
	{ "ddl", FL_DDL, false, false },
	{ "doubt", FL_DOUBT, false, false },
	{ "commit", FL_DOUBT, false, false },
};

enum { OPS = sizeof(ops) / sizeof(*ops), COMMIT = OPS - 1 };

static int take_op(struct fl_asked *asked, struct json_object *json, int *ret, struct fl_err *err)
{
	struct json_object *old;
	struct fl_bytes name = { 0 };
	int code = take_text(json, "op", &name, err);
	if (code < 0)
		return code;
	if (name.data == NULL) {
		bool const before = json_object_object_get_ex(json, "before", NULL) ||
				    json_object_object_get_ex(json, "old", &old);
		bool const after = json_object_object_get_ex(json, "after", NULL) ||
				   json_object_object_get_ex(json, "row", NULL);
		if (!before && !after && asked->doubt.data == NULL && asked->sql.data == NULL)
			return fl_err_set(err, FL_EINVAL,
				"there is neither \"op\" nor an image: \"before\", \"after\", "
				"\"row\"");
		*ret = before && after		   ? 1
		       : after			   ? 0
		       : before			   ? 2
		       : asked->doubt.data != NULL ? COMMIT - 1
						   : 4;
		return 0;
	}
	for (int i = 0; i < OPS; i++)
		if (strlen(ops[i].name) == name.size &&
			memcmp(ops[i].name, name.data, name.size) == 0) {
			*ret = i;
			return 0;
		}
	return fl_err_set(err, FL_EINVAL,
		"\"op\" is %.*s: it must be insert, update, delete, truncate, ddl, doubt or commit",
		name.size < 40 ? (int)name.size : 40, name.data);
}

static int take_images(struct fl_asked *asked, struct json_object *json, int op, struct fl_err *err)
{
	struct json_object *before = NULL, *after = NULL, *row = NULL, *old = NULL;
	bool const has_before = json_object_object_get_ex(json, "before", &before);
	bool const has_after = json_object_object_get_ex(json, "after", &after);
	bool const has_row = json_object_object_get_ex(json, "row", &row);
	bool const has_old = json_object_object_get_ex(json, "old", &old);
	const char *name = ops[op].name;
	int code = 0;
	if (has_row && (has_after || (has_before && ops[op].op != FL_UPDATE)))
		return fl_err_set(err, FL_EINVAL,
			"there are both \"row\" and \"%s\", which say the same",
			has_after ? "after" : "before");
	if (has_old && has_before)
		return fl_err_set(err, FL_EINVAL, "there are both \"old\" and \"before\"");
	if ((has_old && ops[op].op != FL_UPDATE) || (has_before && !ops[op].before) ||
		(has_after && !ops[op].after))
		return fl_err_set(err, FL_EINVAL, "a change of op %s has no \"%s\"", name,
			has_old	     ? "old"
			: has_before ? "before"
				     : "after");
	if (ops[op].before && ops[op].op != FL_UPDATE && !has_before && !has_row)
		return fl_err_set(
			err, FL_EINVAL, "op %s needs the row: \"before\" or \"row\"", name);
	if (ops[op].after && !has_after && !has_row)
		return fl_err_set(
			err, FL_EINVAL, "op %s needs the row: \"after\" or \"row\"", name);
	if (ops[op].op == FL_UPDATE && !has_before && !has_old)
		return fl_err_set(
			err, FL_EINVAL, "op update needs what was before: \"before\" or \"old\"");

	struct json_object *const now = has_after ? after : row;
	const char *const now_name = has_after ? "after" : "row";
	if (ops[op].op == FL_UPDATE && has_before) {
		/* What the image after leaves out is as it was, as with the source's own. */
		code = take_values(asked, before, "before", &asked->before, err);
		if (code == 0)
			code = take_values(asked, before, "before", &asked->after, err);
		if (code == 0)
			code = take_values(asked, now, now_name, &asked->after, err);
	} else if (ops[op].op == FL_UPDATE) {
		/* As stdout tells it: what is not in `old` was the same before. */
		code = take_values(asked, now, now_name, &asked->after, err);
		if (code == 0)
			code = take_values(asked, now, now_name, &asked->before, err);
		if (code == 0)
			code = take_values(asked, old, "old", &asked->before, err);
	} else if (ops[op].op == FL_INSERT) {
		code = take_values(asked, now, now_name, &asked->after, err);
	} else {
		code = take_values(asked, has_before ? before : row, has_before ? "before" : "row",
			&asked->before, err);
	}
	return code;
}

static int parse(struct fl_asked *asked, struct fl_err *err)
{
	struct json_object *json = asked->json;
	struct fl_bytes *const names[] = { &asked->db, &asked->table };
	static const char *const keys[] = { "db", "table" };
	int op = 0;
	int code = take_text(json, "sql", &asked->sql, err);
	if (code == 0)
		code = take_text(json, "doubt", &asked->doubt, err);
	for (size_t i = 0; i < 2 && code == 0; i++)
		code = take_text(json, keys[i], names[i], err);
	if (code == 0)
		code = take_op(asked, json, &op, err);
	if (code < 0)
		return code;
	asked->op = ops[op].op;
	asked->nothing = op == COMMIT;
	if (asked->nothing)
		return 0;
	/* A row that could not be shown: the line says so and has no values. */
	if (asked->doubt.data != NULL)
		asked->op = FL_DOUBT;
	bool const is_row = asked->op != FL_DOUBT && (ops[op].before || ops[op].after);
	for (size_t i = 0; i < 2 && (is_row || asked->op == FL_TRUNCATE); i++)
		if (names[i]->size == 0 || names[i]->size > 255)
			return fl_err_set(err, FL_EINVAL, "\"%s\" must name the change's %s",
				keys[i], i == 0 ? "database" : "table");
	if (asked->op == FL_DDL && asked->sql.data == NULL)
		return fl_err_set(err, FL_EINVAL, "op ddl needs the statement: \"sql\"");
	if (asked->op == FL_DOUBT && asked->doubt.data == NULL)
		asked->doubt = (struct fl_bytes){ "a doubt", 7 };
	return is_row ? take_images(asked, json, op, err) : 0;
}

int fl_asked_parse(struct fl_bytes text, struct fl_asked *ret, struct fl_err *err)
{
	struct fl_asked asked = { 0 };
	asked.json = fl_asked_json(text, err);
	if (asked.json == NULL && err->code != 0)
		return err->code;
	int code = 0;
	if (!json_object_is_type(asked.json, json_type_object))
		code = fl_err_set(err, FL_EINVAL, "a change is an object: {\"db\": ...}");
	else
		code = parse(&asked, err);
	if (code < 0)
		fl_asked_finish(&asked);
	else
		*ret = asked;
	return code;
}

void fl_asked_finish(struct fl_asked *asked)
{
	fl_arena_finish(&asked->memory);
	json_object_put(asked->json);
	asked->json = NULL;
}
