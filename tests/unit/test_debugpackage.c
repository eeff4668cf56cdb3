/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_debugpackage: packages of debug symbols, by lists like those of dpkg. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "names/lpp_debugpackage.h"

static apr_pool_t *pool;
static char lists[] = "/tmp/lpp-debugpackage-XXXXXX";

static const char *const files[][2] = {
    { "libapache2-mod-php8.2.list", "/.\n/usr\n/usr/lib/apache2/modules/"
                                    "libphp8.2.so\n" },
    { "libc6:amd64.list", "/.\n/lib/x86_64-linux-gnu/libc.so.6\n" },
    { "libpython3.11:amd64.list", "/.\n/usr/lib/libpython3.11.so.1.0\n" },
    { "python3.13-minimal.list", "/.\n/usr/bin/python3.13\n" },
    { "libperl5.36:amd64.list", "/.\n/usr/lib/libperl.so.5.36.0\n" },
    { "liblua5.3-0:amd64.list", "/.\n/usr/lib/liblua5.3.so.0.0.0\n" },
    { "merged.list", "/.\n/usr/lib/merged.so\n" },
    { "no-list", "/.\n/usr/lib/other.so\n" },
    { "empty.list", "" }
};

static int make_lists(void **state)
{
    unsigned i;

    if (mkdtemp(lists) == NULL) {
        return -1;
    }
    for (i = 0; i < LPP_COUNT(files); i++) {
        FILE *file = fopen(apr_pstrcat(pool, lists, "/", files[i][0], NULL),
                           "w");

        if (file == NULL || fputs(files[i][1], file) < 0
            || fclose(file) != 0) {
            return -1;
        }
    }
    return 0;
}

static int remove_lists(void **state)
{
    unsigned i;

    for (i = 0; i < LPP_COUNT(files); i++) {
        unlink(apr_pstrcat(pool, lists, "/", files[i][0], NULL));
    }
    return rmdir(lists);
}

static void packages_are_found(void **state)
{
    static const char *const rows[][2] = {
        { "/usr/lib/apache2/modules/libphp8.2.so",
          "libapache2-mod-php8.2-dbgsym" },
        { "/usr/lib/x86_64-linux-gnu/libc.so.6", "libc6-dbg" },
        { "/usr/lib/libpython3.11.so.1.0", "python3.11-dbg" },
        { "/usr/bin/python3.13", "python3.13-dbg" },
        { "/usr/lib/libperl.so.5.36.0", "perl-debug" },
        { "/usr/lib/liblua5.3.so.0.0.0", "liblua5.3-0-dbg" },
        { "/lib/merged.so", "merged-dbgsym" },
        { "/usr/lib/apache2/modules/libphp8.2", NULL }, /* a line's begin */
        { "/lib/apache2/modules", NULL },
        { "/usr/lib/other.so", NULL },
        { "/srv/own.so", NULL }
    };
    const char *paths[LPP_COUNT(rows)], *packages[LPP_COUNT(rows)];
    unsigned i;

    for (i = 0; i < LPP_COUNT(rows); i++) {
        paths[i] = rows[i][0];
    }
    lpp_debugpackage_find(lists, paths, LPP_COUNT(rows), packages, pool);
    for (i = 0; i < LPP_COUNT(rows); i++) {
        if (rows[i][1] == NULL) {
            assert_null(packages[i]);
        }
        else {
            assert_non_null(packages[i]);
            assert_string_equal(packages[i], rows[i][1]);
        }
    }
}

static void without_dpkg_there_are_none(void **state)
{
    const char *path = "/usr/lib/x86_64-linux-gnu/libc.so.6", *package = path;

    lpp_debugpackage_find("/nonexistent", &path, 1, &package, pool);
    assert_null(package);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(packages_are_found, make_lists,
                                        remove_lists),
        cmocka_unit_test(without_dpkg_there_are_none),
    };

    apr_initialize();
    apr_pool_create(&pool, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
