/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules against the source's tables. What a rule says of columns comes from its templates; what
 * it makes of a row, from the mapper itself.
 */
#include "explain/private.h"

#include "explain/encode.h"

enum {
	SHOWN = 20,	 /* tables of a map in the output, before the rest is counted only */
	LOOKED_AT = 100, /* at most, where there is no output */
};

struct check {
	struct fl_explainer e;
	bool (*stopped)(void *ctx);
	struct fl_arena names_memory, memory; /* and that of the table under way */
	int fatal;
	size_t name_count;
	struct fl_catalog_name *names;

	/* The rule and table under way. */
	const struct fl_map_config *rule;
	const struct fl_map *map; /* of that rule alone */
	const struct fl_catalog_name *name;
	struct fl_catalog_table table;
	bool missing;			     /* a column that the rule names */
	bool sees_all;			     /* then: all columns were there to be seen */
	const struct fl_catalog_key *unique; /* the unique key that the rule's key holds */
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

/* Then rows can share a key. */
static bool only_deletes(const struct fl_map_config *rule)
{
	const struct fl_settings *s = fl_options_settings(rule->options);
	const char *value = s->text(s->ctx, "value"), *mode = s->text(s->ctx, "mode");
	return (value != NULL && strcmp(value, "none") == 0) ||
	       (mode != NULL && strcmp(mode, "invalidate") == 0);
}

static bool must_stop(const struct check *c)
{
	return c->stopped != NULL && c->stopped(c->e.ctx);
}

/* How much of a template is shown: it may go on for many lines. */
static int shown_size(struct fl_bytes text)
{
	enum { MOST = 100 };
	return text.size < MOST ? (int)text.size : MOST;
}

static void check_columns(void *ctx, const struct fl_map_template *template)
{
	struct check *c = ctx;
	for (size_t i = 0; i < template->column_count; i++) {
		struct fl_bytes const column = template->columns[i].name;
		struct fl_buf names = { 0 };
		if (find_column(&c->table, column) >= 0)
			continue;
		if (!c->missing)
			c->sees_all =
				fl_catalog_sees_all(c->e.catalog, c->name->db, c->name->table);
		append_columns(c, &names);
		c->missing = true;
		tell(c, c->sees_all, c->rule, template->key,
			"%.*s: %.*s.%.*s has no column %.*s%s; it has %s",
			shown_size(template->text), template->text.data, (int)c->name->db.size,
			c->name->db.data, (int)c->name->table.size, c->name->table.data,
			(int)column.size, column.data,
			c->sees_all ? "" : " that the account can see (GRANT SELECT)",
			names.failed ? "others" : names.data);
		fl_buf_finish(&names);
	}
}

static bool is_used(const struct check *c, const struct fl_map_template *template, unsigned column)
{
	for (size_t i = 0; i < template->column_count; i++)
		if ((template->columns[i].whole ||
			    (template->columns[i].folded && c->table.folds_case[column])) &&
			find_column(&c->table, template->columns[i].name) == (int)column)
			return true;
	return false;
}

static const struct fl_catalog_key *find_unique(
	const struct check *c, const struct fl_map_template *template)
{
	for (unsigned k = 0; k < c->table.key_count; k++) {
		const struct fl_catalog_key *key = &c->table.keys[k];
		bool all = key->exact && key->count > 0;
		for (unsigned i = 0; i < key->count && all; i++)
			all = is_used(c, template, key->columns[i]);
		if (all)
			return key;
	}
	return NULL;
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

/* Two rows with one key fight for it. */
static void check_unique(void *ctx, const struct fl_map_template *template)
{
	struct check *c = ctx;
	if (!template->is_key)
		return;
	const struct fl_catalog_key *unique = find_unique(c, template);
	if (strcmp(template->key, "key") == 0)
		c->unique = unique;
	if (unique != NULL || only_deletes(c->rule))
		return;
	struct fl_buf keys = { 0 };
	append_keys(c, &keys);
	bool const any = keys.size > 0;
	fl_buf_char(&keys, '\0');
	if (!keys.failed)
		tell(c, false, c->rule, template->key,
			"%.*s does not hold all columns of a unique key of %.*s.%.*s (%s): two "
			"rows with the same key overwrite each other, and one that is deleted "
			"takes the other's away",
			shown_size(template->text), template->text.data, (int)c->name->db.size,
			c->name->db.data, (int)c->name->table.size, c->name->table.data,
			any ? keys.data : "it has none whose columns are all NOT NULL");
	fl_buf_finish(&keys);
}

/* A row of NULLs is mapped, to hear what the daemon would log of any row of this table. */
static int check_doubts(struct check *c, struct fl_err *err)
{
	const struct fl_map *map = c->map;
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
		if ((sink->plugin->takes & FL_TAKES_OPERATIONS) == 0 ||
			!fl_map_has_rules(map, sink->name))
			continue;
		mapper = fl_mapper_create(map, sink->name, FL_ON_DOUBT_DELETE);
		code = mapper == NULL ? fl_err_set(err, FL_ENOMEM, "out of memory")
				      : fl_mapper_add(mapper, &transaction, 0, err);
		const char *key = NULL;
		const char *notice =
			code == 0 ? fl_mapper_missing(mapper, &def->table, &key) : NULL;
		if (notice == NULL && code == 0)
			notice = fl_mapper_notice(mapper);
		size_t const head = key != NULL ? strlen(key) : 0;
		if (head > 0 && notice != NULL && strncmp(notice, key, head) == 0 &&
			strncmp(notice + head, ": ", 2) == 0)
			notice += head + 2;
		if (notice != NULL)
			tell(c, true, c->rule, key, "%s", notice);
		fl_mapper_destroy(mapper);
		if (notice != NULL)
			break;
	}
	fl_table_unref(def);
	fl_arena_finish(&memory);
	return code;
}

static int check_table(struct check *c, bool shown, struct fl_err *err)
{
	const struct fl_catalog_name *name = c->name;
	fl_arena_finish(&c->memory);
	int code =
		fl_catalog_table(c->e.catalog, name->db, name->table, &c->memory, &c->table, err);
	if (code < 0 || c->table.column_count == 0)
		return code;
	c->missing = false;
	c->unique = NULL;
	code = fl_map_rule_templates(&c->rule->rule, check_columns, c, err);
	if (code == 0 && !c->missing)
		code = check_doubts(c, err);
	if (code == FL_EUNSUPPORTED || code == FL_EINVAL) {
		tell(c, false, c->rule, NULL, "%.*s.%.*s can't be checked: %s", (int)name->db.size,
			name->db.data, (int)name->table.size, name->table.data, err->text);
		code = 0;
	}
	if (code == 0 && !c->missing)
		code = fl_map_rule_templates(&c->rule->rule, check_unique, c, err);
	if (!shown)
		return code;
	fputs("    ", c->e.out);
	fl_show_text(c->e.out, name->db);
	fputc('.', c->e.out);
	fl_show_text(c->e.out, name->table);
	if (c->missing) {
		fputs(": lacks a column", c->e.out);
	} else if (c->unique != NULL) {
		fputs(": a key for each row, by ", c->e.out);
		fl_show_text(c->e.out, c->unique->name);
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
static void check_tables_apart(void *ctx, const struct fl_map_template *template)
{
	struct check *c = ctx;
	bool const db = template->has_db, table = template->has_table;
	if (!template->is_key || only_deletes(c->rule) || (db && table))
		return;
	for (size_t i = 0; i < c->name_count; i++) {
		const struct fl_catalog_name *a = &c->names[i];
		if (must_stop(c))
			return;
		if (a->is_view || !fl_map_wants(c->map, a->db, a->table))
			continue;
		for (size_t k = i + 1; k < c->name_count; k++) {
			const struct fl_catalog_name *b = &c->names[k];
			if ((db && !same_text(a->db, b->db)) ||
				(table && !same_text(a->table, b->table)) || b->is_view ||
				!fl_map_wants(c->map, b->db, b->table))
				continue;
			tell(c, false, c->rule, template->key,
				"%.*s: rows of %.*s.%.*s and %.*s.%.*s can have the same key: "
				"unless their columns are never the same, put {%s} into it",
				shown_size(template->text), template->text.data, (int)a->db.size,
				a->db.data, (int)a->table.size, a->table.data, (int)b->db.size,
				b->db.data, (int)b->table.size, b->table.data,
				same_text(a->db, b->db) ? "table" : "db");
			return;
		}
	}
}

/* A column that tables of one map lack is told for each of them: a shard may be behind. */
static int check_rule(struct check *c, size_t r, struct fl_err *err)
{
	const struct fl_map_config *rule = &c->e.config->rules[r];
	size_t tables = 0, shown = 0;
	int code = 0;
	c->rule = rule;
	c->map = c->e.maps[r];
	if (c->e.out != NULL)
		fprintf(c->e.out, "map %s (%s:%u): table %s, key %s\n", rule->rule.name, c->e.path,
			fl_config_map_line(rule, NULL), rule->rule.table, rule->rule.key);
	for (size_t i = 0; i < c->name_count && code == 0; i++) {
		const struct fl_catalog_name *name = &c->names[i];
		if (must_stop(c))
			return fl_err_set(err, FL_ESTOPPED, "there was no time for it");
		if (!fl_map_wants(c->map, name->db, name->table))
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
		if (c->e.out != NULL || shown < LOOKED_AT)
			code = check_table(c, c->e.out != NULL && shown < SHOWN, err);
		shown++;
	}
	if (code == 0 && c->e.out != NULL && shown > SHOWN)
		fprintf(c->e.out, "    and %zu more\n", shown - SHOWN);
	if (code == 0)
		code = fl_map_rule_templates(&rule->rule, check_tables_apart, c, err);
	if (code == 0 && tables == 0)
		tell(c, false, rule, "table",
			"%s: no table matches it, of those that the account can see",
			rule->rule.table);
	return code;
}

int fl_explain_check(const struct fl_config *config, const char *path, int host, FILE *out,
	fl_report *report, bool (*stopped)(void *ctx), void *ctx)
{
	struct check c = { .e = { .config = config,
				   .path = path,
				   .out = out,
				   .host = host,
				   .report = report,
				   .ctx = ctx },
		.stopped = stopped };
	struct fl_err err = { 0 };
	int code = fl_explainer_init(&c.e, &err);
	if (code == 0 && !fl_explainer_connect(&c.e))
		code = fl_err_set(&err, c.e.unreachable.code, "%s", c.e.unreachable.text);
	if (code == 0)
		code = fl_catalog_names(
			c.e.catalog, &c.names_memory, &c.names, &c.name_count, &err);
	for (size_t r = 0; r < config->rule_count && code == 0; r++)
		code = check_rule(&c, r, &err);
	if (code < 0 && code != FL_ENOMEM)
		fl_explainer_report(&c.e, false,
			"%s: the maps are not checked against the source's tables: %s", path,
			err.text);
	fl_arena_finish(&c.memory);
	fl_arena_finish(&c.names_memory);
	fl_explainer_finish(&c.e);
	return code == FL_ENOMEM || c.fatal == 0 ? code : c.fatal;
}
