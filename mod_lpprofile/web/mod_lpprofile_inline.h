/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_inline: the inline API of include/lpprofile.h as optional
 * functions, and the same from Lua. Decides whether the caller is the thread
 * that serves the request; what a region does stands in mod_lpprofile_run.
 */
#ifndef MOD_LPPROFILE_INLINE_H
#define MOD_LPPROFILE_INLINE_H

#include <httpd.h>

/* What lpprofile.h promises, for callers within this module. Thread: any; all
 * but the request's own are refused. */
int lpp_inline_start(request_rec *r, const char *name);
int lpp_inline_time(request_rec *r, const char *name);
int lpp_inline_stop(request_rec *r);

/* Register the optional functions: on every server, since others fetch them
 * before anybody knows whether profiling is allowed. */
void lpp_inline_register_functions(void);

/* Hook lua_request of mod_lua: the table "lpprofile". */
void lpp_lua_register_hooks(apr_pool_t *pool);

#endif
