/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a fuzz target without libFuzzer: replay DIRECTORY feeds it each file there, and every
 * truncation of it, in memory of exact size. Fails if there is no file.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "target.h"

/* A file's content in memory of its size, or NULL. */
static uint8_t *read_file(const char *path, size_t *ret_size)
{
	struct stat status;
	FILE *file = fopen(path, "rb");
	if (file == NULL || fstat(fileno(file), &status) != 0 || !S_ISREG(status.st_mode)) {
		if (file != NULL)
			fclose(file);
		return NULL;
	}
	size_t size = (size_t)status.st_size;
	uint8_t *data = malloc(size > 0 ? size : 1);
	if (data != NULL && fread(data, 1, size, file) != size) {
		free(data);
		data = NULL;
	}
	fclose(file);
	*ret_size = size;
	return data;
}

static void feed(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size > 0 ? size : 1);
	must(copy != NULL);
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

int main(int argc, char **argv)
{
	DIR *directory = argc == 2 ? opendir(argv[1]) : NULL;
	if (directory == NULL) {
		fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
		return 2;
	}
	unsigned files = 0;
	for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
		if (entry->d_name[0] == '.')
			continue;
		char path[4096];
		size_t whole = 0;
		int length = snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
		must(length > 0 && (size_t)length < sizeof(path));
		uint8_t *data = read_file(path, &whole);
		if (data == NULL) {
			fprintf(stderr, "%s: can't be read\n", path);
			closedir(directory);
			return 1;
		}
		for (size_t size = 0; size <= whole; size++)
			feed(data, size);
		free(data);
		files++;
	}
	closedir(directory);
	printf("%u files\n", files);
	return files > 0 ? 0 : 1;
}
