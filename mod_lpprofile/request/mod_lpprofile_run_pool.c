/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_run_pool: the memory of a run. Its pool is unmanaged and has an
 * allocator of its own, because the jobs thread uses it after the request is
 * gone.
 */

#include "request/mod_lpprofile_run_internal.h"

/*
 * Fresh memory costs page faults, microseconds each: what one run gave back
 * is the next one's. Its allocator belongs to the run that took it, without a
 * lock: pools of requests may go in prefork's signal handler.
 */
#define RUN_MEMORY_KEPT (1024 * 1024) /* of a child's last runs, each */

static _Atomic(apr_allocator_t *) spare_allocators[2];

apr_status_t lpp_run_make_pool(apr_pool_t **pool)
{
    apr_allocator_t *allocator = NULL;
    apr_status_t status;
    unsigned i;

    for (i = 0; i < LPP_COUNT(spare_allocators) && !allocator; i++) {
        allocator = atomic_exchange(&spare_allocators[i], NULL);
    }
    if (!allocator) {
        status = apr_allocator_create(&allocator);
        if (status != APR_SUCCESS) {
            return status;
        }
        apr_allocator_max_free_set(allocator, RUN_MEMORY_KEPT);
    }
    status = apr_pool_create_unmanaged_ex(pool, NULL, allocator);
    if (status != APR_SUCCESS) {
        apr_allocator_destroy(allocator);
        return status;
    }
    apr_pool_tag(*pool, "lpprofile run");
    return APR_SUCCESS;
}

void lpp_run_free(lpp_run_t *run)
{
    apr_pool_t *pool = run->pool;
    apr_allocator_t *allocator = apr_pool_allocator_get(pool);
    unsigned i;

    apr_pool_destroy(pool);
    for (i = 0; i < LPP_COUNT(spare_allocators); i++) {
        apr_allocator_t *none = NULL;

        if (atomic_compare_exchange_strong(&spare_allocators[i], &none,
                                           allocator)) {
            return;
        }
    }
    apr_allocator_destroy(allocator);
}
