/* SPDX-License-Identifier: Apache-2.0
 *
 * Input: events as in a binlog file; the compressed ones among them are inflated: MySQL's payloads
 * and MariaDB's compressed events.
 */
#include "binlog/inflate.h"
#include "target.h"

enum { LIMIT = 1 << 21, MOST_EVENTS = 1000 };

static void read_payload(struct fl_inflater *inflater, const struct fl_event *event)
{
	struct fl_err err = { 0 };
	if (fl_inflate_payload(inflater, event, &err) != FL_OK) {
		must(err.code != FL_OK);
		return;
	}
	const uint8_t *data;
	size_t size;
	int result = 1;
	for (unsigned i = 0; i < MOST_EVENTS && result == 1; i++) {
		result = fl_inflate_next(inflater, &data, &size, &err);
		must(result != 1 || (size >= 19 && size <= LIMIT && data[size - 1] <= 255));
		must(result >= 0 || err.code == result);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_format format = fuzz_format(true);
	struct fl_cursor c = fl_cursor(data, size);
	struct fl_inflater *inflater = fl_inflater_create(LIMIT);
	struct fl_event event, plain;
	must(inflater != NULL);
	while (fuzz_next_event(&c, &format, &event)) {
		struct fl_err err = { 0 };
		if (event.type == FL_EVENT_TRANSACTION_PAYLOAD) {
			read_payload(inflater, &event);
		} else if (fl_inflater_is_for(event.type)) {
			int result = fl_inflate_event(inflater, &event, &format, &plain, &err);
			must(result == FL_OK ? plain.body.size <= LIMIT : err.code == result);
			must(result != FL_OK || !fl_inflater_is_for(plain.type));
		}
	}
	fl_inflater_destroy(inflater);
	return 0;
}
