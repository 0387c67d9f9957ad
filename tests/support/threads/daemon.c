/* SPDX-License-Identifier: Apache-2.0
 *
 * A program for ThreadSanitizer: the daemon itself - its main thread, lanes, seats, queues and
 * workers - between a source that is only made up, and sinks of this program. The source loses
 * connections, one sink stalls so that it is put out of its lane and comes back, one gives batches
 * back, one leaves them pending; the configuration is reloaded at some moments, now and then before
 * the last reload is done; and all of it is stopped at some moment, again and again, while
 * somebody asks over HTTP how it is and waits for positions. Each sink must have got every
 * transaction once and in order.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "asker.h"
#include "daemon.h"
#include "reload.h"
#include "source.h"

enum { ROUNDS = 6, RELOADS = 8, SINKS = 3 };

static _Atomic unsigned failures;

static void expect(bool condition, const char *what)
{
	if (!condition && atomic_fetch_add(&failures, 1) < 20)
		fprintf(stderr, "not so: %s\n", what);
}

/* ---- who writes at the source ---- */

static atomic_bool enough;

static void *write_statements(void *ctx)
{
	while (!atomic_load(&enough)) {
		atomic_fetch_add(&written, 1 + chance(40));
		nap(1);
	}
	return ctx;
}

/* ---- the sinks ---- */

struct sink {
	const struct fl_host *host;
	unsigned number;
	uint64_t position; /* behind what it has got */
	uint64_t last;	   /* batch */
	atomic_bool interrupted;
	_Atomic uint64_t got;
};

static struct sink sinks[SINKS];

static enum fl_outcome sink_open(const struct fl_host *host, const struct fl_settings *settings,
	void **ret_self, struct fl_err *err)
{
	struct sink *self = &sinks[settings->sink[0] - '0'];
	if (chance(10) == 0) {
		fl_err_set(err, FL_ELOST, "not open, by chance");
		return FL_RETRY;
	}
	self->host = host;
	atomic_store(&self->interrupted, false);
	*ret_self = self;
	return FL_DONE;
}

static void stall(struct sink *self)
{
	for (unsigned i = 0; i < 1500 && !atomic_load(&self->interrupted); i++)
		nap(1);
}

static enum fl_outcome sink_submit(void *ctx, const struct fl_batch *batch, struct fl_err *err)
{
	struct sink *self = ctx;
	if (self->number == 1 && chance(150) == 0) {
		fl_err_set(err, FL_ELOST, "given back, by chance");
		return FL_RETRY;
	}
	if (self->number == 2 && chance(60) == 0)
		stall(self);
	for (size_t i = 0; i < batch->transaction_count; i++) {
		uint64_t end = batch->transactions[i]->position;
		if (batch->transactions[i]->change_count == 0)
			continue;
		expect(self->position == 0 || end == self->position + EVENT_SIZE,
			"each transaction comes once and in order");
		self->position = end;
		atomic_fetch_add(&self->got, 1);
	}
	self->last = batch->id;
	/* What is pending may not be lost with the instance here: it is there already. */
	return self->number == 0 ? FL_PENDING : FL_DONE;
}

static enum fl_outcome sink_drain(void *ctx, struct fl_err *err)
{
	struct sink *self = ctx;
	(void)err;
	self->host->settled(self->host->ctx, self->last);
	return FL_DONE;
}

static void sink_interrupt(void *ctx)
{
	struct sink *self = ctx;
	atomic_store(&self->interrupted, true);
}

static void sink_close(void *ctx)
{
	(void)ctx;
}

static const struct fl_sink_plugin plugin = {
	.abi_major = FL_ABI_MAJOR,
	.abi_minor = FL_ABI_MINOR,
	.size = sizeof(plugin),
	.name = "counted",
	.takes = FL_TAKES_CHANGES,
	.open = sink_open,
	.submit = sink_submit,
	.drain = sink_drain,
	.interrupt = sink_interrupt,
	.close = sink_close,
};

/* ---- the configuration ---- */

static const char *const names[SINKS] = { "0", "1", "2" };
static const struct fl_source_host hosts[] = { { .name = "a" }, { .name = "b" } };
static unsigned reads;
static char http[] = "unix:/tmp/fastlane-threads-XXXXXX";

static struct fl_config *make_config(void)
{
	struct fl_config *config = calloc(1, sizeof(*config));
	*config = (struct fl_config){
		.queue_bytes = 64 << 10,
		.transaction_bytes = 1 << 20,
		.log_level = FL_LEVEL_INFO,
		.source = { .hosts = hosts,
			.host_count = 2,
			.server_id = 100,
			.heartbeat = 1,
			.start = "earliest" },
		.http = { .listen = http, .max_connections = 16, .timeout = 10, .max_lag = 10 },
		.sink_count = SINKS,
		.sinks = calloc(SINKS, sizeof(*config->sinks)),
		.map = fl_map_create(),
	};
	for (unsigned i = 0; i < SINKS; i++)
		config->sinks[i] = (struct fl_sink_config){ .name = names[i],
			.plugin = &plugin,
			.options = fl_options_create(names[i], &plugin) };
	return config;
}

void fl_config_destroy(struct fl_config *config)
{
	if (config == NULL)
		return;
	for (unsigned i = 0; i < SINKS; i++)
		fl_options_destroy(config->sinks[i].options);
	free(config->sinks);
	fl_map_destroy(config->map);
	free(config);
}

struct fl_config *fl_reload_read(const char *path)
{
	(void)path;
	reads++;
	return make_config();
}

const char *fl_fit_check(const struct fl_fit *fit, unsigned host)
{
	(void)fit, (void)host;
	return NULL;
}

int fl_reload_lock(const struct fl_config *config, const struct fl_regime *const *lists,
	size_t count, int *ret, struct fl_err *err)
{
	(void)config, (void)lists, (void)count, (void)err;
	*ret = -1;
	return 0;
}

/* ---- the rounds ---- */

static void wait_until_each_has(uint64_t more)
{
	uint64_t before[SINKS];
	for (unsigned i = 0; i < SINKS; i++)
		before[i] = atomic_load(&sinks[i].got);
	for (unsigned i = 0; i < SINKS; i++)
		while (atomic_load(&sinks[i].got) < before[i] + more)
			nap(10);
}

/* Reloads, and stops, the daemon at some moments, once each sink has got something. */
static void *stop_it(void *ctx)
{
	wait_until_each_has(1000);
	for (unsigned i = 0; i < RELOADS; i++) {
		kill(getpid(), SIGHUP);
		if (chance(3) == 0)
			nap(chance(20));
		else
			wait_until_each_has(300);
		nap(chance(200));
	}
	wait_until_each_has(1000);
	nap(chance(1500));
	kill(getpid(), SIGTERM);
	return ctx;
}

/* Where the first sink is about to come. */
static uint64_t soon_there(void)
{
	return BEGIN + FORMAT_SIZE + (atomic_load(&sinks[0].got) + chance(200)) * EVENT_SIZE;
}

static void run_round(void)
{
	for (unsigned i = 0; i < SINKS; i++)
		sinks[i] = (struct sink){ .number = i };
	atomic_store(&written, 100);
	atomic_store(&enough, false);
	reads = 0;
	struct asker asker = { .socket = http + strlen("unix:"), .offset = soon_there };
	pthread_t writer, stopper, asking;
	fl_daemon_prepare();
	pthread_create(&writer, NULL, write_statements, NULL);
	pthread_create(&stopper, NULL, stop_it, NULL);
	pthread_create(&asking, NULL, asker_run, &asker);
	int code = fl_daemon_run(make_config(), "made up", false, NULL);
	atomic_store(&enough, true);
	pthread_join(writer, NULL);
	pthread_join(stopper, NULL);
	atomic_store(&asker.enough, true);
	pthread_join(asking, NULL);
	expect(code == FL_EXIT_OK, "it ends with status 0");
	expect(reads > 0, "it is reloaded");
	expect(asker.told > 20 && asker.waited > 5, "it answers");
	printf("%u answers and %u positions waited for; ", asker.told, asker.waited);
	printf("%llu statements; %llu, %llu and %llu applied; %u reloads\n",
		(unsigned long long)atomic_load(&written),
		(unsigned long long)atomic_load(&sinks[0].got),
		(unsigned long long)atomic_load(&sinks[1].got),
		(unsigned long long)atomic_load(&sinks[2].got), reads);
}

int main(void)
{
	int const fd = mkstemp(http + strlen("unix:"));
	expect(fd >= 0 && close(fd) == 0 && unlink(http + strlen("unix:")) == 0,
		"a name for a socket");
	for (unsigned i = 0; i < ROUNDS; i++)
		run_round();
	printf("%u rounds, %u failures\n", ROUNDS, atomic_load(&failures));
	return atomic_load(&failures) > 0;
}
