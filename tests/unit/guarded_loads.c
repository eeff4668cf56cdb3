/* SPDX-License-Identifier: Apache-2.0 */
/* guarded_loads: see guarded_loads.h. */
#include "guarded_loads.h"

#include "memcheck_requests.h"

int __real_lpp_peek(void *to, apr_uint64_t from, apr_size_t words);
int __wrap_lpp_peek(void *to, apr_uint64_t from, apr_size_t words);
apr_size_t __real_lpp_peek_bytes(void *to, apr_uint64_t from, apr_size_t len);
apr_size_t __wrap_lpp_peek_bytes(void *to, apr_uint64_t from, apr_size_t len);
apr_size_t __real_lpp_peek_length(apr_uint64_t text, apr_size_t max);
apr_size_t __wrap_lpp_peek_length(apr_uint64_t text, apr_size_t max);
apr_uint64_t __wrap_lpp_peek_word(apr_uint64_t from);

int __wrap_lpp_peek(void *to, apr_uint64_t from, apr_size_t words)
{
    int got;

    VALGRIND_DISABLE_ERROR_REPORTING;
    got = __real_lpp_peek(to, from, words);
    VALGRIND_ENABLE_ERROR_REPORTING;
    if (got) {
        VALGRIND_MAKE_MEM_DEFINED(to, words * 8);
    }
    return got;
}

apr_size_t __wrap_lpp_peek_bytes(void *to, apr_uint64_t from, apr_size_t len)
{
    apr_size_t got;

    VALGRIND_DISABLE_ERROR_REPORTING;
    got = __real_lpp_peek_bytes(to, from, len);
    VALGRIND_ENABLE_ERROR_REPORTING;
    VALGRIND_MAKE_MEM_DEFINED(to, got);
    return got;
}

apr_size_t __wrap_lpp_peek_length(apr_uint64_t text, apr_size_t max)
{
    apr_size_t len;

    VALGRIND_DISABLE_ERROR_REPORTING;
    len = __real_lpp_peek_length(text, max);
    VALGRIND_ENABLE_ERROR_REPORTING;
    VALGRIND_MAKE_MEM_DEFINED(&len, sizeof(len));
    return len;
}

apr_uint64_t __wrap_lpp_peek_word(apr_uint64_t from)
{
    apr_uint64_t word;

    return __wrap_lpp_peek(&word, from, 1) ? word : 0;
}
