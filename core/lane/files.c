/* SPDX-License-Identifier: Apache-2.0
 *
 * A lane that reads binlog files, one after the other, instead of following a server. What its
 * sinks have already is passed over, so that files can be read that lie around their position.
 */
#include "base/log.h"
#include "lane/private.h"
#include "source/file.h"

/* The number at the end of a binlog file's name; -1 if there is none. */
static int64_t number_of(const char *file)
{
	int64_t number = 0;
	const char *digits = file + strlen(file);
	while (digits > file && digits[-1] >= '0' && digits[-1] <= '9')
		digits--;
	if (*digits == '\0')
		return -1;
	for (; *digits != '\0' && number < INT64_MAX / 10 - 1; digits++)
		number = number * 10 + (*digits - '0');
	return number;
}

/* Whether nothing is lacking between what the sinks have and where the first file begins. */
static int check_gap(struct fl_lane *lane, const struct fl_position *begin, struct fl_err *err)
{
	const struct fl_position *position = &lane->position;
	bool by_gtids = position->gtids != NULL && begin->gtids != NULL;
	bool fits;
	if (!by_gtids && strcmp(position->file, begin->file) != 0 &&
		(number_of(position->file) < 0 || number_of(begin->file) < 0))
		return fl_err_set(err, FL_EFATAL,
			"%s has no GTIDs, and its name does not tell how it lies to the sink's "
			"position, %s: give it the name that the server gave it",
			begin->file, position->file);
	if (by_gtids)
		fits = fl_gtid_set_covers(position->gtids, begin->gtids);
	else
		fits = position->file[0] != '\0' &&
		       fl_binlog_compare(
			       position->file, position->offset, begin->file, begin->offset) >= 0;
	if (fits)
		return 0;
	struct fl_buf text = { 0 };
	fl_position_format(position, &text);
	fl_err_set(err, FL_EFATAL,
		"the first file, %s, begins behind the sink's position (%.*s): name the files "
		"before it as well, or empty the cache and remove the position",
		begin->file, (int)(text.size < 200 ? text.size : 200),
		text.data != NULL ? text.data : "");
	fl_buf_finish(&text);
	return FL_EFATAL;
}

/* How a file lies to what has been read of those before it: 0 behind it; < 0: it begins earlier;
 * > 0: later, something is lacking. Where there are no GTIDs, the names tell: behind the end of a
 * file stands the next one's name, unless the server crashed. */
static int compare_begin(
	const struct fl_position *read, const struct fl_position *begin, const char *previous)
{
	if (read->gtids != NULL && begin->gtids != NULL) {
		if (!fl_gtid_set_covers(read->gtids, begin->gtids))
			return 1;
		if (!fl_gtid_set_covers(begin->gtids, read->gtids))
			return -1;
		if (!fl_gtid_set_is_empty(read->gtids))
			return 0;
	}
	bool has_ended = strcmp(read->file, previous) != 0;
	int64_t expected = has_ended ? number_of(read->file) : number_of(previous) + 1;
	int64_t number = number_of(begin->file);
	return (number > expected) - (number < expected);
}

/* Whether the file goes on where the one before it ended. */
static int check_order(struct fl_lane *lane, const char *path, const char *previous_path,
	const struct fl_gtid *torn, struct fl_err *err)
{
	struct fl_position begin = { 0 };
	const char *slash = strrchr(previous_path, '/');
	const char *previous = slash != NULL ? slash + 1 : previous_path;
	int result = fl_binlog_file_begin(path, &begin, err);
	if (result != 0)
		return result;
	int order = compare_begin(&lane->read, &begin, previous);
	/* A server may count what it had not finished when it crashed. */
	if (order > 0 && torn->kind != FL_GTID_NONE && lane->read.gtids != NULL &&
		fl_gtid_set_add(lane->read.gtids, torn) == 0)
		order = compare_begin(&lane->read, &begin, previous);
	if (order > 0)
		result = fl_err_set(err, FL_EFATAL,
			"there is binlog missing between %s and %s: name all files between them, "
			"in their order",
			previous, begin.file);
	else if (order < 0)
		result = fl_err_set(err, FL_EFATAL,
			"%s begins before %s ends: name each file once, in the order in which "
			"they were written",
			begin.file, previous);
	fl_position_finish(&begin);
	return result;
}

static int feed(struct fl_lane *lane, struct fl_binlog_file *file, struct fl_err *err)
{
	enum { TYPE_OFFSET = 4, ENCRYPTED = FL_EVENT_MARIADB_START_ENCRYPTION };
	const uint8_t *data;
	size_t size;
	uint64_t at = fl_binlog_file_offset(file);
	switch (fl_binlog_file_read(file, &data, &size, err)) {
	case FL_READ_EVENT:
		break;
	case FL_READ_END:
		return FL_ELOST;
	default:
		return FL_ECORRUPT;
	}
	if (data[TYPE_OFFSET] == ENCRYPTED)
		return fl_err_set(err, FL_EUNSUPPORTED,
			"%s at %llu: encrypted from here on: its server alone can read it; have "
			"the server send it (mariadb-binlog --read-from-remote-server --raw), or "
			"follow the server",
			fl_binlog_file_name(file), (unsigned long long)at);
	return fl_grouper_feed(lane->grouper, data, size, err);
}

/* Goes to the end of the last transaction that was emitted, for one that is read again: by way of
 * the file's format. */
static int rewind_file(struct fl_lane *lane, struct fl_binlog_file *file,
	const struct fl_collations *collations, struct fl_err *err)
{
	const struct fl_position *last = &lane->read;
	struct fl_position place = { .offset = 4 };
	memcpy(place.file, fl_binlog_file_name(file), sizeof(place.file));
	fl_grouper_restart(lane->grouper, &place, collations);
	int result = fl_binlog_file_seek(file, place.offset, err);
	if (result == 0)
		result = feed(lane, file, err);
	if (result != 0 || strcmp(last->file, place.file) != 0 || last->offset <= place.offset)
		return result;
	fl_grouper_move(lane->grouper, last->offset);
	return fl_binlog_file_seek(file, last->offset, err);
}

/* 0 at the file's end, FL_ESTOPPED, or another error. */
static int read_file(struct fl_lane *lane, const char *path, const struct fl_collations *collations,
	struct fl_err *err)
{
	struct fl_binlog_file *file = NULL;
	struct fl_position place = { .offset = 4 };
	int result = fl_binlog_file_open(path, &file, err);
	if (result != 0)
		return result;
	memcpy(place.file, fl_binlog_file_name(file), sizeof(place.file));
	fl_grouper_restart(lane->grouper, &place, collations);
	fl_info(NULL, "reads %s", path);
	while (result == 0) {
		result = feed(lane, file, err);
		if (result == FL_GROUPER_AGAIN)
			result = rewind_file(lane, file, collations, err);
		if (result == 0 && fl_grouper_at_boundary(lane->grouper) &&
			fl_lane_at_boundary(lane) != FL_NEXT_GO_ON)
			result = FL_ESTOPPED;
		if (atomic_load_explicit(&lane->stop, memory_order_relaxed))
			result = FL_ESTOPPED;
	}
	fl_binlog_file_close(file);
	return result == FL_ELOST ? 0 : result;
}

/* A transaction that a file leaves without its end. */
static int check_end(struct fl_lane *lane, bool is_last, struct fl_err *err)
{
	const char *file;
	uint64_t offset;
	if (fl_grouper_at_boundary(lane->grouper))
		return 0;
	fl_grouper_place(lane->grouper, &file, &offset);
	if (is_last)
		return fl_err_set(err, FL_ECORRUPT,
			"%s at %llu: the file ends within a transaction, of which nothing is "
			"applied",
			file, (unsigned long long)offset);
	fl_warn(NULL,
		"%s ends at %llu within a transaction, as a server's does that crashed: it is "
		"taken for rolled back",
		file, (unsigned long long)offset);
	return 0;
}

void fl_lane_read_files(struct fl_lane *lane)
{
	struct fl_err err = { 0 };
	struct fl_collations collations = { 0 };
	const char *const *paths = lane->config->files;
	struct fl_gtid torn = { 0 };
	fl_position_finish(&lane->replay);
	lane->replaying = true;
	int result = fl_binlog_file_begin(paths[0], &lane->replay, &err);
	if (result == 0)
		result = check_gap(lane, &lane->replay, &err);
	if (result == 0 && fl_position_copy(&lane->replay, &lane->read) != 0)
		result = fl_err_set(&err, FL_ENOMEM, "out of memory");
	if (result == 0 && fl_collations_known(&collations) != 0)
		result = fl_err_set(&err, FL_ENOMEM, "out of memory");
	for (size_t i = 0; paths[i] != NULL && result == 0; i++) {
		if (i > 0)
			result = check_order(lane, paths[i], paths[i - 1], &torn, &err);
		if (result == 0)
			result = read_file(lane, paths[i], &collations, &err);
		torn = *fl_grouper_gtid(lane->grouper);
		if (result == 0)
			result = check_end(lane, paths[i + 1] == NULL, &err);
	}
	if (result == 0)
		fl_lane_end_seats(lane, FL_SEAT_FINISHED, NULL);
	else if (result != FL_ESTOPPED)
		fl_lane_refuse(lane, &err);
	/* The grouper has a pointer to them, which it uses no more. */
	free(collations.by_id);
}
