/* SPDX-License-Identifier: Apache-2.0 */
#include "map/template.h"

#include "map/map.h"

static char fold(char c, bool fold_case)
{
	return fold_case && c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool fl_same_letters(const char *a, const char *b, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (fold(a[i], true) != fold(b[i], true))
			return false;
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* {column|filter|filter} */
static int compile_filters(struct fl_bytes name, struct fl_bytes text, struct fl_arena *arena,
	struct fl_part *ret, struct fl_err *err)
{
	size_t most = 1;
	for (size_t i = 0; i < text.size; i++)
		most += text.data[i] == '|';
	struct fl_filter *filters = fl_arena_alloc(arena, most * sizeof(*filters));
	if (filters == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (const char *at = text.data, *end = at + text.size; ret->filter_count < most;) {
		const char *bar = memchr(at, '|', (size_t)(end - at));
		struct fl_bytes one = { at, (size_t)((bar != NULL ? bar : end) - at) };
		int code = fl_filter_compile(one, &filters[ret->filter_count++], err);
		if (code < 0)
			return code;
		bool time;
		if (fl_filters_want_date(&filters[ret->filter_count - 1], 1, &time) &&
			!fl_filters_keep_date(filters, ret->filter_count - 1, time))
			return fl_err_set(err, FL_EINVAL,
				"{%.*s}: there is no date any more behind the filters in front of "
				"%.*s: put it first",
				(int)name.size, name.data, (int)one.size, one.data);
		at += one.size + 1;
	}
	ret->filters = filters;
	return 0;
}

/* What stands between braces. */
static int compile_name(struct fl_bytes name, enum fl_template_use_for use, struct fl_arena *arena,
	struct fl_part *ret, struct fl_err *err)
{
	static const struct {
		const char *name;
		enum fl_part_kind kind;
	} kinds[] = { { "db", FL_PART_DB }, { "table", FL_PART_TABLE },
		{ "generation", FL_PART_GENERATION }, { "*", FL_PART_ANY } };
	ret->kind = FL_PART_COLUMN;
	const char *bar = name.size > 0 ? memchr(name.data, '|', name.size) : NULL;
	ret->text = name;
	if (bar != NULL)
		ret->text.size = (size_t)(bar - name.data);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strlen(kinds[i].name) == ret->text.size &&
			memcmp(kinds[i].name, name.data, ret->text.size) == 0)
			ret->kind = kinds[i].kind;
	if (bar != NULL && ret->kind != FL_PART_COLUMN)
		return fl_err_set(err, FL_EINVAL, "{%.*s}: filters are for columns alone",
			(int)name.size, name.data);
	if (ret->kind == FL_PART_ANY && use != FL_TEMPLATE_KILL)
		return fl_err_set(
			err, FL_EINVAL, "{*}, any text, can stand only in what is invalidated");
	if (ret->kind == FL_PART_GENERATION && use == FL_TEMPLATE_VALUE)
		return fl_err_set(err, FL_EINVAL, "{generation} can stand only in keys");
	if (ret->text.size == 0)
		return fl_err_set(err, FL_EINVAL,
			"{%.*s} names no column (literal braces are written {{ and }})",
			(int)name.size, name.data);
	if (is_blank(name.data[0]) || is_blank(ret->text.data[ret->text.size - 1]))
		return fl_err_set(err, FL_EINVAL, "{%.*s} begins or ends with a blank",
			(int)ret->text.size, ret->text.data);
	return bar != NULL ? compile_filters(name,
				     (struct fl_bytes){
					     bar + 1, (size_t)(name.data + name.size - bar) - 1 },
				     arena, ret, err)
			   : 0;
}

/* Where all of a template's keys are to go, they are found by what they begin with. */
static int check_beginning(
	const struct fl_template *template, struct fl_bytes text, struct fl_err *err)
{
	const struct fl_part *first = &template->parts[0];
	if (first->kind == FL_PART_ANY)
		return fl_err_set(err, FL_EINVAL,
			"it begins with {*}: put the text in front with which the keys begin");
	if (first->kind == FL_PART_COLUMN && !template->has_generation)
		return fl_err_set(err, FL_EINVAL,
			"it begins with a column, so that its keys can't be told from others when "
			"all of them have to go: put a text of its own in front, such as %.*s:%.*s",
			(int)first->text.size, first->text.data, (int)text.size, text.data);
	return 0;
}

int fl_template_compile(struct fl_bytes text, enum fl_template_use_for use, struct fl_arena *arena,
	struct fl_template *ret, struct fl_err *err)
{
	if (text.size == 0)
		return fl_err_set(err, FL_EINVAL, "the template is empty");

	/* Every part but the first begins with a brace or ends one. */
	size_t most = 1;
	for (size_t i = 0; i < text.size; i++)
		most += text.data[i] == '{' || text.data[i] == '}';
	char *copy = fl_arena_copy(arena, text.data, text.size);
	struct fl_part *parts = fl_arena_alloc(arena, most * sizeof(*parts));
	if (copy == NULL || parts == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");

	struct fl_template template = { .parts = parts };
	for (size_t i = 0; i < text.size;) {
		struct fl_part part = { .kind = FL_PART_LITERAL, .text = { copy + i, 0 } };
		bool doubled = i + 1 < text.size && copy[i + 1] == copy[i];
		if (copy[i] == '{' && !doubled) {
			const char *end = memchr(copy + i, '}', text.size - i);
			if (end == NULL)
				return fl_err_set(err, FL_EINVAL,
					"no closing brace behind {%.*s (a literal brace is "
					"written {{)",
					(int)(text.size - i - 1), copy + i + 1);
			struct fl_bytes name = { copy + i + 1, (size_t)(end - copy) - i - 1 };
			int code = compile_name(name, use, arena, &part, err);
			if (code < 0)
				return code;
			template.column_count += part.kind == FL_PART_COLUMN;
			template.has_generation |= part.kind == FL_PART_GENERATION;
			template.has_any |= part.kind == FL_PART_ANY;
			i += name.size + 2;
		} else if (copy[i] == '{' || copy[i] == '}') {
			if (!doubled)
				return fl_err_set(err, FL_EINVAL,
					"a closing brace without an opening one (a literal brace "
					"is written }})");
			part.text.size = 1;
			i += 2;
		} else {
			while (i < text.size && copy[i] != '{' && copy[i] != '}')
				i++;
			part.text.size = (size_t)(copy + i - part.text.data);
		}
		parts[template.part_count++] = part;
	}
	*ret = template;
	return use != FL_TEMPLATE_VALUE ? check_beginning(&template, text, err) : 0;
}

static bool has_meaning(char c)
{
	static const bool meaning[256] = {
		['*'] = true, ['?'] = true, ['['] = true, [']'] = true, ['\\'] = true
	};
	return meaning[(uint8_t)c];
}

void fl_template_escape(struct fl_buf *out, size_t at)
{
	size_t count = 0;
	for (size_t i = at; i < out->size; i++)
		count += has_meaning(out->data[i]);
	if (count == 0 || fl_buf_reserve(out, count) == NULL)
		return;
	/* From the end: what follows has moved by then. */
	size_t from = out->size, to = out->size + count;
	out->size = to;
	while (from < to) {
		char const c = out->data[--from];
		out->data[--to] = c;
		if (has_meaning(c))
			out->data[--to] = '\\';
	}
}

void fl_template_append_escaped(struct fl_buf *out, struct fl_bytes text)
{
	size_t const at = out->size;
	fl_buf_append(out, text.data, text.size);
	fl_template_escape(out, at);
}

bool fl_template_pattern(const struct fl_template *template, struct fl_bytes db,
	struct fl_bytes table, struct fl_buf *out)
{
	bool open = template->column_count > 0 || template->has_any;
	for (size_t i = 0; i < template->part_count; i++)
		open |= (template->parts[i].kind == FL_PART_DB && db.data == NULL) ||
			(template->parts[i].kind == FL_PART_TABLE && table.data == NULL);

	bool after_star = false;
	for (size_t i = 0; i < template->part_count; i++) {
		const struct fl_part *part = &template->parts[i];
		struct fl_bytes text = part->kind == FL_PART_LITERAL ? part->text
				       : part->kind == FL_PART_DB    ? db
				       : part->kind == FL_PART_TABLE ? table
								     : (struct fl_bytes){ 0 };
		if (text.data == NULL) {
			if (!after_star)
				fl_buf_char(out, '*');
		} else if (open) {
			fl_template_append_escaped(out, text);
		} else {
			fl_buf_append(out, text.data, text.size);
		}
		after_star = text.data == NULL;
	}
	return open;
}

struct fl_bytes fl_template_next(const char **list)
{
	const char *start = *list + strspn(*list, " \t,");
	const char *end = start;
	for (bool in_name = false; *end != '\0' && (in_name || !is_blank(*end)); end++) {
		if (!in_name && *end == '{' && end[1] == '{')
			end++;
		else
			in_name = in_name ? *end != '}' : *end == '{';
	}
	*list = end;
	while (end > start && end[-1] == ',')
		end--;
	return (struct fl_bytes){ start, (size_t)(end - start) };
}

int fl_table_pattern_compile(
	const char *text, struct fl_arena *arena, struct fl_table_pattern *ret, struct fl_err *err)
{
	const char *dot = strchr(text, '.');
	if (dot == NULL || dot == text || dot[1] == '\0')
		return fl_err_set(
			err, FL_EINVAL, "must be of the form db.table, with * and ? as wildcards");
	if (strchr(dot + 1, '.') != NULL)
		return fl_err_set(err, FL_EINVAL,
			"has more than one dot: names that hold a dot can't be written, but ? "
			"stands for any character");
	size_t db_size = (size_t)(dot - text);
	char *copy = fl_arena_copy(arena, text, strlen(text));
	if (copy == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	ret->db = (struct fl_bytes){ copy, db_size };
	ret->table = (struct fl_bytes){ copy + db_size + 1, strlen(dot + 1) };
	return 0;
}

/* The usual walk with one place to return to: the last star takes one character more. */
static bool matches(struct fl_bytes pattern, struct fl_bytes name, bool fold_case)
{
	size_t p = 0, n = 0, star = SIZE_MAX, retry = 0;
	if (name.data == NULL)
		return true;
	while (n < name.size) {
		if (p < pattern.size && pattern.data[p] == '*') {
			star = p++;
			retry = n;
		} else if (p < pattern.size && pattern.data[p] == '?') {
			/* One character of UTF-8, whose further bytes are 10xxxxxx. */
			for (n++; n < name.size && (name.data[n] & 0xc0) == 0x80;)
				n++;
			p++;
		} else if (p < pattern.size &&
			   fold(pattern.data[p], fold_case) == fold(name.data[n], fold_case)) {
			p++;
			n++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			n = ++retry;
		} else {
			return false;
		}
	}
	while (p < pattern.size && pattern.data[p] == '*')
		p++;
	return p == pattern.size;
}

bool fl_table_pattern_matches(const struct fl_table_pattern *pattern, struct fl_bytes db,
	struct fl_bytes table, bool fold_case)
{
	return matches(pattern->db, db, fold_case) && matches(pattern->table, table, fold_case);
}
