/* SPDX-License-Identifier: Apache-2.0
 *
 * The stdout sink: every change as one line of JSON on the daemon's standard output.
 *
 * At least once: a line is repeated when its batch could not be written to the end, or when the
 * daemon ended before its position was saved. What was cut off in mid-line is closed with a line
 * break before anything else is written, so that a reader finds at most one line that is no JSON,
 * and its change again further down.
 */
#include <fastlane/sink.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is rendered before it is written, unless a transaction is larger: small enough to stay in
 * the processor's cache, large enough for the system calls not to count. */
enum { FLUSH_AT = 256 * 1024 };

struct stdout_sink {
	const struct fl_host *host;
	int fd;
	bool is_socket;
	bool may_block; /* the descriptor is shared with others: its flags are not ours to change */
	int wake;	/* an eventfd: readable from interrupt() on */
	struct fl_buf out;
	struct fl_buf head;  /* {"db":...,"table":...,"op":" of the last table */
	struct fl_buf table; /* that table's name, and how much of it is the database's */
	size_t db_size;
	struct fl_buf origin; /* ","ts_us":...,"xid":... of the transaction */
};

/* The process has one stdout: one instance at a time writes to it, and the next one has to know
 * that the last one stopped within a line. */
static atomic_bool in_use;
static bool torn;

static void append_uint(struct fl_buf *out, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	fl_buf_append(out, digits + at, sizeof(digits) - at);
}

static void append_int(struct fl_buf *out, int64_t value)
{
	if (value < 0)
		fl_buf_char(out, '-');
	append_uint(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* The start of a line, which is made once for a run of changes to one table. Compared by its bytes:
 * the memory of a table's definition may since be another's. */
static void append_head(struct stdout_sink *self, const struct fl_change *change)
{
	if (self->db_size != change->db.size ||
		self->table.size != change->db.size + change->table.size || self->head.size == 0 ||
		(change->db.size > 0 &&
			memcmp(self->table.data, change->db.data, change->db.size) != 0) ||
		(change->table.size > 0 && memcmp(self->table.data + change->db.size,
						   change->table.data, change->table.size) != 0)) {
		fl_buf_clear(&self->table);
		fl_buf_append(&self->table, change->db.data, change->db.size);
		fl_buf_append(&self->table, change->table.data, change->table.size);
		self->db_size = change->db.size;
		fl_buf_clear(&self->head);
		fl_buf_text(&self->head, "{\"db\":");
		self->host->json_text(change->db, &self->head);
		fl_buf_text(&self->head, ",\"table\":");
		self->host->json_text(change->table, &self->head);
		fl_buf_text(&self->head, ",\"op\":\"");
	}
	fl_buf_append(&self->out, self->head.data, self->head.size);
}

static void make_origin(struct stdout_sink *self, const struct fl_transaction *transaction)
{
	struct fl_buf *origin = &self->origin;
	fl_buf_clear(origin);
	fl_buf_text(origin, "\",\"ts_us\":");
	append_int(origin, transaction->commit_us);
	if (transaction->gtid.size > 0) {
		fl_buf_text(origin, ",\"gtid\":");
		self->host->json_text(transaction->gtid, origin);
	}
	fl_buf_text(origin, ",\"file\":");
	self->host->json_text(transaction->file, origin);
	fl_buf_text(origin, ",\"pos\":");
	append_uint(origin, transaction->position);
	if (transaction->xid != 0) {
		fl_buf_text(origin, ",\"xid\":");
		append_uint(origin, transaction->xid);
	}
}

static const char *op_name(enum fl_op op)
{
	switch (op) {
	case FL_INSERT:
		return "insert";
	case FL_UPDATE:
		return "update";
	case FL_DELETE:
		return "delete";
	case FL_TRUNCATE:
		return "truncate";
	case FL_DDL:
		return "ddl";
	case FL_DOUBT:
		break;
	}
	return "doubt";
}

static int append_rows(struct stdout_sink *self, const struct fl_change *change, struct fl_err *err)
{
	const struct fl_host *host = self->host;
	struct fl_buf *out = &self->out;
	const struct fl_row *row = change->op == FL_DELETE ? &change->before : &change->after;

	fl_buf_text(out, ",\"key\":");
	int r = host->row_key_json(row, out, err);
	if (r != 0)
		return r;
	fl_buf_text(out, ",\"row\":");
	r = host->row_json(row, out, err);
	if (r != 0 || change->op != FL_UPDATE)
		return r;
	fl_buf_text(out, ",\"old\":");
	return host->row_old_json(&change->before, &change->after, out, err);
}

/* 0, or FL_E... if the change is in doubt and that is to halt the sink. */
static int append_change(struct stdout_sink *self, const struct fl_transaction *transaction,
	const struct fl_change *change, bool commits, struct fl_err *err)
{
	struct fl_buf *out = &self->out;
	struct fl_bytes doubt = change->op == FL_DOUBT ? change->doubt : (struct fl_bytes){ 0 };
	struct fl_err why = { 0 };

	append_head(self, change);
	fl_buf_text(out, op_name(change->op));
	fl_buf_append(out, self->origin.data, self->origin.size);
	if (commits)
		fl_buf_text(out, ",\"commit\":true");
	if (change->op == FL_TRUNCATE || change->op == FL_DDL) {
		fl_buf_text(out, ",\"sql\":");
		self->host->json_text(change->sql, out);
	} else if (change->op != FL_DOUBT) {
		size_t mark = out->size;
		if (append_rows(self, change, &why) != 0) {
			if (out->failed)
				return fl_err_set(err, FL_ENOMEM, "out of memory");
			out->size = mark;
			doubt = (struct fl_bytes){ why.text, strlen(why.text) };
		}
	}
	if (doubt.data != NULL || change->op == FL_DOUBT) {
		if (self->host->halt_on_doubt)
			return fl_err_set(err, FL_EFATAL,
				"a change to %.*s.%.*s before %.*s:%llu is in doubt: %.*s",
				(int)change->db.size, change->db.data, (int)change->table.size,
				change->table.data, (int)transaction->file.size,
				transaction->file.data, (unsigned long long)transaction->position,
				(int)doubt.size, doubt.data);
		fl_buf_text(out, ",\"doubt\":");
		self->host->json_text(doubt, out);
	}
	fl_buf_text(out, "}\n");
	return 0;
}

/* The transaction's changes have all been passed on in earlier parts: who waits for its end must
 * still be told. */
static void append_commit(struct stdout_sink *self)
{
	fl_buf_text(&self->out, "{\"db\":\"\",\"table\":\"\",\"op\":\"commit");
	fl_buf_append(&self->out, self->origin.data, self->origin.size);
	fl_buf_text(&self->out, ",\"commit\":true}\n");
}

/* Waits until something can be written, and writes it. Returns what write() does; ECANCELED once
 * interrupted. */
static ssize_t write_some(struct stdout_sink *self, const char *data, size_t size)
{
	struct pollfd fds[2] = { { .fd = self->fd, .events = POLLOUT },
		{ .fd = self->wake, .events = POLLIN } };
	if (poll(fds, 2, -1) < 0)
		return -1;
	if (fds[1].revents != 0) {
		errno = ECANCELED;
		return -1;
	}
	if (self->is_socket)
		return send(self->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	/* poll() promises room for PIPE_BUF bytes. */
	return write(self->fd, data, self->may_block && size > PIPE_BUF ? PIPE_BUF : size);
}

static enum fl_outcome write_failed(struct fl_err *err)
{
	switch (errno) {
	case ECANCELED:
		fl_err_set(err, FL_ESTOPPED, "interrupted");
		return FL_RETRY;
	case EPIPE:
	case ECONNRESET:
		fl_err_set(err, FL_EFATAL, "the reader of stdout is gone");
		return FL_FAILED;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
	case EIO:
	case ENOMEM:
	case ENOBUFS:
		/* Somebody will make room; until then nothing is lost by waiting. */
		fl_err_set(err, FL_EIO, "stdout can't be written: %s", strerror(errno));
		return FL_RETRY;
	default:
		fl_err_set(err, FL_EFATAL, "stdout can't be written: %s", strerror(errno));
		return FL_FAILED;
	}
}

static enum fl_outcome write_out(struct stdout_sink *self, struct fl_err *err)
{
	const char *at = self->out.data;
	size_t left = self->out.size;
	while (left > 0) {
		ssize_t written = write_some(self, at, left);
		if (written < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (written < 0)
			return write_failed(err);
		at += written;
		left -= (size_t)written;
		torn = written > 0 ? at[-1] != '\n' : torn;
	}
	fl_buf_clear(&self->out);
	return FL_DONE;
}

static enum fl_outcome stdout_submit(void *ctx, const struct fl_batch *batch, struct fl_err *err)
{
	struct stdout_sink *self = ctx;
	fl_buf_clear(&self->out);
	for (size_t t = 0; t < batch->transaction_count; t++) {
		const struct fl_transaction *transaction = batch->transactions[t];
		size_t count = transaction->change_count;
		make_origin(self, transaction);
		if (torn && self->out.size == 0)
			fl_buf_char(&self->out, '\n');
		for (size_t i = 0; i < count; i++) {
			bool commits = transaction->last && i + 1 == count;
			int r = append_change(
				self, transaction, &transaction->changes[i], commits, err);
			if (r != 0)
				return r == FL_ENOMEM ? FL_RETRY : FL_FAILED;
		}
		if (count == 0 && transaction->last && !transaction->first)
			append_commit(self);
		if (self->out.failed || self->head.failed || self->table.failed ||
			self->origin.failed) {
			fl_err_set(err, FL_ENOMEM, "out of memory");
			return FL_RETRY;
		}
		if (self->out.size >= FLUSH_AT || t + 1 == batch->transaction_count) {
			enum fl_outcome outcome = write_out(self, err);
			if (outcome != FL_DONE)
				return outcome;
		}
	}
	return FL_DONE;
}

/* Whether the file's last line has no end: a writer before us was killed, or the disk was full. */
static bool ends_within_line(const struct stat *file)
{
	char last = '\n';
	int fd = open("/proc/self/fd/1", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return false;
	ssize_t got = pread(fd, &last, 1, file->st_size - 1);
	close(fd);
	return got == 1 && last != '\n';
}

/* Makes self->fd something that can be written to without blocking, so that interrupt() works. */
static enum fl_outcome open_output(struct stdout_sink *self, struct fl_err *err)
{
	struct stat file;
	if (fstat(STDOUT_FILENO, &file) != 0) {
		fl_err_set(err, FL_EFATAL, "stdout is closed");
		return FL_FAILED;
	}
	if (S_ISREG(file.st_mode) && file.st_size > 0 && ends_within_line(&file))
		torn = true;
	self->is_socket = S_ISSOCK(file.st_mode);
	/* One that the caller has closed is there, but can't be written to. */
	if ((fcntl(STDOUT_FILENO, F_GETFL) & O_ACCMODE) == O_RDONLY) {
		fl_err_set(err, FL_EFATAL, "stdout is closed, or was not opened for writing");
		return FL_FAILED;
	}
	if (S_ISFIFO(file.st_mode) || S_ISCHR(file.st_mode)) {
		/* O_NONBLOCK belongs to the open file, which a shell and other processes may
		 * share: have one of our own. */
		self->fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (self->fd >= 0)
			return FL_DONE;
		if (errno == ENXIO) {
			fl_err_set(err, FL_EFATAL, "the reader of stdout is gone");
			return FL_FAILED;
		}
		self->may_block = true;
	}
	self->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (self->fd >= 0)
		return FL_DONE;
	fl_err_set(err, FL_EIO, "stdout can't be used: %s", strerror(errno));
	return FL_RETRY;
}

static void stdout_close(void *ctx)
{
	struct stdout_sink *self = ctx;
	if (self->fd >= 0)
		close(self->fd);
	if (self->wake >= 0)
		close(self->wake);
	fl_buf_finish(&self->out);
	fl_buf_finish(&self->head);
	fl_buf_finish(&self->table);
	fl_buf_finish(&self->origin);
	free(self);
	atomic_store(&in_use, false);
}

static enum fl_outcome stdout_open(const struct fl_host *host, const struct fl_settings *settings,
	void **ret_self, struct fl_err *err)
{
	(void)settings;
	if (atomic_exchange(&in_use, true)) {
		fl_err_set(err, FL_EFATAL, "there is one stdout, and another sink writes to it");
		return FL_FAILED;
	}
	struct stdout_sink *self = calloc(1, sizeof(*self));
	if (self == NULL) {
		atomic_store(&in_use, false);
		fl_err_set(err, FL_ENOMEM, "out of memory");
		return FL_RETRY;
	}
	self->host = host;
	self->fd = self->wake = -1;
	/* In this order: if stdout is closed, the next descriptor that is opened takes its place.
	 */
	enum fl_outcome outcome = open_output(self, err);
	if (outcome == FL_DONE) {
		self->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (self->wake < 0) {
			fl_err_set(err, FL_EIO, "no eventfd: %s", strerror(errno));
			outcome = FL_RETRY;
		}
	}
	if (outcome != FL_DONE) {
		stdout_close(self);
		return outcome;
	}
	*ret_self = self;
	return FL_DONE;
}

static void stdout_interrupt(void *ctx)
{
	struct stdout_sink *self = ctx;
	uint64_t one = 1;
	/* It fails only if the counter is full, and then it is readable already. */
	ssize_t ignored = write(self->wake, &one, sizeof(one));
	(void)ignored;
}

static const struct fl_option options[] = { { .name = NULL } };

const struct fl_sink_plugin fl_sink_plugin = {
	.abi_major = FL_ABI_MAJOR,
	.abi_minor = FL_ABI_MINOR,
	.size = sizeof(struct fl_sink_plugin),
	.name = "stdout",
	.summary = "every change as a line of JSON on standard output",
	.options = options,
	.takes = FL_TAKES_CHANGES,
	.open = stdout_open,
	.submit = stdout_submit,
	.interrupt = stdout_interrupt,
	.close = stdout_close,
};
