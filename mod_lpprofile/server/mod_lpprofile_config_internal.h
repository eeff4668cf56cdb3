/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_config_internal: the members of lpp_conf_t, for the files of
 * the configuration (values, setters, access) only.
 */
#ifndef MOD_LPPROFILE_CONFIG_INTERNAL_H
#define MOD_LPPROFILE_CONFIG_INTERNAL_H

#include "server/mod_lpprofile_config.h"

/* A value that is not set: the merge takes the value of the main server, the
 * getters return the default. The initial value of every member that is not a
 * pointer. */
#define LPP_CONF_UNSET (-1)

typedef enum {
    LPP_ALLOWED_UNSET = LPP_CONF_UNSET, /* counts as off */
    LPP_ALLOWED_OFF = 0,
    LPP_ALLOWED_ON = 1,
    LPP_ALLOWED_EXPR = 2
} lpp_allowed_e;

/* An expression and its text, both in the config pool. */
typedef struct lpp_conf_expr_t {
    const ap_expr_info_t *parsed;
    const char *text;
} lpp_conf_expr_t;

struct lpp_conf_t {
    lpp_conf_front_t front;           /* must be first; allowed is an
                                         lpp_allowed_e */
    const lpp_conf_expr_t *allowed_expr; /* set where it is EXPR */
    const lpp_conf_expr_t *access;    /* NULL: the default rule */
    const lpp_conf_expr_t *require_user;
    const lpp_conf_expr_t *page_id;   /* string-valued */
    apr_int64_t rate_hz;
    apr_interval_time_t lock_timeout_us;
    apr_interval_time_t max_time_us;
    apr_int64_t max_waiting;
    int signal_number;                /* read from the main server only */
    int hooks;                        /* the same; LPP_CONF_UNSET is On */
    apr_int64_t interpreters;         /* the same; bits of languages */
    int kernel_events;                /* the same; a lpp_kernel_mode_e */
    const char *dir;                  /* as configured; NULL: default */
    const char *oops_dir;
    const char *dir_path;             /* absolute, made in post_config */
    const char *oops_dir_path;
    const lpp_retention_rule_t *retention; /* NULL: default */
    int oops_bson;
    const char *oops_reporter;
    const char *memory_log;           /* as configured; NULL: none */
    const lpp_memory_log_t *memory_handle; /* open, or NULL */
    apr_array_header_t *oops_hide;    /* const char *, upper case, "_" */
};

#endif
