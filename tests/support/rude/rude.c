/* SPDX-License-Identifier: Apache-2.0
 *
 * Sinks that break a rule of fastlane/sink.h once they are at work, each in one way: RUDE_... says
 * which (see meson.build). RUDE_NOTHING breaks none. Below all of it is a sink that leaves batches
 * pending, settles them in drain(), and writes them to nowhere.
 */
#include <fastlane/sink.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

struct rude {
	const struct fl_host *host;
	uint64_t last, settled;
	struct fl_buf json, position;
};

/* Nobody ever says so. */
static UNUSED void wait_for_ever(void)
{
	for (;;)
		pause();
}

static UNUSED void *run_for_ever(void *ctx)
{
	wait_for_ever();
	return ctx;
}

static UNUSED void *settle_elsewhere(void *ctx)
{
	struct rude *r = ctx;
	r->host->settled(r->host->ctx, r->last);
	return NULL;
}

/* ---- what each of them does, where it does it ---- */

static enum fl_outcome rude_open(const struct fl_host *host, const struct fl_settings *settings,
	void **ret_self, struct fl_err *err)
{
	struct rude *r = calloc(1, sizeof(*r));
	if (r == NULL) {
		fl_err_set(err, FL_ENOMEM, "out of memory");
		return FL_RETRY;
	}
	r->host = host;
#ifdef RUDE_FILES
	(void)!open("/dev/null", O_RDONLY | O_CLOEXEC);
#endif
#ifdef RUDE_THREADS
	pthread_t thread;
	if (pthread_create(&thread, NULL, run_for_ever, NULL) == 0)
		pthread_detach(thread);
#endif
#ifdef RUDE_MEMORY
	static void *volatile last;
	last = malloc(1000);
	memset(last, 0, 1000);
#endif
#ifdef RUDE_SECRET
	host->log(host->ctx, FL_LEVEL_INFO, "logs in with %s",
		settings->text(settings->ctx, "password"));
#endif
#ifdef RUDE_UNDECLARED
	settings->integer(settings->ctx, "pasword");
#endif
#ifdef RUDE_SILENT
	free(r);
	return FL_RETRY;
#endif
#ifdef RUDE_LATER
	/* The one before this is closed. */
	static const struct fl_host *first;
	if (first != NULL)
		first->log(first->ctx, FL_LEVEL_INFO, "opened again");
	first = host;
#endif
	*ret_self = r;
#ifdef RUDE_INSTANCE
	fl_err_set(err, FL_ELOST, "nobody is there");
	return FL_RETRY;
#endif
	(void)settings;
	return FL_DONE;
}

static void look_at_changes(
	struct rude *r, const struct fl_batch *batch, enum fl_outcome *outcome, struct fl_err *err)
{
	fl_buf_clear(&r->json);
	for (size_t t = 0; t < batch->transaction_count; t++) {
		const struct fl_transaction *transaction = batch->transactions[t];
		for (size_t i = 0; i < transaction->change_count; i++) {
			const struct fl_change *change = &transaction->changes[i];
			int code = change->op == FL_DOUBT ? FL_EUNSUPPORTED : 0;
			if (change->op == FL_INSERT || change->op == FL_UPDATE)
				code = r->host->row_json(&change->after, &r->json, err);
			const char *too_much = NULL;
#ifdef RUDE_SMALL
			too_much = r->json.size > 1000000 ? "a value over 1 MB" : NULL;
#endif
#ifdef RUDE_ASCII
			for (size_t c = 0; c < r->json.size; c++)
				too_much = (signed char)r->json.data[c] < 0
						   ? "a value that is not ASCII"
						   : too_much;
#endif
#ifdef RUDE_DDL
			too_much = change->op == FL_DDL ? "a statement" : NULL;
#endif
			if (too_much != NULL) {
				fl_err_set(err, FL_EFATAL, "%s", too_much);
				*outcome = FL_FAILED;
			}
#ifdef RUDE_ABSENT
			if (change->op == FL_INSERT)
				r->host->row_key_json(&change->before, &r->json, err);
#endif
			if (code != 0 && r->host->halt_on_doubt) {
				fl_err_set(err, FL_EFATAL, "in doubt");
				*outcome = FL_FAILED;
			}
		}
	}
}

static enum fl_outcome rude_submit(void *ctx, const struct fl_batch *batch, struct fl_err *err)
{
	struct rude *r = ctx;
	enum fl_outcome outcome = FL_PENDING;
	r->last = batch->id;
	look_at_changes(r, batch, &outcome, err);
	fl_buf_clear(&r->position);
	fl_buf_append(&r->position, batch->position.data, batch->position.size);
#ifdef RUDE_CRASH
	abort();
#endif
#ifdef RUDE_EXIT
	exit(0);
#endif
#ifdef RUDE_HANG
	wait_for_ever();
#endif
#ifdef RUDE_INVENTS
	r->host->settled(r->host->ctx, batch->id + 1);
#endif
#ifdef RUDE_KEEPS
	static const volatile struct fl_batch *kept;
	if (kept != NULL && batch->id > 1)
		r->last += kept->transaction_count;
	r->last = batch->id;
	kept = batch;
#endif
#ifdef RUDE_WRITES
	((struct fl_batch *)(uintptr_t)batch)->id = 0;
#endif
#ifdef RUDE_OUTCOME
	return (enum fl_outcome)7;
#endif
#ifdef RUDE_THREAD
	pthread_t thread;
	if (pthread_create(&thread, NULL, settle_elsewhere, r) == 0)
		pthread_join(thread, NULL);
#endif
#ifdef RUDE_DOUBTS
	return FL_PENDING;
#endif
	return outcome;
}

static enum fl_outcome rude_drain(void *ctx, struct fl_err *err)
{
	struct rude *r = ctx;
	(void)err;
#ifdef RUDE_NOSY
	uint64_t number;
	(void)!read(r->host->news, &number, sizeof(number));
#endif
#ifdef RUDE_HASTY
	return FL_PENDING;
#endif
#ifdef RUDE_LIES
	r->last = 0;
#else
	r->host->settled(r->host->ctx, r->last);
	r->settled = r->last;
#endif
#ifdef RUDE_BACKWARDS
	if (r->last > 1)
		r->host->settled(r->host->ctx, r->last - 1);
#endif
	return FL_DONE;
}

#ifdef RUDE_POSITION
/* As if all that it has ever been given were safe. */
static struct fl_buf given;

static enum fl_outcome rude_position(void *ctx, struct fl_buf *ret, struct fl_err *err)
{
	(void)ctx;
	(void)err;
	fl_buf_append(ret, given.data, given.size);
	fl_buf_text(ret, given.size > 0 ? "0" : "");
	return FL_DONE;
}
#endif

static void rude_interrupt(void *ctx)
{
	(void)ctx;
#ifdef RUDE_INTERRUPT
	wait_for_ever();
#endif
}

static void rude_close(void *ctx)
{
	struct rude *r = ctx;
#ifdef RUDE_CLOSE
	if (r->last > r->settled)
		(void)!open("/dev/null", O_RDONLY | O_CLOEXEC);
#endif
#ifdef RUDE_POSITION
	fl_buf_clear(&given);
	fl_buf_append(&given, r->position.data, r->position.size);
#endif
	fl_buf_finish(&r->json);
	fl_buf_finish(&r->position);
	free(r);
}

#ifdef RUDE_EXPORTS
FL_EXPORT extern int helper_of_rude;
int helper_of_rude = 1;
#endif

static UNUSED bool refuse(const char *value, struct fl_err *err)
{
	(void)err;
	return value[0] != '\0';
}

static const struct fl_option options[] = {
#ifdef RUDE_OPTION
	{ .name = "kind", .fallback = "", .help = "whatever", .check = refuse },
#endif
	{ .name = "password", .type = FL_OPTION_SECRET, .help = "a secret" },
	{ .name = NULL },
};

const struct fl_sink_plugin fl_sink_plugin = {
	.abi_major = FL_ABI_MAJOR,
	.abi_minor = FL_ABI_MINOR,
	.size = sizeof(struct fl_sink_plugin),
	.name = MODULE_NAME,
	.summary = "a sink that is rude on purpose",
	.options = options,
	.takes = FL_TAKES_CHANGES,
	.open = rude_open,
#ifdef RUDE_POSITION
	.position = rude_position,
#endif
	.submit = rude_submit,
	.drain = rude_drain,
	.interrupt = rude_interrupt,
	.close = rude_close,
};
