/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sink/plugin.h"

#define GOOD  TEST_BUILD "/plugins"
#define TESTS TEST_BUILD "/tests/support/plugins"

static void init(void)
{
	unsetenv("FASTLANE_PLUGIN_PATH");
	cr_assert_eq(fl_plugins_init(GOOD ":" TESTS, NULL), 0);
}

TestSuite(plugin, .init = init, .fini = fl_plugins_finish);
TestSuite(option);

Test(plugin, that_fits_is_loaded_once)
{
	static const struct {
		const char *name;
		unsigned takes;
	} cases[] = {
		{ "stdout", FL_TAKES_CHANGES },
		{ "redis", FL_TAKES_OPERATIONS | FL_TAKES_HASHES | FL_TAKES_EXISTING |
				   FL_TAKES_PATTERNS | FL_TAKES_ATOMIC },
		{ "memcached", FL_TAKES_OPERATIONS | FL_TAKES_EXISTING },
		{ "blocker", FL_TAKES_CHANGES }, { "bad_open", FL_TAKES_CHANGES }, /* fails later */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct fl_sink_plugin *plugin = NULL, *again = NULL;
		struct fl_err err = { 0 };
		cr_assert_eq(fl_plugin_load(cases[i].name, &plugin, &err), 0, "%s", err.text);
		cr_expect_str_eq(plugin->name, cases[i].name);
		cr_expect_eq(plugin->takes, cases[i].takes, "%s", cases[i].name);
		cr_expect_eq(fl_plugin_load(cases[i].name, &again, &err), 0);
		cr_expect_eq(again, plugin);
	}
}

Test(plugin, that_does_not_fit_is_refused_with_the_reason)
{
	static const struct {
		const char *name, *reason;
	} cases[] = {
		{ "bad_major", TESTS "/bad_major.so is refused: it is built for the sink ABI 2.3; "
				     "this fastlane has 1.3 and takes 1.0 to 1.3" },
		{ "bad_minor", TESTS "/bad_minor.so is refused: it is built for the sink ABI 1.4; "
				     "this fastlane has 1.3 and takes 1.0 to 1.3" },
		{ "bad_name", TESTS "/bad_name.so is refused: the plugin inside calls itself "
				    "\"somebody_else\", not \"bad_name\"" },
		{ "bad_submit", TESTS "/bad_submit.so is refused: it has no submit, which every "
				      "sink must have" },
		{ "bad_takes", TESTS "/bad_takes.so is refused: it says that it takes 0; it must "
				     "be operations (1) or changes (2)" },
		{ "bad_option", TESTS "/bad_option.so is refused: option \"level\" is declared "
				      "wrongly: its fallback does not fit" },
		{ "no_symbol", TESTS "/no_symbol.so is refused: it does not export "
				     "fl_sink_plugin: it is no fastlane sink" },
		{ "bad_link", "the plugin can't be loaded: " TESTS
			      "/bad_link.so: undefined symbol: nobody_defines_this" },
		{ "no_module",
			"the plugin can't be loaded: " TESTS "/no_module.so: file too short" },
		{ "nowhere", "plugin nowhere: there is no nowhere.so in " GOOD ":" TESTS
			     ":" FL_PLUGIN_DIR },
		{ "", "\"\" is no plugin's name: 1 to 64 of A-Z, a-z, 0-9, _ and -, without a "
		      "path" },
		{ "../plugins/stdout", "\"../plugins/stdout\" is no plugin's name: 1 to 64 of A-Z, "
				       "a-z, 0-9, _ and -, without a path" },
		{ "stdout.so", "\"stdout.so\" is no plugin's name: 1 to 64 of A-Z, a-z, 0-9, _ and "
			       "-, without a path" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct fl_sink_plugin *plugin = NULL;
		struct fl_err err = { 0 };
		cr_assert_eq(fl_plugin_load(cases[i].name, &plugin, &err), FL_EINVAL, "%s",
			cases[i].name);
		cr_expect_null(plugin);
		cr_expect_str_eq(err.text, cases[i].reason);
	}
}

Test(plugin, built_with_another_header_is_refused)
{
	const struct fl_sink_plugin *plugin = NULL;
	struct fl_err err = { 0 };
	char expected[300];
	size_t const size = sizeof(*plugin);
	snprintf(expected, sizeof(expected),
		TESTS "/bad_size.so is refused: its table of functions has %zu bytes where ABI 1.3 "
		      "has %zu: it is built with another header",
		size - sizeof(void *), size);
	cr_assert_eq(fl_plugin_load("bad_size", &plugin, &err), FL_EINVAL);
	cr_expect_str_eq(err.text, expected);
}

static void list(void *ctx, const char *name, const char *file, const struct fl_sink_plugin *plugin,
	const struct fl_err *err)
{
	struct fl_buf *out = ctx;
	fl_buf_text(out, name);
	fl_buf_text(out, plugin != NULL ? "+ " : "- ");
	cr_expect_eq(access(file, R_OK), 0, "%s", file);
	cr_expect_eq(plugin == NULL, err->code != 0, "%s", name);
}

Test(plugin, found_in_any_directory_is_listed_by_name)
{
	struct fl_buf got = { 0 };
	fl_plugins_each(list, &got);
	fl_buf_char(&got, '\0');
	cr_expect_str_eq(got.data,
		"bad_link- bad_major- bad_minor- bad_name- bad_open+ bad_option- bad_size- "
		"bad_submit- bad_takes- blocker+ keywise+ memcached+ no_module- no_symbol- redis+ "
		"stdout+ ");
	fl_buf_finish(&got);
}

Test(plugin, is_looked_for_in_path_then_environment_then_where_installed)
{
	struct fl_err err = { 0 };
	const struct fl_sink_plugin *plugin = NULL;
	setenv("FASTLANE_PLUGIN_PATH", GOOD "::/nowhere", 1);
	cr_assert_eq(fl_plugins_init("/first:", &err), 0);
	cr_expect_eq(fl_plugin_load("stdout", &plugin, &err), 0, "%s", err.text);
	cr_expect_eq(fl_plugin_load("blocker", &plugin, &err), FL_EINVAL);
	cr_expect_str_eq(err.text, "plugin blocker: there is no blocker.so in /first::" GOOD
				   "::/nowhere:" FL_PLUGIN_DIR);
}

Test(plugin, help_shows_every_option)
{
	static const struct fl_option options[] = {
		{ .name = "port",
			.type = FL_OPTION_INT,
			.minimum = 1,
			.maximum = 9,
			.fallback = "5",
			.help = "a port" },
		{ .name = "mode",
			.type = FL_OPTION_CHOICE,
			.choices = "a|b",
			.required = true,
			.help = "a mode" },
		{ .name = "secret",
			.type = FL_OPTION_SECRET,
			.fallback = "hush",
			.help = "a secret" },
		{ .name = NULL },
	};
	static const struct fl_sink_plugin plugin = {
		.abi_major = 1,
		.name = "x",
		.summary = "does x",
		.options = options,
		.takes = FL_TAKES_OPERATIONS,
	};
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);
	fl_plugin_print_help(&plugin, to);
	fclose(to);
	cr_expect_str_eq(text,
		"x - does x\n"
		"\n"
		"takes      operations: keys and values, by the [map:NAME] sections\n"
		"positions  kept by fastlane, in state_dir\n"
		"ABI        1.0\n"
		"\n"
		"[sink:NAME]\n"
		"plugin = x\n"
		"\n"
		"port = a whole number from 1 to 9; default 5\n"
		"        a port\n"
		"\n"
		"mode = one of a b; required\n"
		"        a mode\n"
		"\n"
		"secret = text\n"
		"        a secret\n");
	free(text);
}

/* The sink of the integration tests that stalls on demand. */
struct stall {
	const struct fl_sink_plugin *plugin;
	struct fl_options *options;
	void *self;
	char directory[64], gate[80], output[80];
	atomic_bool blocked;
	enum fl_outcome outcome;
};

static void note_blocked(void *ctx, enum fl_level level, const char *format, ...)
{
	struct stall *stall = ctx;
	(void)level;
	(void)format;
	atomic_store(&stall->blocked, true);
}

static void *submit_one(void *ctx)
{
	struct stall *stall = ctx;
	const struct fl_transaction transaction = { .gtid = { "0-1-5", 5 },
		.file = { "binlog.000001", 13 },
		.position = 4711,
		.change_count = 2 };
	const struct fl_transaction *const transactions[] = { &transaction };
	const struct fl_batch batch = {
		.id = 1, .transaction_count = 1, .transactions = transactions
	};
	struct fl_err err = { 0 };
	stall->outcome = stall->plugin->submit(stall->self, &batch, &err);
	return NULL;
}

Test(plugin, blocker_waits_for_its_gate_and_can_be_interrupted)
{
	static const struct {
		bool opened;
		enum fl_outcome outcome;
		const char *output;
	} cases[] = {
		{ true, FL_DONE, "0-1-5 binlog.000001:4711 2\n" },
		{ false, FL_RETRY, "" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct stall stall = { .directory = "/tmp/fastlane-test-XXXXXX" };
		struct fl_err err = { 0 };
		const struct fl_host host = {
			.size = sizeof(host), .ctx = &stall, .log = note_blocked
		};
		cr_assert_not_null(mkdtemp(stall.directory));
		snprintf(stall.gate, sizeof(stall.gate), "%s/gate", stall.directory);
		snprintf(stall.output, sizeof(stall.output), "%s/output", stall.directory);
		cr_assert_eq(fl_plugin_load("blocker", &stall.plugin, &err), 0, "%s", err.text);
		stall.options = fl_options_create("stall", stall.plugin);
		cr_assert_eq(fl_options_set(stall.options, "gate", stall.gate, &err), 0);
		cr_assert_eq(fl_options_set(stall.options, "output", stall.output, &err), 0);
		cr_assert_eq(stall.plugin->open(
				     &host, fl_options_settings(stall.options), &stall.self, &err),
			FL_DONE, "%s", err.text);

		pthread_t thread;
		cr_assert_eq(pthread_create(&thread, NULL, submit_one, &stall), 0);
		while (!atomic_load(&stall.blocked))
			sched_yield();
		if (cases[i].opened)
			fclose(fopen(stall.gate, "w"));
		else
			stall.plugin->interrupt(stall.self);
		pthread_join(thread, NULL);
		stall.plugin->close(stall.self);
		fl_options_destroy(stall.options);

		char line[100] = "";
		FILE *output = fopen(stall.output, "r");
		cr_assert_not_null(output);
		cr_expect_eq(fgets(line, sizeof(line), output) != NULL, cases[i].opened);
		fclose(output);
		cr_expect_eq(stall.outcome, cases[i].outcome);
		cr_expect_str_eq(line, cases[i].output);
		unlink(stall.gate);
		unlink(stall.output);
		rmdir(stall.directory);
	}
}

static bool even_length(const char *value, struct fl_err *err)
{
	if (strlen(value) % 2 == 0)
		return true;
	fl_err_set(err, FL_EINVAL, "must be of even length");
	return false;
}

static const struct fl_option every_type[] = {
	{ .name = "text", .type = FL_OPTION_TEXT, .help = "", .check = even_length },
	{ .name = "secret", .type = FL_OPTION_SECRET, .help = "", .check = even_length },
	{ .name = "int",
		.type = FL_OPTION_INT,
		.minimum = -5,
		.maximum = 4294967295,
		.fallback = "7",
		.help = "" },
	{ .name = "bool", .type = FL_OPTION_BOOL, .fallback = "yes", .help = "" },
	{ .name = "choice", .type = FL_OPTION_CHOICE, .choices = "red|green", .help = "" },
	{ .name = "file", .type = FL_OPTION_FILE, .help = "", .check = even_length },
	{ .name = "must", .type = FL_OPTION_TEXT, .required = true, .help = "" },
	{ .name = NULL },
};

Test(option, value_must_fit_and_secrets_are_not_repeated)
{
	static const struct {
		const char *name, *value, *reason; /* NULL: it fits */
	} cases[] = {
		{ "text", "ab", NULL },
		{ "text", "", NULL },
		{ "text", "abc", "text = abc: must be of even length" },
		{ "secret", "ab", NULL },
		{ "secret", "abc", "secret: must be of even length" },
		{ "int", "0", NULL },
		{ "int", "-5", NULL },
		{ "int", "4294967295", NULL },
		{ "int", "-6", "int = -6: must be a whole number from -5 to 4294967295" },
		{ "int", "4294967296",
			"int = 4294967296: must be a whole number from -5 to 4294967295" },
		{ "int", "99999999999999999999",
			"int = 99999999999999999999: must be a whole number from -5 to "
			"4294967295" },
		{ "int", "", "int = : must be a whole number from -5 to 4294967295" },
		{ "int", "1x", "int = 1x: must be a whole number from -5 to 4294967295" },
		{ "int", "0x10", "int = 0x10: must be a whole number from -5 to 4294967295" },
		{ "int", " 1", "int =  1: must be a whole number from -5 to 4294967295" },
		{ "int", "1-", "int = 1-: must be a whole number from -5 to 4294967295" },
		{ "bool", "YES", NULL },
		{ "bool", "off", NULL },
		{ "bool", "maybe", "bool = maybe: must be yes or no" },
		{ "bool", "", "bool = : must be yes or no" },
		{ "choice", "green", NULL },
		{ "choice", "gree", "choice = gree: must be one of red green" },
		{ "choice", "red|green", "choice = red|green: must be one of red green" },
		{ "choice", "", "choice = : must be one of red green" },
		{ "file", "/any/path", NULL },
		{ "file", "", "file: must be the path of a file that can be read" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct fl_option *option = fl_option_find(every_type, cases[i].name);
		struct fl_err err = { 0 };
		int code = fl_option_check(option, cases[i].value, &err);
		cr_expect_eq(code, cases[i].reason != NULL ? FL_EINVAL : 0, "%s = %s",
			cases[i].name, cases[i].value);
		cr_expect_str_eq(err.text, cases[i].reason != NULL ? cases[i].reason : "");
	}
}

Test(option, settings_are_values_or_fallbacks)
{
	struct fl_options *options = fl_options_create_for("hot", every_type);
	cr_assert_not_null(options);
	const struct fl_settings *s = fl_options_settings(options);
	struct fl_err err = { 0 };
	cr_expect_str_eq(s->sink, "hot");
	cr_expect_null(s->text(s->ctx, "text"));
	cr_expect_null(s->text(s->ctx, "no such option"));
	cr_expect_eq(s->integer(s->ctx, "no such option"), 0);
	cr_expect_eq(s->integer(s->ctx, "int"), 7);
	cr_expect_str_eq(s->text(s->ctx, "bool"), "1");
	cr_expect_str_eq(fl_options_missing(options)->name, "must");

	cr_expect_eq(fl_options_set(options, "int", "-3", &err), 0);
	cr_expect_eq(fl_options_set(options, "bool", "off", &err), 0);
	cr_expect_eq(fl_options_set(options, "must", "", &err), 0);
	cr_expect_eq(s->integer(s->ctx, "int"), -3);
	cr_expect_eq(s->integer(s->ctx, "bool"), 0);
	cr_expect_str_eq(s->text(s->ctx, "bool"), "0");
	cr_expect_null(fl_options_missing(options));

	cr_expect_eq(fl_options_set(options, "int", "1", &err), FL_EINVAL);
	cr_expect_str_eq(err.text, "int is set twice");
	cr_expect_eq(fl_options_set(options, "port", "1", &err), FL_EINVAL);
	cr_expect_str_eq(err.text, "port: there is no such option");
	cr_expect_eq(fl_options_set(options, "text", "abc", &err), FL_EINVAL);
	cr_expect_null(s->text(s->ctx, "text"), "a refused value is not kept");
	fl_options_destroy(options);
}

Test(option, values_are_compared_however_they_were_written)
{
	struct fl_options *a = fl_options_create_for("hot", every_type);
	struct fl_options *b = fl_options_create_for("hot", every_type);
	struct fl_err err = { 0 };
	cr_assert(a != NULL && b != NULL);
	cr_expect(fl_options_same(a, b));
	/* The fallback, said in other words. */
	cr_expect_eq(fl_options_set(a, "bool", "yes", &err), 0);
	cr_expect(fl_options_same(a, b));
	cr_expect_eq(fl_options_set(a, "int", "8", &err), 0);
	cr_expect_not(fl_options_same(a, b));
	cr_expect_eq(fl_options_set(b, "int", "8", &err), 0);
	cr_expect_eq(fl_options_set(b, "must", "x", &err), 0);
	cr_expect_not(fl_options_same(a, b));
	fl_options_destroy(b);

	b = fl_options_ref(a);
	fl_options_destroy(a);
	cr_expect_eq(fl_options_settings(b)->integer(fl_options_settings(b)->ctx, "int"), 8);
	fl_options_destroy(b);
}

Test(option, file_gives_its_content_less_the_last_line_break)
{
	static const struct {
		const char *content;
		size_t size;
		const char *value, *reason;
	} cases[] = {
		{ "ab\n", 3, "ab", NULL },
		{ "ab\r\n", 4, "ab", NULL },
		{ "ab", 2, "ab", NULL },
		{ "", 0, "", NULL },
		{ "a\nbc\n\n", 6, "a\nbc\n", "file: must be of even length" },
		{ "a\nb\n\n", 5, "a\nb\n", NULL },
		{ "a\0b", 3, NULL, "file: %s holds more than 1 MiB, or a NUL byte: it is no text" },
		{ NULL, 0, NULL, "file: %s can't be read: No such file or directory" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char path[] = "/tmp/fastlane-test-XXXXXX", reason[200] = "";
		int fd = mkstemp(path);
		cr_assert_geq(fd, 0);
		if (cases[i].size > 0)
			cr_assert_eq(
				write(fd, cases[i].content, cases[i].size), (ssize_t)cases[i].size);
		close(fd);
		if (cases[i].content == NULL)
			unlink(path);
		struct fl_options *options = fl_options_create_for("hot", every_type);
		const struct fl_settings *s = fl_options_settings(options);
		struct fl_err err = { 0 };
		int code = fl_options_set(options, "file", path, &err);
		if (cases[i].reason != NULL) {
			snprintf(reason, sizeof(reason), cases[i].reason, path);
			cr_expect_lt(code, 0, "case %zu", i);
			cr_expect_str_eq(err.text, reason);
		} else {
			cr_expect_eq(code, 0, "case %zu: %s", i, err.text);
			cr_expect_str_eq(s->text(s->ctx, "file"), cases[i].value);
		}
		fl_options_destroy(options);
		unlink(path);
	}
}

Test(option, declared_wrongly_is_found)
{
	static const struct {
		struct fl_option option;
		const char *how;
	} cases[] = {
		{ { .name = "Port", .help = "" }, "names are 1 to 49 of a-z, 0-9, _ and -" },
		{ { .name = "", .help = "" }, "names are 1 to 49 of a-z, 0-9, _ and -" },
		{ { .name = "plugin", .help = "" }, "the name is the core's" },
		{ { .name = "a" }, "it has no help" },
		{ { .name = "a", .help = "", .type = (enum fl_option_type)99 },
			"it has an unknown type" },
		{ { .name = "a", .help = "", .type = FL_OPTION_INT, .minimum = 2, .maximum = 1 },
			"its minimum is above its maximum" },
		{ { .name = "a", .help = "", .type = FL_OPTION_CHOICE }, "it has no choices" },
		{ { .name = "a", .help = "", .type = FL_OPTION_BOOL, .fallback = "perhaps" },
			"its fallback does not fit" },
		{ { .name = "a", .help = "", .type = FL_OPTION_FILE, .fallback = "/etc/passwd" },
			"its fallback does not fit" },
		{ { .name = "a", .help = "", .required = true, .fallback = "x" },
			"it is required and has a fallback" },
		{ { .name = "first", .help = "" }, "the name is there twice" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct fl_option options[] = { { .name = "first", .help = "" },
			cases[i].option, { .name = NULL } };
		char expected[200];
		struct fl_err err = { 0 };
		snprintf(expected, sizeof(expected), "option \"%s\" is declared wrongly: %s",
			cases[i].option.name, cases[i].how);
		cr_expect_eq(fl_options_declared(options, &err), FL_EINVAL, "case %zu", i);
		cr_expect_str_eq(err.text, expected);
	}
	cr_expect_eq(fl_options_declared(every_type, NULL), 0);
	cr_expect_eq(fl_options_declared(NULL, NULL), 0);
}
