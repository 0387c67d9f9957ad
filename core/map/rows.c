/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows: rendered into keys and values by what their table's definition makes of the rules.
 */
#include "map/private.h"

#include "binlog/row.h"

int fl_mapper_push(struct fl_mapper *m, struct fl_operation operation, struct place place)
{
	if (m->count == m->capacity) {
		size_t capacity = m->capacity == 0 ? 256 : m->capacity * 2;
		void *grown = realloc(m->operations, capacity * sizeof(*m->operations));
		if (grown == NULL)
			return FL_ENOMEM;
		m->operations = grown;
		grown = realloc(m->places, capacity * sizeof(*m->places));
		if (grown == NULL)
			return FL_ENOMEM;
		m->places = grown;
		m->capacity = capacity;
	}
	operation.transaction = m->transaction;
	m->operations[m->count] = operation;
	m->places[m->count++] = place;
	return 0;
}

static int push_delete(struct fl_mapper *m, struct key key)
{
	return fl_mapper_push(m,
		(struct fl_operation){ .kind = FL_KEY_DELETE, .key.size = key.size },
		(struct place){ .key = key.at });
}

/* The JSON of a change's row, rendered when the first rule asks for it. */
struct value {
	bool tried;
	int code;
	size_t at, size;
	struct fl_err why;
};

static bool is_present(const struct fl_row *row, unsigned column)
{
	return row->present == NULL || (row->present[column / 8] >> column % 8 & 1) != 0;
}

/* Refuses a column that is in no image of the row. */
static int refuse_absent(const struct fl_row *row, unsigned column, struct fl_err *why)
{
	struct fl_bytes name = row->table->columns[column].name;
	char number[16];
	if (name.size == 0)
		name = (struct fl_bytes){ number,
			(size_t)snprintf(number, sizeof(number), "%u", column + 1) };
	return fl_err_set(why, FL_EUNSUPPORTED,
		"column %.*s is not in the row image: binlog_row_image is not FULL, or MariaDB "
		"left out a generated column",
		(int)name.size, name.data);
}

/* Renders a row's key. 0, `ret` telling whether there is such a key; FL_ENOMEM; FL_EUNSUPPORTED and
 * why if it can't be known. */
static int render(struct fl_mapper *m, const struct fl_rule *rule,
	const struct fl_template_use *use, const struct fl_row *row, struct key *ret,
	struct fl_err *why)
{
	struct fl_buf *out = &m->bytes;
	struct key key = { .exists = true, .at = out->size };
	const unsigned *column = use->columns;
	for (size_t i = 0; i < use->template->part_count && key.exists; i++) {
		const struct fl_part *part = &use->template->parts[i];
		if (part->kind == FL_PART_LITERAL) {
			fl_buf_append(out, part->text.data, part->text.size);
		} else if (part->kind == FL_PART_DB) {
			fl_buf_append(out, row->table->db.data, row->table->db.size);
		} else if (part->kind == FL_PART_TABLE) {
			fl_buf_append(out, row->table->name.data, row->table->name.size);
		} else if (part->kind == FL_PART_GENERATION) {
			const struct fl_generation *generation = fl_mapper_generation(m, rule);
			fl_buf_append(out, generation->text, generation->size);
		} else {
			int code = is_present(row, *column) ? fl_row_text(row, *column, out, why)
							    : refuse_absent(row, *column, why);
			column++;
			if (code < 0) {
				out->size = key.at;
				return code == FL_ENOMEM ? code : FL_EUNSUPPORTED;
			}
			key.exists = code == 1; /* else it is NULL: there is no such key */
		}
	}
	if (out->failed)
		return FL_ENOMEM;
	key.size = out->size - key.at;
	key.exists = key.exists && key.size > 0;
	if (!key.exists)
		out->size = key.at;
	*ret = key;
	return 0;
}

/* Deals with something in a row that can't be told: the error to return under `halt`, else 0 and a
 * notice, one a table definition and template. */
static int doubt(struct fl_mapper *m, const struct fl_rule *rule, struct fl_template_use *use,
	const struct fl_table *table, const char *why, struct fl_err *err)
{
	if (m->on_doubt == FL_ON_DOUBT_HALT)
		return fl_err_set(err, FL_EUNSUPPORTED, "rule %s: %s", rule->name, why);
	if (!use->noticed)
		fl_mapper_tell(m, "%.*s.%.*s: rule %s: %s: keys are deleted, not set",
			(int)table->db.size, table->db.data, (int)table->name.size,
			table->name.data, rule->name, why);
	use->noticed = true;
	return 0;
}

/* A value has all of the table's columns, less hidden ones. */
static int check_whole(const struct fl_row *row, struct fl_err *why)
{
	const struct fl_table_def *def = (const struct fl_table_def *)(const void *)row->table;
	for (unsigned i = 0; row->present != NULL && i < row->table->column_count; i++)
		if (!is_present(row, i) && !def->defs[i].hidden)
			return refuse_absent(row, i, why);
	return 0;
}

/* The rule's own key gets the row's new value, or is deleted where that can't be told. */
static int push_value(struct fl_mapper *m, const struct fl_rule *rule, struct fl_template_use *use,
	const struct fl_row *row, struct key key, struct value *value, struct fl_err *err)
{
	if (!rule->value_json)
		return push_delete(m, key);
	if (!value->tried) {
		value->tried = true;
		value->at = m->bytes.size;
		value->code = check_whole(row, &value->why);
		if (value->code == 0)
			value->code = fl_row_json(row, &m->bytes, &value->why);
		value->size = m->bytes.size - value->at;
	}
	if (value->code == FL_ENOMEM || m->bytes.failed)
		return FL_ENOMEM;
	if (value->code < 0) {
		int code = doubt(m, rule, use, row->table, value->why.text, err);
		return code < 0 ? code : push_delete(m, key);
	}
	return fl_mapper_push(m,
		(struct fl_operation){ .kind = FL_KEY_SET,
			.ttl = rule->ttl,
			.key.size = key.size,
			.value.size = value->size },
		(struct place){ .key = key.at, .value = value->at });
}

/* One template of a rule: the old image's key goes, the new one's gets the value (the rule's own
 * key) or goes as well (a key to invalidate). */
static int map_template(struct fl_mapper *m, const struct fl_rule *rule,
	struct fl_template_use *use, const struct fl_change *change, struct value *value,
	struct fl_err *err)
{
	const struct fl_row *before = change->op != FL_INSERT ? &change->before : NULL;
	const struct fl_row *after = change->op != FL_DELETE ? &change->after : NULL;
	const struct fl_row *row = after != NULL ? after : before;
	struct key old = { 0 }, now = { 0 };
	struct fl_err why;
	int code = 0;
	if (use->missing != NULL)
		code = fl_err_set(&why, FL_EUNSUPPORTED, "%s", use->missing);
	if (code == 0 && before != NULL)
		code = render(m, rule, use, before, &old, &why);
	if (code == 0 && after != NULL)
		code = render(m, rule, use, after, &now, &why);
	if (code == FL_ENOMEM)
		return code;
	if (code < 0) {
		code = doubt(m, rule, use, row->table, why.text, err);
		return code < 0 ? code
				: fl_mapper_clear(m, rule, use->template, row->table->db,
					  row->table->name, NULL);
	}

	if (old.exists && now.exists && old.size == now.size &&
		memcmp(m->bytes.data + old.at, m->bytes.data + now.at, old.size) == 0) {
		m->bytes.size = now.at;
		now = old;
		old.exists = false;
	}
	if (old.exists)
		code = push_delete(m, old);
	if (now.exists && code == 0)
		code = use->template == &rule->templates[0]
			       ? push_value(m, rule, use, after, now, value, err)
			       : push_delete(m, now);
	return code;
}

int fl_mapper_row(struct fl_mapper *m, const struct fl_change *change, struct fl_err *err)
{
	const struct fl_row *row = change->op == FL_DELETE ? &change->before : &change->after;
	struct fl_table_use *use = fl_use_cache_find(m->uses, row->table);
	if (use == NULL)
		return FL_ENOMEM;
	struct value value = { 0 };
	int code = 0;
	for (size_t r = 0; r < use->rule_count; r++) {
		struct fl_rule_use *rule = &use->rules[r];
		for (size_t t = 0; t < rule->rule->template_count && code == 0; t++)
			code = map_template(
				m, rule->rule, &rule->templates[t], change, &value, err);
	}
	return code;
}
