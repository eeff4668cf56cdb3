/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_interp_merge: page functions and C frames become one stack. Stacks are
 * written as text, root first: P, Y, L and X are the markers of PHP, Python,
 * Lua and Perl, R is lua_resume, O a stack of its own, J code made at run time,
 * other capitals and '.' are C functions. Page functions are small letters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "interp/lpp_interp_merge_internal.h"

#define C_FUNCTION 0x1000 /* bytes of one */

/* The pc of a letter. */
static lpp_pc_t pc_of(char letter)
{
    return letter == 'O' ? LPP_PC_OWN_STACK
         : letter == 'J' ? LPP_PC_RUN_TIME_CODE
                         : LPP_PC_MAKE(1, (letter + 1) * C_FUNCTION + 7);
}

static lpp_interp_range_t range_of(char letter)
{
    lpp_interp_range_t range = { LPP_PC_MAKE(1, (letter + 1) * C_FUNCTION),
                                 C_FUNCTION };

    return range;
}

static char letter_of(lpp_pc_t pc)
{
    return pc == LPP_PC_OWN_STACK ? 'O'
         : pc == LPP_PC_RUN_TIME_CODE ? 'J'
         : LPP_PC_IS_PAGE(pc) ? (char)LPP_PAGE_NUMBER(pc)
         : (char)(LPP_PC_ADDRESS(pc) / C_FUNCTION - 1);
}

/*
 * Page functions of a language, root first: '(' before one that C code called
 * (ENTRY), '*' before an internal one, '|' where the next state of Lua begins.
 */
typedef struct pages_t {
    lpp_language_e language;
    const char *text;
} pages_t;

typedef struct frames_t {
    lpp_page_frame_t frames[LPP_SNAPSHOT_PAGE_FRAMES];
    lpp_pc_t pcs[LPP_SNAPSHOT_PAGE_FRAMES];
    unsigned count;
} frames_t;

static void add_pages(frames_t *to, const pages_t *pages)
{
    lpp_page_frame_t frames[LPP_SNAPSHOT_PAGE_FRAMES];
    lpp_page_frame_t flags = 0;
    unsigned count = 0, state = 0;
    const char *at;

    for (at = pages->text; *at != '\0'; at++) {
        if (*at == '(' || *at == '*' || *at == '|') {
            flags |= *at == '(' ? LPP_INTERP_ENTRY
                   : *at == '*' ? LPP_INTERP_INTERNAL : 0;
            state += *at == '|';
            continue;
        }
        frames[count++] = flags | LPP_INTERP_IN_STATE(state)
            | (lpp_page_frame_t)pages->language << 48
            | (lpp_page_frame_t)*at << 24;
        flags = 0;
    }
    while (count-- > 0) {
        to->pcs[to->count] = LPP_PAGE_PC(LPP_INTERP_FUNCTION(frames[count]),
                                         0);
        to->frames[to->count++] = frames[count];
    }
}

static void check_of(const char *stack, const pages_t *pages, unsigned kinds,
                     apr_uint32_t flags, unsigned max, const char *expected)
{
    static lpp_pc_t pcs[LPP_FRAMES_MAX];
    static char got[LPP_FRAMES_MAX + 1];
    unsigned count = (unsigned)strlen(stack), i;
    static frames_t frames;
    lpp_interp_range_t runs[LPP_LANGUAGES] = { { 0, 0 } }, resume;
    lpp_interp_merge_t merge;

    memset(&merge, 0, sizeof(merge));
    frames.count = 0;
    for (i = 0; i < kinds; i++) {
        add_pages(&frames, &pages[i]);
    }
    for (i = 0; i < count; i++) {
        pcs[i] = pc_of(stack[count - 1 - i]);
    }
    runs[LPP_LANGUAGE_PHP] = range_of('P');
    runs[LPP_LANGUAGE_PYTHON] = range_of('Y');
    runs[LPP_LANGUAGE_LUA] = range_of('L');
    runs[LPP_LANGUAGE_PERL] = range_of('X');
    resume = range_of('R');
    merge.runs = runs;
    merge.resume = &resume;
    merge.frames = frames.frames;
    merge.frame_pcs = frames.pcs;
    merge.frame_count = frames.count;
    merge.flags = flags;
    merge.whole = count > 0 && stack[0] != 'O' && stack[0] != 'J'
        && stack[0] != '~';
    count = lpp_interp_merge(&merge, pcs, count, max);
    for (i = 0; i < count; i++) {
        got[i] = letter_of(pcs[count - 1 - i]);
    }
    got[count] = '\0';
    assert_string_equal(got, expected);
}

static void check(lpp_language_e language, const char *stack,
                  const char *functions, const char *expected)
{
    pages_t pages = { language, functions };

    check_of(stack, &pages, 1, 0, LPP_FRAMES_MAX, expected);
}

static void a_marker_becomes_its_run(void **state)
{
    (void)state;
    check(LPP_LANGUAGE_PHP, "AP", "(a", "Aa");
    check(LPP_LANGUAGE_PHP, "APB", "(abc", "AabcB");
    check(LPP_LANGUAGE_PYTHON, "AYBYC", "(ab(cd", "AabBcdC");
    check(LPP_LANGUAGE_PHP, "ABC", "", "ABC");
    check(LPP_LANGUAGE_PHP, "AP", "", "AP");
    check(LPP_LANGUAGE_PHP, "", "(a", "a");
}

/* usort() of PHP calls back: its C frames stand below it. */
static void an_internal_function_stays_with_its_caller(void **state)
{
    (void)state;
    check(LPP_LANGUAGE_PHP, "APUZP", "(a*u(b", "AauUZb");
    check(LPP_LANGUAGE_PHP, "APUZ", "(a*u", "AauUZ");
    check(LPP_LANGUAGE_PHP, "APUZS", "(a*u*s", "AausUZS");
    check(LPP_LANGUAGE_PHP, "ASP", "*s(a", "ASsa");
}

static void what_is_left_over_goes_to_the_leaf(void **state)
{
    (void)state;
    check(LPP_LANGUAGE_PYTHON, "AYB", "(a(b", "AaBb");
    check(LPP_LANGUAGE_PERL, "AXBXC", "(a", "AaBXC");
}

static void each_language_has_its_queue(void **state)
{
    static const pages_t pages[] = { { LPP_LANGUAGE_PHP, "(p*v" },
                                     { LPP_LANGUAGE_LUA, "(l" } };

    (void)state;
    check_of("APVBLC", pages, 2, 0, LPP_FRAMES_MAX, "ApvVBlC");
    check_of("ALBPC", pages, 2, 0, LPP_FRAMES_MAX, "AlBpvC");
}

/* After a resume all functions below the yield are runs under one marker. */
static void runs_of_a_coroutine_share_a_marker(void **state)
{
    (void)state;
    check(LPP_LANGUAGE_LUA, "ALBRLC", "(a|(b", "AaBRbC");
    check(LPP_LANGUAGE_LUA, "ALBRLC", "(a|(b(c(d", "AaBRbcdC");
    check(LPP_LANGUAGE_LUA, "ALBRLCLD", "(a|(b(c(d", "AaBRbcCdD");
    check(LPP_LANGUAGE_LUA, "ALRLRLE", "(a|(b|(c(d", "AaRbRcdE");
    check(LPP_LANGUAGE_LUA, "ALBLC", "(a(b|", "AaBbC");
}

/* ~ is a frame at which unwinding ended. */
static void without_a_root_the_markers_are_the_inner_ones(void **state)
{
    (void)state;
    check(LPP_LANGUAGE_PHP, "OFP", "(ab*f(c", "OabfFc");
    check(LPP_LANGUAGE_PHP, "JUZP", "(ab*u(c", "abuJUZc");
    check(LPP_LANGUAGE_PHP, "J", "(ab", "abJ");
    check(LPP_LANGUAGE_PHP, "~PB", "(a(b", "a~bB");
    check(LPP_LANGUAGE_LUA, "~RLC", "(a|(b|(c", "ab~RcC");
}

/* The chain lacks its outer end: so do the markers. */
static void a_cut_chain_belongs_to_the_inner_markers(void **state)
{
    pages_t pages = { LPP_LANGUAGE_PHP, "bc(d" };

    (void)state;
    check_of("APBPCPD", &pages, 1, LPP_PAGE_CUT, LPP_FRAMES_MAX, "APBbcCdD");
}

static void of_a_long_stack_the_inner_end_stays(void **state)
{
    pages_t pages = { LPP_LANGUAGE_PHP, "(abc" };

    (void)state;
    check_of("APB", &pages, 1, 0, 3, "bcB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_marker_becomes_its_run),
        cmocka_unit_test(an_internal_function_stays_with_its_caller),
        cmocka_unit_test(what_is_left_over_goes_to_the_leaf),
        cmocka_unit_test(each_language_has_its_queue),
        cmocka_unit_test(runs_of_a_coroutine_share_a_marker),
        cmocka_unit_test(without_a_root_the_markers_are_the_inner_ones),
        cmocka_unit_test(a_cut_chain_belongs_to_the_inner_markers),
        cmocka_unit_test(of_a_long_stack_the_inner_end_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
