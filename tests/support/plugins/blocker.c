/* SPDX-License-Identifier: Apache-2.0
 *
 * A stream sink that stalls on demand: while the file `gate` does not exist, submit() blocks. Then
 * it appends a line for each transaction, "GTID FILE:POSITION CHANGES", to the file `output`. While
 * the file `turnstile` does not exist, it is the reading of the configuration that blocks, against
 * all rules: the daemon's main loop is stuck.
 */
#include <errno.h>
#include <fastlane/sink.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

struct blocker {
	const struct fl_host *host;
	const char *gate;
	int output;
	int watch; /* inotify, on the gate's directory */
	int wake;  /* eventfd: interrupted */
	struct fl_buf lines;
};

static bool is_path(const char *value, struct fl_err *err)
{
	if (value[0] == '/')
		return true;
	fl_err_set(err, FL_EINVAL, "must be an absolute path");
	return false;
}

static bool pass_turnstile(const char *path, struct fl_err *err)
{
	if (!is_path(path, err))
		return false;
	while (access(path, F_OK) != 0)
		poll(NULL, 0, 10);
	return true;
}

static const struct fl_option options[] = {
	{ .name = "gate",
		.type = FL_OPTION_TEXT,
		.required = true,
		.help = "while this file does not exist, submit() blocks",
		.check = is_path },
	{ .name = "output",
		.type = FL_OPTION_TEXT,
		.required = true,
		.help = "file to which a line for each transaction is appended",
		.check = is_path },
	{ .name = "turnstile",
		.type = FL_OPTION_TEXT,
		.help = "while this file does not exist, reading the configuration blocks",
		.check = pass_turnstile },
	{ .name = NULL },
};

static void close_sink(void *self)
{
	struct blocker *b = self;
	int const fds[] = { b->output, b->watch, b->wake };
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	fl_buf_finish(&b->lines);
	free(b);
}

static enum fl_outcome open_sink(const struct fl_host *host, const struct fl_settings *settings,
	void **ret_self, struct fl_err *err)
{
	struct blocker *b = calloc(1, sizeof(*b));
	if (b == NULL) {
		fl_err_set(err, FL_ENOMEM, "out of memory");
		return FL_FAILED;
	}
	b->host = host;
	b->gate = settings->text(settings->ctx, "gate");
	b->output = open(settings->text(settings->ctx, "output"),
		O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	b->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	b->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	size_t size = (size_t)(strrchr(b->gate, '/') - b->gate);
	fl_buf_append(&b->lines, b->gate, size > 0 ? size : 1);
	fl_buf_char(&b->lines, '\0');
	if (b->output < 0 || b->watch < 0 || b->wake < 0 || b->lines.failed ||
		inotify_add_watch(b->watch, b->lines.data, IN_CREATE | IN_MOVED_TO) < 0) {
		fl_err_set(err, FL_EFATAL, "blocker: %s", strerror(errno));
		close_sink(b);
		return FL_FAILED;
	}
	*ret_self = b;
	return FL_DONE;
}

/* FL_DONE once the gate is there, FL_RETRY if interrupted. */
static enum fl_outcome pass_gate(struct blocker *b)
{
	bool told = false;
	while (access(b->gate, F_OK) != 0) {
		if (!told)
			b->host->log(
				b->host->ctx, FL_LEVEL_INFO, "blocked until %s exists", b->gate);
		told = true;
		struct pollfd fds[] = { { .fd = b->watch, .events = POLLIN },
			{ .fd = b->wake, .events = POLLIN } };
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return FL_FAILED;
		if (fds[1].revents != 0)
			return FL_RETRY;
		char events[4096];
		while (read(b->watch, events, sizeof(events)) > 0)
			;
	}
	return FL_DONE;
}

static enum fl_outcome submit(void *self, const struct fl_batch *batch, struct fl_err *err)
{
	struct blocker *b = self;
	enum fl_outcome outcome = pass_gate(b);
	if (outcome != FL_DONE) {
		fl_err_set(err, FL_ESTOPPED, "interrupted at the gate");
		return outcome;
	}
	fl_buf_clear(&b->lines);
	for (size_t i = 0; i < batch->transaction_count; i++) {
		const struct fl_transaction *t = batch->transactions[i];
		char numbers[64];
		snprintf(numbers, sizeof(numbers), ":%llu %zu\n", (unsigned long long)t->position,
			t->change_count);
		fl_buf_append(&b->lines, t->gtid.data, t->gtid.size);
		fl_buf_text(&b->lines, t->gtid.size > 0 ? " " : "- ");
		fl_buf_append(&b->lines, t->file.data, t->file.size);
		fl_buf_text(&b->lines, numbers);
	}
	if (b->lines.failed ||
		(b->lines.size > 0 &&
			write(b->output, b->lines.data, b->lines.size) != (ssize_t)b->lines.size)) {
		fl_err_set(err, FL_EIO, "blocker: the output can't be written");
		return FL_FAILED;
	}
	return FL_DONE;
}

static void interrupt(void *self)
{
	struct blocker *b = self;
	uint64_t const one = 1;
	(void)!write(b->wake, &one, sizeof(one));
}

const struct fl_sink_plugin fl_sink_plugin = {
	.abi_major = FL_ABI_MAJOR,
	.abi_minor = FL_ABI_MINOR,
	.size = sizeof(struct fl_sink_plugin),
	.name = "blocker",
	.summary = "stalls while a file does not exist: for tests",
	.options = options,
	.takes = FL_TAKES_CHANGES,
	.open = open_sink,
	.submit = submit,
	.interrupt = interrupt,
	.close = close_sink,
};
