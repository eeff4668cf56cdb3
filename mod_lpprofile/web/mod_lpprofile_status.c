/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_status: see mod_lpprofile_status.h.
 *
 * One list of rows, as HTML or as "key: value" lines. All text is written by
 * row(), which escapes it for either.
 */
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include <apu.h>
#include <apr_optional_hooks.h>
#include <apr_strings.h>
#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <mod_status.h>

#include "base/lpp_clock.h"
#include "base/lpp_ascii.h"
#include "interp/lpp_interp.h"
#include "store/lpp_store.h"
#include "server/mod_lpprofile_config.h"
#include "server/mod_lpprofile_process.h"
#include "web/mod_lpprofile_status.h"

#define TEXT_BYTES 256

/* One row; key (without the prefix) for ?auto, title for HTML. */
static void row(request_rec *r, int flags, const char *key, const char *title,
                const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static void row(request_rec *r, int flags, const char *key, const char *title,
                const char *format, ...)
{
    const char *value;
    va_list args;

    va_start(args, format);
    value = apr_pvsprintf(r->pool, format, args);
    va_end(args);
    if (flags & AP_STATUS_SHORT) {
        ap_rprintf(r, "LPProfile%s: %s\n", key,
                   ap_escape_logitem(r->pool, value));
    }
    else {
        ap_rprintf(r, "<dt>%s: %s</dt>\n", title,
                   ap_escape_html(r->pool, value));
    }
}

static const lpp_gate_t *gate_of_server(void)
{
    lpp_unwinder_t *unwinder;

    return lpp_process_inherited(&unwinder)->gate;
}

static void show_running(request_rec *r, int flags, const lpp_gate_t *gate,
                         int access)
{
    lpp_owner_t owner;

    lpp_gate_get_owner(gate, &owner);
    if (owner.pid != 0 && lpp_gate_is_dead(owner.pid)) {
        owner.pid = 0; /* the next owner clears the record */
    }
    row(r, flags, "Running", "Profiles running", "%d", owner.pid != 0);
    if (owner.pid == 0) {
        return;
    }
    row(r, flags, "RunningSeconds", "Running for (seconds)", "%.3f",
        (double)(lpp_monotonic_us() - owner.begin_us) / 1e6);
    if (access) {
        row(r, flags, "RunningId", "Running as", "%s", owner.id);
        row(r, flags, "RunningPage", "Page", "%s", owner.page_id);
        row(r, flags, "RunningUrl", "URL", "%s", owner.url);
        row(r, flags, "RunningThread", "Process and thread", "%u.%u",
            owner.pid, owner.tid);
    }
}

static void show_counts(request_rec *r, int flags, const lpp_gate_t *gate)
{
    lpp_gate_counts_t counts;

    lpp_gate_get_counts(gate, &counts);
    row(r, flags, "Waiting", "Requests waiting to be profiled", "%u",
        counts.waiting);
    row(r, flags, "Profiles", "Requests profiled", "%u", counts.profiled);
    row(r, flags, "SkippedBusy", "Served unprofiled, too many waiting", "%u",
        counts.busy);
    row(r, flags, "SkippedTimeout", "Served unprofiled, waited too long",
        "%u", counts.timed_out);
    row(r, flags, "SkippedGone", "Not profiled, client left while waiting",
        "%u", counts.gone);
    row(r, flags, "SkippedChild",
        "Served unprofiled, sent by the profiled request itself", "%u",
        counts.child);
    row(r, flags, "Deaths", "Processes that ended while profiling", "%u",
        counts.died);
}

static const char *signal_name(apr_uint32_t number, apr_pool_t *pool)
{
    const char *description;

    if (number == 0 || number > (apr_uint32_t)SIGRTMAX) {
        return "none yet";
    }
    description = sigdescr_np((int)number);
    return (int)number >= SIGRTMIN
        ? apr_psprintf(pool, "%u (SIGRTMAX-%d)", number,
                       SIGRTMAX - (int)number)
        : apr_psprintf(pool, "%u (%s)", number, description ? description
                                                       : "unknown");
}

static void show_totals(request_rec *r, int flags, const lpp_gate_t *gate)
{
    lpp_gate_totals_t totals;

    lpp_gate_get_totals(gate, &totals);
    row(r, flags, "Samples", "Samples", "%" APR_UINT64_T_FMT,
        totals.samples);
    row(r, flags, "SamplesLost", "Samples lost", "%" APR_UINT64_T_FMT,
        totals.lost);
    row(r, flags, "OwnCpuSeconds", "CPU time of the profiler (seconds)",
        "%.6f", (double)totals.own_ns / 1e9);
    row(r, flags, "OwnCpuPercent",
        "CPU time of the profiler (percent of that of the requests)", "%.2f",
        totals.cpu_ns ? 100.0 * (double)totals.own_ns / (double)totals.cpu_ns
                      : 0.0);
    row(r, flags, "StoodDown",
        "Profiles at a lower rate or cut short, to limit their cost",
        "%" APR_UINT64_T_FMT, totals.stood_down);
    row(r, flags, "Signal", "Signal last used", "%s",
        signal_name(totals.signal, r->pool));
}

/* What the last profile waited for most: names of peers and paths, so only for
 * those who see reports. */
static void show_waited(request_rec *r, int flags, const lpp_gate_t *gate)
{
    char text[TEXT_BYTES];

    lpp_gate_get_waited(gate, text, sizeof(text));
    if (text[0]) {
        row(r, flags, "LastWaited", "The last profile waited longest for",
            "%s", text);
    }
}

static void show_interpreters(request_rec *r, int flags,
                              const lpp_gate_t *gate, const lpp_conf_t *conf)
{
    apr_array_header_t *names = apr_array_make(r->pool, LPP_LANGUAGES,
                                               sizeof(const char *));
    char text[TEXT_BYTES];
    lpp_gate_totals_t totals;
    int i;

    lpp_gate_get_totals(gate, &totals);
    for (i = 1; i < LPP_LANGUAGES; i++) {
        if (totals.languages & LPP_LANGUAGE_BIT(i)) {
            APR_ARRAY_PUSH(names, const char *) = lpp_language_name(i);
        }
    }
    row(r, flags, "Interpreters", "Interpreters read in profiles", "%s",
        lpp_config_interpreters(conf) == 0 ? "off"
            : names->nelts == 0 ? "none yet"
            : apr_array_pstrcat(r->pool, names, ' '));
    lpp_gate_get_unread(gate, text, sizeof(text));
    if (text[0]) {
        row(r, flags, "InterpretersUnread", "Interpreters not read", "%s",
            text);
    }
}

static void show_directory(request_rec *r, int flags, const lpp_conf_t *conf)
{
    apr_array_header_t *entries;
    apr_uint64_t bytes = 0;
    lpp_store_t *store;
    apr_status_t rv;
    int i;

    rv = lpp_store_open(&store, lpp_config_dir(conf), r->pool);
    if (rv == APR_SUCCESS) {
        rv = lpp_store_list(store, NULL, 0, &entries, r->pool);
    }
    if (rv != APR_SUCCESS) {
        row(r, flags, "DirFiles", "Files in LPProfileDir", "unknown");
        return;
    }
    for (i = 0; i < entries->nelts; i++) {
        bytes += (apr_uint64_t)APR_ARRAY_IDX(entries, i,
                                             lpp_store_entry_t).bytes;
    }
    row(r, flags, "DirFiles", "Files in LPProfileDir", "%d", entries->nelts);
    row(r, flags, "DirBytes", "Bytes in them", "%" APR_UINT64_T_FMT, bytes);
}

static void show_error(request_rec *r, int flags, const lpp_gate_t *gate,
                       int access)
{
    char text[TEXT_BYTES];
    apr_time_t when;

    lpp_gate_get_error(gate, text, sizeof(text), &when);
    if (when == 0) {
        return;
    }
    row(r, flags, "LastErrorSeconds", "Last error (seconds ago)",
        "%" APR_INT64_T_FMT,
        (apr_int64_t)apr_time_sec(lpp_monotonic_us() - when));
    if (!access) {
        text[6] = '\0'; /* the tag only: LPP and three digits */
    }
    row(r, flags, "LastError", "It was", "%s", text);
}

static int show_section(request_rec *r, int flags)
{
    const lpp_conf_t *conf = lpp_config_get(r->server);
    const lpp_gate_t *gate = gate_of_server();
    int access = lpp_config_access(conf, r);

    if (!(flags & AP_STATUS_SHORT)) {
        ap_rputs("<hr>\n<h2>mod_lpprofile</h2>\n<dl>\n", r);
    }
    row(r, flags, "Allowed", "Profiling allowed for this host", "%s",
        !lpp_config_enabled(conf) ? "no"
            : lpp_config_allowed(conf, r) ? "yes" : "not for this request");
    if (gate) {
        show_running(r, flags, gate, access);
        show_counts(r, flags, gate);
        show_totals(r, flags, gate);
        if (access) {
            show_waited(r, flags, gate);
        }
        show_interpreters(r, flags, gate, conf);
        if (lpp_config_enabled(conf)) {
            show_directory(r, flags, conf);
        }
        show_error(r, flags, gate, access);
    }
    if (!(flags & AP_STATUS_SHORT)) {
        ap_rputs("</dl>\n", r);
    }
    return OK;
}

/* The messages of this module begin with its tag, in parent and children. */
static void keep_error(const ap_errorlog_info *info, const char *message)
{
    const lpp_gate_t *gate;

    if (info->level < 0 || info->level > APLOG_WARNING
        || strncmp(message, "LPP", 3) != 0 || !lpp_is_digit(message[3])) {
        return;
    }
    gate = gate_of_server();
    if (gate) {
        lpp_gate_set_error((lpp_gate_t *)gate, message);
    }
}

void lpp_status_register_hooks(apr_pool_t *pool)
{
    ap_hook_error_log(keep_error, NULL, NULL, APR_HOOK_MIDDLE);
}

void lpp_status_register_section(apr_pool_t *pool)
{
    APR_OPTIONAL_HOOK(ap, status_hook, show_section, NULL, NULL,
                      APR_HOOK_MIDDLE);
}
