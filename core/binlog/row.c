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
	enum fl_cell_state state;
	do
		state = fl_walk_next(&w, ret);
	while (w.column <= column);
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

/* Where the compiler is told that an image has all columns, as most have. */
ALWAYS_INLINE enum fl_cell_state next_cell(struct fl_walk *w, bool whole, struct fl_cell *ret)
{
	return whole ? fl_walk_next_whole(w, ret) : fl_walk_next(w, ret);
}

/* There is room for whole pieces; mostly one will do. */
ALWAYS_INLINE char *copy_name(struct fl_bytes name, char *to)
{
	memcpy(to, name.data, FL_NAME_PAD);
	for (size_t i = FL_NAME_PAD; i < name.size; i += FL_NAME_PAD)
		memcpy(to + i, name.data + i, FL_NAME_PAD);
	return to + name.size;
}

/* Appends `,"name":value`, whatever the value takes. */
static int append_named(const struct fl_column_def *def, struct fl_bytes name,
	enum fl_cell_state state, struct fl_cell cell, struct fl_buf *out)
{
	char *to = fl_buf_reserve(out, name.size + FL_NAME_PAD);
	if (to == NULL)
		return FL_ENOMEM;
	to = copy_name(name, to);
	if (state == FL_CELL_NULL) {
		memcpy(to, "null", 4);
		to += 4;
	}
	out->size = (size_t)(to - out->data);
	return state == FL_CELL_NULL ? 0 : fl_value_json(def, cell, out);
}

ALWAYS_INLINE int append_member(const struct fl_column_def *def, enum fl_cell_state state,
	struct fl_cell cell, struct fl_buf *out)
{
	struct fl_bytes const name = def->json_name;
	if (state != FL_CELL_VALUE || def->write == NULL || cell.size > FL_TEXT_SHORT)
		return append_named(def, name, state, cell, out);
	size_t const room = name.size + FL_NAME_PAD + def->room + (size_t)cell.size * FL_TEXT_WORST;
	char *to = fl_buf_reserve(out, room);
	if (to == NULL)
		return FL_ENOMEM;
	to = def->write(def, cell.at, cell.size, copy_name(name, to));
	if (to == NULL)
		return FL_ECORRUPT;
	out->size = (size_t)(to - out->data);
	return 0;
}

/* Of a row for which there is no room at once: some value is large. */
static int append_slowly(const struct fl_row *row, const struct fl_bytes *names, struct fl_buf *out,
	unsigned *ret_column)
{
	struct fl_walk w = fl_walk_from(row);
	int code = 0;
	for (unsigned i = 0; i < row->table->column_count && code == 0; i++) {
		const struct fl_column_def *column = w.def;
		struct fl_bytes const name = names != NULL ? names[i] : column->json_name;
		struct fl_cell cell = { 0 };
		enum fl_cell_state const state = fl_walk_next(&w, &cell);
		*ret_column = i;
		if (state != FL_CELL_ABSENT && name.data != NULL)
			code = append_named(column, name, state, cell, out);
	}
	return code;
}

/* With room for all that may come, so that there is little left to ask of a column. `whole`: the
 * image has all of them. */
ALWAYS_INLINE int append_quickly(const struct fl_row *row, bool whole, const struct fl_bytes *names,
	size_t room, struct fl_buf *out, unsigned *ret_column)
{
	const struct fl_table_def *def = def_of(row);
	char *to = fl_buf_reserve(out, room);
	if (to == NULL)
		return FL_ENOMEM;
	struct fl_walk w = fl_walk_from(row);
	const struct fl_column_def *const end = def->defs + def->table.column_count;
	while (w.def < end) {
		const struct fl_column_def *column = w.def;
		struct fl_bytes const name = names != NULL ? *names++ : column->json_name;
		struct fl_cell cell = { 0 };
		enum fl_cell_state const state = next_cell(&w, whole, &cell);
		if (state == FL_CELL_ABSENT || (names != NULL && name.data == NULL))
			continue;
		if (state == FL_CELL_NULL) {
			if (name.data == NULL)
				continue;
			to = copy_name(name, to);
			memcpy(to, "null", 4);
			to += 4;
			continue;
		}
		int code = FL_ECORRUPT;
		if (column->write != NULL) {
			to = copy_name(name, to);
			to = column->write(column, cell.at, cell.size, to);
		} else if (name.data != NULL) {
			out->size = (size_t)(to - out->data);
			code = append_named(column, name, state, cell, out);
			to = code == 0 ? fl_buf_reserve(out, room) : NULL;
			code = code == 0 ? FL_ENOMEM : code;
		}
		if (to == NULL) {
			*ret_column = (unsigned)(column - def->defs);
			return code;
		}
	}
	out->size = (size_t)(to - out->data);
	return 0;
}

/* Appends the columns that are in the image and have a name, each begun by a comma: the first of
 * them is to become the object's brace. `names`: the columns', or NULL: their own. */
ALWAYS_INLINE int append_members(const struct fl_row *row, const struct fl_bytes *names,
	size_t names_room, struct fl_buf *out, unsigned *ret_column)
{
	enum { MOST = 256 * 1024 };
	size_t const room = def_of(row)->json_room + (size_t)row->size * FL_TEXT_WORST + names_room;
	if (room > MOST)
		return append_slowly(row, names, out, ret_column);
	return row->present == NULL ? append_quickly(row, true, names, room, out, ret_column)
				    : append_quickly(row, false, names, room, out, ret_column);
}

static int undo(const struct fl_table_def *def, unsigned column, int code, size_t start,
	struct fl_buf *out, struct fl_err *err)
{
	out->size = start;
	return fl_row_explain(def, column, code, err);
}

/* Ends the object whose members begin at `start`. */
ALWAYS_INLINE int finish(size_t start, struct fl_buf *out, struct fl_err *err)
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
	size_t room = 0;
	for (unsigned i = 0; i < row->table->column_count; i++)
		room += names[i].size;
	unsigned column = 0;
	code = append_members(row, names, room, out, &column);
	return code < 0 ? undo(def_of(row), column, code, start, out, err)
			: finish(start, out, err);
}

int fl_row_json(const struct fl_row *row, struct fl_buf *out, struct fl_err *err)
{
	size_t const start = out->size;
	int code = check_shown(row, err);
	if (code < 0)
		return code;
	unsigned column = 0;
	code = append_members(row, NULL, 0, out, &column);
	return code < 0 ? undo(def_of(row), column, code, start, out, err)
			: finish(start, out, err);
}

ALWAYS_INLINE int append_key(
	const struct fl_row *row, bool whole, struct fl_buf *out, unsigned *ret_column)
{
	struct fl_walk const first = fl_walk_from(row);
	const unsigned *column = row->table->key_columns, *end = column + row->table->key_count;
	for (; column < end; column++) {
		struct fl_walk w = first;
		struct fl_cell cell = { 0 };
		const struct fl_column_def *const def = first.def + *column;
		enum fl_cell_state state;
		do
			state = next_cell(&w, whole, &cell);
		while (w.def <= def);
		int code =
			state == FL_CELL_ABSENT ? FL_EINVAL : append_member(def, state, cell, out);
		if (code < 0) {
			*ret_column = *column;
			return code;
		}
	}
	return 0;
}

int fl_row_key_json(const struct fl_row *row, struct fl_buf *out, struct fl_err *err)
{
	size_t const start = out->size;
	int code = fl_row_check_known(row, err);
	if (code < 0)
		return code;
	unsigned column = 0;
	code = row->present == NULL ? append_key(row, true, out, &column)
				    : append_key(row, false, out, &column);
	return code < 0 ? undo(def_of(row), column, code, start, out, err)
			: finish(start, out, err);
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

/* Most values are short: as two words, which may lie over one another. */
static inline bool are_same(const uint8_t *a, const uint8_t *b, uint32_t size)
{
	if (size > 16)
		return memcmp(a, b, size) == 0;
	if (size >= 8)
		return fl_le64(a) == fl_le64(b) && fl_le64(a + size - 8) == fl_le64(b + size - 8);
	if (size >= 4)
		return fl_le32(a) == fl_le32(b) && fl_le32(a + size - 4) == fl_le32(b + size - 4);
	if (size >= 2)
		return fl_le16(a) == fl_le16(b) && fl_le16(a + size - 2) == fl_le16(b + size - 2);
	return size == 0 || *a == *b;
}

/* `whole`: both images have all columns. */
ALWAYS_INLINE int append_changed(const struct fl_row *before, const struct fl_row *after,
	bool whole, struct fl_buf *out, unsigned *ret_column)
{
	const struct fl_table_def *def = def_of(before);
	const struct fl_column_def *const end = def->defs + def->table.column_count;
	struct fl_walk old = fl_walk_from(before), new = fl_walk_from(after);
	while (old.def < end) {
		const struct fl_column_def *column = old.def;
		struct fl_cell was = { 0 }, is = { 0 };
		enum fl_cell_state const state = next_cell(&old, whole, &was);
		enum fl_cell_state const now = next_cell(&new, whole, &is);
		if (state == FL_CELL_ABSENT || now == FL_CELL_ABSENT || column->hidden)
			continue;
		if (state == now && was.size == is.size && are_same(was.at, is.at, was.size))
			continue;
		size_t const member = out->size;
		int code = append_member(column, state, was, out);
		/* The bytes of equal values may differ: a label '' and ENUM's 0, documents,
		 * compressed text; and the document null is shown as NULL is. */
		if (code == 0 && column->form >= FL_FORM_ENUM)
			code = drop_if_same(column, now, is, member, out);
		if (code < 0) {
			*ret_column = (unsigned)(column - def->defs);
			return code;
		}
	}
	return 0;
}

int fl_row_old_json(const struct fl_row *before, const struct fl_row *after, struct fl_buf *out,
	struct fl_err *err)
{
	size_t const start = out->size;
	int code = fl_row_check_known(before, err);
	if (code < 0)
		return code;
	unsigned column = 0;
	code = before->present == NULL && after->present == NULL
		       ? append_changed(before, after, true, out, &column)
		       : append_changed(before, after, false, out, &column);
	return code < 0 ? undo(def_of(before), column, code, start, out, err)
			: finish(start, out, err);
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
