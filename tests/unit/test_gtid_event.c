/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "events.h"

Test(gtid_event, gtid_events_of_every_layout)
{
	static const struct {
		int fixture;
		const char *gtid;
		int64_t commit_us;
		bool standalone, is_ddl, xa_prepared, xa_completed;
		const char *xid;
	} cases[] = {
		{ GTID_MYSQL, "f0e5162e-e727-11f1-be8f-02fc00000001:2", 0x660ef07aa1d14, 0, 0, 0, 0,
			"" },
		{ GTID_OLD, "8d36134f-e729-11f1-b0e4-02fc00000001:1", 0, 0, 0, 0, 0, "" },
		{ GTID_TAGGED, "f0e5162e-e727-11f1-be8f-02fc00000001:other_tag:1", 0x0660ef07aa48f4,
			0, 0, 0, 0, "" },
		{ GTID_TAGGED_LARGE, "11111111-2222-3333-4444-555555555555:zz:9000000000000000000",
			0x0660ef07aa49d0, 0, 0, 0, 0, "" },
		{ GTID_MARIADB, "0-39972-2", 0, 1, 1, 0, 0, "" },
		{ GTID_MARIADB_PREPARED, "0-39972-6", 0, 0, 0, 1, 0, "X'616263',X'6272',7" },
		{ GTID_MARIADB_COMPLETED, "0-39972-7", 0, 1, 0, 0, 1, "X'616263',X'6272',7" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *what = fixtures[cases[i].fixture].what;
		struct fl_event event = event_of(cases[i].fixture);
		struct fl_gtid_event gtid;
		struct fl_err err = { 0 };
		char text[FL_GTID_TEXT_SIZE];
		cr_assert_eq(
			fl_gtid_event_decode(&event, &gtid, &err), FL_OK, "%s: %s", what, err.text);
		fl_gtid_format(&gtid.gtid, text);
		cr_expect_str_eq(text, cases[i].gtid, "%s", what);
		cr_expect_eq(gtid.commit_us, cases[i].commit_us, "%s", what);
		cr_expect_eq(gtid.standalone, cases[i].standalone, "%s", what);
		cr_expect_eq(gtid.is_ddl, cases[i].is_ddl, "%s", what);
		cr_expect_eq(gtid.xa_prepared, cases[i].xa_prepared, "%s", what);
		cr_expect_eq(gtid.xa_completed, cases[i].xa_completed, "%s", what);
		struct fl_buf xid = { 0 };
		if (gtid.xid.size > 0)
			cr_expect_eq(fl_xa_name(gtid.xid, &xid, &err), FL_OK, "%s", err.text);
		is_text((struct fl_bytes){ xid.data, xid.size }, cases[i].xid);
		fl_buf_finish(&xid);
	}
}

Test(gtid_event, anonymous_gtid_has_a_time_but_no_gtid)
{
	struct fl_event event = event_of(GTID_MYSQL);
	event.type = FL_EVENT_ANONYMOUS_GTID;
	struct fl_gtid_event gtid;
	struct fl_err err = { 0 };
	cr_assert_eq(fl_gtid_event_decode(&event, &gtid, &err), FL_OK, "%s", err.text);
	cr_expect_eq(gtid.gtid.kind, FL_GTID_NONE);
	cr_expect_eq(gtid.commit_us, 0x660ef07aa1d14);
}

/* As a replica logs it: the top bit, and the time of the first server behind. */
Test(gtid_event, commit_time_is_this_servers_not_the_first_ones)
{
	struct fl_event event = event_of(GTID_MYSQL);
	struct fl_gtid_event gtid;
	struct fl_err err = { 0 };
	bytes[19 + 48] |= 0x80;
	cr_assert_eq(fl_gtid_event_decode(&event, &gtid, &err), FL_OK, "%s", err.text);
	cr_expect_eq(gtid.commit_us, 0x660ef07aa1d14);
}

/* GTID_TAGGED, byte by byte; a uuid of sixteen bytes 02 is eight ones. */
#define FIFTEEN	    "020202020202020202020202020202"
#define TAGGED_UUID FIFTEEN "02"
Test(gtid_event, tagged_gtid_is_strict_about_what_it_knows_and_tolerant_of_the_rest)
{
	static const struct {
		const char *what, *hex;
		int code;
	} cases[] = {
		{ "a field out of order", "02320002" TAGGED_UUID "0404060002", FL_ECORRUPT },
		{ "no tag", "02300002" TAGGED_UUID "04040600", FL_OK },
		{ "a field of a newer server behind", "02360002" TAGGED_UUID "0404060030ffff",
			FL_OK },
		{ "a newer field that must be known", "02301a02" TAGGED_UUID "04040600",
			FL_EUNSUPPORTED },
		{ "a newer serialisation", "04300002" TAGGED_UUID "04040600", FL_EUNSUPPORTED },
		{ "a size beyond the event", "02320002" TAGGED_UUID "04040600", FL_ECORRUPT },
		{ "a size within the head", "02040002" TAGGED_UUID "04040600", FL_ECORRUPT },
		{ "number 0", "02300002" TAGGED_UUID "04000600", FL_ECORRUPT },
		{ "a negative number", "02300002" TAGGED_UUID "04060600", FL_ECORRUPT },
		{ "no uuid", "020a000404", FL_ECORRUPT },
		{ "no number", "022c0002" TAGGED_UUID "0600", FL_ECORRUPT },
		{ "a field twice", "02340002" TAGGED_UUID "040404040600", FL_ECORRUPT },
		{ "a byte of the uuid above 255", "023200020108" FIFTEEN "04040600", FL_ECORRUPT },
		{ "a tag of upper case", "02320002" TAGGED_UUID "0404060241", FL_ECORRUPT },
		{ "a tag beyond the event", "02320002" TAGGED_UUID "0404060461", FL_ECORRUPT },
		{ "a tag of 2^64 - 1 bytes", "02400002" TAGGED_UUID "040406ffffffffffffffffff",
			FL_ECORRUPT },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t size = from_hex(cases[i].hex, bytes);
		struct fl_event event = { .type = FL_EVENT_GTID_TAGGED,
			.body = { (const char *)bytes, size } };
		struct fl_gtid_event gtid;
		struct fl_err err = { 0 };
		int rc = fl_gtid_event_decode(&event, &gtid, &err);
		cr_expect_eq(rc, cases[i].code, "%s: %s", cases[i].what, err.text);
	}
}

Test(gtid_event, gtid_number_out_of_range_is_refused)
{
	struct fl_event event = event_of(GTID_MYSQL);
	struct fl_gtid_event gtid;
	struct fl_err err = { 0 };
	memset(bytes + 19 + 17, 0, 8);
	cr_expect_eq(fl_gtid_event_decode(&event, &gtid, &err), FL_ECORRUPT);
	memset(bytes + 19 + 17, 0xff, 8);
	cr_expect_eq(fl_gtid_event_decode(&event, &gtid, &err), FL_ECORRUPT);
}

Test(gtid_event, gtid_lists_are_added_to_the_set)
{
	static const struct {
		int fixture;
		const char *text;
	} cases[] = {
		{ PREVIOUS_EMPTY, "" },
		{ PREVIOUS_PLAIN, "8d36134f-e729-11f1-b0e4-02fc00000001:1-3" },
		{ PREVIOUS_TAGGED,
			"11111111-2222-3333-4444-555555555555:5:zz:9000000000000000000,"
			"f0e5162e-e727-11f1-be8f-02fc00000001:1-18:other_tag:1:tag1:1-2" },
		{ GTID_LIST, "0-77-16,5-39972-1" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_event event = event_of(cases[i].fixture);
		struct fl_gtid_set *set = fl_gtid_set_create();
		struct fl_buf text = { 0 };
		struct fl_err err = { 0 };
		cr_assert_eq(fl_gtid_list_decode(&event, set, &err), FL_OK, "%s", err.text);
		fl_gtid_set_format(set, &text);
		is_text((struct fl_bytes){ text.data, text.size }, cases[i].text);
		fl_buf_finish(&text);
		fl_gtid_set_destroy(set);
	}
}

Test(gtid_event, gtid_list_count_has_flags_in_its_top_bits)
{
	struct fl_event event = event_of(GTID_LIST);
	struct fl_gtid_set *set = fl_gtid_set_create();
	struct fl_err err = { 0 };
	bytes[19 + 3] |= 0xf0;
	cr_expect_eq(fl_gtid_list_decode(&event, set, &err), FL_OK, "%s", err.text);
	bytes[19 + 3] |= 0x0f;
	cr_expect_eq(fl_gtid_list_decode(&event, set, &err), FL_ECORRUPT);
	fl_gtid_set_destroy(set);
}

Test(gtid_event, xa_prepare_names_the_transaction_as_its_commit_does)
{
	static const struct {
		int fixture;
		bool one_phase;
		const char *xid;
	} cases[] = {
		{ XA_PREPARE, false, "X'616263',X'6272',7" },
		{ XA_PREPARE_ONE_PHASE, true, "X'6f6e65',X'',1" },
		{ XA_PREPARE_LARGE_FORMAT, false, "X'46',X'78',3000000000" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_event event = event_of(cases[i].fixture);
		struct fl_buf xid = { 0 };
		struct fl_err err = { 0 };
		bool one_phase = !cases[i].one_phase;
		cr_assert_eq(fl_xa_prepare_decode(&event, &one_phase, &xid, &err), FL_OK, "%s",
			err.text);
		cr_expect_eq(one_phase, cases[i].one_phase);
		is_text((struct fl_bytes){ xid.data, xid.size }, cases[i].xid);
		fl_buf_finish(&xid);
	}
}

Test(gtid_event, xa_names_beyond_64_bytes_a_part_are_refused)
{
	struct fl_event event = event_of(XA_PREPARE);
	struct fl_buf xid = { 0 };
	struct fl_err err = { 0 };
	bool one_phase;
	bytes[19 + 5] = 65;
	event.body.size = 19 + 65 + 64;
	cr_expect_eq(fl_xa_prepare_decode(&event, &one_phase, &xid, &err), FL_ECORRUPT);
	char longest[6 + 128] = { 1, 0, 0, 0, 64, 64 };
	cr_expect_eq(fl_xa_name((struct fl_bytes){ longest, sizeof(longest) }, &xid, &err), 0);
	cr_expect_eq(xid.size, 3 + 128 + 1 + 3 + 128 + 1 + 1);
	longest[4] = 65;
	longest[5] = 63;
	cr_expect_eq(
		fl_xa_name((struct fl_bytes){ longest, sizeof(longest) }, &xid, &err), FL_ECORRUPT);
	fl_buf_finish(&xid);
}
