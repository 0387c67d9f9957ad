/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests: events and table definitions from a few words.
 */
#ifndef FL_TEST_MAKE_TABLE_H
#define FL_TEST_MAKE_TABLE_H

#include <criterion/criterion.h>

#include "binlog/rows.h"

/* The collations that the tests use, as servers number them. */
enum {
	LATIN1 = 8,
	ASCII = 11,
	GBK = 28,
	UTF8 = 33,
	UTF8MB4 = 45,
	EBCDIC = 62,
	BINARY = 63,
	UTF8MB4_0900 = 255
};

static const struct fl_collations *test_collations(void)
{
	static struct fl_collation by_id[256] = {
		[LATIN1] = { FL_CHARSET_LATIN1, "latin1" },
		[ASCII] = { FL_CHARSET_ASCII, "ascii" },
		[GBK] = { FL_CHARSET_GBK, "gbk" },
		[EBCDIC] = { FL_CHARSET_OTHER, "ebcdic" },
		[UTF8] = { FL_CHARSET_UTF8, "utf8mb3" },
		[UTF8MB4] = { FL_CHARSET_UTF8, "utf8mb4" },
		[46] = { FL_CHARSET_UTF8, "utf8mb4" },
		[BINARY] = { FL_CHARSET_BINARY, "binary" },
		[UTF8MB4_0900] = { FL_CHARSET_UTF8, "utf8mb4" },
	};
	static const struct fl_collations all = { 256, by_id };
	return &all;
}

static const struct fl_format *test_format(bool is_mariadb)
{
	static struct fl_format format;
	format.known = true;
	format.is_mariadb = is_mariadb;
	memset(format.post_header, 8, sizeof(format.post_header));
	memset(format.post_header + FL_EVENT_WRITE_ROWS, 10, 3);
	format.post_header[FL_EVENT_PARTIAL_UPDATE_ROWS] = 10;
	return &format;
}

/* Appends the bytes that pairs of hexadecimal digits stand for; blanks are passed over. */
static inline void put_hex(struct fl_buf *out, const char *hex)
{
	for (; *hex != '\0'; hex++) {
		unsigned byte;
		if (*hex == ' ')
			continue;
		cr_assert_eq(sscanf(hex, "%2x", &byte), 1);
		fl_buf_char(out, (char)byte);
		hex++;
	}
}

static inline void put_int(struct fl_buf *out, uint64_t value, unsigned size)
{
	for (; size-- > 0; value >>= 8)
		fl_buf_char(out, (char)value);
}

static inline struct fl_event event_of(uint8_t type, const struct fl_buf *body)
{
	return (struct fl_event){ .type = type, .body = { body->data, body->size } };
}

/* A column: its type and metadata as on the wire, and what the optional metadata tell of it. */
struct column {
	const char *name;
	uint8_t type;
	const char *meta; /* hexadecimal */
	bool is_unsigned;
	uint8_t collation;  /* text, ENUM, SET */
	const char *labels; /* ENUM, SET: separated by '|' */
};

static inline bool is_numeric_column(const struct column *column)
{
	return (column->type >= 1 && column->type <= 5) || column->type == 8 || column->type == 9 ||
	       column->type == 13 || column->type == 246;
}

static inline bool is_text_column(const struct column *column)
{
	return column->collation != 0 && column->labels == NULL;
}

static inline void put_field(struct fl_buf *out, uint8_t type, struct fl_buf *field)
{
	if (field->size > 0) {
		fl_buf_char(out, (char)type);
		fl_buf_char(out, (char)252);
		put_int(out, field->size, 2);
		fl_buf_append(out, field->data, field->size);
	}
	fl_buf_finish(field);
}

static inline void put_labels(struct fl_buf *out, const char *labels)
{
	struct fl_buf texts = { 0 };
	unsigned count = 0;
	for (const char *at = labels;; at++, count++) {
		size_t size = strcspn(at, "|");
		fl_buf_char(&texts, (char)size);
		fl_buf_append(&texts, at, size);
		at += size;
		if (*at == '\0')
			break;
	}
	fl_buf_char(out, (char)252);
	put_int(out, count + 1, 2);
	fl_buf_append(out, texts.data, texts.size);
	fl_buf_finish(&texts);
}

/* The optional metadata, as with binlog_row_metadata=FULL; the first column is the key. */
static inline void put_full_metadata(
	struct fl_buf *out, const struct column *columns, unsigned count)
{
	struct fl_buf signs = { 0 }, texts = { 0 }, names = { 0 }, charsets = { 0 };
	struct fl_buf sets = { 0 }, enums = { 0 }, key = { 0 };
	unsigned numbers = 0;
	for (unsigned i = 0; i < count; i++) {
		const struct column *column = &columns[i];
		fl_buf_char(&names, (char)strlen(column->name));
		fl_buf_text(&names, column->name);
		if (is_numeric_column(column)) {
			if (numbers % 8 == 0)
				fl_buf_char(&signs, 0);
			if (column->is_unsigned)
				signs.data[numbers / 8] |= (char)(0x80 >> numbers % 8);
			numbers++;
		}
		if (is_text_column(column))
			put_int(&texts, column->collation == 255 ? 0xfffc : column->collation,
				column->collation == 255 ? 3 : 1);
		if (column->labels != NULL) {
			fl_buf_char(&charsets, (char)column->collation);
			put_labels(column->meta[1] == '7' ? &enums : &sets, column->labels);
		}
	}
	fl_buf_char(&key, 0);
	put_field(out, 1, &signs);
	put_field(out, 3, &texts);
	put_field(out, 4, &names);
	put_field(out, 5, &sets);
	put_field(out, 6, &enums);
	put_field(out, 8, &key);
	put_field(out, 11, &charsets);
}

/* The body of shop.users' TABLE_MAP event; every column is nullable. */
static inline void put_table_map(
	struct fl_buf *out, const struct column *columns, unsigned count, bool full)
{
	put_hex(out, "7b0000000000 0100 04 73686f70 00 05 7573657273 00");
	fl_buf_char(out, (char)count);
	struct fl_buf metadata = { 0 };
	for (unsigned i = 0; i < count; i++) {
		fl_buf_char(out, (char)columns[i].type);
		put_hex(&metadata, columns[i].meta);
	}
	fl_buf_char(out, (char)metadata.size);
	fl_buf_append(out, metadata.data, metadata.size);
	fl_buf_finish(&metadata);
	for (unsigned i = 0; i < (count + 7) / 8; i++)
		fl_buf_char(out, (char)0xff);
	if (full)
		put_full_metadata(out, columns, count);
}

static inline struct fl_table_def *make_table(
	const struct column *columns, unsigned count, bool full, bool is_mariadb)
{
	struct fl_buf body = { 0 };
	put_table_map(&body, columns, count, full);
	struct fl_event event = event_of(FL_EVENT_TABLE_MAP, &body);
	struct fl_table_def *def = NULL;
	struct fl_err err = { 0 };
	int code = fl_table_decode(&event, test_format(is_mariadb), test_collations(), &def, &err);
	cr_assert_eq(code, 0, "%s", err.text);
	fl_buf_finish(&body);
	return def;
}

/* A v2 rows event of the table. The bitmaps and images are hexadecimal. */
static inline struct fl_rows make_rows(struct fl_buf *body, uint8_t type, unsigned columns,
	const char *bitmaps, const char *images)
{
	put_hex(body, "7b0000000000 0100 0200");
	fl_buf_char(body, (char)columns);
	put_hex(body, bitmaps);
	put_hex(body, images);
	struct fl_event event = event_of(type, body);
	struct fl_rows rows;
	struct fl_err err = { 0 };
	cr_assert_eq(fl_rows_decode(&event, test_format(false), &rows, &err), 0, "%s", err.text);
	return rows;
}

#endif
