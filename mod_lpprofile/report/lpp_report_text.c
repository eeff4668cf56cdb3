/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, the text functions: escaping, and what all sections write with.
 * All output is ASCII, which is the same in every charset that a page may have.
 */
#include <string.h>

#include <apr_strings.h>

#include "base/lpp_ascii.h"
#include "base/lpp_utf8.h"
#include "report/lpp_report_internal.h"

#define REPLACEMENT 0xfffdu
#define PRINTF_MAX_BYTES 512

/* Replace what XML forbids and what HTML reads as windows-1252. */
static unsigned allowed(apr_uint32_t c)
{
    if (c == LPP_UTF8_INVALID || (c >= 0x7f && c <= 0x9f)
        || (c & 0xfffe) == 0xfffe || (c < 0x20 && c != '\n' && c != '\t')) {
        return REPLACEMENT;
    }
    return c;
}

static int is_plain(char c)
{
    return (c >= 0x20 && c < 0x7f && c != '&' && c != '<' && c != '>'
            && c != '"' && c != '\'')
        || c == '\n' || c == '\t';
}

apr_status_t lpp_report_escape(const lpp_sink_t *sink, const char *text)
{
    const char *at = text;
    apr_status_t rv = APR_SUCCESS;

    while (at && *at && rv == APR_SUCCESS) {
        const char *start = at;
        char reference[16];
        apr_uint32_t c;

        while (is_plain(*at)) {
            at++;
        }
        if (at > start) {
            rv = lpp_sink_write(sink, start, (apr_size_t)(at - start));
            continue;
        }
        at += lpp_utf8_read(at, &c);
        apr_snprintf(reference, sizeof(reference), "&#%u;", allowed(c));
        rv = lpp_sink_write(sink, reference, strlen(reference));
    }
    return rv;
}

void lpp_page_raw(lpp_page_t *page, const char *markup)
{
    if (page->status == APR_SUCCESS) {
        page->status = lpp_sink_write(page->sink, markup, strlen(markup));
    }
}

void lpp_page_rawf(lpp_page_t *page, const char *format, ...)
{
    char buffer[PRINTF_MAX_BYTES];
    va_list args;

    va_start(args, format);
    apr_vsnprintf(buffer, sizeof(buffer), format, args);
    va_end(args);
    lpp_page_raw(page, buffer);
}

void lpp_page_text(lpp_page_t *page, const char *text)
{
    if (page->status == APR_SUCCESS) {
        page->status = lpp_report_escape(page->sink, text);
    }
}

void lpp_page_code(lpp_page_t *page, const char *text)
{
    lpp_page_raw(page, "<code>");
    lpp_page_text(page, text);
    lpp_page_raw(page, "</code>");
}

void lpp_page_path(lpp_page_t *page, const char *path)
{
    static const char keep[] = "/-._~!$*(),;:@=+";

    if (!path) {
        page->status = APR_ENOMEM;
        return;
    }
    for (; *path; path++) {
        unsigned char c = (unsigned char)*path;
        char one[4] = {*path, '\0'};

        if (lpp_is_alnum(*path) || strchr(keep, c)) {
            lpp_page_raw(page, one);
        }
        else {
            lpp_page_rawf(page, "%%%02X", c);
        }
    }
}

void lpp_page_shell_word(lpp_page_t *page, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ._:+@/,=-%";

    if (*word && !word[strspn(word, plain)]) {
        lpp_page_text(page, word);
        return;
    }
    lpp_page_raw(page, "&#39;");
    for (; *word; word++) {
        apr_size_t len = strcspn(word, "'");
        char piece[256];

        if (!len) {
            lpp_page_raw(page, "&#39;\\&#39;&#39;");
            continue;
        }
        if (len >= sizeof(piece)) {
            len = lpp_utf8_cut(word, sizeof(piece) - 1);
        }
        memcpy(piece, word, len);
        piece[len] = '\0';
        lpp_page_text(page, piece);
        word += len - 1;
    }
    lpp_page_raw(page, "&#39;");
}

void lpp_page_time(lpp_page_t *page, apr_uint64_t us)
{
    double value = (double)us;

    if (us >= 9999500) {
        lpp_page_rawf(page, "%.2f&#160;s", value / 1e6);
    }
    else if (us >= 999500) {
        lpp_page_rawf(page, "%.3f&#160;s", value / 1e6);
    }
    else if (us >= 99950) {
        lpp_page_rawf(page, "%.0f&#160;ms", value / 1e3);
    }
    else if (us >= 1000) {
        lpp_page_rawf(page, "%.1f&#160;ms", value / 1e3);
    }
    else {
        lpp_page_rawf(page, "%u&#160;&#181;s", (unsigned)us);
    }
}

void lpp_page_ns(lpp_page_t *page, apr_uint64_t ns)
{
    if (ns < 1000) {
        lpp_page_rawf(page, "%u&#160;ns", (unsigned)ns);
    }
    else if (ns < 100000) {
        lpp_page_rawf(page, "%.1f&#160;&#181;s", (double)ns / 1000.0);
    }
    else {
        lpp_page_time(page, ns / 1000);
    }
}

double lpp_page_percent(apr_uint64_t part, apr_uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0.0;
}
