/* SPDX-License-Identifier: Apache-2.0
 *
 * A change and what becomes of it, as text. The operations are those of the mapper itself: of a map
 * that has one rule alone, to tell which rule they are of; and of all rules, in case that these
 * together make others.
 */
#include "explain/private.h"

#include "binlog/value.h"

/* The bytes of a printable character at the start of the text; 0 if there is none. */
static size_t printable(struct fl_bytes text)
{
	uint8_t const first = (uint8_t)text.data[0];
	size_t const size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	if (size > text.size || first < 0x20 || first == 0x7f ||
		!fl_utf8_is_valid((struct fl_bytes){ text.data, size }))
		return 0;
	/* U+0080 to U+009F are controls, too. */
	return first == 0xc2 && (uint8_t)text.data[1] < 0xa0 ? 0 : size;
}

void fl_show_text(FILE *out, struct fl_bytes text)
{
	for (size_t i = 0; i < text.size;) {
		size_t size = printable((struct fl_bytes){ text.data + i, text.size - i });
		if (size == 0)
			fprintf(out, "\\x%02x", (uint8_t)text.data[i]);
		else
			fwrite(text.data + i, 1, size, out);
		i += size > 0 ? size : 1;
	}
}

/* `forgotten`: the same change clears keys after it. A cache that can't do that within a
 * transaction forgets with them what was set before. */
static void show_operation(FILE *out, const struct fl_operation *operation, bool forgotten)
{
	struct fl_bytes fields = operation->value, name, text;
	bool const sets = operation->kind == FL_KEY_SET || operation->kind == FL_KEY_HASH;
	switch (forgotten && sets ? FL_KEY_DELETE : operation->kind) {
	case FL_KEY_SET:
	case FL_KEY_HASH:
		fputs(operation->kind == FL_KEY_SET ? "SET " : "HASH ", out);
		fl_show_text(out, operation->key);
		if (operation->ttl > 0)
			fprintf(out, " ttl %u", operation->ttl);
		if ((operation->flags & FL_IF_EXISTS) != 0)
			fputs(" if it exists", out);
		fputs(" =", out);
		if (operation->kind == FL_KEY_SET) {
			fputc(' ', out);
			fl_show_text(out, operation->value);
			break;
		}
		while (fl_field_next(&fields, &name, &text)) {
			fputc(' ', out);
			fl_show_text(out, name);
			fputs(": ", out);
			fl_show_text(out, text);
			fputs(fields.size > 0 ? "," : "", out);
		}
		break;
	case FL_KEY_DELETE:
		fputs("DELETE ", out);
		fl_show_text(out, operation->key);
		break;
	case FL_KEY_CLEAR:
		fputs("CLEAR ", out);
		fl_show_text(out, operation->key);
		break;
	}
	fputc('\n', out);
}

/* What one mapper makes of a change. */
struct outcome {
	struct fl_mapper *mapper;
	const struct fl_operation *operations;
	size_t count;
	int code;
	struct fl_err err;
};

static int map_change(struct fl_explainer *e, const struct fl_map *map, const char *sink,
	const struct fl_change *change, struct outcome *ret)
{
	struct fl_transaction const transaction = {
		.first = true, .last = true, .change_count = 1, .changes = change
	};
	*ret = (struct outcome){ .mapper = fl_mapper_create(map, sink, e->config->on_doubt) };
	if (ret->mapper == NULL)
		return FL_ENOMEM;
	ret->code = fl_mapper_add(ret->mapper, &transaction, 0, &ret->err);
	ret->operations = fl_mapper_operations(ret->mapper, &ret->count);
	return ret->code == FL_ENOMEM ? FL_ENOMEM : 0;
}

/* Begins a line below the last one's text. */
static void indent(FILE *out, int width)
{
	fprintf(out, "%*s", width, "");
}

static void show_outcome(FILE *out, const struct fl_sink_config *sink, const struct outcome *o)
{
	int width = fprintf(out, "    sink %s (%s): ", sink->name, sink->plugin->name);
	bool first = true;
	if (o->code < 0) {
		fprintf(out, "halts: ");
		fl_show_text(out, (struct fl_bytes){ o->err.text, strlen(o->err.text) });
		fputc('\n', out);
		return;
	}
	const char *notice = fl_mapper_notice(o->mapper);
	if (notice != NULL) {
		fputs("logs: ", out);
		fl_show_text(out, (struct fl_bytes){ notice, strlen(notice) });
		fputc('\n', out);
		first = false;
	}
	size_t cleared = o->count;
	while (cleared > 0 && o->operations[cleared - 1].kind != FL_KEY_CLEAR)
		cleared--;
	for (size_t i = 0; i < o->count; i++, first = false) {
		if (!first)
			indent(out, width);
		show_operation(out, &o->operations[i], i < cleared);
	}
	if (o->count == 0) {
		if (!first)
			indent(out, width);
		fputs("no operation\n", out);
	}
}

static bool is_row(const struct fl_change *change)
{
	return change->op == FL_INSERT || change->op == FL_UPDATE || change->op == FL_DELETE;
}

/* All that there is of the operations, to be compared. */
static void append_outcome(struct fl_buf *out, const struct outcome *o)
{
	for (size_t i = 0; i < o->count; i++) {
		const struct fl_operation *operation = &o->operations[i];
		size_t const sizes[] = { (size_t)operation->kind, operation->ttl, operation->flags,
			operation->key.size, operation->value.size };
		fl_buf_append(out, sizes, sizeof(sizes));
		fl_buf_append(out, operation->key.data, operation->key.size);
		fl_buf_append(out, operation->value.data, operation->value.size);
	}
}

/* What the maps before have made for one sink. */
struct apart {
	struct fl_buf text; /* its operations, to be held against those of all maps */
	size_t count;	    /* of the maps that made some */
	const char *taken;  /* the first map that matches the table, where no other is used */
};

static int show_rule(
	struct fl_explainer *e, size_t r, const struct fl_change *change, struct apart *apart)
{
	const struct fl_config *config = e->config;
	const struct fl_map_config *rule = &config->rules[r];
	int code = 0;
	bool any = false, concerned = false;
	bool const named = is_row(change) || change->op == FL_TRUNCATE;
	bool const matches = !named || fl_map_wants(e->maps[r], change->db, change->table);
	struct outcome *outcomes = calloc(config->sink_count + 1, sizeof(*outcomes));
	if (outcomes == NULL)
		return FL_ENOMEM;
	for (size_t s = 0; s < config->sink_count && code == 0; s++) {
		const struct fl_sink_config *sink = &config->sinks[s];
		if ((sink->plugin->takes & FL_TAKES_OPERATIONS) == 0 ||
			!fl_map_has_rules(e->maps[r], sink->name))
			continue;
		any = true;
		if (apart[s].taken != NULL)
			continue;
		code = map_change(e, e->maps[r], sink->name, change, &outcomes[s]);
		concerned |= outcomes[s].count > 0 || outcomes[s].code < 0;
		apart[s].count += outcomes[s].count > 0;
		append_outcome(&apart[s].text, &outcomes[s]);
	}
	fprintf(e->out, "  map %s (%s:%u): %s%s\n", rule->rule.name, e->path,
		fl_config_map_line(rule, NULL),
		named ? (matches ? "table matches" : "table does not match")
		      : (concerned ? "is concerned" : "is not concerned"),
		any ? "" : ", but it is for no sink");
	for (size_t s = 0; s < config->sink_count; s++) {
		const struct fl_sink_config *sink = &config->sinks[s];
		if (outcomes[s].mapper != NULL && code == 0 && (named ? matches : concerned))
			show_outcome(e->out, sink, &outcomes[s]);
		else if (apart[s].taken != NULL && matches &&
			 fl_map_has_rules(e->maps[r], sink->name))
			fprintf(e->out,
				"    sink %s (%s): not used: match = first, and map %s comes "
				"before\n",
				sink->name, sink->plugin->name, apart[s].taken);
		if (is_row(change) && matches && sink->match_first && outcomes[s].mapper != NULL)
			apart[s].taken = rule->rule.name;
		if (outcomes[s].mapper != NULL && matches && code == 0 &&
			fl_mapper_has_generations(outcomes[s].mapper) && concerned)
			fprintf(e->out,
				"      {generation} is one of now: the sink's own is the value of "
				"fastlane:generation:%s\n",
				rule->rule.name);
		fl_mapper_destroy(outcomes[s].mapper);
	}
	free(outcomes);
	return code;
}

/* If the rules together do something else than each by itself, that is what is done. */
static int show_together(struct fl_explainer *e, const struct fl_sink_config *sink,
	const struct fl_change *change, const struct apart *apart)
{
	struct outcome all;
	int code = map_change(e, e->config->map, sink->name, change, &all);
	struct fl_buf text = { 0 };
	append_outcome(&text, &all);
	bool const same = text.size == apart->text.size &&
			  (text.size == 0 || memcmp(text.data, apart->text.data, text.size) == 0);
	/* By itself a map does what it does with the others, but for generations, which are new. */
	if (code == 0 && !same && apart->count > 1) {
		fputs("  all maps together\n", e->out);
		show_outcome(e->out, sink, &all);
	}
	fl_buf_finish(&text);
	fl_mapper_destroy(all.mapper);
	return code;
}

static void show_head(FILE *out, const struct fl_change *change, const char *definition)
{
	static const char *const names[] = { "insert", "update", "delete", "truncate", "statement",
		"doubt" };
	fprintf(out, "%s ", names[change->op]);
	if (change->op == FL_DDL) {
		fl_show_text(out, change->sql);
	} else if (change->table.size > 0) {
		fl_show_text(out, change->db);
		fputc('.', out);
		fl_show_text(out, change->table);
	} else {
		fputs("of any table", out);
	}
	if (change->op == FL_DOUBT) {
		fputs(": ", out);
		fl_show_text(out, change->doubt);
	}
	if (definition != NULL) {
		fputs(" (definition: ", out);
		fl_show_text(out, (struct fl_bytes){ definition, strlen(definition) });
		fputc(')', out);
	}
	fputc('\n', out);
}

int fl_show_change(struct fl_explainer *e, const struct fl_change *change, const char *definition)
{
	const struct fl_config *config = e->config;
	struct apart *apart = calloc(config->sink_count + 1, sizeof(*apart));
	int code = apart == NULL ? FL_ENOMEM : 0;
	show_head(e->out, change, definition);
	for (size_t r = 0; r < config->rule_count && code == 0; r++)
		code = show_rule(e, r, change, apart);
	for (size_t s = 0; s < config->sink_count && code == 0; s++) {
		const struct fl_sink_config *sink = &config->sinks[s];
		if ((sink->plugin->takes & FL_TAKES_CHANGES) != 0)
			fprintf(e->out, "  sink %s (%s): takes the change as it is\n", sink->name,
				sink->plugin->name);
		else
			code = show_together(e, sink, change, &apart[s]);
	}
	for (size_t s = 0; apart != NULL && s < config->sink_count; s++)
		fl_buf_finish(&apart[s].text);
	free(apart);
	return code;
}
