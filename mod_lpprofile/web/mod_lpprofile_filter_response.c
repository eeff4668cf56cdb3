/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_filter_response: which bodies may be changed, which headers do
 * not apply then, and whether the policy of the response allows style. Reads
 * and changes tables only, never a body.
 */
#include <apr_strings.h>
#include <http_protocol.h>
#include <string.h>

#include "web/mod_lpprofile_filter_internal.h"

#define SPACE " \t\r\n\f"

/* These describe the body that the handler made, not the changed one. */
static const char *const body_headers[] = {
    "Content-Length", "ETag",           "Last-Modified", "Digest",
    "Content-MD5",    "Content-Digest", "Repr-Digest",
};

/* Charsets in which the ASCII bytes of the block are other characters. */
static const char *const foreign_charsets[] = {
    "utf-16", "utf16", "utf-32",   "utf32", "ucs-2",  "ucs-4",   "utf-7",
    "utf7",   "csunicode", "unicode", "iso-10646-ucs", "ebcdic", "cp037",
    "ibm037", "cp500",  "ibm500", "cp1026", "ibm1026", "cp1047", "ibm1047",
};

static const char *header_out(const request_rec *r, const char *name)
{
    const char *value = apr_table_get(r->headers_out, name);

    return value ? value : apr_table_get(r->err_headers_out, name);
}

static int media_type_is(const request_rec *r, const char *type)
{
    const char *at = r->content_type;
    apr_size_t len = strlen(type);

    if (!at) {
        return 0;
    }
    at += strspn(at, SPACE);
    return !ap_cstr_casecmpn(at, type, len)
        && (!at[len] || strchr("; \t,", at[len]));
}

int lpp_filter_is_xhtml(const request_rec *r)
{
    return media_type_is(r, "application/xhtml+xml");
}

/* The value of charset= in the content type, or NULL. */
static const char *charset_of(const request_rec *r)
{
    const char *at = strchr(r->content_type, ';');

    while (at) {
        at += 1 + strspn(at + 1, SPACE);
        if (!ap_cstr_casecmpn(at, "charset=", 8)) {
            at += 8 + strspn(at + 8, "\"' ");
            return apr_pstrmemdup(r->pool, at, strcspn(at, "\"' ;,"));
        }
        at = strchr(at, ';');
    }
    return NULL;
}

static int is_foreign_charset(const request_rec *r, const char *head,
                              apr_size_t head_len)
{
    const char *charset = charset_of(r);
    apr_size_t i;

    /* A byte order mark has priority over every declared charset. */
    if (head_len >= 2
        && (!memcmp(head, "\xff\xfe", 2) || !memcmp(head, "\xfe\xff", 2))) {
        return 1;
    }
    for (i = 0; charset && i < LPP_COUNT(foreign_charsets); i++) {
        if (!ap_cstr_casecmpn(charset, foreign_charsets[i],
                              strlen(foreign_charsets[i]))) {
            return 1;
        }
    }
    return 0;
}

static int is_encoded(const request_rec *r)
{
    const char *encoding = header_out(r, "Content-Encoding");

    if (!encoding) {
        encoding = r->content_encoding;
    }
    return encoding && *encoding && ap_cstr_casecmp(encoding, "identity");
}

/* Headers that libraries add to the requests of a script. */
static const char *const script_headers[] = {
    "X-Requested-With", "HX-Request", "Turbo-Frame", "X-Up-Version", "X-PJAX",
    "X-Alpine-Request", "X-Inertia",  "X-Livewire",  "X-Barba",
    "Datastar-Request",
};

static int came(const request_rec *r, const char *const *names,
                apr_size_t count)
{
    while (count--) {
        if (apr_table_get(r->headers_in, names[count])) {
            return 1;
        }
    }
    return 0;
}

/* 1 where a media range ("text/html;q=0.9") has a weight of 0. */
static int weighs_nothing(const char *range)
{
    const char *at;

    for (at = strchr(range, ';'); at; at = strchr(at, ';')) {
        at += 1 + strspn(at + 1, SPACE);
        if ((*at == 'q' || *at == 'Q') && at[1 + strspn(at + 1, SPACE)] == '=')
        {
            at = strchr(at, '=') + 1;
            at += strspn(at, SPACE);
            return *at == '0' && !at[strspn(at, "0." SPACE)];
        }
    }
    return 0;
}

typedef struct accept_t {
    int any;  /* there is an Accept with a media range */
    int html; /* text/html: 1 named, -1 refused, 0 neither */
    int page; /* text/html is accepted, or application/xhtml+xml is named */
} accept_t;

/* The most specific range that matches a type applies. */
static accept_t read_accept(const request_rec *r)
{
    static const char *const ranges[] = {"*/*", "text/*", "text/html",
                                         "application/xhtml+xml"};
    const char *value = apr_table_get(r->headers_in, "Accept");
    int said[LPP_COUNT(ranges)] = {0};
    accept_t accept = {0, 0, 0};
    char *last = NULL, *range;
    apr_size_t i;

    range = value ? apr_strtok(apr_pstrdup(r->pool, value), ",", &last) : NULL;
    for (; range; range = apr_strtok(NULL, ",", &last)) {
        range += strspn(range, SPACE);
        accept.any |= *range != '\0';
        for (i = 0; i < LPP_COUNT(ranges); i++) {
            apr_size_t len = strlen(ranges[i]);

            if (!ap_cstr_casecmpn(range, ranges[i], len)
                && (!range[len] || strchr("; \t", range[len]))) {
                said[i] = weighs_nothing(range) ? -1 : 1;
            }
        }
    }
    accept.html = said[2];
    for (i = 3; i-- > 0 && !accept.page;) {
        accept.page = said[i];
    }
    accept.page = !accept.any || accept.page > 0 || said[3] > 0;
    return accept;
}

/* Why the response to this request is no page of its own, or NULL. */
static const char *asked_by_script(const request_rec *r)
{
    static const char *const fetch[] = {"Sec-Fetch-Dest", "Sec-Fetch-Mode",
                                        "Sec-Fetch-Site", "Sec-Fetch-User"};
    static const char *const browser[] = {"Referer", "Cookie", "Origin"};
    const char *dest = apr_table_get(r->headers_in, "Sec-Fetch-Dest");
    accept_t accept = read_accept(r);

    if (came(r, script_headers, LPP_COUNT(script_headers))
        || (dest && ap_cstr_casecmp(dest, "document")
            && ap_cstr_casecmp(dest, "iframe")
            && ap_cstr_casecmp(dest, "frame"))) {
        return "script-request";
    }
    if (!accept.page) {
        return "not-accepted";
    }
    /* On plain http a browser sends no Sec-Fetch-* headers, but for a page that
     * a person opens its Accept header names HTML. */
    if (!came(r, fetch, LPP_COUNT(fetch))
        && came(r, browser, LPP_COUNT(browser)) && accept.html <= 0
        && !apr_table_get(r->headers_in, "Upgrade-Insecure-Requests")) {
        return "script-request";
    }
    return NULL;
}

apr_size_t lpp_filter_blank(const char *data, apr_size_t len)
{
    static const char blank[] = SPACE "\xef\xbb\xbf"; /* byte order mark */
    apr_size_t at = 0;

    while (at < len && memchr(blank, data[at], sizeof(blank) - 1)) {
        at++;
    }
    return at;
}

int lpp_filter_is_json(const char *data, apr_size_t len)
{
    apr_size_t at = lpp_filter_blank(data, len);

    return at < len && (data[at] == '{' || data[at] == '[');
}

/* Why a response to a URL without a segment stays unchanged, or NULL. */
static const char *left_alone(const request_rec *r)
{
    const char *disposition = header_out(r, "Content-Disposition");

    if (apr_table_get(r->headers_in, "Range")) {
        return "range";
    }
    if (disposition && !ap_cstr_casecmpn(disposition, "attachment", 10)) {
        return "attachment";
    }
    return NULL;
}

const char *lpp_filter_why_not(const request_rec *r, const lpp_plan_t *plan,
                               const char *head, apr_size_t head_len)
{
    const char *why;

    if (ap_is_HTTP_INFO(r->status) || AP_STATUS_IS_HEADER_ONLY(r->status)
        || r->status == HTTP_RESET_CONTENT) {
        return "no-body";
    }
    if (!media_type_is(r, "text/html") && !lpp_filter_is_xhtml(r)) {
        return "no-html";
    }
    if (r->status == HTTP_PARTIAL_CONTENT
        || header_out(r, "Content-Range")) {
        return "partial";
    }
    if (is_encoded(r)) {
        return "encoded";
    }
    if (is_foreign_charset(r, head, head_len)) {
        return "charset";
    }
    if (lpp_filter_is_json(head, head_len)) {
        return "json";
    }
    why = plan ? NULL : left_alone(r);
    return why ? why : asked_by_script(r);
}

void lpp_filter_change_headers(request_rec *r)
{
    apr_size_t i;

    for (i = 0; i < LPP_COUNT(body_headers); i++) {
        apr_table_unset(r->headers_out, body_headers[i]);
        apr_table_unset(r->err_headers_out, body_headers[i]);
    }
    apr_table_unset(r->err_headers_out, "Accept-Ranges");
    apr_table_setn(r->headers_out, "Accept-Ranges", "none");
}

typedef struct policy_look_t {
    apr_pool_t *pool;
    int allowed;
} policy_look_t;

static int look_at_policies(void *baton, const char *name, const char *value)
{
    policy_look_t *look = baton;

    look->allowed = lpp_policy_allows_style(value, look->pool);
    return look->allowed;
}

int lpp_filter_may_style(const request_rec *r)
{
    static const char *const names[] = {
        "Content-Security-Policy", "Content-Security-Policy-Report-Only"};
    policy_look_t look = {r->pool, 1};
    apr_size_t i;

    for (i = 0; look.allowed && i < LPP_COUNT(names); i++) {
        if (apr_table_do(look_at_policies, &look, r->headers_out, names[i],
                         NULL)) {
            apr_table_do(look_at_policies, &look, r->err_headers_out,
                         names[i], NULL);
        }
    }
    return look.allowed;
}
