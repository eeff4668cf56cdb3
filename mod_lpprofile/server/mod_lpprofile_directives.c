/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_directives: the setters. Each returns NULL or one sentence that
 * names the directive and the value; nothing is looked up on disk here, because
 * the configuration is read twice, and by configtest.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <httpd.h>
#include <http_log.h>

#include "base/lpp_ascii.h"
#include "base/lpp_log_tags.h"
#include "interp/lpp_interp.h"
#include "sampling/lpp_signal.h"
#include "server/mod_lpprofile_config_internal.h"

APLOG_USE_MODULE(lpprofile);

#define EXPR_PREFIX "expr="
#define RATE_MIN_HZ 10
#define RATE_MAX_HZ 10000
#define WAITING_MAX 1000000
#define TIMEOUT_MAX_US apr_time_from_sec(24 * 3600)
#define MAX_TIME_MIN_US apr_time_from_msec(10)

static lpp_conf_t *conf_of(const cmd_parms *cmd)
{
    return ap_get_module_config(cmd->server->module_config,
                                &lpprofile_module);
}

/* The sentence for a value that is not valid. */
static const char *refuse(const cmd_parms *cmd, const char *value,
                          const char *wanted)
{
    const char *shown = "\"\"";

    if (value[strspn(value, " \t")]) {
        shown = ap_escape_logitem(cmd->pool, value);
    }
    return apr_psprintf(cmd->pool, "%s %s: %s", cmd->cmd->name, shown,
                        wanted);
}

static int has_control(const char *text)
{
    for (; *text; text++) {
        if (lpp_is_control(*text)) {
            return 1;
        }
    }
    return 0;
}

static const char *parse_expr(cmd_parms *cmd, const char *text,
                              unsigned int flags,
                              const lpp_conf_expr_t **result)
{
    lpp_conf_expr_t *expr = apr_pcalloc(cmd->pool, sizeof(*expr));
    const char *error = NULL;

    if (!text[strspn(text, " \t")]) {
        return refuse(cmd, text, "needs an expression");
    }
    expr->text = text;
    expr->parsed = ap_expr_parse_cmd(cmd, text,
                                     flags | AP_EXPR_FLAG_DONT_VARY, &error,
                                     NULL);
    if (error) {
        return refuse(cmd, text,
                      apr_pstrcat(cmd->pool, "cannot parse this expression: ",
                                  error, NULL));
    }
    *result = expr;
    return NULL;
}

/* Access is decided before authentication, when the user is not yet known. */
static void warn_of_user(const cmd_parms *cmd, const char *text)
{
    static const char name[] = "REMOTE_USER";

    while (*text && ap_cstr_casecmpn(text, name, sizeof(name) - 1)) {
        text++;
    }
    if (*text) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_WARNING, 0,
                     cmd->server, LPP_TAG_CONFIG_USER_TOO_EARLY ": %s uses "
                     "REMOTE_USER, but is decided before authentication, "
                     "where it is always empty; use " LPP_DIR_REQUIRE_USER,
                     cmd->cmd->name);
    }
}

static const char *set_allowed(cmd_parms *cmd, void *unused,
                               const char *value)
{
    lpp_conf_t *conf = conf_of(cmd);
    const char *text, *error;

    conf->allowed_expr = NULL;
    if (!ap_cstr_casecmp(value, "On")) {
        conf->front.allowed = LPP_ALLOWED_ON;
        return NULL;
    }
    if (!ap_cstr_casecmp(value, "Off")) {
        conf->front.allowed = LPP_ALLOWED_OFF;
        return NULL;
    }
    if (ap_cstr_casecmpn(value, EXPR_PREFIX, sizeof(EXPR_PREFIX) - 1)) {
        return refuse(cmd, value, "must be On, Off or expr=<expression>");
    }
    text = value + sizeof(EXPR_PREFIX) - 1;
    error = parse_expr(cmd, text, 0, &conf->allowed_expr);
    if (!error) {
        conf->front.allowed = LPP_ALLOWED_EXPR;
        warn_of_user(cmd, text);
    }
    return error;
}

static const char *set_directory(cmd_parms *cmd, void *unused,
                                 const char *value)
{
    lpp_conf_t *conf = conf_of(cmd);

    if (!*value || has_control(value)) {
        return refuse(cmd, value, "must name a directory");
    }
    if (cmd->info) {
        conf->oops_dir = value;
    }
    else {
        conf->dir = value;
    }
    return NULL;
}

static const char *set_all_requests(cmd_parms *cmd, void *unused,
                                    const char *value)
{
    lpp_conf_t *conf = conf_of(cmd);

    if (!ap_cstr_casecmp(value, "On")) {
        conf->front.all_requests = 1;
    }
    else if (!ap_cstr_casecmp(value, "Off")) {
        conf->front.all_requests = 0;
    }
    else {
        return refuse(cmd, value, "must be On or Off");
    }
    return NULL;
}

static const char *set_memory_log(cmd_parms *cmd, void *unused,
                                  const char *value)
{
    if (has_control(value) || !value[strspn(value, "| \t")]) {
        return refuse(cmd, value, "must name a file, or be \"|program\"");
    }
    conf_of(cmd)->memory_log = value;
    return NULL;
}

static const char *set_access(cmd_parms *cmd, void *unused,
                              const char *value)
{
    const char *error = parse_expr(cmd, value, 0, &conf_of(cmd)->access);

    if (!error) {
        warn_of_user(cmd, value);
    }
    return error;
}

static const char *set_require_user(cmd_parms *cmd, void *unused,
                                    const char *value)
{
    return parse_expr(cmd, value, 0, &conf_of(cmd)->require_user);
}

static const char *set_page_id(cmd_parms *cmd, void *unused,
                               const char *value)
{
    return parse_expr(cmd, value, AP_EXPR_FLAG_STRING_RESULT,
                      &conf_of(cmd)->page_id);
}

/* A whole number in a range; signs, blanks and trailing text are refused. */
static const char *parse_number(const cmd_parms *cmd, const char *value,
                                apr_int64_t min, apr_int64_t max,
                                apr_int64_t *result)
{
    apr_int64_t number = 0;
    apr_size_t digits = strspn(value, "0123456789");

    if (digits && digits < 19 && !value[digits]) {
        number = apr_atoi64(value);
    }
    if (!digits || value[digits] || digits >= 19 || number < min
        || number > max) {
        return refuse(cmd, value,
                      apr_psprintf(cmd->pool, "must be a whole number from "
                                   "%" APR_INT64_T_FMT " to %" APR_INT64_T_FMT,
                                   min, max));
    }
    *result = number;
    return NULL;
}

static const char *set_rate(cmd_parms *cmd, void *unused, const char *value)
{
    return parse_number(cmd, value, RATE_MIN_HZ, RATE_MAX_HZ,
                        &conf_of(cmd)->rate_hz);
}

static const char *set_max_waiting(cmd_parms *cmd, void *unused,
                                   const char *value)
{
    return parse_number(cmd, value, 0, WAITING_MAX,
                        &conf_of(cmd)->max_waiting);
}

/*
 * A time in the syntax of httpd. The unit is checked here, because httpd's
 * parser reads its first letters only and would accept "30sheep".
 */
static const char *parse_time(const cmd_parms *cmd, const char *value,
                              apr_interval_time_t min,
                              apr_interval_time_t *result)
{
    static const char *const units[] = {"", "ms", "s", "mi", "min", "h"};
    apr_size_t digits = strspn(value, "0123456789"), i;
    apr_interval_time_t time = -1;

    for (i = 0; i < LPP_COUNT(units); i++) {
        if (digits && !strcmp(value + digits, units[i])) {
            break;
        }
    }
    if (i == LPP_COUNT(units)
        || ap_timeout_parameter_parse(value, &time, "s") != APR_SUCCESS) {
        return refuse(cmd, value, "must be a time such as 30s, 500ms, 2min "
                      "or 1h (a plain number means seconds)");
    }
    if (time < min || time > TIMEOUT_MAX_US) {
        return refuse(cmd, value,
                      apr_psprintf(cmd->pool, "must be from %"
                                   APR_TIME_T_FMT "ms to 24h",
                                   apr_time_as_msec(min)));
    }
    *result = time;
    return NULL;
}

static const char *set_lock_timeout(cmd_parms *cmd, void *unused,
                                    const char *value)
{
    return parse_time(cmd, value, 0, &conf_of(cmd)->lock_timeout_us);
}

static const char *set_max_time(cmd_parms *cmd, void *unused,
                                const char *value)
{
    return parse_time(cmd, value, MAX_TIME_MIN_US,
                      &conf_of(cmd)->max_time_us);
}

/* Whether the signal means a fault, cannot be caught, or is used by httpd. */
static int is_reserved(int number)
{
    static const int reserved[] = {
        SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP,
        SIGSYS, SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGWINCH, SIGCHLD,
        SIGPIPE, SIGTSTP, SIGCONT, SIGTTIN, SIGTTOU, SIGALRM
    };
    apr_size_t i;

    for (i = 0; i < LPP_COUNT(reserved); i++) {
        if (number == reserved[i]) {
            return 1;
        }
    }
    return 0;
}

/* Parse the distance from SIGRTMIN or SIGRTMAX: "", "+3", "-2"; returns -1
 * where it is not valid. */
static int parse_distance(const char *text, char sign)
{
    if (!*text) {
        return 0;
    }
    if (*text++ != sign || !*text || strlen(text) > 2
        || text[strspn(text, "0123456789")]) {
        return -1;
    }
    return atoi(text);
}

/* Number of a signal by name, with or without SIG; 0 where there is none. */
static int find_signal(const char *name)
{
    int number, distance;
    const char *known;

    if (!ap_cstr_casecmpn(name, "SIG", 3)) {
        name += 3;
    }
    if (!ap_cstr_casecmpn(name, "RTMIN", 5)) {
        distance = parse_distance(name + 5, '+');
        number = distance < 0 ? 0 : SIGRTMIN + distance;
        return number <= SIGRTMAX ? number : 0;
    }
    if (!ap_cstr_casecmpn(name, "RTMAX", 5)) {
        distance = parse_distance(name + 5, '-');
        number = distance < 0 ? 0 : SIGRTMAX - distance;
        return number >= SIGRTMIN ? number : 0;
    }
    for (number = 1; number < SIGRTMIN; number++) {
        known = sigabbrev_np(number);
        if (known && !ap_cstr_casecmp(known, name)) {
            return number;
        }
    }
    return 0;
}

static const char *set_signal(cmd_parms *cmd, void *unused,
                              const char *value)
{
    lpp_conf_t *conf = conf_of(cmd);
    int number;

    if (cmd->server->is_virtual) {
        return refuse(cmd, value, "is for the whole server and cannot stand "
                      "inside <VirtualHost>");
    }
    if (!ap_cstr_casecmp(value, "auto")) {
        conf->signal_number = LPP_SIGNAL_AUTO;
        return NULL;
    }
    number = find_signal(value);
    if (!number) {
        return refuse(cmd, value, "must be auto or the name of a signal, "
                      "such as SIGPROF or SIGRTMIN+3");
    }
    if (is_reserved(number)) {
        return refuse(cmd, value, "this signal has a meaning of its own and "
                      "cannot be used for sampling");
    }
    conf->signal_number = number;
    return NULL;
}

/* The rule is set as a whole: a missing part has its default, not the value of
 * the server. */
static const char *set_keep(cmd_parms *cmd, void *unused, int count,
                            char *const words[])
{
    lpp_retention_rule_t *rule =
        apr_pmemdup(cmd->pool, &lpp_retention_rule_default, sizeof(*rule));
    unsigned parts = 0;
    int i;

    if (count == 0) {
        return LPP_DIR_KEEP " takes one to four of count=NUMBER, size=BYTES, "
               "age=TIME and failures=NUMBER";
    }
    for (i = 0; i < count; i++) {
        const char *why = lpp_retention_rule_read(rule, &parts, words[i]);

        if (why) {
            return refuse(cmd, words[i], why);
        }
    }
    conf_of(cmd)->retention = rule;
    return NULL;
}

static const char *set_oops_format(cmd_parms *cmd, void *unused,
                                   const char *value)
{
    int bson = !ap_cstr_casecmp(value, "bson");

    if (!bson && ap_cstr_casecmp(value, "rfc822")) {
        return refuse(cmd, value, "must be rfc822 or bson");
    }
    conf_of(cmd)->oops_bson = bson;
    return NULL;
}

static const char *set_kernel_events(cmd_parms *cmd, void *unused,
                                     const char *value, const char *force)
{
    int *mode = &conf_of(cmd)->kernel_events;

    if (cmd->server->is_virtual) {
        return refuse(cmd, value, "is for the whole server and cannot stand "
                      "inside <VirtualHost>");
    }
    if (force && (ap_cstr_casecmp(value, "on")
                  || ap_cstr_casecmp(force, "force"))) {
        return refuse(cmd, apr_pstrcat(cmd->temp_pool, value, " ", force, NULL),
                      "only \"on\" may have \"force\" behind it");
    }
    *mode = !ap_cstr_casecmp(value, "off")    ? LPP_KERNEL_OFF
            : !ap_cstr_casecmp(value, "auto") ? LPP_KERNEL_AUTO
            : ap_cstr_casecmp(value, "on")    ? LPP_CONF_UNSET
            : force                           ? LPP_KERNEL_FORCE
                                              : LPP_KERNEL_ON;
    return *mode == LPP_CONF_UNSET
        ? refuse(cmd, value, "must be auto, on or off") : NULL;
}

static const char *set_hooks(cmd_parms *cmd, void *unused, const char *value)
{
    if (cmd->server->is_virtual) {
        return refuse(cmd, value, "is for the whole server and cannot stand "
                      "inside <VirtualHost>");
    }
    if (ap_cstr_casecmp(value, "On") && ap_cstr_casecmp(value, "Off")) {
        return refuse(cmd, value, "must be On or Off");
    }
    conf_of(cmd)->hooks = !ap_cstr_casecmp(value, "On");
    return NULL;
}

/* The bits of one name: a language, On or Off; ~0: none of these. */
static apr_uint32_t parse_language(const char *name)
{
    int i;

    for (i = 1; i < LPP_LANGUAGES; i++) {
        if (!ap_cstr_casecmp(name, lpp_language_name(i))) {
            return LPP_LANGUAGE_BIT(i);
        }
    }
    return !ap_cstr_casecmp(name, "On") ? LPP_LANGUAGES_ALL
        : !ap_cstr_casecmp(name, "Off") ? 0 : ~(apr_uint32_t)0;
}

static const char *set_interpreters(cmd_parms *cmd, void *unused, int count,
                                    char *const words[])
{
    static const char wanted[] = "must be On, Off, or names of php, python, "
        "lua and perl";
    apr_uint32_t languages = 0;
    int i;

    if (cmd->server->is_virtual) {
        return refuse(cmd, count ? words[0] : "", "is for the whole server "
                      "and cannot stand inside <VirtualHost>");
    }
    for (i = 0; i < count; i++) {
        apr_uint32_t bits = parse_language(words[i]);
        int single = bits == 0 || bits == LPP_LANGUAGES_ALL;

        if (bits == ~(apr_uint32_t)0 || (single && count > 1)) {
            return refuse(cmd, words[i], wanted);
        }
        languages |= bits;
    }
    if (count == 0) {
        return refuse(cmd, "", wanted);
    }
    conf_of(cmd)->interpreters = languages;
    return NULL;
}

static const char *set_oops_reporter(cmd_parms *cmd, void *unused,
                                     const char *value)
{
    if (!*value || has_control(value)) {
        return refuse(cmd, value, "must be a name");
    }
    conf_of(cmd)->oops_reporter = value;
    return NULL;
}

/* Stored in the form used to compare names. */
static const char *add_oops_hide(cmd_parms *cmd, void *unused,
                                 const char *value)
{
    lpp_conf_t *conf = conf_of(cmd);
    char *name = apr_pstrdup(cmd->pool, value), *p;

    for (p = name; *p; p++) {
        if (!lpp_is_alnum(*p) && *p != '-' && *p != '_') {
            return refuse(cmd, value, "must be the name of a request "
                          "variable (letters, digits, - and _)");
        }
        *p = *p == '-' ? '_' : lpp_to_upper(*p);
    }
    if (!*name) {
        return refuse(cmd, value, "must be the name of a request variable");
    }
    if (!conf->oops_hide) {
        conf->oops_hide = apr_array_make(cmd->pool, 4, sizeof(const char *));
    }
    APR_ARRAY_PUSH(conf->oops_hide, const char *) = name;
    return NULL;
}

const command_rec lpp_config_commands[] = {
    AP_INIT_TAKE1(LPP_DIR_ALLOWED, set_allowed, NULL, RSRC_CONF,
                  "On, Off, or expr= and an expression evaluated for each "
                  "request (default: Off)"),
    AP_INIT_TAKE1(LPP_DIR_DIR, set_directory, NULL, RSRC_CONF,
                  "directory for profiles, relative to DefaultRuntimeDir"),
    AP_INIT_TAKE1(LPP_DIR_ALL_REQUESTS, set_all_requests, NULL, RSRC_CONF,
                  "On: every request writes a callgrind log"),
    AP_INIT_TAKE1(LPP_DIR_MEMORY_LOG, set_memory_log, NULL, RSRC_CONF,
                  "file, or \"|program\": one line of memory sizes a "
                  "request"),
    AP_INIT_TAKE1(LPP_DIR_ACCESS, set_access, NULL, RSRC_CONF,
                  "expression: who may ask for profiles and see them"),
    AP_INIT_TAKE1(LPP_DIR_REQUIRE_USER, set_require_user, NULL, RSRC_CONF,
                  "expression checked again once the user is known"),
    AP_INIT_TAKE1(LPP_DIR_RATE, set_rate, NULL, RSRC_CONF,
                  "samples per second of wall time, 10 to 10000"),
    AP_INIT_TAKE1(LPP_DIR_LOCK_TIMEOUT, set_lock_timeout, NULL, RSRC_CONF,
                  "how long a request waits for its turn"),
    AP_INIT_TAKE1(LPP_DIR_MAX_WAITING, set_max_waiting, NULL, RSRC_CONF,
                  "how many requests of the server may wait at a time"),
    AP_INIT_TAKE1(LPP_DIR_MAX_TIME, set_max_time, NULL, RSRC_CONF,
                  "a profile ends after this long"),
    AP_INIT_TAKE_ARGV(LPP_DIR_KEEP, set_keep, NULL, RSRC_CONF,
                    "count=N size=BYTES age=TIME: what is kept (default: "
                    "count=1000 size=64M age=7d)"),
    AP_INIT_TAKE1(LPP_DIR_PAGE_ID, set_page_id, NULL, RSRC_CONF,
                  "expression that gives the page id"),
    AP_INIT_TAKE1(LPP_DIR_SIGNAL, set_signal, NULL, RSRC_CONF,
                  "auto, or the name of the signal to sample with"),
    AP_INIT_TAKE1(LPP_DIR_HOOKS, set_hooks, NULL, RSRC_CONF,
                  "Off: calls of hooks are not counted"),
    AP_INIT_TAKE_ARGV(LPP_DIR_INTERPRETERS, set_interpreters, NULL, RSRC_CONF,
                      "On, Off, or names of php, python, lua and perl: whose "
                      "functions are shown (default: On)"),
    AP_INIT_TAKE12(LPP_DIR_KERNEL_EVENTS, set_kernel_events, NULL, RSRC_CONF,
                   "auto, on or off: whether events of the kernel tell when "
                   "a thread waits (default: auto)"),
    AP_INIT_TAKE1(LPP_DIR_OOPS_DIR, set_directory, (void *)1, RSRC_CONF,
                  "directory for OOPS reports, relative to "
                  "DefaultRuntimeDir (default: oops in LPProfileDir)"),
    AP_INIT_TAKE1(LPP_DIR_OOPS_FORMAT, set_oops_format, NULL, RSRC_CONF,
                  "rfc822 or bson (default: rfc822)"),
    AP_INIT_TAKE1(LPP_DIR_OOPS_REPORTER, set_oops_reporter, NULL, RSRC_CONF,
                  "name of this server in OOPS reports"),
    AP_INIT_ITERATE(LPP_DIR_OOPS_HIDE, add_oops_hide, NULL, RSRC_CONF,
                    "further request variables to hide in OOPS reports"),
    {NULL}
};
