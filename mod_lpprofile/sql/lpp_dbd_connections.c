/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_dbd_connections: data of connections and prepared statements, found by
 * their addresses. Entries are in the callers' pools, whose cleanups remove
 * them from the lists. One mutex guards all lists; a statement's text is read
 * without it, by the one thread that uses the connection.
 */
#include <pthread.h>
#include <string.h>

#include <apr_strings.h>

#include "sql/lpp_dbd_internal.h"

atomic_int lpp_dbd_watched;
lpp_dbd_slot_t lpp_dbd_slots[LPP_DBD_DRIVERS_MAX];
_Atomic(const lpp_dbd_driver_t *) lpp_dbd_sole;

#define BUCKETS 256u

/* The common begin of the entries of both lists. */
typedef struct entry_t entry_t;
struct entry_t {
    entry_t *next;
    entry_t **bucket;    /* the list it is in */
    const void *address; /* by which it is found */
};

typedef struct connection_t {
    entry_t entry;
    const lpp_dbd_driver_t *real;
    const char *database;
} connection_t;

typedef struct prepared_t {
    entry_t entry;
    const char *label; /* or NULL */
    const char *text;
} prepared_t;

/* Locking it twice returns an error: a child of prefork clears its pools in a
 * signal handler, which may interrupt a thread that has locked it. */
static pthread_mutex_t mutex
    = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static entry_t *connections[BUCKETS]; /* guarded by mutex */
static entry_t *statements[BUCKETS];  /* guarded by mutex */

static unsigned bucket_of(const void *address)
{
    apr_uint64_t value = (apr_uint64_t)(apr_uintptr_t)address;

    return (unsigned)((value * APR_UINT64_C(0x9e3779b97f4a7c15)) >> 56)
           % BUCKETS;
}

static apr_status_t remove_entry(void *baton)
{
    entry_t *gone = baton, **at;

    if (pthread_mutex_lock(&mutex)) {
        return APR_SUCCESS; /* in a signal handler: this process ends */
    }
    at = gone->bucket;
    while (*at && *at != gone) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = gone->next;
    }
    pthread_mutex_unlock(&mutex);
    return APR_SUCCESS;
}

/* Add to a list, before an older entry of the same address, until pool is
 * destroyed. */
static void add_entry(entry_t **list, entry_t *entry, const void *address,
                      apr_pool_t *pool)
{
    entry->address = address;
    entry->bucket = &list[bucket_of(address)];
    pthread_mutex_lock(&mutex);
    entry->next = *entry->bucket;
    *entry->bucket = entry;
    pthread_mutex_unlock(&mutex);
    apr_pool_cleanup_register(pool, entry, remove_entry,
                              apr_pool_cleanup_null);
}

static const entry_t *find_entry(entry_t *const *list, const void *address)
{
    const entry_t *found;

    pthread_mutex_lock(&mutex);
    found = list[bucket_of(address)];
    while (found && found->address != address) {
        found = found->next;
    }
    pthread_mutex_unlock(&mutex);
    return found;
}

apr_status_t lpp_dbd_add_connection(apr_dbd_t *handle,
                                    const lpp_dbd_driver_t *real,
                                    const char *database, apr_pool_t *pool)
{
    connection_t *made = apr_palloc(pool, sizeof(*made));

    if (!made) {
        return APR_ENOMEM;
    }
    made->real = real;
    made->database = apr_pstrdup(pool, database);
    add_entry(connections, &made->entry, handle, pool);
    return APR_SUCCESS;
}

static const connection_t *find_connection(const apr_dbd_t *handle)
{
    return (const connection_t *)find_entry(connections, handle);
}

const lpp_dbd_driver_t *lpp_dbd_driver_of(apr_dbd_t *handle)
{
    const lpp_dbd_driver_t *sole = atomic_load_explicit(
        &lpp_dbd_sole, memory_order_relaxed);
    const connection_t *connection;

    if (sole) {
        return sole;
    }
    /* All connections are registered: open() of a decorated driver does it,
     * too. */
    connection = find_connection(handle);
    return connection ? connection->real : lpp_dbd_slots[0].real;
}

/* handle is not needed: the address of a statement is unique. */
void lpp_dbd_remember(apr_dbd_t *handle, const apr_dbd_prepared_t *statement,
                      const char *label, const char *text, apr_pool_t *pool)
{
    prepared_t *made = apr_palloc(pool, sizeof(*made));

    if (!made || !statement) {
        return;
    }
    made->label = label ? apr_pstrdup(pool, label) : NULL;
    made->text = apr_pstrdup(pool, text);
    if (!made->text) {
        return;
    }
    add_entry(statements, &made->entry, statement, pool);
}

void lpp_dbd_describe(apr_dbd_t *handle, const apr_dbd_prepared_t *statement,
                      lpp_dbd_call_t *call)
{
    const connection_t *connection = find_connection(handle);
    const prepared_t *found;

    call->driver = connection ? connection->real->name
                              : lpp_dbd_driver_of(handle)->name;
    call->database = connection && connection->database
                         ? connection->database : call->driver;
    if (!statement) {
        return;
    }
    found = (const prepared_t *)find_entry(statements, statement);
    if (found) {
        call->text = found->text;
        call->label = found->label;
    }
}
