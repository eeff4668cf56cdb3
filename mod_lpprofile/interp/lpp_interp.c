/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_interp: what happens outside the handler: finds the interpreters, gives
 * numbers to the functions seen, has a sample's page functions merged.
 */
#include "interp/lpp_interp_internal.h"

#include <string.h>

#include <apr_strings.h>

#include "base/lpp_altstack.h"
#include "base/lpp_clock.h"
#include "interp/lpp_interp_names_internal.h"

#define NUMBERS_BYTES ((LPP_INTERP_FUNCTIONS_MAX + 1) * sizeof(apr_uint32_t))

/* Memory that only profiles need is not touched here. */
apr_status_t lpp_interp_create(lpp_interp_t **interp, lpp_maps_t *maps,
                               lpp_pagecode_t *pages, apr_pool_t *pool)
{
    lpp_interp_t *made = apr_pcalloc(pool, sizeof(*made));

    *interp = made;
    if (made == NULL) {
        return APR_ENOMEM;
    }
    made->maps = maps;
    made->pages = pages;
    made->stack_bytes = lpp_altstack_bytes(2); /* sampling, and a fault */
    made->numbers = apr_palloc(pool, NUMBERS_BYTES);
    return made->numbers == NULL ? APR_ENOMEM
        : lpp_interp_seen_create(&made->seen, pool);
}

static lpp_interp_range_t range_of(const lpp_interp_t *interp,
                                   const lpp_interp_marker_t *marker)
{
    lpp_interp_range_t range = { 0, 0 };

    if (marker->start != 0) {
        range.first = lpp_maps_pc(interp->maps, marker->start);
        range.size = marker->size;
    }
    return range;
}

static void search(lpp_interp_t *interp)
{
    lpp_interp_found_t *found = interp->found;
    unsigned i;

    memset(found, 0, sizeof(interp->found));
    lpp_interp_php_find(&interp->php, &found[LPP_LANGUAGE_PHP]);
    lpp_interp_python_find(&interp->python, &found[LPP_LANGUAGE_PYTHON]);
    lpp_interp_lua_find(&interp->lua, interp->maps,
                        &found[LPP_LANGUAGE_LUA]);
    lpp_interp_perl_find(&interp->perl, &found[LPP_LANGUAGE_PERL]);
    for (i = 1; i < LPP_LANGUAGES; i++) {
        interp->runs[i] = range_of(interp, &found[i].run);
    }
    interp->resume = range_of(interp, &found[LPP_LANGUAGE_LUA].resume);
}

/* The sentences on those of languages that are loaded and not read. */
static void say_unread(lpp_interp_t *interp, apr_uint32_t languages)
{
    apr_size_t at = 0;
    unsigned i;

    interp->unread[0] = '\0';
    for (i = 1; i < LPP_LANGUAGES; i++) {
        const char *why = interp->found[i].why;

        if ((languages & LPP_LANGUAGE_BIT(i)) != 0 && why[0] != '\0') {
            at += (apr_size_t)apr_snprintf(interp->unread + at,
                                           sizeof(interp->unread) - at,
                                           "%s%s", at > 0 ? " " : "", why);
        }
    }
}

/* Forget the last profile. */
static void reset(lpp_interp_t *interp)
{
    atomic_store(&interp->allowed_ns, 0);
    atomic_store(&interp->languages, 0);
    memset(&interp->statistics, 0, sizeof(interp->statistics));
    interp->faults_before = lpp_peek_faults();
    interp->unread[0] = '\0';
}

void lpp_interp_begin(lpp_interp_t *interp, apr_uint32_t languages,
                      unsigned changes)
{
    apr_uint32_t usable = 0;
    unsigned i;

    reset(interp);
    if (!LPP_PEEK_AVAILABLE || languages == 0) {
        return;
    }
    if (!interp->searched || interp->changes != changes) {
        search(interp);
        interp->searched = 1;
        interp->changes = changes;
    }
    say_unread(interp, languages);
    for (i = 1; i < LPP_LANGUAGES; i++) {
        usable |= interp->found[i].usable ? LPP_LANGUAGE_BIT(i) : 0;
    }
    usable &= languages;
    lpp_lua_files_reset(&interp->lua_files);
    if (usable != 0) {
        lpp_interp_seen_reset(interp->seen);
        memset(interp->numbers, 0, NUMBERS_BYTES);
    }
    atomic_store_explicit(&interp->languages, usable, memory_order_release);
}

void lpp_interp_refuse(lpp_interp_t *interp)
{
    reset(interp);
    apr_cpystrn(interp->unread, "Page functions are not shown: the page has "
                "an action of its own for SIGSEGV or SIGBUS.",
                sizeof(interp->unread));
}

apr_uint32_t lpp_interp_languages(const lpp_interp_t *interp)
{
    return interp == NULL ? 0
        : atomic_load_explicit(&((lpp_interp_t *)interp)->languages,
                               memory_order_relaxed);
}

void lpp_interp_enter_thread(lpp_interp_t *interp)
{
    apr_uint32_t languages = lpp_interp_languages(interp);

    if (languages & LPP_LANGUAGE_BIT(LPP_LANGUAGE_PYTHON)) {
        lpp_interp_python_enter_thread(&interp->python);
    }
    if (languages & LPP_LANGUAGE_BIT(LPP_LANGUAGE_LUA)) {
        lpp_interp_lua_enter_thread(&interp->lua);
    }
    if (languages & LPP_LANGUAGE_BIT(LPP_LANGUAGE_PERL)) {
        lpp_interp_perl_enter_thread(&interp->perl);
    }
}

void lpp_interp_allow(lpp_interp_t *interp, int may)
{
    atomic_store_explicit(&interp->allowed_ns,
                          may ? lpp_clock_ns(CLOCK_MONOTONIC) : 0,
                          memory_order_relaxed);
}

unsigned lpp_interp_stack(lpp_interp_t *interp, const lpp_snapshot_t *snapshot,
                          lpp_pc_t *pcs, unsigned count, unsigned max,
                          int to_root)
{
    lpp_pc_t page_pcs[LPP_SNAPSHOT_PAGE_FRAMES];
    lpp_interp_merge_t merge;
    unsigned i;

    if (snapshot->page_count == 0) {
        return count;
    }
    merge.runs = interp->runs;
    merge.resume = &interp->resume;
    for (i = 0; i < snapshot->page_count; i++) {
        page_pcs[i] = lpp_interp_pc(interp, snapshot->page_frames[i]);
    }
    merge.frames = snapshot->page_frames;
    merge.frame_pcs = page_pcs;
    merge.frame_count = snapshot->page_count;
    merge.flags = snapshot->page_flags;
    merge.whole = to_root && (snapshot->flags & LPP_SNAPSHOT_OWN_STACK) == 0;
    return lpp_interp_merge(&merge, pcs, count, max);
}

void lpp_interp_count(lpp_interp_t *interp, const lpp_snapshot_t *snapshot)
{
    lpp_page_statistics_t *statistics = &interp->statistics;
    apr_uint32_t flags = snapshot->page_flags;

    statistics->samples += snapshot->page_count > 0;
    statistics->cut += (flags & LPP_PAGE_CUT) != 0;
    statistics->late += (flags & LPP_PAGE_LATE) != 0;
    statistics->refused += (flags & LPP_PAGE_REFUSED) != 0;
    statistics->ambiguous += (flags & LPP_PAGE_AMBIGUOUS) != 0;
}

void lpp_interp_statistics(const lpp_interp_t *interp,
                           lpp_page_statistics_t *statistics)
{
    *statistics = interp->statistics;
    apr_cpystrn(statistics->unread, interp->unread,
                sizeof(statistics->unread));
    if (lpp_interp_languages(interp) != 0) {
        statistics->nameless = lpp_interp_seen_nameless(interp->seen);
        statistics->faults = lpp_peek_faults() - interp->faults_before;
    }
}
