/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it runs an interpreter, with samples at a rate */
/*
 * lpp_interp_python in an interpreter of this process: frames and lines are
 * those that Python itself says; samples taken anywhere in it show only calls
 * that the script has.
 */
#include <execinfo.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "guarded_loads.h"
#include "interp_python_world.h"

#define SAMPLES 60000
#define STORED 48 /* innermost frames of each sample */
#define PERIOD_NS 100000

typedef struct sample_t {
    apr_uint32_t count, flags;
    lpp_page_frame_t frames[STORED];
} sample_t;

static sample_t *samples;
static volatile unsigned taken, asked;
static pthread_t sampled;
static unsigned checks; /* of shapes or lines */

static unsigned line_of(const lpp_interp_record_t *record,
                        lpp_page_frame_t frame)
{
    return lpp_interp_python_line(lpp_interp_seen_bytes(seen, &record->lines),
                                  record->lines.len, record->line,
                                  LPP_INTERP_LINE(frame));
}

static const char *text_of(const lpp_interp_text_t *text)
{
    static char copies[4][LPP_INTERP_FILE_MAX + 1];
    static unsigned at;
    char *copy = copies[at++ & 3];

    memcpy(copy, lpp_interp_seen_bytes(seen, text), text->len);
    copy[text->len] = '\0';
    return copy;
}

/* Markers on the C stack of the caller. */
static unsigned count_markers(void)
{
    static void *stack[20000];
    int count = backtrace(stack, LPP_COUNT(stack)), i;
    unsigned markers = 0;

    for (i = 0; i < count; i++) {
        markers += (apr_uint64_t)(apr_uintptr_t)stack[i] - found.run.start
                   < found.run.size;
    }
    return markers;
}

/* A text is as expected: whole, or all that there is room for. */
static void check_text(const lpp_interp_text_t *text, const char *expected,
                       unsigned max, int last)
{
    const char *is = text_of(text);
    size_t len = strlen(expected);

    assert_true(text->len == len
                || (len + 4 > max && text->len + 7 > max && text->len <= max));
    assert_memory_equal(is, last ? expected + len - text->len : expected,
                        text->len);
}

/* Called by shapes.py: what Python says of its stack. */
static void check_stack(char *expected)
{
    apr_uint64_t regs[LPP_REGS] = { 0 };
    lpp_interp_walk_t made;
    unsigned i, entries = 0;
    char *line, *rest = expected;

    regs[LPP_REG_SP] = (apr_uint64_t)(apr_uintptr_t)&made;
    walk(&python, &made, regs);
    checks++;
    for (i = 0; i < made.count; i++) {
        const lpp_interp_record_t *record =
            lpp_interp_seen_record(seen, LPP_INTERP_FUNCTION(frames[i]));
        char *name = line = strsep(&rest, "\n"), *file;

        assert_non_null(line);
        assert_non_null(record);
        assert_int_equal(LPP_INTERP_LANGUAGE(frames[i]),
                         LPP_LANGUAGE_PYTHON);
        strsep(&line, "\t");
        file = strsep(&line, "\t");
        check_text(&record->name, name, LPP_INTERP_NAME_MAX, 0);
        check_text(&record->file, file, LPP_INTERP_FILE_MAX, 1);
        if (line_of(record, frames[i]) != (unsigned)atoi(line)) {
            fail_msg("%s: line %u, not %s", name, line_of(record, frames[i]),
                     line);
        }
        entries += (frames[i] & LPP_INTERP_ENTRY) != 0;
    }
    if (made.count < LPP_SNAPSHOT_PAGE_FRAMES) {
        assert_string_equal(rest, "");
        assert_int_equal(made.flags, 0);
        assert_int_equal(entries, count_markers());
    }
    else {
        assert_int_equal(made.flags, LPP_PAGE_CUT);
    }
}

static void check_lines(unsigned first, const unsigned char *table, size_t len,
                        const apr_uint32_t *lines, size_t units)
{
    size_t i;

    for (i = 0; i < units; i++) {
        apr_uint32_t expected = lines[i] != 0 ? lines[i] : first;

        checks++;
        if (lpp_interp_python_line(table, len, first, (apr_uint32_t)i)
            != expected) {
            fail_msg("unit %u of the function at line %u", (unsigned)i,
                     first);
        }
    }
    assert_int_equal(lpp_interp_python_line(table, len, first,
                                            (apr_uint32_t)units), first);
}

static void stacks_are_what_python_says(void **state)
{
    (void)state;
    checks = 0;
    run("import shapes; shapes.run(%lu)", (unsigned long)check_stack);
    printf("%u stacks\n", checks);
    assert_true(checks > 120);
}

static void lines_are_what_python_says(void **state)
{
    (void)state;
    checks = 0;
    run("import lines; lines.run(%lu)", (unsigned long)check_lines);
    printf("%u code units\n", checks);
    assert_true(checks > 50000);
}

static void tables_that_are_cut_end(void **state)
{
    static const unsigned char open[] = { 0xf0, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f,
                                          0x7f, 0x7f, 0x7f, 0x7f };
    unsigned len;

    (void)state;
    for (len = 0; len <= sizeof(open); len++) {
        unsigned char *copy = malloc(len + 1);

        memcpy(copy, open, len);
        (void)lpp_interp_python_line(copy, len, 7, 0);
        assert_int_equal(lpp_interp_python_line(copy, len, 7, 5), 7);
        free(copy);
    }
}

static void take(int number, siginfo_t *info, void *context)
{
    lpp_interp_walk_t made;
    apr_uint64_t regs[LPP_REGS] = { 0 };
    sample_t *sample = &samples[taken];

    (void)number;
    (void)info;
    asked++;
    if (taken == SAMPLES || !pthread_equal(pthread_self(), sampled)) {
        return;
    }
    regs[LPP_REG_SP] =
        (apr_uint64_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RSP];
    walk(&python, &made, regs);
    sample->count = made.count;
    sample->flags = made.flags;
    memcpy(sample->frames, frames,
           sizeof(*frames) * (made.count < STORED ? made.count : STORED));
    taken++;
}

static timer_t start_samples(void)
{
    struct sigaction action = { 0 };
    struct sigevent event = { 0 };
    struct itimerspec period = { { 0, PERIOD_NS }, { 0, PERIOD_NS } };
    timer_t timer;

    sampled = pthread_self();
    taken = asked = 0;
    action.sa_sigaction = take;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    assert_int_equal(sigaction(SIGRTMIN + 3, &action, NULL), 0);
    event.sigev_notify = SIGEV_THREAD_ID;
    event._sigev_un._tid = gettid();
    event.sigev_signo = SIGRTMIN + 3;
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    assert_int_equal(timer_settime(timer, 0, &period, NULL), 0);
    return timer;
}

/* Every pair of a caller and a callee, in a file that stress.py reads. */
static void write_calls(FILE *to)
{
    unsigned i, j, cut = 0, empty = 0;

    for (i = 0; i < taken; i++) {
        const sample_t *sample = &samples[i];

        cut += (sample->flags & LPP_PAGE_CUT) != 0;
        empty += sample->count == 0;
        for (j = 0; j + 1 < sample->count && j + 1 < STORED; j++) {
            const lpp_interp_record_t *callee = lpp_interp_seen_record(
                seen, LPP_INTERP_FUNCTION(sample->frames[j]));
            const lpp_interp_record_t *caller = lpp_interp_seen_record(
                seen, LPP_INTERP_FUNCTION(sample->frames[j + 1]));

            assert_non_null(callee);
            assert_non_null(caller);
            fprintf(to, "%s\t%s\t%u\t%s\n", text_of(&callee->name),
                    text_of(&caller->name),
                    line_of(caller, sample->frames[j + 1]),
                    text_of(&caller->file));
        }
    }
    printf("%u samples of %u signals, %u cut, %u without frames, %llu faults,"
           " %llu functions without room\n", taken, asked, cut, empty,
           (unsigned long long)lpp_peek_faults(),
           (unsigned long long)lpp_interp_seen_nameless(seen));
    assert_true(taken > 500);
    assert_true(cut <= taken / 1000 + 1);
    assert_true(empty <= taken / 100 + 1); /* Python itself compiles */
}

static void samples_show_calls_of_the_script(void **state)
{
    const char *seconds = getenv("LPP_STRESS_SECONDS");
    char path[] = "/tmp/lpp-calls-XXXXXX";
    int descriptor = mkstemp(path);
    int left = seconds != NULL ? atoi(seconds) : 3;
    FILE *to = fdopen(descriptor, "w");

    (void)state;
    assert_non_null(to);
    samples = calloc(SAMPLES + 1, sizeof(*samples));
    assert_non_null(samples);
    run("import stress; stress.once()");
    for (; left > 0; left -= 3) {
        timer_t timer = start_samples();

        run("stress.run(%d)", left < 3 ? left : 3);
        timer_delete(timer);
        write_calls(to);
    }
    fclose(to);
    run("import sys, collections\n"
        "with open('%s') as lines:\n"
        "    calls = collections.Counter(lines)\n"
        "bad = stress.wrong((a, b, int(c), d) for a, b, c, d in\n"
        "                   (key[:-1].split('\\t') for key in calls))\n"
        "count = sum(n for key, n in calls.items() if\n"
        "            key.split('\\t')[:3] in [[a, b, str(c)]\n"
        "                                      for a, b, c in bad])\n"
        "print(sum(calls.values()), 'calls,', len(calls), 'kinds, wrong:',\n"
        "      count, bad, flush=True)\n"
        "assert len(calls) > 60\n"
        "assert count <= sum(calls.values()) / 10000 + 1, (count, bad)\n",
        path);
    unlink(path);
    free(samples);
}

static void loaded_python_is_usable(void **state)
{
    (void)state;
    assert_string_equal(found.why, "");
    assert_true(found.usable);
    assert_true(found.run.size > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loaded_python_is_usable),
        cmocka_unit_test(lines_are_what_python_says),
        cmocka_unit_test(tables_that_are_cut_end),
        cmocka_unit_test(stacks_are_what_python_says),
        cmocka_unit_test(samples_show_calls_of_the_script),
    };

    return cmocka_run_group_tests(tests, start_python, NULL);
}
