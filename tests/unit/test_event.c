/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <libdeflate.h>

#include "events.h"

/* Puts the checksum right after a test has changed an event. */
static void seal(uint8_t *data, size_t size)
{
	uint32_t crc = libdeflate_crc32(0, data, size - 4);
	for (int i = 0; i < 4; i++)
		data[size - 4 + (size_t)i] = (uint8_t)(crc >> 8 * i);
}

Test(event, header_is_split_from_the_body)
{
	struct fl_event event = event_of(XID);
	cr_expect_eq(event.timestamp, 0x6b0414e2);
	cr_expect_eq(event.type, FL_EVENT_XID);
	cr_expect_eq(event.server_id, 39971);
	cr_expect_eq(event.size, 31);
	cr_expect_eq(event.log_pos, 1253);
	cr_expect_eq(event.body.size, 8);
	event = event_of(ROTATE);
	cr_expect_eq(event.flags, FL_EVENT_FLAG_ARTIFICIAL);
}

Test(event, format_tells_flavour_checksum_and_sizes)
{
	static const struct {
		int fixture;
		const char *version;
		bool is_mariadb;
		unsigned count;
	} cases[] = {
		{ MYSQL_FORMAT, "9.7.4-2", false, 43 },
		{ MARIADB_FORMAT, "10.11.19-MariaDB-0+deb12u1-log", true, 172 },
		{ OLD_FORMAT, "5.6.24-log", false, 36 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_format format = format_of(cases[i].fixture);
		cr_expect(format.known);
		cr_expect_str_eq(format.server_version, cases[i].version);
		cr_expect_eq(format.is_mariadb, cases[i].is_mariadb);
		cr_expect(format.checksum);
		cr_expect_eq(format.header_size, 19);
		cr_expect_eq(format.post_header[FL_EVENT_QUERY], 13);
		cr_expect_eq(format.post_header[FL_EVENT_TABLE_MAP], 8);
		cr_expect_eq(format.post_header_count, cases[i].count);
	}
}

Test(event, format_of_a_newer_binlog_or_checksum_is_refused)
{
	static const struct {
		size_t offset_from_end; /* in the body; 0: the version */
		uint8_t value;
		int code;
	} cases[] = {
		{ 0, 3, FL_EUNSUPPORTED },
		{ 1, 2, FL_EUNSUPPORTED },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_event event = event_of(MYSQL_FORMAT);
		size_t at = cases[i].offset_from_end == 0
				    ? 0
				    : event.body.size - cases[i].offset_from_end;
		bytes[19 + at] = cases[i].value;
		struct fl_format format;
		struct fl_err err = { 0 };
		cr_expect_eq(fl_format_decode(&event, &format, &err), cases[i].code);
		cr_expect_str_neq(err.text, "");
	}
}

Test(event, checksum_is_verified_where_the_format_says_so)
{
	struct fl_format with = { .known = true, .checksum = true, .header_size = 19 };
	struct fl_format without = { .known = true, .header_size = 19 };
	struct fl_format const unknown = { 0 };
	for (int i = 0; i < FIXTURES; i++) {
		const char *what = fixtures[i].what;
		struct fl_event event;
		struct fl_err err = { 0 };
		size_t size = from_hex(fixtures[i].hex, bytes);
		bool describes = fixtures[i].type == FL_EVENT_FORMAT_DESCRIPTION;

		cr_expect_eq(fl_event_decode(&with, bytes, size, &event, &err), FL_OK, "%s: %s",
			what, err.text);
		cr_expect_eq(event.body.size, size - 19 - 4, "%s", what);
		cr_expect_eq(event.type, fixtures[i].type, "%s", what);
		/* A FORMAT_DESCRIPTION goes by what it says of itself. */
		cr_expect_eq(fl_event_decode(&without, bytes, size, &event, &err), FL_OK);
		cr_expect_eq(event.body.size, size - 19 - (describes ? 4 : 0), "%s", what);

		bytes[19] ^= 0x40;
		cr_expect_eq(
			fl_event_decode(&with, bytes, size, &event, &err), FL_ECORRUPT, "%s", what);
		cr_expect_eq(fl_event_decode(&unknown, bytes, size, &event, &err),
			describes ? FL_ECORRUPT : FL_OK, "%s", what);
		cr_expect_eq(event.body.size, size - 19 - (describes ? 4 : 0), "%s", what);
	}
}

Test(event, format_without_checksums_keeps_its_unused_checksum_bytes)
{
	struct fl_event event;
	struct fl_err err = { 0 };
	struct fl_format const unknown = { 0 };
	struct fl_format format;
	size_t size = from_hex(fixtures[MYSQL_FORMAT].hex, bytes);
	bytes[size - 5] = 0;
	cr_assert_eq(fl_event_decode(&unknown, bytes, size, &event, &err), FL_OK);
	cr_expect_eq(event.body.size, size - 19 - 4);
	cr_assert_eq(fl_format_decode(&event, &format, &err), FL_OK);
	cr_expect_not(format.checksum);
	cr_expect_eq(format.post_header_count, 43);
}

Test(event, longer_headers_and_post_headers_are_skipped)
{
	struct fl_format format = { .known = true, .header_size = 21 };
	format.post_header[FL_EVENT_QUERY] = 15;
	static const uint8_t data[] = { 1, 0, 0, 0, 2, 7, 0, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		/* header */ 0xee, 0xee, 9, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0,
		/* post-header */ 0xee, 0xee, /* status */ 0xff, 'd', 0, 'o', 'k', '!' };
	struct fl_event event;
	struct fl_query query;
	struct fl_err err = { 0 };
	cr_assert_eq(
		fl_event_decode(&format, data, sizeof(data), &event, &err), FL_OK, "%s", err.text);
	cr_assert_eq(fl_query_decode(&event, &format, &query, &err), FL_OK, "%s", err.text);
	cr_expect_eq(query.thread_id, 9);
	is_text(query.db, "d");
	is_text(query.sql, "ok!");

	/* A FORMAT_DESCRIPTION itself has the header of old. */
	size_t size = from_hex(fixtures[MYSQL_FORMAT].hex, bytes);
	cr_assert_eq(fl_event_decode(&format, bytes, size, &event, &err), FL_OK, "%s", err.text);
	cr_expect_eq(event.body.size, size - 19 - 4);
}

Test(event, a_query_tells_its_character_set_whatever_stands_in_front_of_it)
{
	static const struct {
		const char *status;
		unsigned collation;
	} cases[] = {
		{ "", 0 },
		{ "00000000000100002054000000000603737464042d002d002d00", 45 },
		{ "00000000000203737464000301000100040800080008008100", 8 },
		{ "000000000006037374648302210000082300000a04000900090009", 2304 },
		{ "0000000000830004000900090009", 2304 },
		{ "00000000008302210000082300", 0 },
		{ "0000000000ee04000900090009", 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char hex[256];
		size_t status = from_hex(cases[i].status, bytes);
		snprintf(hex, sizeof(hex), "0900000000000000000000%02zx00%s006f6b21", status,
			cases[i].status);
		size_t size = from_hex(hex, bytes);
		struct fl_format format = { .known = true };
		format.post_header[FL_EVENT_QUERY] = 13;
		struct fl_event event = { .type = FL_EVENT_QUERY, .body = { (char *)bytes, size } };
		struct fl_query query;
		struct fl_err err = { 0 };
		cr_assert_eq(fl_query_decode(&event, &format, &query, &err), 0, "%s", err.text);
		cr_expect_eq(query.client_collation, cases[i].collation, "case %zu", i);
		is_text(query.sql, "ok!");
	}
}

Test(event, rotate_and_heartbeats_name_file_and_position)
{
	static const struct {
		int fixture;
		uint64_t position;
		const char *file;
	} cases[] = {
		{ ROTATE, 4, "binlog.000002" },
		{ HEARTBEAT, 739, "binlog.000002" },
		{ HEARTBEAT_V2, 2886, "binlog.000002" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_event event = event_of(cases[i].fixture);
		struct fl_rotate place;
		struct fl_err err = { 0 };
		int rc = event.type == FL_EVENT_ROTATE ? fl_rotate_decode(&event, &place, &err)
						       : fl_heartbeat_decode(&event, &place, &err);
		cr_assert_eq(rc, FL_OK, "%s", err.text);
		cr_expect_eq(place.position, cases[i].position);
		is_text(place.file, cases[i].file);
	}
}

Test(event, heartbeat_v2_skips_fields_it_does_not_know)
{
	static const uint8_t body[] = { 1, 1, 'f', 9, 2, 0xff, 0xff, 2, 9, 254, 0, 0, 0, 0, 1, 0, 0,
		0, 0 };
	struct fl_event event = { .type = FL_EVENT_HEARTBEAT_V2,
		.body = { (const char *)body, sizeof(body) } };
	struct fl_rotate place;
	struct fl_err err = { 0 };
	cr_assert_eq(fl_heartbeat_decode(&event, &place, &err), FL_OK, "%s", err.text);
	cr_expect_eq(place.position, UINT64_C(1) << 32);
	is_text(place.file, "f");
}

Test(event, file_names_with_control_characters_are_refused)
{
	struct fl_event event = event_of(ROTATE);
	struct fl_rotate place;
	struct fl_err err = { 0 };
	bytes[19 + 8 + 3] = '\n';
	cr_expect_eq(fl_rotate_decode(&event, &place, &err), FL_ECORRUPT);
	event.body.size = 8;
	cr_expect_eq(fl_rotate_decode(&event, &place, &err), FL_ECORRUPT, "an empty name");
}

Test(event, query_gives_database_and_statement)
{
	static const struct {
		int fixture, format;
		uint32_t thread;
		const char *db, *sql;
	} cases[] = {
		{ QUERY_MYSQL, MYSQL_FORMAT, 10, "shop", "XA COMMIT X'616263',X'6272',7" },
		{ QUERY_MARIADB, MARIADB_FORMAT, 6, "shop", "create database shop" },
		{ QUERY_NO_DB, OLD_FORMAT, 2, "", "BEGIN" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_format format = format_of(cases[i].format);
		struct fl_event event = event_of(cases[i].fixture);
		struct fl_query query;
		struct fl_err err = { 0 };
		cr_assert_eq(fl_query_decode(&event, &format, &query, &err), FL_OK, "%s", err.text);
		cr_expect_eq(query.thread_id, cases[i].thread);
		cr_expect_eq(query.error_code, 0);
		is_text(query.db, cases[i].db);
		is_text(query.sql, cases[i].sql);
	}
}

Test(event, query_whose_database_does_not_end_is_refused)
{
	struct fl_format format = format_of(OLD_FORMAT);
	struct fl_event event = event_of(QUERY_NO_DB);
	struct fl_query query;
	struct fl_err err = { 0 };
	bytes[19 + 8] = 1; /* "B" of BEGIN would be its NUL */
	cr_expect_eq(fl_query_decode(&event, &format, &query, &err), FL_ECORRUPT);
}

Test(event, xid_is_64_bits)
{
	struct fl_event event = event_of(XID);
	uint64_t xid = 0;
	struct fl_err err = { 0 };
	cr_assert_eq(fl_xid_decode(&event, &xid, &err), FL_OK, "%s", err.text);
	cr_expect_eq(xid, 0x12);
}

/* Runs the decoder of the event's type. */
static int decode(const struct fl_event *event, const struct fl_format *format, struct fl_err *err)
{
	union {
		struct fl_format format;
		struct fl_rotate rotate;
		struct fl_query query;
		struct fl_gtid_event gtid;
		uint64_t xid;
		bool one_phase;
	} ret;
	switch (event->type) {
	case FL_EVENT_FORMAT_DESCRIPTION:
		return fl_format_decode(event, &ret.format, err);
	case FL_EVENT_ROTATE:
		return fl_rotate_decode(event, &ret.rotate, err);
	case FL_EVENT_QUERY:
		return fl_query_decode(event, format, &ret.query, err);
	case FL_EVENT_XID:
		return fl_xid_decode(event, &ret.xid, err);
	case FL_EVENT_HEARTBEAT:
	case FL_EVENT_HEARTBEAT_V2:
		return fl_heartbeat_decode(event, &ret.rotate, err);
	case FL_EVENT_XA_PREPARE: {
		struct fl_buf xid = { 0 };
		int rc = fl_xa_prepare_decode(event, &ret.one_phase, &xid, err);
		fl_buf_finish(&xid);
		return rc;
	}
	case FL_EVENT_PREVIOUS_GTIDS:
	case FL_EVENT_MARIADB_GTID_LIST: {
		struct fl_gtid_set *set = fl_gtid_set_create();
		int rc = fl_gtid_list_decode(event, set, err);
		fl_gtid_set_destroy(set);
		return rc;
	}
	default:
		return fl_gtid_event_decode(event, &ret.gtid, err);
	}
}

/* Copies of exact size, so that a read beyond them is seen by the address sanitizer. */
Test(event, every_truncation_of_a_body_fails_cleanly_or_succeeds)
{
	struct fl_format format = format_of(MYSQL_FORMAT);
	for (int i = 0; i < FIXTURES; i++) {
		struct fl_event event = event_of(i);
		struct fl_err err = { 0 };
		size_t const whole = event.body.size;
		cr_expect_eq(
			decode(&event, &format, &err), FL_OK, "%s: %s", fixtures[i].what, err.text);
		for (size_t size = 0; size < whole; size++) {
			char *copy = malloc(size > 0 ? size : 1);
			memcpy(copy, bytes + 19, size);
			struct fl_event part = event;
			part.body = (struct fl_bytes){ copy, size };
			err = (struct fl_err){ 0 };
			int rc = decode(&part, &format, &err);
			cr_expect(rc == FL_OK || rc == FL_ECORRUPT || rc == FL_EUNSUPPORTED);
			cr_expect((rc == FL_OK) == (err.text[0] == '\0'));
			free(copy);
		}
	}
}

Test(event, every_truncation_of_an_event_is_refused)
{
	struct fl_format const formats[] = { { 0 }, { .known = true, .header_size = 19 },
		{ .known = true, .header_size = 19, .checksum = true },
		{ .known = true, .header_size = 255, .checksum = true } };
	for (int i = 0; i < FIXTURES; i++) {
		size_t const whole = from_hex(fixtures[i].hex, bytes);
		for (size_t size = 0; size < whole; size++) {
			uint8_t *copy = malloc(size > 0 ? size : 1);
			memcpy(copy, bytes, size);
			for (size_t j = 0; j < sizeof(formats) / sizeof(formats[0]); j++) {
				struct fl_event event;
				struct fl_err err = { 0 };
				int rc = fl_event_decode(&formats[j], copy, size, &event, &err);
				cr_expect_eq(
					rc, FL_ECORRUPT, "%s of %zu bytes", fixtures[i].what, size);
			}
			free(copy);
		}
	}
}

/* The header's size made to agree: only what is behind it is missing. */
Test(event, events_too_short_for_their_checksum_are_refused)
{
	struct fl_format format = { .known = true, .header_size = 19, .checksum = true };
	struct fl_event event;
	struct fl_err err = { 0 };
	size_t whole = from_hex(fixtures[XID].hex, bytes);
	cr_assert_gt(whole, 23);
	for (uint8_t size = 19; size <= 23; size++) {
		uint8_t *copy = malloc(size);
		memcpy(copy, bytes, size);
		copy[9] = size;
		if (size == 23)
			seal(copy, size);
		cr_expect_eq(fl_event_decode(&format, copy, size, &event, &err),
			size == 23 ? FL_OK : FL_ECORRUPT);
		copy[4] = FL_EVENT_FORMAT_DESCRIPTION;
		cr_expect_eq(fl_event_decode(&format, copy, size, &event, &err), FL_ECORRUPT);
		free(copy);
	}
}

Test(event, names_are_the_servers)
{
	cr_expect_str_eq(fl_event_name(FL_EVENT_TRANSACTION_PAYLOAD), "TRANSACTION_PAYLOAD_EVENT");
	cr_expect_str_eq(fl_event_name(FL_EVENT_MARIADB_GTID), "GTID_EVENT");
	cr_expect_str_eq(fl_event_name(0), "unknown event");
	cr_expect_str_eq(fl_event_name(255), "unknown event");
}
