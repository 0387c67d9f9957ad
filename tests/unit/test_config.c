/* SPDX-License-Identifier: Apache-2.0
 *
 * What each key does.
 */
#include "config_fixture.h"

#include <sys/resource.h>

#include "base/trust.h"

static void init(void)
{
	setenv("FASTLANE_PLUGIN_PATH", TEST_BUILD "/plugins:" TESTS, 1);
	/* Where the files find each other, and a state_dir that is nobody else's. */
	cr_assert_eq(chdir(CONFIG), 0);
}

TestSuite(config, .init = init, .fini = fl_plugins_finish);

Test(config, every_key_takes_effect)
{
	struct fl_config *c = load_good(CONFIG "good.ini");
	cr_expect_str_eq(c->state_dir, ".");
	cr_expect_str_eq(c->plugin_path, "/etc:/usr");
	cr_expect_eq(c->queue_bytes, 1 << 20);
	cr_expect_eq(c->transaction_bytes, UINT64_C(2) << 30);
	cr_expect_eq(c->log_level, FL_LEVEL_DEBUG);
	cr_expect_eq(c->on_doubt, FL_ON_DOUBT_HALT);
	cr_expect_str_eq(c->source.hosts[0].socket, "/run/mysqld/mysqld.sock");
	cr_expect_eq(c->source.hosts[0].port, 3307);
	cr_expect_str_eq(c->source.user, "repl");
	cr_expect_str_eq(c->source.password, "pass;word#1");
	cr_expect_eq(c->source.server_id, UINT32_MAX);
	cr_expect_str_eq(c->source.start, "earliest");
	cr_expect_eq(c->source.heartbeat, 3600);
	cr_expect_eq(c->source.connect_timeout, 60);
	cr_expect(c->source.tls);
	cr_expect_str_eq(c->source.tls_ca, "ca.pem");
	cr_expect_str_eq(c->http.listen, "[::]:9306");
	cr_expect(c->http.allow_remote);
	cr_expect_eq(c->http.max_connections, 4096);
	cr_expect_eq(c->http.timeout, 3600);
	cr_expect_eq(c->http.max_lag, 86400);
	cr_expect_eq(c->http.line, 23);
	cr_assert_eq(c->sink_count, 2);
	cr_expect_str_eq(c->sinks[0].name, "hot");
	cr_expect_str_eq(c->sinks[0].plugin->name, "redis");
	cr_expect_str_eq(c->sinks[1].name, "log");
	cr_expect_eq(c->rule_count, 2);
	cr_expect(fl_map_has_rules(c->map, "hot"));
	cr_expect(fl_map_wants(c->map, (struct fl_bytes){ "a", 1 }, (struct fl_bytes){ "b", 1 }));
	fl_config_destroy(c);
}

Test(config, several_hosts_are_taken_apart)
{
	static const struct {
		const char *name, *host;
		unsigned port;
	} expected[] = {
		{ "db1:3306", "db1", 3306 },
		{ "10.0.0.2:3307", "10.0.0.2", 3307 },
		{ "[::1]:3308", "::1", 3308 },
		{ "[fe80::2]:3306", "fe80::2", 3306 },
	};
	struct fl_config *c = load_good(CONFIG "good_hosts.ini");
	cr_expect(c->source.on_purged_current);
	cr_assert_eq(c->source.host_count, sizeof(expected) / sizeof(expected[0]));
	for (unsigned i = 0; i < c->source.host_count; i++) {
		cr_expect_str_eq(c->source.hosts[i].name, expected[i].name);
		cr_expect_str_eq(c->source.hosts[i].host, expected[i].host);
		cr_expect_eq(c->source.hosts[i].port, expected[i].port);
		cr_expect_null(c->source.hosts[i].socket);
	}
	fl_config_destroy(c);
}

Test(config, hosts_that_are_none_are_refused)
{
	static const char *const cases[] = { ",", "db1,,db2", "db1:", "db1:0", "db1:65536",
		"db1:99999999999", "db1:+1", "::1", "[::1", "[]", "[::1]3306", "a b", "db1/x",
		"db1, DB1:3306", "db1:3307 ,db1:3307", ":3306" };
	const struct fl_option *keys = fl_config_keys("source");
	while (strcmp(keys->name, "hosts") != 0)
		keys++;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fl_err err = { 0 };
		cr_expect_not(keys->check(cases[i], &err), "%s", cases[i]);
		cr_expect_str_neq(err.text, "", "%s", cases[i]);
	}
}

Test(config, what_is_left_out_has_a_default)
{
	struct fl_config *c = load_good(CONFIG "defaults.ini");
	cr_expect_null(c->state_dir);
	cr_expect_null(c->plugin_path);
	cr_expect_eq(c->queue_bytes, 4 << 20);
	cr_expect_eq(c->transaction_bytes, 64 << 20);
	cr_expect_eq(c->log_level, FL_LEVEL_INFO);
	cr_expect_eq(c->on_doubt, FL_ON_DOUBT_DELETE);
	cr_expect_str_eq(c->source.hosts[0].host, "127.0.0.1");
	cr_expect_null(c->source.hosts[0].socket);
	cr_expect_eq(c->source.hosts[0].port, 3306);
	cr_expect_str_eq(c->source.password, "");
	cr_expect_str_eq(c->source.start, "current");
	cr_expect_eq(c->source.heartbeat, 5);
	cr_expect_eq(c->source.connect_timeout, 3);
	cr_expect_eq(c->source.host_count, 1);
	cr_expect_not(c->source.on_purged_current);
	cr_expect_not(c->source.tls);
	cr_expect_null(c->http.listen);
	cr_expect_eq(c->http.max_lag, 10);
	fl_config_destroy(c);
}

/* A list with a line for each entry; a comment may stand behind any of them, or for one. */
Test(config, a_value_may_go_on_in_further_lines)
{
	static const char content[] =
		"[source]\nuser = repl\nserver_id = 1\n[sink:hot]\nplugin = redis\n[map:a]\n"
		"table = shop.users\nkey = u:{id}\n"
		"columns = \\\n"
		"  id, \\ ; one\n"
		"; none,\n"
		"\t# nor, \\\n"
		"\temail, \\\t \n"
		"    name ; the last\n"
		"also = a\\ b:{id}\\\r\n"
		"only_when = id > 1 and \\\r\n  email = 'x'\r\n";
	char path[] = "/tmp/fastlane-config-XXXXXX";
	write_file(path, 0600, content, sizeof(content) - 1);
	struct fl_config *c = load_good(path);
	unlink(path);
	cr_assert_eq(c->rule_count, 1);
	cr_expect_str_eq(c->rules[0].rule.columns, "id, email, name");
	cr_expect_str_eq(c->rules[0].rule.also, "a\\ b:{id}\\");
	cr_expect_str_eq(c->rules[0].rule.only_when, "id > 1 and email = 'x'");
	fl_config_destroy(c);
}

/* Far beyond a line's limit, and as far as a value's. */
Test(config, a_value_of_many_lines_has_an_end)
{
	char path[] = "/tmp/fastlane-config-XXXXXX";
	struct fl_buf text = { 0 }, got = { 0 };
	struct fl_config *config = NULL;
	fl_buf_text(&text,
		"[source]\nuser = repl\nserver_id = 1\n[sink:hot]\nplugin = redis\n[map:a]\n"
		"table = shop.users\nkey = u:{id}\nvalue = template:");
	for (unsigned i = 0; i < 163; i++)
		fl_buf_text(&text, " \\\n"
				   " x123456789x123456789x123456789x123456789x123456789"
				   "x123456789x123456789x123456789x123456789x12345678");
	size_t const end = text.size;
	write_file(path, 0600, text.data, end);
	config = load_good(path);
	cr_expect_eq(strlen(config->rules[0].rule.value), 9 + 163 * 100);
	fl_config_destroy(config);
	unlink(path);
	fl_buf_text(&text, " \\\n x123456789x123456789x123456789x123456789x123456789"
			   "x123456789x123456789x123456789x123456789x12345678\nttl = 1\n");
	strcpy(path + strlen(path) - 6, "XXXXXX");
	write_file(path, 0600, text.data, text.size);
	cr_expect_eq(load(path, &got, &config), 1);
	cr_expect_not_null(
		strstr(got.data, ":173: the value has more than 16384 bytes\n"), "%s", got.data);
	unlink(path);
	fl_buf_finish(&text);
	fl_buf_finish(&got);
}

Test(config, an_onlooker_is_warned_that_he_can_not_become_the_account)
{
	char folder[] = "/tmp/fastlane-test-XXXXXX", path[] = "/tmp/fastlane-test-XXXXXX";
	char content[200], expected[200];
	struct fl_buf got = { 0 };
	struct fl_config *config = NULL;
	cr_assert_not_null(mkdtemp(folder));
	cr_assert_eq(chmod(folder, 0500), 0);
	cr_assert(geteuid() != 0 || seteuid(65534) == 0);
	snprintf(content, sizeof(content), "[fastlane]\nstate_dir = %s\nuser = root\n", folder);
	write_file(path, 0600, content, strlen(content));
	snprintf(expected, sizeof(expected),
		"(warning) %s:3: [fastlane] user = root: only root can become another account",
		path);
	/* Nothing is said of state_dir, which is not his to write to. */
	fl_trust_only_look();
	load(path, &got, &config);
	cr_expect_not_null(strstr(got.data, expected), "%s", got.data);
	cr_expect_null(strstr(got.data, "state_dir"), "%s", got.data);
	unlink(path);
	seteuid(getuid());
	rmdir(folder);
	fl_buf_finish(&got);
}

Test(config, connections_are_refused_that_the_system_has_no_descriptors_for)
{
	struct fl_buf got = { 0 };
	struct fl_config *config = NULL;
	struct rlimit const limit = { 1000, 1000 };
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_expect_eq(load(CONFIG "good.ini", &got, &config), 1);
	cr_expect_str_eq(got.data,
		"good.ini:25: [http] max_connections = 4096: the system allows this process 1000 "
		"descriptors, of which 744 may be connections: raise its limit (ulimit -Hn, "
		"LimitNOFILE= of a unit)\n");
	fl_buf_finish(&got);
}

Test(config, sizes_have_units)
{
	static const struct {
		const char *text;
		uint64_t size; /* 0: refused */
	} cases[] = {
		{ "1M", 1 << 20 },
		{ "1048576", 1 << 20 },
		{ "1048575", 0 },
		{ "1024k", 1 << 20 },
		{ "1023K", 0 },
		{ "3G", UINT64_C(3) << 30 },
		{ "1024G", UINT64_C(1) << 40 },
		{ "1025G", 0 },
		{ "999999999999999G", 0 },
		{ "18446744073709551616", 0 },
		{ "", 0 },
		{ "M", 0 },
		{ "64MB", 0 },
		{ "-64M", 0 },
		{ "6.4M", 0 },
		{ "64T", 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t size = 0;
		cr_expect_eq(fl_config_size(cases[i].text, &size, NULL), cases[i].size != 0, "%s",
			cases[i].text);
		cr_expect_eq(size, cases[i].size, "%s", cases[i].text);
	}
}
