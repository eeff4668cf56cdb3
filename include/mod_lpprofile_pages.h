/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_pages: the handler for the module's own pages: /++profile++,
 * help, reports, report:ID, comparisons and downloads.
 */
#ifndef MOD_LPPROFILE_PAGES_H
#define MOD_LPPROFILE_PAGES_H

#include <httpd.h>

#define LPP_PAGES_HANDLER "lpprofile"

void lpp_pages_register_hooks(apr_pool_t *pool);

#endif
