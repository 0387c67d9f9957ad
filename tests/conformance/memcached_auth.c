/* SPDX-License-Identifier: Apache-2.0
 *
 * The memcached sink and a server that wants a user and a password (-Y; or by SASL, -S), or none.
 */
#include "memcached.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static char users[64];

static void begin(void)
{
	char options[128];
	signal(SIGPIPE, SIG_IGN);
	snprintf(users, sizeof(users), "/tmp/fl-users-XXXXXX");
	int const fd = mkstemp(users);
	cr_assert(fd >= 0 && write(fd, "other:x\nfastlane:5ecret\n", 24) == 24);
	close(fd);
	snprintf(options, sizeof(options), "-Y %s", users);
	prepare_server();
	server_kill(&server);
	/* Ready is who takes connections. */
	server_restart(&server, options);
}

static void end(void)
{
	end_server();
	unlink(users);
}

TestSuite(memcached_auth, .init = begin, .fini = end, .timeout = 60);

/* As anybody with the right password; the library does not know that it says it. */
static char *get_as_user(const char *key)
{
	static const char words[] = "fastlane 5ecret";
	memcached_return_t r;
	uint32_t flags;
	size_t size;
	memcached_st *look = memcached_create(NULL);
	cr_assert(
		memcached_success(memcached_server_add(look, "127.0.0.1", (in_port_t)server.port)));
	cr_assert(memcached_success(memcached_set(look, "any", 3, words, sizeof(words) - 1, 0, 0)));
	char *value = memcached_get(look, key, strlen(key), &size, &flags, &r);
	memcached_free(look);
	return value;
}

Test(memcached_auth, who_says_user_and_password_may_write)
{
	const struct setting settings[] = { { "servers", servers }, { "user", "fastlane" },
		{ "password_file", "5ecret" }, { NULL, NULL } };
	struct sink sink;
	cr_assert_eq(sink_open(&sink, settings), FL_DONE, "%s", sink.err.text);
	cr_assert_eq(submit_one(&sink, FL_KEY_SET, "a", "1", 0), FL_DONE, "%s", sink.err.text);
	sink_close(&sink);
	char *value = get_as_user("a"), *said = get_as_user("fastlane");
	cr_assert_str_eq(value, "1");
	cr_assert_null(said);
	free(value);
	cr_assert_eq(host_state.warnings + host_state.errors, 0, "%s", host_state.log);
}

Test(memcached_auth, who_says_the_wrong_ones_or_none_is_told_and_stops)
{
	static const struct {
		struct setting settings[4];
		const char *says;
	} cases[] = {
		{ { { "servers", servers } }, "set user and password_file" },
		{ { { "servers", servers }, { "user", "fastlane" }, { "password", "x" } },
			"check user and password_file" },
		{ { { "servers", servers }, { "user", "fastlane" }, { "password", "5ecrets" } },
			"check user and password_file" },
		{ { { "servers", servers }, { "user", "nobody" }, { "password", "5ecret" } },
			"check user and password_file" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct sink sink;
		cr_assert_eq(sink_open(&sink, cases[i].settings), FL_FAILED, "case %zu", i);
		cr_assert(strstr(sink.err.text, cases[i].says) != NULL &&
				  strstr(sink.err.text, servers) != NULL,
			"case %zu: %s", i, sink.err.text);
		cr_assert_null(strstr(sink.err.text, "5ecret"));
	}
}

Test(memcached_auth, a_password_that_the_server_would_not_look_at_whole_is_refused)
{
	const struct setting settings[] = { { "servers", servers }, { "user", "fastlane" },
		{ "password", "5ecret and more" }, { NULL, NULL } };
	struct sink sink;
	cr_assert_eq(sink_open(&sink, settings), FL_FAILED);
	cr_assert(strstr(sink.err.text, "blank") != NULL, "%s", sink.err.text);
}

Test(memcached_auth, a_server_that_does_not_ask_is_not_told_the_password)
{
	const struct setting settings[] = { { "servers", servers }, { "user", "fastlane" },
		{ "password", "5ecret" }, { NULL, NULL } };
	struct sink sink;
	server_kill(&server);
	server_restart(&server, "");
	cr_assert_eq(sink_open(&sink, settings), FL_DONE, "%s", sink.err.text);
	cr_assert_eq(submit_one(&sink, FL_KEY_SET, "a", "1", 0), FL_DONE, "%s", sink.err.text);
	cr_assert(value_is(&server, "a", "1") && value_is(&server, "fastlane", NULL));
	cr_assert_eq(host_state.warnings, 1);
	cr_assert(strstr(host_state.log, "lets everybody in") != NULL, "%s", host_state.log);
	sink_close(&sink);
}

/* ---- SASL ---- */

#if defined(LIBMEMCACHED_WITH_SASL_SUPPORT) && LIBMEMCACHED_WITH_SASL_SUPPORT

static char folder[64];

/* A server that finds its settings by SASL_CONF_PATH, and one user. */
static void begin_sasl(void)
{
	char path[128];
	int status;
	signal(SIGPIPE, SIG_IGN);
	snprintf(folder, sizeof(folder), "/tmp/fl-sasl-XXXXXX");
	cr_assert(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/memcached.conf", folder);
	FILE *file = fopen(path, "we");
	fprintf(file,
		"mech_list: plain\npwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
		"sasldb_path: %s/users\n",
		folder);
	fclose(file);
	setenv("SASL_CONF_PATH", folder, 1);
	pid_t const child = fork();
	if (child == 0) {
		sasl_conn_t *connection = NULL;
		static const char password[] = "5ecret of ours";
		bool const good =
			sasl_server_init(NULL, "memcached") == SASL_OK &&
			sasl_server_new("memcached", NULL, NULL, NULL, NULL, NULL, 0,
				&connection) == SASL_OK &&
			sasl_setpass(connection, "fastlane", password, sizeof(password) - 1, NULL,
				0, SASL_SET_CREATE) == SASL_OK;
		_exit(good ? 0 : 1);
	}
	cr_assert(waitpid(child, &status, 0) == child && status == 0, "no user could be made");
	server_start(&server, "memcached.sh", "-S --max-item-size=1m");
	snprintf(servers, sizeof(servers), "127.0.0.1:%u", server.port);
}

static void end_sasl(void)
{
	char path[128];
	end_server();
	snprintf(path, sizeof(path), "%s/memcached.conf", folder);
	unlink(path);
	snprintf(path, sizeof(path), "%s/users", folder);
	unlink(path);
	rmdir(folder);
}

TestSuite(memcached_sasl, .init = begin_sasl, .fini = end_sasl, .timeout = 60);

static bool sasl_value_is(const char *key, const char *expected)
{
	memcached_return_t r;
	uint32_t flags;
	size_t size;
	memcached_st *look = memcached_create(NULL);
	memcached_server_add(look, "127.0.0.1", (in_port_t)server.port);
	memcached_behavior_set(look, MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, 1);
	memcached_set_sasl_auth_data(look, "fastlane", "5ecret of ours");
	char *value = memcached_get(look, key, strlen(key), &size, &flags, &r);
	cr_assert(r == MEMCACHED_SUCCESS || r == MEMCACHED_NOTFOUND);
	bool const same =
		expected != NULL ? value != NULL && strcmp(value, expected) == 0 : value == NULL;
	free(value);
	memcached_free(look);
	return same;
}

static enum fl_outcome replace(struct sink *sink, const char *key, const char *value)
{
	struct fl_operation const operation = { .kind = FL_KEY_SET,
		.flags = FL_IF_EXISTS,
		.key = text_bytes(key),
		.value = text_bytes(value) };
	struct fl_batch batch = operations_batch(&operation, 1, "p");
	return apply(sink, &batch);
}

Test(memcached_sasl, who_says_user_and_password_may_write)
{
	const struct setting settings[] = { { "servers", servers }, { "protocol", "sasl" },
		{ "user", "fastlane" }, { "password_file", "5ecret of ours" },
		{ "item_max", "20000000" }, { NULL, NULL } };
	struct sink sink;
	char *large = fake_json(1, 3000000);
	cr_assert_eq(sink_open(&sink, settings), FL_DONE, "%s", sink.err.text);
	cr_assert_eq(submit_one(&sink, FL_KEY_SET, "a", "1", 100), FL_DONE, "%s", sink.err.text);
	cr_assert(sasl_value_is("a", "1"));
	cr_assert_eq(replace(&sink, "a", "2"), FL_DONE, "%s", sink.err.text);
	cr_assert_eq(replace(&sink, "b", "2"), FL_DONE, "%s", sink.err.text);
	cr_assert(sasl_value_is("a", "2") && sasl_value_is("b", NULL));
	cr_assert_eq(submit_one(&sink, FL_KEY_DELETE, "c", NULL, 0), FL_DONE);
	cr_assert_eq(submit_one(&sink, FL_KEY_SET, "a", large, 0), FL_DONE, "%s", sink.err.text);
	cr_assert(sasl_value_is("a", NULL));
	cr_assert_eq(submit_one(&sink, FL_KEY_SET, "a", "3", 0), FL_DONE);
	cr_assert_eq(submit_one(&sink, FL_KEY_CLEAR, "a*", NULL, 0), FL_DONE, "%s", sink.err.text);
	cr_assert(sasl_value_is("a", NULL));
	sink_close(&sink);
	free(large);
}

Test(memcached_sasl, who_says_the_wrong_ones_is_told_and_stops)
{
	static const char *const wrong[][2] = { { "fastlane", "x" },
		{ "nobody", "5ecret of ours" } };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		const struct setting settings[] = { { "servers", servers }, { "protocol", "sasl" },
			{ "user", wrong[i][0] }, { "password", wrong[i][1] }, { NULL, NULL } };
		struct sink sink;
		cr_assert_eq(sink_open(&sink, settings), FL_FAILED, "%s", sink.err.text);
		cr_assert(strstr(sink.err.text, "check user and password_file") != NULL, "%s",
			sink.err.text);
		cr_assert_null(strstr(sink.err.text, "5ecret"));
	}
}

#endif
