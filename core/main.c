/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <locale.h>
#include <unistd.h>

#include "base/log.h"
#include "base/trust.h"
#include "daemon.h"
#include "explain/explain.h"
#include "kit/kit.h"
#include "privileges.h"
#include "view/view.h"

static const char usage[] =
	"usage: fastlane -c FILE [--check | --explain CHANGE | --until-current]\n"
	"       fastlane [-c FILE] --binlog-file FILE...\n"
	"       fastlane {-c FILE | --url URL} {--status | --status=json | --top}\n"
	"       fastlane --list-plugins | --plugin-help NAME | --version | --help\n"
	"       fastlane --test-plugin FILE.so [NAME=VALUE...] [--backend-option NAME]\n"
	"\n"
	"Follows a MySQL or MariaDB server's row-based binary log and keeps caches right.\n"
	"\n"
	"  -c, --config FILE    the configuration; see fastlane.ini(5)\n"
	"      --check          check the configuration, also by the source's tables, and end\n"
	"      --explain CHANGE  tell what maps and sinks make of a change, and end: of JSON as\n"
	"                       stdout prints it; of rows, 'shop.users WHERE id = 5'; or -, of\n"
	"                       JSON lines from standard input\n"
	"      --until-current  apply what the source has at the start, and end\n"
	"      --binlog-file FILE...  read these binlog files instead of the source, in this "
	"order,\n"
	"                       and end; without a configuration they are printed, as JSON\n"
	"      --status         what the running daemon says of itself; --status=json: as JSON\n"
	"      --top            the same, on the whole terminal, again each second; q quits\n"
	"      --url URL        where it is, in place of the file's [http] listen\n"
	"      --list-plugins   the sinks that can be configured\n"
	"      --plugin-help NAME  a sink's options\n"
	"      --test-plugin FILE.so  try a sink's module out, with these options; see "
	"fastlane(1)\n"
	"      --version\n"
	"      --help\n"
	"\n"
	"Ends with 0 when all is well, 1 for wrong arguments or a system that lacks something,\n"
	"2 for a wrong configuration, 3 for a source that can't be replicated from as it is,\n"
	"4 if a sink has halted, 5 if --until-current was stopped too early, 6 if --status finds\n"
	"the daemon not ready, 7 if it does not answer. SIGTERM and SIGINT end it in order, a\n"
	"second one at once.\n"
	"SIGHUP has it read the configuration anew; a wrong one is refused and the old one goes "
	"on.\n";

static void report(void *ctx, bool fatal, const char *line)
{
	(void)ctx;
	fprintf(stderr, "%s%s\n", fatal ? "" : "warning: ", line);
}

/* What is wrong with the configuration of a daemon, where its log is not for people alone. */
static void report_logged(void *ctx, bool fatal, const char *line)
{
	if (fl_log_format() == FL_LOG_TEXT)
		report(ctx, fatal, line);
	else
		fl_log(fatal ? FL_LEVEL_ERROR : FL_LEVEL_WARN, NULL, "%s", line);
}

static void list_plugin(void *ctx, const char *name, const char *file,
	const struct fl_sink_plugin *plugin, const struct fl_err *err)
{
	(void)ctx;
	if (plugin != NULL)
		printf("%-12s %s (%s)\n", name, plugin->summary, file);
	else
		printf("%-12s refused: %s\n", name, err->text);
}

static int list_plugins(void)
{
	struct fl_err err = { 0 };
	if (fl_plugins_init(NULL, &err) != 0) {
		fprintf(stderr, "fastlane: %s\n", err.text);
		return FL_EXIT_USAGE;
	}
	fl_plugins_each(list_plugin, NULL);
	fl_plugins_finish();
	return FL_EXIT_OK;
}

static int plugin_help(const char *name)
{
	struct fl_err err = { 0 };
	const struct fl_sink_plugin *plugin;
	int code = FL_EXIT_OK;
	if (fl_plugins_init(NULL, &err) != 0 || fl_plugin_load(name, &plugin, &err) != 0) {
		fprintf(stderr, "fastlane: %s\n", err.text);
		code = FL_EXIT_USAGE;
	} else {
		fl_plugin_print_help(plugin, stdout);
	}
	fl_plugins_finish();
	return code;
}

static int explain(const struct fl_config *config, const char *path, const char *change)
{
	int code = fl_explain(config, path, change, stdout, report, NULL);
	return code == 0			       ? FL_EXIT_OK
	       : code == FL_ELOST || code == FL_EFATAL ? FL_EXIT_SOURCE
						       : FL_EXIT_USAGE;
}

static int check_tables(const struct fl_config *config, const char *path)
{
	int problems = fl_explain_check(config, path, -1, stdout, report, NULL, NULL);
	if (problems < 0 && problems != FL_ENOMEM)
		problems = 0; /* the file is right as far as it could be checked */
	if (problems == 0)
		printf("%s is right: %zu sinks, %zu maps\n", path, config->sink_count,
			config->rule_count);
	else if (problems > 0)
		fprintf(stderr, "%s: %d error%s\n", path, problems, problems > 1 ? "s" : "");
	else
		fprintf(stderr, "fastlane: out of memory\n");
	return problems == 0 ? FL_EXIT_OK : FL_EXIT_CONFIG;
}

/* By the URL, or else where the file says that the daemon listens. */
static int view(const char *path, const char *url, enum fl_view what)
{
	static const int codes[] = { FL_EXIT_OK, FL_EXIT_NOT_READY, FL_EXIT_NO_ANSWER,
		FL_EXIT_USAGE };
	char listen[256] = "";
	struct fl_err err = { 0 };
	if (url == NULL) {
		int code = fl_config_value(path, "http", "listen", listen, sizeof(listen), &err);
		if (code == 0 && *listen == '\0')
			code = fl_err_set(&err, FL_EINVAL,
				"%s has no [http] listen: its daemon can't be asked", path);
		if (code != 0) {
			fprintf(stderr, "%s\n", err.text);
			return code == FL_ENOMEM ? FL_EXIT_USAGE : FL_EXIT_CONFIG;
		}
	}
	enum fl_view_result result = fl_view_run(url != NULL ? url : listen, what, &err);
	if (result == FL_VIEW_NO_ANSWER || result == FL_VIEW_FAILED)
		fprintf(stderr, "fastlane: %s\n", err.text);
	return codes[result];
}

/* Becomes the account that the configuration names, before there is any other thread. What is read
 * from now on is read as that. */
static int settle_privileges(const struct fl_config *config, const char *path, bool is_daemon)
{
	const char *user = config->account.user;
	uid_t const self = geteuid();
	struct fl_err err;
	if (config->core_dumps)
		fl_privileges_core_dumps(true);
	/* Who looks by his own rights has been warned that he can't run it. */
	if (!is_daemon && self != 0 && self != config->account.uid)
		return FL_EXIT_OK;
	if (fl_privileges_drop(&config->account, &err) != 0 ||
		(user != NULL && fl_privileges_check(config, &err) != 0)) {
		char text[sizeof(err.text) + PATH_MAX];
		snprintf(text, sizeof(text), "%s: %s", path != NULL ? path : "fastlane", err.text);
		report_logged(NULL, true, text);
		return FL_EXIT_CONFIG;
	}
	if (is_daemon && user == NULL && geteuid() == 0 && path != NULL)
		fl_warn(NULL, "runs as root, and needs none of root's rights: set user in "
			      "[fastlane]");
	if (user != NULL && faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) != 0)
		fl_warn(NULL, "%s can't be read by user = %s, so that SIGHUP won't do: chgrp %s %s",
			path, user, user, path);
	return FL_EXIT_OK;
}

static int run(const char *path, bool check, const char *change, bool until_current,
	const char *const *files)
{
	struct fl_config *config = NULL;
	/* Rules can be explained before there is a source. */
	bool const alone = files != NULL || change != NULL;
	if (check || change != NULL)
		fl_trust_only_look();
	if (!check && change == NULL) {
		fl_log_set_format(FL_LOG_AUTO);
		fl_daemon_prepare();
	}
	int problems = path != NULL ? fl_config_load(path, alone, report_logged, NULL, &config)
				    : fl_config_for_stdout(report_logged, NULL, &config);
	int code = FL_EXIT_OK;
	if (problems != 0) {
		char text[1024];
		if (problems > 0)
			snprintf(text, sizeof(text), "%s: %d error%s",
				path != NULL ? path : "fastlane", problems,
				problems > 1 ? "s" : "");
		else
			snprintf(text, sizeof(text), "fastlane: out of memory");
		report_logged(NULL, true, text);
		code = FL_EXIT_CONFIG;
	} else {
		fl_log_set_level(config->log_level);
		if (!check && change == NULL)
			fl_log_set_format(config->log_format);
		code = settle_privileges(config, path, !check && change == NULL);
	}
	if (code != FL_EXIT_OK) {
		/* It has been told. */
	} else if (check) {
		code = check_tables(config, path);
	} else if (change != NULL) {
		code = explain(config, path, change);
	} else {
		code = fl_daemon_run(config, path, until_current, files);
		config = NULL;
	}
	fl_config_destroy(config);
	fl_plugins_finish();
	return code;
}

/* What is opened later must not take the place of a standard stream that the caller has closed.
 * Standard output is then one that can't be written to: its sink says so. */
static void fill_standard_streams(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) == -1 &&
			open("/dev/null", fd == 2 ? O_WRONLY : O_RDONLY) != fd)
			_exit(FL_EXIT_USAGE);
}

int main(int argc, char **argv)
{
	enum {
		CHECK = 256,
		EXPLAIN,
		UNTIL_CURRENT,
		BINLOG_FILE,
		LIST_PLUGINS,
		PLUGIN_HELP,
		TEST_PLUGIN,
		STATUS,
		TOP,
		URL,
		VERSION,
		HELP
	};
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, CHECK },
		{ "explain", required_argument, NULL, EXPLAIN },
		{ "until-current", no_argument, NULL, UNTIL_CURRENT },
		{ "binlog-file", required_argument, NULL, BINLOG_FILE },
		{ "list-plugins", no_argument, NULL, LIST_PLUGINS },
		{ "plugin-help", required_argument, NULL, PLUGIN_HELP },
		{ "test-plugin", required_argument, NULL, TEST_PLUGIN },
		{ "status", optional_argument, NULL, STATUS },
		{ "top", no_argument, NULL, TOP },
		{ "url", required_argument, NULL, URL },
		{ "version", no_argument, NULL, VERSION },
		{ "help", no_argument, NULL, HELP },
		{ 0 },
	};
	const char *path = NULL;
	bool check = false, until_current = false;
	const char *file = NULL, *change = NULL, *url = NULL;
	int views = 0;
	enum fl_view what = FL_VIEW_STATUS;
	/* Only the characters' classes and messages follow the user's locale; numbers never do. */
	fill_standard_streams();
	fl_privileges_harden();
	setlocale(LC_CTYPE, "");
	for (int option; (option = getopt_long(argc, argv, "c:", options, NULL)) != -1;) {
		switch (option) {
		case 'c':
			path = optarg;
			break;
		case CHECK:
			check = true;
			break;
		case EXPLAIN:
			change = optarg;
			break;
		case UNTIL_CURRENT:
			until_current = true;
			break;
		case BINLOG_FILE:
			if (file != NULL) {
				fputs("--binlog-file is to be given once, with all files behind "
				      "it\n",
					stderr);
				return FL_EXIT_USAGE;
			}
			file = optarg;
			break;
		case LIST_PLUGINS:
			return list_plugins();
		case PLUGIN_HELP:
			return plugin_help(optarg);
		case TEST_PLUGIN:
			return fl_kit_run(optarg, argv + optind);
		case STATUS:
			if (optarg != NULL && strcmp(optarg, "json") != 0) {
				fprintf(stderr,
					"--status=%s: it is --status or --status=json, see "
					"fastlane --help\n",
					optarg);
				return FL_EXIT_USAGE;
			}
			what = optarg != NULL ? FL_VIEW_JSON : FL_VIEW_STATUS;
			views++;
			break;
		case TOP:
			what = FL_VIEW_TOP;
			views++;
			break;
		case URL:
			url = optarg;
			break;
		case VERSION:
			printf("fastlane %s\n", FL_VERSION);
			return FL_EXIT_OK;
		case HELP:
			fputs(usage, stdout);
			return FL_EXIT_OK;
		default:
			fputs("see fastlane --help\n", stderr);
			return FL_EXIT_USAGE;
		}
	}
	int const modes = check + until_current + (change != NULL);
	if (views > 0 || url != NULL) {
		if (views == 1 && modes == 0 && file == NULL && optind == argc &&
			(path == NULL) != (url == NULL))
			return view(path, url, what);
		fputs(usage, stderr);
		return FL_EXIT_USAGE;
	}
	if (file == NULL ? path == NULL || optind < argc || modes > 1 : modes > 0) {
		fputs(usage, stderr);
		return FL_EXIT_USAGE;
	}
	if (file == NULL)
		return run(path, check, change, until_current, NULL);
	/* getopt has moved the others, in their order, to the end. */
	argv[optind - 1] = (char *)(uintptr_t)file;
	return run(path, false, NULL, false, (const char *const *)&argv[optind - 1]);
}
