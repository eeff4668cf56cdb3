/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_interp_python_find where a Python is loaded that is not known: this
 * program has the names that it looks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "interp/lpp_interp_languages_internal.h"

#define EXPORTED __attribute__((visibility("default")))

extern EXPORTED unsigned long Py_Version;
extern EXPORTED unsigned char _PyRuntime[4096];
EXPORTED const char *Py_GetVersion(void);

unsigned long Py_Version;
unsigned char _PyRuntime[4096];

const char *Py_GetVersion(void)
{
    return "3.12.4 (main)";
}

static void other_versions_are_not_read(void **state)
{
    static const struct {
        unsigned long version;
        const char *why;
    } rows[] = {
        { 0x030a0cf0, "Python 3.10 is not known: its functions are not shown." },
        { 0x030c04f0, "Python 3.12 is not known: its functions are not shown." },
        { 0x030e00f0, "Python 3.14 is not known: its functions are not shown." },
        /* Known, but what this program has is none. */
        { 0x030b02f0,
          "Python 3.11 is not as expected: its functions are not shown." },
        { 0x030d05f0,
          "Python 3.13 is not as expected: its functions are not shown." },
    };
    unsigned i;

    (void)state;
    for (i = 0; i < LPP_COUNT(rows); i++) {
        lpp_interp_python_t python;
        lpp_interp_found_t found;

        memset(&found, 0, sizeof(found));
        Py_Version = rows[i].version;
        lpp_interp_python_find(&python, &found);
        assert_int_equal(found.usable, 0);
        assert_string_equal(found.why, rows[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_versions_are_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
