/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_pages: the handler for the module's own pages: /++profile++,
 * help, reports, report:ID, comparisons and downloads.
 */
#ifndef MOD_LPPROFILE_PAGES_H
#define MOD_LPPROFILE_PAGES_H

#include <httpd.h>

#define LPP_PAGES_HANDLER "lpprofile"

/* The hooks of the pages, called by mod_lpprofile_hooks for requests that are
 * profiled or have a run. Each does nothing unless r is a page of the module.
 * Signal-safe: no. Thread: request. */

/* pre_translate_name and translate_name, before mod_proxy and mod_rewrite. */
int lpp_pages_claim(request_rec *r);

/* map_to_storage: prevents the directory walk, since nothing is mapped. */
int lpp_pages_skip_storage(request_rec *r);

/* fixups: sets the handler again, which SetHandler or FallbackResource may have
 * changed. */
void lpp_pages_set_handler(request_rec *r);

/* handler */
int lpp_pages_handle(request_rec *r);

#endif
