/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_deaths_report: content of the OOPS of a dead process: type,
 * value, time so far, the stack of a crash, the samples. It does not trust what
 * the process left in shared memory: lengths and strings are bounded, and the
 * unwinder reads the copied bytes only.
 */
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include <apr_strings.h>

#include "sampling/lpp_sampler.h"
#include "sampling/lpp_postmortem.h"
#include "request/mod_lpprofile_deaths_internal.h"

#define FRAMES_MAX 256
#define US_PER_MS 1000.0

static const struct {
    int number;
    const char *name;
} crash_names[] = {
    { SIGSEGV, "SIGSEGV" }, { SIGBUS, "SIGBUS" }, { SIGABRT, "SIGABRT" },
    { SIGFPE, "SIGFPE" },   { SIGILL, "SIGILL" }
};

/* Name of the signal; NULL where the process recorded no crash. */
static const char *crash_name(const lpp_crash_t *crash)
{
    unsigned i;

    if (atomic_load(&((lpp_crash_t *)crash)->state) == LPP_CRASH_NONE) {
        return NULL;
    }
    for (i = 0; i < LPP_COUNT(crash_names); i++) {
        if (crash_names[i].number == crash->number) {
            return crash_names[i].name;
        }
    }
    return NULL;
}

/* After a call through a bad pointer there is no code at the program counter:
 * the caller is on top of the stack, or in the link register. */
static void leave_bad_address(const lpp_deaths_tools_t *tools,
                              lpp_snapshot_t *snapshot)
{
    apr_uint64_t *regs = snapshot->regs;

    if (lpp_maps_find(tools->maps, regs[LPP_REG_PC])) {
        return;
    }
#if defined(__x86_64__)
    apr_uint64_t at = regs[LPP_REG_SP] - snapshot->stack_address;

    if (at + sizeof(apr_uint64_t) <= snapshot->stack_len) {
        memcpy(&regs[LPP_REG_PC], snapshot->stack + at, sizeof(apr_uint64_t));
        regs[LPP_REG_PC]--;
        regs[LPP_REG_SP] += sizeof(apr_uint64_t);
    }
#elif defined(__aarch64__)
    regs[LPP_REG_PC] = regs[30] - 4;
#endif
}

static unsigned unwind(const lpp_crash_t *crash,
                       const lpp_deaths_tools_t *tools, lpp_pc_t *frames)
{
    lpp_snapshot_t snapshot = crash->snapshot;
    lpp_unwind_end_e end;

    if (atomic_load(&((lpp_crash_t *)crash)->state) != LPP_CRASH_WHOLE
        || !tools->unwinder
        || snapshot.stack_len > LPP_STACK_MAX_BYTES) {
        return 0;
    }
    snapshot.stack = crash->stack;
    leave_bad_address(tools, &snapshot);
    return lpp_unwind(tools->unwinder, &snapshot,
                      crash->tid == crash->profiled_tid ? crash->root_cfa : 0,
                      frames, NULL, FRAMES_MAX, &end);
}

/* The reason, in the words of the kernel. */
static const char *reason(const lpp_crash_t *crash, apr_uint32_t pid,
                          apr_pool_t *pool)
{
    if (crash->code <= 0) {
        return crash->sender == pid
            ? "raised by the process itself"
            : apr_psprintf(pool, "sent by process %u", crash->sender);
    }
    if (crash->number == SIGSEGV && crash->code == SEGV_MAPERR) {
        return apr_psprintf(pool, "nothing is at address 0x%" PRIx64,
                            crash->address);
    }
    if (crash->number == SIGSEGV && crash->code == SEGV_ACCERR) {
        return apr_psprintf(pool, "no right to address 0x%" PRIx64,
                            crash->address);
    }
    return apr_psprintf(pool, "code %d at address 0x%" PRIx64,
                        crash->code, crash->address);
}

/* A description of the samples, as the end of a sentence. */
static const char *samples_of(const lpp_profile_t *profile, apr_pool_t *pool)
{
    if (!profile) {
        return "no samples were left";
    }
    return apr_psprintf(pool, "%" APR_UINT64_T_FMT " samples gathered until "
                        "then are in its profile", profile->total.samples);
}

/* The page functions at the last sample that has some: a crash leaves none of
 * its own. "": there are none. */
static const char *page_traceback(const lpp_death_t *death,
                                  const lpp_deaths_tools_t *tools,
                                  const lpp_profile_t *profile,
                                  apr_pool_t *pool)
{
    lpp_pc_t *frames = apr_palloc(pool, FRAMES_MAX * sizeof(*frames));
    unsigned count = profile && tools->symbols
        ? lpp_postmortem_last_pages(
              &((const lpp_postmortem_area_t *)death->extra)->postmortem,
              profile, frames, FRAMES_MAX)
        : 0;

    return count == 0 ? ""
        : apr_pstrcat(pool, "Traceback at the page's last sample:\n",
                      lpp_symbols_page_traceback(tools->symbols, frames, count,
                                                 pool), NULL);
}

static void describe_crash(lpp_oops_t *oops, const lpp_death_t *death,
                           const lpp_deaths_tools_t *tools, int same_places,
                           const lpp_profile_t *profile)
{
    const lpp_crash_t *crash =
        &((const lpp_postmortem_area_t *)death->extra)->crash;
    lpp_pc_t *frames = apr_palloc(oops->pool, FRAMES_MAX * sizeof(*frames));
    unsigned count = same_places ? unwind(crash, tools, frames) : 0;
    lpp_symbol_t symbol;
    const char *where = "";

    if (count > 0 && tools->symbols) {
        lpp_symbols_resolve(tools->symbols, frames[0], &symbol);
        where = apr_psprintf(oops->pool, " in %s", symbol.name);
        oops->tb_text = apr_pstrcat(
            oops->pool, oops->tb_text ? oops->tb_text : "",
            lpp_symbols_traceback(tools->symbols, frames, count, oops->pool),
            NULL);
    }
    oops->type = crash_name(crash);
    oops->value = apr_psprintf(
        oops->pool, "%s%s%s; process %u ended while it served this request, "
        "%s", reason(crash, death->owner.pid, oops->pool), where,
        crash->tid == crash->profiled_tid ? ""
            : " on another thread than this request's", death->owner.pid,
        samples_of(profile, oops->pool));
}

apr_status_t lpp_deaths_samples(lpp_profile_t **profile,
                                const lpp_death_t *death,
                                const lpp_deaths_tools_t *tools,
                                apr_pool_t *pool)
{
    apr_status_t status = lpp_postmortem_read(
        &((const lpp_postmortem_area_t *)death->extra)->postmortem,
        death->owner.id, tools->maps,
        tools->symbols ? lpp_symbols_pagecode(tools->symbols) : NULL, profile,
        pool);

    if (status == APR_SUCCESS
        && ((*profile)->statistics.cut_short <= LPP_STOP_NOT
            || (*profile)->statistics.cut_short > LPP_STOP_SELF)) {
        (*profile)->statistics.cut_short = LPP_STOP_CHILD;
    }
    return status;
}

apr_status_t lpp_deaths_describe(lpp_oops_t **oops, const lpp_death_t *death,
                                 const lpp_facts_t *facts,
                                 const lpp_deaths_tools_t *tools,
                                 int same_places, const lpp_profile_t *profile,
                                 apr_pool_t *pool)
{
    const lpp_view_about_t *about = &facts->about;
    const lpp_crash_t *crash =
        &((const lpp_postmortem_area_t *)death->extra)->crash;
    apr_time_t end = death->noted, crashed = crash->when_us;
    lpp_oops_t *made;
    apr_status_t status = lpp_oops_create(&made, about->id, pool);

    if (status != APR_SUCCESS) {
        return status;
    }
    made->informational = 0;
    made->time = about->start;
    made->topic = about->page_id;
    made->url = facts->full_url;
    made->tb_text = page_traceback(death, tools, profile, pool);
    if (crash_name(crash)) {
        describe_crash(made, death, tools, same_places, profile);
        end = crashed > facts->begin_us && crashed < end ? crashed
            : end;
    }
    else {
        made->type = "ChildDied";
        made->value = apr_psprintf(
            pool, "process %u ended while it served this request (killed from "
            "outside, or by its own will); it left no stack, %s",
            about->pid, samples_of(profile, pool));
    }
    if (end > facts->begin_us) {
        made->duration_s = (double)(end - facts->begin_us) / 1e6;
    }
    lpp_oops_add_var(made, "SERVER_NAME", about->host, NULL);
    lpp_oops_add_var(made, "PROCESS_ID", apr_psprintf(
        pool, "%u", about->pid), NULL);
    lpp_oops_add_var(made, "THREAD_ID", apr_psprintf(
        pool, "%u", about->tid), NULL);
    lpp_oops_add_event(made, 0, made->duration_s * US_PER_MS, "request",
                       "until the process ended");
    *oops = made;
    return APR_SUCCESS;
}
