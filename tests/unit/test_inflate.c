/* SPDX-License-Identifier: Apache-2.0
 *
 * Compressed events of real servers (the corpus of the fuzz target), and what damage does to them.
 */
#include <criterion/criterion.h>

#include "binlog/inflate.h"

enum { LIMIT = 64 << 20, PAYLOAD_OFFSET = 19 };

static struct fl_format format(void)
{
	struct fl_format format = { .known = true, .header_size = 19 };
	format.post_header[FL_EVENT_MARIADB_QUERY_COMPRESSED] = 13;
	return format;
}

/* A file of the corpus: one event. */
static size_t load(const char *name, uint8_t *data, size_t room)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/payload/%s", TEST_SOURCES, name);
	FILE *file = fopen(path, "rb");
	cr_assert_not_null(file, "%s", path);
	size_t size = fread(data, 1, room, file);
	fclose(file);
	cr_assert(size > PAYLOAD_OFFSET && size < room);
	return size;
}

/* Inflates; appends "type:size " for each event. The first negative result, or 0. */
static int inflate(struct fl_inflater *inflater, const uint8_t *data, size_t size, char *said,
	size_t room, struct fl_err *err)
{
	struct fl_event event = { .type = data[4],
		.body = { (const char *)data + PAYLOAD_OFFSET, size - PAYLOAD_OFFSET } };
	size_t at = 0;
	said[0] = '\0';
	if (event.type != FL_EVENT_TRANSACTION_PAYLOAD) {
		struct fl_format known = format();
		struct fl_event plain;
		int result = fl_inflate_event(inflater, &event, &known, &plain, err);
		if (result == 0)
			snprintf(said, room, "%u:%zu ", plain.type, plain.body.size);
		return result;
	}
	int result = fl_inflate_payload(inflater, &event, err);
	const uint8_t *inner;
	size_t inner_size;
	if (result != 0)
		return result;
	while ((result = fl_inflate_next(inflater, &inner, &inner_size, err)) == 1)
		at += (size_t)snprintf(said + at, room - at, "%u:%zu ", inner[4], inner_size);
	return result;
}

static const struct {
	const char *name, *expected;
} cases[] = {
	/* the sizes add up to what SHOW BINLOG EVENTS calls decompressed_size */
	{ "mysql97_1_type40", "2:71 19:63 30:240 16:27 " },
	{ "mysql97_2_type40", "2:80 19:63 31:251 19:63 30:3040 16:27 " },
	{ "mysql97_3_type40", "2:71 19:63 30:5000040 16:27 " },
	{ "mysql97_4_type40", "2:86 19:63 30:3040 2:84 38:33 " },
	{ "mariadb_1_type166", "23:219 " },
	{ "mariadb_2_type167", "24:230 " },
	{ "mariadb_3_type166", "23:3019 " },
	{ "mariadb_4_type168", "25:3019 " },
	{ "mariadb_5_type165", "2:224 " },
	{ "mariadb_6_type166", "23:500019 " },
};

Test(inflate, compressed_events_of_real_servers_become_the_plain_ones)
{
	struct fl_inflater *inflater = fl_inflater_create(LIMIT);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t data[4096];
		char said[256];
		struct fl_err err = { 0 };
		size_t size = load(cases[i].name, data, sizeof(data));
		int result = inflate(inflater, data, size, said, sizeof(said), &err);
		cr_expect_eq(result, 0, "%s: %s", cases[i].name, err.text);
		cr_expect_str_eq(said, cases[i].expected, "%s: %s", cases[i].name, said);
	}
	fl_inflater_destroy(inflater);
}

Test(inflate, one_that_is_cut_off_is_refused_wherever_it_is_cut)
{
	struct fl_inflater *inflater = fl_inflater_create(LIMIT);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t data[4096];
		char said[256];
		size_t whole = load(cases[i].name, data, sizeof(data));
		for (size_t size = PAYLOAD_OFFSET; size < whole; size++) {
			struct fl_err err = { 0 };
			int result = inflate(inflater, data, size, said, sizeof(said), &err);
			cr_expect_eq(result, FL_ECORRUPT, "%s, %zu of %zu bytes: %d", cases[i].name,
				size, whole, result);
			cr_expect_neq(err.text[0], '\0');
		}
	}
	fl_inflater_destroy(inflater);
}

Test(inflate, what_is_beyond_the_limit_is_refused)
{
	struct fl_inflater *inflater = fl_inflater_create(1 << 16);
	static const struct {
		const char *name;
		int result;
	} large[] = { { "mysql97_3_type40", FL_EUNSUPPORTED }, /* already the window is */
		{ "mariadb_6_type166", FL_ECORRUPT } };
	for (size_t i = 0; i < 2; i++) {
		uint8_t data[4096];
		char said[256];
		struct fl_err err = { 0 };
		size_t size = load(large[i].name, data, sizeof(data));
		cr_expect_eq(
			inflate(inflater, data, size, said, sizeof(said), &err), large[i].result);
	}
	fl_inflater_destroy(inflater);
}

/* A payload's head: the algorithm, a field that is not known, the sizes; then the bytes. */
static int payload(uint8_t algorithm, uint8_t inflated, const char *bytes, uint8_t size)
{
	uint8_t data[256] = { 0 };
	uint8_t const head[] = { 2, 3, 252, algorithm, 0, 77, 1, 9, 1, 1, size, 3, 1, inflated, 0 };
	size_t const end = PAYLOAD_OFFSET + sizeof(head);
	data[4] = FL_EVENT_TRANSACTION_PAYLOAD;
	memcpy(data + PAYLOAD_OFFSET, head, sizeof(head));
	memcpy(data + end, bytes, size);
	struct fl_inflater *inflater = fl_inflater_create(LIMIT);
	char said[64];
	struct fl_err err = { 0 };
	int result = inflate(inflater, data, end + size, said, sizeof(said), &err);
	fl_inflater_destroy(inflater);
	return result == 0 ? (int)strlen(said) : result;
}

Test(inflate, a_payload_that_is_not_compressed_is_read_too)
{
	/* STOP_EVENT, twice */
	static const char two[] = "\0\0\0\0\3\0\0\0\0\x13\0\0\0\0\0\0\0\0\0"
				  "\0\0\0\0\3\0\0\0\0\x13\0\0\0\0\0\0\0\0\0";
	cr_expect_eq(payload(255, 0, two, 38), (int)strlen("3:19 3:19 "));
	cr_expect_eq(payload(255, 0, two, 37), FL_ECORRUPT);
	cr_expect_eq(payload(255, 0, "", 0), 0);
}

Test(inflate, a_payload_that_lies_about_its_size_is_refused)
{
	/* one zstd frame, of one raw block of a STOP_EVENT */
	static const char frame[] = "\x28\xb5\x2f\xfd\x20\x13\x99\0\0"
				    "\0\0\0\0\3\0\0\0\0\x13\0\0\0\0\0\0\0\0\0";
	cr_expect_eq(payload(0, 19, frame, 28), (int)strlen("3:19 "));
	cr_expect_eq(payload(0, 18, frame, 28), FL_ECORRUPT);
	cr_expect_eq(payload(0, 20, frame, 28), FL_ECORRUPT);
	cr_expect_eq(payload(0, 0, frame, 28), FL_ECORRUPT, "something stands behind the end");
	cr_expect_eq(payload(7, 19, frame, 28), FL_EUNSUPPORTED);
}
