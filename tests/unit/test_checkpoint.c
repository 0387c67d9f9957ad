/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint.h"

static char folder[] = "/tmp/fastlane-checkpoint-XXXXXX";

static void make_folder(void)
{
	cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void)
{
	static const char *const names[] = { "hot.position", "hot.position.new", "fastlane.lock" };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char path[128];
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
}

TestSuite(checkpoint, .init = make_folder, .fini = remove_folder);

static int save(const char *text)
{
	struct fl_err err;
	return fl_checkpoint_save(folder, "hot", (struct fl_bytes){ text, strlen(text) }, &err);
}

static FILE *open_file(const char *mode)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/hot.position", folder);
	FILE *file = fopen(path, mode);
	cr_assert_not_null(file);
	return file;
}

static void put(const char *content, size_t size)
{
	FILE *file = open_file("w");
	cr_assert_eq(fwrite(content, 1, size, file), size);
	fclose(file);
}

static size_t get(char *content, size_t room)
{
	FILE *file = open_file("r");
	size_t size = fread(content, 1, room, file);
	fclose(file);
	return size;
}

Test(checkpoint, there_is_none_at_first)
{
	struct fl_buf text = { 0 };
	struct fl_err err;
	cr_expect_eq(fl_checkpoint_load(folder, "hot", &text, &err), 0);
	cr_expect_eq(text.size, 0);
	fl_buf_finish(&text);
}

Test(checkpoint, the_last_one_saved_is_loaded)
{
	struct fl_buf text = { 0 };
	struct fl_err err;
	cr_assert_eq(save("1 pos=4 gtid=- file=a"), 0);
	cr_assert_eq(save("1 pos=9 gtid=- file=b c"), 0);
	cr_assert_eq(fl_checkpoint_load(folder, "hot", &text, &err), 1);
	fl_buf_char(&text, '\0');
	cr_expect_str_eq(text.data, "1 pos=9 gtid=- file=b c");
	fl_buf_finish(&text);
}

Test(checkpoint, a_long_one_comes_back_whole)
{
	struct fl_buf long_text = { 0 }, text = { 0 };
	struct fl_err err;
	for (int i = 0; i < 5000; i++)
		fl_buf_text(&long_text, "0123456789");
	cr_assert_eq(fl_checkpoint_save(folder, "hot",
			     (struct fl_bytes){ long_text.data, long_text.size }, &err),
		0);
	cr_assert_eq(fl_checkpoint_load(folder, "hot", &text, &err), 1);
	cr_assert_eq(text.size, long_text.size);
	cr_expect_eq(memcmp(text.data, long_text.data, text.size), 0);
	fl_buf_finish(&long_text);
	fl_buf_finish(&text);
}

static void expect_refused(const char *content, size_t size, const char *reason)
{
	struct fl_buf text = { 0 };
	struct fl_err err = { 0 };
	put(content, size);
	cr_expect_eq(
		fl_checkpoint_load(folder, "hot", &text, &err), FL_ECORRUPT, "%zu bytes", size);
	cr_expect_not_null(strstr(err.text, reason), "%zu bytes: %s", size, err.text);
	cr_expect_eq(text.size, 0);
	fl_buf_finish(&text);
}

Test(checkpoint, a_file_that_is_torn_is_refused)
{
	char whole[400];
	cr_assert_eq(save("1 pos=4 gtid=- file=a"), 0);
	size_t const size = get(whole, sizeof(whole));
	for (size_t i = 0; i < size; i++) {
		expect_refused(whole, i, "hot.position is damaged");
		for (unsigned bit = 0; bit < 8; bit++) {
			whole[i] ^= (char)(1u << bit);
			expect_refused(whole, size, "hot.position is");
			whole[i] ^= (char)(1u << bit);
		}
	}
	static const char *const others[] = { "", "\n", "1 pos=4 gtid=- file=a\n",
		"fastlane position 1 sink=hot crc32=00000000\n" };
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		expect_refused(others[i], strlen(others[i]), "not a file of fastlane's");
}

Test(checkpoint, a_file_of_another_sink_is_refused)
{
	char whole[400];
	struct fl_err err;
	cr_assert_eq(fl_checkpoint_save(folder, "warm",
			     (struct fl_bytes){ "1 pos=4 gtid=- file=a", 21 }, &err),
		0);
	char from[128], to[128];
	snprintf(from, sizeof(from), "%s/warm.position", folder);
	snprintf(to, sizeof(to), "%s/hot.position", folder);
	cr_assert_eq(rename(from, to), 0);
	expect_refused(whole, get(whole, sizeof(whole)), "is that of the sink warm");
}

Test(checkpoint, what_can_not_be_written_is_an_error_and_keeps_the_old_one)
{
	struct fl_buf text = { 0 };
	struct fl_err err;
	cr_assert_eq(save("old"), 0);
	/* A folder in the way of the new file: even root can't write it. */
	char path[128];
	snprintf(path, sizeof(path), "%s/hot.position.new", folder);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_expect_eq(
		fl_checkpoint_save(folder, "hot", (struct fl_bytes){ "new", 3 }, &err), FL_EIO);
	cr_expect_not_null(strstr(err.text, path));
	cr_expect_eq(fl_checkpoint_load(folder, "hot", &text, &err), 1);
	cr_expect(text.size == 3 && memcmp(text.data, "old", 3) == 0);
	rmdir(path);
	fl_buf_finish(&text);
}

Test(checkpoint, a_folder_is_one_process_s_at_a_time)
{
	struct fl_err err;
	int first, second;
	cr_assert_eq(fl_checkpoint_lock(folder, &first, &err), 0);
	cr_expect_eq(fl_checkpoint_lock(folder, &second, &err), FL_EIO);
	cr_expect_not_null(strstr(err.text, "another fastlane"));
	close(first);
	cr_assert_eq(fl_checkpoint_lock(folder, &second, &err), 0);
	close(second);
}
