/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_frames: see lpp_frames_internal.h. */
#include "sampling/lpp_frames_internal.h"

#include <string.h>

#include "objects/lpp_exported.h"
#include "sampling/lpp_session.h"

apr_status_t lpp_frames_init(lpp_frames_t *frames,
                             const lpp_sampler_options_t *options,
                             apr_pool_t *pool)
{
    apr_status_t status = APR_SUCCESS;

    frames->options = options;
    frames->maps = options->maps;
    frames->unwinder = options->unwinder;
    if (frames->unwinder == NULL) {
        status = lpp_unwinder_create(&frames->unwinder, options->unwind_kind,
                                     options->maps, pool);
    }
    if (APR_STATUS_IS_ENOTIMPL(status)) {
        frames->unwinder = NULL; /* exact totals without stacks */
    }
    else if (status != APR_SUCCESS) {
        return status;
    }
    frames->pcs = apr_palloc(pool, LPP_FRAMES_MAX * sizeof(*frames->pcs));
    frames->cfas = apr_palloc(pool, LPP_FRAMES_MAX * sizeof(*frames->cfas));
    frames->whole_pcs =
        apr_palloc(pool, LPP_FRAMES_MAX * sizeof(*frames->whole_pcs));
    frames->whole_cfas =
        apr_palloc(pool, LPP_FRAMES_MAX * sizeof(*frames->whole_cfas));
    return frames->pcs == NULL || frames->cfas == NULL
            || frames->whole_pcs == NULL || frames->whole_cfas == NULL
        ? APR_ENOMEM : APR_SUCCESS;
}

void lpp_frames_refresh(lpp_frames_t *frames)
{
    int changed = 0;

    if (lpp_maps_refresh(frames->maps, &changed) != APR_SUCCESS || changed) {
        apr_status_t status = frames->unwinder == NULL ? APR_SUCCESS
            : lpp_unwinder_refresh(frames->unwinder);

        (void)status; /* on failure, stacks through new objects count as
                         broken */
        memset(frames->roots, 0, sizeof(frames->roots));
        frames->whole_count = 0;
        frames->changes++;
    }
}

/* Address and size in bytes of function name; 0: there is none. The result is
 * kept until an object is loaded or unloaded, since finding it is slow. */
static int find_function(lpp_frames_t *frames, const char *name,
                         apr_uint64_t *address, apr_uint64_t *size)
{
    size_t slot = 0;

    while (slot < LPP_ROOTS_MAX - 1 && frames->roots[slot].name != NULL
           && frames->roots[slot].name != name) {
        slot++;
    }
    if (frames->roots[slot].name != name) {
        frames->roots[slot].name = name;
        lpp_exported(name, &frames->roots[slot].address,
                     &frames->roots[slot].size);
    }
    *address = frames->roots[slot].address;
    *size = frames->roots[slot].size;
    return *size != 0;
}

apr_uint64_t lpp_frames_root(lpp_frames_t *frames,
                             const char *const *root_names,
                             const lpp_snapshot_t *snapshot)
{
    apr_uint64_t address, size;
    lpp_unwind_end_e end;
    unsigned count, i, outermost = 0;

    frames->whole_count = 0;
    if (frames->unwinder == NULL || root_names == NULL) {
        return 0;
    }
    count = lpp_unwind(frames->unwinder, snapshot, 0, frames->pcs,
                       frames->cfas, LPP_FRAMES_MAX, &end);
    for (; *root_names != NULL; root_names++) {
        unsigned farther = **root_names == LPP_ROOT_FARTHER;
        lpp_pc_t from;

        if (!find_function(frames, *root_names + farther, &address, &size)) {
            continue;
        }
        from = lpp_maps_pc(frames->maps, address);
        for (i = count; i-- > outermost + 1 + farther;) {
            /* If that frame is in the function, frame i is its caller, or its
             * caller's caller. */
            lpp_pc_t frame = frames->pcs[i - 1 - farther];

            if (frame >= from && frame < from + size) {
                outermost = i;
                break;
            }
        }
    }
    return outermost == 0 ? 0 : frames->cfas[outermost];
}

/* Whether an object that has since been unloaded contained address. */
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

static void keep_whole(lpp_frames_t *frames, const lpp_pc_t *pcs,
                       unsigned count)
{
    memcpy(frames->whole_pcs, pcs, count * sizeof(*pcs));
    memcpy(frames->whole_cfas, frames->cfas, count * sizeof(*frames->cfas));
    frames->whole_count = count;
}

/* Add the frames outside of pcs, which hold count; returns how many there are
 * then. */
static unsigned complete(const lpp_frames_t *frames, lpp_pc_t *pcs,
                         unsigned count, unsigned max)
{
    unsigned i = 0;

    while (count > 1 && frames->cfas[count - 1] == 0) {
        count--; /* a frame that cannot be compared */
    }
    while (i < frames->whole_count
           && (frames->whole_pcs[i] != pcs[count - 1]
               || frames->whole_cfas[i] != frames->cfas[count - 1])) {
        i++;
    }
    for (i++; i < frames->whole_count && count < max; i++) {
        pcs[count++] = frames->whole_pcs[i];
    }
    return count;
}

unsigned lpp_frames_unwind(lpp_frames_t *frames,
                           const lpp_snapshot_t *snapshot,
                           apr_uint64_t root_cfa, lpp_pc_t *pcs, unsigned max,
                           lpp_unwind_end_e *end)
{
    int own = (snapshot->flags & LPP_SNAPSHOT_OWN_STACK) != 0;
    unsigned count = lpp_unwind(frames->unwinder, snapshot,
                                own ? 0 : root_cfa, pcs, frames->cfas, max,
                                end);
    unsigned i;

    for (i = 0; i < count; i++) {
        if (LPP_PC_OBJECT(pcs[i]) == 0
            && !was_loaded(frames->maps, LPP_PC_ADDRESS(pcs[i]))) {
            pcs[i] = LPP_PC_RUN_TIME_CODE;
        }
    }
    if (!own && *end == LPP_UNWIND_ROOT) {
        keep_whole(frames, pcs, count);
    }
    else if (!own && *end == LPP_UNWIND_CUT && count > 0
             && (snapshot->flags & LPP_SNAPSHOT_CUT)) {
        count = complete(frames, pcs, count, max);
    }
    if (own) {
        count -= count == max;
        pcs[count++] = LPP_PC_OWN_STACK;
        *end = LPP_UNWIND_ROOT;
    }
    return count;
}

static int is_within(lpp_pc_t frame, lpp_pc_t first, const char *start,
                     const char *end)
{
    return start != NULL && frame - first < (apr_uint64_t)(end - start);
}

/* Where the hidden code is; all of it is in one object. */
typedef struct hidden_t {
    const lpp_sampler_options_t *options;
    lpp_pc_t first, passes; /* where its two parts begin */
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

/* Whether the profiler itself was running. The innermost of its frames decides:
 * a function that hidden code called is not the profiler's. */
static int is_own_work(const hidden_t *hidden, const lpp_pc_t *pcs,
                       unsigned count)
{
    unsigned i = 0;

    while (i < count && !is_own(hidden, pcs[i])) {
        i++;
    }
    return i < count && (i == 0 || !is_hidden(hidden, pcs[i]));
}

unsigned lpp_frames_hide(const lpp_frames_t *frames, lpp_pc_t *pcs,
                         unsigned count, int sampled)
{
    const lpp_sampler_options_t *options = frames->options;
    hidden_t hidden = { options, 0, 0 };
    const char *start = options->hidden_start;
    unsigned i, kept = 0;

    if (start == NULL || count == 0) {
        return count;
    }
    hidden.first = lpp_maps_pc(frames->maps, (apr_uintptr_t)start);
    hidden.passes = lpp_maps_pc(frames->maps,
                                (apr_uintptr_t)options->passes_start);
    if (sampled && is_own_work(&hidden, pcs, count)) {
        pcs[0] = LPP_PC_PROFILER;
        return 1;
    }
    for (i = 0; i < count; i++) {
        const void *shown = NULL;

        if (!is_hidden(&hidden, pcs[i])) {
            if (!sampled || !is_own(&hidden, pcs[i])) {
                pcs[kept++] = pcs[i];
            }
            continue;
        }
        if (sampled && options->stands_for != NULL
            && is_within(pcs[i], hidden.first, start, options->hidden_end)) {
            shown = options->stands_for(start + (pcs[i] - hidden.first));
        }
        if (shown != NULL) {
            pcs[kept++] = lpp_maps_pc(frames->maps, (apr_uintptr_t)shown);
        }
    }
    return kept;
}
