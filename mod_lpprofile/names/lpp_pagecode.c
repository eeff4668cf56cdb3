/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_pagecode: see lpp_pagecode.h.
 *
 * Owns all functions, in a pool with its own allocator, guarded by one lock.
 * Only grows, up to LPP_PAGES_MAX.
 */
#include "names/lpp_pagecode.h"

#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <apr_thread_mutex.h>

#include "base/lpp_utf8.h"
#include "names/lpp_symbol_internal.h"

struct lpp_pagecode_t {
    apr_thread_mutex_t *lock;     /* guards all below */
    apr_pool_t *pool;             /* own allocator */
    apr_hash_t *numbers;          /* content as text -> page_t */
    apr_array_header_t *functions; /* page_t *, by number */
    apr_uint32_t waits;           /* functions that are names of waits */
};

/* One function, with the key it is found by. */
typedef struct page_t {
    lpp_page_function_t page;
    apr_uint32_t number;
    const char *key;
} page_t;

static const page_t more = {
    { LPP_LANGUAGE_NONE, 0, LPP_PAGE_MORE_NAME, "", 0 }, LPP_PAGE_MORE, ""
};

const char *lpp_language_name(lpp_language_e language)
{
    static const char *const names[] = { "", "PHP", "Python", "Lua", "Perl" };

    return language < LPP_LANGUAGES ? names[language] : "";
}

apr_status_t lpp_pagecode_create(lpp_pagecode_t **pages)
{
    lpp_pagecode_t *made;
    apr_pool_t *pool;
    apr_status_t status;

    *pages = NULL;
    status = apr_pool_create_unmanaged_ex(&pool, NULL, NULL);
    if (status != APR_SUCCESS) {
        return status;
    }
    apr_pool_tag(pool, "lpp_pagecode");
    made = apr_pcalloc(pool, sizeof(*made));
    status = made == NULL ? APR_ENOMEM
        : apr_thread_mutex_create(&made->lock, APR_THREAD_MUTEX_DEFAULT, pool);
    if (status != APR_SUCCESS) {
        apr_pool_destroy(pool);
        return status;
    }
    made->pool = pool;
    made->numbers = apr_hash_make(pool);
    made->functions = apr_array_make(pool, 64, sizeof(const page_t *));
    APR_ARRAY_PUSH(made->functions, const page_t *) = &more;
    *pages = made;
    return APR_SUCCESS;
}

void lpp_pagecode_destroy(lpp_pagecode_t *pages)
{
    apr_pool_destroy(pages->pool);
}

/* Characters that change the direction of text, or end a line of it. */
static int is_format(apr_uint32_t c)
{
    return c == 0x61c || c == 0x200e || c == 0x200f
           || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

const char *lpp_pagecode_clean(const char *text, apr_pool_t *pool)
{
    char *made = lpp_symbol_clean(text, strlen(text), pool), *at = made;

    if (made != NULL && made[0] == '(' && made[1] >= '0' && made[1] <= '9') {
        made[0] = '?';
    }
    while (at != NULL && *at != '\0') {
        apr_uint32_t c;
        unsigned step = lpp_utf8_read(at, &c);

        if (c == ';' || is_format(c)) {
            memset(at, '?', step);
        }
        at += step;
    }
    return made;
}

/* Add it; NULL: no memory. */
static const page_t *add(lpp_pagecode_t *pages, const lpp_page_function_t *page,
                         const char *key)
{
    page_t *made = apr_pcalloc(pages->pool, sizeof(*made));

    if (made == NULL) {
        return NULL;
    }
    made->page = *page;
    made->page.name = lpp_pagecode_clean(page->name, pages->pool);
    made->page.file = lpp_pagecode_clean(page->file, pages->pool);
    made->key = apr_pstrdup(pages->pool, key);
    made->number = (apr_uint32_t)pages->functions->nelts;
    if (made->page.name == NULL || made->page.file == NULL
        || made->key == NULL) {
        return NULL;
    }
    APR_ARRAY_PUSH(pages->functions, const page_t *) = made;
    apr_hash_set(pages->numbers, made->key, APR_HASH_KEY_STRING, made);
    return made;
}

/* The number of page, whose key is not NULL. The lock is held. */
static apr_uint32_t number_of(lpp_pagecode_t *pages,
                              const lpp_page_function_t *page, const char *key)
{
    int is_wait = page->language == LPP_LANGUAGE_NONE;
    const page_t *found = apr_hash_get(pages->numbers, key,
                                       APR_HASH_KEY_STRING);

    if (found == NULL && pages->functions->nelts <= LPP_PAGES_MAX
        && (!is_wait || pages->waits < LPP_WAITS_NAMES_MAX)) {
        found = add(pages, page, key);
        pages->waits += found != NULL && is_wait;
    }
    return found != NULL ? found->number : LPP_PAGE_MORE;
}

apr_uint32_t lpp_pagecode_number(lpp_pagecode_t *pages,
                                 const lpp_page_function_t *page)
{
    apr_uint32_t number = LPP_PAGE_MORE;
    apr_pool_t *scratch;
    const char *key;

    apr_thread_mutex_lock(pages->lock);
    if (apr_pool_create(&scratch, pages->pool) == APR_SUCCESS) {
        key = apr_psprintf(scratch, "%d %d %u %" APR_SIZE_T_FMT " %s %s",
                           (int)page->language, page->internal, page->line,
                           strlen(page->name), page->name, page->file);
        number = key != NULL ? number_of(pages, page, key) : LPP_PAGE_MORE;
        apr_pool_destroy(scratch);
    }
    apr_thread_mutex_unlock(pages->lock);
    return number;
}

apr_uint32_t lpp_pagecode_wait(lpp_pagecode_t *pages, const char *text)
{
    char name[LPP_WAIT_TEXT_BYTES + sizeof(LPP_WAIT_BEGIN "]")];
    lpp_page_function_t page = { LPP_LANGUAGE_NONE, 0, name, "", 0 };

    apr_snprintf(name, sizeof(name), LPP_WAIT_BEGIN "%s]", text);
    return lpp_pagecode_number(pages, &page);
}

const lpp_page_function_t *lpp_pagecode_get(lpp_pagecode_t *pages,
                                            apr_uint32_t number)
{
    const page_t *found = &more;

    apr_thread_mutex_lock(pages->lock);
    if (number < (apr_uint32_t)pages->functions->nelts) {
        found = APR_ARRAY_IDX(pages->functions, (int)number, const page_t *);
    }
    apr_thread_mutex_unlock(pages->lock);
    return &found->page;
}

void lpp_pagecode_wait_text(lpp_pagecode_t *pages, lpp_pc_t pc, char *text,
                            apr_size_t size)
{
    const char *name = LPP_WAIT_NUMBER(pc) == LPP_PAGE_MORE
        ? LPP_WAIT_MORE_NAME : lpp_pagecode_get(pages,
                                                LPP_WAIT_NUMBER(pc))->name;
    apr_size_t begin = sizeof(LPP_WAIT_BEGIN) - 1, len = strlen(name);

    len = len > begin ? len - begin : 0; /* with the closing bracket */
    apr_cpystrn(text, name + strlen(name) - len, len < size ? len : size);
}
