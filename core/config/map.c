/* SPDX-License-Identifier: Apache-2.0
 *
 * The sections [map:NAME].
 */
#include "config/guess.h"
#include "config/private.h"

static const struct fl_sink_config *find_sink(const struct fl_loader *l, const char *name)
{
	for (size_t i = 0; i < l->config->sink_count; i++)
		if (strcmp(l->config->sinks[i].name, name) == 0)
			return &l->config->sinks[i];
	return NULL;
}

/* The names in a map's `sinks`. */
static void check_sink_names(
	struct fl_loader *l, const struct fl_section *section, const struct fl_setting *setting)
{
	size_t names = 0;
	for (const char *at = setting->value; *(at += strspn(at, ", \t")) != '\0'; names++) {
		char name[256], text[300]; /* longer than any sink's */
		size_t size = strcspn(at, ", \t");
		snprintf(name, sizeof(name), "%.*s", (int)size, at);
		snprintf(text, sizeof(text), "sink:%s", name);
		at += size;
		const struct fl_sink_config *sink = find_sink(l, name);
		if (sink != NULL && (sink->plugin->takes & FL_TAKES_OPERATIONS) == 0) {
			PROBLEM(l, setting->line,
				"[%s] sinks: %s takes changes of all tables, not keys and values",
				section->text, name);
		} else if (sink == NULL && fl_loader_section(l, text) == NULL) {
			struct fl_guess guess = { .word = name };
			for (size_t i = 0; i < l->config->sink_count; i++)
				if ((l->config->sinks[i].plugin->takes & FL_TAKES_OPERATIONS) != 0)
					fl_guess_from(&guess, l->config->sinks[i].name);
			PROBLEM(l, setting->line, "[%s] sinks: there is no [%s]; %s", section->text,
				text, fl_guess_text(&guess, &l->problems));
		}
	}
	if (names == 0)
		PROBLEM(l, setting->line,
			"[%s] sinks names none; leave it out for all sinks that take operations",
			section->text);
}

/* What is wrong with a rule begins with the key that is to blame. */
static unsigned line_of(const struct fl_section *section, const char *problem)
{
	for (const struct fl_setting *s = section->settings; s != NULL; s = s->next)
		if (strncmp(problem, s->key, strlen(s->key)) == 0 &&
			(problem[strlen(s->key)] == ':' || problem[strlen(s->key)] == ' '))
			return s->line;
	return section->line;
}

/* What not every sink can do. */
static void check_needs(
	struct fl_loader *l, const struct fl_section *section, const struct fl_map_rule *rule)
{
	static const struct {
		unsigned bit;
		const char *key, *problem;
	} needs[] = {
		{ FL_TAKES_HASHES, "value",
			"hash is nothing that it can keep: use json or msgpack" },
		{ FL_TAKES_EXISTING, "mode",
			"it can't write only what is there: use write or invalidate" },
		{ FL_TAKES_PATTERNS, "invalidate",
			"it can't find keys by {*}: use {generation} in them" },
	};
	unsigned const bits = fl_map_rule_needs(rule);
	for (size_t i = 0; i < l->config->sink_count; i++) {
		const struct fl_sink_config *sink = &l->config->sinks[i];
		if ((sink->plugin->takes & FL_TAKES_OPERATIONS) == 0 ||
			!fl_map_rule_is_for(rule, sink->name))
			continue;
		for (size_t k = 0; k < sizeof(needs) / sizeof(*needs); k++)
			if ((bits & ~sink->plugin->takes & needs[k].bit) != 0)
				PROBLEM(l, fl_loader_setting(section, needs[k].key)->line,
					"[%s] %s: [sink:%s] is of the plugin %s: %s; or name other "
					"sinks with `sinks`",
					section->text, needs[k].key, sink->name, sink->plugin->name,
					needs[k].problem);
	}
}

static void load_map(struct fl_loader *l, const struct fl_section *section)
{
	const struct fl_option *keys = fl_config_keys("map");
	struct fl_options *options = fl_options_create_for(section->text, keys);
	size_t const fatal = l->problems.fatal;
	fl_loader_set_all(l, section, keys, options);
	const struct fl_setting *sinks = fl_loader_setting(section, "sinks");
	if (sinks != NULL)
		check_sink_names(l, section, sinks);
	if (options == NULL || l->problems.fatal > fatal)
		goto out;

	const struct fl_settings *s = fl_options_settings(options);
	struct fl_map_rule rule = {
		.name = section->name,
		.table = s->text(s->ctx, "table"),
		.key = s->text(s->ctx, "key"),
		.invalidate = s->text(s->ctx, "invalidate"),
		.also = s->text(s->ctx, "also"),
		.value = s->text(s->ctx, "value"),
		.columns = s->text(s->ctx, "columns"),
		.exclude = s->text(s->ctx, "exclude"),
		.rename = s->text(s->ctx, "rename"),
		.only_when = s->text(s->ctx, "only_when"),
		.delete_when = s->text(s->ctx, "delete_when"),
		.ttl = s->text(s->ctx, "ttl"),
		.ttl_jitter = s->text(s->ctx, "ttl_jitter"),
		.mode = s->text(s->ctx, "mode"),
		.sinks = s->text(s->ctx, "sinks"),
	};
	struct fl_err err;
	int code = fl_map_add(l->config->map, &rule, &err);
	if (code == FL_ENOMEM)
		l->problems.no_memory = true;
	else if (code < 0)
		PROBLEM(l, line_of(section, err.text), "[%s] %s", section->text, err.text);
	else
		check_needs(l, section, &rule);
	if (code == 0) {
		l->config->rules[l->config->rule_count++] = (struct fl_map_config){
			.rule = rule, .options = options, .section = section
		};
		options = NULL;
	}
out:
	fl_options_destroy(options);
}

void fl_loader_maps(struct fl_loader *l)
{
	size_t most = 0;
	for (const struct fl_section *s = l->sections; s != NULL; s = s->next)
		most += strcmp(s->kind, "map") == 0;
	l->config->rules = calloc(most + 1, sizeof(*l->config->rules));
	if (l->config->rules == NULL) {
		l->problems.no_memory = true;
		return;
	}
	for (const struct fl_section *s = l->sections; s != NULL; s = s->next)
		if (strcmp(s->kind, "map") == 0)
			load_map(l, s);
}

unsigned fl_config_map_line(const struct fl_map_config *map, const char *key)
{
	const struct fl_section *section = map->section;
	const struct fl_setting *setting = key != NULL ? fl_loader_setting(section, key) : NULL;
	return setting != NULL ? setting->line : section->line;
}

/* A sink that takes operations and never gets one was probably meant otherwise, and so was a map
 * that none of them uses. */
void fl_loader_check_use(struct fl_loader *l)
{
	bool any = false;
	for (size_t i = 0; i < l->config->sink_count; i++) {
		const struct fl_sink_config *sink = &l->config->sinks[i];
		if ((sink->plugin->takes & FL_TAKES_OPERATIONS) == 0)
			continue;
		any = true;
		if (fl_map_has_rules(l->config->map, sink->name))
			continue;
		char text[64];
		snprintf(text, sizeof(text), "sink:%s", sink->name);
		WARNING(l, fl_loader_section(l, text)->line,
			"[%s] gets no keys: no [map:NAME] section is for it", text);
	}
	for (const struct fl_section *s = l->sections; s != NULL && !any; s = s->next)
		if (strcmp(s->kind, "map") == 0)
			WARNING(l, s->line, "[%s] has no effect: no sink takes operations",
				s->text);
}
