/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <nettle/base64.h>
#include <nettle/sha2.h>

#include "http/page.h"

/* The file is named by its whole path, since assemblers do not look where compilers do. */
__asm__(".pushsection .rodata\n"
	".globl fl_page_begin\n"
	".hidden fl_page_begin\n"
	".globl fl_page_end\n"
	".hidden fl_page_end\n"
	"fl_page_begin:\n"
	".incbin \"" FL_PAGE "\"\n"
	"fl_page_end:\n"
	".popsection");

extern const char fl_page_begin[], fl_page_end[];

struct fl_bytes fl_page_text(void)
{
	return (struct fl_bytes){ fl_page_begin, (size_t)(fl_page_end - fl_page_begin) };
}

/* Appends 'sha256-...' of what stands between the tags. */
static void append_hash(char *to, size_t room, const char *open, const char *close)
{
	struct fl_bytes page = fl_page_text();
	const char *from = memmem(page.data, page.size, open, strlen(open));
	assert(from != NULL);
	from += strlen(open);
	const char *end =
		memmem(from, page.size - (size_t)(from - page.data), close, strlen(close));
	assert(end != NULL);
	struct sha256_ctx hash;
	uint8_t digest[SHA256_DIGEST_SIZE];
	char text[BASE64_ENCODE_RAW_LENGTH(SHA256_DIGEST_SIZE) + 1] = "";
	sha256_init(&hash);
	sha256_update(&hash, (size_t)(end - from), (const uint8_t *)from);
	sha256_digest(&hash, sizeof(digest), digest);
	base64_encode_raw(text, sizeof(digest), digest);
	size_t const used = strlen(to);
	snprintf(to + used, room - used, "'sha256-%s'", text);
}

const char *fl_page_policy(void)
{
	static char policy[512];
	if (*policy == '\0') {
		strcpy(policy, "default-src 'none'; style-src ");
		append_hash(policy, sizeof(policy), "<style>", "</style>");
		strcat(policy, "; script-src ");
		append_hash(policy, sizeof(policy), "<script>", "</script>");
		/* The icon is in the page; nothing is ever taken for markup. */
		strcat(policy, "; connect-src 'self'; img-src data:; base-uri 'none'; "
			       "form-action 'none'; frame-ancestors 'none'; "
			       "require-trusted-types-for 'script'; trusted-types 'none'");
	}
	return policy;
}
