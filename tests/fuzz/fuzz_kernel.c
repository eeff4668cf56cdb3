/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_kernel: reads any bytes as records of a perf event, one after the other.
 * What a record points to lies in it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sampling/lpp_kernel_record_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int lies_in(const unsigned char *part, size_t len,
                   const unsigned char *bytes, size_t size)
{
    return part == NULL
        || (part >= bytes && len <= size
            && (size_t)(part - bytes) <= size - len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char *copy = malloc(size ? size : 1); /* for sanitizers */
    lpp_kernel_record_t record;
    lpp_snapshot_t snapshot;
    size_t at = 0;

    if (copy == NULL) {
        abort();
    }
    if (size > 0) {
        memcpy(copy, data, size);
    }
    while (lpp_kernel_record_read(copy + at, size - at, &record)) {
        if (record.size == 0 || record.size > size - at
            || !lies_in(record.regs, LPP_REGS * 8, copy + at, record.size)
            || !lies_in(record.stack, record.stack_len, copy + at,
                        record.size)) {
            abort();
        }
        if (lpp_kernel_record_registers(&record, &snapshot)
            != (record.regs != NULL)) {
            abort();
        }
        at += record.size;
    }
    free(copy);
    return 0;
}
