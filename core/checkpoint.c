/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <unistd.h>

enum { LARGEST = 64 << 20 };

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

	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0)
		return failed(err, "create", fresh);
	struct fl_bytes line_end = { "\n", 1 };
	if (write_whole(fd, position) != 0 || write_whole(fd, line_end) != 0 || fsync(fd) != 0) {
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

int fl_checkpoint_load(
	const char *state_dir, const char *sink, struct fl_buf *ret, struct fl_err *err)
{
	char path[PATH_MAX];
	int length = snprintf(path, sizeof(path), "%s/%s.position", state_dir, sink);
	if (length < 0 || (size_t)length >= sizeof(path))
		return fl_err_set(err, FL_EIO, "the path of state_dir is too long");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : failed(err, "open", path);

	size_t before = ret->size;
	ssize_t size;
	do {
		char *to = fl_buf_reserve(ret, 4096);
		size = to != NULL ? read(fd, to, 4096) : -1;
		ret->size += size > 0 ? (size_t)size : 0;
	} while ((size > 0 && ret->size - before < LARGEST) ||
		 (size < 0 && errno == EINTR && !ret->failed));
	int result = 1;
	if (size < 0)
		result = failed(err, "read", path);
	else if (size > 0 || ret->size == before || ret->data[ret->size - 1] != '\n')
		result = fl_err_set(err, FL_ECORRUPT,
			"%s is damaged; remove it to begin at `start` with an empty cache", path);
	close(fd);
	ret->size = result == 1 ? ret->size - 1 : before;
	return result;
}

int fl_checkpoint_lock(const char *state_dir, int *ret_fd, struct fl_err *err)
{
	char path[PATH_MAX];
	int size = snprintf(path, sizeof(path), "%s/fastlane.lock", state_dir);
	if (size < 0 || (size_t)size >= sizeof(path))
		return fl_err_set(err, FL_EIO, "the path of state_dir is too long");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
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
