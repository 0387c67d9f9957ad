/* SPDX-License-Identifier: Apache-2.0 */
#include "remains.h"

static void destroy_one(struct fl_remains *remains)
{
	fl_options_destroy(remains->options);
	fl_buf_finish(&remains->settled);
	fl_position_finish(&remains->start);
	free(remains->origin);
	free(remains->name);
	free(remains);
}

void fl_remains_destroy(struct fl_remains *list)
{
	while (list != NULL) {
		struct fl_remains *next = list->next;
		destroy_one(list);
		list = next;
	}
}

struct fl_remains *fl_remains_take(struct fl_remains **list, const char *name)
{
	for (struct fl_remains **place = list; *place != NULL; place = &(*place)->next) {
		struct fl_remains *found = *place;
		if (strcmp(found->name, name) != 0)
			continue;
		*place = found->next;
		found->next = NULL;
		return found;
	}
	return NULL;
}

int fl_remains_keep(struct fl_remains **list, struct fl_worker *worker,
	const struct fl_worker_config *config, struct fl_options *options, const char *origin)
{
	fl_remains_destroy(fl_remains_take(list, config->name));
	struct fl_remains *made = calloc(1, sizeof(*made));
	if (made == NULL)
		return FL_ENOMEM;
	made->plugin = config->plugin;
	made->options = fl_options_ref(options);
	made->name = strdup(config->name);
	/* One that has halted is to look for its position anew: somebody may have mended it. */
	bool const halted = fl_worker_state(worker) == FL_WORKER_HALTED;
	int result = made->name != NULL ? 0 : FL_ENOMEM;
	fl_worker_remains(worker, &made->memory, halted ? NULL : &made->settled);
	if (result == 0 && origin != NULL && !halted) {
		made->origin = strdup(origin);
		result = made->origin != NULL ? fl_position_copy(config->start, &made->start)
					      : FL_ENOMEM;
	}
	if (result == 0 && !made->settled.failed) {
		made->next = *list;
		*list = made;
		return 0;
	}
	destroy_one(made);
	return FL_ENOMEM;
}
