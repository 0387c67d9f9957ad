/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a row image: values, and JSON straight from the bytes. For rows that fl_rows_next() has
 * checked. Any thread. These are the functions that struct fl_host lends to sinks; their contract
 * is in <fastlane/sink.h>.
 *
 * How values are shown, in JSON and in keys alike:
 *
 *  - integers, BIT, YEAR: number, all digits; without the zeros that ZEROFILL puts in front
 *  - DECIMAL: "12.30", a string: exact for every reader; without the zeros of ZEROFILL too
 *  - FLOAT, DOUBLE: number, the shortest that reads back as the same value
 *  - DATE, TIME, DATETIME: "2024-02-29", "-838:59:59.000001", "2024-02-29 01:02:03.5", with as many
 *    digits of the fraction as declared; zero and invalid dates as stored
 *  - TIMESTAMP: as DATETIME, in UTC; 0 is "0000-00-00 00:00:00"
 *  - CHAR, VARCHAR, TEXT: string; bytes that are not valid in the character set are an error
 *  - ENUM: its label; index 0 is ""; SET: "a,c"
 *  - INET4, INET6, UUID (MariaDB): "192.0.2.1", "2001:db8::1", "0189d8a1-..."
 *  - BINARY, VARBINARY, BLOB, GEOMETRY, VECTOR: base64; BINARY(n) padded with zero bytes to n. A
 *    geometry is as SELECT gives it, the SRID in four bytes and then WKB; or, if so configured,
 *    GeoJSON as the source's ST_AsGeoJSON() writes it
 *  - JSON (MySQL): the document itself, as text written the way MySQL writes it
 *  - NULL: null; a column that is not in the image is not shown at all
 */
#ifndef FL_ROW_H
#define FL_ROW_H

#include "binlog/table.h"

int fl_row_value(const struct fl_row *row, unsigned column, struct fl_buf *scratch,
	struct fl_value *ret, struct fl_err *err);
int fl_row_json(const struct fl_row *row, struct fl_buf *out, struct fl_err *err);
int fl_row_key_json(const struct fl_row *row, struct fl_buf *out, struct fl_err *err);
int fl_row_old_json(const struct fl_row *before, const struct fl_row *after, struct fl_buf *out,
	struct fl_err *err);
/* As fl_row_json(), of those columns that are in the image and have a name here: `,"name":` with
 * FL_NAME_PAD bytes behind it. */
int fl_row_json_named(const struct fl_row *row, const struct fl_bytes *names, struct fl_buf *out,
	struct fl_err *err);
/* Whether the row's table is known well enough to show it: 0, or FL_EUNSUPPORTED and why not. */
int fl_row_check_known(const struct fl_row *row, struct fl_err *err);
/* Says which column could not be decoded and why, given what a function of value.h returned. */
int fl_row_explain(const struct fl_table_def *def, unsigned column, int code, struct fl_err *err);
void fl_json_text(struct fl_bytes text, struct fl_buf *out);

/* Appends one column as plain text, for keys: no quotes; binary as lower-case hexadecimal; a JSON
 * column as its text. 1; 0 with nothing appended if it is NULL or absent; FL_E... if it can't be
 * decoded. */
int fl_row_text(const struct fl_row *row, unsigned column, struct fl_buf *out, struct fl_err *err);

/* MySQL's binary JSON (json_binary.h) as text, as MySQL writes it: ", " and ": " between the parts.
 * Every offset and length is checked, depth is limited to 100 as in the server, output to `limit`
 * bytes (shared sub-documents can't blow it up). 0 or FL_ECORRUPT. */
int fl_json_decode(struct fl_bytes binary, size_t limit, struct fl_buf *out, struct fl_err *err);

#endif
