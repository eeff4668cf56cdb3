/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_dbd: see lpp_dbd.h. This file has the list of drivers, and checks their
 * structure. Slots are static, since a driver may be used by connections that
 * are older than any pool of this module.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include <apu_version.h>

#include "sql/lpp_dbd_internal.h"

static pthread_mutex_t slots_mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned slot_count; /* guarded by slots_mutex */

/* From this member on, the structure has functions, and the text pformat. */
#define FIRST_FUNCTION offsetof(lpp_dbd_driver_t, init)

static int in_object(const void *address, const void *base)
{
    Dl_info info;

    return dladdr(address, &info) && info.dli_fbase == base;
}

/* Whether each pointer is NULL or points into the driver's object. */
static int pointers_fit(const lpp_dbd_driver_t *driver, const void *base)
{
    apr_size_t at;

    for (at = FIRST_FUNCTION; at < sizeof(*driver); at += sizeof(void *)) {
        const void *pointer;

        memcpy(&pointer, (const char *)driver + at, sizeof(pointer));
        if (pointer && !in_object(pointer, base)) {
            return 0;
        }
    }
    return 1;
}

const char *lpp_dbd_check(const apr_dbd_driver_t *driver, const char *name)
{
    apr_version_t version;
    Dl_info info;

    apu_version(&version);
    if (version.major != 1 || version.minor < 3) {
        return "it is of another version of apr-util";
    }
    if (!dladdr(driver, &info)) {
        return "it lies in no loaded object";
    }
    /* apr_dbd_name reads the member by the real layout. */
    if (driver->name != apr_dbd_name(driver)
        || !in_object(driver->name, info.dli_fbase)
        || strcmp(driver->name, name)) {
        return "its name is not where it should be";
    }
    if (!pointers_fit(driver, info.dli_fbase)) {
        return "its functions are not where they should be";
    }
    if (!driver->open || !driver->close || !driver->query || !driver->select
        || !driver->error || !driver->get_row || !driver->num_tuples
        || !driver->start_transaction || !driver->end_transaction) {
        return "it lacks functions that each driver has";
    }
    return NULL;
}

/* Find the slot of a driver; assign one at its first connection. slots_mutex is
 * locked. */
static apr_status_t find_slot(const apr_dbd_driver_t *driver,
                              const char *name, lpp_dbd_slot_t **slot,
                              const char **why)
{
    unsigned i;

    for (i = 0; i < slot_count; i++) {
        if (lpp_dbd_slots[i].real == driver
            || &lpp_dbd_slots[i].copy == driver) {
            *slot = &lpp_dbd_slots[i];
            return APR_SUCCESS;
        }
    }
    *why = lpp_dbd_check(driver, name);
    if (*why) {
        return APR_EINVAL;
    }
    if (slot_count == LPP_DBD_DRIVERS_MAX) {
        *why = "there are too many drivers";
        return APR_ENOSPC;
    }
    *slot = &lpp_dbd_slots[i];
    (*slot)->real = driver;
    (*slot)->copy = *driver;
    lpp_dbd_replace_calls(&(*slot)->copy);
    lpp_dbd_replace_of_slot(&(*slot)->copy, i);
    slot_count++;
    /* With more than one driver, each call must look for its own. */
    atomic_store(&lpp_dbd_sole, slot_count == 1 ? driver : NULL);
    return APR_SUCCESS;
}

apr_status_t lpp_dbd_decorate(const apr_dbd_driver_t **driver,
                              apr_dbd_t *handle, const char *name,
                              const char *database, const char **why,
                              apr_pool_t *pool)
{
    lpp_dbd_slot_t *slot = NULL;
    apr_status_t rv;

    *why = NULL;
    pthread_mutex_lock(&slots_mutex);
    rv = find_slot(*driver, name, &slot, why);
    pthread_mutex_unlock(&slots_mutex);
    if (rv == APR_SUCCESS) {
        rv = lpp_dbd_add_connection(handle, slot->real, database, pool);
    }
    if (rv == APR_SUCCESS) {
        *driver = &slot->copy;
    }
    return rv;
}
