/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows: what their table's definition makes of the rules, done to the keys of both images.
 */
#include "map/private.h"

#include "binlog/row.h"

/* Of an operation, until the row is done: it deletes a key that the row has left. */
enum { IS_OLD = 1 << 30 };

int fl_mapper_grow(struct fl_mapper *m)
{
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
	m->doubts++;
	if (!*noticed)
		fl_mapper_tell(m, "%.*s.%.*s: rule %s: %s: keys are deleted, not set",
			(int)table->db.size, table->db.data, (int)table->name.size,
			table->name.data, rule->name, why);
	*noticed = true;
	return 0;
}

/* Whether the rule wants the row. 1, 0, or FL_E... and why it can't be told. */
static int judge(struct fl_mapper *m, const struct fl_rule_use *use, const struct fl_image *image,
	struct fl_err *why)
{
	enum fl_truth truth = FL_FALSE;
	if (!use->can_judge)
		return fl_err_set(why, FL_EUNSUPPORTED, "%s", use->missing);
	int code = fl_conditions_judge(
		&use->rule->only_when, image, use->only_when, &m->scratch, &truth, why);
	if (code < 0 || truth != FL_TRUE)
		return code;
	if (use->rule->delete_when.root == NULL)
		return 1;
	code = fl_conditions_judge(
		&use->rule->delete_when, image, use->delete_when, &m->scratch, &truth, why);
	return code < 0 ? code : truth != FL_TRUE;
}

/* Whether the conditions' columns have not changed, so that both images are judged at once. */
static bool is_judged_the_same(const struct fl_rule_use *use, const struct images *images)
{
	const struct fl_rule *rule = use->rule;
	return images->before != NULL && images->after != NULL && use->can_judge &&
	       fl_cells_are_same(images->before, images->after, use->only_when,
		       rule->only_when.column_count) &&
	       fl_cells_are_same(images->before, images->after, use->delete_when,
		       rule->delete_when.column_count);
}

static int judge_both(
	struct fl_mapper *m, struct fl_rule_use *use, struct images *images, struct fl_err *err)
{
	struct fl_err why;
	bool const same = is_judged_the_same(use, images);
	int code = images->before != NULL && !same ? judge(m, use, images->before, &why) : 1;
	if (code == FL_ENOMEM)
		return code;
	/* Where it can't be told, there may have been keys of it: taking them away does no harm. */
	if (code == 0)
		images->before = NULL;
	code = images->after != NULL ? judge(m, use, images->after, &why) : 1;
	if (code == FL_ENOMEM)
		return code;
	if (code == 0 && same)
		images->before = NULL;
	if (code == 0)
		images->after = NULL;
	images->unknown = code < 0;
	return code < 0 ? doubt(m, use->rule, &use->noticed, images->table, why.text, err) : 0;
}

/* A key that gets the row's value, or is deleted where there is none or it can't be told. */
static int push_value(struct fl_mapper *m, struct fl_rule_use *use, const struct images *images,
	struct key key, struct value *value, struct fl_err *err)
{
	if (use->rule->form == FL_FORM_OF_NONE || images->unknown)
		return push_delete(m, key);
	fl_value_make(m, use, images, value);
	if (value->code == FL_ENOMEM || m->bytes.failed)
		return FL_ENOMEM;
	if (value->code < 0) {
		int code = doubt(m, use->rule, &use->noticed, images->table, value->why->text, err);
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

/* Gives back the bytes of a key that is not needed, if nothing stands behind it. */
static void give_back(struct fl_mapper *m, struct key key)
{
	if (key.at + key.size == m->bytes.size)
		m->bytes.size = key.at;
}

/* All keys of the template go, in place of many of them one by one: each costs the cache a walk
 * through all of its keys. */
static int widen(struct fl_mapper *m, const struct fl_template *template)
{
	size_t kept = 0;
	struct kill all = { .template = template, .all = true, .key.at = m->bytes.size };
	for (size_t i = 0; i < m->kill_count; i++)
		if (m->kills[i].template != template)
			m->kills[kept++] = m->kills[i];
	fl_template_pattern(template, (struct fl_bytes){ 0 }, (struct fl_bytes){ 0 }, &m->bytes);
	all.key.size = m->bytes.size - all.key.at;
	m->kills[kept++] = all;
	m->kill_count = kept;
	return m->bytes.failed ? FL_ENOMEM : 0;
}

/* Patterns are kept apart until the transaction's end, see fl_mapper_add(): the same one comes with
 * many rows. */
static int push_kill(struct fl_mapper *m, const struct fl_template *template, struct key key)
{
	enum { MOST = 32 }; /* of one template */
	size_t count = 0;
	if (!template->has_any)
		return push_delete(m, key);
	for (size_t i = 0; i < m->kill_count; i++) {
		const struct kill *kill = &m->kills[i];
		count += kill->template == template;
		if ((kill->template == template && kill->all) ||
			(kill->key.size == key.size &&
				memcmp(m->bytes.data + kill->key.at, m->bytes.data + key.at,
					key.size) == 0)) {
			give_back(m, key);
			return 0;
		}
	}
	if (m->kill_count == m->kill_capacity) {
		size_t const capacity = m->kill_capacity == 0 ? 64 : m->kill_capacity * 2;
		struct kill *grown = realloc(m->kills, capacity * sizeof(*grown));
		if (grown == NULL)
			return FL_ENOMEM;
		m->kills = grown;
		m->kill_capacity = capacity;
	}
	m->kills[m->kill_count++] = (struct kill){ .key = key, .template = template };
	return count + 1 > MOST && !template->has_generation ? widen(m, template) : 0;
}

/* A key that the row has no longer. It goes in front of all that the rule has made of the row so
 * far: another of its keys may be that very one now. */
static int push_old(struct fl_mapper *m, struct key key)
{
	int code = push_delete(m, key);
	if (code < 0)
		return code;
	size_t const last = m->count - 1, to = m->rule_first + m->rule_old++;
	struct fl_operation operation = m->operations[last];
	struct place const place = m->places[last];
	operation.flags |= IS_OLD;
	m->has_old = true;
	memmove(m->operations + to + 1, m->operations + to, (last - to) * sizeof(operation));
	memmove(m->places + to + 1, m->places + to, (last - to) * sizeof(place));
	m->operations[to] = operation;
	m->places[to] = place;
	return 0;
}

static bool is_set_before(const struct fl_mapper *m, size_t first, size_t index)
{
	struct fl_operation const *const wanted = &m->operations[index];
	for (size_t i = first; i < index; i++)
		if ((m->operations[i].kind == FL_KEY_SET || m->operations[i].kind == FL_KEY_HASH) &&
			m->operations[i].key.size == wanted->key.size &&
			memcmp(m->bytes.data + m->places[i].key,
				m->bytes.data + m->places[index].key, wanted->key.size) == 0)
			return true;
	return false;
}

/* By one rule a row may have come to a key, and by a later one have left it: it is there now. */
static void settle_rules(struct fl_mapper *m, size_t first)
{
	size_t kept = first;
	for (size_t i = first; i < m->count; i++) {
		bool const is_old = (m->operations[i].flags & IS_OLD) != 0;
		m->operations[i].flags &= ~(uint32_t)IS_OLD;
		if (is_old && is_set_before(m, first, i))
			continue;
		m->operations[kept] = m->operations[i];
		m->places[kept++] = m->places[i];
	}
	m->count = kept;
}

/* What a template's keys are can't be told: all of them go. */
static int clear(struct fl_mapper *m, const struct fl_rule_use *rule, struct fl_template_use *use,
	const struct fl_table *table, const struct fl_err *why, struct fl_err *err)
{
	int code = doubt(m, rule->rule, &use->noticed, table, why->text, err);
	return code < 0 ? code
			: fl_mapper_clear(
				  m, rule->rule, use->template, table->db, table->name, NULL);
}

/* One template of a rule: the old image's key goes, the new one's gets the value (a key of the
 * rule's own) or goes as well (a key to invalidate). */
static int map_template(struct fl_mapper *m, struct fl_rule_use *rule, struct fl_template_use *use,
	const struct images *images, struct value *value, struct fl_err *err)
{
	struct key old, now;
	struct fl_err why;
	int code = fl_keys_render(m, rule, use, images, &old, &now, &why);
	if (code < 0)
		return code == FL_ENOMEM ? code : clear(m, rule, use, images->table, &why, err);
	if (old.size > 0)
		code = use->template->has_any ? push_kill(m, use->template, old) : push_old(m, old);
	if (now.size > 0 && code == 0)
		code = use->is_key ? push_value(m, rule, images, now, value, err)
				   : push_kill(m, use->template, now);
	return code;
}

static int map_rule(struct fl_mapper *m, struct fl_rule_use *rule, const struct images *images,
	struct fl_err *err)
{
	struct fl_err why;
	struct value value;
	struct images judged;
	int code = 0;
	if (rule->rule->has_conditions) {
		judged = *images;
		code = judge_both(m, rule, &judged, err);
		if (code < 0 || (judged.before == NULL && judged.after == NULL))
			return code;
		images = &judged;
	}
	value.tried = false;
	value.why = &why;
	m->rule_first = m->count;
	m->rule_old = 0;
	struct fl_template_use *use = rule->templates;
	do
		code = map_template(m, rule, use, images, &value, err);
	while (++use < rule->templates_end && code == 0);
	return code;
}

int fl_mapper_row(struct fl_mapper *m, struct fl_table_use *use, const struct fl_change *change,
	struct fl_err *err)
{
	struct fl_err why;
	struct value plain;
	struct images images = { .table = &use->def->table, .plain = &plain };
	size_t const first = m->count;
	int code = 0;
	plain.tried = false;
	plain.why = &why;
	m->has_old = false;
	if (change->op != FL_INSERT) {
		m->uses.before.row = &change->before;
		fl_cells_find(&use->named, &m->uses.before);
		images.before = &m->uses.before;
	}
	if (change->op != FL_DELETE) {
		m->uses.after.row = &change->after;
		fl_cells_find(&use->named, &m->uses.after);
		images.after = &m->uses.after;
	}
	for (size_t r = 0; r < use->rule_count && code == 0; r++)
		code = map_rule(m, &use->rules[r], &images, err);
	if (m->has_old)
		settle_rules(m, first);
	return code;
}
