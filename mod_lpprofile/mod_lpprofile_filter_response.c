/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_filter, what a response is: which bodies may be changed, what
 * of the headers is then no longer true, and whether its policy allows style.
 * Reads and changes tables only, never a body.
 */
#include <apr_strings.h>
#include <http_protocol.h>
#include <string.h>

#include "mod_lpprofile_filter_internal.h"

#define SPACE " \t\r\n\f"

/* True of the body that the handler made, not of the one we send. */
static const char *const body_headers[] = {
    "Content-Length", "ETag",           "Last-Modified", "Digest",
    "Content-MD5",    "Content-Digest", "Repr-Digest",
};

/* Charsets in which our ASCII bytes would mean something else. */
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

    /* A byte order mark beats every label. */
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

/* Requests that a page's script made, by the headers they carry. */
static const char *asked_by_script(const request_rec *r)
{
    const char *dest = apr_table_get(r->headers_in, "Sec-Fetch-Dest");
    const char *disposition = header_out(r, "Content-Disposition");

    if (apr_table_get(r->headers_in, "Range")) {
        return "range";
    }
    if (apr_table_get(r->headers_in, "X-Requested-With")
        || apr_table_get(r->headers_in, "HX-Request")) {
        return "script-request";
    }
    if (dest && ap_cstr_casecmp(dest, "document")
        && ap_cstr_casecmp(dest, "iframe") && ap_cstr_casecmp(dest, "frame")) {
        return "script-request";
    }
    if (disposition && !ap_cstr_casecmpn(disposition, "attachment", 10)) {
        return "attachment";
    }
    return NULL;
}

const char *lpp_filter_why_not(const request_rec *r, const lpp_plan_t *plan,
                               const char *head, apr_size_t head_len)
{
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
    return plan ? NULL : asked_by_script(r);
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

/* Does a source list let an inline <style> pass? A nonce or a hash in it
 * makes browsers ignore 'unsafe-inline'. */
static int sources_allow_inline(char *sources)
{
    char *last = NULL, *source;
    int allowed = 0;

    for (source = apr_strtok(sources, SPACE, &last); source;
         source = apr_strtok(NULL, SPACE, &last)) {
        if (!ap_cstr_casecmp(source, "'unsafe-inline'")) {
            allowed = 1;
        }
        else if (!ap_cstr_casecmpn(source, "'nonce-", 7)
                 || !ap_cstr_casecmpn(source, "'sha256-", 8)
                 || !ap_cstr_casecmpn(source, "'sha384-", 8)
                 || !ap_cstr_casecmpn(source, "'sha512-", 8)) {
            return 0;
        }
    }
    return allowed;
}

/* One policy: the most specific directive speaks, the first of its name. */
static int policy_allows_inline(char *policy)
{
    static const char *const names[] = {"default-src", "style-src",
                                        "style-src-elem"};
    char *sources[LPP_COUNT(names)] = {NULL};
    char *last = NULL, *directive;
    apr_size_t i;

    for (directive = apr_strtok(policy, ";", &last); directive;
         directive = apr_strtok(NULL, ";", &last)) {
        apr_size_t len;

        directive += strspn(directive, SPACE);
        len = strcspn(directive, SPACE);
        for (i = 0; i < LPP_COUNT(names); i++) {
            if (len == strlen(names[i]) && !sources[i]
                && !ap_cstr_casecmpn(directive, names[i], len)) {
                sources[i] = directive + len;
            }
        }
    }
    for (i = LPP_COUNT(names); i-- > 0;) {
        if (sources[i]) {
            return sources_allow_inline(sources[i]);
        }
    }
    return 1;
}

typedef struct policy_look_t {
    apr_pool_t *pool;
    int allowed;
} policy_look_t;

/* One header line; several policies may stand in it. */
static int look_at_policies(void *baton, const char *name, const char *value)
{
    policy_look_t *look = baton;
    char *copy = apr_pstrdup(look->pool, value);
    char *last = NULL, *policy;

    for (policy = apr_strtok(copy, ",", &last); policy;
         policy = apr_strtok(NULL, ",", &last)) {
        if (!policy_allows_inline(policy)) {
            look->allowed = 0;
        }
    }
    return look->allowed;
}

int lpp_filter_may_style(const request_rec *r)
{
    static const char *const names[] = {
        "Content-Security-Policy", "Content-Security-Policy-Report-Only"};
    policy_look_t look = {r->pool, 1};
    apr_size_t i;

    for (i = 0; i < LPP_COUNT(names); i++) {
        apr_table_do(look_at_policies, &look, r->headers_out, names[i], NULL);
        apr_table_do(look_at_policies, &look, r->err_headers_out, names[i],
                     NULL);
    }
    return look.allowed;
}
