/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it compares times of calls */
/* test: long: it mostly sleeps */
/*
 * Blocking calls under the sampler at 1 kHz: each gives the same result, the
 * same errno and takes the same time as without (sampling.md, facts 8 to 11):
 * first where the kernel shows a blocked thread's stack to its process, then
 * where it does not, as to a child of httpd that has given root away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <apr_general.h>

#include "blocked_tests.h"
#include "blocking_calls.h"
#include "blocking_io.h"
#include "restart_trial.h"

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocking_calls_do_not_notice),
        cmocka_unit_test(nor_where_signals_are_needed),
        cmocka_unit_test(a_thousand_signals_break_no_call),
#if defined(__x86_64__)
        cmocka_unit_test(after_one_broken_call_no_blocked_thread_is_hit),
#endif
    };
    int failed;

    apr_initialize();
    if (!try_restarts() || open_blocked_tests() != 0) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    close_blocked_tests();
    return failed;
}
