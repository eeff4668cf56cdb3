/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_interp_seen_create: makes a table of functions seen, not in a handler. */
#include "interp/lpp_interp_walk_internal.h"

apr_status_t lpp_interp_seen_create(lpp_interp_seen_t **seen, apr_pool_t *pool)
{
    /* Not cleared, so that its pages stay untouched. */
    *seen = apr_palloc(pool, lpp_interp_seen_size());
    if (*seen == NULL) {
        return APR_ENOMEM;
    }
    lpp_interp_seen_init(*seen);
    return APR_SUCCESS;
}
