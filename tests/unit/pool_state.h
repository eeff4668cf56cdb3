/* SPDX-License-Identifier: Apache-2.0 */
/* pool_state: a pool of its own for each test, which is its state. */
#ifndef POOL_STATE_H
#define POOL_STATE_H

#include <apr_general.h>
#include <apr_pools.h>

static int make_pool(void **state)
{
    apr_pool_t *pool;

    if (apr_initialize() != APR_SUCCESS
        || apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return -1;
    }
    *state = pool;
    return 0;
}

static int drop_pool(void **state)
{
    apr_pool_destroy(*state);
    return 0;
}

#endif
