/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/ioctl.h>
#include <unistd.h>

#include "view/private.h"

enum { PATIENCE_MS = 3000 };

static void print(const struct fl_status *status)
{
	struct fl_sheet sheet = { 0 };
	struct winsize window = { 0 };
	bool const terminal =
		isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0;
	fl_show_status(&sheet, status, terminal ? window.ws_col : 0);
	if (sheet.out.size > 0)
		fwrite(sheet.out.data, 1, sheet.out.size, stdout);
	fl_buf_finish(&sheet.out);
}

static enum fl_view_result show_once(const struct fl_url *url, bool json, struct fl_err *err)
{
	struct fl_fetch_wait const wait = { PATIENCE_MS, -1, NULL };
	struct fl_buf body = { 0 };
	struct fl_status *status = NULL;
	enum fl_view_result result = FL_VIEW_NO_ANSWER;
	if (fl_fetch(url, "/status", &wait, &body, err) != 0 ||
		fl_status_parse(body.data, body.size, &status, err) != 0)
		goto out;
	if (json) {
		fwrite(body.data, 1, body.size, stdout);
		if (body.data[body.size - 1] != '\n')
			putchar('\n');
	} else {
		print(status);
	}
	result = status->ready ? FL_VIEW_READY : FL_VIEW_NOT_READY;
	if (fflush(stdout) != 0) {
		fl_err_set(err, FL_EIO, "the status can't be written");
		result = FL_VIEW_FAILED;
	}
out:
	fl_status_destroy(status);
	fl_buf_finish(&body);
	return result;
}

enum fl_view_result fl_view_run(const char *text, enum fl_view what, struct fl_err *err)
{
	struct fl_url url;
	if (fl_url_parse(text, &url, err) != 0)
		return FL_VIEW_FAILED;
	if (what == FL_VIEW_TOP)
		return fl_top_run(&url, err) == 0 ? FL_VIEW_READY : FL_VIEW_FAILED;
	return show_once(&url, what == FL_VIEW_JSON, err);
}
