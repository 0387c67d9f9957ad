/* SPDX-License-Identifier: Apache-2.0
 *
 * What is wrong with each of the files in config/, word for word.
 */
#include "config_fixture.h"

#define PLACES TEST_BUILD "/plugins:" TESTS ":" FL_PLUGIN_DIR
#define MAP_KEYS                                                                                   \
	"table, key, also, invalidate, value, columns, exclude, rename, only_when, delete_when, "  \
	"ttl, ttl_jitter, mode, sinks"
#define PLUGINS "bad_open, blocker, keywise, memcached, redis, stdout"

static const struct {
	const char *file, *expected;
} problems[] = {
	{ "keys.ini",
		"keys.ini:2: [fastlane] statedir: unknown key; did you mean state_dir? allowed "
		"are state_dir, plugin_path, queue_bytes, transaction_bytes, on_cold, user, group, "
		"core_dumps, log_level, log_format\n"
		"keys.ini:4: [source] usr: unknown key; did you mean user? allowed are host, "
		"port, socket, hosts, user, password, password_file, server_id, start, heartbeat, "
		"connect_timeout, catch_up_timeout, tls, tls_ca, tls_cert, tls_key, on_purged, "
		"geometry, on_doubt\n"
		"keys.ini:7: [source] passwort: unknown key; did you mean password? allowed are "
		"host, port, socket, hosts, user, password, password_file, server_id, start, "
		"heartbeat, "
		"connect_timeout, catch_up_timeout, tls, tls_ca, tls_cert, tls_key, on_purged, "
		"geometry, on_doubt\n"
		"keys.ini:8: [sink:stall] keeps no position of its own: [fastlane] needs a "
		"state_dir\n"
		"keys.ini:10: [sink:stall] gat: unknown key; did you mean gate? allowed are "
		"plugin, gate, output, turnstile, match, coalesce, max_batch_ops, max_batch_bytes\n"
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
		"fastlane, source, http, sink, map, the last two with a name: [sink:NAME]\n"
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
		"http, sink, map, the last two with a name: [sink:NAME]\n" },
	{ "http.ini",
		"http.ini:7: [http] listen = localhost:9306: must be an address in numbers with a "
		"port, such as 127.0.0.1:9306 or [::1]:9306, or unix: and an absolute path of up "
		"to 107 bytes\n"
		"http.ini:9: [http] max_connections = 7: must be a whole number from 8 to 4096\n"
		"http.ini:10: [http] timeout = 0: must be a whole number from 1 to 3600\n"
		"http.ini:11: [http] max_lag = never: must be a whole number from 1 to 86400\n"
		"http.ini:12: [http] port: unknown key; allowed are listen, allow_remote, "
		"max_connections, timeout, max_lag\n" },
	{ "remote.ini",
		"remote.ini:7: [http] listen = 0.0.0.0:9306: other machines can reach it, and "
		"nothing that is told there needs a password: set allow_remote = yes if that is "
		"meant, or listen at 127.0.0.1, [::1] or unix:PATH\n" },
	{ "nowhere.ini", "(warning) nowhere.ini:6: [http] has no effect without listen, such as "
			 "127.0.0.1:9306\n" },
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
		"duplicates.ini:8: [source] password_file: /dev/null is not a regular file\n"
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
		"/bad_major.so is refused: it is built for the sink ABI 2.3; this fastlane has "
		"1.3 and takes 1.0 to 1.3; allowed are " PLUGINS "\n"
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
		"[source], [http], [sink:NAME] and [map:NAME] above it\n"
		"lines.ini:5: the line begins with white space: begin it in the first column, or "
		"end the line above in a blank and a backslash if it is to go on here\n"
		"lines.ini:6: [source] password: a semicolon behind a blank begins a comment: if "
		"it is part of the value, keep that in a file (password_file)\n"
		"lines.ini:7: the line is neither a [section] nor a key = value\n"
		"lines.ini:8: the key in front of = has 0 bytes; 1 to 49 are allowed\n"
		"lines.ini:9: the key in front of = has 50 bytes; 1 to 49 are allowed\n"
		"lines.ini:13: the line has 199 bytes; 198 are allowed: end it in a blank and a "
		"backslash, and go on in the next one, which begins with white space\n"
		"lines.ini:14: the section's name has 50 bytes; 49 are allowed\n"
		"lines.ini:19: the line is neither a [section] nor a key = value\n" },
	{ "joined.ini",
		"joined.ini:8: the line above ends in a backslash: what goes on there begins with "
		"white space and is not empty\n"
		"joined.ini:11: the line above ends in a backslash: what goes on there begins "
		"with white space and is not empty\n"
		"joined.ini:14: [map:a] only_when = id > 1 and name = 'a' <: and, or, or the end "
		"is "
		"expected at column 23, before <\n"
		"joined.ini:19: the line has 199 bytes; 198 are allowed\n"
		"joined.ini:21: the line ends in a backslash, but there is none that goes on\n" },
	{ "empty.ini",
		"empty.ini:1: there is no [source] section: user and server_id are required\n"
		"empty.ini:1: there is no [sink:NAME] section: at least one is required\n" },
	{ "state.ini",
		"state.ini:2: [fastlane] state_dir = /nowhere/at/all: must be a directory that "
		"can be written: No such file or directory\n"
		"state.ini:6: [source] tls_ca = /nowhere/ca.pem: must be a PEM file of "
		"certificates: /nowhere/ca.pem can't be read: No such file or directory\n"
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
