/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys and commands as the sink writes them, with the record of what is to be answered.
 */
#include "row_cost.h"

#include "memcached/memcached.h"

const bool cost_takes_operations = true;

static struct memcached_sink sink;
static struct link to;

void cost_open(const struct fl_host *host)
{
	sink.host = host;
	sink.item_max = to.item_max = 1 << 20;
	sink.pool.count = 1;
	strcpy(sink.canary_key, "fastlane:canary");
}

void cost_submit(const struct fl_batch *batch)
{
	struct fl_err err = { 0 };
	for (size_t i = 0; i < batch->operation_count; i++) {
		char room[KEY_MAX];
		const struct fl_operation *operation = &batch->operations[i];
		struct fl_bytes const key = key_encode(operation->key, room);
		cost_check(pool_pick(&sink.pool, key) == 0 &&
				   meta_apply(&sink, &to, operation, key, &err) == FL_DONE,
			err.text);
	}
	meta_barrier(&sink, &to, batch->id);
	fl_buf_clear(&to.out);
	fl_buf_clear(&to.log);
	fl_buf_clear(&to.keys);
}
