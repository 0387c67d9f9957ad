/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables whose columns nobody names: of a binlog that is read without its server.
 */
#include "binlog/value.h"

/* An ENUM's index or a SET's bits are unsigned integers of the same size. */
static uint8_t integer_of(uint32_t size)
{
	switch (size) {
	case 1:
		return FL_TYPE_TINY;
	case 2:
		return FL_TYPE_SHORT;
	case 3:
		return FL_TYPE_INT24;
	case 4:
		return FL_TYPE_LONG;
	default:
		return FL_TYPE_LONGLONG;
	}
}

static void show_as_it_is(const struct fl_table_def *def, struct fl_column_def *column)
{
	switch (column->type) {
	case FL_TYPE_ENUM:
	case FL_TYPE_SET:
		if (column->label_count == 0 && column->not_decoded == NULL) {
			column->type = integer_of(column->fixed_size);
			column->is_unsigned = true;
			fl_column_set_form(column, FL_FORM_NUMBER);
		}
		break;
	case FL_TYPE_TIME:
	case FL_TYPE_DATETIME:
	case FL_TYPE_TIMESTAMP:
		/* MySQL's have no fractions. */
		if (def->ambiguous) {
			column->not_decoded = "a time whose precision the binlog does not tell";
			fl_column_set_form(column, FL_FORM_NONE);
		}
		break;
	default:
		if (fl_type_is_integer(column->type) && !def->signedness) {
			column->not_decoded = "an integer that has its highest bit set, and whose "
					      "sign the binlog does not tell,";
			fl_column_set_form(column, FL_FORM_SIGNLESS);
		} else if (fl_type_has_charset(column->type) && column->not_decoded == NULL &&
			   column->charset == FL_CHARSET_UNKNOWN) {
			fl_column_set_form(column, FL_FORM_BYTES);
		}
	}
}

int fl_table_number_columns(struct fl_table_def *def, struct fl_err *err)
{
	unsigned const count = def->table.column_count;
	struct fl_column *columns =
		fl_arena_copy(&def->arena, def->table.columns, count * sizeof(*columns));
	bool failed = columns == NULL;
	for (unsigned i = 0; i < count && !failed && def->names == FL_NAMES_NONE; i++) {
		char name[16];
		int size = snprintf(name, sizeof(name), "@%u", i + 1);
		columns[i].name.data = fl_arena_copy(&def->arena, name, (size_t)size);
		columns[i].name.size = (size_t)size;
		failed = columns[i].name.data == NULL;
	}
	if (failed)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	def->table.columns = columns;
	for (unsigned i = count; i > 0 && def->names == FL_NAMES_METADATA && def->ambiguous &&
				 fl_column_may_be_hash(def, i - 1);
		i--)
		fl_column_hide(&columns[i - 1], &def->defs[i - 1]);
	if (def->names == FL_NAMES_NONE)
		def->names = FL_NAMES_NUMBERS;
	/* What is in a compressed column can't be shown without inflating it: as its bytes then. */
	for (unsigned i = 0; i < count; i++)
		if ((def->defs[i].type == FL_TYPE_VARCHAR_COMPRESSED ||
			    def->defs[i].type == FL_TYPE_BLOB_COMPRESSED) &&
			def->defs[i].charset == FL_CHARSET_UNKNOWN)
			def->defs[i].charset = FL_CHARSET_BINARY;
	int result = fl_table_settle(def, err);
	for (unsigned i = 0; i < count && result == 0; i++)
		show_as_it_is(def, &def->defs[i]);
	fl_table_measure(def);
	def->complete = true;
	if (def->maybe_versioned) {
		char why[700];
		snprintf(why, sizeof(why),
			FL_TABLE_FMT
			": it may be WITH SYSTEM VERSIONING, and its rows in the log history, "
			"which its server alone can tell",
			FL_TABLE_ARG(def));
		fl_table_doubt(def, why);
	}
	return result;
}
