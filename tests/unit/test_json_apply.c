/* SPDX-License-Identifier: Apache-2.0 */
#include "make_table.h"

#include "binlog/json.h"
#include "binlog/row.h"

/* Documents before, and the changes of them as MySQL 9.7 logged them; its own text of what came of
 * it. */
static const struct {
	const char *what;
	const char *document, *changes; /* hexadecimal */
	const char *text;
} updates[] = {
	{ "json_set(j,'$.a',9)",
		"000200590012000100130002000501000c15006162624374657874207468617420697320736f206c6f"
		"6e672074686174206368616e67657320617265206c6f6767656420696e20706c616365206f66206120"
		"646f63756d656e74",
		"0003242e6103050900",
		"{\"a\": 9, \"bb\": \"text that is so long that changes are logged in place of a "
		"document\"}" },
	{ "json_set(j,'$.a','x')",
		"000200590012000100130002000501000c15006162624374657874207468617420697320736f206c6f"
		"6e672074686174206368616e67657320617265206c6f6767656420696e20706c616365206f66206120"
		"646f63756d656e74",
		"0003242e61030c0178",
		"{\"a\": \"x\", \"bb\": \"text that is so long that changes are logged in place of "
		"a document\"}" },
	{ "json_set(j,'$.c',json_array(1,json_object('k',cast(1.5 as decimal(3,2)))))",
		"000200590012000100130002000501000c15006162624374657874207468617420697320736f206c6f"
		"6e672074686174206368616e67657320617265206c6f6767656420696e20706c616365206f66206120"
		"646f63756d656e74",
		"0103242e63200202001f00050100000a00010015000b0001000f0c006bf6070b028000000132",
		"{\"a\": 1, \"c\": [1, {\"k\": 1.50}], \"bb\": \"text that is so long that changes "
		"are logged in place of a document\"}" },
	{ "json_set(j,'$.aa',true,'$.b',null,'$.bbb',70000)",
		"000200590012000100130002000501000c15006162624374657874207468617420697320736f206c6f"
		"6e672074686174206368616e67657320617265206c6f6767656420696e20706c616365206f66206120"
		"646f63756d656e74",
		"0104242e61610204010103242e620204000105242e626262050770110100",
		"{\"a\": 1, \"b\": null, \"aa\": true, \"bb\": \"text that is so long that changes "
		"are logged in place of a document\", \"bbb\": 70000}" },
	{ "json_remove(j,'$.a')",
		"000200590012000100130002000501000c15006162624374657874207468617420697320736f206c6f"
		"6e672074686174206368616e67657320617265206c6f6767656420696e20706c616365206f66206120"
		"646f63756d656e74",
		"0203242e61",
		"{\"bb\": \"text that is so long that changes are logged in place of a "
		"document\"}" },
	{ "json_set(json_remove(j,'$.a'),'$.a',2)",
		"000200590012000100130002000501000c15006162624374657874207468617420697320736f206c6f"
		"6e672074686174206368616e67657320617265206c6f6767656420696e20706c616365206f66206120"
		"646f63756d656e74",
		"0203242e610103242e6103050200",
		"{\"a\": 2, \"bb\": \"text that is so long that changes are logged in place of a "
		"document\"}" },
	{ "json_set(j,'$.a.b.c[1]','two','$.a.b.d',4)",
		"0002007f0012000100130003000016000c3b0061706164010025000b000100000c0062010019000b00"
		"0100020c006303000d000501000502000503004374657874207468617420697320736f206c6f6e6720"
		"74686174206368616e67657320617265206c6f6767656420696e20706c616365206f66206120646f63"
		"756d656e74",
		"000a242e612e622e635b315d050c0374776f0107242e612e622e6403050400",
		"{\"a\": {\"b\": {\"c\": [1, \"two\", 3], \"d\": 4}}, \"pad\": \"text that is so "
		"long that changes are logged in place of a document\"}" },
	{ "json_remove(j,'$.a.b.c[last]','$.a.b.c[0]')",
		"0002007f0012000100130003000016000c3b0061706164010025000b000100000c0062010019000b00"
		"0100020c006303000d000501000502000503004374657874207468617420697320736f206c6f6e6720"
		"74686174206368616e67657320617265206c6f6767656420696e20706c616365206f66206120646f63"
		"756d656e74",
		"020d242e612e622e635b6c6173745d020a242e612e622e635b305d",
		"{\"a\": {\"b\": {\"c\": [2]}}, \"pad\": \"text that is so long that changes are "
		"logged in place of a document\"}" },
	{ "json_set(j,'$[last]',9,'$[last-1]',8,'$[1]',7)",
		"02040054000c10000501000502000503004374657874207468617420697320736f206c6f6e67207468"
		"6174206368616e67657320617265206c6f6767656420696e20706c616365206f66206120646f63756d"
		"656e74",
		"0007245b6c6173745d030509000009245b6c6173742d315d030508000004245b315d03050700",
		"[\"text that is so long that changes are logged in place of a document\", 7, 8, "
		"9]" },
	{ "json_set(j,'$[9]',4,'$[9]',5)",
		"02040054000c10000501000502000503004374657874207468617420697320736f206c6f6e67207468"
		"6174206368616e67657320617265206c6f6767656420696e20706c616365206f66206120646f63756d"
		"656e74",
		"0104245b395d030504000104245b395d03050500",
		"[\"text that is so long that changes are logged in place of a document\", 1, 2, "
		"3, 4, 5]" },
	{ "json_set(j,'$[last-9]',0)",
		"02040054000c10000501000502000503004374657874207468617420697320736f206c6f6e67207468"
		"6174206368616e67657320617265206c6f6767656420696e20706c616365206f66206120646f63756d"
		"656e74",
		"0109245b6c6173742d395d03050000",
		"[0, \"text that is so long that changes are logged in place of a document\", 1, "
		"2, 3]" },
	{ "json_set(j,'$[0][0]','autowrapped')",
		"02040054000c10000501000502000503004374657874207468617420697320736f206c6f6e67207468"
		"6174206368616e67657320617265206c6f6767656420696e20706c616365206f66206120646f63756d"
		"656e74",
		"0004245b305d0d0c0b6175746f77726170706564", "[\"autowrapped\", 1, 2, 3]" },
	{ "json_set(j,'$[1][1]',5,'$[1][1]',6)",
		"02040054000c10000501000502000503004374657874207468617420697320736f206c6f6e67207468"
		"6174206368616e67657320617265206c6f6767656420696e20706c616365206f66206120646f63756d"
		"656e74",
		"0004245b315d0b0202000a000501000505000007245b315d5b315d03050600",
		"[\"text that is so long that changes are logged in place of a document\", [1, 6], "
		"2, 3]" },
	{ "json_remove(j,'$[2]','$[2]')",
		"02040054000c10000501000502000503004374657874207468617420697320736f206c6f6e67207468"
		"6174206368616e67657320617265206c6f6767656420696e20706c616365206f66206120646f63756d"
		"656e74",
		"0204245b325d0204245b325d",
		"[\"text that is so long that changes are logged in place of a document\", 1]" },
	{ "json_set(j,'$.\"\"',1,'$.\"a "
	  "b\"',2,'$.\"q\\\\\"x\"',3,'$.\"back\\\\\\\\slash\"',4,'$.\"a.b[0]\"',5)",
		"000200590012000000120003000500000c15007061644374657874207468617420697320736f206c6f"
		"6e672074686174206368616e67657320617265206c6f6767656420696e20706c616365206f66206120"
		"646f63756d656e74",
		"0004242e2222030501000107242e2261206222030502000108242e22715c22782203050300010f242e"
		"226261636b5c5c736c6173682203050400010a242e22612e625b305d2203050500",
		"{\"\": 1, \"a b\": 2, \"pad\": \"text that is so long that changes are logged in "
		"place of a document\", \"q\\\"x\": 3, \"a.b[0]\": 5, \"back\\\\slash\": 4}" },
	{ "json_set(j,'$.é',1,'$.\"\\\\ud83d\\\\ude00 "
	  "\"',2,'$.\"\\\\n\\\\u0001\"',3,'$.$_1',4,'$.\"1\"',5)",
		"00010052000b0003000c0e007061644374657874207468617420697320736f206c6f6e672074686174"
		"206368616e67657320617265206c6f6767656420696e20706c616365206f66206120646f63756d656e"
		"74",
		"0104242ec3a9030501000109242e22f09f9880202203050200010c242e225c6e5c7530303031220305"
		"03000105242e245f31030504000105242e22312203050500",
		"{\"1\": 5, \"\\n\\u0001\": 3, \"é\": 1, \"$_1\": 4, \"pad\": \"text that is so "
		"long that changes are logged in place of a document\", \"😀 \": 2}" },
	{ "json_set(j,'$.t',cast('2024-02-29 01:02:03.5' as "
	  "datetime(6)),'$.u',x'00ff','$.v',1.5e0,'$.w',18446744073709551615)",
		"0002005a0012000100130003000501000c1600747061644374657874207468617420697320736f206c"
		"6f6e672074686174206368616e67657320617265206c6f6767656420696e20706c616365206f662061"
		"20646f63756d656e74",
		"0003242e740b0f0c0820a1078310bab2190103242e75050f0f0200ff0103242e76090b000000000000"
		"f83f0103242e77090affffffffffffffff",
		"{\"t\": \"2024-02-29 01:02:03.500000\", \"u\": \"base64:type15:AP8=\", \"v\": "
		"1.5, \"w\": 18446744073709551615, \"pad\": \"text that is so long that changes "
		"are logged in place of a document\"}" },
	{ "json_set(j,'$[0][0][0][1]',json_object(),'$[0][0][0][1].x',json_array(),'$[0][0][0][1]."
	  "x[0]',1)",
		"02010068000207000100610002070001005a00020700020053000c0a000c4e00437465787420746861"
		"7420697320736f206c6f6e672074686174206368616e67657320617265206c6f6767656420696e2070"
		"6c616365206f66206120646f63756d656e74046d6f7265",
		"000d245b305d5b305d5b305d5b315d050000000400010f245b305d5b305d5b305d5b315d2e78050200"
		"0004000112245b305d5b305d5b305d5b315d2e785b305d03050100",
		"[[[[\"text that is so long that changes are logged in place of a document\", "
		"{\"x\": [1]}]]]]" },
	{ "json_set(j,'$.a[0]',1,'$.a[1]',2)",
		"0002005e0012000100130003000216000c1a0061706164000004004374657874207468617420697320"
		"736f206c6f6e672074686174206368616e67657320617265206c6f6767656420696e20706c61636520"
		"6f66206120646f63756d656e74",
		"0106242e615b305d030501000106242e615b315d03050200",
		"{\"a\": [1, 2], \"pad\": \"text that is so long that changes are logged in place "
		"of a document\"}" },
	{ "json_replace(j,'$.b',1)",
		"0002005a0012000100130003000501000c1600617061644374657874207468617420697320736f206c"
		"6f6e672074686174206368616e67657320617265206c6f6767656420696e20706c616365206f662061"
		"20646f63756d656e74",
		"",
		"{\"a\": 1, \"pad\": \"text that is so long that changes are logged in place of a "
		"document\"}" },
};
enum { UPDATES = sizeof(updates) / sizeof(updates[0]) };

static struct fl_bytes bytes_of(const struct fl_buf *buf)
{
	return (struct fl_bytes){ buf->data, buf->size };
}

static void expect_text(struct fl_bytes document, const char *text)
{
	struct fl_buf out = { 0 };
	struct fl_err err = { 0 };
	cr_assert_eq(fl_json_decode(document, 1 << 20, &out, &err), 0, "%s: %s", text, err.text);
	fl_buf_char(&out, '\0');
	cr_expect_str_eq(out.data, text);
	fl_buf_finish(&out);
}

Test(json_apply, changes_give_what_mysql_has)
{
	for (size_t i = 0; i < UPDATES; i++) {
		struct fl_buf document = { 0 }, changes = { 0 }, out = { 0 };
		struct fl_err err = { 0 };
		put_hex(&document, updates[i].document);
		put_hex(&changes, updates[i].changes);
		fl_buf_text(&out, "> ");
		int code = fl_json_apply(bytes_of(&document), bytes_of(&changes), &out, &err);
		cr_assert_eq(code, 0, "%s: %s", updates[i].what, err.text);
		expect_text((struct fl_bytes){ out.data + 2, out.size - 2 }, updates[i].text);
		fl_buf_finish(&document);
		fl_buf_finish(&changes);
		fl_buf_finish(&out);
	}
}

Test(json_apply, nothing_cut_off_is_read_beyond_its_end_or_taken_for_whole)
{
	for (size_t i = 0; i < UPDATES; i++) {
		struct fl_buf document = { 0 }, changes = { 0 };
		put_hex(&document, updates[i].document);
		put_hex(&changes, updates[i].changes);
		for (size_t size = 1; size < document.size + changes.size; size++) {
			bool const of_document = size < document.size;
			size_t const left = of_document ? size : size - document.size;
			char *copy = malloc(left + 1);
			memcpy(copy, of_document ? document.data : changes.data, left);
			struct fl_bytes const cut = { copy, left };
			struct fl_buf out = { 0 };
			fl_buf_text(&out, "kept");
			int code = fl_json_apply(of_document ? cut : bytes_of(&document),
				of_document ? bytes_of(&changes) : cut, &out, NULL);
			/* Cut between two changes it is a valid sequence of them. */
			cr_expect(code == FL_ECORRUPT || (code == 0 && !of_document), "%s at %zu",
				updates[i].what, size);
			cr_expect(code == 0 || out.size == 4, "nothing is left of a failure");
			fl_buf_finish(&out);
			free(copy);
		}
		fl_buf_finish(&document);
		fl_buf_finish(&changes);
	}
}

static void put_change(struct fl_buf *out, char operation, const char *path, const char *document)
{
	fl_buf_char(out, operation);
	fl_buf_char(out, (char)strlen(path));
	fl_buf_text(out, path);
	if (document == NULL)
		return;
	struct fl_buf binary = { 0 };
	put_hex(&binary, document);
	fl_buf_char(out, (char)binary.size);
	fl_buf_append(out, binary.data, binary.size);
	fl_buf_finish(&binary);
}

/* {"a": {"x": 1}, "b": [1, 2]} */
#define SMALL                                                                                      \
	"00 02002a00 12000100 13000100 001400 022000 61 62 01000c000b00010005010078 "              \
	"02000a00050100050200"

enum { REPLACE = 0, INSERT = 1, REMOVE = 2 };

Test(json_apply, what_does_not_fit_is_refused_with_its_path)
{
	static const struct {
		char operation;
		const char *path, *document, *reason;
	} cases[] = {
		{ REPLACE, "$.c", "050100", "it replaces $.c" },
		{ REPLACE, "$.b[2]", "050100", "it replaces $.b[2]" },
		{ REPLACE, "$.b[last-2]", "050100", "it replaces $.b[last-2]" },
		{ REPLACE, "$.b.x", "050100", "it replaces $.b.x" },
		{ REPLACE, "$.a[1]", "050100", "it replaces $.a[1]" },
		{ REPLACE, "$.a", "05", "it replaces $.a" },
		{ REPLACE, "$.a", "0d00", "it replaces $.a" },
		{ INSERT, "$.a", "050100", "it inserts $.a" },
		{ INSERT, "$", "050100", "it inserts $" },
		{ INSERT, "$.c.d", "050100", "it inserts $.c.d" },
		{ INSERT, "$.a[1]", "050100", "it inserts $.a[1]" },
		{ INSERT, "$.b.x", "050100", "it inserts $.b.x" },
		{ INSERT, "$.a.x.y", "050100", "it inserts $.a.x.y" },
		{ REMOVE, "$", NULL, "it removes $" },
		{ REMOVE, "$.c", NULL, "it removes $.c" },
		{ REMOVE, "$.b[2]", NULL, "it removes $.b[2]" },
		{ REMOVE, "$.a[0]", NULL, "it removes $.a[0]" },
		{ REPLACE, "$.*", "050100", "it replaces $.*" },
		{ REPLACE, "$**.x", "050100", "it replaces $**.x" },
		{ REPLACE, "$.b[0 to 1]", "050100", "it replaces $.b[0 to 1]" },
		{ REPLACE, "", "050100", "it replaces " },
		{ REPLACE, "a", "050100", "it replaces a" },
	};
	struct fl_buf document = { 0 };
	put_hex(&document, SMALL);
	expect_text(bytes_of(&document), "{\"a\": {\"x\": 1}, \"b\": [1, 2]}");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_buf changes = { 0 }, out = { 0 };
		struct fl_err err = { 0 };
		char reason[128];
		put_change(&changes, cases[i].operation, cases[i].path, cases[i].document);
		snprintf(reason, sizeof(reason), "a partial JSON update does not fit: %s",
			cases[i].reason);
		cr_expect_eq(fl_json_apply(bytes_of(&document), bytes_of(&changes), &out, &err),
			FL_ECORRUPT, "%s", cases[i].path);
		cr_expect_str_eq(err.text, reason);
		cr_expect_eq(out.size, 0);
		fl_buf_finish(&changes);
		fl_buf_finish(&out);
	}
	fl_buf_finish(&document);
}

Test(json_apply, damaged_changes_are_refused)
{
	static const char *const damaged[] = { "03 01 24", "00 01 24 00", "00 fb",
		"ff 01 24 020401" };
	struct fl_buf document = { 0 };
	put_hex(&document, SMALL);
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		struct fl_buf changes = { 0 }, out = { 0 };
		struct fl_err err = { 0 };
		put_hex(&changes, damaged[i]);
		cr_expect_eq(fl_json_apply(bytes_of(&document), bytes_of(&changes), &out, &err),
			FL_ECORRUPT);
		cr_expect_str_eq(err.text, "a partial JSON update that is damaged");
		fl_buf_finish(&changes);
		fl_buf_finish(&out);
	}
	fl_buf_finish(&document);
}

Test(json_apply, no_changes_leave_the_document_byte_by_byte)
{
	for (size_t i = 0; i < UPDATES; i++) {
		struct fl_buf document = { 0 }, out = { 0 };
		put_hex(&document, updates[i].document);
		struct fl_bytes const none = { 0 };
		cr_assert_eq(fl_json_apply(bytes_of(&document), none, &out, NULL), 0);
		cr_assert_eq(out.size, document.size);
		cr_expect_arr_eq(out.data, document.data, out.size);
		fl_buf_finish(&document);
		fl_buf_finish(&out);
	}
}

static void put_text_value(struct fl_buf *out, size_t size)
{
	fl_buf_char(out, FL_JSON_TEXT);
	for (size_t rest = size; rest > 0; rest >>= 7)
		fl_buf_char(out, (char)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0)));
	for (size_t i = 0; i < size; i++)
		fl_buf_char(out, 'x');
}

static void put_change_to_text(struct fl_buf *out, char operation, const char *path, size_t size)
{
	struct fl_buf value = { 0 };
	put_text_value(&value, size);
	put_change(out, operation, path, NULL);
	fl_buf_char(out, (char)253);
	put_int(out, value.size, 3);
	fl_buf_append(out, value.data, value.size);
	fl_buf_finish(&value);
}

/* 64 KB is where offsets no longer fit in two bytes; the containers around grow with it. */
Test(json_apply, the_format_goes_by_the_size)
{
	unsigned small_ones = 0;
	for (size_t size = 65400; size < 65500; size++) {
		struct fl_buf document = { 0 }, changes = { 0 }, large = { 0 }, small = { 0 };
		struct fl_buf text = { 0 };
		put_hex(&document, SMALL);
		put_change_to_text(&changes, INSERT, "$.b[1]", size);
		put_change(&changes, INSERT, "$.c", "07 70110100");
		cr_assert_eq(
			fl_json_apply(bytes_of(&document), bytes_of(&changes), &large, NULL), 0);
		fl_buf_text(&text, "{\"a\": {\"x\": 1}, \"b\": [1, \"");
		for (size_t i = 0; i < size; i++)
			fl_buf_char(&text, 'x');
		fl_buf_text(&text, "\", 2], \"c\": 70000}");
		fl_buf_char(&text, '\0');
		expect_text(bytes_of(&large), text.data);
		bool const is_large = large.data[0] == FL_JSON_LARGE_OBJECT;
		cr_expect_eq(is_large, large.size - 1 > UINT16_MAX);
		small_ones += !is_large;

		fl_buf_clear(&changes);
		put_change(&changes, REMOVE, "$.b[1]", NULL);
		cr_assert_eq(fl_json_apply(bytes_of(&large), bytes_of(&changes), &small, NULL), 0);
		expect_text(bytes_of(&small), "{\"a\": {\"x\": 1}, \"b\": [1, 2], \"c\": 70000}");
		cr_expect_eq(small.data[0], FL_JSON_SMALL_OBJECT);
		fl_buf_finish(&document);
		fl_buf_finish(&changes);
		fl_buf_finish(&large);
		fl_buf_finish(&small);
		fl_buf_finish(&text);
	}
	cr_expect(small_ones > 0 && small_ones < 100, "%u", small_ones);
}

/* Arrays all of whose elements are the same next one. */
Test(json_apply, parts_that_lie_over_one_another_cannot_blow_it_up)
{
	struct fl_buf document = { 0 }, changes = { 0 }, out = { 0 };
	enum { DEEP = 20, WIDE = 10 };
	fl_buf_char(&document, FL_JSON_SMALL_ARRAY);
	for (unsigned depth = DEEP; depth > 0; depth--) {
		put_int(&document, WIDE, 2);
		put_int(&document, depth * (4 + 3 * WIDE) + 4, 2);
		for (unsigned i = 0; i < WIDE; i++)
			put_hex(&document, "02 2200");
	}
	put_hex(&document, "0000 0400");
	char path[4 + 3 * DEEP] = "$";
	for (unsigned i = 0; i < DEEP; i++)
		strcat(path, "[0]");
	put_change(&changes, REPLACE, path, "0401");
	cr_expect_eq(
		fl_json_apply(bytes_of(&document), bytes_of(&changes), &out, NULL), FL_ECORRUPT);
	cr_expect_eq(out.size, 0);
	cr_expect_leq(out.capacity, 4 * (document.size + changes.size));
	fl_buf_finish(&document);
	fl_buf_finish(&changes);
	fl_buf_finish(&out);
}

Test(json_apply, paths)
{
	static const struct {
		const char *text, *legs; /* NULL: refused */
	} cases[] = {
		{ "$", "" },
		{ "$.a", ".a" },
		{ "$.a.bc[0][4294967295]", ".a .bc [0] [4294967295]" },
		{ "$[last][last-7].x", "[last-0] [last-7] .x" },
		{ "$.\"\"", "." },
		{ "$.\"a.b[0]\".c", ".a.b[0] .c" },
		{ "$.\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", ".\"\\/\b\f\n\r\t" },
		{ "$.\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"", ".Aé€😀" },
		{ "$.é", ".é" },
		{ "", NULL },
		{ "a", NULL },
		{ "$a", NULL },
		{ "$.", NULL },
		{ "$..a", NULL },
		{ "$.a ", NULL },
		{ "$.*", NULL },
		{ "$[*]", NULL },
		{ "$**.a", NULL },
		{ "$[", NULL },
		{ "$[]", NULL },
		{ "$[1", NULL },
		{ "$[-1]", NULL },
		{ "$[1 to 2]", NULL },
		{ "$[4294967296]", NULL },
		{ "$[99999999999999999999]", NULL },
		{ "$[last-]", NULL },
		{ "$[last+1]", NULL },
		{ "$[las]", NULL },
		{ "$.\"a", NULL },
		{ "$.\"a\\\"", NULL },
		{ "$.\"\\x\"", NULL },
		{ "$.\"\\u12\"", NULL },
		{ "$.\"\\uD8\"", NULL },
		{ "$.\"\\u12g4\"", NULL },
		{ "$.\"\\ud83d\"", NULL },
		{ "$.\"\\ud83d\\u0041\"", NULL },
		{ "$.\"\\ude00\"", NULL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_arena memory = { 0 };
		struct fl_buf got = { 0 };
		struct fl_json_leg legs[FL_JSON_DEEPEST];
		size_t const size = strlen(cases[i].text);
		char *copy = malloc(size + 1); /* no more than that may be looked at */
		memcpy(copy, cases[i].text, size);
		int count = fl_json_path((struct fl_bytes){ copy, size }, &memory, legs);
		cr_expect_eq(count < 0, cases[i].legs == NULL, "%s", cases[i].text);
		for (int l = 0; l < count; l++) {
			char cell[32];
			snprintf(cell, sizeof(cell), legs[l].from_last ? "[last-%u]" : "[%u]",
				legs[l].cell);
			fl_buf_text(&got, l > 0 ? " " : "");
			fl_buf_text(&got, legs[l].is_cell ? cell : ".");
			fl_buf_append(&got, legs[l].member.data, legs[l].member.size);
		}
		fl_buf_char(&got, '\0');
		if (count >= 0)
			cr_expect_str_eq(got.data, cases[i].legs);
		free(copy);
		fl_buf_finish(&got);
		fl_arena_finish(&memory);
	}
}

Test(json_apply, a_path_is_no_longer_than_documents_are_deep)
{
	for (int count = 99; count <= 101; count++) {
		struct fl_buf path = { 0 };
		struct fl_arena memory = { 0 };
		struct fl_json_leg legs[FL_JSON_DEEPEST];
		fl_buf_char(&path, '$');
		for (int i = 0; i < count; i++)
			fl_buf_text(&path, ".a");
		cr_expect_eq(fl_json_path(bytes_of(&path), &memory, legs),
			count <= 100 ? count : FL_ECORRUPT);
		fl_buf_finish(&path);
		fl_arena_finish(&memory);
	}
}
