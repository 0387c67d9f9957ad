/* SPDX-License-Identifier: Apache-2.0
 *
 * What a request to /wait asks for, and whether a position has it. Pure.
 */
#include "http/private.h"

enum { TIMEOUT_MS = 1000, LONGEST_TIMEOUT_MS = 60000 };

static bool is_named(struct fl_bytes name, const char *what)
{
	return name.size == strlen(what) && memcmp(name.data, what, name.size) == 0;
}

/* Digits alone. */
static bool read_number(struct fl_bytes text, uint64_t most, uint64_t *ret)
{
	uint64_t number = 0;
	for (size_t i = 0; i < text.size; i++) {
		unsigned const digit = (unsigned)(text.data[i] - '0');
		if (text.data[i] < '0' || text.data[i] > '9' || digit > most ||
			number > (most - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	*ret = number;
	return text.size > 0;
}

static int take_gtid(struct fl_target *target, struct fl_bytes value, struct fl_err *err)
{
	int result = fl_gtid_set_parse(value, &target->gtids, err);
	if (result == 0 && fl_gtid_set_is_empty(target->gtids))
		result = fl_err_set(err, FL_EINVAL,
			"gtid is empty: the session has written nothing, or has not asked for it");
	return result;
}

/* "binlog.000017:4711". */
static int take_place(struct fl_target *target, struct fl_bytes value, struct fl_err *err)
{
	const char *colon = value.size > 0 ? memrchr(value.data, ':', value.size) : NULL;
	struct fl_bytes const file = { value.data,
		colon != NULL ? (size_t)(colon - value.data) : 0 };
	char const last = file.size > 0 ? file.data[file.size - 1] : ' ';
	if (!fl_file_name_is_valid(file) || last < '0' || last > '9' ||
		!read_number((struct fl_bytes){ colon + 1, value.size - file.size - 1 }, UINT64_MAX,
			&target->offset))
		return fl_err_set(
			err, FL_EINVAL, "pos must be FILE:OFFSET, such as binlog.000017:4711");
	memcpy(target->file, file.data, file.size);
	target->file[file.size] = '\0';
	return 0;
}

static int take_sink(struct fl_target *target, struct fl_bytes value, struct fl_err *err)
{
	if (value.size == 0 || value.size >= sizeof(target->sink) ||
		memchr(value.data, '\0', value.size) != NULL)
		return fl_err_set(err, FL_EINVAL, "sink must be the name of one");
	memcpy(target->sink, value.data, value.size);
	target->sink[value.size] = '\0';
	return 0;
}

static int take_timeout(struct fl_target *target, struct fl_bytes value, struct fl_err *err)
{
	uint64_t ms;
	if (!read_number(value, LONGEST_TIMEOUT_MS, &ms))
		return fl_err_set(err, FL_EINVAL, "timeout_ms must be a whole number from 0 to %d",
			LONGEST_TIMEOUT_MS);
	target->timeout_ms = (unsigned)ms;
	return 0;
}

int fl_target_take(struct fl_target_query *query, struct fl_bytes name, struct fl_bytes value,
	struct fl_err *err)
{
	struct {
		const char *name;
		bool *has;
		int (*take)(struct fl_target *target, struct fl_bytes value, struct fl_err *err);
	} const parameters[] = {
		{ "gtid", &query->has_gtid, take_gtid },
		{ "pos", &query->has_place, take_place },
		{ "sink", &query->has_sink, take_sink },
		{ "timeout_ms", &query->has_timeout, take_timeout },
	};
	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
		if (!is_named(name, parameters[i].name))
			continue;
		if (*parameters[i].has)
			return fl_err_set(err, FL_EINVAL, "%s is there twice", parameters[i].name);
		*parameters[i].has = true;
		return parameters[i].take(&query->target, value, err);
	}
	return fl_err_set(
		err, FL_EINVAL, "unknown parameter: there are gtid, pos, sink and timeout_ms");
}

int fl_target_check(const struct fl_target_query *query, struct fl_err *err)
{
	if (query->has_gtid == query->has_place)
		return fl_err_set(err, FL_EINVAL,
			"either gtid=SET or pos=FILE:OFFSET has to say what is waited for");
	return 0;
}

unsigned fl_target_timeout_ms(const struct fl_target_query *query)
{
	return query->has_timeout ? query->target.timeout_ms : TIMEOUT_MS;
}

void fl_target_finish(struct fl_target *target)
{
	fl_gtid_set_destroy(target->gtids);
	target->gtids = NULL;
}

static int fits_gtids(const struct fl_target *target, const struct fl_position *position,
	const char *flavour, struct fl_err *err)
{
	enum fl_gtid_kind const asked = fl_gtid_set_kind(target->gtids);
	enum fl_gtid_kind there =
		position->gtids != NULL ? fl_gtid_set_kind(position->gtids) : FL_GTID_NONE;
	/* None yet. */
	if (there == FL_GTID_NONE && flavour != NULL)
		there = strcmp(flavour, "mysql") == 0 ? FL_GTID_MYSQL : FL_GTID_MARIADB;
	if (there != FL_GTID_NONE && there != asked)
		return fl_err_set(err, FL_EINVAL,
			"gtid is of another kind of server: the source's "
			"are as %s writes them",
			there == FL_GTID_MYSQL ? "MySQL" : "MariaDB");
	if (asked == FL_GTID_MYSQL && position->gtids == NULL)
		return fl_err_set(err, FL_EINVAL,
			"the source's positions have no GTIDs: wait for a place, pos=FILE:OFFSET");
	return 0;
}

/* The size of a file's name in front of its number. */
static size_t size_of_base(const char *file)
{
	size_t size = strlen(file);
	while (size > 0 && file[size - 1] >= '0' && file[size - 1] <= '9')
		size--;
	return size;
}

int fl_target_fits(const struct fl_target *target, const struct fl_position *position,
	const char *flavour, struct fl_err *err)
{
	if (target->gtids != NULL)
		return fits_gtids(target, position, flavour, err);
	size_t const size = size_of_base(position->file);
	if (position->file[0] != '\0' && (size_of_base(target->file) != size ||
						 memcmp(target->file, position->file, size) != 0))
		return fl_err_set(err, FL_EINVAL,
			"pos is not of the source's binlog, whose files are called as %s is",
			position->file);
	return 0;
}

bool fl_target_is_reached(
	const struct fl_target *target, const struct fl_position *position, const char *server)
{
	if (target->gtids != NULL)
		return position->gtids != NULL &&
		       fl_gtid_set_covers(position->gtids, target->gtids);
	if (position->server[0] != '\0' && strcmp(position->server, server) != 0)
		return false;
	return position->file[0] != '\0' && fl_binlog_compare(position->file, position->offset,
						    target->file, target->offset) >= 0;
}
