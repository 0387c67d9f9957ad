/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints what becomes of every code of a character set, for tests that compare that with a server:
 * charset_codes CHARSET FIRST-LAST...
 * A range for each byte of the codes, in hexadecimal. A line is "CODE UTF-8"; codes that are
 * refused, or are not one character, have none. Status 1: text and JSON differ.
 */
#include <stdlib.h>

#include "binlog/value.h"

enum { LONGEST = 4 };

static void print_hex(const char *data, size_t size, char end)
{
	for (size_t i = 0; i < size; i++)
		printf("%02X", (unsigned char)data[i]);
	putchar(end);
}

static bool is_one_character(const struct fl_buf *text)
{
	unsigned char lead = (unsigned char)text->data[0];
	return text->size == (lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4);
}

static bool is_same(const struct fl_buf *json, const struct fl_buf *text)
{
	bool escaped = (unsigned char)text->data[0] < 0x20 || text->data[0] == '"' ||
		       text->data[0] == '\\';
	return escaped ? json->size > 1 && json->data[0] == '\\'
		       : json->size == text->size &&
				 memcmp(json->data, text->data, text->size) == 0;
}

int main(int argc, char **argv)
{
	unsigned first[LONGEST], last[LONGEST], size = 0;
	for (int i = 2; i < argc && size < LONGEST; i++, size++)
		if (sscanf(argv[i], "%x-%x", &first[size], &last[size]) != 2 || last[size] > 255)
			return 2;
	if (size == 0)
		return 2;
	enum fl_charset charset =
		fl_charset_from_name((struct fl_bytes){ argv[1], strlen(argv[1]) });
	char code[LONGEST];
	unsigned at[LONGEST];
	memcpy(at, first, sizeof(at));
	struct fl_buf text = { 0 }, json = { 0 };
	int status = 0;
	for (;;) {
		for (unsigned i = 0; i < size; i++)
			code[i] = (char)at[i];
		fl_buf_clear(&text);
		fl_buf_clear(&json);
		struct fl_bytes bytes = { code, size };
		int result = fl_charset_text(charset, bytes, &text);
		if (fl_charset_json(charset, bytes, &json) != result)
			status = 1;
		if (result == 0 && is_one_character(&text)) {
			status |= !is_same(&json, &text);
			print_hex(code, size, ' ');
			print_hex(text.data, text.size, '\n');
		}
		unsigned i = size;
		while (i > 0 && at[i - 1] == last[i - 1]) {
			i--;
			at[i] = first[i];
		}
		if (i == 0)
			break;
		at[i - 1]++;
	}
	fl_buf_finish(&text);
	fl_buf_finish(&json);
	return status;
}
