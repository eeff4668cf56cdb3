/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_gate_record: a record in shared memory that one process at a time writes
 * and all may read: see RECORD_WORDS in lpp_gate_internal.h. Uses atomics only;
 * nothing here waits.
 */
#include <string.h>

#include "gate/lpp_gate_internal.h"

#define READ_TRIES 1000 /* a record changes at most once a millisecond */

void lpp_gate_record_store(_Atomic apr_uint32_t *published,
                      lpp_record_word_t *copies, apr_size_t words,
                      const void *from)
{
    apr_uint32_t next = atomic_load(published) + 1;
    lpp_record_word_t *copy = copies + (next & 1) * words;
    apr_uint64_t word;
    apr_size_t i;

    for (i = 0; i < words; i++) {
        memcpy(&word, (const char *)from + i * sizeof(word), sizeof(word));
        atomic_store_explicit(&copy[i], word, memory_order_relaxed);
    }
    atomic_store_explicit(published, next, memory_order_release);
    /* A reader of the other copy must see this number before it can see a word
     * that the next writer stores there. */
    atomic_thread_fence(memory_order_seq_cst);
}

int lpp_gate_record_load(const _Atomic apr_uint32_t *published,
                    const lpp_record_word_t *copies, apr_size_t words,
                    void *to)
{
    int tries;

    for (tries = 0; tries < READ_TRIES; tries++) {
        apr_uint32_t seen = atomic_load_explicit(published,
                                                 memory_order_acquire);
        const lpp_record_word_t *copy = copies + (seen & 1) * words;
        apr_uint64_t word;
        apr_size_t i;

        for (i = 0; i < words; i++) {
            word = atomic_load_explicit(&copy[i], memory_order_relaxed);
            memcpy((char *)to + i * sizeof(word), &word, sizeof(word));
        }
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(published, memory_order_relaxed) == seen) {
            return 1;
        }
    }
    memset(to, 0, words * sizeof(apr_uint64_t));
    return 0;
}
