/* SPDX-License-Identifier: Apache-2.0
 *
 * usage: connector_rows PORT FILE ROWS
 *
 * A binlog file's rows as JSON lines, by MariaDB Connector/C's own row reader
 * (mariadb_rpl_extract_rows), up to so many. Times are shown as the reader has them.
 */
#include <mysql.h>

#include <mariadb_rpl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TABLES = 64 };

static MARIADB_RPL_EVENT *maps[TABLES];

static void put(const char *text, size_t size)
{
	fwrite_unlocked(text, 1, size, stdout);
}

static void put_text(const char *text, size_t size)
{
	putchar_unlocked('"');
	for (size_t i = 0; i < size; i++) {
		unsigned char const byte = (unsigned char)text[i];
		char escaped[8];
		if (byte == '"' || byte == '\\') {
			putchar_unlocked('\\');
			putchar_unlocked(byte);
		} else if (byte < ' ') {
			put(escaped, (size_t)snprintf(escaped, sizeof(escaped), "\\u%04x", byte));
		} else {
			putchar_unlocked(byte);
		}
	}
	putchar_unlocked('"');
}

static void put_value(const MARIADB_RPL_VALUE *value)
{
	char text[64];
	int size = 0;
	const MYSQL_TIME *time = &value->val.tm;
	switch (value->field_type) {
	case MYSQL_TYPE_TINY:
	case MYSQL_TYPE_SHORT:
	case MYSQL_TYPE_INT24:
	case MYSQL_TYPE_LONG:
	case MYSQL_TYPE_LONGLONG:
	case MYSQL_TYPE_YEAR:
		size = value->is_signed
			       ? snprintf(text, sizeof(text), "%lld", (long long)value->val.ll)
			       : snprintf(text, sizeof(text), "%llu",
					 (unsigned long long)value->val.ull);
		break;
	case MYSQL_TYPE_FLOAT:
		size = snprintf(text, sizeof(text), "%.9g", (double)value->val.f);
		break;
	case MYSQL_TYPE_DOUBLE:
		size = snprintf(text, sizeof(text), "%.17g", value->val.d);
		break;
	case MYSQL_TYPE_TIMESTAMP:
	case MYSQL_TYPE_TIMESTAMP2:
		size = snprintf(text, sizeof(text), "%u.%06u", (unsigned)value->val.ts.second,
			(unsigned)value->val.ts.second_part);
		break;
	case MYSQL_TYPE_DATETIME:
	case MYSQL_TYPE_DATETIME2:
		size = snprintf(text, sizeof(text), "\"%04u-%02u-%02u %02u:%02u:%02u", time->year,
			time->month, time->day, time->hour, time->minute, time->second);
		if (time->second_part > 0)
			size += snprintf(text + size, sizeof(text) - (size_t)size, ".%06lu",
				time->second_part);
		text[size++] = '"';
		break;
	case MYSQL_TYPE_DATE:
	case MYSQL_TYPE_NEWDATE:
		size = snprintf(text, sizeof(text), "\"%04u-%02u-%02u\"", time->year, time->month,
			time->day);
		break;
	case MYSQL_TYPE_TIME:
	case MYSQL_TYPE_TIME2:
		size = snprintf(text, sizeof(text), "\"%02u:%02u:%02u.%06lu\"", time->hour,
			time->minute, time->second, time->second_part);
		break;
	case MYSQL_TYPE_ENUM:
	case MYSQL_TYPE_SET:
		size = snprintf(text, sizeof(text), "%llu", (unsigned long long)value->val.ull);
		break;
	default:
		put_text(value->val.str.str, value->val.str.length);
		return;
	}
	put(text, (size_t)size);
}

static void put_row(const MARIADB_RPL_EVENT *map, const MARIADB_RPL_ROW *row, const char *op)
{
	const struct st_mariadb_rpl_table_map_event *table = &map->event.table_map;
	const unsigned char *name = (const unsigned char *)table->column_names.data;
	printf("{\"db\":\"%.*s\",\"table\":\"%.*s\",\"op\":\"%s\",\"row\":{",
		(int)table->database.length, table->database.str, (int)table->table.length,
		table->table.str, op);
	for (unsigned i = 0; i < row->column_count; i++) {
		if (i > 0)
			putchar_unlocked(',');
		put_text((const char *)name + 1, *name);
		name += *name + 1;
		putchar_unlocked(':');
		if (row->columns[i].is_null)
			put("null", 4);
		else
			put_value(&row->columns[i]);
	}
	put("}}\n", 3);
}

/* Writes the rows of an event, up to so many; returns how many. -1: they can't be read. */
static long put_rows(MARIADB_RPL *reader, MARIADB_RPL_EVENT *event, long most)
{
	MARIADB_RPL_EVENT *map = maps[event->event.rows.table_id % TABLES];
	MARIADB_RPL_ROW *row = mariadb_rpl_extract_rows(reader, map, event);
	enum mariadb_row_event_type const type = event->event.rows.type;
	const char *op = type == UPDATE_ROWS ? "update" : type == WRITE_ROWS ? "insert" : "delete";
	long count = 0;
	if (row == NULL)
		return -1;
	for (; row != NULL && count < most; row = row->next, count++) {
		if (type == UPDATE_ROWS && (row = row->next) == NULL)
			return -1;
		put_row(map, row, op);
	}
	return count;
}

static int fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	return 1;
}

int main(int argc, char **argv)
{
	static char buffer[64 * 1024];
	MYSQL *source = mysql_init(NULL);
	if (argc != 4)
		return fail("usage: connector_rows PORT FILE ROWS");
	long rows = atol(argv[3]);
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	if (mysql_real_connect(source, "127.0.0.1", "repl", "repl", NULL, (unsigned)atoi(argv[1]),
		    NULL, 0) == NULL ||
		mysql_query(source, "SET @master_binlog_checksum = @@global.binlog_checksum") ||
		mysql_query(source, "SET @mariadb_slave_capability = 4"))
		return fail(mysql_error(source));
	MARIADB_RPL *reader = mariadb_rpl_init(source);
	mariadb_rpl_optionsv(reader, MARIADB_RPL_FILENAME, argv[2], strlen(argv[2]));
	mariadb_rpl_optionsv(reader, MARIADB_RPL_START, 4UL);
	mariadb_rpl_optionsv(reader, MARIADB_RPL_SERVER_ID, 39000U);
	mariadb_rpl_optionsv(reader, MARIADB_RPL_VERIFY_CHECKSUM, 1);
	mariadb_rpl_optionsv(reader, MARIADB_RPL_EXTRACT_VALUES, 1);
	if (mariadb_rpl_open(reader) != 0)
		return fail(mysql_error(source));
	MARIADB_RPL_EVENT *event = NULL;
	while (rows > 0 && (event = mariadb_rpl_fetch(reader, event)) != NULL) {
		MARIADB_RPL_EVENT **map;
		long count;
		switch (event->event_type) {
		case TABLE_MAP_EVENT:
			/* Kept, as rows need it; the one before is used for the next event. */
			map = &maps[event->event.table_map.table_id % TABLES];
			MARIADB_RPL_EVENT *const old = *map;
			*map = event;
			event = old;
			break;
		case WRITE_ROWS_EVENT_V1:
		case UPDATE_ROWS_EVENT_V1:
		case DELETE_ROWS_EVENT_V1:
		case WRITE_ROWS_EVENT:
		case UPDATE_ROWS_EVENT:
		case DELETE_ROWS_EVENT:
			count = put_rows(reader, event, rows);
			if (count < 0)
				return fail(mariadb_rpl_error(reader));
			rows -= count;
			break;
		default:
			break;
		}
	}
	if (rows > 0)
		return fail("the binlog ends before that many rows");
	fflush(stdout);
	_exit(0);
}
