/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_trigger_scan: whether a path may hold a segment, the one question that
 * each request of a host that allows profiling pays for; hence inline.
 * Decides nothing: lpp_trigger.c reads what is found.
 *
 * By 16 bytes, aligned: nothing is read of a page that the text does not reach
 * into, though bytes around the text are, at which AddressSanitizer must not
 * look.
 */
#ifndef LPP_TRIGGER_SCAN_H
#define LPP_TRIGGER_SCAN_H

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

/* A bit for each byte of a block at which the quick look stops. */
__attribute__((no_sanitize_address))
static inline unsigned lpp_trigger_stops(const char *block)
{
    __m128i bytes = lpp_trigger_load(block);

    return (unsigned)_mm_movemask_epi8(_mm_or_si128(
        lpp_trigger_marks(bytes), lpp_trigger_equal(bytes, '\0')));
}

#endif

/*
 * The first byte of text that a mark can begin with ("+", or "%" of an encoded
 * one), else its NUL: then there is no segment. Where SSE2 is to be had less
 * than an instruction a byte, and about twenty.
 * Signal-safe: yes. Thread: any.
 */
__attribute__((no_sanitize_address))
static inline const char *lpp_trigger_stop(const char *text)
{
#if defined(__SSE2__)
    const char *block = (const char *)((uintptr_t)text & ~(uintptr_t)15);
    unsigned found = lpp_trigger_stops(block) >> ((uintptr_t)text & 15);

    if (found) {
        return text + __builtin_ctz(found);
    }
    do {
        block += 16;
        found = lpp_trigger_stops(block);
    } while (!found);
    return block + __builtin_ctz(found);
#else
    while (*text && *text != '+' && *text != '%') {
        text++;
    }
    return text;
#endif
}

/*
 * The first such byte, not before at, that stands after a slash, or NULL. For
 * paths that have some: names full of %20 are not looked at one by one. At most
 * two instructions a byte. at is text or lies in it; a slash before at is not
 * seen.
 * Signal-safe: yes. Thread: any.
 */
const char *lpp_trigger_candidate(const char *at);

#endif
