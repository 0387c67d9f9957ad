/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a fuzz target without libFuzzer: replay DIRECTORY feeds it each file there, and every
 * truncation of it, in memory of exact size. Fails if there is no file; and, where AddressSanitizer
 * counts, if the target ever holds more memory than an input of that size may ask for.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "target.h"

#ifdef __has_feature
#define HAS_ASAN __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#else
#define HAS_ASAN 0
#endif
#if HAS_ASAN
/* Of <sanitizer/allocator_interface.h>, which gcc comes without. */
int __sanitizer_install_malloc_and_free_hooks(
	void (*)(const volatile void *, size_t), void (*)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *);
/* Freed memory is soon used again, which is several times as fast. */
const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *__asan_default_options(void)
{
	return "quarantine_size_mb=8";
}
#endif

/* The memory that an input of this size may ask for. */
static size_t allowed(size_t size)
{
	enum { SMALL = 1024, FOR_SMALL = 8 << 20, FOR_OTHERS = 64 << 20 };
	return size <= SMALL ? FOR_SMALL : FOR_OTHERS;
}

/* Of this process, libraries included. */
static ptrdiff_t held, most_held;

#if HAS_ASAN
static void note_malloc(const volatile void *at, size_t size)
{
	(void)at;
	held += (ptrdiff_t)size;
	if (held > most_held)
		most_held = held;
}

static void note_free(const volatile void *at)
{
	held -= (ptrdiff_t)__sanitizer_get_allocated_size(at);
}
#endif

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

/* The most memory that it took at once. */
static size_t feed(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size > 0 ? size : 1);
	must(copy != NULL);
	memcpy(copy, data, size);
	ptrdiff_t const before = held;
	most_held = held;
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
	return (size_t)(most_held - before);
}

int main(int argc, char **argv)
{
	DIR *directory = argc == 2 ? opendir(argv[1]) : NULL;
	if (directory == NULL) {
		fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
		return 2;
	}
#if HAS_ASAN
	must(__sanitizer_install_malloc_and_free_hooks(note_malloc, note_free) > 0);
#endif
	unsigned files = 0, hungry = 0;
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
		for (size_t size = 0; size <= whole; size++) {
			size_t most = feed(data, size);
			if (most <= allowed(size))
				continue;
			fprintf(stderr, "%s: its first %zu bytes take %zu bytes of memory\n", path,
				size, most);
			hungry++;
			break;
		}
		free(data);
		files++;
	}
	closedir(directory);
	printf("%u files\n", files);
	return files > 0 && hungry == 0 ? 0 : 1;
}
