/* SPDX-License-Identifier: Apache-2.0
 *
 * Input: a position, as it is kept in caches and state files. What is accepted must survive being
 * written and read again.
 */
#include "binlog/position.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_bytes const input = { (const char *)data, size };
	struct fl_position position = { 0 }, again = { 0 };
	struct fl_err err = { 0 };
	int rc = fl_position_parse(input, &position, &err);
	must((rc == FL_OK) == (err.code == FL_OK));
	if (rc != FL_OK)
		return 0;
	struct fl_buf text = { 0 };
	fl_position_format(&position, &text);
	for (size_t i = 0; i < text.size; i++)
		must((unsigned char)text.data[i] >= ' ');
	must(fl_position_parse(fuzz_bytes(&text), &again, NULL) == FL_OK);
	must(again.offset == position.offset && strcmp(again.file, position.file) == 0);
	must(strcmp(again.server, position.server) == 0);
	must((again.gtids != NULL) == (position.gtids != NULL));
	must(again.gtids == NULL || (fl_gtid_set_covers(again.gtids, position.gtids) &&
					    fl_gtid_set_covers(position.gtids, again.gtids)));
	must((again.held != NULL) == (position.held != NULL));
	must(fl_binlog_compare(again.file, again.offset, position.file, position.offset) == 0);
	fl_buf_finish(&text);
	if (position.held != NULL) {
		struct fl_position begin = { 0 };
		must(fl_held_position(position.held, &begin) == FL_OK && begin.held == NULL);
		fl_position_finish(&begin);
	}
	fl_position_finish(&again);
	must(fl_position_copy(&position, &again) == FL_OK);
	fl_position_finish(&position);
	must(fl_position_is_set(&again) || again.gtids == NULL);
	fl_position_finish(&again);
	return 0;
}
