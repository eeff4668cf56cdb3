/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_trigger_scan: whether a path may have a trigger segment. This is the only
 * work for an unprofiled request on a host that allows profiling, so it is
 * inline. lpp_trigger.c then reads the segment.
 *
 * Reads 16 bytes at a time, also bytes before and after the text, but only in
 * memory pages of the text; AddressSanitizer is disabled for that.
 */
#ifndef LPP_TRIGGER_SCAN_INTERNAL_H
#define LPP_TRIGGER_SCAN_INTERNAL_H

#include <stdint.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#if defined(__SSE2__)

/* Load 16 bytes; compare each of them with c. */
__attribute__((no_sanitize_address))
static inline __m128i lpp_trigger_load(const char *block)
{
    return _mm_load_si128((const __m128i *)block);
}

static inline __m128i lpp_trigger_equal(__m128i bytes, char c)
{
    return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c));
}

/* The bytes that a mark can begin with. */
static inline __m128i lpp_trigger_marks(__m128i bytes)
{
    return _mm_or_si128(lpp_trigger_equal(bytes, '+'),
                        lpp_trigger_equal(bytes, '%'));
}

/*
 * A bit for each byte from at on at which the quick look stops: a NUL, and a
 * byte after a slash that a mark can begin with. It also stops at "'" and ")"
 * after a slash: that test takes half of the instructions, and these bytes are
 * rare there. at - 1 is in the text.
 */
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
 * The first byte, at or after at, that follows a slash and that a mark can
 * begin with ("+", or "%" of an encoded one); NULL: none. at points into the
 * text; a slash before at is not seen. At most two instructions a byte.
 * Signal-safe: yes. Thread: any.
 */
const char *lpp_trigger_candidate(const char *at);

/*
 * A quick look at a path (not empty), which is nearly always enough. NO:
 * lpp_trigger_candidate would find nothing. MAYBE: it might. LONG: nothing in
 * the first 17 bytes; call lpp_trigger_look_behind, which returns NO or MAYBE.
 * With SSE2, this takes about 25 instructions, and about one for each byte
 * after these.
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

    /* Near the end of a memory page (of the smallest size): let the caller
     * search. */
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
