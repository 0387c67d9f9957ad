/* SPDX-License-Identifier: Apache-2.0 */
#include "source/history.h"

#include "base/log.h"
#include "binlog/inflate.h"
#include "source/backend.h"
#include "transaction/statement.h"

enum {
	MOST_STATEMENTS = 10000,
	MOST_BYTES = 4 << 20,
	WORTH_A_LINE = 256 << 20, /* bytes to be read */
};

enum weight {
	NOTHING, /* to do with tables' columns */
	TIME,	 /* changes only when the table counts as made */
	COLUMNS,
};

struct statement {
	struct statement *next;
	uint64_t offset;
	uint32_t time;
	enum weight weight;
	size_t file_size, db_size, sql_size; /* the file's with its NUL */
	char text[];			     /* one behind the other */
};

struct place {
	char file[FL_FILE_NAME_SIZE]; /* "": none */
	uint64_t offset;
};

struct fl_history {
	const struct fl_source_config *config;
	unsigned host; /* to ask */
	struct fl_inflater *inflater;
	struct place begin, end; /* all between these is known */
	struct place blind;	 /* up to here there was more than can be kept */
	struct statement *first, **last;
	size_t count, bytes;
};

struct fl_history *fl_history_create(const struct fl_source_config *config)
{
	struct fl_history *history = calloc(1, sizeof(*history));
	if (history == NULL)
		return NULL;
	history->config = config;
	history->last = &history->first;
	history->inflater = fl_inflater_create(MOST_BYTES);
	if (history->inflater == NULL) {
		free(history);
		return NULL;
	}
	return history;
}

static void drop_first(struct fl_history *history)
{
	struct statement *s = history->first;
	history->first = s->next;
	if (history->first == NULL)
		history->last = &history->first;
	history->count--;
	history->bytes -= s->file_size + s->db_size + s->sql_size;
	free(s);
}

static void forget(struct fl_history *history)
{
	while (history->first != NULL)
		drop_first(history);
	history->begin = history->end = history->blind = (struct place){ 0 };
}

void fl_history_clear(struct fl_history *history, unsigned host)
{
	forget(history);
	history->host = host;
}

void fl_history_destroy(struct fl_history *history)
{
	if (history == NULL)
		return;
	forget(history);
	fl_inflater_destroy(history->inflater);
	free(history);
}

static void set_place(struct place *place, const char *file, uint64_t offset)
{
	snprintf(place->file, sizeof(place->file), "%s", file);
	place->offset = offset;
}

/* Whether the place is behind the other; behind none is any. */
static bool is_behind(const char *file, uint64_t offset, const struct place *other)
{
	return other->file[0] == '\0' ||
	       fl_binlog_compare(file, offset, other->file, other->offset) > 0;
}

/* What the reader has passed is only good for telling that it has. */
static void make_room(struct fl_history *history, const char *file, uint64_t offset)
{
	while ((history->count >= MOST_STATEMENTS / 2 || history->bytes >= MOST_BYTES / 2) &&
		fl_binlog_compare(history->first->text, history->first->offset, file, offset) <= 0)
		drop_first(history);
}

/* ---- statements ---- */

static bool is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '$' || (c & 0x80) != 0;
}

static bool is_ascii(struct fl_bytes text)
{
	for (size_t i = 0; i < text.size; i++)
		if ((text.data[i] & 0x80) != 0)
			return false;
	return true;
}

/* Whether a name of ASCII characters stands in the text, of whatever case and however quoted. */
static bool has_name(struct fl_bytes sql, struct fl_bytes name)
{
	if (name.size == 0)
		return true;
	for (size_t i = 0; i + name.size <= sql.size; i++)
		if (strncasecmp(sql.data + i, name.data, name.size) == 0 &&
			(i == 0 || !is_word_char(sql.data[i - 1]) || !is_word_char(name.data[0])) &&
			(i + name.size == sql.size || !is_word_char(sql.data[i + name.size]) ||
				!is_word_char(name.data[name.size - 1])))
			return true;
	return false;
}

/* A statement is in the character set of its client, and doubles quotes within names. */
static bool may_have_name(struct fl_bytes sql, struct fl_bytes name)
{
	if (!is_ascii(name))
		return !is_ascii(sql);
	for (size_t i = 0; i < name.size; i++)
		if (strchr("`\"'\\", name.data[i]) != NULL)
			return true;
	return has_name(sql, name);
}

bool fl_history_names(
	struct fl_bytes sql, struct fl_bytes default_db, struct fl_bytes db, struct fl_bytes table)
{
	bool is_default =
		default_db.size == db.size && strncasecmp(default_db.data, db.data, db.size) == 0;
	return may_have_name(sql, table) && (is_default || may_have_name(sql, db));
}

static bool take_word(struct fl_bytes *sql, const char *words)
{
	size_t at = 0, size = 0;
	while (at < sql->size && strchr(" \t\r\n", sql->data[at]) != NULL)
		at++;
	while (at + size < sql->size && is_word_char(sql->data[at + size]))
		size++;
	const char *found = words;
	while (size > 0 && (found = strchr(found, ' ')) != NULL && *++found != '\0')
		if (strncasecmp(found, sql->data + at, size) == 0 && found[size] == ' ') {
			*sql = (struct fl_bytes){ sql->data + at + size, sql->size - at - size };
			return true;
		}
	return false;
}

static enum weight weight_of(struct fl_bytes sql)
{
	if (take_word(&sql, " check flush grant revoke "))
		return NOTHING;
	if (take_word(&sql, " set ")) /* MariaDB: SET STATEMENT ... FOR ALTER TABLE ... */
		return take_word(&sql, " statement ") ? COLUMNS : NOTHING;
	if (take_word(&sql, " analyze optimize repair "))
		return TIME;
	if (!take_word(&sql, " create drop "))
		return COLUMNS;
	if (take_word(&sql, " index unique fulltext spatial "))
		return TIME;
	return take_word(&sql, " view trigger procedure function event user role ") ? NOTHING
										    : COLUMNS;
}

/* Takes a statement in that is not known yet. */
static void add(struct fl_history *history, const struct place *place, struct fl_bytes db,
	struct fl_bytes sql, uint32_t time)
{
	enum weight weight = weight_of(sql);
	if (weight == NOTHING)
		return;
	size_t file_size = strlen(place->file) + 1;
	size_t bytes = file_size + db.size + sql.size;
	struct statement *s = NULL;
	if (bytes <= MOST_BYTES - history->bytes && history->count < MOST_STATEMENTS)
		s = malloc(sizeof(*s) + bytes);
	if (s == NULL) {
		history->blind = *place;
		return;
	}
	*s = (struct statement){ .offset = place->offset,
		.time = time,
		.weight = weight,
		.file_size = file_size,
		.db_size = db.size,
		.sql_size = sql.size };
	memcpy(s->text, place->file, file_size);
	if (db.size > 0)
		memcpy(s->text + file_size, db.data, db.size);
	if (sql.size > 0)
		memcpy(s->text + file_size + db.size, sql.data, sql.size);
	*history->last = s;
	history->last = &s->next;
	history->count++;
	history->bytes += bytes;
}

void fl_history_note(struct fl_history *history, const char *file, uint64_t offset,
	struct fl_bytes db, struct fl_bytes sql, uint32_t time)
{
	if (!is_behind(file, offset, &history->end))
		return;
	make_room(history, file, offset);
	set_place(&history->end, file, offset);
	if (history->begin.file[0] == '\0')
		history->begin = history->end;
	add(history, &history->end, db, sql, time);
}

enum fl_history_find fl_history_find(const struct fl_history *history, struct fl_bytes db,
	struct fl_bytes table, const char *file, uint64_t offset, uint32_t *ret_time,
	struct fl_err *ret)
{
	enum fl_history_find found = FL_HISTORY_NONE;
	*ret_time = 0;
	for (const struct statement *s = history->first; s != NULL; s = s->next) {
		struct fl_bytes default_db = { s->text + s->file_size, s->db_size };
		struct fl_bytes sql = { default_db.data + s->db_size, s->sql_size };
		if (!fl_history_names(sql, default_db, db, table))
			continue;
		bool behind = fl_binlog_compare(s->text, s->offset, file, offset) <= 0;
		if (behind || s->weight == TIME) {
			if (behind && s->weight == COLUMNS)
				found = FL_HISTORY_BEHIND;
			if (s->time > *ret_time)
				*ret_time = s->time;
			continue;
		}
		fl_err_set(ret, FL_ECORRUPT,
			"its columns may have been others before the statement at %s:%llu: %.*s%s",
			s->text, (unsigned long long)s->offset,
			sql.size < 200 ? (int)sql.size : 200, sql.data,
			sql.size > 200 ? " ..." : "");
		return FL_HISTORY_AHEAD;
	}
	if (history->blind.file[0] == '\0' ||
		fl_binlog_compare(history->blind.file, history->blind.offset, file, offset) <= 0)
		return found;
	fl_err_set(ret, FL_ECORRUPT,
		"its columns may have been others: there are more statements up to %s:%llu than "
		"can be kept",
		history->blind.file, (unsigned long long)history->blind.offset);
	return FL_HISTORY_AHEAD;
}

/* ---- reading ahead ---- */

/* Where the event ends, if it tells: the low 32 bits, or 0. What is not sent counts too, so sizes
 * tell nothing. */
static void advance(struct place *here, const struct fl_event *event)
{
	if (event->log_pos == 0)
		return;
	uint64_t offset = (here->offset & ~(uint64_t)UINT32_MAX) | event->log_pos;
	here->offset = offset >= here->offset ? offset : offset + (UINT64_C(1) << 32);
}

/* A statement that may change tables. */
static int take_query(struct fl_history *history, const struct fl_format *format,
	const struct place *here, const struct fl_event *event, struct fl_err *err)
{
	struct fl_query query;
	int result = fl_query_decode(event, format, &query, err);
	if (result == 0 && fl_statement_read(query.sql).kind == FL_STATEMENT_DDL)
		add(history, here, query.db, query.sql, event->timestamp + query.seconds);
	return result;
}

/* `start`: what is before it is known. */
static int take_event(struct fl_history *history, const struct place *start,
	struct fl_format *format, struct place *here, const uint8_t *data, size_t size,
	struct fl_err *err)
{
	struct fl_event event;
	int result = fl_event_decode(format, data, size, &event, err);
	if (result != 0)
		return result;
	bool is_real = (event.flags & FL_EVENT_FLAG_ARTIFICIAL) == 0 &&
		       event.type != FL_EVENT_HEARTBEAT && event.type != FL_EVENT_HEARTBEAT_V2;
	if (is_real)
		advance(here, &event);
	bool const is_known = is_behind(start->file, start->offset, here);
	struct fl_rotate rotate;
	struct fl_event plain;
	switch (event.type) {
	case FL_EVENT_FORMAT_DESCRIPTION:
		return fl_format_decode(&event, format, err);
	case FL_EVENT_ROTATE:
		result = fl_rotate_decode(&event, &rotate, err);
		if (result != 0)
			return result;
		if (rotate.file.size >= sizeof(here->file))
			return fl_err_set(
				err, FL_ECORRUPT, "a file name of %zu bytes", rotate.file.size);
		memcpy(here->file, rotate.file.data, rotate.file.size);
		here->file[rotate.file.size] = '\0';
		here->offset = rotate.position;
		break;
	case FL_EVENT_QUERY:
		result = is_known ? 0 : take_query(history, format, here, &event, err);
		break;
	case FL_EVENT_MARIADB_QUERY_COMPRESSED:
		if (is_known)
			break;
		/* What can't be inflated, or is larger than all that is kept, may be anything. */
		if (fl_inflate_event(history->inflater, &event, format, &plain, err) != 0)
			history->blind = *here;
		else
			result = take_query(history, format, here, &plain, err);
		break;
	default:
		break;
	}
	if (result != 0)
		return result;
	if (is_real && is_behind(here->file, here->offset, &history->end))
		history->end = *here;
	return 0;
}

static int read_until(struct fl_history *history, struct fl_session *session,
	const struct fl_position *to, const atomic_bool *stop, struct fl_err *err)
{
	struct fl_format format = { 0 };
	const struct place start = history->end;
	struct place here = start;
	/* Memory is bounded by `add`, time by the source's log. */
	while (is_behind(to->file, to->offset, &history->end)) {
		const uint8_t *data;
		size_t size;
		if (atomic_load_explicit(stop, memory_order_relaxed))
			return fl_err_set(err, FL_ESTOPPED, "stopped on request");
		switch (fl_session_read(session, &data, &size, err)) {
		case FL_READ_EVENT:
			break;
		case FL_READ_END:
			return fl_err_set(err, FL_ELOST,
				"the source ended its binlog before %s:%llu", to->file,
				(unsigned long long)to->offset);
		case FL_READ_STOPPED:
		case FL_READ_LOST:
			return FL_ELOST;
		case FL_READ_PURGED:
		case FL_READ_FATAL:
			return FL_EFATAL;
		}
		int result = take_event(history, &start, &format, &here, data, size, err);
		if (result != 0)
			return result;
	}
	return 0;
}

int fl_history_read(struct fl_history *history, const char *identity,
	const struct fl_position *from, const struct fl_position *to, const atomic_bool *stop,
	struct fl_err *err)
{
	bool is_known = history->begin.file[0] != '\0';
	if (is_known && fl_binlog_compare(from->file, from->offset, history->begin.file,
				history->begin.offset) < 0) {
		forget(history);
		is_known = false;
	}
	if (!is_known)
		set_place(&history->begin, from->file, from->offset);
	if (is_behind(from->file, from->offset, &history->end))
		set_place(&history->end, from->file, from->offset);
	make_room(history, from->file, from->offset);
	if (!is_behind(to->file, to->offset, &history->end))
		return 0;

	const struct place *end = &history->end;
	if (strcmp(end->file, to->file) != 0 || to->offset - end->offset > WORTH_A_LINE)
		fl_info(NULL, "reading ahead from %s:%llu to %s:%llu for changes of tables",
			end->file, (unsigned long long)end->offset, to->file,
			(unsigned long long)to->offset);
	struct fl_session *session = NULL;
	/* Number 0 is nobody's: no replica is sent away for it. */
	int result = fl_session_connect(history->config, history->host, 0, &session, err);
	if (result == 0 && strcmp(fl_session_server(session)->identity, identity) != 0)
		result =
			fl_err_set(err, FL_ELOST, "another server answers at the source's address");
	struct fl_position start = { .offset = end->offset, .gtids = from->gtids };
	memcpy(start.file, end->file, sizeof(start.file));
	if (result == 0)
		result = fl_session_open_ahead(session, &start, err);
	if (result == 0)
		result = read_until(history, session, to, stop, err);
	fl_session_close(session);
	return result;
}
