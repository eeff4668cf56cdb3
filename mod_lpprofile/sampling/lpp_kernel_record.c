/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_kernel_record: see lpp_kernel_record_internal.h. The layout is that of
 * perf_event_open(2) for sample_type TID, TIME, REGS_USER and STACK_USER with
 * sample_id_all.
 */
#include "sampling/lpp_kernel_record_internal.h"

#include <linux/perf_event.h>
#include <string.h>

#define HEADER_BYTES 8
#define ID_BYTES 16 /* process, thread, time: at the begin of a sample, at the
                       end of other records */

/* Where registers are in the kernel's order, by the order of lpp_snapshot_t. */
#if defined(__x86_64__)
/* ax bx cx dx si di bp sp ip, r8 to r15 */
#define REGISTERS_MASK UINT64_C(0xff01ff)
static const unsigned char places[LPP_REGS] = {
    0, 3, 2, 1, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 8
};
#elif defined(__aarch64__)
/* x0 to x30, sp, pc: the same order */
#define REGISTERS_MASK UINT64_C(0x1ffffffff)
#else
#define REGISTERS_MASK UINT64_C(0)
#endif

apr_uint64_t lpp_kernel_record_mask(void)
{
    return REGISTERS_MASK;
}

static apr_uint32_t read_u32(const unsigned char *at)
{
    apr_uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static apr_uint64_t read_u64(const unsigned char *at)
{
    apr_uint64_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static void read_id(const unsigned char *at, lpp_kernel_record_t *record)
{
    record->tid = read_u32(at + 4);
    record->time_ns = (apr_int64_t)read_u64(at + 8);
}

/* The registers and the stack at at, which end at end. */
static int read_state(const unsigned char *at, const unsigned char *end,
                      lpp_kernel_record_t *record)
{
    apr_uint64_t size;

    if (end - at < 8) {
        return 0;
    }
    if (read_u64(at) == PERF_SAMPLE_REGS_ABI_64) {
        if (end - at < 8 + LPP_REGS * 8) {
            return 0;
        }
        record->regs = at + 8;
        at += LPP_REGS * 8;
    }
    else if (read_u64(at) != PERF_SAMPLE_REGS_ABI_NONE) {
        return 1; /* of unknown length: there is no stack for it either */
    }
    at += 8;
    if (end - at < 8) {
        return 0;
    }
    size = read_u64(at);
    at += 8;
    if (size == 0) {
        return 1;
    }
    /* The stack is followed by its length without the filling. */
    if (size > (apr_uint64_t)(end - at)
        || (apr_uint64_t)(end - at) - size < 8
        || read_u64(at + size) > size) {
        return 0;
    }
    record->stack = at;
    record->stack_len = (apr_uint32_t)read_u64(at + size);
    return 1;
}

int lpp_kernel_record_read(const unsigned char *bytes, size_t len,
                           lpp_kernel_record_t *record)
{
    struct perf_event_header header;

    memset(record, 0, sizeof(*record));
    if (len < HEADER_BYTES) {
        return 0;
    }
    memcpy(&header, bytes, sizeof(header));
    record->size = header.size;
    if (header.size < HEADER_BYTES || header.size % 8 != 0
        || header.size >= LPP_KERNEL_RECORD_MAX || header.size > len) {
        return 0;
    }
    switch (header.type) {
    case PERF_RECORD_SAMPLE:
        record->kind = LPP_KERNEL_STATE;
        if (header.size < HEADER_BYTES + ID_BYTES) {
            return 0;
        }
        read_id(bytes + HEADER_BYTES, record);
        return read_state(bytes + HEADER_BYTES + ID_BYTES,
                          bytes + header.size, record);
    case PERF_RECORD_SWITCH:
        record->kind = header.misc & PERF_RECORD_MISC_SWITCH_OUT
            ? LPP_KERNEL_OUT : LPP_KERNEL_IN;
        record->preempted =
            (header.misc & PERF_RECORD_MISC_SWITCH_OUT_PREEMPT) != 0;
        if (header.size < HEADER_BYTES + ID_BYTES) {
            return 0;
        }
        read_id(bytes + HEADER_BYTES, record);
        return 1;
    case PERF_RECORD_LOST: /* event, number, then the id */
        record->kind = LPP_KERNEL_LOST;
        if (header.size < HEADER_BYTES + 16 + ID_BYTES) {
            return 0;
        }
        record->lost = read_u64(bytes + HEADER_BYTES + 8);
        read_id(bytes + HEADER_BYTES + 16, record);
        record->tid = 0; /* of the thread that came next */
        return 1;
    default:
        return 1;
    }
}

int lpp_kernel_record_registers(const lpp_kernel_record_t *record,
                                lpp_snapshot_t *snapshot)
{
    unsigned i;

    if (record->regs == NULL) {
        return 0;
    }
    for (i = 0; i < LPP_REGS; i++) {
#if defined(__x86_64__)
        snapshot->regs[i] = read_u64(record->regs + places[i] * 8);
#else
        snapshot->regs[i] = read_u64(record->regs + i * 8);
#endif
    }
    return 1;
}
