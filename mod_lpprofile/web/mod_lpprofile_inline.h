/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_inline: the inline API of include/lpprofile.h as optional
 * functions, and the same for Lua. Checks that the caller is the thread that
 * serves the request; mod_lpprofile_run_inline.c does the rest.
 */
#ifndef MOD_LPPROFILE_INLINE_H
#define MOD_LPPROFILE_INLINE_H

#include <httpd.h>

/* See lpprofile.h; for callers within this module.
 * Signal-safe: no. Thread: any; a call on another thread than the request's own
 * is refused. */
int lpp_inline_start(request_rec *r, const char *name);
int lpp_inline_time(request_rec *r, const char *name);
int lpp_inline_stop(request_rec *r);

/* Register the optional functions, on every server: other modules look them up
 * before it is known whether profiling is allowed.
 * Signal-safe: no. Thread: parent at start. */
void lpp_inline_register_functions(void);

/* Register the hook lua_request of mod_lua, which makes the table "lpprofile".
 * Signal-safe: no. Thread: parent at start. */
void lpp_lua_register_hooks(apr_pool_t *pool);

#endif
