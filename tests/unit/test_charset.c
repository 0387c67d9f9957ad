/* SPDX-License-Identifier: Apache-2.0
 *
 * What the servers make of a few texts in every character set. That all of their codes are right is
 * for tests/integration/test_charsets.py to show.
 */
#include "make_table.h"

#include "binlog/chunk.h"

struct text_case {
	const char *charset;
	const char *bytes; /* hexadecimal */
	const char *text;  /* NULL: refused */
};

static const struct text_case cases[] = {
	{ "ascii", "61 7e", "a~" },
	{ "ascii", "80", NULL },
	{ "latin1", "61 e9 80 81 ff", "aé€\xc2\x81ÿ" },
	{ "utf8mb3", "c3a9 e6bca2", "é漢" },
	{ "utf8mb4", "f09f9880 61", "😀a" },
	{ "utf8mb4", "eda080", NULL },

	{ "armscii8", "61 b2 b3 ff 27", "aԱա''" },
	{ "cp1250", "8a e1 9e", "Šáž" },
	{ "cp1250", "81", NULL },
	{ "cp1251", "cf f0 e8 e2 e5 f2 22 5c", "Привет\"\\" },
	{ "cp1256", "e3 d1 cd c8 c7", "مرحبا" },
	{ "cp1257", "e0 fe", "ąž" },
	{ "cp850", "81 9b", "üø" },
	{ "cp852", "a5 88", "ął" },
	{ "cp866", "8f e0 a8", "При" },
	{ "dec8", "e9 d7", "éŒ" },
	{ "geostd8", "c0 c1", "აბ" },
	{ "greek", "c1 f9", "Αω" },
	{ "greek", "d2", NULL },
	{ "hebrew", "f9 e0", "שא" },
	{ "hp8", "c5 cf", "éü" },
	{ "keybcs2", "87 84", "čä" },
	{ "koi8r", "f0 d2 c9", "При" },
	{ "koi8u", "a4 b4", "єЄ" },
	{ "latin2", "b1 b3", "ął" },
	{ "latin5", "f0 fe", "ğş" },
	{ "latin7", "e0 fe", "ąž" },
	{ "macce", "8b e4", "čš" },
	{ "macroman", "8e f0", "é\xef\xa3\xbf" },
	{ "tis620", "a1 db 41",
		"ก\xef\xbf\xbd"
		"A" },
	{ "swe7", "00 41 5b 5c 5d 7b 7d 22", NULL }, /* is "\0AÄÖÅäå\"", see below */
	{ "swe7", "7f", NULL },
	{ "swe7", "e4", NULL },

	/* bytes that would be a backslash, a brace or a backquote if they stood alone */
	{ "big5", "a55c 41 b36f", "功A這" },
	{ "big5", "a55c 5c 22", "功\\\"" },
	{ "big5", "a1", NULL },
	{ "big5", "8140", NULL },
	{ "sjis", "955c 5c 22", "表\\\"" },
	{ "sjis", "b1 41 83 41", "ｱAア" },
	{ "sjis", "8740", NULL }, /* cp932's */
	{ "cp932", "8740 955c b1", "①表ｱ" },
	{ "cp932", "81ad", NULL },
	{ "gbk", "815c 7c c4e3", "乗|你" },
	{ "gbk", "ff40", NULL },
	{ "gbk", "80", NULL },
	{ "gb2312", "c4e3 ba c3", "你好" },
	{ "gb2312", "815c", NULL },
	{ "gb18030", "815c c4e3 81308130 8431a439 90308130 e3329a35 61",
		"乗你\xc2\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"
		"a" },
	{ "gb18030", "8431a530", NULL },
	{ "gb18030", "e3329a36", NULL },
	{ "gb18030", "80308130", NULL },
	{ "gb18030", "81308030", NULL },
	{ "gb18030", "8130813a", NULL },
	{ "euckr", "b0a1 8141 61", "가갂a" },
	{ "euckr", "8140", NULL },
	{ "ujis", "c9bd 8eb1 8fb0a1 41", "表ｱ丂A" },
	{ "ujis", "ada1", NULL }, /* eucjpms' */
	{ "eucjpms", "ada1 8eb1 8fb0a1", "①ｱ丂" },
	{ "eucjpms", "8f41", NULL },

	{ "ucs2", "0061 00e9 6f22 0022", "aé漢\"" },
	{ "ucs2", "d83d de00", NULL },
	{ "utf16", "0061 d83dde00 005c", "a😀\\" },
	{ "utf16", "d83d 0061", NULL },
	{ "utf16", "de00", NULL },
	{ "utf16le", "6100 3dd800de 0a00", "a😀\n" },
	{ "utf16le", "00de", NULL },
	{ "utf32", "00000061 0001f600 00000001", "a😀\x01" },
	{ "utf32", "00110000", NULL },
	{ "utf32", "0000d800", NULL },
	{ "binary", "ff", NULL },
	{ "ebcdic", "c1", NULL },
};

static struct fl_bytes bytes_of(const char *text)
{
	return (struct fl_bytes){ text, strlen(text) };
}

static struct fl_bytes copy_of(const struct fl_buf *buf)
{
	char *copy = malloc(buf->size); /* so that reading beyond it is noticed */
	if (buf->size > 0)
		memcpy(copy, buf->data, buf->size);
	return (struct fl_bytes){ copy, buf->size };
}

static bool same(const struct fl_buf *got, struct fl_bytes expected)
{
	return got->size == expected.size &&
	       (got->size == 0 || memcmp(got->data, expected.data, got->size) == 0);
}

/* Both ways of writing JSON, the second with no more room than it is promised, and quotes. */
static int json_of(enum fl_charset charset, struct fl_bytes bytes, struct fl_buf *out)
{
	int code = fl_charset_json(charset, bytes, out);
	struct fl_column_def const def = { .charset = (uint8_t)charset };
	char *room = malloc(bytes.size * FL_TEXT_WORST + FL_TEXT_PAD + 2);
	char *end = fl_charset_writer(charset)(
		&def, (const uint8_t *)bytes.data, (uint32_t)bytes.size, room);
	cr_assert_eq(end != NULL, code == 0);
	if (code == 0) {
		cr_expect(same(out, (struct fl_bytes){ room + 1, (size_t)(end - room) - 2 }));
		cr_expect(room[0] == '"' && end[-1] == '"');
	}
	free(room);
	return code;
}

static void expect_json_of(const struct text_case *c, enum fl_charset charset,
	struct fl_bytes bytes, struct fl_bytes text)
{
	struct fl_buf json = { 0 }, expected = { 0 };
	cr_assert_eq(json_of(charset, bytes, &json), 0, "%s %s", c->charset, c->bytes);
	cr_assert_eq(fl_charset_json(FL_CHARSET_UTF8, text, &expected), 0);
	cr_expect(same(&json, (struct fl_bytes){ expected.data, expected.size }), "%s %s: %.*s",
		c->charset, c->bytes, (int)json.size, json.data);
	fl_buf_finish(&json);
	fl_buf_finish(&expected);
}

static void expect_text(const struct text_case *c, struct fl_bytes bytes, struct fl_bytes expected)
{
	enum fl_charset charset = fl_charset_from_name(bytes_of(c->charset));
	struct fl_buf text = { 0 };
	fl_buf_text(&text, ">");
	cr_assert_eq(fl_charset_text(charset, bytes, &text), 0, "%s %s", c->charset, c->bytes);
	cr_expect(text.size == expected.size + 1 && text.data[0] == '>' &&
			  memcmp(text.data + 1, expected.data, expected.size) == 0,
		"%s %s: %.*s", c->charset, c->bytes, (int)text.size, text.data);
	fl_buf_finish(&text);
	expect_json_of(c, charset, bytes, expected);
}

static void expect_refusal(const struct text_case *c, struct fl_bytes bytes)
{
	enum fl_charset charset = fl_charset_from_name(bytes_of(c->charset));
	struct fl_buf text = { 0 }, json = { 0 };
	fl_buf_text(&text, "kept");
	cr_expect_eq(
		fl_charset_text(charset, bytes, &text), FL_ECORRUPT, "%s %s", c->charset, c->bytes);
	cr_expect_eq(text.size, 4, "nothing is left of a failure");
	cr_expect_eq(json_of(charset, bytes, &json), FL_ECORRUPT, "%s %s", c->charset, c->bytes);
	fl_buf_finish(&text);
	fl_buf_finish(&json);
}

Test(charset, texts_become_utf8_or_are_refused)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_buf buf = { 0 };
		put_hex(&buf, cases[i].bytes);
		struct fl_bytes bytes = copy_of(&buf);
		if (strcmp(cases[i].charset, "swe7") == 0 && bytes.size > 1)
			expect_text(&cases[i], bytes, (struct fl_bytes){ "\0AÄÖÅäå\"", 13 });
		else if (cases[i].text != NULL)
			expect_text(&cases[i], bytes, bytes_of(cases[i].text));
		else
			expect_refusal(&cases[i], bytes);
		free((char *)bytes.data);
		fl_buf_finish(&buf);
	}
}

/* Cut between two characters it is the text's beginning, else it is refused. */
Test(charset, a_text_cut_anywhere_is_shorter_or_refused)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (cases[i].text == NULL)
			continue;
		enum fl_charset charset = fl_charset_from_name(bytes_of(cases[i].charset));
		struct fl_buf buf = { 0 };
		put_hex(&buf, cases[i].bytes);
		size_t whole = 0, longest = 0;
		for (size_t size = 0; size < buf.size; size++) {
			struct fl_buf part = { 0 }, text = { 0 };
			fl_buf_append(&part, buf.data, size);
			struct fl_bytes bytes = copy_of(&part);
			if (fl_charset_text(charset, bytes, &text) == 0) {
				struct fl_bytes expected = { cases[i].text, text.size };
				cr_assert(text.size >= longest && fl_utf8_is_valid(expected));
				expect_text(&cases[i], bytes, expected);
				longest = text.size;
				whole++;
			} else {
				expect_refusal(&cases[i], bytes);
			}
			free((char *)bytes.data);
			fl_buf_finish(&text);
			fl_buf_finish(&part);
		}
		/* as many as it has characters: none before each of them was refused */
		size_t characters = 0;
		for (const char *at = cases[i].text; *at != '\0'; at++)
			characters += ((unsigned char)*at & 0xc0) != 0x80;
		cr_expect_eq(whole, characters, "%s %s", cases[i].charset, cases[i].bytes);
		fl_buf_finish(&buf);
	}
}

/* Texts go in blocks; a character may lie across two. */
Test(charset, long_texts_are_converted_whole)
{
	static const struct text_case parts[] = { { "cp1251", "cf", "П" }, { "gbk", "815c", "乗" },
		{ "ujis", "8fb0a1", "丂" }, { "gb18030", "90308130", "\xf0\x90\x80\x80" },
		{ "utf16le", "3dd800de", "😀" }, { "utf32", "00000022", "\"" },
		{ "utf8mb4", "e6bca2", "漢" }, { "latin1", "80", "€" } };
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct fl_buf buf = { 0 }, expected = { 0 };
		bool wide = parts[i].charset[3] == '1' || parts[i].charset[3] == '3';
		/* one byte first, so that the characters lie over the blocks' ends */
		if (!wide || strcmp(parts[i].charset, "utf8mb4") == 0) {
			fl_buf_text(&buf, "a");
			fl_buf_text(&expected, "a");
		}
		for (unsigned n = 0; n < 3 * FL_TEXT_SHORT + 7; n++) {
			put_hex(&buf, parts[i].bytes);
			fl_buf_text(&expected, parts[i].text);
		}
		struct fl_bytes bytes = copy_of(&buf);
		expect_text(&parts[i], bytes, (struct fl_bytes){ expected.data, expected.size });
		free((char *)bytes.data);
		fl_buf_finish(&buf);
		fl_buf_finish(&expected);
	}
}

/* Whatever the bytes are, what is written is UTF-8, and within the room there is. */
Test(charset, any_bytes_are_utf8_or_refused)
{
	uint32_t random = 4711;
	for (unsigned round = 0; round < 200000; round++) {
		enum fl_charset charset =
			FL_CHARSET_ASCII + round % (FL_CHARSET_UTF32 - FL_CHARSET_ASCII + 1);
		char bytes[12];
		size_t size = 0;
		do {
			random = random * 1664525 + 1013904223;
			bytes[size++] = (char)(random >> 24);
		} while (size < sizeof(bytes) && (random >> 16 & 7) != 0);
		struct fl_buf text = { 0 }, json = { 0 };
		struct fl_bytes copy = copy_of(&(struct fl_buf){ .data = bytes, .size = size });
		int code = fl_charset_text(charset, copy, &text);
		cr_assert_eq(json_of(charset, copy, &json), code);
		struct fl_bytes found = { text.data, text.size };
		cr_assert(code == 0 ? fl_utf8_is_valid(found) : text.size == 0);
		free((char *)copy.data);
		fl_buf_finish(&text);
		fl_buf_finish(&json);
	}
}

/* Bytes as they come in texts: letters mostly, some of all others. */
static void make_text(uint32_t *random, uint8_t *to, size_t size)
{
	static const char *const parts[] = { "\"", "\\", "\n", "\x1f", "é", "ж", "漢", "字", "😀",
		"\x80", "\xe0\xa0\x80", "" };
	unsigned const rare = 1 + *random % 40;
	for (size_t i = 0; i < size;) {
		*random = *random * 1664525 + 1013904223;
		const char *part = parts[*random >> 8 & 7];
		if ((*random >> 20) % rare != 0)
			part = "x";
		else if ((*random >> 16 & 3) == 0)
			part = parts[8 + (*random >> 12 & 3)];
		size_t length = strlen(part);
		if (length > size - i)
			length = size - i;
		memcpy(to + i, part, length);
		if (length == 0)
			to[i] = 0;
		i += length > 0 ? length : 1;
	}
}

/* On memory of just that size, at all alignments, so that reading beyond it is noticed. */
Test(charset, what_is_special_is_found_in_the_same_way_by_all_processors)
{
	uint32_t random = 4711;
	for (unsigned round = 0; round < 60000; round++) {
		size_t const size = round % FL_CHUNK + 1, offset = round / FL_CHUNK % FL_CHUNK;
		uint8_t *memory = malloc(offset + size), *at = memory + offset;
		make_text(&random, at, size);
		unsigned expected = 0;
		for (size_t i = 0; i < size; i++)
			if (at[i] < 0x20 || at[i] >= 0x80 || at[i] == '"' || at[i] == '\\')
				expected |= 1u << i;
		char one[FL_CHUNK], other[FL_CHUNK];
		if (size == FL_CHUNK) {
			cr_assert_eq(fl_chunk_copy(at, one), expected);
			cr_assert_eq(fl_chunk_copy_plain(at, other), expected);
		} else {
			cr_assert_eq(fl_chunk_copy_few(at, size, one), expected);
			cr_assert_eq(fl_chunk_copy_few_plain(at, size, other), expected);
		}
		cr_assert(memcmp(one, at, size) == 0 && memcmp(other, at, size) == 0);
		free(memory);
	}
}

Test(charset, utf8_is_told_in_the_same_way_by_all_processors)
{
	uint32_t random = 42;
	for (unsigned round = 0; round < 60000; round++) {
		uint8_t chunk[FL_CHUNK];
		struct fl_chunk_utf8 expected = { 0, 0, 0, 0 };
		for (unsigned i = 0; i < FL_CHUNK; i++) {
			random = random * 1664525 + 1013904223;
			uint8_t const c = chunk[i] = (uint8_t)(random >> 24);
			unsigned const bit = 1u << i;
			if (c >= 0xc2 && c <= 0xdf)
				expected.two |= bit;
			else if (c >= 0xe1 && c <= 0xef && c != 0xed)
				expected.three |= bit;
			else if (c >= 0x80 && c <= 0xbf)
				expected.more |= bit;
			else if (c >= 0x80)
				expected.other |= bit;
		}
		struct fl_chunk_utf8 const one = fl_chunk_utf8(chunk);
		struct fl_chunk_utf8 const other = fl_chunk_utf8_plain(chunk);
		cr_assert_eq(memcmp(&one, &expected, sizeof(one)), 0);
		cr_assert_eq(memcmp(&other, &expected, sizeof(other)), 0);
	}
}

/* Byte by byte. */
static void escape_slowly(enum fl_charset charset, struct fl_bytes text, struct fl_buf *out)
{
	for (size_t i = 0; i < text.size; i++) {
		uint8_t const c = (uint8_t)text.data[i];
		char escaped[8];
		snprintf(escaped, sizeof(escaped), "\\u%04x", c);
		if (c == '"' || c == '\\')
			snprintf(escaped, sizeof(escaped), "\\%c", c);
		else if (c >= 8 && c <= 13 && c != 11)
			snprintf(escaped, sizeof(escaped), "\\%c", "btn.fr"[c - 8]);
		if (c < 0x20 || c == '"' || c == '\\')
			fl_buf_text(out, escaped);
		else if (c >= 0x80 && charset == FL_CHARSET_LATIN1)
			fl_charset_text(charset, (struct fl_bytes){ text.data + i, 1 }, out);
		else
			fl_buf_char(out, (char)c);
	}
}

Test(charset, texts_of_any_length_are_escaped_as_byte_by_byte)
{
	static const enum fl_charset charsets[] = { FL_CHARSET_UTF8, FL_CHARSET_LATIN1,
		FL_CHARSET_ASCII };
	uint32_t random = 815;
	for (unsigned round = 0; round < 30000; round++) {
		enum fl_charset const charset = charsets[round % 3];
		size_t const size = round / 3 % 100;
		struct fl_bytes text = { malloc(size + 1), size };
		make_text(&random, (uint8_t *)text.data, size);
		struct fl_bytes const exact =
			copy_of(&(struct fl_buf){ .data = (char *)text.data, .size = size });
		struct fl_buf json = { 0 }, plain = { 0 }, expected = { 0 };
		int const code = json_of(charset, exact, &json);
		cr_assert_eq(fl_charset_text(charset, exact, &plain), code);
		if (code == 0) {
			escape_slowly(charset, exact, &expected);
			cr_assert(same(&json, (struct fl_bytes){ expected.data, expected.size }));
		}
		free((char *)text.data);
		free((char *)exact.data);
		fl_buf_finish(&json);
		fl_buf_finish(&plain);
		fl_buf_finish(&expected);
	}
}
