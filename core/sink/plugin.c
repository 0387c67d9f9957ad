/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/plugin.h"

#include <dirent.h>
#include <dlfcn.h>
#include <ltdl.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define KEEP_RESIDENT true
#endif
#endif
#if !defined(KEEP_RESIDENT) && (defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__))
#define KEEP_RESIDENT true
#endif
#ifndef KEEP_RESIDENT
#define KEEP_RESIDENT false
#endif

enum { NAME_LIMIT = 64, PATH_LIMIT = 4096 };
static const char suffix[] = ".so";

struct module {
	struct module *next;
	char name[NAME_LIMIT + 1];
	lt_dlhandle handle;
	const struct fl_sink_plugin *plugin;
};

/* Of the main thread. */
static struct module *modules;
static char *search_path; /* directories separated by ':', in the order of the search */
static bool started;

int fl_plugins_init(const char *path, struct fl_err *err)
{
	const char *environment = getenv("FASTLANE_PLUGIN_PATH");
	const char *const parts[] = { path, environment, FL_PLUGIN_DIR };
	struct fl_buf joined = { 0 };
	for (size_t i = 0; i < 3; i++) {
		if (parts[i] == NULL || *parts[i] == '\0')
			continue;
		fl_buf_text(&joined, joined.size > 0 ? ":" : "");
		fl_buf_text(&joined, parts[i]);
	}
	fl_buf_char(&joined, '\0');
	if (joined.failed) {
		fl_buf_finish(&joined);
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	}
	if (!started && lt_dlinit() != 0) {
		fl_buf_finish(&joined);
		return fl_err_set(err, FL_EFATAL, "libltdl: %s", lt_dlerror());
	}
	started = true;
	free(search_path);
	search_path = joined.data;
	return 0;
}

void fl_plugins_finish(void)
{
	while (modules != NULL) {
		struct module *module = modules;
		modules = module->next;
		lt_dlclose(module->handle);
		free(module);
	}
	free(search_path);
	search_path = NULL;
	if (started)
		lt_dlexit();
	started = false;
}

static bool is_plain(const char *name)
{
	size_t size = strlen(name);
	return size > 0 && size <= NAME_LIMIT &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
		       size;
}

/* Takes the next directory of the search path; the empty ones are passed over. */
static bool next_directory(const char **at, char *ret, size_t size)
{
	while (**at != '\0') {
		size_t length = strcspn(*at, ":");
		const char *start = *at;
		*at += length + (start[length] == ':');
		if (length > 0 && length < size) {
			memcpy(ret, start, length);
			ret[length] = '\0';
			return true;
		}
	}
	return false;
}

static int find_file(const char *name, char ret[PATH_LIMIT], struct fl_err *err)
{
	char directory[PATH_LIMIT - NAME_LIMIT - sizeof(suffix) - 1];
	for (const char *at = search_path; next_directory(&at, directory, sizeof(directory));) {
		snprintf(ret, PATH_LIMIT, "%s/%s%s", directory, name, suffix);
		if (access(ret, F_OK) == 0)
			return 0;
	}
	return fl_err_set(err, FL_EINVAL, "plugin %s: there is no %s%s in %s", name, name, suffix,
		search_path);
}

static int refuse(const char *file, struct fl_err *err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static int refuse(const char *file, struct fl_err *err, const char *format, ...)
{
	char why[400];
	va_list args;
	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	return fl_err_set(err, FL_EINVAL, "%s is refused: %s", file, why);
}

/* Nothing behind the first three fields is looked at before these fit. */
static int check_abi(const struct fl_sink_plugin *p, const char *file, struct fl_err *err)
{
	if (p->abi_major != FL_ABI_MAJOR || p->abi_minor > FL_ABI_MINOR)
		return refuse(file, err,
			"it is built for the sink ABI %u.%u; this fastlane has %d.%d and takes "
			"%d.0 to %d.%d",
			p->abi_major, p->abi_minor, FL_ABI_MAJOR, FL_ABI_MINOR, FL_ABI_MAJOR,
			FL_ABI_MAJOR, FL_ABI_MINOR);
	if (p->size != sizeof(*p))
		return refuse(file, err,
			"its table of functions has %u bytes where ABI %u.%u has %zu: it is built "
			"with another header",
			p->size, p->abi_major, p->abi_minor, sizeof(*p));
	return 0;
}

static int check_plugin(
	const struct fl_sink_plugin *p, const char *name, const char *file, struct fl_err *err)
{
	int code = check_abi(p, file, err);
	if (code < 0)
		return code;
	if (p->name == NULL || strcmp(p->name, name) != 0)
		return refuse(file, err, "the plugin inside calls itself \"%s\", not \"%s\"",
			p->name != NULL ? p->name : "", name);
	const char *missing = p->summary == NULL  ? "summary"
			      : p->open == NULL	  ? "open"
			      : p->submit == NULL ? "submit"
			      : p->close == NULL  ? "close"
						  : NULL;
	if (missing != NULL)
		return refuse(file, err, "it has no %s, which every sink must have", missing);
	unsigned const more =
		FL_TAKES_HASHES | FL_TAKES_EXISTING | FL_TAKES_PATTERNS | FL_TAKES_ATOMIC;
	if ((p->takes & ~more) != FL_TAKES_OPERATIONS && p->takes != FL_TAKES_CHANGES)
		return refuse(file, err,
			"it says that it takes %u; it must be operations (%d) or changes (%d)",
			p->takes, FL_TAKES_OPERATIONS, FL_TAKES_CHANGES);
	struct fl_err why;
	if (fl_options_declared(p->options, &why) < 0)
		return refuse(file, err, "%s", why.text);
	return 0;
}

/* libltdl binds lazily, and whatever is wrong it says "file not found": the loader itself is asked
 * first, to bind everything at once or to tell what it is that it can't. It also keeps the module
 * resident under sanitizers, whose reports would lose its symbols (libltdl's own way of doing that
 * leaks the handle). */
static int open_module(const char *file, lt_dlhandle *ret, struct fl_err *err)
{
	int const resident = KEEP_RESIDENT ? RTLD_NODELETE : 0;
	void *probe = dlopen(file, RTLD_NOW | RTLD_LOCAL | resident);
	if (probe == NULL) {
		const char *why = dlerror();
		return fl_err_set(
			err, FL_EINVAL, "the plugin can't be loaded: %s", why != NULL ? why : file);
	}
	int code = 0;
	lt_dladvise advise;
	lt_dlhandle handle = NULL;
	if (lt_dladvise_init(&advise) == 0) {
		lt_dladvise_local(&advise);
		handle = lt_dlopenadvise(file, advise);
		lt_dladvise_destroy(&advise);
	}
	if (handle == NULL)
		code = refuse(file, err, "libltdl: %s", lt_dlerror());
	dlclose(probe);
	if (code == 0)
		*ret = handle;
	return code;
}

static int load_file(
	const char *name, const char *file, const struct fl_sink_plugin **ret, struct fl_err *err)
{
	lt_dlhandle handle = NULL;
	int code = open_module(file, &handle, err);
	if (code < 0)
		return code;
	const struct fl_sink_plugin *plugin = lt_dlsym(handle, FL_SINK_SYMBOL);
	if (plugin == NULL)
		code = refuse(
			file, err, "it does not export %s: it is no fastlane sink", FL_SINK_SYMBOL);
	else
		code = check_plugin(plugin, name, file, err);
	if (code < 0)
		goto fail;
	struct module *module = calloc(1, sizeof(*module));
	if (module == NULL) {
		code = fl_err_set(err, FL_ENOMEM, "out of memory");
		goto fail;
	}
	memcpy(module->name, name, strlen(name));
	module->handle = handle;
	module->plugin = plugin;
	module->next = modules;
	modules = module;
	*ret = plugin;
	return 0;
fail:
	lt_dlclose(handle);
	return code;
}

int fl_plugin_load(const char *name, const struct fl_sink_plugin **ret, struct fl_err *err)
{
	if (!is_plain(name))
		return fl_err_set(err, FL_EINVAL,
			"\"%s\" is no plugin's name: 1 to %d of A-Z, a-z, 0-9, _ and -, without a "
			"path",
			name, NAME_LIMIT);
	for (const struct module *module = modules; module != NULL; module = module->next) {
		if (strcmp(module->name, name) == 0) {
			*ret = module->plugin;
			return 0;
		}
	}
	char file[PATH_LIMIT];
	int code = find_file(name, file, err);
	return code < 0 ? code : load_file(name, file, ret, err);
}

int fl_plugin_load_file(const char *path, const struct fl_sink_plugin **ret, struct fl_err *err)
{
	char name[NAME_LIMIT + 1] = "", file[PATH_LIMIT];
	const char *base = strrchr(path, '/');
	size_t const tail = sizeof(suffix) - 1;
	base = base != NULL ? base + 1 : path;
	size_t const size = strlen(base);
	if (size > tail && size - tail <= NAME_LIMIT && strcmp(base + size - tail, suffix) == 0)
		memcpy(name, base, size - tail);
	if (!is_plain(name))
		return fl_err_set(err, FL_EINVAL,
			"%s is no module: its name is to be that of the plugin, A-Z, a-z, 0-9, _ "
			"and -, "
			"and %s",
			path, suffix);
	/* Without a slash it would be looked for among the system's libraries. */
	if (snprintf(file, sizeof(file), "%s%s", base == path ? "./" : "", path) >=
		(int)sizeof(file))
		return fl_err_set(err, FL_EINVAL, "the path is too long");
	return load_file(name, file, ret, err);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

void fl_plugins_each(void (*each)(void *ctx, const char *name, const char *file,
			     const struct fl_sink_plugin *plugin, const struct fl_err *err),
	void *ctx)
{
	/* All names in one buffer, each in a place of its own of equal size. */
	enum { ENTRY = NAME_LIMIT + 1 };
	struct fl_buf names = { 0 };
	char directory[PATH_LIMIT];
	for (const char *at = search_path; next_directory(&at, directory, sizeof(directory));) {
		DIR *dir = opendir(directory);
		if (dir == NULL)
			continue;
		for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
			char name[ENTRY] = { 0 };
			size_t size = strlen(entry->d_name);
			size_t const tail = sizeof(suffix) - 1;
			if (size <= tail || size - tail > NAME_LIMIT ||
				strcmp(entry->d_name + size - tail, suffix) != 0)
				continue;
			memcpy(name, entry->d_name, size - tail);
			if (is_plain(name))
				fl_buf_append(&names, name, ENTRY);
		}
		closedir(dir);
	}
	if (names.size > 0)
		qsort(names.data, names.size / ENTRY, ENTRY, compare_names);
	for (size_t i = 0; i < names.size; i += ENTRY) {
		const char *name = names.data + i;
		if (i > 0 && strcmp(name - ENTRY, name) == 0)
			continue; /* an earlier directory's hides it */
		const struct fl_sink_plugin *plugin = NULL;
		char file[PATH_LIMIT] = "";
		struct fl_err err = { 0 };
		if (find_file(name, file, &err) == 0)
			fl_plugin_load(name, &plugin, &err);
		each(ctx, name, file, plugin, &err);
	}
	fl_buf_finish(&names);
}

void fl_plugin_print_help(const struct fl_sink_plugin *plugin, FILE *to)
{
	fprintf(to, "%s - %s\n\n", plugin->name, plugin->summary);
	fprintf(to, "takes      %s\n",
		(plugin->takes & FL_TAKES_OPERATIONS) != 0
			? "operations: keys and values, by the [map:NAME] sections"
			: "changes: every row of every table, as it was changed");
	fprintf(to, "positions  %s\n",
		plugin->position != NULL ? "kept by the sink itself"
					 : "kept by fastlane, in state_dir");
	fprintf(to, "ABI        %u.%u\n", plugin->abi_major, plugin->abi_minor);
	fprintf(to, "\n[sink:NAME]\nplugin = %s\n", plugin->name);
	for (const struct fl_option *o = plugin->options; o != NULL && o->name != NULL; o++) {
		char allowed[200];
		fprintf(to, "\n%s = %s", o->name, fl_option_allowed(o, allowed, sizeof(allowed)));
		if (o->required)
			fprintf(to, "; required");
		if (o->fallback != NULL && o->type != FL_OPTION_SECRET)
			fprintf(to, "; default %s", *o->fallback != '\0' ? o->fallback : "empty");
		fprintf(to, "\n        %s\n", o->help);
	}
}
