/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpp_dbd: for tests: what modules do with a connection of mod_dbd, in all
 * the forms that apr_dbd has. The handler lpp-dbd reads how from the query
 * string, a statement from X-Statement, and answers with the first value; the
 * thread's CPU time and wall time for that, in nanoseconds, are in X-Took.
 * (mod_lua's select finds no rows where a driver fetches them late.)
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <apr_dbd.h>
#include <apr_strings.h>
#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>
#include <mod_dbd.h>

#define PERSON "SELECT name FROM person WHERE id = "

static APR_OPTIONAL_FN_TYPE(ap_dbd_acquire) *acquire;

/* All rows; the first value of the first one. */
static const char *first_value(request_rec *r, ap_dbd_t *dbd,
                               apr_dbd_results_t *results)
{
    apr_dbd_row_t *row = NULL;
    const char *value = "none";
    int n;

    for (n = 0; !apr_dbd_get_row(dbd->driver, r->pool, results, &row, -1);
         n++) {
        if (!n) {
            value = apr_pstrdup(r->pool,
                                apr_dbd_get_entry(dbd->driver, row, 0));
        }
    }
    return value ? value : "null";
}

static const char *select_it(request_rec *r, ap_dbd_t *dbd, const char *text,
                             int random)
{
    apr_dbd_results_t *results = NULL;

    if (apr_dbd_select(dbd->driver, r->pool, dbd->handle, &results, text,
                       random)) {
        return "failed";
    }
    return first_value(r, dbd, results);
}

/* One statement that gives many rows, and one for each of them. */
static const char *loop(request_rec *r, ap_dbd_t *dbd, int count)
{
    const char *value = "none";
    int i;

    select_it(r, dbd, apr_psprintf(r->pool, "SELECT id FROM person WHERE "
                                   "id < %d", count), 0);
    for (i = 0; i < count; i++) {
        value = select_it(r, dbd, apr_psprintf(r->pool, PERSON "%d", i), 0);
    }
    return value;
}

static const char *transaction(request_rec *r, ap_dbd_t *dbd, int rollback)
{
    apr_dbd_transaction_t *begun = NULL;
    int rows = -1;

    if (apr_dbd_transaction_start(dbd->driver, r->pool, dbd->handle,
                                  &begun)) {
        return "failed";
    }
    if (rollback) {
        apr_dbd_transaction_mode_set(dbd->driver, begun,
                                     APR_DBD_TRANSACTION_ROLLBACK);
    }
    apr_dbd_query(dbd->driver, dbd->handle, &rows,
                  "UPDATE person SET city = 'City' WHERE id < 3");
    if (apr_dbd_transaction_end(dbd->driver, r->pool, begun)) {
        return "failed";
    }
    return apr_itoa(r->pool, rows);
}

/* Each way to execute what was prepared. */
static const char *forms(request_rec *r, ap_dbd_t *dbd)
{
    apr_dbd_prepared_t *select = NULL, *update = NULL;
    apr_dbd_results_t *results[4] = { NULL, NULL, NULL, NULL };
    const char *args[] = { "1", NULL };
    const int number = 1;
    const void *values[] = { &number, NULL };
    int rows[4] = { -1, -1, -1, -1 }, i;
    const char *said = "";

    if (apr_dbd_prepare(dbd->driver, r->pool, dbd->handle, PERSON "%d",
                        NULL, &select)
        || apr_dbd_prepare(dbd->driver, r->pool, dbd->handle,
                           "UPDATE person SET city = 'City' WHERE id = %d",
                           apr_psprintf(r->pool, "lpp_%" APR_TIME_T_FMT,
                                        r->request_time), &update)) {
        return "not prepared";
    }
    apr_dbd_pselect(dbd->driver, r->pool, dbd->handle, &results[0], select, 1,
                    1, args);
    apr_dbd_pvselect(dbd->driver, r->pool, dbd->handle, &results[1], select,
                     1, "1", NULL);
    apr_dbd_pbselect(dbd->driver, r->pool, dbd->handle, &results[2], select,
                     1, values);
    apr_dbd_pvbselect(dbd->driver, r->pool, dbd->handle, &results[3], select,
                      1, &number, NULL);
    apr_dbd_pquery(dbd->driver, r->pool, dbd->handle, &rows[0], update, 1,
                   args);
    apr_dbd_pvquery(dbd->driver, r->pool, dbd->handle, &rows[1], update, "1",
                    NULL);
    apr_dbd_pbquery(dbd->driver, r->pool, dbd->handle, &rows[2], update,
                    values);
    apr_dbd_pvbquery(dbd->driver, r->pool, dbd->handle, &rows[3], update,
                     &number, NULL);
    for (i = 0; i < 4; i++) {
        said = apr_psprintf(r->pool, "%s%s %d;", said, results[i]
                            ? first_value(r, dbd, results[i]) : "failed",
                            rows[i]);
    }
    return said;
}

static const char *work(request_rec *r, ap_dbd_t *dbd)
{
    const char *how = r->args ? r->args : "";
    const char *text = apr_table_get(r->headers_in, "X-Statement");
    int rows = -1;

    if (!strncmp(how, "loop=", 5)) {
        return loop(r, dbd, atoi(how + 5));
    }
    if (!strcmp(how, "commit") || !strcmp(how, "rollback")) {
        return transaction(r, dbd, how[0] == 'r');
    }
    if (!strcmp(how, "forms")) {
        return forms(r, dbd);
    }
    if (!strcmp(how, "query")) {
        return apr_dbd_query(dbd->driver, dbd->handle, &rows, text)
                   ? "failed" : apr_itoa(r->pool, rows);
    }
    return text ? select_it(r, dbd, text, !strcmp(how, "random")) : "nothing";
}

static apr_int64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * APR_INT64_C(1000000000) + now.tv_nsec;
}

static int handler(request_rec *r)
{
    apr_int64_t cpu, wall;
    const char *value;
    ap_dbd_t *dbd;

    if (!r->handler || strcmp(r->handler, "lpp-dbd")) {
        return DECLINED;
    }
    dbd = acquire ? acquire(r) : NULL;
    if (!dbd) {
        return HTTP_SERVICE_UNAVAILABLE;
    }
    wall = clock_ns(CLOCK_MONOTONIC);
    cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    value = work(r, dbd);
    cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    wall = clock_ns(CLOCK_MONOTONIC) - wall;
    apr_table_setn(r->headers_out, "X-Took",
                   apr_psprintf(r->pool, "%" APR_INT64_T_FMT " %"
                                APR_INT64_T_FMT, cpu, wall));
    ap_set_content_type(r, "text/html");
    ap_rvputs(r, "<html><body>", ap_escape_html(r->pool, value),
              "</body></html>", NULL);
    return OK;
}

static void retrieve(void)
{
    acquire = APR_RETRIEVE_OPTIONAL_FN(ap_dbd_acquire);
}

static void register_hooks(apr_pool_t *pool)
{
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_optional_fn_retrieve(retrieve, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(lpp_dbd) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks,
    AP_MODULE_FLAG_NONE
};
