/* SPDX-License-Identifier: Apache-2.0
 *
 * Table maps, with binlog_row_metadata = FULL. At most 64 tables are in use at a time.
 */
#include "trial.h"

#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>

enum { TABLES = 64, POST_HEADER = 8, BINARY_COLLATION = 63 };

/* The metadata's fields. */
enum {
	SIGNEDNESS = 1,
	DEFAULT_CHARSET,
	COLUMN_CHARSETS,
	NAMES,
	SET_LABELS,
	ENUM_LABELS,
	PRIMARY_KEY = 8
};

static struct table tables[TABLES];

struct table *table_of(uint64_t id)
{
	return &tables[id % TABLES];
}

static unsigned meta_size(uint8_t type)
{
	switch (type) {
	case MYSQL_TYPE_FLOAT:
	case MYSQL_TYPE_DOUBLE:
	case MYSQL_TYPE_TINY_BLOB:
	case MYSQL_TYPE_MEDIUM_BLOB:
	case MYSQL_TYPE_LONG_BLOB:
	case MYSQL_TYPE_BLOB:
	case MYSQL_TYPE_GEOMETRY:
	case MYSQL_TYPE_TIMESTAMP2:
	case MYSQL_TYPE_DATETIME2:
	case MYSQL_TYPE_TIME2:
		return 1;
	case MYSQL_TYPE_VARCHAR:
	case MYSQL_TYPE_BIT:
	case MYSQL_TYPE_NEWDECIMAL:
	case MYSQL_TYPE_VAR_STRING:
	case MYSQL_TYPE_STRING:
	case MYSQL_TYPE_ENUM:
	case MYSQL_TYPE_SET:
		return 2;
	default:
		return 0;
	}
}

static bool is_numeric(uint8_t type)
{
	switch (type) {
	case MYSQL_TYPE_TINY:
	case MYSQL_TYPE_SHORT:
	case MYSQL_TYPE_INT24:
	case MYSQL_TYPE_LONG:
	case MYSQL_TYPE_LONGLONG:
	case MYSQL_TYPE_NEWDECIMAL:
	case MYSQL_TYPE_FLOAT:
	case MYSQL_TYPE_DOUBLE:
	case MYSQL_TYPE_YEAR:
		return true;
	default:
		return false;
	}
}

static bool is_text(uint8_t type)
{
	return type == MYSQL_TYPE_VARCHAR || type == MYSQL_TYPE_VAR_STRING ||
	       type == MYSQL_TYPE_STRING || type == MYSQL_TYPE_BLOB;
}

static void read_type(struct column *column, uint8_t type, const uint8_t *meta)
{
	bool const is_varchar = type == MYSQL_TYPE_VARCHAR || type == MYSQL_TYPE_VAR_STRING;
	unsigned const size = meta_size(type);
	column->type = type;
	column->meta = (uint16_t)(size == 1    ? meta[0]
				  : size == 0  ? 0
				  : is_varchar ? le16(meta)
					       : (uint32_t)meta[0] << 8 | meta[1]);
	if (is_varchar)
		column->length_bytes = column->meta > 255 ? 2 : 1;
	if (type != MYSQL_TYPE_STRING)
		return;
	/* A CHAR, whose length may have two more bits in its type; or an ENUM or a SET. */
	if (meta[0] == MYSQL_TYPE_ENUM || meta[0] == MYSQL_TYPE_SET) {
		column->type = meta[0];
		column->length_bytes = meta[1];
	} else {
		unsigned const longest = ((meta[0] >> 4 & 3u) ^ 3u) << 8 | meta[1];
		column->length_bytes = longest > 255 ? 2 : 1;
	}
}

/* The next column of this kind, from `at` on. */
static struct column *next_text(struct table *table, size_t *at)
{
	while (!is_text(table->columns[*at].type))
		++*at;
	return &table->columns[(*at)++];
}

static void read_default_charset(struct table *table, const uint8_t *at, const uint8_t *end)
{
	bool const is_binary = length_encoded(&at) == BINARY_COLLATION;
	for (size_t i = 0; i < table->column_count; i++)
		if (is_text(table->columns[i].type))
			table->columns[i].is_binary = is_binary;
	while (at < end) {
		uint64_t const number = length_encoded(&at);
		size_t next = 0;
		struct column *column = next_text(table, &next);
		for (uint64_t i = 0; i < number; i++)
			column = next_text(table, &next);
		column->is_binary = length_encoded(&at) == BINARY_COLLATION;
	}
}

static void read_names(struct table *table, const uint8_t *at)
{
	for (size_t i = 0; i < table->column_count; i++) {
		int const size = (int)length_encoded(&at);
		table->columns[i].prefix_size = (size_t)asprintf(&table->columns[i].prefix,
			"%s\"%.*s\":", i > 0 ? "," : "", size, (const char *)at);
		at += size;
	}
}

static void read_labels(struct table *table, uint8_t type, const uint8_t *at, const uint8_t *end)
{
	for (size_t i = 0; i < table->column_count && at < end; i++) {
		struct column *column = &table->columns[i];
		if (column->type != type)
			continue;
		column->label_count = (size_t)length_encoded(&at);
		column->labels = calloc(column->label_count, sizeof(*column->labels));
		for (size_t k = 0; k < column->label_count; k++) {
			size_t const size = (size_t)length_encoded(&at);
			column->labels[k] = strndup((const char *)at, size);
			at += size;
		}
	}
}

static void read_metadata(struct table *table, const uint8_t *at, const uint8_t *end)
{
	while (at < end) {
		uint8_t const field = *at++;
		size_t const size = (size_t)length_encoded(&at);
		const uint8_t *body = at;
		size_t next = 0;
		at += size;
		switch (field) {
		case SIGNEDNESS:
			for (size_t i = 0; i < table->column_count; i++) {
				if (!is_numeric(table->columns[i].type))
					continue;
				table->columns[i].is_unsigned = body[next / 8] & 0x80 >> next % 8;
				next++;
			}
			break;
		case DEFAULT_CHARSET:
			read_default_charset(table, body, at);
			break;
		case COLUMN_CHARSETS:
			while (body < at)
				next_text(table, &next)->is_binary =
					length_encoded(&body) == BINARY_COLLATION;
			break;
		case NAMES:
			read_names(table, body);
			break;
		case SET_LABELS:
			read_labels(table, MYSQL_TYPE_SET, body, at);
			break;
		case ENUM_LABELS:
			read_labels(table, MYSQL_TYPE_ENUM, body, at);
			break;
		case PRIMARY_KEY:
			table->key = (size_t)length_encoded(&body);
			break;
		default:
			break;
		}
	}
}

static void forget(struct table *table)
{
	for (size_t i = 0; i < table->column_count; i++) {
		struct column *column = &table->columns[i];
		for (size_t k = 0; k < column->label_count; k++)
			free(column->labels[k]);
		free(column->labels);
		free(column->prefix);
	}
	free(table->columns);
	free(table->key_prefix);
	free(table->line_head);
}

static void parse(struct table *table, const uint8_t *at, const uint8_t *end)
{
	forget(table);
	at += POST_HEADER;
	int const db_size = *at++;
	const char *db = (const char *)at;
	at += db_size + 1;
	int const name_size = *at++;
	const char *name = (const char *)at;
	at += name_size + 1;
	table->key_prefix_size =
		(size_t)asprintf(&table->key_prefix, "%.*s:%.*s:", db_size, db, name_size, name);
	table->line_head_size = (size_t)asprintf(&table->line_head,
		"{\"db\":\"%.*s\",\"table\":\"%.*s\",\"op\":\"", db_size, db, name_size, name);
	table->column_count = (size_t)length_encoded(&at);
	table->columns = calloc(table->column_count, sizeof(*table->columns));
	const uint8_t *types = at;
	at += table->column_count;
	length_encoded(&at);
	for (size_t i = 0; i < table->column_count; i++) {
		read_type(&table->columns[i], types[i], at);
		at += meta_size(types[i]);
	}
	at += (table->column_count + 7) / 8; /* which may be NULL */
	read_metadata(table, at, end);
}

struct table *table_map(const uint8_t *at, size_t size)
{
	uint64_t const id = le48(at);
	struct table *table = table_of(id);
	if (likely(table->id == id && table->raw_size == size && memcmp(table->raw, at, size) == 0))
		return table;
	if (table->raw_capacity < size) {
		table->raw = realloc(table->raw, size);
		table->raw_capacity = size;
	}
	memcpy(table->raw, at, size);
	table->raw_size = size;
	table->id = id;
	parse(table, at, at + size);
	return table;
}
