/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_elf: the functions of one ELF file, as sorted arrays.
 *
 * Symbols (.symtab, else .dynsym), PLT stubs by the function that they jump to,
 * and the function ranges of .eh_frame. Copies the file with pread: if it
 * shrinks meanwhile, that is an error and not a SIGBUS in the host. Reads only
 * files of the class and byte order of this process. Checks every length,
 * offset and index of the file.
 */
#ifndef LPP_ELF_H
#define LPP_ELF_H

#include "base/lpp_base.h"

#define LPP_ELF_BUILD_ID_MAX 64

/* One function. Addresses are the file's own. */
typedef struct lpp_elf_function_t {
    apr_uint64_t start;
    apr_uint64_t end;    /* first address after it */
    const char *name;    /* without version; NULL: the file has no name for
                            it */
    const char *suffix;  /* static: "", "@plt" or " (ifunc resolver)" */
} lpp_elf_function_t;

typedef struct lpp_elf_t lpp_elf_t;

/*
 * Read the tables of a file, or of an image in memory (the vdso), into pool.
 * With want_ranges 0 only the symbols are read (a separate debug file has no
 * .eh_frame).
 * Errors: those of open and read; APR_EGENERAL: not an ELF file that can be
 * used; APR_ENOMEM.
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

/* The build id, *len bytes, which lives as long as elf; NULL and 0 if the file
 * has none.
 * Signal-safe: yes. Thread: any. */
const unsigned char *lpp_elf_build_id(const lpp_elf_t *elf, apr_size_t *len);

/* The file name of .gnu_debuglink, which lives as long as elf; *crc gets its
 * CRC. NULL: the file has none.
 * Signal-safe: yes. Thread: any. */
const char *lpp_elf_debuglink(const lpp_elf_t *elf, apr_uint32_t *crc);

/*
 * Search the symbols of debug, the separate debug file of elf (borrowed),
 * before those of elf.
 * Signal-safe: no. Thread: one at a time.
 */
void lpp_elf_set_debug(lpp_elf_t *elf, const lpp_elf_t *debug);

/*
 * Find what covers address: a symbol of debug or elf, by its own size; else the
 * function by .eh_frame (name NULL); else the gap between two known functions
 * (name NULL). Never returns a neighbour of address. Sets all members of
 * function, whose strings live as long as elf and debug.
 * Signal-safe: no. Thread: any.
 */
void lpp_elf_find(const lpp_elf_t *elf, apr_uint64_t address,
                  lpp_elf_function_t *function);

#endif
