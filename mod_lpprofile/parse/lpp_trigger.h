/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_trigger: reads what a URL path asks for into a plan.
 *
 * Finds the first segment that begins with ++profile++ (percent-encoded or
 * not), removes it, and reads the actions in it. Works on text only; access is
 * checked elsewhere. Fuzzed.
 */
#ifndef LPP_TRIGGER_H
#define LPP_TRIGGER_H

#include "base/lpp_base.h"
#include "base/lpp_formats.h"
#include "parse/lpp_trigger_scan_internal.h"

#define LPP_TRIGGER_MARK "++profile++"

/* What a segment asks for; formats stand in lpp_plan_t.formats. */
enum {
    LPP_ACTION_HELP = 1 << 0,
    LPP_ACTION_SHOW = 1 << 1,
    LPP_ACTION_SQL = 1 << 2,
    LPP_ACTION_SQLTRACE = 1 << 3,
    LPP_ACTION_REPORTS = 1 << 4, /* this and the next: of pages alone */
    LPP_ACTION_REPORT = 1 << 5,
    LPP_ACTION_AGAINST = 1 << 6  /* beside REPORT: compare */
};

/* What one URL path asks for. Filled whole by lpp_trigger_parse. */
typedef struct lpp_plan_t {
    const char *plain_path;    /* the path without the segment, still encoded,
                                  "/" where nothing is left; of a page its
                                  one canonical spelling, so that <Location>
                                  guards every spelling of it */
    const char *segment;       /* as the client sent it */
    apr_uint32_t actions;      /* LPP_ACTION_ bits; HELP where none is known */
    apr_uint32_t formats;      /* LPP_FORMAT_BIT of each file asked for */
    const char *sql_condition; /* config of sqltrace, still encoded, so that
                                  lpp_sqlfilter_parse splits before it decodes;
                                  or NULL */
    const char *report_id;     /* config of report, upper case OOPS-, or NULL;
                                  valid in form, nothing more */
    const char *against_id;    /* config of against, likewise */
    int page;                  /* the path is one of the module's own pages:
                                  only the segment (and a slash) at the root,
                                  with nothing, help, reports or report in it;
                                  beside report, formats to download */
} lpp_plan_t;

/*
 * Where the trigger segment of path begins (its first byte after the slash),
 * or NULL. path is encoded, not NULL; need not begin with "/".
 * Signal-safe: yes. Thread: any.
 */
const char *lpp_trigger_find(const char *path);

/*
 * Read the segment of path into a plan in pool. APR_NOTFOUND: no segment in
 * path. APR_EINVAL: the path is not one to rewrite (not beginning with "/").
 * APR_ENOMEM. A malformed escape is kept as text. Unknown action names are
 * dropped.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_trigger_parse(const char *path,
                                              lpp_plan_t **plan,
                                              apr_pool_t *pool);

/*
 * Take the trigger segment out of the path of uri (absolute, or a path),
 * leaving the rest alone; a blank ends the path as "?" and "#" do. Returns a
 * string of pool, or uri itself where it has none or memory is short.
 * Signal-safe: no. Thread: any.
 */
const char *lpp_trigger_strip_uri(const char *uri, apr_pool_t *pool);

/*
 * Take the trigger segment out of the target of a request line ("GET /a/b
 * HTTP/1.1", absolute form too), leaving query, method and version alone.
 * Returns a string of pool, or line itself where it has none or memory is
 * short.
 * Signal-safe: no. Thread: any.
 */
const char *lpp_trigger_strip_line(const char *line, apr_pool_t *pool);

/*
 * Put the segment that a plan took out back into a path of the same server, at
 * the place it came from, or at the root where path is another one: a redirect
 * then carries it on. location is an encoded path, query and fragment allowed,
 * beginning with "/". original is the path that the plan was parsed from.
 * Returns location itself where memory is short.
 * Signal-safe: no. Thread: any.
 */
const char *lpp_trigger_put_back(const lpp_plan_t *plan, const char *original,
                                 const char *location, apr_pool_t *pool);

/*
 * Decode %XX once, in pool; a malformed escape and %00 stay as they are. len
 * bytes of text are read.
 * Signal-safe: no. Thread: any.
 */
char *lpp_trigger_decode(const char *text, apr_size_t len, apr_pool_t *pool);

#endif
