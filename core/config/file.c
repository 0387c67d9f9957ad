/* SPDX-License-Identifier: Apache-2.0 */
#include "config/file.h"

#include <errno.h>
#include <ini.h>

/* Limits of inih as Debian builds it: it cuts what is longer, without a word. */
enum { LINE_LIMIT = 198, NAME_LIMIT = 49 };
enum { VALUE_LIMIT = 16384 }; /* of several lines */

/* As isspace() has it, for inih. */
#define WHITE " \t\r\v\f"

struct fl_problem {
	struct fl_problem *next;
	unsigned line;
	bool fatal;
	char text[];
};

struct reader {
	FILE *file;
	char *text; /* of the line that inih is at, as it is in the file */
	size_t capacity;
	unsigned line;
	int error; /* errno of the last read */
	struct fl_arena *memory;
	struct fl_problems *problems;
	struct fl_section *sections, **last;
	struct fl_section *section; /* the one we are in; NULL: a broken one, whose keys are lost */
	bool before_any;	    /* section */
	struct fl_setting *setting; /* of the last line with a key; NULL: it is lost */
	size_t room;		    /* of its value, in the arena */
	bool goes_on;		    /* the line, in the next one ... */
	bool continues;		    /* ... and it is the next of one that does */
};

void fl_problem(struct fl_problems *problems, bool fatal, unsigned line, const char *format, ...)
{
	char text[1024];
	va_list args;
	int head = snprintf(text, sizeof(text), "%s:%u: ", problems->path, line);
	size_t at = head < 0 || (size_t)head >= sizeof(text) ? 0 : (size_t)head;
	va_start(args, format);
	vsnprintf(text + at, sizeof(text) - at, format, args);
	va_end(args);

	size_t size = strlen(text) + 1;
	struct fl_problem *problem = fl_arena_alloc(problems->memory, sizeof(*problem) + size);
	problems->count++;
	problems->fatal += fatal;
	if (problem == NULL) {
		problems->no_memory = true;
		return;
	}
	problem->line = line;
	problem->fatal = fatal;
	memcpy(problem->text, text, size);
	struct fl_problem **place = &problems->first;
	while (*place != NULL && (*place)->line <= line)
		place = &(*place)->next;
	problem->next = *place;
	*place = problem;
}

void fl_problems_report(struct fl_problems *problems,
	void (*report)(void *ctx, bool fatal, const char *line), void *ctx)
{
	for (const struct fl_problem *p = problems->first; p != NULL; p = p->next)
		report(ctx, p->fatal, p->text);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Where inih lets a comment begin: at a semicolon behind white space. */
static const char *inline_comment(const char *text)
{
	for (const char *at = text; *at != '\0'; at++)
		if (*at == ';' && at > text && strchr(WHITE, at[-1]) != NULL)
			return at;
	return NULL;
}

/* How much of a line is no comment, without blanks at the end. */
static size_t content(const char *text)
{
	const char *comment = inline_comment(text);
	size_t size = comment != NULL ? (size_t)(comment - text) : strlen(text);
	while (size > 0 && strchr(WHITE, text[size - 1]) != NULL)
		size--;
	return size;
}

/* Whether it ends in a blank and a backslash, which the size is then without. */
static bool take_backslash(const char *text, size_t *size)
{
	if (*size < 2 || text[*size - 1] != '\\' || !is_blank(text[*size - 2]))
		return false;
	*size -= 2;
	while (*size > 0 && is_blank(text[*size - 1]))
		--*size;
	return true;
}

static char *copy(struct reader *r, const char *text, size_t size)
{
	char *made = fl_arena_copy(r->memory, text, size);
	if (made == NULL)
		r->problems->no_memory = true;
	return made;
}

static void begin_section(struct reader *r)
{
	const char *end = strchr(r->text, ']');
	r->section = NULL;
	r->before_any = false;
	if (end == NULL) {
		fl_problem(r->problems, true, r->line, "the section has no closing ]");
		return;
	}
	const char *rest = end + 1 + strspn(end + 1, " \t");
	size_t size = (size_t)(end - r->text) - 1;
	if (*rest != '\0' && *rest != ';' && *rest != '#') {
		fl_problem(r->problems, true, r->line,
			"something stands behind the section's ]; a key begins a line of its own");
		return;
	}
	if (size > NAME_LIMIT) {
		fl_problem(r->problems, true, r->line,
			"the section's name has %zu bytes; %d are allowed", size, NAME_LIMIT);
		return;
	}
	char *text = copy(r, r->text + 1, size);
	char *kind = copy(r, r->text + 1, size);
	struct fl_section *section = fl_arena_alloc(r->memory, sizeof(*section));
	if (text == NULL || kind == NULL || section == NULL) {
		r->problems->no_memory = true;
		return;
	}
	char *colon = strchr(kind, ':');
	if (colon != NULL)
		*colon = '\0';
	*section = (struct fl_section){
		.kind = kind,
		.name = colon != NULL ? colon + 1 : NULL,
		.text = text,
		.line = r->line,
		.last = &section->settings,
	};
	*r->last = section;
	r->last = &section->next;
	r->section = section;
}

/* A line behind one that goes on: whether inih may see it. A comment may stand between the two. */
static bool check_continuation(struct reader *r, size_t length)
{
	const char *start = r->text + strspn(r->text, WHITE);
	size_t size = content(r->text);
	if (*start == ';' || *start == '#')
		return false;
	r->goes_on = take_backslash(r->text, &size);
	if (start == r->text || size == 0) {
		fl_problem(r->problems, true, r->line,
			"the line above ends in a backslash: what goes on there begins with white "
			"space and is not empty");
		r->goes_on = false;
		r->setting = NULL;
		return false;
	}
	if (length > LINE_LIMIT) {
		fl_problem(r->problems, true, r->line, "the line has %zu bytes; %d are allowed",
			length, LINE_LIMIT);
		r->setting = NULL;
	}
	r->continues = r->setting != NULL;
	return r->continues;
}

/* Whether inih may see the line. What is in it is not repeated: it may be a secret. */
static bool check_line(struct reader *r, size_t size)
{
	const char *text = r->text;
	if (memchr(text, '\0', size) != NULL) {
		fl_problem(r->problems, true, r->line, "there is a NUL byte in the line");
		return false;
	}
	const char *start = text + strspn(text, WHITE);
	if (r->goes_on)
		return check_continuation(r, size);
	if (*start == '\0' || *start == ';' || *start == '#')
		return false; /* for a blank one there is nothing to do either */
	if (start != text) {
		fl_problem(r->problems, true, r->line,
			"the line begins with white space: begin it in the first column, or end "
			"the line above in a blank and a backslash if it is to go on here");
		return false;
	}
	size_t inner = content(text);
	r->setting = NULL;
	r->goes_on = *text != '[' && take_backslash(text, &inner);
	if (size > LINE_LIMIT) {
		fl_problem(r->problems, true, r->line,
			"the line has %zu bytes; %d are allowed: end it in a blank and a "
			"backslash, and go on in the next one, which begins with white space",
			size, LINE_LIMIT);
		if (*text == '[')
			r->section = NULL;
		r->before_any &= *text != '[';
		return false;
	}
	if (*text == '[') {
		begin_section(r);
		return r->section != NULL;
	}
	const char *sign = strpbrk(text, "=:");
	const char *comment = inline_comment(text);
	if (sign == NULL || (comment != NULL && comment < sign)) {
		fl_problem(r->problems, true, r->line,
			"the line is neither a [section] nor a key = value");
		return false;
	}
	size_t name_size = (size_t)(sign - text);
	while (name_size > 0 && is_blank(text[name_size - 1]))
		name_size--;
	if (name_size == 0 || name_size > NAME_LIMIT) {
		fl_problem(r->problems, true, r->line,
			"the key in front of %c has %zu bytes; 1 to %d are allowed", *sign,
			name_size, NAME_LIMIT);
		return false;
	}
	return true;
}

/* Stands in for fgets(): gives inih the next line, an empty one where it is not to see it. */
static char *read_line(char *to, int size, void *stream)
{
	struct reader *r = stream;
	ssize_t got = getline(&r->text, &r->capacity, r->file);
	if (got < 0) {
		r->error = errno;
		return NULL;
	}
	size_t length = (size_t)got;
	r->line++;
	r->continues = false;
	length -= length > 0 && r->text[length - 1] == '\n';
	length -= length > 0 && r->text[length - 1] == '\r';
	r->text[length] = '\0';
	if (r->line == 1 && length >= 3 && memcmp(r->text, "\xef\xbb\xbf", 3) == 0) {
		length -= 3;
		memmove(r->text, r->text + 3, length + 1); /* a byte order mark */
	}
	bool shown = check_line(r, length) && length + 2 <= (size_t)size;
	memcpy(to, shown ? r->text : "", shown ? length : 0);
	memcpy(to + (shown ? length : 0), "\n", 2);
	return to;
}

/* The setting goes on: a blank stands between its lines. */
static void join(struct reader *r, const char *text)
{
	struct fl_setting *setting = r->setting;
	size_t added = content(text), size = strlen(setting->value);
	take_backslash(text, &added);
	setting->cut |= inline_comment(r->text) != NULL;
	size_t const total = size + (size > 0) + added;
	if (total > VALUE_LIMIT) {
		fl_problem(r->problems, true, r->line, "the value has more than %d bytes",
			VALUE_LIMIT);
		r->setting = NULL;
		return;
	}
	if (total >= r->room) {
		r->room = 2 * total + 1;
		char *grown = fl_arena_alloc(r->memory, r->room);
		if (grown == NULL) {
			r->problems->no_memory = true;
			r->setting = NULL;
			return;
		}
		memcpy(grown, setting->value, size);
		setting->value = grown;
	}
	if (size > 0)
		setting->value[size] = ' ';
	memcpy(setting->value + total - added, text, added);
	setting->value[total] = '\0';
}

static int take_setting(void *user, const char *section_text, const char *key, const char *value)
{
	struct reader *r = user;
	if (r->continues) {
		join(r, value);
		return 1;
	}
	(void)section_text; /* inih's own, which may be of an earlier section that was not broken */
	if (r->before_any)
		fl_problem(r->problems, true, r->line,
			"%s stands before the first section; allowed are [fastlane], [source], "
			"[http], "
			"[sink:NAME] and [map:NAME] above it",
			key);
	if (r->section == NULL)
		return 1;
	struct fl_setting *setting = fl_arena_alloc(r->memory, sizeof(*setting));
	char *key_copy = copy(r, key, strlen(key));
	size_t size = strlen(value);
	if (r->goes_on && size > 0 && value[size - 1] == '\\')
		for (size--; size > 0 && is_blank(value[size - 1]);)
			size--; /* the backslash */
	char *value_copy = copy(r, value, size);
	if (setting == NULL || key_copy == NULL || value_copy == NULL) {
		r->problems->no_memory = true;
		return 1;
	}
	*setting = (struct fl_setting){
		.key = key_copy,
		.value = value_copy,
		.line = r->line,
		.cut = inline_comment(strpbrk(r->text, "=:")) != NULL,
	};
	*r->section->last = setting;
	r->section->last = &setting->next;
	r->setting = setting;
	r->room = 0;
	return 1;
}

struct fl_section *fl_config_file_read(
	FILE *file, struct fl_arena *memory, struct fl_problems *problems)
{
	struct reader r = {
		.file = file,
		.memory = memory,
		.problems = problems,
		.before_any = true,
	};
	r.last = &r.sections;
	/* Its result tells nothing that check_line() has not told already. */
	(void)ini_parse_stream(read_line, &r, take_setting, &r);
	if (r.goes_on && !ferror(r.file))
		fl_problem(problems, true, r.line,
			"the line ends in a backslash, but there is none that goes on");
	if (ferror(r.file))
		fl_problem(problems, true, r.line + 1, "the file can't be read: %s",
			strerror(r.error));
	free(r.text);
	return r.sections;
}
