/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_dbd: a decorated driver gives what the real one gives, and tells of it.
 * The real one is made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "sql/lpp_dbd_internal.h"

/* Connections are addresses to us. */
static char handles[3];
#define HANDLE(n) ((apr_dbd_t *)&handles[n])

struct apr_dbd_results_t {
    int rows;
};

struct apr_dbd_prepared_t {
    int n;
};

static int failing;      /* what the driver's calls return */
static int transactions; /* ended by the driver */
static int modes;

static apr_dbd_t *fake_open(apr_pool_t *pool, const char *params,
                            const char **error)
{
    return HANDLE(2);
}

static apr_status_t fake_close(apr_dbd_t *handle)
{
    return APR_SUCCESS;
}

static int fake_start(apr_pool_t *pool, apr_dbd_t *handle,
                      apr_dbd_transaction_t **transaction)
{
    *transaction = (apr_dbd_transaction_t *)&transactions;
    return failing;
}

static int fake_end(apr_dbd_transaction_t *transaction)
{
    transactions++;
    return failing;
}

static int fake_query(apr_dbd_t *handle, int *rows, const char *text)
{
    *rows = (int)strlen(text);
    return failing;
}

static int fake_select(apr_pool_t *pool, apr_dbd_t *handle,
                       apr_dbd_results_t **results, const char *text,
                       int random)
{
    if (!*results) {
        *results = apr_palloc(pool, sizeof(**results));
    }
    (*results)->rows = 3;
    return failing;
}

static int fake_tuples(apr_dbd_results_t *results)
{
    return results->rows;
}

static int fake_row(apr_pool_t *pool, apr_dbd_results_t *results,
                    apr_dbd_row_t **row, int number)
{
    return results->rows-- > 0 ? 0 : -1;
}

static const char *fake_error(apr_dbd_t *handle, int number)
{
    return handle == HANDLE(0) ? "first is wrong" : "it is wrong";
}

static int fake_prepare(apr_pool_t *pool, apr_dbd_t *handle, const char *text,
                        const char *label, int args, int values,
                        apr_dbd_type_e *types, apr_dbd_prepared_t **statement)
{
    if (!*statement) {
        *statement = apr_palloc(pool, sizeof(**statement));
    }
    return failing;
}

static int fake_pvquery(apr_pool_t *pool, apr_dbd_t *handle, int *rows,
                        apr_dbd_prepared_t *statement, va_list args)
{
    *rows = va_arg(args, int);
    return failing;
}

static int fake_pvselect(apr_pool_t *pool, apr_dbd_t *handle,
                         apr_dbd_results_t **results,
                         apr_dbd_prepared_t *statement, int random,
                         va_list args)
{
    *results = apr_palloc(pool, sizeof(**results));
    (*results)->rows = va_arg(args, int);
    return failing;
}

static int fake_pquery(apr_pool_t *pool, apr_dbd_t *handle, int *rows,
                       apr_dbd_prepared_t *statement, const char **args)
{
    *rows = args[0][0];
    return failing;
}

static int fake_pselect(apr_pool_t *pool, apr_dbd_t *handle,
                        apr_dbd_results_t **results,
                        apr_dbd_prepared_t *statement, int random,
                        const char **args)
{
    return fake_select(pool, handle, results, args[0], random);
}

static int fake_pbquery(apr_pool_t *pool, apr_dbd_t *handle, int *rows,
                        apr_dbd_prepared_t *statement, const void **args)
{
    *rows = *(const int *)args[0];
    return failing;
}

static int fake_pbselect(apr_pool_t *pool, apr_dbd_t *handle,
                         apr_dbd_results_t **results,
                         apr_dbd_prepared_t *statement, int random,
                         const void **args)
{
    return fake_select(pool, handle, results, "", random);
}

static int fake_mode(apr_dbd_transaction_t *transaction)
{
    return modes;
}

#define FAKE(driver_name) { \
    .name = driver_name, .open = fake_open, .close = fake_close, \
    .start_transaction = fake_start, .end_transaction = fake_end, \
    .query = fake_query, .select = fake_select, .num_tuples = fake_tuples, \
    .get_row = fake_row, .error = fake_error, .prepare = fake_prepare, \
    .pvquery = fake_pvquery, .pvselect = fake_pvselect, \
    .pquery = fake_pquery, .pselect = fake_pselect, \
    .transaction_mode_get = fake_mode, .pformat = "?", \
    .pvbquery = fake_pvquery, .pvbselect = fake_pvselect, \
    .pbquery = fake_pbquery, .pbselect = fake_pbselect, \
}

static const struct apr_dbd_driver_t first = FAKE("first");
static const struct apr_dbd_driver_t second = FAKE("pgsql");

/* What the watch was told, as one line a call. */
static struct {
    lpp_dbd_watch_t watch;
    char said[4096];
    int tokens;
    int silent; /* this thread serves nobody */
} told;

static void say(const char *format, ...)
{
    apr_size_t len = strlen(told.said);
    va_list args;

    va_start(args, format);
    vsnprintf(told.said + len, sizeof(told.said) - len, format, args);
    va_end(args);
}

static int on_begin(lpp_dbd_watch_t *watch, const lpp_dbd_call_t *call)
{
    say("%d %s %s [%s] on %s %s; ", told.tokens, call->call, call->text,
        call->label ? call->label : "", call->driver, call->database);
    return told.tokens++;
}

static void on_end(lpp_dbd_watch_t *watch, int token, long rows,
                   const char *error)
{
    say("%d %ld %s\n", token, rows, error ? error : "");
}

static void on_fetched(lpp_dbd_watch_t *watch, int token,
                       apr_uint64_t took_us, long rows, const char *error)
{
    say("%d fetched %ld%s\n", token, rows, error ? error : "");
}

static lpp_dbd_watch_t *current(void)
{
    return told.silent ? NULL : &told.watch;
}

static void expect(const char *text)
{
    assert_string_equal(told.said, text);
    told.said[0] = '\0';
}

static apr_pool_t *pool;

static void watch(int on)
{
    memset(&told, 0, sizeof(told));
    told.watch.begin = on_begin;
    told.watch.end = on_end;
    told.watch.fetched = on_fetched;
    atomic_store(&lpp_dbd_watched, on);
    failing = transactions = modes = 0;
}

static int setup(void **state)
{
    apr_initialize();
    lpp_dbd_set_current(current);
    return apr_pool_create(&pool, NULL) != APR_SUCCESS;
}

static int teardown(void **state)
{
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}

static const apr_dbd_driver_t *decorate(const apr_dbd_driver_t *driver,
                                        int n, apr_pool_t *life)
{
    const apr_dbd_driver_t *decorated = driver;
    const char *why;

    assert_int_equal(lpp_dbd_decorate(&decorated, HANDLE(n), driver->name,
                                      n ? "db:two" : "db:one", &why, life),
                     APR_SUCCESS);
    assert_null(why);
    assert_ptr_not_equal(decorated, driver);
    return decorated;
}

static void what_is_no_driver_is_refused(void **state)
{
    struct apr_dbd_driver_t odd = first; /* on the stack: in no object */
    static struct apr_dbd_driver_t wrong = FAKE("first");
    const apr_dbd_driver_t *driver = &odd;
    const char *why = NULL;

    assert_int_equal(lpp_dbd_decorate(&driver, HANDLE(0), "first", "db",
                                      &why, pool), APR_EINVAL);
    assert_non_null(why);
    assert_ptr_equal(driver, &odd);
    assert_null(lpp_dbd_check(&first, "first"));
    assert_non_null(lpp_dbd_check(&first, "second"));
    assert_null(lpp_dbd_check(&wrong, "first"));
    /* Another layout: a function of another object, data, nothing at all. */
    wrong.escape = (const char *(*)(apr_pool_t *, const char *,
                                    apr_dbd_t *))(void *)apr_pstrcat;
    assert_non_null(lpp_dbd_check(&wrong, "first"));
    wrong.escape = NULL;
    wrong.pformat = apr_pstrdup(pool, "?");
    assert_non_null(lpp_dbd_check(&wrong, "first"));
    wrong.pformat = NULL;
    assert_null(lpp_dbd_check(&wrong, "first"));
    wrong.select = NULL;
    assert_non_null(lpp_dbd_check(&wrong, "first"));
}

static void every_call_is_told_and_gives_what_it_gave(void **state)
{
    const apr_dbd_driver_t *driver = decorate(&first, 0, pool);
    apr_dbd_prepared_t *statement = NULL;
    apr_dbd_results_t *results = NULL;
    const char *args[] = {"A"};
    const int number = 9;
    const void *values[] = {&number};
    int rows = 0;

    watch(1);
    assert_int_equal(apr_dbd_query(driver, HANDLE(0), &rows, "DELETE"), 0);
    assert_int_equal(rows, 6);
    expect("0 query DELETE [] on first db:one; 0 6 \n");
    assert_int_equal(apr_dbd_prepare(driver, pool, HANDLE(0), "SELECT %s",
                                     "label", &statement), 0);
    expect("1 prepare SELECT ? [label] on first db:one; 1 -1 \n");
    told.tokens = 1;
    assert_int_equal(apr_dbd_pvquery(driver, pool, HANDLE(0), &rows,
                                     statement, 5), 0);
    assert_int_equal(rows, 5);
    expect("1 pvquery SELECT ? [label] on first db:one; 1 5 \n");
    assert_int_equal(apr_dbd_pquery(driver, pool, HANDLE(0), &rows, statement,
                                    1, args), 0);
    expect("2 pquery SELECT ? [label] on first db:one; 2 65 \n");
    assert_int_equal(apr_dbd_pbquery(driver, pool, HANDLE(0), &rows,
                                     statement, values), 0);
    expect("3 pbquery SELECT ? [label] on first db:one; 3 9 \n");
    assert_int_equal(apr_dbd_pvbquery(driver, pool, HANDLE(0), &rows,
                                      statement, 4), 0);
    expect("4 pvbquery SELECT ? [label] on first db:one; 4 4 \n");
    assert_int_equal(apr_dbd_pvselect(driver, pool, HANDLE(0), &results,
                                      statement, 1, 8), 0);
    assert_int_equal(results->rows, 8);
    expect("5 pvselect SELECT ? [label] on first db:one; 5 8 \n");
    assert_int_equal(apr_dbd_pvbselect(driver, pool, HANDLE(0), &results,
                                       statement, 1, 7), 0);
    expect("6 pvbselect SELECT ? [label] on first db:one; 6 7 \n");
    assert_int_equal(apr_dbd_pselect(driver, pool, HANDLE(0), &results,
                                     statement, 1, 1, args), 0);
    expect("7 pselect SELECT ? [label] on first db:one; 7 3 \n");
    assert_int_equal(apr_dbd_pbselect(driver, pool, HANDLE(0), &results,
                                      statement, 1, values), 0);
    expect("8 pbselect SELECT ? [label] on first db:one; 8 3 \n");
}

static void rows_are_counted_as_they_come(void **state)
{
    const apr_dbd_driver_t *driver = decorate(&first, 0, pool);
    apr_dbd_results_t *results = NULL;
    apr_dbd_row_t *row = NULL;
    int n = 0;

    watch(1);
    assert_int_equal(apr_dbd_select(driver, pool, HANDLE(0), &results,
                                    "SELECT", 0), 0);
    expect("0 select SELECT [] on first db:one; 0 -1 \n");
    while (!apr_dbd_get_row(driver, pool, results, &row, -1)) {
        n++;
    }
    assert_int_equal(n, 3);
    expect("0 fetched 1\n0 fetched 1\n0 fetched 1\n0 fetched 0\n");
    /* Results that nobody watched when they came. */
    watch(1);
    results->rows = 1;
    assert_int_equal(apr_dbd_get_row(driver, pool, results, &row, -1), 0);
    expect("");
}

static void failures_have_their_message(void **state)
{
    const apr_dbd_driver_t *driver = decorate(&first, 0, pool);
    apr_dbd_prepared_t *statement = NULL;
    apr_dbd_results_t *results = NULL;
    int rows = 0;

    watch(1);
    failing = 42;
    assert_int_equal(apr_dbd_query(driver, HANDLE(0), &rows, "X"), 42);
    expect("0 query X [] on first db:one; 0 -1 first is wrong\n");
    assert_int_equal(apr_dbd_select(driver, pool, HANDLE(0), &results, "Y",
                                    1), 42);
    expect("1 select Y [] on first db:one; 1 -1 first is wrong\n");
    assert_int_equal(apr_dbd_prepare(driver, pool, HANDLE(0), "Z", NULL,
                                     &statement), 42);
    expect("2 prepare Z [] on first db:one; 2 -1 first is wrong\n");
    failing = 0;
    assert_int_equal(apr_dbd_prepare(driver, pool, HANDLE(0), "Z", NULL,
                                     &statement), 0);
    expect("");
}

static void transactions_are_told(void **state)
{
    const apr_dbd_driver_t *driver = decorate(&first, 0, pool);
    apr_dbd_transaction_t *transaction = NULL;

    watch(1);
    assert_int_equal(apr_dbd_transaction_start(driver, pool, HANDLE(0),
                                               &transaction), 0);
    expect("0 transaction_start BEGIN [] on first db:one; 0 -1 \n");
    assert_int_equal(apr_dbd_transaction_end(driver, pool, transaction), 0);
    assert_int_equal(transactions, 1);
    expect("1 transaction_end COMMIT [] on first db:one; 1 -1 \n");
    modes = APR_DBD_TRANSACTION_ROLLBACK;
    assert_int_equal(apr_dbd_transaction_start(driver, pool, HANDLE(0),
                                               &transaction), 0);
    told.said[0] = '\0';
    assert_int_equal(apr_dbd_transaction_end(driver, pool, transaction), 0);
    expect("3 transaction_end ROLLBACK [] on first db:one; 3 -1 \n");
}

static void nobody_watches_and_nothing_is_told(void **state)
{
    const apr_dbd_driver_t *driver = decorate(&first, 0, pool);
    apr_dbd_prepared_t *statement = NULL;
    apr_dbd_results_t *results = NULL;
    apr_dbd_row_t *row = NULL;
    int silent, rows;

    for (silent = 0; silent < 2; silent++) {
        watch(silent); /* none at all; and none of this thread */
        told.silent = 1;
        assert_int_equal(apr_dbd_query(driver, HANDLE(0), &rows, "abc"), 0);
        assert_int_equal(rows, 3);
        assert_int_equal(apr_dbd_select(driver, pool, HANDLE(0), &results,
                                        "x", 0), 0);
        assert_int_equal(apr_dbd_get_row(driver, pool, results, &row, -1), 0);
        expect("");
    }
    /* Prepared while nobody watched, executed when somebody does. */
    assert_int_equal(apr_dbd_prepare(driver, pool, HANDLE(0), "A %d", NULL,
                                     &statement), 0);
    watch(1);
    assert_int_equal(apr_dbd_pvquery(driver, pool, HANDLE(0), &rows,
                                     statement, 1), 0);
    expect("0 pvquery A ? [] on first db:one; 0 1 \n");
}

static void two_drivers_do_not_mix(void **state)
{
    const apr_dbd_driver_t *one = decorate(&first, 0, pool);
    const apr_dbd_driver_t *two = decorate(&second, 1, pool);
    const apr_dbd_driver_t *again = two;
    apr_dbd_results_t *results = NULL;
    apr_dbd_row_t *row = NULL;
    apr_dbd_t *opened = NULL;
    const char *why;
    int rows;

    assert_ptr_not_equal(one, two);
    assert_null(atomic_load(&lpp_dbd_sole));
    assert_ptr_equal(lpp_dbd_driver_of(HANDLE(0)), &first);
    assert_ptr_equal(lpp_dbd_driver_of(HANDLE(1)), &second);
    /* Decorating what is decorated changes nothing. */
    assert_int_equal(lpp_dbd_decorate(&again, HANDLE(1), "pgsql", "db:two",
                                      &why, pool), APR_SUCCESS);
    assert_ptr_equal(again, two);
    watch(1);
    assert_int_equal(apr_dbd_query(two, HANDLE(1), &rows, "B"), 0);
    expect("0 query B [] on pgsql db:two; 0 1 \n");
    assert_int_equal(apr_dbd_query(one, HANDLE(0), &rows, "A"), 0);
    expect("1 query A [] on first db:one; 1 1 \n");
    /* An asynchronous statement that fails only while rows are awaited. */
    assert_int_equal(apr_dbd_select(two, pool, HANDLE(1), &results, "S", 0),
                     0);
    results->rows = 0;
    told.said[0] = '\0';
    assert_int_equal(apr_dbd_get_row(two, pool, results, &row, -1), -1);
    expect("2 fetched 0it is wrong\n");
    /* Opened through the decorated driver: known as well. */
    opened = two->open(pool, "", NULL);
    assert_ptr_equal(lpp_dbd_driver_of(opened), &second);
}

static void what_is_gone_is_not_known(void **state)
{
    apr_dbd_prepared_t *statement;
    lpp_dbd_call_t call = {NULL, NULL, NULL, NULL, NULL};
    apr_pool_t *life;

    assert_int_equal(apr_pool_create(&life, pool), APR_SUCCESS);
    statement = apr_palloc(life, sizeof(*statement));
    decorate(&second, 2, life);
    lpp_dbd_remember(HANDLE(2), statement, "l", "text", life);
    lpp_dbd_describe(HANDLE(2), statement, &call);
    assert_string_equal(call.text, "text");
    assert_string_equal(call.driver, "pgsql");
    apr_pool_destroy(life);
    call.text = NULL;
    lpp_dbd_describe(HANDLE(2), statement, &call);
    assert_null(call.text);
}

static void a_prepared_statement_of_unknown_text_says_so(void **state)
{
    const apr_dbd_driver_t *driver = decorate(&first, 0, pool);
    struct apr_dbd_prepared_t statement;
    int rows;

    watch(1);
    assert_int_equal(apr_dbd_pvquery(driver, pool, HANDLE(0), &rows,
                                     &statement, 1), 0);
    assert_non_null(strstr(told.said, "its text is not known"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_driver_is_refused),
        cmocka_unit_test(every_call_is_told_and_gives_what_it_gave),
        cmocka_unit_test(rows_are_counted_as_they_come),
        cmocka_unit_test(failures_have_their_message),
        cmocka_unit_test(transactions_are_told),
        cmocka_unit_test(nobody_watches_and_nothing_is_told),
        cmocka_unit_test(two_drivers_do_not_mix),
        cmocka_unit_test(what_is_gone_is_not_known),
        cmocka_unit_test(a_prepared_statement_of_unknown_text_says_so),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
