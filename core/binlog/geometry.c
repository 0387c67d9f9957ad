/* SPDX-License-Identifier: Apache-2.0
 *
 * Geometries, as servers store them, to GeoJSON:
 *
 *   4            SRID, which GeoJSON does not show
 *   1            byte order: 1, little-endian; servers store no other
 *   4            type
 *   point        8, 8    x, y: as stored, that is longitude first whatever the SRID says
 *   line         4, n    number of points; x and y of each
 *   polygon      4, n    number of rings; each as a line
 *   multi...,    4, n    number of parts; each with byte order and type in front
 *   collection
 */
#include "binlog/row.h"
#include "binlog/value.h"

enum { POINT = 1, LINE, POLYGON, MULTI_POINT, MULTI_LINE, MULTI_POLYGON, COLLECTION };
enum { DEEPEST = 100 };

struct writer {
	struct fl_cursor c;
	struct fl_buf *out;
	bool mariadb;
	bool corrupt;
};

static bool is_well(const struct writer *w)
{
	return !w->c.failed && !w->corrupt && !w->out->failed;
}

/* To MySQL's JSON a double is told by its point or exponent; MariaDB has no negative zero. */
static void write_number(struct writer *w)
{
	uint64_t bits = fl_take_u64(&w->c);
	double value;
	memcpy(&value, &bits, sizeof(value));
	if (w->mariadb && value == 0)
		value = 0;
	char *to = fl_buf_reserve(w->out, FL_SHORT_MAX + 2);
	if (to == NULL || w->c.failed)
		return;
	char *end = fl_double_write(value, to);
	if (end == NULL) {
		w->corrupt = true;
		return;
	}
	bool plain = true;
	for (const char *at = to; at < end; at++)
		plain = plain && *at != '.' && *at != 'e';
	w->out->size += (size_t)(end - to);
	if (plain && !w->mariadb)
		fl_buf_text(w->out, ".0");
}

static void write_point(struct writer *w)
{
	fl_buf_char(w->out, '[');
	write_number(w);
	fl_buf_text(w->out, ", ");
	write_number(w);
	fl_buf_char(w->out, ']');
}

static uint32_t take_head(struct writer *w)
{
	if (fl_take_u8(&w->c) != 1)
		w->corrupt = true;
	return fl_take_u32(&w->c);
}

static void write_coordinates(struct writer *w, uint32_t type);

/* Points of a line, rings of a polygon, parts of a multi...: the latter tell their type again. */
static void write_parts(struct writer *w, uint32_t part, bool with_head)
{
	uint32_t const count = fl_take_u32(&w->c);
	fl_buf_char(w->out, '[');
	for (uint32_t i = 0; i < count && is_well(w); i++) {
		if (i > 0)
			fl_buf_text(w->out, ", ");
		if (with_head && take_head(w) != part)
			w->corrupt = true;
		write_coordinates(w, part);
	}
	fl_buf_char(w->out, ']');
}

/* Three levels at most: a multi-polygon's polygons' rings. */
static void write_coordinates(struct writer *w, uint32_t type)
{
	switch (type) {
	case POINT:
		write_point(w);
		break;
	case LINE:
		write_parts(w, POINT, false);
		break;
	case POLYGON:
		write_parts(w, LINE, false);
		break;
	default:
		write_parts(w, type - MULTI_POINT + POINT, true);
		break;
	}
}

static void write_geometry(struct writer *w, unsigned depth)
{
	static const char *const names[] = { "Point", "LineString", "Polygon", "MultiPoint",
		"MultiLineString", "MultiPolygon", "GeometryCollection" };
	uint32_t const type = take_head(w);
	if (w->c.failed || type < POINT || type > COLLECTION || depth > DEEPEST) {
		w->corrupt = true;
		return;
	}
	fl_buf_text(w->out, "{\"type\": \"");
	fl_buf_text(w->out, names[type - POINT]);
	if (type != COLLECTION) {
		fl_buf_text(w->out, "\", \"coordinates\": ");
		write_coordinates(w, type);
		fl_buf_char(w->out, '}');
		return;
	}
	fl_buf_text(w->out, "\", \"geometries\": [");
	uint32_t const count = fl_take_u32(&w->c);
	for (uint32_t i = 0; i < count && is_well(w); i++) {
		if (i > 0)
			fl_buf_text(w->out, ", ");
		write_geometry(w, depth + 1);
	}
	fl_buf_text(w->out, "]}");
}

int fl_geometry_json(enum fl_geometry style, struct fl_bytes geometry, struct fl_buf *out)
{
	struct writer w = { .c = fl_cursor(geometry.data, geometry.size),
		.out = out,
		.mariadb = style == FL_GEOMETRY_JSON_MARIADB };
	fl_take_u32(&w.c); /* SRID */
	write_geometry(&w, 1);
	if (out->failed)
		return FL_ENOMEM;
	return is_well(&w) && fl_cursor_left(&w.c) == 0 ? 0 : FL_ECORRUPT;
}
