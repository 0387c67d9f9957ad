/* SPDX-License-Identifier: Apache-2.0
 *
 * Table definitions: what a TABLE_MAP event says of a table, completed from information_schema
 * where it says too little. A definition is built by one thread, then immutable and counted: any
 * thread may read it and take or drop references.
 */
#ifndef FL_TABLE_H
#define FL_TABLE_H

#include <stdatomic.h>

#include "base/arena.h"
#include "binlog/event.h"

/* How the bytes of a text column become UTF-8. */
enum fl_charset {
	FL_CHARSET_UNKNOWN, /* not known which it is */
	FL_CHARSET_BINARY,
	FL_CHARSET_OTHER, /* known by name, but not one of these */
	FL_CHARSET_ASCII,
	FL_CHARSET_LATIN1, /* MySQL's: cp1252, its five holes being C1 controls */
	FL_CHARSET_UTF8,   /* utf8mb3 and utf8mb4 */

	/* One byte a character. */
	FL_CHARSET_ARMSCII8,
	FL_CHARSET_CP1250,
	FL_CHARSET_CP1251,
	FL_CHARSET_CP1256,
	FL_CHARSET_CP1257,
	FL_CHARSET_CP850,
	FL_CHARSET_CP852,
	FL_CHARSET_CP866,
	FL_CHARSET_DEC8,
	FL_CHARSET_GEOSTD8,
	FL_CHARSET_GREEK,
	FL_CHARSET_HEBREW,
	FL_CHARSET_HP8,
	FL_CHARSET_KEYBCS2,
	FL_CHARSET_KOI8R,
	FL_CHARSET_KOI8U,
	FL_CHARSET_LATIN2,
	FL_CHARSET_LATIN5,
	FL_CHARSET_LATIN7,
	FL_CHARSET_MACCE,
	FL_CHARSET_MACROMAN,
	FL_CHARSET_TIS620,
	FL_CHARSET_SWE7, /* some ASCII bytes are other characters */

	/* One to four bytes; in a character's last one, 0x40 and above may be anything. */
	FL_CHARSET_BIG5,
	FL_CHARSET_CP932,
	FL_CHARSET_EUCJPMS,
	FL_CHARSET_EUCKR,
	FL_CHARSET_GB18030,
	FL_CHARSET_GB2312,
	FL_CHARSET_GBK,
	FL_CHARSET_SJIS,
	FL_CHARSET_UJIS,

	FL_CHARSET_UCS2, /* this and the next are big-endian */
	FL_CHARSET_UTF16,
	FL_CHARSET_UTF16LE,
	FL_CHARSET_UTF32,
};

/* Appends text as UTF-8. 0, or FL_E... with nothing appended: not decoded, not valid in its
 * charset, or of characters for which the server has no place in Unicode either. */
int fl_charset_text(enum fl_charset charset, struct fl_bytes text, struct fl_buf *out);

/* The server's collations: collation id -> character set. Filled by the source at connect time,
 * then read-only. */
struct fl_collations {
	unsigned count;
	struct fl_collation {
		uint8_t charset; /* enum fl_charset */
		char name[32];	 /* the character set's */
	} * by_id;		 /* `count` of them; name "" where the id is not in use */
};

/* Those that all supported servers have, for a binlog that is read without its server. `ret->by_id`
 * is to be freed. 0 or FL_ENOMEM. */
int fl_collations_known(struct fl_collations *ret);

/* "utf8mb4" -> FL_CHARSET_UTF8; a name that is not known -> FL_CHARSET_OTHER. */
enum fl_charset fl_charset_from_name(struct fl_bytes name);

/* How a column's value is shown. */
enum fl_form {
	FL_FORM_NONE,	/* not decoded: see `not_decoded` */
	FL_FORM_NUMBER, /* integers, BIT, YEAR, FLOAT, DOUBLE */
	FL_FORM_SHORT,	/* DECIMAL, dates and times, INET, UUID: ASCII, in quotes */
	FL_FORM_TEXT,
	FL_FORM_BINARY,
	FL_FORM_ENUM,
	FL_FORM_SET,
	FL_FORM_JSON, /* MySQL's binary JSON */
	FL_FORM_GEOJSON,
	FL_FORM_COMPRESSED, /* MariaDB's: text or binary once it is inflated */
	FL_FORM_BYTES,	    /* as the server logged them: not even padding is known */
	FL_FORM_SIGNLESS,   /* an integer whose sign is not known */
};

/* How a geometry is shown: the bytes, or as either server's ST_AsGeoJSON() writes it. */
enum fl_geometry { FL_GEOMETRY_WKB, FL_GEOMETRY_JSON_MYSQL, FL_GEOMETRY_JSON_MARIADB };

enum { FL_NAME_PAD = 16 }; /* names are copied in pieces of that many bytes */

/* Writes a value as JSON at `to`, where there is room. Returns its end, or NULL: the bytes are no
 * value of the column's type. */
struct fl_column_def;
typedef char *fl_value_writer(
	const struct fl_column_def *def, const uint8_t *at, uint32_t size, char *to);

/* How a column's value is laid out and shown. The wire's type MYSQL_TYPE_STRING is resolved to
 * CHAR, ENUM, SET, INET or UUID. What walking a row needs stands first. */
struct fl_column_def {
	uint8_t type;	      /* MYSQL_TYPE_..., resolved */
	uint8_t length_bytes; /* of the length in front of the value; 0: fixed size */
	uint16_t meta;	      /* as in the event, ENUM, SET and STRING resolved */
	uint32_t fixed_size; /* bytes, where length_bytes is 0; CHAR and BINARY: the declared length
				in bytes */
	fl_value_writer *write; /* NULL: what it takes is not known beforehand, fl_value_json() */
	struct fl_bytes json_name; /* `,"name":`, escaped; FL_NAME_PAD bytes behind it; `data` NULL:
				    * not shown */
	uint32_t room;	 /* what `write` may take, beside FL_TEXT_WORST for each byte of a value */
	uint8_t form;	 /* enum fl_form */
	uint8_t charset; /* enum fl_charset, of text, ENUM and SET columns */
	bool is_unsigned;
	bool nullable;
	uint8_t geometry; /* enum fl_geometry */
	bool hidden;	  /* no column to SELECT, and not shown: MariaDB's hash of a UNIQUE key */
	uint32_t label_count;		    /* ENUM and SET */
	const struct fl_bytes *labels;	    /* UTF-8; `data` NULL: not known */
	const struct fl_bytes *json_labels; /* as the inside of a JSON string, FL_NAME_PAD bytes
					     * behind each; NULL where one is not known */
	const char *not_decoded;  /* NULL, or why this column's values can't be decoded: a type or a
				   * character set by name */
	const char *charset_name; /* of FL_CHARSET_OTHER */
};

/* Where the column names come from. */
enum fl_names { FL_NAMES_NONE, FL_NAMES_METADATA, FL_NAMES_SCHEMA, FL_NAMES_NUMBERS };

struct fl_table_def {
	struct fl_table
		table; /* what plugins see; a struct fl_table * of a row is always one of these */
	uint64_t id;   /* the server's table id */
	struct fl_bytes raw; /* the TABLE_MAP event's body, to tell whether another is the same */
	struct fl_column_def *defs;
	/* How to go over an image that has all columns, none of them NULL: so many bytes, then a
	 * value with its length in front, and so on; and so many bytes at the end. */
	struct fl_stride {
		uint32_t fixed;
		uint8_t length_bytes;
	} * strides;
	unsigned stride_count;
	uint32_t fixed_end;
	size_t json_room; /* what names and values take as JSON, as `room` of a column */
	enum fl_names names;
	bool complete;	 /* names, signedness, charsets, labels: all that is needed to show a row */
	bool signedness; /* the event has it */
	bool ambiguous; /* the event can't tell some column's type: MariaDB's old temporal types may
			 * have fractions, its BINARY(4) and BINARY(16) may be INET4, INET6, UUID,
			 * a last BIGINT may be hidden; or whether its rows may be history, WITH
			 * SYSTEM VERSIONING */
	bool maybe_versioned; /* it may be WITH SYSTEM VERSIONING: some of its rows are history */
	bool wanted;	      /* set by who looked whether anybody asks for the table */
	const char *doubt; /* NULL, or why no row of it can be shown: set with fl_table_doubt() */
	struct fl_arena arena; /* private: all of the above lies in it */
	/* Private: what changes all the time, lest it lies where all others read. */
	char apart[64];
	atomic_uint references;
	uint64_t holder; /* of transaction.c, on the reader's thread: the last pack that holds it */
};

/* The table id of a TABLE_MAP event, to find a definition at hand. */
int fl_table_map_id(const struct fl_event *event, const struct fl_format *format, uint64_t *ret,
	struct fl_err *err);

/* Decodes a TABLE_MAP event, optional metadata included. A column of an unknown type makes the
 * whole table undecodable (its extent is not known): FL_EUNSUPPORTED, and so says the reason.
 * `collations` may be NULL: then charsets are unknown. References: 1. */
int fl_table_decode(const struct fl_event *event, const struct fl_format *format,
	const struct fl_collations *collations, struct fl_table_def **ret, struct fl_err *err);

/* A column as information_schema.columns tells it; texts as the server sends them, in UTF-8. */
struct fl_schema_column {
	struct fl_bytes name;	     /* empty: a hidden one, which is behind all others */
	struct fl_bytes data_type;   /* "int", "varchar" ... lower case */
	struct fl_bytes column_type; /* "int(10) unsigned", "enum('a','b')" */
	struct fl_bytes charset;     /* character_set_name; empty for none */
	int64_t octet_length;	     /* character_octet_length; -1 for NULL */
	int64_t precision, scale;    /* numeric_precision, numeric_scale; -1 for NULL */
	int64_t fraction;	     /* datetime_precision; -1 for NULL */
	bool nullable;
	unsigned key_ordinal; /* 1-based place in the primary key; 0: not part of it */
};

/* Completes a definition that lacks names, signedness, charsets, labels or the key. The schema is
 * that of today, the rows may be of yesterday: unless count, types, lengths, precision and
 * nullability fit the event column by column, nothing is taken over and FL_ECORRUPT tells which
 * column differs and how. Where the event itself has names or signedness, those must agree too.
 * Before the definition is shared. */
int fl_table_complete(struct fl_table_def *def, const struct fl_schema_column *columns,
	unsigned count, struct fl_err *err);

/* Completes a definition that lacks names and more, and of which there is no schema to ask: columns
 * are called @1, @2 ...; text whose character set is not told is shown as its bytes, an ENUM
 * without labels as its index, a SET as a number; an integer whose sign is not told is refused
 * where that makes a difference; MariaDB's INET and UUID types look
 * like BINARY and are shown like it; a table that may keep its history is in doubt. Before the
 * definition is shared. 0 or FL_ENOMEM. */
int fl_table_number_columns(struct fl_table_def *def, struct fl_err *err);

/* Shows its geometries as GeoJSON, as the source would. Before it is shared. */
void fl_table_show_geojson(struct fl_table_def *def, bool is_mariadb);

/* Marks all of its rows as not to be shown, for a reason of one line, which is to name the table:
 * it is the error of whoever asks for a value. Before it is shared. */
void fl_table_doubt(struct fl_table_def *def, const char *reason);

struct fl_table_def *fl_table_ref(struct fl_table_def *def);
void fl_table_unref(struct fl_table_def *def); /* takes NULL */

#endif
