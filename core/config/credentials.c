/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that systemd hands to a service (LoadCredential=) lie in a folder that it names in the
 * environment. Where nobody has named one, it is the configuration's own: the same file can then be
 * checked by hand.
 */
#include "config/private.h"

static const char variable[] = "${CREDENTIALS_DIRECTORY}/";

/* The folder of a file, with the last slash. */
static struct fl_bytes folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL ? (struct fl_bytes){ path, (size_t)(slash - path) + 1 }
			     : (struct fl_bytes){ "./", 2 };
}

static char *in_folder(struct fl_loader *l, const char *name)
{
	const char *given = getenv("CREDENTIALS_DIRECTORY");
	bool const is_given = given != NULL && *given != '\0';
	struct fl_bytes const folder =
		is_given ? (struct fl_bytes){ given, strlen(given) } : folder_of(l->problems.path);
	size_t const size = strlen(name) + 1;
	char *path = fl_arena_alloc(&l->memory->arena, folder.size + 1 + size);
	if (path == NULL) {
		l->problems.no_memory = true;
		return NULL;
	}
	memcpy(path, folder.data, folder.size);
	path[folder.size] = '/';
	memcpy(path + folder.size + is_given, name, size);
	return path;
}

void fl_loader_credentials(struct fl_loader *l)
{
	for (struct fl_section *section = l->sections; section != NULL; section = section->next)
		for (struct fl_setting *s = section->settings; s != NULL; s = s->next) {
			if (strcmp(section->kind, "map") == 0 ||
				strncmp(s->value, variable, sizeof(variable) - 1) != 0)
				continue;
			char *path = in_folder(l, s->value + sizeof(variable) - 1);
			if (path == NULL)
				return;
			s->value = path;
		}
}
