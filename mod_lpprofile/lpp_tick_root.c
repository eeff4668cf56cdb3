/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_tick_root: where a request's own stack begins: at the caller of what
 * reads or serves it. Everything outside of that frame is the server's loop
 * and need be neither copied nor unwound. Remembers how long these functions
 * are.
 */
#include "lpp_sampler_internal.h"

#include <dlfcn.h>
#include <link.h>

void lpp_tick_refresh(lpp_sampler_t *sampler)
{
    int changed = 0;

    /* Where either fails, what is new has no names and its stacks are counted
     * as broken: the report says so. */
    if (lpp_maps_refresh(sampler->options.maps, &changed) != APR_SUCCESS
        || changed) {
        apr_status_t status = sampler->unwinder == NULL ? APR_SUCCESS
            : lpp_unwinder_refresh(sampler->unwinder);

        (void)status;
    }
}

/* Where function name begins, and how long it is. */
static int find_function(lpp_sampler_t *sampler, const char *name,
                         apr_uint64_t *address, apr_uint64_t *size)
{
    Dl_info info;
    ElfW(Sym) *symbol = NULL;
    size_t i, slot = LPP_ROOTS_MAX - 1;
    void *found = dlsym(RTLD_DEFAULT, name);

    if (found == NULL) {
        return 0;
    }
    *address = (apr_uint64_t)(apr_uintptr_t)found;
    /* dladdr goes through all symbols of the object: once a function. */
    for (i = 0; i < LPP_ROOTS_MAX; i++) {
        if (sampler->roots[i].name == name
            && sampler->roots[i].address == *address) {
            *size = sampler->roots[i].size;
            return 1;
        }
        if (sampler->roots[i].name == NULL && i < slot) {
            slot = i;
        }
    }
    if (dladdr1(found, &info, (void **)&symbol, RTLD_DL_SYMENT) == 0
        || symbol == NULL || symbol->st_size == 0) {
        return 0;
    }
    *size = symbol->st_size;
    sampler->roots[slot].name = name;
    sampler->roots[slot].address = *address;
    sampler->roots[slot].size = *size;
    return 1;
}

apr_uint64_t lpp_tick_root(lpp_sampler_t *sampler,
                           const char *const *root_names,
                           const lpp_snapshot_t *snapshot)
{
    apr_uint64_t address, size;
    lpp_unwind_end_e end;
    unsigned count, i, outermost = 0;

    if (sampler->unwinder == NULL || root_names == NULL) {
        return 0;
    }
    count = lpp_unwind(sampler->unwinder, snapshot, 0, sampler->frames,
                       sampler->cfas, LPP_FRAMES_MAX, &end);
    for (; *root_names != NULL; root_names++) {
        lpp_pc_t from;

        if (!find_function(sampler, *root_names, &address, &size)) {
            continue;
        }
        from = lpp_maps_pc(sampler->options.maps, address);
        for (i = count; i-- > outermost + 1;) {
            /* Frame i - 1 lies in the function: frame i is its caller. */
            if (sampler->frames[i - 1] >= from
                && sampler->frames[i - 1] < from + size) {
                outermost = i;
                break;
            }
        }
    }
    return outermost == 0 ? 0 : sampler->cfas[outermost];
}
