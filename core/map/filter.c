/* SPDX-License-Identifier: Apache-2.0 */
#include "map/filter.h"

#include <locale.h>
#include <nettle/base64.h>
#include <nettle/sha1.h>
#include <pthread.h>
#include <wctype.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static const struct {
	const char *name;
	enum fl_filter_kind kind;
} names[] = {
	{ "lower", FL_FILTER_LOWER },
	{ "upper", FL_FILTER_UPPER },
	{ "hex", FL_FILTER_HEX },
	{ "base64", FL_FILTER_BASE64 },
	{ "urlencode", FL_FILTER_URLENCODE },
	{ "sha1", FL_FILTER_SHA1 },
	{ "xxh64", FL_FILTER_XXH64 },
	{ "date", FL_FILTER_DATE },
	{ "year", FL_FILTER_YEAR },
	{ "month", FL_FILTER_MONTH },
	{ "day", FL_FILTER_DAY },
	{ "hour", FL_FILTER_HOUR },
	{ "minute", FL_FILTER_MINUTE },
	{ "default", FL_FILTER_DEFAULT },
};

/* Where the parts stand in "2024-02-29 01:02:03", by kind - FL_FILTER_DATE. */
static const struct {
	size_t at, size;
} date_parts[] = { { 0, 10 }, { 0, 4 }, { 5, 2 }, { 8, 2 }, { 11, 2 }, { 14, 2 } };

int fl_filter_compile(struct fl_bytes text, struct fl_filter *ret, struct fl_err *err)
{
	const char *colon = text.size > 0 ? memchr(text.data, ':', text.size) : NULL;
	size_t size = colon != NULL ? (size_t)(colon - text.data) : text.size;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strlen(names[i].name) != size || memcmp(names[i].name, text.data, size) != 0)
			continue;
		ret->kind = names[i].kind;
		ret->argument = (struct fl_bytes){ 0 };
		if ((ret->kind == FL_FILTER_DEFAULT) != (colon != NULL))
			return fl_err_set(err, FL_EINVAL,
				colon != NULL ? "the filter %.*s takes no argument"
					      : "the filter %.*s needs the text that stands for "
						"NULL: default:none",
				(int)size, text.data);
		if (colon != NULL)
			ret->argument = (struct fl_bytes){ colon + 1, text.size - size - 1 };
		return 0;
	}
	return fl_err_set(err, FL_EINVAL,
		"there is no filter %.*s; there are lower, upper, hex, base64, urlencode, sha1, "
		"xxh64, date, year, month, day, hour, minute and default:TEXT",
		(int)size, text.data);
}

static enum fl_filter_kind first_kind(const struct fl_filter *filters, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (filters[i].kind != FL_FILTER_DEFAULT)
			return filters[i].kind;
	return FL_FILTER_DEFAULT;
}

bool fl_filters_take_bytes(const struct fl_filter *filters, size_t count)
{
	enum fl_filter_kind const kind = first_kind(filters, count);
	return kind == FL_FILTER_HEX || kind == FL_FILTER_BASE64 || kind == FL_FILTER_SHA1 ||
	       kind == FL_FILTER_XXH64;
}

bool fl_filters_want_date(const struct fl_filter *filters, size_t count, bool *ret_time)
{
	enum fl_filter_kind const kind = first_kind(filters, count);
	*ret_time = kind == FL_FILTER_HOUR || kind == FL_FILTER_MINUTE;
	return kind >= FL_FILTER_DATE && kind < FL_FILTER_DEFAULT;
}

bool fl_filters_keep_date(const struct fl_filter *filters, size_t count, bool with_time)
{
	for (size_t i = 0; i < count; i++)
		if (filters[i].kind != FL_FILTER_DEFAULT &&
			(with_time || filters[i].kind != FL_FILTER_DATE))
			return false;
	return true;
}

static char *write_hex(const uint8_t *at, size_t size, char *to)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < size; i++) {
		*to++ = digits[at[i] >> 4];
		*to++ = digits[at[i] & 15];
	}
	return to;
}

static bool is_unreserved(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

/* RFC 3986, 2.1: upper-case digits. */
static char *write_urlencoded(const uint8_t *at, size_t size, char *to)
{
	static const char digits[] = "0123456789ABCDEF";
	for (size_t i = 0; i < size; i++) {
		if (is_unreserved(at[i])) {
			*to++ = (char)at[i];
			continue;
		}
		*to++ = '%';
		*to++ = digits[at[i] >> 4];
		*to++ = digits[at[i] & 15];
	}
	return to;
}

/* One character of UTF-8 that is known to be valid; `ret_size` is 1 for what is not. */
static wint_t read_char(const uint8_t *at, size_t size, size_t *ret_size)
{
	static const uint8_t sizes[16] = { [12] = 2, [13] = 2, [14] = 3, [15] = 4 };
	size_t const count = sizes[at[0] >> 4];
	*ret_size = 1;
	if (count == 0 || count > size)
		return WEOF;
	wint_t c = at[0] & (0x7fu >> count);
	for (size_t i = 1; i < count; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return WEOF;
		c = c << 6 | (at[i] & 0x3f);
	}
	*ret_size = count;
	return c;
}

static char *write_char(wint_t c, char *to)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	}
	return to;
}

/* The letters' cases do not depend on where the daemon is started; where the C library has no such
 * locale, letters outside of ASCII stay as they are. */
static locale_t unicode;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void find_unicode(void)
{
	unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static char *write_case(const uint8_t *at, size_t size, bool upper, char *to)
{
	uint8_t const first = upper ? 'a' : 'A';
	for (size_t i = 0, step; i < size; i += step) {
		step = 1;
		if (at[i] < 0x80) {
			bool const other = at[i] >= first && at[i] < first + 26;
			*to++ = (char)(other ? at[i] ^ 0x20 : at[i]);
			continue;
		}
		pthread_once(&once, find_unicode);
		wint_t c = read_char(at + i, size - i, &step);
		if (c == WEOF || unicode == (locale_t)0) {
			for (size_t k = 0; k < step; k++)
				*to++ = (char)at[i + k];
			continue;
		}
		to = write_char(upper ? towupper_l(c, unicode) : towlower_l(c, unicode), to);
	}
	return to;
}

static char *write_sha1(const uint8_t *at, size_t size, char *to)
{
	uint8_t digest[SHA1_DIGEST_SIZE];
	struct sha1_ctx sha1;
	sha1_init(&sha1);
	sha1_update(&sha1, size, at);
	sha1_digest(&sha1, sizeof(digest), digest);
	return write_hex(digest, sizeof(digest), to);
}

static char *write_xxh64(const uint8_t *at, size_t size, char *to)
{
	XXH64_canonical_t digest;
	XXH64_canonicalFromHash(&digest, XXH64(at, size, 0));
	return write_hex(digest.digest, sizeof(digest.digest), to);
}

static bool looks_like_date(const char *text, size_t size)
{
	static const char form[] = "0000-00-00 00:00:00";
	if (size != 10 && size < sizeof(form) - 1)
		return false;
	for (size_t i = 0; i < size && i < sizeof(form) - 1; i++)
		if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return false;
	return true;
}

static int take_date_part(
	const struct fl_filter *filter, struct fl_buf *out, size_t at, struct fl_err *err)
{
	size_t const first = date_parts[filter->kind - FL_FILTER_DATE].at;
	size_t const size = date_parts[filter->kind - FL_FILTER_DATE].size;
	char *text = out->data + at;
	size_t const have = out->size - at;
	if (!looks_like_date(text, have) || first + size > have)
		return fl_err_set(err, FL_EUNSUPPORTED,
			"the filters for dates are for DATE, DATETIME and TIMESTAMP, and hours for "
			"the last two: %.*s has none",
			(int)(have < 40 ? have : 40), text);
	memmove(text, text + first, size);
	out->size = at + size;
	return 0;
}

int fl_filter_apply(const struct fl_filter *filter, struct fl_buf *out, size_t at, bool *is_null,
	struct fl_err *err)
{
	/* The most that a byte becomes, and what is longer than its text: a digest. */
	enum { MOST = 3, DIGEST = 2 * SHA1_DIGEST_SIZE };
	if (filter->kind == FL_FILTER_DEFAULT) {
		if (*is_null)
			fl_buf_append(out, filter->argument.data, filter->argument.size);
		*is_null = false;
		return out->failed ? FL_ENOMEM : 0;
	}
	if (*is_null)
		return 0;
	if (filter->kind >= FL_FILTER_DATE)
		return take_date_part(filter, out, at, err);

	/* It is written behind the text, and takes its place. */
	size_t const size = out->size - at;
	char *const to = fl_buf_reserve(out, size * MOST + DIGEST);
	if (to == NULL)
		return FL_ENOMEM;
	const uint8_t *text = (const uint8_t *)out->data + at;
	char *end = NULL;
	switch (filter->kind) {
	case FL_FILTER_LOWER:
	case FL_FILTER_UPPER:
		end = write_case(text, size, filter->kind == FL_FILTER_UPPER, to);
		break;
	case FL_FILTER_HEX:
		end = write_hex(text, size, to);
		break;
	case FL_FILTER_BASE64:
		base64_encode_raw(to, size, text);
		end = to + BASE64_ENCODE_RAW_LENGTH(size);
		break;
	case FL_FILTER_URLENCODE:
		end = write_urlencoded(text, size, to);
		break;
	case FL_FILTER_SHA1:
		end = write_sha1(text, size, to);
		break;
	case FL_FILTER_XXH64:
		end = write_xxh64(text, size, to);
		break;
	default:
		break;
	}
	if (end == NULL)
		return FL_ENOMEM;
	memmove(out->data + at, to, (size_t)(end - to));
	out->size = at + (size_t)(end - to);
	return 0;
}
