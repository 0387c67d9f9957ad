/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules against the source's tables. What a rule says of columns comes from its templates; what
 * it makes of a row, from the mapper itself.
 */
#include "explain/private.h"

#include "explain/encode.h"

enum { SHOWN = 20 }; /* tables of a map in the output, before the rest is counted only */

struct check {
	struct fl_explainer e;
	struct fl_arena memory;
	int fatal;
	size_t name_count;
	struct fl_catalog_name *names;

	/* The rule and table under way. */
	const struct fl_map_config *rule;
	const struct fl_catalog_name *name;
	struct fl_catalog_table table;
	bool missing; /* a column that the rule names */
};

__attribute__((format(printf, 5, 6))) static void tell(struct check *c, bool fatal,
	const struct fl_map_config *rule, const char *key, const char *format, ...)
{
	char text[1500];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	c->fatal += fatal;
	fl_explainer_report(&c->e, fatal, "%s:%u: [map:%s] %s%s%s", c->e.path,
		fl_config_map_line(rule, key), rule->rule.name, key != NULL ? key : "",
		key != NULL ? ": " : "", text);
}

static int find_column(const struct fl_catalog_table *table, struct fl_bytes name)
{
	for (unsigned i = 0; i < table->column_count; i++)
		if (fl_given_same(table->columns[i].name, name))
			return (int)i;
	return -1;
}

static void append_columns(const struct check *c, struct fl_buf *out)
{
	for (unsigned i = 0; i < c->table.column_count && out->size < 600; i++) {
		fl_buf_text(out, i > 0 ? ", " : "");
		fl_buf_append(out, c->table.columns[i].name.data, c->table.columns[i].name.size);
	}
	fl_buf_char(out, '\0');
}

static void check_column(void *ctx, const char *key, struct fl_bytes text, struct fl_bytes column)
{
	struct check *c = ctx;
	struct fl_buf names = { 0 };
	if (find_column(&c->table, column) >= 0)
		return;
	append_columns(c, &names);
	c->missing = true;
	tell(c, true, c->rule, key, "%.*s: %.*s.%.*s has no column %.*s; it has %s", (int)text.size,
		text.data, (int)c->name->db.size, c->name->db.data, (int)c->name->table.size,
		c->name->table.data, (int)column.size, column.data,
		names.failed ? "others" : names.data);
	fl_buf_finish(&names);
}

/* Which columns the key is made of. */
struct used {
	struct check *check;
	bool *columns; /* of the table */
};

static void use_column(void *ctx, const char *key, struct fl_bytes text, struct fl_bytes column)
{
	struct used *used = ctx;
	int const i = find_column(&used->check->table, column);
	(void)text;
	if (strcmp(key, "key") == 0 && i >= 0)
		used->columns[i] = true;
}

static bool is_unique(const struct fl_catalog_key *key, const bool *columns)
{
	bool all = key->exact && key->count > 0;
	for (unsigned i = 0; i < key->count; i++)
		all = all && columns[key->columns[i]];
	return all;
}

static void append_keys(const struct check *c, struct fl_buf *out)
{
	for (unsigned k = 0; k < c->table.key_count && out->size < 300; k++) {
		const struct fl_catalog_key *key = &c->table.keys[k];
		if (!key->exact || key->count == 0)
			continue;
		fl_buf_text(out, out->size > 0 ? ", " : "");
		fl_buf_append(out, key->name.data, key->name.size);
		fl_buf_text(out, " (");
		for (unsigned i = 0; i < key->count; i++) {
			struct fl_bytes name = c->table.columns[key->columns[i]].name;
			fl_buf_text(out, i > 0 ? ", " : "");
			fl_buf_append(out, name.data, name.size);
		}
		fl_buf_char(out, ')');
	}
}

/* Then rows can share a key. */
static bool only_deletes(const struct fl_map_config *rule)
{
	const struct fl_settings *s = fl_options_settings(rule->options);
	const char *value = s->text(s->ctx, "value");
	return value != NULL && strcmp(value, "none") == 0;
}

/* Two rows with one key fight for it. `ret`: the unique key that it contains, for the output. */
static int check_unique(struct check *c, const struct fl_catalog_key **ret, struct fl_err *err)
{
	struct used used = { .check = c,
		.columns = calloc(c->table.column_count + 1, sizeof(bool)) };
	if (used.columns == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	int code = fl_map_rule_columns(&c->rule->rule, use_column, &used, err);
	for (unsigned k = 0; k < c->table.key_count && *ret == NULL && code == 0; k++)
		if (is_unique(&c->table.keys[k], used.columns))
			*ret = &c->table.keys[k];
	free(used.columns);
	if (code < 0 || *ret != NULL || only_deletes(c->rule))
		return code;
	struct fl_buf keys = { 0 };
	append_keys(c, &keys);
	bool const any = keys.size > 0;
	fl_buf_char(&keys, '\0');
	if (!keys.failed)
		tell(c, false, c->rule, "key",
			"%s does not hold all columns of a unique key of %.*s.%.*s (%s): two rows "
			"with the same key overwrite each other, and one that is deleted takes the "
			"other's away",
			c->rule->rule.key, (int)c->name->db.size, c->name->db.data,
			(int)c->name->table.size, c->name->table.data,
			any ? keys.data : "it has none whose columns are all NOT NULL");
	fl_buf_finish(&keys);
	return 0;
}

/* A row of NULLs is mapped, to hear what the daemon would log of any row of this table. */
static int check_doubts(struct check *c, const struct fl_map *map, struct fl_err *err)
{
	struct fl_table_def *def = NULL;
	struct fl_arena memory = { 0 };
	struct fl_given_row row = { .exists = true, .count = c->table.column_count };
	struct fl_change change = { .op = FL_INSERT, .db = c->name->db, .table = c->name->table };
	struct fl_transaction const transaction = {
		.first = true, .last = true, .change_count = 1, .changes = &change
	};
	struct fl_mapper *mapper = NULL;
	int code = fl_encode_table(
		c->name->db, c->name->table, c->table.columns, c->table.column_count, &def, err);
	if (code == 0) {
		row.values = fl_arena_alloc(&memory, row.count * sizeof(*row.values));
		if (row.values == NULL)
			code = fl_err_set(err, FL_ENOMEM, "out of memory");
	}
	for (unsigned i = 0; i < row.count && code == 0; i++)
		row.values[i] = (struct fl_given){ .name = c->table.columns[i].name,
			.kind = FL_GIVEN_NULL };
	if (code == 0)
		code = fl_encode_row(def, &row, &memory, &change.after, err);
	for (size_t s = 0; s < c->e.config->sink_count && code == 0; s++) {
		const struct fl_sink_config *sink = &c->e.config->sinks[s];
		if (sink->plugin->takes != FL_TAKES_OPERATIONS ||
			!fl_map_has_rules(map, sink->name))
			continue;
		mapper = fl_mapper_create(map, sink->name, FL_ON_DOUBT_DELETE);
		code = mapper == NULL ? fl_err_set(err, FL_ENOMEM, "out of memory")
				      : fl_mapper_add(mapper, &transaction, 0, err);
		const char *notice = code == 0 ? fl_mapper_notice(mapper) : NULL;
		if (notice != NULL)
			tell(c, true, c->rule, NULL, "%s", notice);
		fl_mapper_destroy(mapper);
		if (notice != NULL)
			break;
	}
	fl_table_unref(def);
	fl_arena_finish(&memory);
	return code;
}

static int check_table(struct check *c, const struct fl_map *map, bool shown, struct fl_err *err)
{
	const struct fl_catalog_name *name = c->name;
	const struct fl_catalog_key *key = NULL;
	int code =
		fl_catalog_table(c->e.catalog, name->db, name->table, &c->memory, &c->table, err);
	if (code < 0 || c->table.column_count == 0)
		return code;
	c->missing = false;
	code = fl_map_rule_columns(&c->rule->rule, check_column, c, err);
	if (code == 0 && !c->missing)
		code = check_doubts(c, map, err);
	if (code == FL_EUNSUPPORTED || code == FL_EINVAL) {
		tell(c, false, c->rule, NULL, "%.*s.%.*s can't be checked: %s", (int)name->db.size,
			name->db.data, (int)name->table.size, name->table.data, err->text);
		code = 0;
	}
	if (code == 0 && !c->missing)
		code = check_unique(c, &key, err);
	if (!shown)
		return code;
	fputs("    ", c->e.out);
	fl_show_text(c->e.out, name->db);
	fputc('.', c->e.out);
	fl_show_text(c->e.out, name->table);
	if (c->missing) {
		fputs(": lacks a column", c->e.out);
	} else if (key != NULL) {
		fputs(": a key for each row, by ", c->e.out);
		fl_show_text(c->e.out, key->name);
	} else {
		fputs(": rows may share a key", c->e.out);
	}
	fputc('\n', c->e.out);
	return code;
}

static bool same_text(struct fl_bytes a, struct fl_bytes b)
{
	return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

/* Rows of two tables can have one key, unless it has their names. The first two are told. */
static int check_tables_apart(struct check *c, const struct fl_map *map, struct fl_err *err)
{
	bool db = false, table = false;
	int code = fl_map_rule_tells(&c->rule->rule, &db, &table, err);
	if (code < 0 || only_deletes(c->rule) || (db && table))
		return code;
	for (size_t i = 0; i < c->name_count; i++) {
		const struct fl_catalog_name *a = &c->names[i];
		if (a->is_view || !fl_map_wants(map, a->db, a->table))
			continue;
		for (size_t k = i + 1; k < c->name_count; k++) {
			const struct fl_catalog_name *b = &c->names[k];
			if ((db && !same_text(a->db, b->db)) ||
				(table && !same_text(a->table, b->table)) || b->is_view ||
				!fl_map_wants(map, b->db, b->table))
				continue;
			tell(c, false, c->rule, "key",
				"%s: rows of %.*s.%.*s and %.*s.%.*s can have the same key: unless "
				"their columns are never the same, put {%s} into it",
				c->rule->rule.key, (int)a->db.size, a->db.data, (int)a->table.size,
				a->table.data, (int)b->db.size, b->db.data, (int)b->table.size,
				b->table.data, same_text(a->db, b->db) ? "table" : "db");
			return 0;
		}
	}
	return 0;
}

/* A column that tables of one map lack is told for each of them: a shard may be behind. */
static int check_rule(struct check *c, size_t r, struct fl_err *err)
{
	const struct fl_map_config *rule = &c->e.config->rules[r];
	size_t tables = 0, shown = 0;
	int code = 0;
	c->rule = rule;
	fprintf(c->e.out, "map %s (%s:%u): table %s, key %s\n", rule->rule.name, c->e.path,
		fl_config_map_line(rule, NULL), rule->rule.table, rule->rule.key);
	for (size_t i = 0; i < c->name_count && code == 0; i++) {
		const struct fl_catalog_name *name = &c->names[i];
		if (!fl_map_wants(c->e.maps[r], name->db, name->table))
			continue;
		tables++;
		if (name->is_view) {
			tell(c, false, rule, "table",
				"%.*s.%.*s is a view: no changes of it are logged, only those of "
				"the tables that it shows",
				(int)name->db.size, name->db.data, (int)name->table.size,
				name->table.data);
			continue;
		}
		c->name = name;
		code = check_table(c, c->e.maps[r], shown++ < SHOWN, err);
	}
	if (code == 0 && shown > SHOWN)
		fprintf(c->e.out, "    and %zu more\n", shown - SHOWN);
	if (code == 0)
		code = check_tables_apart(c, c->e.maps[r], err);
	if (code == 0 && tables == 0)
		tell(c, false, rule, "table",
			"%s: no table matches it, of those that the account can see",
			rule->rule.table);
	return code;
}

int fl_explain_check(
	const struct fl_config *config, const char *path, FILE *out, fl_report *report, void *ctx)
{
	struct check c = {
		.e = { .config = config, .path = path, .out = out, .report = report, .ctx = ctx }
	};
	struct fl_err err = { 0 };
	int code = fl_explainer_init(&c.e, &err);
	if (code == 0 && !fl_explainer_connect(&c.e))
		code = fl_err_set(&err, c.e.unreachable.code, "%s", c.e.unreachable.text);
	if (code == 0)
		code = fl_catalog_names(c.e.catalog, &c.memory, &c.names, &c.name_count, &err);
	for (size_t r = 0; r < config->rule_count && code == 0; r++)
		code = check_rule(&c, r, &err);
	if (code < 0 && code != FL_ENOMEM)
		fl_explainer_report(&c.e, false,
			"%s: the maps are not checked against the source's tables: %s", path,
			err.text);
	fl_arena_finish(&c.memory);
	fl_explainer_finish(&c.e);
	return code == FL_ENOMEM ? code : c.fatal;
}
