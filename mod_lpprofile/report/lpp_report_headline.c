/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, the headline: how long the request took, and where the time was
 * spent, in sentences. They come from one table of rules; every page shows
 * them.
 */
#include <string.h>

#include <apr_hash.h>

#include "report/lpp_report_internal.h"
#include "formats/lpp_writer.h"

#define HEAVIEST 3
#define LOOKED_AT 24 /* to find the heaviest; page functions are among them */
#define PAGE_FUNCTION_MIN_PERCENT 5
#define NOT_SAMPLED 1 /* the index of the function "[not sampled]" in every
                         view */
#define FUNCTION_MIN_PERCENT 0.5
#define FEW_SAMPLES 10 /* with fewer samples, shares are estimates */
#define MODULES 3
#define MODULE_MIN_PERCENT 5
#define PROFILER_MIN_PERCENT 1
#define BUSY_MIN_PERCENT 20 /* ready: the first sentence says so */

/*
 * A rule writes its sentence, after a blank, if it applies. All its input is in
 * the report, whose view and sql may be NULL.
 */
typedef void rule_fn(lpp_page_t *page, const lpp_report_t *report);

/* The entry with the largest figure; NULL: there is none. */
static apr_uint64_t *heaviest_entry(lpp_page_t *page, apr_hash_t *by_name,
                                    const char **name)
{
    apr_hash_index_t *at = apr_hash_first(page->scratch, by_name);
    apr_uint64_t *most = NULL;

    for (; at; at = apr_hash_next(at)) {
        apr_uint64_t *ns = apr_hash_this_val(at);
        const char *key = apr_hash_this_key(at);

        /* Equal figures in the order of their names, since a hash has no
         * order. */
        if (!most || *ns > *most
            || (*ns == *most && strcmp(key, *name) < 0)) {
            most = ns;
            *name = key;
        }
    }
    return most;
}

static void sql_in_words(lpp_page_t *page, const lpp_report_t *report)
{
    const lpp_sqlview_t *sql = report->sql;

    if (sql && sql->count) {
        lpp_page_rawf(page, " <b>%u</b> SQL statement%s took ", sql->count,
                      sql->count == 1 ? "" : "s");
        lpp_page_time(page, sql->total_us);
        lpp_page_raw(page, ".");
    }
}

/* The exact time of each module, without calls after the profile and the
 * profiler itself; NULL: no memory. */
static apr_hash_t *time_by_module(const lpp_calls_table_t *table,
                                  apr_pool_t *pool)
{
    apr_hash_t *by_name = apr_hash_make(pool);
    apr_uint32_t i;

    for (i = 0; by_name && i < table->count; i++) {
        const lpp_call_t *call = &table->calls[i];
        apr_uint64_t *ns;

        if (strcmp(call->phase, "log_transaction") == 0
            || strcmp(call->phase, LPP_PROFILER_NAME) == 0) {
            continue;
        }
        ns = apr_hash_get(by_name, call->module, APR_HASH_KEY_STRING);
        if (!ns) {
            ns = apr_pcalloc(pool, sizeof(*ns));
            if (!ns) {
                return NULL;
            }
            apr_hash_set(by_name, call->module, APR_HASH_KEY_STRING, ns);
        }
        *ns += call->self_wall_ns;
    }
    return by_name;
}

/* Which modules took the time, by exact figures. Not for a profile that was cut
 * short: its calls were counted beyond its end. */
static void modules_in_words(lpp_page_t *page, const lpp_report_t *report)
{
    const lpp_view_t *view = report->view;
    apr_hash_t *by_name;
    const char *module = NULL;
    apr_uint32_t named;

    if (!view || !view->calls || view->statistics.cut_short) {
        return;
    }
    by_name = time_by_module(view->calls, page->scratch);
    if (!by_name) {
        page->status = page->status ? page->status : APR_ENOMEM;
        return;
    }
    for (named = 0; named < MODULES; named++) {
        apr_uint64_t *most = heaviest_entry(page, by_name, &module);
        double percent = most
            ? lpp_page_percent(*most, view->total.wall_us * 1000) : 0;

        if (percent < MODULE_MIN_PERCENT) {
            break;
        }
        lpp_page_raw(page, named ? ", <b>" : " In modules: <b>");
        lpp_page_text(page, module);
        lpp_page_rawf(page, "</b> (%.0f&#160;%%)", percent);
        *most = 0; /* already named */
    }
    lpp_page_raw(page, named ? "." : "");
}

/* What a share of so few samples is worth. */
static void few_samples(lpp_page_t *page, const lpp_view_t *view)
{
    if (view->total.samples < FEW_SAMPLES) {
        lpp_page_rawf(page, ", as far as %u sample%s can tell",
                      (unsigned)view->total.samples,
                      view->total.samples == 1 ? "" : "s");
    }
}

/* The script's function that most time was in, with the C code that it called:
 * that of the part of script code; NULL: there is none. */
static const lpp_function_t *page_function(const lpp_view_t *part)
{
    const lpp_function_t *most = NULL;
    apr_uint32_t i;

    for (i = 0; i < part->function_count; i++) {
        const lpp_function_t *function = &part->functions[i];

        if (lpp_view_is_script(&function->symbol)
            && (!most || function->self.wall_us > most->self.wall_us)) {
            most = function;
        }
    }
    return most;
}

int lpp_report_first_words(lpp_page_t *page, const lpp_view_t *view)
{
    const lpp_view_t *part = lpp_view_has_page_code(view)
        ? lpp_page_part(page, view, LPP_VIEW_SCRIPT_CODE) : NULL;
    const lpp_function_t *function = part ? page_function(part) : NULL;
    double percent = function
        ? lpp_page_percent(function->self.wall_us, view->total.wall_us) : 0;
    const char *name;
    unsigned line;

    if (percent < PAGE_FUNCTION_MIN_PERCENT) {
        return 0;
    }
    line = lpp_view_hottest_line(view,
                                 (apr_uint32_t)(function - part->functions),
                                 page->scratch);
    line = line ? line : function->symbol.line;
    lpp_page_rawf(page, "<b>%.0f&#160;%%</b> in ", percent);
    name = lpp_view_page_name(&function->symbol, page->scratch);
    lpp_page_code(page, name ? name : function->symbol.name);
    if (*function->symbol.object) {
        lpp_page_raw(page, " (");
        lpp_page_text(page, lpp_view_object_name(&function->symbol));
        lpp_page_rawf(page, line ? ":%u)" : ")", line);
    }
    return 1;
}

static double ready_percent(const lpp_view_t *view)
{
    return view->statistics.ready == LPP_READY_EXACT
        ? lpp_page_percent(view->total.ready_us, view->total.wall_us) : 0;
}

int lpp_report_is_busy(const lpp_view_t *view)
{
    return ready_percent(view) >= BUSY_MIN_PERCENT;
}

void lpp_report_busy_words(lpp_page_t *page, const lpp_view_t *view)
{
    lpp_page_rawf(page, "<b>%.0f&#160;%%</b> waiting for a processor",
                  ready_percent(view));
}

/* The first sentence: the page function, since its author can change it, or
 * else what was waited for; and whether the machine was busy: all other figures
 * are then larger than the page's own work. */
static void first_in_words(lpp_page_t *page, const lpp_view_t *view)
{
    int function = lpp_report_first_words(page, view);
    int named, busy = lpp_report_is_busy(view);

    if (function) {
        few_samples(page, view);
    }
    named = function || lpp_report_waits_in_words(page, view);
    if (busy) {
        lpp_page_rawf(page, "%s <b>%.0f&#160;%%</b> of the time the request "
                            "wanted a processor and did not get one: the "
                            "machine was busy", named ? "; for" : "For",
                      ready_percent(view));
    }
    lpp_page_raw(page, named || busy ? ". " : "");
    if (function && lpp_report_waits_in_words(page, view)) {
        lpp_page_raw(page, ". ");
    }
}

/* Write what begins the sentence, or a comma, and a function; 0: its share is
 * too small. */
static int one_function(lpp_page_t *page, const lpp_view_t *view,
                        const lpp_function_t *function, const char *before,
                        double min_percent)
{
    const char *object = lpp_view_object_name(&function->symbol);
    double percent = lpp_page_percent(function->self.wall_us,
                                      view->total.wall_us);

    if (percent < min_percent) {
        return 0;
    }
    lpp_page_raw(page, before);
    lpp_page_code(page, function->symbol.name);
    if (*object) {
        lpp_page_raw(page, " of ");
        lpp_page_text(page, object);
    }
    lpp_page_rawf(page, " (%.0f&#160;%%)", percent);
    return 1;
}

/* Whether a function says where the time was spent: not the profiler, nor the
 * time that was not sampled; a page function and a wait have their own
 * sentences. */
static int is_heaviest(const lpp_view_t *view, apr_uint32_t function)
{
    return function != NOT_SAMPLED
        && &view->functions[function] != lpp_view_profiler(view)
        && !lpp_view_is_page(&view->functions[function].symbol)
        && !LPP_PC_IS_WAIT(view->functions[function].symbol.start);
}

/* The functions in C that took most of the time. */
static void functions_in_words(lpp_page_t *page, const lpp_report_t *report)
{
    const lpp_view_t *view = report->view;
    apr_uint32_t top[LOOKED_AT], count, i, named = 0;
    int has_words; /* other sentences say where most of it was */

    if (!view) {
        return;
    }
    if (!view->total.samples) {
        lpp_page_raw(page, " That was too short for a sample: the totals are "
                           "exact, but no function was seen.");
        return;
    }
    has_words = lpp_view_has_page_code(view) || view->wait_count != 0;
    count = lpp_view_top(view, LPP_VIEW_BY_SELF, top, LOOKED_AT,
                         page->scratch);
    for (i = 0; i < count && named < HEAVIEST; i++) {
        if (!is_heaviest(view, top[i])) {
            continue;
        }
        if (!one_function(page, view, &view->functions[top[i]],
                          named ? ", " : has_words ? " In C functions: "
                          : " Most of it in ",
                          has_words ? MODULE_MIN_PERCENT
                                    : FUNCTION_MIN_PERCENT)) {
            break;
        }
        named++;
    }
    if (named) {
        few_samples(page, view);
        lpp_page_raw(page, ".");
    }
}

/*
 * The rules, in the order of their sentences: the first that applies explains
 * why the page took so long. So the most informative come first: a function of
 * the page, what it waited for and a busy machine (first_in_words, at the very
 * start), statements in a loop, a module or filter, a function in C.
 */
static rule_fn *const rules[] = {
    sql_in_words,
    modules_in_words,
    functions_in_words,
};

static void rules_in_words(lpp_page_t *page, const lpp_report_t *report)
{
    unsigned i;

    for (i = 0; i < LPP_COUNT(rules); i++) {
        rules[i](page, report);
    }
}

/* The profiler's own time, if it is large. */
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

static void profile_in_words(lpp_page_t *page, const lpp_report_t *report)
{
    const lpp_view_t *view = report->view;

    lpp_page_raw(page, "<p class=\"words\">");
    first_in_words(page, view);
    lpp_page_raw(page, report->provisional ? "Until this point the " : "The ");
    lpp_page_raw(page, report->inline_count ? "profiled regions took "
                                            : "request took ");
    lpp_page_time(page, view->total.wall_us);
    lpp_page_raw(page, ": ");
    lpp_page_shares_percent(page, view->statistics.ready, &view->total);
    lpp_page_raw(page, ".");
    rules_in_words(page, report);
    profiler_in_words(page, view);
    lpp_page_raw(page, "</p>\n");
    if (view->statistics.cut_short) {
        lpp_page_raw(page, "<p class=\"notice\">Cut short: the profile ended "
            "before the request did (");
        lpp_page_text(page, lpp_writer_cut_short(view->statistics.cut_short));
        lpp_page_raw(page, ").</p>\n");
    }
}

/* Without a profile: the duration alone. */
static void duration_in_words(lpp_page_t *page, const lpp_report_t *report)
{
    lpp_page_raw(page, report->provisional
                 ? "<p class=\"words\">Until this point the request took "
                 : "<p class=\"words\">The request took ");
    lpp_page_time(page, (apr_uint64_t)(report->oops->duration_s * 1e6));
    lpp_page_raw(page, ".");
    rules_in_words(page, report);
    lpp_page_raw(page, "</p>\n");
}

void lpp_report_headline(lpp_page_t *page, const lpp_report_t *report)
{
    const lpp_view_t *view = report->view;

    if (view) {
        profile_in_words(page, report);
    }
    else if (report->oops) {
        duration_in_words(page, report);
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
