/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys and values of a batch lie one behind the other in one growing buffer; operations remember
 * offsets into it, which become pointers when the batch is asked for. Once the buffers have grown
 * to a batch's usual size, mapping allocates nothing.
 */
#include "map/map.h"

#include "binlog/row.h"
#include "map/ddl.h"
#include "map/generation.h"
#include "map/rule.h"
#include "map/use.h"

enum { NOTICE_SIZE = 1000 }; /* what a log line holds */

/* Offsets into the bytes, of one operation. */
struct place {
	size_t key, value;
};

struct fl_mapper {
	const struct fl_map *map;
	enum fl_on_doubt on_doubt;
	struct fl_use_cache *uses;
	size_t rule_count;
	const struct fl_rule **rules; /* this sink's, in the order of the file */
	size_t generation_count;      /* of the rules that have them */
	struct fl_generation *generations, *generations_before; /* and before the transaction */

	struct fl_buf bytes;
	size_t count, capacity;
	struct fl_operation *operations; /* pointers are set by fl_mapper_operations() */
	struct place *places;

	size_t first;	      /* of the operations of the transaction under way ... */
	uint32_t transaction; /* ... and its index */

	struct fl_buf notice;
	bool notice_taken;
};

/* A key, rendered into the bytes. */
struct key {
	bool exists;
	size_t at, size;
};

/* The JSON of a change's row, rendered when the first rule asks for it. */
struct value {
	bool tried;
	int code;
	size_t at, size;
	struct fl_err why;
};

struct fl_mapper *fl_mapper_create(
	const struct fl_map *map, const char *sink, enum fl_on_doubt on_doubt)
{
	struct fl_mapper *m = calloc(1, sizeof(*m));
	if (m == NULL)
		return NULL;
	m->map = map;
	m->on_doubt = on_doubt;
	size_t most = 1;
	for (const struct fl_rule *rule = map->rules; rule != NULL; rule = rule->next)
		most++;
	m->rules = calloc(most, sizeof(*m->rules));
	m->generations = calloc(most, sizeof(*m->generations));
	m->generations_before = calloc(most, sizeof(*m->generations));
	if (m->rules == NULL || m->generations == NULL || m->generations_before == NULL)
		goto fail;
	for (const struct fl_rule *rule = map->rules; rule != NULL; rule = rule->next) {
		if (!fl_rule_is_for(rule, sink))
			continue;
		m->rules[m->rule_count++] = rule;
		if (rule->has_generation)
			fl_generation_begin(&m->generations[m->generation_count++], rule);
	}
	m->uses = fl_use_cache_create(map, m->rules, m->rule_count);
	if (m->uses == NULL)
		goto fail;
	return m;
fail:
	fl_mapper_destroy(m);
	return NULL;
}

void fl_mapper_destroy(struct fl_mapper *m)
{
	if (m == NULL)
		return;
	fl_use_cache_destroy(m->uses);
	fl_buf_finish(&m->bytes);
	fl_buf_finish(&m->notice);
	free(m->operations);
	free(m->places);
	free(m->generations);
	free(m->generations_before);
	free(m->rules);
	free(m);
}

void fl_mapper_reset(struct fl_mapper *m)
{
	fl_buf_clear(&m->bytes);
	m->count = 0;
	m->transaction = 0;
}

__attribute__((format(printf, 2, 3))) static void tell(struct fl_mapper *m, const char *format, ...)
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

static int push(struct fl_mapper *m, struct fl_operation operation, struct place place)
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
	return push(m, (struct fl_operation){ .kind = FL_KEY_DELETE, .key.size = key.size },
		(struct place){ .key = key.at });
}

/* Whether the transaction's last operations, as far as none of them sets anything, have this one
 * among them: a thousand rows in doubt would clear the same pattern a thousand times. */
static bool just_done(const struct fl_mapper *m, enum fl_operation_kind kind, struct key key)
{
	enum { LOOK_BACK = 32 };
	for (size_t i = m->count; i > m->first && m->count - i < LOOK_BACK; i--) {
		const struct fl_operation *operation = &m->operations[i - 1];
		if (operation->kind == FL_KEY_SET)
			return false;
		if (operation->kind == kind && operation->key.size == key.size &&
			memcmp(m->bytes.data + m->places[i - 1].key, m->bytes.data + key.at,
				key.size) == 0)
			return true;
	}
	return false;
}

/* Only of a rule that has one. */
static struct fl_generation *generation_of(const struct fl_mapper *m, const struct fl_rule *rule)
{
	size_t i = 0;
	while (m->generations[i].rule != rule)
		i++;
	return &m->generations[i];
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
	return push(m,
		(struct fl_operation){ .kind = FL_KEY_SET,
			.key.size = place.value - place.key,
			.value.size = generation->size },
		place);
}

/* Forgets every key that a template can have given. `cleared` (may be NULL) takes down the patterns
 * that were not just cleared. */
static int clear(struct fl_mapper *m, const struct fl_rule *rule,
	const struct fl_template *template, struct fl_bytes db, struct fl_bytes table,
	struct fl_buf *cleared)
{
	if (template->has_generation) {
		struct fl_generation *generation = generation_of(m, rule);
		fl_generation_next(generation);
		if (cleared != NULL) {
			fl_buf_text(cleared, cleared->size > 0 ? ", " : "");
			fl_buf_text(cleared, rule->name);
			fl_buf_text(cleared, " by a new generation");
		}
		return push_generation(m, generation);
	}
	struct key key = { .exists = true, .at = m->bytes.size };
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
	return push(m, (struct fl_operation){ .kind = kind, .key.size = key.size },
		(struct place){ .key = key.at });
}

/* Names in statements may be written in another case than the one that keys are made of, where the
 * source compares them without case. */
static struct fl_bytes pattern_name(
	const struct fl_mapper *m, struct fl_bytes name, struct fl_bytes pattern)
{
	if (m->map->fold_case)
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
		if (!fl_table_pattern_matches(&rule->pattern, db, table, m->map->fold_case))
			continue;
		if (doubt && m->on_doubt == FL_ON_DOUBT_HALT) {
			code = fl_err_set(err, FL_EUNSUPPORTED, "%.*s", (int)why.size, why.data);
			break;
		}
		for (size_t t = 0; t < rule->template_count && code == 0; t++)
			code = clear(m, rule, &rule->templates[t],
				pattern_name(m, db, rule->pattern.db),
				pattern_name(m, table, rule->pattern.table), &cleared);
	}
	if (code == 0 && cleared.size > 0)
		tell(m, "%.*s.%.*s: %.*s: cleared %.*s", db.data != NULL ? (int)db.size : 1,
			db.data != NULL ? db.data : "*", table.data != NULL ? (int)table.size : 1,
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
			const struct fl_generation *generation = generation_of(m, rule);
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
		tell(m, "%.*s.%.*s: rule %s: %s: keys are deleted, not set", (int)table->db.size,
			table->db.data, (int)table->name.size, table->name.data, rule->name, why);
	use->noticed = true;
	return 0;
}

/* A value has all of the table's columns. */
static int check_whole(const struct fl_row *row, struct fl_err *why)
{
	for (unsigned i = 0; row->present != NULL && i < row->table->column_count; i++)
		if (!is_present(row, i))
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
	return push(m,
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
				: clear(m, rule, use->template, row->table->db, row->table->name,
					  NULL);
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

static int map_row(struct fl_mapper *m, const struct fl_change *change, struct fl_err *err)
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

static int map_change(struct fl_mapper *m, const struct fl_change *change, struct fl_err *err)
{
	struct fl_bytes db = change->db.size > 0 ? change->db : (struct fl_bytes){ 0 };
	struct fl_bytes table = change->table.size > 0 ? change->table : (struct fl_bytes){ 0 };
	switch (change->op) {
	case FL_TRUNCATE:
		return clear_table(m, db, table, false, (struct fl_bytes){ "TRUNCATE", 8 }, err);
	case FL_DDL:
		return map_statement(m, change, err);
	case FL_DOUBT:
		return clear_table(m, db, table, true, change->doubt, err);
	default:
		return map_row(m, change, err);
	}
}

int fl_mapper_add(struct fl_mapper *m, const struct fl_transaction *transaction, uint32_t index,
	struct fl_err *err)
{
	size_t const bytes = m->bytes.size;
	size_t const generations = m->generation_count * sizeof(*m->generations);
	m->first = m->count;
	m->transaction = index;
	if (generations > 0)
		memcpy(m->generations_before, m->generations, generations);
	for (size_t i = 0; i < transaction->change_count && m->rule_count > 0; i++) {
		const struct fl_change *change = &transaction->changes[i];
		struct fl_err why;
		int code = map_change(m, change, &why);
		if (code == 0)
			continue;
		m->count = m->first;
		m->bytes.size = bytes;
		m->bytes.failed = false;
		if (generations > 0)
			memcpy(m->generations, m->generations_before, generations);
		if (code == FL_ENOMEM)
			return fl_err_set(err, code, "out of memory");
		return fl_err_set(err, code, "change %zu of the transaction (%.*s.%.*s): %s", i + 1,
			(int)change->db.size, change->db.data, (int)change->table.size,
			change->table.data, why.text);
	}
	return 0;
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

size_t fl_mapper_bytes(const struct fl_mapper *m)
{
	return m->bytes.size;
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
