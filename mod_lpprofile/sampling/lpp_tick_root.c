/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_tick_root: where a request's own stack begins: at the caller of what
 * reads or serves it. Everything outside of that frame is the server's loop
 * and need be neither copied nor unwound. Remembers how long these functions
 * are. And what is shown for frames that are no function, or not to be shown.
 */
#include "sampling/lpp_sampler_internal.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

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
        memset(sampler->roots, 0, sizeof(sampler->roots));
        sampler->changes++;
    }
}

/* Where function name begins, and how long it is. Remembered until something
 * is loaded or unloaded: dladdr goes through all symbols of the object. */
static int find_function(lpp_sampler_t *sampler, const char *name,
                         apr_uint64_t *address, apr_uint64_t *size)
{
    Dl_info info;
    ElfW(Sym) *symbol = NULL;
    size_t slot = 0;
    void *found;

    while (slot < LPP_ROOTS_MAX - 1 && sampler->roots[slot].name != NULL
           && sampler->roots[slot].name != name) {
        slot++;
    }
    if (sampler->roots[slot].name != name) {
        sampler->roots[slot].name = name;
        sampler->roots[slot].size = 0;
        found = dlsym(RTLD_DEFAULT, name);
        if (found != NULL
            && dladdr1(found, &info, (void **)&symbol, RTLD_DL_SYMENT) != 0
            && symbol != NULL) {
            sampler->roots[slot].address = (apr_uint64_t)(apr_uintptr_t)found;
            sampler->roots[slot].size = symbol->st_size;
        }
    }
    *address = sampler->roots[slot].address;
    *size = sampler->roots[slot].size;
    return *size != 0;
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
        unsigned farther = **root_names == LPP_ROOT_FARTHER;
        lpp_pc_t from;

        if (!find_function(sampler, *root_names + farther, &address, &size)) {
            continue;
        }
        from = lpp_maps_pc(sampler->options.maps, address);
        for (i = count; i-- > outermost + 1 + farther;) {
            /* That frame lies in the function: frame i is its caller, or its
             * caller's caller. */
            lpp_pc_t frame = sampler->frames[i - 1 - farther];

            if (frame >= from && frame < from + size) {
                outermost = i;
                break;
            }
        }
    }
    return outermost == 0 ? 0 : sampler->cfas[outermost];
}

/* An object that has been unloaded since lay there. */
static int was_loaded(const lpp_maps_t *maps, apr_uint64_t address)
{
    unsigned number = lpp_maps_count(maps);

    for (; number > 0; number--) {
        const lpp_object_t *object = lpp_maps_object(maps, number);

        if (object->gone && address >= object->start
            && address < object->end) {
            return 1;
        }
    }
    return 0;
}

unsigned lpp_tick_unwind(lpp_sampler_t *sampler,
                         const lpp_snapshot_t *snapshot,
                         apr_uint64_t root_cfa, lpp_pc_t *frames,
                         unsigned max, lpp_unwind_end_e *end)
{
    int own = (snapshot->flags & LPP_SNAPSHOT_OWN_STACK) != 0;
    unsigned count = lpp_unwind(sampler->unwinder, snapshot,
                                own ? 0 : root_cfa, frames, NULL, max, end);
    unsigned i;

    for (i = 0; i < count; i++) {
        if (LPP_PC_OBJECT(frames[i]) == 0
            && !was_loaded(sampler->options.maps,
                           LPP_PC_ADDRESS(frames[i]))) {
            frames[i] = LPP_PC_RUN_TIME_CODE;
        }
    }
    if (own) {
        count -= count == max;
        frames[count++] = LPP_PC_OWN_STACK;
        *end = LPP_UNWIND_ROOT;
    }
    return count;
}

static int is_within(lpp_pc_t frame, lpp_pc_t first, const char *start,
                     const char *end)
{
    return start != NULL && frame - first < (apr_uint64_t)(end - start);
}

/* Where the hidden code of a sampler lies, all of it in one object. */
typedef struct hidden_t {
    const lpp_sampler_options_t *options;
    lpp_pc_t first, passes; /* what its two parts begin with */
} hidden_t;

static int is_hidden(const hidden_t *hidden, lpp_pc_t frame)
{
    const lpp_sampler_options_t *options = hidden->options;

    return is_within(frame, hidden->first, options->hidden_start,
                     options->hidden_end)
        || is_within(frame, hidden->passes, options->passes_start,
                     options->passes_end);
}

static int is_own(const hidden_t *hidden, lpp_pc_t frame)
{
    return LPP_PC_OBJECT(frame) == LPP_PC_OBJECT(hidden->first);
}

/* The innermost frame of ours tells: what hidden code called is others'. */
static int is_own_work(const hidden_t *hidden, const lpp_pc_t *frames,
                       unsigned count)
{
    unsigned i = 0;

    while (i < count && !is_own(hidden, frames[i])) {
        i++;
    }
    return i < count && (i == 0 || !is_hidden(hidden, frames[i]));
}

unsigned lpp_tick_hide(const lpp_sampler_t *sampler, lpp_pc_t *frames,
                       unsigned count, int replace)
{
    hidden_t hidden = { &sampler->options, 0, 0 };
    const char *start = sampler->options.hidden_start;
    unsigned i, kept = 0;

    if (start == NULL || count == 0) {
        return count;
    }
    hidden.first = lpp_maps_pc(sampler->options.maps, (apr_uintptr_t)start);
    hidden.passes = lpp_maps_pc(
        sampler->options.maps,
        (apr_uintptr_t)sampler->options.passes_start);
    if (replace && is_own_work(&hidden, frames, count)) {
        frames[0] = LPP_PC_PROFILER;
        return 1;
    }
    for (i = 0; i < count; i++) {
        const void *shown = NULL;

        if (!is_hidden(&hidden, frames[i])) {
            if (!replace || !is_own(&hidden, frames[i])) {
                frames[kept++] = frames[i];
            }
            continue;
        }
        if (replace && sampler->options.stands_for != NULL
            && is_within(frames[i], hidden.first, start,
                         sampler->options.hidden_end)) {
            shown = sampler->options.stands_for(start + (frames[i]
                                                         - hidden.first));
        }
        if (shown != NULL) {
            frames[kept++] = lpp_maps_pc(sampler->options.maps,
                                         (apr_uintptr_t)shown);
        }
    }
    return kept;
}
