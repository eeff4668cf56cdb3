/* SPDX-License-Identifier: Apache-2.0 */
/* report_text: what the text of a page has, for tests that use cmocka.h. */
#ifndef REPORT_TEXT_H
#define REPORT_TEXT_H

#include <string.h>

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        print_error("missing: %s\n", part);
        fail();
    }
}

static void assert_has_not(const char *text, const char *part)
{
    if (strstr(text, part)) {
        print_error("not wanted: %s\n", part);
        fail();
    }
}

#endif
