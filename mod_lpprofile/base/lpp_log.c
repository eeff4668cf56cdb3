/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_log: see lpp_log.h. */
#include <stdarg.h>
#include <string.h>

#include <apr_strings.h>

#include "base/lpp_log.h"

#define MESSAGE_MAX_BYTES 1024

/* Set before any thread of this module exists, then only read. */
static lpp_log_fn *log_function;
static void *log_baton;

void lpp_log_set(lpp_log_fn *function, void *baton)
{
    log_function = function;
    log_baton = baton;
}

void lpp_log(lpp_log_level_e level, apr_status_t status, const char *tag,
             const char *format, ...)
{
    char message[MESSAGE_MAX_BYTES];
    va_list args;
    int used;

    if (!log_function) {
        return;
    }
    used = apr_snprintf(message, sizeof(message), "%s: ", tag);
    va_start(args, format);
    apr_vsnprintf(message + used, sizeof(message) - (size_t)used, format,
                  args);
    va_end(args);
    log_function(log_baton, level, status, message);
}
