/* SPDX-License-Identifier: Apache-2.0
 *
 * Input: events as in a binlog file. A FORMAT_DESCRIPTION counts for those behind it.
 */
#include "target.h"

static void decode_body(const struct fl_event *event, struct fl_format *format)
{
	union {
		struct fl_rotate place;
		struct fl_query query;
		struct fl_gtid_event gtid;
		uint64_t xid;
		bool one_phase;
	} ret;
	struct fl_buf text = { 0 };
	struct fl_err err = { 0 };
	int rc = FL_OK;
	switch (event->type) {
	case FL_EVENT_FORMAT_DESCRIPTION:
		rc = fl_format_decode(event, format, &err);
		/* What follows is to be reached with wrong checksums too. */
		format->checksum = false;
		break;
	case FL_EVENT_ROTATE:
		rc = fl_rotate_decode(event, &ret.place, &err);
		must(rc != FL_OK || ret.place.file.size > 0);
		break;
	case FL_EVENT_QUERY:
		rc = fl_query_decode(event, format, &ret.query, &err);
		break;
	case FL_EVENT_XID:
		rc = fl_xid_decode(event, &ret.xid, &err);
		break;
	case FL_EVENT_HEARTBEAT:
	case FL_EVENT_HEARTBEAT_V2:
		rc = fl_heartbeat_decode(event, &ret.place, &err);
		must(rc != FL_OK || ret.place.file.size > 0);
		break;
	case FL_EVENT_XA_PREPARE:
		rc = fl_xa_prepare_decode(event, &ret.one_phase, &text, &err);
		must((rc == FL_OK) == (text.size > 0));
		break;
	case FL_EVENT_GTID:
	case FL_EVENT_ANONYMOUS_GTID:
	case FL_EVENT_GTID_TAGGED:
	case FL_EVENT_MARIADB_GTID:
		rc = fl_gtid_event_decode(event, &ret.gtid, &err);
		if (rc == FL_OK) {
			char gtid[FL_GTID_TEXT_SIZE];
			must(fl_gtid_format(&ret.gtid.gtid, gtid) < sizeof(gtid));
			if (ret.gtid.xid.size > 0)
				fl_xa_name(ret.gtid.xid, &text, NULL);
		}
		break;
	case FL_EVENT_PREVIOUS_GTIDS:
	case FL_EVENT_MARIADB_GTID_LIST: {
		struct fl_gtid_set *set = fl_gtid_set_create();
		rc = fl_gtid_list_decode(event, set, &err);
		fl_gtid_set_format(set, &text);
		fl_gtid_set_destroy(set);
		break;
	}
	default:
		break;
	}
	must((rc == FL_OK) == (err.code == FL_OK));
	fl_buf_finish(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_format format = fuzz_format(false);
	struct fl_cursor c = fl_cursor(data, size);
	struct fl_event event;
	while (fuzz_next_event(&c, &format, &event)) {
		must(event.body.data >= (const char *)data);
		must(event.body.data + event.body.size <= (const char *)data + size);
		decode_body(&event, &format);
	}
	return 0;
}
