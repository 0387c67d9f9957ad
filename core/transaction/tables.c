/* SPDX-License-Identifier: Apache-2.0 */
#include "transaction/tables.h"

enum { CACHE_SIZE = 1024, MOST_MAPPED = 4096 };

struct fl_tables {
	struct fl_table_def *cache[CACHE_SIZE]; /* by table id */
	uint32_t cached_at[CACHE_SIZE];		/* event time */
	bool geojson;
	struct fl_mapped *mapped;
	size_t count, room;
};

struct fl_tables *fl_tables_create(void)
{
	return calloc(1, sizeof(struct fl_tables));
}

void fl_tables_show_geojson(struct fl_tables *tables)
{
	tables->geojson = true;
}

void fl_tables_destroy(struct fl_tables *tables)
{
	if (tables == NULL)
		return;
	fl_tables_clear(tables);
	free(tables->mapped);
	free(tables);
}

void fl_tables_end_statement(struct fl_tables *tables)
{
	for (size_t i = 0; i < tables->count; i++)
		fl_table_unref(tables->mapped[i].def);
	tables->count = 0;
}

void fl_tables_clear(struct fl_tables *tables)
{
	fl_tables_end_statement(tables);
	for (size_t i = 0; i < CACHE_SIZE; i++) {
		fl_table_unref(tables->cache[i]);
		tables->cache[i] = NULL;
	}
}

const struct fl_mapped *fl_tables_find(const struct fl_tables *tables, uint64_t id)
{
	for (size_t i = tables->count; i-- > 0;)
		if (tables->mapped[i].id == id)
			return &tables->mapped[i];
	return NULL;
}

/* Database and table of a TABLE_MAP event, which can be read even if the columns can't.
 *
 *   offset            size
 *   0                 post-header size: table id (6 or 4), flags (2)
 *   ...               1, n, 1   length, database, NUL
 *   ...               1, n, 1   length, table, NUL
 */
static bool read_names(const struct fl_event *event, const struct fl_format *format,
	struct fl_bytes *ret_db, struct fl_bytes *ret_name)
{
	struct fl_cursor c = fl_cursor(event->body.data, event->body.size);
	uint8_t post_header = format->post_header[FL_EVENT_TABLE_MAP];
	fl_take(&c, post_header != 0 ? post_header : 8);
	struct fl_bytes db = fl_take_bytes(&c, fl_take_u8(&c));
	fl_take(&c, 1);
	struct fl_bytes name = fl_take_bytes(&c, fl_take_u8(&c));
	fl_take(&c, 1);
	if (c.failed)
		return false;
	*ret_db = db;
	*ret_name = name;
	return true;
}

static struct fl_mapped *add_mapped(struct fl_tables *tables)
{
	if (tables->count == tables->room) {
		size_t room = tables->room == 0 ? 8 : tables->room * 2;
		if (room > MOST_MAPPED)
			return NULL;
		struct fl_mapped *mapped = realloc(tables->mapped, room * sizeof(*mapped));
		if (mapped == NULL)
			return NULL;
		tables->mapped = mapped;
		tables->room = room;
	}
	return &tables->mapped[tables->count++];
}

static struct fl_table_def *cached(
	const struct fl_tables *tables, uint64_t id, const struct fl_event *event)
{
	struct fl_table_def *def = tables->cache[id % CACHE_SIZE];
	bool same = def != NULL && def->id == id && def->raw.size == event->body.size &&
		    memcmp(def->raw.data, event->body.data, event->body.size) == 0;
	/* A doubt may be over for rows of a later time. */
	if (same && def->doubt != NULL)
		same = tables->cached_at[id % CACHE_SIZE] == event->timestamp;
	return same ? def : NULL;
}

int fl_tables_map(struct fl_tables *tables, const struct fl_event *event,
	const struct fl_format *format, const struct fl_collations *collations,
	bool (*wants)(void *ctx, struct fl_bytes db, struct fl_bytes table),
	int (*complete)(
		void *ctx, struct fl_table_def *def, uint32_t event_time, struct fl_err *err),
	void *ctx, struct fl_err *err)
{
	uint64_t id;
	struct fl_bytes db, name;
	int result = fl_table_map_id(event, format, &id, err);
	if (result != 0)
		return result;
	if (!read_names(event, format, &db, &name))
		return fl_err_set(err, FL_ECORRUPT, "the event is too short for a table's name");

	struct fl_mapped *mapped = add_mapped(tables);
	if (mapped == NULL)
		return fl_err_set(err, FL_ECORRUPT, "more tables than a statement can have");
	mapped->id = id;
	mapped->doubt[0] = '\0';
	mapped->def = cached(tables, id, event);
	if (mapped->def != NULL) {
		mapped->wanted = mapped->def->wanted;
		fl_table_ref(mapped->def);
		return 0;
	}

	snprintf(mapped->db, sizeof(mapped->db), "%.*s", (int)db.size, db.data);
	snprintf(mapped->name, sizeof(mapped->name), "%.*s", (int)name.size, name.data);
	mapped->wanted = wants(ctx, db, name);
	if (!mapped->wanted)
		return 0;

	struct fl_err reason;
	struct fl_table_def *def = NULL;
	result = fl_table_decode(event, format, collations, &def, &reason);
	if (result == FL_ENOMEM)
		return fl_err_set(err, FL_ENOMEM, "%s", reason.text);
	if (result != 0) {
		snprintf(mapped->doubt, sizeof(mapped->doubt), "%.255s", reason.text);
		return 0;
	}
	def->wanted = true;
	if (tables->geojson)
		fl_table_show_geojson(def, format->is_mariadb);
	if (!def->complete)
		result = complete(ctx, def, event->timestamp, &reason);
	if (result == FL_ELOST || result == FL_ENOMEM || result == FL_ESTOPPED) {
		fl_table_unref(def);
		tables->count--;
		return fl_err_set(err, result, "%s", reason.text);
	}
	if (result != 0)
		fl_table_doubt(def, reason.text);

	struct fl_table_def **slot = &tables->cache[id % CACHE_SIZE];
	fl_table_unref(*slot);
	*slot = fl_table_ref(def);
	tables->cached_at[id % CACHE_SIZE] = event->timestamp;
	mapped->def = def;
	return 0;
}
