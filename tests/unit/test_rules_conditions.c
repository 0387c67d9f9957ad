/* SPDX-License-Identifier: Apache-2.0
 *
 * Which rows a rule is for: only_when and delete_when.
 */
#include "rules_fixture.h"

Test(rules, rows_outside_of_the_filter_are_not_there)
{
#define RULE                                                                                       \
	{                                                                                          \
		USERS, .key = "u:{id}", .invalidate = "of:{email}", .value = "column:note",        \
		       .only_when = "note != 'off' and id < 10", .delete_when = "email is null"    \
	}
	static const struct given cases[] = {
		{ RULE, FL_INSERT, NULL, "1|a|x", "SET u:1 x; DEL of:a" },
		{ RULE, FL_INSERT, NULL, "1|a|off", "" },
		{ RULE, FL_INSERT, NULL, "1|a|~", "" },
		{ RULE, FL_INSERT, NULL, "1|~|x", "" },
		{ RULE, FL_INSERT, NULL, "10|a|x", "" },
		{ RULE, FL_UPDATE, "1|a|x", "1|a|off", "DEL u:1; DEL of:a" },
		{ RULE, FL_UPDATE, "1|a|x", "1|~|x", "DEL u:1; DEL of:a" },
		{ RULE, FL_UPDATE, "1|a|off", "1|b|x", "SET u:1 x; DEL of:b" },
		{ RULE, FL_UPDATE, "1|a|off", "2|b|off", "" },
		{ RULE, FL_DELETE, "1|a|off", NULL, "" },
		{ RULE, FL_DELETE, "1|a|x", NULL, "DEL u:1; DEL of:a" },
		{ RULE, FL_UPDATE, "1|a|-", "1|a|x", "SET u:1 x; DEL of:a" },
		{ RULE, FL_UPDATE, "1|a|x", "1|a|-",
			"DEL u:1; DEL of:a # shop.users: rule r: column note is not in the row "
			"image (binlog_row_image is not FULL): keys are deleted, not set" },
	};
#undef RULE
	CHECK(cases);
	static const struct given broken[] = {
		{ { USERS, .key = "u:{id}", .only_when = "nots = 1" }, FL_UPDATE, "1|a|x", "2|b|y",
			"DEL u:1; DEL u:2 # shop.users: rule r: the table has no column nots: keys "
			"are deleted, not set" },
		{ { USERS, .key = "u:{id}", .only_when = "id = '1'" }, FL_INSERT, NULL, "1|a|x",
			"DEL u:1 # shop.users: rule r: the column id is a number, and is compared "
			"with a text (1): keys are deleted, not set" },
		{ { USERS, .key = "u:{id}", .only_when = "email = 1" }, FL_INSERT, NULL, "1|a|x",
			"DEL u:1 # shop.users: rule r: the column email is no number, and is "
			"compared with one (1): keys are deleted, not set" },
	};
	CHECK(broken);
}

Test(rules, conditions_are_sql_s)
{
#define WHEN(text) { USERS, .key = "u:{id}", .value = "none", .only_when = text }, FL_DELETE
	static const struct {
		const char *condition, *row;
		bool expected;
	} cases[] = {
		{ "id = 7", "7|a|x", true },
		{ "id = 7.0", "7|a|x", true },
		{ "id = 7e0", "7|a|x", true },
		{ "id = 70e-1", "7|a|x", true },
		{ "id = 0.07e+2", "7|a|x", true },
		{ "id = -.0007E4", "-7|a|x", true },
		{ "id < 71e-1 and id > 6.9e0", "7|a|x", true },
		{ "id < 1e400 and id > -1e400 and id > 1e-400", "7|a|x", true },
		{ "id = 0e9", "0|a|x", true },
		{ "id <> 7", "7|a|x", false },
		{ "id > -8 and id < 8", "7|a|x", true },
		{ "id >= 7 and id <= 7", "7|a|x", true },
		{ "id > 7", "7|a|x", false },
		{ "id < 6.99", "7|a|x", false },
		{ "id < 7.01", "7|a|x", true },
		{ "id in (1, 7, 9)", "7|a|x", true },
		{ "id not in (1, 7, 9)", "7|a|x", false },
		{ "id not in (1, 9)", "7|a|x", true },
		{ "email = 'a'", "7|a|x", true },
		{ "email = \"a\"", "7|a|x", true },
		{ "email = 'A'", "7|a|x", false },
		{ "email = 'it''s'", "7|it's|x", true },
		{ "email < 'b' AND email > 'A'", "7|a|x", true },
		{ "`email` != ''", "7|a|x", true },
		{ "not email = 'b'", "7|a|x", true },
		{ "not not email = 'b'", "7|a|x", false },
		{ "id = 1 or email = 'a' and note = 'y'", "7|a|x", false },
		{ "id = 1 or email = 'a' and note = 'x'", "7|a|x", true },
		{ "(id = 1 or email = 'a') and note = 'y'", "7|a|x", false },
		{ "id = true", "1|a|x", true },
		{ "id = false", "1|a|x", false },
		{ "email is null", "7|~|x", true },
		{ "email is not null", "7|~|x", false },
		{ "email = 'a'", "7|~|x", false },
		{ "email != 'a'", "7|~|x", false },
		{ "not email = 'a'", "7|~|x", false },
		{ "email = 'a' or id = 7", "7|~|x", true },
		{ "email = 'a' and id = 8 or note is not null", "7|~|x", true },
		{ "not (email = 'a' and id = 8)", "7|~|x", true },
		{ "not (email = 'a' and id = 7)", "7|~|x", false },
		{ "EMAIL IS NULL", "7|~|x", true },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char deleted[32];
		snprintf(deleted, sizeof(deleted), "DEL u:%.*s", (int)strcspn(cases[i].row, "|"),
			cases[i].row);
		struct given const given = { WHEN(cases[i].condition), cases[i].row, NULL,
			cases[i].expected ? deleted : "" };
		check(&given);
	}
}
