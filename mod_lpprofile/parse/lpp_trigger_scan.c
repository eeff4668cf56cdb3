/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_trigger_scan: see lpp_trigger_scan_internal.h; the functions that only
 * few requests call.
 */
#include <stddef.h>

#include "parse/lpp_trigger_scan_internal.h"

#if defined(__SSE2__)

/* A bit for each byte. */
static inline unsigned bits(__m128i bytes)
{
    return (unsigned)_mm_movemask_epi8(bytes);
}

/* Slashes and marks together. */
__attribute__((no_sanitize_address))
const char *lpp_trigger_candidate(const char *at)
{
    const char *block = (const char *)((uintptr_t)at & ~(uintptr_t)15);
    unsigned within = ~0u << ((uintptr_t)at & 15);
    unsigned after_slash = 0, found, end;

    for (;; block += 16) {
        __m128i bytes = lpp_trigger_load(block);

        after_slash |= (bits(lpp_trigger_equal(bytes, '/')) & within) << 1;
        found = after_slash & bits(lpp_trigger_marks(bytes));
        end = bits(lpp_trigger_equal(bytes, '\0')) & within;
        if (found | end) {
            break;
        }
        after_slash >>= 16;
        within = ~0u;
    }
    /* Ignore bytes after the NUL. */
    found &= end ? (end & -end) - 1 : ~0u;
    return found ? block + __builtin_ctz(found) : NULL;
}

/* Reads aligned blocks, each in one memory page. Reading some bytes twice is
 * harmless. */
__attribute__((no_sanitize_address))
lpp_trigger_look_e lpp_trigger_look_behind(const char *path)
{
    const char *at = (const char *)(((uintptr_t)path + 17) & ~(uintptr_t)15);
    unsigned found;

    while (!(found = lpp_trigger_stops(at))) {
        at += 16;
    }
    return at[(unsigned)__builtin_ctz(found)] != '\0' ? LPP_TRIGGER_MAYBE
                                                     : LPP_TRIGGER_NO;
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

lpp_trigger_look_e lpp_trigger_look_behind(const char *path)
{
    return lpp_trigger_look(path);
}

#endif
