/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"

#define CONFIG TEST_SOURCES "/tests/unit/config/"
#define TESTS  TEST_BUILD "/tests/support/plugins"
#define PLACES TEST_BUILD "/plugins:" TESTS ":" FL_PLUGIN_DIR
#define MAP_KEYS                                                                                   \
	"table, key, also, invalidate, value, columns, exclude, rename, only_when, delete_when, "  \
	"ttl, ttl_jitter, mode, sinks"
#define PLUGINS "bad_open, blocker, keywise, memcached, redis, stdout"

static void init(void)
{
	setenv("FASTLANE_PLUGIN_PATH", TEST_BUILD "/plugins:" TESTS, 1);
}

TestSuite(config, .init = init, .fini = fl_plugins_finish);

/* Collects the lines without the directory in front; warnings have a "(warning) ". */
static void collect(void *ctx, bool fatal, const char *line)
{
	struct fl_buf *out = ctx;
	const char *name = strstr(line, CONFIG) == line ? line + strlen(CONFIG) : line;
	fl_buf_text(out, fatal ? "" : "(warning) ");
	fl_buf_text(out, name);
	fl_buf_char(out, '\n');
}

static int load(const char *path, struct fl_buf *out, struct fl_config **ret)
{
	fl_buf_clear(out);
	int problems = fl_config_load(path, false, collect, out, ret);
	fl_buf_char(out, '\0');
	return problems;
}

static size_t count_fatal(const char *lines)
{
	size_t count = 0;
	for (const char *at = lines; *at != '\0'; at = strchr(at, '\n') + 1)
		count += *at != '(';
	return count;
}

static const struct {
	const char *file, *expected;
} problems[] = {
	{ "keys.ini",
		"keys.ini:2: [fastlane] statedir: unknown key; did you mean state_dir? allowed "
		"are state_dir, plugin_path, queue_bytes, transaction_bytes, on_cold, log_level\n"
		"keys.ini:4: [source] usr: unknown key; did you mean user? allowed are host, "
		"port, socket, hosts, user, password, password_file, server_id, start, heartbeat, "
		"connect_timeout, catch_up_timeout, tls, tls_ca, on_purged, geometry, on_doubt\n"
		"keys.ini:7: [source] passwort: unknown key; did you mean password? allowed are "
		"host, port, socket, hosts, user, password, password_file, server_id, start, "
		"heartbeat, "
		"connect_timeout, catch_up_timeout, tls, tls_ca, on_purged, geometry, on_doubt\n"
		"keys.ini:8: [sink:stall] keeps no position of its own: [fastlane] needs a "
		"state_dir\n"
		"keys.ini:10: [sink:stall] gat: unknown key; did you mean gate? allowed are "
		"plugin, gate, output, match, coalesce, max_batch_ops, max_batch_bytes\n"
		"keys.ini:16: [map:users] keys: unknown key; did you mean key? allowed "
		"are " MAP_KEYS "\n"
		"keys.ini:17: [map:users] colour: unknown key; allowed are " MAP_KEYS "\n" },
	{ "hosts.ini",
		"hosts.ini:2: [source] host: hosts is set as well, in line 5; host is for one "
		"server alone\n"
		"hosts.ini:3: [source] port: hosts is set as well, in line 5; port is for one "
		"server alone: in hosts, write HOST:PORT\n"
		"hosts.ini:4: [source] socket: host is set as well, in line 2; only one of them "
		"is allowed\n"
		"hosts.ini:4: [source] socket: hosts is set as well, in line 5; socket is for one "
		"server alone\n"
		"hosts.ini:8: [source] on_purged = earliest: must be one of halt current\n" },
	{ "sections.ini",
		"sections.ini:1: [sorce]: unknown section; did you mean source? allowed are "
		"fastlane, source, sink, map, the last two with a name: [sink:NAME]\n"
		"sections.ini:6: [sink] must be [sink:NAME]; a name has 1 to 32 of A-Z, a-z, "
		"0-9, _ and -\n"
		"sections.ini:8: [sink:hot pool] must be [sink:NAME]; a name has 1 to 32 of A-Z, "
		"a-z, 0-9, _ and -\n"
		"sections.ini:10: [sink:this-name-is-longer-than-32-bytes] must be [sink:NAME]; "
		"a name has 1 to 32 of A-Z, a-z, 0-9, _ and -\n"
		"sections.ini:14: [source] is there already, in line 3\n"
		"sections.ini:16: [sink:hot] is there already, in line 12\n"
		"sections.ini:18: the section has no closing ]\n"
		"sections.ini:20: something stands behind the section's ]; a key begins a line "
		"of its own\n"
		"sections.ini:21: [elsewhere:x]: unknown section; allowed are fastlane, source, "
		"sink, map, the last two with a name: [sink:NAME]\n" },
	{ "values.ini",
		"values.ini:3: [fastlane] queue_bytes = 64 MB: must be a size of 1M to 1024G, "
		"such as 65536K, 64M or 1G\n"
		"values.ini:4: [fastlane] transaction_bytes = 1K: must be a size of 1M to 1024G, "
		"such as 65536K, 64M or 1G\n"
		"values.ini:5: [fastlane] log_level = verbose: must be one of error warn info "
		"debug\n"
		"values.ini:6: [fastlane] plugin_path = /nowhere/at/all: must be directories, "
		"separated by a colon: /nowhere/at/all: No such file or directory\n"
		"values.ini:8: [source] port = 65536: must be a whole number from 1 to 65535\n"
		"values.ini:9: [source] user has no value\n"
		"values.ini:10: [source] server_id = 0: must be a whole number from 1 to "
		"4294967295\n"
		"values.ini:11: [source] start = yesterday: \"yesterday\" is none of current, "
		"earliest, FILE:POS and a GTID set\n"
		"values.ini:12: [source] heartbeat = 0: must be a whole number from 1 to 3600\n"
		"values.ini:13: [source] connect_timeout = 61: must be a whole number from 1 to "
		"60\n"
		"values.ini:14: [source] tls = perhaps: must be yes or no\n"
		"values.ini:15: [source] on_doubt = ignore: must be one of delete halt\n"
		"values.ini:23: [map:users] value = xml: must be json, hash, msgpack, none, "
		"column:NAME or template:TEXT\n"
		"values.ini:24: [map:users] ttl = 2147483648: must be 0 to 2147483647 seconds, "
		"or column:NAME for a column that says when\n" },
	{ "missing.ini",
		"missing.ini:2: [source] user is missing: account with the right to replicate\n"
		"missing.ini:2: [source] server_id is missing: fastlane's own server id, like no "
		"other server's and replica's\n"
		"missing.ini:4: [sink:hot] plugin is missing; allowed are " PLUGINS "\n"
		"missing.ini:6: [sink:stall] gate is missing: while this file does not exist, "
		"submit() blocks\n"
		"missing.ini:6: [sink:stall] output is missing: file to which a line for each "
		"transaction is appended\n"
		"missing.ini:6: [sink:stall] keeps no position of its own: [fastlane] needs a "
		"state_dir\n"
		"missing.ini:9: [map:users] table is missing: the tables: db.table, with * and ? "
		"as wildcards\n"
		"missing.ini:9: [map:users] key is missing: template of a row's key\n" },
	{ "duplicates.ini",
		"duplicates.ini:6: [source] user is set already, in line 5\n"
		"(warning) duplicates.ini:8: [source] password_file: /dev/null can be read by "
		"everybody: chmod o-r it\n"
		"duplicates.ini:8: [source] password_file: password is set as well, in line 7; "
		"only one of them is allowed\n"
		"duplicates.ini:9: [source] socket: host is set as well, in line 4; only one of "
		"them is allowed\n"
		"duplicates.ini:13: [sink:log] plugin is set already, in line 12\n" },
	{ "sinks.ini",
		"sinks.ini:13: [map:users] sinks: there is no [sink:hto]; did you mean hot? "
		"allowed are hot\n"
		"sinks.ini:13: [map:users] sinks: log takes changes of all tables, not keys and "
		"values\n"
		"sinks.ini:17: [map:orders] sinks names none; leave it out for all sinks that "
		"take operations\n" },
	{ "plugins.ini",
		"plugins.ini:7: [sink:a] plugin rdis: there is no rdis.so in " PLACES
		"; did you mean redis? allowed are " PLUGINS "\n"
		"plugins.ini:9: [sink:b] " TESTS
		"/bad_major.so is refused: it is built for the sink ABI 2.2; this fastlane has "
		"1.2 and takes 1.0 to 1.2; allowed are " PLUGINS "\n"
		"plugins.ini:11: [sink:c] \"../plugins/redis\" is no plugin's name: 1 to 64 of "
		"A-Z, a-z, 0-9, _ and -, without a path; allowed are " PLUGINS "\n"
		"plugins.ini:13: [sink:d] " TESTS
		"/no_symbol.so is refused: it does not export fl_sink_plugin: it is no fastlane "
		"sink; allowed are " PLUGINS "\n"
		"plugins.ini:16: [sink:e] gate = relative: must be an absolute path\n" },
	{ "templates.ini",
		"templates.ini:7: [map:a] table = users: must be of the form db.table, with * "
		"and ? as wildcards\n"
		"templates.ini:8: [map:a] key = user:{id: no closing brace behind {id (a literal "
		"brace is written {{)\n"
		"templates.ini:10: [map:b] table = shop.2024.users: has more than one dot: names "
		"that hold a dot can't be written, but ? stands for any character\n"
		"templates.ini:11: [map:b] key = user:id}: a closing brace without an opening "
		"one (a literal brace is written }})\n"
		"templates.ini:14: [map:c] key = user:{}: {} names no column (literal braces are "
		"written {{ and }})\n"
		"templates.ini:15: [map:c] invalidate = feed:{author_id} tag:{: no closing brace "
		"behind { (a literal brace is written {{)\n"
		"templates.ini:19: [map:d] invalidate has no value\n" },
	{ "lines.ini",
		"lines.ini:1: user stands before the first section; allowed are [fastlane], "
		"[source], [sink:NAME] and [map:NAME] above it\n"
		"lines.ini:5: the line begins with white space: it would continue the value "
		"above; begin it in the first column\n"
		"lines.ini:6: [source] password: a semicolon behind a blank begins a comment: if "
		"it is part of the value, keep that in a file (password_file)\n"
		"lines.ini:7: the line is neither a [section] nor a key = value\n"
		"lines.ini:8: the key in front of = has 0 bytes; 1 to 49 are allowed\n"
		"lines.ini:9: the key in front of = has 50 bytes; 1 to 49 are allowed\n"
		"lines.ini:13: the line has 199 bytes; 198 are allowed\n"
		"lines.ini:14: the section's name has 50 bytes; 49 are allowed\n"
		"lines.ini:19: the line is neither a [section] nor a key = value\n" },
	{ "empty.ini",
		"empty.ini:1: there is no [source] section: user and server_id are required\n"
		"empty.ini:1: there is no [sink:NAME] section: at least one is required\n" },
	{ "state.ini",
		"state.ini:2: [fastlane] state_dir = /nowhere/at/all: must be a directory that "
		"can be written: No such file or directory\n"
		"state.ini:6: [source] tls_ca = /nowhere/ca.pem: must be a file that can be "
		"read: No such file or directory\n"
		"(warning) state.ini:6: [source] tls_ca has no effect without tls = yes\n"
		"state.ini:7: [source] password_file: /nowhere/password can't be read: No such "
		"file or directory\n" },
	{ "stateless.ini",
		"stateless.ini:6: [sink:log] keeps no position of its own: [fastlane] needs a "
		"state_dir\n" },
	{ "warnings.ini",
		"(warning) warnings.ini:6: [source] tls_ca has no effect without tls = yes\n"
		"(warning) warnings.ini:7: [sink:hot] gets no keys: no [map:NAME] section is for "
		"it\n" },
	{ "useless_map.ini", "(warning) useless_map.ini:8: [map:users] has no effect: no sink "
			     "takes operations\n" },
};

Test(config, problems_are_all_told_in_the_order_of_the_lines)
{
	struct fl_buf got = { 0 };
	for (size_t i = 0; i < sizeof(problems) / sizeof(*problems); i++) {
		char path[sizeof(CONFIG) + 64];
		struct fl_config *config = NULL;
		snprintf(path, sizeof(path), CONFIG "%s", problems[i].file);
		int fatal = load(path, &got, &config);
		cr_expect_str_eq(got.data, problems[i].expected, "%s", got.data);
		cr_expect_eq(
			(size_t)fatal, count_fatal(problems[i].expected), "%s", problems[i].file);
		cr_expect_eq(config != NULL, fatal == 0, "%s", problems[i].file);
		fl_config_destroy(config);
	}
	fl_buf_finish(&got);
}

static struct fl_config *load_good(const char *path)
{
	struct fl_buf got = { 0 };
	struct fl_config *config = NULL;
	cr_assert_eq(load(path, &got, &config), 0, "%s", got.data);
	cr_expect_str_eq(got.data, "");
	fl_buf_finish(&got);
	return config;
}

Test(config, every_key_takes_effect)
{
	struct fl_config *c = load_good(CONFIG "good.ini");
	cr_expect_str_eq(c->state_dir, "/tmp");
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
	cr_expect_str_eq(c->source.tls_ca, "/dev/null");
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
	cr_expect_eq(c->queue_bytes, 16 << 20);
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
	fl_config_destroy(c);
}

/* Writes a file under the name, which it makes. */
static void write_file(char *path, mode_t mode, const char *content, size_t size)
{
	int fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, content, size), (ssize_t)size);
	cr_assert_eq(fchmod(fd, mode), 0);
	close(fd);
}

#define SOURCE "[source]\n"
#define BODY                                                                                       \
	"user = repl\nserver_id = 1\n[sink:hot]\nplugin = redis\n"                                 \
	"[map:m]\ntable = a.b\nkey = m:{id}\n"
#define BOM	    "\xef\xbb\xbf"
#define BYTES(text) text, sizeof(text) - 1

Test(config, bytes_that_editors_add_are_no_harm_and_others_are_refused)
{
	static const struct {
		const char *content;
		size_t size;
		const char *expected; /* behind the path */
	} cases[] = {
		{ BYTES(BOM SOURCE BODY), NULL },
		{ BYTES("[source]\r\nuser = repl\r\nserver_id = 1\r\n \r\n[sink:a]\r\nplugin = "
			"stdout\r\n[fastlane]\r\nstate_dir = /tmp\r"),
			NULL },
		{ BYTES(SOURCE BODY "ttl = 1\0 2\n"), ":9: there is a NUL byte in the line\n" },
		{ BYTES(SOURCE BODY "\0"), ":9: there is a NUL byte in the line\n" },
		{ BYTES(SOURCE BODY BOM "[source]\n"),
			":9: the line is neither a [section] nor a key = value\n" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char path[] = "/tmp/fastlane-test-XXXXXX", expected[200] = "";
		struct fl_buf got = { 0 };
		struct fl_config *config = NULL;
		write_file(path, 0600, cases[i].content, cases[i].size);
		if (cases[i].expected != NULL)
			snprintf(expected, sizeof(expected), "%s%s", path, cases[i].expected);
		int fatal = load(path, &got, &config);
		cr_expect_str_eq(got.data, expected, "case %zu: %s", i, got.data);
		cr_expect_eq(fatal, cases[i].expected != NULL);
		fl_config_destroy(config);
		fl_buf_finish(&got);
		unlink(path);
	}
}

Test(config, password_comes_from_a_file_that_others_should_not_read)
{
	for (unsigned open = 0; open < 2; open++) {
		char secret[] = "/tmp/fastlane-test-XXXXXX", path[] = "/tmp/fastlane-test-XXXXXX";
		char content[300], expected[300] = "";
		struct fl_buf got = { 0 };
		struct fl_config *config = NULL;
		write_file(secret, open ? 0644 : 0600, "p ;x\n", 5);
		snprintf(content, sizeof(content), SOURCE "password_file = %s\n" BODY, secret);
		write_file(path, 0600, content, strlen(content));
		if (open)
			snprintf(expected, sizeof(expected),
				"(warning) %s:2: [source] password_file: %s can be read by "
				"everybody: chmod o-r it\n",
				path, secret);
		cr_assert_eq(load(path, &got, &config), 0, "%s", got.data);
		cr_expect_str_eq(got.data, expected);
		cr_expect_str_eq(config->source.password, "p ;x");
		fl_config_destroy(config);
		fl_buf_finish(&got);
		unlink(path);
		unlink(secret);
	}
}

Test(config, file_that_is_not_there_is_a_problem)
{
	struct fl_buf got = { 0 };
	struct fl_config *config = NULL;
	cr_expect_eq(load("/nowhere/fastlane.ini", &got, &config), 1);
	cr_expect_str_eq(got.data,
		"/nowhere/fastlane.ini:1: the file can't be read: No such file or directory\n");
	cr_expect_null(config);
	cr_expect_eq(load("/tmp", &got, &config), 1);
	cr_expect_str_eq(got.data, "/tmp:1: the file can't be read: Is a directory\n");
	fl_buf_finish(&got);
}

static void read_all(const char *path, struct fl_buf *out)
{
	FILE *file = fopen(path, "re");
	cr_assert_not_null(file, "%s", path);
	size_t got;
	while ((got = fread(fl_buf_reserve(out, 4096), 1, 4096, file)) > 0)
		out->size += got;
	fl_buf_char(out, '\0');
	fclose(file);
}

Test(config, every_key_is_in_the_manual_and_in_the_example)
{
	static const char *const sections[] = { "fastlane", "source", "sink", "map" };
	struct fl_buf manual = { 0 }, example = { 0 };
	read_all(TEST_SOURCES "/etc/fastlane.ini.5", &manual);
	read_all(TEST_SOURCES "/etc/fastlane.ini", &example);
	for (size_t s = 0; s < 4; s++) {
		const struct fl_option *keys = fl_config_keys(sections[s]);
		cr_assert_not_null(keys);
		cr_expect_eq(fl_options_declared(keys, NULL), 0);
		for (const struct fl_option *key = keys; key->name != NULL; key++) {
			char heading[80], setting[80];
			snprintf(heading, sizeof(heading), "\n.B %s\n", key->name);
			snprintf(setting, sizeof(setting), "%s = ", key->name);
			cr_expect_not_null(
				strstr(manual.data, heading), "%s: no heading", key->name);
			cr_expect_not_null(
				strstr(example.data, setting), "%s: not shown", key->name);
			if (key->fallback != NULL)
				cr_expect_not_null(strstr(manual.data, key->fallback));
		}
	}
	cr_expect_null(fl_config_keys("sink:hot"));
	fl_buf_finish(&manual);
	fl_buf_finish(&example);
}

/* Whether an example of the entry sets the key, to `value` if that is given: "; or a, b" behind the
 * value names others. */
static bool is_shown(
	const char *entry, size_t size, const char *key, const char *value, size_t value_size)
{
	static const char mark[] = ".\\\" example";
	bool inside = false;
	for (const char *line = entry, *end; line < entry + size; line = end + 1) {
		end = memchr(line, '\n', (size_t)(entry + size - line));
		if (end == NULL)
			break;
		size_t const length = (size_t)(end - line);
		if (length == sizeof(mark) - 1 && memcmp(line, mark, length) == 0)
			inside = true;
		else if (length == 3 && memcmp(line, ".fi", 3) == 0)
			inside = false;
		if (!inside || length < strlen(key) + 3 || strncmp(line, key, strlen(key)) != 0 ||
			memcmp(line + strlen(key), " = ", 3) != 0)
			continue;
		struct fl_buf words = { 0 }; /* "-" is "\-" in the page */
		fl_buf_char(&words, ' ');
		for (const char *at = line + strlen(key) + 3; at < end; at++)
			if (*at != '\\')
				fl_buf_char(&words, *at == ',' ? ' ' : *at);
		fl_buf_text(&words, " ");
		fl_buf_char(&words, '\0');
		char wanted[64];
		snprintf(wanted, sizeof(wanted), " %.*s ", (int)value_size, value);
		bool const found = value_size == 0 || strstr(words.data, wanted) != NULL;
		fl_buf_finish(&words);
		if (found)
			return true;
	}
	return false;
}

Test(config, every_key_and_every_choice_has_an_example_in_the_manual)
{
	static const struct {
		const char *section, *heading;
	} sections[] = { { "fastlane", "\n.SH [fastlane]\n" }, { "source", "\n.SH [source]\n" },
		{ "sink", "\n.SH [sink:NAME]\n" }, { "map", "\n.SH [map:NAME]\n" } };
	struct fl_buf manual = { 0 };
	read_all(TEST_SOURCES "/etc/fastlane.ini.5", &manual);
	for (size_t s = 0; s < 4; s++) {
		const char *section = strstr(manual.data, sections[s].heading);
		cr_assert_not_null(section, "%s", sections[s].heading);
		const char *section_end = strstr(section + 1, "\n.SH ");
		cr_assert_not_null(section_end);
		for (const struct fl_option *key = fl_config_keys(sections[s].section);
			key->name != NULL; key++) {
			char heading[80];
			snprintf(heading, sizeof(heading), "\n.TP\n.B %s\n", key->name);
			const char *entry = strstr(section, heading);
			cr_assert(entry != NULL && entry < section_end, "%s: no entry", key->name);
			const char *end = strstr(entry + 1, "\n.TP\n");
			end = end != NULL && end < section_end ? end : section_end;
			size_t const size = (size_t)(end - entry);
			cr_expect(is_shown(entry, size, key->name, "", 0), "%s: no example",
				key->name);
			for (const char *at = key->choices; at != NULL && *at != '\0';) {
				size_t const length = strcspn(at, "|");
				cr_expect(is_shown(entry, size, key->name, at, length),
					"%s: no example of %.*s", key->name, (int)length, at);
				at += length + (at[length] == '|');
			}
		}
	}
	fl_buf_finish(&manual);
}

Test(config, file_that_is_cut_off_anywhere_is_read_within_its_bounds)
{
	struct fl_buf good = { 0 }, got = { 0 };
	size_t right = 0;
	read_all(CONFIG "good.ini", &good);
	for (size_t size = 0; size < good.size; size++) {
		char path[] = "/tmp/fastlane-test-XXXXXX";
		struct fl_config *config = NULL;
		write_file(path, 0600, good.data, size);
		int fatal = load(path, &got, &config);
		cr_assert_geq(fatal, 0);
		cr_assert_eq(config != NULL, fatal == 0);
		cr_assert_eq((size_t)fatal, count_fatal(got.data));
		right += fatal == 0;
		fl_config_destroy(config);
		unlink(path);
	}
	cr_expect_gt(right, 0);
	fl_buf_finish(&good);
	fl_buf_finish(&got);
}

/* Appends `text` with every `from` in it as `to`. */
static void replace(struct fl_buf *out, const char *text, const char *from, const char *to)
{
	for (const char *at; (at = strstr(text, from)) != NULL; text = at + strlen(from)) {
		fl_buf_append(out, text, (size_t)(at - text));
		fl_buf_text(out, to);
	}
	fl_buf_append(out, text, strlen(text) + 1);
}

Test(config, example_is_right_once_its_places_are_there)
{
	struct fl_buf example = { 0 }, placed = { 0 }, done = { 0 };
	char secret[] = "/tmp/fastlane-test-XXXXXX", path[] = "/tmp/fastlane-test-XXXXXX";
	write_file(secret, 0600, "x", 1);
	read_all(TEST_SOURCES "/etc/fastlane.ini", &example);
	replace(&placed, example.data, "/var/lib/fastlane", "/tmp");
	replace(&done, placed.data, "/etc/fastlane/password", secret);
	write_file(path, 0600, done.data, done.size - 1);
	struct fl_config *config = load_good(path);
	cr_expect_eq(config->sink_count, 3);
	cr_expect_eq(config->rule_count, 2);
	fl_config_destroy(config);
	fl_buf_finish(&example);
	fl_buf_finish(&placed);
	fl_buf_finish(&done);
	unlink(path);
	unlink(secret);
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
