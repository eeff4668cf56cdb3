/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_unwind_address: recognises the few forms of DWARF expressions (DWARF 4,
 * 2.5) that .eh_frame of x86_64 contains. Owns nothing; evaluates nothing.
 */
#include "unwind/lpp_unwind_address_internal.h"

#include <string.h>

#define REGISTERS 17 /* rax .. r15, rip */
#define RSP 7
#define RIP 16

enum {
    OP_DEREF = 0x06,
    OP_AND = 0x1a,
    OP_MUL = 0x1e,
    OP_PLUS = 0x22,
    OP_PLUS_UCONST = 0x23,
    OP_SHL = 0x24,
    OP_GE = 0x2a,
    OP_LIT0 = 0x30,
    OP_BREG0 = 0x70
};

/* Skip these bytes, if they come next. */
static int skip(lpp_eh_reader_t *block, const apr_byte_t *bytes,
                unsigned count)
{
    if ((apr_size_t)(block->end - block->at) < count
        || memcmp(block->at, bytes, count) != 0) {
        return 0;
    }
    lpp_eh_read_block(block, count);
    return 1;
}

/* breg N o */
static int read_register(lpp_eh_reader_t *block, unsigned *number,
                         apr_int64_t *offset)
{
    apr_uint64_t op = lpp_eh_read_u(block, 1);

    *number = (unsigned)(op - OP_BREG0);
    *offset = lpp_eh_read_sleb(block);
    return op >= OP_BREG0 && op < OP_BREG0 + REGISTERS && !block->failed;
}

/* breg7 o, breg16 0, lit15, and, litN, ge, lit3, shl, plus: as linkers write
 * for the procedure linkage table. */
static int read_plt(lpp_eh_reader_t block, lpp_address_t *address)
{
    static const apr_byte_t head[] = {OP_BREG0 + RIP, 0, OP_LIT0 + 15, OP_AND};
    static const apr_byte_t tail[] = {OP_GE, OP_LIT0 + 3, OP_SHL, OP_PLUS};
    apr_uint64_t literal;

    if (!read_register(&block, &address->base, &address->offset)
        || address->base != RSP || !skip(&block, head, sizeof(head))) {
        return 0;
    }
    literal = lpp_eh_read_u(&block, 1);
    address->kind = LPP_CFA_PLT;
    address->index = LPP_NO_INDEX;
    address->add = (apr_int64_t)literal - OP_LIT0;
    return literal >= OP_LIT0 && literal <= OP_LIT0 + 15
           && skip(&block, tail, sizeof(tail)) && block.at == block.end;
}

/* breg N o, then perhaps: breg M 0, lit8, mul, plus (an index); deref;
 * plus_uconst k. OpenSSL's bignum code contains all of these. */
static int read_plain(lpp_eh_reader_t block, lpp_address_t *address)
{
    static const apr_byte_t scaled[] = {OP_LIT0 + 8, OP_MUL, OP_PLUS};
    static const apr_byte_t deref[] = {OP_DEREF};
    static const apr_byte_t plus[] = {OP_PLUS_UCONST};
    apr_int64_t zero;

    address->kind = LPP_CFA_REGISTER;
    address->index = LPP_NO_INDEX;
    address->add = 0;
    if (!read_register(&block, &address->base, &address->offset)) {
        return 0;
    }
    if (block.at < block.end && *block.at >= OP_BREG0) {
        if (!read_register(&block, &address->index, &zero) || zero != 0
            || !skip(&block, scaled, sizeof(scaled))) {
            return 0;
        }
        address->index++;
    }
    if (skip(&block, deref, sizeof(deref))) {
        address->kind = LPP_CFA_MEMORY;
        if (skip(&block, plus, sizeof(plus))) {
            address->add = (apr_int64_t)lpp_eh_read_uleb(&block);
        }
    }
    return block.at == block.end && !block.failed;
}

void lpp_address_read(lpp_address_t *address, lpp_eh_reader_t block)
{
    if (!read_plt(block, address) && !read_plain(block, address)) {
        memset(address, 0, sizeof(*address));
        address->kind = LPP_CFA_UNSUPPORTED;
    }
}
