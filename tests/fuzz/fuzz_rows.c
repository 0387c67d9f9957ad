/* SPDX-License-Identifier: Apache-2.0
 *
 * Input: a byte whose lowest bits say MariaDB, GeoJSON, and columns without names; then events as
 * in a binlog file, without checksums: a TABLE_MAP, and rows events of its table. Every row is
 * shown in every way.
 */
#include "show.h"

/* Of the first byte. */
enum { MARIADB = 1, GEOJSON = 2, NUMBERED = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct fl_format const format = fuzz_format((data[0] & MARIADB) != 0);
	struct fl_cursor c = fl_cursor(data + 1, size - 1);
	struct fl_table_def *def = NULL;
	struct fl_event event;
	while (fuzz_next_event(&c, &format, &event)) {
		struct fl_rows rows;
		if (event.type == FL_EVENT_TABLE_MAP) {
			struct fl_table_def *next;
			if (fl_table_decode(&event, &format, fuzz_collations(), &next, NULL) !=
				FL_OK)
				break;
			fl_table_unref(def);
			def = next;
			if ((data[0] & NUMBERED) != 0)
				must(fl_table_number_columns(def, NULL) == FL_OK);
			if ((data[0] & GEOJSON) != 0)
				fl_table_show_geojson(def, format.is_mariadb);
		} else if (def != NULL && fl_rows_is(event.type)) {
			if (fl_rows_decode(&event, &format, &rows, NULL) == FL_OK &&
				fl_rows_check(&rows, def, NULL) == FL_OK)
				fuzz_show_all(&rows, def);
		}
	}
	fl_table_unref(def);
	return 0;
}
