/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys. memcached takes 1 to 250 bytes without blanks and control characters. So that every reader
 * finds them, in any language:
 *
 *   1. each byte up to 0x20, and 0x7f and '%', becomes '%' and its two hexadecimal digits, in upper
 *      case; all other bytes stay
 *   2. if that is empty or longer than 250 bytes, the key is "sha256:" and the 64 hexadecimal
 * digits, in lower case, of the SHA-256 of the key as it was before 1.
 */
#include "memcached.h"

#include <nettle/sha2.h>

static char *put_hex(char *to, unsigned char byte, const char *digits)
{
	*to++ = digits[byte >> 4];
	*to++ = digits[byte & 15];
	return to;
}

static struct fl_bytes hashed(struct fl_bytes raw, char room[KEY_MAX])
{
	static const char prefix[] = "sha256:";
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha256;
	sha256_init(&sha256);
	sha256_update(&sha256, raw.size, (const uint8_t *)raw.data);
	sha256_digest(&sha256, sizeof(digest), digest);
	memcpy(room, prefix, sizeof(prefix) - 1);
	char *to = room + sizeof(prefix) - 1;
	for (size_t i = 0; i < sizeof(digest); i++)
		to = put_hex(to, digest[i], "0123456789abcdef");
	return (struct fl_bytes){ room, (size_t)(to - room) };
}

/* Bits in those bytes of the word that are below a limit of at most 0x80. (In bytes above one of
 * those there may be some too.) */
#define BELOW(word, limit) (((word)-ONES * (limit)) & ~(word)&ONES * 0x80)
#define ONES		   UINT64_C(0x0101010101010101)

static uint64_t find_special(uint64_t word)
{
	return BELOW(word, 0x21) | BELOW(word ^ ONES * 0x7f, 1) | BELOW(word ^ ONES * '%', 1);
}

static bool is_plain(struct fl_bytes raw)
{
	uint64_t word = ONES * 'x', special = 0;
	if (raw.size < sizeof(word)) {
		for (size_t i = 0; i < raw.size; i++)
			word = word << 8 | (unsigned char)raw.data[i];
		return find_special(word) == 0;
	}
	/* The last word may have some bytes of the one before. */
	for (size_t at = 0; at < raw.size - sizeof(word); at += sizeof(word)) {
		memcpy(&word, raw.data + at, sizeof(word));
		special |= find_special(word);
	}
	memcpy(&word, raw.data + raw.size - sizeof(word), sizeof(word));
	return (special | find_special(word)) == 0;
}

struct fl_bytes key_encode(struct fl_bytes raw, char room[KEY_MAX])
{
	char *to = room;
	if (raw.size == 0 || raw.size > KEY_MAX)
		return hashed(raw, room);
	if (is_plain(raw))
		return raw;
	for (size_t i = 0; i < raw.size; i++) {
		unsigned char byte = (unsigned char)raw.data[i];
		bool plain = byte > 0x20 && byte != 0x7f && byte != '%';
		if (KEY_MAX - (to - room) < (plain ? 1 : 3))
			return hashed(raw, room);
		if (plain) {
			*to++ = (char)byte;
		} else {
			*to++ = '%';
			to = put_hex(to, byte, "0123456789ABCDEF");
		}
	}
	return (struct fl_bytes){ room, (size_t)(to - room) };
}
