/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_base: limits, units and small types that all folders use.
 *
 * The limits decide how much memory and disk space a profile can use.
 *
 * Names end in their unit: _ns, _us, _hz, _bytes. Wall time is CLOCK_MONOTONIC,
 * CPU time is the CPU clock of the profiled thread (lpp_clock.h). Every
 * duration is a difference of monotonic times: the wall clock may be set at any
 * time, and is used for dates only.
 */
#ifndef LPP_BASE_H
#define LPP_BASE_H

#include <apr.h>
#include <apr_errno.h>
#include <apr_pools.h>
#include <apr_time.h>

#include "base/lpp_pcalloc_internal.h"

#define LPP_NAME "mod_lpprofile"
#define LPP_VERSION "0.1.0"

#define LPP_MUST_CHECK __attribute__((warn_unused_result))
#define LPP_FORMAT(fmt, args) __attribute__((format(printf, fmt, args)))
#define LPP_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Ceilings. Reaching one is counted and shown in the report. */
#define LPP_STACK_MAX_BYTES 65536   /* stack copied in one sample */
#define LPP_OWN_STACK_MAX_BYTES 16384 /* the same, of a coroutine's stack */
#define LPP_FRAMES_MAX 1024         /* frames stored of one stack */
#define LPP_RING_SLOTS 64           /* samples waiting for the unwinder */
#define LPP_TREE_MAX_NODES 262144   /* nodes of one profile */
#define LPP_OBJECTS_MAX 4096        /* loaded objects known at a time */
#define LPP_FILE_MAX_BYTES (256u * 1024 * 1024) /* one written file */
#define LPP_TIMELINE_MAX 10000      /* entries of one OOPS timeline */
#define LPP_SQL_STATEMENTS_MAX 10000      /* statements of one request */
#define LPP_SQL_TEXT_MAX_BYTES 16384      /* of one statement's text */
#define LPP_SQL_TEXTS_MAX_BYTES (16u * 1024 * 1024) /* of all texts */
#define LPP_SQL_ERROR_MAX_BYTES 2048      /* of a database's message */
#define LPP_SQL_STACKS_MAX 1000           /* different stacks of one request */
#define LPP_SQL_STACK_MAX_FRAMES 128      /* frames of each stack */
#define LPP_PAGEID_MAX_BYTES 80     /* of a page id in a file name */
#define LPP_VALUE_MAX_BYTES 8192    /* one request variable in an OOPS */

#define LPP_OOPS_ID_LEN 37          /* "OOPS-" and 32 hex digits */
#define LPP_VHOST_KEY_LEN 40        /* hex digits: lpp_facts_vhost */

/*
 * A place in code that stays valid after dlclose: the number of its object in
 * lpp_maps in the upper 16 bits, its address in the object's file in the lower
 * 48. Object 0 means "in no known object"; the address is then one of the
 * process.
 */
typedef apr_uint64_t lpp_pc_t;
#define LPP_PC_ADDRESS_BITS 48
#define LPP_PC_ADDRESS_MASK ((APR_UINT64_C(1) << LPP_PC_ADDRESS_BITS) - 1)
#define LPP_PC_MAKE(object, address)                                          \
    (((lpp_pc_t)(object) << LPP_PC_ADDRESS_BITS)                              \
     | ((lpp_pc_t)(address) & LPP_PC_ADDRESS_MASK))
#define LPP_PC_OBJECT(pc) ((unsigned)((pc) >> LPP_PC_ADDRESS_BITS))
#define LPP_PC_ADDRESS(pc) ((apr_uint64_t)((pc) & LPP_PC_ADDRESS_MASK))

/*
 * Frames that are not functions; no code has these addresses. PROFILER: the
 * only frame of a sample that was taken while the profiler worked on the
 * request's thread. OWN_STACK: the outermost frame of a stack that is not the
 * thread's own (of a fiber, coroutine or goroutine). RUN_TIME_CODE: code in no
 * loaded object, for example of a JIT compiler; its addresses mean nothing
 * later.
 */
#define LPP_PC_PROFILER LPP_PC_MAKE(0, 1)
#define LPP_PC_OWN_STACK LPP_PC_MAKE(0, 2)
#define LPP_PC_RUN_TIME_CODE LPP_PC_MAKE(0, 3)
#define LPP_PROFILER_NAME "[profiler]"
#define LPP_OWN_STACK_NAME "[on a stack of its own]"
#define LPP_RUN_TIME_CODE_NAME "[code made at run time]"

/*
 * Marks a function of this module that calls code of others (a hook of another
 * module, a database driver): what that code does is not counted as the
 * profiler's work. The function's own frames are not shown.
 */
#define LPP_PASSES_ON __attribute__((section("lpp_passes"), noinline))

#endif
