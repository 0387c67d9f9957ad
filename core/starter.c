/* SPDX-License-Identifier: Apache-2.0 */
#include "starter.h"

#include "base/log.h"
#include "source/file.h"

enum { LONGEST_DELAY_S = 10 };

static void report(void *ctx, bool fatal, const char *text)
{
	const char *host = ctx;
	if (fatal)
		fl_error(NULL, "source %s: %s", host, text);
	else
		fl_warn(NULL, "source %s: %s", host, text);
}

/* 0: all is known. FL_ELOST: try again. Anything else: the host has to be mended. */
static int ask(struct fl_starter *s, unsigned host, struct fl_err *err)
{
	struct fl_session *session = NULL;
	int result = fl_session_connect(s->source, host, s->source->server_id, &session, err);
	if (result != 0)
		return result;
	const struct fl_server *server = fl_session_server(session);
	char *name = (char *)s->source->hosts[host].name;
	result = fl_session_preflight(session, s->wants, report, name, s->wants_ctx, err);
	if (result > 0)
		result = fl_err_set(err, FL_EFATAL, "can't be replicated from as it is: see above");
	if (result == 0)
		result = fl_session_start_position(session, s->source->start, &s->start, err);
	if (result == 0 && s->until_current)
		result = fl_session_current(session, &s->current, err);
	if (result == 0) {
		s->fold_case = server->fold_case;
		fl_map_fold_case(s->map, server->fold_case);
		fl_hosts_use(s->hosts, host);
		fl_hosts_set_checked(s->hosts, server->identity);
	}
	fl_session_close(session);
	return result;
}

/* All hosts, until one has answered. FL_ELOST if trying again may help. */
static int ask_all(struct fl_starter *s)
{
	struct fl_err err = { 0 };
	int result = FL_EFATAL;
	if (s->files != NULL) {
		result = fl_binlog_file_begin(s->files[0], &s->start, &err);
		if (result != 0)
			fl_error(NULL, "source: %s", err.text);
		return result;
	}
	unsigned const count = s->source->host_count, first = fl_hosts_current(s->hosts);
	for (unsigned i = 0; i < count; i++) {
		unsigned const host = (first + i) % count;
		int answer = ask(s, host, &err);
		if (answer == 0)
			return 0;
		fl_error(NULL, "source %s: %s", s->source->hosts[host].name, err.text);
		result = answer == FL_ELOST ? FL_ELOST : result;
	}
	return result;
}

static bool is_stopped(void *ctx)
{
	struct fl_starter *s = ctx;
	uv_mutex_lock(&s->mutex);
	bool const stop = s->stop;
	uv_mutex_unlock(&s->mutex);
	return stop;
}

static void run(void *ctx)
{
	struct fl_starter *s = ctx;
	for (unsigned delay = 1;;
		delay = delay * 2 < LONGEST_DELAY_S ? delay * 2 : LONGEST_DELAY_S) {
		int result = ask_all(s);
		if (result == 0 && s->files == NULL)
			s->misfit = fl_fit_check(&s->fit, fl_hosts_current(s->hosts));
		s->ok = result == 0 && s->misfit == NULL;
		if (result != FL_ELOST)
			break;
		atomic_store(&s->in_vain, true);
		s->changed(s->changed_ctx);
		uint64_t now = uv_hrtime(), pause = (uint64_t)delay * 1000000000;
		uint64_t until = now + pause / 2 + (now ^ (uintptr_t)s >> 4) % (pause / 2 + 1);
		uv_mutex_lock(&s->mutex);
		for (; !s->stop && (now = uv_hrtime()) < until;)
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
	s->fit.stopped = is_stopped;
	s->fit.ctx = s;
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
