/* SPDX-License-Identifier: Apache-2.0 */
#include "map/use.h"

/* Why a column can't be told in a table, in its memory; NULL when there is none. */
static const char *why_missing(struct fl_table_use *use, const struct fl_err *why)
{
	return use->def->doubt != NULL ? use->def->doubt
	       : use->def->names == FL_NAMES_NONE
		       ? "the names of the table's columns are not known"
		       : fl_arena_copy(&use->memory, why->text, strlen(why->text));
}

/* A column that is named is looked for in each row. */
static bool find_column(
	struct fl_table_use *use, struct fl_bytes name, unsigned *ret, struct fl_err *why)
{
	if (fl_field_find(&use->def->table, name, ret)) {
		fl_named_add(&use->named, *ret);
		return true;
	}
	fl_err_set(why, FL_EINVAL, "the table has no column %.*s", (int)name.size, name.data);
	return false;
}

/* Dates are looked for in dates alone: what else looks like one today may not tomorrow. */
static bool fits_filters(const struct fl_table_use *use, const struct fl_part *part,
	unsigned column, struct fl_err *why)
{
	bool time, has_time = false;
	if (!fl_filters_want_date(part->filters, part->filter_count, &time))
		return true;
	switch (use->def->defs[column].type) {
	case FL_TYPE_DATETIME:
	case FL_TYPE_DATETIME2:
	case FL_TYPE_TIMESTAMP:
	case FL_TYPE_TIMESTAMP2:
		has_time = true;
		break;
	case FL_TYPE_DATE:
	case FL_TYPE_NEWDATE:
		break;
	default:
		fl_err_set(why, FL_EINVAL,
			"the column %.*s is no DATE, DATETIME or TIMESTAMP, for which its filter "
			"is",
			(int)part->text.size, part->text.data);
		return false;
	}
	if (!time || has_time)
		return true;
	fl_err_set(why, FL_EINVAL, "the column %.*s is a DATE, which has no hours and minutes",
		(int)part->text.size, part->text.data);
	return false;
}

/* The text in front of a piece, from its template's parts. */
static void append_text(const struct fl_table_use *use, const struct fl_template *template,
	const struct fl_part *part, struct fl_buf *out)
{
	const struct fl_table *table = &use->def->table;
	struct fl_bytes const text = part->kind == FL_PART_DB	   ? table->db
				     : part->kind == FL_PART_TABLE ? table->name
								   : part->text;
	if (part->kind == FL_PART_ANY)
		fl_buf_char(out, '*');
	else if (template->has_any)
		fl_template_append_escaped(out, text);
	else
		fl_buf_append(out, text.data, text.size);
}

/* Ends a piece: its text is what has been gathered. */
static bool end_piece(struct fl_table_use *use, struct fl_buf *text, struct fl_piece *piece)
{
	size_t const size = text->size;
	for (int i = 0; i < FL_NAME_PAD; i++)
		fl_buf_char(text, '\0');
	piece->text = (struct fl_bytes){ NULL, size };
	if (!text->failed)
		piece->text.data = fl_arena_copy(&use->memory, text->data, text->size);
	fl_buf_clear(text);
	return piece->text.data != NULL;
}

static bool make_pieces(struct fl_table_use *use, struct fl_template_use *ret)
{
	const struct fl_template *template = ret->template;
	const unsigned *column = ret->columns;
	struct fl_piece *pieces =
		fl_arena_alloc(&use->memory, (template->part_count + 1) * sizeof(*pieces));
	struct fl_buf text = { 0 };
	size_t count = 0;
	bool done = pieces != NULL, is_plain = !template->has_generation;
	for (size_t i = 0; i < template->part_count && done; i++) {
		const struct fl_part *part = &template->parts[i];
		struct fl_piece piece = { .behind = FL_PIECE_GENERATION };
		if (part->kind == FL_PART_COLUMN) {
			piece.column = *column++;
			piece.def = &use->def->defs[piece.column];
			piece.part = part;
			piece.behind = fl_cell_is_int(piece.def) && part->filter_count == 0 &&
						       use->def->doubt == NULL && use->def->complete
					       ? FL_PIECE_INT
					       : FL_PIECE_COLUMN;
		} else if (part->kind != FL_PART_GENERATION) {
			append_text(use, template, part, &text);
			continue;
		}
		done = end_piece(use, &text, &piece);
		ret->plain_room += piece.text.size + FL_SHORT_MAX;
		is_plain &= piece.behind == FL_PIECE_INT;
		pieces[count++] = piece;
	}
	if (done) {
		pieces[count] = (struct fl_piece){ .behind = FL_PIECE_END };
		done = end_piece(use, &text, &pieces[count]);
		ret->plain_room += pieces[count].text.size + FL_NAME_PAD;
	}
	if (!is_plain)
		ret->plain_room = 0;
	fl_buf_finish(&text);
	ret->pieces = pieces;
	return done;
}

static bool resolve(
	struct fl_table_use *use, const struct fl_template *template, struct fl_template_use *ret)
{
	unsigned *columns = fl_arena_alloc(&use->memory, template->column_count * sizeof(*columns));
	struct fl_err why;
	if (columns == NULL)
		return false;
	*ret = (struct fl_template_use){ .template = template, .columns = columns };
	for (size_t i = 0; i < template->part_count; i++) {
		const struct fl_part *part = &template->parts[i];
		if (part->kind != FL_PART_COLUMN ||
			(find_column(use, part->text, columns, &why) &&
				fits_filters(use, part, *columns++, &why)))
			continue;
		ret->missing = why_missing(use, &why);
		return ret->missing != NULL;
	}
	return make_pieces(use, ret);
}

/* 0, FL_ENOMEM, or FL_EINVAL: they can't be judged of this table. */
static int fit_conditions(struct fl_table_use *use, const struct fl_conditions *conditions,
	const unsigned **ret, struct fl_err *why)
{
	unsigned *columns =
		fl_arena_alloc(&use->memory, (conditions->column_count + 1) * sizeof(*columns));
	if (columns == NULL)
		return FL_ENOMEM;
	*ret = columns;
	for (unsigned i = 0; i < conditions->column_count; i++)
		if (!find_column(use, conditions->columns[i], &columns[i], why))
			return FL_EINVAL;
	return fl_conditions_fit(conditions, use->def, columns, why);
}

static int fit_value(struct fl_table_use *use, struct fl_rule_use *ret, struct fl_err *why)
{
	const struct fl_rule *rule = ret->rule;
	ret->missing_key = "rename"; /* what else is wrong with names is no matter of a table's */
	int code =
		fl_fields_fit(&rule->fields, rule->form, use->def, &use->memory, &ret->fields, why);
	if (code == 0)
		ret->missing_key = "ttl";
	if (code == 0 && rule->lifetime.column.data != NULL) {
		if (!find_column(use, rule->lifetime.column, &ret->lifetime_column, why))
			return FL_EINVAL;
		code = fl_lifetime_fit(use->def, ret->lifetime_column, why);
	}
	return code;
}

static bool apply_rule(
	struct fl_table_use *use, const struct fl_rule *rule, struct fl_rule_use *ret)
{
	struct fl_err why;
	struct fl_template_use *templates =
		fl_arena_alloc(&use->memory, rule->template_count * sizeof(*templates));
	if (templates == NULL)
		return false;
	*ret = (struct fl_rule_use){ .rule = rule,
		.templates = templates,
		.templates_end = templates + rule->template_count };
	for (size_t t = 0; t < rule->template_count; t++) {
		if (!resolve(use, &rule->templates[t], &templates[t]))
			return false;
		templates[t].is_key = t < rule->key_count;
	}
	if (!resolve(use, &rule->value, &ret->value))
		return false;
	ret->missing_key = "only_when";
	int code = fit_conditions(use, &rule->only_when, &ret->only_when, &why);
	if (code == 0)
		ret->missing_key = "delete_when";
	if (code == 0)
		code = fit_conditions(use, &rule->delete_when, &ret->delete_when, &why);
	ret->can_judge = code == 0;
	if (code == 0)
		code = fit_value(use, ret, &why);
	if (code == FL_ENOMEM)
		return false;
	if (code == 0)
		ret->missing_key = "value";
	ret->missing = code < 0 ? why_missing(use, &why) : ret->value.missing;
	return code == 0 || ret->missing != NULL;
}

struct fl_table_use *fl_use_make(const struct fl_use_rules *rules, const struct fl_table *table)
{
	struct fl_table_use *use = calloc(1, sizeof(*use));
	if (use == NULL)
		return NULL;
	/* A row's struct fl_table is always the first member of one of these. */
	use->def = fl_table_ref((struct fl_table_def *)(uintptr_t)table);
	struct fl_index_walk const begin =
		fl_index_walk_from(&rules->index, table->db, table->name, rules->map->fold_case);
	struct fl_index_walk walk = begin;
	size_t count = 0;
	while (fl_index_next(&walk) != NULL)
		count++;
	if (count == 0)
		return use;
	count = rules->first ? 1 : count;
	use->rules = fl_arena_alloc(&use->memory, count * sizeof(*use->rules));
	use->named.columns =
		fl_arena_alloc(&use->memory, table->column_count * sizeof(*use->named.columns));
	if (use->rules == NULL || use->named.columns == NULL)
		goto fail;
	walk = begin;
	while (use->rule_count < count) {
		const struct fl_indexed *found = fl_index_next(&walk);
		struct fl_rule_use *rule = &use->rules[use->rule_count];
		if (!apply_rule(use, found->rule, rule))
			goto fail;
		rule->number = found->number;
		use->rule_count++;
	}
	fl_named_settle(&use->named, use->def);
	return use;
fail:
	fl_use_destroy(use);
	return NULL;
}

void fl_use_destroy(struct fl_table_use *use)
{
	if (use == NULL)
		return;
	fl_table_unref(use->def);
	fl_arena_finish(&use->memory);
	free(use);
}
