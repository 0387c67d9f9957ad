/* SPDX-License-Identifier: Apache-2.0 */
#include "binlog/gtid.h"

#include <assert.h>
#include <inttypes.h>

#include "base/cursor.h"
#include "binlog/value.h"

/* MySQL's numbers run from 1 to below INT64_MAX; the end of an interval on the wire is exclusive
 * and may thus be INT64_MAX itself. */
#define NUMBER_END ((uint64_t)INT64_MAX)

struct interval {
	uint64_t first, last; /* inclusive */
};

struct entry {
	struct fl_gtid id;	    /* MySQL: uuid and tag; MariaDB: the domain's last GTID */
	struct interval *intervals; /* MySQL: ascending, neither overlapping nor adjoining; >= 1 */
	size_t count, capacity;
	size_t recent; /* the interval last changed: the next number mostly extends it */
};

struct fl_gtid_set {
	enum fl_gtid_kind kind;
	struct entry *entries; /* ascending by uuid and tag, or by domain */
	size_t count, capacity;
	size_t recent; /* the entry last added to */
};

size_t fl_gtid_format(const struct fl_gtid *gtid, char text[FL_GTID_TEXT_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	char *to = text;
	*to = '\0';
	if (gtid->kind == FL_GTID_NONE)
		return 0;
	if (gtid->kind == FL_GTID_MARIADB) {
		to = fl_uint_write(gtid->domain, to);
		*to++ = '-';
		to = fl_uint_write(gtid->server, to);
		*to++ = '-';
	} else {
		for (size_t i = 0; i < sizeof(gtid->uuid); i++) {
			if (i == 4 || i == 6 || i == 8 || i == 10)
				*to++ = '-';
			*to++ = hex[gtid->uuid[i] >> 4];
			*to++ = hex[gtid->uuid[i] & 15];
		}
		size_t const tag = strlen(gtid->tag);
		if (tag > 0)
			*to++ = ':';
		memcpy(to, gtid->tag, tag);
		to += tag;
		*to++ = ':';
	}
	to = fl_uint_write(gtid->number, to);
	*to = '\0';
	return (size_t)(to - text);
}

struct fl_gtid_set *fl_gtid_set_create(void)
{
	return calloc(1, sizeof(struct fl_gtid_set));
}

void fl_gtid_set_destroy(struct fl_gtid_set *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; i < set->count; i++)
		free(set->entries[i].intervals);
	free(set->entries);
	free(set);
}

struct fl_gtid_set *fl_gtid_set_copy(const struct fl_gtid_set *set)
{
	struct fl_gtid_set *copy = fl_gtid_set_create();
	if (copy == NULL || set->count == 0)
		return copy;
	copy->entries = calloc(set->count, sizeof(*copy->entries));
	if (copy->entries == NULL)
		goto failed;
	copy->kind = set->kind;
	copy->capacity = set->count;
	copy->recent = set->recent;
	for (; copy->count < set->count; copy->count++) {
		const struct entry *from = &set->entries[copy->count];
		struct entry *to = &copy->entries[copy->count];
		*to = *from;
		if (from->intervals == NULL)
			continue;
		to->intervals = malloc(from->count * sizeof(*to->intervals));
		if (to->intervals == NULL)
			goto failed;
		memcpy(to->intervals, from->intervals, from->count * sizeof(*to->intervals));
		to->capacity = from->count;
	}
	return copy;
failed:
	fl_gtid_set_destroy(copy);
	return NULL;
}

bool fl_gtid_set_is_empty(const struct fl_gtid_set *set)
{
	return set->count == 0;
}

enum fl_gtid_kind fl_gtid_set_kind(const struct fl_gtid_set *set)
{
	return set->kind;
}

/* The array with room for one more item, or NULL with nothing changed. */
static void *grown(void *array, size_t count, size_t *capacity, size_t item_size)
{
	if (count < *capacity)
		return array;
	size_t wanted = *capacity < 2 ? 2 : *capacity * 2;
	array = wanted < SIZE_MAX / item_size ? realloc(array, wanted * item_size) : NULL;
	if (array != NULL)
		*capacity = wanted;
	return array;
}

static int compare_ids(const struct fl_gtid *a, const struct fl_gtid *b)
{
	if (a->kind == FL_GTID_MARIADB)
		return a->domain < b->domain ? -1 : a->domain > b->domain;
	int order = memcmp(a->uuid, b->uuid, sizeof(a->uuid));
	return order != 0 ? order : strcmp(a->tag, b->tag);
}

/* Whether the set has the GTID's uuid and tag, or its domain; where it is, or belongs. */
static bool find(const struct fl_gtid_set *set, const struct fl_gtid *id, size_t *ret)
{
	if (set->recent < set->count && compare_ids(&set->entries[set->recent].id, id) == 0) {
		*ret = set->recent;
		return true;
	}
	size_t low = 0, high = set->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare_ids(&set->entries[middle].id, id);
		if (order == 0) {
			*ret = middle;
			return true;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret = low;
	return false;
}

/* The first interval that ends at `number` or behind it. */
static size_t find_interval(const struct entry *entry, uint64_t number)
{
	size_t low = 0, high = entry->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (entry->intervals[middle].last < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int insert_entry(struct fl_gtid_set *set, size_t at, const struct entry *entry)
{
	struct entry *entries =
		grown(set->entries, set->count, &set->capacity, sizeof(*set->entries));
	if (entries == NULL)
		return FL_ENOMEM;
	set->entries = entries;
	memmove(entries + at + 1, entries + at, (set->count - at) * sizeof(*entries));
	entries[at] = *entry;
	set->count++;
	return FL_OK;
}

static int insert_interval(struct entry *entry, uint64_t first, uint64_t last)
{
	if (entry->recent < entry->count) {
		struct interval *recent = &entry->intervals[entry->recent];
		bool is_last = entry->recent + 1 == entry->count;
		if (first == recent->last + 1 && (is_last || last + 1 < recent[1].first)) {
			recent->last = last;
			return FL_OK;
		}
	}

	/* Those that overlap or adjoin [first, last] become one with it. */
	size_t low = find_interval(entry, first - 1);
	size_t high = low;
	while (high < entry->count && entry->intervals[high].first <= last + 1)
		high++;
	if (low == high) {
		struct interval *intervals =
			grown(entry->intervals, entry->count, &entry->capacity, sizeof(*intervals));
		if (intervals == NULL)
			return FL_ENOMEM;
		entry->intervals = intervals;
		memmove(intervals + low + 1, intervals + low,
			(entry->count - low) * sizeof(*intervals));
		entry->count++;
	} else {
		struct interval *intervals = entry->intervals;
		if (intervals[low].first < first)
			first = intervals[low].first;
		if (intervals[high - 1].last > last)
			last = intervals[high - 1].last;
		memmove(intervals + low + 1, intervals + high,
			(entry->count - high) * sizeof(*intervals));
		entry->count -= high - low - 1;
	}
	entry->intervals[low] = (struct interval){ first, last };
	entry->recent = low;
	return FL_OK;
}

/* Whether GTIDs of this kind fit the set. */
static bool fits(const struct fl_gtid_set *set, const struct fl_gtid *gtid)
{
	return gtid->kind != FL_GTID_NONE && (set->kind == FL_GTID_NONE || set->kind == gtid->kind);
}

int fl_gtid_set_add_interval(struct fl_gtid_set *set, const struct fl_gtid *first, uint64_t last)
{
	if (first->kind != FL_GTID_MYSQL || !fits(set, first))
		return FL_EINVAL;
	if (first->number < 1 || first->number > last || last >= NUMBER_END)
		return FL_EINVAL;
	size_t at;
	int rc;
	if (find(set, first, &at)) {
		rc = insert_interval(&set->entries[at], first->number, last);
	} else {
		struct entry entry = { .id = *first };
		rc = insert_interval(&entry, first->number, last);
		if (rc == FL_OK)
			rc = insert_entry(set, at, &entry);
		if (rc != FL_OK)
			free(entry.intervals);
	}
	if (rc == FL_OK) {
		set->kind = FL_GTID_MYSQL;
		set->recent = at;
	}
	return rc;
}

int fl_gtid_set_add(struct fl_gtid_set *set, const struct fl_gtid *gtid)
{
	if (gtid->kind == FL_GTID_MYSQL)
		return fl_gtid_set_add_interval(set, gtid, gtid->number);
	if (!fits(set, gtid))
		return FL_EINVAL;
	size_t at;
	if (find(set, gtid, &at)) {
		set->entries[at].id = *gtid;
	} else {
		struct entry entry = { .id = *gtid };
		if (insert_entry(set, at, &entry) != FL_OK)
			return FL_ENOMEM;
	}
	set->kind = FL_GTID_MARIADB;
	set->recent = at;
	return FL_OK;
}

static bool entry_covers(const struct entry *entry, uint64_t first, uint64_t last)
{
	size_t i = find_interval(entry, first);
	return i < entry->count && entry->intervals[i].first <= first &&
	       entry->intervals[i].last >= last;
}

bool fl_gtid_set_contains(const struct fl_gtid_set *set, const struct fl_gtid *gtid)
{
	size_t at;
	if (set->kind != gtid->kind || !find(set, gtid, &at))
		return false;
	if (gtid->kind == FL_GTID_MARIADB)
		return set->entries[at].id.number >= gtid->number;
	return entry_covers(&set->entries[at], gtid->number, gtid->number);
}

bool fl_gtid_set_covers(const struct fl_gtid_set *set, const struct fl_gtid_set *part)
{
	for (size_t i = 0; i < part->count; i++) {
		const struct entry *entry = &part->entries[i];
		size_t at;
		if (set->kind != part->kind || !find(set, &entry->id, &at))
			return false;
		if (part->kind == FL_GTID_MARIADB && set->entries[at].id.number < entry->id.number)
			return false;
		for (size_t j = 0; j < entry->count; j++)
			if (!entry_covers(&set->entries[at], entry->intervals[j].first,
				    entry->intervals[j].last))
				return false;
	}
	return true;
}

void fl_gtid_set_format(const struct fl_gtid_set *set, struct fl_buf *out)
{
	char text[FL_GTID_TEXT_SIZE];
	for (size_t i = 0; i < set->count; i++) {
		const struct entry *entry = &set->entries[i];
		if (set->kind == FL_GTID_MARIADB) {
			if (i > 0)
				fl_buf_char(out, ',');
			fl_buf_append(out, text, fl_gtid_format(&entry->id, text));
			continue;
		}
		/* A uuid is written once, its tags behind it: uuid:1-5:tag:1-3. */
		const struct fl_gtid *id = &entry->id;
		if (i == 0 || memcmp(id->uuid, entry[-1].id.uuid, sizeof(id->uuid)) != 0) {
			if (i > 0)
				fl_buf_char(out, ',');
			fl_gtid_format(id, text);
			fl_buf_append(out, text, 36);
		}
		if (id->tag[0] != '\0') {
			fl_buf_char(out, ':');
			fl_buf_text(out, id->tag);
		}
		for (size_t j = 0; j < entry->count; j++) {
			const struct interval *n = &entry->intervals[j];
			int size = snprintf(text, sizeof(text), ":%" PRIu64, n->first);
			if (n->last > n->first)
				size += snprintf(text + size, sizeof(text) - (size_t)size,
					"-%" PRIu64, n->last);
			fl_buf_append(out, text, (size_t)size);
		}
	}
}

/*
 * A set on the wire, all integers little-endian:
 *
 *   0  8  how many uuids follow. Where there are tags: a byte 1, six bytes of count, a byte 1,
 *         and a uuid appears once for each of its tags
 *   for each of them
 *      16  uuid
 *       1  where there are tags: the tag's size times two (MySQL's variable-length integer) ...
 *       n  ... and the tag
 *       8  how many intervals follow
 *       for each of them
 *          8  first number
 *          8  last number + 1
 */
enum { LAYOUT_PLAIN = 0, LAYOUT_TAGGED = 1 };

static void append_u64(struct fl_buf *out, uint64_t value)
{
	uint8_t bytes[8];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(value >> 8 * i);
	fl_buf_append(out, bytes, sizeof(bytes));
}

void fl_gtid_set_encode(const struct fl_gtid_set *set, struct fl_buf *out)
{
	assert(set->kind != FL_GTID_MARIADB);
	bool tagged = false;
	for (size_t i = 0; i < set->count; i++)
		tagged |= set->entries[i].id.tag[0] != '\0';
	uint64_t const layout = LAYOUT_TAGGED;
	append_u64(out, tagged ? layout << 56 | (uint64_t)set->count << 8 | layout : set->count);
	for (size_t i = 0; i < set->count; i++) {
		const struct entry *entry = &set->entries[i];
		fl_buf_append(out, entry->id.uuid, sizeof(entry->id.uuid));
		if (tagged) {
			size_t size = strlen(entry->id.tag);
			fl_buf_char(out, (char)(size * 2));
			fl_buf_append(out, entry->id.tag, size);
		}
		append_u64(out, entry->count);
		for (size_t j = 0; j < entry->count; j++) {
			append_u64(out, entry->intervals[j].first);
			append_u64(out, entry->intervals[j].last + 1);
		}
	}
}

bool fl_gtid_tag_is_valid(struct fl_bytes tag)
{
	if (tag.size == 0 || tag.size >= sizeof((struct fl_gtid){ 0 }.tag))
		return false;
	for (size_t i = 0; i < tag.size; i++) {
		char c = tag.data[i];
		if (c != '_' && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9'))
			return false;
	}
	return true;
}

static int corrupt(struct fl_err *err, const char *what)
{
	return fl_err_set(err, FL_ECORRUPT, "GTID set: %s", what);
}

static int decode_entry(
	struct fl_gtid_set *set, struct fl_cursor *c, bool tagged, struct fl_err *err)
{
	struct fl_gtid id = { .kind = FL_GTID_MYSQL };
	const uint8_t *uuid = fl_take(c, sizeof(id.uuid));
	if (uuid != NULL)
		memcpy(id.uuid, uuid, sizeof(id.uuid));
	if (tagged) {
		uint8_t size = fl_take_u8(c);
		struct fl_bytes tag = fl_take_bytes(c, size / 2);
		if (!c->failed && (size % 2 != 0 || (size > 0 && !fl_gtid_tag_is_valid(tag))))
			return corrupt(err, "a tag that is none");
		if (tag.size > 0)
			memcpy(id.tag, tag.data, tag.size);
	}
	uint64_t left = fl_take_u64(c);
	for (uint64_t previous = 0; left > 0 && !c->failed; left--) {
		id.number = fl_take_u64(c);
		uint64_t end = fl_take_u64(c);
		if (c->failed)
			break;
		if (id.number <= previous || end <= id.number || end > NUMBER_END)
			return corrupt(err, "intervals out of order");
		int rc = fl_gtid_set_add_interval(set, &id, end - 1);
		if (rc == FL_ENOMEM)
			return fl_err_set(err, rc, "out of memory");
		if (rc != FL_OK)
			return corrupt(err, "MySQL's GTIDs among MariaDB's");
		previous = end;
	}
	return FL_OK;
}

int fl_gtid_set_decode(struct fl_gtid_set *set, struct fl_bytes data, struct fl_err *err)
{
	struct fl_cursor c = fl_cursor(data.data, data.size);
	uint64_t count = fl_take_u64(&c);
	uint64_t const layout = count >> 56;
	if (layout > LAYOUT_TAGGED)
		return fl_err_set(
			err, FL_EUNSUPPORTED, "GTID set: layout %u is not known", (unsigned)layout);
	if (layout == LAYOUT_TAGGED)
		count = count << 8 >> 16;
	for (; count > 0 && !c.failed; count--) {
		int rc = decode_entry(set, &c, layout == LAYOUT_TAGGED, err);
		if (rc != FL_OK)
			return rc;
	}
	if (c.failed)
		return corrupt(err, "it ends too early");
	if (fl_cursor_left(&c) > 0)
		return corrupt(err, "bytes behind its end");
	return FL_OK;
}
