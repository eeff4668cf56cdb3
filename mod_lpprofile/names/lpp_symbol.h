/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_symbol: a place in code becomes a name.
 *
 * In this order: symbol table or debug file; names handed in by the skin (the
 * httpd hook, filter or handler a function is registered as); the object and
 * the offset of the function's start, found by its FDE. Never a neighbour's
 * name: a symbol covers its own size and no more. Tables are read once per
 * object and kept; never the network.
 */
#ifndef LPP_SYMBOL_H
#define LPP_SYMBOL_H

#include "objects/lpp_maps.h"

typedef enum {
    LPP_NAME_SYMBOL,     /* symbol table or debug file */
    LPP_NAME_REGISTERED, /* handed in by the skin */
    LPP_NAME_OFFSET,     /* object+0xoffset of the function's start */
    LPP_NAME_UNKNOWN     /* in no known object */
} lpp_name_kind_e;

/* A name. Strings are valid UTF-8 without control characters, never NULL but
 * for file, and live as long as the table they came from. file and line are
 * left to lpp_symbols_add_line. */
typedef struct lpp_symbol_t {
    lpp_pc_t start;       /* first instruction: the function's identity */
    const char *name;
    const char *object;   /* path of the object, "" where unknown */
    const char *file;     /* source file, or NULL */
    unsigned line;        /* of the function's start, 0: unknown */
    lpp_name_kind_e kind;
    const char *registered; /* what it is registered as, or NULL, whatever
                               its name */
} lpp_symbol_t;

typedef struct lpp_symbols_t lpp_symbols_t;

/*
 * Make an empty table over maps (borrowed). One lock inside guards it. It
 * lives as long as the process, or until lpp_symbols_destroy: the jobs thread
 * may still name while a child ends. Errors: APR_ENOMEM, that of the lock.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_symbols_create(lpp_symbols_t **symbols,
                                               lpp_maps_t *maps);

/*
 * Read the tables of all objects there are by now, which the first look-up in
 * each would do else: in the parent, so that its children share them.
 * Signal-safe: no. Thread: any.
 */
void lpp_symbols_read(lpp_symbols_t *symbols);

/* Free a table that no other thread uses, nor ever did for source lines.
 * Signal-safe: no. Thread: parent. */
void lpp_symbols_destroy(lpp_symbols_t *symbols);

/*
 * Hand in what a function is registered as, by its process address: it is then
 * named "mod_rewrite.so:translate_name", the base name of the object it lies in
 * and what. owner, where not NULL, stands for the base name when the function
 * lies in the program itself ("core.c:handler"). Both are copied. The first
 * name of an address stays. A symbol of the object's own table is still
 * preferred. Errors: APR_ENOENT: in no known object; APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_symbols_register(lpp_symbols_t *symbols,
                                                 const void *function,
                                                 const char *owner,
                                                 const char *what);

/*
 * Name pc. Never fails: what cannot be named says where it is.
 * Signal-safe: no. Thread: any.
 */
void lpp_symbols_resolve(lpp_symbols_t *symbols, lpp_pc_t pc,
                         lpp_symbol_t *symbol);

/*
 * Add source file and line of the function's start, where debug information of
 * its object lies on this machine. The first look into a large debug file
 * takes a tenth of a second: not while a response waits.
 * Signal-safe: no. Thread: any.
 */
void lpp_symbols_add_line(lpp_symbols_t *symbols, lpp_symbol_t *symbol);

/*
 * A stack (frames leaf first) as the text of a traceback, outermost first, with
 * source lines where there are any; "" where count is 0.
 * Signal-safe: no. Thread: any.
 */
const char *lpp_symbols_traceback(lpp_symbols_t *symbols,
                                  const lpp_pc_t *frames, unsigned count,
                                  apr_pool_t *pool);

#endif
