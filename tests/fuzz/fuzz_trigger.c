/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_trigger: any path against a plain reading of contract section 3, which
 * decodes each segment whole and compares. What must hold besides: nothing of
 * the path but the segment goes, the request line agrees with the path, and
 * what a plan holds is of the right form.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "parse/lpp_trigger.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                       \
    do {                                                                      \
        if (!(condition)) {                                                   \
            abort();                                                          \
        }                                                                     \
    } while (0)

static apr_pool_t *fresh_pool(void)
{
    static apr_pool_t *pool;

    if (!pool) {
        MUST(apr_initialize() == APR_SUCCESS);
        MUST(apr_pool_create(&pool, NULL) == APR_SUCCESS);
    }
    apr_pool_clear(pool);
    return pool;
}

/* Written to be read: decode every segment, look at its beginning. */
static const char *expected_segment(const char *path, apr_pool_t *pool)
{
    const char *slash;

    for (slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t len = strcspn(slash + 1, "/");
        const char *text = lpp_trigger_decode(slash + 1, len, pool);

        if (!strncmp(text, LPP_TRIGGER_MARK, strlen(LPP_TRIGGER_MARK))) {
            return slash + 1;
        }
    }
    return NULL;
}

static void check_id(const char *id)
{
    MUST(!id || (strlen(id) == LPP_OOPS_ID_LEN && !strncmp(id, "OOPS-", 5)
                 && strspn(id + 5, "0123456789abcdef") == 32));
}

static void check_plan(const lpp_plan_t *plan)
{
    MUST(plan->actions || plan->formats);
    MUST(!(plan->formats >> LPP_FORMAT_COUNT));
    MUST(!(plan->actions & LPP_ACTION_SQL)
         || !(plan->actions & LPP_ACTION_SQLTRACE));
    MUST(!(plan->actions & LPP_ACTION_AGAINST)
         || (plan->actions & LPP_ACTION_REPORT));
    MUST(plan->page || !(plan->actions & (LPP_ACTION_REPORTS
                                          | LPP_ACTION_REPORT)));
    MUST(plan->page || (!plan->report_id && !plan->against_id));
    MUST(!plan->sql_condition || (plan->actions & LPP_ACTION_SQLTRACE));
    MUST(plan->plain_path[0] == '/');
    check_id(plan->report_id);
    check_id(plan->against_id);
}

/* plain is path without the slash and segment at segment, and nothing else. */
static void check_plain(const char *path, const char *segment,
                        const lpp_plan_t *plan, apr_pool_t *pool)
{
    const char *end = segment + strcspn(segment, "/");
    const char *head = apr_pstrndup(pool, path,
                                    (apr_size_t)(segment - 1 - path));
    const char *plain = apr_pstrcat(pool, head, end, NULL);
    const char *line = apr_pstrcat(pool, "GET ", path, " HTTP/1.1", NULL);

    plain = *plain ? plain : "/";
    MUST(!strcmp(plan->plain_path, plain));
    if (!path[strcspn(path, " \t?#")]) {
        MUST(!strcmp(lpp_trigger_strip_line(line, pool),
                     apr_pstrcat(pool, "GET ", plain, " HTTP/1.1", NULL)));
    }
    /* A redirect that only adds a slash keeps the segment in its place. */
    MUST(!strcmp(lpp_trigger_put_back(plan, path, *end ? plain
                                      : apr_pstrcat(pool, head, "/", NULL),
                                      pool),
                 apr_pstrcat(pool, path, *end ? "" : "/", NULL)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fresh_pool();
    char *path = apr_pstrmemdup(pool, (const char *)data, size);
    const char *segment = expected_segment(path, pool);
    lpp_plan_t *plan = NULL;
    apr_status_t rv;

    lpp_trigger_strip_line(path, pool);
    MUST(lpp_trigger_find(path) == segment);
    rv = lpp_trigger_parse(path, &plan, pool);
    if (path[0] != '/') {
        MUST(rv == APR_EINVAL && !plan);
        return 0;
    }
    if (!segment) {
        MUST(rv == APR_NOTFOUND && !plan);
        return 0;
    }
    MUST(rv == APR_SUCCESS && plan);
    check_plan(plan);
    if (!plan->page) {
        check_plain(path, segment, plan, pool);
    }
    else {
        lpp_plan_t *again;

        /* The canonical spelling of a page means the same page. */
        MUST(segment == path + 1);
        MUST(lpp_trigger_parse(plan->plain_path, &again, pool)
             == APR_SUCCESS);
        MUST(again->page && !strcmp(again->plain_path, plan->plain_path));
        MUST(again->actions == plan->actions);
        MUST(again->formats == plan->formats);
    }
    return 0;
}
