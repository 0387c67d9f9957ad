/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of mapping: table definitions, rows and rules from text, and operations as text.
 */
#ifndef FL_TEST_MAP_FIXTURE_H
#define FL_TEST_MAP_FIXTURE_H

#include <criterion/criterion.h>

#include "binlog/row.h"
#include "map/map.h"

/* The table of most tests: id INT, email VARCHAR, note VARCHAR, all nullable. `note` can be of a
 * character set that is not decoded. */
enum { COLUMNS = 3 };
enum kind { PLAIN, UNDECODABLE_NOTE, WITHOUT_NAMES };

static inline void put_text(struct fl_buf *out, const char *text, bool terminate)
{
	fl_buf_char(out, (char)strlen(text));
	fl_buf_append(out, text, strlen(text) + terminate);
}

/* What a TABLE_MAP event says of it. */
static inline struct fl_table_def *make_table(const char *db, const char *name, enum kind kind)
{
	static struct fl_collations collations;
	static struct fl_collation by_id[46];
	by_id[28] = (struct fl_collation){ FL_CHARSET_OTHER, "ebcdic" };
	by_id[45] = (struct fl_collation){ FL_CHARSET_UTF8, "utf8mb4" };
	collations = (struct fl_collations){ 46, by_id };

	struct fl_buf body = { 0 };
	fl_buf_append(&body, "\x01\0\0\0\0\0\0\0", 8); /* table id, flags */
	put_text(&body, db, true);
	put_text(&body, name, true);
	fl_buf_append(&body, "\x03\x03\x0f\x0f", 4);	 /* columns: LONG, VARCHAR, VARCHAR */
	fl_buf_append(&body, "\x04\xc8\x00\xc8\x00", 5); /* 200 bytes each */
	fl_buf_append(&body, "\x07", 1);		 /* nullable */
	fl_buf_append(&body, "\x01\x01\x00", 3);	 /* SIGNEDNESS: signed */
	if (kind == UNDECODABLE_NOTE)
		fl_buf_append(&body, "\x02\x03\x2d\x01\x1c", 5); /* DEFAULT_CHARSET 45, 2nd is 28 */
	else
		fl_buf_append(&body, "\x02\x01\x2d", 3);
	if (kind != WITHOUT_NAMES)
		fl_buf_append(&body,
			"\x04\x0e\x02id\x05"
			"email\x04note",
			16); /* COLUMN_NAME */
	struct fl_event event = { .type = FL_EVENT_TABLE_MAP, .body = { body.data, body.size } };
	struct fl_format format = { .known = true, .header_size = 19 };
	format.post_header_count = 255;
	format.post_header[FL_EVENT_TABLE_MAP] = 8;
	struct fl_table_def *def = NULL;
	struct fl_err err = { 0 };
	cr_assert_eq(fl_table_decode(&event, &format, &collations, &def, &err), 0, "%s", err.text);
	fl_buf_finish(&body);
	return def;
}

/* A row image of "7|a@x|hi": ~ is NULL, - is not in the image. Bytes: the bitmap of what is there,
 * then the image. NULL: none. */
static inline struct fl_row make_row(
	const struct fl_table_def *def, const char *text, struct fl_buf *out)
{
	struct fl_row row = { .table = &def->table };
	if (text == NULL)
		return row;
	uint8_t present = 0, nulls = 0;
	unsigned at = 0;
	struct fl_buf values = { 0 };
	for (unsigned i = 0; i < COLUMNS; i++) {
		size_t size = strcspn(text, "|");
		char value[64] = "";
		memcpy(value, text, size);
		text += size + (text[size] == '|');
		if (strcmp(value, "-") == 0)
			continue;
		present |= (uint8_t)(1 << i);
		if (strcmp(value, "~") == 0)
			nulls |= (uint8_t)(1 << at);
		else if (i == 0)
			fl_buf_append(&values, &(int32_t){ atoi(value) }, 4);
		else
			put_text(&values, value, false);
		at++;
	}
	fl_buf_append(out, &present, 1);
	fl_buf_append(out, &nulls, 1);
	fl_buf_append(out, values.data, values.size);
	fl_buf_finish(&values);
	row.present = (const uint8_t *)out->data;
	row.data = (const uint8_t *)out->data + 1;
	row.size = (uint32_t)out->size - 1;
	return row;
}

static inline void show(const struct fl_mapper *mapper, struct fl_buf *out)
{
	static const char *const names[] = { "SET ", "DEL ", "CLEAR ", "HASH " };
	size_t count;
	const struct fl_operation *o = fl_mapper_operations(mapper, &count);
	for (size_t i = 0; i < count; i++) {
		fl_buf_text(out, i > 0 ? "; " : "");
		fl_buf_text(out, names[o[i].kind]);
		fl_buf_append(out, o[i].key.data, o[i].key.size);
		if (o[i].kind == FL_KEY_SET) {
			fl_buf_text(out, " ");
			fl_buf_append(out, o[i].value.data, o[i].value.size);
		}
		struct fl_bytes fields = o[i].value, field, text;
		while (o[i].kind == FL_KEY_HASH && fl_field_next(&fields, &field, &text)) {
			fl_buf_text(out, " ");
			fl_buf_append(out, field.data, field.size);
			fl_buf_text(out, "=");
			fl_buf_append(out, text.data, text.size);
		}
		if ((o[i].flags & FL_IF_EXISTS) != 0)
			fl_buf_text(out, " XX");
		if (o[i].ttl > 0) {
			char ttl[20];
			snprintf(ttl, sizeof(ttl), " %u", o[i].ttl);
			fl_buf_text(out, ttl);
		}
	}
	fl_buf_char(out, '\0');
}

/* Rules as text, "table key [invalidate...]", separated by " / "; value none for a key behind '!'.
 */
static inline struct fl_map *make_map(const char *rules)
{
	struct fl_map *map = fl_map_create();
	for (unsigned number = 1; *rules != '\0'; number++) {
		char name[8], table[64], key[64], invalidate[128];
		int size = 0;
		snprintf(name, sizeof(name), "r%u", number);
		invalidate[0] = '\0';
		cr_assert_geq(sscanf(rules, "%63s %63s %n", table, key, &size), 2, "%s", rules);
		size_t rest = strcspn(rules + size, "/");
		snprintf(invalidate, sizeof(invalidate), "%.*s", (int)rest, rules + size);
		rules += (size_t)size + rest;
		rules += *rules == '/';
		struct fl_map_rule rule = {
			.name = name,
			.table = table,
			.key = key + (key[0] == '!'),
			.invalidate = invalidate[0] != '\0' ? invalidate : NULL,
			.value = key[0] != '!' ? "json" : "none",
		};
		struct fl_err err = { 0 };
		cr_assert_eq(fl_map_add(map, &rule, &err), 0, "%s", err.text);
	}
	return map;
}

static inline struct fl_bytes bytes(const char *text)
{
	return (struct fl_bytes){ text, text != NULL ? strlen(text) : 0 };
}

/* A change of one row of `def`. */
static inline void map_row(struct fl_mapper *mapper, const struct fl_table_def *def, enum fl_op op,
	const char *before, const char *after, struct fl_buf *out)
{
	struct fl_buf images[2] = { 0 };
	struct fl_change change = {
		.op = op,
		.before = make_row(def, before, &images[0]),
		.after = make_row(def, after, &images[1]),
		.db = def->table.db,
		.table = def->table.name,
	};
	struct fl_transaction transaction = { .change_count = 1, .changes = &change };
	struct fl_err err = { 0 };
	int code = fl_mapper_add(mapper, &transaction, 0, &err);
	if (code < 0)
		fl_buf_text(out, "error: ");
	if (code < 0)
		fl_buf_append(out, err.text, strlen(err.text) + 1);
	else
		show(mapper, out);
	fl_buf_finish(&images[0]);
	fl_buf_finish(&images[1]);
}

#endif
