/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, the headline: what a busy person wants to know, in words.
 */
#include <string.h>

#include <apr_hash.h>

#include "report/lpp_report_internal.h"
#include "formats/lpp_writer.h"

#define HEAVIEST 3
#define NOT_SAMPLED 1 /* the function of that name in every view */
#define FEW_SAMPLES 10 /* shares are then hints and no more */
#define MODULES 3
#define MODULE_MIN_PERCENT 5
#define PROFILER_MIN_PERCENT 1

/* The entry with the largest figure, NULL where there is none. */
static apr_uint64_t *heaviest_entry(lpp_page_t *page, apr_hash_t *by_name,
                                    const char **name)
{
    apr_hash_index_t *at = apr_hash_first(page->scratch, by_name);
    apr_uint64_t *most = NULL;

    for (; at; at = apr_hash_next(at)) {
        apr_uint64_t *ns = apr_hash_this_val(at);
        const char *key = apr_hash_this_key(at);

        /* Equals in the order of their names, which a hash does not keep. */
        if (!most || *ns > *most
            || (*ns == *most && strcmp(key, *name) < 0)) {
            most = ns;
            *name = key;
        }
    }
    return most;
}

static void heaviest_in_words(lpp_page_t *page, const lpp_view_t *view)
{
    const lpp_function_t *profiler = lpp_view_profiler(view);
    apr_uint32_t top[HEAVIEST + 2], count, i, named = 0;

    if (!view->total.samples) {
        lpp_page_raw(page, " That was too short for a sample: the totals are "
                           "exact, but no function was seen.");
        return;
    }
    count = lpp_view_top(view, LPP_VIEW_BY_SELF, top, HEAVIEST + 2,
                         page->scratch);
    for (i = 0; i < count && named < HEAVIEST; i++) {
        const lpp_function_t *function = &view->functions[top[i]];
        const char *object = lpp_view_object_name(&function->symbol);
        double percent = lpp_page_percent(function->self.wall_us,
                                          view->total.wall_us);

        if (percent < 0.5) {
            break;
        }
        if (top[i] == NOT_SAMPLED || function == profiler) {
            continue; /* no answer to what the page did */
        }
        lpp_page_raw(page, named++ ? ", " : " Most of it in ");
        lpp_page_code(page, function->symbol.name);
        if (*object) {
            lpp_page_raw(page, " of ");
            lpp_page_text(page, object);
        }
        lpp_page_rawf(page, " (%.0f&#160;%%)", percent);
    }
    if (named && view->total.samples < FEW_SAMPLES) {
        lpp_page_rawf(page, ", as far as %u sample%s can tell",
                      (unsigned)view->total.samples,
                      view->total.samples == 1 ? "" : "s");
    }
    lpp_page_raw(page, named ? "." : "");
}

/* Told apart, and only where it matters. */
static void profiler_in_words(lpp_page_t *page, const lpp_view_t *view)
{
    const lpp_function_t *profiler = lpp_view_profiler(view);
    double percent = profiler
        ? lpp_page_percent(profiler->self.wall_us, view->total.wall_us) : 0;

    if (percent >= PROFILER_MIN_PERCENT) {
        lpp_page_raw(page, " The profiler itself took ");
        lpp_page_time(page, profiler->self.wall_us);
        lpp_page_rawf(page, " of it (%.0f&#160;%%).", percent);
    }
}

/* Which modules the time was in, by exact figures: a name that says something
 * where a stripped function's does not. */
static void modules_in_words(lpp_page_t *page, const lpp_view_t *view)
{
    const lpp_calls_table_t *table = view->calls;
    apr_hash_t *by_name = apr_hash_make(page->scratch);
    apr_uint64_t *ns, total_ns = view->total.wall_us * 1000;
    const char *module, *best;
    apr_uint32_t i, named;

    for (i = 0; table && i < table->count; i++) {
        if (strcmp(table->calls[i].phase, "log_transaction") == 0
            || strcmp(table->calls[i].phase, LPP_PROFILER_NAME) == 0) {
            continue; /* after the profile, or not of the page */
        }
        module = table->calls[i].module;
        ns = apr_hash_get(by_name, module, APR_HASH_KEY_STRING);
        if (!ns) {
            ns = apr_pcalloc(page->scratch, sizeof(*ns));
            if (!ns) {
                page->status = page->status ? page->status : APR_ENOMEM;
                return;
            }
            if (!ns) {
                page->status = APR_ENOMEM;
                return;
            }
            apr_hash_set(by_name, module, APR_HASH_KEY_STRING, ns);
        }
        *ns += table->calls[i].self_wall_ns;
    }
    for (named = 0; named < MODULES; named++) {
        apr_uint64_t *most = heaviest_entry(page, by_name, &best);
        double percent = most ? lpp_page_percent(*most, total_ns) : 0;

        if (percent < MODULE_MIN_PERCENT) {
            break;
        }
        lpp_page_raw(page, named ? ", <b>" : " In modules: <b>");
        lpp_page_text(page, best);
        lpp_page_rawf(page, "</b> (%.0f&#160;%%)", percent);
        *most = 0; /* it is told */
    }
    lpp_page_raw(page, named ? "." : "");
}

static void sql_in_words(lpp_page_t *page, const lpp_sqlview_t *sql)
{
    if (sql && sql->count) {
        lpp_page_rawf(page, " <b>%u</b> SQL statement%s took ", sql->count,
                      sql->count == 1 ? "" : "s");
        lpp_page_time(page, sql->total_us);
        lpp_page_raw(page, ".");
    }
}

void lpp_report_headline(lpp_page_t *page, const lpp_report_t *report)
{
    const lpp_view_t *view = report->view;

    if (view) {
        /* Whole percents, so that the two make 100. */
        int cpu = (int)(lpp_page_percent(view->total.cpu_us,
                                         view->total.wall_us) + 0.5);

        lpp_page_raw(page, "<p class=\"words\">");
        lpp_page_raw(page, report->provisional ? "Until this point the "
                                               : "The ");
        lpp_page_raw(page, report->inline_count ? "profiled regions took "
                                                : "request took ");
        lpp_page_time(page, view->total.wall_us);
        lpp_page_rawf(page, ": %d&#160;%% computing, %d&#160;%% waiting.",
                      cpu, 100 - cpu);
        if (!view->honesty.cut_short) { /* exact calls are counted on */
            modules_in_words(page, view);
        }
        sql_in_words(page, report->sql);
        heaviest_in_words(page, view);
        profiler_in_words(page, view);
        lpp_page_raw(page, "</p>\n");
        if (view->honesty.cut_short) {
            lpp_page_raw(page, "<p class=\"notice\">Cut short: the profile "
                "ended before the request did (");
            lpp_page_text(page, lpp_writer_cut_short(
                              view->honesty.cut_short));
            lpp_page_raw(page, ").</p>\n");
        }
    }
    else if (report->oops) {
        lpp_page_raw(page, "<p class=\"words\">");
        lpp_page_raw(page, report->provisional
                     ? "Until this point the request took "
                     : "The request took ");
        lpp_page_time(page, (apr_uint64_t)(report->oops->duration_s * 1e6));
        lpp_page_raw(page, ".");
        sql_in_words(page, report->sql);
        lpp_page_raw(page, "</p>\n");
    }
    if (report->waited_us >= 1000) {
        /* part of the duration, not of the profile */
        lpp_page_raw(page, view ? "<p class=\"small\">Before that it waited "
                                : "<p class=\"small\">Of that it waited ");
        lpp_page_time(page, (apr_uint64_t)report->waited_us);
        lpp_page_raw(page, view ? " for its turn to be profiled; not part of "
                                  "these figures.</p>\n"
                                : " for its turn to be profiled.</p>\n");
    }
}
