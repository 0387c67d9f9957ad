/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Below those that the system gives to outgoing connections, so that a server that is started again
 * finds it free. */
unsigned free_port(void)
{
	enum { FIRST = 10001, BEHIND = 32768 };
	for (unsigned tries = 0;; tries++) {
		unsigned number;
		cr_assert(getrandom(&number, sizeof(number), 0) == sizeof(number));
		struct sockaddr_in address = { .sin_family = AF_INET,
			.sin_port = htons((uint16_t)(FIRST + number % (BEHIND - FIRST))),
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		bool is_free = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
		close(fd);
		if (is_free)
			return ntohs(address.sin_port);
		cr_assert(tries < 1000, "no port is free");
	}
}

static void run(const struct server *server, const char *command, const char *options)
{
	char line[1024];
	const char *scripts = getenv("FL_SERVERS");
	cr_assert(scripts != NULL, "FL_SERVERS is not set");
	snprintf(line, sizeof(line), "'%s/%s' %s '%s' %s >'%s.log' 2>&1", scripts, server->script,
		command, server->dir, options, server->dir);
	cr_assert(system(line) == 0, "failed: %s", line);
}

/* Ends the server when the test's end of the pipe closes, be it by server_end() or by a crash. */
static void keep(struct server *server)
{
	int ends[2];
	cr_assert(pipe2(ends, 0) == 0);
	server->keeper = fork();
	cr_assert(server->keeper >= 0);
	if (server->keeper == 0) {
		char line[1024], byte;
		/* Nothing else of the test's, such as another server's guard. */
		dup2(ends[0], STDIN_FILENO);
		close_range(3, ~0U, 0);
		setsid();
		while (read(STDIN_FILENO, &byte, 1) > 0)
			;
		snprintf(line, sizeof(line), "'%s/%s' kill '%s'; rm -rf '%s' '%s.log'",
			getenv("FL_SERVERS"), server->script, server->dir, server->dir,
			server->dir);
		execl("/bin/sh", "sh", "-c", line, (char *)NULL);
		_exit(127);
	}
	close(ends[0]);
	server->guard = fcntl(ends[1], F_DUPFD_CLOEXEC, 3);
	close(ends[1]);
	cr_assert(server->guard >= 0);
}

static void start(struct server *server, const char *options)
{
	char line[512];
	snprintf(line, sizeof(line), "%u %s", server->port, options);
	run(server, "start", line);
	run(server, "wait-ready", "20");
	snprintf(line, sizeof(line), "%s/pid", server->dir);
	FILE *file = fopen(line, "re");
	cr_assert(file != NULL && fscanf(file, "%d", &server->pid) == 1);
	fclose(file);
}

void server_start(struct server *server, const char *script, const char *options)
{
	server->script = script;
	snprintf(server->dir, sizeof(server->dir), "/tmp/fl-conformance-XXXXXX");
	cr_assert(mkdtemp(server->dir) != NULL);
	server->port = free_port();
	keep(server);
	start(server, options);
}

void server_restart(struct server *server, const char *options)
{
	start(server, options);
}

/* Whether every thread stands still. */
static bool is_stopped(int pid)
{
	char path[512], state = 'T';
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *tasks = opendir(path);
	cr_assert(tasks != NULL);
	for (struct dirent *task; state == 'T' && (task = readdir(tasks)) != NULL;) {
		if (task->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", pid, task->d_name);
		FILE *file = fopen(path, "re");
		cr_assert(file == NULL || fscanf(file, "%*d (%*[^)]) %c", &state) == 1);
		if (file != NULL)
			fclose(file);
	}
	closedir(tasks);
	return state == 'T';
}

void server_signal(struct server *server, int signal)
{
	cr_assert(kill(server->pid, signal) == 0);
	/* It may take a moment until the last thread has noticed. */
	while (signal == SIGSTOP && !is_stopped(server->pid))
		;
}

void server_kill(struct server *server)
{
	run(server, "kill", "");
}

void server_end(struct server *server)
{
	close(server->guard);
	waitpid(server->keeper, NULL, 0);
}
