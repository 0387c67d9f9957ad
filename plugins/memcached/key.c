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

static size_t hashed(struct fl_bytes raw, char ret[KEY_MAX])
{
	static const char prefix[] = "sha256:";
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha256;
	sha256_init(&sha256);
	sha256_update(&sha256, raw.size, (const uint8_t *)raw.data);
	sha256_digest(&sha256, sizeof(digest), digest);
	memcpy(ret, prefix, sizeof(prefix) - 1);
	char *to = ret + sizeof(prefix) - 1;
	for (size_t i = 0; i < sizeof(digest); i++)
		to = put_hex(to, digest[i], "0123456789abcdef");
	return (size_t)(to - ret);
}

size_t key_encode(struct fl_bytes raw, char ret[KEY_MAX])
{
	char *to = ret;
	for (size_t i = 0; i < raw.size; i++) {
		unsigned char byte = (unsigned char)raw.data[i];
		bool plain = byte > 0x20 && byte != 0x7f && byte != '%';
		if (KEY_MAX - (to - ret) < (plain ? 1 : 3))
			return hashed(raw, ret);
		if (plain) {
			*to++ = (char)byte;
		} else {
			*to++ = '%';
			to = put_hex(to, byte, "0123456789ABCDEF");
		}
	}
	return raw.size > 0 ? (size_t)(to - ret) : hashed(raw, ret);
}
