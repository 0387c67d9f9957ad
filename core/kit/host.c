/* SPDX-License-Identifier: Apache-2.0
 *
 * What the plugin is lent: the core's own services, behind a look at who calls them, when, and with
 * what. Misuse is blamed, and answered as harmlessly as can be.
 */
#include "kit/private.h"

#include "binlog/row.h"

/* Of the process: the plugin may have lost or mistaken its ctx. */
static struct fl_kit *current;

static bool is_in(const char *call)
{
	return strcmp(current->shared->call, call) == 0;
}

/* Whether a service may be used now, by the one who asks. */
static bool may(const char *service, void *ctx, bool has_ctx)
{
	if (has_ctx && ctx != current) {
		fl_kit_blame(current, "%s is called with another ctx than its host's", service);
		return false;
	}
	if (!pthread_equal(pthread_self(), current->checker)) {
		fl_kit_blame(current, "%s is called from another thread than the sink's", service);
		return false;
	}
	return true;
}

void fl_kit_check_text(struct fl_kit *kit, const char *where, const char *text)
{
	enum { SHORTEST = 4 }; /* of a secret that is looked for */
	for (const char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f) {
			fl_kit_blame(kit,
				"%s has a control character (\\x%02x): it is to be one line", where,
				(unsigned char)*c);
			return;
		}
	for (const struct fl_option *o = kit->plugin->options; o != NULL && o->name != NULL; o++) {
		const char *secret = NULL;
		if (o->type == FL_OPTION_SECRET || o->type == FL_OPTION_FILE)
			secret = kit->own->text(kit->own->ctx, o->name);
		if (secret != NULL && strlen(secret) >= SHORTEST && strstr(text, secret) != NULL)
			fl_kit_blame(
				kit, "%s shows the value of %s, which is secret", where, o->name);
	}
}

static void host_log(void *ctx, enum fl_level level, const char *format, ...)
{
	char text[2048];
	va_list args;
	if (ctx != current) {
		fl_kit_blame(current, "log() is called with another ctx than its host's");
		return;
	}
	if (level < FL_LEVEL_ERROR || level > FL_LEVEL_DEBUG)
		fl_kit_blame(current, "log() is called with the level %d", (int)level);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fl_kit_check_text(current, "what it logs", text);
}

static void host_settled(void *ctx, uint64_t batch)
{
	if (!may("settled()", ctx, true))
		return;
	if (!is_in("submit()") && !is_in("drain()"))
		fl_kit_blame(current, "settled() is called outside of submit() and drain()");
	else if (batch > current->submitted)
		fl_kit_blame(current,
			"settled(%llu) is called where %llu is the last batch submitted",
			(unsigned long long)batch, (unsigned long long)current->submitted);
	else if (batch <= current->settled)
		fl_kit_blame(current, "settled(%llu) is called, and %llu was settled before",
			(unsigned long long)batch, (unsigned long long)current->settled);
	else
		current->settled = batch;
}

/* Whether there is a row to read. */
static bool is_row(const char *service, const struct fl_row *row, struct fl_err *err)
{
	if (!may(service, NULL, false))
		goto no;
	if (!is_in("submit()"))
		fl_kit_blame(current, "%s is called outside of submit()", service);
	else if (row == NULL || row->table == NULL || row->data == NULL)
		fl_kit_blame(current,
			"%s is called for a row that is not there (an INSERT has no `before`, a "
			"DELETE no `after`)",
			service);
	else if (row->table != &current->table->table)
		fl_kit_blame(current, "%s is called for a row that is none of the core's", service);
	else
		return true;
no:
	fl_err_set(err, FL_EINVAL, "there is no such row");
	return false;
}

static int note(int code)
{
	current->unreadable += code != 0;
	return code;
}

static int host_row_value(const struct fl_row *row, unsigned column, struct fl_buf *scratch,
	struct fl_value *ret, struct fl_err *err)
{
	if (!is_row("row_value()", row, err))
		return FL_EINVAL;
	if (column >= row->table->column_count) {
		fl_kit_blame(current, "row_value() is called for column %u of %u", column,
			row->table->column_count);
		return fl_err_set(err, FL_EINVAL, "there is no such column");
	}
	return note(fl_row_value(row, column, scratch, ret, err));
}

static int host_row_json(const struct fl_row *row, struct fl_buf *out, struct fl_err *err)
{
	return is_row("row_json()", row, err) ? note(fl_row_json(row, out, err)) : FL_EINVAL;
}

static int host_row_key_json(const struct fl_row *row, struct fl_buf *out, struct fl_err *err)
{
	return is_row("row_key_json()", row, err) ? note(fl_row_key_json(row, out, err))
						  : FL_EINVAL;
}

static int host_row_old_json(const struct fl_row *before, const struct fl_row *after,
	struct fl_buf *out, struct fl_err *err)
{
	return is_row("row_old_json()", before, err) && is_row("row_old_json()", after, err)
		       ? note(fl_row_old_json(before, after, out, err))
		       : FL_EINVAL;
}

static void host_json_text(struct fl_bytes text, struct fl_buf *out)
{
	if (may("json_text()", NULL, false))
		fl_json_text(text, out);
}

/* ---- settings ---- */

static const struct fl_option *option_asked(void *ctx, const char *name)
{
	const struct fl_option *option = NULL;
	if (!may("settings", ctx, true))
		return NULL;
	if (name != NULL)
		option = fl_plugin_option(current->plugin, name);
	if (option == NULL)
		fl_kit_blame(current, "it asks for the option %s, which it does not declare",
			name != NULL ? name : "NULL");
	return option;
}

static const char *setting_text(void *ctx, const char *name)
{
	return option_asked(ctx, name) != NULL ? current->own->text(current->own->ctx, name) : NULL;
}

static int64_t setting_integer(void *ctx, const char *name)
{
	const struct fl_option *option = option_asked(ctx, name);
	if (option == NULL)
		return 0;
	if (option->type != FL_OPTION_INT && option->type != FL_OPTION_BOOL)
		fl_kit_blame(
			current, "it asks for %s as a number, which is declared as text", name);
	return current->own->integer(current->own->ctx, name);
}

void fl_kit_lend(struct fl_kit *kit)
{
	static uint64_t instances;
	current = kit;
	struct fl_kit_guard *guard =
		fl_kit_guard_create(kit, FL_KIT_LENT, ++instances, 4 * sizeof(struct fl_host));
	struct fl_host *host = fl_kit_guard_alloc(kit, guard, sizeof(*host));
	struct fl_settings *settings = fl_kit_guard_alloc(kit, guard, sizeof(*settings));
	*host = (struct fl_host){
		.size = sizeof(*host),
		.ctx = kit,
		.log = host_log,
		.settled = host_settled,
		.row_value = host_row_value,
		.row_json = host_row_json,
		.row_key_json = host_row_key_json,
		.row_old_json = host_row_old_json,
		.json_text = host_json_text,
		.halt_on_doubt = kit->halt_on_doubt,
		.memory = &kit->memory,
		.news = kit->news,
	};
	*settings = (struct fl_settings){
		.sink = "test-plugin",
		.ctx = kit,
		.text = setting_text,
		.integer = setting_integer,
	};
	fl_kit_guard_seal(guard);
	kit->lent = (struct fl_kit_lent){ guard, host, settings };
}
