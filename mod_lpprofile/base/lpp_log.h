/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_log: the log as a callback, so that core rooms need no httpd.
 *
 * Core rooms rather return a status than log; they log only what no caller
 * will ever see (a thread of their own that stands down, for instance).
 * Every message has a tag, "LPP" and three digits, given out once in
 * lpp_log_tags.h and never used again for another message.
 */
#ifndef LPP_LOG_H
#define LPP_LOG_H

#include "base/lpp_base.h"

typedef enum {
    LPP_LOG_ERROR,
    LPP_LOG_WARNING,
    LPP_LOG_NOTICE,
    LPP_LOG_INFO,
    LPP_LOG_DEBUG
} lpp_log_level_e;

/* Receives one finished message, without newline, with its tag in front. */
typedef void lpp_log_fn(void *baton, lpp_log_level_e level,
                        apr_status_t status, const char *message);

/*
 * Say where messages of the core go; called once a process generation, before
 * any thread of ours runs. A NULL function means: nowhere.
 * Signal-safe: no. Thread: child-init.
 */
void lpp_log_set(lpp_log_fn *function, void *baton);

/*
 * Log one message, cut at 1 kB. tag is one of lpp_log_tags.h; status is added
 * in words when it is not APR_SUCCESS.
 * Signal-safe: no. Thread: any.
 */
void lpp_log(lpp_log_level_e level, apr_status_t status, const char *tag,
             const char *format, ...) LPP_FORMAT(4, 5);

#endif
