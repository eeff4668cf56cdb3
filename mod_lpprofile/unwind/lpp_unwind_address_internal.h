/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_unwind_address: DWARF expressions for an address, in the forms that
 * linkers and hand-written assembler use in .eh_frame. Internal to lpp_unwind*.
 */
#ifndef LPP_UNWIND_ADDRESS_INTERNAL_H
#define LPP_UNWIND_ADDRESS_INTERNAL_H

#include "unwind/lpp_unwind_rules_internal.h"

/* What the members mean depends on kind, see LPP_CFA_ in
 * lpp_unwind_rules_internal.h. */
typedef struct lpp_address_t {
    int kind;             /* LPP_CFA_REGISTER, _MEMORY, _PLT, _UNSUPPORTED */
    unsigned base, index; /* registers; index is one more, or NO_INDEX */
    apr_int64_t offset, add;
} lpp_address_t;

/*
 * Read the expression in block; kind is LPP_CFA_UNSUPPORTED if it has none of
 * the known forms.
 * Signal-safe: yes. Thread: any.
 */
void lpp_address_read(lpp_address_t *address, lpp_eh_reader_t block);

#endif
