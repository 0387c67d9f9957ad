/* SPDX-License-Identifier: Apache-2.0 */
#include "http/library.h"

#include <dlfcn.h>

/* As all versions with the functions of this header are called. */
#define FILE_NAME "libmicrohttpd.so.12"

struct fl_mhd fl_mhd;

int fl_mhd_open(struct fl_err *err)
{
	static const struct {
		const char *name;
		size_t at;
	} functions[] = {
#define FL_MHD_ENTRY(function) { "MHD_" #function, offsetof(struct fl_mhd, function) },
		FL_MHD_FUNCTIONS(FL_MHD_ENTRY)
#undef FL_MHD_ENTRY
	};
	if (fl_mhd.run != NULL)
		return 0;
	struct fl_mhd found = { 0 };
	void *library = dlopen(FILE_NAME, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		return fl_err_set(err, FL_EIO,
			"[http] needs libmicrohttpd: %s (Debian: apt-get install libmicrohttpd12)",
			dlerror());
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		void *function = dlsym(library, functions[i].name);
		if (function == NULL) {
			dlclose(library);
			return fl_err_set(err, FL_EIO, FILE_NAME " has no %s: it is too old",
				functions[i].name);
		}
		memcpy((char *)&found + functions[i].at, &function, sizeof(function));
	}
	fl_mhd = found;
	return 0;
}
