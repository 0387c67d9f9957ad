/* SPDX-License-Identifier: Apache-2.0 */
#include "map/fields.h"

#include <msgpack/pack.h>

#include "binlog/row.h"
#include "map/cells.h"
#include "map/template.h"

static struct fl_bytes trim(struct fl_bytes text)
{
	while (text.size > 0 && (*text.data == ' ' || *text.data == '\t')) {
		text.data++;
		text.size--;
	}
	while (text.size > 0 &&
		(text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
		text.size--;
	return text;
}

/* The names in a list, each once. `seconds`: what stands behind a colon in each; else there is to
 * be none. */
static int compile_list(const char *part, const char *list, struct fl_arena *arena,
	size_t *ret_count, const struct fl_bytes **ret, const struct fl_bytes **ret_seconds,
	struct fl_err *err)
{
	size_t most = 1, count = 0;
	for (const char *at = list; *at != '\0'; at++)
		most += *at == ',';
	char *copy = fl_arena_copy(arena, list, strlen(list));
	struct fl_bytes *names = fl_arena_alloc(arena, most * sizeof(*names));
	struct fl_bytes *seconds = fl_arena_alloc(arena, most * sizeof(*seconds));
	if (copy == NULL || names == NULL || seconds == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (char *at = copy; count < most; at += strcspn(at, ",") + 1) {
		struct fl_bytes name = trim((struct fl_bytes){ at, strcspn(at, ",") });
		struct fl_bytes second = { 0 };
		const char *colon = ret_seconds != NULL && name.size > 0
					    ? memchr(name.data, ':', name.size)
					    : NULL;
		if (colon != NULL) {
			second = trim((struct fl_bytes){
				colon + 1, (size_t)(name.data + name.size - colon) - 1 });
			name = trim((struct fl_bytes){ name.data, (size_t)(colon - name.data) });
		}
		if (name.size == 0 || (ret_seconds != NULL && second.size == 0))
			return fl_err_set(err, FL_EINVAL, "%s: %s", part,
				ret_seconds != NULL ? "must be pairs, separated by commas: "
						      "column:name, other:name"
						    : "must be names, separated by commas");
		for (size_t i = 0; i < count; i++)
			if (names[i].size == name.size &&
				fl_same_letters(names[i].data, name.data, name.size))
				return fl_err_set(err, FL_EINVAL, "%s: %.*s is there twice", part,
					(int)name.size, name.data);
		names[count] = name;
		seconds[count++] = second;
	}
	*ret = names;
	*ret_count = count;
	if (ret_seconds != NULL)
		*ret_seconds = seconds;
	return 0;
}

int fl_fields_compile(const char *columns, const char *exclude, const char *rename,
	struct fl_arena *arena, struct fl_fields *ret, struct fl_err *err)
{
	*ret = (struct fl_fields){ .exclude = exclude != NULL };
	int code = 0;
	if (columns != NULL && exclude != NULL)
		return fl_err_set(err, FL_EINVAL,
			"columns and exclude: one of them says all: remove the other");
	if (columns != NULL || exclude != NULL)
		code = compile_list(columns != NULL ? "columns" : "exclude",
			columns != NULL ? columns : exclude, arena, &ret->column_count,
			&ret->columns, NULL, err);
	if (code == 0 && rename != NULL)
		code = compile_list(
			"rename", rename, arena, &ret->rename_count, &ret->from, &ret->to, err);
	return code;
}

bool fl_field_find(const struct fl_table *table, struct fl_bytes name, unsigned *ret)
{
	for (unsigned i = 0; i < table->column_count; i++) {
		struct fl_bytes column = table->columns[i].name;
		if (column.size == name.size && name.size > 0 &&
			fl_same_letters(column.data, name.data, name.size)) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static int no_column(struct fl_bytes name, struct fl_err *err)
{
	return fl_err_set(
		err, FL_EINVAL, "the table has no column %.*s", (int)name.size, name.data);
}

static void append_size(struct fl_buf *out, size_t size)
{
	uint32_t const number = (uint32_t)size;
	fl_buf_append(out, &number, sizeof(number));
}

static int write_packed(void *out, const char *data, size_t size)
{
	fl_buf_append(out, data, size);
	return 0;
}

/* What stands in front of a value that is called so; of a hash, with room for the value's size. */
static void append_head(enum fl_value_form form, struct fl_bytes name, struct fl_buf *out)
{
	msgpack_packer packer;
	switch (form) {
	case FL_FORM_OF_HASH:
		append_size(out, name.size);
		fl_buf_append(out, name.data, name.size);
		append_size(out, 0);
		break;
	case FL_FORM_OF_MSGPACK:
		msgpack_packer_init(&packer, out, write_packed);
		msgpack_pack_str_with_body(&packer, name.data, name.size);
		break;
	default:
		fl_buf_char(out, ',');
		fl_json_text(name, out);
		fl_buf_char(out, ':');
		break;
	}
}

/* Takes it over, and what may be copied beyond its end. */
static int keep(struct fl_buf *text, struct fl_arena *arena, struct fl_bytes *ret)
{
	size_t const size = text->size;
	for (int i = 0; i < FL_NAME_PAD; i++)
		fl_buf_char(text, ' ');
	const char *copy = text->failed ? NULL : fl_arena_copy(arena, text->data, text->size);
	fl_buf_clear(text);
	if (copy == NULL)
		return FL_ENOMEM;
	*ret = (struct fl_bytes){ copy, size };
	return 0;
}

/* The heads of the columns that have a name. */
static int make_heads(enum fl_value_form form, const struct fl_table_def *def,
	const struct fl_bytes *names, struct fl_arena *arena, struct fl_fields_use *ret)
{
	unsigned const count = def->table.column_count;
	struct fl_bytes *heads = fl_arena_alloc(arena, count * sizeof(*heads));
	struct fl_buf text = { 0 };
	size_t wanted = 0;
	int code = heads != NULL ? 0 : FL_ENOMEM;
	for (unsigned i = 0; i < count && code == 0; i++) {
		heads[i] = (struct fl_bytes){ 0 };
		if (names != NULL ? names[i].data == NULL : def->defs[i].hidden)
			continue;
		append_head(form, names != NULL ? names[i] : def->table.columns[i].name, &text);
		code = keep(&text, arena, &heads[i]);
		wanted++;
	}
	if (code == 0) {
		msgpack_packer packer;
		msgpack_packer_init(&packer, &text, write_packed);
		msgpack_pack_map(&packer, wanted);
		code = keep(&text, arena, &ret->begin);
	}
	fl_buf_finish(&text);
	ret->heads = heads;
	return code;
}

int fl_fields_fit(const struct fl_fields *fields, enum fl_value_form form,
	const struct fl_table_def *def, struct fl_arena *arena, struct fl_fields_use *ret,
	struct fl_err *err)
{
	*ret = (struct fl_fields_use){ .all = fields->column_count + fields->rename_count == 0 };
	if (ret->all && form != FL_FORM_OF_HASH && form != FL_FORM_OF_MSGPACK)
		return 0;
	if (ret->all)
		return make_heads(form, def, NULL, arena, ret) == 0
			       ? 0
			       : fl_err_set(err, FL_ENOMEM, "out of memory");
	const struct fl_table *table = &def->table;
	struct fl_bytes *names = fl_arena_alloc(arena, table->column_count * sizeof(*names));
	if (names == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	bool const by_name = fields->column_count > 0 && !fields->exclude;
	for (unsigned i = 0; i < table->column_count; i++)
		names[i] = by_name || def->defs[i].hidden ? (struct fl_bytes){ 0 }
							  : table->columns[i].name;
	unsigned column;
	for (size_t i = 0; i < fields->column_count; i++) {
		if (!fl_field_find(table, fields->columns[i], &column))
			return no_column(fields->columns[i], err);
		names[column] = by_name ? table->columns[column].name : (struct fl_bytes){ 0 };
	}
	for (size_t i = 0; i < fields->rename_count; i++) {
		if (!fl_field_find(table, fields->from[i], &column))
			return no_column(fields->from[i], err);
		if (names[column].data != NULL)
			names[column] = fields->to[i];
	}
	for (unsigned i = 0; i < table->column_count; i++)
		for (unsigned k = 0; k < i && names[i].data != NULL; k++)
			if (names[k].data != NULL && names[k].size == names[i].size &&
				memcmp(names[k].data, names[i].data, names[i].size) == 0)
				return fl_err_set(err, FL_EINVAL, "two columns are called %.*s",
					(int)names[i].size, names[i].data);
	ret->names = names;
	return make_heads(form, def, names, arena, ret) == 0
		       ? 0
		       : fl_err_set(err, FL_ENOMEM, "out of memory");
}

static bool is_wanted(
	const struct fl_fields_use *use, const struct fl_table_def *def, unsigned column)
{
	return use->all ? !def->defs[column].hidden : use->names[column].data != NULL;
}

/* A value has all of the columns that belong in it. */
static int check_whole(
	const struct fl_fields_use *use, const struct fl_row *row, struct fl_err *err)
{
	const struct fl_table_def *def = (const struct fl_table_def *)(const void *)row->table;
	for (unsigned i = 0; row->present != NULL && i < row->table->column_count; i++)
		if (!fl_bit(row->present, i) && is_wanted(use, def, i))
			return fl_cell_refuse_absent(row, i, err);
	return 0;
}

int fl_fields_json(const struct fl_fields_use *use, const struct fl_row *row, struct fl_buf *out,
	struct fl_err *err)
{
	int code = check_whole(use, row, err);
	if (code < 0)
		return code;
	return use->all ? fl_row_json(row, out, err) : fl_row_json_named(row, use->heads, out, err);
}

static void pack(msgpack_packer *packer, const struct fl_value *value)
{
	switch (value->kind) {
	case FL_VALUE_INT:
		msgpack_pack_int64(packer, value->i);
		break;
	case FL_VALUE_UINT:
		msgpack_pack_uint64(packer, value->u);
		break;
	case FL_VALUE_FLOAT:
		msgpack_pack_float(packer, (float)value->d);
		break;
	case FL_VALUE_DOUBLE:
		msgpack_pack_double(packer, value->d);
		break;
	case FL_VALUE_BINARY:
		msgpack_pack_bin_with_body(packer, value->bytes.data, value->bytes.size);
		break;
	case FL_VALUE_NUMBER:
	case FL_VALUE_TEXT:
	case FL_VALUE_JSON:
		msgpack_pack_str_with_body(packer, value->bytes.data, value->bytes.size);
		break;
	default:
		msgpack_pack_nil(packer);
		break;
	}
}

static int append_packed(const struct fl_column_def *def, enum fl_cell_state state,
	struct fl_cell cell, msgpack_packer *packer, struct fl_buf *scratch)
{
	struct fl_value value = { .kind = FL_VALUE_NULL };
	fl_buf_clear(scratch);
	int code = state == FL_CELL_VALUE ? fl_value_decode(def, cell, scratch, &value) : 0;
	if (code == 0)
		pack(packer, &value);
	return code;
}

/* The text, and its size where the head has room for it. */
static int append_hashed(const struct fl_column_def *def, struct fl_cell cell,
	struct fl_buf *scratch, struct fl_buf *out)
{
	size_t const at = out->size;
	int code = fl_cell_append_raw(def, cell, scratch, out);
	if (code < 0)
		return code;
	uint32_t const size = (uint32_t)(out->size - at);
	memcpy(out->data + at - sizeof(size), &size, sizeof(size));
	return 0;
}

/* In pieces: names are short. */
static bool put_head(struct fl_bytes head, struct fl_buf *out)
{
	char *to = fl_buf_reserve(out, head.size + FL_NAME_PAD);
	for (size_t i = 0; to != NULL && i < head.size; i += FL_NAME_PAD)
		memcpy(to + i, head.data + i, FL_NAME_PAD);
	out->size += to != NULL ? head.size : 0;
	return to != NULL;
}

/* HASH or MSGPACK: the columns that have a head. */
static int append_fields(const struct fl_fields_use *use, bool packed, const struct fl_row *row,
	struct fl_buf *scratch, struct fl_buf *out, struct fl_err *err)
{
	const struct fl_table_def *def = (const struct fl_table_def *)(const void *)row->table;
	size_t const start = out->size;
	int code = fl_row_check_known(row, err);
	if (code == 0)
		code = check_whole(use, row, err);
	if (code < 0)
		return code;
	msgpack_packer packer;
	msgpack_packer_init(&packer, out, write_packed);
	code = packed && !put_head(use->begin, out) ? FL_ENOMEM : 0;
	struct fl_walk walk = fl_walk_from(row);
	unsigned i = 0;
	for (; i < row->table->column_count && code == 0; i++) {
		struct fl_cell cell = { 0 };
		enum fl_cell_state const state = fl_walk_next(&walk, &cell);
		if (use->heads[i].data == NULL || (!packed && state != FL_CELL_VALUE))
			continue;
		if (!put_head(use->heads[i], out))
			code = FL_ENOMEM;
		else if (packed)
			code = append_packed(&def->defs[i], state, cell, &packer, scratch);
		else
			code = append_hashed(&def->defs[i], cell, scratch, out);
	}
	if (code == 0 && out->failed)
		code = FL_ENOMEM;
	if (code == 0)
		return 0;
	out->size = start;
	return fl_row_explain(def, i > 0 ? i - 1 : 0, code, err);
}

int fl_fields_msgpack(const struct fl_fields_use *use, const struct fl_row *row,
	struct fl_buf *scratch, struct fl_buf *out, struct fl_err *err)
{
	return append_fields(use, true, row, scratch, out, err);
}

int fl_fields_hash(const struct fl_fields_use *use, const struct fl_row *row,
	struct fl_buf *scratch, struct fl_buf *out, struct fl_err *err)
{
	return append_fields(use, false, row, scratch, out, err);
}
