/* SPDX-License-Identifier: Apache-2.0
 *
 * What can be told of a module before it is opened: the file, the table in it, its options.
 */
#include "kit/private.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the file ---- */

struct image {
	const uint8_t *at;
	size_t size;
	const ElfW(Shdr) * sections;
	size_t section_count;
};

/* So much of the file at an offset, or NULL. */
static const void *part(const struct image *image, uint64_t offset, uint64_t size)
{
	return offset <= image->size && size <= image->size - offset ? image->at + offset : NULL;
}

static void map_file(struct fl_kit *kit, struct image *ret)
{
	const char *path = kit->arguments->file;
	struct stat file;
	int const fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &file) != 0)
		fl_kit_fail(kit, "%s can't be read: %s", path, strerror(errno));
	if (!S_ISREG(file.st_mode) || file.st_size == 0)
		fl_kit_fail(kit, "%s is no shared object", path);
	ret->size = (size_t)file.st_size;
	ret->at = mmap(NULL, ret->size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (ret->at == MAP_FAILED)
		fl_kit_fail(kit, "%s can't be read: %s", path, strerror(errno));
	const ElfW(Ehdr) *head = part(ret, 0, sizeof(*head));
	if (head == NULL || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 || head->e_type != ET_DYN ||
		head->e_ident[EI_CLASS] !=
			(sizeof(void *) == sizeof(uint64_t) ? ELFCLASS64 : ELFCLASS32) ||
		head->e_shentsize != sizeof(*ret->sections))
		fl_kit_fail(
			kit, "%s is no shared object of this machine: link it with -shared", path);
	ret->section_count = head->e_shnum;
	ret->sections = part(ret, head->e_shoff, head->e_shnum * sizeof(*ret->sections));
	if (ret->sections == NULL)
		fl_kit_fail(kit, "%s is cut off", path);
}

/* The sanitizers' and, in old binaries, the linker's own are nobody's fault. */
static bool is_foreign(const char *name)
{
	return strncmp(name, "__", 2) == 0 || strcmp(name, "_init") == 0 ||
	       strcmp(name, "_fini") == 0 || strcmp(name, "_edata") == 0 ||
	       strcmp(name, "_end") == 0;
}

static void check_symbols(struct fl_kit *kit, const struct image *image, const ElfW(Shdr) * section)
{
	size_t const count = section->sh_size / sizeof(ElfW(Sym));
	const ElfW(Sym) *symbols = part(image, section->sh_offset, section->sh_size);
	const ElfW(Shdr) *names = section->sh_link < image->section_count
					  ? &image->sections[section->sh_link]
					  : section;
	const char *text = part(image, names->sh_offset, names->sh_size);
	bool found = false;
	if (symbols == NULL || text == NULL || names->sh_size == 0 ||
		text[names->sh_size - 1] != '\0')
		fl_kit_fail(kit, "its symbols can't be read");
	for (size_t i = 0; i < count; i++) {
		unsigned const bind = symbols[i].st_info >> 4;
		if (symbols[i].st_shndx == SHN_UNDEF || (bind != STB_GLOBAL && bind != STB_WEAK) ||
			symbols[i].st_name >= names->sh_size)
			continue;
		const char *name = text + symbols[i].st_name;
		if (strcmp(name, FL_SINK_SYMBOL) == 0)
			found = true;
		else if (!is_foreign(name))
			fl_kit_fail(kit,
				"it exports %s: only " FL_SINK_SYMBOL
				" is to be seen (make it static, or compile with "
				"-fvisibility=hidden)",
				name);
	}
	if (!found)
		fl_kit_fail(kit, "it does not export " FL_SINK_SYMBOL);
}

static bool binds_now(const struct image *image, const ElfW(Shdr) * section)
{
	size_t const count = section->sh_size / sizeof(ElfW(Dyn));
	const ElfW(Dyn) *entries = part(image, section->sh_offset, section->sh_size);
	for (size_t i = 0; entries != NULL && i < count; i++)
		if (entries[i].d_tag == DT_BIND_NOW ||
			(entries[i].d_tag == DT_FLAGS &&
				(entries[i].d_un.d_val & DF_BIND_NOW) != 0) ||
			(entries[i].d_tag == DT_FLAGS_1 && (entries[i].d_un.d_val & DF_1_NOW) != 0))
			return true;
	return false;
}

void fl_kit_check_module(struct fl_kit *kit)
{
	struct image image;
	bool has_symbols = false, now = false;
	map_file(kit, &image);
	for (size_t i = 0; i < image.section_count; i++) {
		const ElfW(Shdr) *section = &image.sections[i];
		if (section->sh_type == SHT_DYNSYM) {
			has_symbols = true;
			check_symbols(kit, &image, section);
		} else if (section->sh_type == SHT_DYNAMIC) {
			now |= binds_now(&image, section);
		}
	}
	if (!has_symbols)
		fl_kit_fail(kit, "it does not export " FL_SINK_SYMBOL);
	if (!now)
		fl_kit_fail(kit, "it is not linked with -z now: a missing symbol would show when a "
				 "row comes");
}

/* ---- the table ---- */

static bool is_line(const char *text)
{
	return text[0] != '\0' && strpbrk(text, "\r\n\t") == NULL;
}

void fl_kit_check_table(struct fl_kit *kit)
{
	fl_kit_load(kit); /* says what the loader refuses: ABI, size, name, entries, options */
	if (!is_line(kit->plugin->summary))
		fl_kit_fail(kit, "its summary is not one line");
	if (kit->plugin->abi_minor < FL_ABI_MINOR)
		fl_kit_note(kit, "ABI %u.%u, where this fastlane has %d.%d", kit->plugin->abi_major,
			kit->plugin->abi_minor, FL_ABI_MAJOR, FL_ABI_MINOR);
}

/* ---- options ---- */

/* Nothing of it may crash, and what is refused is refused in words. */
static void ask(struct fl_kit *kit, const struct fl_option *o, const char *value)
{
	struct fl_err err = { .text = "" };
	snprintf(kit->shared->call, sizeof(kit->shared->call), "check()");
	bool const taken = o->check(value, &err);
	kit->shared->call[0] = '\0';
	if (memchr(err.text, '\0', sizeof(err.text)) == NULL)
		fl_kit_fail(kit, "%s: check() leaves an error's text without an end", o->name);
	if (!taken && err.text[0] == '\0')
		fl_kit_fail(kit, "%s: check() refuses a value and does not say why", o->name);
	if (!taken && !is_line(err.text))
		fl_kit_fail(kit, "%s: check() gives a reason that is not one line", o->name);
}

void fl_kit_check_options(struct fl_kit *kit)
{
	static char long_value[20000];
	static const char *const values[] = { "", " ", ",", ":", "/", "unix:", "[::1", "a:b:c:d",
		"-1", "99999999999999999999", "\x01\x1f\x7f", "\xff\xfe", "\xf0\x9f\x98\x80",
		"%s%n" };
	fl_kit_load(kit);
	memset(long_value, 'x', sizeof(long_value) - 1);
	for (const struct fl_option *o = kit->plugin->options; o != NULL && o->name != NULL; o++) {
		struct fl_err err = { 0 };
		if (!is_line(o->help))
			fl_kit_fail(kit, "%s: its help is not one line", o->name);
		if (o->check == NULL)
			continue;
		if (o->fallback != NULL && !o->check(o->fallback, &err))
			fl_kit_fail(kit, "%s: its own check() refuses its fallback: %s", o->name,
				err.text);
		if (o->type != FL_OPTION_TEXT && o->type != FL_OPTION_SECRET &&
			o->type != FL_OPTION_FILE)
			continue;
		for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
			ask(kit, o, values[i]);
		ask(kit, o, long_value);
	}
}
