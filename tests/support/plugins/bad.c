/* SPDX-License-Identifier: Apache-2.0
 *
 * Sinks that are broken, each in one way: BAD_... says which (see meson.build). All are refused
 * when they are loaded, but for bad_open, which fails later. Several modules are built from this
 * file.
 */
#include <fastlane/sink.h>

static enum fl_outcome open_sink(const struct fl_host *host, const struct fl_settings *settings,
	void **ret_self, struct fl_err *err)
{
	static char self;
	(void)host;
	(void)settings;
#ifdef BAD_OPEN
	*ret_self = NULL;
	(void)self;
	fl_err_set(err, FL_EFATAL, "this sink never opens");
	return FL_FAILED;
#else
	(void)err;
	*ret_self = &self;
	return FL_DONE;
#endif
}

#ifdef BAD_LINK
enum fl_outcome nobody_defines_this(void);
#endif

#ifndef BAD_SUBMIT
static enum fl_outcome submit(void *self, const struct fl_batch *batch, struct fl_err *err)
{
	(void)self;
	(void)batch;
	(void)err;
#ifdef BAD_LINK
	return nobody_defines_this();
#else
	return FL_DONE;
#endif
}
#endif

static void close_sink(void *self)
{
	(void)self;
}

#ifdef BAD_OPTION
static const struct fl_option options[] = {
	{ .name = "level",
		.type = FL_OPTION_INT,
		.minimum = 1,
		.maximum = 9,
		.fallback = "10",
		.help = "a fallback that does not fit" },
	{ .name = NULL },
};
#endif

const struct fl_sink_plugin fl_sink_plugin = {
#ifdef BAD_MAJOR
	.abi_major = FL_ABI_MAJOR + 1,
#else
	.abi_major = FL_ABI_MAJOR,
#endif
#ifdef BAD_MINOR
	.abi_minor = FL_ABI_MINOR + 1,
#else
	.abi_minor = FL_ABI_MINOR,
#endif
#ifdef BAD_SIZE
	.size = sizeof(struct fl_sink_plugin) - sizeof(void *),
#else
	.size = sizeof(struct fl_sink_plugin),
#endif
#ifdef BAD_NAME
	.name = "somebody_else",
#else
	.name = MODULE_NAME,
#endif
	.summary = "a sink that is broken on purpose",
#ifdef BAD_OPTION
	.options = options,
#endif
#ifndef BAD_TAKES
	.takes = FL_TAKES_CHANGES,
#endif
	.open = open_sink,
#ifndef BAD_SUBMIT
	.submit = submit,
#endif
	.close = close_sink,
};
