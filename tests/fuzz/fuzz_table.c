/* SPDX-License-Identifier: Apache-2.0
 *
 * Input: a byte whose lowest bit says MariaDB, then a TABLE_MAP event's body.
 */
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct fl_format const format = fuzz_format((data[0] & 1) != 0);
	struct fl_event const event = { .type = FL_EVENT_TABLE_MAP,
		.body = { (const char *)data + 1, size - 1 } };
	struct fl_table_def *def = NULL;
	struct fl_err err = { 0 };
	uint64_t id;
	int rc = fl_table_decode(&event, &format, fuzz_collations(), &def, &err);
	must((rc == FL_OK) == (def != NULL) && (rc == FL_OK) == (err.code == FL_OK));
	if (rc != FL_OK)
		return 0;
	must(fl_table_map_id(&event, &format, &id, NULL) == FL_OK && id == def->id);
	must(def->raw.size == size - 1 && memcmp(def->raw.data, data + 1, size - 1) == 0);
	for (unsigned i = 0; i < def->table.key_count; i++)
		must(def->table.key_columns[i] < def->table.column_count);

	/* A schema that has nothing to do with it: whatever comes out, the rest stays whole. */
	struct fl_schema_column columns[3] = { { .name = { "id", 2 },
		.data_type = { "int", 3 },
		.column_type = { "int unsigned", 12 },
		.octet_length = -1,
		.precision = 10,
		.fraction = -1,
		.key_ordinal = 1 } };
	columns[1] = columns[2] = columns[0];
	columns[1].data_type = columns[1].column_type = (struct fl_bytes){ "text", 4 };
	columns[1].octet_length = 65535;
	columns[1].charset = (struct fl_bytes){ "utf8mb4", 7 };
	columns[2].data_type = (struct fl_bytes){ "enum", 4 };
	columns[2].column_type = (struct fl_bytes){ "enum('a','b''c')", 16 };
	columns[2].charset = columns[1].charset;
	columns[2].octet_length = 12;
	columns[1].key_ordinal = columns[2].key_ordinal = 0;
	unsigned count = def->table.column_count;
	fl_table_complete(def, columns, count < 3 ? count : 3, &err);
	fl_table_unref(def);
	return 0;
}
