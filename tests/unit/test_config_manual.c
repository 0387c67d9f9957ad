/* SPDX-License-Identifier: Apache-2.0
 *
 * That the manual and the example have each key.
 */
#include "config_fixture.h"

Test(config, every_key_is_in_the_manual_and_in_the_example)
{
	static const char *const sections[] = { "fastlane", "source", "http", "sink", "map" };
	struct fl_buf manual = { 0 }, example = { 0 };
	read_all(TEST_SOURCES "/etc/fastlane.ini.5", &manual);
	read_all(TEST_SOURCES "/etc/fastlane.ini", &example);
	for (size_t s = 0; s < sizeof(sections) / sizeof(sections[0]); s++) {
		const struct fl_option *keys = fl_config_keys(sections[s]);
		cr_assert_not_null(keys);
		cr_expect_eq(fl_options_declared(keys, NULL), 0);
		for (const struct fl_option *key = keys; key->name != NULL; key++) {
			char heading[80], setting[80];
			snprintf(heading, sizeof(heading), "\n.B %s\n", key->name);
			snprintf(setting, sizeof(setting), "%s = ", key->name);
			cr_expect_not_null(
				strstr(manual.data, heading), "%s: no heading", key->name);
			cr_expect_not_null(
				strstr(example.data, setting), "%s: not shown", key->name);
			if (key->fallback != NULL)
				cr_expect_not_null(strstr(manual.data, key->fallback));
		}
	}
	cr_expect_null(fl_config_keys("sink:hot"));
	fl_buf_finish(&manual);
	fl_buf_finish(&example);
}

/* Whether an example of the entry sets the key, to `value` if that is given: "; or a, b" behind the
 * value names others. */
static bool is_shown(
	const char *entry, size_t size, const char *key, const char *value, size_t value_size)
{
	static const char mark[] = ".\\\" example";
	bool inside = false;
	for (const char *line = entry, *end; line < entry + size; line = end + 1) {
		end = memchr(line, '\n', (size_t)(entry + size - line));
		if (end == NULL)
			break;
		size_t const length = (size_t)(end - line);
		if (length == sizeof(mark) - 1 && memcmp(line, mark, length) == 0)
			inside = true;
		else if (length == 3 && memcmp(line, ".fi", 3) == 0)
			inside = false;
		if (!inside || length < strlen(key) + 3 || strncmp(line, key, strlen(key)) != 0 ||
			memcmp(line + strlen(key), " = ", 3) != 0)
			continue;
		struct fl_buf words = { 0 }; /* "-" is "\-" in the page */
		fl_buf_char(&words, ' ');
		for (const char *at = line + strlen(key) + 3; at < end; at++)
			if (*at != '\\')
				fl_buf_char(&words, *at == ',' ? ' ' : *at);
		fl_buf_text(&words, " ");
		fl_buf_char(&words, '\0');
		char wanted[64];
		snprintf(wanted, sizeof(wanted), " %.*s ", (int)value_size, value);
		bool const found = value_size == 0 || strstr(words.data, wanted) != NULL;
		fl_buf_finish(&words);
		if (found)
			return true;
	}
	return false;
}

Test(config, every_key_and_every_choice_has_an_example_in_the_manual)
{
	static const struct {
		const char *section, *heading;
	} sections[] = { { "fastlane", "\n.SH [fastlane]\n" }, { "source", "\n.SH [source]\n" },
		{ "http", "\n.SH [http]\n" }, { "sink", "\n.SH [sink:NAME]\n" },
		{ "map", "\n.SH [map:NAME]\n" } };
	struct fl_buf manual = { 0 };
	read_all(TEST_SOURCES "/etc/fastlane.ini.5", &manual);
	for (size_t s = 0; s < sizeof(sections) / sizeof(sections[0]); s++) {
		const char *section = strstr(manual.data, sections[s].heading);
		cr_assert_not_null(section, "%s", sections[s].heading);
		const char *section_end = strstr(section + 1, "\n.SH ");
		cr_assert_not_null(section_end);
		for (const struct fl_option *key = fl_config_keys(sections[s].section);
			key->name != NULL; key++) {
			char heading[80];
			snprintf(heading, sizeof(heading), "\n.TP\n.B %s\n", key->name);
			const char *entry = strstr(section, heading);
			cr_assert(entry != NULL && entry < section_end, "%s: no entry", key->name);
			const char *end = strstr(entry + 1, "\n.TP\n");
			end = end != NULL && end < section_end ? end : section_end;
			size_t const size = (size_t)(end - entry);
			cr_expect(is_shown(entry, size, key->name, "", 0), "%s: no example",
				key->name);
			for (const char *at = key->choices; at != NULL && *at != '\0';) {
				size_t const length = strcspn(at, "|");
				cr_expect(is_shown(entry, size, key->name, at, length),
					"%s: no example of %.*s", key->name, (int)length, at);
				at += length + (at[length] == '|');
			}
		}
	}
	fl_buf_finish(&manual);
}

/* Appends `text` with every `from` in it as `to`. */
static void replace(struct fl_buf *out, const char *text, const char *from, const char *to)
{
	for (const char *at; (at = strstr(text, from)) != NULL; text = at + strlen(from)) {
		fl_buf_append(out, text, (size_t)(at - text));
		fl_buf_text(out, to);
	}
	fl_buf_append(out, text, strlen(text) + 1);
}

Test(config, example_is_right_once_its_places_are_there)
{
	/* What has to be there, and the sections that are commented out. */
	char secret[] = "/tmp/fastlane-test-XXXXXX";
	const char *const changes[][2] = { { "/var/lib/fastlane", "/tmp" },
		{ "${CREDENTIALS_DIRECTORY}/password", secret }, { ";[sink:", "[sink:" },
		{ ";plugin = ", "plugin = " }, { ";servers = ", "servers = " },
		{ ";sinks = ", "sinks = " } };
	struct fl_buf text = { 0 };
	write_file(secret, 0600, "x", 1);
	read_all(TEST_SOURCES "/etc/fastlane.ini", &text);
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		struct fl_buf changed = { 0 };
		cr_expect_not_null(strstr(text.data, changes[i][0]), "%s", changes[i][0]);
		replace(&changed, text.data, changes[i][0], changes[i][1]);
		fl_buf_finish(&text);
		text = changed;
		if (i != 1 && i + 1 != sizeof(changes) / sizeof(*changes))
			continue;
		/* As it is, and with all of its sections. */
		char path[] = "/tmp/fastlane-test-XXXXXX";
		write_file(path, 0600, text.data, text.size - 1);
		struct fl_config *config = load_good(path);
		cr_expect_eq(config->sink_count, i == 1 ? 1 : 3);
		cr_expect_eq(config->rule_count, 2);
		fl_config_destroy(config);
		unlink(path);
	}
	fl_buf_finish(&text);
	unlink(secret);
}
