/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_names: httpd's registries as names for stripped modules.
 *
 * Reads the ap_hook_get_* arrays, the handlers and the filters of a request and
 * passes names such as "mod_rewrite.so:translate_name" to lpp_symbol.
 */
#ifndef MOD_LPPROFILE_NAMES_H
#define MOD_LPPROFILE_NAMES_H

#include <httpd.h>

#include "names/lpp_symbol.h"

/*
 * Name every hook function of this server; once in each child, when it starts,
 * before it serves requests.
 * Signal-safe: no. Thread: child-init.
 */
void lpp_names_register_hooks_of_server(lpp_symbols_t *symbols);

/*
 * Name the output and input filters of a request and its connection, such as
 * "mod_deflate.so:DEFLATE filter". Called when the chain of the response is
 * complete and again at the end; a known filter costs a look-up.
 * Signal-safe: no. Thread: request.
 */
void lpp_names_register_filters_of(lpp_symbols_t *symbols, request_rec *r);

#endif
