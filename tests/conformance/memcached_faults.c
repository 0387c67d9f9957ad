/* SPDX-License-Identifier: Apache-2.0
 *
 * The memcached sink against servers that are restarted, emptied, full or frozen.
 */
#include "memcached.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

enum { KEYS = 1000 };

static const struct setting settings[] = { { "servers", servers }, { NULL, NULL } };
static const struct setting hasty[] = { { "servers", servers }, { "timeout_ms", "100" },
	{ NULL, NULL } };
static const struct setting classic[] = { { "servers", servers }, { "protocol", "classic" },
	{ NULL, NULL } };

TestSuite(memcached_faults, .init = prepare_server, .fini = end_server, .timeout = 60);

static void open_sink(struct sink *sink, const struct setting *set)
{
	cr_assert_eq(sink_open(sink, set), FL_DONE, "%s", sink->err.text);
}

/* Sets k:0 ... k:KEYS-1 to one value, in one batch. */
static enum fl_outcome submit_keys(struct sink *sink, const char *value)
{
	static struct fl_operation operations[KEYS];
	static char keys[KEYS][16];
	for (size_t i = 0; i < KEYS; i++) {
		snprintf(keys[i], sizeof(keys[i]), "k:%zu", i);
		operations[i] = (struct fl_operation){
			.kind = FL_KEY_SET, .key = text_bytes(keys[i]), .value = text_bytes(value)
		};
	}
	struct fl_batch batch = operations_batch(operations, KEYS, "p");
	return sink_submit(sink, &batch);
}

/* How many of the keys have this value; the others must be absent unless `may_differ`. */
static unsigned count_keys(const char *value, bool may_differ)
{
	unsigned count = 0;
	memcached_st *look = memcached_create(NULL);
	cr_assert(memcached_server_add(look, "127.0.0.1", (in_port_t)server.port) ==
		  MEMCACHED_SUCCESS);
	for (size_t i = 0; i < KEYS; i++) {
		char key[16];
		size_t size;
		uint32_t flags;
		memcached_return_t r;
		snprintf(key, sizeof(key), "k:%zu", i);
		char *found = memcached_get(look, key, strlen(key), &size, &flags, &r);
		cr_assert(r == MEMCACHED_SUCCESS || r == MEMCACHED_NOTFOUND);
		if (found != NULL && strcmp(found, value) == 0)
			count++;
		else
			cr_assert(found == NULL || may_differ, "%s has an old value", key);
		free(found);
	}
	memcached_free(look);
	return count;
}

static void flush_by_somebody(void)
{
	memcached_st *other = memcached_create(NULL);
	cr_assert(memcached_server_add(other, "127.0.0.1", (in_port_t)server.port) ==
		  MEMCACHED_SUCCESS);
	cr_assert(memcached_flush(other, 0) == MEMCACHED_SUCCESS);
	memcached_free(other);
}

static void expect_notice(unsigned warnings, const char *word)
{
	cr_assert_eq(host_state.warnings, warnings, "%u: %s", host_state.warnings, host_state.log);
	if (warnings > 0)
		cr_assert(strstr(host_state.log, word) != NULL &&
				  strstr(host_state.log, servers) != NULL,
			"%s", host_state.log);
}

static void restart_is_noticed(const struct setting *set)
{
	struct sink sink;
	open_sink(&sink, set);
	cr_assert_eq(submit_one(&sink, FL_KEY_SET, "a", "1", 0), FL_DONE);
	sink_close(&sink);
	open_sink(&sink, set);
	expect_notice(0, NULL);
	server_kill(&server);
	cr_assert_eq(submit_one(&sink, FL_KEY_SET, "a", "2", 0), FL_RETRY);
	sink_close(&sink);
	server_restart(&server, "");
	open_sink(&sink, set);
	expect_notice(1, "was restarted");
	cr_assert(strstr(host_state.log, "(1 so far)") != NULL, "%s", host_state.log);
	sink_close(&sink);
	open_sink(&sink, set);
	expect_notice(1, "was restarted");
	sink_close(&sink);
}

Test(memcached_faults, a_restarted_server_is_noticed_once)
{
	restart_is_noticed(settings);
}

Test(memcached_faults, a_restarted_server_without_the_meta_protocol_is_noticed_once)
{
	restart_is_noticed(classic);
}

/* Its clock counts seconds. */
static void wait_until_it_is_older(void)
{
	memcached_st *look = memcached_create(NULL);
	memcached_return_t r;
	char age[] = "uptime";
	cr_assert(memcached_server_add(look, "127.0.0.1", (in_port_t)server.port) ==
		  MEMCACHED_SUCCESS);
	for (long uptime = 0; uptime < 4;) {
		memcached_stat_st *stat = memcached_stat(look, NULL, &r);
		char *value = memcached_stat_get_value(look, stat, age, &r);
		uptime = strtol(value, NULL, 10);
		free(value);
		memcached_stat_free(look, stat);
	}
	memcached_free(look);
}

Test(memcached_faults, a_server_emptied_by_somebody_is_noticed_while_connected)
{
	struct sink sink;
	open_sink(&sink, settings);
	cr_assert_eq(submit_one(&sink, FL_KEY_SET, "a", "1", 0), FL_DONE);
	for (unsigned n = 1; n <= 2; n++) {
		flush_by_somebody();
		cr_assert_eq(submit_one(&sink, FL_KEY_SET, "a", "2", 0), FL_DONE);
		expect_notice(n, "was emptied");
		cr_assert_eq(submit_one(&sink, FL_KEY_SET, "a", "3", 0), FL_DONE);
		expect_notice(n, "was emptied");
	}
	cr_assert(value_is(&server, "a", "3"));
	sink_close(&sink);
}

Test(memcached_faults, a_server_emptied_by_somebody_is_noticed_at_the_next_opening)
{
	struct sink sink;
	const struct setting *const ways[] = { settings, classic };
	wait_until_it_is_older();
	for (unsigned i = 0; i < 2; i++) {
		open_sink(&sink, ways[i]);
		sink_close(&sink);
		flush_by_somebody();
		open_sink(&sink, ways[i]);
		expect_notice(i + 1, "was emptied");
		sink_close(&sink);
	}
}

Test(memcached_faults, what_the_sink_empties_itself_is_no_loss)
{
	const struct setting *const ways[] = { settings, classic };
	for (unsigned i = 0; i < 2; i++) {
		struct sink sink;
		open_sink(&sink, ways[i]);
		cr_assert_eq(submit_one(&sink, FL_KEY_CLEAR, "*", NULL, 0), FL_DONE);
		cr_assert_eq(submit_one(&sink, FL_KEY_SET, "a", "1", 0), FL_DONE);
		sink_close(&sink);
		open_sink(&sink, ways[i]);
		cr_assert_eq(host_state.warnings, i + 1, "the clearing: %s", host_state.log);
		sink_close(&sink);
	}
}

/* Without -M it would make room by evicting. */
Test(memcached_faults, a_full_server_keeps_no_old_value)
{
	char first[2001], then[8001];
	struct sink sink;
	unsigned stored = 0;
	memset(first, 'a', sizeof(first) - 1);
	memset(then, 'b', sizeof(then) - 1);
	first[sizeof(first) - 1] = then[sizeof(then) - 1] = '\0';
	server_kill(&server);
	server_restart(&server, "--memory-limit=4 --max-item-size=1m --disable-evictions");
	open_sink(&sink, settings);
	cr_assert_leq(submit_keys(&sink, first), FL_PENDING);
	cr_assert_eq(sink_drain(&sink), FL_DONE, "%s", sink.err.text);
	stored = count_keys(first, false);
	cr_assert(stored > 100, "%u", stored);
	for (unsigned again = 0; again < 2; again++) {
		host_state.warnings = 0;
		cr_assert_leq(submit_keys(&sink, then), FL_PENDING);
		cr_assert_eq(sink_drain(&sink), FL_DONE, "%s", sink.err.text);
		cr_assert(host_state.warnings > 0);
		stored = count_keys(then, false);
		cr_assert_lt(stored, KEYS);
	}
	cr_assert(stored > 0, "answered one by one, what fits is kept");
	sink_close(&sink);
}

struct connection {
	const char *name; /* "24:tcp:127.0.0.1:38412" */
	bool is_there;
};

static memcached_return_t look_for(const memcached_instance_st *at, const char *key,
	size_t key_size, const char *value, size_t value_size, void *ctx)
{
	struct connection *connection = ctx;
	char name[128];
	const char *colon = memchr(key, ':', key_size);
	(void)at;
	if (colon == NULL || key + key_size - colon != 5 || memcmp(colon, ":addr", 5) != 0)
		return MEMCACHED_SUCCESS;
	snprintf(name, sizeof(name), "%.*s:%.*s", (int)(colon - key), key, (int)value_size, value);
	connection->is_there |= strcmp(name, connection->name) == 0;
	return MEMCACHED_SUCCESS;
}

/* Whether the server has a connection of this name, "24:tcp:127.0.0.1:38412". */
static bool has_connection(const char *name)
{
	struct connection connection = { .name = name };
	char argument[] = "conns";
	memcached_st *look = memcached_create(NULL);
	cr_assert(
		memcached_success(memcached_server_add(look, "127.0.0.1", (in_port_t)server.port)));
	cr_assert(memcached_success(memcached_stat_execute(look, argument, look_for, &connection)));
	memcached_free(look);
	return connection.is_there;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Another instance of the sink, and what becomes of it after half a second. */
struct earlier {
	struct sink sink;
	bool goes_on;
	atomic_bool stop;
	double ended;
};

static void *live_on(void *ctx)
{
	struct earlier *earlier = ctx;
	const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };
	for (unsigned i = 0; i < 5 || (earlier->goes_on && !atomic_load(&earlier->stop)); i++) {
		/* No assertion: Criterion's are for a test's first thread. */
		struct fl_operation operation = { .kind = FL_KEY_DELETE, .key = text_bytes("a") };
		struct fl_batch batch = operations_batch(&operation, 1, "p");
		struct fl_err err;
		batch.id = ++earlier->sink.batches;
		earlier->sink.plugin->submit(earlier->sink.self, &batch, &err);
		nanosleep(&pause, NULL);
	}
	earlier->ended = now();
	earlier->sink.plugin->close(earlier->sink.self);
	return NULL;
}

/* A frozen server has what was given up in its receive buffer, and executes it when it thaws, at
 * the same time as what the next connection brings. */
Test(memcached_faults, nothing_is_sent_before_the_connection_that_the_canary_names_is_gone)
{
	struct earlier earlier = { .goes_on = false };
	struct sink sink;
	pthread_t thread;
	open_sink(&earlier.sink, settings);
	char *canary = get_from(&server, "fastlane:canary:test");
	cr_assert(canary != NULL && has_connection(strrchr(canary, ' ') + 1), "%s", canary);
	cr_assert(pthread_create(&thread, NULL, live_on, &earlier) == 0);
	enum fl_outcome outcome = sink_open(&sink, settings);
	double opened = now();
	pthread_join(thread, NULL);
	cr_assert_eq(outcome, FL_DONE, "%s", sink.err.text);
	cr_assert_gt(opened, earlier.ended);
	cr_assert_lt(opened, earlier.ended + 1);
	cr_assert(!value_is(&server, "fastlane:canary:test", canary));
	sink_close(&sink);
	free(canary);
}

Test(memcached_faults, a_second_sink_of_the_same_name_has_to_wait)
{
	struct earlier earlier = { .goes_on = true };
	struct sink sink;
	pthread_t thread;
	open_sink(&earlier.sink, settings);
	cr_assert(pthread_create(&thread, NULL, live_on, &earlier) == 0);
	enum fl_outcome outcome =
		earlier.sink.plugin->open(&host, &earlier.sink.settings, &sink.self, &sink.err);
	atomic_store(&earlier.stop, true);
	pthread_join(thread, NULL);
	cr_assert_eq(outcome, FL_RETRY);
	cr_assert(strstr(sink.err.text, "another sink of this name") != NULL &&
			  strstr(sink.err.text, servers) != NULL,
		"%s", sink.err.text);
}

Test(memcached_faults, a_connection_whose_other_end_is_dead_is_not_waited_for_for_ever)
{
	struct sink earlier, sink;
	open_sink(&earlier, settings);
	open_sink(&sink, settings);
	sink_close(&sink);
	sink_close(&earlier);
}

Test(memcached_faults, a_frozen_server_is_given_up_in_time_though_there_is_news)
{
	struct sink sink;
	open_sink(&sink, hasty);
	server_signal(&server, SIGSTOP);
	expect_given_up_in_time(&sink);
	sink_close(&sink);
	server_signal(&server, SIGCONT);
}

Test(memcached_faults, what_is_set_while_there_is_news_is_there)
{
	struct sink sink;
	open_sink(&sink, settings);
	for (unsigned n = 1; n <= 300; n++) {
		cr_assert_leq(submit_number(&sink, n, n % 7 == 0 ? 100000 : 10), FL_PENDING);
		if (n % 3 != 0)
			cr_assert_leq(sink_call_off(&sink), FL_PENDING);
	}
	cr_assert_leq(submit_keys(&sink, "x"), FL_PENDING);
	cr_assert_leq(sink_call_off(&sink), FL_PENDING);
	cr_assert_eq(sink_drain(&sink), FL_DONE, "%s", sink.err.text);
	cr_assert_eq(count_keys("x", false), KEYS);
	sink_close(&sink);
}

Test(memcached_faults, what_was_given_up_to_a_frozen_server_does_not_arrive_late)
{
	server_kill(&server);
	/* One thread, that takes turns with the connections: as bad as it gets. */
	server_restart(&server, "--threads=1 --max-reqs-per-event=1");
	for (unsigned round = 0; round < 20; round++) {
		struct sink sink;
		char old[16], new[16];
		enum fl_outcome outcome = FL_DONE;
		snprintf(old, sizeof(old), "old %u", round);
		snprintf(new, sizeof(new), "new %u", round);
		while (sink_open(&sink, hasty) != FL_DONE)
			;
		server_signal(&server, SIGSTOP);
		while (outcome == FL_DONE || outcome == FL_PENDING)
			outcome = submit_keys(&sink, old);
		cr_assert_eq(outcome, FL_RETRY);
		sink_close(&sink);
		server_signal(&server, SIGCONT);
		while (sink_open(&sink, settings) != FL_DONE)
			;
		cr_assert_leq(submit_keys(&sink, new), FL_PENDING);
		cr_assert_eq(sink_drain(&sink), FL_DONE, "%s", sink.err.text);
		cr_assert_eq(count_keys(new, true), KEYS, "round %u", round);
		sink_close(&sink);
	}
}
