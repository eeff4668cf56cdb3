/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_elf: the functions of one ELF file, as sorted arrays.
 *
 * Symbols (.symtab, else .dynsym), PLT stubs by what they jump to, and the
 * function ranges of .eh_frame. Reads with pread and copies: a file that
 * shrinks meanwhile is an error, never a SIGBUS in the host. Reads only files
 * of this process' own class and byte order. Trusts no length, offset or index
 * of the file.
 */
#ifndef LPP_ELF_H
#define LPP_ELF_H

#include "base/lpp_base.h"

#define LPP_ELF_BUILD_ID_MAX 64

/* One function. Addresses are the file's own. */
typedef struct lpp_elf_function_t {
    apr_uint64_t start;
    apr_uint64_t end;    /* first address behind it */
    const char *name;    /* as the file has it, without version; NULL: the
                            file does not say */
    const char *suffix;  /* static: "", "@plt" or " (ifunc resolver)" */
} lpp_elf_function_t;

typedef struct lpp_elf_t lpp_elf_t;

/*
 * Read the tables of a file, or of an image in memory (the vdso). Everything
 * kept lives in pool. want_ranges 0: symbols only (a separate debug file has
 * no .eh_frame). Errors: those of open and read; APR_EGENERAL: not such a
 * file; APR_ENOMEM.
 * Signal-safe: no. Thread: any, one at a time a pool.
 */
LPP_MUST_CHECK apr_status_t lpp_elf_read_file(lpp_elf_t **elf,
                                              const char *path,
                                              int want_ranges,
                                              apr_pool_t *pool);
LPP_MUST_CHECK apr_status_t lpp_elf_read_memory(lpp_elf_t **elf,
                                                const void *image,
                                                apr_size_t len,
                                                apr_pool_t *pool);

/* The build id, NULL and 0 where the file has none. */
const unsigned char *lpp_elf_build_id(const lpp_elf_t *elf, apr_size_t *len);

/* The file name of .gnu_debuglink with its CRC, or NULL. */
const char *lpp_elf_debuglink(const lpp_elf_t *elf, apr_uint32_t *crc);

/*
 * Use the symbols of debug, the separate debug file of elf, as well. debug
 * must live as long as elf.
 */
void lpp_elf_set_debug(lpp_elf_t *elf, const lpp_elf_t *debug);

/*
 * What covers address: the symbol that does by its own size; else the function
 * by .eh_frame (name NULL); else the gap between two known ones (name NULL).
 * Never a neighbour.
 * Signal-safe: no. Thread: any.
 */
void lpp_elf_find(const lpp_elf_t *elf, apr_uint64_t address,
                  lpp_elf_function_t *function);

#endif
