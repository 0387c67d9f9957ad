/* SPDX-License-Identifier: Apache-2.0 */
#include "transaction/tables.h"

enum {
	CACHE_SIZE = 16384,	/* slots: servers number their tables one after the other */
	CACHE_BYTES = 32 << 20, /* of definitions; beyond it all are forgotten */
	MOST_MAPPED = 4096
};

/* What a TABLE_MAP event has come to the last time: a definition, or that nobody wants the table.
 */
struct slot {
	struct fl_table_def *def;
	struct unwanted {
		size_t size;	/* of the event's body up to the table's name */
		uint8_t head[]; /* that much of it */
	} * unwanted;
	uint32_t at;  /* event time */
	bool is_used; /* it may have something, and is in the list of those */
	struct slot *next_used;
};

struct fl_tables {
	struct slot *cache; /* CACHE_SIZE of them, by table id */
	struct slot *used;
	size_t cached_bytes;
	bool geojson;
	struct fl_mapped *mapped; /* their definitions are the cache's, or retired */
	size_t count, room;
	/* That have left the cache while the statement under way may use them. */
	struct fl_table_def **retired;
	size_t retired_count, retired_room;
};

struct fl_tables *fl_tables_create(void)
{
	struct fl_tables *tables = calloc(1, sizeof(*tables));
	if (tables == NULL)
		return NULL;
	tables->cache = calloc(CACHE_SIZE, sizeof(*tables->cache));
	if (tables->cache == NULL) {
		free(tables);
		return NULL;
	}
	return tables;
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
	free(tables->cache);
	free(tables->mapped);
	free(tables->retired);
	free(tables);
}

void fl_tables_end_statement(struct fl_tables *tables)
{
	tables->count = 0;
	while (tables->retired_count > 0)
		fl_table_unref(tables->retired[--tables->retired_count]);
}

static bool retire(struct fl_tables *tables, struct fl_table_def *def)
{
	if (tables->count == 0) {
		fl_table_unref(def);
		return true;
	}
	if (tables->retired_count == tables->retired_room) {
		size_t const room = tables->retired_room == 0 ? 16 : tables->retired_room * 2;
		struct fl_table_def **retired =
			realloc(tables->retired, room * sizeof(struct fl_table_def *));
		if (retired == NULL)
			return false;
		tables->retired = retired;
		tables->retired_room = room;
	}
	tables->retired[tables->retired_count++] = def;
	return true;
}

static bool empty(struct fl_tables *tables, struct slot *slot)
{
	if (slot->def != NULL && !retire(tables, slot->def))
		return false;
	free(slot->unwanted);
	slot->def = NULL;
	slot->unwanted = NULL;
	return true;
}

/* False: memory runs out, and some are still there. */
static bool forget_all(struct fl_tables *tables)
{
	while (tables->used != NULL) {
		struct slot *slot = tables->used;
		if (!empty(tables, slot))
			return false;
		tables->used = slot->next_used;
		slot->is_used = false;
	}
	tables->cached_bytes = 0;
	return true;
}

void fl_tables_clear(struct fl_tables *tables)
{
	fl_tables_end_statement(tables);
	forget_all(tables);
}

/* The event's slot, emptied, for something of this many bytes; NULL when memory runs out. */
static struct slot *make_slot(
	struct fl_tables *tables, uint64_t id, const struct fl_event *event, size_t bytes)
{
	struct slot *slot = &tables->cache[id % CACHE_SIZE];
	if (tables->cached_bytes > CACHE_BYTES && !forget_all(tables))
		return NULL;
	if (!empty(tables, slot))
		return NULL;
	tables->cached_bytes += bytes;
	if (!slot->is_used) {
		slot->is_used = true;
		slot->next_used = tables->used;
		tables->used = slot;
	}
	slot->at = event->timestamp;
	return slot;
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

static bool begins_with(struct fl_bytes body, const void *head, size_t size)
{
	return body.size >= size && memcmp(body.data, head, size) == 0;
}

/* Maps the table as the last time, if the event is the same. */
static bool map_again(struct fl_tables *tables, uint64_t id, const struct fl_event *event,
	struct fl_mapped *mapped)
{
	const struct slot *slot = &tables->cache[id % CACHE_SIZE];
	struct fl_table_def *def = slot->def;
	if (slot->unwanted != NULL)
		return begins_with(event->body, slot->unwanted->head, slot->unwanted->size);
	if (def == NULL || def->raw.size != event->body.size ||
		memcmp(def->raw.data, event->body.data, event->body.size) != 0)
		return false;
	/* A doubt may be over for rows of a later time. */
	if (def->doubt != NULL && slot->at != event->timestamp)
		return false;
	mapped->def = def;
	mapped->wanted = true;
	return true;
}

/* Nobody asks for the table: its columns are not even looked at. */
static void map_unwanted(
	struct fl_tables *tables, uint64_t id, const struct fl_event *event, struct fl_bytes name)
{
	size_t const size = (size_t)(name.data + name.size + 1 - event->body.data);
	struct unwanted *unwanted = malloc(sizeof(*unwanted) + size);
	struct slot *slot = make_slot(tables, id, event, sizeof(*unwanted) + size);
	if (unwanted == NULL || slot == NULL) {
		free(unwanted);
		return; /* it is asked again the next time */
	}
	unwanted->size = size;
	memcpy(unwanted->head, event->body.data, size);
	slot->unwanted = unwanted;
}

/* Decodes a definition. 0; FL_EUNSUPPORTED or FL_ECORRUPT: the table is in doubt; or FL_ELOST,
 * FL_ENOMEM, FL_ESTOPPED. */
static int define(struct fl_tables *tables, const struct fl_event *event,
	const struct fl_format *format, const struct fl_collations *collations,
	const struct fl_tables_asked *asked, struct fl_table_def **ret, struct fl_err *reason)
{
	struct fl_table_def *def = NULL;
	int result = fl_table_decode(event, format, collations, &def, reason);
	if (result != 0)
		return result;
	def->wanted = true;
	if (tables->geojson)
		fl_table_show_geojson(def, format->is_mariadb);
	if (!def->complete)
		result = asked->complete(asked->ctx, def, event->timestamp, reason);
	if (result == FL_ELOST || result == FL_ENOMEM || result == FL_ESTOPPED) {
		fl_table_unref(def);
		return result;
	}
	if (result != 0)
		fl_table_doubt(def, reason->text);
	*ret = def;
	return 0;
}

int fl_tables_map(struct fl_tables *tables, const struct fl_event *event,
	const struct fl_format *format, const struct fl_collations *collations,
	const struct fl_tables_asked *asked, struct fl_err *err)
{
	uint64_t id;
	struct fl_bytes db, name;
	int result = fl_table_map_id(event, format, &id, err);
	if (result != 0)
		return result;
	struct fl_mapped *mapped = add_mapped(tables);
	if (mapped == NULL)
		return fl_err_set(err, FL_ECORRUPT, "more tables than a statement can have");
	mapped->id = id;
	mapped->def = NULL;
	mapped->wanted = false;
	if (map_again(tables, id, event, mapped))
		return 0;

	if (!read_names(event, format, &db, &name)) {
		tables->count--;
		return fl_err_set(err, FL_ECORRUPT, "the event is too short for a table's name");
	}
	mapped->wanted = asked->wants(asked->ctx, db, name);
	if (!mapped->wanted) {
		map_unwanted(tables, id, event, name);
		return 0;
	}
	struct fl_err reason;
	struct fl_table_def *def = NULL;
	result = define(tables, event, format, collations, asked, &def, &reason);
	if (result == FL_ELOST || result == FL_ENOMEM || result == FL_ESTOPPED) {
		tables->count--;
		return fl_err_set(err, result, "%s", reason.text);
	}
	if (result != 0) {
		snprintf(mapped->db, sizeof(mapped->db), "%.*s", (int)db.size, db.data);
		snprintf(mapped->name, sizeof(mapped->name), "%.*s", (int)name.size, name.data);
		snprintf(mapped->doubt, sizeof(mapped->doubt), "%.255s", reason.text);
		return 0;
	}
	struct slot *slot = make_slot(tables, id, event, sizeof(*def) + def->arena.reserved);
	if (slot == NULL) {
		fl_table_unref(def);
		tables->count--;
		return fl_err_set(err, FL_ENOMEM, "out of memory for a table's definition");
	}
	slot->def = def;
	mapped->def = def;
	return 0;
}
