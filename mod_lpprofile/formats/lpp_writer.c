/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_writer: text that several writers share.
 */
#include "base/lpp_ascii.h"
#include "base/lpp_clock.h"
#include "formats/lpp_writer.h"

#include <string.h>

#include <apr_strings.h>

static const char *one_line(const char *text, apr_pool_t *pool)
{
    char *copy = apr_pstrdup(pool, text && text[0] != '\0' ? text : "-"), *at;

    if (copy == NULL) {
        return "-"; /* no memory */
    }
    for (at = copy; *at != '\0'; at++) {
        if (lpp_is_control(*at)) {
            *at = ' ';
        }
    }
    /* Some readers fail if there are blanks at the ends. */
    while (at > copy + 1 && at[-1] == ' ') {
        *--at = '\0';
    }
    return copy + strspn(copy, " ");
}

static void add(apr_array_header_t *notes, const char *name,
                const char *value)
{
    lpp_writer_note_t *note = apr_array_push(notes);

    note->name = name;
    note->value = one_line(value, notes->pool);
}

static const char *iso_time(apr_time_t when, apr_pool_t *pool)
{
    apr_time_exp_t parts;

    lpp_time_parts(&parts, when, 0);
    return apr_psprintf(pool, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ",
                        parts.tm_year + 1900, parts.tm_mon + 1,
                        parts.tm_mday, parts.tm_hour, parts.tm_min,
                        parts.tm_sec, parts.tm_usec);
}

const char *lpp_writer_cut_short(int why)
{
    switch (why) {
    case LPP_STOP_MAX_TIME: return "longer than LPProfileMaxTime";
    case LPP_STOP_CLIENT: return "a client that reads or sends too slowly";
    case LPP_STOP_UPGRADE: return "the connection was upgraded";
    case LPP_STOP_STREAM: return "a stream of events";
    case LPP_STOP_CHILD: return "the process ended";
    case LPP_STOP_SELF: return "the profiler cost too much";
    default: return "for an unknown reason";
    }
}

/* How the time of blocks is known. */
static const char *seen_by(const lpp_sampling_statistics_t *statistics,
                           apr_pool_t *pool)
{
    return statistics->kernel_events == 0 ? "signals"
        : apr_psprintf(pool, "kernel events: %" APR_UINT64_T_FMT " blocks, %"
                       APR_UINT64_T_FMT " records lost",
                       statistics->kernel_blocks, statistics->kernel_lost);
}

static const char *ready_note(int ready)
{
    switch (ready) {
    case LPP_READY_EXACT: return "as the kernel counts it";
    case LPP_READY_SEEN:
        return "not counted by the kernel: all time without CPU in which the "
               "thread was not seen asleep";
    default: return "not known, and part of Blocked";
    }
}

apr_array_header_t *lpp_writer_notes(const lpp_view_t *view, apr_pool_t *pool)
{
    apr_array_header_t *notes = apr_array_make(pool, 16,
                                               sizeof(lpp_writer_note_t));
    const lpp_view_about_t *about = &view->about;
    const lpp_sampling_statistics_t *statistics = &view->statistics;

    add(notes, "OOPS", about->id);
    add(notes, "Page", about->page_id);
    add(notes, "URL", about->url);
    add(notes, "Host", about->host);
    add(notes, "Method", about->method);
    add(notes, "Start", iso_time(about->start, pool));
    add(notes, "Thread", apr_psprintf(pool, "%u.%u", about->pid,
                                      about->tid));
    add(notes, "Trigger", statistics->cut_short == 0 ? "mod_lpprofile"
        : apr_pstrcat(pool, "mod_lpprofile, cut short: ",
                      lpp_writer_cut_short(statistics->cut_short), NULL));
    add(notes, "Counts", view->calls != NULL
        ? "exact calls of hooks, samples of all else; filters are not counted"
        : "samples");
    if (view->calls != NULL
        && (view->calls->left_out != 0 || view->calls->dropped != 0)) {
        add(notes, "Not counted", apr_psprintf(pool, "%u hooks without an "
            "entry, %" APR_UINT64_T_FMT " calls past a ceiling",
            view->calls->left_out, view->calls->dropped));
    }
    add(notes, "Samples", apr_psprintf(pool, "%" APR_UINT64_T_FMT
        " taken, %" APR_UINT64_T_FMT " lost, %" APR_UINT64_T_FMT
        " cut, %" APR_UINT64_T_FMT " broken, %" APR_UINT64_T_FMT
        " past the tree's ceiling", statistics->samples, statistics->lost,
        statistics->cut, statistics->broken, statistics->overflowed));
    add(notes, "Stacks", apr_psprintf(pool, "%" APR_UINT64_T_FMT
        " samples on stacks of their own (fibers, coroutines, goroutines), %"
        APR_UINT64_T_FMT " whose caller is not known behind code made at run "
        "time", view->own_stack_samples, view->run_time_samples));
    add(notes, "Rate", apr_psprintf(pool, "%.1f Hz of %u Hz asked%s",
                                    view->true_hz, statistics->asked_hz,
                                    statistics->lowered_hz == 0 ? ""
        : ", lowered since the profiler took over 10 % of the CPU time"));
    add(notes, "Frames named", apr_psprintf(pool, "%u %%",
                                            view->named_percent));
    add(notes, "Profiler",
        apr_psprintf(
            pool,
            "%" APR_UINT64_T_FMT " us CPU of its own, %" APR_UINT64_T_FMT
            " signals, %" APR_UINT64_T_FMT " calls repaired, unwinder %s",
            statistics->own_ns / 1000, statistics->signals,
            statistics->repaired_calls,
            statistics->unwinder != NULL ? statistics->unwinder : "none"));
    if (lpp_view_profiler(view) != NULL) {
        add(notes, "On the request's thread", apr_psprintf(pool,
            "%" APR_UINT64_T_FMT " us of the profiler, " LPP_PROFILER_NAME,
            lpp_view_profiler(view)->self.wall_us));
    }
    add(notes, "Ready", ready_note(statistics->ready));
    add(notes, "Seen blocked", apr_psprintf(pool, "%" APR_UINT64_T_FMT " us",
                                       statistics->blocked_ns / 1000));
    add(notes, "Blocks seen by", seen_by(statistics, pool));
    return notes;
}

apr_uint64_t lpp_writer_count(apr_uint64_t calls, apr_uint64_t samples)
{
    if (calls != 0) {
        return calls;
    }
    return samples != 0 ? samples : 1;
}
