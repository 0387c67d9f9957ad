/* SPDX-License-Identifier: Apache-2.0
 *
 * The table definitions at hand: those of the statement under way, by table id, and a cache, so
 * that a TABLE_MAP event that is the same as the table's last one is not parsed again. One owner,
 * one thread.
 */
#ifndef FL_TABLES_H
#define FL_TABLES_H

#include "binlog/table.h"

/* A table that the statement under way has mapped. */
struct fl_mapped {
	uint64_t id;
	bool wanted;
	struct fl_table_def *def; /* NULL: not wanted, or not decoded ... */
	char db[256], name[256];  /* ... and then these are set */
	char doubt[256];	  /* why it could not be */
};

struct fl_tables;

struct fl_tables *fl_tables_create(void);
/* Tables that are mapped from now on show their geometries as GeoJSON. */
void fl_tables_show_geojson(struct fl_tables *tables);
void fl_tables_destroy(struct fl_tables *tables);

/* Forgets all: after DDL, and when a connection begins. */
void fl_tables_clear(struct fl_tables *tables);
/* The statement has ended: its table ids may be used again. */
void fl_tables_end_statement(struct fl_tables *tables);

/* Who is asked about a table that is new: as in struct fl_grouper_hooks. */
struct fl_tables_asked {
	bool (*wants)(void *ctx, struct fl_bytes db, struct fl_bytes table);
	int (*complete)(
		void *ctx, struct fl_table_def *def, uint32_t event_time, struct fl_err *err);
	void *ctx;
};

/* Takes a TABLE_MAP event. 0, FL_ELOST, FL_ENOMEM, FL_ESTOPPED, or FL_ECORRUPT if not even the
 * table's name can be read. */
int fl_tables_map(struct fl_tables *tables, const struct fl_event *event,
	const struct fl_format *format, const struct fl_collations *collations,
	const struct fl_tables_asked *asked, struct fl_err *err);

/* What the statement under way has mapped to the id, or NULL. Valid until the next call. */
const struct fl_mapped *fl_tables_find(const struct fl_tables *tables, uint64_t id);

#endif
