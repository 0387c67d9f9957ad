/* SPDX-License-Identifier: Apache-2.0
 *
 * Input: lines: a rule's table, key, invalidate, also, value, columns, exclude, rename, only_when,
 * delete_when, ttl, ttl_jitter and mode. What compiles is used on rows
 * of a table, and every key that comes of it must fit the pattern by which all are cleared.
 */
#include "map/map.h"
#include "map/template.h"
#include "target.h"

enum { LINES = 13 };

/* shop.users (id INT, email VARCHAR, note VARCHAR): a TABLE_MAP event's body. */
static const char table_map[] = "\x01\0\0\0\0\0\0\0"
				"\x04shop\0"
				"\x05users\0"
				"\x03\x03\x0f\x0f"
				"\x04\xc8\0\xc8\0"
				"\x07"
				"\x01\x01\0"
				"\x02\x01\x2d"
				"\x04\x0e\x02id\x05"
				"email\x04note";
/* Its rows: the null bitmap and the values. */
static const struct fl_bytes images[] = {
	{ "\0\x07\0\0\0\x03"
	  "a@b"
	  "\x06"
	  "*?[]\\x",
		16 },
	{ "\0\xff\xff\xff\xff\x00\x02{}", 9 },
	{ "\x02\x07\0\0\0\x02hi", 8 },
	{ "\x07", 1 },
};

/* Whether a key fits a pattern, as Redis tells it. */
static bool fits(struct fl_bytes pattern, struct fl_bytes key)
{
	size_t p = 0, k = 0, star = SIZE_MAX, retry = 0;
	while (k < key.size || p < pattern.size) {
		if (p < pattern.size && pattern.data[p] == '*') {
			star = ++p;
			retry = k;
			continue;
		}
		size_t escaped = p < pattern.size && pattern.data[p] == '\\';
		if (k < key.size && p + escaped < pattern.size &&
			pattern.data[p + escaped] == key.data[k]) {
			p += 1 + escaped;
			k++;
		} else if (star != SIZE_MAX && retry < key.size) {
			p = star;
			k = ++retry;
		} else {
			return false;
		}
	}
	return true;
}

static struct fl_table_def *make_table(void)
{
	struct fl_format const format = fuzz_format(false);
	struct fl_event const event = { .type = FL_EVENT_TABLE_MAP,
		.body = { table_map, sizeof(table_map) - 1 } };
	struct fl_table_def *def = NULL;
	must(fl_table_decode(&event, &format, fuzz_collations(), &def, NULL) == FL_OK);
	return def;
}

/* The key's pattern is what TRUNCATE clears: the first operation, if there is `one_key` alone. */
static void map_all(struct fl_mapper *mapper, const struct fl_table_def *def, bool one_key)
{
	struct fl_change changes[1 + sizeof(images) / sizeof(*images)] = { { 0 } };
	size_t count = sizeof(changes) / sizeof(*changes), operations;
	for (size_t i = 0; i < count; i++) {
		changes[i] = (struct fl_change){
			.op = FL_TRUNCATE, .db = def->table.db, .table = def->table.name
		};
		if (i == 0)
			continue;
		changes[i].op = FL_INSERT;
		changes[i].after = (struct fl_row){ .table = &def->table,
			.data = (const uint8_t *)images[i - 1].data,
			.size = (uint32_t)images[i - 1].size };
	}
	for (size_t i = 1; i < count; i++) {
		struct fl_change pair[2] = { changes[0], changes[i] };
		struct fl_transaction const t = { .change_count = 2, .changes = pair };
		fl_mapper_reset(mapper);
		must(fl_mapper_add(mapper, &t, 0, NULL) == FL_OK);
		fl_mapper_notice(mapper);
		const struct fl_operation *o = fl_mapper_operations(mapper, &operations);
		for (size_t k = 1; k < operations && one_key; k++)
			must(o[k].kind != FL_KEY_SET || o[0].kind != FL_KEY_CLEAR ||
				fits(o[0].key, o[k].key));
	}
	/* Updates that move the row from one key to the other. */
	for (size_t i = 2; i < count; i++) {
		changes[i].op = FL_UPDATE;
		changes[i].before = changes[i - 1].after;
	}
	struct fl_transaction const t = { .change_count = count, .changes = changes };
	must(fl_mapper_add(mapper, &t, 1, NULL) == FL_OK);
	must(fl_mapper_operations(mapper, &operations) != NULL || operations == 0);
	must(fl_mapper_coalesce(mapper) <= operations);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + LINES);
	must(text != NULL);
	memcpy(text, data, size);
	memset(text + size, '\0', LINES);
	char *lines[LINES] = { text };
	for (unsigned i = 1; i < LINES; i++) {
		lines[i] = lines[i - 1] + strcspn(lines[i - 1], "\n");
		*lines[i]++ = '\0'; /* there are as many bytes behind the text as lines */
	}
	struct fl_map_rule const rule = { .name = "rule",
		.table = lines[0],
		.key = lines[1],
		.invalidate = lines[2],
		.also = *lines[3] != '\0' ? lines[3] : NULL,
		.value = *lines[4] != '\0' ? lines[4] : NULL,
		.columns = *lines[5] != '\0' ? lines[5] : NULL,
		.exclude = *lines[6] != '\0' ? lines[6] : NULL,
		.rename = *lines[7] != '\0' ? lines[7] : NULL,
		.only_when = *lines[8] != '\0' ? lines[8] : NULL,
		.delete_when = *lines[9] != '\0' ? lines[9] : NULL,
		.ttl = *lines[10] != '\0' ? lines[10] : NULL,
		.ttl_jitter = *lines[11] != '\0' ? lines[11] : NULL,
		.mode = *lines[12] != '\0' ? lines[12] : NULL };
	struct fl_err err = { 0 };
	struct fl_map *map = fl_map_create();
	must(map != NULL);
	must((fl_template_check(rule.key, &err) == 0) == (err.code == 0));
	int rc = fl_map_add(map, &rule, &err);
	must(rc == 0 || err.code == rc);
	if (rc == 0 && fl_map_wants(map, (struct fl_bytes){ "shop", 4 },
			       (struct fl_bytes){ "users", 5 })) {
		struct fl_mapper *mapper = fl_mapper_create(map, "sink", FL_ON_DOUBT_DELETE);
		struct fl_table_def *def = make_table();
		must(mapper != NULL);
		map_all(mapper, def, rule.also == NULL && strstr(rule.invalidate, "{*}") == NULL);
		fl_mapper_destroy(mapper);
		fl_table_unref(def);
	}
	fl_map_destroy(map);
	free(text);
	return 0;
}
