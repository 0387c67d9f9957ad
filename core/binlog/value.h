/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to core/binlog, and to core/explain, which makes such bytes of text: single values, from
 * the bytes of a row to text. No state, any thread.
 *
 * The ..._write functions write at `to`, where the caller has made room, and return the end of what
 * they wrote, no NUL. They move whole words: some bytes behind that end may be overwritten, but no
 * more than FL_SHORT_MAX in all. NULL: the bytes are no value of that type.
 */
#ifndef FL_VALUE_H
#define FL_VALUE_H

#include <endian.h>

#include "binlog/table.h"

enum {
	FL_TYPE_TINY = 1,
	FL_TYPE_SHORT = 2,
	FL_TYPE_LONG = 3,
	FL_TYPE_FLOAT = 4,
	FL_TYPE_DOUBLE = 5,
	FL_TYPE_TIMESTAMP = 7,
	FL_TYPE_LONGLONG = 8,
	FL_TYPE_INT24 = 9,
	FL_TYPE_DATE = 10,
	FL_TYPE_TIME = 11,
	FL_TYPE_DATETIME = 12,
	FL_TYPE_YEAR = 13,
	FL_TYPE_NEWDATE = 14,
	FL_TYPE_VARCHAR = 15,
	FL_TYPE_BIT = 16,
	FL_TYPE_TIMESTAMP2 = 17,
	FL_TYPE_DATETIME2 = 18,
	FL_TYPE_TIME2 = 19,
	FL_TYPE_BLOB_COMPRESSED = 140,	  /* MariaDB */
	FL_TYPE_VARCHAR_COMPRESSED = 141, /* MariaDB */
	FL_TYPE_VECTOR = 242,		  /* MySQL */
	FL_TYPE_JSON = 245,
	FL_TYPE_NEWDECIMAL = 246,
	FL_TYPE_ENUM = 247,
	FL_TYPE_SET = 248,
	FL_TYPE_TINY_BLOB = 249,
	FL_TYPE_MEDIUM_BLOB = 250,
	FL_TYPE_LONG_BLOB = 251,
	FL_TYPE_BLOB = 252,
	FL_TYPE_VAR_STRING = 253,
	FL_TYPE_STRING = 254,
	FL_TYPE_GEOMETRY = 255,
	/* Never in a table map, where they are STRINGs: MariaDB's, from information_schema. */
	FL_TYPE_INET4 = 128,
	FL_TYPE_INET6 = 129,
	FL_TYPE_UUID = 130,
};

enum { FL_SHORT_MAX = 80 };

/* What a profile asked for: fixed sizes, read at once. */
static inline uint32_t fl_le32(const uint8_t *at)
{
	uint32_t value;
	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}
static inline uint64_t fl_le64(const uint8_t *at)
{
	uint64_t value;
	memcpy(&value, at, sizeof(value));
	return le64toh(value);
}
static inline uint16_t fl_le16(const uint8_t *at)
{
	uint16_t value;
	memcpy(&value, at, sizeof(value));
	return le16toh(value);
}
static inline uint32_t fl_uint24(const uint8_t *at)
{
	return fl_le16(at) | (uint32_t)at[2] << 16;
}
static inline int32_t fl_int24(const uint8_t *at)
{
	return (int32_t)(fl_uint24(at) << 8) >> 8;
}
static inline float fl_float(const uint8_t *at)
{
	uint32_t bits = fl_le32(at);
	float value;
	memcpy(&value, &bits, sizeof(value));
	return value;
}
static inline double fl_double(const uint8_t *at)
{
	uint64_t bits = fl_le64(at);
	double value;
	memcpy(&value, &bits, sizeof(value));
	return value;
}
static inline uint32_t fl_be32(const uint8_t *at)
{
	uint32_t value;
	memcpy(&value, at, sizeof(value));
	return be32toh(value);
}

/* BIT is big-endian. */
static inline uint64_t fl_bit_value(const uint8_t *at, uint32_t size)
{
	uint64_t value = 0;
	for (uint32_t i = 0; i < size; i++)
		value = value << 8 | at[i];
	return value;
}
/* 0 is 0, else years since 1900. */
static inline unsigned fl_year(const uint8_t *at)
{
	return at[0] == 0 ? 0 : 1900u + at[0];
}

/* What def->write is. */
#define FL_VALUE_WRITER(name)                                                                      \
	char *name(const struct fl_column_def *def __attribute__((unused)), const uint8_t *at,     \
		uint32_t size __attribute__((unused)), char *to)

/* Puts a quote at the end of what has been written, if it has. */
static inline char *fl_quote(char *end)
{
	if (end == NULL)
		return NULL;
	*end = '"';
	return end + 1;
}

/* Numbers. */
extern const char fl_digit_pairs[201];
static inline char *fl_two_digits_write(unsigned value, char *to)
{
	memcpy(to, fl_digit_pairs + (size_t)value * 2, 2);
	return to + 2;
}
/* Exactly `count` digits, one to nine, with leading zeros; `value` has no more. */
char *fl_digits_write(uint32_t value, unsigned count, char *to);
/* Within the 20 bytes that the longest takes. */
char *fl_uint_write(uint64_t value, char *to);
char *fl_int_write(int64_t value, char *to);
/* The shortest digits that read back as the same value, written as servers do: 0.1, 1e15. */
char *fl_double_write(double value, char *to);
char *fl_float_write(float value, char *to);

/* DECIMAL(precision, scale), 1 <= precision <= 65, scale <= precision. */
unsigned fl_decimal_size(unsigned precision, unsigned scale);
char *fl_decimal_write(const uint8_t *at, unsigned precision, unsigned scale, char *to);
fl_value_writer fl_decimal_json;

/* Dates and times, of a column; and in the packed form that they have in JSON documents. */
unsigned fl_temporal_size(uint8_t type, unsigned digits);
fl_value_writer *fl_temporal_writer(uint8_t type);
char *fl_temporal_packed_write(uint8_t type, uint64_t packed, char *to);

/* INET4, INET6, UUID; without the zero bytes at the end. */
char *fl_address_write(const struct fl_column_def *def, const uint8_t *at, uint32_t size, char *to);

/* 4 characters for each 3 bytes begun. */
static inline size_t fl_base64_size(size_t size)
{
	return (size + 2) / 3 * 4;
}
char *fl_base64_write(const uint8_t *at, size_t size, char *to);

/* Text in one of the character sets that are decoded: as the inside of a JSON string, or as it is.
 * 0, FL_ENOMEM, FL_ECORRUPT where it is not valid in the character set. */
int fl_charset_json(enum fl_charset charset, struct fl_bytes text, struct fl_buf *out);
bool fl_utf8_is_valid(struct fl_bytes text);
/* Of a text in that character set; NULL where it is not valid. There is room for FL_TEXT_WORST
 * bytes for each byte, and for FL_TEXT_PAD more, since it is copied in pieces. */
enum { FL_TEXT_SHORT = 4096, FL_TEXT_WORST = 6, FL_TEXT_PAD = FL_NAME_PAD };
fl_value_writer *fl_charset_writer(enum fl_charset charset);

/* A column's value, where it lies in the row. */
struct fl_cell {
	const uint8_t *at;
	uint32_t size;
};

/* BINARY(n) as declared: the server drops the zero bytes at the end. */
enum { FL_LONGEST_CHAR = 1024 }; /* in bytes: the metadata has ten bits for it */
struct fl_cell fl_cell_padded(
	const struct fl_column_def *def, struct fl_cell cell, uint8_t buffer[FL_LONGEST_CHAR]);

/* What a COMPRESSED column's value is when inflated, in memory that the caller frees, if any. */
int fl_compressed_read(const struct fl_column_def *def, struct fl_cell cell, struct fl_cell *ret,
	void **ret_memory);

/* A geometry as the server's ST_AsGeoJSON() writes it. 0, FL_ENOMEM, FL_ECORRUPT. */
int fl_geometry_json(enum fl_geometry style, struct fl_bytes geometry, struct fl_buf *out);

/* The value in each of the forms that row.h promises. 0, FL_ENOMEM, FL_ECORRUPT, or
 * FL_EUNSUPPORTED where the definition says not_decoded. */
int fl_value_json(const struct fl_column_def *def, struct fl_cell cell, struct fl_buf *out);
int fl_value_text(const struct fl_column_def *def, struct fl_cell cell, struct fl_buf *out);
int fl_value_decode(const struct fl_column_def *def, struct fl_cell cell, struct fl_buf *scratch,
	struct fl_value *ret);

/* Columns in the making. The classes are those by which a table map's optional metadata counts. */
bool fl_type_is_integer(uint8_t type);
bool fl_type_is_numeric(uint8_t type);
bool fl_type_has_labels(uint8_t type);
bool fl_type_has_charset(uint8_t type);
/* How many bytes of metadata the event has for a type; -1: not a type that rows can have. */
int fl_column_metadata_size(uint8_t type);
/* Sets how a value lies in the row; `meta` is that many bytes. False: they are no valid ones. */
bool fl_column_lay_out(struct fl_column_def *def, const uint8_t *meta);
/* From type, charset, labels and `not_decoded`. */
enum fl_form fl_column_form(const struct fl_column_def *def);
/* Sets it, and with it what writes the column's values. */
void fl_column_set_form(struct fl_column_def *def, enum fl_form form);
/* Makes `json_labels` of the labels, if all of them are known: before the form is set. 0 or
 * FL_ENOMEM. */
int fl_column_escape_labels(struct fl_column_def *def, struct fl_arena *arena);
/* Sums up what a row may take: once the forms are set. */
void fl_table_measure(struct fl_table_def *def);

/* Whether a column is of the kind that MariaDB adds for a UNIQUE key which is too long to be one:
 * BIGINT UNSIGNED, and named, if it has a name, as only somebody out to deceive would name his own.
 */
bool fl_column_may_be_hash(const struct fl_table_def *def, unsigned column);
/* Hides it. */
void fl_column_hide(struct fl_column *column, struct fl_column_def *def);

/* Settles the form and the JSON name of each column, and whether the definition is complete, from
 * all that is known by now. 0 or FL_ENOMEM. */
int fl_table_settle(struct fl_table_def *def, struct fl_err *err);
/* Reads the optional metadata into a definition whose columns are laid out. */
int fl_metadata_decode(struct fl_table_def *def, struct fl_column *columns, struct fl_cursor *c,
	bool is_mariadb, const struct fl_collations *collations, struct fl_err *err);

/* What stands in an err where the table is named. */
#define FL_TABLE_FMT "%.*s.%.*s"
#define FL_TABLE_ARG(def)                                                                          \
	(int)(def)->table.db.size, (def)->table.db.data, (int)(def)->table.name.size,              \
		(def)->table.name.data

#endif
