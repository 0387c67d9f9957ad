/* SPDX-License-Identifier: Apache-2.0
 *
 * Input: a document in MySQL's binary JSON, length-encoded, and behind it the changes of a partial
 * update.
 */
#include "binlog/json.h"
#include "binlog/row.h"
#include "target.h"

enum { LIMIT = 1 << 20 };

/* The text of a document, nothing where it is damaged. */
static void text_of(struct fl_bytes document, struct fl_buf *out)
{
	int rc = fl_json_decode(document, LIMIT, out, NULL);
	must(rc == FL_OK ? out->size > 0 : out->size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_cursor c = fl_cursor(data, size);
	struct fl_bytes const document = fl_take_lenenc_bytes(&c);
	struct fl_bytes const changes = { (const char *)c.at, fl_cursor_left(&c) };
	struct fl_bytes const none = { 0 };
	struct fl_buf out = { 0 }, same = { 0 }, before = { 0 }, after = { 0 };
	struct fl_err err = { 0 };
	int rc = fl_json_apply(document, changes, &out, &err);
	must((rc == FL_OK) == (err.code == FL_OK));
	must(rc == FL_OK ? out.size > 1 : out.size == 0);
	/* The document null, which may have no bytes, takes two. */
	must(out.size <= 2 * (document.size + changes.size) + 2);

	/* Without changes a document stays what it is; and so does one that was made. */
	text_of(document, &before);
	rc = fl_json_apply(document, none, &same, NULL);
	must(rc == FL_OK || before.size == 0);
	text_of(fuzz_bytes(&same), &after);
	must(rc != FL_OK ||
		(after.size == before.size &&
			(after.size == 0 || memcmp(after.data, before.data, after.size) == 0)));
	if (out.size > 0) {
		fl_buf_clear(&same);
		must(fl_json_apply(fuzz_bytes(&out), none, &same, NULL) == FL_OK);
		must(same.size == out.size && memcmp(same.data, out.data, out.size) == 0);
	}
	fl_buf_finish(&out);
	fl_buf_finish(&same);
	fl_buf_finish(&before);
	fl_buf_finish(&after);
	return 0;
}
