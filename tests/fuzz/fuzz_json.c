/* SPDX-License-Identifier: Apache-2.0
 *
 * Input: a document in MySQL's binary JSON.
 */
#include "binlog/row.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t limits[] = { 64 << 10, 100 };
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct fl_buf out = { 0 };
		struct fl_err err = { 0 };
		struct fl_bytes const input = { (const char *)data, size };
		int rc = fl_json_decode(input, limits[i], &out, &err);
		must((rc == FL_OK) == (err.code == FL_OK));
		must(rc != FL_OK || out.size > 0);
		must(out.size <= limits[i]);
		for (size_t j = 0; j < out.size; j++)
			must((unsigned char)out.data[j] >= ' ');
		fl_buf_finish(&out);
	}
	return 0;
}
