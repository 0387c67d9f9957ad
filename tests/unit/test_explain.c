/* SPDX-License-Identifier: Apache-2.0
 *
 * Changes as text, made row images again. The suite's set-up is here, too.
 */
#include <criterion/criterion.h>

#include "binlog/row.h"
#include "explain/encode.h"
#include "explain/explain.h"

static void init(void)
{
	setenv("FASTLANE_PLUGIN_PATH", TEST_BUILD "/plugins:" TEST_BUILD "/tests/support/plugins",
		1);
}

TestSuite(explain, .init = init, .fini = fl_plugins_finish);

static struct fl_bytes bytes(const char *text)
{
	return (struct fl_bytes){ text, strlen(text) };
}

/* An insert of these columns, as JSON. */
static int parse(const char *format, const char *value, struct fl_asked *ret, struct fl_err *err)
{
	static char text[4096];
	snprintf(text, sizeof(text), format, value);
	return fl_asked_parse(bytes(text), ret, err);
}

/* A column as information_schema tells it, a value as stdout prints it, and what the row's JSON has
 * then: NULL for the same. */
static const struct {
	const char *data_type, *column_type;
	int64_t octets, precision, scale, fraction;
	const char *charset, *given, *shown; /* shown: "-" if the column can't have it */
} values[] = {
	{ "tinyint", "tinyint(4)", -1, 3, 0, -1, "", "-128", NULL },
	{ "tinyint", "tinyint(4)", -1, 3, 0, -1, "", "true", "1" },
	{ "tinyint", "tinyint(4)", -1, 3, 0, -1, "", "128", "-" },
	{ "tinyint", "tinyint(3) unsigned", -1, 3, 0, -1, "", "255", NULL },
	{ "tinyint", "tinyint(3) unsigned", -1, 3, 0, -1, "", "-1", "-" },
	{ "smallint", "smallint(6)", -1, 5, 0, -1, "", "-32768", NULL },
	{ "mediumint", "mediumint(9)", -1, 7, 0, -1, "", "-8388608", NULL },
	{ "mediumint", "mediumint(9) unsigned", -1, 7, 0, -1, "", "16777215", NULL },
	{ "int", "int(11)", -1, 10, 0, -1, "", "-2147483648", NULL },
	{ "int", "int(11)", -1, 10, 0, -1, "", "2147483648", "-" },
	{ "int", "int(11)", -1, 10, 0, -1, "", "\"12\"", "12" },
	{ "int", "int(11)", -1, 10, 0, -1, "", "\"twelve\"", "-" },
	{ "int", "int(11)", -1, 10, 0, -1, "", "1.5", "-" },
	{ "int", "int(11)", -1, 10, 0, -1, "", "{}", "-" },
	{ "bigint", "bigint(20)", -1, 19, 0, -1, "", "-9223372036854775808", NULL },
	{ "bigint", "bigint(20) unsigned", -1, 20, 0, -1, "", "18446744073709551615", NULL },
	{ "year", "year(4)", -1, -1, -1, -1, "", "2155", NULL },
	{ "year", "year(4)", -1, -1, -1, -1, "", "0", NULL },
	{ "year", "year(4)", -1, -1, -1, -1, "", "1900", "-" },
	{ "bit", "bit(1)", -1, 1, -1, -1, "", "1", NULL },
	{ "bit", "bit(1)", -1, 1, -1, -1, "", "2", "-" },
	{ "bit", "bit(64)", -1, 64, -1, -1, "", "18446744073709551615", NULL },
	{ "bit", "bit(12)", -1, 12, -1, -1, "", "2049", NULL },
	{ "float", "float", -1, 12, -1, -1, "", "0.1", NULL },
	{ "float", "float", -1, 12, -1, -1, "", "1e39", "-" },
	{ "double", "double", -1, 22, -1, -1, "", "0.30000000000000004", NULL },
	{ "double", "double", -1, 22, -1, -1, "", "-1.7976931348623157e308", NULL },
	{ "double", "double", -1, 22, -1, -1, "", "1e400", "-" },
	{ "double", "double", -1, 22, -1, -1, "", "-0", NULL },
	{ "decimal", "decimal(5,2)", -1, 5, 2, -1, "", "\"-999.99\"", NULL },
	{ "decimal", "decimal(5,2)", -1, 5, 2, -1, "", "12.5", "\"12.50\"" },
	{ "decimal", "decimal(5,2)", -1, 5, 2, -1, "", "\"-0.01\"", NULL },
	{ "decimal", "decimal(5,2)", -1, 5, 2, -1, "", "\"1000\"", "-" },
	{ "decimal", "decimal(5,2)", -1, 5, 2, -1, "", "\"0.001\"", "-" },
	{ "decimal", "decimal(1,1)", -1, 1, 1, -1, "", "\"0.9\"", NULL },
	{ "decimal", "decimal(65,30)", -1, 65, 30, -1, "",
		"\"12345678901234567890123456789012345.123456789012345678901234567890\"", NULL },
	{ "decimal", "decimal(9,0)", -1, 9, 0, -1, "", "\"-123456789\"", NULL },
	{ "date", "date", -1, -1, -1, -1, "", "\"2024-02-29\"", NULL },
	{ "date", "date", -1, -1, -1, -1, "", "\"0000-00-00\"", NULL },
	{ "date", "date", -1, -1, -1, -1, "", "\"2024-13-01\"", "-" },
	{ "date", "date", -1, -1, -1, -1, "", "\"today\"", "-" },
	{ "time", "time", -1, -1, -1, 0, "", "\"-838:59:59\"", NULL },
	{ "time", "time(1)", -1, -1, -1, 1, "", "\"-00:00:00.5\"", NULL },
	{ "time", "time(3)", -1, -1, -1, 3, "", "\"23:59:59.125\"", NULL },
	{ "time", "time(6)", -1, -1, -1, 6, "", "\"-838:59:58.999999\"", NULL },
	{ "time", "time", -1, -1, -1, 0, "", "\"839:00:00\"", "-" },
	{ "time", "time", -1, -1, -1, 0, "", "\"00:00:00.5\"", "-" },
	{ "datetime", "datetime", -1, -1, -1, 0, "", "\"9999-12-31 23:59:59\"", NULL },
	{ "datetime", "datetime(6)", -1, -1, -1, 6, "", "\"1000-01-01 00:00:00.000001\"", NULL },
	{ "datetime", "datetime(3)", -1, -1, -1, 3, "", "\"2024-02-29T01:02:03.5\"",
		"\"2024-02-29 01:02:03.500\"" },
	{ "datetime", "datetime", -1, -1, -1, 0, "", "\"2024-02-29\"", "\"2024-02-29 00:00:00\"" },
	{ "timestamp", "timestamp", -1, -1, -1, 0, "", "\"2038-01-19 03:14:07\"", NULL },
	{ "timestamp", "timestamp", -1, -1, -1, 0, "", "\"1970-01-01 00:00:01\"", NULL },
	{ "timestamp", "timestamp", -1, -1, -1, 0, "", "\"2000-02-29 12:00:00\"", NULL },
	{ "timestamp", "timestamp(2)", -1, -1, -1, 2, "", "\"2106-02-07 06:28:15.99\"", NULL },
	{ "timestamp", "timestamp", -1, -1, -1, 0, "", "\"0000-00-00 00:00:00\"", NULL },
	{ "timestamp", "timestamp", -1, -1, -1, 0, "", "\"1969-12-31 23:59:59\"", "-" },
	{ "varchar", "varchar(10)", 40, -1, -1, -1, "utf8mb4", "\"h\xc3\xa9\\n\\\"\\u0000\"",
		NULL },
	{ "char", "char(10)", 10, -1, -1, -1, "latin1", "\"\xe2\x82\xac\xe6\xbc\xa2\"", NULL },
	{ "text", "text", 65535, -1, -1, -1, "utf8mb3", "12.50", "\"12.50\"" },
	{ "longtext", "longtext", 4294967295, -1, -1, -1, "utf8mb4", "{\"a\":[1,2.50]}",
		"\"{\\\"a\\\":[1,2.50]}\"" },
	{ "inet6", "inet6", -1, -1, -1, -1, "", "\"2001:db8::1\"", NULL },
	{ "uuid", "uuid", -1, -1, -1, -1, "", "\"0189d8a1-0000-7000-8000-000000000000\"", NULL },
	{ "varbinary", "varbinary(10)", 10, -1, -1, -1, "", "\"AP9h\"", NULL },
	{ "varbinary", "varbinary(10)", 10, -1, -1, -1, "", "\"AP9\"", "-" },
	{ "varbinary", "varbinary(10)", 10, -1, -1, -1, "", "\"A===\"", "-" },
	{ "varbinary", "varbinary(10)", 10, -1, -1, -1, "", "\"!!!!\"", "-" },
	{ "binary", "binary(4)", 4, -1, -1, -1, "", "\"AQ==\"", "\"AQAAAA==\"" },
	{ "binary", "binary(2)", 2, -1, -1, -1, "", "\"AAAA\"", "-" },
	{ "blob", "blob", 65535, -1, -1, -1, "", "\"\"", NULL },
	{ "geometry", "geometry", -1, -1, -1, -1, "", "\"AAAAAAEBAAAA\"", NULL },
	{ "enum", "enum('a','it''s','c,\\\\d')", 5, -1, -1, -1, "utf8mb3", "\"it's\"", NULL },
	{ "enum", "enum('a','it''s')", 5, -1, -1, -1, "utf8mb3", "\"\"", NULL },
	{ "enum", "enum('a','it''s')", 5, -1, -1, -1, "utf8mb3", "\"b\"", "-" },
	{ "enum", "enum('a','it''s')", 5, -1, -1, -1, "utf8mb3", "2", "\"it's\"" },
	{ "enum", "enum('a','it''s')", 5, -1, -1, -1, "utf8mb3", "256", "-" },
	{ "set", "set('a','b','c')", 5, -1, -1, -1, "utf8mb3", "\"a,c\"", NULL },
	{ "set", "set('a','b','c')", 5, -1, -1, -1, "utf8mb3", "\"a,d\"", "-" },
	{ "set", "set('a','b','c')", 5, -1, -1, -1, "utf8mb3", "\"\"", NULL },
	{ "json", "json", -1, -1, -1, -1, "",
		"{\"b\": [1, -9223372036854775808, 18446744073709551615, 2.50, 1e30, 0.1, 1.0], "
		"\"a\": {\"\": null, \"t\": [true, false, \"x\\n\"]}, \"e\": {}}",
		"{\"b\": [1, -9223372036854775808, 18446744073709551615, 2.50, 1e30, 0.1, 1.0], "
		"\"a\": {\"\": null, \"t\": [true, false, \"x\\n\"]}, \"e\": {}}" },
	{ "json", "json", -1, -1, -1, -1, "", "\"text\"", NULL },
	{ "json", "json", -1, -1, -1, -1, "", "12345678901234567890.123",
		"12345678901234567890.123" },
	{ "json", "json", -1, -1, -1, -1, "", "[1e999]", "-" },
	{ "json", "json", -1, -1, -1, -1, "", "true", NULL },
	{ "varchar", "varchar(10)", 40, -1, -1, -1, "utf8mb4", "null", NULL },
};

Test(explain, values_that_stdout_prints_are_shown_again)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		const char *expected = values[i].shown != NULL ? values[i].shown : values[i].given;
		struct fl_schema_column column = { .name = bytes("c"),
			.data_type = bytes(values[i].data_type),
			.column_type = bytes(values[i].column_type),
			.charset = bytes(values[i].charset),
			.octet_length = values[i].octets,
			.precision = values[i].precision,
			.scale = values[i].scale,
			.fraction = values[i].fraction,
			.nullable = true };
		struct fl_asked asked;
		struct fl_err err = { 0 };
		struct fl_table_def *def = NULL;
		struct fl_row row;
		struct fl_buf shown = { 0 };
		char whole[1000];
		cr_assert_eq(parse("{\"db\":\"d\",\"table\":\"t\",\"after\":{\"c\":%s}}",
				     values[i].given, &asked, &err),
			0, "%s: %s", values[i].given, err.text);
		cr_assert_eq(fl_encode_table(asked.db, asked.table, &column, 1, &def, &err), 0,
			"%s: %s", values[i].column_type, err.text);
		int code = fl_encode_row(def, &asked.after, &asked.memory, &row, &err);
		if (strcmp(expected, "-") == 0) {
			cr_expect_eq(code, FL_EINVAL, "%s took %s", values[i].column_type,
				values[i].given);
		} else {
			cr_assert_eq(code, 0, "%s: %s", values[i].column_type, err.text);
			code = fl_row_json(&row, &shown, &err);
			cr_assert_eq(code, 0, "%s: %s", values[i].column_type, err.text);
			fl_buf_char(&shown, '\0');
			snprintf(whole, sizeof(whole), "{\"c\":%s}", expected);
			cr_expect_str_eq(shown.data, whole, "%s", values[i].column_type);
		}
		fl_buf_finish(&shown);
		fl_table_unref(def);
		fl_asked_finish(&asked);
	}
}

Test(explain, a_type_that_is_not_known_is_refused)
{
	struct fl_schema_column column = { .name = bytes("c"),
		.data_type = bytes("hologram"),
		.column_type = bytes("hologram(3)") };
	struct fl_err err;
	struct fl_table_def *def = NULL;
	cr_assert_eq(
		fl_encode_table(bytes("d"), bytes("t"), &column, 1, &def, &err), FL_EUNSUPPORTED);
	cr_assert_str_eq(err.text, "column c is hologram(3), which is not known");
	cr_assert_null(def);
}

/* What is wrong with a change, as part of the message. */
static const struct {
	const char *text, *said;
} wrong[] = {
	{ "", "not JSON" },
	{ "{", "unexpected end of data" },
	{ "{\"db\":\"d\"} x", "not JSON at byte 12" },
	{ "[]", "a change is an object" },
	{ "null", "a change is an object" },
	{ "17", "a change is an object" },
	{ "{}", "neither \"op\" nor an image" },
	{ "{\"op\":7}", "\"op\" must be a string" },
	{ "{\"op\":\"upsert\"}", "\"op\" is upsert" },
	{ "{\"op\":\"insert\",\"db\":\"d\",\"table\":\"t\"}", "needs the row" },
	{ "{\"op\":\"insert\",\"db\":\"\",\"table\":\"t\",\"row\":{\"a\":1}}",
		"\"db\" must name the change's database" },
	{ "{\"op\":\"insert\",\"db\":\"d\",\"row\":{\"a\":1}}",
		"\"table\" must name the change's table" },
	{ "{\"db\":3,\"table\":\"t\",\"row\":{\"a\":1}}", "\"db\" must be a string" },
	{ "{\"db\":\"d\",\"table\":\"t\",\"row\":[1]}", "\"row\" must be an object of columns" },
	{ "{\"db\":\"d\",\"table\":\"t\",\"row\":null}", "\"row\" must be an object of columns" },
	{ "{\"db\":\"d\",\"table\":\"t\",\"row\":{\"\":1}}", "without a name" },
	{ "{\"op\":\"insert\",\"db\":\"d\",\"table\":\"t\",\"row\":{},\"old\":{}}",
		"of op insert has no \"old\"" },
	{ "{\"op\":\"update\",\"db\":\"d\",\"table\":\"t\",\"row\":{\"a\":1}}",
		"needs what was before" },
	{ "{\"op\":\"delete\",\"db\":\"d\",\"table\":\"t\",\"row\":{},\"before\":{}}",
		"both \"row\" and \"before\"" },
	{ "{\"db\":\"d\",\"table\":\"t\",\"row\":{},\"after\":{}}", "both \"row\" and \"after\"" },
	{ "{\"db\":\"d\",\"table\":\"t\",\"row\":{},\"before\":{},\"old\":{}}",
		"both \"old\" and \"before\"" },
	{ "{\"op\":\"ddl\",\"db\":\"d\"}", "needs the statement" },
	{ "{\"db\":\"d\",\"table\":\"t\",\"row\":{\"a\":12.}}", "not JSON at byte 34" },
	{ "{\"db\":\"d\",\"table\":\"t\",\"row\":{\"a\":[1.5e+]}}", "not JSON at byte 35" },
	{ "{\"db\":\"d\",\"table\":\"t\",\"row\":{\"a\":18446744073709551616}}",
		"byte 34: an integer of more than 64 bits" },
	{ "{\"db\":\"d\",\"table\":\"1\\\"2\",\"row\":{\"a\":[1.5e3,-9223372036854775809]}}",
		"an integer of more than 64 bits" },
	{ "{\"db\":\"d\",\"table\":\"t\",\"row\":{\"a\":\"\xff\"}}", "not JSON" },
	{ "{\"db\":\"d\",\"table\":\"t\",\"row\":{\"a\":{\"x\\u0000y\" : 1}}}",
		"byte 35: a name with a NUL in it can't be explained" },
};

Test(explain, what_is_no_change_is_refused_with_the_reason)
{
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct fl_asked asked;
		struct fl_err err = { 0 };
		cr_assert_eq(fl_asked_parse(bytes(wrong[i].text), &asked, &err), FL_EINVAL, "%s",
			wrong[i].text);
		cr_expect(
			strstr(err.text, wrong[i].said) != NULL, "%s: %s", wrong[i].text, err.text);
	}
}
