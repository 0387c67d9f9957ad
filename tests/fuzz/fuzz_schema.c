/* SPDX-License-Identifier: Apache-2.0
 *
 * Input: a byte whose lowest bit says MariaDB, the size (two bytes) of a TABLE_MAP event's body,
 * the body, and lines that stand for its columns in information_schema, a tab between the fields:
 * name, data type, column type, character set, octet length, precision, scale, fraction, whether it
 * is nullable, and the place in the key; numbers that are not given are NULL there.
 */
#include "show.h"

enum { MOST_COLUMNS = 100 };

/* The next field of a line, or nothing behind its end. */
static struct fl_bytes take_field(struct fl_bytes *line)
{
	const char *tab = line->size > 0 ? memchr(line->data, '\t', line->size) : NULL;
	struct fl_bytes field = { line->data,
		tab != NULL ? (size_t)(tab - line->data) : line->size };
	line->data += field.size + (tab != NULL);
	line->size -= field.size + (tab != NULL);
	return field;
}

static int64_t take_number(struct fl_bytes *line)
{
	struct fl_bytes field = take_field(line);
	int64_t value = field.size == 0 ? -1 : 0;
	for (size_t i = 0; i < field.size && i < 12; i++)
		value = value * 10 + (field.data[i] & 15);
	return value;
}

static unsigned take_columns(struct fl_bytes text, struct fl_schema_column *columns)
{
	unsigned count = 0;
	while (text.size > 0 && count < MOST_COLUMNS) {
		const char *end = memchr(text.data, '\n', text.size);
		struct fl_bytes line = { text.data,
			end != NULL ? (size_t)(end - text.data) : text.size };
		text.data += line.size + (end != NULL);
		text.size -= line.size + (end != NULL);
		struct fl_schema_column *column = &columns[count++];
		column->name = take_field(&line);
		column->data_type = take_field(&line);
		column->column_type = take_field(&line);
		column->charset = take_field(&line);
		column->octet_length = take_number(&line);
		column->precision = take_number(&line);
		column->scale = take_number(&line);
		column->fraction = take_number(&line);
		column->nullable = take_number(&line) > 0;
		int64_t ordinal = take_number(&line);
		column->key_ordinal = ordinal > 0 ? (unsigned)ordinal : 0;
	}
	return count;
}

static void check(const struct fl_table_def *def)
{
	for (unsigned i = 0; i < def->table.key_count; i++)
		must(def->table.key_columns[i] < def->table.column_count);
	for (unsigned i = 0; i < def->table.column_count; i++) {
		const struct fl_column_def *column = &def->defs[i];
		const struct fl_bytes *name = &def->table.columns[i].name;
		must(name->size == 0 || name->data != NULL);
		must(column->charset != FL_CHARSET_OTHER ||
			(column->charset_name != NULL && strlen(column->charset_name) < 40));
		/* One without data is one that the source may show wrongly. */
		for (uint32_t k = 0; k < column->label_count; k++)
			must(column->labels[k].data == NULL ||
				memchr(column->labels[k].data, 0, column->labels[k].size) == NULL ||
				column->labels[k].size > 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_cursor c = fl_cursor(data, size);
	struct fl_format const format = fuzz_format((fl_take_u8(&c) & 1) != 0);
	struct fl_event event = { .type = FL_EVENT_TABLE_MAP };
	event.body = fl_take_bytes(&c, fl_take_u16(&c));
	struct fl_table_def *def = NULL;
	if (c.failed || fl_table_decode(&event, &format, fuzz_collations(), &def, NULL) != FL_OK)
		return 0;

	struct fl_schema_column columns[MOST_COLUMNS] = { 0 };
	struct fl_bytes text = { (const char *)c.at, fl_cursor_left(&c) };
	const char *end = text.size > 0 ? memchr(text.data, '\0', text.size) : NULL;
	if (end != NULL)
		text.size = (size_t)(end - text.data);
	unsigned count = take_columns(text, columns);
	enum fl_names names = def->names;
	bool complete = def->complete;
	struct fl_err err = { 0 };
	int rc = fl_table_complete(def, columns, count, &err);
	must((rc == FL_OK) == (err.code == FL_OK));
	must(rc == FL_OK ? def->names != FL_NAMES_NONE
			 : def->names == names && def->complete == complete);
	check(def);
	if (end != NULL) {
		fl_take(&c, text.size + 1);
		event.type = FL_EVENT_WRITE_ROWS;
		event.body = fl_take_bytes(&c, fl_cursor_left(&c));
		struct fl_rows rows;
		if (fl_rows_decode(&event, &format, &rows, NULL) == FL_OK &&
			fl_rows_check(&rows, def, NULL) == FL_OK)
			fuzz_show_all(&rows, def);
	}
	fl_table_unref(def);
	return 0;
}
