/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to core/binlog: text in chunks of sixteen bytes. What is written for one kind of
 * processor stands beside a plain form; test_charset.c holds one against the other. No state, any
 * thread.
 *
 * Two functions copy a chunk and tell which of its bytes are special, bit i for byte i: those that
 * are not plain ASCII, or that do not stand for themselves in a JSON string. At `to` there is room
 * for all sixteen.
 */
#ifndef FL_CHUNK_H
#define FL_CHUNK_H

#include "binlog/value.h"

/* FL_PLAIN: as for any processor, for tests. */
#if defined(FL_PLAIN)
#elif defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON) && defined(__AARCH64EL__)
#include <arm_neon.h>
#endif

enum { FL_CHUNK = 16 };

/* 1 to 15 bytes as two words, the first one lowest: nothing is read beyond them. */
static inline void fl_chunk_words(const uint8_t *at, size_t size, uint64_t words[2])
{
	words[1] = 0;
	if (size >= 8) {
		words[0] = fl_le64(at);
		/* the last eight, less those that are in the first word, which may be all */
		words[1] = fl_le64(at + size - 8) >> 8 >> 8 * (15 - size);
	} else if (size >= 4) {
		words[0] = fl_le32(at) | (uint64_t)fl_le32(at + size - 4) << 8 * (size - 4);
	} else {
		size_t const middle = size / 2, last = size - 1;
		words[0] =
			at[0] | (uint64_t)at[middle] << 8 * middle | (uint64_t)at[last] << 8 * last;
	}
}

/* The highest bit of each byte becomes the bit of its place. */
static inline unsigned fl_high_bits(uint64_t word)
{
	return (unsigned)(((word >> 7 & 0x0101010101010101) * 0x0102040810204080) >> 56);
}

static inline unsigned fl_special_plain(uint64_t word)
{
	uint64_t const ones = 0x0101010101010101, low = ones * 0x7f;
	/* The highest bit of a sum is set where the lower seven are: at least 0x20; not zero. */
	uint64_t const printable = (word & low) + ones * (0x80 - 0x20);
	uint64_t const no_quote = ((word ^ ones * '"') & low) + low;
	uint64_t const no_backslash = ((word ^ ones * '\\') & low) + low;
	return fl_high_bits(word | ~(printable & no_quote & no_backslash));
}

/* What the bytes of a chunk are in UTF-8, bit i for byte i. Characters of four bytes, and those of
 * three whose second byte can't be just any, are among the others. */
struct fl_chunk_utf8 {
	unsigned two, three; /* begin a character of that many bytes */
	unsigned more;	     /* continue one */
	unsigned other;	     /* neither, nor ASCII */
};

/* Of the seven lower bits of each byte: the highest bit where they are at least `least`. */
static inline uint64_t fl_at_least(uint64_t low, unsigned least)
{
	return low + 0x0101010101010101 * (0x80 - least);
}

static inline struct fl_chunk_utf8 fl_utf8_word(uint64_t word)
{
	uint64_t const ones = 0x0101010101010101, low = word & ones * 0x7f;
	uint64_t const from_c0 = fl_at_least(low, 0x40), from_c2 = fl_at_least(low, 0x42);
	uint64_t const from_e0 = fl_at_least(low, 0x60), from_e1 = fl_at_least(low, 0x61);
	uint64_t const from_f0 = fl_at_least(low, 0x70);
	uint64_t const no_ed = fl_at_least(low ^ ones * 0x6d, 1);
	uint64_t const two = word & from_c2 & ~from_e0, three = word & from_e1 & ~from_f0 & no_ed;
	uint64_t const more = word & ~from_c0;
	return (struct fl_chunk_utf8){ fl_high_bits(two), fl_high_bits(three), fl_high_bits(more),
		fl_high_bits(word & ~two & ~three & ~more) };
}

static inline struct fl_chunk_utf8 fl_chunk_utf8_plain(const uint8_t *at)
{
	struct fl_chunk_utf8 const a = fl_utf8_word(fl_le64(at)), b = fl_utf8_word(fl_le64(at + 8));
	return (struct fl_chunk_utf8){ a.two | b.two << 8, a.three | b.three << 8,
		a.more | b.more << 8, a.other | b.other << 8 };
}

static inline void fl_put_le64(uint64_t word, char *to)
{
	word = htole64(word);
	memcpy(to, &word, sizeof(word));
}

static inline unsigned fl_chunk_put_plain(const uint64_t words[2], char *to)
{
	fl_put_le64(words[0], to);
	fl_put_le64(words[1], to + 8);
	return fl_special_plain(words[0]) | fl_special_plain(words[1]) << 8;
}

static inline unsigned fl_chunk_copy_plain(const uint8_t *at, char *to)
{
	return fl_chunk_put_plain((uint64_t[2]){ fl_le64(at), fl_le64(at + 8) }, to);
}

static inline unsigned fl_chunk_copy_few_plain(const uint8_t *at, size_t size, char *to)
{
	uint64_t words[2];
	fl_chunk_words(at, size, words);
	return fl_chunk_put_plain(words, to) & ((1u << size) - 1);
}

#if defined(__SSE2__) && !defined(FL_PLAIN)

static inline unsigned fl_special_sse2(__m128i chunk)
{
	/* Signed: below 0x20 are the controls and all from 0x80 on. */
	__m128i const special = _mm_or_si128(_mm_cmplt_epi8(chunk, _mm_set1_epi8(0x20)),
		_mm_or_si128(_mm_cmpeq_epi8(chunk, _mm_set1_epi8('"')),
			_mm_cmpeq_epi8(chunk, _mm_set1_epi8('\\'))));
	return (unsigned)_mm_movemask_epi8(special);
}

static inline unsigned fl_chunk_copy(const uint8_t *at, char *to)
{
	__m128i const chunk = _mm_loadu_si128((const __m128i *)(const void *)at);
	_mm_storeu_si128((__m128i *)(void *)to, chunk);
	return fl_special_sse2(chunk);
}

static inline unsigned fl_chunk_copy_few(const uint8_t *at, size_t size, char *to)
{
	uint64_t words[2];
	fl_chunk_words(at, size, words);
	__m128i const chunk = _mm_set_epi64x((int64_t)words[1], (int64_t)words[0]);
	_mm_storeu_si128((__m128i *)(void *)to, chunk);
	return fl_special_sse2(chunk) & ((1u << size) - 1);
}

static inline struct fl_chunk_utf8 fl_chunk_utf8(const uint8_t *at)
{
	__m128i const chunk = _mm_loadu_si128((const __m128i *)(const void *)at);
	/* Signed: all from 0x80 on are negative, and in order. */
	unsigned const high = (unsigned)_mm_movemask_epi8(chunk);
	unsigned const more =
		(unsigned)_mm_movemask_epi8(_mm_cmplt_epi8(chunk, _mm_set1_epi8((char)0xc0)));
	unsigned const below_c2 =
		(unsigned)_mm_movemask_epi8(_mm_cmplt_epi8(chunk, _mm_set1_epi8((char)0xc2)));
	unsigned const below_e0 =
		(unsigned)_mm_movemask_epi8(_mm_cmplt_epi8(chunk, _mm_set1_epi8((char)0xe0)));
	unsigned const odd = (unsigned)_mm_movemask_epi8(
		_mm_or_si128(_mm_cmpgt_epi8(chunk, _mm_set1_epi8((char)0xef)),
			_mm_or_si128(_mm_cmpeq_epi8(chunk, _mm_set1_epi8((char)0xe0)),
				_mm_cmpeq_epi8(chunk, _mm_set1_epi8((char)0xed)))));
	return (struct fl_chunk_utf8){ below_e0 & ~below_c2, high & ~below_e0 & ~odd, more,
		high & (odd | (below_c2 & ~more)) };
}

#elif defined(__ARM_NEON) && defined(__AARCH64EL__) && !defined(FL_PLAIN)

static inline unsigned fl_neon_bits(uint8x16_t set)
{
	static const uint8_t bits[8] = { 1, 2, 4, 8, 16, 32, 64, 128 };
	uint8x8_t const weight = vld1_u8(bits);
	return vaddv_u8(vand_u8(vget_low_u8(set), weight)) |
	       (unsigned)vaddv_u8(vand_u8(vget_high_u8(set), weight)) << 8;
}

static inline unsigned fl_special_neon(uint8x16_t chunk)
{
	return fl_neon_bits(vorrq_u8(vcltq_s8(vreinterpretq_s8_u8(chunk), vdupq_n_s8(0x20)),
		vorrq_u8(vceqq_u8(chunk, vdupq_n_u8('"')), vceqq_u8(chunk, vdupq_n_u8('\\')))));
}

static inline struct fl_chunk_utf8 fl_chunk_utf8(const uint8_t *at)
{
	uint8x16_t const chunk = vld1q_u8(at);
	unsigned const ascii = fl_neon_bits(vcltq_u8(chunk, vdupq_n_u8(0x80)));
	unsigned const below_c0 = fl_neon_bits(vcltq_u8(chunk, vdupq_n_u8(0xc0)));
	unsigned const below_c2 = fl_neon_bits(vcltq_u8(chunk, vdupq_n_u8(0xc2)));
	unsigned const below_e0 = fl_neon_bits(vcltq_u8(chunk, vdupq_n_u8(0xe0)));
	unsigned const odd = fl_neon_bits(vorrq_u8(vcgtq_u8(chunk, vdupq_n_u8(0xef)),
		vorrq_u8(vceqq_u8(chunk, vdupq_n_u8(0xe0)), vceqq_u8(chunk, vdupq_n_u8(0xed)))));
	return (struct fl_chunk_utf8){ below_e0 & ~below_c2, ~(below_e0 | odd) & 0xffff,
		below_c0 & ~ascii, odd | (below_c2 & ~below_c0) };
}

static inline unsigned fl_chunk_copy(const uint8_t *at, char *to)
{
	uint8x16_t const chunk = vld1q_u8(at);
	vst1q_u8((uint8_t *)to, chunk);
	return fl_special_neon(chunk);
}

static inline unsigned fl_chunk_copy_few(const uint8_t *at, size_t size, char *to)
{
	uint64_t words[2];
	fl_chunk_words(at, size, words);
	uint8x16_t const chunk = vcombine_u8(vcreate_u8(words[0]), vcreate_u8(words[1]));
	vst1q_u8((uint8_t *)to, chunk);
	return fl_special_neon(chunk) & ((1u << size) - 1);
}

#else

static inline unsigned fl_chunk_copy(const uint8_t *at, char *to)
{
	return fl_chunk_copy_plain(at, to);
}

static inline unsigned fl_chunk_copy_few(const uint8_t *at, size_t size, char *to)
{
	return fl_chunk_copy_few_plain(at, size, to);
}

static inline struct fl_chunk_utf8 fl_chunk_utf8(const uint8_t *at)
{
	return fl_chunk_utf8_plain(at);
}

#endif

#endif
