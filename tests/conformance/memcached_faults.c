/* SPDX-License-Identifier: Apache-2.0
 *
 * The memcached sink against servers that are restarted, emptied, full or frozen.
 */
#include "memcached.h"

#include <signal.h>
#include <time.h>

enum { KEYS = 1000 };

static const struct setting settings[] = { { "servers", servers }, { "timeout_ms", "100" },
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

static void thaw_soon(union sigval pid)
{
	kill(pid.sival_int, SIGCONT);
}

/* A frozen server has what was given up in its receive buffer, and executes it when it thaws, at
 * the same time as what the next connection brings. */
Test(memcached_faults, what_was_given_up_does_not_arrive_late)
{
	unsigned waited = 0;
	timer_t timer;
	server_kill(&server);
	/* One thread, that takes turns with the connections: as bad as it gets. */
	server_restart(&server, "--threads=1 --max-reqs-per-event=1");
	struct sigevent event = { .sigev_notify = SIGEV_THREAD,
		.sigev_value.sival_int = server.pid,
		.sigev_notify_function = thaw_soon };
	cr_assert(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	for (unsigned round = 0; round < 40; round++) {
		struct sink sink;
		char old[16], new[16];
		enum fl_outcome outcome = FL_DONE;
		snprintf(old, sizeof(old), "old %u", round);
		snprintf(new, sizeof(new), "new %u", round);
		open_sink(&sink, settings);
		cr_assert_eq(submit_one(&sink, FL_KEY_SET, "a", "1", 0), FL_DONE);
		server_signal(&server, SIGSTOP);
		while (outcome == FL_DONE || outcome == FL_PENDING)
			outcome = submit_keys(&sink, old);
		cr_assert_eq(outcome, FL_RETRY);
		sink_close(&sink);
		/* While the next one is saying hello. */
		const struct itimerspec in = { .it_value.tv_nsec = 2000000 + round * 100000 };
		cr_assert(timer_settime(timer, 0, &in, NULL) == 0);
		while (sink_open(&sink, settings) != FL_DONE)
			waited += strstr(sink.err.text, "the last connection") != NULL;
		cr_assert_leq(submit_keys(&sink, new), FL_PENDING);
		cr_assert_eq(sink_drain(&sink), FL_DONE, "%s", sink.err.text);
		cr_assert_eq(count_keys(new, true), KEYS, "round %u", round);
		sink_close(&sink);
	}
	timer_delete(timer);
	cr_assert(waited > 0, "it never had to wait: this has shown nothing");
}
