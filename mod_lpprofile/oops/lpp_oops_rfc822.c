/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_oops_rfc822: a record in the layout of oops-datedir-repo's
 * serializer_rfc822: headers, request variables, timeline, traceback, with a
 * blank line between them. All of it is ASCII.
 *
 * The reader of that project recognises the parts by the form of each line. So
 * some things are quoted here that its own writer does not quote and its reader
 * then loses: a variable whose name looks like a timeline row, blanks at the
 * ends of a line, an empty detail.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "base/lpp_ascii.h"
#include "base/lpp_clock.h"
#include "base/lpp_utf8.h"
#include "oops/lpp_oops.h"
#include "oops/lpp_oops_text_internal.h"

typedef struct variable_t {
    const char *name;
    const char *value;
} variable_t;

/* Add the character that text begins with, escaped; returns its length. */
static unsigned add_escaped(lpp_buf_t *line, const char *text)
{
    apr_uint32_t c;
    unsigned len = lpp_utf8_read(text, &c);

    if (c == LPP_UTF8_INVALID) {
        lpp_buf_addf(line, "\\x%02x", (unsigned char)*text);
        return 1;
    }
    if (c == '\\') {
        lpp_buf_add_string(line, "\\\\");
    }
    else if (c >= ' ' && c < 0x7f) {
        lpp_buf_add_byte(line, (char)c);
    }
    else {
        lpp_buf_addf(line,
                     c < 0x100     ? "\\x%02x"
                     : c < 0x10000 ? "\\u%04x"
                                   : "\\U%08x",
                     c);
    }
    return len;
}

/* Add text with each run of white space as one blank, none at the ends. */
static void add_normalised(lpp_buf_t *line, const char *text)
{
    int words = 0;

    for (;;) {
        while (lpp_is_space(*text)) {
            text++;
        }
        if (!*text) {
            return;
        }
        if (words++) {
            lpp_buf_add_byte(line, ' ');
        }
        while (*text && !lpp_is_space(*text)) {
            text += add_escaped(line, text);
        }
    }
}

/* Write the line to the sink and make it empty. */
static apr_status_t end_line(const lpp_sink_t *sink, lpp_buf_t *line)
{
    apr_status_t rv = lpp_buf_add_byte(line, '\n');

    if (rv == APR_SUCCESS) {
        rv = lpp_sink_write(sink, line->data, line->len);
    }
    lpp_buf_reset(line);
    return rv;
}

static apr_status_t write_header(const lpp_sink_t *sink, lpp_buf_t *line,
                                 const char *label, const char *value)
{
    if (!value) {
        return APR_SUCCESS;
    }
    lpp_buf_addf(line, "%s: ", label);
    add_normalised(line, value);
    return end_line(sink, line);
}

/* As Python's isoformat: a fraction only where there is one. */
static const char *iso_time(apr_time_t time, apr_pool_t *pool)
{
    apr_time_exp_t at;
    const char *fraction;

    lpp_time_parts(&at, time, 0);
    fraction = at.tm_usec ? apr_psprintf(pool, ".%06d", at.tm_usec) : "";
    return apr_psprintf(pool, "%04d-%02d-%02dT%02d:%02d:%02d%s+00:00",
                        at.tm_year + 1900, at.tm_mon + 1, at.tm_mday,
                        at.tm_hour, at.tm_min, at.tm_sec, fraction);
}

static apr_status_t write_headers(const lpp_oops_t *oops,
                                  const lpp_sink_t *sink, lpp_buf_t *line,
                                  apr_pool_t *scratch)
{
    const struct {
        const char *label;
        const char *value;
    } headers[] = {
        {"Oops-Id", oops->id},
        {"Exception-Type", oops->type},
        {"Exception-Value", oops->value},
        {"Date", iso_time(oops->time, scratch)},
        {"Page-Id", oops->topic},
        {"Branch", oops->branch_nick},
        {"Revision", oops->revno},
        {"User", oops->username},
        {"URL", oops->url},
        {"Duration", apr_psprintf(scratch, "%.6f", oops->duration_s)},
        {"Informational", oops->informational ? "True" : "False"},
        {"Oops-Reporter", oops->reporter}};
    apr_status_t rv = APR_SUCCESS;
    unsigned i;

    for (i = 0; i < LPP_COUNT(headers) && rv == APR_SUCCESS; i++) {
        rv = write_header(sink, line, headers[i].label, headers[i].value);
    }
    return rv == APR_SUCCESS ? end_line(sink, line) : rv;
}

/* Add one ASCII byte, percent-quoted unless it is one of the safe ones. */
static void add_quoted_byte(lpp_buf_t *line, char c)
{
    if (lpp_is_alnum(c)
        || (c && strchr("_.-~;/\\?:@&+$, ()*!", c))) {
        lpp_buf_add_byte(line, c);
    }
    else {
        lpp_buf_addf(line, "%%%02X", (unsigned char)c);
    }
}

/* Add text, escaped and then percent-quoted. Control characters, and blanks at
 * the ends, are only quoted; the results of escaping need no quotes. */
static void add_quoted(lpp_buf_t *line, const char *text)
{
    const char *first = text;

    while (*text) {
        if ((unsigned char)*text >= 0x80 || *text == '\\') {
            text += add_escaped(line, text);
        }
        else if (*text == ' ' && (text == first || !text[1])) {
            lpp_buf_add_string(line, "%20");
            text++;
        }
        else {
            add_quoted_byte(line, *text++);
        }
    }
}

static int compare_variables(const void *left, const void *right)
{
    const variable_t *a = left, *b = right;

    return strcmp(a->name, b->name);
}

static int looks_like_event(const char *name)
{
    apr_size_t digits = strspn(name, "0123456789");

    return digits > 0 && name[digits] == '-';
}

static apr_status_t write_variable(const lpp_sink_t *sink, lpp_buf_t *line,
                                   const variable_t *variable)
{
    const char *name = variable->name;

    if (looks_like_event(name)) {
        lpp_buf_addf(line, "%%%02X", (unsigned char)*name++);
    }
    add_quoted(line, name);
    lpp_buf_add_byte(line, '=');
    add_quoted(line, variable->value);
    return end_line(sink, line);
}

static apr_status_t write_variables(const lpp_oops_t *oops,
                                    const lpp_sink_t *sink, lpp_buf_t *line,
                                    apr_pool_t *scratch)
{
    const apr_array_header_t *all = apr_table_elts(oops->req_vars);
    const apr_table_entry_t *entries = (const apr_table_entry_t *)all->elts;
    variable_t *sorted =
        apr_palloc(scratch, sizeof(*sorted) * (size_t)(all->nelts + 1));
    apr_status_t rv = APR_SUCCESS;
    int i, count = 0;

    if (!sorted) {
        return APR_ENOMEM;
    }
    for (i = 0; i < all->nelts; i++) {
        if (entries[i].key && entries[i].val) {
            sorted[count].name = entries[i].key;
            sorted[count++].value = entries[i].val;
        }
    }
    qsort(sorted, (size_t)count, sizeof(*sorted), compare_variables);
    for (i = 0; i < count && rv == APR_SUCCESS; i++) {
        rv = write_variable(sink, line, &sorted[i]);
    }
    return rv == APR_SUCCESS ? end_line(sink, line) : rv;
}

/* The reader accepts letters, digits, "_" and "-" in a category. */
static void add_category(lpp_buf_t *line, const char *category)
{
    const char *c;

    for (c = category; *c; c++) {
        lpp_buf_add_byte(line, lpp_is_alnum(*c) || *c == '-' ? *c : '_');
    }
    if (!*category) {
        lpp_buf_add_byte(line, '-');
    }
}

static apr_status_t write_event(const lpp_sink_t *sink, lpp_buf_t *line,
                                const lpp_oops_event_t *event)
{
    apr_size_t before;

    lpp_buf_addf(line, "%05" APR_INT64_T_FMT "-%05" APR_INT64_T_FMT "@",
                 (apr_int64_t)event->start_ms, (apr_int64_t)event->end_ms);
    add_category(line, event->category);
    lpp_buf_add_byte(line, ' ');
    before = line->len;
    add_normalised(line, event->detail);
    if (line->len == before) {
        lpp_buf_add_byte(line, '-');
    }
    return end_line(sink, line);
}

static apr_status_t write_timeline(const lpp_oops_t *oops,
                                   const lpp_sink_t *sink, lpp_buf_t *line)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; i < oops->timeline->nelts && rv == APR_SUCCESS; i++) {
        rv = write_event(sink, line,
                         &APR_ARRAY_IDX(oops->timeline, i, lpp_oops_event_t));
    }
    return rv == APR_SUCCESS ? end_line(sink, line) : rv;
}

static apr_status_t write_traceback(const lpp_oops_t *oops,
                                    const lpp_sink_t *sink, lpp_buf_t *line)
{
    const char *text = oops->tb_text;
    apr_status_t rv = APR_SUCCESS;

    if (*text && strncmp(text, "Traceback", 9) != 0) {
        lpp_buf_add_string(line, "Traceback:");
        rv = end_line(sink, line);
    }
    while (*text && rv == APR_SUCCESS) {
        while (*text && *text != '\n') {
            if (*text == '\t') {
                lpp_buf_add_byte(line, *text++);
            }
            else {
                text += add_escaped(line, text);
            }
        }
        if (*text) {
            text++;
        }
        rv = end_line(sink, line);
    }
    return rv;
}

apr_status_t lpp_oops_write_rfc822(const lpp_oops_t *oops,
                                   const lpp_sink_t *sink, apr_pool_t *scratch)
{
    apr_pool_t *pool; /* freed with the line at the end of this call */
    lpp_buf_t *line;
    apr_status_t rv = apr_pool_create(&pool, scratch);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    line = lpp_buf_create(pool, LPP_FILE_MAX_BYTES);
    rv = line ? write_headers(oops, sink, line, pool) : APR_ENOMEM;
    if (rv == APR_SUCCESS) {
        rv = write_variables(oops, sink, line, pool);
    }
    if (rv == APR_SUCCESS) {
        rv = write_timeline(oops, sink, line);
    }
    if (rv == APR_SUCCESS) {
        rv = write_traceback(oops, sink, line);
    }
    apr_pool_destroy(pool);
    return rv;
}
