/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls to the plugin, each with a look at what comes back.
 */
#include "kit/private.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uv.h>

enum { MOST_PENDING = 64 }; /* the core drains a sink that leaves as many */

static const char *name_of(enum fl_outcome outcome)
{
	static const char *const names[] = { "DONE", "PENDING", "RETRY", "FAILED" };
	return (unsigned)outcome < 4 ? names[outcome] : "what is no outcome";
}

static void begin(struct fl_kit *kit, const char *call)
{
	snprintf(kit->shared->call, sizeof(kit->shared->call), "%s", call);
	kit->call_since = uv_hrtime();
	atomic_store(&kit->in_call, true);
}

/* How it ended, and whether that is to be. */
static enum fl_outcome end(
	struct fl_kit *kit, const char *call, enum fl_outcome outcome, struct fl_err *err)
{
	enum { LONG_MS = 1000, TOO_LONG_MS = 5000 };
	uint64_t const ms = (uv_hrtime() - kit->call_since) / 1000000;
	kit->shared->call[0] = '\0';
	atomic_store(&kit->in_call, false);
	atomic_fetch_add(&kit->returned, 1);
	if (ms > TOO_LONG_MS && !kit->is_disturbed && kit->plugin->interrupt == NULL)
		fl_kit_blame(kit, "%s took %.1f s, and there is no interrupt()", call,
			(double)ms / 1000);
	else if (ms > LONG_MS && !kit->is_disturbed)
		fl_kit_note(kit, "%s took %.1f s", call, (double)ms / 1000);
	if ((unsigned)outcome > FL_FAILED)
		fl_kit_blame(kit, "%s returned %d, which is no outcome", call, (int)outcome);
	bool const failed = outcome == FL_RETRY || outcome == FL_FAILED;
	if (memchr(err->text, '\0', sizeof(err->text)) == NULL)
		fl_kit_blame(kit, "%s left an error's text without an end", call);
	else if (failed && err->text[0] == '\0')
		fl_kit_blame(
			kit, "%s returned %s and does not say why (err)", call, name_of(outcome));
	else
		fl_kit_check_text(kit, "the error's text", err->text);
	fl_kit_stop_if_failed(kit);
	return outcome;
}

/* ---- options ---- */

void fl_kit_load(struct fl_kit *kit)
{
	struct fl_err err = { 0 };
	int code = fl_plugins_init(NULL, &err);
	if (code == 0) {
		snprintf(kit->shared->call, sizeof(kit->shared->call), "dlopen()");
		code = fl_plugin_load_file(kit->arguments->file, &kit->plugin, &err);
		kit->shared->call[0] = '\0';
	}
	if (code != 0 || !fl_kit_set_options(kit, NULL, NULL, &err))
		fl_kit_fail(kit, "%s", err.text);
	kit->table = fl_kit_table(kit);
	kit->news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (kit->news < 0)
		fl_kit_fail(kit, "no eventfd: %s", strerror(errno));
}

bool fl_kit_set_options(struct fl_kit *kit, const char *name, const char *value, struct fl_err *err)
{
	const struct fl_kit_arguments *a = kit->arguments;
	int code = 0;
	struct fl_options *options = fl_options_create("test-plugin", kit->plugin);
	if (options == NULL)
		fl_kit_fail(kit, "out of memory");
	for (size_t i = 0; i < a->setting_count && code == 0; i++) {
		const struct fl_kit_setting *set = &a->settings[i];
		bool const is_backend =
			a->backend_option != NULL && strcmp(a->backend_option, set->name) == 0;
		if (name != NULL && strcmp(name, set->name) == 0)
			continue;
		code = fl_options_set(
			options, set->name, is_backend ? kit->backend : set->value, err);
	}
	if (code == 0 && name != NULL)
		code = fl_options_set(options, name, value, err);
	const struct fl_option *missing = code == 0 ? fl_options_missing(options) : NULL;
	if (missing != NULL)
		code = fl_err_set(err, FL_EINVAL, "%s is required: add %s=VALUE", missing->name,
			missing->name);
	if (code != 0) {
		fl_options_destroy(options);
		return false;
	}
	fl_options_destroy(kit->options);
	kit->options = options;
	kit->own = fl_options_settings(options);
	return true;
}

/* ---- the life of an instance ---- */

static void forget(struct fl_kit *kit)
{
	fl_kit_guard_retire(kit->lent.guard);
	kit->self = NULL;
}

enum fl_outcome fl_kit_try_open(struct fl_kit *kit, struct fl_err *err)
{
	static char nothing;
	void *self = &nothing;
	fl_kit_lend(kit);
	kit->base += kit->submitted;
	kit->submitted = kit->settled = 0;
	begin(kit, "open()");
	enum fl_outcome const outcome = end(kit, "open()",
		kit->plugin->open(kit->lent.host, kit->lent.settings, &self, err), err);
	if (outcome == FL_PENDING)
		fl_kit_fail(kit, "open() returned PENDING");
	if (outcome == FL_DONE && (self == &nothing || self == NULL))
		fl_kit_fail(kit, "open() returned DONE without an instance");
	if (outcome == FL_DONE) {
		kit->self = self;
		return outcome;
	}
	if (self != &nothing && self != NULL)
		fl_kit_fail(kit, "open() returned %s and an instance: nobody will close it",
			name_of(outcome));
	forget(kit);
	return outcome;
}

void fl_kit_open(struct fl_kit *kit, char **ret_position)
{
	struct fl_err err = { 0 };
	char *position = NULL;
	enum fl_outcome outcome = fl_kit_try_open(kit, &err);
	if (outcome != FL_DONE)
		fl_kit_fail(kit, "open() returned %s: %s", name_of(outcome), err.text);
	outcome = fl_kit_position(kit, &position, &err);
	if (outcome != FL_DONE)
		fl_kit_fail(kit, "position() returned %s: %s", name_of(outcome), err.text);
	if (ret_position != NULL)
		*ret_position = position;
	else
		free(position);
}

enum fl_outcome fl_kit_position(struct fl_kit *kit, char **ret, struct fl_err *err)
{
	struct fl_buf text = { 0 };
	if (kit->plugin->position != NULL) {
		begin(kit, "position()");
		enum fl_outcome const outcome =
			end(kit, "position()", kit->plugin->position(kit->self, &text, err), err);
		if (outcome == FL_PENDING)
			fl_kit_fail(kit, "position() returned PENDING");
		if (outcome != FL_DONE) {
			fl_buf_finish(&text);
			return outcome;
		}
	}
	for (size_t i = 0; i < text.size; i++)
		if ((unsigned char)text.data[i] < ' ')
			fl_kit_fail(kit, "position() gives what no batch has had: byte \\x%02x",
				(unsigned char)text.data[i]);
	fl_buf_append(&text, "", 1);
	if (text.failed)
		fl_kit_fail(kit, "out of memory");
	*ret = text.data;
	return FL_DONE;
}

void fl_kit_close(struct fl_kit *kit)
{
	struct fl_err none = { 0 };
	begin(kit, "close()");
	kit->plugin->close(kit->self);
	forget(kit);
	end(kit, "close()", FL_DONE, &none);
}

static enum fl_outcome drain(struct fl_kit *kit, bool has_news, struct fl_err *err)
{
	if (kit->settled == kit->submitted)
		return FL_DONE; /* as the core does */
	begin(kit, "drain()");
	enum fl_outcome const outcome =
		end(kit, "drain()", kit->plugin->drain(kit->self, err), err);
	if (outcome == FL_PENDING && !has_news)
		fl_kit_fail(kit, "drain() returned PENDING, and there is no news");
	if (outcome == FL_DONE && kit->settled != kit->submitted)
		fl_kit_fail(kit, "drain() returned DONE with batches %llu to %llu not settled",
			(unsigned long long)kit->settled + 1, (unsigned long long)kit->submitted);
	return outcome;
}

enum fl_outcome fl_kit_try_drain(struct fl_kit *kit, struct fl_err *err)
{
	return drain(kit, false, err);
}

void fl_kit_call_off(struct fl_kit *kit)
{
	uint64_t one = 1;
	struct fl_err err = { 0 };
	if (write(kit->news, &one, sizeof(one)) < 0)
		fl_kit_fail(kit, "an eventfd can't be written to: %s", strerror(errno));
	enum fl_outcome const outcome = drain(kit, kit->plugin->abi_minor >= FL_NEWS_MINOR, &err);
	if (read(kit->news, &one, sizeof(one)) < 0)
		fl_kit_fail(kit, "the plugin reads the host's news: that is for poll() alone");
	if (outcome != FL_DONE && outcome != FL_PENDING)
		fl_kit_fail(kit, "drain() returned %s: %s", name_of(outcome), err.text);
}

void fl_kit_drain(struct fl_kit *kit)
{
	struct fl_err err = { 0 };
	enum fl_outcome const outcome = fl_kit_try_drain(kit, &err);
	if (outcome != FL_DONE)
		fl_kit_fail(kit, "drain() returned %s: %s", name_of(outcome), err.text);
}

enum fl_outcome fl_kit_try_submit(
	struct fl_kit *kit, struct fl_kit_batch *batch, struct fl_err *err)
{
	enum fl_outcome outcome = FL_DONE;
	if (kit->submitted - kit->settled >= MOST_PENDING)
		outcome = fl_kit_try_drain(kit, err);
	if (outcome != FL_DONE) {
		fl_kit_batch_retire(batch);
		return outcome;
	}
	const struct fl_batch *finished = fl_kit_batch_finish(kit, batch);
	begin(kit, "submit()");
	outcome = kit->plugin->submit(kit->self, finished, err);
	fl_kit_batch_retire(batch);
	outcome = end(kit, "submit()", outcome, err);
	if (outcome == FL_DONE)
		kit->settled = kit->submitted;
	if (outcome == FL_PENDING && kit->plugin->drain == NULL)
		fl_kit_fail(kit, "submit() returned PENDING, and there is no drain()");
	return outcome;
}

void fl_kit_submit(struct fl_kit *kit, struct fl_kit_batch *batch)
{
	struct fl_err err = { 0 };
	enum fl_outcome const outcome = fl_kit_try_submit(kit, batch, &err);
	if (outcome != FL_DONE && outcome != FL_PENDING)
		fl_kit_fail(kit, "submit() returned %s: %s", name_of(outcome), err.text);
}
