/* SPDX-License-Identifier: Apache-2.0 */
#include "lpp_unwind_walk.h"
apr_status_t lpp_table_create(lpp_table_t **table, lpp_maps_t *maps,
                              apr_pool_t *pool)
{
    *table = NULL;
    return APR_ENOTIMPL;
}
apr_status_t lpp_table_refresh(lpp_table_t *table, lpp_maps_t *maps)
{
    return APR_ENOTIMPL;
}
void lpp_table_walk(lpp_table_t *table, lpp_walk_t *walk)
{
    walk->unsupported = 1;
}
