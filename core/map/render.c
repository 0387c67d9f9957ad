/* SPDX-License-Identifier: Apache-2.0
 *
 * What a row becomes: the text of its keys and its value.
 */
#include <time.h>

#include "binlog/row.h"
#include "map/private.h"

enum purpose { KEY, PATTERN, TEXT };

/* What was appended from `at` on, with backslashes in front of what has a meaning in patterns. */
static int escape(struct fl_mapper *m, size_t at)
{
	struct fl_buf *out = &m->bytes;
	struct fl_bytes text = { out->data + at, out->size - at };
	fl_buf_clear(&m->scratch);
	fl_template_append_escaped(&m->scratch, text);
	if (m->scratch.failed)
		return FL_ENOMEM;
	out->size = at;
	fl_buf_append(out, m->scratch.data, m->scratch.size);
	return 0;
}

/* Appends a column, filtered. 1; 0 if there is none: it is NULL; FL_E... */
static int append_column(struct fl_mapper *m, const struct fl_part *part, unsigned column,
	const struct fl_row *row, struct fl_err *why)
{
	struct fl_buf *out = &m->bytes;
	size_t const at = out->size;
	if (!fl_field_is_present(row, column))
		return fl_field_refuse_absent(row, column, why);
	if (part->filter_count == 0)
		return fl_row_text(row, column, out, why);
	int code = fl_filters_take_bytes(part->filters, part->filter_count)
			   ? fl_field_raw(row, column, &m->scratch, out, why)
			   : fl_row_text(row, column, out, why);
	bool is_null = code == 0;
	for (size_t i = 0; i < part->filter_count && code >= 0; i++)
		code = fl_filter_apply(&part->filters[i], out, at, &is_null, why);
	return code < 0 ? code : !is_null;
}

/* 1; 0 if it is a key, and a column in it is NULL: there is no such key; FL_E... */
static int append_parts(struct fl_mapper *m, const struct fl_rule *rule,
	const struct fl_template_use *use, enum purpose purpose, const struct fl_row *row,
	struct fl_err *why)
{
	struct fl_buf *out = &m->bytes;
	const unsigned *column = use->columns;
	for (size_t i = 0; i < use->template->part_count; i++) {
		const struct fl_part *part = &use->template->parts[i];
		size_t const at = out->size;
		int code = 1;
		switch (part->kind) {
		case FL_PART_LITERAL:
			fl_buf_append(out, part->text.data, part->text.size);
			break;
		case FL_PART_DB:
			fl_buf_append(out, row->table->db.data, row->table->db.size);
			break;
		case FL_PART_TABLE:
			fl_buf_append(out, row->table->name.data, row->table->name.size);
			break;
		case FL_PART_GENERATION: {
			const struct fl_generation *generation = fl_mapper_generation(m, rule);
			fl_buf_append(out, generation->text, generation->size);
			break;
		}
		case FL_PART_ANY:
			fl_buf_char(out, '*');
			continue;
		case FL_PART_COLUMN:
			code = append_column(m, part, *column++, row, why);
			break;
		}
		if (code < 0)
			return code;
		if (code == 0 && purpose != TEXT)
			return 0;
		if (purpose == PATTERN && escape(m, at) < 0)
			return FL_ENOMEM;
	}
	return 1;
}

int fl_key_render(struct fl_mapper *m, const struct fl_rule *rule,
	const struct fl_template_use *use, const struct fl_row *row, struct key *ret,
	struct fl_err *why)
{
	size_t const at = m->bytes.size;
	int code = append_parts(m, rule, use, use->template->has_any ? PATTERN : KEY, row, why);
	if (m->bytes.failed)
		code = FL_ENOMEM;
	*ret = (struct key){
		.exists = code == 1 && m->bytes.size > at, .at = at, .size = m->bytes.size - at
	};
	if (!ret->exists)
		m->bytes.size = at;
	if (code < 0)
		return code == FL_ENOMEM ? code : FL_EUNSUPPORTED;
	return 0;
}

static int64_t seconds_now(struct fl_mapper *m)
{
	struct timespec now;
	if (m->now == 0 && clock_gettime(CLOCK_REALTIME, &now) == 0)
		m->now = now.tv_sec;
	return m->now;
}

/* Appends the value. 1; 0 if there is none; FL_E... */
static int append_value(
	struct fl_mapper *m, struct fl_rule_use *use, const struct fl_row *row, struct fl_err *why)
{
	int code;
	switch (use->rule->form) {
	case FL_FORM_OF_JSON:
		code = fl_fields_json(&use->fields, row, &m->bytes, why);
		return code < 0 ? code : 1;
	case FL_FORM_OF_MSGPACK:
		code = fl_fields_msgpack(&use->fields, row, &m->scratch, &m->bytes, why);
		return code < 0 ? code : 1;
	case FL_FORM_OF_HASH: {
		size_t const at = m->bytes.size;
		code = fl_fields_hash(&use->fields, row, &m->scratch, &m->bytes, why);
		return code < 0 ? code : m->bytes.size > at;
	}
	case FL_FORM_OF_COLUMN:
		return fl_field_raw(row, use->value.columns[0], &m->scratch, &m->bytes, why);
	case FL_FORM_OF_TEMPLATE:
		return append_parts(m, use->rule, &use->value, TEXT, row, why);
	case FL_FORM_OF_NONE:
		break;
	}
	return 0;
}

static void make(
	struct fl_mapper *m, struct fl_rule_use *use, const struct fl_row *row, struct value *value)
{
	value->tried = true;
	value->at = m->bytes.size;
	value->code = append_value(m, use, row, &value->why);
	value->size = m->bytes.size - value->at;
}

void fl_value_make(
	struct fl_mapper *m, struct fl_rule_use *use, const struct fl_row *row, struct value *value)
{
	const struct fl_lifetime *lifetime = &use->rule->lifetime;
	struct value *shared = value->shared;
	if (value->tried)
		return;
	if (use->missing != NULL) {
		value->tried = true;
		value->code = fl_err_set(&value->why, FL_EUNSUPPORTED, "%s", use->missing);
		return;
	}
	if (use->rule->form == FL_FORM_OF_JSON && use->fields.all) {
		if (!shared->tried)
			make(m, use, row, shared);
		*value = *shared;
	} else {
		make(m, use, row, value);
	}
	if (value->code != 1)
		return;
	value->ttl = lifetime->seconds;
	if (lifetime->column.data == NULL && lifetime->jitter == 0)
		return;
	int code = fl_lifetime_left(lifetime, row, use->lifetime_column,
		lifetime->column.data != NULL ? seconds_now(m) : 0, &m->scratch, &m->random,
		&value->ttl, &value->why);
	value->code = code < 0 && code != FL_ENOMEM ? FL_EUNSUPPORTED : code;
}
