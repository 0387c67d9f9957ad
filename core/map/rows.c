/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows: what their table's definition makes of the rules, done to the keys of both images.
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
	m->has_clear |= operation.kind == FL_KEY_CLEAR;
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

/* Deals with something in a row that can't be told: the error to return under `halt`, else 0 and a
 * notice, once for each `noticed`. */
static int doubt(struct fl_mapper *m, const struct fl_rule *rule, bool *noticed,
	const struct fl_table *table, const char *why, struct fl_err *err)
{
	if (m->on_doubt == FL_ON_DOUBT_HALT)
		return fl_err_set(err, FL_EUNSUPPORTED, "rule %s: %s", rule->name, why);
	if (!*noticed)
		fl_mapper_tell(m, "%.*s.%.*s: rule %s: %s: keys are deleted, not set",
			(int)table->db.size, table->db.data, (int)table->name.size,
			table->name.data, rule->name, why);
	*noticed = true;
	return 0;
}

/* The two images of a change, as a rule sees them: a row that it does not want is not there. */
struct images {
	const struct fl_row *before, *after;
	const struct fl_row *any; /* one that is in the log */
	bool unknown;		  /* of `after`: it may be one that is not wanted */
};

/* Whether the rule wants the row. 1, 0, or FL_E... and why it can't be told. */
static int judge(struct fl_mapper *m, const struct fl_rule_use *use, const struct fl_row *row,
	struct fl_err *why)
{
	enum fl_truth truth = FL_FALSE;
	if (!use->can_judge)
		return fl_err_set(why, FL_EUNSUPPORTED, "%s", use->missing);
	int code = fl_conditions_judge(
		&use->rule->only_when, row, use->only_when, &m->scratch, &truth, why);
	if (code < 0 || truth != FL_TRUE)
		return code;
	if (use->rule->delete_when.root == NULL)
		return 1;
	code = fl_conditions_judge(
		&use->rule->delete_when, row, use->delete_when, &m->scratch, &truth, why);
	return code < 0 ? code : truth != FL_TRUE;
}

static int judge_both(
	struct fl_mapper *m, struct fl_rule_use *use, struct images *images, struct fl_err *err)
{
	struct fl_err why;
	int code = images->before != NULL ? judge(m, use, images->before, &why) : 1;
	if (code == FL_ENOMEM)
		return code;
	/* Where it can't be told, there may have been keys of it: taking them away does no harm. */
	if (code == 0)
		images->before = NULL;
	code = images->after != NULL ? judge(m, use, images->after, &why) : 1;
	if (code == FL_ENOMEM)
		return code;
	if (code == 0)
		images->after = NULL;
	images->unknown = code < 0;
	return code < 0 ? doubt(m, use->rule, &use->noticed, images->any->table, why.text, err) : 0;
}

/* A key that gets the row's value, or is deleted where there is none or it can't be told. */
static int push_value(struct fl_mapper *m, struct fl_rule_use *use, const struct images *images,
	struct key key, struct value *value, struct fl_err *err)
{
	if (use->rule->form == FL_FORM_OF_NONE || images->unknown)
		return push_delete(m, key);
	fl_value_make(m, use, images->after, value);
	if (value->code == FL_ENOMEM || m->bytes.failed)
		return FL_ENOMEM;
	if (value->code < 0) {
		int code = doubt(
			m, use->rule, &use->noticed, images->any->table, value->why.text, err);
		return code < 0 ? code : push_delete(m, key);
	}
	if (value->code == 0)
		return push_delete(m, key);
	return fl_mapper_push(m,
		(struct fl_operation){
			.kind = use->rule->form == FL_FORM_OF_HASH ? FL_KEY_HASH : FL_KEY_SET,
			.ttl = value->ttl,
			.flags = use->rule->only_existing ? FL_IF_EXISTS : 0,
			.key.size = key.size,
			.value.size = value->size },
		(struct place){ .key = key.at, .value = value->at });
}

/* Patterns are kept apart until the transaction's end, see fl_mapper_add(): the same one comes with
 * many rows. */
static int push_kill(struct fl_mapper *m, const struct fl_template *template, struct key key)
{
	enum { LOOK_BACK = 64 };
	if (!template->has_any)
		return push_delete(m, key);
	for (size_t i = m->kill_count; i > 0 && m->kill_count - i < LOOK_BACK; i--)
		if (m->kills[i - 1].size == key.size &&
			memcmp(m->bytes.data + m->kills[i - 1].at, m->bytes.data + key.at,
				key.size) == 0) {
			m->bytes.size = key.at;
			return 0;
		}
	if (m->kill_count == m->kill_capacity) {
		size_t const capacity = m->kill_capacity == 0 ? 64 : m->kill_capacity * 2;
		struct key *grown = realloc(m->kills, capacity * sizeof(*grown));
		if (grown == NULL)
			return FL_ENOMEM;
		m->kills = grown;
		m->kill_capacity = capacity;
	}
	m->kills[m->kill_count++] = key;
	return 0;
}

/* One template of a rule: the old image's key goes, the new one's gets the value (a key of the
 * rule's own) or goes as well (a key to invalidate). */
static int map_template(struct fl_mapper *m, struct fl_rule_use *rule, size_t index,
	const struct images *images, struct value *value, struct fl_err *err)
{
	struct fl_template_use *use = &rule->templates[index];
	struct key old = { 0 }, now = { 0 };
	struct fl_err why;
	int code = 0;
	if (use->missing != NULL)
		code = fl_err_set(&why, FL_EUNSUPPORTED, "%s", use->missing);
	if (code == 0 && images->before != NULL)
		code = fl_key_render(m, rule->rule, use, images->before, &old, &why);
	if (code == 0 && images->after != NULL)
		code = fl_key_render(m, rule->rule, use, images->after, &now, &why);
	if (code == FL_ENOMEM)
		return code;
	if (code < 0) {
		const struct fl_table *table = images->any->table;
		code = doubt(m, rule->rule, &use->noticed, table, why.text, err);
		return code < 0 ? code
				: fl_mapper_clear(m, rule->rule, use->template, table->db,
					  table->name, NULL);
	}

	if (old.exists && now.exists && old.size == now.size &&
		memcmp(m->bytes.data + old.at, m->bytes.data + now.at, old.size) == 0) {
		m->bytes.size = now.at;
		now = old;
		old.exists = false;
	}
	if (old.exists)
		code = push_kill(m, use->template, old);
	if (now.exists && code == 0)
		code = index < rule->rule->key_count ? push_value(m, rule, images, now, value, err)
						     : push_kill(m, use->template, now);
	return code;
}

int fl_mapper_row(struct fl_mapper *m, const struct fl_change *change, struct fl_err *err)
{
	const struct fl_row *row = change->op == FL_DELETE ? &change->before : &change->after;
	struct fl_table_use *use = fl_use_cache_find(m->uses, row->table);
	if (use == NULL)
		return FL_ENOMEM;
	struct value plain = { 0 }; /* what rules that want all columns as JSON share */
	int code = 0;
	for (size_t r = 0; r < use->rule_count && code == 0; r++) {
		struct fl_rule_use *rule = &use->rules[r];
		struct images images = { .before = change->op != FL_INSERT ? &change->before : NULL,
			.after = change->op != FL_DELETE ? &change->after : NULL,
			.any = row };
		struct value own = { .shared = &plain };
		if (rule->rule->has_conditions)
			code = judge_both(m, rule, &images, err);
		if (images.before == NULL && images.after == NULL)
			continue;
		for (size_t t = 0; t < rule->rule->template_count && code == 0; t++)
			code = map_template(m, rule, t, &images, &own, err);
	}
	return code;
}
