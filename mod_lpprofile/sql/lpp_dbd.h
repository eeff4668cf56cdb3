/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_dbd: an apr_dbd driver that reports every statement sent through it.
 *
 * A decorated driver is a copy of the real one in which the functions that send
 * statements or fetch rows are replaced; all others are the real ones. Copies
 * live as long as the process. If no request is watched, a call costs one test
 * more than before. In a process with several drivers, it also has to find the
 * right one; when a statement is prepared, its text is stored.
 *
 * apr_dbd_driver_t is a private structure of apr-util, unchanged since 1.3.
 * What can be checked of it is checked before the first use of each driver.
 */
#ifndef LPP_DBD_H
#define LPP_DBD_H

#include <stdatomic.h>

#include <apr_dbd.h>

#include "base/lpp_base.h"

#define LPP_DBD_DRIVERS_MAX 4 /* different ones in a process */
#define LPP_DBD_OPEN_MAX 32   /* results whose rows are watched at a time */

/* A statement that is about to be sent. All borrowed. */
typedef struct lpp_dbd_call_t {
    const char *call;     /* "query", "pvselect", "transaction_start": static */
    const char *text;     /* whole text; of a prepared statement, its text as
                             prepared */
    const char *label;    /* of a prepared one, or NULL */
    const char *driver;   /* "pgsql" */
    const char *database; /* as given to lpp_dbd_decorate, or the driver */
} lpp_dbd_call_t;

typedef struct lpp_dbd_watch_t lpp_dbd_watch_t;

/* A request that is watched. Used by one thread at a time. */
struct lpp_dbd_watch_t {
    /* Returns a token that is passed to the other two functions. Called before
     * the time measurement of the statement begins. */
    int (*begin)(lpp_dbd_watch_t *watch, const lpp_dbd_call_t *call);
    /* rows < 0: not known. error: of the driver, or NULL. */
    void (*end)(lpp_dbd_watch_t *watch, int token, long rows,
                const char *error);
    /* A row was fetched: rows is 1, 0 (none left) or -1 (not to be counted).
     * error: the statement failed while rows were fetched, or NULL. */
    void (*fetched)(lpp_dbd_watch_t *watch, int token, apr_uint64_t took_us,
                    long rows, const char *error);
    /* Internal to lpp_dbd; zero at first. */
    struct {
        const void *results; /* or a transaction */
        apr_dbd_t *handle;
        int token;
        int counted; /* 1: its rows are counted when fetched */
        long got;
    } open[LPP_DBD_OPEN_MAX];
    unsigned next_open;
};

/* The number of watched requests in this process; every call reads it. */
extern atomic_int lpp_dbd_watched;

/* Set the function that returns the watch of the calling thread, or NULL if it
 * has none. It is called only while lpp_dbd_watched is not 0. Set it before
 * that.
 * Signal-safe: no. Thread: child-init. */
typedef lpp_dbd_watch_t *lpp_dbd_current_fn(void);
void lpp_dbd_set_current(lpp_dbd_current_fn *function);

/*
 * Check that a driver has the expected structure, and that name. Returns NULL,
 * or what is wrong, as a static sentence.
 * Signal-safe: no. Thread: any.
 */
const char *lpp_dbd_check(const apr_dbd_driver_t *driver, const char *name);

/*
 * Replace *driver by its decorated copy, and register handle as a connection to
 * database (copied) until pool is destroyed, which must happen before handle is
 * closed.
 * Errors: APR_EINVAL: the driver is not as expected, *why says what is wrong
 * (as lpp_dbd_check); APR_ENOSPC: too many drivers; APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_dbd_decorate(const apr_dbd_driver_t **driver,
                                             apr_dbd_t *handle,
                                             const char *name,
                                             const char *database,
                                             const char **why,
                                             apr_pool_t *pool);

/*
 * Register a statement that was prepared before its connection was decorated.
 * It must live as long as pool; label (or NULL) and text are copied.
 * Signal-safe: no. Thread: that of the connection.
 */
void lpp_dbd_remember(apr_dbd_t *handle, const apr_dbd_prepared_t *statement,
                      const char *label, const char *text, apr_pool_t *pool);

#endif
