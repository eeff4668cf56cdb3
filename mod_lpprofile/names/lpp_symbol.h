/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_symbol: finds the name of a place in code.
 *
 * Sources of names, in this order: symbol table or debug file; names registered
 * by the httpd part of this module (the hook, filter or handler that a function
 * is registered as); the object and the offset of the function's start, found
 * by its FDE. A symbol names only the addresses within its own size. Tables are
 * read once for each object; there is no network access.
 */
#ifndef LPP_SYMBOL_H
#define LPP_SYMBOL_H

#include "names/lpp_pagecode.h"
#include "objects/lpp_maps.h"

typedef enum {
    LPP_NAME_SYMBOL,     /* symbol table or debug file */
    LPP_NAME_REGISTERED, /* registered as a hook, filter or handler */
    LPP_NAME_OFFSET,     /* object+0xoffset of the function's start */
    LPP_NAME_UNKNOWN,    /* in no known object */
    LPP_NAME_INTERPRETER /* a page function (lpp_pagecode.h); its object is the
                            script's file, too */
} lpp_name_kind_e;

/* A name. Strings are valid UTF-8 without control characters, never NULL except
 * file and registered, and live as long as their table. Only
 * lpp_symbols_add_line sets file and line; those of a page function are always
 * set. */
typedef struct lpp_symbol_t {
    lpp_pc_t start;       /* first instruction: the function's identity */
    const char *name;
    const char *object;   /* path of the object, "" where unknown */
    const char *file;     /* source file, or NULL */
    unsigned line;        /* of the function's start, 0: unknown */
    lpp_name_kind_e kind;
    const char *registered; /* the name it is registered as, or NULL; also set
                               if name is another one */
    lpp_language_e language; /* of a page function */
} lpp_symbol_t;

typedef struct lpp_symbols_t lpp_symbols_t;

/*
 * Create an empty table for maps (borrowed), guarded by a lock of its own. It
 * lasts as long as the process, or until lpp_symbols_destroy, since the jobs
 * thread may use it while a child ends. Errors: APR_ENOMEM, that of the lock.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_symbols_create(lpp_symbols_t **symbols,
                                               lpp_maps_t *maps);

/* The table of page functions, which belongs to symbols.
 * Signal-safe: yes. Thread: any. */
lpp_pagecode_t *lpp_symbols_pagecode(lpp_symbols_t *symbols);

/*
 * Read the tables of all objects that are loaded now, instead of at the first
 * look-up in each. The parent calls it, so that its children share the memory.
 * Signal-safe: no. Thread: any.
 */
void lpp_symbols_read(lpp_symbols_t *symbols);

/* Free a table (not NULL) that no other thread uses and of which no source
 * lines were read. All its names become invalid.
 * Signal-safe: no. Thread: parent. */
void lpp_symbols_destroy(lpp_symbols_t *symbols);

/*
 * Register a name for the function at an address of this process: the base name
 * of its object and what, as in "mod_rewrite.so:translate_name". For a function
 * of the program itself, owner, if not NULL, replaces the base name, as in
 * "core.c:handler". Both are copied. A second name for the same address is
 * ignored. The symbol table of the object has precedence.
 * Errors: APR_ENOENT: the address is in no known object; APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_symbols_register(lpp_symbols_t *symbols,
                                                 const void *function,
                                                 const char *owner,
                                                 const char *what);

/*
 * Find the name of pc and set all of symbol. Never fails: if there is no name,
 * symbol has the object and the offset, or the address.
 * Signal-safe: no. Thread: any.
 */
void lpp_symbols_resolve(lpp_symbols_t *symbols, lpp_pc_t pc,
                         lpp_symbol_t *symbol);

/*
 * Set source file and line of the function's start, if debug information of its
 * object is on this machine. The first call for a large debug file takes a
 * tenth of a second: do not call it while a response waits.
 * Signal-safe: no. Thread: any.
 */
void lpp_symbols_add_line(lpp_symbols_t *symbols, lpp_symbol_t *symbol);

/*
 * Format a stack (frames leaf first) as the text of a traceback: page functions
 * alone, in the form and order of their language, if there are any; then all
 * frames, outermost first, with source lines if known. In pool; "" if count is
 * 0.
 * Signal-safe: no. Thread: any.
 */
const char *lpp_symbols_traceback(lpp_symbols_t *symbols,
                                  const lpp_pc_t *frames, unsigned count,
                                  apr_pool_t *pool);

/* Of that text the part of the page functions, with the empty line after it;
 * "" if there are none.
 * Signal-safe: no. Thread: any. */
const char *lpp_symbols_page_traceback(lpp_symbols_t *symbols,
                                       const lpp_pc_t *frames, unsigned count,
                                       apr_pool_t *pool);

#endif
