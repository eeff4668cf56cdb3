/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_filter: adds the block to HTML pages and the headers of the
 * module to responses.
 */
#ifndef MOD_LPPROFILE_FILTER_H
#define MOD_LPPROFILE_FILTER_H

#include <httpd.h>

/* Add the filter to the chain of r, once; call it after all hooks that insert
 * filters.
 * Signal-safe: no. Thread: request. */
void lpp_filter_insert(request_rec *r);

/*
 * Add the filter to the chain of r, a request of a run that began after
 * insert_filter, if its headers were not sent yet. Returns 1 if the filter is
 * in the chain.
 * Signal-safe: no. Thread: request.
 */
int lpp_filter_join(request_rec *r);

void lpp_filter_register_hooks(apr_pool_t *pool);

#endif
