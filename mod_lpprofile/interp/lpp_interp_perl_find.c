/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_interp_perl_find: finds libperl, as mod_perl loads it, and looks whether
 * its structures are those of a known row.
 *
 * The interpreter of a thread is in the variable PL_current_context, of which
 * each thread has its own; Perl_set_context sets it together with PL_thr_key.
 */
#include "interp/lpp_interp_languages_internal.h"

#include <dlfcn.h>
#include <string.h>

#include <apr_strings.h>

#include "interp/lpp_interp_perl_rows_internal.h"
#include "objects/lpp_exported.h"

/* An exported variable of len bytes, at most 8; 0: there is none. */
static apr_uint64_t variable(const char *name, apr_size_t len)
{
    apr_uint64_t address, size, value = 0;

    if (!lpp_exported(name, &address, &size)
        || lpp_peek_bytes(&value, address, len) != len) {
        return 0;
    }
    return value;
}

/* Whether this perl was built with option, as " USE_ITHREADS". */
static int is_built_with(const char *option)
{
    apr_uint64_t address, size;
    char options[1024];
    apr_size_t len;

    if (!lpp_exported("PL_bincompat_options", &address, &size)) {
        return 0;
    }
    len = lpp_peek_bytes(options, address, size < sizeof(options)
                                               ? size : sizeof(options) - 1);
    options[len] = '\0';
    return strstr(options, option) != NULL;
}

void lpp_interp_perl_find(lpp_interp_perl_t *perl, lpp_interp_found_t *found)
{
    apr_uint64_t address, size;
    unsigned revision, version;

    perl->row = NULL;
    if (!lpp_exported("Perl_runops_standard", &found->run.start,
                           &found->run.size)) {
        return;
    }
    revision = (unsigned)variable("PL_revision", 1);
    version = (unsigned)variable("PL_version", 1);
    perl->row = lpp_interp_perl_row(revision, version);
    if (perl->row == NULL) {
        apr_snprintf(found->why, sizeof(found->why), "Perl %u.%u is not known: "
                     "its functions are not shown.", revision, version);
        return;
    }
    found->usable = found->run.size != 0
        && variable("PL_interp_size", 2) == perl->row->interp_size
        && is_built_with(" USE_ITHREADS")
        && lpp_exported("PL_current_context", &address, &size);
    if (!found->usable) {
        apr_snprintf(found->why, sizeof(found->why), "Perl %u.%u is built in a "
                     "way that is not known: its functions are not shown.",
                     revision, version);
    }
}

void lpp_interp_perl_enter_thread(lpp_interp_perl_t *perl)
{
    /* of a variable of which each thread has its own: the calling thread's */
    perl->context = (apr_uint64_t)(apr_uintptr_t)dlsym(RTLD_DEFAULT,
                                                       "PL_current_context");
}
