/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules that are refused, and with which words.
 */
#include "rules_fixture.h"

Test(rules, what_contradicts_itself_is_refused)
{
	static const struct {
		struct fl_map_rule rule;
		const char *reason;
	} cases[] = {
		{ { USERS, .key = "u:{id}", .value = "jsn" },
			"value: must be json, hash, msgpack, none, column:NAME or template:TEXT" },
		{ { USERS, .key = "u:{id}", .value = "column:" },
			"value: column: names no column" },
		{ { USERS, .key = "u:{id}", .value = "template:{generation}" },
			"value: {generation} can stand only in keys" },
		{ { USERS, .key = "u:{id}", .value = "template:" },
			"value: the template is empty" },
		{ { USERS, .key = "u:{id}", .columns = "a", .exclude = "b" },
			"columns and exclude: one of them says all: remove the other" },
		{ { USERS, .key = "u:{id}", .columns = "a,,b" },
			"columns: must be names, separated by commas" },
		{ { USERS, .key = "u:{id}", .columns = "a, A" }, "columns: A is there twice" },
		{ { USERS, .key = "u:{id}", .rename = "a" },
			"rename: must be pairs, separated by commas: column:name, other:name" },
		{ { USERS, .key = "u:{id}", .value = "none", .columns = "a" },
			"columns is for the values json, hash and msgpack: remove it" },
		{ { USERS, .key = "u:{id}", .ttl = "-1" },
			"ttl: must be 0 to 2147483647 seconds, or column:NAME for a column that "
			"says when" },
		{ { USERS, .key = "u:{id}", .ttl = "2147483648" },
			"ttl: must be 0 to 2147483647 seconds, or column:NAME for a column that "
			"says when" },
		{ { USERS, .key = "u:{id}", .ttl = "column:" }, "ttl: column: names no column" },
		{ { USERS, .key = "u:{id}", .ttl = "60", .ttl_jitter = "10" },
			"ttl_jitter: must be 0% to 90%" },
		{ { USERS, .key = "u:{id}", .ttl_jitter = "10%" },
			"ttl_jitter: nothing expires: set ttl, or remove it" },
		{ { USERS, .key = "u:{id}", .value = "none", .mode = "update-existing" },
			"mode: there is no value to update existing keys with: remove it, or set a "
			"value" },
		{ { USERS, .key = "u:{id}", .also = "e:{email" },
			"also: no closing brace behind {email (a literal brace is written {{)" },
		{ { USERS, .key = "u:{id}", .invalidate = "{*}:x" },
			"invalidate: it begins with {*}: put the text in front with which the keys "
			"begin" },
		{ { USERS, .key = "u:{id|lower|date}" },
			"key: {id|lower|date}: there is no date any more behind the filters in "
			"front of date: put it first" },
		{ { USERS, .key = "u:{id}", .also = "v:{id|default:0|date|hour}" },
			"also: {id|default:0|date|hour}: there is no date any more behind the "
			"filters in front of hour: put it first" },
		{ { USERS, .key = "u:{id}", .only_when = "id =" },
			"only_when: a number, a text in quotes, true or false is expected at the "
			"end" },
		{ { USERS, .key = "u:{id}", .only_when = "id = 1 and" },
			"only_when: a column (a name like a word or a number: in `backquotes`) is "
			"expected at the end" },
		{ { USERS, .key = "u:{id}", .only_when = "id == 1" },
			"only_when: a number, a text in quotes, true or false is expected at "
			"column 5, before = 1" },
		{ { USERS, .key = "u:{id}", .only_when = "id = null" },
			"only_when: nothing equals NULL: write `is null` or `is not null`" },
		{ { USERS, .key = "u:{id}", .only_when = "id = 1 email = 'a'" },
			"only_when: and, or, or the end is expected at column 8, before email = "
			"'a'" },
		{ { USERS, .key = "u:{id}", .delete_when = "email = 'a" },
			"delete_when: the quote at column 9 has no end (one inside is doubled)" },
		{ { USERS, .key = "u:{id}", .delete_when = "(id = 1" },
			"delete_when: and, or, or ) is expected at the end" },
		{ { USERS, .key = "u:{id}", .only_when = "id in ()" },
			"only_when: a number, a text in quotes, true or false is expected at "
			"column 8, before )" },
		{ { USERS, .key = "u:{id}", .only_when = "id like 'x'" },
			"only_when: = != < <= > >= is, or in is expected at column 4, before like "
			"'x'" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fl_map *map = fl_map_create();
		struct fl_err err = { 0 };
		cr_expect_eq(
			fl_map_add(map, &cases[i].rule, &err), FL_EINVAL, "%s", cases[i].reason);
		cr_expect_str_eq(err.text, cases[i].reason, "is:       %s\nexpected: %s", err.text,
			cases[i].reason);
		fl_map_destroy(map);
	}
}
