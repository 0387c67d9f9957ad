/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "base/log.h"
#include "checkpoint.h"
#include "observer.h"
#include "regime.h"
#include "reload.h"
#include "summary.h"
#include "systemd.h"

enum {
	TICK_MS = 100,
	GIVE_UP_AFTER_MS = 4500, /* of stopping: what is safe is safe */
	UP_AFTER_MS = 20000,	 /* of asking the source, whatever becomes of that */
};

struct daemon {
	const char *path; /* of the configuration */
	bool until_current;
	const char *const *files;
	uv_loop_t loop;
	uv_async_t news; /* from any thread: look again */
	uv_timer_t tick, watchdog;
	uv_signal_t sigterm, sigint, sighup;

	struct fl_regime *current;
	struct fl_regime *next;	   /* is to take its place once its source has answered; or NULL */
	struct fl_regime *earlier; /* that settle what was in flight, and ones never put in force */
	struct fl_remains *remains;
	struct fl_observer observer;
	bool told_in_vain; /* that the next one's source does not answer */

	struct fl_systemd systemd;
	uint64_t started_at; /* uv_now */
	bool stopping;
	uint64_t stopped_at; /* uv_now */
	int exit_code;	     /* FL_EXIT_OK: as the current regime says */
};

static void on_change(void *ctx)
{
	struct daemon *d = ctx;
	uv_async_send(&d->news);
}

/* ---- stopping ---- */

static void stop(struct daemon *d)
{
	if (d->stopping)
		return;
	d->stopping = true;
	d->stopped_at = uv_now(&d->loop);
	fl_systemd_stopping(&d->systemd);
	fl_regime_stop(d->current);
	if (d->next != NULL)
		fl_regime_stop(d->next);
	for (struct fl_regime *r = d->earlier; r != NULL; r = r->next)
		fl_regime_stop(r);
	fl_observer_stop(&d->observer);
	uv_async_send(&d->news);
}

static int exit_code(const struct daemon *d)
{
	return d->exit_code != FL_EXIT_OK ? d->exit_code : d->current->code;
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct daemon *d = handle->data;
	if (d->stopping) {
		fl_warn(NULL, "a second signal: exits at once");
		_exit(128 + number);
	}
	fl_info(NULL, "stopping");
	if (d->until_current && exit_code(d) == FL_EXIT_OK)
		d->exit_code = FL_EXIT_EARLY;
	stop(d);
}

static void tell_unsettled(const struct fl_regime *r)
{
	for (size_t i = 0; i < r->config->sink_count; i++)
		if (r->sinks[i].worker != NULL &&
			fl_worker_state(r->sinks[i].worker) < FL_WORKER_FINISHED)
			fl_warn(r->config->sinks[i].name,
				"does not answer; what it had not settled is sent again at the "
				"next start");
}

static void press_on(struct daemon *d)
{
	uint64_t const passed = uv_now(&d->loop) - d->stopped_at;
	if (passed < FL_INTERRUPT_AFTER_MS)
		return;
	fl_regime_interrupt(d->current);
	for (struct fl_regime *r = d->earlier; r != NULL; r = r->next)
		fl_regime_interrupt(r);
	if (passed < GIVE_UP_AFTER_MS)
		return;
	tell_unsettled(d->current);
	for (struct fl_regime *r = d->earlier; r != NULL; r = r->next)
		tell_unsettled(r);
	_exit(exit_code(d));
}

/* ---- one configuration in place of another ---- */

static void retire(struct daemon *d, struct fl_regime *regime)
{
	fl_regime_leave(regime);
	fl_observer_release(regime);
	regime->next = d->earlier;
	d->earlier = regime;
}

/* Takes the configuration over. NULL when memory runs out. */
static struct fl_regime *make_regime(struct daemon *d, struct fl_config *config, int lock)
{
	return fl_regime_create(config, d->path, lock, d->until_current, d->files, on_change, d,
		&d->observer.telemetry, fl_observer_settled, &d->observer);
}

/* Reads the file anew, and has its source asked: nothing of what runs is touched before that has
 * answered. Only the newest one counts. */
static void reload(struct daemon *d)
{
	fl_info(NULL, "SIGHUP: reads %s", d->path);
	fl_systemd_reloading(&d->systemd);
	struct fl_config *config = fl_reload_read(d->path);
	if (config == NULL)
		return;
	const struct fl_regime *const lists[] = { d->current, d->next, d->earlier };
	int lock = -1;
	struct fl_err err = { .text = "out of memory" };
	struct fl_regime *made = NULL;
	if (fl_reload_lock(config, lists, sizeof(lists) / sizeof(*lists), &lock, &err) == 0)
		made = make_regime(d, config, lock);
	else
		fl_config_destroy(config);
	int result = made != NULL ? fl_observer_prepare(&d->observer, made, &err) : FL_ENOMEM;
	if (result == FL_EIO)
		fl_error(NULL, "%s: the configuration stays as it was", err.text);
	else if (result != 0 || (result = fl_regime_ask(made, d->current, &err)) != 0)
		fl_error(NULL, "%s: %s: the configuration stays as it was", d->path, err.text);
	if (result != 0) {
		fl_regime_destroy(made);
		return;
	}
	if (d->next != NULL)
		retire(d, d->next);
	d->next = made;
	d->told_in_vain = false;
}

/* A run that ends by itself has nothing to be reloaded: SIGHUP is what a terminal that is closed
 * says. */
static void on_sighup(uv_signal_t *handle, int number)
{
	struct daemon *d = handle->data;
	if (d->until_current)
		on_signal(handle, number);
	else if (!d->stopping)
		reload(d);
}

static void look_at_next(struct daemon *d)
{
	struct fl_regime *next = d->next;
	if (next == NULL || d->stopping)
		return;
	switch (fl_regime_answer(next)) {
	case FL_ANSWER_NONE:
		if (atomic_load(&next->starter.in_vain) && !d->told_in_vain)
			fl_warn(NULL,
				"%s: its source does not answer: until it does, the configuration "
				"stays as it was",
				d->path);
		d->told_in_vain = atomic_load(&next->starter.in_vain);
		return;
	case FL_ANSWER_NO:
		fl_error(NULL, "%s: %s: the configuration stays as it was", d->path,
			next->starter.misfit != NULL ? next->starter.misfit
						     : "its source can't be used");
		fl_regime_destroy(next);
		d->next = NULL;
		return;
	case FL_ANSWER_YES:
		break;
	}
	/* Told if either level has it told. */
	enum fl_level const level = next->config->log_level;
	if (level > d->current->config->log_level)
		fl_log_set_level(level);
	fl_info(NULL, "reloaded %s: %zu sinks, %zu maps", d->path, next->config->sink_count,
		next->config->rule_count);
	fl_log_set_level(level);
	fl_log_set_format(next->config->log_format);
	d->next = NULL;
	retire(d, d->current);
	d->current = next;
	d->observer.reloads++;
	fl_regime_put_in_force(next);
	fl_observer_follow(&d->observer, next);
}

static void look_at_earlier(struct daemon *d)
{
	for (struct fl_regime **place = &d->earlier; *place != NULL;) {
		struct fl_regime *r = *place;
		if (fl_regime_reap(r, &d->remains)) {
			*place = r->next;
			fl_regime_destroy(r);
			continue;
		}
		if (!d->stopping)
			fl_regime_press(r, d->current);
		place = &r->next;
	}
}

static void look_at_current(struct daemon *d)
{
	struct fl_regime *r = d->current;
	fl_regime_close_ended_lanes(r);
	switch (fl_regime_answer(r)) {
	case FL_ANSWER_YES:
		fl_regime_put_in_force(r);
		break;
	case FL_ANSWER_NO:
		if (!d->stopping)
			r->code = r->starter.misfit != NULL ? FL_EXIT_CONFIG : FL_EXIT_SOURCE;
		break;
	case FL_ANSWER_NONE:
		break;
	}
	if (r->in_force && !d->stopping &&
		(fl_regime_start_sinks(r, d->earlier, &d->remains) != 0 ||
			fl_regime_seat(r, d->earlier) != 0))
		stop(d);
	if (fl_regime_running(r) == 0 && !r->asking && d->next == NULL)
		stop(d);
	/* What sinks have left that there are no more is as good as what any restart finds. */
	if (d->earlier == NULL && d->next == NULL) {
		fl_remains_destroy(d->remains);
		d->remains = NULL;
	}
}

/* ---- what systemd is told ---- */

/* Up is also who has asked in vain: the manager would end what is not up in time, and there would
 * be nobody to go on once the source is back. */
static bool is_up(const struct daemon *d)
{
	const struct fl_regime *r = d->current;
	bool all_started = r->in_force;
	for (size_t i = 0; i < r->config->sink_count; i++)
		all_started = all_started && r->sinks[i].worker != NULL;
	return all_started || atomic_load(&r->starter.in_vain) ||
	       uv_now(&d->loop) - d->started_at >= UP_AFTER_MS;
}

static void make_status(struct daemon *d, char *ret, size_t size)
{
	struct fl_snapshot snapshot = { 0 };
	if (!d->current->in_force)
		snprintf(ret, size, "%s",
			atomic_load(&d->current->starter.in_vain)
				? "the source does not answer: it is asked again and again"
				: "asks the source");
	else if (fl_observer_snapshot(&d->observer, &snapshot) == 0)
		fl_summary(&snapshot, ret, size);
	else
		snprintf(ret, size, "out of memory");
	fl_arena_finish(&snapshot.arena);
}

static void tell_systemd(struct daemon *d)
{
	char text[sizeof(d->systemd.status)];
	bool const in_vain = d->next != NULL && atomic_load(&d->next->starter.in_vain);
	if (d->stopping)
		return;
	if (is_up(d))
		fl_systemd_ready(&d->systemd);
	if (d->next == NULL || in_vain)
		fl_systemd_reloaded(&d->systemd);
	if (!fl_systemd_wants_status(&d->systemd, uv_now(&d->loop)))
		return;
	make_status(d, text, sizeof(text));
	size_t const size = strlen(text);
	if (in_vain)
		snprintf(text + size, sizeof(text) - size,
			"; the new configuration's source does not answer");
	fl_systemd_status(&d->systemd, text);
}

/* Looks at everything and does what is to be done. */
static void look(struct daemon *d)
{
	look_at_next(d);
	look_at_earlier(d);
	look_at_current(d);
	fl_observer_look(&d->observer);
	tell_systemd(d);
	if (!d->stopping)
		return;
	press_on(d);
	if (d->next != NULL && fl_regime_reap(d->next, &d->remains)) {
		fl_regime_destroy(d->next);
		d->next = NULL;
	}
	if (d->next == NULL && d->earlier == NULL && !d->current->asking &&
		fl_regime_running(d->current) == 0 && !fl_regime_has_lanes(d->current))
		uv_stop(&d->loop);
}

static void on_news(uv_async_t *handle)
{
	look(handle->data);
}

static void on_tick(uv_timer_t *handle)
{
	look(handle->data);
}

/* From the loop itself, so that one that is stuck falls silent. */
static void on_watchdog(uv_timer_t *handle)
{
	struct daemon *d = handle->data;
	fl_systemd_alive(&d->systemd);
}

/* ---- life ---- */

static void mask_sighup(int how)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(how, &set, NULL);
}

/* Connections to HTTP may need more descriptors than the usual 1024; but no library that
 * uses select() should see numbers beyond it without need. */
static void raise_descriptors(void)
{
	struct rlimit limit;
	rlim_t const wanted = FL_MOST_CONNECTIONS + FL_OTHER_DESCRIPTORS;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
	setrlimit(RLIMIT_NOFILE, &limit);
}

void fl_daemon_prepare(void)
{
	raise_descriptors();
	/* Both are told by the calls that fail, of which the log's may be the first. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	mask_sighup(SIG_BLOCK);
}

static void close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static int open_loop(struct daemon *d)
{
	struct sigaction sighup;
	int result = uv_loop_init(&d->loop);
	if (result != 0)
		return result;
	uv_async_init(&d->loop, &d->news, on_news);
	fl_observer_init(&d->observer, &d->loop);
	uv_timer_init(&d->loop, &d->tick);
	uv_timer_init(&d->loop, &d->watchdog);
	uv_signal_init(&d->loop, &d->sigterm);
	uv_signal_init(&d->loop, &d->sigint);
	uv_signal_init(&d->loop, &d->sighup);
	d->news.data = d->tick.data = d->watchdog.data = d->sigterm.data = d->sigint.data =
		d->sighup.data = d;
	uv_timer_start(&d->tick, on_tick, TICK_MS, TICK_MS);
	if (d->systemd.watchdog_ms > 0)
		uv_timer_start(&d->watchdog, on_watchdog, 0, d->systemd.watchdog_ms / 2);
	uv_signal_start(&d->sigterm, on_signal, SIGTERM);
	uv_signal_start(&d->sigint, on_signal, SIGINT);
	/* As nohup has it. */
	bool const ignored = sigaction(SIGHUP, NULL, &sighup) == 0 && sighup.sa_handler == SIG_IGN;
	if (!d->until_current || !ignored)
		uv_signal_start(&d->sighup, on_sighup, SIGHUP);
	mask_sighup(SIG_UNBLOCK);
	return 0;
}

static void close_loop(struct daemon *d)
{
	uv_walk(&d->loop, close_handle, NULL);
	uv_run(&d->loop, UV_RUN_DEFAULT);
	uv_loop_close(&d->loop);
}

/* The first regime, which has only to be asked. Takes the configuration over. FL_EXIT_... */
static int begin(struct daemon *d, struct fl_config *config)
{
	struct fl_err err = { 0 };
	int lock = -1;
	if (config->sink_count > FL_MOST_SINKS) {
		fl_error(
			NULL, "%zu sinks; up to %d can be used", config->sink_count, FL_MOST_SINKS);
		fl_config_destroy(config);
		return FL_EXIT_CONFIG;
	}
	if (config->state_dir != NULL && fl_checkpoint_lock(config->state_dir, &lock, &err) != 0) {
		fl_error(NULL, "%s", err.text);
		fl_config_destroy(config);
		return FL_EXIT_USAGE;
	}
	d->current = make_regime(d, config, lock);
	if (d->current == NULL) {
		fl_error(NULL, "out of memory");
		return FL_EXIT_USAGE;
	}
	if (fl_observer_prepare(&d->observer, d->current, &err) == 0)
		return FL_EXIT_OK;
	fl_error(NULL, "%s", err.text);
	fl_regime_destroy(d->current);
	return FL_EXIT_USAGE;
}

int fl_daemon_run(
	struct fl_config *config, const char *path, bool until_current, const char *const *files)
{
	struct fl_err err = { 0 };
	struct daemon d = {
		.path = path,
		.until_current = until_current || files != NULL,
		.files = files,
	};
	d.observer.path = path;
	d.observer.current = &d.current;
	d.observer.earlier = &d.earlier;
	int code = begin(&d, config);
	if (code != FL_EXIT_OK)
		return code;
	fl_systemd_open(&d.systemd);
	int result = open_loop(&d);
	if (result != 0) {
		fl_error(NULL, "no event loop: %s", uv_strerror(result));
		fl_regime_destroy(d.current);
		fl_systemd_close(&d.systemd);
		return FL_EXIT_USAGE;
	}
	d.started_at = uv_now(&d.loop);
	if (fl_regime_ask(d.current, NULL, &err) == 0) {
		fl_info(NULL, "fastlane %s, %zu sinks", FL_VERSION, config->sink_count);
		fl_observer_follow(&d.observer, d.current);
		uv_run(&d.loop, UV_RUN_DEFAULT);
		code = exit_code(&d);
	} else {
		fl_error(NULL, "%s", err.text);
		code = FL_EXIT_USAGE;
	}
	fl_observer_finish(&d.observer);
	fl_regime_destroy(d.current);
	fl_remains_destroy(d.remains);
	close_loop(&d);
	fl_observer_free(&d.observer);
	fl_systemd_close(&d.systemd);
	fl_info(NULL, "stopped");
	return code;
}
