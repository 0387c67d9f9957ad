/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libdeflate.h>
#include <limits.h>
#include <sys/file.h>
#include <unistd.h>

enum { LARGEST = 64 << 20, HEAD_SIZE = 300 };

/* The first line: whose position follows, and a checksum of it and of the name. */
static size_t make_head(const char *sink, struct fl_bytes position, char head[HEAD_SIZE])
{
	uint32_t sum = libdeflate_crc32(0, sink, strlen(sink));
	sum = libdeflate_crc32(sum, position.data, position.size);
	return (size_t)snprintf(head, HEAD_SIZE,
		"fastlane position 1 sink=%.200s crc32=%08" PRIx32 "\n", sink, sum);
}

static int failed(struct fl_err *err, const char *what, const char *path)
{
	return fl_err_set(err, FL_EIO, "can't %s %s: %s", what, path, strerror(errno));
}

static int write_whole(int fd, struct fl_bytes bytes)
{
	while (bytes.size > 0) {
		ssize_t size = write(fd, bytes.data, bytes.size);
		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return -1;
		bytes.data += size;
		bytes.size -= (size_t)size;
	}
	return 0;
}

static int sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	int result = fsync(fd);
	close(fd);
	return result;
}

int fl_checkpoint_save(
	const char *state_dir, const char *sink, struct fl_bytes position, struct fl_err *err)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	int size = snprintf(path, sizeof(path), "%s/%s.position", state_dir, sink);
	if (size < 0 || (size_t)size + sizeof(".new") > sizeof(fresh))
		return fl_err_set(err, FL_EIO, "the path of state_dir is too long");
	snprintf(fresh, sizeof(fresh), "%.*s.new", size, path);

	/* Whatever lies there, of a run that was cut short or of somebody else, is not written to.
	 */
	unlink(fresh);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return failed(err, "create", fresh);
	char head[HEAD_SIZE];
	struct fl_bytes const first = { head, make_head(sink, position, head) };
	struct fl_bytes const line_end = { "\n", 1 };
	if (write_whole(fd, first) != 0 || write_whole(fd, position) != 0 ||
		write_whole(fd, line_end) != 0 || fsync(fd) != 0) {
		failed(err, "write", fresh);
		close(fd);
		unlink(fresh);
		return FL_EIO;
	}
	close(fd);
	if (rename(fresh, path) != 0)
		return failed(err, "replace", path);
	return sync_folder(state_dir) == 0 ? 0 : failed(err, "sync", state_dir);
}

/* Reads the file behind what is in the buffer. */
static int read_whole(int fd, const char *path, struct fl_buf *ret, struct fl_err *err)
{
	size_t const before = ret->size;
	ssize_t size;
	do {
		char *to = fl_buf_reserve(ret, 4096);
		size = to != NULL ? read(fd, to, 4096) : -1;
		ret->size += size > 0 ? (size_t)size : 0;
	} while ((size > 0 && ret->size - before < LARGEST) ||
		 (size < 0 && errno == EINTR && !ret->failed));
	if (ret->failed)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	return size < 0 ? failed(err, "read", path) : 0;
}

/* Takes the head and the last line break off what was read. */
static int check(
	const char *sink, const char *path, size_t before, struct fl_buf *ret, struct fl_err *err)
{
	char head[HEAD_SIZE], name[201] = "";
	char const *text = ret->data + before;
	size_t const size = ret->size - before;
	const char *end = memchr(text, '\n', size);
	size_t const head_size = end != NULL ? (size_t)(end - text) + 1 : 0;
	if (head_size > 0 && head_size < HEAD_SIZE) {
		memcpy(head, text, head_size);
		head[head_size] = '\0';
		if (sscanf(head, "fastlane position 1 sink=%200s crc32=%*8x\n", name) == 1 &&
			strcmp(name, sink) != 0)
			return fl_err_set(err, FL_ECORRUPT,
				"%s is that of the sink %s: give each fastlane a state_dir of its "
				"own; or remove it to begin at `start` with an empty cache",
				path, name);
	}
	struct fl_bytes position = { text + head_size, size - head_size };
	bool whole = head_size > 0 && position.size > 1 && position.data[position.size - 1] == '\n';
	position.size -= whole;
	whole = whole && make_head(sink, position, head) == head_size &&
		memcmp(head, text, head_size) == 0;
	if (!whole)
		return fl_err_set(err, FL_ECORRUPT,
			"%s is damaged, or not a file of fastlane's; remove it to begin at `start` "
			"with an empty cache",
			path);
	memmove(ret->data + before, position.data, position.size);
	ret->size = before + position.size;
	return 1;
}

int fl_checkpoint_load(
	const char *state_dir, const char *sink, struct fl_buf *ret, struct fl_err *err)
{
	char path[PATH_MAX];
	int length = snprintf(path, sizeof(path), "%s/%s.position", state_dir, sink);
	if (length < 0 || (size_t)length >= sizeof(path))
		return fl_err_set(err, FL_EIO, "the path of state_dir is too long");
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : failed(err, "open", path);
	size_t const before = ret->size;
	int result = read_whole(fd, path, ret, err);
	close(fd);
	if (result == 0)
		result = check(sink, path, before, ret, err);
	if (result != 1)
		ret->size = before;
	return result;
}

int fl_checkpoint_lock(const char *state_dir, int *ret_fd, struct fl_err *err)
{
	char path[PATH_MAX];
	int size = snprintf(path, sizeof(path), "%s/" FL_LOCK_NAME, state_dir);
	if (size < 0 || (size_t)size >= sizeof(path))
		return fl_err_set(err, FL_EIO, "the path of state_dir is too long");
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return failed(err, "create", path);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int result =
			errno == EWOULDBLOCK
				? fl_err_set(err, FL_EIO,
					  "another fastlane uses state_dir = %s: give each its own",
					  state_dir)
				: failed(err, "lock", path);
		close(fd);
		return result;
	}
	*ret_fd = fd;
	return 0;
}
