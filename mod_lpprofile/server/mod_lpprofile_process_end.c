/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_process_end: the end of a child, which our threads may not
 * notice in time.
 *
 * Under prefork a child ends in a signal handler, on top of anything; the
 * helper is waited for a second, the jobs thread up to five, and no longer.
 * exit() goes on to unload all modules: a thread that still runs in this one
 * would end in a SIGSEGV what ended well.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <httpd.h>
#include <http_config.h>

#include "server/mod_lpprofile_config.h"
#include "server/mod_lpprofile_process.h"
#include "server/mod_lpprofile_process_internal.h"

static atomic_int ending;

int lpp_process_ending(void)
{
    return atomic_load(&ending);
}

/* A module that calls exit() comes here first, httpd's own end next. */
static void set_ending(void)
{
    atomic_store(&ending, 1);
}

static apr_status_t see_end(void *data)
{
    set_ending();
    return APR_SUCCESS;
}

/* Found by its name among what is loaded: no file is opened. Where that fails
 * all is as it would be without. */
static void stay_loaded(void)
{
    Dl_info self;

    if (dladdr(&lpprofile_module, &self) && self.dli_fname) {
        void *kept = dlopen(self.dli_fname,
                            RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);

        (void)kept; /* for good */
    }
}

void lpp_process_watch_end(apr_pool_t *pchild)
{
    stay_loaded();
    atexit(set_ending);
    apr_pool_pre_cleanup_register(pchild, NULL, see_end);
}
