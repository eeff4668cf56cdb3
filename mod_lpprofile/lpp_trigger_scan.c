/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_trigger_scan: whether a path may hold a segment, the one question that
 * each request of a host that allows profiling pays for. Decides nothing:
 * lpp_trigger.c reads what is found.
 *
 * By 16 bytes, aligned: nothing is read of a page that the text does not reach
 * into, though bytes around the text are, at which AddressSanitizer must not
 * look.
 */
#include <stdint.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "lpp_trigger.h"

#if defined(__SSE2__)

/* The bytes that are c: all bits of theirs. */
static inline __m128i equal(__m128i bytes, char c)
{
    return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c));
}

/* A bit for each byte. */
static inline unsigned bits(__m128i bytes)
{
    return (unsigned)_mm_movemask_epi8(bytes);
}

static inline __m128i marks(__m128i bytes)
{
    return _mm_or_si128(equal(bytes, '+'), equal(bytes, '%'));
}

__attribute__((no_sanitize_address))
static inline __m128i load(const char *block)
{
    return _mm_load_si128((const __m128i *)block);
}

static inline const char *block_of(const char *at)
{
    return (const char *)((uintptr_t)at & ~(uintptr_t)15);
}

/* Slashes and marks together, for a path that has such bytes: names full of
 * %20 must not be looked at one by one. */
__attribute__((noinline, no_sanitize_address))
static const char *scan_closely(const char *at)
{
    const char *block = block_of(at);
    unsigned within = ~0u << ((uintptr_t)at & 15);
    unsigned after_slash = 0, found, end;

    for (;; block += 16) {
        __m128i bytes = load(block);

        after_slash |= (bits(equal(bytes, '/')) & within) << 1;
        found = after_slash & bits(marks(bytes));
        end = bits(equal(bytes, '\0')) & within;
        if (found | end) {
            break;
        }
        after_slash >>= 16;
        within = ~0u;
    }
    /* Of the text's own bytes: those below its NUL. */
    found &= end ? (end & -end) - 1 : ~0u;
    return found ? block + __builtin_ctz(found) : NULL;
}

/* The bytes at which the quick look stops. */
__attribute__((no_sanitize_address))
static inline unsigned stops(const char *block)
{
    __m128i bytes = load(block);

    return bits(_mm_or_si128(marks(bytes), equal(bytes, '\0')));
}

__attribute__((no_sanitize_address))
const char *lpp_trigger_candidate(const char *at)
{
    const char *block = block_of(at), *stop = at;
    unsigned found = stops(block) >> ((uintptr_t)at & 15);

    while (!found) {
        block += 16;
        stop = block;
        found = stops(block);
    }
    stop += __builtin_ctz(found);
    if (__builtin_expect(!*stop, 1)) {
        return NULL;
    }
    return scan_closely(stop > at ? stop - 1 : at);
}

#else

const char *lpp_trigger_candidate(const char *at)
{
    for (; *at; at++) {
        if (*at == '/' && (at[1] == '+' || at[1] == '%')) {
            return at + 1;
        }
    }
    return NULL;
}

#endif
