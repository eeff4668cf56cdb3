/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_kernel_record: one record that the kernel has written to a ring of a perf
 * event, as lpp_kernel.c asks for it. Pure; the bytes need not be valid.
 */
#ifndef LPP_KERNEL_RECORD_INTERNAL_H
#define LPP_KERNEL_RECORD_INTERNAL_H

#include "unwind/lpp_snapshot.h"

/* Of the user stack, in a record. A multiple of 8. */
#define LPP_KERNEL_STACK_BYTES 1024
/* A record of this size or more was not asked for. */
#define LPP_KERNEL_RECORD_MAX 2048

typedef enum {
    LPP_KERNEL_OTHER, /* of no interest */
    LPP_KERNEL_STATE, /* the thread leaves its processor: registers, stack */
    LPP_KERNEL_OUT,   /* it has left its processor; follows STATE */
    LPP_KERNEL_IN,    /* it runs again */
    LPP_KERNEL_LOST   /* records before this one did not fit into the ring */
} lpp_kernel_kind_e;

typedef struct lpp_kernel_record_t {
    lpp_kernel_kind_e kind;
    apr_uint32_t size;    /* bytes, up to the next record */
    apr_uint32_t tid;     /* LOST and OTHER: 0 */
    apr_int64_t time_ns;  /* CLOCK_MONOTONIC; OTHER: 0 */
    int preempted;        /* OUT: the thread could have run on */
    apr_uint64_t lost;    /* LOST: how many */
    const unsigned char *regs;  /* STATE: LPP_REGS words in the kernel's order,
                                   not aligned; NULL: none */
    const unsigned char *stack; /* STATE: from SP on, in the record; or NULL */
    apr_uint32_t stack_len;     /* bytes that the kernel could read */
} lpp_kernel_record_t;

/*
 * Read the record at bytes, of which len may be read. 1: *record is set, its
 * pointers are into bytes. 0: bytes does not hold a whole record.
 * Signal-safe: yes. Thread: any.
 */
int lpp_kernel_record_read(const unsigned char *bytes, size_t len,
                           lpp_kernel_record_t *record);

/*
 * Set all registers of snapshot from record, a STATE; 0: it has none (a thread
 * of the kernel, or a program of another word size).
 * Signal-safe: yes. Thread: any.
 */
int lpp_kernel_record_registers(const lpp_kernel_record_t *record,
                                lpp_snapshot_t *snapshot);

/* For perf_event_attr.sample_regs_user; 0: architecture not supported.
 * Signal-safe: yes. Thread: any. */
apr_uint64_t lpp_kernel_record_mask(void);

#endif
