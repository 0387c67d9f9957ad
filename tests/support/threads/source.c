/* SPDX-License-Identifier: Apache-2.0 */
#include "source.h"

#include <time.h>
#include <unistd.h>

#include "source/schema.h"

unsigned chance(unsigned below)
{
	static _Thread_local unsigned seed;
	static _Atomic unsigned seeds = 1;
	if (seed == 0)
		seed = atomic_fetch_add_explicit(&seeds, 7919, memory_order_relaxed);
	return (unsigned)rand_r(&seed) % below;
}

void nap(unsigned ms)
{
	usleep(ms * 1000);
}

_Atomic uint64_t written;

struct fl_session {
	struct fl_server server;
	uint64_t next; /* statement */
	unsigned head; /* events that come before: 0: the file's name; 1: its format */
	atomic_bool woken;
	struct fl_buf event;
};

static void put(struct fl_buf *buf, uint64_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		fl_buf_char(buf, (char)(value >> 8 * i));
}

static void header(struct fl_buf *event, uint8_t type, size_t body, uint64_t end, uint16_t flags)
{
	fl_buf_clear(event);
	put(event, (uint64_t)time(NULL), 4); /* news: who is slow is not waited for */
	put(event, type, 1);
	put(event, 1, 4);
	put(event, 19 + body, 4);
	put(event, end, 4);
	put(event, flags, 2);
}

static void rotate_event(struct fl_buf *event)
{
	header(event, 4, 8 + 8, 0, 0x20);
	put(event, BEGIN, 8);
	fl_buf_text(event, "b.000001");
}

static void format_event(struct fl_buf *event)
{
	header(event, 15, FORMAT_SIZE - 19, BEGIN + FORMAT_SIZE, 0);
	char version[50] = "8.0.36";
	put(event, 4, 2);
	fl_buf_append(event, version, sizeof(version));
	put(event, 0, 4);
	put(event, 19, 1);
	for (unsigned type = 1; type <= 164; type++)
		put(event, type == 2 ? 13 : type == 4 ? 8 : 0, 1);
	put(event, 0, 5);
}

static void statement_event(struct fl_buf *event, uint64_t number)
{
	header(event, 2, EVENT_SIZE - 19, BEGIN + FORMAT_SIZE + (number + 1) * EVENT_SIZE, 0);
	put(event, 1, 4);
	put(event, 0, 4);
	put(event, 1, 1);
	put(event, 0, 2);
	put(event, 0, 2);
	fl_buf_append(event, "d\0CREATE TABLE t (a int)!", 2);
	fl_buf_text(event, "CREATE TABLE t (a int) ");
}

int fl_session_connect(const struct fl_source_config *config, unsigned host, uint32_t server_id,
	struct fl_session **ret, struct fl_err *err)
{
	(void)config;
	(void)host;
	(void)server_id;
	if (chance(20) == 0)
		return fl_err_set(err, FL_ELOST, "no connection, by chance");
	struct fl_session *session = calloc(1, sizeof(*session));
	session->server =
		(struct fl_server){ .flavour = FL_MYSQL, .version = 80036, .server_id = 1 };
	strcpy(session->server.version_text, "8.0.36");
	strcpy(session->server.identity, "made-up");
	*ret = session;
	return 0;
}

const struct fl_server *fl_session_server(const struct fl_session *session)
{
	return &session->server;
}

int fl_session_preflight(struct fl_session *session,
	bool (*wants)(void *ctx, struct fl_bytes db, struct fl_bytes table),
	void (*report)(void *ctx, bool fatal, const char *text), void *report_ctx, void *wants_ctx,
	struct fl_err *err)
{
	(void)session, (void)wants, (void)report, (void)report_ctx, (void)wants_ctx, (void)err;
	return 0;
}

int fl_session_start_position(
	struct fl_session *session, const char *start, struct fl_position *ret, struct fl_err *err)
{
	(void)session, (void)start, (void)err;
	*ret = (struct fl_position){ .file = "b.000001", .offset = BEGIN, .server = "made-up" };
	return 0;
}

int fl_session_current(struct fl_session *session, struct fl_position *ret, struct fl_err *err)
{
	return fl_session_start_position(session, "", ret, err);
}

int fl_session_gtids(struct fl_session *session, struct fl_gtid_set **ret, struct fl_err *err)
{
	(void)session, (void)ret, (void)err;
	return 0;
}

int fl_session_is_at(
	struct fl_session *session, const struct fl_position *position, struct fl_err *err)
{
	(void)session, (void)position, (void)err;
	return 1;
}

int fl_session_check(
	struct fl_session *session, const struct fl_position *applied, struct fl_err *err)
{
	(void)session, (void)applied, (void)err;
	return 0;
}

int fl_session_open(struct fl_session *session, const struct fl_position *position, bool until_end,
	struct fl_err *err)
{
	(void)until_end, (void)err;
	uint64_t first = BEGIN + FORMAT_SIZE;
	session->next = position->offset > first ? (position->offset - first) / EVENT_SIZE : 0;
	return 0;
}

enum fl_read fl_session_read(
	struct fl_session *session, const uint8_t **ret_data, size_t *ret_size, struct fl_err *err)
{
	while (session->head == 2 && session->next >= atomic_load(&written) &&
		!atomic_load(&session->woken))
		nap(1);
	if (atomic_load(&session->woken))
		return FL_READ_STOPPED;
	if (chance(6000) == 0) {
		fl_err_set(err, FL_ELOST, "by chance");
		return FL_READ_LOST;
	}
	if (session->head == 0)
		rotate_event(&session->event);
	else if (session->head == 1)
		format_event(&session->event);
	else
		statement_event(&session->event, session->next++);
	session->head += session->head < 2;
	*ret_data = (const uint8_t *)session->event.data;
	*ret_size = session->event.size;
	return FL_READ_EVENT;
}

bool fl_session_is_ready(struct fl_session *session, int wait_ms)
{
	(void)wait_ms;
	return session->head < 2 || session->next < atomic_load(&written) ||
	       atomic_load(&session->woken);
}

bool fl_session_gather(struct fl_session *session)
{
	(void)session;
	return false;
}

void fl_session_wake(struct fl_session *session)
{
	atomic_store(&session->woken, true);
}

void fl_session_close(struct fl_session *session)
{
	if (session == NULL)
		return;
	fl_buf_finish(&session->event);
	free(session);
}

struct fl_schema *fl_schema_create(const struct fl_source_config *config, const atomic_bool *stop)
{
	(void)config, (void)stop;
	return calloc(1, 1);
}

void fl_schema_destroy(struct fl_schema *schema)
{
	free(schema);
}

void fl_schema_clear(struct fl_schema *schema, unsigned host)
{
	(void)schema, (void)host;
}

void fl_schema_renew(struct fl_schema *schema, const char *file, uint64_t offset,
	struct fl_bytes db, struct fl_bytes sql, uint32_t time)
{
	(void)schema, (void)file, (void)offset, (void)db, (void)sql, (void)time;
}

int fl_schema_complete(struct fl_schema *schema, struct fl_table_def *def, const char *identity,
	const struct fl_position *place, uint32_t event_time, struct fl_err *err)
{
	(void)schema, (void)def, (void)identity, (void)place, (void)event_time, (void)err;
	return FL_EFATAL;
}
