/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading GTID sets as people and servers write them:
 *
 *   MySQL    uuid[:tag]:n[-m][:n[-m]]...[:tag:n[-m]...]..., a tag holds until the next one
 *   MariaDB  domain-server-sequence
 *
 * parts separated by commas.
 */
#include "binlog/gtid.h"

struct scanner {
	const char *at, *end;
	const char *what; /* what is wrong, once something is */
};

static bool wrong(struct scanner *s, const char *what)
{
	s->what = what;
	return false;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_blanks(struct scanner *s)
{
	while (s->at < s->end && is_blank(*s->at))
		s->at++;
}

static bool skip(struct scanner *s, char c)
{
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

static bool read_number(struct scanner *s, uint64_t maximum, uint64_t *ret)
{
	const char *start = s->at;
	uint64_t number = 0;
	for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++) {
		unsigned digit = (unsigned)(*s->at - '0');
		if (number > (maximum - digit) / 10)
			return wrong(s, "the number is too large");
		number = number * 10 + digit;
	}
	if (s->at == start)
		return wrong(s, "a number is missing");
	*ret = number;
	return true;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

static bool read_uuid(struct scanner *s, uint8_t uuid[16])
{
	for (size_t i = 0; i < 16; i++) {
		if ((i == 4 || i == 6 || i == 8 || i == 10) && !skip(s, '-'))
			return wrong(s, "a uuid has the form 8-4-4-4-12 hexadecimal digits");
		int high = s->end - s->at >= 2 ? hex_digit(s->at[0]) : -1;
		int low = high >= 0 ? hex_digit(s->at[1]) : -1;
		if (low < 0)
			return wrong(s, "a uuid has the form 8-4-4-4-12 hexadecimal digits");
		uuid[i] = (uint8_t)(high << 4 | low);
		s->at += 2;
	}
	return true;
}

static bool read_tag(struct scanner *s, char tag[33])
{
	char text[33];
	size_t size = 0;
	for (; s->at < s->end && *s->at != ':' && *s->at != ',' && !is_blank(*s->at); s->at++) {
		char c = *s->at;
		if (size + 1 == sizeof(text))
			return wrong(s, "a tag has 32 characters at most");
		text[size++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	if (!fl_gtid_tag_is_valid((struct fl_bytes){ text, size }))
		return wrong(s, "a tag consists of letters, digits and underscores");
	text[size] = '\0';
	memcpy(tag, text, size + 1);
	return true;
}

static int add_mysql(struct scanner *s, struct fl_gtid_set *set)
{
	struct fl_gtid id = { .kind = FL_GTID_MYSQL };
	if (!read_uuid(s, id.uuid))
		return FL_EINVAL;
	bool complete = false;
	while (skip(s, ':')) {
		if (s->at < s->end && (*s->at < '0' || *s->at > '9')) {
			complete = false;
			if (!read_tag(s, id.tag))
				return FL_EINVAL;
			continue;
		}
		uint64_t last;
		if (!read_number(s, INT64_MAX - 1, &id.number))
			return FL_EINVAL;
		last = id.number;
		if (skip(s, '-') && !read_number(s, INT64_MAX - 1, &last))
			return FL_EINVAL;
		if (id.number < 1 || last < id.number) {
			wrong(s, "an interval begins at 1 or above and ends behind that");
			return FL_EINVAL;
		}
		int rc = fl_gtid_set_add_interval(set, &id, last);
		if (rc != FL_OK)
			return rc;
		complete = true;
	}
	if (!complete)
		wrong(s, "\":\" and a number are missing");
	return complete ? FL_OK : FL_EINVAL;
}

static int add_mariadb(struct scanner *s, struct fl_gtid_set *set)
{
	struct fl_gtid id = { .kind = FL_GTID_MARIADB };
	uint64_t domain, server;
	if (!read_number(s, UINT32_MAX, &domain))
		return FL_EINVAL;
	if (!skip(s, '-') || !read_number(s, UINT32_MAX, &server) || !skip(s, '-') ||
		!read_number(s, UINT64_MAX, &id.number) || skip(s, '-')) {
		if (s->what == NULL)
			wrong(s, "it is neither uuid:number nor domain-server-sequence");
		return FL_EINVAL;
	}
	id.domain = (uint32_t)domain;
	id.server = (uint32_t)server;
	struct fl_gtid start_of_domain = id;
	start_of_domain.number = 0;
	if (fl_gtid_set_contains(set, &start_of_domain)) {
		wrong(s, "the domain stands there twice");
		return FL_EINVAL;
	}
	return fl_gtid_set_add(set, &id);
}

int fl_gtid_set_parse(struct fl_bytes text, struct fl_gtid_set **ret, struct fl_err *err)
{
	struct scanner s = { .at = text.data, .end = text.data };
	if (text.size > 0) /* nothing may be added to a null pointer, not even 0 */
		s.end += text.size;
	struct fl_gtid_set *set = fl_gtid_set_create();
	int rc = set != NULL ? FL_OK : FL_ENOMEM;
	/* Only MySQL's have colons. */
	bool is_mysql = text.size > 0 && memchr(text.data, ':', text.size) != NULL;

	skip_blanks(&s);
	const char *part = s.at;
	while (rc == FL_OK && s.at < s.end) {
		part = s.at;
		rc = is_mysql ? add_mysql(&s, set) : add_mariadb(&s, set);
		if (rc != FL_OK)
			break;
		skip_blanks(&s);
		if (s.at == s.end)
			break;
		bool separated = skip(&s, ',');
		skip_blanks(&s);
		if (!separated || s.at == s.end) {
			wrong(&s, separated ? "nothing stands behind the comma"
					    : "a comma is missing");
			rc = FL_EINVAL;
		}
	}
	if (rc != FL_OK) {
		fl_gtid_set_destroy(set);
		if (rc == FL_ENOMEM)
			return fl_err_set(err, rc, "out of memory");
		size_t left = (size_t)(s.end - part);
		return fl_err_set(err, FL_EINVAL, "GTID set: at \"%.*s\": %s",
			(int)(left < 80 ? left : 80), part, s.what != NULL ? s.what : "");
	}
	*ret = set;
	return FL_OK;
}
