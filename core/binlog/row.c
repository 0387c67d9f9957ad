/* SPDX-License-Identifier: Apache-2.0 */
#include "binlog/row.h"
#include "binlog/image.h"

/* The two loops that everything goes through are worth a copy of their own in each caller. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

static const struct fl_table_def *def_of(const struct fl_row *row)
{
	return (const struct fl_table_def *)(const void *)row->table;
}

static enum fl_cell_state find(const struct fl_row *row, unsigned column, struct fl_cell *ret)
{
	struct fl_walk w = fl_walk_from(row);
	enum fl_cell_state state = FL_CELL_ABSENT;
	while (w.column <= column)
		state = fl_walk_next(&w, ret);
	return state;
}

/* Whether the table is known well enough to show a row of it. */
int fl_row_check_known(const struct fl_row *row, struct fl_err *err)
{
	const struct fl_table_def *def = def_of(row);
	if (def->doubt != NULL)
		return fl_err_set(err, FL_EUNSUPPORTED, "%s", def->doubt);
	if (!def->complete)
		return fl_err_set(err, FL_EUNSUPPORTED,
			FL_TABLE_FMT ": the source does not tell its columns' names and types",
			FL_TABLE_ARG(def));
	return 0;
}

int fl_row_explain(const struct fl_table_def *def, unsigned column, int code, struct fl_err *err)
{
	struct fl_bytes name = def->table.columns[column].name;
	switch (code) {
	case FL_EUNSUPPORTED:
		return fl_err_set(err, code, FL_TABLE_FMT ".%.*s: %s is not decoded",
			FL_TABLE_ARG(def), (int)name.size, name.data,
			def->defs[column].not_decoded != NULL
				? def->defs[column].not_decoded
				: "a label that the source may show wrongly (with a '?')");
	case FL_EINVAL:
		return fl_err_set(err, FL_EUNSUPPORTED,
			FL_TABLE_FMT ".%.*s: the row image is without this key column",
			FL_TABLE_ARG(def), (int)name.size, name.data);
	case FL_ECORRUPT:
		return fl_err_set(err, code, FL_TABLE_FMT ".%.*s: not a valid value of its type",
			FL_TABLE_ARG(def), (int)name.size, name.data);
	default:
		return fl_err_set(err, code, "out of memory");
	}
}

/* Appends `,"name":value`. Begun by a comma, the object's brace takes its place at the end. */
ALWAYS_INLINE int append_named(const struct fl_column_def *def, struct fl_bytes name,
	enum fl_cell_state state, struct fl_cell cell, struct fl_buf *out)
{
	size_t const room = fl_value_json_room(def, cell);
	char *to = fl_buf_reserve(out, name.size + FL_NAME_PAD + room);
	if (to == NULL)
		return FL_ENOMEM;
	for (size_t i = 0; i < name.size; i += FL_NAME_PAD)
		memcpy(to + i, name.data + i, FL_NAME_PAD);
	to += name.size;
	if (state == FL_CELL_NULL) {
		memcpy(to, "null", 4);
		to += 4;
	} else if (room > 0) {
		to = fl_value_json_write(def, cell, to);
		if (to == NULL)
			return FL_ECORRUPT;
	} else {
		out->size = (size_t)(to - out->data);
		return fl_value_json(def, cell, out);
	}
	out->size = (size_t)(to - out->data);
	return 0;
}

ALWAYS_INLINE int append_member(const struct fl_column_def *def, enum fl_cell_state state,
	struct fl_cell cell, struct fl_buf *out)
{
	return append_named(def, def->json_name, state, cell, out);
}

static int undo(const struct fl_table_def *def, unsigned column, int code, size_t start,
	struct fl_buf *out, struct fl_err *err)
{
	out->size = start;
	return fl_row_explain(def, column, code, err);
}

/* Ends the object whose members begin at `start`. */
static int finish(size_t start, struct fl_buf *out, struct fl_err *err)
{
	bool const empty = out->size == start;
	char *to = fl_buf_reserve(out, 2);
	if (to == NULL) {
		out->size = start;
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	}
	to[empty] = '}';
	out->size += 1u + empty;
	out->data[start] = '{';
	return 0;
}

static int check_shown(const struct fl_row *row, struct fl_err *err)
{
	int code = fl_row_check_known(row, err);
	if (code == 0 && row->is_torn)
		code = fl_err_set(err, FL_EUNSUPPORTED,
			FL_TABLE_FMT ": a JSON document was changed in part, and what it was is "
				     "not in the log (binlog_row_image)",
			FL_TABLE_ARG(def_of(row)));
	return code;
}

int fl_row_json_named(const struct fl_row *row, const struct fl_bytes *names, struct fl_buf *out,
	struct fl_err *err)
{
	size_t const start = out->size;
	int code = fl_row_check_known(row, err);
	if (code < 0)
		return code;
	const struct fl_table_def *def = def_of(row);
	struct fl_walk w = fl_walk_from(row);
	for (unsigned i = 0; i < def->table.column_count; i++) {
		struct fl_cell cell = { 0 };
		enum fl_cell_state state = fl_walk_next(&w, &cell);
		if (state == FL_CELL_ABSENT || names[i].data == NULL)
			continue;
		code = append_named(&def->defs[i], names[i], state, cell, out);
		if (code < 0)
			return undo(def, i, code, start, out, err);
	}
	return finish(start, out, err);
}

int fl_row_json(const struct fl_row *row, struct fl_buf *out, struct fl_err *err)
{
	size_t const start = out->size;
	int code = check_shown(row, err);
	if (code < 0)
		return code;
	const struct fl_table_def *def = def_of(row);
	struct fl_walk w = fl_walk_from(row);
	for (unsigned i = 0; i < def->table.column_count; i++) {
		struct fl_cell cell = { 0 };
		enum fl_cell_state state = fl_walk_next(&w, &cell);
		if (state == FL_CELL_ABSENT || def->defs[i].hidden)
			continue;
		code = append_member(&def->defs[i], state, cell, out);
		if (code < 0)
			return undo(def, i, code, start, out, err);
	}
	return finish(start, out, err);
}

int fl_row_key_json(const struct fl_row *row, struct fl_buf *out, struct fl_err *err)
{
	size_t const start = out->size;
	int code = fl_row_check_known(row, err);
	if (code < 0)
		return code;
	const struct fl_table_def *def = def_of(row);
	for (unsigned i = 0; i < row->table->key_count; i++) {
		unsigned column = row->table->key_columns[i];
		struct fl_cell cell = { 0 };
		enum fl_cell_state state = find(row, column, &cell);
		code = state == FL_CELL_ABSENT
			       ? FL_EINVAL
			       : append_member(&def->defs[column], state, cell, out);
		if (code < 0)
			return undo(def, column, code, start, out, err);
	}
	return finish(start, out, err);
}

/* Takes the output's last member out again if that is also how the column's new value looks. */
static int drop_if_same(const struct fl_column_def *def, enum fl_cell_state state,
	struct fl_cell now, size_t member, struct fl_buf *out)
{
	size_t const end = out->size, size = end - member;
	int code = append_member(def, state, now, out);
	if (code < 0)
		return code;
	bool const same =
		out->size - end == size && memcmp(out->data + member, out->data + end, size) == 0;
	out->size = same ? member : end;
	return 0;
}

int fl_row_old_json(const struct fl_row *before, const struct fl_row *after, struct fl_buf *out,
	struct fl_err *err)
{
	size_t const start = out->size;
	int code = fl_row_check_known(before, err);
	if (code < 0)
		return code;
	const struct fl_table_def *def = def_of(before);
	struct fl_walk old = fl_walk_from(before), new = fl_walk_from(after);
	for (unsigned i = 0; i < def->table.column_count; i++) {
		struct fl_cell was = { 0 }, is = { 0 };
		enum fl_cell_state state = fl_walk_next(&old, &was);
		enum fl_cell_state now = fl_walk_next(&new, &is);
		if (state == FL_CELL_ABSENT || now == FL_CELL_ABSENT || def->defs[i].hidden)
			continue;
		if (state == now && was.size == is.size &&
			(was.size == 0 || memcmp(was.at, is.at, was.size) == 0))
			continue;
		size_t const member = out->size;
		code = append_member(&def->defs[i], state, was, out);
		/* The bytes of equal values may differ: a label '' and ENUM's 0, documents,
		 * compressed text; and the document null is shown as NULL is. */
		if (code == 0 && def->defs[i].form >= FL_FORM_ENUM)
			code = drop_if_same(&def->defs[i], now, is, member, out);
		if (code < 0)
			return undo(def, i, code, start, out, err);
	}
	return finish(start, out, err);
}

static int check_column(const struct fl_row *row, unsigned column, struct fl_err *err)
{
	int code = fl_row_check_known(row, err);
	if (code == 0 && column >= row->table->column_count)
		code = fl_err_set(err, FL_EINVAL, "no column %u", column);
	return code;
}

int fl_row_value(const struct fl_row *row, unsigned column, struct fl_buf *scratch,
	struct fl_value *ret, struct fl_err *err)
{
	fl_buf_clear(scratch);
	int code = check_column(row, column, err);
	if (code < 0)
		return code;
	struct fl_cell cell = { 0 };
	switch (find(row, column, &cell)) {
	case FL_CELL_ABSENT:
		*ret = (struct fl_value){ .kind = FL_VALUE_ABSENT };
		return 0;
	case FL_CELL_NULL:
		*ret = (struct fl_value){ .kind = FL_VALUE_NULL };
		return 0;
	case FL_CELL_VALUE:
		break;
	}
	code = fl_value_decode(&def_of(row)->defs[column], cell, scratch, ret);
	return code < 0 ? fl_row_explain(def_of(row), column, code, err) : 0;
}

int fl_row_text(const struct fl_row *row, unsigned column, struct fl_buf *out, struct fl_err *err)
{
	size_t const start = out->size;
	int code = check_column(row, column, err);
	if (code < 0)
		return code;
	struct fl_cell cell = { 0 };
	if (find(row, column, &cell) != FL_CELL_VALUE)
		return 0;
	code = fl_value_text(&def_of(row)->defs[column], cell, out);
	if (code == 0)
		return 1;
	out->size = start;
	return fl_row_explain(def_of(row), column, code, err);
}
