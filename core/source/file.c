/* SPDX-License-Identifier: Apache-2.0 */
#include "source/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "binlog/event.h"

enum {
	MAGIC_SIZE = 4,
	HEADER_SIZE = 19,
	SIZE_OFFSET = 9,  /* of an event's size in its header */
	CHUNK = 256 << 10 /* read at once */
};

struct fl_binlog_file {
	int fd;
	char name[FL_FILE_NAME_SIZE];
	uint64_t offset; /* of the next event */
	uint64_t size;	 /* of the file, when it was last looked at */
	struct fl_buf buf;
	size_t at; /* of the next event in the buffer */
};

static int check_kind(const char *path, const uint8_t *magic, size_t size, struct fl_err *err)
{
	if (size == MAGIC_SIZE && memcmp(magic,
					  "\xfe"
					  "bin",
					  MAGIC_SIZE) == 0)
		return 0;
	if (size == MAGIC_SIZE && memcmp(magic,
					  "\xfd"
					  "bin",
					  MAGIC_SIZE) == 0)
		return fl_err_set(err, FL_EUNSUPPORTED,
			"%s is encrypted: its server alone can read it; have the server send it "
			"(mysqlbinlog --read-from-remote-server --raw), or follow the server",
			path);
	return fl_err_set(
		err, FL_ECORRUPT, "%s is no binlog file: it does not begin with fe62696e", path);
}

int fl_binlog_file_open(const char *path, struct fl_binlog_file **ret, struct fl_err *err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	struct fl_bytes bytes = { name, strlen(name) };
	uint8_t magic[MAGIC_SIZE];
	struct stat status;
	if (!fl_file_name_is_valid(bytes))
		return fl_err_set(err, FL_EINVAL, "%s can't be the name of a binlog file", path);
	/* Opening a pipe would wait for its other end. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return fl_err_set(err, FL_EIO, "can't open %s: %s", path, strerror(errno));
	int result = 0;
	ssize_t got = 0;
	if (fstat(fd, &status) == 0 && !S_ISREG(status.st_mode))
		result = fl_err_set(err, FL_EIO, "%s is no file that can be read twice", path);
	else if ((got = pread(fd, magic, sizeof(magic), 0)) < 0)
		result = fl_err_set(err, FL_EIO, "can't read %s: %s", path, strerror(errno));
	else
		result = check_kind(path, magic, (size_t)got, err);
	struct fl_binlog_file *file = result == 0 ? calloc(1, sizeof(*file)) : NULL;
	if (result == 0 && file == NULL)
		result = fl_err_set(err, FL_ENOMEM, "out of memory");
	if (result != 0) {
		close(fd);
		return result;
	}
	file->fd = fd;
	file->size = (uint64_t)status.st_size;
	memcpy(file->name, name, bytes.size + 1);
	*ret = file;
	return fl_binlog_file_seek(file, MAGIC_SIZE, err);
}

void fl_binlog_file_close(struct fl_binlog_file *file)
{
	if (file == NULL)
		return;
	close(file->fd);
	fl_buf_finish(&file->buf);
	free(file);
}

const char *fl_binlog_file_name(const struct fl_binlog_file *file)
{
	return file->name;
}

uint64_t fl_binlog_file_offset(const struct fl_binlog_file *file)
{
	return file->offset;
}

int fl_binlog_file_seek(struct fl_binlog_file *file, uint64_t offset, struct fl_err *err)
{
	if (offset < MAGIC_SIZE || offset > file->size ||
		lseek(file->fd, (off_t)offset, SEEK_SET) < 0)
		return fl_err_set(err, FL_EINVAL, "%s has no offset %" PRIu64, file->name, offset);
	file->offset = offset;
	file->at = 0;
	fl_buf_clear(&file->buf);
	return 0;
}

/* Makes the buffer hold `size` bytes from the next event's begin, if the file has them. Whether it
 * does; `*ret_error` is errno. */
static bool fill(struct fl_binlog_file *file, size_t size, int *ret_error)
{
	*ret_error = 0;
	if (file->buf.size - file->at >= size)
		return true;
	if (file->at > 0)
		memmove(file->buf.data, file->buf.data + file->at, file->buf.size - file->at);
	file->buf.size -= file->at;
	file->at = 0;
	while (file->buf.size < size) {
		size_t more = size - file->buf.size;
		char *to = fl_buf_reserve(&file->buf, more < CHUNK ? CHUNK : more);
		if (to == NULL) {
			*ret_error = ENOMEM;
			return false;
		}
		ssize_t got = read(file->fd, to, more < CHUNK ? CHUNK : more);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			*ret_error = got < 0 ? errno : 0;
			return false;
		}
		file->buf.size += (size_t)got;
	}
	return true;
}

static enum fl_read failed(
	const struct fl_binlog_file *file, int error, const char *what, struct fl_err *err)
{
	fl_err_set(err, error != 0 ? FL_EIO : FL_ECORRUPT, "%s at %" PRIu64 ": %s", file->name,
		file->offset, error != 0 ? strerror(error) : what);
	return FL_READ_FATAL;
}

enum fl_read fl_binlog_file_read(
	struct fl_binlog_file *file, const uint8_t **ret_data, size_t *ret_size, struct fl_err *err)
{
	int error;
	if (!fill(file, HEADER_SIZE, &error)) {
		if (error == 0 && file->buf.size == file->at)
			return FL_READ_END;
		return failed(file, error, "the file ends within an event's header", err);
	}
	const uint8_t *data = (const uint8_t *)file->buf.data + file->at;
	uint32_t size = (uint32_t)fl_le(data + SIZE_OFFSET, 4);
	if (size < HEADER_SIZE)
		return failed(
			file, 0, "an event smaller than its header: the file is damaged", err);
	/* Lest a damaged size ask for more memory than the file is large. */
	if (size > file->size - file->offset) {
		struct stat status;
		if (fstat(file->fd, &status) == 0)
			file->size = (uint64_t)status.st_size;
		if (file->size < file->offset || size > file->size - file->offset)
			return failed(file, 0,
				"the file ends within an event: it is cut off, or damaged", err);
	}
	if (!fill(file, size, &error))
		return failed(file, error, "the file ends within an event", err);
	*ret_data = (const uint8_t *)file->buf.data + file->at;
	*ret_size = size;
	file->at += size;
	file->offset += size;
	return FL_READ_EVENT;
}

static int check_first(const char *path, const struct fl_event *event, struct fl_err *err)
{
	enum { FLAG_RELAY_LOG = 64 };
	if (event->type != FL_EVENT_FORMAT_DESCRIPTION)
		return fl_err_set(err, FL_ECORRUPT,
			"%s does not begin with a FORMAT_DESCRIPTION, but with %s: it is damaged",
			path, fl_event_name(event->type));
	/* Its places are another server's, and its own. */
	if ((event->flags & FLAG_RELAY_LOG) != 0)
		return fl_err_set(err, FL_EUNSUPPORTED,
			"%s is a relay log: read the binlog of the server that it comes from, or "
			"of the replica (log_replica_updates, log_slave_updates)",
			path);
	return 0;
}

int fl_binlog_file_begin(const char *path, struct fl_position *ret, struct fl_err *err)
{
	struct fl_binlog_file *file = NULL;
	struct fl_format format = { 0 };
	struct fl_gtid_set *gtids = NULL;
	int result = fl_binlog_file_open(path, &file, err);
	/* What tells the GTIDs stands in front of all that changes anything. */
	for (unsigned i = 0; i < 4 && result == 0 && gtids == NULL; i++) {
		const uint8_t *data;
		size_t size;
		struct fl_event event;
		if (fl_binlog_file_read(file, &data, &size, NULL) != FL_READ_EVENT ||
			fl_event_decode(&format, data, size, &event, NULL) != 0)
			break; /* told when it is read in earnest */
		if (i == 0)
			result = check_first(path, &event, err);
		if (result != 0)
			break;
		if (event.type == FL_EVENT_FORMAT_DESCRIPTION) {
			if (fl_format_decode(&event, &format, NULL) != 0)
				break;
		} else if (event.type == FL_EVENT_PREVIOUS_GTIDS ||
			   event.type == FL_EVENT_MARIADB_GTID_LIST) {
			gtids = fl_gtid_set_create();
			result = gtids != NULL ? fl_gtid_list_decode(&event, gtids, err)
					       : fl_err_set(err, FL_ENOMEM, "out of memory");
		}
	}
	if (result == 0) {
		fl_position_finish(ret);
		memcpy(ret->file, file->name, sizeof(ret->file));
		ret->offset = MAGIC_SIZE;
		ret->gtids = gtids;
		gtids = NULL;
	}
	fl_gtid_set_destroy(gtids);
	fl_binlog_file_close(file);
	return result;
}
