/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_names: httpd's registries as names for stripped modules.
 *
 * Reads the ap_hook_get_* arrays, the handlers' and the filters of a request
 * and hands "mod_rewrite.so:translate_name" style names to lpp_symbol.
 */
#ifndef MOD_LPPROFILE_NAMES_H
#define MOD_LPPROFILE_NAMES_H

#include <httpd.h>

#include "names/lpp_symbol.h"

/*
 * Hand in every hook function of this server; once a child, when it starts:
 * that is not in a request's way.
 * Signal-safe: no. Thread: child-init.
 */
void lpp_names_register_hooks_of_server(lpp_symbols_t *symbols);

/*
 * Hand in the output and input filters of a request and its connection, as
 * "mod_deflate.so:DEFLATE filter". Called when the response's chain is complete
 * and again at the end; what is known already costs a look-up.
 * Signal-safe: no. Thread: request.
 */
void lpp_names_register_filters_of(lpp_symbols_t *symbols, request_rec *r);

#endif
