/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_interp_perl: reads page functions of Perl, in the handler.
 *
 * Perl has a stack of contexts for each stackinfo, which C code makes anew
 * before it calls back (a tie, an overloaded operator, sort). A subroutine, an
 * eval of a text and a file that is required have contexts; the context holds
 * the caller's COP, with its line. C code called by Perl (XSUBs) has none.
 * The block of a sort runs as a callback without a subroutine: it is shown as a
 * frame of the subroutine that it stands in.
 */
#include "interp/lpp_interp_languages_internal.h"

#include "interp/lpp_interp_perl_rows_internal.h"

#define CX_TYPE 0xf  /* cop.h: CXTYPEMASK */
#define CX_WORDS 13  /* of a context, that are read */
#define CX_MAX 100000
#define FILE_SCAN 4096 /* bytes of a path that are looked at */
#define HEK_UTF8 1   /* hv.h: HVhek_UTF8 */
#define EVAL_TEXT "(eval "

/* Where the reader is. */
typedef struct at_t {
    const lpp_interp_perl_row_t *row;
    lpp_interp_walk_t *walk;
    apr_uint64_t cop;       /* of the frame that comes next */
    apr_uint64_t block_cop; /* of the block of a sort, whose subroutine comes
                               next; 0: there is none */
} at_t;

static apr_uint32_t line_of(const at_t *at, apr_uint64_t cop)
{
    return (apr_uint32_t)lpp_peek_word(cop + at->row->cop_line);
}

static void copy_file(at_t *at, lpp_interp_text_t *text, apr_uint64_t cop)
{
    apr_uint64_t file = lpp_peek_word(cop + at->row->cop_file);

    lpp_interp_copy(at->walk, text, file, lpp_peek_length(file, FILE_SCAN),
                    LPP_INTERP_FILE_MAX, 1);
}

/* Copy a name of Perl's hashes: Latin-1, unless its flag says UTF-8. */
static void copy_hek(at_t *at, lpp_interp_text_t *text, apr_uint64_t hek,
                     apr_size_t max)
{
    apr_uint32_t len = (apr_uint32_t)lpp_peek_word(hek + at->row->hek_len);
    apr_uint64_t key = hek + at->row->hek_key;

    if (hek == 0 || len > FILE_SCAN) {
        return;
    }
    if (lpp_peek_word(key + len + 1) & HEK_UTF8) { /* after the name's NUL */
        lpp_interp_copy(at->walk, text, key, len, max, 0);
    }
    else {
        lpp_interp_copy_wide(at->walk, text, key, len, 1, max);
    }
}

static void copy_package(at_t *at, lpp_interp_text_t *text, apr_uint64_t stash)
{
    const lpp_interp_perl_row_t *row = at->row;
    apr_uint64_t body = lpp_peek_word(stash + row->sv_any), name;

    if (!(lpp_peek_word(stash + row->sv_flags) & row->hv_has_aux)) {
        return;
    }
    name = lpp_peek_word(body + row->hv_name);
    if ((apr_uint32_t)lpp_peek_word(body + row->hv_name_count) != 0) {
        name = lpp_peek_word(name); /* the first of several */
    }
    copy_hek(at, text, name, LPP_INTERP_SCOPE_MAX);
}

static int is_statement(const at_t *at, apr_uint64_t op)
{
    unsigned type = lpp_peek_word(op + at->row->op_type) & 0x1ff;

    return type == at->row->op_nextstate || type == at->row->op_dbstate;
}

/* A subroutine begins at the line of its first statement. */
static void fill_in(at_t *at, lpp_interp_record_t *record, apr_uint64_t body,
                    apr_uint64_t start, apr_uint64_t gv)
{
    const lpp_interp_perl_row_t *row = at->row;
    apr_uint64_t first = is_statement(at, start) ? start : at->cop;

    record->line = first == start ? line_of(at, start) : 0;
    copy_file(at, &record->file, first);
    if (lpp_peek_word(body + row->cv_flags) & row->cvf_named) {
        copy_hek(at, &record->name, gv, LPP_INTERP_NAME_MAX); /* my sub */
    }
    else if (gv != 0) {
        body = lpp_peek_word(gv + row->sv_any);
        copy_hek(at, &record->name, lpp_peek_word(body + row->gv_namehek),
                 LPP_INTERP_NAME_MAX);
        copy_package(at, &record->scope, lpp_peek_word(body + row->gv_stash));
    }
}

static void add_sub(at_t *at, apr_uint64_t cv, apr_uint64_t flags)
{
    apr_uint64_t body = lpp_peek_word(cv + at->row->sv_any);
    apr_uint64_t key[4] = { lpp_peek_word(body + at->row->cv_start),
                            lpp_peek_word(body + at->row->cv_gv), 0,
                            LPP_LANGUAGE_PERL };
    lpp_interp_record_t *record;

    if (at->block_cop != 0) {
        record = lpp_interp_add(at->walk, LPP_LANGUAGE_PERL, LPP_INTERP_ENTRY,
                                line_of(at, at->block_cop), key);
        if (record != NULL) {
            fill_in(at, record, body, key[0], key[1]);
        }
        at->block_cop = 0;
    }
    record = lpp_interp_add(at->walk, LPP_LANGUAGE_PERL, flags,
                            line_of(at, at->cop), key);
    if (record != NULL) {
        fill_in(at, record, body, key[0], key[1]);
    }
}

/* The code of a file that is required, or of a text; of all texts together. */
static void add_eval(at_t *at, apr_uint64_t flags)
{
    apr_uint64_t file = lpp_peek_word(at->cop + at->row->cop_file), word;
    apr_size_t len = lpp_peek_length(file, FILE_SCAN);
    int is_text = lpp_peek_bytes(&word, file, 8) >= 6
        && __builtin_memcmp(&word, EVAL_TEXT, 6) == 0;
    apr_uint64_t key[4] = { 0, is_text ? 0 : lpp_interp_hash(file, len), 1,
                            LPP_LANGUAGE_PERL };
    lpp_interp_record_t *record =
        lpp_interp_add(at->walk, LPP_LANGUAGE_PERL, flags,
                       line_of(at, at->cop), key);

    at->block_cop = 0;
    if (record != NULL && !is_text) {
        lpp_interp_copy(at->walk, &record->file, file, len,
                        LPP_INTERP_FILE_MAX, 1);
    }
}

/* Whether a subroutine runs. The innermost context may be half made or half
 * removed, and then names one that has ended. */
static int is_running(const at_t *at, apr_uint64_t cv)
{
    apr_uint64_t body = lpp_peek_word(cv + at->row->sv_any);

    return (apr_int32_t)lpp_peek_word(body + at->row->cv_depth) > 0;
}

/* One context; in_sort: it is the outermost one of a sort. */
static int step(at_t *at, apr_uint64_t address, int in_sort)
{
    const lpp_interp_perl_row_t *row = at->row;
    apr_uint64_t cx[CX_WORDS], flags;
    unsigned type;

    if (!lpp_peek(cx, address, CX_WORDS)) {
        at->walk->flags |= LPP_PAGE_CUT;
        return 0;
    }
    type = (unsigned)(cx[0] & CX_TYPE);
    flags = cx[row->cx_retop / 8] == 0 ? LPP_INTERP_ENTRY : 0;
    if (type == row->cxt_null && in_sort) {
        at->block_cop = at->cop;
    }
    else if (type == row->cxt_sub || type == row->cxt_format) {
        if (is_running(at, cx[row->cx_cv / 8])) {
            add_sub(at, cx[row->cx_cv / 8], flags);
        }
    }
    else if (type == row->cxt_eval && !(cx[0] & row->cxp_evalblock)) {
        add_eval(at, flags);
    }
    else {
        return 1; /* a loop, or a block */
    }
    at->cop = cx[row->cx_oldcop / 8];
    return 1;
}

void lpp_interp_perl_walk(const lpp_interp_perl_t *perl,
                          lpp_interp_walk_t *walk)
{
    const lpp_interp_perl_row_t *row = perl->row;
    apr_uint64_t interpreter = lpp_peek_word(perl->context), info;
    at_t at = { row, walk, 0, 0 };
    apr_int32_t index;

    if (interpreter == 0) {
        return;
    }
    at.cop = lpp_peek_word(interpreter + row->curcop);
    info = lpp_peek_word(interpreter + row->curstackinfo);
    while (info != 0 && !lpp_interp_full(walk)) {
        apr_uint64_t stack = lpp_peek_word(info + row->si_cxstack);
        int is_sort = (apr_int32_t)lpp_peek_word(info + row->si_type)
            == row->si_is_sort;

        index = (apr_int32_t)lpp_peek_word(info + row->si_cxix);
        for (index = index < CX_MAX ? index : -1; index >= 0; index--) {
            if (lpp_interp_full(walk)
                || !step(&at, stack + (apr_uint64_t)index * row->cx_size,
                         is_sort && index == 0)) {
                return;
            }
        }
        info = lpp_peek_word(info + row->si_prev);
    }
}
