/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "source/backend.h"
#include "source/schema.h"

#define UUID "3e11fa47-71ca-11e1-9e33-c80aa9429562"

Test(start, each_form_is_taken)
{
	static const char *const cases[] = {
		"current",
		"earliest",
		"binlog.000001:4",
		"mysql-bin.000123:4294967295",
		"a name: with a colon.000001:98765",
		UUID ":1",
		UUID ":1-5:7-9," UUID ":tag:3",
		"0-1-5",
		"0-1-5,1-1-9",
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_err err = { 0 };
		cr_expect_eq(fl_start_check(cases[i], &err), 0, "%s: %s", cases[i], err.text);
	}
}

Test(start, anything_else_is_refused_with_a_reason)
{
	static const struct {
		const char *start, *reason;
	} cases[] = {
		{ "", "none of current, earliest, FILE:POS and a GTID set" },
		{ "Current", "none of" },
		{ "now", "none of" },
		{ "binlog.000001", "none of" },
		{ ":4", "none of" },
		{ "binlog.000001:", "none of" },
		{ "binlog.000001:4x", "none of" },
		{ "binlog.000001:-4", "none of" },
		{ "binlog.000001: 4", "none of" },
		{ "../binlog.000001:4", "none of" },
		{ "b'c:4", "none of" },
		{ "binlog.000001:18446744073709551616", "none of" },
		{ "0-1", "none of" },
		{ "0-1-5,", "none of" },
		{ "binlog.000001:3", "the first in a file is 4" },
		{ "binlog.000001:0", "the first in a file is 4" },
		{ "binlog.000001:4294967296", "use a GTID set" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_err err = { 0 };
		cr_expect_eq(fl_start_check(cases[i].start, &err), FL_EINVAL, "%s", cases[i].start);
		cr_expect_eq(err.code, FL_EINVAL);
		cr_expect_not_null(
			strstr(err.text, cases[i].reason), "%s: %s", cases[i].start, err.text);
	}
}

Test(start, a_file_name_longer_than_a_position_holds_is_refused)
{
	char start[400];
	for (size_t size = FL_FILE_NAME_SIZE - 1; size <= FL_FILE_NAME_SIZE; size++) {
		memset(start, 'b', size);
		strcpy(start + size, ":4");
		cr_expect_eq(fl_start_check(start, NULL), size < FL_FILE_NAME_SIZE ? 0 : FL_EINVAL);
	}
}

Test(start, numbers_from_outside_are_digits_within_their_limit)
{
	static const struct {
		const char *text;
		uint64_t limit;
		bool good;
		uint64_t value;
	} cases[] = {
		{ "0", 0, true, 0 },
		{ "1", 0, false, 0 },
		{ "65535", 65535, true, 65535 },
		{ "65536", 65535, false, 0 },
		{ "007", 7, true, 7 },
		{ "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, false, 0 },
		{ "99999999999999999999", UINT64_MAX, false, 0 },
		{ "", 9, false, 0 },
		{ NULL, 9, false, 0 },
		{ "+1", 9, false, 0 },
		{ "1 ", 9, false, 0 },
		{ "1.5", 9, false, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t value = 4711;
		cr_expect_eq(fl_number(cases[i].text, cases[i].limit, &value), cases[i].good, "%s",
			cases[i].text != NULL ? cases[i].text : "NULL");
		cr_expect_eq(value, cases[i].good ? cases[i].value : 4711);
	}
}

Test(start, the_binlog_status_is_asked_for_in_the_servers_own_words)
{
	static const struct {
		struct fl_server server;
		const char *statement;
	} cases[] = {
		{ { .flavour = FL_MYSQL, .version = 50624 }, "SHOW MASTER STATUS" },
		{ { .flavour = FL_MYSQL, .version = 80100 }, "SHOW MASTER STATUS" },
		{ { .flavour = FL_MYSQL, .version = 80200 }, "SHOW BINARY LOG STATUS" },
		{ { .flavour = FL_MYSQL, .version = 90704 }, "SHOW BINARY LOG STATUS" },
		{ { .flavour = FL_MARIADB, .version = 101119 }, "SHOW MASTER STATUS" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_str_eq(fl_status_statement(&cases[i].server), cases[i].statement);
}

static const struct fl_source_host nowhere = {
	.name = "/nonexistent/fastlane.sock",
	.socket = "/nonexistent/fastlane.sock",
};

Test(start, a_source_that_is_not_there_may_come_back)
{
	const struct fl_source_config config = {
		.hosts = &nowhere,
		.host_count = 1,
		.user = "repl",
		.password = "secret",
		.server_id = 4711,
		.heartbeat = 1,
		.connect_timeout = 1,
	};
	struct fl_session *session = NULL;
	struct fl_err err = { 0 };
	cr_expect_eq(
		fl_session_connect(&config, 0, 4711, &session, &err), FL_ELOST, "%s", err.text);
	cr_expect_null(session);
	cr_expect_not_null(strstr(err.text, nowhere.socket));
	cr_expect_null(strstr(err.text, config.password));
}

Test(start, tls_through_a_socket_is_refused_for_good)
{
	const struct fl_source_config config = {
		.hosts = &nowhere,
		.host_count = 1,
		.user = "repl",
		.password = "",
		.heartbeat = 1,
		.connect_timeout = 1,
		.tls = true,
	};
	struct fl_session *session = NULL;
	struct fl_err err = { 0 };
	cr_expect_eq(fl_session_connect(&config, 0, 4711, &session, &err), FL_EFATAL);
	cr_expect_not_null(strstr(err.text, "tls"), "%s", err.text);
}

Test(start, a_look_up_without_a_source_is_lost_and_leaves_the_definition_alone)
{
	const struct fl_source_config config = {
		.hosts = &nowhere,
		.host_count = 1,
		.user = "repl",
		.password = "",
		.heartbeat = 1,
		.connect_timeout = 1,
	};
	struct fl_table_def def = { .names = FL_NAMES_NONE };
	const struct fl_position place = { .file = "binlog.000001", .offset = 4 };
	const atomic_bool stop = false;
	struct fl_schema *schema = fl_schema_create(&config, &stop);
	cr_assert_not_null(schema);
	struct fl_err err = { 0 };
	cr_expect_eq(
		fl_schema_complete(schema, &def, "1", &place, 0, &err), FL_ELOST, "%s", err.text);
	cr_expect_not(def.complete);
	fl_schema_destroy(schema);
}

Test(start, closing_nothing_is_fine)
{
	fl_session_close(NULL);
	fl_schema_destroy(NULL);
}
