/* SPDX-License-Identifier: Apache-2.0
 *
 * Input: a line: what the columns called c are of, by the place of its letter in `types`, or any
 * other letter for what the change itself tells; then the change, as --explain takes it.
 */
#include "explain/encode.h"

#include "binlog/row.h"
#include "target.h"

/* A column of any type, and what is of no account for the others. */
static const struct {
	const char *data_type, *column_type;
	int64_t octets, precision, scale, fraction;
} types[] = {
	{ "bigint", "bigint unsigned", -1, 20, 0, -1 },
	{ "mediumint", "mediumint(9)", -1, 7, 0, -1 },
	{ "bit", "bit(33)", -1, 33, -1, -1 },
	{ "decimal", "decimal(65,30)", -1, 65, 30, -1 },
	{ "decimal", "decimal(9,9)", -1, 9, 9, -1 },
	{ "float", "float", -1, 12, -1, -1 },
	{ "year", "year", -1, -1, -1, -1 },
	{ "date", "date", -1, -1, -1, -1 },
	{ "time", "time(3)", -1, -1, -1, 3 },
	{ "datetime", "datetime(6)", -1, -1, -1, 6 },
	{ "timestamp", "timestamp(1)", -1, -1, -1, 1 },
	{ "varchar", "varchar(9)", 36, -1, -1, -1 },
	{ "binary", "binary(4)", 4, -1, -1, -1 },
	{ "blob", "blob", 65535, -1, -1, -1 },
	{ "enum", "enum('a','it''s')", 4, -1, -1, -1 },
	{ "set", "set('a','b','c\\\\d')", 8, -1, -1, -1 },
	{ "json", "json", -1, -1, -1, -1 },
};

/* What is encoded can be read again. */
static void show(
	const struct fl_table_def *def, struct fl_asked *asked, const struct fl_given_row *given)
{
	struct fl_row row;
	struct fl_err err = { 0 };
	struct fl_buf out = { 0 };
	int code =
		given->exists ? fl_encode_row(def, given, &asked->memory, &row, &err) : FL_EINVAL;
	must(code == 0 || code == FL_EINVAL);
	if (code == 0) {
		must(row.data != NULL && row.table == &def->table);
		must(fl_row_json(&row, &out, &err) == 0);
		struct json_object *again =
			fl_asked_json((struct fl_bytes){ out.data, out.size }, &err);
		must(json_object_is_type(again, json_type_object));
		must((unsigned)json_object_object_length(again) == given->count);
		json_object_put(again);
	}
	fl_buf_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_asked asked;
	struct fl_err err = { 0 };
	if (size == 0)
		return 0;
	struct fl_bytes const text = { (const char *)data + 1, size - 1 };
	if (fl_asked_parse(text, &asked, &err) != 0) {
		must(err.code != 0 && err.text[0] != '\0');
		return 0;
	}
	size_t const type = (size_t)data[0] - 'a';
	struct fl_schema_column *columns = NULL, column = { .name = { "c", 1 }, .nullable = true };
	struct fl_table_def *def = NULL;
	unsigned count = 1;
	if (data[0] >= 'a' && type < sizeof(types) / sizeof(*types)) {
		column.data_type =
			(struct fl_bytes){ types[type].data_type, strlen(types[type].data_type) };
		column.column_type = (struct fl_bytes){ types[type].column_type,
			strlen(types[type].column_type) };
		column.charset = (struct fl_bytes){ "utf8mb3", 7 };
		column.octet_length = types[type].octets;
		column.precision = types[type].precision;
		column.scale = types[type].scale;
		column.fraction = types[type].fraction;
		columns = &column;
	} else {
		must(fl_encode_guess(&asked, &columns, &count, &err) == 0);
	}
	if (count > 0) {
		must(fl_encode_table(asked.db, asked.table, columns, count, &def, &err) == 0);
		show(def, &asked, &asked.before);
		show(def, &asked, &asked.after);
	}
	fl_table_unref(def);
	fl_asked_finish(&asked);
	return 0;
}
