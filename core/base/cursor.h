/* SPDX-License-Identifier: Apache-2.0
 *
 * A bounds-checked reader of bytes from outside. A read beyond the end gives zero and sets
 * `failed`, which sticks: decode a whole structure, then check once. Never reads outside [at, end).
 */
#ifndef FL_CURSOR_H
#define FL_CURSOR_H

#include <endian.h>
#include <fastlane/change.h>

struct fl_cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool failed;
};

static inline struct fl_cursor fl_cursor(const void *data, size_t size)
{
	const uint8_t *at = data;
	return (struct fl_cursor){ .at = at, .end = size > 0 ? at + size : at };
}

static inline size_t fl_cursor_left(const struct fl_cursor *c)
{
	return (size_t)(c->end - c->at);
}

/* Takes `size` bytes: where they lie, or NULL. */
static inline const uint8_t *fl_take(struct fl_cursor *c, size_t size)
{
	if (c->failed || size > fl_cursor_left(c)) {
		c->failed = true;
		c->at = c->end;
		return NULL;
	}
	const uint8_t *at = c->at;
	c->at += size;
	return at;
}

static inline struct fl_bytes fl_take_bytes(struct fl_cursor *c, size_t size)
{
	const uint8_t *at = fl_take(c, size);
	return (struct fl_bytes){ (const char *)at, at != NULL ? size : 0 };
}

/* Little-endian integers of 1 to 8 bytes, as all of the protocol. */
static inline uint64_t fl_le(const uint8_t *at, size_t size)
{
	uint64_t value = 0;
	uint32_t four;
	uint16_t two;
	switch (size) {
	case 2:
		memcpy(&two, at, sizeof(two));
		return le16toh(two);
	case 4:
		memcpy(&four, at, sizeof(four));
		return le32toh(four);
	case 8:
		memcpy(&value, at, sizeof(value));
		return le64toh(value);
	default:
		for (size_t i = size; i-- > 0;)
			value = value << 8 | at[i];
		return value;
	}
}

static inline uint64_t fl_take_uint(struct fl_cursor *c, size_t size)
{
	const uint8_t *at = fl_take(c, size);
	return at != NULL ? fl_le(at, size) : 0;
}

static inline uint8_t fl_take_u8(struct fl_cursor *c)
{
	return (uint8_t)fl_take_uint(c, 1);
}

static inline uint16_t fl_take_u16(struct fl_cursor *c)
{
	return (uint16_t)fl_take_uint(c, 2);
}

static inline uint32_t fl_take_u32(struct fl_cursor *c)
{
	return (uint32_t)fl_take_uint(c, 4);
}

static inline uint64_t fl_take_u64(struct fl_cursor *c)
{
	return fl_take_uint(c, 8);
}

/* Length-encoded integer: < 251 itself; 252, 253, 254: 2, 3, 8 bytes follow. 251 (NULL) and 255 are
 * no integers and fail. */
static inline uint64_t fl_take_lenenc(struct fl_cursor *c)
{
	uint8_t first = fl_take_u8(c);
	switch (first) {
	case 251:
	case 255:
		c->failed = true;
		return 0;
	case 252:
		return fl_take_uint(c, 2);
	case 253:
		return fl_take_uint(c, 3);
	case 254:
		return fl_take_uint(c, 8);
	default:
		return first;
	}
}

/* Length-encoded string. */
static inline struct fl_bytes fl_take_lenenc_bytes(struct fl_cursor *c)
{
	uint64_t size = fl_take_lenenc(c);
	if (size > fl_cursor_left(c)) {
		c->failed = true;
		size = 0;
	}
	return fl_take_bytes(c, (size_t)size);
}

#endif
