/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_unwind_rules: converts the instructions of an FDE to rules, each for a
 * range of code. x86_64 only. Internal to lpp_unwind*.
 */
#ifndef LPP_UNWIND_RULES_INTERNAL_H
#define LPP_UNWIND_RULES_INTERNAL_H

#include "unwind/lpp_unwind_eh_internal.h"

#define LPP_RULE_SAVED 6 /* rbx rbp r12 r13 r14 r15, in this order */
#define LPP_NO_INDEX 0
#define LPP_RULE_SAME (-32768) /* the register holds its caller's value */

/* How the CFA (the stack pointer before the call) is computed. */
enum {
    LPP_CFA_NONE,     /* no FDE covers the code */
    LPP_CFA_REGISTER, /* register + offset (+ 8 * index) */
    LPP_CFA_MEMORY,   /* *(register + offset (+ 8 * index)) + add */
    LPP_CFA_PLT,      /* rsp + offset, 8 more from byte `add` of an entry */
    LPP_CFA_SIGNAL,   /* a ucontext_t is at rsp */
    LPP_CFA_UNSUPPORTED
};

/* Where the return address is. */
enum {
    LPP_RETURN_STACK, /* at CFA - 8 */
    LPP_RETURN_REGISTER,
    LPP_RETURN_NONE /* the thread's first frame */
};

/* One rule: 24 bytes, compared as bytes. */
typedef struct lpp_rule_t {
    apr_byte_t cfa; /* LPP_CFA_ */
    apr_byte_t cfa_register;
    apr_byte_t returns; /* LPP_RETURN_ */
    apr_byte_t return_register;
    apr_int32_t cfa_offset;
    apr_int16_t cfa_add;
    apr_int16_t saved[LPP_RULE_SAVED]; /* offset from the CFA, or SAME */
    apr_byte_t from_rbp;  /* bit i: saved[i] counts from rbp instead */
    apr_byte_t cfa_index; /* a register's number + 1, or NO_INDEX */
} lpp_rule_t;

/* DWARF numbers of the registers in lpp_rule_t.saved. */
extern const apr_byte_t lpp_rule_registers[LPP_RULE_SAVED];

/* Receives rules in order of their addresses; each is valid up to the next
 * one's. 0 stops the reading. */
typedef int lpp_rule_fn(void *baton, apr_uint64_t start,
                        const lpp_rule_t *rule);

/*
 * Read the rules of fde. 0: emit asked to stop.
 * Signal-safe: no. Thread: any.
 */
int lpp_rules_read(const lpp_eh_fde_t *fde, lpp_rule_fn *emit, void *baton);

#endif
