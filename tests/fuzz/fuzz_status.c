/* SPDX-License-Identifier: Apache-2.0
 *
 * Input: what comes from where a daemon should be, head and body. What --status and --top make of
 * it fits the window, and a terminal gets nothing but text.
 */
#include "target.h"
#include "view/private.h"

static void check(const struct fl_sheet *sheet, unsigned width)
{
	size_t column = 0;
	for (size_t i = 0; i < sheet->out.size; i++) {
		char const c = sheet->out.data[i];
		must(c == '\n' || (c >= ' ' && c <= '~')); /* the locale is C */
		column = c == '\n' ? 0 : column + 1;
		must(width == 0 || column <= width);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_buf answer = { 0 };
	struct fl_err err = { 0 };
	struct fl_status *status = NULL;
	fl_buf_append(&answer, data, size);
	if (fl_fetch_body(&answer, "there", &err) == 0 &&
		fl_status_parse(answer.data, answer.size, &status, &err) == 0) {
		for (unsigned width = 0; width < 130; width = width * 3 + 1) {
			struct fl_sheet sheet = { .width = width };
			fl_show_top(&sheet, status, status, 1e9);
			check(&sheet, width);
			fl_buf_clear(&sheet.out);
			sheet.width = 0;
			fl_show_status(&sheet, status, width);
			check(&sheet, 0);
			fl_buf_finish(&sheet.out);
		}
	} else {
		must(err.code != 0 && err.text[0] != '\0');
		for (const char *c = err.text; *c != '\0'; c++)
			must(*c >= ' ' && *c <= '~');
	}
	fl_status_destroy(status);
	fl_buf_finish(&answer);
	return 0;
}
