/* SPDX-License-Identifier: Apache-2.0 */
#include "source/hosts.h"

unsigned fl_hosts_current(struct fl_hosts *hosts)
{
	pthread_mutex_lock(&hosts->mutex);
	unsigned current = hosts->current;
	pthread_mutex_unlock(&hosts->mutex);
	return current;
}

void fl_hosts_use(struct fl_hosts *hosts, unsigned host)
{
	pthread_mutex_lock(&hosts->mutex);
	hosts->current = host;
	pthread_mutex_unlock(&hosts->mutex);
}

bool fl_hosts_is_checked(struct fl_hosts *hosts, const char *identity)
{
	pthread_mutex_lock(&hosts->mutex);
	bool is_checked = strcmp(hosts->checked, identity) == 0;
	pthread_mutex_unlock(&hosts->mutex);
	return is_checked;
}

void fl_hosts_set_checked(struct fl_hosts *hosts, const char *identity)
{
	pthread_mutex_lock(&hosts->mutex);
	snprintf(hosts->checked, sizeof(hosts->checked), "%s", identity);
	pthread_mutex_unlock(&hosts->mutex);
}
