/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_unwind_rules: reads call frame instructions (DWARF 4, 6.4.2).
 *
 * Owns nothing. An instruction that no compiler or assembler of Debian 12 or 13
 * writes for code that httpd runs is not followed but marked unsupported, so
 * that libunwind is used.
 */
#include "unwind/lpp_unwind_rules_internal.h"
#include "unwind/lpp_unwind_address_internal.h"

#include <string.h>

#define REGISTERS 17 /* rax .. r15, rip */
#define DWARF_RBP 6
#define DWARF_RSP 7
#define DWARF_RIP 16
#define STATES_MAX 8 /* DW_CFA_remember_state nested */

/* ucontext_t.uc_mcontext.gregs[REG_RSP] on a signal handler's stack. */
#define UCONTEXT_RSP 160

/* Where the caller's value of a register is. */
enum { AT_SAME, AT_CFA, AT_RBP, AT_REGISTER, AT_UNDEFINED, AT_UNSUPPORTED };

typedef struct place_t {
    int how;           /* AT_ */
    apr_int64_t value; /* offset or register */
} place_t;

/* The row in progress. */
typedef struct state_t {
    lpp_address_t cfa;
    place_t places[REGISTERS];
} state_t;

/* The FDE that is read. */
typedef struct run_t {
    const lpp_eh_fde_t *fde;
    apr_uint64_t location; /* start of the row in progress */
    state_t state, initial, remembered[STATES_MAX];
    unsigned depth;
    int broken;        /* unreadable from here on */
    lpp_rule_fn *emit; /* NULL while the CIE is read */
    void *baton;
    int finished; /* at the end of the code, or stopped */
    int stopped;  /* emit asked to stop */
} run_t;

const apr_byte_t lpp_rule_registers[LPP_RULE_SAVED] = {3, 6, 12, 13, 14, 15};

static int fits(apr_int64_t value, apr_int64_t limit)
{
    return value > -limit && value < limit;
}

static void unsupported(lpp_rule_t *rule)
{
    memset(rule, 0, sizeof(*rule));
    rule->cfa = LPP_CFA_UNSUPPORTED;
}

/* Fill in where the return address is. 0: a rule cannot describe it. */
static int make_return(const state_t *state, unsigned number, lpp_rule_t *rule)
{
    const place_t *place = &state->places[DWARF_RIP];

    if (number != DWARF_RIP) {
        return 0;
    }
    if (place->how == AT_UNDEFINED) {
        rule->returns = LPP_RETURN_NONE;
        return 1;
    }
    if (place->how == AT_REGISTER) {
        rule->returns = LPP_RETURN_REGISTER;
        rule->return_register = (apr_byte_t)place->value;
        return 1;
    }
    rule->returns = LPP_RETURN_STACK;
    return place->how == AT_CFA && place->value == -8;
}

static int make_saved(const state_t *state, lpp_rule_t *rule)
{
    unsigned i;

    for (i = 0; i < LPP_RULE_SAVED; i++) {
        const place_t *place = &state->places[lpp_rule_registers[i]];

        rule->saved[i] = LPP_RULE_SAME;
        switch (place->how) {
        case AT_SAME:
        case AT_UNDEFINED:
            break;
        case AT_RBP:
            rule->from_rbp |= (apr_byte_t)(1u << i);
            /* fall through */
        case AT_CFA:
            if (!fits(place->value, 32767)) {
                return 0;
            }
            rule->saved[i] = (apr_int16_t)place->value;
            break;
        default:
            return 0;
        }
    }
    return state->places[DWARF_RSP].how == AT_SAME;
}

static void make_rule(const run_t *run, lpp_rule_t *rule)
{
    const state_t *state = &run->state;
    const lpp_address_t *cfa = &state->cfa;

    memset(rule, 0, sizeof(*rule));
    if (run->broken || cfa->kind == LPP_CFA_UNSUPPORTED
        || !fits(cfa->offset, 0x7fffffff) || !fits(cfa->add, 32767)) {
        unsupported(rule);
        return;
    }
    if (run->fde->signal_frame) {
        /* Only the one form that the kernel and glibc use together. */
        rule->cfa = cfa->kind == LPP_CFA_MEMORY && cfa->base == DWARF_RSP
                            && cfa->offset == UCONTEXT_RSP && cfa->add == 0
                            && cfa->index == LPP_NO_INDEX
                        ? LPP_CFA_SIGNAL
                        : LPP_CFA_UNSUPPORTED;
        return;
    }
    rule->cfa = (apr_byte_t)cfa->kind;
    rule->cfa_register = (apr_byte_t)cfa->base;
    rule->cfa_index = (apr_byte_t)cfa->index;
    rule->cfa_offset = (apr_int32_t)cfa->offset;
    rule->cfa_add = (apr_int16_t)cfa->add;
    if (!make_return(state, run->fde->return_register, rule)
        || !make_saved(state, rule)) {
        unsupported(rule);
    }
}

/* An offset that the file stores in units; an invalid one may overflow. */
static apr_int64_t scaled(const run_t *run, apr_uint64_t units)
{
    return (apr_int64_t)(units * (apr_uint64_t)run->fde->data_align);
}

/* End the row in progress at location. */
static void emit_row(run_t *run)
{
    lpp_rule_t rule;

    if (run->emit == NULL || run->finished) {
        return;
    }
    make_rule(run, &rule);
    if (!run->emit(run->baton, run->location, &rule)) {
        run->stopped = run->finished = 1;
    }
}

static void advance(run_t *run, apr_uint64_t location)
{
    run->broken |= location < run->location;
    if (location > run->location) {
        emit_row(run);
        run->location = location;
        /* A row after the end of the code has no effect. */
        run->finished |= location >= run->fde->end;
    }
}

static void set_place(run_t *run, apr_uint64_t number, int how,
                      apr_int64_t value)
{
    if (number < REGISTERS) {
        run->state.places[number].how = how;
        run->state.places[number].value = value;
    }
}

static void restore_place(run_t *run, apr_uint64_t number)
{
    if (number < REGISTERS) {
        run->state.places[number] = run->initial.places[number];
    }
}

static void set_cfa(run_t *run, apr_uint64_t number, apr_int64_t offset)
{
    memset(&run->state.cfa, 0, sizeof(run->state.cfa));
    run->state.cfa.kind = LPP_CFA_REGISTER;
    run->state.cfa.base = (unsigned)number;
    run->state.cfa.offset = offset;
    run->broken |= number >= REGISTERS;
}

static void place_expression(run_t *run, apr_uint64_t number,
                             lpp_eh_reader_t block)
{
    lpp_address_t address;

    lpp_address_read(&address, block);
    if (address.kind == LPP_CFA_REGISTER && address.base == DWARF_RBP
        && address.index == LPP_NO_INDEX) {
        set_place(run, number, AT_RBP, address.offset);
    }
    else {
        set_place(run, number, AT_UNSUPPORTED, 0);
    }
}

/* Run an instruction that advances location or changes the CFA. 0: it is
 * neither. */
static int run_location_or_cfa(run_t *run, unsigned op, lpp_eh_reader_t *code)
{
    apr_uint64_t align = run->fde->code_align;
    apr_uint64_t number;

    switch (op) {
    case 0x01: /* set_loc */
        advance(run, lpp_eh_read_pointer(code, run->fde->pointer_encoding, 0));
        return 1;
    case 0x02: /* advance_loc1, 2, 4 */
    case 0x03:
    case 0x04:
        advance(run,
                run->location + lpp_eh_read_u(code, 1u << (op - 2)) * align);
        return 1;
    case 0x0c: /* def_cfa */
        number = lpp_eh_read_uleb(code);
        set_cfa(run, number, (apr_int64_t)lpp_eh_read_uleb(code));
        return 1;
    case 0x12: /* def_cfa_sf */
        number = lpp_eh_read_uleb(code);
        set_cfa(run, number,
                scaled(run, (apr_uint64_t)lpp_eh_read_sleb(code)));
        return 1;
    case 0x0d: /* def_cfa_register */
        set_cfa(run, lpp_eh_read_uleb(code), run->state.cfa.offset);
        return 1;
    case 0x0e: /* def_cfa_offset */
        run->state.cfa.offset = (apr_int64_t)lpp_eh_read_uleb(code);
        return 1;
    case 0x13: /* def_cfa_offset_sf */
        run->state.cfa.offset =
            scaled(run, (apr_uint64_t)lpp_eh_read_sleb(code));
        return 1;
    case 0x0f: /* def_cfa_expression */
        lpp_address_read(&run->state.cfa,
                         lpp_eh_read_block(code, lpp_eh_read_uleb(code)));
        return 1;
    default:
        return 0;
    }
}

/* Run an instruction about the place of one register. 0: it is not one. */
static int run_register(run_t *run, unsigned op, lpp_eh_reader_t *code)
{
    lpp_eh_reader_t start = *code;
    apr_uint64_t number = lpp_eh_read_uleb(code), other;

    switch (op) {
    case 0x05: /* offset_extended */
        set_place(run, number, AT_CFA, scaled(run, lpp_eh_read_uleb(code)));
        return 1;
    case 0x11: /* offset_extended_sf */
        set_place(run, number, AT_CFA,
                  scaled(run, (apr_uint64_t)lpp_eh_read_sleb(code)));
        return 1;
    case 0x06: /* restore_extended */
        restore_place(run, number);
        return 1;
    case 0x07: /* undefined */
        set_place(run, number, AT_UNDEFINED, 0);
        return 1;
    case 0x08: /* same_value */
        set_place(run, number, AT_SAME, 0);
        return 1;
    case 0x09: /* register */
        other = lpp_eh_read_uleb(code);
        set_place(run, number,
                  other < REGISTERS ? AT_REGISTER : AT_UNSUPPORTED,
                  (apr_int64_t)other);
        return 1;
    case 0x10: /* expression */
        place_expression(run, number,
                         lpp_eh_read_block(code, lpp_eh_read_uleb(code)));
        return 1;
    case 0x14: /* val_offset, val_offset_sf: one more number */
    case 0x15:
        lpp_eh_read_uleb(code);
        set_place(run, number, AT_UNSUPPORTED, 0);
        return 1;
    case 0x16: /* val_expression */
        lpp_eh_read_block(code, lpp_eh_read_uleb(code));
        set_place(run, number, AT_UNSUPPORTED, 0);
        return 1;
    default:
        *code = start;
        return 0;
    }
}

static void run_other(run_t *run, unsigned op, lpp_eh_reader_t *code)
{
    switch (op) {
    case 0x00: /* nop */
        break;
    case 0x0a: /* remember_state */
        if (run->depth == STATES_MAX) {
            run->broken = 1;
            return;
        }
        run->remembered[run->depth++] = run->state;
        break;
    case 0x0b: /* restore_state */
        if (run->depth == 0) {
            run->broken = 1;
            return;
        }
        run->state = run->remembered[--run->depth];
        break;
    case 0x2e: /* GNU_args_size */
        lpp_eh_read_uleb(code);
        break;
    default:
        run->broken = 1;
    }
}

static void run_code(run_t *run, lpp_eh_reader_t code)
{
    while (code.at < code.end && !run->broken && !run->finished) {
        unsigned byte = (unsigned)lpp_eh_read_u(&code, 1);
        unsigned low = byte & 0x3f;

        switch (byte >> 6) {
        case 1: /* advance_loc */
            advance(run, run->location + low * run->fde->code_align);
            break;
        case 2: /* offset */
            set_place(run, low, AT_CFA, scaled(run, lpp_eh_read_uleb(&code)));
            break;
        case 3: /* restore */
            restore_place(run, low);
            break;
        default:
            if (!run_location_or_cfa(run, low, &code)
                && !run_register(run, low, &code)) {
                run_other(run, low, &code);
            }
        }
        run->broken |= code.failed;
    }
}

int lpp_rules_read(const lpp_eh_fde_t *fde, lpp_rule_fn *emit, void *baton)
{
    run_t run;

    memset(&run.state, 0, sizeof(run.state));
    run.fde = fde;
    run.location = fde->start;
    run.state.cfa.kind = LPP_CFA_UNSUPPORTED;
    run.depth = 0;
    run.broken = run.finished = run.stopped = 0;
    run.emit = NULL;
    run.baton = baton;
    run_code(&run, fde->cie_code);
    run.initial = run.state;
    run.location = fde->start;
    run.finished = 0;
    run.emit = emit;
    run_code(&run, fde->code);
    emit_row(&run);
    return !run.stopped;
}
