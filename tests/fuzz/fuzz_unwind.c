/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_unwind: any registers over any stack, and any .eh_frame. The first byte
 * says which.
 *
 * What is shorter than the registers is a seed for CONTEXTS stacks of a fixed
 * pseudo-random sequence: the replay in check makes a million of them.
 *
 * A stack: 17 words for the registers, the rest is the copied stack. A word
 * whose top byte is 0xc0 and up stands for a place in the code of this process,
 * 0x80 and up for an address in the stack: so a short input can make long
 * chains of frames. The table (with libunwind behind it) and libunwind alone
 * must tell the same. Nothing but the copy may be read, which a sanitizer
 * sees.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unwind/lpp_unwind.h"

#if defined(__x86_64__)
#include "unwind/lpp_unwind_rows_internal.h"
#endif

#define STACK_ADDRESS UINT64_C(0x7ffe12345600)
#define FRAMES 64
#define CONTEXTS 50      /* of a seed */
#define COMPARE_EVERY 16 /* of these libunwind, which is slow, gets one */
#define SEED_WORDS 160   /* of stack */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static apr_pool_t *pool;
static lpp_maps_t *maps;
static lpp_unwinder_t *both, *libunwind;

/* A leak checker cannot look into APR's pools. */
static void tidy(void)
{
    apr_pool_destroy(pool);
}

static void prepare(void)
{
    if (atexit(tidy) || apr_initialize() || apr_pool_create(&pool, NULL)
        || lpp_maps_create(&maps, pool)
        || lpp_unwinder_create(&both, LPP_UNWIND_AUTO, maps, pool)
        || lpp_unwinder_create(&libunwind, LPP_UNWIND_LIBUNWIND, maps, pool)) {
        abort();
    }
}

static uint64_t make_word(uint64_t word)
{
    const lpp_object_t *object;

    switch (word >> 62) {
    case 3:
        object = lpp_maps_object(
            maps, 1 + (unsigned)(word >> 48) % 64 % lpp_maps_count(maps));
        return object->start
               + (word & 0xffffffffffffu) % (object->end - object->start);
    case 2:
        return STACK_ADDRESS + (word & 0xffffff) % 65536;
    default:
        return word;
    }
}

/* A CFA in some .eh_frame: libunwind, which reads both through one function,
 * takes what it finds there for stack. */
static int left_the_stack(const apr_uint64_t *cfas, unsigned count)
{
    unsigned i;

    for (i = 0; i < count; i++) {
        if (cfas[i] != 0 && cfas[i] - STACK_ADDRESS > LPP_STACK_MAX_BYTES) {
            return 1;
        }
    }
    return 0;
}

/* Does the walk begin in code without rules? libunwind has then to begin anew
 * at the caller, and its address less one is wrong for what a PLT's rule asks.
 */
static int begins_in_leaf(const lpp_snapshot_t *snapshot)
{
#if defined(__x86_64__)
    apr_uint64_t pc = snapshot->regs[LPP_REG_PC];
    const lpp_object_t *object = lpp_maps_find(maps, pc);
    lpp_eh_fde_t fde;

    return object != NULL && !lpp_eh_find(object, pc, &fde);
#else
    return 0;
#endif
}

/* compared: with what libunwind alone says. */
static void check_stack(const uint8_t *data, size_t size, int compared)
{
    static unsigned char stack[LPP_STACK_MAX_BYTES];
    lpp_pc_t frames[2][FRAMES];
    apr_uint64_t cfas[2][FRAMES], root, word;
    lpp_unwind_end_e end[2];
    lpp_snapshot_t snapshot;
    unsigned count[2];
    unsigned char *copy;
    size_t i, len;

    memset(&snapshot, 0, sizeof(snapshot));
    memset(cfas, 0, sizeof(cfas));
    for (i = 0; i < LPP_REGS && size >= 8; i++, data += 8, size -= 8) {
        memcpy(&word, data, 8);
        snapshot.regs[i] = make_word(word);
    }
    len = size < sizeof(stack) ? size : sizeof(stack);
    copy = malloc(len ? len : 1); /* so that a sanitizer knows its end */
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, data, len);
    for (i = 0; i + 8 <= len; i += 8) {
        memcpy(&word, copy + i, 8);
        word = make_word(word);
        memcpy(copy + i, &word, 8);
    }
    snapshot.stack = copy;
    snapshot.stack_address = STACK_ADDRESS;
    snapshot.stack_len = (apr_uint32_t)len;
    root = len % 3 ? 0 : STACK_ADDRESS + len;
    count[0] =
        lpp_unwind(both, &snapshot, root, frames[0], cfas[0], FRAMES, &end[0]);
    if (!compared) {
        free(copy);
        if (count[0] > FRAMES) {
            abort();
        }
        return;
    }
    count[1] = lpp_unwind(libunwind, &snapshot, root, frames[1], cfas[1],
                          FRAMES, &end[1]);
    if (count[0] > FRAMES || count[1] > FRAMES) {
        abort();
    }
    if (left_the_stack(cfas[1], count[1]) || begins_in_leaf(&snapshot)) {
        /* what it says is not compared */
    }
    else if (count[0] != count[1] || end[0] != end[1]
             || memcmp(frames[0], frames[1], count[0] * sizeof(lpp_pc_t)) != 0
             || memcmp(cfas[0], cfas[1], count[0] * sizeof(apr_uint64_t))
                    != 0) {
        fprintf(stderr, "%u frames, end %d, against %u, %d\n", count[0],
                end[0], count[1], end[1]);
        for (i = 0; i < count[0] || i < count[1]; i++) {
            fprintf(stderr, "  %llx cfa %llx, %llx cfa %llx\n",
                    (unsigned long long)frames[0][i],
                    (unsigned long long)cfas[0][i],
                    (unsigned long long)frames[1][i],
                    (unsigned long long)cfas[1][i]);
        }
        abort();
    }
    free(copy);
}

#if defined(__x86_64__)

static void check_eh_frame(const uint8_t *data, size_t size)
{
    lpp_object_t object;
    lpp_rows_t *rows;
    lpp_eh_fde_t fde;
    apr_uint64_t at;

    memset(&object, 0, sizeof(object));
    object.start = 0x1000;
    object.end = 0x9000;
    object.eh_frame = data;
    object.eh_frame_len = size;
    object.eh_frame_address = 0x800;
    /* the same bytes serve as the header with the search table */
    object.eh_frame_hdr = size >= 12 ? data : NULL;
    object.eh_frame_hdr_len = size;
    object.eh_frame_hdr_address = 0x800;
    if (lpp_rows_compile(&object, &rows) != APR_SUCCESS) {
        return;
    }
    for (at = object.start - 8; at < object.end + 8; at += 7) {
        if (rows != NULL
            && lpp_rows_find(rows, at)->cfa > LPP_CFA_UNSUPPORTED) {
            abort();
        }
        if (lpp_eh_find(&object, at, &fde)
            && (at < fde.start || at >= fde.end)) {
            abort();
        }
    }
    free(rows);
}

#else

static void check_eh_frame(const uint8_t *data, size_t size)
{
}

#endif

/* Registers and stacks that are wild, but less so than noise: SP is in the
 * stack, PC in code, return addresses and frame pointers are many. */
static void check_seed(const uint8_t *data, size_t size)
{
    uint64_t words[LPP_REGS + SEED_WORDS], state = 0x9e3779b97f4a7c15u;
    size_t i, n;

    for (i = 0; i < size; i++) {
        state = (state ^ data[i]) * 0x100000001b3u;
    }
    for (n = 0; n < CONTEXTS; n++) {
        for (i = 0; i < LPP_REGS + SEED_WORDS; i++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            words[i] = state;
            if ((state >> 61) < 4) { /* half of them are not just noise */
                words[i] = (state >> 60 & 1) ? state | UINT64_C(3) << 62
                    : UINT64_C(2) << 62 | state % (SEED_WORDS * 8);
            }
        }
        words[LPP_REG_SP] = UINT64_C(2) << 62 | words[LPP_REG_SP] % 512 / 8 * 8;
        words[LPP_REG_PC] |= UINT64_C(3) << 62;
        check_stack((const uint8_t *)words,
                    sizeof(words) - state % 64 * 8, n % COMPARE_EVERY == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (maps == NULL) {
        prepare();
    }
    if (size > 0 && data[0] == 'E') {
        check_eh_frame(data + 1, size - 1);
    }
    else if (size > LPP_REGS * 8) {
        check_stack(data + 1, size - 1, 1);
    }
    else if (size > 0) {
        check_seed(data + 1, size - 1);
    }
    return 0;
}
