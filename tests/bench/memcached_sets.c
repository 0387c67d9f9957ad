/* SPDX-License-Identifier: Apache-2.0
 *
 * Sets a second through the memcached sink, driven through its ABI with nothing in front of it; or,
 * with "bare" in place of a module, of a plain writer that sends the same sets in pieces of 64 KiB
 * and reads one answer at the end. usage: memcached_sets MODULE|bare SETS servers=HOST:PORT
 * [OPTION=VALUE...]
 */
#include <fastlane/sink.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { KEYS = 100000, BATCH = 512, VALUE = 100, PIECE = 64 * 1024 };

static char **given;

static const char *setting_text(void *ctx, const char *name)
{
	const struct fl_sink_plugin *plugin = ctx;
	size_t size = strlen(name);
	for (char **at = given; *at != NULL; at++)
		if (strncmp(*at, name, size) == 0 && (*at)[size] == '=')
			return *at + size + 1;
	for (const struct fl_option *o = plugin->options; o->name != NULL; o++)
		if (strcmp(o->name, name) == 0)
			return o->fallback;
	return NULL;
}

static int64_t setting_integer(void *ctx, const char *name)
{
	const char *text = setting_text(ctx, name);
	return text != NULL ? strtoll(text, NULL, 10) : 0;
}

static void host_log(void *ctx, enum fl_level level, const char *format, ...)
{
	va_list args;
	(void)ctx;
	if (level > FL_LEVEL_WARN)
		return;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static void host_settled(void *ctx, uint64_t batch)
{
	(void)ctx, (void)batch;
}

static char keys[KEYS][16], values[KEYS][VALUE + 1], lines[KEYS][VALUE + 64];

static int fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	return 1;
}

static int through_the_sink(const char *module, size_t sets)
{
	static struct fl_operation operations[BATCH];
	static const struct fl_transaction transaction = { .first = true, .last = true };
	static const struct fl_transaction *transactions[BATCH];
	struct fl_err err = { 0 };
	uint64_t memory = 0;
	void *self;
	void *handle = dlopen(module, RTLD_NOW);
	const struct fl_sink_plugin *plugin = handle ? dlsym(handle, FL_SINK_SYMBOL) : NULL;
	if (plugin == NULL)
		return fail(dlerror());
	struct fl_settings settings = { "bench", (void *)(uintptr_t)plugin, setting_text,
		setting_integer };
	struct fl_host host = {
		.size = sizeof(host),
		.log = host_log,
		.settled = host_settled,
		.memory = &memory,
		.news = -1,
	};
	if (plugin->open(&host, &settings, &self, &err) != FL_DONE)
		return fail(err.text);
	for (size_t i = 0; i < BATCH; i++)
		transactions[i] = &transaction;
	struct fl_batch batch = { .position = { "p", 1 },
		.transaction_count = BATCH,
		.transactions = transactions,
		.operation_count = BATCH,
		.operations = operations };
	for (size_t done = 0; done < sets; done += BATCH) {
		for (size_t i = 0; i < BATCH; i++) {
			size_t key = (done + i) % KEYS;
			operations[i] = (struct fl_operation){ .kind = FL_KEY_SET,
				.transaction = (uint32_t)i,
				.key = { keys[key], strlen(keys[key]) },
				.value = { values[key], VALUE } };
		}
		batch.id++;
		if (plugin->submit(self, &batch, &err) > FL_PENDING)
			return fail(err.text);
	}
	if (plugin->drain != NULL && plugin->drain(self, &err) != FL_DONE)
		return fail(err.text);
	plugin->close(self);
	return 0;
}

static int bare(size_t sets)
{
	struct fl_sink_plugin none = { .options = (struct fl_option[]){ { .name = NULL } } };
	const char *port = strrchr(setting_text(&none, "servers"), ':') + 1;
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct fl_buf out = { 0 };
	char answer[16];
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		return fail("can't connect");
	for (size_t done = 0; done < sets; done++) {
		fl_buf_text(&out, lines[done % KEYS]);
		if (done + 1 == sets)
			fl_buf_text(&out, "mn\r\n");
		if (out.size < PIECE && done + 1 < sets)
			continue;
		if (write(fd, out.data, out.size) != (ssize_t)out.size)
			return fail("can't write");
		fl_buf_clear(&out);
	}
	if (read(fd, answer, 4) != 4 || memcmp(answer, "MN\r\n", 4) != 0)
		return fail("something was refused");
	close(fd);
	fl_buf_finish(&out);
	return 0;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return fail("usage: memcached_sets MODULE|bare SETS servers=HOST:PORT "
			    "[OPTION=VALUE...]");
	size_t sets = strtoull(argv[2], NULL, 10);
	given = argv + 3;
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < KEYS; i++) {
		snprintf(keys[i], sizeof(keys[i]), "user:%zu", i);
		memset(values[i], 'x', VALUE);
		snprintf(lines[i], sizeof(lines[i]), "ms %.15s %d q\r\n%.100s\r\n", keys[i], VALUE,
			values[i]);
	}
	double start = now();
	int status = strcmp(argv[1], "bare") == 0 ? bare(sets) : through_the_sink(argv[1], sets);
	if (status == 0)
		printf("%.0f\n", (double)sets / (now() - start));
	return status;
}
