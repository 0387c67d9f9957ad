/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/private.h"

#include <errno.h>
#include <strings.h>

#include "explain/encode.h"

enum { ROWS = 5 };

/* The table that was looked up last: a stream's lines are often of one. */
struct known {
	bool is;
	struct fl_bytes db, table;
	struct fl_catalog_table catalog;
	struct fl_arena memory;
};

int fl_explainer_init(struct fl_explainer *e, struct fl_err *err)
{
	const struct fl_config *config = e->config;
	e->maps = calloc(config->rule_count + 1, sizeof(struct fl_map *));
	if (e->maps == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (size_t r = 0; r < config->rule_count; r++) {
		e->maps[r] = fl_map_create();
		if (e->maps[r] == NULL)
			return fl_err_set(err, FL_ENOMEM, "out of memory");
		int code = fl_map_add(e->maps[r], &config->rules[r].rule, err);
		if (code < 0)
			return code;
	}
	return 0;
}

void fl_explainer_finish(struct fl_explainer *e)
{
	for (size_t r = 0; e->maps != NULL && r < e->config->rule_count; r++)
		fl_map_destroy(e->maps[r]);
	free(e->maps);
	fl_catalog_close(e->catalog);
}

bool fl_explainer_connect(struct fl_explainer *e)
{
	if (e->asked)
		return e->catalog != NULL;
	e->asked = true;
	if (fl_catalog_open(&e->config->source, e->host, &e->catalog, &e->unreachable) != 0)
		return false;
	bool const fold = fl_catalog_server(e->catalog)->fold_case;
	fl_map_fold_case(e->config->map, fold);
	for (size_t r = 0; r < e->config->rule_count; r++)
		fl_map_fold_case(e->maps[r], fold);
	return true;
}

void fl_explainer_report(struct fl_explainer *e, bool fatal, const char *format, ...)
{
	char line[2000];
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	e->report(e->ctx, fatal, line);
}

static bool same(struct fl_bytes a, struct fl_bytes b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* The source's table of that name. 0, FL_ENOMEM, or a negative FL_E... and why it is not known. */
static int look_up(struct fl_explainer *e, struct fl_bytes db, struct fl_bytes table,
	struct known *known, struct fl_err *err)
{
	if (!fl_explainer_connect(e))
		return fl_err_set(err, e->unreachable.code, "%s", e->unreachable.text);
	if (!known->is || !same(known->db, db) || !same(known->table, table)) {
		fl_arena_finish(&known->memory);
		known->is = false;
		known->db = (struct fl_bytes){ fl_arena_copy(&known->memory, db.data, db.size),
			db.size };
		known->table =
			(struct fl_bytes){ fl_arena_copy(&known->memory, table.data, table.size),
				table.size };
		if (known->db.data == NULL || known->table.data == NULL)
			return fl_err_set(err, FL_ENOMEM, "out of memory");
		int code = fl_catalog_table(
			e->catalog, db, table, &known->memory, &known->catalog, err);
		if (code < 0)
			return code;
		known->is = true;
	}
	if (known->catalog.column_count > 0)
		return 0;
	return fl_err_set(err, FL_EINVAL,
		"the source has no table %.*s.%.*s, or does not show it to this account",
		(int)db.size, db.data, (int)table.size, table.data);
}

static struct fl_table_def *show_geometries(const struct fl_explainer *e, struct fl_table_def *def)
{
	if (e->config->source.geojson)
		fl_table_show_geojson(def, fl_catalog_server(e->catalog)->flavour == FL_MARIADB);
	return def;
}

static int encode_images(const struct fl_table_def *def, struct fl_asked *asked,
	struct fl_change *change, struct fl_err *err)
{
	int code = 0;
	if (asked->before.exists)
		code = fl_encode_row(def, &asked->before, &asked->memory, &change->before, err);
	if (asked->after.exists && code == 0)
		code = fl_encode_row(def, &asked->after, &asked->memory, &change->after, err);
	change->before.table = change->after.table = &def->table;
	return code;
}

static bool is_document(const struct fl_given_row *row, struct fl_bytes column, unsigned near)
{
	const struct fl_given *given = fl_given_find(row, column, near);
	return given != NULL && given->kind == FL_GIVEN_DOCUMENT;
}

/* By the source's definition. A geometry that is given as GeoJSON is taken for the document that it
 * is shown as. */
static int define_from_source(struct fl_explainer *e, struct known *known, struct fl_asked *asked,
	struct fl_change *change, struct fl_table_def **ret, struct fl_err *err)
{
	int code = look_up(e, asked->db, asked->table, known, err);
	if (code < 0)
		return code;
	const struct fl_catalog_table *table = &known->catalog;
	struct fl_schema_column *columns = fl_arena_copy(
		&asked->memory, table->columns, table->column_count * sizeof(*columns));
	if (columns == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (unsigned i = 0; i < table->column_count; i++) {
		struct fl_schema_column *column = &columns[i];
		if (fl_encode_is_geometry(column->data_type) &&
			(is_document(&asked->before, column->name, i) ||
				is_document(&asked->after, column->name, i)))
			column->data_type = (struct fl_bytes){ "json", 4 };
	}
	struct fl_table_def *def = NULL;
	code = fl_encode_table(asked->db, asked->table, columns, table->column_count, &def, err);
	if (code == 0)
		code = encode_images(show_geometries(e, def), asked, change, err);
	if (code < 0)
		fl_table_unref(def);
	else
		*ret = def;
	return code;
}

static int define_from_json(struct fl_asked *asked, struct fl_change *change,
	struct fl_table_def **ret, struct fl_err *err)
{
	struct fl_schema_column *columns;
	unsigned count;
	struct fl_table_def *def = NULL;
	int code = fl_encode_guess(asked, &columns, &count, err);
	if (code == 0 && count == 0)
		code = fl_err_set(err, FL_EINVAL, "the row has no columns");
	if (code == 0)
		code = fl_encode_table(asked->db, asked->table, columns, count, &def, err);
	if (code == 0)
		code = encode_images(def, asked, change, err);
	if (code < 0)
		fl_table_unref(def);
	else
		*ret = def;
	return code;
}

static int explain_asked(
	struct fl_explainer *e, struct known *known, struct fl_asked *asked, struct fl_err *err)
{
	struct fl_change change = { .op = asked->op,
		.db = asked->db,
		.table = asked->table,
		.sql = asked->sql,
		.doubt = asked->doubt };
	struct fl_table_def *def = NULL;
	struct fl_err why = { 0 };
	char definition[700];
	bool const is_row = asked->before.exists || asked->after.exists;
	int code = 0;
	if (asked->nothing) {
		fputs("commit: changes no row\n", e->out);
		return 0;
	}
	if (is_row) {
		code = define_from_source(e, known, asked, &change, &def, &why);
		snprintf(definition, sizeof(definition), "from the source");
		if (code < 0 && code != FL_ENOMEM) {
			code = define_from_json(asked, &change, &def, err);
			snprintf(definition, sizeof(definition), "from the JSON alone: %s",
				why.text);
		}
	} else {
		fl_explainer_connect(e); /* for how names compare */
	}
	if (code == 0)
		code = fl_show_change(e, &change, is_row ? definition : NULL);
	fl_table_unref(def);
	return code == FL_ENOMEM ? fl_err_set(err, code, "out of memory") : code;
}

static int explain_json(
	struct fl_explainer *e, struct known *known, struct fl_bytes text, struct fl_err *err)
{
	struct fl_asked asked;
	int code = fl_asked_parse(text, &asked, err);
	if (code < 0)
		return code;
	code = explain_asked(e, known, &asked, err);
	fl_asked_finish(&asked);
	return code;
}

static int explain_lines(struct fl_explainer *e, struct known *known)
{
	char *line = NULL;
	size_t capacity = 0;
	int result = 0;
	bool any = false;
	ssize_t size;
	errno = 0;
	for (unsigned long number = 1; (size = getline(&line, &capacity, stdin)) >= 0; number++) {
		struct fl_err err = { 0 };
		while (size > 0 && strchr(" \t\r\n", line[size - 1]) != NULL &&
			line[size - 1] != '\0')
			size--;
		if (size == 0)
			continue;
		if (any)
			fputc('\n', e->out);
		any = true;
		int code = explain_json(e, known, (struct fl_bytes){ line, (size_t)size }, &err);
		if (code < 0)
			fl_explainer_report(e, true, "--explain: line %lu: %s", number, err.text);
		result = code < 0 ? code : result;
	}
	if (ferror(stdin)) {
		fl_explainer_report(
			e, true, "--explain: standard input can't be read: %s", strerror(errno));
		result = FL_EIO;
	}
	free(line);
	return result;
}

/* A name, in backquotes or not, up to one of the characters in `end`. Unquoted in place. */
static bool take_name(char **at, const char *end, struct fl_bytes *ret)
{
	char *from = *at, *to = *at;
	char *const start = *at;
	if (*from == '`') {
		for (from++; *from != '\0'; *to++ = *from++) {
			if (*from == '`' && from[1] == '`')
				from++;
			else if (*from == '`')
				break;
		}
		if (*from != '`')
			return false;
		from++;
	} else {
		from += strcspn(from, end);
		to = from;
	}
	*ret = (struct fl_bytes){ start, (size_t)(to - start) };
	*at = from;
	return ret->size > 0;
}

/* "db.table", "db.table WHERE condition". */
static int parse_rows(char *text, struct fl_bytes *ret_db, struct fl_bytes *ret_table,
	struct fl_bytes *ret_where, struct fl_err *err)
{
	static const char blanks[] = " \t\r\n";
	static const char allowed[] =
		"it must be a change as JSON, {\"db\": ...}, or rows of a table, DB.TABLE WHERE "
		"CONDITION";
	char *at = text + strspn(text, blanks);
	if (!take_name(&at, ". \t\r\n", ret_db) || *at != '.')
		return fl_err_set(err, FL_EINVAL, "%s", allowed);
	at++;
	if (!take_name(&at, blanks, ret_table))
		return fl_err_set(err, FL_EINVAL, "%s", allowed);
	size_t const gap = strspn(at, blanks);
	at += gap;
	*ret_where = (struct fl_bytes){ at, 0 };
	if (*at == '\0')
		return 0;
	static const char where[] = "WHERE";
	size_t const size = sizeof(where) - 1;
	if (gap == 0 || strncasecmp(at, where, size) != 0 ||
		at[size + strspn(at + size, blanks)] == '\0' ||
		(at[size] != '(' && strchr(blanks, at[size]) == NULL))
		return fl_err_set(err, FL_EINVAL, "%s", allowed);
	at += size;
	*ret_where = (struct fl_bytes){ at, strlen(at) };
	return 0;
}

struct rows {
	struct fl_explainer *e;
	const struct fl_table_def *def;
	const struct fl_catalog_table *table;
	unsigned count;
	int code;
	struct fl_err err;
};

static bool is_number(struct fl_bytes data_type)
{
	static const char *const numbers[] = { "enum", "set", "bit" };
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (data_type.size == strlen(numbers[i]) &&
			memcmp(data_type.data, numbers[i], data_type.size) == 0)
			return true;
	return false;
}

static void explain_row(void *ctx, const struct fl_bytes *values)
{
	struct rows *rows = ctx;
	const struct fl_table *table = &rows->def->table;
	struct fl_arena memory = { 0 };
	struct fl_given_row row = { .exists = true, .count = table->column_count };
	struct fl_change change = { .db = table->db, .table = table->name };
	if (rows->code < 0)
		return;
	row.values = fl_arena_alloc(&memory, row.count * sizeof(*row.values));
	if (row.values == NULL)
		rows->code = fl_err_set(&rows->err, FL_ENOMEM, "out of memory");
	for (unsigned i = 0; i < row.count && rows->code == 0; i++)
		row.values[i] = (struct fl_given){ .name = table->columns[i].name,
			.kind = values[i].data == NULL			       ? FL_GIVEN_NULL
				: is_number(rows->table->columns[i].data_type) ? FL_GIVEN_NUMBER
									       : FL_GIVEN_BYTES,
			.text = values[i] };
	if (rows->code == 0)
		rows->code = fl_encode_row(rows->def, &row, &memory, &change.after, &rows->err);
	static const char definition[] = "from the source";
	change.before = change.after;
	for (int op = 0; op < 2 && rows->code == 0; op++) {
		change.op = op == 0 ? FL_INSERT : FL_DELETE;
		if (rows->count + (unsigned)op > 0)
			fputc('\n', rows->e->out);
		rows->code = fl_show_change(rows->e, &change, definition);
		if (rows->code < 0)
			fl_err_set(&rows->err, rows->code, "out of memory");
	}
	rows->count++;
	fl_arena_finish(&memory);
}

static int explain_rows(
	struct fl_explainer *e, struct known *known, const char *text, struct fl_err *err)
{
	struct fl_bytes db, table, where;
	struct fl_table_def *def = NULL;
	char *copy = strdup(text);
	int code = copy == NULL ? fl_err_set(err, FL_ENOMEM, "out of memory")
				: parse_rows(copy, &db, &table, &where, err);
	if (code == 0)
		code = look_up(e, db, table, known, err);
	if (code == 0)
		code = fl_encode_table(
			db, table, known->catalog.columns, known->catalog.column_count, &def, err);
	if (code == 0) {
		struct rows rows = {
			.e = e, .def = show_geometries(e, def), .table = &known->catalog
		};
		code = fl_catalog_rows(e->catalog, db, table, &known->catalog, where, ROWS,
			explain_row, &rows, err);
		/* What the server says of the condition is not the server's fault. */
		if (code == FL_EFATAL)
			code = FL_EINVAL;
		if (code == 0 && rows.code < 0)
			code = fl_err_set(err, rows.code, "%s", rows.err.text);
		if (code == 0 && rows.count == 0)
			code = fl_err_set(err, FL_EINVAL, "%.*s.%.*s has no such row", (int)db.size,
				db.data, (int)table.size, table.data);
	}
	fl_table_unref(def);
	free(copy);
	return code;
}

int fl_explain(const struct fl_config *config, const char *path, const char *text, FILE *out,
	fl_report *report, void *ctx)
{
	struct fl_explainer e = {
		.config = config, .path = path, .out = out, .host = -1, .report = report, .ctx = ctx
	};
	struct known known = { 0 };
	struct fl_err err = { 0 };
	int code = fl_explainer_init(&e, &err);
	if (code == 0 && strcmp(text, "-") == 0)
		code = explain_lines(&e, &known);
	else {
		if (code == 0 && text[strspn(text, " \t\r\n")] == '{')
			code = explain_json(
				&e, &known, (struct fl_bytes){ text, strlen(text) }, &err);
		else if (code == 0)
			code = explain_rows(&e, &known, text, &err);
		if (code < 0)
			fl_explainer_report(&e, true, "--explain: %s", err.text);
	}
	if (fflush(out) != 0 || ferror(out)) {
		fl_explainer_report(
			&e, true, "--explain: it can't be written: %s", strerror(errno));
		code = FL_EIO;
	}
	fl_arena_finish(&known.memory);
	fl_explainer_finish(&e);
	return code;
}
