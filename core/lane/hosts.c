/* SPDX-License-Identifier: Apache-2.0
 *
 * Which host the lane reads from: they are tried in turn, each has to have what was applied, and
 * what is to be done if none of them can be gone on with.
 */
#include "base/log.h"
#include "lane/private.h"

enum {
	/* Rounds in a row in which all hosts refuse before that is final. */
	REFUSED_ROUNDS = 6,
	REASON_SIZE = 430, /* of what is said of all hosts together */
};

static const char *name_of(const struct fl_lane *lane)
{
	return lane->config->source->hosts[lane->host].name;
}

/* Keeps the first fatal finding as the host's reason. */
struct findings {
	const char *host;
	struct fl_err first;
};

static void report(void *ctx, bool fatal, const char *text)
{
	struct findings *findings = ctx;
	if (fatal && findings->first.code == 0)
		fl_err_set(&findings->first, FL_EFATAL, "it can't be replicated from: %s", text);
	if (fatal)
		fl_error(NULL, "source %s: %s", findings->host, text);
	else
		fl_warn(NULL, "source %s: %s", findings->host, text);
}

static int check_fitness(struct fl_lane *lane, struct fl_session *session, struct fl_err *err)
{
	const struct fl_lane_config *config = lane->config;
	const struct fl_server *server = fl_session_server(session);
	if (server->fold_case != config->fold_case)
		return fl_err_set(err, FL_EFATAL,
			"it compares the names of tables %s case, and the source at the start did "
			"not (lower_case_table_names): the keys of the maps would be others",
			server->fold_case ? "without" : "with");
	if (fl_hosts_is_checked(config->hosts, server->identity))
		return 0;
	struct findings findings = { .host = name_of(lane) };
	int result = fl_session_preflight(
		session, config->mapped, report, &findings, config->wants_ctx, err);
	if (result > 0) {
		*err = findings.first;
		return FL_EFATAL;
	}
	if (result == 0)
		fl_hosts_set_checked(config->hosts, server->identity);
	return result;
}

int fl_lane_check_host(struct fl_lane *lane, struct fl_session *session, struct fl_err *err)
{
	const struct fl_position *position = &lane->position;
	int result = check_fitness(lane, session, err);
	if (result != 0)
		return result;
	if (lane->config->source->host_count > 1 && position->gtids == NULL &&
		position->server[0] == '\0')
		return fl_err_set(err, FL_EFATAL,
			"the position, %s:%llu, has no GTIDs and does not say which server it is "
			"of: name that one alone as host, once",
			position->file, (unsigned long long)position->offset);
	return fl_session_check(session, position, err);
}

enum fl_next fl_lane_refuse_host(
	struct fl_lane *lane, struct fl_refusal how, const struct fl_err *reason)
{
	how.reason = *reason;
	how.refused = true;
	lane->refusals[lane->host] = how;
	if (lane->config->source->host_count > 1 || how.lacks)
		fl_error(NULL, "lane %u can't go on with %s: %s", lane->number, name_of(lane),
			reason->text);
	return FL_NEXT_OTHER_HOST;
}

void fl_lane_is_well(struct fl_lane *lane)
{
	lane->is_well = false;
	lane->failures = lane->tried = lane->rounds = 0;
	for (unsigned i = 0; i < lane->config->source->host_count; i++)
		lane->refusals[i] = (struct fl_refusal){ 0 };
}

/* All hosts have refused, for good. */
static enum fl_next give_up(struct fl_lane *lane)
{
	const struct fl_source_config *source = lane->config->source;
	struct fl_err reason = { 0 };
	char text[REASON_SIZE] = "";
	size_t at = 0;
	if (source->host_count == 1)
		return fl_lane_refuse(lane, &lane->refusals[0].reason);
	size_t const share = sizeof(text) / source->host_count;
	for (unsigned i = 0; i < source->host_count; i++) {
		char one[sizeof(reason.text)];
		snprintf(one, sizeof(one), "%s%s: %.*s", i > 0 ? "; " : "", source->hosts[i].name,
			(int)sizeof(reason.text) - 300, lane->refusals[i].reason.text);
		at += (size_t)snprintf(text + at, share, "%s", one) < share ? strlen(one)
									    : share - 1;
	}
	fl_err_set(&reason, FL_EFATAL, "none of the source's hosts can be gone on with: %s", text);
	return fl_lane_refuse(lane, &reason);
}

/* At a round's end: whether nothing is left to be hoped for. */
static bool is_final(struct fl_lane *lane, bool *ret_purged)
{
	const struct fl_source_config *source = lane->config->source;
	unsigned refused = 0;
	bool lacks = false;
	*ret_purged = false;
	for (unsigned i = source->host_count; i-- > 0;) {
		refused += lane->refusals[i].refused;
		lacks |= lane->refusals[i].lacks;
		if (!lane->refusals[i].purged || !source->on_purged_current)
			continue;
		*ret_purged = true;
		lane->purged_host = i;
	}
	/* What others may still have is waited for, but not for ever where it is gone elsewhere. */
	if (refused < source->host_count && !*ret_purged) {
		lane->rounds = 0;
		return false;
	}
	uint64_t const now = uv_hrtime();
	if (lane->rounds++ == 0)
		lane->refused_since = now;
	/* A replica that is behind catches up, and who is restarted comes back. */
	if (lacks || refused < source->host_count)
		return now - lane->refused_since >= (uint64_t)source->catch_up_timeout * 1000000000;
	return lane->rounds >= REFUSED_ROUNDS || source->host_count == 1;
}

enum fl_next fl_lane_next_host(struct fl_lane *lane)
{
	const struct fl_source_config *source = lane->config->source;
	if (lane->is_well)
		fl_lane_is_well(lane);
	/* Where that was to be done it could not; another host may have all of it. */
	lane->skipping = false;
	lane->host = (lane->host + 1) % source->host_count;
	if (++lane->tried < source->host_count)
		return FL_NEXT_GO_ON;
	bool purged;
	lane->tried = 0;
	if (!is_final(lane, &purged)) {
		for (unsigned i = 0; i < source->host_count; i++)
			lane->refusals[i] = (struct fl_refusal){ 0 };
		return FL_NEXT_CONNECT_AGAIN;
	}
	if (!purged)
		return give_up(lane);
	lane->host = lane->purged_host;
	lane->skipping = true;
	return FL_NEXT_GO_ON;
}

/* A transaction that puts all tables in doubt, and positions at the end of the binlog. */
static struct fl_txn *make_jump(const struct fl_position *end, const char *doubt)
{
	struct fl_txn *txn = fl_txn_create(NULL);
	struct fl_change *change = txn != NULL ? fl_txn_add(txn) : NULL;
	if (change == NULL)
		goto fail;
	change->op = FL_DOUBT;
	change->db = change->table = (struct fl_bytes){ "", 0 };
	change->doubt = fl_txn_copy(txn, (struct fl_bytes){ doubt, strlen(doubt) });
	txn->view.file = fl_txn_copy_file(txn, end->file);
	fl_txn_set_jump(txn, fl_held_create(end));
	if (change->doubt.data == NULL || txn->view.file.data == NULL || txn->jump == NULL)
		goto fail;
	txn->view.position = end->offset;
	uv_timeval64_t now;
	if (uv_gettimeofday(&now) == 0)
		txn->view.commit_us = now.tv_sec * 1000000 + now.tv_usec;
	txn->in_doubt = true;
	txn->bytes = sizeof(*txn) + strlen(doubt) + strlen(end->file);
	return txn;
fail:
	fl_txn_unref(txn);
	return NULL;
}

int fl_lane_skip(struct fl_lane *lane, struct fl_session *session, struct fl_err *err)
{
	struct fl_position end = { 0 };
	struct fl_buf from = { 0 }, to = { 0 };
	int result = fl_session_current(session, &end, err);
	if (result != 0)
		return result;
	fl_position_format(&lane->position, &from);
	fl_position_format(&end, &to);
	char doubt[600];
	snprintf(doubt, sizeof(doubt),
		"changes are missed (on_purged = current): the source has no longer all of the "
		"binlog between %.*s and %.*s",
		(int)(from.size < 200 ? from.size : 200), from.data != NULL ? from.data : "",
		(int)(to.size < 200 ? to.size : 200), to.data != NULL ? to.data : "");
	struct fl_txn *txn = make_jump(&end, doubt);
	if (from.failed || to.failed || txn == NULL) {
		result = fl_err_set(err, FL_ENOMEM, "out of memory");
		fl_txn_unref(txn);
	} else {
		fl_error(NULL, "%s: all mapped keys are cleared: %s", name_of(lane), doubt);
		lane->skipping = lane->replaying = false;
		fl_position_finish(&lane->replay);
		/* They may have been decided in what is left out. */
		fl_grouper_forget_prepared(lane->grouper);
		result = fl_lane_push(lane, txn);
		if (result == 0)
			memcpy(lane->position.server, lane->state.identity,
				sizeof(lane->position.server));
	}
	fl_buf_finish(&from);
	fl_buf_finish(&to);
	fl_position_finish(&end);
	return result;
}
