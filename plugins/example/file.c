/* SPDX-License-Identifier: Apache-2.0
 *
 * A sink that appends every row's new state to a file, a line of JSON each.
 */
#include <fastlane/sink.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct file_sink {
	const struct fl_host *host;
	int fd;
	struct fl_buf out; /* the lines of a batch */
};

static enum fl_outcome file_open(const struct fl_host *host, const struct fl_settings *settings,
	void **ret_self, struct fl_err *err)
{
	const char *path = settings->text(settings->ctx, "path");
	struct file_sink *self = calloc(1, sizeof(*self));
	if (self == NULL) {
		fl_err_set(err, FL_ENOMEM, "out of memory");
		return FL_RETRY;
	}
	self->host = host;
	self->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (self->fd < 0) {
		fl_err_set(err, FL_EIO, "%s can't be opened: %s", path, strerror(errno));
		free(self);	 /* a failed open leaves nothing behind */
		return FL_RETRY; /* somebody may mend it */
	}
	*ret_self = self;
	return FL_DONE;
}

/* One line; 0, or FL_E... if it can't be told what changed. */
static int append_change(struct file_sink *self, const struct fl_change *change, struct fl_err *err)
{
	int code = 0;
	switch (change->op) {
	case FL_INSERT:
	case FL_UPDATE:
		code = self->host->row_json(&change->after, &self->out, err);
		break;
	case FL_DELETE:
		fl_buf_text(&self->out, "{\"deleted\":");
		code = self->host->row_key_json(&change->before, &self->out, err);
		fl_buf_char(&self->out, '}');
		break;
	case FL_TRUNCATE:
	case FL_DDL:
		fl_buf_text(&self->out, "{\"sql\":");
		self->host->json_text(change->sql, &self->out);
		fl_buf_char(&self->out, '}');
		break;
	case FL_DOUBT:
		code = fl_err_set(err, FL_EUNSUPPORTED, "in doubt: %.*s", (int)change->doubt.size,
			change->doubt.data);
		break;
	}
	fl_buf_char(&self->out, '\n');
	return code;
}

static enum fl_outcome write_lines(struct file_sink *self, struct fl_err *err)
{
	off_t const begin = lseek(self->fd, 0, SEEK_END);
	for (size_t at = 0; at < self->out.size;) {
		ssize_t written = write(self->fd, self->out.data + at, self->out.size - at);
		if (written < 0 && errno != EINTR) {
			fl_err_set(err, FL_EIO, "the file can't be written: %s", strerror(errno));
			/* A full disk, say. The same lines come again: not behind half a line. */
			if (at > 0 && ftruncate(self->fd, begin) != 0)
				self->host->log(self->host->ctx, FL_LEVEL_WARN,
					"half a line is left in the file");
			return FL_RETRY;
		}
		at += written > 0 ? (size_t)written : 0;
	}
	return FL_DONE;
}

static enum fl_outcome file_submit(void *ctx, const struct fl_batch *batch, struct fl_err *err)
{
	struct file_sink *self = ctx;
	fl_buf_clear(&self->out);
	for (size_t t = 0; t < batch->transaction_count; t++) {
		const struct fl_transaction *transaction = batch->transactions[t];
		for (size_t i = 0; i < transaction->change_count; i++) {
			size_t const mark = self->out.size;
			int const code = append_change(self, &transaction->changes[i], err);
			if (code == 0)
				continue;
			if (code == FL_ENOMEM)
				return FL_RETRY;
			if (self->host->halt_on_doubt)
				return FL_FAILED;
			self->out.size = mark;
			fl_buf_text(&self->out, "{\"doubt\":");
			self->host->json_text(
				(struct fl_bytes){ err->text, strlen(err->text) }, &self->out);
			fl_buf_text(&self->out, "}\n");
		}
	}
	if (self->out.failed) {
		fl_err_set(err, FL_ENOMEM, "out of memory");
		return FL_RETRY;
	}
	return write_lines(self, err);
}

static void file_close(void *ctx)
{
	struct file_sink *self = ctx;
	close(self->fd);
	fl_buf_finish(&self->out);
	free(self);
}

static const struct fl_option options[] = {
	{ .name = "path", .required = true, .help = "the file that rows are appended to" },
	{ .name = NULL },
};

const struct fl_sink_plugin fl_sink_plugin = {
	.abi_major = FL_ABI_MAJOR,
	.abi_minor = FL_ABI_MINOR,
	.size = sizeof(struct fl_sink_plugin),
	.name = "file",
	.summary = "rows appended to a file",
	.options = options,
	.takes = FL_TAKES_CHANGES,
	.open = file_open,
	.submit = file_submit,
	.close = file_close,
};
