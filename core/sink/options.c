/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/plugin.h"

#include "base/trust.h"

#include <errno.h>
#include <strings.h>
#include <unistd.h>

enum {
	NAME_LIMIT = 49,	  /* inih cuts what is longer */
	FILE_LIMIT = 1024 * 1024, /* of what FL_OPTION_FILE reads: secrets are small */
};

struct value {
	bool is_set;
	char *text; /* NULL: neither set nor a fallback */
	int64_t number;
};

struct fl_options {
	unsigned references;
	const struct fl_option *declared;
	char *owner;
	size_t count;
	struct value *values; /* in the order of the declarations */
	struct fl_settings settings;
};

const struct fl_option *fl_option_find(const struct fl_option *options, const char *name)
{
	for (const struct fl_option *o = options; o != NULL && o->name != NULL; o++)
		if (strcmp(o->name, name) == 0)
			return o;
	return NULL;
}

const struct fl_option *fl_plugin_option(const struct fl_sink_plugin *plugin, const char *name)
{
	return fl_option_find(plugin->options, name);
}

static bool parse_int(const char *text, int64_t *ret)
{
	char *end;
	if (text[strspn(text, "-0123456789")] != '\0' || *text == '\0')
		return false;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (errno != 0 || *end != '\0')
		return false;
	*ret = value;
	return true;
}

static bool parse_bool(const char *text, int64_t *ret)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strcasecmp(text, words[i]) == 0) {
			*ret = (int64_t)(i % 2);
			return true;
		}
	}
	return false;
}

static bool is_choice(const char *choices, const char *text)
{
	size_t size = strlen(text);
	for (const char *at = choices;; at++) {
		size_t length = strcspn(at, "|");
		if (length == size && size > 0 && memcmp(at, text, size) == 0)
			return true;
		at += length;
		if (*at == '\0')
			return false;
	}
}

const char *fl_option_allowed(const struct fl_option *option, char *text, size_t size)
{
	switch (option->type) {
	case FL_OPTION_INT:
		snprintf(text, size, "a whole number from %lld to %lld", (long long)option->minimum,
			(long long)option->maximum);
		break;
	case FL_OPTION_BOOL:
		snprintf(text, size, "yes or no");
		break;
	case FL_OPTION_CHOICE: {
		snprintf(text, size, "one of %s", option->choices);
		for (char *c = text + strlen("one of "); *c != '\0'; c++)
			*c = *c == '|' ? ' ' : *c;
		break;
	}
	case FL_OPTION_FILE:
		snprintf(text, size, "the path of a file that can be read");
		break;
	default:
		snprintf(text, size, "text");
	}
	return text;
}

/* Whether a value fits its type; INT and BOOL give the number. */
static bool fits(const struct fl_option *option, const char *value, int64_t *ret_number)
{
	switch (option->type) {
	case FL_OPTION_INT:
		return parse_int(value, ret_number) && *ret_number >= option->minimum &&
		       *ret_number <= option->maximum;
	case FL_OPTION_BOOL:
		return parse_bool(value, ret_number);
	case FL_OPTION_CHOICE:
		return is_choice(option->choices, value);
	case FL_OPTION_FILE:
		return *value != '\0';
	default:
		return true;
	}
}

/* Secrets are not repeated in messages. */
static int refuse(
	const struct fl_option *option, const char *value, const char *why, struct fl_err *err)
{
	if (option->type == FL_OPTION_SECRET || option->type == FL_OPTION_FILE)
		return fl_err_set(err, FL_EINVAL, "%s: %s", option->name, why);
	enum { SHOWN = 200 }; /* of a value that may go on for many lines */
	return fl_err_set(err, FL_EINVAL, "%s = %.*s%s: %s", option->name, SHOWN, value,
		strlen(value) > SHOWN ? "..." : "", why);
}

static int run_check(const struct fl_option *option, const char *value, struct fl_err *err)
{
	struct fl_err why = { .text = "is not allowed" };
	if (option->check == NULL || option->check(value, &why))
		return 0;
	why.text[sizeof(why.text) - 1] = '\0';
	return refuse(option, value, why.text, err);
}

int fl_option_check(const struct fl_option *option, const char *value, struct fl_err *err)
{
	int64_t number = 0;
	if (!fits(option, value, &number)) {
		char allowed[200], why[220];
		snprintf(why, sizeof(why), "must be %s",
			fl_option_allowed(option, allowed, sizeof(allowed)));
		return refuse(option, value, why, err);
	}
	/* A file's check is for its content: fl_options_set() */
	return option->type == FL_OPTION_FILE ? 0 : run_check(option, value, err);
}

static int wrongly(const struct fl_option *option, const char *how, struct fl_err *err)
{
	return fl_err_set(
		err, FL_EINVAL, "option \"%s\" is declared wrongly: %s", option->name, how);
}

static int check_declaration(
	const struct fl_option *options, const struct fl_option *o, struct fl_err *err)
{
	size_t size = strlen(o->name);
	if (size == 0 || size > NAME_LIMIT ||
		strspn(o->name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != size)
		return wrongly(o, "names are 1 to 49 of a-z, 0-9, _ and -", err);
	if (strcmp(o->name, "plugin") == 0)
		return wrongly(o, "the name is the core's", err);
	if (fl_option_find(options, o->name) != o)
		return wrongly(o, "the name is there twice", err);
	if (o->type < FL_OPTION_TEXT || o->type > FL_OPTION_FILE)
		return wrongly(o, "it has an unknown type", err);
	if (o->help == NULL)
		return wrongly(o, "it has no help", err);
	if (o->type == FL_OPTION_INT && o->minimum > o->maximum)
		return wrongly(o, "its minimum is above its maximum", err);
	if (o->type == FL_OPTION_CHOICE && (o->choices == NULL || *o->choices == '\0'))
		return wrongly(o, "it has no choices", err);
	int64_t number;
	if (o->fallback != NULL && o->required)
		return wrongly(o, "it is required and has a fallback", err);
	if (o->fallback != NULL && (o->type == FL_OPTION_FILE || !fits(o, o->fallback, &number)))
		return wrongly(o, "its fallback does not fit", err);
	return 0;
}

int fl_options_declared(const struct fl_option *options, struct fl_err *err)
{
	for (const struct fl_option *o = options; o != NULL && o->name != NULL; o++) {
		int code = check_declaration(options, o, err);
		if (code < 0)
			return code;
	}
	return 0;
}

static const struct value *find(const struct fl_options *options, const char *name)
{
	const struct fl_option *option = fl_option_find(options->declared, name);
	return option != NULL ? &options->values[option - options->declared] : NULL;
}

static const char *setting_text(void *ctx, const char *name)
{
	const struct value *value = find(ctx, name);
	return value != NULL ? value->text : NULL;
}

static int64_t setting_integer(void *ctx, const char *name)
{
	const struct value *value = find(ctx, name);
	return value != NULL ? value->number : 0;
}

/* Frees a value, of a secret without a trace. */
static void forget(const struct fl_option *option, char *text)
{
	if (text != NULL && (option->type == FL_OPTION_SECRET || option->type == FL_OPTION_FILE))
		explicit_bzero(text, strlen(text));
	free(text);
}

/* Keeps a value; `text` is taken over. BOOL is seen as 1 or 0, however it was written. */
static void keep(const struct fl_option *option, struct value *value, char *text)
{
	fits(option, text, &value->number);
	if (option->type == FL_OPTION_BOOL)
		memcpy(text, value->number != 0 ? "1" : "0", 2);
	forget(option, value->text);
	value->text = text;
}

struct fl_options *fl_options_create_for(const char *section, const struct fl_option *options)
{
	struct fl_options *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return NULL;
	made->references = 1;
	made->declared = options;
	made->owner = strdup(section);
	for (const struct fl_option *o = options; o != NULL && o->name != NULL; o++)
		made->count++;
	made->values = calloc(made->count + 1, sizeof(*made->values));
	if (made->owner == NULL || made->values == NULL)
		goto fail;
	for (size_t i = 0; i < made->count; i++) {
		if (options[i].fallback == NULL)
			continue;
		char *text = strdup(options[i].fallback);
		if (text == NULL)
			goto fail;
		keep(&options[i], &made->values[i], text);
	}
	made->settings = (struct fl_settings){
		.sink = made->owner,
		.ctx = made,
		.text = setting_text,
		.integer = setting_integer,
	};
	return made;
fail:
	fl_options_destroy(made);
	return NULL;
}

struct fl_options *fl_options_create(const char *sink, const struct fl_sink_plugin *plugin)
{
	return fl_options_create_for(sink, plugin->options);
}

struct fl_options *fl_options_ref(struct fl_options *options)
{
	options->references++;
	return options;
}

void fl_options_destroy(struct fl_options *options)
{
	if (options == NULL || --options->references > 0)
		return;
	for (size_t i = 0; options->values != NULL && i < options->count; i++)
		forget(&options->declared[i], options->values[i].text);
	free(options->values);
	free(options->owner);
	free(options);
}

static bool is_same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool fl_options_same(const struct fl_options *a, const struct fl_options *b)
{
	if (a->declared != b->declared)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!is_same_text(a->values[i].text, b->values[i].text))
			return false;
	return true;
}

/* The whole of a file that nobody else can read, less a last line break. Not by stdio, which would
 * leave a copy in a buffer of its own. */
static int read_file(const char *name, const char *path, char **ret, struct fl_err *err)
{
	struct fl_err why;
	int fd = -1;
	int code = fl_trust_open(path, FL_TRUST_SECRET, &fd, &why);
	if (code < 0)
		return fl_err_set(err, code, "%s: %s", name, why.text);
	size_t size = 0;
	ssize_t got = 0;
	char *text = malloc(FILE_LIMIT + 1);
	if (text == NULL) {
		code = fl_err_set(err, FL_ENOMEM, "out of memory");
		goto out;
	}
	do {
		got = read(fd, text + size, FILE_LIMIT + 1 - size);
		size += got > 0 ? (size_t)got : 0;
	} while ((got > 0 && size <= FILE_LIMIT) || (got < 0 && errno == EINTR));
	if (got < 0) {
		code = fl_err_set(
			err, FL_EIO, "%s: %s can't be read: %s", name, path, strerror(errno));
		goto out;
	}
	if (size > FILE_LIMIT || memchr(text, '\0', size) != NULL) {
		code = fl_err_set(err, FL_EINVAL,
			"%s: %s holds more than 1 MiB, or a NUL byte: it is no text", name, path);
		goto out;
	}
	size_t const whole = size;
	size -= size > 0 && text[size - 1] == '\n';
	size -= size > 0 && text[size - 1] == '\r';
	text[size] = '\0';
	*ret = strdup(text);
	if (*ret == NULL)
		code = fl_err_set(err, FL_ENOMEM, "out of memory");
	explicit_bzero(text, whole);
out:
	free(text);
	close(fd);
	return code;
}

int fl_options_set(
	struct fl_options *options, const char *name, const char *value, struct fl_err *err)
{
	const struct fl_option *option = fl_option_find(options->declared, name);
	if (option == NULL)
		return fl_err_set(err, FL_EINVAL, "%s: there is no such option", name);
	struct value *kept = &options->values[option - options->declared];
	if (kept->is_set)
		return fl_err_set(err, FL_EINVAL, "%s is set twice", name);
	int code = fl_option_check(option, value, err);
	if (code < 0)
		return code;

	char *text = NULL;
	if (option->type == FL_OPTION_FILE) {
		code = read_file(name, value, &text, err);
		if (code == 0)
			code = run_check(option, text, err);
	} else {
		text = strdup(value);
		if (text == NULL)
			code = fl_err_set(err, FL_ENOMEM, "out of memory");
	}
	if (code < 0) {
		forget(option, text);
		return code;
	}
	keep(option, kept, text);
	kept->is_set = true;
	return 0;
}

const struct fl_option *fl_options_missing(const struct fl_options *options)
{
	for (size_t i = 0; i < options->count; i++)
		if (options->declared[i].required && !options->values[i].is_set)
			return &options->declared[i];
	return NULL;
}

const struct fl_settings *fl_options_settings(const struct fl_options *options)
{
	return &options->settings;
}
