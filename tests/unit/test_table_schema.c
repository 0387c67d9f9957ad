/* SPDX-License-Identifier: Apache-2.0
 *
 * What information_schema adds to a table definition, and where it does not fit.
 */
#include "table_fixture.h"

#include "binlog/row.h"
#include "binlog/value.h"

#define B(text)                                                                                    \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}

/* One column of a source that tells nothing but types, and what information_schema says of it. */
struct schema_case {
	struct column column;
	struct fl_schema_column schema;
	const char *differs; /* NULL: it fits */
};

/* name, data_type, column_type, charset, octet_length, precision, scale, fraction, nullable, key */
static const struct schema_case schema_cases[] = {
	{ { "", 3, "", 0, 0, NULL },
		{ B("a"), B("int"), B("int(11)"), B(""), -1, 10, 0, -1, true, 0 }, NULL },
	{ { "", 3, "", 0, 0, NULL },
		{ B("a"), B("bigint"), B("bigint"), B(""), -1, 19, 0, -1, true, 0 }, "type" },
	{ { "", 3, "", 0, 0, NULL },
		{ B("a"), B("int"), B("int(11)"), B(""), -1, 10, 0, -1, false, 0 }, "nullability" },
	{ { "", 3, "", 0, 0, NULL }, { B("a"), B(""), B("int(11)"), B(""), -1, 10, 0, -1, true, 0 },
		"type" },
	{ { "", 246, "0a02", 0, 0, NULL },
		{ B("a"), B("decimal"), B("decimal(10,2)"), B(""), -1, 10, 2, -1, true, 0 }, NULL },
	{ { "", 246, "0a02", 0, 0, NULL },
		{ B("a"), B("decimal"), B("decimal(10,3)"), B(""), -1, 10, 3, -1, true, 0 },
		"precision" },
	{ { "", 246, "0a02", 0, 0, NULL },
		{ B("a"), B("decimal"), B("decimal(11,2)"), B(""), -1, 11, 2, -1, true, 0 },
		"precision" },
	{ { "", 16, "0502", 0, 0, NULL },
		{ B("a"), B("bit"), B("bit(21)"), B(""), -1, 21, -1, -1, true, 0 }, NULL },
	{ { "", 16, "0502", 0, 0, NULL },
		{ B("a"), B("bit"), B("bit(20)"), B(""), -1, 20, -1, -1, true, 0 }, "precision" },
	{ { "", 15, "5000", 0, 0, NULL },
		{ B("a"), B("varchar"), B("varchar(20)"), B("utf8mb4"), 80, -1, -1, -1, true, 0 },
		NULL },
	{ { "", 15, "5000", 0, 0, NULL },
		{ B("a"), B("varchar"), B("varchar(20)"), B("utf8mb3"), 60, -1, -1, -1, true, 0 },
		"length" },
	{ { "", 15, "5000", 0, 0, NULL },
		{ B("a"), B("char"), B("char(20)"), B("utf8mb4"), 80, -1, -1, -1, true, 0 },
		"type" },
	{ { "", 254, "cefc", 0, 0, NULL },
		{ B("a"), B("char"), B("char(255)"), B("utf8mb4"), 1020, -1, -1, -1, true, 0 },
		NULL },
	{ { "", 254, "fe10", 0, 0, NULL },
		{ B("a"), B("binary"), B("binary(16)"), B(""), 16, -1, -1, -1, true, 0 }, NULL },
	{ { "", 254, "fe10", 0, 0, NULL },
		{ B("a"), B("uuid"), B("uuid"), B(""), -1, -1, -1, -1, true, 0 }, NULL },
	{ { "", 254, "fe10", 0, 0, NULL },
		{ B("a"), B("inet4"), B("inet4"), B(""), -1, -1, -1, -1, true, 0 }, "length" },
	{ { "", 252, "02", 0, 0, NULL },
		{ B("a"), B("text"), B("text"), B("latin1"), 65535, -1, -1, -1, true, 0 }, NULL },
	{ { "", 252, "02", 0, 0, NULL },
		{ B("a"), B("mediumtext"), B("mediumtext"), B("latin1"), 1, -1, -1, -1, true, 0 },
		"type" },
	{ { "", 252, "04", 0, 0, NULL },
		{ B("a"), B("longblob"), B("longblob"), B(""), 4294967295, -1, -1, -1, true, 0 },
		NULL },
	{ { "", 18, "03", 0, 0, NULL },
		{ B("a"), B("datetime"), B("datetime(3)"), B(""), -1, -1, -1, 3, true, 0 }, NULL },
	{ { "", 18, "03", 0, 0, NULL },
		{ B("a"), B("datetime"), B("datetime(6)"), B(""), -1, -1, -1, 6, true, 0 },
		"precision" },
	{ { "", 11, "", 0, 0, NULL },
		{ B("a"), B("time"), B("time"), B(""), -1, -1, -1, 0, true, 0 }, NULL },
	{ { "", 11, "", 0, 0, NULL },
		{ B("a"), B("time"), B("time(3)"), B(""), -1, -1, -1, 3, true, 0 }, NULL },
	{ { "", 11, "", 0, 0, NULL },
		{ B("a"), B("time"), B("time(7)"), B(""), -1, -1, -1, 7, true, 0 }, "precision" },
	{ { "", 15, "0c00", 0, 0, NULL },
		{ B("a"), B("vector"), B("vector(3)"), B(""), 12, -1, -1, -1, true, 0 }, NULL },
	{ { "", 15, "0c00", 0, 0, NULL },
		{ B("a"), B("vector"), B("vector(4)"), B(""), 16, -1, -1, -1, true, 0 }, "length" },
	{ { "", 141, "2900", 0, 0, NULL },
		{ B("a"), B("varchar"), B("varchar(10) /*M!100301 COMPRESSED*/"), B("utf8mb4"), 40,
			-1, -1, -1, true, 0 },
		NULL },
	{ { "", 141, "2800", 0, 0, NULL },
		{ B("a"), B("varchar"), B("varchar(10) /*M!100301 COMPRESSED*/"), B("utf8mb4"), 40,
			-1, -1, -1, true, 0 },
		"length" },
	{ { "", 141, "2900", 0, 0, NULL },
		{ B("a"), B("varchar"), B("varchar(10)"), B("utf8mb4"), 40, -1, -1, -1, true, 0 },
		"type" },
	{ { "", 252, "02", 0, 0, NULL },
		{ B("a"), B("blob"), B("blob /*M!100301 COMPRESSED*/"), B(""), 65535, -1, -1, -1,
			true, 0 },
		"type" },
	{ { "", 140, "02", 0, 0, NULL },
		{ B("a"), B("blob"), B("blob /*M!100301 COMPRESSED*/"), B(""), 65535, -1, -1, -1,
			true, 0 },
		NULL },
	{ { "", 254, "f701", 0, 0, NULL },
		{ B("a"), B("enum"), B("enum('a','it''s')"), B("gbk"), 4, -1, -1, -1, true, 0 },
		NULL },
	{ { "", 254, "f702", 0, 0, NULL },
		{ B("a"), B("enum"), B("enum('a','it''s')"), B("gbk"), 4, -1, -1, -1, true, 0 },
		"labels" },
	{ { "", 254, "f701", 0, 0, NULL },
		{ B("a"), B("enum"), B("enum('a','it"), B("gbk"), 4, -1, -1, -1, true, 0 },
		"labels" },
	{ { "", 254, "f701", 0, 0, NULL },
		{ B("a"), B("enum"), B("enum"), B("gbk"), 4, -1, -1, -1, true, 0 }, "labels" },
	{ { "", 254, "f802", 0, 0, NULL },
		{ B("a"), B("set"), B("set('1','2','3','4','5','6','7','8','9')"), B("latin1"), 17,
			-1, -1, -1, true, 0 },
		NULL },
	{ { "", 254, "f801", 0, 0, NULL },
		{ B("a"), B("set"), B("set('1','2','3','4','5','6','7','8','9')"), B("latin1"), 17,
			-1, -1, -1, true, 0 },
		"labels" },
	{ { "", 255, "04", 0, 0, NULL },
		{ B("a"), B("geomcollection"), B("geomcollection"), B(""), -1, -1, -1, -1, true,
			0 },
		NULL },
	{ { "", 245, "04", 0, 0, NULL },
		{ B("a"), B("json"), B("json"), B(""), -1, -1, -1, -1, true, 0 }, NULL },
};

Test(table, a_schema_completes_a_table_only_where_it_fits)
{
	for (size_t i = 0; i < sizeof(schema_cases) / sizeof(schema_cases[0]); i++) {
		const struct schema_case *c = &schema_cases[i];
		struct fl_table_def *def = make_table(&c->column, 1, false, true);
		struct fl_err err = { 0 };
		int code = fl_table_complete(def, &c->schema, 1, &err);
		if (c->differs == NULL) {
			cr_expect_eq(code, 0, "case %zu: %s", i, err.text);
			cr_expect(def->complete, "case %zu", i);
			cr_expect_eq(def->names, FL_NAMES_SCHEMA);
			expect_text(def->table.columns[0].name, "a");
			expect_text(def->defs[0].json_name, ",\"a\":");
		} else {
			cr_expect_eq(code, FL_ECORRUPT, "case %zu", i);
			cr_expect_not_null(
				strstr(err.text, c->differs), "case %zu: %s", i, err.text);
			cr_expect_not(def->complete);
			cr_expect_eq(def->names, FL_NAMES_NONE);
		}
		fl_table_unref(def);
	}
}

Test(table, labels_of_a_schema_are_unescaped)
{
	static const struct column column = { "", 254, "f701", 0, 0, NULL };
	static const struct fl_schema_column schema = { B("e"), B("enum"),
		B("enum('\xc3\xa9','it''s','a\\\\b','c\\nd','x,y','','\\0')"), B("latin1"), 4, -1,
		-1, -1, true, 0 };
	static const struct fl_bytes labels[] = { B("\xc3\xa9"), B("it's"), B("a\\b"), B("c\nd"),
		B("x,y"), B(""), B("\0") };
	struct fl_table_def *def = make_table(&column, 1, false, false);
	cr_assert_eq(fl_table_complete(def, &schema, 1, NULL), 0);
	cr_assert_eq(def->defs[0].label_count, 7);
	for (unsigned i = 0; i < 7; i++) {
		cr_assert_eq(def->defs[0].labels[i].size, labels[i].size);
		cr_expect_arr_eq(def->defs[0].labels[i].data, labels[i].data, labels[i].size);
	}
	fl_table_unref(def);
}

/* The schema can't tell a question mark from what it has no character for. */
Test(table, a_label_that_the_schema_may_show_wrongly_is_not_known)
{
	static const struct column column = { "", 254, "f701", 0, 0, NULL };
	struct fl_schema_column schema = { B("e"), B("enum"), B("enum('a','b?','c')"), B("utf8mb4"),
		4, -1, -1, -1, true, 0 };
	struct fl_table_def *def = make_table(&column, 1, false, false);
	cr_assert_eq(fl_table_complete(def, &schema, 1, NULL), 0);
	cr_expect(def->complete);
	expect_text(def->defs[0].labels[0], "a");
	cr_expect_null(def->defs[0].labels[1].data);
	expect_text(def->defs[0].labels[2], "c");
	fl_table_unref(def);

	schema.charset = (struct fl_bytes)B("utf8mb3");
	def = make_table(&column, 1, false, false);
	cr_assert_eq(fl_table_complete(def, &schema, 1, NULL), 0);
	expect_text(def->defs[0].labels[1], "b?");
	fl_table_unref(def);
}

Test(table, a_schema_tells_sign_charset_and_key)
{
	static const struct column columns[] = { { "", 8, "", 0, 0, NULL },
		{ "", 3, "", 0, 0, NULL }, { "", 15, "1400", 0, 0, NULL } };
	static const struct fl_schema_column schema[] = {
		{ B("a"), B("bigint"), B("bigint(20) unsigned"), B(""), -1, 20, 0, -1, true, 2 },
		{ B("b"), B("int"), B("int(11)"), B(""), -1, 10, 0, -1, true, 0 },
		{ B("c"), B("varchar"), B("varchar(20)"), B("ebcdic"), 20, -1, -1, -1, true, 1 },
	};
	struct fl_table_def *def = make_table(columns, 3, false, false);
	struct fl_err err = { 0 };
	cr_expect_eq(fl_table_complete(def, schema, 2, &err), FL_ECORRUPT);
	cr_expect_str_eq(err.text, "shop.users: has 2 columns now, its rows have 3");
	cr_assert_eq(fl_table_complete(def, schema, 3, &err), 0, "%s", err.text);
	cr_expect(def->defs[0].is_unsigned && def->table.columns[0].is_unsigned);
	cr_expect_not(def->defs[1].is_unsigned);
	cr_expect_str_eq(def->defs[2].not_decoded, "character set ebcdic");
	cr_assert_eq(def->table.key_count, 2);
	cr_expect_eq(def->table.key_columns[0], 2);
	cr_expect_eq(def->table.key_columns[1], 0);
	cr_expect(def->table.columns[0].in_key && !def->table.columns[1].in_key);
	fl_table_unref(def);
}

Test(table, a_schema_must_agree_with_what_the_event_tells)
{
	static const struct column columns[] = { { "a", 11, "", 0, 0, NULL },
		{ "b", 3, "", true, 0, NULL }, { "c", 15, "1400", 0, LATIN1, NULL } };
	static const struct fl_schema_column fits[] = {
		{ B("a"), B("time"), B("time"), B(""), -1, -1, -1, 0, true, 0 },
		{ B("b"), B("int"), B("int(10) unsigned"), B(""), -1, 10, 0, -1, true, 0 },
		{ B("c"), B("varchar"), B("varchar(20)"), B("latin1"), 20, -1, -1, -1, true, 0 },
	};
	static const struct {
		unsigned column;
		const char *name, *column_type, *charset;
		const char *differs;
	} cases[] = {
		{ 1, "b", "int(11)", "", "sign" },
		{ 1, "B", "int(10) unsigned", "", "name" },
		{ 2, "c", "varchar(20)", "ascii", "character set" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_schema_column schema[3];
		memcpy(schema, fits, sizeof(fits));
		struct fl_schema_column *other = &schema[cases[i].column];
		other->name = (struct fl_bytes){ cases[i].name, 1 };
		other->column_type =
			(struct fl_bytes){ cases[i].column_type, strlen(cases[i].column_type) };
		other->charset = (struct fl_bytes){ cases[i].charset, strlen(cases[i].charset) };
		struct fl_table_def *def = make_table(columns, 3, true, true);
		struct fl_err err = { 0 };
		cr_expect_eq(fl_table_complete(def, schema, 3, &err), FL_ECORRUPT);
		cr_expect_not_null(strstr(err.text, cases[i].differs), "%s", err.text);
		cr_expect_not(def->complete);
		cr_expect_eq(fl_table_complete(def, fits, 3, &err), 0, "%s", err.text);
		cr_expect(def->complete);
		cr_expect_eq(def->names, FL_NAMES_METADATA);
		cr_expect_eq(def->table.key_count, 1, "the event's key is kept");
		fl_table_unref(def);
	}
}

Test(table, inet_and_uuid_are_told_by_the_schema_alone)
{
	static const struct column column = { "u", 254, "fe10", 0, BINARY, NULL };
	static const struct fl_schema_column schema = { B("u"), B("uuid"), B("uuid"), B(""), -1, -1,
		-1, -1, true, 0 };
	struct fl_table_def *def = make_table(&column, 1, true, true);
	cr_expect_not(def->complete);
	cr_expect_eq(fl_table_complete(def, &schema, 1, NULL), 0);
	cr_expect(def->complete);
	cr_expect_eq(def->defs[0].type, FL_TYPE_UUID);
	cr_expect_eq(def->defs[0].form, FL_FORM_SHORT);
	fl_table_unref(def);
}

Test(table, fractions_of_old_types_are_mariadbs_alone)
{
	static const struct column column = { "t", 11, "", 0, 0, NULL };
	static const struct fl_schema_column schema = { B("t"), B("time"), B("time(3)"), B(""), -1,
		-1, -1, 3, true, 0 };
	struct fl_err err = { 0 };
	struct fl_table_def *def = make_table(&column, 1, false, true);
	cr_assert_eq(fl_table_complete(def, &schema, 1, &err), 0, "%s", err.text);
	cr_expect_eq(def->defs[0].fixed_size, 5);
	fl_table_unref(def);
	def = make_table(&column, 1, false, false);
	cr_expect_eq(fl_table_complete(def, &schema, 1, &err), FL_ECORRUPT);
	cr_expect_eq(def->defs[0].fixed_size, 3);
	fl_table_unref(def);
}

/* information_schema has question marks for characters above U+FFFF. */
Test(table, a_label_of_the_schema_with_a_question_mark_is_not_certain)
{
	static const struct {
		const char *charset;
		bool certain;
	} cases[] = { { "utf8mb4", false }, { "utf16", false }, { "utf16le", false },
		{ "utf32", false }, { "gb18030", false }, { "utf8mb3", true }, { "utf8", true },
		{ "latin1", true }, { "ucs2", true } };
	static const struct column column = { "e", 254, "f701", 0, 0, NULL };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_schema_column schema = { B("e"), B("enum"), B("enum('a','b?','')"),
			{ cases[i].charset, strlen(cases[i].charset) }, 8, -1, -1, -1, true, 0 };
		struct fl_table_def *def = make_table(&column, 1, false, true);
		struct fl_err err = { 0 };
		cr_assert_eq(fl_table_complete(def, &schema, 1, &err), 0, "%s", err.text);
		struct fl_buf body = { 0 }, text = { 0 };
		struct fl_rows rows =
			make_rows(&body, FL_EVENT_WRITE_ROWS, 1, "ff", "0001 0002 0003");
		for (unsigned label = 1; label <= 3; label++) {
			struct fl_row before, after;
			cr_assert_eq(fl_rows_next(&rows, def, &before, &after, &err), 1);
			fl_buf_clear(&text);
			int expected = label == 2 && !cases[i].certain ? FL_EUNSUPPORTED : 0;
			cr_expect_eq(fl_row_json(&after, &text, &err), expected, "%s, label %u",
				cases[i].charset, label);
		}
		fl_buf_finish(&body);
		fl_buf_finish(&text);
		fl_table_unref(def);
	}
}

/* What is behind the columns of information_schema is no column to SELECT. */
Test(table, a_hidden_hash_is_not_shown)
{
	static const struct column columns[] = { { .name = "id", .type = 3, .meta = "" },
		{ .name = "DB_ROW_HASH_1", .type = 8, .meta = "", .is_unsigned = true } };
	static const struct fl_schema_column id = { .name = { "id", 2 },
		.data_type = { "int", 3 },
		.column_type = { "int", 3 },
		.nullable = true };
	static const struct fl_schema_column own = { .name = { "DB_ROW_HASH_1", 13 },
		.data_type = { "bigint", 6 },
		.column_type = { "bigint unsigned", 15 },
		.nullable = true };
	static const struct {
		bool full, is_mariadb, complete, hidden;
		const char *json;
	} cases[] = {
		{ true, true, false, true, "{\"id\":1}" },
		{ true, true, false, false, "{\"id\":1,\"DB_ROW_HASH_1\":2}" },
		{ false, true, false, true, "{\"id\":1}" },
		{ true, false, true, false, "{\"id\":1,\"DB_ROW_HASH_1\":2}" },
	};
	struct fl_buf body = { 0 }, out = { 0 };
	struct fl_rows rows =
		make_rows(&body, FL_EVENT_WRITE_ROWS, 2, "03", "00 01000000 0200000000000000");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_table_def *def =
			make_table(columns, 2, cases[i].full, cases[i].is_mariadb);
		struct fl_err err = { 0 };
		struct fl_row before, after;
		cr_expect_eq(def->complete, cases[i].complete);
		struct fl_schema_column schema[] = { id, own };
		if (cases[i].hidden)
			schema[1] = (struct fl_schema_column){ 0 };
		if (!def->complete)
			cr_assert_eq(fl_table_complete(def, schema, 2, &err), 0, "%s", err.text);
		cr_expect_eq(def->defs[1].hidden, cases[i].hidden);
		rows.next = 0;
		cr_assert_eq(fl_rows_next(&rows, def, &before, &after, &err), 1);
		fl_buf_clear(&out);
		cr_assert_eq(fl_row_json(&after, &out, &err), 0);
		expect_text((struct fl_bytes){ out.data, out.size }, cases[i].json);
		fl_table_unref(def);
	}
	/* In files there is nobody to ask. */
	struct fl_table_def *def = make_table(columns, 2, true, true);
	cr_assert_eq(fl_table_number_columns(def, NULL), 0);
	cr_expect(def->defs[1].hidden && !def->defs[0].hidden);
	fl_table_unref(def);
	/* One that is not like it can't be it. */
	static const struct column others[] = { { .name = "id", .type = 3, .meta = "" },
		{ .name = "hash", .type = 8, .meta = "", .is_unsigned = true } };
	def = make_table(others, 2, true, true);
	cr_expect(def->complete);
	struct fl_schema_column const hidden[] = { id, { .name = { NULL, 0 } } };
	cr_expect_eq(fl_table_complete(def, hidden, 2, NULL), FL_ECORRUPT);
	fl_table_unref(def);
	fl_buf_finish(&body);
	fl_buf_finish(&out);
}
