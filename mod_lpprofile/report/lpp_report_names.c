/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, the names of functions: what is written beside one to say where
 * it is, and the start of a tooltip.
 */
#include <string.h>

#include "report/lpp_report_internal.h"

#define PATH_MAX_BYTES 40 /* of a path that is shown; its end says more than
                             its start */

/* The last part of a path, from a slash on if there is one. */
static const char *end_of_path(const char *path)
{
    apr_size_t len = strlen(path);
    const char *end, *slash;

    if (len <= PATH_MAX_BYTES) {
        return path;
    }
    end = path + len - PATH_MAX_BYTES;
    while ((*end & 0xc0) == 0x80) {
        end++; /* not in the middle of a character */
    }
    slash = strchr(end, '/');
    return slash != NULL && slash[1] != '\0' ? slash : end;
}

/* The path and line of a script; nothing if the file is not known. */
static void script(lpp_page_t *page, const lpp_symbol_t *symbol,
                   unsigned line)
{
    const char *end = end_of_path(symbol->file ? symbol->file : "");

    if (!*end) {
        return;
    }
    if (end != symbol->file) {
        lpp_page_raw(page, "&#8230;");
    }
    lpp_page_text(page, end);
    if (line) {
        lpp_page_rawf(page, ":%u", line);
    }
}

void lpp_page_source(lpp_page_t *page, const lpp_symbol_t *symbol)
{
    if (symbol->file && symbol->line) {
        lpp_page_raw(page, " <small>");
        script(page, symbol, symbol->line);
        lpp_page_raw(page, "</small>");
    }
}

void lpp_page_module(lpp_page_t *page, const lpp_symbol_t *symbol)
{
    lpp_page_text(page, lpp_view_object_name(symbol));
    if (symbol->language != LPP_LANGUAGE_NONE) {
        lpp_page_raw(page, *symbol->object ? " (" : "");
        lpp_page_raw(page, lpp_language_name(symbol->language));
        lpp_page_raw(page, *symbol->object ? ")" : "");
    }
}

void lpp_page_place(lpp_page_t *page, const lpp_symbol_t *symbol)
{
    lpp_page_raw(page, " <small>");
    if (lpp_view_is_page(symbol)) {
        script(page, symbol, symbol->line);
        lpp_page_raw(page, *symbol->object ? " " : "");
        lpp_page_raw(page, lpp_language_name(symbol->language));
    }
    else {
        lpp_page_text(page, lpp_view_object_name(symbol));
    }
    lpp_page_raw(page, "</small>");
}

void lpp_page_begin_title(lpp_page_t *page, const lpp_symbol_t *symbol)
{
    lpp_page_raw(page, "<title>");
    lpp_page_text(page, symbol->name);
    if (lpp_view_is_page(symbol)) {
        lpp_page_raw(page, " (");
        lpp_page_raw(page, lpp_language_name(symbol->language));
        lpp_page_raw(page, *symbol->object ? " " : "");
        script(page, symbol, symbol->line);
        lpp_page_raw(page, ")");
    }
    else if (*lpp_view_object_name(symbol)) {
        lpp_page_raw(page, " (");
        lpp_page_text(page, lpp_view_object_name(symbol));
        lpp_page_raw(page, ")");
    }
    lpp_page_raw(page, "\n");
}

const lpp_view_t *lpp_page_part(lpp_page_t *page, const lpp_view_t *view,
                                lpp_view_part_e part)
{
    const lpp_view_t *made = NULL;

    if (page->status == APR_SUCCESS) {
        page->status = lpp_view_part(&made, view, part, page->scratch);
    }
    return page->status == APR_SUCCESS ? made : NULL;
}
