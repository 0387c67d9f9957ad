/* SPDX-License-Identifier: Apache-2.0
 *
 * A check's process: who blames whom, what happens when the plugin crashes or hangs, and memory
 * that tells who touches it at the wrong time.
 */
#include "kit/private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_LEAK_CHECK 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(HAS_LEAK_CHECK)
#include <sanitizer/lsan_interface.h>
static bool leaks(void)
{
	return __lsan_do_recoverable_leak_check() != 0;
}
#else
static bool leaks(void)
{
	return false;
}
#endif

/* Of the process, for the signal's handler. */
static struct fl_kit *current;
static struct fl_kit_guard guards[4096]; /* not allocated: leaks are measured */
static size_t guard_count;
static struct sigaction former[NSIG];
static pthread_mutex_t blaming = PTHREAD_MUTEX_INITIALIZER;

/* ---- verdicts ---- */

static void put_text(struct fl_kit *kit, const char *format, va_list args)
{
	const char *stage = kit->shared->stage;
	int size = stage[0] != '\0' ? snprintf(kit->shared->text, FL_KIT_TEXT, "%s: ", stage) : 0;
	vsnprintf(kit->shared->text + size, (size_t)(FL_KIT_TEXT - size), format, args);
}

static void blame(struct fl_kit *kit, const char *format, va_list args)
{
	pthread_mutex_lock(&blaming);
	if (!atomic_load(&kit->shared->failed)) {
		put_text(kit, format, args);
		atomic_store(&kit->shared->failed, 1);
	}
	pthread_mutex_unlock(&blaming);
}

void fl_kit_blame(struct fl_kit *kit, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	blame(kit, format, args);
	va_end(args);
}

/* The instance may be in any state: nobody touches it any more, the process ends. */
static void end_check(struct fl_kit *kit) __attribute__((noreturn));
static void end_check(struct fl_kit *kit)
{
	atomic_store(&kit->shared->ended, true);
	pthread_exit(NULL);
}

void fl_kit_fail(struct fl_kit *kit, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	blame(kit, format, args);
	va_end(args);
	end_check(kit);
}

void fl_kit_stop_if_failed(struct fl_kit *kit)
{
	if (atomic_load(&kit->shared->failed))
		end_check(kit);
}

void fl_kit_skip(struct fl_kit *kit, const char *format, ...)
{
	va_list args;
	fl_kit_stop_if_failed(kit);
	va_start(args, format);
	vsnprintf(kit->shared->text, FL_KIT_TEXT, format, args);
	va_end(args);
	atomic_store(&kit->shared->skipped, 1);
	end_check(kit);
}

void fl_kit_note(struct fl_kit *kit, const char *format, ...)
{
	char *notes = kit->shared->notes;
	size_t size = strlen(notes);
	va_list args;
	va_start(args, format);
	size += (size_t)snprintf(notes + size, FL_KIT_TEXT - size, size > 0 ? "; " : "");
	if (size < FL_KIT_TEXT)
		vsnprintf(notes + size, FL_KIT_TEXT - size, format, args);
	va_end(args);
}

void fl_kit_stage(struct fl_kit *kit, const char *stage)
{
	snprintf(kit->shared->stage, sizeof(kit->shared->stage), "%s", stage);
}

/* ---- guarded memory ---- */

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

struct fl_kit_guard *fl_kit_guard_create(
	struct fl_kit *kit, enum fl_kit_guarded kind, uint64_t id, size_t size)
{
	size_t const page = page_size();
	size_t const most = sizeof(guards) / sizeof(*guards);
	size = (size + page) / page * page;
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (guard_count == most || at == MAP_FAILED)
		fl_kit_fail(kit, "no memory for the check: %s", strerror(errno));
	struct fl_kit_guard *guard = &guards[guard_count++];
	*guard = (struct fl_kit_guard){ .kind = kind, .id = id, .at = at, .size = size };
	return guard;
}

void *fl_kit_guard_alloc(struct fl_kit *kit, struct fl_kit_guard *guard, size_t size)
{
	enum { ALIGN = 16 };
	size_t const used = (guard->used + ALIGN - 1) / ALIGN * ALIGN;
	if (size > guard->size || used > guard->size - size)
		fl_kit_fail(kit, "the check's own batch is too large for its memory");
	guard->used = used + size;
	return guard->at + used;
}

struct fl_bytes fl_kit_guard_copy(
	struct fl_kit *kit, struct fl_kit_guard *guard, const void *data, size_t size)
{
	char *copy = fl_kit_guard_alloc(kit, guard, size);
	if (size > 0)
		memcpy(copy, data, size);
	return (struct fl_bytes){ copy, size };
}

void fl_kit_guard_seal(struct fl_kit_guard *guard)
{
	mprotect(guard->at, guard->size, PROT_READ);
}

void fl_kit_guard_retire(struct fl_kit_guard *guard)
{
	guard->retired = true;
	madvise(guard->at, guard->size, MADV_DONTNEED);
	mprotect(guard->at, guard->size, PROT_NONE);
}

static const struct fl_kit_guard *guard_of(const char *address)
{
	for (size_t i = 0; i < guard_count; i++)
		if (address >= guards[i].at && address < guards[i].at + guards[i].size)
			return &guards[i];
	return NULL;
}

/* Whoever touches guarded memory is told by name; anything else goes its usual way. */
static void on_fault(int number, siginfo_t *info, void *context)
{
	const struct fl_kit_guard *guard = guard_of(info->si_addr);
	(void)context;
	if (guard == NULL) {
		sigaction(number, &former[number], NULL);
		return; /* and faults again */
	}
	if (guard->kind == FL_KIT_LENT)
		fl_kit_blame(current,
			guard->retired
				? "it uses its host or its settings after close()"
				: "it writes to its host or its settings, which are the core's");
	else if (guard->retired)
		fl_kit_blame(current,
			"it keeps pointers into a batch: it reads or writes batch %llu, whose "
			"submit() has returned",
			(unsigned long long)guard->id);
	else
		fl_kit_blame(current, "it writes into batch %llu, which is the core's",
			(unsigned long long)guard->id);
	_exit(0);
}

static void watch_faults(void)
{
	struct sigaction action = { .sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK };
	sigaction(SIGSEGV, &action, &former[SIGSEGV]);
	sigaction(SIGBUS, &action, &former[SIGBUS]);
}

/* ---- traces ---- */

static unsigned count_entries(const char *path)
{
	unsigned count = 0;
	DIR *dir = opendir(path);
	for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
		count += entry->d_name[0] != '.';
	if (dir != NULL)
		closedir(dir);
	return count;
}

static size_t allocated(void)
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
	return mallinfo2().uordblks;
#else
	return 0;
#endif
}

struct fl_kit_traces fl_kit_traces(void)
{
	size_t const memory = allocated();
	return (struct fl_kit_traces){ .files = count_entries("/proc/self/fd"),
		.threads = count_entries("/proc/self/task"),
		.memory = memory,
		.memory_now = memory };
}

void fl_kit_traces_round(struct fl_kit_traces *traces)
{
	size_t const now = allocated();
	traces->rounds++;
	traces->grown += now > traces->memory_now;
	traces->memory_now = now;
}

/* What the newest descriptor is of. */
static const char *newest_file(char text[256])
{
	char path[64];
	int newest = -1;
	DIR *dir = opendir("/proc/self/fd");
	for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
		int const fd = atoi(entry->d_name);
		if (fd > newest && fd != dirfd(dir))
			newest = fd;
	}
	if (dir != NULL)
		closedir(dir);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", newest);
	ssize_t const size = readlink(path, text, 255);
	text[size > 0 ? size : 0] = '\0';
	return text;
}

void fl_kit_expect_no_traces(
	struct fl_kit *kit, const struct fl_kit_traces *traces, const char *what)
{
	enum { TRIES = 50, PAUSE_US = 10000 };
	struct fl_kit_traces now;
	char text[256];
	/* A thread that was joined, or that ends by itself, is there for a moment longer. */
	for (unsigned i = 0; now = fl_kit_traces(), now.threads > traces->threads && i < TRIES; i++)
		usleep(PAUSE_US);
	if (now.files > traces->files)
		fl_kit_fail(kit, "%s %u times leaves %u file descriptors open, the last one of %s",
			what, traces->rounds, now.files - traces->files, newest_file(text));
	if (now.threads > traces->threads)
		fl_kit_fail(kit, "%s %u times leaves %u threads", what, traces->rounds,
			now.threads - traces->threads);
	if (traces->grown == traces->rounds)
		fl_kit_fail(kit, "%s %u times leaves %zu bytes allocated, some more each time",
			what, traces->rounds, traces->memory_now - traces->memory);
	if (leaks())
		fl_kit_fail(kit, "%s leaks memory: see the sanitizer's report", what);
}

/* ---- the process ---- */

struct start {
	struct fl_kit *kit;
	void (*check)(struct fl_kit *kit);
};

static void *run_checker(void *ctx)
{
	static char stack[64 << 10]; /* for on_fault(): the plugin may have used up its own */
	stack_t const own = { .ss_sp = stack, .ss_size = sizeof(stack) };
	stack_t there;
	struct start *start = ctx;
	/* A sanitizer has one of its own. */
	if (sigaltstack(NULL, &there) == 0 && (there.ss_flags & SS_DISABLE) != 0)
		sigaltstack(&own, NULL);
	start->kit->checker = pthread_self();
	start->check(start->kit);
	end_check(start->kit);
}

static struct timespec in_seconds(double seconds)
{
	struct timespec at;
	clock_gettime(CLOCK_REALTIME, &at);
	long const ns = at.tv_nsec + (long)((seconds - (double)(long)seconds) * 1e9);
	at.tv_sec += (time_t)seconds + ns / 1000000000;
	at.tv_nsec = ns % 1000000000;
	return at;
}

/* It may be the plugin that hangs. Whether it can be interrupted is worth knowing. */
static void late(struct fl_kit *kit, pthread_t checker)
{
	char call[sizeof(kit->shared->call)];
	struct timespec const soon = in_seconds(1);
	void *const self = kit->self;
	memcpy(call, kit->shared->call, sizeof(call));
	call[sizeof(call) - 1] = '\0';
	if (call[0] == '\0') {
		fl_kit_blame(kit, "it took longer than %u s", kit->arguments->deadline);
		return;
	}
	fl_kit_blame(kit, "%s did not return within %u s", call, kit->arguments->deadline);
	if (self == NULL || kit->plugin == NULL || kit->plugin->interrupt == NULL ||
		strcmp(call, "interrupt()") == 0)
		return;
	kit->plugin->interrupt(self);
	if (pthread_timedjoin_np(checker, NULL, &soon) != 0)
		strncat(kit->shared->text, ", not even once interrupted",
			FL_KIT_TEXT - 1 - strlen(kit->shared->text));
	else
		strncat(kit->shared->text, "; once interrupted, it did",
			FL_KIT_TEXT - 1 - strlen(kit->shared->text));
}

void fl_kit_process(struct fl_kit *kit, void (*check)(struct fl_kit *))
{
	struct start start = { kit, check };
	pthread_t checker;
	current = kit;
	watch_faults();
	/* As in the daemon. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	snprintf(kit->run, sizeof(kit->run), "kit-%d-%lld", (int)getpid(), (long long)time(NULL));
	if (pthread_create(&checker, NULL, run_checker, &start) != 0) {
		fl_kit_blame(kit, "no thread for the check");
		_exit(0);
	}
	struct timespec const limit = in_seconds(kit->arguments->deadline);
	if (pthread_timedjoin_np(checker, NULL, &limit) != 0)
		late(kit, checker);
	_exit(0);
}
