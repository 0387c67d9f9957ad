/* SPDX-License-Identifier: Apache-2.0
 *
 * usage: measure FILE COMMAND...
 *
 * Runs a command and writes to FILE what it took: seconds, seconds of processor time in user and in
 * system mode, and the peak of memory in KiB. A process's peak counts what its parent was before
 * exec(), so that it is to be started by a small one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	int status;
	struct rusage usage;
	if (argc < 3)
		return 2;
	double const started = now();
	pid_t const child = fork();
	if (child == 0) {
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}
	if (child < 0 || wait4(child, &status, 0, &usage) != child)
		return 1;
	double const seconds = now() - started;
	FILE *file = fopen(argv[1], "w");
	if (file == NULL)
		return 1;
	fprintf(file, "%.6f %.6f %.6f %ld\n", seconds, seconds_of(usage.ru_utime),
		seconds_of(usage.ru_stime), usage.ru_maxrss);
	if (fclose(file) != 0)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
