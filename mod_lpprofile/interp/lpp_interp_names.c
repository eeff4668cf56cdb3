/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_interp_names: see lpp_interp_names_internal.h. */
#include "interp/lpp_interp_names_internal.h"

#include <string.h>

#include <apr_strings.h>

/* Room for a scope, "::", a name, "()". */
#define SHOWN_BYTES (LPP_INTERP_SCOPE_MAX + LPP_INTERP_NAME_MAX + 8)

static void text_of(const lpp_interp_t *interp, const lpp_interp_text_t *text,
                    char *to, apr_size_t room)
{
    apr_size_t len = text->len < room ? text->len : room - 1;

    memcpy(to, lpp_interp_seen_bytes(interp->seen, text), len);
    to[len] = '\0';
}

/* What to show for code without a name: of a file, or Perl's of a text. */
static const char *nameless(lpp_language_e language, const char *file)
{
    return language == LPP_LANGUAGE_PERL && file[0] == '\0' ? "(eval)"
                                                            : "{main}";
}

static apr_uint32_t number_of(lpp_interp_t *interp, lpp_page_frame_t frame,
                              const lpp_interp_record_t *record)
{
    lpp_language_e language = LPP_INTERP_LANGUAGE(frame);
    char shown[SHOWN_BYTES], scope[LPP_INTERP_SCOPE_MAX + 1];
    char name[LPP_INTERP_NAME_MAX + 1], file[LPP_INTERP_FILE_MAX + 1];
    char directory[LPP_INTERP_FILE_MAX + 1];
    lpp_page_function_t page;

    text_of(interp, &record->scope, scope, sizeof(scope));
    text_of(interp, &record->name, name, sizeof(name));
    text_of(interp, &record->file, file, sizeof(file));
    if (language == LPP_LANGUAGE_LUA) {
        text_of(interp, &record->directory, directory, sizeof(directory));
        lpp_lua_name(&interp->lua_files, file, directory, record->line, name,
                     sizeof(name));
    }
    page.language = language;
    page.internal = (frame & LPP_INTERP_INTERNAL) != 0;
    apr_snprintf(shown, sizeof(shown), "%s%s%s%s", scope,
                 scope[0] != '\0' ? "::" : "",
                 name[0] != '\0' ? name : nameless(language, file),
                 page.internal ? "()" : "");
    page.name = shown;
    page.file = file;
    page.line = record->line;
    return lpp_pagecode_number(interp->pages, &page);
}

lpp_pc_t lpp_interp_pc(lpp_interp_t *interp, lpp_page_frame_t frame)
{
    apr_uint32_t function = LPP_INTERP_FUNCTION(frame);
    apr_uint32_t line = LPP_INTERP_LINE(frame);
    const lpp_interp_record_t *record =
        lpp_interp_seen_record(interp->seen, function);

    if (record == NULL) {
        return LPP_PAGE_PC(LPP_PAGE_MORE, 0);
    }
    if (interp->numbers[function] == 0) {
        interp->numbers[function] = number_of(interp, frame, record);
    }
    if (LPP_INTERP_LANGUAGE(frame) == LPP_LANGUAGE_PYTHON) {
        line = lpp_interp_python_line(
            lpp_interp_seen_bytes(interp->seen, &record->lines),
            record->lines.len, record->line, line);
    }
    return LPP_PAGE_PC(interp->numbers[function], line);
}
