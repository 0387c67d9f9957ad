/* SPDX-License-Identifier: Apache-2.0
 *
 * --top: a screen of its own on the terminal, drawn anew each second. Signals come only while it
 * waits, and do no more than set a flag.
 */
#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "view/private.h"

enum { PERIOD_MS = 1000, PATIENCE_MS = 2000, KEPT = 3 };

static volatile sig_atomic_t resized, ended, suspended, continued;

struct top {
	const struct fl_url *url;
	struct termios before;		     /* how the terminal is given back */
	sigset_t mask;			     /* of signals while it waits */
	struct fl_status *answers[KEPT + 1]; /* the newest first; those behind are for rates */
	struct fl_err err;		     /* why there is no newer one; code 0: there is */
	double lost_since;		     /* unix seconds */
	struct fl_sheet sheet;
};

static void on_signal(int number)
{
	if (number == SIGWINCH)
		resized = 1;
	else if (number == SIGTSTP)
		suspended = 1;
	else if (number == SIGCONT)
		continued = 1;
	else
		ended = 1;
}

static int64_t now_ms(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What can't be written means that nobody looks. */
static void say(const char *data, size_t size)
{
	while (size > 0) {
		ssize_t const done = write(STDOUT_FILENO, data, size);
		if (done < 0 && errno != EINTR && errno != EAGAIN) {
			ended = 1;
			return;
		}
		data += done > 0 ? done : 0;
		size -= done > 0 ? (size_t)done : 0;
	}
}

static void say_text(const char *text)
{
	say(text, strlen(text));
}

/* The alternate screen, without a cursor; keys come at once and are not shown. */
static void enter(const struct top *t)
{
	struct termios mode = t->before;
	mode.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
	mode.c_cc[VMIN] = 0;
	mode.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &mode);
	say_text("\033[?1049h\033[?25l\033[H\033[2J");
}

static void leave(const struct top *t)
{
	say_text("\033[?25h\033[?1049l");
	tcsetattr(STDIN_FILENO, TCSADRAIN, &t->before);
}

/* As many lines as the window has, each of which clears what is left of an earlier one. */
static void put_lines(const struct fl_buf *lines, unsigned height)
{
	struct fl_buf out = { 0 };
	const char *at = lines->data, *end = lines->data + lines->size;
	size_t count = 0;
	for (const char *c = at; c < end; c++)
		count += *c == '\n';
	size_t const most = count > height ? height - 1 : count;
	fl_buf_text(&out, "\033[H");
	for (size_t i = 0; i < most; i++) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		fl_buf_append(&out, at, (size_t)(line_end - at));
		fl_buf_text(&out, "\033[K");
		if (i + 1 < height)
			fl_buf_text(&out, "\r\n");
		at = line_end + 1;
	}
	if (count > height) {
		char more[64];
		snprintf(more, sizeof(more), "... %zu more lines\033[K", count - most);
		fl_buf_text(&out, more);
	}
	fl_buf_text(&out, "\033[J");
	if (!out.failed)
		say(out.data, out.size);
	fl_buf_finish(&out);
}

static void redraw(struct top *t)
{
	struct winsize window = { 0 };
	double const now = (double)now_ms(CLOCK_REALTIME) / 1000;
	struct fl_sheet *sheet = &t->sheet;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0)
		window = (struct winsize){ .ws_col = 80, .ws_row = 24 };
	sheet->width = window.ws_col;
	fl_buf_clear(&sheet->out);
	if (t->err.code != 0) {
		char since[FL_UNITS_SIZE];
		fl_sheet_add(sheet, FL_BAD, "%s", t->err.text);
		if (now - t->lost_since >= 1)
			fl_sheet_add(sheet, FL_BAD, " (for %s)",
				fl_units_time(since, (double)(int64_t)(now - t->lost_since)));
		fl_sheet_end_line(sheet);
		fl_sheet_text(sheet, FL_FAINT,
			t->answers[0] != NULL ? "what is below is from before; q quits"
					      : "asked again each second; q quits");
		fl_sheet_end_line(sheet);
	}
	size_t last = 0;
	while (last < KEPT && t->answers[last + 1] != NULL)
		last++;
	if (t->answers[0] != NULL)
		fl_show_top(sheet, t->answers[0], last > 0 ? t->answers[last] : NULL, now);
	if (!sheet->out.failed && window.ws_row > 0)
		put_lines(&sheet->out, window.ws_row);
}

static void forget(struct top *t, size_t from)
{
	for (size_t i = from; i <= KEPT; i++) {
		fl_status_destroy(t->answers[i]);
		t->answers[i] = NULL;
	}
}

/* FL_ESTOPPED if something else is to be done first. */
static int ask(struct top *t)
{
	struct fl_fetch_wait const wait = { PATIENCE_MS, STDIN_FILENO, &t->mask };
	struct fl_buf body = { 0 };
	struct fl_status *status = NULL;
	struct fl_err err = { 0 };
	int code = fl_fetch(t->url, "/status", &wait, &body, &err);
	if (code == 0)
		code = fl_status_parse(body.data, body.size, &status, &err);
	fl_buf_finish(&body);
	if (code == FL_ESTOPPED)
		return code;
	if (code != 0) {
		if (t->err.code == 0)
			t->lost_since = (double)now_ms(CLOCK_REALTIME) / 1000;
		t->err = err;
		forget(t, 1);
		return 0;
	}
	t->err.code = 0;
	if (t->answers[0] != NULL && t->answers[0]->started != status->started)
		forget(t, 0);
	fl_status_destroy(t->answers[KEPT]);
	memmove(t->answers + 1, t->answers, KEPT * sizeof(*t->answers));
	t->answers[0] = status;
	return 0;
}

/* Keys, and what signals have asked for. */
static void attend(struct top *t)
{
	char keys[64];
	struct pollfd in = { STDIN_FILENO, POLLIN, 0 };
	if (poll(&in, 1, 0) > 0) {
		ssize_t const got = read(STDIN_FILENO, keys, sizeof(keys));
		if ((got < 0 && errno != EINTR && errno != EAGAIN) || got == 0)
			ended = 1; /* the terminal is gone */
		for (ssize_t i = 0; i < got; i++)
			if (keys[i] == 'q' || keys[i] == 'Q')
				ended = 1;
	}
	if (suspended && !ended) {
		suspended = 0;
		leave(t);
		raise(SIGSTOP);
		continued = 1;
	}
	if (continued && !ended) {
		continued = 0;
		enter(t);
		resized = 1;
	}
	if (resized && !ended) {
		resized = 0;
		say_text("\033[2J");
		redraw(t);
	}
}

static void wait_until(struct top *t, int64_t when)
{
	while (!ended) {
		int64_t const left = when - now_ms(CLOCK_MONOTONIC);
		struct timespec const most = { left / 1000, left % 1000 * 1000000 };
		struct pollfd in = { STDIN_FILENO, POLLIN, 0 };
		if (left <= 0)
			return;
		ppoll(&in, 1, &most, &t->mask);
		attend(t);
	}
}

static void loop(struct top *t)
{
	while (!ended) {
		int64_t const begun = now_ms(CLOCK_MONOTONIC);
		if (ask(t) == FL_ESTOPPED) {
			attend(t);
			continue;
		}
		redraw(t);
		wait_until(t, begun + PERIOD_MS);
	}
}

int fl_top_run(const struct fl_url *url, struct fl_err *err)
{
	static const int numbers[] = { SIGWINCH, SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGCONT };
	const char *terminal = getenv("TERM"), *no_colour = getenv("NO_COLOR");
	struct top t = { .url = url };
	if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &t.before) != 0)
		return fl_err_set(err, FL_EINVAL, "--top needs a terminal; --status does not");
	if (terminal == NULL || *terminal == '\0' || strcmp(terminal, "dumb") == 0)
		return fl_err_set(err, FL_EINVAL,
			"--top needs a terminal that can more than print lines (TERM is '%s'); "
			"--status does not",
			terminal != NULL ? terminal : "");
	t.sheet.colour = no_colour == NULL || *no_colour == '\0';
	sigset_t ours;
	struct sigaction action = { .sa_handler = on_signal };
	sigemptyset(&ours);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		sigaddset(&ours, numbers[i]);
	sigprocmask(SIG_BLOCK, &ours, &t.mask);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		sigdelset(&t.mask, numbers[i]);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		sigaction(numbers[i], &action, NULL);
	enter(&t);
	loop(&t);
	leave(&t);
	forget(&t, 0);
	fl_buf_finish(&t.sheet.out);
	return 0;
}
