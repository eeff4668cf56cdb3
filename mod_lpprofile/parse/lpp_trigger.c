/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_trigger: see lpp_trigger.h. All functions work on the path as the client
 * encoded it: it is split first and decoded once, last, so that an escape never
 * becomes a separator.
 */
#include <string.h>

#include <apr_cstr.h>
#include <apr_strings.h>

#include "base/lpp_ascii.h"
#include "parse/lpp_trigger.h"

#define MARK_LEN (sizeof(LPP_TRIGGER_MARK) - 1)
#define NAME_MAX_BYTES 32 /* longer than any action's name */
#define OOPS_PREFIX "OOPS-"
#define OOPS_PREFIX_LEN (sizeof(OOPS_PREFIX) - 1)

/* Actions that are no format; their order means nothing. */
static const struct {
    const char *name;
    apr_uint32_t bit;
} known_actions[] = {
    {"help", LPP_ACTION_HELP},         {"show", LPP_ACTION_SHOW},
    {"sql", LPP_ACTION_SQL},           {"sqltrace", LPP_ACTION_SQLTRACE},
    {"reports", LPP_ACTION_REPORTS},   {"report", LPP_ACTION_REPORT},
    {"against", LPP_ACTION_AGAINST},
};

static const struct {
    const char *name;
    lpp_format_e format;
} known_formats[] = {
#define LPP_X(symbol, action, ...) {action, LPP_FORMAT_##symbol},
    LPP_FORMATS(LPP_X)
#undef LPP_X
    {"log", LPP_FORMAT_CALLGRIND}, /* Launchpad's older name */
};

/* One action of a segment, its config still encoded. */
typedef struct action_t {
    const char *name;       /* decoded, trimmed, lower case */
    const char *config;     /* or NULL */
    apr_size_t config_len;
} action_t;

/*
 * Decode the byte at p; *used gets the number of bytes that encode it. Reads
 * nothing past a NUL. %00 is left as it is.
 */
static char decode_one(const char *p, apr_size_t len, apr_size_t *used)
{
    int high, low;

    *used = 1;
    if (p[0] == '%' && len >= 3 && (high = lpp_hex_value(p[1])) >= 0
        && (low = lpp_hex_value(p[2])) >= 0 && (high | low) != 0) {
        *used = 3;
        return (char)(high * 16 + low);
    }
    return p[0];
}

/* The number of bytes at path that spell the mark, encoded or not; 0: none. */
static apr_size_t mark_length(const char *path)
{
    apr_size_t at = 0, used;
    int i;

    for (i = 0; i < (int)MARK_LEN; i++) {
        if (!path[at]) {
            return 0;
        }
        /* decode_one reads the three bytes in order and stops at a NUL, so it
         * does not read past the end of path. */
        if (decode_one(path + at, 3, &used) != LPP_TRIGGER_MARK[i]) {
            return 0;
        }
        at += used;
    }
    return at;
}

const char *lpp_trigger_find(const char *path)
{
    const char *at = lpp_trigger_candidate(path);

    while (at && !mark_length(at)) {
        at = lpp_trigger_candidate(at);
    }
    return at;
}

char *lpp_trigger_decode(const char *text, apr_size_t len, apr_pool_t *pool)
{
    char *result = apr_palloc(pool, len + 1);
    apr_size_t at = 0, out = 0, used;

    if (!result) {
        return NULL;
    }
    while (at < len) {
        result[out++] = decode_one(text + at, len - at, &used);
        at += used;
    }
    result[out] = '\0';
    return result;
}

/* Split one action into name and config. 0: it has no possible name. */
static int read_action(const char *text, apr_size_t len, action_t *action,
                       apr_pool_t *pool)
{
    const char *colon = memchr(text, ':', len);
    apr_size_t name_len = colon ? (apr_size_t)(colon - text) : len;
    char *name;

    /* Blanks around it may be encoded, and there may be any number. */
    name = lpp_trigger_decode(text, name_len, pool);
    if (!name) {
        return 0;
    }
    name = lpp_trim(name);
    if (!*name || strlen(name) > NAME_MAX_BYTES) {
        return 0;
    }
    for (action->name = name; *name; name++) {
        *name = lpp_to_lower(*name);
    }
    action->config = colon ? colon + 1 : NULL;
    action->config_len = colon ? len - name_len - 1 : 0;
    return 1;
}

/* An id in its canonical case; NULL: it is not an id. */
static const char *read_id(const action_t *action, apr_pool_t *pool)
{
    char *id, *p;

    if (!action->config) {
        return NULL;
    }
    id = lpp_trigger_decode(action->config, action->config_len, pool);
    if (!id) {
        return NULL;
    }
    id = lpp_trim(id);
    if (strlen(id) != LPP_OOPS_ID_LEN
        || apr_cstr_casecmpn(id, OOPS_PREFIX, OOPS_PREFIX_LEN)) {
        return NULL;
    }
    memcpy(id, OOPS_PREFIX, OOPS_PREFIX_LEN);
    for (p = id + OOPS_PREFIX_LEN; *p; p++) {
        if (lpp_hex_value(*p) < 0) {
            return NULL;
        }
        *p = lpp_to_lower(*p);
    }
    return id;
}

static void apply_action(lpp_plan_t *plan, const action_t *action,
                         apr_pool_t *pool)
{
    apr_size_t i;

    for (i = 0; i < LPP_COUNT(known_formats); i++) {
        if (!strcmp(action->name, known_formats[i].name)) {
            plan->formats |= LPP_FORMAT_BIT(known_formats[i].format);
            return;
        }
    }
    for (i = 0; i < LPP_COUNT(known_actions); i++) {
        if (!strcmp(action->name, known_actions[i].name)) {
            break;
        }
    }
    if (i == LPP_COUNT(known_actions)) {
        return;
    }
    plan->actions |= known_actions[i].bit;
    if (known_actions[i].bit == LPP_ACTION_SQLTRACE && action->config_len) {
        plan->sql_condition = apr_pstrndup(pool, action->config,
                                           action->config_len);
    }
    else if (known_actions[i].bit == LPP_ACTION_REPORT) {
        plan->report_id = read_id(action, pool);
    }
    else if (known_actions[i].bit == LPP_ACTION_AGAINST) {
        plan->against_id = read_id(action, pool);
    }
}

/* Read all actions after the mark, and resolve their combination. */
static void read_actions(lpp_plan_t *plan, const char *text, apr_size_t len,
                         apr_pool_t *pool)
{
    const char *end = text + len, *stop;
    action_t action;

    for (; text <= end; text = stop + 1) {
        stop = memchr(text, '&', (size_t)(end - text));
        if (!stop) {
            stop = end;
        }
        if (read_action(text, (apr_size_t)(stop - text), &action, pool)) {
            apply_action(plan, &action, pool);
        }
    }
    if (plan->actions & LPP_ACTION_SQLTRACE) {
        plan->actions &= ~(apr_uint32_t)LPP_ACTION_SQL;
    }
    if (!(plan->actions & LPP_ACTION_REPORT)) {
        plan->actions &= ~(apr_uint32_t)LPP_ACTION_AGAINST;
        plan->against_id = NULL;
    }
    if (!plan->actions && !plan->formats) {
        plan->actions = LPP_ACTION_HELP;
    }
}

/* With other actions, or not at the root, the name of an own page counts as an
 * unknown action. */
static void drop_pages(lpp_plan_t *plan)
{
    plan->actions &= ~(apr_uint32_t)(LPP_ACTION_REPORTS | LPP_ACTION_REPORT
                                     | LPP_ACTION_AGAINST);
    plan->report_id = plan->against_id = NULL;
    if (!plan->actions && !plan->formats) {
        plan->actions = LPP_ACTION_HELP;
    }
}

/* Of several pages choose the one that page_path spells, so that an access rule
 * for one page cannot be evaded by naming two. */
static void choose_page(lpp_plan_t *plan)
{
    if (plan->actions & LPP_ACTION_REPORT) {
        plan->actions &= LPP_ACTION_REPORT | LPP_ACTION_AGAINST;
    }
    else if (plan->actions & LPP_ACTION_REPORTS) {
        plan->actions = LPP_ACTION_REPORTS;
    }
}

/* The one spelling of an own page. */
static const char *page_path(const lpp_plan_t *plan, int bare,
                             apr_pool_t *pool)
{
    const char *path = "/" LPP_TRIGGER_MARK;
    apr_size_t i;

    if (plan->actions & LPP_ACTION_REPORT) {
        path = apr_pstrcat(pool, path, "report:",
                           plan->report_id ? plan->report_id : "", NULL);
        if (plan->actions & LPP_ACTION_AGAINST) {
            path = apr_pstrcat(pool, path, "&against:",
                               plan->against_id ? plan->against_id : "",
                               NULL);
        }
        for (i = 0; i < LPP_FORMAT_COUNT; i++) {
            if (plan->formats & LPP_FORMAT_BIT(known_formats[i].format)) {
                path = apr_pstrcat(pool, path, "&", known_formats[i].name,
                                   NULL);
            }
        }
        return path;
    }
    if (plan->actions & LPP_ACTION_REPORTS) {
        return "/" LPP_TRIGGER_MARK "reports";
    }
    return bare ? path : "/" LPP_TRIGGER_MARK "help";
}

static int is_page(const lpp_plan_t *plan)
{
    const apr_uint32_t of_pages = LPP_ACTION_HELP | LPP_ACTION_REPORTS
                                  | LPP_ACTION_REPORT | LPP_ACTION_AGAINST;

    return !(plan->actions & ~of_pages)
           && (!plan->formats || (plan->actions & LPP_ACTION_REPORT));
}

apr_status_t lpp_trigger_parse(const char *path, lpp_plan_t **result,
                               apr_pool_t *pool)
{
    const char *segment, *end, *head;
    apr_size_t mark;
    lpp_plan_t *plan;
    int at_root;

    if (path[0] != '/') {
        return APR_EINVAL;
    }
    segment = lpp_trigger_find(path);
    if (!segment) {
        return APR_NOTFOUND;
    }
    plan = apr_pcalloc(pool, sizeof(*plan));
    if (!plan) {
        return APR_ENOMEM;
    }
    end = segment + strcspn(segment, "/");
    mark = mark_length(segment);
    head = apr_pstrndup(pool, path, (apr_size_t)(segment - 1 - path));
    plan->segment = apr_pstrndup(pool, segment, (apr_size_t)(end - segment));
    if (!head || !plan->segment) {
        return APR_ENOMEM;
    }
    read_actions(plan, segment + mark, (apr_size_t)(end - segment) - mark,
                 pool);
    at_root = segment == path + 1 && (!end[0] || !end[1]);
    if (at_root && is_page(plan)) {
        plan->page = 1;
        choose_page(plan);
        plan->plain_path = page_path(plan, segment + mark == end, pool);
    }
    else {
        drop_pages(plan);
        /* Only a whole segment is removed, so that its neighbours are never
         * joined to form new dots or slashes. */
        plan->plain_path = apr_pstrcat(pool, head, end, NULL);
        if (!plan->plain_path[0]) {
            plan->plain_path = "/";
        }
    }
    *result = plan;
    return APR_SUCCESS;
}

const char *lpp_trigger_strip_uri(const char *uri, apr_pool_t *pool)
{
    const char *stop = uri + strcspn(uri, " \t?#"), *path = uri;
    const char *segment, *head;
    apr_size_t before, whole;
    char *alone;

    if (*uri != '/') {
        path = strstr(uri, "://");
        path = path && path < stop ? path + 3 : stop;
        path += strcspn(path, "/ \t?#");
    }
    if (path >= stop) {
        return uri;
    }
    alone = apr_pstrndup(pool, path, (apr_size_t)(stop - path));
    segment = alone ? lpp_trigger_find(alone) : NULL;
    if (!segment) {
        return uri;
    }
    before = (apr_size_t)(segment - 1 - alone);
    whole = (apr_size_t)(segment - alone) + strcspn(segment, "/");
    head = apr_pstrndup(pool, uri, (apr_size_t)(path - uri) + before);
    if (!head) {
        return uri;
    }
    return apr_pstrcat(pool, head,
                       before == 0 && !alone[whole] ? "/" : "",
                       path + whole, NULL);
}

const char *lpp_trigger_strip_line(const char *line, apr_pool_t *pool)
{
    const char *target, *stripped, *head;

    target = line + strcspn(line, " \t");
    target += strspn(target, " \t");
    stripped = lpp_trigger_strip_uri(target, pool);
    if (stripped == target) {
        return line;
    }
    head = apr_pstrndup(pool, line, (apr_size_t)(target - line));
    return head ? apr_pstrcat(pool, head, stripped, NULL) : line;
}

const char *lpp_trigger_put_back(const lpp_plan_t *plan, const char *original,
                                 const char *location, apr_pool_t *pool)
{
    const char *segment = lpp_trigger_find(original);
    apr_size_t before = segment ? (apr_size_t)(segment - 1 - original) : 0;
    const char *head;

    /* Not the path that the client asked for: insert at the root. */
    if (strncmp(original, location, before) || location[before] != '/') {
        before = 0;
    }
    head = apr_pstrndup(pool, location, before);
    return head ? apr_pstrcat(pool, head, "/", plan->segment,
                              location + before, NULL)
                : location;
}
