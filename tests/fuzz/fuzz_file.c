/* SPDX-License-Identifier: Apache-2.0
 *
 * Input: a binlog file. Its events are read one behind the other, and again from where one begins.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "source/file.h"
#include "target.h"

/* Reads to the end, and tells where the last event begins. */
static uint64_t read_all(struct fl_binlog_file *file, size_t file_size)
{
	const uint8_t *data;
	size_t size;
	struct fl_err err = { 0 };
	uint64_t last = fl_binlog_file_offset(file), begin = last;
	enum fl_read result;
	while ((result = fl_binlog_file_read(file, &data, &size, &err)) == FL_READ_EVENT) {
		must(size >= 19 && fl_le(data + 9, 4) == size);
		must(fl_binlog_file_offset(file) == begin + size);
		last = begin;
		begin += size;
	}
	must(result == FL_READ_END || result == FL_READ_FATAL);
	must(result == FL_READ_END ? begin == file_size : err.code == FL_ECORRUPT);
	must(fl_binlog_file_offset(file) == begin && begin <= file_size);
	return last;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[40];
	struct fl_binlog_file *file = NULL;
	struct fl_position begin = { 0 };
	struct fl_err err = { 0 };
	int fd = memfd_create("binlog.000001", MFD_CLOEXEC);
	must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int rc = fl_binlog_file_open(path, &file, &err);
	must((rc == FL_OK) == (err.code == FL_OK) && (rc == FL_OK) == (file != NULL));
	if (rc == FL_OK) {
		uint64_t last = read_all(file, size);
		must(fl_binlog_file_seek(file, last, NULL) == FL_OK);
		must(read_all(file, size) == last);
		must(fl_binlog_file_seek(file, (uint64_t)size + 1, NULL) != FL_OK);
	}
	fl_binlog_file_close(file);
	rc = fl_binlog_file_begin(path, &begin, &err);
	must(rc == FL_OK ? begin.offset == 4 : begin.gtids == NULL);
	fl_position_finish(&begin);
	close(fd);
	return 0;
}
