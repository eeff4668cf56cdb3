/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_waiting: see lpp_waiting_internal.h.
 */
#include "sampling/lpp_waiting_internal.h"

#include <fcntl.h>
#include <gnu/libc-version.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "objects/lpp_exported.h"
#include "sampling/lpp_signal_number_internal.h"

#define CALLS_MAX 1024 /* no number of a system call is that high */
#define TOP_BYTES 128  /* of the stack: may have the number of a call */
#define CALLER_BYTES 96 /* of code, see lpp_signal_call_number */
#define LOCK_FRAMES 4  /* innermost frames of which one locks a mutex */

void lpp_waiting_look(lpp_waiting_t *waiting, const lpp_thread_t *thread,
                      apr_int64_t start_ns)
{
    apr_uint64_t faults = waiting->state.major_faults;

    lpp_thread_state(thread, &waiting->state);
    waiting->faulted = faults != 0 && waiting->state.major_faults > faults;
    waiting->seen_ns = start_ns;
}

void lpp_waiting_look_back(lpp_waiting_t *waiting, const lpp_thread_t *thread,
                           apr_int64_t start_ns, int faults)
{
    waiting->faulted = 0;
    if (faults) {
        lpp_waiting_look(waiting, thread, start_ns);
    }
    waiting->state.letter = waiting->state.where[0] = '\0';
    waiting->seen_ns = start_ns;
}

/* Whether one of the innermost frames is a function that locks a mutex. */
static int locks_mutex(lpp_waiting_t *waiting, const lpp_maps_t *maps,
                       const lpp_pc_t *pcs, unsigned count)
{
    static const char *const names[LPP_WAIT_LOCKS] = {
        "pthread_mutex_lock", "pthread_mutex_timedlock",
        "pthread_mutex_clocklock"
    };
    unsigned i, j;

    for (j = 0; j < LPP_WAIT_LOCKS && !waiting->locks_known; j++) {
        (void)lpp_exported(names[j], &waiting->locks[j].address,
                           &waiting->locks[j].size);
    }
    waiting->locks_known = 1;
    for (j = 0; j < LPP_WAIT_LOCKS; j++) {
        lpp_pc_t start = lpp_maps_pc(maps, waiting->locks[j].address);

        for (i = 0; i < count && i < LOCK_FRAMES; i++) {
            if (waiting->locks[j].size != 0
                && pcs[i] - start < waiting->locks[j].size) {
                return 1;
            }
        }
    }
    return 0;
}

#if defined(__x86_64__)

/* The arguments of a system call, in registers as lpp_snapshot_t has them. */
static const unsigned char argument_regs[6] = { 5, 4, 1, 10, 8, 9 };
#define NUMBER_REG 0

/* An address in the C library: of a function that no other library replaces, as
 * some do with those that lock. */
#define C_LIBRARY ((apr_uint64_t)(apr_uintptr_t)gnu_get_libc_version)

/*
 * The number of a call whose registers do not have it, of which the innermost
 * frame is pc. What the C library keeps on the stack is read from a copy. The
 * code is read where it is, so it must be that of the C library, which is never
 * unloaded, or of its caller, if that can be read.
 */
static long number_behind(const lpp_waiting_t *waiting,
                          const lpp_snapshot_t *snapshot,
                          const lpp_maps_t *maps, lpp_pc_t pc)
{
    static const signed char order[LPP_REGS] = {
        REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP,
        REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
        REG_RIP
    };
    apr_uint64_t sp = snapshot->regs[LPP_REG_SP] - snapshot->stack_address;
    unsigned char top[TOP_BYTES], code[CALLER_BYTES];
    apr_uint64_t back;
    greg_t regs[NGREG];
    unsigned i;

    if (LPP_PC_OBJECT(pc) == 0
        || LPP_PC_OBJECT(pc) != LPP_PC_OBJECT(lpp_maps_pc(maps, C_LIBRARY))
        || sp + sizeof(top) > snapshot->stack_len) {
        return -1;
    }
    memcpy(top, snapshot->stack + sp, sizeof(top));
    memcpy(&back, top, sizeof(back));
    if (waiting->state.letter != 'D'
        && lpp_wait_memory(code, back - sizeof(code), sizeof(code))
               != sizeof(code)) {
        memset(top, 0, sizeof(back)); /* no return address, or not any more */
    }
    memset(regs, 0, sizeof(regs));
    for (i = 0; i < LPP_REGS; i++) {
        regs[order[i]] = (greg_t)snapshot->regs[i];
    }
    regs[REG_RSP] = (greg_t)(apr_uintptr_t)top;
    return lpp_signal_call_number(regs, getpid());
}

#else

static const unsigned char argument_regs[6] = { 0, 1, 2, 3, 4, 5 };
#define NUMBER_REG 8

static long number_behind(const lpp_waiting_t *waiting,
                          const lpp_snapshot_t *snapshot,
                          const lpp_maps_t *maps, lpp_pc_t pc)
{
    (void)waiting;
    (void)snapshot;
    (void)maps;
    (void)pc;
    return -1;
}

#endif

static long number_of(const lpp_waiting_t *waiting,
                      const lpp_snapshot_t *snapshot,
                      const lpp_wait_where_t *where)
{
    int in_call = (snapshot->flags & LPP_SNAPSHOT_SYSCALL) != 0;
    long number = in_call ? (long)snapshot->regs[NUMBER_REG] : -1;

    if ((number < 0 || number >= CALLS_MAX) && where->count > 0
        && (in_call || waiting->state.letter == 'D')) {
        number = number_behind(waiting, snapshot, where->maps, where->pcs[0]);
    }
    return number >= 0 && number < CALLS_MAX ? number : -1;
}

/* Whether call waits for a file on a disk: a thread that does is never in state
 * S. */
static int is_for_file(const lpp_wait_call_t *call)
{
    struct statx file;

    return call->kind == LPP_WAIT_CALL_FDS && call->fd_count == 1
           && statx(call->fds[0].fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
                    STATX_TYPE, &file) == 0
           && S_ISREG(file.stx_mode);
}

void lpp_waiting_name(lpp_waiting_t *waiting, const lpp_snapshot_t *snapshot,
                      const lpp_wait_where_t *where)
{
    lpp_wait_thread_t thread = { &waiting->known, where->tid,
                                 where->for_client, 0 };
    int uninterruptible = waiting->state.letter == 'D';
    apr_uint64_t arguments[6];
    lpp_wait_call_t *call = &waiting->call;
    long number;
    unsigned i;

    thread.locks_mutex = locks_mutex(waiting, where->maps, where->pcs,
                                     where->count);
    for (i = 0; i < LPP_COUNT(argument_regs); i++) {
        arguments[i] = snapshot->regs[argument_regs[i]];
    }
    number = number_of(waiting, snapshot, where);
    lpp_wait_call_parse(call, number, arguments, !uninterruptible);
    if (uninterruptible
        || (waiting->state.letter != 'S'
            && (is_for_file(call) || (number < 0 && waiting->faulted)))) {
        lpp_wait_name_disk(&waiting->name, call, waiting->state.where,
                           number < 0 && waiting->faulted);
    }
    else {
        lpp_wait_name_call(&waiting->name, call, &thread);
    }
    waiting->pc = waiting->name.len == 0 || where->pages == NULL ? 0
        : LPP_WAIT_PC(lpp_pagecode_wait(where->pages, waiting->name.text));
}
