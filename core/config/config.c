/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/trust.h"
#include "config/guess.h"
#include "config/private.h"

enum { SECTION_NAME_LIMIT = 32 };

static void out_of_memory(struct fl_loader *l)
{
	l->problems.no_memory = true;
}

const struct fl_setting *fl_loader_setting(const struct fl_section *section, const char *key)
{
	for (const struct fl_setting *s = section->settings; s != NULL; s = s->next)
		if (strcmp(s->key, key) == 0)
			return s;
	return NULL;
}

static void unknown_key(struct fl_loader *l, const struct fl_section *section,
	const struct fl_setting *setting, const struct fl_option *options)
{
	struct fl_guess guess = { .word = setting->key };
	if (strcmp(section->kind, "sink") == 0)
		fl_guess_from(&guess, "plugin");
	for (const struct fl_option *o = options; o != NULL && o->name != NULL; o++)
		fl_guess_from(&guess, o->name);
	for (const struct fl_option *o = fl_config_keys("sink");
		strcmp(section->kind, "sink") == 0 && o->name != NULL; o++)
		fl_guess_from(&guess, o->name);
	PROBLEM(l, setting->line, "[%s] %s: unknown key; %s", section->text, setting->key,
		fl_guess_text(&guess, &l->problems));
}

static void set_one(struct fl_loader *l, const struct fl_section *section,
	const struct fl_setting *setting, const struct fl_option *declared,
	struct fl_options *options)
{
	const struct fl_option *option = fl_option_find(declared, setting->key);
	const struct fl_setting *earlier = fl_loader_setting(section, setting->key);
	struct fl_err err;
	if (earlier != setting) {
		PROBLEM(l, setting->line, "[%s] %s is set already, in line %u", section->text,
			setting->key, earlier->line);
	} else if (option == NULL) {
		unknown_key(l, section, setting, declared);
	} else if (option->type == FL_OPTION_SECRET && setting->cut) {
		PROBLEM(l, setting->line,
			"[%s] %s: a semicolon behind a blank begins a comment: if it is part of "
			"the "
			"value, keep that in a file (%s_file)",
			section->text, setting->key, setting->key);
	} else if (*setting->value == '\0' && option->type != FL_OPTION_SECRET &&
		   (option->required || strcmp(section->kind, "sink") != 0)) {
		PROBLEM(l, setting->line, "[%s] %s has no value", section->text, setting->key);
	} else {
		int code = fl_options_set(options, setting->key, setting->value, &err);
		if (code == FL_ENOMEM)
			out_of_memory(l);
		else if (code < 0)
			PROBLEM(l, setting->line, "[%s] %s", section->text, err.text);
		if (option->type != FL_OPTION_SECRET)
			return;
		if (l->exposed != NULL && *setting->value != '\0')
			WARNING(l, setting->line, "[%s] %s: %s; or keep it in a file (%s_file)",
				section->text, setting->key, l->exposed, setting->key);
		/* Needed no more. */
		explicit_bzero(setting->value, strlen(setting->value));
	}
}

/* A sink's settings that are not its plugin's: told apart by the options that are being set. */
static bool is_own(const struct fl_loader *l, const struct fl_section *section,
	const struct fl_setting *setting, const struct fl_options *options)
{
	const struct fl_sink_config *sink = &l->config->sinks[l->config->sink_count];
	bool const of_core = fl_option_find(fl_config_keys("sink"), setting->key) != NULL;
	if (strcmp(setting->key, "plugin") == 0)
		return options == sink->own || fl_loader_setting(section, "plugin") == setting;
	return of_core != (options == sink->own);
}

void fl_loader_set_all(struct fl_loader *l, const struct fl_section *section,
	const struct fl_option *declared, struct fl_options *options)
{
	if (options == NULL) {
		out_of_memory(l);
		return;
	}
	for (const struct fl_setting *s = section->settings; s != NULL; s = s->next)
		if (strcmp(section->kind, "sink") != 0 || !is_own(l, section, s, options))
			set_one(l, section, s, declared, options);
	for (const struct fl_option *o = declared; o != NULL && o->name != NULL; o++)
		if (o->required && fl_loader_setting(section, o->name) == NULL &&
			!(l->for_files && strcmp(section->kind, "source") == 0))
			PROBLEM(l, section->line, "[%s] %s is missing: %s", section->text, o->name,
				o->help);
}

const struct fl_section *fl_loader_section(const struct fl_loader *l, const char *text)
{
	for (const struct fl_section *s = l->sections; s != NULL; s = s->next)
		if (strcmp(s->text, text) == 0)
			return s;
	return NULL;
}

static bool is_name(const char *name)
{
	size_t size = strlen(name);
	return size > 0 && size <= SECTION_NAME_LIMIT &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
		       size;
}

/* Sections that can't be are told and taken out of the list. */
static void check_sections(struct fl_loader *l)
{
	for (struct fl_section **place = &l->sections; *place != NULL;) {
		const struct fl_section *s = *place;
		bool named = strcmp(s->kind, "sink") == 0 || strcmp(s->kind, "map") == 0;
		bool known = named || strcmp(s->text, "fastlane") == 0 ||
			     strcmp(s->text, "source") == 0 || strcmp(s->text, "http") == 0;
		const struct fl_section *first = fl_loader_section(l, s->text);
		if (!known) {
			static const char *const kinds[] = { "fastlane", "source", "http", "sink",
				"map" };
			struct fl_guess guess = { .word = s->kind };
			for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
				fl_guess_from(&guess, kinds[i]);
			PROBLEM(l, s->line,
				"[%s]: unknown section; %s, the last two with a name: [sink:NAME]",
				s->text, fl_guess_text(&guess, &l->problems));
		} else if (named && (s->name == NULL || !is_name(s->name))) {
			PROBLEM(l, s->line,
				"[%s] must be [%s:NAME]; a name has 1 to %d of A-Z, a-z, 0-9, _ "
				"and -",
				s->text, s->kind, SECTION_NAME_LIMIT);
		} else if (first != s) {
			PROBLEM(l, s->line, "[%s] is there already, in line %u", s->text,
				first->line);
		} else {
			place = &(*place)->next;
			continue;
		}
		*place = s->next;
	}
}

/* Set before anything else is looked at: files may be that account's. */
static void trust_account(const struct fl_section *section)
{
	const struct fl_setting *user = section != NULL ? fl_loader_setting(section, "user") : NULL;
	const struct fl_setting *group = user != NULL ? fl_loader_setting(section, "group") : NULL;
	struct fl_account account;
	if (user != NULL &&
		fl_config_account(user->value, group != NULL ? group->value : NULL, &account, NULL))
		fl_trust_account(account.uid, account.gid);
	else
		fl_trust_account((uid_t)-1, (gid_t)-1);
}

static void load_account(
	struct fl_loader *l, const struct fl_section *section, const struct fl_settings *s)
{
	const char *user = s->text(s->ctx, "user"), *group = s->text(s->ctx, "group");
	struct fl_account *account = &l->config->account;
	if (user == NULL && group != NULL)
		PROBLEM(l, fl_loader_setting(section, "group")->line,
			"[fastlane] group goes with user, which is not set");
	if (user == NULL || !fl_config_account(user, group, account, NULL))
		return;
	/* It may be looked at only; a daemon is refused where it would become that account. */
	uid_t const self = geteuid();
	if (self != 0 && self != account->uid)
		WARNING(l, fl_loader_setting(section, "user")->line,
			"[fastlane] user = %s: only root can become another account, and fastlane "
			"was started by uid %u",
			user, (unsigned)self);
}

static void load_fastlane(struct fl_loader *l)
{
	static const char *const levels[] = { "error", "warn", "info", "debug" };
	static const char *const formats[] = { "auto", "text", "json", "journal" };
	const struct fl_option *keys = fl_config_keys("fastlane");
	const struct fl_section *section = fl_loader_section(l, "fastlane");
	struct fl_options *options = fl_options_create_for("fastlane", keys);
	l->memory->fastlane = options;
	if (section != NULL)
		fl_loader_set_all(l, section, keys, options);
	if (options == NULL) {
		out_of_memory(l);
		return;
	}
	const struct fl_settings *s = fl_options_settings(options);
	struct fl_config *c = l->config;
	load_account(l, section, s);
	c->core_dumps = s->integer(s->ctx, "core_dumps") != 0;
	c->state_dir = s->text(s->ctx, "state_dir");
	c->plugin_path = s->text(s->ctx, "plugin_path");
	fl_config_size(s->text(s->ctx, "queue_bytes"), &c->queue_bytes, NULL);
	fl_config_size(s->text(s->ctx, "transaction_bytes"), &c->transaction_bytes, NULL);
	const char *on_cold = s->text(s->ctx, "on_cold");
	c->on_cold = strcmp(on_cold, "halt") == 0	? FL_ON_COLD_HALT
		     : strcmp(on_cold, "earliest") == 0 ? FL_ON_COLD_EARLIEST
							: FL_ON_COLD_RESUME;
	for (enum fl_level level = FL_LEVEL_ERROR; level <= FL_LEVEL_DEBUG; level++)
		if (strcmp(s->text(s->ctx, "log_level"), levels[level]) == 0)
			c->log_level = level;
	for (enum fl_log_format format = FL_LOG_AUTO; format <= FL_LOG_JOURNAL; format++)
		if (strcmp(s->text(s->ctx, "log_format"), formats[format]) == 0)
			c->log_format = format;
}

static void collect_plugin(void *ctx, const char *name, const char *file,
	const struct fl_sink_plugin *plugin, const struct fl_err *err)
{
	(void)name;
	(void)file;
	(void)err;
	if (plugin != NULL)
		fl_guess_from(ctx, plugin->name);
}

const char *const fl_sink_certificates[] = { "tls_ca", "tls_cert", NULL };

const char *fl_sink_certificate(const struct fl_sink_config *sink, size_t i)
{
	const struct fl_option *option =
		fl_option_find(sink->plugin->options, fl_sink_certificates[i]);
	const struct fl_settings *s = fl_options_settings(sink->options);
	return option != NULL && option->type == FL_OPTION_TEXT ? s->text(s->ctx, option->name)
								: NULL;
}

/* What every sink has. */
static void load_own(struct fl_loader *l, struct fl_sink_config *sink)
{
	const struct fl_settings *s = fl_options_settings(sink->own);
	uint64_t bytes = 0;
	fl_config_size(s->text(s->ctx, "max_batch_bytes"), &bytes, NULL);
	sink->max_batch_bytes = (size_t)bytes;
	sink->max_batch_ops = (size_t)s->integer(s->ctx, "max_batch_ops");
	sink->coalesce =
		s->integer(s->ctx, "coalesce") != 0 || (sink->plugin->takes & FL_TAKES_ATOMIC) != 0;
	sink->match_first = strcmp(s->text(s->ctx, "match"), "first") == 0;
	if (sink->match_first && fl_map_match_first(l->config->map, sink->name) != 0)
		out_of_memory(l);
}

/* What a sink's plugin opens by itself, once it connects: by these names, and looked at as
 * [source]'s are. */
static void check_certificates(
	struct fl_loader *l, const struct fl_section *section, const struct fl_sink_config *sink)
{
	for (size_t i = 0; fl_sink_certificates[i] != NULL; i++) {
		const char *path = fl_sink_certificate(sink, i);
		struct fl_err err;
		if (path != NULL && !fl_config_pem_check(path, false, &err))
			PROBLEM(l, fl_loader_setting(section, fl_sink_certificates[i])->line,
				"[%s] %s = %s: %s", section->text, fl_sink_certificates[i], path,
				err.text);
	}
}

static void load_sink(struct fl_loader *l, const struct fl_section *section)
{
	const struct fl_setting *setting = fl_loader_setting(section, "plugin");
	const struct fl_sink_plugin *plugin = NULL;
	struct fl_err err;
	int code = 0;
	if (setting != NULL)
		code = fl_plugin_load(setting->value, &plugin, &err);
	if (code == FL_ENOMEM)
		out_of_memory(l);
	if (plugin == NULL) {
		struct fl_guess guess = { .word = setting != NULL ? setting->value : "" };
		fl_plugins_each(collect_plugin, &guess);
		PROBLEM(l, setting != NULL ? setting->line : section->line, "[%s] %s; %s",
			section->text, setting != NULL ? err.text : "plugin is missing",
			fl_guess_text(&guess, &l->problems));
		return;
	}
	struct fl_sink_config *sink = &l->config->sinks[l->config->sink_count];
	sink->name = section->name;
	sink->plugin = plugin;
	sink->options = fl_options_create(section->name, plugin);
	sink->own = fl_options_create_for(section->name, fl_config_keys("sink"));
	if (sink->own == NULL || sink->options == NULL) {
		fl_options_destroy(sink->own);
		fl_options_destroy(sink->options);
		out_of_memory(l);
		return;
	}
	fl_loader_set_all(l, section, fl_config_keys("sink"), sink->own);
	fl_loader_set_all(l, section, plugin->options, sink->options);
	check_certificates(l, section, sink);
	load_own(l, sink);
	l->config->sink_count++;
	if (plugin->position == NULL && l->config->state_dir == NULL && !l->for_files) {
		const struct fl_section *fastlane = fl_loader_section(l, "fastlane");
		if (fastlane == NULL || fl_loader_setting(fastlane, "state_dir") == NULL)
			PROBLEM(l, section->line,
				"[%s] keeps no position of its own: [fastlane] needs a state_dir",
				section->text);
	}
}

static void load_sinks(struct fl_loader *l)
{
	size_t most = 0;
	struct fl_err err;
	for (const struct fl_section *s = l->sections; s != NULL; s = s->next)
		most += strcmp(s->kind, "sink") == 0;
	if (most == 0)
		PROBLEM(l, 1, "there is no [sink:NAME] section: at least one is required");
	l->config->sinks = calloc(most + 1, sizeof(*l->config->sinks));
	if (l->config->sinks == NULL ||
		fl_plugins_init(l->config->plugin_path, &err) == FL_ENOMEM) {
		out_of_memory(l);
		return;
	}
	for (const struct fl_section *s = l->sections; s != NULL; s = s->next)
		if (strcmp(s->kind, "sink") == 0)
			load_sink(l, s);
}

/* Whoever can change the file can have us send any file that we can read to a source of his. A pipe
 * is its owner's affair. */
static void check_file(struct fl_loader *l, FILE *file, const char *name)
{
	struct stat status;
	struct fl_err err;
	if (fileno(file) < 0 || fstat(fileno(file), &status) != 0 || !S_ISREG(status.st_mode))
		return;
	if (fl_trust_check(name, FL_TRUST_CONFIG, &err) == FL_EINVAL)
		PROBLEM(l, 1, "%s", err.text);
	else if (fl_trust_check(name, FL_TRUST_SECRET, &err) == FL_EINVAL) {
		l->exposed = fl_arena_copy(&l->memory->arena, err.text, strlen(err.text));
		l->problems.no_memory |= l->exposed == NULL;
	}
}

int fl_config_read(FILE *file, const char *name, bool for_files,
	void (*report)(void *ctx, bool fatal, const char *line), void *ctx, struct fl_config **ret)
{
	struct fl_config *config = calloc(1, sizeof(*config));
	struct fl_config_memory *memory = calloc(1, sizeof(*memory));
	int result = FL_ENOMEM;
	if (config == NULL || memory == NULL) {
		free(memory);
		goto out;
	}
	config->memory = memory;
	config->map = fl_map_create();
	if (config->map == NULL)
		goto out;
	struct fl_loader l = {
		.config = config,
		.memory = memory,
		.problems = { .path = name, .memory = &memory->arena },
		.for_files = for_files,
	};
	l.sections = fl_config_file_read(file, &memory->arena, &l.problems);
	if (l.sections != NULL || l.problems.fatal == 0) {
		check_sections(&l);
		fl_loader_credentials(&l);
		trust_account(fl_loader_section(&l, "fastlane"));
		check_file(&l, file, name);
		load_fastlane(&l);
		fl_loader_source(&l);
		fl_loader_http(&l);
		load_sinks(&l);
		fl_loader_maps(&l);
		if (l.problems.fatal == 0)
			fl_loader_check_use(&l);
	}
	if (l.problems.no_memory)
		goto out;
	fl_problems_report(&l.problems, report, ctx);
	result = (int)l.problems.fatal;
	if (result == 0) {
		*ret = config;
		config = NULL;
	}
out:
	fl_config_destroy(config);
	return result;
}

int fl_config_load(const char *path, bool for_files,
	void (*report)(void *ctx, bool fatal, const char *line), void *ctx, struct fl_config **ret)
{
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		char text[1024];
		snprintf(text, sizeof(text), "%s:1: the file can't be read: %s", path,
			strerror(errno));
		report(ctx, true, text);
		return 1;
	}
	int result = fl_config_read(file, path, for_files, report, ctx, ret);
	fclose(file);
	return result;
}

int fl_config_for_stdout(
	void (*report)(void *ctx, bool fatal, const char *line), void *ctx, struct fl_config **ret)
{
	static char text[] = "[sink:stdout]\nplugin = stdout\n";
	FILE *file = fmemopen(text, sizeof(text) - 1, "r");
	if (file == NULL)
		return FL_ENOMEM;
	int result = fl_config_read(file, "stdout", true, report, ctx, ret);
	fclose(file);
	return result;
}

void fl_config_destroy(struct fl_config *config)
{
	if (config == NULL)
		return;
	for (size_t i = 0; config->sinks != NULL && i < config->sink_count; i++) {
		fl_options_destroy(config->sinks[i].options);
		fl_options_destroy(config->sinks[i].own);
	}
	free(config->sinks);
	for (size_t i = 0; i < config->rule_count; i++)
		fl_options_destroy(config->rules[i].options);
	free(config->rules);
	fl_map_destroy(config->map);
	struct fl_config_memory *memory = config->memory;
	if (memory != NULL) {
		fl_options_destroy(memory->fastlane);
		fl_options_destroy(memory->source);
		fl_options_destroy(memory->http);
		fl_arena_finish(&memory->arena);
	}
	free(memory);
	free(config);
}
