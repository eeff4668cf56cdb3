/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_pagecode: page functions: functions of the page's own code, in PHP,
 * Python, Lua or Perl, as lpp_pc_t.
 *
 * Such an lpp_pc_t has the object LPP_PAGE_OBJECT; its address is the
 * function's number and the line that ran. A table gives a number to each
 * function by content (language, scope, name, file, line), so that one function
 * has one number over all profiles of a process, wherever the interpreter keeps
 * it.
 */
#ifndef LPP_PAGECODE_H
#define LPP_PAGECODE_H

#include "base/lpp_base.h"

typedef enum {
    LPP_LANGUAGE_NONE,
    LPP_LANGUAGE_PHP,
    LPP_LANGUAGE_PYTHON,
    LPP_LANGUAGE_LUA,
    LPP_LANGUAGE_PERL,
    LPP_LANGUAGES
} lpp_language_e;

/* "PHP", ...; "" for others.
 * Signal-safe: yes. Thread: any. */
const char *lpp_language_name(lpp_language_e language);

#define LPP_PAGE_OBJECT 0xffffu
#define LPP_PAGE_LINE_BITS 24
#define LPP_PAGE_LINE_MAX 0xffffffu
#define LPP_PAGE_PC(number, line)                                             \
    LPP_PC_MAKE(LPP_PAGE_OBJECT,                                              \
                ((apr_uint64_t)(number) << LPP_PAGE_LINE_BITS)                \
                    | ((line) & 0xffffff))
#define LPP_PC_IS_PAGE(pc) (LPP_PC_OBJECT(pc) == LPP_PAGE_OBJECT)
#define LPP_PAGE_NUMBER(pc)                                                   \
    ((apr_uint32_t)(LPP_PC_ADDRESS(pc) >> LPP_PAGE_LINE_BITS))
#define LPP_PAGE_LINE(pc) ((apr_uint32_t)((pc) & 0xffffff))
/* The function alone: its identity in lpp_symbol_t.start. */
#define LPP_PAGE_START(pc) ((pc) & ~(lpp_pc_t)0xffffff)

/*
 * A frame that is no function, but what a blocked thread waited for, the
 * innermost of its stack: "[waits: tcp 10.0.0.5:5432]". The table has its name
 * as that of a page function without language, under a number of its own.
 */
#define LPP_WAIT_OBJECT 0xfffeu
#define LPP_WAIT_PC(number)                                                   \
    LPP_PC_MAKE(LPP_WAIT_OBJECT,                                              \
                (apr_uint64_t)(number) << LPP_PAGE_LINE_BITS)
#define LPP_PC_IS_WAIT(pc) (LPP_PC_OBJECT(pc) == LPP_WAIT_OBJECT)
#define LPP_WAIT_NUMBER(pc) LPP_PAGE_NUMBER(pc)
#define LPP_WAIT_MORE_NAME "[waits: more]" /* of number LPP_PAGE_MORE */
#define LPP_WAIT_BEGIN "[waits: " /* what the names begin with */
#define LPP_WAIT_TEXT_BYTES 900 /* of a text, with its NUL */
#define LPP_WAITS_NAMES_MAX 4096 /* names of a process */

#define LPP_PAGE_MORE 0 /* number of the function "[more functions]" */
#define LPP_PAGE_MORE_NAME "[more functions]"
#define LPP_PAGES_MAX 65535 /* functions of a process */

/* A page function. Strings are never NULL, valid UTF-8 without control
 * characters, ';' and newlines. */
typedef struct lpp_page_function_t {
    lpp_language_e language;
    int internal;      /* written in C: "usort()" */
    const char *name;  /* to show: "Renderer::page", "handle", "usort()" */
    const char *file;  /* path of the script; "" if it is not known */
    apr_uint32_t line; /* that the function begins at; 0: not known */
} lpp_page_function_t;

typedef struct lpp_pagecode_t lpp_pagecode_t;

/*
 * Make an empty table with a lock of its own. It lasts until
 * lpp_pagecode_destroy.
 * Errors: APR_ENOMEM, that of the lock.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_pagecode_create(lpp_pagecode_t **pages);

/* Free a table that no other thread uses. All its functions become invalid.
 * Signal-safe: no. Thread: parent. */
void lpp_pagecode_destroy(lpp_pagecode_t *pages);

/*
 * The number of a function; page and its strings are copied, and made safe to
 * show first. LPP_PAGE_MORE: the table is full, or there is no memory.
 * Signal-safe: no. Thread: any.
 */
apr_uint32_t lpp_pagecode_number(lpp_pagecode_t *pages,
                                 const lpp_page_function_t *page);

/*
 * The number of what was waited for, as above, by its text: "tcp
 * 10.0.0.5:5432". LPP_PAGE_MORE: there are LPP_WAITS_NAMES_MAX already, or
 * there is no memory.
 * Signal-safe: no. Thread: any.
 */
apr_uint32_t lpp_pagecode_wait(lpp_pagecode_t *pages, const char *text);

/* The text of pc, which is a wait (LPP_PC_IS_WAIT), copied to text of size
 * bytes, without the brackets of its name.
 * Signal-safe: no. Thread: any. */
void lpp_pagecode_wait_text(lpp_pagecode_t *pages, lpp_pc_t pc, char *text,
                            apr_size_t size);

/* The function with that number; for LPP_PAGE_MORE and unknown numbers
 * "[more functions]". Valid as long as the process.
 * Signal-safe: no. Thread: any. */
const lpp_page_function_t *lpp_pagecode_get(lpp_pagecode_t *pages,
                                            apr_uint32_t number);

#endif
