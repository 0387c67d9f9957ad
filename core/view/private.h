/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to this room: where the daemon is, asking it, what it has answered, and lines of text
 * for a terminal. One thread.
 */
#ifndef FL_VIEW_PRIVATE_H
#define FL_VIEW_PRIVATE_H

#include <signal.h>

#include "view/view.h"

/* ---- url.c */
struct fl_url {
	char host[256]; /* or a unix socket's path */
	char port[6];	/* empty for a unix socket */
	char path[256]; /* what stands before "/status"; may be empty */
};

/* [http://]HOST[:PORT][/PATH], or unix:/PATH of a socket; HOST may be an IPv6 address in brackets.
 * A server that listens at all of its addresses is reached at loopback. 0 or FL_EINVAL. */
int fl_url_parse(const char *text, struct fl_url *ret, struct fl_err *err);

/* ---- fetch.c */
struct fl_fetch_wait {
	int timeout_ms;	      /* for all of it but the look-up of the host's name */
	int wake_fd;	      /* when it can be read: FL_ESTOPPED; -1: none */
	const sigset_t *mask; /* of signals while waiting: one that comes is FL_ESTOPPED; or NULL */
};

/* GET of the URL's path and `path` behind it. The body, which `ret_body` takes, is NUL-terminated
 * behind its size. 0; FL_ELOST: no answer; FL_ECORRUPT: one that is none, too large, or not "200";
 * FL_ESTOPPED; FL_ENOMEM. */
int fl_fetch(const struct fl_url *url, const char *path, const struct fl_fetch_wait *wait,
	struct fl_buf *ret_body, struct fl_err *err);

/* All that came, made into its body, as fl_fetch() gives it; `where`: from. */
int fl_fetch_body(struct fl_buf *answer, const char *where, struct fl_err *err);

/* ---- status.c: texts are as the daemon sent them, never NULL, and live as long as the status. */
struct fl_status_place {
	const char *file, *gtids;
	int64_t offset;
};

struct fl_status_sink {
	const char *name, *plugin, *state;
	bool ready;
	int64_t lane; /* -1: none */
	struct fl_status_place position;
	const char *unready; /* why; empty: it is ready */
	int64_t operations, changes, retries, doubts, queue_bytes, queue_limit;
	double lag;	   /* seconds; below 0: not known */
	double p50, p99;   /* seconds; below 0: nothing was applied yet */
	double error_time; /* unix seconds; 0: no error */
	const char *error;
};

struct fl_status {
	struct json_object *json; /* private: owns the texts */
	const char *version, *config;
	int64_t pid, reloads;
	bool ready;
	double started, uptime, max_lag; /* unix seconds, seconds, seconds */
	struct {
		const char *name, *flavour, *version;
		bool connected;
		struct fl_status_place position;
		int64_t events, transactions, rows, bytes, reconnects;
		double since_last_event; /* seconds; below 0: there was none */
	} source;
	size_t lane_count;
	size_t sink_count;
	struct fl_status_sink *sinks;
};

/* What a daemon answered. Members that are missing or of another type are empty. 0; FL_ECORRUPT:
 * it is not what a daemon would say; FL_ENOMEM. */
int fl_status_parse(const char *text, size_t size, struct fl_status **ret, struct fl_err *err);
void fl_status_destroy(struct fl_status *status);
const struct fl_status_sink *fl_status_sink(const struct fl_status *status, const char *name);

/* ---- sheet.c: lines for a terminal. */
enum fl_style { FL_PLAIN, FL_BOLD, FL_FAINT, FL_GOOD, FL_WARN, FL_BAD };

struct fl_sheet {
	struct fl_buf out;
	unsigned width;	 /* columns; what would stand behind them is left out; 0: any */
	unsigned column; /* where the line stands */
	bool colour;
};

/* Text from outside is safe: what is no printable character of the user's locale is shown as a
 * question mark. */
void fl_sheet_text(struct fl_sheet *sheet, enum fl_style style, const char *text);
void fl_sheet_add(struct fl_sheet *sheet, enum fl_style style, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Blanks up to a column. */
void fl_sheet_to(struct fl_sheet *sheet, unsigned column);
void fl_sheet_end_line(struct fl_sheet *sheet);
/* Columns that the text takes. */
unsigned fl_text_columns(const char *text);

/* Three digits and a unit, such as "12.3k", "1.50 MiB", "12 min 3 s", "-" for what is below 0 or
 * not a number. The result is `to`. */
enum { FL_UNITS_SIZE = 32 };
const char *fl_units_count(char to[FL_UNITS_SIZE], double number);
const char *fl_units_bytes(char to[FL_UNITS_SIZE], double bytes);
const char *fl_units_time(char to[FL_UNITS_SIZE], double seconds);

/* ---- show.c */
/* What --status prints. `width`: of the table. */
void fl_show_status(struct fl_sheet *sheet, const struct fl_status *status, unsigned width);
/* A screen of --top. `before`: an earlier answer, for what happens in a second; or NULL. `now`:
 * unix seconds. */
void fl_show_top(struct fl_sheet *sheet, const struct fl_status *status,
	const struct fl_status *before, double now);

/* ---- top.c */
int fl_top_run(const struct fl_url *url, struct fl_err *err);

#endif
