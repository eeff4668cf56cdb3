/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_log: logs through a callback, so that the core does not depend on httpd.
 *
 * The core returns a status instead of logging. It logs only errors that no
 * caller can see, such as those in a thread of its own. Every message has a
 * tag, "LPP" and three digits, assigned once in lpp_log_tags.h and never
 * reused.
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

/* Receives one complete message, without newline, that begins with its tag. */
typedef void lpp_log_fn(void *baton, lpp_log_level_e level,
                        apr_status_t status, const char *message);

/*
 * Set the function that receives messages of the core, and its baton
 * (borrowed); called once in each generation, before any thread of this module
 * runs. With function NULL, messages are dropped.
 * Signal-safe: no. Thread: child-init.
 */
void lpp_log_set(lpp_log_fn *function, void *baton);

/*
 * Log one message, cut at 1 kB. tag is one of lpp_log_tags.h; a status other
 * than APR_SUCCESS is added as text.
 * Signal-safe: no. Thread: any.
 */
void lpp_log(lpp_log_level_e level, apr_status_t status, const char *tag,
             const char *format, ...) LPP_FORMAT(4, 5);

#endif
