/* SPDX-License-Identifier: Apache-2.0 */
/* memcheck_requests: for tests: what valgrind is told; nothing where its header
 * is not installed. */
#ifndef MEMCHECK_REQUESTS_H
#define MEMCHECK_REQUESTS_H

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_DEFINED(address, len) ((void)0)
#define VALGRIND_DISABLE_ERROR_REPORTING ((void)0)
#define VALGRIND_ENABLE_ERROR_REPORTING ((void)0)
#endif

#endif
