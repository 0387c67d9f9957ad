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
	struct fl_buf head;	   /* {"db":...,"table":...,"op":" of the last table */
	struct fl_bytes db, table; /* its names, where they lie in the batch; NULL in a new one */
	struct fl_buf origin;	   /* ","ts_us":...,"xid":... of the transaction */
	struct fl_buf file;	   /* ,"file":"...","pos": of the last binlog file */
	struct fl_buf file_name;   /* that file */
	struct fl_err why;	   /* of a row that can't be shown */
};

/* The process has one stdout: one instance at a time writes to it, and the next one has to know
 * that the last one stopped within a line. */
static atomic_bool in_use;
static bool torn;

enum { DIGITS_MAX = 20 };

static inline char *put(char *to, const void *data, size_t size)
{
	memcpy(to, data, size);
	return to + size;
}

/* Of a text that stands in the source. */
#define PUT(to, text)	  put(to, text, sizeof(text) - 1)
#define APPEND(out, text) fl_buf_append(out, text, sizeof(text) - 1)

static char *put_uint(char *to, uint64_t value)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";
	char digits[DIGITS_MAX], *at = digits + sizeof(digits);
	for (; value >= 100; value /= 100) {
		at -= 2;
		memcpy(at, pairs + value % 100 * 2, 2);
	}
	if (value >= 10) {
		at -= 2;
		memcpy(at, pairs + value * 2, 2);
	} else {
		*--at = (char)('0' + value);
	}
	return put(to, at, (size_t)(digits + sizeof(digits) - at));
}

static char *put_int(char *to, int64_t value)
{
	if (value < 0)
		*to++ = '-';
	return put_uint(to, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static inline bool is_at(struct fl_bytes a, struct fl_bytes b)
{
	return a.data == b.data && a.size == b.size;
}

/* The start of a line, which is made once for a run of changes to one table. Told by where its
 * names lie, which means nothing beyond the batch. */
static void make_head(struct stdout_sink *self, const struct fl_change *change)
{
	self->db = change->db;
	self->table = change->table;
	fl_buf_clear(&self->head);
	APPEND(&self->head, "{\"db\":");
	self->host->json_text(change->db, &self->head);
	APPEND(&self->head, ",\"table\":");
	self->host->json_text(change->table, &self->head);
	APPEND(&self->head, ",\"op\":\"");
}

static void make_file(struct stdout_sink *self, struct fl_bytes file)
{
	fl_buf_clear(&self->file_name);
	fl_buf_append(&self->file_name, file.data, file.size);
	fl_buf_clear(&self->file);
	APPEND(&self->file, ",\"file\":");
	self->host->json_text(file, &self->file);
	APPEND(&self->file, ",\"pos\":");
}

static void make_origin(struct stdout_sink *self, const struct fl_transaction *transaction)
{
	struct fl_buf *origin = &self->origin;
	struct fl_bytes const file = transaction->file;
	if (self->file.size == 0 || self->file_name.size != file.size ||
		(file.size > 0 && memcmp(self->file_name.data, file.data, file.size) != 0))
		make_file(self, file);
	fl_buf_clear(origin);
	char *to = fl_buf_reserve(origin, 32 + DIGITS_MAX);
	if (to == NULL)
		return;
	to = put_int(PUT(to, "\",\"ts_us\":"), transaction->commit_us);
	if (transaction->gtid.size > 0) {
		to = PUT(to, ",\"gtid\":");
		origin->size = (size_t)(to - origin->data);
		self->host->json_text(transaction->gtid, origin);
	} else {
		origin->size = (size_t)(to - origin->data);
	}
	to = fl_buf_reserve(origin, self->file.size + 32 + 2 * DIGITS_MAX);
	if (to == NULL)
		return;
	to = put_uint(put(to, self->file.data, self->file.size), transaction->position);
	if (transaction->xid != 0)
		to = put_uint(PUT(to, ",\"xid\":"), transaction->xid);
	origin->size = (size_t)(to - origin->data);
}

/* Of eight bytes, which are copied at once. */
static const struct op_name {
	char text[8];
	uint8_t size;
} op_names[] = {
	[FL_INSERT] = { "insert", 6 },
	[FL_UPDATE] = { "update", 6 },
	[FL_DELETE] = { "delete", 6 },
	[FL_TRUNCATE] = { { 't', 'r', 'u', 'n', 'c', 'a', 't', 'e' }, 8 },
	[FL_DDL] = { "ddl", 3 },
	[FL_DOUBT] = { "doubt", 5 },
};

/* What a line begins with, up to what its kind has; false: out of memory. */
static inline bool append_start(
	struct stdout_sink *self, const struct fl_change *change, bool commits)
{
	struct fl_buf *out = &self->out;
	if (!is_at(self->db, change->db) || !is_at(self->table, change->table) ||
		self->db.data == NULL)
		make_head(self, change);
	const struct op_name *op = &op_names[change->op];
	char *to = fl_buf_reserve(out, self->head.size + self->origin.size + 32);
	if (to == NULL || self->head.failed)
		return false;
	to = put(to, self->head.data, self->head.size);
	memcpy(to, op->text, sizeof(op->text));
	to = put(to + op->size, self->origin.data, self->origin.size);
	if (commits)
		to = PUT(to, ",\"commit\":true");
	out->size = (size_t)(to - out->data);
	return true;
}

static int append_rows(struct stdout_sink *self, const struct fl_change *change, struct fl_err *err)
{
	const struct fl_host *host = self->host;
	struct fl_buf *out = &self->out;
	const struct fl_row *row = change->op == FL_DELETE ? &change->before : &change->after;

	APPEND(out, ",\"key\":");
	int r = host->row_key_json(row, out, err);
	if (r != 0)
		return r;
	APPEND(out, ",\"row\":");
	r = host->row_json(row, out, err);
	if (r == 0 && change->op == FL_UPDATE) {
		APPEND(out, ",\"old\":");
		r = host->row_old_json(&change->before, &change->after, out, err);
	}
	APPEND(out, "}\n");
	return r;
}

/* 0, or FL_E... if doubts are to halt the sink. */
static int append_doubt(struct stdout_sink *self, const struct fl_transaction *transaction,
	const struct fl_change *change, struct fl_bytes doubt, struct fl_err *err)
{
	if (self->host->halt_on_doubt)
		return fl_err_set(err, FL_EFATAL,
			"a change to %.*s.%.*s before %.*s:%llu is in doubt: %.*s",
			(int)change->db.size, change->db.data, (int)change->table.size,
			change->table.data, (int)transaction->file.size, transaction->file.data,
			(unsigned long long)transaction->position, (int)doubt.size, doubt.data);
	APPEND(&self->out, ",\"doubt\":");
	self->host->json_text(doubt, &self->out);
	APPEND(&self->out, "}\n");
	return 0;
}

/* 0, or FL_E... if the change is in doubt and that is to halt the sink. */
static int append_change(struct stdout_sink *self, const struct fl_transaction *transaction,
	const struct fl_change *change, bool commits, struct fl_err *err)
{
	struct fl_buf *out = &self->out;
	if (!append_start(self, change, commits))
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	switch (change->op) {
	case FL_TRUNCATE:
	case FL_DDL:
		APPEND(out, ",\"sql\":");
		self->host->json_text(change->sql, out);
		APPEND(out, "}\n");
		return 0;
	case FL_DOUBT:
		return append_doubt(self, transaction, change, change->doubt, err);
	case FL_INSERT:
	case FL_UPDATE:
	case FL_DELETE:
		break;
	}
	size_t const mark = out->size;
	if (append_rows(self, change, &self->why) == 0)
		return 0;
	if (out->failed)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	out->size = mark;
	struct fl_bytes const doubt = { self->why.text, strlen(self->why.text) };
	return append_doubt(self, transaction, change, doubt, err);
}

/* The transaction's changes have all been passed on in earlier parts: who waits for its end must
 * still be told. */
static void append_commit(struct stdout_sink *self)
{
	APPEND(&self->out, "{\"db\":\"\",\"table\":\"\",\"op\":\"commit");
	fl_buf_append(&self->out, self->origin.data, self->origin.size);
	APPEND(&self->out, ",\"commit\":true}\n");
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
	self->db = self->table = (struct fl_bytes){ 0 };
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
		if (self->out.failed || self->origin.failed || self->file.failed ||
			self->file_name.failed) {
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
	fl_buf_finish(&self->origin);
	fl_buf_finish(&self->file);
	fl_buf_finish(&self->file_name);
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
