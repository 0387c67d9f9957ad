/* SPDX-License-Identifier: Apache-2.0
 *
 * The redis sink against a server that is full, a replica, emptied, frozen or cut off, that refuses
 * a batch, or that another daemon has taken over.
 */
#include "redis.h"

#include <signal.h>

Test(redis_sink, a_server_without_room_is_waited_for)
{
	struct sink sink;
	open_sink(&sink, settings, "");
	submit_first(&sink);
	ask("CONFIG SET maxmemory 1");
	cr_assert_eq(submit_number(&sink, 2, 1), FL_PENDING);
	cr_assert_eq(sink_drain(&sink), FL_RETRY);
	cr_assert(strstr(sink.err.text, "maxmemory") != NULL, "%s", sink.err.text);
	cr_assert(holds(1, 1, 1));
	cr_expect_str_eq(ask("EXISTS n:2"), "0");
	sink_close(&sink);
	ask("CONFIG SET maxmemory 0");
	open_sink(&sink, settings, "at:1");
	cr_assert_eq(submit_number(&sink, 2, 1), FL_PENDING);
	cr_assert_eq(sink_drain(&sink), FL_DONE);
	cr_assert(holds(1, 2, 1));
	sink_close(&sink);
}

Test(redis_sink, a_replica_is_waited_for)
{
	struct sink sink;
	struct fl_buf position = { 0 };
	open_sink(&sink, settings, "");
	ask("REPLICAOF 127.0.0.1 1");
	cr_assert_eq(submit_number(&sink, 1, 1), FL_PENDING);
	cr_assert_eq(sink_drain(&sink), FL_RETRY);
	cr_assert(strstr(sink.err.text, "primary") != NULL, "%s", sink.err.text);
	sink_close(&sink);
	cr_assert_eq(sink_open(&sink, settings), FL_DONE);
	cr_assert_eq(sink.plugin->position(sink.self, &position, &sink.err), FL_RETRY);
	cr_assert(strstr(sink.err.text, "primary") != NULL, "%s", sink.err.text);
	fl_buf_finish(&position);
	sink_close(&sink);
}

Test(redis_sink, the_position_never_passes_a_batch_that_was_refused)
{
	struct sink sink;
	struct setting set[] = { { "address", address }, { "user", "me" }, { "password", "mine" },
		{ NULL, NULL } };
	const struct fl_operation wrong[] = { SET("n:7", "1"), SET("forbidden", "1"),
		SET("n:8", "1"), DELETE("n:1") };
	struct fl_batch batch = operations_batch(wrong, COUNT(wrong), "at:2");
	ask("ACL SETUSER me on >mine ~n:* ~last ~fastlane:* +@all");
	open_sink(&sink, set, "");
	submit_first(&sink);
	cr_assert_eq(sink_submit(&sink, &batch), FL_PENDING);
	cr_assert_eq(submit_number(&sink, 3, 1), FL_PENDING);
	cr_assert_eq(sink_drain(&sink), FL_FAILED);
	cr_assert(strstr(sink.err.text, "NOPERM") != NULL, "%s", sink.err.text);
	cr_assert_eq(host_state.settled, 1);
	cr_expect_str_eq(position_kept(), "at:1");
	cr_expect_str_eq(ask("EXISTS n:3 n:7 n:8"), "0");
	cr_expect_str_eq(ask("EXISTS n:1"), "1");
	sink_close(&sink);
}

Test(redis_sink, the_position_never_passes_one_that_was_refused_while_there_is_news)
{
	struct sink sink;
	struct setting set[] = { { "address", address }, { "user", "me" }, { "password", "mine" },
		{ NULL, NULL } };
	const struct fl_operation wrong[] = { SET("forbidden", "1") };
	struct fl_batch batch = operations_batch(wrong, COUNT(wrong), "at:2");
	ask("ACL SETUSER me on >mine ~n:* ~last ~fastlane:* +@all");
	open_sink(&sink, set, "");
	submit_first(&sink);
	pause_server();
	cr_assert_eq(sink_submit(&sink, &batch), FL_PENDING);
	cr_assert_eq(sink_call_off(&sink), FL_PENDING);
	cr_assert_eq(submit_number(&sink, 3, 1), FL_PENDING);
	cr_assert_eq(sink_call_off(&sink), FL_PENDING);
	server_signal(&server, SIGCONT);
	cr_assert_eq(sink_drain(&sink), FL_FAILED);
	cr_assert(strstr(sink.err.text, "NOPERM") != NULL, "%s", sink.err.text);
	cr_assert_eq(host_state.settled, 1);
	cr_expect_str_eq(position_kept(), "at:1");
	cr_expect_str_eq(ask("EXISTS n:3"), "0");
	sink_close(&sink);
}

Test(redis_sink, batches_arrive_in_order_while_there_is_news)
{
	enum { BATCHES = 300 };
	struct sink sink;
	uint64_t settled = 0;
	open_sink(&sink, settings, "");
	for (unsigned n = 1; n <= BATCHES; n++) {
		cr_assert_eq(submit_number(&sink, n, n % 7 == 0 ? 100000 : 10), FL_PENDING);
		if (n % 3 != 0)
			cr_assert_leq(sink_call_off(&sink), FL_PENDING);
		cr_assert_geq(host_state.settled, settled);
		settled = host_state.settled;
	}
	cr_assert_eq(sink_drain(&sink), FL_DONE, "%s", sink.err.text);
	char last[8];
	snprintf(last, sizeof(last), "%u", BATCHES);
	cr_expect_str_eq(ask("GET last"), last);
	cr_expect_str_eq(ask("DBSIZE"), "302");
	cr_expect_str_eq(position_kept(), "at:300");
	sink_close(&sink);
}

Test(redis_sink, a_part_is_not_applied_behind_one_that_was_refused)
{
	/* Parts of a transaction have the same position. */
	struct sink sink;
	struct setting set[] = { { "address", address }, { "user", "me" }, { "password", "mine" },
		{ NULL, NULL } };
	const struct fl_operation wrong[] = { SET("forbidden", "1") },
				  right[] = { SET("n:9", "1") };
	struct fl_batch parts[] = { operations_batch(wrong, 1, "at:1"),
		operations_batch(right, 1, "at:1") };
	ask("ACL SETUSER me on >mine ~n:* ~last ~fastlane:* +@all");
	open_sink(&sink, set, "");
	cr_assert_eq(submit_number(&sink, 1, 1), FL_PENDING);
	cr_assert_eq(sink_submit(&sink, &parts[0]), FL_PENDING);
	cr_assert_eq(sink_submit(&sink, &parts[1]), FL_PENDING);
	cr_assert_eq(sink_drain(&sink), FL_FAILED);
	cr_assert_eq(host_state.settled, 1);
	sink_close(&sink);
	cr_expect_str_eq(ask("EXISTS n:9"), "0");
	cr_expect_str_eq(ask("EXISTS n:1"), "1");
}

Test(redis_sink, the_newer_of_two_daemons_takes_over_and_the_older_one_stops)
{
	struct sink older, newer;
	struct fl_buf position = { 0 };
	uint64_t memory_of_newer = 0;
	open_sink(&older, settings, "");
	cr_assert_eq(submit_number(&older, 1, 1), FL_PENDING);
	cr_assert_eq(sink_drain(&older), FL_DONE);
	host.memory = &memory_of_newer;
	open_sink(&newer, settings, "at:1");
	cr_assert_eq(submit_number(&newer, 2, 1), FL_PENDING);
	cr_assert_eq(sink_drain(&newer), FL_DONE);
	/* Nothing of what the older one still sends is applied, even if it was sent at once. */
	for (unsigned n = 3; n <= 5; n++)
		cr_assert_leq(submit_number(&older, n, 1), FL_PENDING);
	cr_assert_eq(sink_drain(&older), FL_RETRY);
	cr_assert(strstr(older.err.text, "somebody else") != NULL, "%s", older.err.text);
	cr_expect_str_eq(position_kept(), "at:2");
	cr_expect_str_eq(ask("EXISTS n:3 n:4 n:5"), "0");
	sink_close(&older);
	host.memory = &host_state.memory;
	cr_assert_eq(sink_open(&older, settings), FL_DONE);
	cr_assert_eq(older.plugin->position(older.self, &position, &older.err), FL_FAILED);
	cr_assert(strstr(older.err.text, "taken over") != NULL, "%s", older.err.text);
	sink_close(&older);
	/* The newer one goes on, also after a lost connection. */
	sink_close(&newer);
	host.memory = &memory_of_newer;
	open_sink(&newer, settings, "at:2");
	cr_assert_eq(submit_number(&newer, 3, 1), FL_PENDING);
	cr_assert_eq(sink_drain(&newer), FL_DONE);
	sink_close(&newer);
	host.memory = &host_state.memory;
	fl_buf_finish(&position);
}

Test(redis_sink, a_server_that_forgot_the_last_owner_is_claimed_again)
{
	struct sink sink;
	open_sink(&sink, settings, "");
	submit_first(&sink);
	sink_close(&sink);
	/* It has come back with what it held before. */
	ask("SET " POSITION " %s", "owner=5/9 at:0");
	open_sink(&sink, settings, "at:0");
	submit_first(&sink);
	sink_close(&sink);
}

Test(redis_sink, a_position_that_is_gone_stops_what_is_sent)
{
	const char *how[] = { "FLUSHALL", "DEL " POSITION };
	for (size_t i = 0; i < COUNT(how); i++) {
		struct sink sink;
		ask("FLUSHALL");
		open_sink(&sink, settings, "");
		cr_assert_eq(submit_number(&sink, 1, 1), FL_PENDING);
		cr_assert_eq(sink_drain(&sink), FL_DONE);
		ask(how[i]);
		cr_assert_eq(submit_number(&sink, 2, 1), FL_PENDING);
		cr_assert_eq(sink_drain(&sink), FL_RETRY);
		cr_assert(strstr(sink.err.text, "is gone") != NULL, "%s", sink.err.text);
		cr_expect_str_eq(ask("EXISTS n:2 " POSITION), "0");
		sink_close(&sink);
		/* That there is none now is for the host to judge. */
		open_sink(&sink, settings, "");
		sink_close(&sink);
	}
}

Test(redis_sink, a_position_written_between_two_batches_stops_the_second)
{
	static const char *const writes[] = { "SET " POSITION " x", "APPEND " POSITION " x",
		"RENAME " POSITION " y" };
	for (size_t i = 0; i < 2 * COUNT(writes); i++) {
		/* A batch that was alone has left a watch, others have not. */
		bool const was_alone = i < COUNT(writes);
		const char *how = writes[i % COUNT(writes)];
		struct sink sink;
		ask("FLUSHALL");
		open_sink(&sink, settings, "");
		submit_first(&sink);
		for (unsigned n = 2; !was_alone && n <= 3; n++)
			cr_assert_eq(submit_number(&sink, n, 1), FL_PENDING);
		cr_assert_eq(sink_drain(&sink), FL_DONE);
		ask(how);
		cr_assert_eq(submit_number(&sink, 4, 1), FL_PENDING);
		cr_assert_eq(sink_drain(&sink), FL_RETRY, "%s", how);
		cr_assert(strstr(sink.err.text, "somebody else") != NULL, "%s", sink.err.text);
		cr_expect_str_eq(ask("EXISTS n:4"), "0");
		sink_close(&sink);
	}
}

Test(redis_sink, a_cut_connection_repeats_and_loses_nothing)
{
	struct sink sink;
	unsigned next = 1, cuts = 0;
	open_sink(&sink, settings, "");
	while (next <= 500) {
		if (next % 50 == 3 && cuts < 20) {
			cuts++;
			ask("CLIENT KILL TYPE normal SKIPME yes");
		}
		enum fl_outcome outcome = submit_number(&sink, next++, 10);
		if (outcome == FL_DONE || outcome == FL_PENDING)
			continue;
		cr_assert_eq(outcome, FL_RETRY, "%s", sink.err.text);
		sink_close(&sink);
		cr_assert_eq(sink_open(&sink, settings), FL_DONE);
		char *at = sink_position(&sink);
		cr_assert(sscanf(at, "at:%u", &next) == 1);
		cr_assert(value_is("last", at + 3), "position and data differ");
		next++;
		free(at);
	}
	cr_assert_eq(sink_drain(&sink), FL_DONE);
	cr_assert_geq(cuts, 10);
	cr_assert(holds(1, 500, 10));
	sink_close(&sink);
}

Test(redis_sink, a_silent_server_is_given_up_in_time)
{
	struct setting set[] = { { "address", address }, { "timeout_ms", "50" },
		{ "connect_timeout_ms", "50" }, { NULL, NULL } };
	struct sink sink;
	open_sink(&sink, set, "");
	pause_server();
	cr_assert_eq(submit_number(&sink, 1, 1), FL_PENDING);
	cr_assert_eq(sink_drain(&sink), FL_RETRY);
	cr_assert(strstr(sink.err.text, "in time") != NULL, "%s", sink.err.text);
	sink_close(&sink);
	cr_assert_eq(sink_open(&sink, set), FL_RETRY);
	server_signal(&server, SIGCONT);
}

Test(redis_sink, a_silent_server_is_given_up_in_time_though_there_is_news)
{
	struct setting set[] = { { "address", address }, { "timeout_ms", "200" }, { NULL, NULL } };
	struct sink sink;
	open_sink(&sink, set, "");
	pause_server();
	expect_given_up_in_time(&sink);
	sink_close(&sink);
	server_signal(&server, SIGCONT);
}
