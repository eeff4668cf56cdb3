/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_debugfile: separate debug files, source lines, demangled names.
 *
 * Debug files are found by build id, then by debuglink, on this machine only,
 * without network access. libdw and the demangler of the C++ runtime are loaded
 * when first needed, with RTLD_LOCAL, so that the host does not see their
 * symbols. If they are not installed, there are no lines, and names stay
 * mangled. Called under the lock of lpp_symbol.
 */
#ifndef LPP_DEBUGFILE_INTERNAL_H
#define LPP_DEBUGFILE_INTERNAL_H

#include "objects/lpp_elf.h"
#include "objects/lpp_maps.h"

typedef struct lpp_debugfile_t lpp_debugfile_t;

/*
 * Find the debug file of an object and add its symbols, which live in pool, to
 * elf. Returns an object for reading lines, which lives as long as the process
 * or until lpp_debugfile_close. NULL: neither the debug file nor the object has
 * lines, or no memory.
 * Signal-safe: no. Thread: any, one at a time.
 */
lpp_debugfile_t *lpp_debugfile_open(const lpp_object_t *object,
                                    lpp_elf_t *elf, apr_pool_t *pool);

/* Close a debug file (NULL is allowed) before its pool is destroyed. One from
 * which lines were read stays open.
 * Signal-safe: no. Thread: any, one at a time. */
void lpp_debugfile_close(lpp_debugfile_t *debug);

/*
 * Get source file and line of an address of the object (as in its file); both
 * are unchanged if they are unknown. The first call for an object reads its
 * DWARF. *file lives as long as the debug file.
 * Signal-safe: no. Thread: any, one at a time.
 */
void lpp_debugfile_line(lpp_debugfile_t *debug, apr_uint64_t address,
                        const char **file, unsigned *line);

/*
 * Demangle a C++ or Rust name (not NULL), into pool. Returns name itself if it
 * is neither, or if its demangler is not available: libstdc++ for C++ and
 * Rust's older names, libiberty (LPP_WITH_LIBIBERTY) for Rust's newer ones.
 * Signal-safe: no. Thread: any, one at a time.
 */
const char *lpp_debugfile_demangle(const char *name, apr_pool_t *pool);

#endif
