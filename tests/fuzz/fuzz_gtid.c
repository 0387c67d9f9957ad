/* SPDX-License-Identifier: Apache-2.0
 *
 * Input: a byte that says which, then a GTID set as text ('t'), or one as it comes over the wire
 * (any other). What is accepted must survive being written and read again.
 */
#include "target.h"

static void check_text(const struct fl_gtid_set *set)
{
	struct fl_buf text = { 0 };
	struct fl_gtid_set *again = NULL;
	fl_gtid_set_format(set, &text);
	must(fl_gtid_set_parse(fuzz_bytes(&text), &again, NULL) == FL_OK);
	must(fl_gtid_set_covers(set, again) && fl_gtid_set_covers(again, set));
	fl_gtid_set_destroy(again);
	fl_buf_finish(&text);
}

static void check_wire(const struct fl_gtid_set *set)
{
	struct fl_buf wire = { 0 };
	struct fl_gtid_set *again = fl_gtid_set_create();
	fl_gtid_set_encode(set, &wire);
	must(fl_gtid_set_decode(again, fuzz_bytes(&wire), NULL) == FL_OK);
	must(fl_gtid_set_covers(set, again) && fl_gtid_set_covers(again, set));
	fl_gtid_set_destroy(again);
	fl_buf_finish(&wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct fl_bytes const input = { (const char *)data + 1, size - 1 };
	struct fl_gtid_set *set = NULL;
	int rc;
	if (data[0] == 't') {
		rc = fl_gtid_set_parse(input, &set, NULL);
	} else {
		set = fl_gtid_set_create();
		rc = fl_gtid_set_decode(set, input, NULL);
	}
	if (rc == FL_OK) {
		check_text(set);
		if (fl_gtid_set_kind(set) != FL_GTID_MARIADB)
			check_wire(set);
	}
	fl_gtid_set_destroy(set);
	return 0;
}
