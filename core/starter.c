/* SPDX-License-Identifier: Apache-2.0 */
#include "starter.h"

#include "base/log.h"
#include "source/file.h"

enum { LONGEST_DELAY_S = 10 };

static void report(void *ctx, bool fatal, const char *text)
{
	(void)ctx;
	if (fatal)
		fl_error(NULL, "source: %s", text);
	else
		fl_warn(NULL, "source: %s", text);
}

/* 0: all is known. FL_ELOST: try again. Anything else: the source has to be mended. */
static int ask(struct fl_starter *s, struct fl_err *err)
{
	struct fl_session *session = NULL;
	if (s->files != NULL)
		return fl_binlog_file_begin(s->files[0], &s->start, err);
	int result = fl_session_connect(s->source, s->source->server_id, &session, err);
	if (result != 0)
		return result;
	const struct fl_server *server = fl_session_server(session);
	fl_map_fold_case(s->map, server->fold_case);
	result = fl_session_preflight(session, s->wants, report, s->wants_ctx, err);
	if (result > 0)
		result = fl_err_set(err, FL_EFATAL, "can't be replicated from as it is: see above");
	if (result == 0)
		result = fl_session_start_position(session, s->source->start, &s->start, err);
	if (result == 0 && s->until_current)
		result = fl_session_current(session, &s->current, err);
	fl_session_close(session);
	return result;
}

static void run(void *ctx)
{
	struct fl_starter *s = ctx;
	for (unsigned delay = 1;;
		delay = delay * 2 < LONGEST_DELAY_S ? delay * 2 : LONGEST_DELAY_S) {
		struct fl_err err = { 0 };
		int result = ask(s, &err);
		s->ok = result == 0;
		if (s->ok)
			break;
		fl_error(NULL, "source: %s", err.text);
		if (result != FL_ELOST)
			break;
		uint64_t until = uv_hrtime() + (uint64_t)delay * 1000000000;
		uv_mutex_lock(&s->mutex);
		for (uint64_t now; !s->stop && (now = uv_hrtime()) < until;)
			uv_cond_timedwait(&s->wake, &s->mutex, until - now);
		bool stop = s->stop;
		uv_mutex_unlock(&s->mutex);
		if (stop)
			break;
	}
	atomic_store(&s->done, true);
	s->changed(s->changed_ctx);
}

int fl_starter_start(struct fl_starter *s, struct fl_err *err)
{
	if (uv_mutex_init(&s->mutex) != 0)
		return fl_err_set(err, FL_ENOMEM, "no memory for a lock");
	if (uv_cond_init(&s->wake) != 0) {
		uv_mutex_destroy(&s->mutex);
		return fl_err_set(err, FL_ENOMEM, "no memory for a lock");
	}
	int result = uv_thread_create(&s->thread, run, s);
	if (result == 0)
		return 0;
	uv_cond_destroy(&s->wake);
	uv_mutex_destroy(&s->mutex);
	return fl_err_set(err, FL_EFATAL, "no thread to ask the source: %s", uv_strerror(result));
}

void fl_starter_stop(struct fl_starter *s)
{
	uv_mutex_lock(&s->mutex);
	s->stop = true;
	uv_cond_signal(&s->wake);
	uv_mutex_unlock(&s->mutex);
}

void fl_starter_finish(struct fl_starter *s)
{
	uv_thread_join(&s->thread);
	uv_cond_destroy(&s->wake);
	uv_mutex_destroy(&s->mutex);
}
