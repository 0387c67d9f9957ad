/* SPDX-License-Identifier: Apache-2.0
 *
 * Partial updates of JSON documents. The document becomes a tree, as far as the changes' paths
 * lead: whatever they pass by stays the bytes that it is. Then the tree is written as a document
 * again; values lie in containers by offsets from the container's start, so they can be moved as
 * they are.
 */
#include "binlog/json.h"
#include "binlog/row.h"

enum { REPLACE = 0, INSERT = 1, REMOVE = 2 };

struct list;

/* A value: its bytes, or a list of its elements. */
struct value {
	union {
		const uint8_t *at;
		struct list *list;
	};
	uint32_t size; /* of the bytes */
	uint16_t key_size;
	uint8_t type;
	bool is_list;
};

/* An element of a list. */
struct element {
	const char *key;
	struct value value; /* and the key's size */
};

struct list {
	bool is_object;
	uint32_t count, room;
	struct element *elements;
	uint32_t size; /* of the container that it becomes, once that is known ... */
	size_t w;      /* ... and its format */
};

struct tree {
	struct value root;
	struct fl_arena memory;
	/* No document has more elements than a third of its bytes. Where parts lie over one
	 * another it may seem to. */
	size_t elements_left;
	size_t limit; /* bytes of the new document */
};

static struct fl_bytes key_of(const struct element *element)
{
	return (struct fl_bytes){ element->key, element->value.key_size };
}

/* How many bytes a value takes that begins at the cursor. */
static int measure(uint8_t type, struct fl_cursor at, uint32_t *ret)
{
	static const uint8_t sizes[] = {
		[FL_JSON_LITERAL] = 1,
		[FL_JSON_INT16] = 2,
		[FL_JSON_UINT16] = 2,
		[FL_JSON_INT32] = 4,
		[FL_JSON_UINT32] = 4,
		[FL_JSON_INT64] = 8,
		[FL_JSON_UINT64] = 8,
		[FL_JSON_DOUBLE] = 8,
	};
	const uint8_t *start = at.at;
	if (fl_json_is_container(type)) {
		struct fl_json_container container;
		if (at.failed || fl_json_open(type, at, &container) < 0)
			return FL_ECORRUPT;
		*ret = (uint32_t)container.data.size;
		return 0;
	}
	if (type == FL_JSON_OPAQUE)
		fl_take_u8(&at);
	if (type == FL_JSON_OPAQUE || type == FL_JSON_TEXT)
		fl_take(&at, fl_json_take_length(&at));
	else if (type < sizeof(sizes))
		fl_take(&at, sizes[type]);
	else
		return FL_ECORRUPT;
	*ret = (uint32_t)(at.at - start);
	return at.failed ? FL_ECORRUPT : 0;
}

static int value_at(uint8_t type, struct fl_cursor at, struct value *ret)
{
	*ret = (struct value){ .at = at.at, .type = type };
	return measure(type, at, &ret->size);
}

static int document_value(struct fl_bytes document, struct value *ret)
{
	static const uint8_t null[] = { FL_JSON_LITERAL, 0 };
	struct fl_cursor c = document.size > 0 ? fl_cursor(document.data, document.size)
					       : fl_cursor(null, sizeof(null));
	uint8_t type = fl_take_u8(&c);
	return value_at(type, c, ret);
}

static int make_room(struct tree *tree, struct list *list, uint32_t room)
{
	if (room <= list->room)
		return 0;
	room = room < 2 * list->room ? 2 * list->room : room;
	struct element *grown = fl_arena_alloc(&tree->memory, room * sizeof(*grown));
	if (grown == NULL)
		return FL_ENOMEM;
	if (list->count > 0)
		memcpy(grown, list->elements, list->count * sizeof(*grown));
	list->elements = grown;
	list->room = room;
	return 0;
}

/* Makes a container a list. 0, or FL_E... if it is none. */
static int expand(struct tree *tree, struct value *value)
{
	if (value->is_list)
		return 0;
	struct fl_json_container container;
	if (!fl_json_is_container(value->type) ||
		fl_json_open(value->type, fl_cursor(value->at, value->size), &container) < 0 ||
		container.count > tree->elements_left)
		return FL_ECORRUPT;
	tree->elements_left -= container.count;
	struct list *list = fl_arena_alloc(&tree->memory, sizeof(*list));
	if (list == NULL)
		return FL_ENOMEM;
	*list = (struct list){ .is_object = container.is_object };
	if (make_room(tree, list, container.count) < 0)
		return FL_ENOMEM;
	for (; list->count < container.count; list->count++) {
		struct element *element = &list->elements[list->count];
		struct fl_bytes key = { 0 };
		bool failed = false;
		if (container.is_object)
			key = fl_json_next_key(&container, &failed);
		struct fl_cursor at;
		uint8_t type = fl_json_next_value(&container, &at);
		if (failed || at.failed || value_at(type, at, &element->value) < 0)
			return FL_ECORRUPT;
		element->key = key.data;
		element->value.key_size = (uint16_t)key.size;
	}
	value->list = list;
	value->is_list = true;
	return 0;
}

/* The order of an object's keys: the shorter first. */
static int compare(struct fl_bytes a, struct fl_bytes b)
{
	if (a.size != b.size)
		return a.size < b.size ? -1 : 1;
	return a.size > 0 ? memcmp(a.data, b.data, a.size) : 0;
}

/* Where in an object the member is, or belongs. */
static bool find_member(const struct list *list, struct fl_bytes name, uint32_t *ret)
{
	uint32_t low = 0, high = list->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = compare(key_of(&list->elements[middle]), name);
		if (order == 0) {
			*ret = middle;
			return true;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret = low;
	return false;
}

/* The same of a cell. */
static bool find_cell(const struct list *list, const struct fl_json_leg *leg, uint32_t *ret)
{
	bool const exists = leg->cell < list->count;
	if (leg->from_last)
		*ret = exists ? list->count - 1 - leg->cell : 0;
	else
		*ret = exists ? leg->cell : list->count;
	return exists;
}

/* Looks for a leg's element in a value: 1, or 0 where it would have to be put; FL_ECORRUPT if the
 * value can't have such a one. */
static int find(
	struct tree *tree, struct value *value, const struct fl_json_leg *leg, uint32_t *ret)
{
	int code = expand(tree, value);
	if (code < 0)
		return code;
	if (value->list->is_object == leg->is_cell)
		return FL_ECORRUPT;
	return leg->is_cell ? find_cell(value->list, leg, ret)
			    : find_member(value->list, leg->member, ret);
}

static bool is_array(const struct value *value)
{
	return value->is_list
		       ? !value->list->is_object
		       : value->type == FL_JSON_SMALL_ARRAY || value->type == FL_JSON_LARGE_ARRAY;
}

/* Follows legs to a value that is there. What is no array is its own first and last cell. */
static int walk(struct tree *tree, const struct fl_json_leg *legs, int count, struct value **ret)
{
	struct value *value = &tree->root;
	for (int i = 0; i < count; i++) {
		if (legs[i].is_cell && legs[i].cell == 0 && !is_array(value))
			continue;
		uint32_t at;
		int code = find(tree, value, &legs[i], &at);
		if (code != 1)
			return code < 0 ? code : FL_ECORRUPT;
		value = &value->list->elements[at].value;
	}
	*ret = value;
	return 0;
}

static int insert(struct tree *tree, struct list *list, uint32_t at, struct fl_bytes key,
	const struct value *value)
{
	if (key.size > UINT16_MAX || list->count >= UINT32_MAX / 2)
		return FL_ECORRUPT;
	int code = make_room(tree, list, list->count + 1);
	if (code < 0)
		return code;
	struct element *element = &list->elements[at];
	memmove(element + 1, element, (list->count - at) * sizeof(*element));
	*element = (struct element){ key.data, *value };
	element->value.key_size = (uint16_t)key.size;
	list->count++;
	return 0;
}

static void replace(struct value *value, const struct value *with)
{
	uint16_t const key_size = value->key_size;
	*value = *with;
	value->key_size = key_size;
}

static int change(struct tree *tree, uint8_t operation, struct fl_bytes path, struct fl_bytes to)
{
	struct fl_json_leg legs[FL_JSON_DEEPEST];
	struct value with = { 0 };
	struct value *parent;
	int const count = fl_json_path(path, &tree->memory, legs);
	if (count < 0)
		return count;
	int code = operation == REMOVE ? 0 : document_value(to, &with);
	if (code < 0)
		return code;
	if (operation == REPLACE) {
		code = walk(tree, legs, count, &parent);
		if (code == 0)
			replace(parent, &with);
		return code;
	}
	if (count == 0)
		return FL_ECORRUPT;
	const struct fl_json_leg *last = &legs[count - 1];
	uint32_t at;
	code = walk(tree, legs, count - 1, &parent);
	if (code == 0)
		code = find(tree, parent, last, &at);
	if (code < 0)
		return code;
	struct list *list = parent->list;
	if (operation == INSERT)
		return code == 1 && list->is_object ? FL_ECORRUPT
						    : insert(tree, list, at, last->member, &with);
	if (code == 0)
		return FL_ECORRUPT;
	list->count--;
	memmove(&list->elements[at], &list->elements[at + 1],
		(list->count - at) * sizeof(*list->elements));
	return 0;
}

static int change_all(struct tree *tree, struct fl_bytes changes, struct fl_err *err)
{
	static const char *const names[] = { "replaces", "inserts", "removes" };
	struct fl_cursor c = fl_cursor(changes.data, changes.size);
	while (c.at < c.end) {
		uint8_t operation = fl_take_u8(&c);
		struct fl_bytes path = fl_take_lenenc_bytes(&c);
		struct fl_bytes to = { 0 };
		if (operation < REMOVE)
			to = fl_take_lenenc_bytes(&c);
		if (c.failed || operation > REMOVE || (operation < REMOVE && to.size == 0))
			return fl_err_set(
				err, FL_ECORRUPT, "a partial JSON update that is damaged");
		int code = change(tree, operation, path, to);
		if (code == FL_ENOMEM)
			return fl_err_set(err, code, "out of memory");
		if (code < 0)
			return fl_err_set(err, code,
				"a partial JSON update does not fit: it %s %.*s", names[operation],
				path.size < 100 ? (int)path.size : 100, path.data);
	}
	return 0;
}

/* What a value takes behind its container's entries. */
static size_t size_outside(const struct value *value, size_t w)
{
	if (!value->is_list)
		return fl_json_is_inline(value->type, w) ? 0 : value->size;
	return value->list->size;
}

static size_t size_with(const struct list *list, size_t w)
{
	size_t size = 2 * w + list->count * (1 + w + (list->is_object ? w + 2 : 0));
	for (uint32_t i = 0; i < list->count; i++) {
		const struct value *value = &list->elements[i].value;
		size += value->key_size + size_outside(value, w);
	}
	return size;
}

/* Settles the format of all lists from the innermost on. */
static int settle(const struct tree *tree, struct value *value, unsigned depth)
{
	if (!value->is_list)
		return 0;
	struct list *list = value->list;
	if (depth == FL_JSON_DEEPEST)
		return FL_ECORRUPT;
	for (uint32_t i = 0; i < list->count; i++)
		if (settle(tree, &list->elements[i].value, depth + 1) < 0)
			return FL_ECORRUPT;
	list->w = 2;
	size_t size = size_with(list, 2);
	if (size > UINT16_MAX) {
		list->w = 4;
		size = size_with(list, 4);
	}
	if (size > tree->limit || size > UINT32_MAX)
		return FL_ECORRUPT;
	list->size = (uint32_t)size;
	value->type = (uint8_t)((list->is_object ? FL_JSON_SMALL_OBJECT : FL_JSON_SMALL_ARRAY) +
				(list->w == 4));
	return 0;
}

static char *put(char *to, uint64_t number, size_t size)
{
	for (; size-- > 0; number >>= 8)
		*to++ = (char)number;
	return to;
}

/* Writes a list as the container whose size settle() has worked out; returns its end. */
static char *write_list(const struct list *list, char *const start)
{
	size_t const w = list->w;
	char *to = put(put(start, list->count, w), list->size, w);
	size_t const keys = list->is_object ? list->count * (w + 2) : 0;
	char *outside = to + keys + list->count * (1 + w);
	for (uint32_t i = 0; i < list->count && list->is_object; i++) {
		struct fl_bytes key = key_of(&list->elements[i]);
		to = put(put(to, (uint64_t)(outside - start), w), key.size, 2);
		if (key.size > 0)
			memcpy(outside, key.data, key.size);
		outside += key.size;
	}
	for (uint32_t i = 0; i < list->count; i++) {
		const struct value *value = &list->elements[i].value;
		to = put(to, value->type, 1);
		if (!value->is_list && fl_json_is_inline(value->type, w)) {
			memset(to, 0, w);
			memcpy(to, value->at, value->size);
			to += w;
			continue;
		}
		to = put(to, (uint64_t)(outside - start), w);
		if (value->is_list) {
			outside = write_list(value->list, outside);
		} else {
			memcpy(outside, value->at, value->size);
			outside += value->size;
		}
	}
	return outside;
}

static int write_document(struct tree *tree, struct fl_buf *out, struct fl_err *err)
{
	struct value *root = &tree->root;
	if (settle(tree, root, 0) < 0)
		return fl_err_set(
			err, FL_ECORRUPT, "a partial JSON update makes a document that is none");
	size_t const size = 1 + (root->is_list ? root->list->size : root->size);
	char *to = fl_buf_reserve(out, size);
	if (to == NULL)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	to = put(to, root->type, 1);
	if (root->is_list)
		write_list(root->list, to);
	else
		memcpy(to, root->at, root->size);
	out->size += size;
	return 0;
}

int fl_json_apply(
	struct fl_bytes document, struct fl_bytes changes, struct fl_buf *out, struct fl_err *err)
{
	size_t const given = document.size + changes.size;
	struct tree tree = { .elements_left = given / 3, .limit = 2 * given };
	int code = document_value(document, &tree.root);
	if (code < 0)
		fl_err_set(err, code, "the binary JSON document is damaged");
	else
		code = change_all(&tree, changes, err);
	if (code == 0)
		code = write_document(&tree, out, err);
	fl_arena_finish(&tree.memory);
	return code;
}
