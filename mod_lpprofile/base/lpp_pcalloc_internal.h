/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_pcalloc: makes apr_pcalloc() the function and not the macro of
 * apr_pools.h.
 *
 * The macro is memset(apr_palloc(pool, size), 0, size). APR's pools return NULL
 * if memory is short and no abort function is set, as in the pools that this
 * module creates for itself; the macro then writes to NULL in the host. The
 * function returns NULL, which every caller here handles. lpp_base.h includes
 * this after apr_pools.h, so that no file of the module can use the macro.
 */
#ifndef LPP_PCALLOC_INTERNAL_H
#define LPP_PCALLOC_INTERNAL_H

#include <apr_pools.h>

#undef apr_pcalloc
void *apr_pcalloc(apr_pool_t *pool, apr_size_t size);

#endif
