/* SPDX-License-Identifier: Apache-2.0
 *
 * Input: a byte, the number of a character set, and text in it. What is converted is valid UTF-8.
 */
#include "binlog/charset.h"
#include "target.h"

/* The character that begins there, 0 for an end that is none; steps behind it. */
static bool take_utf8(struct fl_cursor *c)
{
	uint8_t first = fl_take_u8(c);
	unsigned more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
	uint32_t code = more == 0 ? first : first & (0x3fU >> more);
	if (first >= 0x80 && (first < 0xc2 || first > 0xf4))
		return false;
	for (unsigned i = 0; i < more; i++) {
		uint8_t byte = fl_take_u8(c);
		if ((byte & 0xc0) != 0x80)
			return false;
		code = code << 6 | (byte & 0x3f);
	}
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	return !c->failed && code >= least[more] && code <= 0x10ffff &&
	       (code < 0xd800 || code > 0xdfff);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	static const char before[] = "what was there";
	struct fl_bytes const text = { (const char *)data + 1, size - 1 };
	enum fl_charset charset = (enum fl_charset)(data[0] % (FL_CHARSET_UTF32 + 1));
	struct fl_buf out = { 0 };
	fl_buf_text(&out, before);
	int rc = fl_charset_text(charset, text, &out);
	must(rc == FL_OK || out.size == sizeof(before) - 1);
	must(out.size >= sizeof(before) - 1 && memcmp(out.data, before, sizeof(before) - 1) == 0);
	if (charset != FL_CHARSET_BINARY && charset != FL_CHARSET_UNKNOWN) {
		struct fl_cursor c = fl_cursor(out.data, out.size);
		while (fl_cursor_left(&c) > 0)
			must(take_utf8(&c));
	}
	fl_buf_finish(&out);
	return 0;
}
