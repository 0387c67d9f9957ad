/* SPDX-License-Identifier: Apache-2.0
 *
 * What a row becomes: the text of its keys and its value.
 */
#include <time.h>

#include "binlog/row.h"
#include "map/private.h"

enum purpose { KEY, PATTERN, TEXT };

/* Appends a column, filtered. 1; 0 if there is none: it is NULL; FL_E... */
static int append_column(struct fl_mapper *m, const struct fl_piece *piece,
	const struct fl_image *image, struct fl_err *why)
{
	const struct fl_part *part = piece->part;
	struct fl_buf *out = &m->bytes;
	size_t const at = out->size;
	bool const raw = fl_filters_take_bytes(part->filters, part->filter_count);
	int code = fl_cell_append(image, piece->column, raw, &m->scratch, out, why);
	if (code < 0 || part->filter_count == 0)
		return code;
	bool is_null = code == 0;
	for (size_t i = 0; i < part->filter_count && code >= 0; i++)
		code = fl_filter_apply(&part->filters[i], out, at, &is_null, why);
	return code < 0 ? code : !is_null;
}

static inline char *write_text(const struct fl_piece *piece, char *to)
{
	for (size_t i = 0; i < piece->text.size; i += FL_NAME_PAD)
		memcpy(to + i, piece->text.data + i, FL_NAME_PAD);
	return to + piece->text.size;
}

/* What is of texts and integers alone, as most keys are: its end; NULL if one of them is not there.
 */
static inline char *write_plain(
	const struct fl_piece *piece, const struct fl_image *image, char *to)
{
	for (;; piece++) {
		to = write_text(piece, to);
		if (piece->behind == FL_PIECE_END)
			return to;
		const struct fl_found *found = &image->found[piece->column];
		if (found->state != FL_CELL_VALUE)
			return NULL;
		to = fl_cell_write_int(piece->def, found->cell, to);
	}
}

/* 1; 0 if it is a key, and a column in it is NULL: there is no such key; FL_E... */
static int append_pieces(struct fl_mapper *m, const struct fl_rule_use *rule,
	const struct fl_piece *piece, enum purpose purpose, const struct fl_image *image,
	struct fl_err *why)
{
	struct fl_buf *out = &m->bytes;
	for (;; piece++) {
		char *to = fl_buf_reserve(out, piece->text.size + FL_NAME_PAD);
		if (to == NULL)
			return FL_ENOMEM;
		out->size = (size_t)(write_text(piece, to) - out->data);
		size_t const at = out->size;
		int code = 1;
		switch (piece->behind) {
		case FL_PIECE_END:
			return 1;
		case FL_PIECE_INT:
			code = fl_cell_append(image, piece->column, false, NULL, out, why);
			break;
		case FL_PIECE_COLUMN:
			code = append_column(m, piece, image, why);
			if (purpose == PATTERN && code == 1)
				fl_template_escape(out, at);
			break;
		case FL_PIECE_GENERATION: {
			const struct fl_generation *generation = m->generation_of[rule->number];
			fl_buf_append(out, generation->text, generation->size);
			break;
		}
		}
		if (code < 0)
			return code;
		if (code == 0 && purpose != TEXT)
			return 0;
	}
}

/* As render(), for what write_plain() can't write. */
static int render_pieces(struct fl_mapper *m, const struct fl_rule_use *rule,
	const struct fl_template_use *use, const struct fl_image *image, struct key *ret,
	struct fl_err *why)
{
	size_t const at = m->bytes.size;
	int code = append_pieces(
		m, rule, use->pieces, use->template->has_any ? PATTERN : KEY, image, why);
	if (m->bytes.failed)
		code = FL_ENOMEM;
	if (code < 1)
		m->bytes.size = at;
	*ret = (struct key){ .at = at, .size = m->bytes.size - at };
	if (code < 0)
		return code == FL_ENOMEM ? code : FL_EUNSUPPORTED;
	return 0;
}

/* One image's key. 0, `ret` telling whether there is one; FL_E... */
static inline int render(struct fl_mapper *m, const struct fl_rule_use *rule,
	const struct fl_template_use *use, const struct fl_image *image, struct key *ret,
	struct fl_err *why)
{
	struct fl_buf *out = &m->bytes;
	char *to = use->plain_room > 0 ? fl_buf_reserve(out, use->plain_room) : NULL;
	char *end = to != NULL ? write_plain(use->pieces, image, to) : NULL;
	if (end == NULL)
		return render_pieces(m, rule, use, image, ret, why);
	*ret = (struct key){ .at = out->size, .size = (size_t)(end - to) };
	out->size += ret->size;
	return 0;
}

/* Where both have to be looked at. */
static int render_both(struct fl_mapper *m, const struct fl_rule_use *rule,
	const struct fl_template_use *use, const struct images *images, struct key *ret_old,
	struct key *ret_now, struct fl_err *why)
{
	int code = 0;
	if (images->before != NULL)
		code = render(m, rule, use, images->before, ret_old, why);
	if (images->after != NULL && code == 0)
		code = render(m, rule, use, images->after, ret_now, why);
	if (code == 0 && ret_old->size > 0 && ret_old->size == ret_now->size &&
		memcmp(m->bytes.data + ret_old->at, m->bytes.data + ret_now->at, ret_old->size) ==
			0) {
		m->bytes.size = ret_now->at;
		*ret_now = *ret_old;
		ret_old->size = 0;
	}
	return code;
}

int fl_keys_render(struct fl_mapper *m, const struct fl_rule_use *rule,
	const struct fl_template_use *use, const struct images *images, struct key *ret_old,
	struct key *ret_now, struct fl_err *why)
{
	const struct fl_image *before = images->before, *after = images->after;
	ret_old->size = ret_now->size = 0;
	if (use->missing != NULL)
		return fl_err_set(why, FL_EUNSUPPORTED, "%s", use->missing);
	/* Mostly a row keeps its keys, and what they are made of. */
	if (before != NULL && after != NULL &&
		fl_cells_are_same(before, after, use->columns, use->template->column_count))
		return render(m, rule, use, after, ret_now, why);
	return render_both(m, rule, use, images, ret_old, ret_now, why);
}

static int64_t seconds_now(struct fl_mapper *m)
{
	struct timespec now;
	if (m->now == 0 && clock_gettime(CLOCK_REALTIME, &now) == 0)
		m->now = now.tv_sec;
	return m->now;
}

/* Appends the value. 1; 0 if there is none; FL_E... */
static int append_value(struct fl_mapper *m, const struct fl_rule_use *use,
	const struct fl_image *image, struct fl_err *why)
{
	const struct fl_row *row = image->row;
	int code;
	switch (use->rule->form) {
	case FL_FORM_OF_JSON:
		code = fl_fields_json(&use->fields, row, &m->bytes, why);
		return code < 0 ? code : 1;
	case FL_FORM_OF_MSGPACK:
		code = fl_fields_msgpack(&use->fields, row, &m->scratch, &m->bytes, why);
		return code < 0 ? code : 1;
	case FL_FORM_OF_HASH: {
		size_t const at = m->bytes.size;
		code = fl_fields_hash(&use->fields, row, &m->scratch, &m->bytes, why);
		return code < 0 ? code : m->bytes.size > at;
	}
	case FL_FORM_OF_COLUMN:
		return fl_cell_append(
			image, use->value.columns[0], true, &m->scratch, &m->bytes, why);
	case FL_FORM_OF_TEMPLATE:
		return append_pieces(m, use, use->value.pieces, TEXT, image, why);
	case FL_FORM_OF_NONE:
		break;
	}
	return 0;
}

static void make(struct fl_mapper *m, const struct fl_rule_use *use, const struct fl_image *image,
	struct value *value)
{
	value->tried = true;
	value->at = m->bytes.size;
	value->code = append_value(m, use, image, value->why);
	value->size = m->bytes.size - value->at;
}

void fl_value_make(struct fl_mapper *m, const struct fl_rule_use *use, const struct images *images,
	struct value *value)
{
	const struct fl_lifetime *lifetime = &use->rule->lifetime;
	if (value->tried)
		return;
	if (use->missing != NULL) {
		value->tried = true;
		value->code = fl_err_set(value->why, FL_EUNSUPPORTED, "%s", use->missing);
		return;
	}
	if (use->rule->form == FL_FORM_OF_JSON && use->fields.all) {
		if (!images->plain->tried)
			make(m, use, images->after, images->plain);
		*value = *images->plain;
	} else {
		make(m, use, images->after, value);
	}
	if (value->code != 1)
		return;
	value->ttl = lifetime->seconds;
	if (lifetime->column.data == NULL && lifetime->jitter == 0)
		return;
	int code = fl_lifetime_left(lifetime, images->after, use->lifetime_column,
		lifetime->column.data != NULL ? seconds_now(m) : 0, &m->scratch, &m->random,
		&value->ttl, value->why);
	value->code = code < 0 && code != FL_ENOMEM ? FL_EUNSUPPORTED : code;
}
