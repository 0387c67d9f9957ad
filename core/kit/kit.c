/* SPDX-License-Identifier: Apache-2.0
 *
 * The tool's process: what the command line says, one process a check, the report.
 */
#include "kit/private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	DEADLINE = 20, /* seconds, unless told otherwise */
	GRACE = 4,     /* that a check's process has to say that it is late */
	/* Indexes of checks below that others need. */
	NOTHING = -1,
	TABLE = 1,
	OPEN = 3,
	BATCH = 4,
};

static const struct fl_kit_check checks[] = {
	{ "module", NOTHING, fl_kit_check_module },
	{ "table", NOTHING, fl_kit_check_table },
	{ "options", TABLE, fl_kit_check_options },
	{ "open", TABLE, fl_kit_check_open },
	{ "batch", OPEN, fl_kit_check_batch },
	{ "wrong options", OPEN, fl_kit_check_wrong_options },
	{ "reopening", BATCH, fl_kit_check_reopening },
	{ "closing under way", BATCH, fl_kit_check_closing },
	{ "shapes", BATCH, fl_kit_check_shapes },
	{ "clears", BATCH, fl_kit_check_clears },
	{ "large values", BATCH, fl_kit_check_large },
	{ "hostile values", BATCH, fl_kit_check_hostile },
	{ "doubts", BATCH, fl_kit_check_doubts },
	{ "settling", BATCH, fl_kit_check_settling },
	{ "position", BATCH, fl_kit_check_position },
	{ "the same again", BATCH, fl_kit_check_again },
	{ "interrupt", BATCH, fl_kit_check_interrupt },
	{ "blocked backend", BATCH, fl_kit_check_blocked },
	{ "slow backend", BATCH, fl_kit_check_slow },
	{ "dead backend", BATCH, fl_kit_check_dead },
};

enum { CHECKS = sizeof(checks) / sizeof(*checks) };

/* ---- arguments ---- */

static int take_setting(struct fl_kit_arguments *a, const char *word, struct fl_err *err)
{
	const char *equals = strchr(word, '=');
	if (a->setting_count == FL_KIT_MOST_SETTINGS)
		return fl_err_set(err, FL_EINVAL, "more than %d options", FL_KIT_MOST_SETTINGS);
	struct fl_kit_setting *set = &a->settings[a->setting_count++];
	set->name = strndup(word, (size_t)(equals - word));
	set->value = strdup(equals + 1);
	return set->name == NULL || set->value == NULL ? fl_err_set(err, FL_ENOMEM, "out of memory")
						       : 0;
}

static int take_arguments(struct fl_kit_arguments *a, char *const *words, struct fl_err *err)
{
	enum { LONGEST = 3600 };
	for (; *words != NULL; words++) {
		const char *word = *words, *value = words[1];
		bool const takes_value =
			strcmp(word, "--backend-option") == 0 || strcmp(word, "--contents") == 0 ||
			strcmp(word, "--only") == 0 || strcmp(word, "--deadline") == 0;
		if (takes_value && value == NULL)
			return fl_err_set(err, FL_EINVAL, "%s needs a value", word);
		words += takes_value;
		if (strcmp(word, "--backend-option") == 0) {
			a->backend_option = value;
		} else if (strcmp(word, "--contents") == 0) {
			a->contents = value;
		} else if (strcmp(word, "--only") == 0) {
			a->only = value;
		} else if (strcmp(word, "--deadline") == 0) {
			char *end;
			unsigned long const seconds = strtoul(value, &end, 10);
			if (*value < '0' || *value > '9' || *end != '\0' || seconds < 1 ||
				seconds > LONGEST)
				return fl_err_set(err, FL_EINVAL,
					"--deadline takes seconds, from 1 to %d", LONGEST);
			a->deadline = (unsigned)seconds;
		} else if (strcmp(word, "--backend-stdout") == 0) {
			a->backend_is_stdout = true;
		} else if (word[0] != '-' && strchr(word, '=') != NULL) {
			int const code = take_setting(a, word, err);
			if (code != 0)
				return code;
		} else {
			return fl_err_set(err, FL_EINVAL,
				"'%s' is neither NAME=VALUE, an option of the plugin's, nor one of "
				"--backend-option NAME, --backend-stdout, --contents COMMAND, "
				"--deadline SECONDS, --only CHECK",
				word);
		}
	}
	return 0;
}

/* Which of the checks are to be made. False: there is none of that name. */
static bool choose(const char *only, bool ret[CHECKS])
{
	bool found = false;
	for (int i = 0; i < CHECKS; i++) {
		ret[i] = only == NULL || strcmp(only, checks[i].name) == 0;
		found |= ret[i];
		for (int n = i; ret[i] && checks[n].needs != NOTHING;)
			ret[n = checks[n].needs] = true;
	}
	return found;
}

static const char *backend_of(const struct fl_kit_arguments *a)
{
	for (size_t i = 0; a->backend_option != NULL && i < a->setting_count; i++)
		if (strcmp(a->settings[i].name, a->backend_option) == 0)
			return a->settings[i].value;
	return NULL;
}

/* ---- a check ---- */

static void run_child(const struct fl_kit_arguments *arguments, struct fl_kit_shared *shared,
	const struct fl_kit_proxy *proxy, void (*check)(struct fl_kit *kit))
	__attribute__((noreturn));
static void run_child(const struct fl_kit_arguments *arguments, struct fl_kit_shared *shared,
	const struct fl_kit_proxy *proxy, void (*check)(struct fl_kit *kit))
{
	static struct fl_kit kit;
	struct rlimit const no_core = { 0 };
	sigset_t none;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &no_core);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(proxy->output, STDOUT_FILENO);
	close(proxy->output);
	kit.arguments = arguments;
	kit.shared = shared;
	kit.control = proxy->control;
	memcpy(kit.backend, proxy->address, sizeof(kit.backend));
	fl_kit_process(&kit, check);
}

/* Waits until it ends, or kills it. 0, or FL_ESTOPPED if it had to be killed. */
static int wait_for(int pid, unsigned seconds, int *ret_status)
{
	struct timespec now, limit;
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	clock_gettime(CLOCK_MONOTONIC, &limit);
	limit.tv_sec += seconds;
	for (;;) {
		if (waitpid(pid, ret_status, WNOHANG) == pid)
			return 0;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > limit.tv_sec)
			break;
		struct timespec const left = { .tv_sec = limit.tv_sec - now.tv_sec + 1 };
		sigtimedwait(&child, NULL, &left);
	}
	kill(pid, SIGKILL);
	waitpid(pid, ret_status, 0);
	return FL_ESTOPPED;
}

/* What the process says of itself by how it ended, where it has not said anything else. */
static void judge_end(struct fl_kit_shared *shared, int status, int killed, unsigned seconds)
{
	char how[160];
	shared->call[sizeof(shared->call) - 1] = '\0';
	shared->stage[sizeof(shared->stage) - 1] = '\0';
	if (atomic_load(&shared->failed) || (atomic_load(&shared->ended) && status == 0))
		return;
	if (killed != 0)
		snprintf(how, sizeof(how), "did not end within %u s", seconds);
	else if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "crashed: %s (signal %d)", strsignal(WTERMSIG(status)),
			WTERMSIG(status));
	else
		snprintf(
			how, sizeof(how), "ended the process, with status %d", WEXITSTATUS(status));
	snprintf(shared->text, sizeof(shared->text), "%s%sit %s%s%s", shared->stage,
		shared->stage[0] != '\0' ? ": " : "", how, shared->call[0] != '\0' ? " in " : "",
		shared->call);
	atomic_store(&shared->failed, 1);
}

/* Runs it in a process of its own; what comes of it is in `shared`. */
static void run_check(const struct fl_kit_arguments *a, struct fl_kit_shared *shared,
	void (*check)(struct fl_kit *kit))
{
	struct fl_kit_proxy proxy;
	struct fl_err err = { 0 };
	int status = 0;
	memset(shared, 0, sizeof(*shared));
	if (fl_kit_proxy_start(backend_of(a), &proxy, &err) != 0) {
		snprintf(shared->text, sizeof(shared->text), "%s", err.text);
		atomic_store(&shared->failed, 1);
		atomic_store(&shared->ended, true);
		return;
	}
	int const pid = fork();
	if (pid == 0)
		run_child(a, shared, &proxy, check);
	int const killed = pid > 0 ? wait_for(pid, a->deadline + GRACE, &status) : FL_ESTOPPED;
	judge_end(shared, status, killed, a->deadline + GRACE);
	fl_kit_proxy_end(&proxy);
	shared->text[sizeof(shared->text) - 1] = '\0';
	shared->notes[sizeof(shared->notes) - 1] = '\0';
}

/* ---- the report ---- */

static void print(const char *verdict, const char *name, const char *text)
{
	printf("%-8s %s%s", verdict, name, text[0] != '\0' ? ": " : "");
	for (const char *c = text; *c != '\0'; c++)
		putchar((unsigned char)*c < ' ' || *c == 0x7f ? '?' : *c);
	putchar('\n');
	fflush(stdout);
}

/* Whether what was given fits what the plugin declares: else the tool is used wrongly. A plugin
 * that can't even be loaded is left to the checks. */
static void check_arguments(struct fl_kit *kit)
{
	struct fl_err err = { 0 };
	if (fl_plugins_init(NULL, &err) != 0 ||
		fl_plugin_load_file(kit->arguments->file, &kit->plugin, &err) != 0)
		fl_kit_skip(kit, "%s", err.text);
	if (!fl_kit_set_options(kit, NULL, NULL, &err))
		fl_kit_fail(kit, "%s", err.text);
}

static int run_all(const struct fl_kit_arguments *a, struct fl_kit_shared *shared)
{
	unsigned passed = 0, failed = 0, skipped = 0;
	bool ok[CHECKS] = { false }, wanted[CHECKS];
	choose(a->only, wanted);
	run_check(a, shared, check_arguments);
	if (atomic_load(&shared->failed) && atomic_load(&shared->ended)) {
		fprintf(stderr, "fastlane: --test-plugin: %s\n", shared->text);
		return FL_KIT_USAGE;
	}
	for (int i = 0; i < CHECKS; i++) {
		if (!wanted[i])
			continue;
		if (checks[i].needs != NOTHING && !ok[checks[i].needs]) {
			char why[100];
			snprintf(why, sizeof(why), "it needs '%s'", checks[checks[i].needs].name);
			print("skipped", checks[i].name, why);
			skipped++;
			continue;
		}
		run_check(a, shared, checks[i].run);
		ok[i] = !atomic_load(&shared->failed);
		if (!ok[i])
			print("FAILED", checks[i].name, shared->text);
		else if (atomic_load(&shared->skipped))
			print("skipped", checks[i].name, shared->text);
		else
			print("ok", checks[i].name, shared->notes);
		failed += !ok[i];
		skipped += ok[i] && atomic_load(&shared->skipped);
		passed += ok[i] && !atomic_load(&shared->skipped);
	}
	printf("%s: %u checks: %u ok, %u failed, %u skipped\n", a->file, passed + failed + skipped,
		passed, failed, skipped);
	return failed > 0 ? FL_KIT_FAILED : FL_KIT_OK;
}

int fl_kit_run(const char *file, char *const *words)
{
	struct fl_kit_arguments a = { .file = file, .deadline = DEADLINE };
	struct fl_err err = { 0 };
	sigset_t child;
	bool wanted[CHECKS];
	int code = take_arguments(&a, words, &err);
	if (code == 0 && !choose(a.only, wanted))
		code = fl_err_set(&err, FL_EINVAL, "there is no check '%s'", a.only);
	if (code == 0 && a.backend_option != NULL && backend_of(&a) == NULL)
		code = fl_err_set(&err, FL_EINVAL,
			"--backend-option %s: give the backend's address as %s=ADDRESS",
			a.backend_option, a.backend_option);
	struct fl_kit_shared *shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (code == 0 && shared == MAP_FAILED)
		code = fl_err_set(&err, FL_ENOMEM, "no memory: %s", strerror(errno));
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	if (code != 0)
		fprintf(stderr, "fastlane: --test-plugin: %s\n", err.text);
	int const result = code != 0 ? FL_KIT_USAGE : run_all(&a, shared);
	for (size_t i = 0; i < a.setting_count; i++) {
		free(a.settings[i].name);
		free(a.settings[i].value);
	}
	return result;
}
