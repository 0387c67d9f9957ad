/* SPDX-License-Identifier: Apache-2.0 */
#include "transaction/group.h"
#include "transaction/prepared.h"
#include "transaction/tables.h"

struct fl_grouper *fl_grouper_create(const struct fl_grouper_hooks *hooks, size_t limit)
{
	struct fl_grouper *g = calloc(1, sizeof(*g));
	if (g == NULL)
		return NULL;
	g->hooks = *hooks;
	g->asked = (struct fl_tables_asked){ hooks->wants, hooks->complete, hooks->ctx };
	g->limit = limit;
	g->tables = fl_tables_create();
	g->prepared = fl_prepared_create(limit);
	g->inflater =
		fl_inflater_create(hooks->event_bytes != 0 ? hooks->event_bytes : (size_t)1 << 30);
	g->savepoints = malloc(FL_MOST_SAVEPOINTS * sizeof(*g->savepoints));
	if (g->tables == NULL || g->prepared == NULL || g->inflater == NULL ||
		g->savepoints == NULL) {
		fl_grouper_destroy(g);
		return NULL;
	}
	return g;
}

void fl_grouper_show_geojson(struct fl_grouper *g)
{
	fl_tables_show_geojson(g->tables);
}

void fl_grouper_destroy(struct fl_grouper *g)
{
	if (g == NULL)
		return;
	fl_group_end(g);
	fl_txn_unref(g->torn);
	fl_txn_unref(g->doubts);
	fl_pack_unref(g->pack);
	fl_tables_destroy(g->tables);
	fl_prepared_destroy(g->prepared);
	fl_inflater_destroy(g->inflater);
	free(g->savepoints);
	free(g);
}

void fl_grouper_restart(struct fl_grouper *g, const struct fl_position *from,
	const struct fl_collations *collations)
{
	fl_group_interrupt(g);
	fl_tables_clear(g->tables);
	g->collations = collations;
	g->format = (struct fl_format){ 0 };
	g->in_payload = false;
	memcpy(g->file, from->file, sizeof(g->file));
	g->offset = g->told = from->offset;
}

int fl_grouper_abandon(struct fl_grouper *g, struct fl_err *err)
{
	fl_group_interrupt(g);
	return fl_group_give_up_torn(g, err);
}

void fl_grouper_forget_prepared(struct fl_grouper *g)
{
	fl_prepared_clear(g->prepared);
}

void fl_grouper_move(struct fl_grouper *g, uint64_t offset)
{
	g->offset = g->told = offset;
}

bool fl_grouper_at_boundary(const struct fl_grouper *g)
{
	return !g->in_group;
}

void fl_grouper_place(const struct fl_grouper *g, const char **ret_file, uint64_t *ret_offset)
{
	*ret_file = g->file;
	*ret_offset = g->offset;
}

const struct fl_gtid *fl_grouper_gtid(const struct fl_grouper *g)
{
	return &g->gtid;
}

void fl_grouper_told_place(const struct fl_grouper *g, const char **ret_file, uint64_t *ret_offset)
{
	*ret_file = g->file;
	*ret_offset = g->told;
}

/* ---- events ---- */

/* Follows the place in the binlog. Events carry the low 32 bits of where they end, and some of them
 * nothing; what the server made up for this connection is not in the file at all. */
static int advance(struct fl_grouper *g, const struct fl_event *event, struct fl_err *err)
{
	if ((event->flags & FL_EVENT_FLAG_ARTIFICIAL) != 0)
		return 0;
	if (event->log_pos == 0) {
		if (event->type != FL_EVENT_FORMAT_DESCRIPTION)
			g->offset += event->size;
		return 0;
	}
	uint64_t low = g->offset & UINT32_MAX;
	uint64_t offset = (g->offset & ~(uint64_t)UINT32_MAX) | event->log_pos;
	if (event->log_pos < low) {
		if (low - event->log_pos < UINT32_C(1) << 31)
			return fl_err_set(
				err, FL_ECORRUPT, "the position goes back to %u", event->log_pos);
		offset += UINT64_C(1) << 32;
	}
	g->offset = g->told = offset;
	return 0;
}

static int on_gtid(struct fl_grouper *g, const struct fl_event *event, struct fl_err *err)
{
	struct fl_gtid_event gtid;
	int result = fl_gtid_event_decode(event, &gtid, err);
	if (result != 0)
		return result;
	if (g->in_group)
		return fl_err_set(err, FL_ECORRUPT, "a transaction begins inside of another");
	result = fl_group_begin(g, &gtid.gtid, err);
	if (result != 0)
		return result;
	g->in_group = true;
	g->gtid = gtid.gtid;
	g->anonymous = gtid.gtid.kind == FL_GTID_NONE;
	g->commit_us = gtid.commit_us;
	g->standalone = gtid.standalone;
	g->is_xa = gtid.xa_prepared;
	/* MariaDB's stands for the BEGIN as well. */
	g->begun = g->gtid.kind == FL_GTID_MARIADB && !g->standalone;
	return 0;
}

static int on_rotate(struct fl_grouper *g, const struct fl_event *event, struct fl_err *err)
{
	struct fl_rotate rotate;
	int result = fl_rotate_decode(event, &rotate, err);
	if (result != 0)
		return result;
	if (rotate.file.size >= sizeof(g->file))
		return fl_err_set(err, FL_ECORRUPT, "a file name of %zu bytes", rotate.file.size);
	/* A server that crashed leaves a transaction without an end, and writes on in the next
	 * file. */
	result = fl_group_tear(g, err);
	memcpy(g->file, rotate.file.data, rotate.file.size);
	g->file[rotate.file.size] = '\0';
	g->offset = g->told = rotate.position;
	fl_tables_end_statement(g->tables);
	return result;
}

/* Passed on so that positions move even if nothing else happens. */
static int emit_place(struct fl_grouper *g, struct fl_err *err)
{
	if (fl_group_txn(g) == NULL)
		return fl_group_no_memory(err);
	g->txn->is_place = true;
	int result = fl_group_emit(g, true, err);
	fl_group_end(g);
	return result;
}

static int on_heartbeat(struct fl_grouper *g, const struct fl_event *event, struct fl_err *err)
{
	struct fl_rotate place;
	int result = fl_heartbeat_decode(event, &place, err);
	if (result != 0 || g->in_group)
		return result;
	bool same_file = strlen(g->file) == place.file.size &&
			 memcmp(g->file, place.file.data, place.file.size) == 0;
	/* Where the offset is beyond 32 bits the plain heartbeat can't tell, and the place is known
	 * anyway. */
	if (!same_file || place.position <= g->offset || g->offset > UINT32_MAX)
		return 0;
	g->offset = place.position;
	return emit_place(g, err);
}

static int on_opaque(
	struct fl_grouper *g, const struct fl_event *event, const char *advice, struct fl_err *err)
{
	char reason[256];
	snprintf(reason, sizeof(reason), "%s (type %u) is not decoded%s%.180s",
		fl_event_name(event->type), event->type, advice != NULL ? ": " : "",
		advice != NULL ? advice : "");
	return fl_group_doubt_anywhere(g, reason, err);
}

static int dispatch(struct fl_grouper *g, const struct fl_event *event, struct fl_err *err);

/* An event that holds changes which can't be read: all tables are in doubt. */
static int pass_over(struct fl_grouper *g, const struct fl_event *event, struct fl_err *err)
{
	int result = on_opaque(g, event, NULL, err);
	if (result != 0)
		return result;
	return g->in_group && !g->standalone ? fl_group_keep_within_limit(g, err)
					     : fl_group_commit(g, event, 0, err);
}

/* MariaDB's compressed events. */
static int on_compressed(struct fl_grouper *g, const struct fl_event *event, struct fl_err *err)
{
	struct fl_event plain;
	int result = fl_inflate_event(g->inflater, event, &g->format, &plain, err);
	if (result == 0)
		return dispatch(g, &plain, err);
	return result == FL_EUNSUPPORTED ? pass_over(g, event, err) : result;
}

/* Everything from BEGIN to the commit, compressed. */
static int on_payload(struct fl_grouper *g, const struct fl_event *event, struct fl_err *err)
{
	if (g->in_payload)
		return fl_err_set(err, FL_ECORRUPT, "a payload inside of a payload");
	bool const checksum = g->format.checksum;
	bool any = false;
	int result = fl_inflate_payload(g->inflater, event, err);
	g->in_payload = true;
	g->format.checksum = false; /* the payload's own covers them */
	while (result == 0) {
		const uint8_t *data;
		size_t size;
		struct fl_event inner;
		int next = fl_inflate_next(g->inflater, &data, &size, err);
		if (next != 1) {
			result = next;
			break;
		}
		any = true;
		result = fl_event_decode(&g->format, data, size, &inner, err);
		if (result == 0 && (inner.type == FL_EVENT_FORMAT_DESCRIPTION ||
					   inner.type == FL_EVENT_ROTATE))
			result = fl_err_set(
				err, FL_ECORRUPT, "a %s in a payload", fl_event_name(inner.type));
		if (result == 0)
			result = dispatch(g, &inner, err);
	}
	g->in_payload = false;
	g->format.checksum = checksum;
	if (result == FL_EUNSUPPORTED && !any) {
		result = on_opaque(g, event, err->text, err);
		return result != 0 ? result : fl_group_commit(g, event, 0, err);
	}
	if (result == 0 && g->in_group)
		return fl_err_set(err, FL_ECORRUPT, "a payload without its transaction's end");
	return result;
}

static int dispatch(struct fl_grouper *g, const struct fl_event *event, struct fl_err *err)
{
	uint64_t xid;
	int result;
	switch (event->type) {
	case FL_EVENT_FORMAT_DESCRIPTION:
		return fl_format_decode(event, &g->format, err);
	case FL_EVENT_ROTATE:
		result = on_rotate(g, event, err);
		if (result == 0 && (event->flags & FL_EVENT_FLAG_ARTIFICIAL) == 0)
			result = emit_place(g, err);
		return result;
	case FL_EVENT_HEARTBEAT:
	case FL_EVENT_HEARTBEAT_V2:
		return on_heartbeat(g, event, err);
	case FL_EVENT_GTID:
	case FL_EVENT_ANONYMOUS_GTID:
	case FL_EVENT_GTID_TAGGED:
	case FL_EVENT_MARIADB_GTID:
		return on_gtid(g, event, err);
	case FL_EVENT_QUERY:
		return fl_group_query(g, event, err);
	case FL_EVENT_XID:
		result = fl_xid_decode(event, &xid, err);
		return result != 0 ? result : fl_group_commit(g, event, xid, err);
	case FL_EVENT_XA_PREPARE:
		return fl_group_xa_prepare(g, event, err);
	case FL_EVENT_TABLE_MAP:
		return fl_tables_map(g->tables, event, &g->format, g->collations, &g->asked, err);
	case FL_EVENT_WRITE_ROWS_V1:
	case FL_EVENT_UPDATE_ROWS_V1:
	case FL_EVENT_DELETE_ROWS_V1:
	case FL_EVENT_WRITE_ROWS:
	case FL_EVENT_UPDATE_ROWS:
	case FL_EVENT_DELETE_ROWS:
	case FL_EVENT_PARTIAL_UPDATE_ROWS:
		return fl_group_rows(g, event, err);
	case FL_EVENT_STOP:
	case FL_EVENT_INTVAR:
	case FL_EVENT_RAND:
	case FL_EVENT_USER_VAR:
	case FL_EVENT_IGNORABLE:
	case FL_EVENT_ROWS_QUERY:
	case FL_EVENT_PREVIOUS_GTIDS:
	case FL_EVENT_TRANSACTION_CONTEXT:
	case FL_EVENT_VIEW_CHANGE:
	case FL_EVENT_MARIADB_ANNOTATE_ROWS:
	case FL_EVENT_MARIADB_BINLOG_CHECKPOINT:
	case FL_EVENT_MARIADB_GTID_LIST:
	case FL_EVENT_MARIADB_START_ENCRYPTION:
		return 0;
	case FL_EVENT_INCIDENT:
		/* Changes are lost to the log. MySQL gives it a GTID and nothing that ends it. */
		result = on_opaque(g, event, "the source has lost changes", err);
		return result != 0 ? result : fl_group_commit(g, event, 0, err);
	case FL_EVENT_TRANSACTION_PAYLOAD:
		return on_payload(g, event, err);
	default:
		if (fl_inflater_is_for(event->type))
			return on_compressed(g, event, err);
		if ((event->flags & FL_EVENT_FLAG_IGNORABLE) != 0)
			return 0;
		if (fl_event_is_known(event->type))
			return pass_over(g, event, err);
		return fl_err_set(err, FL_EUNSUPPORTED,
			"type %u is not known to this version, and is not marked as one that may "
			"be passed over",
			event->type);
	}
}

int fl_grouper_feed(struct fl_grouper *g, const uint8_t *data, size_t size, struct fl_err *err)
{
	struct fl_event event;
	uint64_t before = g->offset;
	struct fl_err reason; /* large, and seldom needed: not cleared */
	int result = fl_event_decode(&g->format, data, size, &event, &reason);
	if (result != 0)
		return fl_err_set(err, result, "%s:%llu: %s", g->file, (unsigned long long)before,
			reason.text);
	if (event.type != FL_EVENT_ROTATE && event.type != FL_EVENT_HEARTBEAT &&
		event.type != FL_EVENT_HEARTBEAT_V2)
		result = advance(g, &event, &reason);
	if (result == 0)
		result = dispatch(g, &event, &reason);
	if (result == 0 || result == FL_GROUPER_AGAIN)
		return result;
	return fl_err_set(err, result, "%s at %s:%llu: %s", fl_event_name(event.type), g->file,
		(unsigned long long)before, reason.text);
}
