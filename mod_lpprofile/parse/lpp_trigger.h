/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_trigger: reads the trigger segment of a URL path into a plan.
 *
 * Finds the first segment that begins with ++profile++ (percent-encoded or
 * not), removes it, and reads the actions in it. Works on text only; other code
 * checks the access. Fuzzed.
 */
#ifndef LPP_TRIGGER_H
#define LPP_TRIGGER_H

#include "base/lpp_base.h"
#include "base/lpp_formats.h"
#include "parse/lpp_trigger_scan_internal.h"

#define LPP_TRIGGER_MARK "++profile++"

/* The actions of a segment; its formats are in lpp_plan_t.formats. */
enum {
    LPP_ACTION_HELP = 1 << 0,
    LPP_ACTION_SHOW = 1 << 1,
    LPP_ACTION_SQL = 1 << 2,
    LPP_ACTION_SQLTRACE = 1 << 3,
    LPP_ACTION_REPORTS = 1 << 4, /* this and the next: own pages only */
    LPP_ACTION_REPORT = 1 << 5,
    LPP_ACTION_AGAINST = 1 << 6  /* beside REPORT: compare */
};

/* What one URL path asks for. lpp_trigger_parse sets every member. */
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
 * Read the segment of path (not NULL) into a plan in pool. A malformed escape
 * is kept as text; unknown action names are ignored.
 * Errors: APR_NOTFOUND: no segment in path; APR_EINVAL: the path does not begin
 * with "/"; APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_trigger_parse(const char *path,
                                              lpp_plan_t **plan,
                                              apr_pool_t *pool);

/*
 * Remove the trigger segment from the path of uri (absolute, or a path; not
 * NULL), leaving the rest unchanged; a blank ends the path as "?" and "#" do.
 * Returns a string in pool, or uri itself if it has no segment or memory is
 * short.
 * Signal-safe: no. Thread: any.
 */
const char *lpp_trigger_strip_uri(const char *uri, apr_pool_t *pool);

/*
 * Remove the trigger segment from the target of a request line (not NULL: "GET
 * /a/b HTTP/1.1", absolute form too), leaving query, method and version
 * unchanged. Returns a string in pool, or line itself if it has no segment or
 * memory is short.
 * Signal-safe: no. Thread: any.
 */
const char *lpp_trigger_strip_line(const char *line, apr_pool_t *pool);

/*
 * Insert the segment of a plan into location, a path on the same server, so
 * that a redirect is profiled, too: at its original place if location begins as
 * original does up to there, else at the root. location is an encoded path that
 * begins with "/", query and fragment allowed. original is the path that the
 * plan was parsed from. Returns a string in pool, or location itself if memory
 * is short.
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
