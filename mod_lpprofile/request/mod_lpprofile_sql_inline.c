/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_sql_inline: statements that other modules tell of, through the
 * optional functions of lpprofile.h. From there on they are as those of
 * mod_dbd.
 */
#include <string.h>

#include <apr_strings.h>

#include "lpprofile.h"
#include "request/mod_lpprofile_sql_internal.h"

#define DRIVER_MAX_BYTES 32

/* As lpprofile.h says; numbers begin at 1. */
static int lpprofile_statement_begin(const char *database, const char *text)
{
    lpp_dbd_watch_t *watch = lpp_sql_watch_of_thread();
    lpp_dbd_call_t call = {"lpprofile_statement", text, NULL, NULL, database};
    char driver[DRIVER_MAX_BYTES];

    if (!watch || !text) {
        return 0;
    }
    if (!database || !*database) {
        call.database = "unknown";
    }
    else {
        call.database = lpp_sql_keep_name(database);
    }
    apr_cpystrn(driver, call.database, sizeof(driver));
    driver[strcspn(driver, ":")] = '\0';
    call.driver = driver;
    return watch->begin(watch, &call) + 1;
}

static void lpprofile_statement_end(int statement, long rows,
                                    const char *error)
{
    lpp_dbd_watch_t *watch = lpp_sql_watch_of_thread();

    if (watch && statement > 0) {
        watch->end(watch, statement - 1, rows, error);
    }
}

void lpp_sql_register_functions(void)
{
    APR_REGISTER_OPTIONAL_FN(lpprofile_statement_begin);
    APR_REGISTER_OPTIONAL_FN(lpprofile_statement_end);
}
