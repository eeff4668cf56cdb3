/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_unwind_eh: the records of an object's .eh_frame, read from the copy that
 * lpp_maps made. Internal to lpp_unwind*.
 *
 * The bytes may come from any file: every read is bounded, and an invalid
 * record is skipped.
 *
 * Functions without a line of their own:
 * Signal-safe: yes. Thread: any.
 */
#ifndef LPP_UNWIND_EH_INTERNAL_H
#define LPP_UNWIND_EH_INTERNAL_H

#include "objects/lpp_maps.h"

/* A bounded run of bytes being read. */
typedef struct lpp_eh_reader_t {
    const unsigned char *at, *end;
    apr_uint64_t address; /* process address of *at: base of pcrel pointers */
    int failed;           /* read past the end, or found something unknown */
} lpp_eh_reader_t;

/* The description of one function (FDE), with the data of its CIE. */
typedef struct lpp_eh_fde_t {
    apr_uint64_t start, end;  /* code it covers, process addresses */
    lpp_eh_reader_t code;     /* its instructions */
    lpp_eh_reader_t cie_code; /* those of the CIE, which come before */
    apr_uint64_t code_align;
    apr_int64_t data_align;
    unsigned return_register;
    int pointer_encoding;  /* DW_EH_PE_ of its addresses */
    int signal_frame;      /* its caller was interrupted and made no call: the
                              return address is exact */
    int has_augmentation;  /* 'z': a sized augmentation follows */
    apr_size_t cie_offset; /* of the CIE that these members come from */
    int cie_read;          /* cie_offset and the members from the CIE are
                              valid */
} lpp_eh_fde_t;

/* Little endian numbers; at the end 0, and failed is set.
 * Signal-safe: yes. Thread: any. */
apr_uint64_t lpp_eh_read_u(lpp_eh_reader_t *reader, unsigned bytes);
apr_uint64_t lpp_eh_read_uleb(lpp_eh_reader_t *reader);
apr_int64_t lpp_eh_read_sleb(lpp_eh_reader_t *reader);
/* A pointer in a DW_EH_PE_ encoding; fails for an indirect one. */
apr_uint64_t lpp_eh_read_pointer(lpp_eh_reader_t *reader, int encoding,
                                 apr_uint64_t datarel_base);
/* The next bytes as a separate reader. */
lpp_eh_reader_t lpp_eh_read_block(lpp_eh_reader_t *reader, apr_uint64_t bytes);

/*
 * Read the next FDE at or after *offset of object's .eh_frame, and advance
 * *offset. fde must be zeroed before the first call: it keeps the last CIE. 0:
 * the end.
 * Signal-safe: no. Thread: any.
 */
int lpp_eh_next(const lpp_object_t *object, apr_size_t *offset,
                lpp_eh_fde_t *fde);

/*
 * Find the FDE that covers address, by the search table of .eh_frame_hdr. 0:
 * none.
 * Signal-safe: no. Thread: any.
 */
int lpp_eh_find(const lpp_object_t *object, apr_uint64_t address,
                lpp_eh_fde_t *fde);

/*
 * Find the entry of .eh_frame_hdr's search table with the last start at or
 * before address: a pair (start, FDE), both 4 bytes relative to the header.
 * *entry is its offset in the header. 0: none, or no table of that kind.
 */
int lpp_eh_search(const lpp_object_t *object, apr_uint64_t address,
                  apr_size_t *entry);

#endif
