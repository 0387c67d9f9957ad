/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to core/binlog: text in chunks of sixteen bytes. What is written for one kind of
 * processor stands beside a plain form; test_charset.c holds one against the other. No state, any
 * thread.
 *
 * Both functions copy a chunk and tell which of its bytes are special, bit i for byte i: those that
 * are not plain ASCII, or that do not stand for themselves in a JSON string. At `to` there is room
 * for all sixteen.
 */
#ifndef FL_CHUNK_H
#define FL_CHUNK_H

#include "binlog/value.h"

#if defined(__SSE2__)
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

#if defined(__SSE2__)

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

#elif defined(__ARM_NEON) && defined(__AARCH64EL__)

static inline unsigned fl_special_neon(uint8x16_t chunk)
{
	static const uint8_t bits[8] = { 1, 2, 4, 8, 16, 32, 64, 128 };
	uint8x16_t const special = vorrq_u8(vcltq_s8(vreinterpretq_s8_u8(chunk), vdupq_n_s8(0x20)),
		vorrq_u8(vceqq_u8(chunk, vdupq_n_u8('"')), vceqq_u8(chunk, vdupq_n_u8('\\'))));
	uint8x8_t const weight = vld1_u8(bits);
	return vaddv_u8(vand_u8(vget_low_u8(special), weight)) |
	       (unsigned)vaddv_u8(vand_u8(vget_high_u8(special), weight)) << 8;
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

#endif

#endif
