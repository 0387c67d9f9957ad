/* SPDX-License-Identifier: Apache-2.0 */
#include "binlog/position.h"

#include <inttypes.h>

bool fl_file_name_is_valid(struct fl_bytes name)
{
	if (name.size == 0 || name.size >= FL_FILE_NAME_SIZE)
		return false;
	for (size_t i = 0; i < name.size; i++)
		if ((unsigned char)name.data[i] < ' ' || name.data[i] == 0x7f)
			return false;
	return true;
}

struct fl_held {
	atomic_uint references;
	size_t size;
	char text[]; /* of the position */
};

static struct fl_held *make_held(struct fl_bytes text)
{
	struct fl_held *held = malloc(sizeof(*held) + text.size);
	if (held == NULL)
		return NULL;
	atomic_init(&held->references, 1);
	held->size = text.size;
	memcpy(held->text, text.data, text.size);
	return held;
}

struct fl_held *fl_held_create(const struct fl_position *position)
{
	struct fl_position alone = *position;
	struct fl_buf text = { 0 };
	alone.held = NULL;
	alone.server[0] = '\0'; /* it is that of the position which holds it */
	fl_position_format(&alone, &text);
	struct fl_held *held =
		text.failed ? NULL : make_held((struct fl_bytes){ text.data, text.size });
	fl_buf_finish(&text);
	return held;
}

struct fl_held *fl_held_ref(struct fl_held *held)
{
	if (held != NULL)
		atomic_fetch_add_explicit(&held->references, 1, memory_order_relaxed);
	return held;
}

void fl_held_unref(struct fl_held *held)
{
	if (held != NULL &&
		atomic_fetch_sub_explicit(&held->references, 1, memory_order_acq_rel) == 1)
		free(held);
}

int fl_held_position(const struct fl_held *held, struct fl_position *ret)
{
	struct fl_position position;
	/* It was checked when it was made: only memory can be lacking. */
	if (fl_position_parse((struct fl_bytes){ held->text, held->size }, &position, NULL) !=
		FL_OK)
		return FL_ENOMEM;
	fl_position_finish(ret);
	*ret = position;
	return FL_OK;
}

void fl_position_finish(struct fl_position *position)
{
	fl_held_unref(position->held);
	fl_gtid_set_destroy(position->gtids);
	*position = (struct fl_position){ 0 };
}

int fl_position_copy(const struct fl_position *from, struct fl_position *to)
{
	struct fl_gtid_set *gtids = NULL;
	if (from->gtids != NULL && (gtids = fl_gtid_set_copy(from->gtids)) == NULL)
		return FL_ENOMEM;
	struct fl_held *held = fl_held_ref(from->held);
	fl_position_finish(to);
	*to = *from;
	to->gtids = gtids;
	to->held = held;
	return FL_OK;
}

bool fl_position_is_set(const struct fl_position *position)
{
	return position->file[0] != '\0' || position->gtids != NULL;
}

void fl_position_format(const struct fl_position *position, struct fl_buf *out)
{
	char text[40];
	int size = snprintf(text, sizeof(text),
		"%d pos=%" PRIu64 " gtid=", position->held != NULL ? 2 : 1, position->offset);
	fl_buf_append(out, text, (size_t)size);
	if (position->gtids != NULL)
		fl_gtid_set_format(position->gtids, out);
	else
		fl_buf_char(out, '-');
	if (position->server[0] != '\0') {
		fl_buf_text(out, " server=");
		fl_buf_text(out, position->server);
	}
	if (position->held != NULL) {
		size = snprintf(text, sizeof(text), " held=%zu:", position->held->size);
		fl_buf_append(out, text, (size_t)size);
		fl_buf_append(out, position->held->text, position->held->size);
	}
	fl_buf_text(out, " file=");
	fl_buf_text(out, position->file);
}

/* Whether the text goes on with `word`; if so, steps behind it. */
static bool skip(struct fl_bytes *text, const char *word)
{
	size_t size = strlen(word);
	if (text->size < size || memcmp(text->data, word, size) != 0)
		return false;
	text->data += size;
	text->size -= size;
	return true;
}

static bool read_offset(struct fl_bytes *text, uint64_t *ret)
{
	uint64_t number = 0;
	size_t digits = 0;
	for (; digits < text->size && text->data[digits] >= '0' && text->data[digits] <= '9';
		digits++) {
		unsigned digit = (unsigned)(text->data[digits] - '0');
		if (number > (UINT64_MAX - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	text->data += digits;
	text->size -= digits;
	*ret = number;
	return digits > 0;
}

static int malformed(struct fl_bytes text, struct fl_err *err)
{
	return fl_err_set(err, FL_EINVAL, "not a position: \"%.*s\"",
		(int)(text.size < 200 ? text.size : 200), text.size > 0 ? text.data : "");
}

/* Takes a server's name, up to the next blank. */
static bool read_server(struct fl_bytes *rest, char ret[FL_SERVER_NAME_SIZE])
{
	size_t size = 0;
	for (; size < rest->size && rest->data[size] != ' '; size++) {
		char c = rest->data[size];
		bool is_good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			       (c >= 'A' && c <= 'Z') || c == '-';
		if (!is_good || size + 1 >= FL_SERVER_NAME_SIZE)
			return false;
	}
	memcpy(ret, rest->data, size);
	ret[size] = '\0';
	rest->data += size;
	rest->size -= size;
	return size > 0;
}

/* "SIZE:POSITION", the position without one of its own. */
static int read_held(struct fl_bytes *rest, struct fl_held **ret, struct fl_err *err)
{
	uint64_t size;
	struct fl_position inner;
	if (!read_offset(rest, &size) || !skip(rest, ":") || size > rest->size)
		return FL_EINVAL;
	struct fl_bytes text = { rest->data, (size_t)size };
	if (text.size == 0 || text.data[0] != '1')
		return FL_EINVAL;
	int result = fl_position_parse(text, &inner, err);
	if (result != FL_OK)
		return result;
	*ret = fl_held_create(&inner);
	fl_position_finish(&inner);
	rest->data += text.size;
	rest->size -= text.size;
	return *ret != NULL ? FL_OK : fl_err_set(err, FL_ENOMEM, "out of memory");
}

int fl_position_parse(struct fl_bytes text, struct fl_position *ret, struct fl_err *err)
{
	struct fl_bytes rest = text, set = { 0 };
	struct fl_position position = { 0 };
	bool const holds = text.size > 0 && skip(&rest, "2 pos=");
	if (text.size == 0 || (!holds && !skip(&rest, "1 pos=")) ||
		!read_offset(&rest, &position.offset) || !skip(&rest, " gtid="))
		return malformed(text, err);
	set.data = rest.data;
	while (set.size < rest.size && set.data[set.size] != ' ')
		set.size++;
	rest.data += set.size;
	rest.size -= set.size;
	int result = FL_OK;
	if (skip(&rest, " server=") && !read_server(&rest, position.server))
		result = FL_EINVAL;
	if (holds && result == FL_OK)
		result = skip(&rest, " held=") ? read_held(&rest, &position.held, err) : FL_EINVAL;
	if (result == FL_OK &&
		(!skip(&rest, " file=") || (rest.size > 0 && !fl_file_name_is_valid(rest))))
		result = FL_EINVAL;
	if (result == FL_EINVAL)
		result = malformed(text, err);
	if (result == FL_OK && (set.size != 1 || set.data[0] != '-'))
		result = fl_gtid_set_parse(set, &position.gtids, err);
	if (result != FL_OK) {
		fl_position_finish(&position);
		return result;
	}
	memcpy(position.file, rest.data, rest.size);
	*ret = position;
	return FL_OK;
}

/* The number at the end of a file's name: its digits, without leading zeros. */
static const char *number_of(const char *file)
{
	const char *digits = file + strlen(file);
	while (digits > file && digits[-1] >= '0' && digits[-1] <= '9')
		digits--;
	while (*digits == '0')
		digits++;
	return digits;
}

int fl_binlog_compare(const char *file_a, uint64_t offset_a, const char *file_b, uint64_t offset_b)
{
	const char *a = number_of(file_a), *b = number_of(file_b);
	size_t size_a = strlen(a), size_b = strlen(b);
	if (size_a != size_b)
		return size_a < size_b ? -1 : 1;
	int order = strcmp(a, b);
	if (order != 0)
		return order;
	return offset_a < offset_b ? -1 : offset_a > offset_b;
}
