/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys and values of a batch lie one behind the other in one growing buffer; operations remember
 * offsets into it, which become pointers when the batch is asked for. Once the buffers have grown
 * to a batch's usual size, mapping allocates nothing.
 */
#include "map/private.h"

#include "map/ddl.h"

enum { NOTICE_SIZE = 1000 }; /* what a log line holds */

struct fl_mapper *fl_mapper_create(
	const struct fl_map *map, const char *sink, enum fl_on_doubt on_doubt)
{
	struct fl_mapper *m = calloc(1, sizeof(*m));
	if (m == NULL)
		return NULL;
	m->use_rules.map = map;
	m->on_doubt = on_doubt;
	m->random = (uint64_t)(uintptr_t)m | 1;
	for (const struct fl_sink_name *n = map->match_first; n != NULL; n = n->next)
		m->use_rules.first |= strcmp(n->name, sink) == 0;
	size_t most = 1;
	for (const struct fl_rule *rule = map->rules; rule != NULL; rule = rule->next)
		most++;
	m->rules = calloc(most, sizeof(*m->rules));
	m->generations = calloc(most, sizeof(*m->generations));
	m->generations_before = calloc(most, sizeof(*m->generations));
	m->generation_of = calloc(most, sizeof(struct fl_generation *));
	if (m->rules == NULL || m->generations == NULL || m->generations_before == NULL ||
		m->generation_of == NULL)
		goto fail;
	for (const struct fl_rule *rule = map->rules; rule != NULL; rule = rule->next) {
		if (!fl_rule_is_for(rule, sink))
			continue;
		if (fl_index_add(&m->use_rules.index, rule, &m->memory) < 0)
			goto fail;
		if (rule->has_generation) {
			m->generation_of[m->rule_count] = &m->generations[m->generation_count++];
			fl_generation_begin(m->generation_of[m->rule_count], rule);
		}
		m->rules[m->rule_count++] = rule;
	}
	return m;
fail:
	fl_mapper_destroy(m);
	return NULL;
}

void fl_mapper_destroy(struct fl_mapper *m)
{
	if (m == NULL)
		return;
	fl_uses_finish(&m->uses);
	fl_arena_finish(&m->memory);
	fl_buf_finish(&m->bytes);
	fl_buf_finish(&m->scratch);
	fl_buf_finish(&m->notice);
	free(m->kills);
	free(m->seen);
	free(m->operations);
	free(m->places);
	free(m->generations);
	free(m->generations_before);
	free(m->generation_of);
	free(m->rules);
	free(m);
}

const char *fl_mapper_missing(
	struct fl_mapper *m, const struct fl_table *table, const char **ret_key)
{
	const struct fl_table_use *use = fl_uses_find(&m->uses, &m->use_rules, table);
	for (size_t i = 0; use != NULL && i < use->rule_count; i++) {
		const struct fl_rule_use *of = &use->rules[i];
		for (size_t t = 0; t < of->rule->template_count; t++)
			if (of->templates[t].missing != NULL) {
				*ret_key = t == 0		     ? "key"
					   : t < of->rule->key_count ? "also"
								     : "invalidate";
				return of->templates[t].missing;
			}
		if (of->missing != NULL) {
			*ret_key = of->missing_key;
			return of->missing;
		}
	}
	return NULL;
}

void fl_mapper_reset(struct fl_mapper *m)
{
	fl_buf_clear(&m->bytes);
	m->count = 0;
	m->transaction = 0;
}

void fl_mapper_tell(struct fl_mapper *m, const char *format, ...)
{
	char text[NOTICE_SIZE / 2];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (m->notice_taken)
		fl_buf_clear(&m->notice);
	m->notice_taken = false;
	if (m->notice.size + strlen(text) + 4 > NOTICE_SIZE)
		return; /* the first ones say enough */
	if (m->notice.size > 0)
		fl_buf_text(&m->notice, "; ");
	fl_buf_text(&m->notice, text);
}

/* Whether the transaction's last operations, as far as none of them sets anything, have this one
 * among them: a thousand rows in doubt would clear the same pattern a thousand times. */
static bool just_done(const struct fl_mapper *m, enum fl_operation_kind kind, struct key key)
{
	enum { LOOK_BACK = 32 };
	for (size_t i = m->count; i > m->first && m->count - i < LOOK_BACK; i--) {
		const struct fl_operation *operation = &m->operations[i - 1];
		if (operation->kind == FL_KEY_SET || operation->kind == FL_KEY_HASH)
			return false;
		if (operation->kind == kind && operation->key.size == key.size &&
			memcmp(m->bytes.data + m->places[i - 1].key, m->bytes.data + key.at,
				key.size) == 0)
			return true;
	}
	return false;
}

static struct fl_generation *find_generation(const struct fl_mapper *m, const struct fl_rule *rule)
{
	size_t i = 0;
	while (m->generations[i].rule != rule)
		i++;
	return &m->generations[i];
}

/* As they are before the transaction, once one of them is to move. */
static void save_generations(struct fl_mapper *m)
{
	if (!m->generations_moved)
		memcpy(m->generations_before, m->generations,
			m->generation_count * sizeof(*m->generations));
	m->generations_moved = true;
}

/* Tells readers a generation. */
static int push_generation(struct fl_mapper *m, const struct fl_generation *generation)
{
	struct place place = { .key = m->bytes.size };
	fl_generation_append_key(generation, &m->bytes);
	place.value = m->bytes.size;
	fl_buf_append(&m->bytes, generation->text, generation->size);
	if (m->bytes.failed)
		return FL_ENOMEM;
	return fl_mapper_push(m,
		(struct fl_operation){ .kind = FL_KEY_SET,
			.key.size = place.value - place.key,
			.value.size = generation->size },
		place);
}

int fl_mapper_clear(struct fl_mapper *m, const struct fl_rule *rule,
	const struct fl_template *template, struct fl_bytes db, struct fl_bytes table,
	struct fl_buf *cleared)
{
	if (template->has_generation) {
		struct fl_generation *generation = find_generation(m, rule);
		save_generations(m);
		fl_generation_next(generation);
		generation->is_due = true;
		if (cleared != NULL) {
			fl_buf_text(cleared, cleared->size > 0 ? ", " : "");
			fl_buf_text(cleared, rule->name);
			fl_buf_text(cleared, " by a new generation");
		}
		return 0;
	}
	struct key key = { .at = m->bytes.size };
	enum fl_operation_kind kind =
		fl_template_pattern(template, db, table, &m->bytes) ? FL_KEY_CLEAR : FL_KEY_DELETE;
	if (m->bytes.failed)
		return FL_ENOMEM;
	key.size = m->bytes.size - key.at;
	if (just_done(m, kind, key)) {
		m->bytes.size = key.at;
		return 0;
	}
	if (cleared != NULL) {
		fl_buf_text(cleared, cleared->size > 0 ? ", " : "");
		fl_buf_append(cleared, m->bytes.data + key.at, key.size);
	}
	return fl_mapper_push(m, (struct fl_operation){ .kind = kind, .key.size = key.size },
		(struct place){ .key = key.at });
}

/* Names in statements may be written in another case than the one that keys are made of, where the
 * source compares them without case. */
static struct fl_bytes pattern_name(
	const struct fl_mapper *m, struct fl_bytes name, struct fl_bytes pattern)
{
	if (m->use_rules.map->fold_case)
		return (struct fl_bytes){ 0 };
	if (name.data != NULL || memchr(pattern.data, '*', pattern.size) != NULL ||
		memchr(pattern.data, '?', pattern.size) != NULL)
		return name;
	return pattern;
}

/* Forgets all keys of the rules that match a table; names with data NULL match all. `doubt`: it is
 * not certain that they have to be. */
static int clear_table(struct fl_mapper *m, struct fl_bytes db, struct fl_bytes table, bool doubt,
	struct fl_bytes why, struct fl_err *err)
{
	struct fl_buf cleared = { 0 };
	int code = 0;
	for (size_t i = 0; i < m->rule_count && code == 0; i++) {
		const struct fl_rule *rule = m->rules[i];
		if (!fl_table_pattern_matches(
			    &rule->pattern, db, table, m->use_rules.map->fold_case))
			continue;
		if (doubt && m->on_doubt == FL_ON_DOUBT_HALT) {
			code = fl_err_set(err, FL_EUNSUPPORTED, "%.*s", (int)why.size, why.data);
			break;
		}
		for (size_t t = 0; t < rule->template_count && code == 0; t++)
			code = fl_mapper_clear(m, rule, &rule->templates[t],
				pattern_name(m, db, rule->pattern.db),
				pattern_name(m, table, rule->pattern.table), &cleared);
	}
	if (code == 0 && cleared.size > 0)
		fl_mapper_tell(m, "%.*s.%.*s: %.*s: cleared %.*s",
			db.data != NULL ? (int)db.size : 1, db.data != NULL ? db.data : "*",
			table.data != NULL ? (int)table.size : 1,
			table.data != NULL ? table.data : "*", why.size < 200 ? (int)why.size : 200,
			why.data, cleared.size < 200 ? (int)cleared.size : 200, cleared.data);
	fl_buf_finish(&cleared);
	return code;
}

static int map_statement(struct fl_mapper *m, const struct fl_change *change, struct fl_err *err)
{
	struct fl_ddl ddl;
	int code = fl_ddl_parse(change->sql, change->db, &ddl);
	if (code < 0)
		return code;
	if (ddl.effect == FL_DDL_ANY) {
		static const char head[] = "a statement that is not understood: ";
		char why[300];
		int size = snprintf(why, sizeof(why), "%s%.*s", head,
			change->sql.size < 200 ? (int)change->sql.size : 200, change->sql.data);
		code = clear_table(m, (struct fl_bytes){ 0 }, (struct fl_bytes){ 0 }, true,
			(struct fl_bytes){ why, (size_t)size }, err);
	} else if (ddl.effect == FL_DDL_TABLES) {
		struct fl_bytes why = { ddl.what, strlen(ddl.what) };
		for (const struct fl_ddl_name *n = ddl.names; n != NULL && code == 0; n = n->next)
			code = clear_table(m, n->db, n->table, false, why, err);
	}
	fl_ddl_finish(&ddl);
	return code;
}

static const struct fl_table *table_of(const struct fl_change *change)
{
	return change->op == FL_DELETE ? change->before.table : change->after.table;
}

/* What is no change of a row; not inlined, so that rows pass by it quickly. */
static __attribute__((noinline)) int map_other(
	struct fl_mapper *m, const struct fl_change *change, struct fl_err *err)
{
	struct fl_bytes db = change->db.size > 0 ? change->db : (struct fl_bytes){ 0 };
	struct fl_bytes table = change->table.size > 0 ? change->table : (struct fl_bytes){ 0 };
	if (change->op == FL_DDL)
		return map_statement(m, change, err);
	return change->op == FL_TRUNCATE
		       ? clear_table(m, db, table, false, (struct fl_bytes){ "TRUNCATE", 8 }, err)
		       : clear_table(m, db, table, true, change->doubt, err);
}

/* What rows kill by pattern goes first: a cache that can't do it within a transaction would else
 * have to forget what the transaction has set before. Whoever fills it again in between does so
 * with what is committed already. */
static int put_kills_first(struct fl_mapper *m)
{
	size_t const count = m->kill_count, behind = m->count - m->first;
	m->has_clear = true;
	for (size_t i = 0; i < count; i++)
		if (fl_mapper_push(m, (struct fl_operation){ 0 }, (struct place){ 0 }) < 0)
			return FL_ENOMEM;
	memmove(m->operations + m->first + count, m->operations + m->first,
		behind * sizeof(*m->operations));
	memmove(m->places + m->first + count, m->places + m->first, behind * sizeof(*m->places));
	for (size_t i = 0; i < count; i++) {
		m->operations[m->first + i] = (struct fl_operation){ .kind = FL_KEY_CLEAR,
			.transaction = m->transaction,
			.key.size = m->kills[i].key.size };
		m->places[m->first + i] = (struct place){ .key = m->kills[i].key.at };
	}
	return 0;
}

/* New generations are told last: what stands in front of a CLEAR would be forgotten. */
static int end_transaction(struct fl_mapper *m)
{
	int code = m->kill_count > 0 ? put_kills_first(m) : 0;
	for (size_t i = 0; i < m->generation_count && code == 0; i++)
		if (m->generations[i].is_due) {
			m->generations[i].is_due = false;
			code = push_generation(m, &m->generations[i]);
		}
	return code;
}

static __attribute__((noinline)) int refuse(struct fl_mapper *m,
	const struct fl_transaction *transaction, const struct fl_change *change,
	const struct fl_err *why, int code, struct fl_err *err)
{
	size_t const number = (size_t)(change - transaction->changes) + 1;
	fl_mapper_undo(m);
	if (code == FL_ENOMEM)
		return fl_err_set(err, code, "out of memory");
	return fl_err_set(err, code, "change %zu of the transaction (%.*s.%.*s): %s", number,
		(int)change->db.size, change->db.data, (int)change->table.size, change->table.data,
		why->text);
}

int fl_mapper_add(struct fl_mapper *m, const struct fl_transaction *transaction, uint32_t index,
	struct fl_err *err)
{
	const struct fl_change *change = transaction->changes;
	const struct fl_change *const end = change + transaction->change_count;
	struct fl_err why;
	int code = 0;
	m->bytes_before = m->bytes.size;
	m->doubts_before = m->doubts;
	m->first = m->count;
	m->transaction = index;
	m->kill_count = 0;
	m->has_clear = m->generations_moved = false;
	m->now = 0;
	if (m->rule_count == 0)
		return 0;
	for (; change < end; change++) {
		if (change->op <= FL_DELETE) {
			struct fl_table_use *use =
				fl_uses_find(&m->uses, &m->use_rules, table_of(change));
			if (use != NULL && use->rule_count == 0)
				continue;
			code = use != NULL ? fl_mapper_row(m, use, change, &why) : FL_ENOMEM;
		} else {
			code = map_other(m, change, &why);
		}
		if (code < 0)
			return refuse(m, transaction, change, &why, code, err);
	}
	if (m->kill_count > 0 || m->generations_moved)
		code = end_transaction(m);
	return code < 0 ? refuse(m, transaction, end - 1, &why, code, err) : 0;
}

bool fl_mapper_has_clear(const struct fl_mapper *m)
{
	return m->has_clear;
}

bool fl_mapper_comes_later(const struct fl_mapper *m)
{
	return m->first > 0;
}

void fl_mapper_undo(struct fl_mapper *m)
{
	m->count = m->first;
	m->doubts = m->doubts_before;
	m->bytes.size = m->bytes_before;
	m->bytes.failed = false;
	if (m->generations_moved)
		memcpy(m->generations, m->generations_before,
			m->generation_count * sizeof(*m->generations));
}

int fl_mapper_publish(struct fl_mapper *m)
{
	int code = 0;
	for (size_t i = 0; i < m->generation_count && code == 0; i++)
		code = push_generation(m, &m->generations[i]);
	return code;
}

bool fl_mapper_has_generations(const struct fl_mapper *m)
{
	return m->generation_count > 0;
}

void fl_mapper_format(const struct fl_mapper *m, struct fl_buf *out)
{
	fl_generations_format(m->generations, m->generation_count, out);
}

int fl_mapper_resume(struct fl_mapper *m, struct fl_bytes *position, struct fl_err *err)
{
	m->generations_moved = false;
	for (size_t i = 0; i < m->generation_count; i++)
		fl_generation_begin(&m->generations[i], m->generations[i].rule);
	return fl_generations_parse(position, m->generations, m->generation_count, err);
}

const struct fl_operation *fl_mapper_operations(const struct fl_mapper *m, size_t *ret_count)
{
	for (size_t i = 0; i < m->count; i++) {
		m->operations[i].key.data = m->bytes.data + m->places[i].key;
		m->operations[i].value.data = m->bytes.data + m->places[i].value;
	}
	*ret_count = m->count;
	return m->operations;
}

size_t fl_mapper_count(const struct fl_mapper *m)
{
	return m->count;
}

size_t fl_mapper_bytes(const struct fl_mapper *m)
{
	return m->bytes.size;
}

uint64_t fl_mapper_doubts(struct fl_mapper *m)
{
	uint64_t const doubts = m->doubts;
	m->doubts = m->doubts_before = 0;
	return doubts;
}

const char *fl_mapper_notice(struct fl_mapper *m)
{
	if (m->notice_taken || m->notice.size == 0)
		return NULL;
	fl_buf_char(&m->notice, '\0');
	if (m->notice.failed)
		return NULL;
	m->notice_taken = true;
	return m->notice.data;
}
