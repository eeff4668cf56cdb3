/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_trigger_scan: whether a path may have a trigger segment. The only work of
 * an unprofiled request on a host that allows profiling; hence inline.
 * lpp_trigger.c reads what is found.
 *
 * Reads 16 bytes at a time, also bytes around the text, but only in memory
 * pages of the text; AddressSanitizer is disabled for that.
 */
#ifndef LPP_TRIGGER_SCAN_INTERNAL_H
#define LPP_TRIGGER_SCAN_INTERNAL_H

#include <stdint.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#if defined(__SSE2__)

/* Whole vectors of 16 bytes, and which of their bytes are c. */
__attribute__((no_sanitize_address))
static inline __m128i lpp_trigger_load(const char *block)
{
    return _mm_load_si128((const __m128i *)block);
}

static inline __m128i lpp_trigger_equal(__m128i bytes, char c)
{
    return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c));
}

/* What a mark can begin with. */
static inline __m128i lpp_trigger_marks(__m128i bytes)
{
    return _mm_or_si128(lpp_trigger_equal(bytes, '+'),
                        lpp_trigger_equal(bytes, '%'));
}

/* A bit for each byte from at on that ends the quick look: NUL, and behind a
 * slash what a mark can begin with; "'" and ")", too, which takes half of the
 * instructions and hardly happens. at - 1 is text. */
__attribute__((no_sanitize_address))
static inline unsigned lpp_trigger_stops(const char *at)
{
    __m128i before = _mm_loadu_si128((const __m128i *)(at - 1));
    __m128i bytes = _mm_loadu_si128((const __m128i *)at);
    /* 0, 2, 4, 6 of "%" to "+" */
    __m128i apart = _mm_and_si128(_mm_sub_epi8(bytes, _mm_set1_epi8('%')),
                                  _mm_set1_epi8(~('+' - '%')));
    /* zero where both hold */
    __m128i begun = _mm_or_si128(
        apart, _mm_xor_si128(before, _mm_set1_epi8('/')));

    return (unsigned)_mm_movemask_epi8(
        lpp_trigger_equal(_mm_min_epu8(begun, bytes), '\0'));
}

#endif

/*
 * The first byte, not before at, that a mark can begin with ("+", or "%" of an
 * encoded one) and that stands after a slash, or NULL. at is text or lies in
 * it; a slash before at is not seen. At most two instructions a byte.
 * Signal-safe: yes. Thread: any.
 */
const char *lpp_trigger_candidate(const char *at);

/*
 * A quick look at a path (not empty), nearly always enough: NO, surely nothing
 * that lpp_trigger_candidate would find; MAYBE; LONG, nothing in the first 17
 * bytes, call lpp_trigger_look_behind, which returns NO or MAYBE. With SSE2,
 * about 25 instructions, and one a byte behind these.
 * Signal-safe: yes. Thread: any.
 */
typedef enum {
    LPP_TRIGGER_NO,
    LPP_TRIGGER_MAYBE,
    LPP_TRIGGER_LONG
} lpp_trigger_look_e;

lpp_trigger_look_e lpp_trigger_look_behind(const char *path);

__attribute__((no_sanitize_address))
static inline lpp_trigger_look_e lpp_trigger_look(const char *path)
{
#if defined(__SSE2__)
    unsigned found;

    /* Near the end of a memory page (of the smallest size) the caller looks. */
    if (((uintptr_t)path & 4095) > 4096 - 17) {
        return LPP_TRIGGER_MAYBE;
    }
    found = lpp_trigger_stops(path + 1);
    return found == 0 ? LPP_TRIGGER_LONG
           : path[1u + (unsigned)__builtin_ctz(found)] != '\0'
               ? LPP_TRIGGER_MAYBE : LPP_TRIGGER_NO;
#else
    return lpp_trigger_candidate(path) ? LPP_TRIGGER_MAYBE : LPP_TRIGGER_NO;
#endif
}

#endif
