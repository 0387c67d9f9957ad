/* SPDX-License-Identifier: Apache-2.0
 *
 * What a batch may look like, and what may be in it.
 */
#include "kit/private.h"

#define BYTES(text)                                                                                \
	(struct fl_bytes)                                                                          \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}

static void begin(struct fl_kit *kit)
{
	fl_kit_load(kit);
	fl_kit_open(kit, NULL);
}

static void end(struct fl_kit *kit)
{
	fl_kit_drain(kit);
	fl_kit_close(kit);
}

/* ---- shapes ---- */

static void submit_part(struct fl_kit *kit, bool first, bool last, int64_t id, unsigned rows)
{
	struct fl_kit_batch *b = fl_kit_batch(kit, 1000 + rows * 300);
	fl_kit_transaction(b, first, last);
	for (unsigned i = 0; i < rows; i++)
		fl_kit_insert(b, id + i, fl_kit_text("in parts"), fl_kit_none);
	fl_kit_submit(kit, b);
}

static void submit_many(struct fl_kit *kit)
{
	enum { TRANSACTIONS = 500 }; /* the core's batches have 512 at most */
	struct fl_kit_batch *b = fl_kit_batch(kit, TRANSACTIONS * 500);
	for (int64_t i = 0; i < TRANSACTIONS; i++) {
		fl_kit_transaction(b, true, true);
		if (i % 7 == 3)
			continue; /* nothing in it is for this sink */
		fl_kit_insert(b, i, fl_kit_text("first"), fl_kit_none);
		if (i % 3 == 0)
			fl_kit_update(b, i, fl_kit_text("first"), fl_kit_text("second"));
		if (i % 5 == 0)
			fl_kit_delete(b, i, fl_kit_text("second"));
	}
	fl_kit_submit(kit, b);
}

void fl_kit_check_shapes(struct fl_kit *kit)
{
	begin(kit);
	fl_kit_stage(kit, "a batch without transactions");
	fl_kit_submit(kit, fl_kit_batch(kit, 0));
	fl_kit_drain(kit);
	fl_kit_stage(kit, "a batch with an empty transaction");
	submit_part(kit, true, true, 0, 0);
	fl_kit_stage(kit, "500 transactions in a batch");
	submit_many(kit);
	fl_kit_stage(kit, "a transaction in parts");
	submit_part(kit, true, false, 1000, 100);
	submit_part(kit, false, false, 1100, 100);
	submit_part(kit, false, true, 1200, 100);
	fl_kit_stage(kit, "a transaction in parts, the last one empty");
	submit_part(kit, true, false, 1300, 10);
	submit_part(kit, false, true, 0, 0);
	fl_kit_stage(kit, "a value that becomes NULL");
	struct fl_kit_batch *b = fl_kit_batch(kit, 1000);
	fl_kit_insert(b, 1, fl_kit_text("x"), fl_kit_text("y"));
	fl_kit_update(b, 1, fl_kit_text("x"), fl_kit_none);
	fl_kit_delete(b, 2, fl_kit_none);
	fl_kit_submit(kit, b);
	fl_kit_stage(kit, "many small batches");
	for (int64_t i = 0; i < 200; i++)
		fl_kit_submit(kit, fl_kit_row(kit, i, 10));
	end(kit);
}

void fl_kit_check_clears(struct fl_kit *kit)
{
	static const char *const patterns[] = { "fastlane-test:*",
		"fastlane-test:\\*\\?\\[a\\]\\\\*", "fastlane-test:a*b*c",
		"fastlane-test:no-such-key" };
	begin(kit);
	for (unsigned i = 0; i < 2; i++) {
		struct fl_kit_batch *b = fl_kit_batch(kit, 4000);
		fl_kit_insert(b, 1, fl_kit_text("before"), fl_kit_none);
		fl_kit_transaction(b, true, true);
		fl_kit_say(b, i == 0 ? FL_TRUNCATE : FL_DDL,
			i == 0 ? "TRUNCATE TABLE things" : "ALTER TABLE things DROP COLUMN x");
		fl_kit_transaction(b, true, true);
		fl_kit_insert(b, 2, fl_kit_text("behind"), fl_kit_none);
		fl_kit_stage(kit, i == 0 ? "TRUNCATE" : "DDL");
		fl_kit_submit(kit, b);
	}
	fl_kit_stage(kit, "keys by pattern");
	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
		struct fl_kit_batch *b = fl_kit_batch(kit, 2000);
		fl_kit_insert(b, 3, fl_kit_text("before"), fl_kit_none);
		fl_kit_operation(b, FL_KEY_CLEAR, 0, fl_kit_text(patterns[i]), fl_kit_none, 0);
		fl_kit_insert(b, 4, fl_kit_text("behind"), fl_kit_none);
		fl_kit_submit(kit, b);
	}
	end(kit);
}

void fl_kit_check_large(struct fl_kit *kit)
{
	enum { LARGE = 8 * 1000 * 1000 };
	begin(kit);
	for (int64_t i = 1; i <= 3; i++)
		fl_kit_submit(kit, fl_kit_row(kit, i, LARGE));
	fl_kit_submit(kit, fl_kit_row(kit, 4, 10));
	end(kit);
}

/* ---- contents ---- */

static char all_bytes[256], long_text[60000];

static const struct fl_bytes *hostile_texts(size_t *ret_count)
{
	static struct fl_bytes texts[16];
	struct fl_bytes const all[] = {
		BYTES(""),
		BYTES(" "),
		BYTES("\0"),
		BYTES("a\0b"),
		BYTES("\r\nSET x y\r\n"),
		BYTES("*1\r\n$8\r\nFLUSHALL\r\n"),
		BYTES("\x01\x02\x1b[31m\x7f"),
		BYTES("\"quoted\\\" 'text'"),
		BYTES("\xf0\x9f\x98\x80\xf0\x90\x8d\x88"),
		BYTES("\xc3\xa9\xe2\x82\xac\xef\xbf\xbf"),
		BYTES("%s%n%d"),
		BYTES("{}[]*?\\"),
	};
	size_t count = sizeof(all) / sizeof(*all);
	memcpy(texts, all, sizeof(all));
	texts[count++] = (struct fl_bytes){ long_text, sizeof(long_text) };
	*ret_count = count;
	return texts;
}

static void submit_key(struct fl_kit *kit, struct fl_bytes key, struct fl_bytes value)
{
	unsigned const takes = kit->plugin->takes;
	struct fl_kit_batch *b = fl_kit_batch(kit, 4 * (key.size + value.size) + 2000);
	struct fl_buf fields = { 0 };
	fl_kit_operation(b, FL_KEY_SET, 0, key, value, 0);
	fl_kit_operation(b, FL_KEY_SET, 0, key, value, 100);
	fl_kit_operation(b, FL_KEY_SET, 0, key, value, UINT32_MAX);
	if ((takes & FL_TAKES_EXISTING) != 0)
		fl_kit_operation(b, FL_KEY_SET, FL_IF_EXISTS, key, value, 7);
	if ((takes & FL_TAKES_HASHES) != 0) {
		fl_kit_operation(b, FL_KEY_HASH, 0, key, fl_kit_none, 0);
		fl_kit_field(&fields, key, value);
		fl_kit_field(&fields, BYTES("second"), BYTES("\0\xff"));
		fl_kit_operation(
			b, FL_KEY_HASH, 0, key, (struct fl_bytes){ fields.data, fields.size }, 9);
	}
	fl_kit_operation(b, FL_KEY_DELETE, 0, key, fl_kit_none, 0);
	fl_buf_finish(&fields);
	fl_kit_submit(kit, b);
}

void fl_kit_check_hostile(struct fl_kit *kit)
{
	size_t count;
	begin(kit);
	for (size_t i = 0; i < sizeof(all_bytes); i++)
		all_bytes[i] = (char)i;
	memset(long_text, 'k', sizeof(long_text));
	const struct fl_bytes *texts = hostile_texts(&count);
	fl_kit_stage(kit, "values");
	for (size_t i = 0; i < count; i++) {
		struct fl_kit_batch *b = fl_kit_batch(kit, 4 * texts[i].size + 4000);
		fl_kit_insert(b, (int64_t)i, texts[i], BYTES(""));
		fl_kit_update(b, (int64_t)i, texts[i], BYTES("after"));
		fl_kit_insert(b, INT64_MIN + (int64_t)i, BYTES("x"),
			(struct fl_bytes){ all_bytes, sizeof(all_bytes) });
		fl_kit_delete(b, INT64_MAX, texts[i]);
		fl_kit_submit(kit, b);
	}
	fl_kit_drain(kit);
	fl_kit_stage(kit, "a statement");
	struct fl_kit_batch *b = fl_kit_batch(kit, 4000);
	fl_kit_say(b, FL_DDL, "CREATE TABLE `\xff\xfe\"\\\n\t` (a int) -- \xf0\x9f\x98\x80");
	fl_kit_submit(kit, b);
	fl_kit_drain(kit);
	if ((kit->plugin->takes & FL_TAKES_OPERATIONS) != 0) {
		fl_kit_stage(kit, "keys");
		for (size_t i = 0; i < count; i++)
			submit_key(kit, texts[i], BYTES("value"));
		submit_key(kit, BYTES("\xff\xfe not UTF-8 \x80"), BYTES("\xff\xfe"));
		submit_key(kit, (struct fl_bytes){ long_text, 249 }, BYTES("long"));
		submit_key(kit, (struct fl_bytes){ long_text, 251 }, BYTES("longer"));
	}
	end(kit);
}

static void add_doubt(struct fl_kit_batch *b, bool is_row)
{
	fl_kit_insert(b, 1, fl_kit_text("before"), fl_kit_none);
	if (is_row)
		fl_kit_insert(b, 2, BYTES("\xff\xfe"), fl_kit_none);
	else
		fl_kit_say(b, FL_DOUBT, "an event that is not decoded");
	fl_kit_insert(b, 3, fl_kit_text("behind"), fl_kit_none);
}

/* With halt_on_doubt FAILED, else passed on. */
static void doubt(struct fl_kit *kit, bool halts, bool is_row)
{
	struct fl_err err = { 0 };
	fl_kit_stage(kit, is_row ? "a row that can't be shown" : "a change in doubt");
	kit->halt_on_doubt = halts;
	kit->unreadable = 0;
	fl_kit_open(kit, NULL);
	struct fl_kit_batch *b = fl_kit_batch(kit, 2000);
	add_doubt(b, is_row);
	enum fl_outcome outcome = fl_kit_try_submit(kit, b, &err);
	if (outcome == FL_PENDING)
		outcome = fl_kit_try_drain(kit, &err);
	/* One that has not asked for the row need not know. */
	if (halts && outcome != FL_FAILED && (!is_row || kit->unreadable > 0))
		fl_kit_fail(kit,
			"with host->halt_on_doubt it is to return FAILED; it has passed over it");
	if (!halts && outcome != FL_DONE)
		fl_kit_fail(kit,
			"without host->halt_on_doubt it is to be passed on; it has halted: %s",
			err.text);
	fl_kit_close(kit);
}

void fl_kit_check_doubts(struct fl_kit *kit)
{
	fl_kit_load(kit);
	if (kit->plugin->takes != FL_TAKES_CHANGES)
		fl_kit_skip(kit, "it takes operations: the core makes deletions of doubts");
	for (unsigned i = 0; i < 4; i++)
		doubt(kit, i % 2 == 0, i / 2 == 0);
}
