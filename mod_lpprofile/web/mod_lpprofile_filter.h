/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_filter: puts the block into HTML pages and the headers of the
 * module onto responses.
 */
#ifndef MOD_LPPROFILE_FILTER_H
#define MOD_LPPROFILE_FILTER_H

#include <httpd.h>

/* Put the filter into the chain of r, once; after all hooks that insert
 * filters. Thread: request. */
void lpp_filter_insert(request_rec *r);

/*
 * Put the filter into the chain of r, a request of a run that began after
 * insert_filter, where its headers are not sent yet. Returns 1 where it is in.
 * Thread: request.
 */
int lpp_filter_join(request_rec *r);

void lpp_filter_register_hooks(apr_pool_t *pool);

#endif
